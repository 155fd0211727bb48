//! The warehouses that jobs find here, and the jobs themselves: small, and with everything in them that has to go right.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::BoxFuture;
use ier::error::Result;
use ier::jobs::erase::EraseRequest;
use ier::jobs::release::{ReleaseRequest, execute, plan};
use ier::lake::log::commit::{Change, commit};
use ier::ledgers::holds::Scope;
use ier::ledgers::runs::recorded;

use crate::world::records::{contact, contact_id, ier, lead, link};
use crate::world::store::Mode;
use crate::world::{World, day};

/// What a job does to a world.
pub type Job = Arc<dyn for<'a> Fn(&'a World) -> BoxFuture<'a, Result<()>> + Send + Sync>;

/// Loads these files.
pub fn load_of(files: Vec<String>) -> Job {
    Arc::new(move |world: &World| {
        let files = files.clone();
        Box::pin(async move { world.load_files(&files).await.map(drop) })
    })
}

/// Nothing at all.
pub async fn nothing() -> World {
    World::on("2026-11-01")
}

/// The first load of a warehouse: people who were merged and converted, and what was sent to them.
pub fn first_load_job(world: &World) -> Job {
    let people = [contact(1), contact(2).merged_into(1), contact(3)].map(|contact| contact.stamp("2026-10-01 00:00"));
    let leads = [lead(1).converted_into(3), lead(2)].map(|lead| lead.stamp("2026-10-01 00:00"));
    let iers = [(1, "2026-10-01 08:00"), (2, "2026-10-02 08:00")];
    let iers = iers.map(|(number, sent)| ier(number).contact(number).sent(sent).stamp("2026-10-02 00:00").unopened());
    load_of(vec![world.file("contact.csv", &people), world.file("lead.csv", &leads), world.file("first.csv", &iers)])
}

/// Old rows in the archive, young ones in hot, links among them, one that waits for its IER.
pub async fn base() -> World {
    let world = World::on("2026-11-01");
    let mut iers = Vec::new();
    let days = [
        (1..=4, "2026-06-10 08:00"),
        (5..=6, "2026-07-15 08:00"),
        (7..=9, "2026-09-05 08:00"),
        (10..=11, "2026-09-20 08:00"),
        (12..=12, "2026-09-05 08:00"),
    ];
    for (numbers, sent) in days {
        for number in numbers {
            let row = ier(number).sent(sent).stamp("2026-09-21 00:00").unopened().clicks(0, 0);
            let row = row.set("HardBounce", (number % 5 == 0).to_string());
            iers.push(if number == 12 { row.set("Contact", "") } else { row.contact(number % 4) });
        }
    }
    world.load(&iers).await;
    let links = [(1, 1), (2, 7), (3, 12), (4, 99), (5, 5)];
    world.load(&links.map(|(number, of)| link(number, of).stamp("2026-09-21 00:00"))).await;
    world.archive("2026-08-01").await;
    world
}

/// A load with everything in it: new rows, changes, late ones, corrected dates, a person found, links old and new.
pub fn load_files(world: &World) -> Vec<String> {
    let row =
        |number: u32, sent: &str| ier(number).contact(number % 4).sent(sent).stamp("2026-10-30 00:00").unopened().clicks(0, 0);
    let iers = [
        row(20, "2026-10-01 08:00"),
        row(99, "2026-09-20 09:00"),
        row(7, "2026-09-05 08:00").opened("2026-10-29 10:00").clicks(2, 1),
        row(1, "2026-06-10 08:00").opened("2026-10-29 10:00"),
        row(21, "2026-06-10 09:00"),
        row(8, "2026-09-20 08:00"),
        row(5, "2026-10-01 08:00"),
        row(6, "2026-06-10 08:00"),
        row(12, "2026-09-05 08:00").contact(3),
        row(9, "2026-09-05 08:00").set("Contact", "").stamp("2026-10-31 00:00"),
        row(10, "2026-09-20 08:00").opened("2026-09-20 09:00").stamp("2026-09-20 10:00"),
        row(20, "2026-10-01 08:00"),
    ];
    let links = [link(6, 20), link(1, 1).set("NumberOfTotalClicks", "5")].map(|link| link.stamp("2026-10-30 00:00"));
    vec![world.file("ier.csv", &iers), world.file("link.csv", &links)]
}

/// Loads [`load_files`].
pub fn load_job(world: &World) -> Job {
    load_of(load_files(world))
}

/// Runs `ier archive` until a day.
pub fn archive_job(until: &'static str) -> Job {
    Arc::new(move |world: &World| Box::pin(async move { world.try_archive(day(until)).await.map(drop) }))
}

/// Runs `ier compact`.
pub fn compact_job() -> Job {
    Arc::new(|world: &World| Box::pin(async move { world.try_compact().await.map(drop) }))
}

/// The archive job finds late rows of several months, corrected dates, and two new months.
pub async fn before_archive() -> World {
    let world = base().await;
    load_job(&world)(&world).await.expect("the load");
    world
}

/// The compaction finds two months in several files each.
pub async fn before_compact() -> World {
    let world = before_archive().await;
    world.archive("2026-09-10").await;
    world.archive("2026-10-01").await;
    let june = ier(30).contact(2).sent("2026-06-12 08:00").stamp("2026-10-30 00:00");
    world.load(&[june]).await;
    world.archive("2026-10-01").await;
    world
}

/// The next commit to the IERs writes a checkpoint.
pub async fn before_checkpoint() -> World {
    let world = base().await;
    let table = ier::record::fields::known("ier").expect("the table of IERs");
    let lake = world.warehouse.tiers(table).await.expect("the tiers").hot;
    loop {
        let snapshot = lake.snapshot().await.expect("a snapshot");
        if snapshot.version.is_some_and(|version| (version + 2) % CHECKPOINT_INTERVAL == 0) {
            return world.another();
        }
        let change = Change { transactions: vec![("ier.test", 1)], ..Change::default() };
        commit(&lake, &snapshot, change, &world.clock).await.expect("a commit");
    }
}

/// `delta.checkpointInterval` of the tables: of so many commits, the last writes one.
const CHECKPOINT_INTERVAL: u64 = 20;

/// Loads one row, which makes one commit to the IERs.
pub fn load_one_job(world: &World) -> Job {
    let row = ier(60).contact(1).sent("2026-10-03 08:00").stamp("2026-10-30 00:00").unopened();
    load_of(vec![world.file("one.csv", &[row])])
}

/// The vacuum finds files that were replaced long ago, some a crashed load left behind, and others too young to go.
pub async fn before_vacuum() -> World {
    let world = before_compact().await;
    world.compact().await;
    crashed_load(&world).await;
    world.days_pass(3);
    world.load(&[ier(20).contact(0).sent("2026-10-01 08:00").stamp("2026-11-02 00:00").opened("2026-11-01 08:00")]).await;
    world.days_pass(1);
    world
}

/// A load that stops when it has written files and not committed them.
async fn crashed_load(world: &World) {
    let more = [ier(50), ier(51)].map(|ier| ier.contact(1).sent("2026-10-05 08:00").stamp("2026-10-31 00:00"));
    let job = load_of(vec![world.file("crashed.csv", &more)]);
    let whole = world.fork(None);
    job(&whole).await.expect("a load that does not crash");
    let commit = whole.store.calls().iter().position(|call| call.what == "put new").expect("a commit") as u64 + 1;
    let crashed = world.process(Some((commit, Mode::ErrorForEver)), None);
    assert!(job(&crashed).await.is_err(), "a load that crashes");
}

/// Runs `ier vacuum`: what nobody has used for two days goes.
pub fn vacuum_job() -> Job {
    Arc::new(|world: &World| Box::pin(async move { world.try_vacuum(RETAIN_HOURS).await.map(drop) }))
}

/// How long files stay that nobody uses.
pub const RETAIN_HOURS: i64 = 48;

/// Late rows, corrected dates, and a month in two files.
pub async fn before_archive_with_two_files() -> World {
    let world = before_archive().await;
    world.archive("2026-08-02").await;
    world.load(&[ier(31).contact(3).sent("2026-07-16 08:00").stamp("2026-10-30 00:00")]).await;
    world.archive("2026-08-02").await;
    world.load(&[ier(2).contact(2).sent("2026-06-10 08:00").stamp("2026-10-30 00:00").opened("2026-10-29 08:00")]).await;
    world
}

/// Touches hot, late and archived rows, moves dates to and fro, finds a person.
pub fn load_more(world: &World) -> Job {
    let row =
        |number: u32, sent: &str| ier(number).contact(number % 4).sent(sent).stamp("2026-10-31 06:00").unopened().clicks(3, 2);
    let rows = [
        row(2, "2026-06-10 08:00"),
        row(3, "2026-06-11 08:00"),
        row(4, "2026-10-02 08:00"),
        row(5, "2026-07-15 08:00"),
        row(7, "2026-09-21 08:00"),
        row(40, "2026-09-22 08:00"),
        row(41, "2026-06-22 08:00"),
    ];
    let files = vec![world.file("more.csv", &rows), world.file("more-links.csv", &[link(8, 40).stamp("2026-10-31 06:00")])];
    load_of(files)
}

/// What two jobs meet over: all of the above, and files nobody has used for long.
pub async fn before_meeting() -> World {
    let world = before_archive_with_two_files().await;
    crashed_load(&world).await;
    world.days_pass(3);
    world
}

/// Erases contact 1, who is in every tier of [`before_meeting`]. What the commits leave behind is purged days later, so that
/// those who read beside it find their files.
pub fn erase_one_job() -> Job {
    Arc::new(|world: &World| {
        Box::pin(async move {
            let request = EraseRequest { grace: chrono::Duration::days(2), ..crate::erase::request(&[&contact_id(1)]) };
            crate::erase::erase_as(world, request).await.map(drop)
        })
    })
}

/// Removes what was sent before the middle of June: archived rows and late ones.
pub fn retain_some_job() -> Job {
    let rule = |object: &str| format!("[[retain.rules]]\nname = \"{object}\"\nobject = \"{object}\"\ndays = 140\n");
    let rules = crate::retain::rules(&["individual_email_result", "individual_link"].map(rule).concat());
    Arc::new(move |world: &World| {
        let rules = rules.clone();
        Box::pin(async move { world.try_retain(&rules).await.map(drop) })
    })
}

/// Places a hold on contact 3.
pub fn hold_job() -> Job {
    let scope = Scope { person_id: Some(contact_id(3)), ..Scope::default() };
    Arc::new(move |world: &World| {
        let scope = scope.clone();
        Box::pin(async move { world.try_hold(scope).await.map(drop) })
    })
}

/// Gives out the ids of all archived IERs, into a list of its own each time.
pub fn release_job() -> Job {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    Arc::new(|world: &World| {
        Box::pin(async move {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let request = ReleaseRequest {
                object: "individual_email_result".to_owned(),
                older_than_days: None,
                limit: None,
                again: None,
                out: world.path(&format!("release-{number}.csv")),
            };
            let warehouse = &world.warehouse;
            let work =
                |run_id| async { execute(warehouse, plan(warehouse, request).await?, run_id, world.progress.clone()).await };
            recorded(warehouse, "release", "ann", work).await.map(drop)
        })
    })
}

/// Verifies everything and sweeps what is left over; damage is an error.
pub fn sweep_job() -> Job {
    Arc::new(|world: &World| Box::pin(async move { world.try_verify(None, true).await?.verdict() }))
}

/// The sweep finds what the vacuum finds, and nothing young enough to stay.
pub async fn before_sweep() -> World {
    let world = before_vacuum().await;
    world.days_pass(8);
    world
}

/// Holds the books against the rows; an imbalance is an error.
pub fn reconcile_job() -> Job {
    Arc::new(|world: &World| Box::pin(async move { world.try_reconcile(false).await?.check() }))
}
