//! Each format writes every type the engine answers with, and reads back as what went in.

use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array, Int32Array, Int64Array, ListArray,
    RecordBatch, StringViewArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use arrow::util::pretty::pretty_format_batches;
use chrono_tz::Tz;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;

use super::*;
use crate::error::Error;

const NOON_UTC_MICROS: i64 = 1_786_018_380_000_000; // 2026-08-06T12:13:00Z

fn batch() -> RecordBatch {
    let list = ListArray::new(
        Arc::new(Field::new("item", DataType::Utf8View, true)),
        OffsetBuffer::from_lengths([2, 0]),
        Arc::new(StringViewArray::from(vec![Some("a,b"), None])),
        Some(vec![true, false].into()),
    );
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("name", Arc::new(StringViewArray::from(vec![Some("a, \"b\"\n日本"), None]))),
        ("label", Arc::new(vec![Some("x"), None].into_iter().collect::<DictionaryArray<Int32Type>>())),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![Some(NOON_UTC_MICROS), None]).with_timezone("UTC"))),
        ("day", Arc::new(Date32Array::from(vec![Some(20_671), None]))),
        ("i32", Arc::new(Int32Array::from(vec![Some(-1), None]))),
        ("i64", Arc::new(Int64Array::from(vec![Some(1 << 40), None]))),
        ("u64", Arc::new(UInt64Array::from(vec![Some(u64::MAX), None]))),
        ("f64", Arc::new(Float64Array::from(vec![Some(1.0 / 3.0), None]))),
        ("yes", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("dec", Arc::new(Decimal128Array::from(vec![Some(1250), None]).with_precision_and_scale(10, 2).unwrap())),
        ("list", Arc::new(list)),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

fn stream(batches: Vec<RecordBatch>) -> SendableRecordBatchStream {
    let schema = batches[0].schema();
    Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter(batches.into_iter().map(Ok))))
}

/// A sink that can be looked into.
#[derive(Clone, Default)]
struct Shared(Arc<std::sync::Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn bytes(batches: Vec<RecordBatch>, format: Format, options: &Options) -> Vec<u8> {
    let sink = Shared::default();
    write(stream(batches), format, sink.clone(), options).await.unwrap();
    sink.0.lock().unwrap().clone()
}

async fn text(batches: Vec<RecordBatch>, format: Format) -> String {
    String::from_utf8(bytes(batches, format, &Options::default()).await).unwrap()
}

fn numbers(values: impl IntoIterator<Item = i32>) -> RecordBatch {
    RecordBatch::try_from_iter([("n", Arc::new(Int32Array::from_iter_values(values)) as ArrayRef)]).unwrap()
}

#[tokio::test]
async fn csv_has_a_header_iso_times_and_empty_nulls() {
    let expected = "name,label,at,day,i32,i64,u64,f64,yes,dec,list\n\
        \"a, \"\"b\"\"\n日本\",x,2026-08-06T12:13:00Z,2026-08-06,-1,1099511627776,18446744073709551615,0.3333333333333333,true,12.50,\
        \"[\"\"a,b\"\",null]\"\n,,,,,,,,,,\n";
    assert_eq!(text(vec![batch()], Format::Csv).await, expected);
    assert_eq!(text(vec![numbers([])], Format::Csv).await, "n\n", "an empty answer still names its columns");
}

#[tokio::test]
async fn json_is_one_array_and_ndjson_one_object_a_line() {
    let array: serde_json::Value = serde_json::from_str(&text(vec![batch(), batch()], Format::Json).await).unwrap();
    assert_eq!(array.as_array().unwrap().len(), 4);
    let first = &array[0];
    assert_eq!(first["name"], "a, \"b\"\n日本");
    assert_eq!(first["label"], "x");
    assert_eq!(first["at"], "2026-08-06T12:13:00Z");
    assert_eq!(first["day"], "2026-08-06");
    assert_eq!(first["u64"], u64::MAX);
    assert_eq!(first["list"], serde_json::json!(["a,b", null]));
    assert!(array[1].as_object().unwrap().len() == 11 && array[1]["name"].is_null(), "nulls are said, not left out");
    let lines = text(vec![batch(), batch()], Format::Ndjson).await;
    let parsed: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(serde_json::Value::Array(parsed), array);
    assert_eq!(text(vec![numbers([])], Format::Json).await, "[]\n");
    assert_eq!(text(vec![numbers([])], Format::Ndjson).await, "");
}

#[tokio::test]
async fn parquet_and_arrow_read_back_the_same_rows() {
    let second = RecordBatch::try_new(batch().schema(), batch().columns().to_vec()).unwrap();
    let wanted = pretty_format_batches(&[batch(), second.clone()]).unwrap().to_string();
    let batches = || vec![batch(), second.clone()];
    let parquet = bytes::Bytes::from(bytes(batches(), Format::Parquet, &Options::default()).await);
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(parquet, 100).unwrap();
    let read: Vec<RecordBatch> = reader.map(|batch| batch.unwrap()).collect();
    assert_eq!(pretty_format_batches(&read).unwrap().to_string(), wanted);
    assert_eq!(read[0].schema().field(1).data_type(), &DataType::Utf8);
    let arrow = bytes(batches(), Format::Arrow, &Options::default()).await;
    let reader = arrow::ipc::reader::FileReader::try_new(io::Cursor::new(arrow), None).unwrap();
    let read: Vec<RecordBatch> = reader.map(|batch| batch.unwrap()).collect();
    assert_eq!(pretty_format_batches(&read).unwrap().to_string(), wanted);
}

#[tokio::test]
async fn decimal_points_stand_below_each_other() {
    let rates: ArrayRef = Arc::new(Float64Array::from(vec![Some(0.34), Some(0.3553), Some(12.0), None]));
    let batch = RecordBatch::try_from_iter_with_nullable([("rate", rates.clone(), true), ("same", rates, true)]).unwrap();
    let expected =
        "    rate |    same\n---------+---------\n  0.34   |  0.34\n  0.3553 |  0.3553\n 12      | 12\n         |\n(4 rows)\n";
    assert_eq!(text(vec![batch.clone()], Format::Table).await, expected);
    assert!(text(vec![batch], Format::Csv).await.starts_with("rate,same\n0.34,0.34\n"), "files have no blanks");
}

#[tokio::test]
async fn two_columns_of_one_name_stay_two() {
    let schema = Schema::new(["id", "id", "id_2"].map(|name| Field::new(name, DataType::Int32, true)).to_vec());
    let column: ArrayRef = Arc::new(Int32Array::from(vec![7]));
    let batch = RecordBatch::try_new(Arc::new(schema), vec![column.clone(), column.clone(), column]).unwrap();
    assert_eq!(text(vec![batch.clone()], Format::Ndjson).await, "{\"id\":7,\"id_3\":7,\"id_2\":7}\n");
    assert_eq!(text(vec![batch], Format::Csv).await, "id,id,id_2\n7,7,7\n");
}

#[tokio::test]
async fn a_table_is_aligned_for_the_eye() {
    let batch = batch().project(&[0, 2, 4, 7, 8]).unwrap();
    let shown = text(vec![batch.clone()], Format::Table).await;
    let expected = concat!(
        " name        | at                   | i32 |    f64 | yes\n",
        "-------------+----------------------+-----+--------+------\n",
        " a, \"b\" 日本 | 2026-08-06 12:13:00Z |  -1 | 0.3333 | true\n",
        "             |                      |     |        |\n",
        "(2 rows)\n",
    );
    assert_eq!(shown, expected);
    let local = Options { zone: Some(Tz::America__Denver), ..Options::default() };
    let shown = String::from_utf8(bytes(vec![batch], Format::Table, &local).await).unwrap();
    assert!(shown.contains("| 2026-08-06 06:13:00-06:00 |"), "{shown}");
}

#[tokio::test]
async fn a_long_table_keeps_its_first_widths_and_can_be_stopped() {
    let batches = || vec![numbers(0..1500), numbers([1_000_000])];
    let shown = text(batches(), Format::Table).await;
    assert_eq!(shown.lines().count(), 2 + 1501 + 1);
    assert!(shown.contains("\n 1499\n 1000000\n(1,501 rows)\n"), "{}", &shown[shown.len() - 60..]);
    let few = Options { max_rows_table: 2, ..Options::default() };
    let shown = String::from_utf8(bytes(batches(), Format::Table, &few).await).unwrap();
    assert_eq!(shown, " n\n---\n 0\n 1\n(1,501 rows, the first 2 shown)\n");
    assert_eq!(text(vec![numbers([])], Format::Table).await, " n\n---\n(0 rows)\n");
}

#[tokio::test]
async fn a_long_cell_is_cut() {
    let long: ArrayRef = Arc::new(StringViewArray::from(vec!["x".repeat(61)]));
    let shown = text(vec![RecordBatch::try_from_iter([("c", long)]).unwrap()], Format::Table).await;
    assert!(shown.contains(&format!(" {}…\n", "x".repeat(59))), "{shown}");
}

/// A reader that goes away after the first bytes.
struct Head(usize);

impl Write for Head {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.0 = self.0.saturating_sub(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_reader_that_goes_away_is_no_error() {
    for format in [Format::Table, Format::Csv, Format::Json, Format::Ndjson, Format::Parquet, Format::Arrow, Format::Xlsx] {
        let many = (0..200).map(|i| numbers(i..i + 1000)).collect();
        let rows = write(stream(many), format, Head(10), &Options::default()).await;
        assert!(matches!(rows, Ok(rows) if rows <= 200_000), "{format:?}: {rows:?}");
    }
}

#[tokio::test]
async fn a_file_is_whole_or_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("answer.csv");
    let names = || std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!(write_file(stream(vec![numbers([1, 2])]), Format::Csv, &path, &Options::default()).await.unwrap(), 2);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "n\n1\n2\n");
    let refused = write_file(stream(vec![numbers([7])]), Format::Csv, &path, &Options::default()).await.unwrap_err();
    assert!(refused.to_string().contains("exists already"), "{refused}");
    let replacing = Options { may_replace: true, ..Options::default() };
    let first = numbers([3]);
    let broken = futures::stream::iter([Ok(first.clone()), Err(Error::unavailable("the store went away").into())]);
    let broken = Box::pin(RecordBatchStreamAdapter::new(first.schema(), broken));
    let error = write_file(broken, Format::Csv, &path, &replacing).await.unwrap_err();
    assert_eq!(error.to_string(), "the store went away");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "n\n1\n2\n", "the old answer stands");
    assert_eq!(names(), ["answer.csv"], "and nothing lies beside it");
    let error = write_file(stream(vec![first]), Format::Csv, folder.path(), &Options::default()).await.unwrap_err();
    assert!(error.to_string().contains("is a folder"));
}
