//! Processes that stay for months (a shell, the scheduler, a server): every look is at the newest version and every commit on the
//! newest base, whatever was committed, held and cleaned up meanwhile.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicU64, Ordering};

use ier::lake::log::commit::fence;
use ier::lake::log::table::LakeTable;
use ier::lake::paths::Role;
use ier::ledgers::holds::Scope;
use ier::record::fields::known;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use crate::world::World;
use crate::world::records::{contact_id, ier};

const COUNT: &str = "SELECT count(*), max(merge_id) FROM ier";

impl World {
    async fn table_of(&self, role: Role, name: &str) -> std::sync::Arc<LakeTable> {
        self.warehouse.table(role, known(name).expect("a table everybody knows")).await.expect("a table")
    }

    async fn hot(&self) -> std::sync::Arc<LakeTable> {
        self.table_of(Role::Hot, "individual_email_result").await
    }

    async fn has_entry(&self, lake: &LakeTable, version: u64) -> bool {
        let place = Path::from(format!("{}/_delta_log/{version:020}.json", lake.folder));
        self.store.head(&place).await.is_ok()
    }

    /// Others commit to a table until its log was cleaned up beyond a version.
    async fn until_cleaned_up(&self, lake: &LakeTable, beyond: u64) {
        for _ in 0..25 {
            fence(lake, "another's commit", &self.clock).await.expect("a commit");
        }
        self.days_pass(41);
        for _ in 0..25 {
            fence(lake, "another's commit", &self.clock).await.expect("a commit");
            if !self.has_entry(lake, beyond).await {
                return;
            }
        }
        panic!("the log of {lake:?} was not cleaned up beyond {beyond}");
    }
}

#[tokio::test]
async fn a_shell_left_open_through_a_clean_up_answers_from_the_newest_version() {
    let world = World::on("2026-08-06");
    let shell = world.another();
    world.load(&[ier(1).sent("2026-08-01 12:00")]).await;
    assert_eq!(shell.line(COUNT).await, "1 M-1");
    let known = shell.hot().await.snapshot().await.unwrap().version.unwrap();
    world.until_cleaned_up(&*world.hot().await, known + 1).await;
    world.load(&[ier(2).sent("2026-09-01 12:00")]).await;
    assert!(!world.has_entry(&*world.hot().await, known + 1).await, "its next entry is gone");
    assert_eq!(shell.line(COUNT).await, "2 M-2");
    assert_eq!(world.another().line(COUNT).await, "2 M-2");
}

#[tokio::test]
async fn a_clean_up_deletes_entries_from_the_oldest_on_and_keeps_what_is_young() {
    let world = World::on("2026-08-06");
    world.load(&[ier(1)]).await;
    let hot = world.hot().await;
    world.until_cleaned_up(&hot, 1).await;
    let newest = hot.snapshot().await.unwrap().version.unwrap();
    let there: Vec<bool> = {
        let mut there = Vec::new();
        for version in 0..=newest {
            there.push(world.has_entry(&hot, version).await);
        }
        there
    };
    let first = there.iter().position(|there| *there).expect("an entry");
    assert!(there[first..].iter().all(|there| *there), "no gap: {there:?}");
    let deleted: Vec<String> = world
        .store
        .calls()
        .into_iter()
        .filter(|call| call.what == "delete" && call.path.contains("hot/"))
        .map(|call| call.path)
        .collect();
    assert!(deleted.is_sorted(), "{deleted:?}");
    // What is young stays, however many commits there were.
    for _ in 0..45 {
        fence(&hot, "another's commit", &world.clock).await.unwrap();
    }
    assert!(world.has_entry(&hot, first as u64).await || there.len() > first);
    let entries_left = (0..=newest + 45).rev();
    for version in entries_left.take(45) {
        assert!(world.has_entry(&hot, version).await, "entry {version} is of today");
    }
}

#[tokio::test]
async fn a_hold_placed_while_the_scheduler_stood_still_keeps_its_rows() {
    let world = World::on("2026-08-06");
    world.load(&[ier(1).contact(1).sent("2020-08-01 12:00"), ier(2).contact(2).sent("2020-08-01 12:00")]).await;
    // The scheduler has looked at the ledger once, and finds nothing to remove yet.
    let scheduler = world.another();
    world.hold(Scope { send: Some("4711".to_owned()), ..Scope::default() }).await;
    assert_eq!(scheduler.retain("years = 10").await.rows, 0);
    let ledger = world.table_of(Role::Reference, "legal_hold").await;
    let known = ledger.snapshot().await.unwrap().version.unwrap();
    world.hold(Scope { person_id: Some(contact_id(1)), ..Scope::default() }).await;
    world.until_cleaned_up(&ledger, known + 1).await;
    scheduler.retain("years = 3").await;
    assert_eq!(world.left().await, "1", "the held person's row stays, the other goes");
    world.the_books_balance().await;
}

/// A job is stopped between its files and its commit, for longer than the log is kept.
#[tokio::test]
async fn a_load_that_slept_through_a_clean_up_loses_its_race_and_is_made_anew() {
    for at_the_entry in [false, true] {
        let world = World::on("2026-08-06");
        world.load(&[ier(1).sent("2026-08-01 12:00")]).await;
        let hot = world.hot().await;
        let next = hot.snapshot().await.unwrap().version.unwrap() + 1;
        let sleeper = world.another();
        let entry = format!("hot/individual_email_result/_delta_log/{next:020}.json");
        // Before it looks whether its base still is the newest, or when nothing but the entry itself is to be written.
        let gate = match at_the_entry {
            true => sleeper.store.hold(move |call| call.what == "put new" && call.path == entry),
            false => sleeper.store.hold(|call| call.what.starts_with("put") && call.path.contains("part-")),
        };
        let records = [ier(2).sent("2026-08-02 12:00")];
        let (counts, ()) = tokio::join!(sleeper.load(&records), async {
            gate.reached().await;
            world.until_cleaned_up(&hot, next).await;
            gate.open();
        });
        assert_eq!(counts.inserted, 1);
        assert_eq!(world.another().line(COUNT).await, "2 M-2", "stopped before its entry: {at_the_entry}");
        assert_eq!(sleeper.line(COUNT).await, "2 M-2");
        world.load(&[ier(3).sent("2026-08-03 12:00")]).await;
        assert_eq!(sleeper.line(COUNT).await, "3 M-3");
    }
}

#[tokio::test]
async fn a_first_commit_that_slept_until_the_log_was_cleaned_up_is_made_anew() {
    let world = World::on("2026-08-06");
    let sleeper = world.another();
    let gate = sleeper
        .store
        .hold(|call| call.what == "put new" && call.path == "hot/individual_email_result/_delta_log/00000000000000000000.json");
    let records = [ier(2).sent("2026-08-02 12:00")];
    let (counts, ()) = tokio::join!(sleeper.load(&records), async {
        gate.reached().await;
        world.load(&[ier(1).sent("2026-08-01 12:00")]).await;
        world.until_cleaned_up(&*world.hot().await, 0).await;
        gate.open();
    });
    assert_eq!(counts.inserted, 1);
    assert_eq!(world.another().line(COUNT).await, "2 M-2");
    assert_eq!(sleeper.line(COUNT).await, "2 M-2");
}

/// Someone who looks at any time while others commit, hold, release and clean up never sees what is not the newest, nor loses what
/// was committed. `IER_TEST_STAYS` sets how many commits others make (1000 take minutes).
#[tokio::test]
async fn whoever_stays_sees_every_commit_of_others_whenever_it_looks() {
    let commits: u64 = std::env::var("IER_TEST_STAYS").ok().and_then(|text| text.parse().ok()).unwrap_or(150);
    let random = AtomicU64::new(17);
    let below = |bound: u64| {
        let next = random.load(Ordering::Relaxed).wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        random.store(next, Ordering::Relaxed);
        (next >> 33) % bound
    };
    let world = World::on("2026-01-06");
    let (shell, server) = (world.another(), world.another());
    let (hot, ledger) = (world.hot().await, world.table_of(Role::Reference, "legal_hold").await);
    world.load(&[ier(1)]).await;
    world.hold(Scope { send: Some("1".to_owned()), ..Scope::default() }).await;
    let (mut rows, mut holds) = (1, 1);
    for commit in 0..commits {
        match below(10) {
            0 => {
                holds += 1;
                world.hold(Scope { send: Some(format!("{}", holds)), ..Scope::default() }).await;
            }
            1 | 2 => {
                rows += 1;
                // Whoever stays commits, too, on what it last saw.
                let writer = if below(3) == 0 { &server } else { &world };
                writer.load(&[ier(rows)]).await;
            }
            3 => fence(&ledger, "another's commit", &world.clock).await.unwrap(),
            _ => fence(&hot, "another's commit", &world.clock).await.unwrap(),
        }
        world.days_pass(below(4) as i64);
        for process in [&shell, &server] {
            if below(12) == 0 {
                assert_eq!(process.line("SELECT count(*) FROM ier").await, format!("{rows}"), "after {commit} commits");
                let seen = process.line("SELECT count(*) FROM legal_hold").await;
                assert_eq!(seen, format!("{holds}"), "holds, after {commit} commits");
            }
        }
    }
    for process in [&shell, &server, &world.another()] {
        assert_eq!(process.line("SELECT count(*) FROM ier").await, format!("{rows}"));
        assert_eq!(process.line("SELECT count(*) FROM legal_hold").await, format!("{holds}"));
    }
    assert!(!world.has_entry(&hot, 0).await, "the log was cleaned up meanwhile");
    world.is_sound().await;
}
