//! Exports as the world writes them: the same rows, whatever tool, encoding, packing or zone, are the same table.
//!
//! Items 10 to 12 of the domain's list of misbehaviour. What one field means is tested beside its reader; here whole files
//! are loaded and the table is asked.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::{Path, PathBuf};

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use chrono::NaiveDate;
use flate2::Compression;
use flate2::write::GzEncoder;
use ier::error::Kind;
use ier::jobs::load::{LoadReport, LoadRequest, load};
use ier::progress::Silent;
use ier::source::reading::Asked;
use ier::synthetic;
use ier::synthetic::recipe::{Format, Recipe};
use std::sync::Arc;

use crate::fixture::Fixture;

/// What a report leaves out: it has no MergeId, so its rows are keyed by their id.
const ROWS: &str = "
    SELECT ier_id, email_name, contact_id, send_definition_id, job_id, from_name, subject_line, date_sent, opened, date_opened,
           clicked, number_of_total_clicks, number_of_unique_clicks, hard_bounce, soft_bounce, date_unsubscribed, is_deleted
    FROM ier ORDER BY ier_id";

/// The three rows of every file below.
const TABLE: [&str; 3] = [
    "a0Df40000000001EAA | CU Connections - August 6, 2026 #31 | 003f40000000001AAA | a0Bf40000000001EAA | 9001 | CU \"Connections\" | A, \"b\"\nand 🎓 | 2026-08-06 15:00:00 | true | 2026-08-06 15:30:00 | true | 100000 | 2 | false | false | - | false",
    "a0Df40000000002EAA | OE 2026 – deadline | 003f4000000000AAAQ | a0Bf40000000001EAA | 9001 | CU \"Connections\" | plain | 2026-01-15 06:30:00 | false | - | false | 0 | 0 | false | true | 2026-01-16 07:00:00 | false",
    "a0Df4000000000aEAA | no date | 003f4000000000aAAA | - | - | - | - | - | false | - | false | - | - | false | false | - | false",
];

/// As the Bulk API writes: API names, everything quoted, LF, ISO 8601 with a Z.
const BULK: &str = "\
\"Id\",\"Name\",\"et4ae5__Contact__c\",\"et4ae5__SendDefinition__c\",\"et4ae5__JobId__c\",\"et4ae5__FromName__c\",\"et4ae5__SubjectLine__c\",\"et4ae5__DateSent__c\",\"et4ae5__Opened__c\",\"et4ae5__DateOpened__c\",\"et4ae5__Clicked__c\",\"et4ae5__NumberOfTotalClicks__c\",\"et4ae5__NumberOfUniqueClicks__c\",\"et4ae5__HardBounce__c\",\"et4ae5__SoftBounce__c\",\"et4ae5__DateUnsubscribed__c\",\"IsDeleted\"
\"a0Df40000000001EAA\",\"CU Connections - August 6, 2026 #31\",\"003f40000000001AAA\",\"a0Bf40000000001EAA\",\"9001\",\"CU \"\"Connections\"\"\",\"A, \"\"b\"\"
and 🎓\",\"2026-08-06T15:00:00.000Z\",\"true\",\"2026-08-06T15:30:00.000Z\",\"true\",\"100000\",\"2\",\"false\",\"false\",\"\",\"false\"
\"a0Df40000000002EAA\",\"OE 2026 – deadline\",\"003f4000000000AAAQ\",\"a0Bf40000000001EAA\",\"9001\",\"CU \"\"Connections\"\"\",\"plain\",\"2026-01-15T06:30:00.000Z\",\"false\",\"\",\"false\",\"0\",\"0\",\"false\",\"true\",\"2026-01-16T07:00:00.000Z\",\"false\"
\"a0Df4000000000aEAA\",\"no date\",\"003f4000000000aAAA\",\"\",\"\",\"\",\"\",\"\",\"false\",\"\",\"false\",\"\",\"\",\"false\",\"false\",\"\",\"false\"
";

/// As the Data Loader writes: capitals, `+0000`, numbers as floats; here with CRLF.
fn data_loader() -> String {
    let (header, rows) = BULK.split_once('\n').unwrap();
    let rows = rows
        .replace(".000Z", ".000+0000")
        .replace("\"100000\"", "\"1.0E5\"")
        .replace("\"2\"", "\"2.0\"")
        .replace("\"0\"", "\"0.0\"");
    // The line break within a field stays what it is.
    format!("{}\n{rows}", header.to_uppercase()).replace('\n', "\r\n").replace("\"\"b\"\"\r\n", "\"\"b\"\"\n")
}

/// As a report is saved from the browser: labels, ids of 15, times of day in Denver without a zone, checkboxes as 1 and 0,
/// no quotes where none are needed, `#N/A` where a spreadsheet had nothing.
const REPORT: &str = "\
Individual Email Result: ID,Email Name,Contact: Contact ID,Email Send,Job ID,From Name,Subject,Date Sent,Opened,Date Opened,Clicked,Total Clicks,Links Clicked,Hard Bounce,Soft Bounce,Date Unsubscribed,Deleted
a0Df40000000001,\"CU Connections - August 6, 2026 #31\",003f40000000001,a0Bf40000000001,9001,\"CU \"\"Connections\"\"\",\"A, \"\"b\"\"
and 🎓\",08/06/2026 09:00:00 AM,1,08/06/2026 09:30:00 AM,yes,\"100,000\",2,0,0,#N/A,0
a0Df40000000002,OE 2026 – deadline,003f4000000000A,a0Bf40000000001,9001,\"CU \"\"Connections\"\"\",plain,01/14/2026 11:30:00 PM,0,,No,0,0,0,1,01/16/2026 12:00:00 AM,0
a0Df4000000000a,no date,003f4000000000a,,,,,,0,null,0,,,0,0,,0
";

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    out.write_all(text).unwrap();
    out.finish().unwrap()
}

fn utf16(text: &str) -> Vec<u8> {
    std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

fn zip(path: &Path, members: &[(&str, &[u8])]) -> PathBuf {
    let mut out = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    for (name, bytes) in members {
        out.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        out.write_all(bytes).unwrap();
    }
    out.finish().unwrap();
    path.to_owned()
}

/// The rows of a CSV as a Parquet file of texts.
fn parquet(path: &Path, csv: &str) -> PathBuf {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let headers: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let column = |at: usize| -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(&row[at]).filter(|text| !text.is_empty())).collect::<StringArray>())
    };
    let batch = RecordBatch::try_from_iter(headers.iter().enumerate().map(|(at, header)| (header, column(at)))).unwrap();
    let mut out = parquet::arrow::ArrowWriter::try_new(std::fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    out.write(&batch).unwrap();
    out.close().unwrap();
    path.to_owned()
}

/// Nothing a load reads may go missing.
fn adds_up(report: &LoadReport) {
    for table in &report.tables {
        assert_eq!(table.read, table.accounted_for(), "{}: {table:?}", table.table);
    }
}

async fn loaded(name: &str, bytes: impl AsRef<[u8]>) -> (Fixture, LoadReport) {
    let fixture = Fixture::empty().await;
    let report = fixture.load([fixture.file(name, bytes)]).await.unwrap();
    adds_up(&report);
    (fixture, report)
}

#[tokio::test(flavor = "multi_thread")]
async fn item_11_csv_as_exports_write_it() {
    let bom = format!("\u{feff}{BULK}");
    for (name, bytes) in [
        ("bulk.csv", BULK.as_bytes().to_vec()),
        ("bulk-bom.csv", bom.clone().into_bytes()),
        ("bulk.csv.gz", gzip(BULK.as_bytes())),
        ("gzip without its name.csv", gzip(bom.as_bytes())),
        ("two members.csv.gz", [gzip(&BULK.as_bytes()[..700]), gzip(&BULK.as_bytes()[700..])].concat()),
        ("data-loader.csv", data_loader().into_bytes()),
        ("report.csv", REPORT.as_bytes().to_vec()),
        ("report-crlf.csv", REPORT.replace('\n', "\r\n").replace("\"\"b\"\"\r\n", "\"\"b\"\"\n").into_bytes()),
        ("report-utf16.csv", utf16(REPORT)),
        ("utf16.csv.gz", gzip(&utf16(&data_loader()))),
        ("no line end.csv", BULK.trim_end().as_bytes().to_vec()),
    ] {
        let (fixture, report) = loaded(name, bytes).await;
        assert_eq!(fixture.ask(ROWS).await, TABLE, "{name}");
        assert_eq!((report.tables[0].read, report.tables[0].inserted), (3, 3), "{name}");
        assert!(!fixture.rejects().exists(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn item_11_packed_and_columnar() {
    let fixture = Fixture::empty().await;
    let file = zip(&fixture.folder.path().join("export.zip"), &[("deep/bulk.csv", BULK.as_bytes()), ("readme.pdf", b"%PDF")]);
    adds_up(&fixture.load([file]).await.unwrap());
    assert_eq!(fixture.ask(ROWS).await, TABLE, "zip");

    let fixture = Fixture::empty().await;
    adds_up(&fixture.load([parquet(&fixture.folder.path().join("bulk.parquet"), BULK)]).await.unwrap());
    assert_eq!(fixture.ask(ROWS).await, TABLE, "parquet");

    // All at once, into a table that has them already: nothing is new, whatever it came in.
    let all = [
        fixture.file("report.csv", REPORT),
        fixture.file("loader.csv", data_loader()),
        fixture.file("utf16.csv", utf16(BULK)),
        fixture.file("gzip.csv.gz", gzip(BULK.as_bytes())),
    ];
    let report = fixture.load(all).await.unwrap();
    adds_up(&report);
    assert!(!report.changed(), "{report:?}");
    assert_eq!(fixture.ask(ROWS).await, TABLE);
}

#[tokio::test(flavor = "multi_thread")]
async fn item_11_unknown_columns_are_kept_and_missing_ones_are_null() {
    let (fixture, _) = loaded(
        "individual_email_result.csv",
        "Id,et4ae5__DateSent__c,Region__c,\"Ünnamed, odd\",Region__c,\n\
         a0Df40000000001EAA,2026-08-06T15:00:00.000Z,Front Range,\"say \"\"hi\"\"\",again,x\n\
         a0Df40000000002EAA,2026-08-06T15:00:00.000Z,,,,\n",
    )
    .await;
    assert_eq!(
        fixture
            .ask("SELECT custom_field(custom, 'Region__c'), custom_field(custom, 'Ünnamed, odd'), custom_field(custom, 'none'), opened FROM ier ORDER BY ier_id")
            .await,
        ["Front Range | say \"hi\" | - | -", "- | - | - | -"]
    );
    let empty = r#"{"Region__c":null,"Ünnamed, odd":null,"Region__c#2":null}"#;
    assert_eq!(fixture.ask("SELECT custom FROM ier ORDER BY ier_id").await[1], empty, "there, and empty");
    assert_eq!(
        fixture
            .ask("SELECT custom_field(custom, 'Region__c') AS region, count(*) FROM ier GROUP BY 1 ORDER BY 1 NULLS FIRST")
            .await,
        ["- | 1", "Front Range | 1"]
    );
    fixture.archive().await;
    assert_eq!(fixture.ask("SELECT tier FROM ier WHERE custom_field(custom, 'Region__c') LIKE 'Front%'").await, ["archive"]);
    let error =
        fixture.try_ask("SELECT custom_field(email_name, 'x') FROM (SELECT 'no json' AS email_name) t").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn item_11_rows_that_cannot_be_read_are_rejected_with_file_line_and_reason() {
    let fixture = Fixture::empty().await;
    let file = fixture.file(
        "bad.csv",
        "Id,et4ae5__Contact__c,et4ae5__DateSent__c,et4ae5__Opened__c,et4ae5__NumberOfTotalClicks__c,Name\n\
         a0Df40000000001EAA,003f40000000001AAA,2026-08-06T15:00:00.000Z,true,1,good\n\
         a0Df40000000002EA,003f40000000001AAA,2026-08-06T15:00:00.000Z,true,1,id of 17\n\
         a0Df40000000003EAA,00Qf40000000001EAA,2026-08-06T15:00:00.000Z,true,1,a lead for a contact\n\
         a0Df40000000004EAA,003f40000000001AAZ,2026-08-06T15:00:00.000Z,true,1,wrong checksum\n\
         a0Df40000000005EAA,003f40000000001AAA,6 August,true,1,no date\n\
         a0Df40000000006EAA,003f40000000001AAA,2026-08-06T15:00:00.000Z,maybe,1,no checkbox\n\
         a0Df40000000007EAA,003f40000000001AAA,2026-08-06T15:00:00.000Z,true,one,no number\n\
         a0Df40000000008EAA,003f40000000001AAA,2026-08-06T15:00:00.000Z,true,1\n\
         ,003f40000000001AAA,2026-08-06T15:00:00.000Z,true,1,no key\n\
         a0Df40000000009EAA,003f40000000001AAA,2026-08-06T15:00:00.000Z,true,1,\"a line\nmore\"\n\
         a0Df4000000000bEAQ,003f40000000001AAA,2026-08-06T15:00:00.000Z,true,99999999999,too many\n",
    );
    let report = fixture.load([&file]).await.unwrap();
    adds_up(&report);
    assert_eq!((report.tables[0].read, report.tables[0].inserted, report.tables[0].rejected), (11, 2, 9));
    assert_eq!(fixture.ask("SELECT email_name FROM ier ORDER BY 1").await, ["a line\nmore", "good"]);

    let mut rejects = csv::Reader::from_path(fixture.rejects()).unwrap();
    let mut reported: Vec<(u64, String)> = rejects
        .records()
        .map(|row| {
            let row = row.unwrap();
            assert_eq!(&row[0], file.display().to_string());
            (row[1].parse().unwrap(), row[2].to_owned())
        })
        .collect();
    reported.sort();
    let expected = [
        (3, "Id \"a0Df40000000002EA\": an id has 15 or 18 characters, this has 17"),
        (4, "et4ae5__Contact__c \"00Qf40000000001EAA\": the id is of another object"),
        (5, "et4ae5__Contact__c \"003f40000000001AAZ\": the last three characters do not fit"),
        (6, "et4ae5__DateSent__c \"6 August\": not a moment"),
        (7, "et4ae5__Opened__c \"maybe\": not a checkbox"),
        (8, "et4ae5__NumberOfTotalClicks__c \"one\": not a whole number"),
        (9, "5 fields"),
        (10, "no key"),
        (13, "et4ae5__NumberOfTotalClicks__c \"99999999999\": not a whole number"),
    ];
    assert_eq!(reported.len(), expected.len(), "{reported:#?}");
    for ((line, reason), (expected_line, beginning)) in reported.iter().zip(expected) {
        assert_eq!(*line, expected_line, "{reason}");
        assert!(reason.contains(beginning), "{reason} does not say {beginning}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn item_11_broken_files_change_nothing() {
    let whole = gzip(BULK.as_bytes());
    for (name, bytes, kind) in [
        ("truncated.csv.gz", whole[..whole.len() - 20].to_vec(), Kind::Corrupt),
        ("empty.csv", Vec::new(), Kind::Invalid),
        ("unknown.csv", b"a,b\n1,2\n".to_vec(), Kind::Invalid),
        ("no zip.zip", b"PK\x03\x04 and then nothing".to_vec(), Kind::Corrupt),
        ("no parquet.parquet", b"PAR1 and then nothing".to_vec(), Kind::Corrupt),
    ] {
        let fixture = Fixture::empty().await;
        let good = fixture.file("good.csv", BULK);
        let error = fixture.load([good, fixture.file(name, bytes)]).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{name}: {error}");
        assert!(error.to_string().contains(name), "the message names the file: {error}");
        assert!(fixture.warehouse.existing().await.unwrap().is_empty(), "{name}: the good file beside it waits, too");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_rows_does_not_stop_the_others() {
    let fixture = Fixture::empty().await;
    let header = fixture.file("header only.csv", "Id,et4ae5__MergeId__c\n");
    let sentence = fixture.file("links.csv", "Records not found for this query\n");
    let report = fixture.load([fixture.file("good.csv", BULK), header.clone(), sentence.clone()]).await.unwrap();
    assert_eq!((report.tables.len(), report.empty.len()), (1, 2), "{report:?}");
    adds_up(&report);
    let strict = LoadRequest { asked: Asked { strict: true, ..Asked::new(chrono_tz::UTC) }, ..fixture.request([header], None) };
    let error = Box::pin(load(&fixture.warehouse, strict, Arc::new(Silent))).await.unwrap_err();
    assert!(error.kind() == Kind::Invalid && error.to_string().contains("--strict"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn item_10_time_zones_of_each_feed() {
    let at = |time: &str| format!("Id,et4ae5__DateSent__c\na0Df40000000001EAA,{time}\n");
    for (time, expected) in [
        ("2026-08-06T12:13:00.000Z", "2026-08-06 12:13:00 | 2026-08-06"),
        ("2026-08-06T12:13:00.000+0000", "2026-08-06 12:13:00 | 2026-08-06"),
        ("2026-08-06T12:13:00.000+00:00", "2026-08-06 12:13:00 | 2026-08-06"),
        ("2026-08-06T06:13:00-06:00", "2026-08-06 12:13:00 | 2026-08-06"),
        // Without a zone: Denver, six hours behind in summer, seven in winter.
        ("08/06/2026 06:13:00 AM", "2026-08-06 12:13:00 | 2026-08-06"),
        ("8/6/2026 6:13 AM", "2026-08-06 12:13:00 | 2026-08-06"),
        ("2026-08-06 06:13:00", "2026-08-06 12:13:00 | 2026-08-06"),
        ("12/31/2025 11:30:00 PM", "2026-01-01 06:30:00 | 2026-01-01"),
        ("12/31/2025 12:30:00 AM", "2025-12-31 07:30:00 | 2025-12-31"),
        // An hour that came twice is the first; one that never was is read by the clock before it was moved.
        ("11/01/2026 01:30:00 AM", "2026-11-01 07:30:00 | 2026-11-01"),
        ("03/08/2026 02:30:00 AM", "2026-03-08 09:30:00 | 2026-03-08"),
        ("1999-12-31T23:59:59.999Z", "1999-12-31 23:59:59.999 | 1999-12-31"),
    ] {
        let (fixture, _) = loaded("individual_email_result.csv", at(time)).await;
        let reported = fixture.ask("SELECT to_char(date_sent, '%Y-%m-%d %H:%M:%S%.f'), sent_date FROM ier").await;
        assert_eq!(reported, [expected], "{time}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn item_10_six_hours_decide_what_is_archived() {
    // 90 days before 15 November begin on 17 August, UTC.
    let (fixture, _) = loaded(
        "individual_email_result.csv",
        "Id,et4ae5__DateSent__c\n\
         a0Df40000000001EAA,08/16/2026 05:59:59 PM\n\
         a0Df40000000002EAA,08/16/2026 06:00:00 PM\n\
         a0Df40000000003EAA,2026-08-16T23:59:59.999Z\n\
         a0Df40000000004EAA,2026-08-17T00:00:00.000Z\n",
    )
    .await;
    fixture.archive().await;
    assert_eq!(
        fixture.ask("SELECT substr(ier_id, 12, 4), tier FROM ier ORDER BY 1").await,
        ["0001 | archive", "0002 | hot", "0003 | archive", "0004 | hot"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn item_12_odd_rows_are_kept_and_can_be_counted() {
    let (fixture, report) = loaded(
        "odd.csv",
        "Id,et4ae5__MergeId__c,et4ae5__DateSent__c,CreatedDate,et4ae5__Opened__c,et4ae5__NumberOfTotalClicks__c,et4ae5__NumberOfUniqueClicks__c,et4ae5__HardBounce__c,et4ae5__SoftBounce__c,et4ae5__DateBounced__c\n\
         a0Df40000000001EAA,m1,,2026-08-06T15:00:00.000Z,false,0,0,false,false,\n\
         a0Df40000000002EAA,m2,,,false,0,0,false,false,\n\
         a0Df40000000003EAA,m3,2026-08-06T15:00:00.000Z,,false,0,0,true,true,2026-08-06T15:01:00.000Z\n\
         a0Df40000000004EAA,m4,2026-08-06T15:00:00.000Z,,false,2,1,false,false,\n\
         a0Df40000000005EAA,m5,2026-08-06T15:00:00.000Z,,true,1,2,false,false,\n\
         a0Df40000000006EAA,m6,2026-08-06T15:00:00.000Z,,false,0,0,false,false,2026-08-06T15:01:00.000Z\n\
         a0Df40000000007EAA,m7,2026-08-06T15:00:00.000Z,,true,-1,0,false,false,\n",
    )
    .await;
    assert_eq!((report.tables[0].inserted, report.tables[0].rejected), (7, 0));
    let links = "Id,et4ae5__Unique_Link_ID__c,et4ae5__Individual_Email_Result__c\na0Ef40000000001EAA,l1,a0Df4000000009zEAA\n";
    adds_up(&fixture.load([fixture.file("links.csv", links)]).await.unwrap());
    fixture.archive().await;
    for (question, expected) in [
        ("sent_date = DATE '2026-08-06' AND date_sent IS NULL", 1),
        ("sent_date IS NULL", 1),
        ("hard_bounce AND soft_bounce", 1),
        ("clicked AND NOT opened", 1),
        ("number_of_total_clicks < number_of_unique_clicks", 2),
        ("date_bounced IS NOT NULL AND NOT hard_bounce AND NOT soft_bounce", 1),
    ] {
        assert_eq!(
            fixture.ask(&format!("SELECT count(*) FROM ier WHERE {question}")).await,
            [expected.to_string()],
            "{question}"
        );
    }
    let orphans = "SELECT count(*) FROM individual_link l LEFT JOIN ier i ON i.ier_id = l.ier_id WHERE i.ier_id IS NULL";
    assert_eq!(fixture.ask(orphans).await, ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_export_is_recognised_by_its_header() {
    for (header, row, table) in [
        ("Id,et4ae5__MergeId__c", "a0Df40000000001EAA,m", "individual_email_result"),
        // A lead can be merged, too: MasterRecordId is no proof of a contact.
        (
            "Id,IsDeleted,MasterRecordId,LastName,FirstName,Company,Email,IsConverted,ConvertedDate,ConvertedContactId",
            "00Qf40000000001EAA,false,,Ortiz,Ana,x,a@example.com,false,,",
            "lead",
        ),
        ("Id,MasterRecordId,LastName,Email", "003f40000000001AAA,,Ortiz,a@example.com", "contact"),
        ("Lead ID,Converted,First Name,Last Name", "00Qf40000000001,0,Ana,Ortiz", "lead"),
        (
            "\"Id\",\"Name\",\"et4ae5__Send_Definition__c\",\"et4ae5__TriggeredSendDefinition__c\",\"et4ae5__Unique_Link_ID__c\",\"et4ae5__ExactTargetLinkID__c\",\"et4ae5__LinkURL__c\",\"et4ae5__NumberOfTotalClicks__c\",\"et4ae5__NumberOfUniqueClicks__c\",\"et4ae5__Last_Clicked__c\",\"SystemModstamp\",\"IsDeleted\"",
            "a0Ff40000000001EAA,Read,a0Bf40000000001EAA,,u1,1,https://example.edu,1,1,,2026-08-06T17:50:00.000Z,false",
            "aggregate_link",
        ),
        (
            "Id,et4ae5__Unique_Link_ID__c,Name,et4ae5__Individual_Email_Result__c,et4ae5__LinkURL__c,et4ae5__NumberOfTotalClicks__c,et4ae5__Last_Clicked__c",
            "a0Ef40000000001EAA,u1,Read,a0Df40000000001EAA,https://example.edu,1,2026-08-06T17:50:00.000Z",
            "individual_link",
        ),
        ("Id,Name,et4ae5__JobId__c,et4ae5__SendStatus__c", "a0Bf40000000001EAA,ES-1,9001,Completed", "email_send"),
        ("Id,Name,et4ae5__etTriggeredSendDefId__c", "a0Cf40000000001EAA,Receipt,d", "triggered_send"),
        ("Id,Name,et4ae5__Business_Unit_ID__c,et4ae5__IsParentAccountMID__c", "a0Af40000000001EAA,CU,7,true", "business_unit"),
    ] {
        // The name says nothing, and the order of the columns neither.
        let (_, report) = loaded("2026-11.csv", format!("{header}\n{row}\n")).await;
        assert_eq!(report.tables[0].table, table, "{header}");
        let turned = |line: &str| line.split(',').rev().collect::<Vec<_>>().join(",");
        let (_, report) = loaded("export.csv", format!("{}\n{}\n", turned(header), turned(row))).await;
        assert_eq!(report.tables[0].table, table, "{header}, turned round");
    }
}

/// Made-up exports of the demo's shape: every habit and fault, few enough rows for a debug build.
fn recipe(format: Format) -> Recipe {
    let end = NaiveDate::from_ymd_opt(2026, 11, 15).unwrap();
    Recipe { months: 5, contacts: 700, sends_per_month: 6, seed: 7, end, format, ..Recipe::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_exports_add_up_and_load_twice() {
    let fixture = Fixture::empty().await;
    let folder = fixture.folder.path().join("exports");
    let made = synthetic::generate(&recipe(Format::Csv), &folder, &|_, _| {}).unwrap();
    let first = fixture.load([&folder]).await.unwrap();
    adds_up(&first);
    let rows = |report: &LoadReport, table: &str| report.tables.iter().find(|counts| counts.table == table).unwrap().clone();
    for table in &first.tables {
        let made: u64 = made.files.iter().filter(|file| file.table == table.table).map(|file| file.rows).sum();
        assert_eq!(table.read, made, "{}: every row that was made is read", table.table);
    }
    assert_eq!(rows(&first, "individual_email_result").rejected, 3, "the three spoilt rows");
    let everything = "SELECT * EXCEPT (tier) FROM ier ORDER BY ier_id";
    let before = fixture.ask(everything).await;
    assert_eq!(before.len() as u64, rows(&first, "individual_email_result").inserted);

    fixture.archive().await;
    let second = fixture.load([&folder]).await.unwrap();
    adds_up(&second);
    assert!(!second.changed(), "{second:?}");
    assert_eq!(fixture.ask(everything).await, before);

    // One file at a time, last month first, archived in between: the same table.
    let piecemeal = Fixture::empty().await;
    for file in made.files.iter().rev() {
        let report = piecemeal.load([&file.path]).await.unwrap();
        adds_up(&report);
        if file.table == "individual_email_result" && file.path.to_string_lossy().contains("-08") {
            piecemeal.archive().await;
        }
    }
    assert_eq!(piecemeal.ask(everything).await, before);
    let links = "SELECT * EXCEPT (tier) FROM individual_link ORDER BY link_id";
    assert_eq!(piecemeal.ask(links).await, fixture.ask(links).await);
    piecemeal.archive().await;
    assert_eq!(piecemeal.ask(everything).await, before);
    assert_eq!(piecemeal.ask(links).await, fixture.ask(links).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_exports_in_parquet_are_the_same_records() {
    let clean = |format| Recipe { misbehaviour: false, months: 2, ..recipe(format) };
    let mut answers = Vec::new();
    for format in [Format::Csv, Format::Parquet] {
        let fixture = Fixture::empty().await;
        let folder = fixture.folder.path().join("exports");
        synthetic::generate(&clean(format), &folder, &|_, _| {}).unwrap();
        adds_up(&fixture.load([&folder]).await.unwrap());
        answers.push(fixture.ask("SELECT * FROM ier ORDER BY ier_id").await);
    }
    assert!(!answers[0].is_empty());
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_made_can_be_loaded() {
    for (months, contacts, sends) in [(1, 5, 1), (2, 30, 2), (4, 150, 6)] {
        let fixture = Fixture::empty().await;
        let folder = fixture.folder.path().join("exports");
        let small = Recipe { months, contacts, sends_per_month: sends, ..recipe(Format::Csv) };
        synthetic::generate(&small, &folder, &|_, _| {}).unwrap();
        match fixture.load([&folder]).await {
            Ok(report) => adds_up(&report),
            Err(error) => panic!("{months} months, {contacts} contacts: {error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_table_is_depends_on_its_name_and_not_on_its_columns() {
    let fixture = Fixture::empty().await;
    let people = "ContactId,SubscriberKey,Opt\n003f40000000001,003f40000000001AAA,yes\n";
    let report = fixture.load([fixture.file("prefs.csv", people)]).await.unwrap();
    adds_up(&report);
    assert_eq!((report.tables[0].table.as_str(), report.tables[0].inserted), ("prefs", 1));
    assert_eq!(
        fixture.ask("SELECT contact_id, subscriber_key, opt FROM prefs").await,
        ["003f40000000001AAA | 003f40000000001AAA | yes"]
    );

    let opens = "ClientID,SendID,SubscriberKey,EmailAddress,SubscriberID,ListID,EventDate,EventType,BatchID,TriggeredSendExternalKey\n\
        1,2,003f40000000001AAA,a@b.c,3,4,10/20/2026 9:00:00 AM,Open,0,\n";
    let report = fixture.load_as([fixture.file("Opens.csv", opens)], Some("opens")).await.unwrap();
    adds_up(&report);
    assert_eq!(fixture.ask("SELECT subscriber_key, event_date FROM opens").await, ["003f40000000001AAA | 10/20/2026 9:00:00 AM"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_attributes_may_have_a_column_of_any_name() {
    use ier::record::fields::{HIDDEN, Kind as Type, TABLES, Table};
    let fixture = Fixture::empty().await;
    let mut names: Vec<String> =
        TABLES.iter().flat_map(|table| table.fields.iter().map(|field| field.name.to_string())).collect();
    names.extend(HIDDEN.into_iter().chain(["tier", "sent_day", "sent_month"]).map(str::to_owned));
    names.sort();
    names.dedup();
    // Ids of people have to be such.
    names.retain(|name| !["contact_id", "lead_id", "person_id", "id"].contains(&name.as_str()));
    // Ids and system fields are typed everywhere.
    let anything = Table::attributes("anything", &names);
    let is_text = |name: &&String| anything.fields.iter().all(|field| field.api != name.as_str() || field.kind == Type::Label);
    let value = |name: &String| if is_text(&name) { format!("some {name}") } else { String::new() };
    let row = |person: u32| format!("00{person}f40000000001,{}\n", names.iter().map(value).collect::<Vec<_>>().join(","));
    let text = format!("ContactId,{}\n{}", names.join(","), row(3));
    let report = fixture.load_as([fixture.file("anything.csv", &text)], Some("anything")).await.unwrap();
    adds_up(&report);
    assert_eq!(
        (report.tables[0].inserted, report.tables[0].rejected),
        (1, 0),
        "{:?}",
        std::fs::read_to_string(fixture.rejects())
    );
    // A file with other columns makes the table wider; all that was loaded is still there.
    fixture.load([fixture.file("anything.csv", "ContactId,More\n003f40000000003,x\n")]).await.unwrap();
    let reported = fixture.ask("SELECT * FROM anything WHERE contact_id = '003f40000000001AAA'").await.remove(0);
    for name in names.iter().filter(is_text) {
        assert!(reported.split(" | ").any(|cell| cell == format!("some {name}")), "{name}: {reported}");
    }
    assert!(!fixture.load_as([fixture.file("anything.csv", &text)], Some("anything")).await.unwrap().changed());
}
