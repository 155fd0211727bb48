//! How far the records reach: the ledger of loads, sends seen in part, e-mails recorded as not sent.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::Path;

use ier::error::Kind;
use ier::jobs::status::status;

use crate::fixture::{Fixture, data};
use crate::world::World;
use crate::world::records::{ier, send};
use crate::world::store::Mode;

const LEDGER: &str = "SELECT source, object, rows_read, rows_rejected, first_sent, last_sent, first_modstamp, highest_modstamp, \
    loaded_at FROM load_coverage ORDER BY source, object";

fn zip(path: &Path, members: &[(&str, Vec<u8>)]) {
    let mut out = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    for (name, bytes) in members {
        out.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        out.write_all(bytes).unwrap();
    }
    out.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_in_the_ledger_once_whatever_it_is_called() {
    let world = World::on("2026-11-15");
    let rows = [
        ier(1).sent("2026-08-06 15:00").stamp("2026-08-07 08:00"),
        ier(2).sent("2026-10-20 16:00").stamp("2026-10-21 09:00"),
        ier(3).set("CreatedDate", "2026-10-20T16:00:00.000Z").stamp("2026-10-20 17:00"),
        ier(4).set("DateSent", "never"),
    ];
    let file = world.file("a.csv", &rows);
    world.load_files(std::slice::from_ref(&file)).await.unwrap();
    let expected = "a.csv individual_email_result 4 1 2026-08-06T15:00:00Z 2026-10-20T16:00:00Z 2026-08-07T08:00:00Z \
        2026-10-21T09:00:00Z 2026-11-15T12:00:00Z";
    assert_eq!(world.line(LEDGER).await, expected);
    let bytes = std::fs::read(&file).unwrap();
    let what = world.line("SELECT file_blake3, bytes FROM load_coverage").await;
    assert_eq!(what, format!("{} {}", blake3::hash(&bytes).to_hex(), bytes.len()));

    // A day later, and under another name: the same bytes are no new evidence. Other bytes are.
    world.days_pass(1);
    let copy = Path::new(&file).with_file_name("b.csv").display().to_string();
    std::fs::copy(&file, &copy).unwrap();
    for files in [vec![file.clone()], vec![copy.clone()], vec![file.clone(), copy]] {
        assert!(!world.load_files(&files).await.unwrap().changed());
        assert_eq!(world.line(LEDGER).await, expected);
    }
    let more = world.file("c.csv", &rows[..1]);
    assert!(!world.load_files(&[more]).await.unwrap().changed(), "no row is new");
    assert_eq!(
        world.line("SELECT source, rows_read, loaded_at FROM load_coverage WHERE source = 'c.csv'").await,
        "c.csv 1 2026-11-16T12:00:00Z"
    );
    world.files_are_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_is_written_by_the_next_load_where_one_was_cut_off_before_it() {
    let world = World::on("2026-11-15");
    let file = world.file("a.csv", &[ier(1).sent("2026-08-06 15:00")]);
    let files = std::slice::from_ref(&file);
    let healthy = world.fork(None);
    healthy.load_files(files).await.unwrap();
    let ledger = |path: &str| path.contains("reference/load_coverage");
    let first = healthy.store.calls().iter().position(|call| call.writes() && ledger(&call.path)).unwrap() as u64 + 1;

    let cut_off = world.fork(Some((first, Mode::ErrorForEver)));
    let error = cut_off.load_files(files).await.unwrap_err();
    assert!(error.kind() == Kind::Unavailable && error.to_string().contains("load the files again"), "{error}");
    let next = cut_off.another();
    assert_eq!(next.line("SELECT count(*) AS iers, (SELECT count(*) FROM load_coverage) AS files FROM ier").await, "1 0");
    assert!(!next.load_files(files).await.unwrap().changed(), "its rows were committed");
    assert_eq!(next.line("SELECT source, rows_read FROM load_coverage").await, "a.csv 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_table_a_zip_brings_has_a_row() {
    let fixture = Fixture::empty().await;
    let member = |name: &str| (name.to_owned(), std::fs::read(data().join(name)).unwrap());
    let members = ["contact.csv", "individual_email_result.csv", "individual_email_result-late.csv"].map(member);
    let path = fixture.folder.path().join("weekly.zip");
    zip(&path, &members.each_ref().map(|(name, bytes)| (name.as_str(), bytes.clone())));
    fixture.load([&path]).await.unwrap();
    let ledger = "SELECT source, object, rows_read, rows_rejected, bytes, file_blake3 FROM load_coverage ORDER BY object";
    let bytes = std::fs::read(&path).unwrap();
    let zip = format!("{} | {}", bytes.len(), blake3::hash(&bytes).to_hex());
    assert_eq!(
        fixture.ask(ledger).await,
        [format!("weekly.zip | contact | 6 | 0 | {zip}"), format!("weekly.zip | individual_email_result | 24 | 2 | {zip}")]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn status_says_how_far_the_iers_reach() {
    let fixture = Fixture::empty().await;
    assert!(status(&fixture.warehouse).await.unwrap().iers_loaded.is_none());
    fixture.load([data()]).await.unwrap();
    fixture.archive().await;
    let reported = status(&fixture.warehouse).await.unwrap().to_string();
    assert!(reported.contains("\nIERs come from 2 files, sent 2025-11-20 18:00:00 UTC to 2026-10-20 16:03:00 UTC"), "{reported}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_is_seen_in_part_until_the_sync_is_done() {
    let world = World::on("2026-11-15");
    let seen = "SELECT job_id, number_sent, iers_seen, share_seen FROM send_coverage ORDER BY send_definition_id";
    let of_send = |number: u32| ier(number).of_send(1).sent("2026-08-06 15:00").stamp("2026-08-07");
    world.load(&[send(1, 4).set("JobId", "9001"), send(2, 0), send(3, 7)]).await;
    assert_eq!(world.ask(seen).await, [["9001", "4", "0", "0.0"], ["-", "0", "0", "-"], ["-", "7", "0", "0.0"]]);
    world.load(&[of_send(1), of_send(2), of_send(2), ier(9).of_send(4).set("JobId", "9004").sent("2026-10-01")]).await;
    for stage in ["hot", "archived"] {
        let expected = [["9001", "4", "2", "0.5"], ["-", "0", "0", "-"], ["-", "7", "0", "0.0"], ["9004", "-", "1", "-"]];
        assert_eq!(world.ask(seen).await, expected, "{stage}");
        world.archive("2026-09-01").await;
    }
    // The rest, one of them archived long ago and loaded again.
    world.load(&[of_send(1), of_send(3), of_send(4)]).await;
    assert_eq!(world.ask(seen).await[0], ["9001", "4", "4", "1.0"]);
}

const NOT_SENT: &str = "ClientID,SendID,SubscriberKey,EmailAddress,SubscriberID,ListID,EventDate,EventType,BatchID,TriggeredSendExternalKey,Reason\r\n\
    7001,9001,003f40000000003,ben@example.edu,41,501,08/06/2026 09:00:00 AM,NotSent,0,,Held\r\n\
    7001,9001,00Qf40000000001EAA,ana@example.edu,42,501,12/31/2025 11:30:00 PM,NotSent,0,,\"Held, twice\"\r\n\
    7001,9001,003F4000000000AAAQ,eli@example.edu,43,501,08/06/2026 09:00:00 AM,NotSent,0,,Held\r\n\
    7001,9001,a0Df40000000001EAA,ier@example.edu,44,501,08/06/2026 09:00:00 AM,NotSent,0,,Held\r\n\
    7001,9001,dana@example.edu,dana@example.edu,45,501,08/06/2026 09:00:00 AM,NotSent,0,,Held\r\n\
    7001,9001,,nobody@example.edu,46,501,08/06/2026 09:00:00 AM,NotSent,0,,Held\r\n";

fn utf16(text: &str) -> Vec<u8> {
    std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn non_sends_are_taken_from_extracts_as_they_come() {
    let rows = "SELECT subscriber_key, person_id, event_date, reason FROM not_sent ORDER BY subscriber_id";
    let expected = [
        "003f40000000003 | 003f40000000003AAA | 2026-08-06 15:00:00 | Held",
        "00Qf40000000001EAA | 00Qf40000000001EAA | 2026-01-01 06:30:00 | Held, twice",
        "003F4000000000AAAQ | 003f4000000000AAAQ | 2026-08-06 15:00:00 | Held",
        "a0Df40000000001EAA | - | 2026-08-06 15:00:00 | Held",
        "dana@example.edu | - | 2026-08-06 15:00:00 | Held",
        "- | - | 2026-08-06 15:00:00 | Held",
    ];
    let fixture = Fixture::empty().await;
    let packed = fixture.folder.path().join("extract 2026-08.zip");
    zip(&packed, &[("NotSent.csv", utf16(NOT_SENT))]);
    // Plain, as UTF-16, in a zip, and in an order of columns of its own: one and the same rows.
    let turned: String =
        NOT_SENT.replace("\"Held, twice\"", "Held; twice").lines().map(|line| turn(line).replace(';', ",") + "\n").collect();
    let files = [packed, fixture.file("x.csv", utf16(NOT_SENT)), fixture.file("y.csv", NOT_SENT), fixture.file("z.csv", turned)];
    for (at, file) in files.iter().enumerate() {
        let report = fixture.load([file]).await.unwrap();
        assert_eq!((report.tables[0].table.as_str(), report.tables[0].read), ("not_sent", 6), "{}", file.display());
        assert_eq!(report.changed(), at == 0, "{}", file.display());
        assert_eq!(fixture.ask(rows).await, expected, "{}", file.display());
    }
    assert_eq!(fixture.ask("SELECT count(*) FROM not_sent WHERE person_id = '003f40000000003AAA'").await, ["1"]);
}

/// The fields of a line, last first; a comma in a field stands as `;`.
fn turn(line: &str) -> String {
    let mut fields: Vec<String> = line.split(',').rev().map(str::to_owned).collect();
    for field in &mut fields {
        if field.contains(';') {
            *field = format!("\"{field}\"");
        }
    }
    fields.join(",")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_record_of_a_non_send_is_not_taken_for_one() {
    let fixture = Fixture::empty().await;
    let sent = NOT_SENT.lines().map(|line| line.rsplit_once(',').unwrap().0.to_owned() + "\n").collect::<String>();
    let sent = fixture.file("Sent.csv", sent.replace(",\"Held\n", "\n"));
    for (as_table, says) in [(None, "no known object"), (Some("not_sent"), "no Reason"), (Some("load_coverage"), "kept by ier")] {
        let error = fixture.load_as([&sent], as_table).await.unwrap_err();
        assert!(error.kind() == Kind::Invalid && error.to_string().contains(says), "{error}");
    }
    let error = fixture.try_ask("SELECT count(*) FROM salesforce.load_coverage").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid, "no object of Salesforce: {error}");
}
