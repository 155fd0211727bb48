//! Every object in its place: what is sealed says where it belongs, keys prove themselves, and a warehouse knows that it is one.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use ier::error::{Error, Kind};
use ier::lake::log::marker::FORMAT;
use ier::ledgers::holds::Scope;
use ier::ledgers::lookups::{LookUp, LookUpLog};
use ier::query::engine::Engine;
use ier::query::limits::Limits;
use ier::record::id::SfId;
use ier::tiers::warehouse::Warehouse;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use tempfile::TempDir;

use crate::erase::{erase_as, request};
use crate::fixture::data;
use crate::verify::{look_at_some, with_checkpoint};
use crate::world::records::{contact_id, ier};
use crate::world::{Rows, World};

const QUESTIONS: [&str; 4] = [
    "SELECT ier_id, opened, number_of_total_clicks, tier FROM ier ORDER BY 1",
    "SELECT person_id, count(*), max(date_sent) FROM ier GROUP BY 1 ORDER BY 1",
    "SELECT hold_id, action FROM legal_hold ORDER BY 1, 2",
    "SELECT count(*) FROM contact",
];

impl World {
    async fn bytes_at(&self, place: &str) -> Vec<u8> {
        self.store.get(&Path::from(place)).await.unwrap().bytes().await.unwrap().to_vec()
    }

    async fn put_at(&self, place: &str, bytes: Vec<u8>) {
        self.store.put(&Path::from(place), bytes.into()).await.unwrap();
    }

    async fn places(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let all = self.store.everything().await.into_iter().map(|(place, _)| place);
        all.filter(|place| wanted(place)).collect()
    }

    async fn answers(&self) -> Vec<ier::error::Result<Rows>> {
        let mut answers = Vec::new();
        for question in QUESTIONS {
            answers.push(self.try_ask(question).await);
        }
        answers
    }

    /// Puts `bytes` where they do not belong: no answer may be another than before, and the verification has to name the place.
    async fn is_found_at(&self, place: &str, bytes: Vec<u8>, expected: &[Rows]) {
        let broken = self.fork(None);
        broken.put_at(place, bytes).await;
        for ((question, answer), expected) in QUESTIONS.iter().zip(broken.answers().await).zip(expected) {
            match answer {
                Ok(rows) => assert_eq!(&rows, expected, "{question}, with another object at {place}"),
                Err(error) => assert_eq!(error.kind(), Kind::Corrupt, "{question}: {error}"),
            }
        }
        let report = broken.another().try_verify(None, false).await.unwrap();
        let named = report.damages.iter().any(|damage| damage.object.ends_with(place));
        assert!(named, "{place} holds another object, and verify says: {report}");
    }
}

/// A warehouse with a checkpoint, holds of which one was released, rows in both tiers, look-ups and somebody erased.
async fn lived_in() -> World {
    let world = with_checkpoint().await;
    let hold = world.hold(Scope { person_id: Some(contact_id(2)), ..Scope::default() }).await;
    world.hold(Scope { send: Some("17".to_owned()), ..Scope::default() }).await;
    world.release(&hold).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_in_anothers_place_is_no_answer_and_is_named() {
    let world = lived_in().await;
    let expected: Vec<Rows> = world.answers().await.into_iter().map(Result::unwrap).collect();
    let of = |table: &'static str| {
        move |place: &str| place.starts_with(table) && place.ends_with(".json") && place.contains("_delta_log")
    };
    let hot = world.places(of("hot/individual_email_result")).await;
    let mut entries = hot[hot.len() - 3..].to_vec();
    entries.extend(world.places(of("archive/individual_email_result")).await);
    entries.extend(world.places(of("reference/legal_hold")).await);
    assert!(entries.len() >= 7, "{entries:?}");
    for (at, place) in entries.iter().enumerate() {
        for step in [1, 3, entries.len() - 1] {
            let other = &entries[(at + step) % entries.len()];
            world.is_found_at(place, world.bytes_at(other).await, &expected).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_with_its_seals_a_tally_and_a_hint_of_another_table_are_named() {
    let world = lived_in().await;
    let expected: Vec<Rows> = world.answers().await.into_iter().map(Result::unwrap).collect();
    let tallies = world.places(|place| place.contains("/_tally/") && place.starts_with("hot/individual_email_result")).await;
    let others = world.places(|place| place.contains("/_tally/") && place.starts_with("archive/individual_email_result")).await;
    let lake = crate::verify::lake(&world, ier::lake::paths::Role::Hot).await;
    let live = ier::lake::log::tally::live(&lake, &lake.snapshot().await.unwrap()).await.unwrap().unwrap().to_string();
    for other in tallies.iter().chain(&others).filter(|other| **other != live) {
        world.is_found_at(&live, world.bytes_at(other).await, &expected).await;
    }
    // The warehouse of somebody else, with the same tables and versions.
    let stranger = lived_in().await;
    let checkpoint = world
        .places(|place| place.contains("hot/individual_email_result/_delta_log") && place.ends_with("checkpoint.parquet"))
        .await;
    let theirs = stranger.places(|place| place == checkpoint[0]).await;
    let broken = world.fork(None);
    for seal in stranger.places(|place| place.starts_with("hot/individual_email_result/_seals/")).await {
        broken.put_at(&seal, Vec::new()).await;
    }
    broken.is_found_at(&checkpoint[0], stranger.bytes_at(&theirs[0]).await, &expected).await;
    let hint = "hot/individual_email_result/_delta_log/_last_checkpoint";
    world.is_found_at(hint, stranger.bytes_at(hint).await, &expected).await;
    let newest =
        world.places(|place| place.starts_with("hot/individual_email_result/_delta_log") && place.ends_with(".json")).await;
    let newest = newest.last().unwrap();
    world.is_found_at(newest, stranger.bytes_at(newest).await, &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_the_erased_that_is_another_brings_nobody_back() {
    let world = World::on("2026-11-01");
    let rows = [ier(1).contact(1).sent("2026-10-20 09:00"), ier(2).contact(2).sent("2026-10-20 09:00")];
    world.load(&rows).await;
    erase_as(&world, request(&[&contact_id(1)])).await.unwrap();
    let key = world.bytes_at("erased/key").await;
    for at in [0, 31, 63] {
        let broken = world.fork(None);
        let mut other = key.clone();
        other[at] = if other[at] == b'0' { b'1' } else { b'0' };
        broken.put_at("erased/key", other).await;
        let file = broken.file("again.csv", &rows);
        let refused = broken.load_files(&[file]).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Corrupt, "{refused}");
        assert_eq!(broken.line("SELECT count(*) FROM ier").await, "1");
        let again = erase_as(&broken.another(), request(&[&contact_id(2)])).await.unwrap_err();
        assert_eq!(again.kind(), Kind::Corrupt, "{again}");
        let report = broken.another().try_verify(None, false).await.unwrap();
        assert!(report.damages.iter().any(|damage| damage.object == "erased/key"), "{report}");
    }
    let broken = world.fork(None);
    broken.store.delete(&Path::from("erased/key")).await.unwrap();
    let report = broken.another().try_verify(None, false).await.unwrap();
    assert!(report.damages.iter().any(|damage| damage.object == "erased/key"), "{report}");
    let again = erase_as(&broken, request(&[&contact_id(2)])).await.unwrap_err();
    assert_eq!(again.kind(), Kind::Corrupt, "{again}");
    assert!(broken.store.head(&Path::from("erased/key")).await.is_err(), "no other key is made in its place");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_look_up_is_entered_under_a_key_that_is_not_the_logs() {
    let world = World::on("2026-11-01");
    world.load(&[ier(1)]).await;
    look_at_some(&world).await;
    let look_up = || LookUp { verb: "history", person: SfId::parse(&contact_id(1)).unwrap(), reason: None, rows: 1 };
    let key = world.bytes_at("lookups/key").await;
    for lost in [true, false] {
        let broken = world.fork(None);
        match lost {
            true => broken.store.delete(&Path::from("lookups/key")).await.unwrap(),
            false => broken.put_at("lookups/key", key.iter().rev().copied().collect()).await,
        }
        let refused = LookUpLog::open(&broken.warehouse, "ann", None).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Corrupt, "{refused}");
        let report = broken.try_verify(None, false).await.unwrap();
        assert!(report.damages.iter().any(|damage| damage.object == "lookups/key"), "{report}");
        // A key of the settings needs no entry before it, and the log's own may be used again afterwards.
        let with_key = LookUpLog::open(&broken.warehouse, "ann", Some("a key of the settings")).await.unwrap();
        assert_eq!(with_key.append(look_up()).await.unwrap().sequence, 4);
        broken.put_at("lookups/key", key.clone()).await;
        let own = LookUpLog::open(&broken.warehouse, "ann", None).await.unwrap();
        assert_eq!(own.append(look_up()).await.unwrap().sequence, 5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warehouse_whose_marker_is_lost_or_anothers_is_refused_and_gets_no_new_one() {
    let world = World::on("2026-11-01");
    world.load(&[ier(1)]).await;
    let stranger = World::on("2026-11-01");
    stranger.load(&[ier(2)]).await;
    for other in [None, Some(stranger.bytes_at("warehouse.json").await)] {
        let broken = world.fork(None);
        match &other {
            None => broken.store.delete(&Path::from("warehouse.json")).await.unwrap(),
            Some(bytes) => broken.put_at("warehouse.json", bytes.clone()).await,
        }
        let error = broken.try_ask("SELECT count(*), max(ier_id) FROM ier").await.unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt, "{error}");
        let file = broken.file("again.csv", &[ier(3)]);
        assert_eq!(broken.load_files(&[file]).await.unwrap_err().kind(), Kind::Corrupt);
        assert_eq!(broken.store.head(&Path::from("warehouse.json")).await.is_ok(), other.is_some());
    }
}

/// A folder in which `ier` runs.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn ier(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ier"));
        command.args(words).current_dir(self.0.path()).env_clear().env("HOME", self.0.path()).env("USER", "tester");
        command.stdin(Stdio::null()).output().unwrap()
    }

    fn refused(&self, words: &[&str], code: i32, says: &str) {
        let output = self.ier(words);
        let reported = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {reported}");
        assert!(reported.contains(says), "{words:?}: {reported}");
    }
}

#[test]
fn where_there_is_no_warehouse_nothing_is_answered_sealed_or_made() {
    let desk = Desk::new();
    std::fs::create_dir(desk.0.path().join("files")).unwrap();
    std::fs::copy(data().join("contact.csv"), desk.0.path().join("files/contact.csv")).unwrap();
    let ana = "003f40000000001";
    let verbs: [&[&str]; 18] = [
        &["sql", "SELECT count(*) FROM ier"],
        &["ask", "rates"],
        &["history", ana],
        &["who", "ana@example.edu"],
        &["audit", ana, "--about", "giving day", "--evidence", "t.zip"],
        &["--json", "audit", ana, "--about", "giving day"],
        &["-q", "audit", ana, "--about", "giving day"],
        &["log"],
        &["status"],
        &["verify"],
        &["reconcile"],
        &["archive"],
        &["compact"],
        &["vacuum"],
        &["retain"],
        &["release", "--out", "list.csv"],
        &["hold", "list"],
        &["run", "--once"],
    ];
    for folder in ["typo", "files"] {
        for verb in verbs {
            let words = [&["-w", folder], verb].concat();
            desk.refused(&words, 3, "there is no warehouse at ");
        }
    }
    let mut made: Vec<_> = std::fs::read_dir(desk.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    made.sort();
    assert_eq!(made, ["files"], "nothing was made");
    assert_eq!(std::fs::read_dir(desk.0.path().join("files")).unwrap().count(), 1);
}

#[test]
fn a_warehouse_a_folder_above_or_below_is_named() {
    let desk = Desk::new();
    let contact = data().join("contact.csv");
    let loaded = desk.ier(&["-w", "all/warehouse", "load", contact.to_str().unwrap()]);
    assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
    desk.refused(&["-w", "all", "status"], 3, "all/warehouse: name it with --warehouse");
    desk.refused(&["-w", "all/warehouse/reference", "status"], 3, "all/warehouse: name it with --warehouse");
    assert!(desk.ier(&["-w", "all/warehouse", "status"]).status.success());
}

#[test]
fn a_newer_format_is_refused_by_all_that_read_or_write() {
    let desk = Desk::new();
    let contact = data().join("contact.csv");
    assert!(desk.ier(&["-w", "wh", "load", contact.to_str().unwrap()]).status.success());
    let place = desk.0.path().join("wh/warehouse.json");
    let marker = std::fs::read_to_string(&place).unwrap();
    assert!(marker.contains(&format!("\"format\":{FORMAT},")), "{marker}");
    let newer = marker.replace(&format!("\"format\":{FORMAT},"), "\"format\":99,");
    let at = newer.find("\"ier.seal\":\"").unwrap() + "\"ier.seal\":\"".len();
    let zeros = format!("{}{}{}", &newer[..at], "0".repeat(64), &newer[at + 64..]);
    let sealed = format!("{}{}{}", &newer[..at], blake3::hash(zeros.as_bytes()).to_hex(), &newer[at + 64..]);
    std::fs::write(&place, sealed).unwrap();
    for words in [&["-w", "wh", "status"][..], &["-w", "wh", "sql", "SELECT 1"], &["-w", "wh", "load", contact.to_str().unwrap()]]
    {
        desk.refused(words, 2, "format 99");
    }
    std::fs::write(&place, marker.replacen("ier ", "eir ", 1)).unwrap();
    desk.refused(&["-w", "wh", "status"], 6, "warehouse.json");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_an_answer_about_a_place_where_there_is_no_warehouse() {
    let world = World::on("2026-11-01");
    let refused = async |error: Option<Error>| {
        let error = error.expect("no warehouse, no engine");
        assert_eq!(error.kind(), Kind::NotFound, "{error}");
        assert!(error.to_string().contains("there is no warehouse at"), "{error}");
    };
    refused(Engine::open(world.warehouse.clone(), Limits::default()).await.err()).await;
    refused(Warehouse::open("memory:///nothing", &BTreeMap::new(), Arc::new(world.clock.clone())).await.err()).await;
    world.load(&[ier(1).sent("2026-10-20 08:00")]).await;
    Engine::open(world.warehouse.clone(), Limits::default()).await.expect("an engine over a warehouse");
}
