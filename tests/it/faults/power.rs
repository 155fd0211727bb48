//! The power fails, on a machine whose file system forgets what was not synced: after each write and each sync of a job.
//!
//! When it comes back, every commit that was reported is there; no name of the log shows half an entry; and what a reader
//! sees and what running the job again comes to is as after any other failure: see [`every_call`](super::every_call).

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use ier::lake::log::root::Root;
use ier::lake::paths::{is_log, is_lookup, is_temporary};
use ier::lake::store::durable::DurableLocal;
use ier::ledgers::lookups::{LookUp, LookUpLog};
use ier::record::id::SfId;
use ier::tiers::warehouse::Warehouse;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt};

use super::every_call::{Played, on_all_cores, on_one_thread, panic_text, play};
use super::long;
use crate::world::World;
use crate::world::power::{Machine, Moment};
use crate::world::records::contact_id;
use crate::world::store::FaultStore;

/// The folder of the warehouse, and the one above that is there from the beginning.
const WAREHOUSE: &str = "srv/mail/years/ier";
const ABOVE: &str = "srv";

/// The three worst outcomes (see [`Moment::survivors`]), and some at random.
const SEEDS: u64 = 4;
const SEEDS_LONG: u64 = 40;

/// The store of a machine, as a warehouse opens it.
fn durable(machine: &Machine) -> Arc<dyn ObjectStore> {
    let durable = DurableLocal::new(Arc::new(machine.clone()), Arc::new(machine.clone()));
    Arc::new(PrefixStore::new(durable, WAREHOUSE))
}

/// The machine after the power came back.
async fn after_cut(survivors: &[(String, Bytes)]) -> Arc<dyn ObjectStore> {
    let disk = InMemory::new();
    for (path, bytes) in survivors {
        disk.put(&Path::from(path.as_str()), bytes.clone().into()).await.expect("memory");
    }
    Arc::new(PrefixStore::new(disk, WAREHOUSE))
}

/// What was promised is there; what has a name that says it is whole is whole.
fn promises_are_kept(moment: &Moment, survivors: &[(String, Bytes)]) {
    let whole = moment.whole();
    for (path, bytes) in survivors {
        let place = Path::from(path.as_str());
        if (is_log(&place) || is_lookup(&place)) && !is_temporary(&place) {
            assert!(whole[path.as_str()].contains(&bytes), "{path} has {} bytes that nobody wrote", bytes.len());
        }
    }
    for promised in &moment.promised {
        let path = format!("{WAREHOUSE}/{promised}");
        assert!(survivors.iter().any(|(there, _)| *there == path), "{promised} was promised and is gone");
    }
}

/// Cuts the power at every moment of a machine's history, in several ways; `look` looks at what is left.
fn cut_everywhere(name: &str, machine: &Machine, look: impl Fn(&Moment, Vec<(String, Bytes)>) + Sync) {
    let started = Instant::now();
    let moments = machine.moments();
    let seeds = 0..if long() { SEEDS_LONG } else { SEEDS };
    let cuts: Vec<(usize, u64)> = (0..moments.len()).flat_map(|at| seeds.clone().map(move |seed| (at, seed))).collect();
    let (count, looked, failed) = (cuts.len(), Mutex::new(HashSet::new()), Mutex::new(Vec::new()));
    on_all_cores(cuts, |(at, seed)| {
        let cut = || {
            let survivors = moments[at].survivors(seed);
            promises_are_kept(&moments[at], &survivors);
            let mut hasher = blake3::Hasher::new();
            for (path, bytes) in &survivors {
                hasher.update(path.as_bytes()).update(blake3::hash(bytes).as_bytes());
            }
            if looked.lock().expect("nobody panics with the lock").insert(hasher.finalize()) {
                look(&moments[at], survivors);
            }
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(cut)) {
            let text = format!("power cut after step {at}, seed {seed}: {}", panic_text(panic.as_ref()));
            failed.lock().expect("nobody panics with the lock").push(text);
        }
    });
    let mut failed = failed.into_inner().expect("nobody panicked with the lock");
    println!(
        "faults of power in {name}: {} writes and syncs, {count} cuts, {} different disks, {} failed, {:.1} s",
        moments.len() - 1,
        looked.lock().expect("nobody panics with the lock").len(),
        failed.len(),
        started.elapsed().as_secs_f64()
    );
    failed.truncate(8);
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Runs a scene's job on a machine whose power is cut.
fn power_fails_in(scene: &str) {
    let (played, machine): (Played, Machine) = on_one_thread(async {
        let (played, _) = play(scene).await;
        let everything = played.world.store.everything().await;
        let objects: Vec<_> = everything.into_iter().map(|(path, bytes)| (format!("{WAREHOUSE}/{path}"), bytes)).collect();
        let machine = Machine::with(&objects, ABOVE).await;
        let world = played.world.with(FaultStore::over(durable(&machine), played.world.clock.clone()));
        let store = world.store.clone();
        machine.promises(move || store.acknowledged());
        (played.job)(&world).await.expect("a run without a cut");
        (played, machine)
    });
    assert!(machine.moments().iter().any(|moment| !moment.promised.is_empty()), "commits are noted");
    cut_everywhere(scene, &machine, |_, survivors| {
        on_one_thread(async {
            let store = FaultStore::over(after_cut(&survivors).await, played.world.clock.clone());
            played.look(&played.world.with(store)).await;
        });
    });
}

#[test]
fn power_fails_in_the_first_load() {
    power_fails_in("first_load");
}

#[test]
fn power_fails_in_a_load() {
    power_fails_in("load");
}

#[test]
fn power_fails_in_a_load_that_writes_a_checkpoint() {
    power_fails_in("checkpoint");
}

#[test]
fn power_fails_in_an_archive_run() {
    power_fails_in("archive");
}

#[test]
fn power_fails_in_a_compaction() {
    power_fails_in("compact");
}

/// Look-ups that were recorded stay recorded, and the log is whole.
#[test]
fn power_fails_while_look_ups_are_recorded() {
    let warehouse = |store: Arc<dyn ObjectStore>| {
        let root = Root::open("memory:///", &Default::default()).expect("memory is always there").with_store(store);
        Warehouse::at(root, Arc::new(World::on("2026-11-01").clock.clone()))
    };
    let machine = on_one_thread(async {
        let machine = Machine::with(&[], ABOVE).await;
        let promised: Arc<Mutex<Vec<Path>>> = Arc::default();
        let recorded = promised.clone();
        machine.promises(move || recorded.lock().expect("nobody panics with the lock").clone());
        let log = LookUpLog::open(&warehouse(durable(&machine)), "tester", None).await.expect("a log");
        let person = SfId::parse(&contact_id(1)).expect("an id");
        for rows in 1..=3 {
            let entry = log.append(LookUp { verb: "history", person, reason: None, rows }).await.expect("an entry");
            let place = Path::from(ier::lake::paths::lookup(entry.sequence));
            promised.lock().expect("nobody panics with the lock").push(place);
        }
        machine
    });
    cut_everywhere("look-ups", &machine, |moment, survivors| {
        on_one_thread(async {
            let warehouse = warehouse(after_cut(&survivors).await);
            let log = LookUpLog::open(&warehouse, "tester", None).await.expect("the log");
            let report = log.verify().await.expect("the log can be read");
            assert_eq!(report.damage, None);
            assert!(report.entries as usize >= moment.promised.len());
        });
    });
}
