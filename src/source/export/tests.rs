//! Exports of every habit, read from real files.

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::parquet::arrow::ArrowWriter;
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, LargeStringArray, RecordBatch, StringArray,
    StringViewArray, TimestampMillisecondArray, TimestampNanosecondArray,
};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Int32Type, TimestampMicrosecondType};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::error::{Error, Kind};
use crate::source::reject::Reject;

const CONTACT: &str = "0035000001abcDEAAY";
const OTHER: &str = "0035000001abcDFAAY";
const IER: &str = "a0sf4000007zk8KAAQ";

fn options() -> ReadOptions {
    let mut asked = Asked::new(chrono_tz::America::Denver);
    asked.plausible.latest = 1_800_000_000_000_000;
    ReadOptions::new(asked)
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("folder"))
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).expect("file");
        path
    }
}

fn input(path: &Path) -> Input {
    super::super::inputs::expand(&[path.display().to_string()]).expect("input").remove(0)
}

type Read = (Arc<Table>, Vec<RecordBatch>, Vec<Reject>);

fn read_all(mut export: Export) -> Result<Read> {
    let mut rejects = Vec::new();
    let mut batches = Vec::new();
    loop {
        match export.next(&mut rejects)? {
            Next::Rows(batch) => batches.push(batch),
            Next::End => break,
            Next::Otherwise => return Err(Error::conflict("otherwise")),
        }
    }
    let taken: usize = batches.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(export.rows_read(), (taken + rejects.len()) as u64, "rows read = taken + rejected: {rejects:?}");
    Ok((export.table, batches, rejects))
}

fn next_export(opened: &mut Opened) -> Result<Option<Export>> {
    match opened.next_piece()? {
        None => Ok(None),
        Some(Piece::Export(export)) => Ok(Some(export)),
        Some(Piece::LeftOut(..)) => next_export(opened),
        Some(Piece::Nothing(name)) => Err(Error::invalid(phrase!("{name}: nothing"))),
    }
}

/// As a load reads: by its beginning, and as a whole where it does not go on so.
fn try_read(name: &str, bytes: impl AsRef<[u8]>, options: &ReadOptions) -> Result<Read> {
    match read_once(name, bytes.as_ref(), options) {
        Err(error) if error.kind() == Kind::Conflict => {
            read_once(name, bytes.as_ref(), &ReadOptions { whole: true, ..options.clone() })
        }
        done => done,
    }
}

fn read_once(name: &str, bytes: &[u8], options: &ReadOptions) -> Result<Read> {
    let folder = Folder::new();
    let mut opened = open(&input(&folder.file(name, bytes)), options)?;
    let read = read_all(next_export(&mut opened)?.expect("an export"))?;
    assert!(next_export(&mut opened)?.is_none(), "one file, one export");
    let fingerprint = opened.digest.finish()?;
    assert_eq!(fingerprint.bytes, bytes.len() as u64, "{name} is hashed as it is on disk");
    assert_eq!(fingerprint.blake3, blake3::hash(bytes).to_hex().as_str(), "{name} is hashed as it is on disk");
    Ok(read)
}

/// Table, one batch, rejects.
fn read(name: &str, bytes: impl AsRef<[u8]>) -> (Arc<Table>, RecordBatch, Vec<Reject>) {
    let (table, batches, rejects) = try_read(name, bytes, &options()).expect("read");
    let batch = concat_batches(&table.lake_schema(), &batches).expect("one schema");
    (table, batch, rejects)
}

fn column(batch: &RecordBatch, name: &str) -> Vec<Option<String>> {
    let column = batch.column_by_name(name).unwrap_or_else(|| panic!("no {name}"));
    let texts = cast(column, &DataType::Utf8).expect("texts");
    texts.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
}

fn some(texts: &[&str]) -> Vec<Option<String>> {
    texts.iter().map(|text| (!text.is_empty()).then(|| (*text).to_owned())).collect()
}

fn fails(name: &str, bytes: impl AsRef<[u8]>) -> (Kind, String) {
    let error = try_read(name, bytes, &options()).map(|_| ()).expect_err("refused");
    (error.kind(), error.to_string())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::default());
    writer.write_all(bytes).expect("packed");
    writer.finish().expect("packed")
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (at, (name, bytes)) in members.iter().enumerate() {
        let method = if at % 2 == 0 { ::zip::CompressionMethod::Deflated } else { ::zip::CompressionMethod::Stored };
        let how = ::zip::write::SimpleFileOptions::default().compression_method(method);
        writer.start_file(*name, how).expect("member");
        writer.write_all(bytes).expect("member");
    }
    writer.finish().expect("zip").into_inner()
}

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)));
    let batch = batch.expect("batch");
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).expect("writer");
    writer.write(&batch).expect("written");
    writer.into_inner().expect("written")
}

fn strings(texts: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(texts.to_vec()))
}

#[test]
fn an_export_may_move_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<Export>();
}

#[test]
fn every_header_habit_gives_the_same_rows() {
    let values = format!("{IER},M-1,Open Enrolment,{CONTACT},2026-08-06T12:13:00.000Z,true,2.0,0");
    let api = ["Id", "MergeId", "Name", "Contact", "DateSent", "Opened", "NumberOfUniqueClicks", "HardBounce"];
    let full: Vec<String> = api
        .iter()
        .map(|name| if matches!(*name, "Id" | "Name") { (*name).into() } else { format!("et4ae5__{name}__c") })
        .collect();
    let labels = "Individual Email Result: ID,Merge Id,Email Name,Contact: Contact ID,Date Sent,Opened,Links Clicked,Hard Bounce";
    let ours = "ier_id,merge_id,email_name,contact_id,date_sent,opened,number_of_unique_clicks,hard_bounce";
    let (_, expected, _) = read("x.csv", format!("{}\n{values}\n", full.join(",")));
    assert_eq!(column(&expected, "email_name"), some(&["Open Enrolment"]));
    assert_eq!(column(&expected, "person_id"), some(&[CONTACT]));
    assert_eq!(column(&expected, "number_of_unique_clicks"), some(&["2"]));
    assert_eq!(column(&expected, "clicked"), some(&["true"]));
    assert_eq!(column(&expected, "record_key"), some(&["m-1"]));
    for header in [api.join(","), labels.to_owned(), ours.to_owned(), full.join(",").to_lowercase()] {
        let (table, batch, rejects) = read("x.csv", format!("{header}\n{values}\n"));
        assert_eq!(table.name, "individual_email_result");
        assert_eq!((batch, rejects), (expected.clone(), vec![]), "{header}");
    }
    let backwards = |line: &str| line.split(',').rev().collect::<Vec<_>>().join(";");
    let (_, batch, _) = read("x.csv", format!("{}\n{}\n", backwards(&full.join(",")), backwards(&values)));
    assert_eq!(batch, expected, "another order and delimiter");
}

#[test]
fn every_packing_and_encoding_gives_the_same_rows() {
    let text = format!("Id,et4ae5__MergeId__c,Name\n{IER},M1,\"two\nlines, \"\"quoted\"\" 🎓\"\n{},M2,#N/A\n", &IER[..15]);
    let (_, expected, _) = read("ier.csv", &text);
    assert_eq!(column(&expected, "email_name"), some(&["two\nlines, \"quoted\" 🎓", ""]));
    assert_eq!(column(&expected, "ier_id"), some(&[IER, IER]), "the short id in its long form");
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let (first, second) = text.as_bytes().split_at(60);
    let outer_crlf = text.replace('\n', "\r\n").replace("two\r\n", "two\n");
    for (what, bytes) in [
        ("bom", ["\u{feff}", &text].concat().into_bytes()),
        ("utf-16", [b"\xFF\xFE".as_slice(), &utf16].concat()),
        ("utf-16 without mark", utf16.clone()),
        ("crlf", outer_crlf.into_bytes()),
        ("no last newline", text.trim_end().into()),
        ("gzip", gzip(text.as_bytes())),
        ("gzip of utf-16", gzip(&utf16)),
        ("gzip in members", [gzip(first), gzip(second)].concat()),
        ("zip", zip(&[("folder/ier.csv", text.as_bytes()), ("__MACOSX/ier.csv", b"x"), ("readme.md", b"x")])),
        ("zip of gzip", zip(&[("ier.csv.gz", &gzip(text.as_bytes()))])),
        ("zip in gzip", gzip(&zip(&[("ier.csv", text.as_bytes())]))),
    ] {
        assert_eq!(read("misnamed.dat", bytes).1, expected, "{what}");
    }
}

#[test]
fn a_zip_has_an_export_for_each_member() {
    let folder = Folder::new();
    let contacts = format!("Id,Email\n{CONTACT},a@b.c\n");
    let affiliation = format!("ContactId,School\n{CONTACT},Law\n");
    let path =
        folder.file("all.zip", zip(&[("in/Contact_2026.csv", contacts.as_bytes()), ("Affiliation.csv", affiliation.as_bytes())]));
    let mut opened = open(&input(&path), &options()).expect("open");
    for named in [("all.zip!Affiliation.csv", "affiliation"), ("Contact_2026.csv", "contact")] {
        let export = next_export(&mut opened).expect("open").expect("an export");
        assert_eq!((export.name.rsplit('/').next().expect("name"), export.table.name.as_ref()), named);
        assert_eq!(read_all(export).expect("rows").1[0].num_rows(), 1);
    }
    assert!(next_export(&mut opened).expect("the end").is_none());
}

#[test]
fn unknown_columns_are_kept_by_name() {
    let text =
        format!("MergeId,Campus__c,Opened,Opened,Note \"x\",Campus__c\nm1,Boulder,1,0,a\\b,Denver\nm2,,,,null,\n{IER},,,,,\n");
    let (_, batch, rejects) = read("x.csv", text);
    assert_eq!(rejects, []);
    assert_eq!(
        column(&batch, "custom"),
        some(&[
            r#"{"Campus__c":"Boulder","Opened#2":"0","Note \"x\"":"a\\b","Campus__c#2":"Denver"}"#,
            r#"{"Campus__c":null,"Opened#2":null,"Note \"x\"":"null","Campus__c#2":null}"#,
            r#"{"Campus__c":null,"Opened#2":null,"Note \"x\"":null,"Campus__c#2":null}"#
        ])
    );
    assert_eq!(column(&batch, "opened"), some(&["true", "", ""]));
    let (_, batch, _) = read("x.csv", "MergeId\nm\n");
    assert_eq!(column(&batch, "custom"), [None]);
}

#[test]
fn several_headers_of_one_column_help_each_other() {
    let text = format!(
        "MergeId,Contact,Contact ID,Email,Email_ID,Email Name\nm1,Ada Lovelace,{CONTACT},a@b.c,7,Hello\nm2,{OTHER},,,,\nm3,Ada Lovelace,,,,\n"
    );
    let (_, batch, rejects) = read("x.csv", text);
    assert_eq!(column(&batch, "contact_id"), some(&[CONTACT, OTHER, ""]));
    assert_eq!(rejects, [], "a name is no reason to lose the row");
    assert_eq!(column(&batch, "custom"), some(&[r#"{"Contact":"Ada Lovelace"}"#, "", r#"{"Contact":"Ada Lovelace"}"#]));
    assert_eq!(column(&batch, "current_email")[0].as_deref(), Some("a@b.c"));
    assert_eq!(column(&batch, "email_id")[0].as_deref(), Some("7"));
    assert_eq!(column(&batch, "email_name")[0].as_deref(), Some("Hello"));

    let strict = format!("MergeId,Contact_ID__c,Contact__c\nm1,{CONTACT},oops\nm2,{CONTACT},{OTHER}\nm3,{CONTACT},\n");
    let (_, batch, rejects) = read("x.csv", strict);
    assert_eq!(column(&batch, "contact_id"), some(&[OTHER, CONTACT]), "the lookup before its copy");
    assert!(rejects[0].reason.starts_with("Contact__c \"oops\""), "{rejects:?}");
}

#[test]
fn every_reason_names_its_line() {
    let head = "MergeId,Contact,Lead,DateSent,Opened,NumberOfTotalClicks,SubjectLine\n";
    let rows = [
        ("ok,,,,,,\"two\nlinés\"", ""),
        ("a,b", "2 fields where the header has 7"),
        ("a,00Q5000001abcDEAAY,,,,,", "Contact \"00Q5000001abcDEAAY\": "),
        ("a,0035000001abcDE99,,,,,", "Contact \"0035000001abcDE99\": an id has 15 or 18 characters, this has 17"),
        ("a,,0035000001abcDEAAY,,,,", "Lead \"0035000001abcDEAAY\": the id is of another object, ids here begin with 00Q"),
        ("a,,,yesterday,,,", "DateSent \"yesterday\": not a moment; understood are 2026-08-06T12:13:00.000Z"),
        ("a,,,,maybe,,", "Opened \"maybe\": not a checkbox"),
        ("a,,,,,0.5,", "NumberOfTotalClicks \"0.5\": not a whole number"),
        ("a,,,yesterd\0y,,,", "DateSent: bytes that are no letters"),
        ("a,003\u{1},,,,,", "Contact: bytes that are no letters"),
        (",,,,,,", "no key: it needs MergeId, or JobId+ListId+BatchId+SubscriberId, or Id"),
        ("ok2,,,,,,  blanks kept ", ""),
    ];
    let mut text = head.as_bytes().to_vec();
    for (row, _) in rows {
        text.extend(row.bytes().map(|byte| if byte == 1 { 0xE9 } else { byte }));
        text.push(b'\n');
    }
    let (_, batch, mut rejects) = read("x.csv", text);
    assert_eq!(column(&batch, "record_key"), some(&["ok", "ok2"]));
    assert_eq!(column(&batch, "subject_line"), some(&["two\nlinés", "  blanks kept "]));
    rejects.sort_by_key(|reject| reject.line);
    assert_eq!(rejects.len(), rows.len() - 2);
    for ((at, (row, reason)), reject) in rows.iter().enumerate().filter(|(_, (_, reason))| !reason.is_empty()).zip(&rejects) {
        assert!(reject.reason.starts_with(reason), "{} for {row}", reject.reason);
        assert_eq!(reject.line, at as u64 + 3, "{row}");
        assert!(reject.file.ends_with("x.csv"));
        assert_eq!(reject.row, row.replace('\u{1}', "\u{fffd}"), "as far as it is text");
    }
}

#[test]
fn small_batches_lose_nothing() {
    let mut text = String::from("MergeId,Name,JobId\n");
    for row in 0..100 {
        let key = if row % 10 == 0 { String::new() } else { format!("m{row}") };
        text += &format!("{key},n{},\n", row % 3);
    }
    let (_, batches, rejects) = try_read("x.csv", &text, &ReadOptions { batch_rows: 7, ..options() }).expect("read");
    assert!(batches.iter().all(|batch| (1..=7).contains(&batch.num_rows())));
    assert_eq!(rejects.iter().map(|reject| reject.line).collect::<Vec<_>>(), (0..10).map(|at| at * 10 + 2).collect::<Vec<_>>());
    let dictionary = batches[0].column_by_name("email_name").expect("name").as_dictionary::<Int32Type>();
    assert_eq!(dictionary.values().len(), 3);
}

#[test]
fn damaged_empty_and_unfit_files_say_so() {
    let text = format!("Id,MergeId\n{}", format!("{IER},some merge id\n").repeat(9000));
    let packed = gzip(text.as_bytes());
    for cut in [5, packed.len() / 2, packed.len() - 4] {
        let (kind, message) = fails("cut.csv.gz", &packed[..cut]);
        assert_eq!(kind, Kind::Corrupt, "{message}");
        assert!(message.contains("cut.csv.gz: cut off or damaged"), "{message}");
    }
    let mut flipped = zip(&[("a.csv", text.as_bytes())]);
    flipped[120] ^= 0x55;
    assert_eq!(fails("a.zip", &flipped).0, Kind::Corrupt);
    let whole = zip(&[("a.csv", text.as_bytes())]);
    assert_eq!(fails("a.zip", &whole[..whole.len() - 30]).0, Kind::Corrupt);
    let good = parquet(vec![("MergeId", strings(&[Some("m")]))]);
    assert_eq!(fails("a.parquet", &good[..good.len() - 9]).0, Kind::Corrupt);

    for (name, bytes, says) in [
        ("e.csv", b"".as_slice(), "e.csv is empty"),
        ("e.csv", b"\n\n", "e.csv is empty"),
        ("e.csv.gz", &gzip(b""), "e.csv.gz is empty"),
        ("w.csv", b"Sent,Opens\n1,2\n", "the header is of no known object (Sent, Opens)"),
        ("w.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not text"),
        ("x.xlsx", &zip(&[("[Content_Types].xml", b"x"), ("xl/workbook.xml", b"x")]), "save it as CSV"),
        ("x.zip", &zip(&[("folder/.hidden.csv", b"x")]), "holds no files"),
    ] {
        let (kind, message) = fails(name, bytes);
        assert_eq!(kind, Kind::Invalid, "{message}");
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn attribute_tables_take_every_column() {
    let text = format!("hed__Contact__c,Job Title,Name,Name,%,CreatedDate\n{},Dean,a,b,,8/6/2026 6:13 AM\n", &CONTACT[..15]);
    let (table, batch, rejects) = read("hr/../employment-2026.csv".rsplit('/').next().expect("name"), text);
    assert_eq!((table.name.as_ref(), rejects), ("employment", vec![]));
    let names: Vec<_> = table.exported().map(|field| field.name.as_ref()).collect();
    assert_eq!(names, ["contact_id", "job_title", "name", "name_2", "column_5", "created_date"]);
    assert_eq!(column(&batch, "contact_id"), some(&[CONTACT]));
    assert_eq!(column(&batch, "name_2"), some(&["b"]));
    assert_eq!(
        batch.column_by_name("created_date").expect("date").as_primitive::<TimestampMicrosecondType>().value(0),
        1_786_018_380_000_000
    );
    assert!(column(&batch, "record_key")[0].is_some(), "the whole row is the key");
}

#[test]
fn progress_counts_the_bytes_on_disk() {
    let text = format!("Id,MergeId\n{}", format!("{IER},some merge id\n").repeat(5000));
    for (name, bytes) in [("a.csv", text.clone().into_bytes()), ("a.csv.gz", gzip(text.as_bytes()))] {
        let folder = Folder::new();
        let seen = Arc::new(AtomicU64::new(0));
        let counter = seen.clone();
        let progress: Progress = Some(Arc::new(move |bytes| {
            counter.fetch_add(bytes, Ordering::Relaxed);
        }));
        let mut opened = open(&input(&folder.file(name, &bytes)), &ReadOptions { progress, ..options() }).expect("open");
        read_all(next_export(&mut opened).expect("open").expect("an export")).expect("rows");
        assert_eq!(seen.load(Ordering::Relaxed), bytes.len() as u64, "{name}");
    }
}

#[test]
fn typed_parquet_columns_need_no_text() {
    let millis = 1_786_018_380_000;
    let bytes = parquet(vec![
        ("Id", Arc::new(LargeStringArray::from(vec![IER, IER, IER]))),
        ("MergeId", Arc::new(StringViewArray::from(vec![Some("m1"), Some("m2"), Some("m3")]))),
        ("Contact", strings(&[Some(CONTACT), Some(&CONTACT[..15]), Some("oops")])),
        ("SendDefinition", strings(&[Some(&IER[..15]), Some(IER), None])),
        ("JobId", Arc::new(Float64Array::from(vec![Some(12.0), None, Some(f64::NAN)]))),
        ("DateSent", Arc::new(TimestampMillisecondArray::from(vec![Some(millis), None, None]))),
        ("DateOpened", Arc::new(TimestampNanosecondArray::from(vec![millis * 1_000_000; 3]).with_timezone("America/Denver"))),
        ("DateBounced", Arc::new(Int64Array::from(vec![millis; 3]))),
        ("Opened", Arc::new(BooleanArray::from(vec![true, false, true]))),
        ("HardBounce", Arc::new(Int64Array::from(vec![Some(1), Some(2), Some(0)]))),
        ("NumberOfTotalClicks", Arc::new(Float64Array::from(vec![Some(3.0), Some(f64::NAN), None]))),
        ("Campus__c", Arc::new(Int64Array::from(vec![7, 8, 9]))),
    ]);
    let (_, batch, rejects) = read("x.parquet", bytes);
    assert_eq!(column(&batch, "ier_id"), some(&[IER, IER]));
    assert_eq!(column(&batch, "send_definition_id"), some(&[IER, ""]));
    assert_eq!(column(&batch, "job_id"), some(&["12", ""]));
    for name in ["date_sent", "date_opened", "date_bounced"] {
        let moments = batch.column_by_name(name).expect("moments").as_primitive::<TimestampMicrosecondType>();
        assert_eq!(moments.value(0), millis * 1000, "{name}");
    }
    assert_eq!(column(&batch, "number_of_total_clicks"), some(&["3", ""]));
    assert_eq!(column(&batch, "custom"), some(&[r#"{"Campus__c":"7"}"#, r#"{"Contact":"oops","Campus__c":"9"}"#]));
    let reasons: Vec<_> = rejects.iter().map(|reject| (reject.line, reject.reason.as_str())).collect();
    assert_eq!(reasons.len(), 1);
    assert!(reasons[0].0 == 2 && reasons[0].1.starts_with("HardBounce \"2\": not a checkbox"), "{reasons:?}");
}

mod property {
    use proptest::prelude::*;

    use super::*;

    const HEADERS: [&str; 10] = [
        "et4ae5__MergeId__c",
        "Id",
        "Contact",
        "Contact ID",
        "et4ae5__SendDefinition__c",
        "DateSent",
        "Opened",
        "Total Clicks",
        "Subject",
        "Campus__c",
    ];

    fn cell(column: usize) -> BoxedStrategy<String> {
        let of = |texts: &'static [&'static str]| proptest::sample::select(texts).prop_map(str::to_owned).boxed();
        match column {
            0 => prop_oneof![Just(String::new()), "[a-cA-C]{1,3}", Just("#N/A".to_owned())].boxed(),
            1 => of(&["", IER, "a0sf4000007zk8K", "A0SF4000007ZK8KAAQ", "bad"]),
            2 => of(&["", CONTACT, "0035000001abcDE", "Ada", IER]),
            3 => of(&["", OTHER, "null", "nobody"]),
            4 => of(&["", IER, "a0sf4000007zk8K", " a0sf4000007zk8K ", "?"]),
            5 => of(&["", "2026-08-06T12:13:00.000Z", "8/6/2026 6:13 AM", "2026-03-08", "never"]),
            6 => of(&["", "true", "0", "Checked", "perhaps"]),
            7 => of(&["", "0.0", "1.0E5", "1,234", "0.5"]),
            _ => prop_oneof![Just(String::new()), "[ -~é🎓\n\"]{1,6}"].boxed(),
        }
    }

    fn row() -> impl Strategy<Value = Vec<String>> {
        (0..HEADERS.len()).map(cell).collect::<Vec<_>>()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn csv_and_parquet_of_the_same_rows_are_equal(rows in proptest::collection::vec(row(), 1..40)) {
            let mut writer = ::csv::Writer::from_writer(Vec::new());
            writer.write_record(HEADERS).expect("header");
            for row in &rows {
                writer.write_record(row).expect("row");
            }
            let text = writer.into_inner().expect("text");
            let columns = HEADERS.iter().enumerate().map(|(at, header)| {
                let cells: Vec<Option<&str>> = rows.iter().map(|row| Some(row[at].as_str())).collect();
                (*header, strings(&cells))
            });
            let from_csv = read("x.csv", text);
            let from_parquet = read("x.parquet", parquet(columns.collect()));
            prop_assert_eq!(from_csv.1, from_parquet.1);
            let mut reasons: Vec<_> = from_csv.2.into_iter().map(|reject| (reject.reason, reject.row)).collect();
            let mut others: Vec<_> = from_parquet.2.into_iter().map(|reject| (reject.reason, reject.row)).collect();
            reasons.sort();
            others.sort();
            prop_assert_eq!(reasons, others);
        }
    }
}
