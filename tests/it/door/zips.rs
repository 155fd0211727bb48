//! The zips of the weekly export, and what else comes packed.

use std::io::{Cursor, Write};

use ier::error::Kind;
use ier::jobs::load::LoadReport;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::fixture::Fixture;

/// A zip of these files, each packed so.
fn zip(members: &[(&str, &[u8])], how: SimpleFileOptions) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, how).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn deflated() -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(CompressionMethod::Deflated)
}

/// As the weekly export writes: all fields in quotes, CR LF, and here Windows-1252.
fn weekly(rows: &[&[&str]]) -> Vec<u8> {
    let lines = rows.iter().map(|row| format!("\"{}\"\r\n", row.join("\",\"")));
    lines.collect::<String>().chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect()
}

const MAIL: &str = "Id,et4ae5__MergeId__c,Name\na0Df40000000001EAA,m,OE\n";

async fn of(name: &str, bytes: impl AsRef<[u8]>) -> (Fixture, LoadReport) {
    let fixture = Fixture::empty().await;
    let report = fixture.load([fixture.file(name, bytes)]).await.unwrap();
    (fixture, report)
}

async fn refused(name: &str, bytes: impl AsRef<[u8]>) -> (Kind, String) {
    let fixture = Fixture::empty().await;
    let error = fixture.load([fixture.file(name, bytes)]).await.expect_err(name);
    (error.kind(), error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_weekly_export_is_the_objects_we_know() {
    let contact = |id: &str, name: &str| {
        weekly(&[
            &["Id", "IsDeleted", "MasterRecordId", "AccountId", "LastName", "FirstName", "Email", "SystemModstamp"],
            &[id, "0", "", "", name, "Zoë", "zoe@example.edu", "2026-08-06 15:00:00"],
        ])
    };
    let mails = |id: &str, at: usize| {
        let head: &[&str] =
            &["Id", "IsDeleted", "Name", "SystemModstamp", "et4ae5__Contact__c", "et4ae5__DateSent__c", "et4ae5__MergeId__c"];
        weekly(&[
            head,
            &[id, "0", "Übersicht", "2026-08-06 16:00:00", "003f40000000001AAA", "2026-08-06 15:00:00", &format!("m-{at}")],
        ])
    };
    let account = weekly(&[&["Id", "IsDeleted", "MasterRecordId", "Name", "Type"], &["001f40000000001AAA", "0", "", "Law", ""]]);
    let case =
        weekly(&[&["Id", "IsDeleted", "ContactId", "Subject"], &["500f40000000001AAA", "0", "003f40000000001AAA", "Lost badge"]]);
    let first: Vec<(&str, Vec<u8>)> = vec![
        ("Account.csv", account),
        ("Case.csv", case),
        ("Contact.csv", contact("003f40000000001AAA", "Müller")),
        ("et4ae5__IndividualEmailResult__c.csv", mails("a0Df40000000001EAA", 1)),
        ("Attachments/00Pf40000000001AAA", b"%PDF".to_vec()),
    ];
    let second = [
        ("et4ae5__IndividualEmailResult__c.csv", mails("a0Df40000000002EAA", 2)),
        ("Contact.csv", contact("003f40000000002AAA", "Peña")),
    ];
    fn packed(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
        zip(&members.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect::<Vec<_>>(), deflated())
    }
    let fixture = Fixture::empty().await;
    let files = [
        fixture.file("WE_00Df40000000001UAA_1.ZIP", packed(&first)),
        fixture.file("WE_00Df40000000001UAA_2.ZIP", packed(&second)),
    ];
    let error = fixture.load(&files).await.expect_err("its times carry no zone");
    assert!(error.to_string().contains("--zone UTC as Salesforce keeps it"), "{error}");

    let mut request = fixture.request(&files, None);
    (request.asked.zone, request.asked.zone_is_given) = (chrono_tz::UTC, true);
    let report =
        Box::pin(ier::jobs::load::load(&fixture.warehouse, request, std::sync::Arc::new(ier::progress::Silent))).await.unwrap();
    let mut tables: Vec<_> = report.tables.iter().map(|table| (table.table.as_str(), table.read, table.rejected)).collect();
    tables.sort();
    assert_eq!(tables, [("contact", 2, 0), ("individual_email_result", 2, 0)]);
    assert_eq!(fixture.ask("SELECT last_name, first_name FROM contact ORDER BY id").await, ["Müller | Zoë", "Peña | Zoë"]);
    assert_eq!(
        fixture.ask("SELECT count(*), min(email_name), min(date_sent) FROM ier").await,
        ["2 | Übersicht | 2026-08-06 15:00:00"]
    );
    let left_out = format!("{:?}", report.left_out);
    for name in ["Account.csv", "Case.csv", "00Pf40000000001AAA"] {
        assert!(left_out.contains(name), "{name} is named: {left_out}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tabs_and_zstandard() {
    let tabs = MAIL.replace(',', "\t");
    for (name, bytes) in [
        ("x.tsv", tabs.clone().into_bytes()),
        ("x.tab", tabs.clone().into_bytes()),
        ("x.csv.zst", zstd::encode_all(MAIL.as_bytes(), 3).unwrap()),
        ("x.tsv.zst", zstd::encode_all(tabs.as_bytes(), 3).unwrap()),
        (
            "x.jsonl.zst",
            zstd::encode_all(br#"{"Id":"a0Df40000000001EAA","et4ae5__MergeId__c":"m","Name":"OE"}"#.as_slice(), 3).unwrap(),
        ),
    ] {
        let fixture = Fixture::empty().await;
        fixture.file(name, bytes);
        let report = fixture.load([fixture.folder.path()]).await.unwrap();
        assert_eq!((report.tables[0].read, report.tables[0].rejected), (1, 0), "{name} is found in a folder");
        assert_eq!(fixture.ask("SELECT ier_id, merge_id, email_name FROM ier").await, ["a0Df40000000001EAA | m | OE"], "{name}");
    }
    let whole = zstd::encode_all(MAIL.repeat(9000).as_bytes(), 3).unwrap();
    let (kind, message) = refused("x.csv.zst", &whole[..whole.len() / 2]).await;
    assert!(kind == Kind::Corrupt && message.contains("x.csv.zst: cut off or damaged"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn zips_of_every_make() {
    let members: [(&str, &[u8]); 1] = [("mails.csv", MAIL.as_bytes())];
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut streamed = ZipWriter::new_stream(Vec::new());
    streamed.start_file("mails.csv", deflated()).unwrap();
    streamed.write_all(MAIL.as_bytes()).unwrap();
    let streamed = streamed.finish().unwrap().into_inner();
    for (what, bytes) in [
        ("zip64", zip(&members, deflated().large_file(true))),
        ("lengths behind the data", streamed),
        ("a zip within a zip", zip(&[("inner.zip", &zip(&members, deflated()))], stored)),
    ] {
        let (fixture, report) = of("x.zip", bytes).await;
        assert_eq!(report.tables[0].read, 1, "{what}");
        assert_eq!(fixture.ask("SELECT ier_id FROM ier").await, ["a0Df40000000001EAA"], "{what}");
    }
    for (method, name) in [(12u8, "Bzip2"), (14, "Lzma"), (93, "Zstd")] {
        let mut bytes = zip(&members, stored);
        let directory = bytes.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
        (bytes[8], bytes[directory + 10]) = (method, method);
        let (kind, message) = refused("x.zip", bytes).await;
        assert!(kind == Kind::Invalid && message.contains("x.zip!mails.csv: packed with"), "{name}: {message}");
        assert!(message.contains("unpack it first"), "{name}: {message}");
    }
    let mut deep = zip(&members, stored);
    for _ in 0..6 {
        deep = zip(&[("inner.zip", &deep)], stored);
    }
    assert!(refused("x.zip", deep).await.1.contains("packed more than"));
}

/// A member that does not go on as it began is judged from its beginning to its end, while the other waits.
#[tokio::test(flavor = "multi_thread")]
async fn large_members_are_read_again_from_their_own_beginning() {
    let rows: String = (0..9000).map(|at| format!("a0Df4{at:010},m-{at},a name of some length\n")).collect();
    let text = [b"Id,et4ae5__MergeId__c,Name\n".as_slice(), rows.as_bytes(), b"a0Df49999999999,m-last,Ren\xE9e\n"].concat();
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let how = SimpleFileOptions::default().compression_method(method);
        let (fixture, report) = of("x.zip", zip(&[("a.csv", &text), ("b.csv", MAIL.as_bytes())], how)).await;
        assert_eq!((report.tables[0].read, report.tables[0].rejected), (9002, 0), "{method}");
        assert_eq!(fixture.ask("SELECT email_name FROM ier WHERE merge_id = 'm-last'").await, ["Renée"], "{method}");
    }
}

/// What unpacks to a gigabyte is not held: a record has its limit, and what is no text is seen at its beginning.
#[tokio::test(flavor = "multi_thread")]
async fn a_zip_that_swells_is_refused_where_a_record_is_too_long() {
    for head in ["", "Id,et4ae5__MergeId__c\n", "[{\"Id\":\""] {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.start_file("x.csv", deflated().compression_level(Some(1)).large_file(true)).unwrap();
        writer.write_all(head.as_bytes()).unwrap();
        let zeros = vec![if head.is_empty() { 0 } else { b'0' }; 1 << 20];
        for _ in 0..1024 {
            writer.write_all(&zeros).unwrap();
        }
        let bytes = writer.finish().unwrap().into_inner();
        assert!(bytes.len() < 16 << 20, "a thousandth of what it holds");
        let started = std::time::Instant::now();
        let (kind, message) = refused("swells.zip", bytes).await;
        assert_eq!(kind, Kind::Invalid, "{message}");
        assert!(message.contains("is not text") || message.contains("longer than load.record_mb allows"), "{message}");
        assert!(started.elapsed().as_secs() < 20, "the gigabyte was not unpacked");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zip_of_ten_thousand_members() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for at in 0..10_000 {
        writer.start_file(format!("part-{at:05}.csv"), deflated()).unwrap();
        let text = format!("Id,et4ae5__MergeId__c\na0Df4000000{at:04}EAA,m-{at}\n");
        writer.write_all(if at % 100 == 0 { text.as_bytes() } else { b"Id,et4ae5__MergeId__c\n" }).unwrap();
    }
    let (fixture, report) = of("x.zip", writer.finish().unwrap().into_inner()).await;
    assert_eq!(report.tables.iter().map(|table| table.read).sum::<u64>(), 100);
    assert_eq!(report.empty.len(), 9_900);
    drop(fixture);
}
