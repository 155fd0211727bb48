//! Whatever dies within a job, on whichever of its threads and at whichever moment: the job is never called done, nothing of it
//! is half stored, and the next run ends where one that met nothing ends.
//!
//! Jobs say how far they are from wherever they work: parsers from each piece of a file they read, folds from each batch. Here
//! the one who hears it dies, and takes the thread along. Deaths within calls of the store are tried with the other faults
//! ([`super::every_call`]).

use std::io::Write;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ier::error::Kind;
use ier::progress::{Progress, Unit};

use super::SCENES;
use super::every_call::{on_all_cores, on_one_thread, play};
use super::scenes::{Job, load_of};
use crate::world::World;
use crate::world::records::{contact, contact_id, csv, ier, link};

/// Who hears how far a job is, and dies of it.
#[derive(Default)]
struct Dying {
    /// The moment, from 1; 0 for never.
    at: u64,
    /// At all moments from then on, too: so that every thread dies that could go on.
    for_ever: bool,
    heard: AtomicU64,
    /// How often it has heard something before the job began to write.
    reading: AtomicU64,
    writes: AtomicBool,
}

impl Dying {
    fn at(at: u64, for_ever: bool) -> Arc<Self> {
        Arc::new(Self { at, for_ever, ..Self::default() })
    }

    fn hear(&self) {
        let heard = self.heard.fetch_add(1, Ordering::SeqCst) + 1;
        if !self.writes.load(Ordering::SeqCst) {
            self.reading.store(heard, Ordering::SeqCst);
        }
        if self.at > 0 && (heard == self.at || self.for_ever && heard > self.at) {
            std::panic::resume_unwind(Box::new("who was told has died".to_owned()));
        }
    }
}

impl Progress for Dying {
    fn count(&self, _: Unit, _: u64) {
        self.hear();
    }

    fn advance(&self, _: u64) {
        self.hear();
    }

    fn say(&self, what: &str) {
        self.writes.fetch_or(what.starts_with("writing"), Ordering::SeqCst);
        self.hear();
    }
}

/// Moments of a job that are tried; of more, so many of them, evenly spread, and fewer of a job that takes seconds.
const MOMENTS: u64 = 8;

#[test]
fn a_job_in_which_anything_dies_never_reports_success() {
    let failed = Mutex::new(Vec::new());
    let tried = AtomicU64::new(0);
    on_all_cores(SCENES, |scene| {
        let (played, _) = on_one_thread(play(scene.name));
        let nobody = Dying::at(0, false);
        let clean = played.world.fork(None).telling(nobody.clone());
        on_one_thread((played.job)(&clean)).expect("a run in which nobody dies");
        let moments = nobody.heard.load(Ordering::SeqCst);
        let step = moments.div_ceil((MOMENTS / scene.one_in as u64).max(2)).max(1);
        for at in (1..=moments).step_by(step as usize) {
            tried.fetch_add(1, Ordering::SeqCst);
            let world = played.world.fork(None).telling(Dying::at(at, false));
            on_one_thread(async {
                match world.store.process((played.job)(&world)).await {
                    Some(Ok(())) => {
                        failed.lock().expect("nobody dies with it").push(format!("{}, moment {at}: done", scene.name))
                    }
                    Some(Err(error)) => assert_eq!(error.kind(), Kind::Internal, "{}, moment {at}: {error}", scene.name),
                    None => {}
                }
                played.look(&world.another()).await;
            });
        }
    });
    let failed = failed.into_inner().expect("nobody died with it");
    assert!(failed.is_empty(), "{failed:?}");
    assert!(tried.into_inner() > 30, "too few moments");
}

/// Exports of every kind of file that a load reads: plain, gzipped, in a zip; IERs, links, people, attributes; rows that are refused.
fn exports(world: &World) -> Vec<String> {
    let iers: Vec<_> =
        (20..1500).map(|number| ier(number).contact(1).sent("2026-10-01 08:00").stamp("2026-10-02 00:00")).collect();
    let more = csv(&[ier(2001).contact(2).sent("2026-10-03 08:00"), ier(2002).set("DateSent", "never")]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(more.as_bytes()).expect("packed");
    let gzipped = world.path("more.csv.gz");
    std::fs::write(&gzipped, gzip.finish().expect("packed")).expect("a file");
    let zipped = world.path("links.zip");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&zipped).expect("a file"));
    for number in 20..24 {
        zip.start_file(format!("links-{number}.csv"), zip::write::SimpleFileOptions::default()).expect("a member");
        zip.write_all(csv(&[link(number, number).stamp("2026-10-02 00:00")]).as_bytes()).expect("packed");
    }
    zip.finish().expect("packed");
    let shop = format!("ContactId,SubscriberKey\n{0},{0}\n", contact_id(1));
    vec![
        world.file("iers.csv", &iers),
        gzipped.to_string_lossy().into_owned(),
        zipped.to_string_lossy().into_owned(),
        world.file("contact.csv", &[contact(1), contact(2)]),
        world.text("preferences.csv", &shop),
        world.file("last.csv", &[ier(2003).contact(2).sent("2026-10-03 08:00")]),
    ]
}

async fn tables(world: &World) -> Vec<Vec<String>> {
    let counts = ["ier", "individual_link", "contact", "preferences", "load_coverage"]
        .map(|table| format!("(SELECT count(*) FROM {table}) AS {table}"));
    world.ask(&format!("SELECT {}", counts.join(", "))).await
}

#[test]
fn a_parser_that_dies_is_no_end_of_its_file() {
    let before = on_one_thread(async {
        let world = World::on("2026-11-01");
        world.load(&[ier(1).contact(1).sent("2026-10-01 08:00")]).await;
        world
    });
    let load: Job = load_of(exports(&before));
    let nobody = Dying::at(0, false);
    let clean = before.fork(None).telling(nobody.clone());
    let after = on_one_thread(async {
        load(&clean).await.expect("a run in which nobody dies");
        tables(&clean).await
    });
    assert_eq!(after, [["1483", "4", "2", "1", "7"]], "everything is read");
    let moments = nobody.reading.load(Ordering::SeqCst);
    assert!(moments > 20, "{moments}");
    let points: Vec<(u64, bool)> = (1..=moments).flat_map(|at| [(at, false), (at, true)]).collect();
    on_all_cores(points, |(at, for_ever)| {
        let world = before.fork(None).telling(Dying::at(at, for_ever));
        on_one_thread(async {
            match world.store.process(load(&world)).await {
                Some(Ok(())) => panic!("moment {at}: the load was done"),
                Some(Err(error)) => {
                    assert_eq!(error.kind(), Kind::Internal, "moment {at}: {error}");
                    assert!(error.to_string().contains("nothing of this load is stored"), "{error}");
                }
                // The job itself heard it.
                None => {}
            }
            let writes: Vec<_> = world.store.calls().into_iter().filter(|call| call.writes()).collect();
            assert!(writes.is_empty(), "moment {at}: {writes:?}");
        });
    });
    let dead = before.fork(None).telling(Dying::at(moments / 2, true));
    on_one_thread(async {
        drop(dead.store.process(load(&dead)).await);
        let next = dead.another();
        load(&next).await.expect("the next run");
        assert_eq!(tables(&next).await, after);
    });
}

/// Cuts a file off at the end of a row as soon as a load has listed it.
struct Cutting {
    file: String,
    bytes: u64,
}

impl Progress for Cutting {
    fn count(&self, _: Unit, _: u64) {}

    fn advance(&self, _: u64) {}

    fn say(&self, what: &str) {
        if what == "reading" {
            std::fs::File::options().write(true).open(&self.file).and_then(|file| file.set_len(self.bytes)).expect("a file");
        }
    }
}

#[tokio::test]
async fn a_file_that_ends_before_its_end_is_damaged() {
    let world = World::on("2026-11-01");
    let rows = [1, 2, 3].map(|number| ier(number).contact(1).sent("2026-10-01 08:00"));
    let file = world.file("iers.csv", &rows);
    let bytes = csv(&rows[..2]).len() as u64;
    let world = world.telling(Arc::new(Cutting { file: file.clone(), bytes }));
    let error = world.load_files(std::slice::from_ref(&file)).await.expect_err("a row is missing");
    assert_eq!(error.kind(), Kind::Corrupt, "{error}");
    assert!(error.to_string().contains("it was cut off while it was read"), "{error}");
    assert!(world.store.calls().iter().all(|call| !call.writes()));
}
