//! The same on S3: a server in this process, the client that production uses, and between them what a network adds: answers
//! that get lost when the work is done, servers that want to be left alone, and a client that tries again.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use hyper::Method;
use ier::tiers::warehouse::Warehouse;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use super::every_call::{Played, calls, on_all_cores, on_one_thread, panic_text, play};
use super::long;
use super::pairs::pairs;
use super::scenes::{base, before_meeting};
use super::seen::Seen;
use crate::world::World;
use crate::world::s3::{HttpFault, S3Server};
use crate::world::store::{FaultStore, Mode};

/// Ways a call to the store fails here. S3 writes an object whole or not at all: nothing can be torn.
const MODES: [Mode; 4] = [Mode::ErrorForEver, Mode::DoneButFailed, Mode::TimeOut, Mode::AbortAfter];

/// Of the requests that read, every so many is made to go wrong.
const READS_SKIPPED: usize = 25;

/// Copies of a warehouse on the server, each in a bucket of its own.
struct Copies {
    server: S3Server,
    objects: Vec<(String, Bytes)>,
    made: AtomicUsize,
}

impl Copies {
    async fn of(world: &World) -> Self {
        Self { server: S3Server::start(), objects: world.store.everything().await, made: AtomicUsize::new(0) }
    }

    /// A new copy: its bucket, and the world in which it stands.
    fn copy(&self, like: &World) -> (String, World) {
        let bucket = format!("copy-{}", self.made.fetch_add(1, Ordering::SeqCst));
        self.server.fill(&bucket, &self.objects);
        let store = FaultStore::over(Arc::new(self.server.client(&bucket)), like.clock.clone());
        (bucket, like.with(store))
    }
}

#[derive(Clone, Copy, Debug)]
enum Point {
    Call(u64, Mode),
    Request(usize, HttpFault),
}

/// Fails a scene's job at each write and at some reads, as a store and as a server can.
fn at_every_write(scene: &str) {
    let started = Instant::now();
    let (played, copies, calls, requests) = on_one_thread(async {
        let (played, _) = play(scene).await;
        let copies = Copies::of(&played.world).await;
        let (bucket, clean) = copies.copy(&played.world);
        assert!(played.run_in(&clean).await, "a run that does not fail");
        // One more, of which nobody but the job makes requests.
        let (again, world) = copies.copy(&played.world);
        (played.job)(&world).await.expect("a run that does not fail");
        copies.server.empty(&bucket);
        let requests = copies.server.requests(&again);
        (played, copies, calls(&world), requests)
    });
    let mut points = Vec::new();
    for (number, _) in calls.iter().filter(|(_, writes)| *writes) {
        points.extend(MODES.map(|mode| Point::Call(*number, mode)));
    }
    for (at, method) in (1..).zip(&requests) {
        let reads = *method == Method::GET || *method == Method::HEAD;
        if !reads || long() || at % READS_SKIPPED == 0 {
            points.extend(HttpFault::ALL.map(|fault| Point::Request(at, fault)));
        }
    }
    let (tried, survived, failed) = (points.len(), AtomicUsize::new(0), Mutex::new(Vec::new()));
    on_all_cores(points, |point| {
        let outcome = catch_unwind(AssertUnwindSafe(|| on_one_thread(try_point(&played, &copies, point))));
        match outcome {
            Ok(lived) => {
                survived.fetch_add(usize::from(lived), Ordering::SeqCst);
            }
            Err(panic) => {
                failed.lock().expect("nobody panics with the lock").push(format!("{point:?}: {}", panic_text(panic.as_ref())));
            }
        }
    });
    let mut failed = failed.into_inner().expect("nobody panicked with the lock");
    println!(
        "faults in {scene} on S3: {} calls, {} requests, {tried} points tried, {} survived by the job itself, {} states, {} failed, {:.1} s",
        calls.len(),
        requests.len(),
        survived.into_inner(),
        played.states(),
        failed.len(),
        started.elapsed().as_secs_f64()
    );
    failed.truncate(12);
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

async fn try_point(played: &Played, copies: &Copies, point: Point) -> bool {
    let (bucket, world) = copies.copy(&played.world);
    let survived = match point {
        Point::Call(number, mode) => played.run_in(&world.process(Some((number, mode)), None)).await,
        Point::Request(number, fault) => {
            copies.server.fail(&bucket, (number, fault));
            let survived = played.run_in(&world).await;
            // The client tries again what it may; what it may not, a commit finds out by itself.
            let retried = matches!(fault, HttpFault::Error | HttpFault::SlowDown | HttpFault::ErrorAfter);
            assert!(survived || !retried, "an answer that says to try again stopped the job");
            survived
        }
    };
    copies.server.empty(&bucket);
    survived
}

#[test]
fn load_on_s3() {
    at_every_write("load");
}

#[test]
fn archive_on_s3() {
    at_every_write("archive");
}

#[test]
fn compact_on_s3() {
    at_every_write("compact");
}

/// Jobs that meet on S3, where the condition of a put decides who commits.
#[test]
fn pairs_of_jobs_on_s3() {
    let seeds = if long() { 40 } else { 2 };
    let start = on_one_thread(before_meeting());
    let pairs = on_one_thread(pairs(&start));
    let copies = on_one_thread(Copies::of(&start));
    // What the others add is tried in memory.
    let on_s3 = ["load", "archive", "compact"];
    let pairs: Vec<_> = pairs.iter().filter(|pair| pair.names.iter().all(|name| on_s3.contains(name))).collect();
    let meetings: Vec<_> = (1..=seeds).flat_map(|seed| pairs.iter().map(move |pair| (*pair, seed))).collect();
    println!("faults of pairs on S3: {} pairs of jobs, {} meetings", pairs.len(), meetings.len());
    on_all_cores(meetings, |(pair, seed)| {
        let (bucket, world) = copies.copy(&start);
        on_one_thread(pair.meet(world, seed));
        copies.server.empty(&bucket);
    });
}

/// A commit that landed while its answer was lost is tried again by the client and refused, for it is there already: it must
/// know itself again, and not be done twice.
#[test]
fn a_commit_recognises_itself_when_the_answer_was_lost() {
    for fault in [HttpFault::ErrorAfter, HttpFault::DroppedAfter] {
        on_one_thread(async {
            let like = base().await;
            let copies = Copies::of(&like).await;
            let row = crate::world::records::ier(70).contact(1).sent("2026-10-10 08:00").stamp("2026-10-30 00:00");
            let file = like.file("one.csv", &[row]);
            let (_, clean) = copies.copy(&like);
            clean.load_files(std::slice::from_ref(&file)).await.expect("a load");
            let path = "hot/individual_email_result/_delta_log";
            let commit = |call: &crate::world::store::Call| call.what == "put new" && call.path.starts_with(path);
            let before_it = clean.store.calls().iter().take_while(|call| !commit(call)).filter(|call| call.writes()).count();
            let (bucket, world) = copies.copy(&like);
            // The request is found by its place among the writes, which are as many as the calls.
            let writes: Vec<usize> = {
                let (probe, other) = copies.copy(&like);
                other.load_files(std::slice::from_ref(&file)).await.expect("a load");
                let requests = copies.server.requests(&probe);
                (1..).zip(&requests).filter(|(_, method)| **method == Method::PUT).map(|(at, _)| at).collect()
            };
            copies.server.fail(&bucket, (writes[before_it], fault));
            let report = world.load_files(&[file]).await.expect("the load survives");
            assert_eq!(report.tables[0].inserted, 1, "{fault:?}: reported as the first try found it");
            let versions = |calls: Vec<crate::world::store::Call>| calls.iter().filter(|call| commit(call)).count();
            assert_eq!(versions(world.store.calls()), 1, "{fault:?}: committed once, and not again as if another had");
            assert_eq!(world.another().line("SELECT count(*) FROM ier WHERE merge_id = 'M-70'").await, "1");
        });
    }
}

/// The server decides a condition and does the put in one step, else the tests above would prove little.
#[test]
fn of_many_conditional_puts_one_wins() {
    let server = S3Server::start();
    server.fill("race", &[]);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for round in 0..10 {
            let place = Path::from(format!("folder/{round}"));
            let puts = (0..8).map(|writer| {
                let (client, place) = (server.client("race"), place.clone());
                tokio::spawn(async move {
                    let bytes = Bytes::from(format!("writer {writer}"));
                    let put = client.put_opts(&place, bytes.into(), PutOptions::from(PutMode::Create)).await;
                    (writer, put.map(drop))
                })
            });
            let mut won = Vec::new();
            for put in puts.collect::<Vec<_>>() {
                match put.await.expect("a writer") {
                    (writer, Ok(())) => won.push(writer),
                    (_, Err(object_store::Error::AlreadyExists { .. })) => {}
                    (_, Err(error)) => panic!("{error}"),
                }
            }
            assert_eq!(won.len(), 1, "{won:?} won");
            let there = server.client("race").get(&place).await.expect("the object").bytes().await.expect("its bytes");
            assert_eq!(there, format!("writer {}", won[0]));
        }
    });
}

/// Through the front door: a warehouse by its URL, as the settings name it.
#[test]
fn a_warehouse_at_an_s3_url() {
    on_one_thread(async {
        let (like, server) = (base().await, S3Server::start());
        server.fill("university", &[]);
        let options: BTreeMap<String, String> = server.options();
        let open =
            || Warehouse::place("s3://university/records/ier", &options, Arc::new(like.clock.clone())).expect("a warehouse");
        let world = like.at(open());
        let job = super::scenes::load_job(&like);
        job(&world).await.expect("a load");
        let loaded = Seen::by(&like.at(open())).await;
        assert_eq!(loaded.iers.len(), 11);
        like.at(open()).archive("2026-10-01").await;
        like.at(open()).compact().await;
        let after = like.at(open());
        let archived = Seen::by(&after).await;
        assert!(archived.same_rows(&loaded), "{}", archived.difference(&loaded));
        assert_ne!(archived.tiers, loaded.tiers);
        after.files_are_sound().await;
        after.rows_stand_where_they_belong().await;
    });
}
