//! The ledger of runs: each run leaves one row that says how it ended, whatever else happens, and names nobody.
#![allow(clippy::unwrap_used)]

use std::fmt;
use std::process::{Command, Output};

use futures::future::join_all;
use ier::error::{Error, Kind, Result};
use ier::jobs::{archive, compact, vacuum};
use ier::ledgers::runs::{FinishedRun, Outcome, Report, histories, recorded};
use serde::Serialize;
use tempfile::TempDir;

use crate::fixture::data;
use crate::world::records::ier;
use crate::world::store::Mode;
use crate::world::{COMPACT, World, day, silent};

const RUNS: &str = "SELECT job, outcome, rows, who, engine, error FROM job_run ORDER BY started_at, job";

/// What a job of the tests says.
#[derive(Debug, Serialize)]
struct Said {
    what: &'static str,
    rows: u64,
    complains: bool,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

impl Report for Said {
    fn rows(&self) -> u64 {
        self.rows
    }

    fn changed(&self) -> bool {
        self.rows > 0
    }

    fn complaint(&self) -> Option<Error> {
        self.complains.then(|| Error::corrupt("one file is damaged"))
    }
}

fn said(what: &'static str, rows: u64) -> Result<Said> {
    Ok(Said { what, rows, complains: false })
}

async fn run(world: &World, job: &str, outcome: Result<Said>) -> Result<FinishedRun<Said>> {
    recorded(&world.warehouse, job, "ann", |_| async move { outcome }).await
}

async fn with_rows() -> World {
    let world = World::on("2026-11-01");
    world.load(&[ier(1).sent("2026-05-06 08:00"), ier(2).sent("2026-10-20 08:00")]).await;
    world
}

async fn archived(world: &World) -> Result<FinishedRun<archive::ArchiveReport>> {
    let warehouse = &world.warehouse;
    let work =
        |_| async { archive::execute(warehouse, archive::plan(warehouse, Some(day("2026-08-01")), 90).await?, silent()).await };
    recorded(warehouse, "archive", "ann", work).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_says_how_it_ended() {
    let world = with_rows().await;
    archived(&world).await.unwrap();
    world.clock.tick(chrono::Duration::hours(1));
    archived(&world).await.unwrap();
    world.clock.tick(chrono::Duration::hours(1));
    let failed =
        run(&world, "audit", Err(Error::unavailable(format!("no answer about {}", "003f400000JJbuPAAT")))).await.unwrap_err();
    assert_eq!(failed.to_string(), "no answer about 003f400000JJbuPAAT", "who asked is told everything");
    world.clock.tick(chrono::Duration::hours(1));
    let complains = Ok(Said { what: "looked at 3 files", rows: 0, complains: true });
    let ended = run(&world, "verify", complains).await.unwrap();
    assert!(ended.unrecorded.is_none());
    let engine = concat!("ier ", env!("CARGO_PKG_VERSION"));
    let reported = [
        ["archive", "done", "1", "ann", engine, "-"],
        ["archive", "nothing", "0", "ann", engine, "-"],
        ["audit", "failed", "0", "ann", engine, "unavailable"],
        ["verify", "failed", "0", "ann", engine, "corrupt: one file is damaged"],
    ];
    assert_eq!(world.ask(RUNS).await, reported);
    let report = world.line("SELECT report FROM job_run WHERE outcome = 'done'").await;
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["until"], &report["tables"][0]["rows"]), (&"2026-08-01".into(), &1.into()));
    assert_eq!(world.line("SELECT report FROM job_run WHERE job = 'audit'").await, "-");
    assert_eq!(
        world.line("SELECT started_at, finished_at FROM job_run WHERE job = 'verify'").await,
        "2026-11-01T15:00:00Z 2026-11-01T15:00:00Z"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_job_says_whether_it_changed_anything() {
    let world = with_rows().await;
    let warehouse = &world.warehouse;
    for expected in ["archive done", "archive nothing"] {
        archived(&world).await.unwrap();
        assert_eq!(newest(&world).await, expected);
        world.clock.tick(chrono::Duration::minutes(1));
    }
    // A second file in May's month.
    world.load(&[ier(3).sent("2026-05-07 08:00")]).await;
    world.archive("2026-08-01").await;
    for expected in ["compact done", "compact nothing"] {
        let work = |_| async { compact::execute(warehouse, compact::plan(warehouse, &COMPACT).await?, &COMPACT, silent()).await };
        recorded(warehouse, "compact", "ann", work).await.unwrap();
        assert_eq!(newest(&world).await, expected);
        world.clock.tick(chrono::Duration::minutes(1));
    }
    let week = chrono::Duration::days(7);
    let work = |_| async { vacuum::execute(vacuum::plan(warehouse, week).await?, silent()).await };
    recorded(warehouse, "vacuum", "ann", work).await.unwrap();
    assert_eq!(newest(&world).await, "vacuum nothing");
    world.days_pass(8);
    recorded(warehouse, "vacuum", "ann", work).await.unwrap();
    assert_eq!(newest(&world).await, "vacuum done");
    world.files_are_sound().await;
}

async fn newest(world: &World) -> String {
    world.line("SELECT job, outcome FROM job_run ORDER BY started_at DESC LIMIT 1").await
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_a_run_that_changed_nothing_leaves_nothing() {
    let world = World::on("2026-11-01");
    archived(&world).await.unwrap();
    run(&world, "load", Err(Error::not_found("no such file"))).await.unwrap_err();
    assert!(!world.warehouse.exists().await.unwrap());
    // What changed something is recorded also there, and what was stopped by its user nowhere.
    run(&world, "load", said("2 rows", 2)).await.unwrap();
    run(&world, "load", Err(Error::interrupted("stopped"))).await.unwrap_err();
    assert_eq!(world.line("SELECT job, outcome, rows FROM job_run").await, "load done 2");
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_end_at_once_all_leave_their_rows() {
    let world = with_rows().await;
    let others: Vec<World> = (0..8).map(|_| world.another()).collect();
    let ended = join_all(others.iter().map(|other| run(other, "compact", said("one", 1)))).await;
    let mut ids: Vec<String> = ended.into_iter().map(|ended| ended.unwrap()).map(|ended| ended.run_id).collect();
    ids.sort();
    let reported: Vec<String> = world.ask("SELECT run_id FROM job_run ORDER BY 1").await.into_iter().flatten().collect();
    assert_eq!(reported, ids);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_written_fails_no_job_and_is_never_there_twice() {
    let before = with_rows().await;
    run(&before, "load", said("2 rows", 2)).await.unwrap();
    let clean = before.fork(None);
    run(&clean, "compact", said("one", 1)).await.unwrap();
    let calls = clean.store.calls();
    let (mut reported, mut unreported) = (0, 0);
    for mode in Mode::ALL {
        let last = if mode.concerns_writes_only() { calls.iter().filter(|call| call.writes()).count() } else { calls.len() };
        for call in 1..=last as u64 {
            let world = before.fork(Some((call, mode)));
            let ended = world.store.process(run(&world, "compact", said("one", 1))).await;
            let next = world.another();
            let rows: u32 = next.line("SELECT count(*) FROM job_run WHERE job = 'compact'").await.parse().unwrap();
            assert!(rows <= 1, "{mode:?} at {call}");
            match ended {
                None => {}
                Some(ended) => match ended.unwrap().unrecorded {
                    None => (assert_eq!(rows, 1, "{mode:?} at {call}"), reported += 1).1,
                    Some(error) => {
                        (assert_eq!(error.kind(), Kind::Unavailable, "{mode:?} at {call}: {error}"), unreported += 1).1
                    }
                },
            }
            run(&next, "vacuum", said("one", 1)).await.unwrap();
            next.files_are_sound().await;
        }
    }
    assert!(reported > 0 && unreported > 0, "{reported} told, {unreported} not");
    // The job's own error comes first.
    let world = before.fork(Some((1, Mode::ErrorForEver)));
    let error = run(&world, "compact", Err(Error::corrupt("the month is damaged"))).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    let text = error.to_string();
    assert!(text.starts_with("the month is damaged; and the ledger of runs could not be written ("), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_view_shows_how_each_job_is_doing() {
    let world = with_rows().await;
    let hour = || world.clock.tick(chrono::Duration::hours(1));
    for outcome in [said("2 rows", 2), said("nothing", 0), Err(Error::corrupt("bad")), Err(Error::corrupt("worse"))] {
        drop(run(&world, "compact", outcome).await);
        hour();
    }
    drop(run(&world, "verify", Err(Error::corrupt("a file is gone"))).await);
    hour();
    run(&world, "archive", said("5 rows", 5)).await.unwrap();
    let reported = world.ask("SELECT * FROM jobs ORDER BY job").await;
    let line = |text: &str| text.split(" | ").map(str::to_owned).collect::<Vec<_>>();
    let expected = [
        line("archive | 2026-11-01T17:00:00Z | done | 0.0 | 5 | - | 2026-11-01T17:00:00Z | 0 | 1"),
        line("compact | 2026-11-01T15:00:00Z | failed | 0.0 | 0 | corrupt: worse | 2026-11-01T13:00:00Z | 2 | 4"),
        line("verify | 2026-11-01T16:00:00Z | failed | 0.0 | 0 | corrupt: a file is gone | - | 1 | 1"),
    ];
    assert_eq!(reported, expected);
    // What a schedule goes by says the same.
    let histories = histories(&world.warehouse).await.unwrap();
    let reported: Vec<_> = histories.iter().map(|(job, run)| (job.as_str(), run.outcome.as_str(), run.failures)).collect();
    assert_eq!(reported, [("archive", "done", 0), ("compact", "failed", 2), ("verify", "failed", 1)]);
    let compact = &histories["compact"];
    assert_eq!(compact.succeeded_at.unwrap().to_rfc3339(), "2026-11-01T13:00:00+00:00");
    assert_eq!((compact.rows, Outcome::Nothing.name()), (0, "nothing"));
}

/// The verbs of the command line, through the front door.
#[test]
fn the_verbs_leave_rows_and_dry_runs_none() {
    let room = TempDir::new().unwrap();
    let ier = |words: &[&str]| -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ier"));
        command.args(words).current_dir(room.path()).env_clear().env("HOME", room.path()).env("USER", "tester");
        command.output().unwrap()
    };
    let runs = || {
        let output = ier(&["sql", "-F", "csv", "SELECT job, outcome, who FROM job_run ORDER BY started_at"]);
        String::from_utf8(output.stdout).unwrap().lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    for job in [&["archive", "-n"][..], &["compact", "-n"], &["vacuum"], &["archive"]] {
        assert_eq!(ier(job).status.code(), Some(3), "{job:?}: there is no warehouse");
    }
    assert!(!room.path().join("warehouse").exists(), "a job that found no warehouse made one");
    assert!(ier(&["load", data().to_str().unwrap()]).status.success());
    for job in [&["archive", "--until", "2026-08-17"][..], &["compact"], &["vacuum", "--confirm"]] {
        assert!(ier(job).status.success(), "{job:?}");
    }
    for dry in [&["archive", "-n"][..], &["compact", "-n"], &["vacuum"]] {
        assert!(ier(dry).status.success());
    }
    std::fs::write(room.path().join("bad.csv"), "Id,et4ae5__MergeId__c,et4ae5__DateSent__c\nno-id,M,never\n").unwrap();
    assert_eq!(ier(&["load", "bad.csv"]).status.code(), Some(2));
    // What cannot be done as it was typed is no run.
    std::fs::write(room.path().join("taken.csv"), "").unwrap();
    for (typed, code) in [
        (&["load", "absent.csv"][..], 3),
        (&["load", "bad.csv", "--rejects", "taken.csv"], 2),
        (&["release", "--out", "taken.csv"], 2),
        (&["release", "--again", "no-run", "--out", "ids.csv"], 3),
        (&["hold", "add", "--unit", "No Unit", "--reason", "x"], 3),
        (&["hold", "release", "hold-1", "--reason", "x"], 3),
        (&["verify", "--table", "no_table"], 3),
    ] {
        assert_eq!(ier(typed).status.code(), Some(code), "{typed:?}");
    }
    let expected =
        ["load,done,tester", "archive,done,tester", "compact,nothing,tester", "vacuum,nothing,tester", "load,failed,tester"];
    assert_eq!(runs(), expected);
}

#[test]
fn a_row_repeats_nothing_that_stood_in_a_file() {
    let room = TempDir::new().unwrap();
    let ier = |words: &[&str]| -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ier"));
        command.args(words).current_dir(room.path()).env_clear().env("HOME", room.path()).env("USER", "tester");
        command.output().unwrap()
    };
    let row = "003f40000051001AAA,Ottoline,Quillfeather,+1 303 555 0100,ottoline@example.edu,1971-03-04";
    std::fs::write(room.path().join("bare.csv"), format!("{row}\n{row}\n")).unwrap();
    assert!(ier(&["load", data().to_str().unwrap()]).status.success());
    for words in [&["load", "bare.csv"][..], &["load", "bare.csv", "--as", "contact"]] {
        assert_eq!(ier(words).status.code(), Some(2), "{words:?}");
    }
    assert!(ier(&["hold", "add", "--person", "003f40000000001AAA", "--reason", "Quillfeather v. CU"]).status.success());
    let runs = ier(&["sql", "-F", "csv", "SELECT job, error, report FROM job_run WHERE job = 'hold' OR outcome = 'failed'"]);
    let reported = String::from_utf8(runs.stdout).unwrap();
    assert_eq!(reported.lines().count(), 4, "{reported}");
    for private in ["Ottoline", "Quillfeather", "0100", "1971", "ottoline", "003f4"] {
        assert!(!reported.contains(private), "{reported}");
    }
    assert_eq!(reported.matches("invalid: bare.csv").count(), 2, "{reported}");
}
