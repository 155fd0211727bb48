//! Who looked up whom: every look-up is in the log before it is shown, and nothing in the log can be altered unseen.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Output, Stdio};

use futures::future::join_all;
use ier::clock::Clock;
use ier::error::Kind;
use ier::ledgers::lookups::{Entry, LookUp, LookUpLog};
use ier::record::id::SfId;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde_json::Value;
use tempfile::TempDir;

use crate::fixture::data;
use crate::world::World;
use crate::world::store::{Call, Mode};

const ANA: &str = "003f40000000001AAA";
const BEN: &str = "003f40000000003AAA";

fn person(id: &str) -> SfId {
    SfId::parse(id).unwrap()
}

fn look_up(id: &str, rows: u64) -> LookUp<'_> {
    LookUp { verb: "history", person: person(id), reason: Some("ticket 4711"), rows }
}

async fn log(world: &World) -> LookUpLog {
    LookUpLog::open(&world.warehouse, "ann", None).await.unwrap()
}

async fn entries(log: &LookUpLog) -> Vec<Entry> {
    let mut entries = Vec::new();
    log.read(|entry| entries.push(entry)).await.unwrap();
    entries
}

fn place(number: u64) -> Path {
    Path::from(format!("lookups/{number:020}.json"))
}

async fn bytes(world: &World, number: u64) -> Vec<u8> {
    world.store.get(&place(number)).await.unwrap().bytes().await.unwrap().to_vec()
}

async fn write(world: &World, number: u64, bytes: Vec<u8>) {
    world.store.put(&place(number), bytes.into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_says_who_whose_when_and_why_and_names_nobody() {
    let world = World::on("2026-11-15");
    let log = log(&world).await;
    assert_eq!(log.verify().await.unwrap().to_string(), "no look-up was ever recorded here");
    log.append(look_up(ANA, 3)).await.unwrap();
    world.days_pass(1);
    log.append(LookUp { reason: None, ..look_up(BEN, 0) }).await.unwrap();
    log.append(look_up("003f40000000001", 3)).await.unwrap();

    let entries = entries(&log).await;
    let reported: Vec<_> = entries.iter().map(|entry| (entry.sequence, entry.rows, entry.reason.as_deref())).collect();
    assert_eq!(reported, [(1, 3, Some("ticket 4711")), (2, 0, None), (3, 3, Some("ticket 4711"))]);
    assert!(entries.iter().all(|entry| entry.who == "ann" && entry.verb == "history"));
    assert_eq!(entries[1].at, world.clock.now());
    assert_eq!(
        (entries[0].subject.len(), &entries[0].subject),
        (64, &entries[2].subject),
        "one person, by either form of the id"
    );
    assert_eq!(Some(&entries[0].subject), log.subject(&person(ANA)).as_ref());
    assert_ne!(entries[0].subject, entries[1].subject);
    assert_eq!(entries[0].previous, "");
    for number in 1..=3 {
        let bytes = bytes(&world, number).await;
        assert!(!String::from_utf8(bytes.clone()).unwrap().contains("003f4"), "no id is in it");
        if let Some(next) = entries.get(number as usize) {
            assert_eq!(next.previous, blake3::hash(&bytes).to_hex().as_str());
        }
    }
    let report = log.verify().await.unwrap();
    assert_eq!((report.entries, report.newest, report.other_keys, &report.damage), (3, 3, 0, &None));
    assert_eq!(report.newest_blake3, blake3::hash(&bytes(&world, 3).await).to_hex().as_str());

    // Neither a look-up nor a vacuum touches the other: the warehouse still holds nothing, and the log all.
    assert!(!world.warehouse.exists().await.unwrap());
    world.days_pass(30);
    world.vacuum(0).await;
    assert_eq!(log.verify().await.unwrap(), report);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_done_to_an_entry_is_found() {
    let world = World::on("2026-11-15");
    let log = log(&world).await;
    for rows in 1..=5 {
        log.append(look_up(ANA, rows)).await.unwrap();
    }
    let other = bytes(&world, 5).await;
    for number in 1..=5u64 {
        let whole = bytes(&world, number).await;
        let text = String::from_utf8(whole.clone()).unwrap();
        let altered = [
            text.replace("\"who\":\"ann\"", "\"who\":\"eve\""),
            text.replace("ticket 4711", "ticket 4712"),
            text.replace("\"rows\":", "\"rows\":1"),
            text.replace("\"sequence\":", "\"sequence\": "),
            text.replace(&log.subject(&person(ANA)).unwrap(), &log.subject(&person(BEN)).unwrap()),
            text[..text.len() / 2].to_owned(),
            String::new(),
        ];
        for altered in altered {
            assert_ne!(altered, text);
            write(&world, number, altered.clone().into_bytes()).await;
            let damage = log.verify().await.unwrap().damage.unwrap_or_else(|| panic!("not found: {altered}"));
            assert_eq!(damage.sequence, number, "{damage}: {altered}");
        }
        if number < 5 {
            write(&world, number, other.clone()).await;
            let damage = log.verify().await.unwrap().damage.unwrap();
            assert_eq!((damage.sequence, damage.what.as_str()), (number, "is another, number 5"));
            world.store.delete(&place(number)).await.unwrap();
            let report = log.verify().await.unwrap();
            let damage = report.damage.unwrap();
            assert_eq!((damage.sequence, damage.what.as_str(), report.entries), (number, "is missing", 4));
        }
        write(&world, number, whole).await;
        assert_eq!(log.verify().await.unwrap().damage, None, "mended");
    }
    let (third, fourth) = (bytes(&world, 3).await, bytes(&world, 4).await);
    write(&world, 3, fourth).await;
    write(&world, 4, third).await;
    assert_eq!(log.verify().await.unwrap().damage.unwrap().sequence, 3, "two that changed places");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_removed_from_the_middle_stays_missed_when_the_log_goes_on() {
    let world = World::on("2026-11-15");
    for rows in 1..=9 {
        log(&world).await.append(look_up(ANA, rows)).await.unwrap();
    }
    for removed in [1, 2, 4, 8] {
        let world = world.fork(None);
        world.store.delete(&place(removed)).await.unwrap();
        log(&world).await.append(look_up(BEN, 1)).await.unwrap();
        let damage = log(&world).await.verify().await.unwrap().damage.unwrap();
        assert!((removed..=removed + 1).contains(&damage.sequence), "{removed} was removed: {damage}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_appends_that_race_all_land() {
    let world = World::on("2026-11-15");
    let processes = [world.another(), world.another(), world.another()];
    // Each opens while there is neither key nor entry, and the clock stands still.
    let logs = join_all(processes.iter().map(log)).await;
    let appends = logs.iter().flat_map(|log| (1..=12).map(move |rows| log.append(look_up(ANA, rows))));
    for appended in join_all(appends).await {
        appended.unwrap();
    }
    let log = log(&world).await;
    let report = log.verify().await.unwrap();
    assert_eq!((report.entries, report.newest, report.other_keys, report.damage), (36, 36, 0, None));
    let mut rows: Vec<u64> = entries(&log).await.iter().map(|entry| entry.rows).collect();
    rows.sort_unstable();
    assert_eq!(rows, (1..=36u64).map(|at| at.div_ceil(3)).collect::<Vec<u64>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_long_log_is_found_without_listing_it() {
    let world = World::on("2026-11-15");
    let log = log(&world).await;
    for rows in 1..=150 {
        log.append(look_up(ANA, rows)).await.unwrap();
        if ![1, 2, 31, 32, 33, 34, 64, 65, 100, 149, 150].contains(&rows) {
            continue;
        }
        let next = world.another();
        let entry = self::log(&next).await.append(look_up(BEN, 0)).await.unwrap();
        assert_eq!(entry.sequence, rows + 1);
        let calls = next.store.calls();
        assert!(calls.iter().all(|call| !call.what.starts_with("list")), "nothing is listed");
        assert!(calls.len() < 110, "{} calls for {rows} entries", calls.len());
        next.store.delete(&place(rows + 1)).await.unwrap();
        // The process that wrote the others knows where it was.
        let before = world.store.calls().len();
        if rows < 150 {
            continue;
        }
        log.append(look_up(BEN, 0)).await.unwrap();
        assert_eq!(world.store.calls().len(), before + 1, "one put");
    }
    assert_eq!(log.verify().await.unwrap().damage, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_whose_answer_was_lost_spoils_nothing() {
    let world = World::on("2026-11-15");
    log(&world).await.append(look_up(ANA, 1)).await.unwrap();
    let clean = world.fork(None);
    log(&clean).await.append(look_up(ANA, 2)).await.unwrap();
    let put = clean.store.calls().iter().position(Call::writes).expect("an entry is written") as u64 + 1;
    for (call, mode) in [(1, Mode::ErrorOnce), (put, Mode::DoneButFailed), (put, Mode::TimeOut)] {
        let world = world.fork(None).process(Some((call, mode)), None);
        let opened = LookUpLog::open(&world.warehouse, "ann", None).await;
        let lost = match &opened {
            Ok(log) => log.append(look_up(ANA, 2)).await.map(drop),
            Err(_) => Err(ier::error::Error::unavailable("not even opened")),
        };
        assert_eq!(lost.unwrap_err().kind(), Kind::Unavailable, "{mode:?}: an entry nobody vouches for is an error");
        let log = match opened {
            Ok(log) => log,
            Err(_) => log(&world).await,
        };
        let entry = log.append(look_up(ANA, 3)).await.unwrap();
        assert_eq!(entry.sequence, if mode == Mode::DoneButFailed { 3 } else { 2 }, "{mode:?}");
        assert_eq!(log.verify().await.unwrap().damage, None, "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_decide_who_can_find_and_who_can_forge() {
    let world = World::on("2026-11-15");
    let secret = "a text that is kept elsewhere";
    let kept = LookUpLog::open(&world.warehouse, "ann", Some(secret)).await.unwrap();
    kept.append(look_up(ANA, 1)).await.unwrap();
    assert!(world.store.head(&Path::from("lookups/key")).await.is_err(), "a key of the settings is not written down");

    let stranger = log(&world).await;
    assert_eq!(stranger.subject(&person(ANA)), None);
    let report = stranger.verify().await.unwrap();
    assert_eq!((report.other_keys, report.damage), (1, None));
    stranger.append(look_up(ANA, 2)).await.unwrap();
    assert!(world.store.head(&Path::from("lookups/key")).await.is_ok());
    assert_ne!(stranger.subject(&person(ANA)), kept.subject(&person(ANA)));
    assert_eq!(stranger.verify().await.unwrap().other_keys, 1);

    // Who has not the key cannot make the chain anew: an entry under a key of their own is counted as such.
    let hexadecimal = blake3::derive_key("another program", b"x").iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let again = LookUpLog::open(&world.warehouse, "ann", Some(secret)).await.unwrap();
    assert_eq!(again.subject(&person(ANA)), kept.subject(&person(ANA)));
    let other = LookUpLog::open(&world.warehouse, "eve", Some(&hexadecimal)).await.unwrap();
    other.append(look_up(BEN, 9)).await.unwrap();
    let report = again.verify().await.unwrap();
    assert_eq!((report.entries, report.other_keys, report.damage), (3, 2, None));

    world.store.put(&Path::from("lookups/key"), "no key".into()).await.unwrap();
    assert_eq!(LookUpLog::open(&world.warehouse, "ann", None).await.unwrap_err().kind(), Kind::Corrupt);
}

/// A folder with `data/` loaded into its warehouse.
struct Room(TempDir);

impl Room {
    fn new() -> Self {
        let room = Self(TempDir::new().unwrap());
        let data = data();
        assert!(room.run(&["load", data.to_str().unwrap(), "--rejects", "rejects.csv"], &[]).status.success());
        room
    }

    fn run(&self, words: &[&str], settings: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ier"));
        command.args(words).current_dir(self.0.path()).env_clear().env("HOME", self.0.path()).envs(settings.iter().copied());
        command.stdin(Stdio::null()).output().unwrap()
    }

    fn log(&self, words: &[&str]) -> (Value, Option<i32>) {
        let output = self.run(&[&["log", "--json"], words].concat(), &[]);
        (serde_json::from_slice(&output.stdout).unwrap(), output.status.code())
    }

    fn entry(&self, number: u64) -> std::path::PathBuf {
        self.0.path().join(format!("warehouse/{}", place(number)))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_history_is_in_the_log_before_it_is_shown() {
    let room = Room::new();
    let shown = room.run(&["history", "003f40000000001", "--reason", " ticket 4711 "], &[("USER", "ann")]);
    assert!(text(&shown.stdout).contains("(6 rows)"), "{}", text(&shown.stderr));
    let nothing = room.run(&["history", "003f4000000ZZZZ"], &[("USER", "ann"), ("IER_AUDIT_WHO", "desk 3")]);
    assert_eq!((nothing.status.code(), text(&nothing.stdout).as_str()), (Some(3), ""));
    for refused in [&["history", "003f4000000000"][..], &["history", ANA, "-F", "parquet", "-o", "a/b.parquet", "x"]] {
        assert_eq!(room.run(refused, &[]).status.code(), Some(2), "{refused:?}");
    }
    let (log, code) = room.log(&[]);
    let reported: Vec<_> =
        log["look_ups"].as_array().unwrap().iter().map(|entry| (&entry["who"], &entry["rows"], &entry["reason"])).collect();
    let (desk, ann) = (Value::from("desk 3"), Value::from("ann"));
    assert_eq!(reported, [(&desk, &Value::from(0), &Value::Null), (&ann, &Value::from(6), &Value::from("ticket 4711"))]);
    assert_eq!((log["log"]["entries"].as_u64(), &log["log"]["damage"], code), (Some(2), &Value::Null, Some(0)));

    for (words, expected) in [
        (&["--subject", "003f40000000001"][..], vec![1]),
        (&["--subject", BEN], vec![]),
        (&["--last", "1"], vec![2]),
        (&["--last", "0"], vec![]),
    ] {
        let (log, _) = room.log(words);
        let numbers: Vec<u64> =
            log["look_ups"].as_array().unwrap().iter().map(|entry| entry["sequence"].as_u64().unwrap()).collect();
        assert_eq!(numbers, expected, "{words:?}");
    }
    assert_eq!(room.run(&["log", "--subject", "003f4000000000"], &[]).status.code(), Some(2));

    // What could not be recorded is not shown.
    std::fs::write(room.0.path().join("warehouse/lookups/key"), "no key").unwrap();
    let unrecorded = room.run(&["history", ANA], &[]);
    assert_eq!((unrecorded.status.code(), text(&unrecorded.stdout).as_str()), (Some(6), ""));
}

#[test]
fn a_reason_can_be_made_mandatory() {
    let room = Room::new();
    let required = [("IER_AUDIT_REASON_REQUIRED", "true")];
    for words in [&["history", ANA][..], &["history", ANA, "--reason", "  "]] {
        let refused = room.run(words, &required);
        assert_eq!((refused.status.code(), text(&refused.stdout).as_str()), (Some(2), ""), "{words:?}");
        assert!(text(&refused.stderr).contains("--reason TEXT"), "{}", text(&refused.stderr));
    }
    assert_eq!(room.log(&[]).0["log"]["entries"], 0);
    std::fs::write(room.0.path().join("ier.toml"), "[audit]\nreason_required = true\nwho = 'desk 3'\n").unwrap();
    assert_eq!(room.run(&["history", ANA], &[]).status.code(), Some(2));
    assert!(room.run(&["history", ANA, "--reason", "ticket 4711"], &[]).status.success());
    assert_eq!(room.log(&[]).0["look_ups"][0]["who"], "desk 3");
}

#[test]
fn a_damaged_log_is_shown_and_is_an_error() {
    let room = Room::new();
    for _ in 0..3 {
        assert!(room.run(&["history", ANA, "--reason", "ticket 4711"], &[("USER", "ann")]).status.success());
    }
    let whole = room.run(&["log"], &[]);
    assert!(whole.status.success() && text(&whole.stdout).contains("none was altered or removed up to number 3, blake3 "));
    let entry = std::fs::read_to_string(room.entry(2)).unwrap();
    std::fs::write(room.entry(2), entry.replace("ann", "eve")).unwrap();
    let damaged = room.run(&["log"], &[]);
    assert_eq!(damaged.status.code(), Some(6));
    assert!(text(&damaged.stdout).contains("3 look-ups; DAMAGED: look-up 2 was altered"), "{}", text(&damaged.stdout));
    assert!(text(&damaged.stderr).contains("the log of look-ups is damaged: look-up 2 was altered"));
    std::fs::remove_file(room.entry(1)).unwrap();
    let (log, code) = room.log(&[]);
    assert_eq!((log["log"]["damage"]["sequence"].as_u64(), code), (Some(1), Some(6)));
}

/// Whichever way somebody is shown, the log tells of it; and where a reason is wanted, nobody is shown without one.
#[test]
fn every_way_to_ask_writes_an_entry_and_asks_for_the_reason() {
    let room = Room::new();
    let pack = ["audit", ANA, "--about", "giving", "--evidence", "a.zip"];
    let doors: [(&[&str], &str); 16] = [
        (&["history", ANA], "history"),
        (&["audit", ANA, "--about", "giving"], "audit"),
        (&pack, "audit"),
        (&["audit", "verify", "a.zip"], "audit verify"),
        (&["ask", "told", "--id", ANA], "contact_observed"),
        (&["who", ANA], "who"),
        (&["alias", "list", ANA], "alias"),
        (&["who", "ortiz, ana"], "who"),
        (&["sql", "SELECT count(*) FROM contact_history('003f40000000001')"], "contact_history"),
        (&["sql", "SELECT id FROM person_ids('003f40000000001AAA')"], "person_ids"),
        (&["sql", "SELECT link_url FROM contact_links('003f40000000001AAA')"], "contact_links"),
        (&["sql", "SELECT ier_id FROM (SELECT * FROM contact_observed('003f40000000001AAA')) t LIMIT 0"], "contact_observed"),
        (&["sql", "SELECT email_name FROM ier WHERE person_id = '003f40000000001'"], "sql"),
        (&["sql", "SELECT email FROM contact WHERE id IN ('003f40000000001AAA', 'x') AND '003f40000000001AAA' = id"], "sql"),
        (&["sql", "SELECT * FROM affiliation WHERE contact_id = '003f40000000001AAA'"], "sql"),
        (&["sql", "SELECT (SELECT count(*) FROM individual_link WHERE person_id = '003f40000000001AAA') AS links"], "sql"),
    ];
    for (at, (words, verb)) in doors.iter().enumerate() {
        let silent = room.run(words, &[("IER_AUDIT_REASON_REQUIRED", "true")]);
        let reported = text(&silent.stderr);
        assert_eq!((silent.status.code(), text(&silent.stdout).as_str()), (Some(2), ""), "{words:?}: {reported}");
        assert!(reported.contains("--reason TEXT"), "{words:?}: {reported}");
        let shown = room
            .run(&[words, &["--reason", "ticket 4711"][..]].concat(), &[("IER_AUDIT_REASON_REQUIRED", "true"), ("USER", "ann")]);
        assert!(shown.status.success(), "{words:?}: {}", text(&shown.stderr));
        let (log, _) = room.log(&["--subject", ANA]);
        let entries = log["look_ups"].as_array().unwrap();
        assert_eq!(entries.len(), at + 1, "{words:?}: {log:#}");
        let newest = entries.iter().max_by_key(|entry| entry["sequence"].as_u64()).unwrap();
        let expected = (&Value::from(*verb), &Value::from("ann"), &Value::from("ticket 4711"));
        assert_eq!((&newest["verb"], &newest["who"], &newest["reason"]), expected, "{words:?}");
    }
    // A statement about everybody is no look-up of anybody, and needs no reason.
    for of_everybody in ["SELECT count(*) FROM ier", "SELECT count(*) FROM ier WHERE person_id <> '003f40000000001'"] {
        assert!(room.run(&["sql", of_everybody], &[("IER_AUDIT_REASON_REQUIRED", "true")]).status.success());
    }
    assert_eq!(room.log(&[]).0["log"]["entries"].as_u64(), Some(doors.len() as u64));
    // Where no variable says who is at work, the system does.
    assert!(room.run(&["history", ANA], &[]).status.success());
    assert_ne!(room.log(&["--last", "1"]).0["look_ups"][0]["who"], "unknown");
}

/// An id that nobody has is refused at every door with the one that was meant, and nothing is shown.
#[test]
fn no_way_to_ask_gives_a_verdict_about_an_id_that_nobody_has() {
    let room = Room::new();
    for words in [
        &["history", "003f4000000000b"][..],
        &["audit", "003f4000000000b", "--about", "giving"],
        &["audit", "003f4000000000b", "--about", "giving", "--evidence", "a.zip"],
        &["ask", "told", "--id", "003f4000000000b"],
        &["who", "003f4000000000b"],
    ] {
        let output = room.run(words, &[("USER", "ann")]);
        let reported = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(3), ""), "{words:?}: {reported}");
        assert!(reported.contains("no contact, lead or record here has the id 003f4000000000bAAA"), "{words:?}: {reported}");
        assert!(
            reported.contains("003f40000000003AAA (Ben Reed), which differs by one character, has 3 mails"),
            "{words:?}: {reported}"
        );
    }
    assert!(!room.0.path().join("a.zip").exists());
    let by_address = room.run(&["ask", "told", "--id", "dana.kim@example.edu"], &[]);
    assert!(text(&by_address.stdout).contains("(1 row)"), "{}", text(&by_address.stderr));
}
