//! Spreadsheets read back by another library hold what went in, as what it was.

use std::io::{Cursor, Read};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, ListArray, RecordBatch, StringViewArray,
    TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::Int32Type;
use calamine::{Data, Reader};
use chrono_tz::Tz;

use super::*;

const NOON_UTC_MICROS: i64 = 1_786_018_380_000_000; // 2026-08-06T12:13:00Z

fn batch<const N: usize>(columns: [(&str, ArrayRef); N]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringViewArray::from_iter_values(values))
}

fn try_bytes(sheet_rows: u32, batch: &RecordBatch, options: &Options) -> Result<Vec<u8>> {
    let mut sink = Vec::new();
    let stopped = std::sync::atomic::AtomicBool::new(false);
    let mut pipe = Pipe { sink: &mut sink, refused: None, stopped: &stopped };
    let mut xlsx = Xlsx::with_sheets_of(sheet_rows, &batch.schema(), &mut pipe, options)?;
    xlsx.write(batch)?;
    Box::new(xlsx).finish()?;
    Ok(sink)
}

fn bytes(sheet_rows: u32, batch: &RecordBatch) -> Vec<u8> {
    try_bytes(sheet_rows, batch, &Options::default()).unwrap()
}

/// Each sheet: its name, its rows.
fn read(bytes: Vec<u8>) -> Vec<(String, Vec<Vec<Data>>)> {
    let mut book = calamine::Xlsx::new(Cursor::new(bytes)).unwrap();
    let rows = |range: calamine::Range<Data>| range.rows().map(<[Data]>::to_vec).collect();
    book.worksheets().into_iter().map(|(name, range)| (name, rows(range))).collect()
}

fn rows(batch: &RecordBatch) -> Vec<Vec<Data>> {
    read(bytes(SHEET_ROWS, batch)).remove(0).1
}

/// A part of the spreadsheet, as it stands in the file.
fn part(bytes: &[u8], name: &str) -> String {
    let mut text = String::new();
    zip::ZipArchive::new(Cursor::new(bytes)).unwrap().by_name(name).unwrap().read_to_string(&mut text).unwrap();
    text
}

fn text(text: &str) -> Data {
    Data::String(text.to_owned())
}

fn cell_time(cell: &Data) -> (i64, i64, i64, i64, i64, i64, i64) {
    let Data::DateTime(moment) = cell else { unreachable!("{cell:?} is no moment") };
    let (year, month, day, hour, minute, second, millis) = moment.to_ymd_hms_milli();
    (year.into(), month.into(), day.into(), hour.into(), minute.into(), second.into(), millis.into())
}

#[test]
fn each_type_is_what_it_was() {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]);
    let written = rows(&batch([
        ("n", Arc::new(Int64Array::from(vec![Some(-7), None]))),
        ("share", Arc::new(Float64Array::from(vec![Some(1.0 / 3.0), None]))),
        ("yes", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("day", Arc::new(Date32Array::from(vec![Some(20_671), None]))),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![Some(NOON_UTC_MICROS), None]).with_timezone("UTC"))),
        ("clock", Arc::new(TimestampMicrosecondArray::from(vec![Some(NOON_UTC_MICROS + 250_000), None]))),
        ("price", Arc::new(Decimal128Array::from(vec![Some(1250), None]).with_precision_and_scale(10, 2).unwrap())),
        ("list", Arc::new(list)),
        ("id", Arc::new(StringViewArray::from(vec![Some("003f40000010XKX"), None]))),
    ]));
    let headers = ["n", "share", "yes", "day", "at (UTC)", "clock", "price", "list", "id"].map(text);
    assert_eq!(written[0], headers);
    let first = &written[1];
    assert_eq!(first[..3], [Data::Float(-7.0), Data::Float(1.0 / 3.0), Data::Bool(true)]);
    assert_eq!(cell_time(&first[3]), (2026, 8, 6, 0, 0, 0, 0));
    assert_eq!(cell_time(&first[4]), (2026, 8, 6, 12, 13, 0, 0));
    assert_eq!(cell_time(&first[5]), (2026, 8, 6, 12, 13, 0, 250));
    assert_eq!(first[6..], [Data::Float(12.5), text("[1,null]"), text("003f40000010XKX")]);
    assert!(written.get(2).is_none_or(|row| row.iter().all(|cell| *cell == Data::Empty)), "nulls are empty cells");
}

#[test]
fn moments_are_in_the_zone_the_header_names() {
    let options = Options { zone: Some(Tz::America__Denver), ..Options::default() };
    let at = |zone: &str| -> ArrayRef { Arc::new(TimestampMicrosecondArray::from(vec![NOON_UTC_MICROS]).with_timezone(zone)) };
    let written = try_bytes(SHEET_ROWS, &batch([("sent", at("+00:00")), ("tokyo", at("Asia/Tokyo"))]), &options).unwrap();
    let rows = read(written).remove(0).1;
    assert_eq!(rows[0], ["sent (America/Denver)", "tokyo (Asia/Tokyo)"].map(text));
    assert_eq!(cell_time(&rows[1][0]), (2026, 8, 6, 6, 13, 0, 0));
    assert_eq!(cell_time(&rows[1][1]), (2026, 8, 6, 21, 13, 0, 0));
}

#[test]
fn what_a_spreadsheet_would_spoil_is_text() {
    let days = [-25_509, -25_508, 2_932_896, 2_932_897].map(Some);
    let written = rows(&batch([
        ("n", Arc::new(Int64Array::from(vec![999_999_999_999_999, -1_000_000_000_000_000, i64::MAX, i64::MIN]))),
        ("u", Arc::new(UInt64Array::from(vec![1, 2, 3, u64::MAX]))),
        ("f", Arc::new(Float64Array::from(vec![0.0, f64::NAN, f64::INFINITY, 1.0]))),
        ("day", Arc::new(Date32Array::from(days.to_vec()))),
        ("t", texts(&["=1+1", "+1", "007", "_x0041_ \u{1} <&>\r\n"])),
    ]));
    let column = |at: usize| written[1..].iter().map(|row| row[at].clone()).collect::<Vec<_>>();
    let large = ["-1000000000000000", "9223372036854775807", "-9223372036854775808"].map(text);
    assert_eq!(column(0), [vec![Data::Float(999_999_999_999_999.0)], large.to_vec()].concat());
    assert_eq!(column(1)[2..], [Data::Float(3.0), text("18446744073709551615")]);
    assert_eq!(column(2), [Data::Float(0.0), text("NaN"), text("inf"), Data::Float(1.0)]);
    assert_eq!((&column(3)[0], &column(3)[3]), (&text("1900-02-28"), &text("+10000-01-01")));
    assert_eq!((cell_time(&column(3)[1]).1, cell_time(&column(3)[2]).0), (3, 9999));
    assert_eq!(column(4), ["=1+1", "+1", "007", "_x0041_ \u{1} <&>\r\n"].map(text));
}

#[test]
fn rows_go_on_in_a_second_sheet() {
    let batch = batch([("n", Arc::new(Int64Array::from_iter_values(1..=5)))]);
    let sheets = read(bytes(3, &batch));
    let header = || vec![text("n")];
    let number = |n: f64| vec![Data::Float(n)];
    let expected = [
        ("rows", vec![header(), number(1.0), number(2.0)]),
        ("rows 2", vec![header(), number(3.0), number(4.0)]),
        ("rows 3", vec![header(), number(5.0)]),
    ];
    assert_eq!(sheets, expected.map(|(name, rows)| (name.to_owned(), rows)));
}

#[test]
fn a_sheet_is_ready_to_read() {
    let written = bytes(3, &batch([("id", texts(&["1", "2", "3"])), ("long", texts(&[&"x".repeat(70), "", ""]))]));
    for (sheet, last) in [("xl/worksheets/sheet1.xml", 3), ("xl/worksheets/sheet2.xml", 2)] {
        let sheet = part(&written, sheet);
        assert!(sheet.contains("state=\"frozen\""), "{sheet}");
        assert!(sheet.contains(&format!("<autoFilter ref=\"A1:B{last}\"/>")), "{sheet}");
        assert!(sheet.contains("numberStoredAsText=\"1\"") && !sheet.contains("<f>"), "{sheet}");
        assert!(sheet.contains("<col min=\"2\" max=\"2\" width=\"61."), "no column is wider than 60: {sheet}");
    }
    assert!(part(&written, "xl/styles.xml").contains("<b/>"));
}

#[test]
fn the_same_answer_is_the_same_bytes() {
    let batch = batch([("id", texts(&["a", "b"]))]);
    assert_eq!(bytes(SHEET_ROWS, &batch), bytes(SHEET_ROWS, &batch));
}

#[test]
fn an_answer_without_rows_or_columns_is_a_spreadsheet_too() {
    assert_eq!(rows(&batch([("id", texts(&[]))])), [vec![text("id")]]);
    let none = RecordBatch::new_empty(Arc::new(arrow::datatypes::Schema::empty()));
    assert_eq!(read(bytes(SHEET_ROWS, &none)).len(), 1);
}

#[test]
fn a_text_too_long_is_refused_by_row_and_column() {
    let fits = "é".repeat(CELL_UNITS);
    assert_eq!(rows(&batch([("was", texts(&[&fits]))]))[1], [text(&fits)]);
    let long = batch([("id", texts(&["a", "b"])), ("was", texts(&["short", &"x".repeat(CELL_UNITS + 1)]))]);
    let error = try_bytes(SHEET_ROWS, &long, &Options::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "column was, row 2: a text of 32,768 characters, and a spreadsheet's cell holds 32,767; shorten it, such as with \
         left(…, 32767), or write another format"
    );
}

#[test]
fn a_temporary_folder_that_is_not_there_is_named() {
    let options = Options { spill_folder: Some("/nowhere/at/all".into()), ..Options::default() };
    let error = try_bytes(SHEET_ROWS, &batch([("id", texts(&["a"]))]), &options).unwrap_err();
    assert!(error.to_string().starts_with("cannot write a temporary file in /nowhere/at/all: "), "{error}");
}
