//! Two jobs at once, at the worst moments: one process is held before a call to the store while another runs from start to
//! end. Whatever a reader asks meanwhile, each record is shown once; in the end both jobs have had their effect.

use ier::error::Result;

use crate::faults::scenes::{
    Job, RETAIN_HOURS, archive_job, base, before_archive_with_two_files, before_compact, compact_job, load_more, load_of,
};
use crate::faults::seen::Seen;
use crate::world::records::{contact_id, ier, link};
use crate::world::store::Call;
use crate::world::{World, day};

/// The commit of a tier's table.
pub fn commit_to(table: &'static str) -> impl Fn(&Call) -> bool + Send + Sync {
    move |call: &Call| call.what == "put new" && call.path.starts_with(table) && call.path.contains("_delta_log")
}

/// Three IERs of early September, one of October, with a link each.
async fn september() -> World {
    let world = World::on("2026-11-01");
    let row = |number: u32, sent: &str| ier(number).contact(number).sent(sent).stamp("2026-09-06 00:00").unopened();
    let rows = [row(1, "2026-09-05 08:00"), row(2, "2026-09-05 09:00"), row(3, "2026-09-06 08:00"), row(4, "2026-10-20 08:00")];
    world.load(&rows).await;
    world.load(&[1, 2, 3, 4].map(|number| link(number, number).stamp("2026-09-06 00:00"))).await;
    world
}

/// Starts a job in a process of its own and waits until it stands before the chosen call; returns how to let it go on and
/// what will have become of it.
pub async fn held(world: &World, job: Job, at: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Held {
    let process = world.another();
    let gate = process.store.hold(at);
    let running = tokio::spawn(async move { job(&process).await });
    gate.reached().await;
    Held { gate, running }
}

/// A job that stands before a call.
pub struct Held {
    gate: crate::world::store::Gate,
    running: tokio::task::JoinHandle<Result<()>>,
}

impl Held {
    /// Lets it go on; what became of it.
    pub async fn goes_on(self) -> Result<()> {
        self.gate.open();
        self.running.await.expect("a job that does not panic")
    }
}

const TIERS: &str = "SELECT merge_id, tier, sent_date, opened FROM ier WHERE merge_id IN ('M-1', 'M-2') ORDER BY merge_id, tier";

/// A version that slips in between the archive's reading and its forgetting stays, as a late row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_version_during_an_archive_run_stays_as_a_late_row() {
    for table in ["archive/individual_email_result", "hot/individual_email_result"] {
        let world = september().await;
        let archiving = held(&world, archive_job("2026-10-01"), commit_to(table)).await;
        let opened = ier(1).contact(1).sent("2026-09-05 08:00").stamp("2026-10-31 00:00").opened("2026-10-30 08:00");
        let other = world.another();
        other.load(&[opened]).await;
        assert_eq!(other.line("SELECT opened FROM ier WHERE merge_id = 'M-1'").await, "true");
        archiving.goes_on().await.expect("the archive run");
        let after = [["M-1", "hot", "2026-09-05", "true"], ["M-2", "archive", "2026-09-05", "false"]];
        assert_eq!(world.another().ask(TIERS).await, after, "held before the commit to {table}");
        let next = world.another();
        next.archive("2026-10-01").await;
        let folded = [["M-1", "archive", "2026-09-05", "true"], ["M-2", "archive", "2026-09-05", "false"]];
        assert_eq!(next.ask(TIERS).await, folded);
    }
}

/// A row whose date is corrected past the boundary while it is being archived is shown once at every moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_date_corrected_during_an_archive_run_never_shows_twice() {
    for table in ["archive/individual_email_result", "hot/individual_email_result"] {
        for date in ["2026-10-25 08:00", "2026-09-06 08:00", "2026-08-01 08:00"] {
            let world = september().await;
            let archiving = held(&world, archive_job("2026-10-01"), commit_to(table)).await;
            let moved = ier(1).contact(1).sent(date).stamp("2026-10-31 00:00").unopened();
            let other = world.another();
            other.load(&[moved]).await;
            let question = "SELECT sent_date FROM ier WHERE merge_id = 'M-1'";
            let expected = date.split(' ').next().expect("a day");
            assert_eq!(other.line(question).await, expected);
            archiving.goes_on().await.expect("the archive run");
            assert_eq!(world.another().line(question).await, expected, "{table}, moved to {date}");
            let next = world.another();
            next.archive("2026-10-01").await;
            assert_eq!(next.line(question).await, expected);
            next.no_key_twice().await;
            next.rows_stand_where_they_belong().await;
            assert_eq!(next.line("SELECT count(DISTINCT l.tier) + count(*) FROM ier i JOIN individual_link l USING (ier_id) WHERE i.merge_id = 'M-1' AND i.tier = l.tier AND i.sent_date = l.sent_date").await, "2");
        }
    }
}

/// An archive run that finds nothing to write must still not clear marks under the feet of one that is about to write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_archive_run_does_not_uncover_what_a_slow_one_writes() {
    let world = september().await;
    world.archive("2026-10-01").await;
    // A late row, which the slow run reads …
    world.load(&[ier(5).contact(1).sent("2026-09-05 10:00").stamp("2026-10-30 00:00").unopened()]).await;
    let slow = held(&world, archive_job("2026-10-01"), commit_to("archive/individual_email_result")).await;
    // … moves past the boundary; an idle run finds nothing that goes, and a mark for a row the archive does not hold.
    let other = world.another();
    other.load(&[ier(5).contact(1).sent("2026-10-25 10:00").stamp("2026-10-31 00:00").unopened()]).await;
    world.another().archive("2026-10-01").await;
    slow.goes_on().await.expect("the slow run");
    assert_eq!(world.another().ask("SELECT sent_date FROM ier WHERE merge_id = 'M-5'").await, [["2026-10-25"]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_archive_runs_at_once_have_the_result_of_one() {
    for table in
        ["archive/individual_email_result", "hot/individual_email_result", "archive/individual_link", "hot/individual_link"]
    {
        for (slow, fast) in [("2026-10-01", "2026-10-01"), ("2026-09-06", "2026-10-01"), ("2026-10-01", "2026-09-06")] {
            let world = september().await;
            let before = Seen::by(&world).await;
            let first = held(&world, archive_job(slow), commit_to(table)).await;
            world.another().archive(fast).await;
            assert!(Seen::by(&world.another()).await.same_rows(&before));
            first.goes_on().await.expect("the slow run");
            let after = world.another();
            assert!(Seen::by(&after).await.same_rows(&before));
            assert_eq!(
                after.line("SELECT count(*) FROM ier WHERE tier = 'archive'").await,
                "3",
                "{slow} held at {table} beside {fast}"
            );
            after.rows_stand_where_they_belong().await;
            after.files_are_sound().await;
        }
    }
}

/// Compaction swaps the files in which an upsert has just looked up its rows; vacuum even deletes them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compaction_and_vacuum_beside_an_upsert_that_looked_into_the_archive() {
    let world = before_compact().await;
    let late = |stamp| ier(1).contact(1).sent("2026-06-10 08:00").stamp(stamp).opened("2026-10-29 10:00").clicks(9, 3);
    let row = late("2026-10-31 00:00");
    let file = world.file("late.csv", &[row]);
    let job = load_of(vec![file]);
    let loading = held(&world, job, commit_to("hot/individual_email_result")).await;
    let other = world.another();
    assert!(other.compact().await.months > 0);
    loading.goes_on().await.expect("the load");
    let after = world.another();
    assert_eq!(after.line("SELECT tier, number_of_total_clicks FROM ier WHERE merge_id = 'M-1'").await, "hot 9");
    after.archive("2026-10-01").await;
    assert_eq!(after.line("SELECT tier, number_of_total_clicks FROM ier WHERE merge_id = 'M-1'").await, "archive 9");
    after.no_key_twice().await;
}

/// A reader that has chosen its files reads them to the end, although they are replaced meanwhile and vacuum comes by.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vacuum_leaves_the_files_a_reader_still_reads() {
    let world = before_compact().await;
    world.days_pass(3);
    let before = Seen::by(&world.another()).await;
    let reader = world.another();
    let data = |call: &Call| call.path.starts_with("archive/individual_email_result/sent_month=");
    let gate = reader.store.hold(move |call| !call.writes() && data(call));
    let reading = tokio::spawn(async move { Seen::by(&reader).await });
    gate.reached().await;
    let other = world.another();
    assert!(other.compact().await.months > 0);
    assert!(other.vacuum(RETAIN_HOURS).await.files > 0, "older files go");
    gate.open();
    assert!(reading.await.expect("the reader finds its files").same_rows(&before));
}

/// An upsert that pinned before the archive ran commits after it: its rows are late, not lost and not doubled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upsert_overtaken_by_an_archive_run() {
    let world = september().await;
    let rows = [
        ier(1).contact(1).sent("2026-09-05 08:00").stamp("2026-10-31 00:00").opened("2026-10-30 08:00"),
        ier(2).contact(2).sent("2026-10-25 09:00").stamp("2026-10-31 00:00").opened("2026-10-30 08:00"),
        ier(6).contact(2).sent("2026-09-07 09:00").stamp("2026-10-31 00:00").unopened(),
    ];
    let file = world.file("rows.csv", &rows);
    let job = load_of(vec![file]);
    let loading = held(&world, job, commit_to("hot/individual_email_result")).await;
    world.another().archive("2026-10-01").await;
    loading.goes_on().await.expect("the load");
    for _ in 0..2 {
        let after = world.another();
        let seen = "SELECT merge_id, sent_date, opened FROM ier WHERE merge_id <> 'M-4' ORDER BY 1";
        let rows = [
            ["M-1", "2026-09-05", "true"],
            ["M-2", "2026-10-25", "true"],
            ["M-3", "2026-09-06", "false"],
            ["M-6", "2026-09-07", "false"],
        ];
        assert_eq!(after.ask(seen).await, rows);
        after.rows_stand_where_they_belong().await;
        after.archive("2026-10-01").await;
    }
}

/// Every ordered pair of jobs: the first held before each of its writes (and every so often before a read), the second run
/// whole, the first let go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_pair_of_jobs_at_each_write() {
    const READS_SKIPPED: usize = 47;
    let start = before_archive_with_two_files().await;
    let load = load_more(&start);
    let jobs: [(&str, Job); 3] = [("load", load.clone()), ("archive", archive_job("2026-10-01")), ("compact", compact_job())];
    let before = Seen::by(&start).await;
    let loaded = start.fork(None);
    load(&loaded).await.expect("the load");
    let after = Seen::by(&loaded.another()).await;
    let mut held_at = 0;
    for (first_name, first) in &jobs {
        let clean = start.fork(None);
        first(&clean).await.expect("a run alone");
        let calls = clean.store.calls();
        let chosen = calls.iter().enumerate().filter(|(at, call)| call.writes() || at % READS_SKIPPED == 0).map(|(at, _)| at);
        for at in chosen.collect::<Vec<_>>() {
            for (second_name, second) in &jobs {
                let world = start.fork(None);
                let counted = std::sync::atomic::AtomicUsize::new(0);
                let process = world.another();
                let gate = process.store.hold(move |_| counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == at);
                let job = first.clone();
                let mut running = tokio::spawn(async move { job(&process).await });
                tokio::select! {
                    () = gate.reached() => {}
                    // It made fewer calls this time: nothing to hold.
                    done = &mut running => { done.expect("no panic").expect("a run alone"); continue; }
                }
                held_at += 1;
                let reported = format!("{first_name} held at call {at} beside {second_name}");
                let other = world.another();
                second(&other).await.unwrap_or_else(|error| panic!("{reported}: the second: {error}"));
                Seen::by(&other).await.is_one_of(&[&before, &after]);
                gate.open();
                running.await.expect("no panic").unwrap_or_else(|error| panic!("{reported}: the first: {error}"));
                let reader = world.another();
                let seen = Seen::by(&reader).await;
                let both = if [*first_name, *second_name].contains(&"load") { &after } else { &before };
                assert!(seen.same_rows(both), "{reported}: {seen:#?}");
                reader.try_archive(day("2026-10-01")).await.unwrap_or_else(|error| panic!("{reported}: {error}"));
                assert!(Seen::by(&reader).await.same_rows(both), "{reported}, then archived");
                reader.rows_stand_where_they_belong().await;
                reader.files_are_sound().await;
            }
        }
    }
    println!("pairs of jobs: {held_at} meetings");
}

/// The base the pairs stand on is not touched by forks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copied_test_warehouse_leaves_the_original_alone() {
    let world = base().await;
    let before = Seen::by(&world).await;
    world.fork(None).archive("2026-10-01").await;
    assert_eq!(Seen::by(&world.another()).await, before);
}

/// A link is loaded while its IER moves: whichever commits last, the link ends where its IER is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_finds_its_ier_although_it_moves_meanwhile() {
    let row = ier(1).contact(1).sent("2026-09-05 08:00").stamp("2026-09-06 00:00").unopened();
    let moved = row.clone().contact(2).sent("2026-09-20 08:00").stamp("2026-09-07 00:00");
    let (known, new) = (link(1, 1).stamp("2026-09-06 00:00"), link(2, 1).stamp("2026-09-06 00:00"));
    for (held_records, at, others) in [
        (new.clone(), "hot/individual_link", moved.clone()),
        (moved.clone(), "hot/individual_link", new.clone()),
        (moved.clone(), "hot/individual_email_result", new.clone()),
    ] {
        let world = World::on("2026-11-01");
        world.load(std::slice::from_ref(&row)).await;
        world.load(std::slice::from_ref(&known)).await;
        let file = world.file("held.csv", &[held_records]);
        let job = load_of(vec![file]);
        let loading = held(&world, job, commit_to(at)).await;
        world.another().load(&[others]).await;
        loading.goes_on().await.expect("the load");
        let after = world.another();
        let homes =
            after.ask("SELECT DISTINCT l.person_id, l.sent_date, i.person_id FROM ier i JOIN individual_link l USING (ier_id)");
        assert_eq!(homes.await, [[contact_id(2), "2026-09-20".to_owned(), contact_id(2)]], "held at {at}");
        assert_eq!(after.line("SELECT count(*) FROM individual_link").await, "2");
        after.rows_stand_where_they_belong().await;
    }
}

/// Two loads move the same IER to different people: the newer version wins, and the links go with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_follow_the_newest_of_two_moves() {
    let version = |contact, stamp: &str| ier(1).contact(contact).sent("2026-09-05 08:00").stamp(stamp).unopened();
    for (slow, fast) in [((2, "2026-10-01"), (3, "2026-10-02")), ((3, "2026-10-02"), (2, "2026-10-01"))] {
        for at in ["hot/individual_link", "hot/individual_email_result"] {
            let world = World::on("2026-11-01");
            world.load(&[version(1, "2026-09-06")]).await;
            world.load(&[link(1, 1).stamp("2026-09-06")]).await;
            let file = world.file("slow.csv", &[version(slow.0, slow.1)]);
            let job = load_of(vec![file]);
            let loading = held(&world, job, commit_to(at)).await;
            world.another().load(&[version(fast.0, fast.1)]).await;
            loading.goes_on().await.expect("the load");
            let people =
                world.another().line("SELECT i.person_id, l.person_id FROM ier i JOIN individual_link l USING (ier_id)").await;
            assert_eq!(people, [contact_id(3), contact_id(3)].join(" "), "held at {at}, {slow:?} beside {fast:?}");
        }
    }
}
