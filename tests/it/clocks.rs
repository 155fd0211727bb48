//! A clock that is wrong destroys nothing, and moves no boundary: what goes by it asks whether it can be right. And nothing that
//! destroys runs by itself unless it was named, or without saying before what it would remove.

use std::collections::BTreeMap;

use chrono::Duration;
use ier::error::Kind;
use ier::jobs::clock;
use ier::jobs::scheduler::{JOBS, OnceReport, Scheduler};
use ier::ledgers::runs::Outcome;

use crate::lease::scheduler;
use crate::retain::rules;
use crate::world::World;
use crate::world::records::ier;

/// All jobs, each with consent, over a warehouse that keeps three years.
fn all_jobs(world: &World) -> Scheduler {
    let mut scheduler = scheduler(world, "a", "every 1m", JOBS);
    scheduler.context.retain = rules("years = 3");
    scheduler
}

async fn run(world: &World) -> OnceReport {
    all_jobs(world).once(std::future::pending()).await.expect("a look at the schedules")
}

fn outcomes(report: &OnceReport) -> BTreeMap<&str, Outcome> {
    report.ran.iter().map(|ran| (ran.job, ran.outcome)).collect()
}

/// Rows of some years, the oldest archived, all of them younger than three years.
async fn filled() -> World {
    let world = World::on("2026-11-01");
    let rows = [(1, "2025-01-10"), (2, "2026-06-10"), (3, "2026-10-20")];
    let rows = rows.map(|(number, sent)| ier(number).contact(1).sent(&format!("{sent} 08:00")).stamp("2026-10-31 00:00"));
    world.load(&rows).await;
    world
}

async fn seen(world: &World) -> Vec<Vec<String>> {
    world.ask("SELECT merge_id, tier FROM ier ORDER BY 1").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_ten_years_ahead_destroys_nothing_and_moves_no_boundary() {
    let world = filled().await;
    assert!(run(&world).await.error.is_none(), "today everything runs");
    let before = seen(&world).await;
    world.days_pass(3650);
    for world in [world.another(), world.another()] {
        // What ran under a wrong clock, and failed, vouches for nothing the second time.
        let report = run(&world).await;
        for job in ["archive", "retain", "vacuum", "finish_erasures"] {
            assert_eq!(outcomes(&report)[job], Outcome::Failed, "{job}");
        }
        let error = report.error.expect("an error");
        assert!(error.kind() == Kind::Invalid && error.to_string().contains("--clock-is-right"), "{error}");
        assert_eq!(seen(&world).await, before);
        world.clock.tick(Duration::minutes(40));
    }
    // A load under that clock brings records of today: they are of no help to it.
    world.load(&[ier(4).contact(1).sent("2026-10-30 08:00").stamp("2026-11-01 00:00")]).await;
    world.clock.tick(Duration::hours(1));
    assert_eq!(outcomes(&run(&world).await)["retain"], Outcome::Failed);
    assert_eq!(seen(&world).await.len(), before.len() + 1);
    // Set right, it is believed again, whatever happened meanwhile.
    world.days_pass(-3650);
    assert!(clock::check(&world.another().warehouse, "retain").await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_set_back_is_refused() {
    let world = filled().await;
    world.days_pass(-3);
    let error = clock::check(&world.warehouse, "vacuum").await.expect_err("a clock before what is known");
    assert!(error.to_string().contains("2026-10-29") && error.to_string().contains("before"), "{error}");
    world.days_pass(3);
    clock::check(&world.warehouse, "vacuum").await.expect("today");
    clock::check(&World::on("1971-01-01").warehouse, "vacuum").await.expect("where nothing happened");
}

/// Half a year nobody came: one word of a person is enough, is written down, and holds from then on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_warehouse_that_rested_for_half_a_year_needs_one_word() {
    let world = filled().await;
    run(&world).await;
    world.days_pass(180);
    assert_eq!(outcomes(&run(&world.another()).await)["retain"], Outcome::Failed);
    clock::confirm(&world.warehouse, "ann").await.expect("a word");
    assert_eq!(world.line("SELECT job, outcome, who FROM job_run WHERE job = 'clock'").await, "clock done ann");
    world.clock.tick(Duration::hours(1));
    let again = run(&world.another()).await;
    assert!(again.error.is_none(), "{again}");
    assert_eq!(seen(&world).await[0], ["M-1", "archive"]);
    // Once is enough, and where there is no need nothing is written.
    clock::confirm(&world.warehouse, "ann").await.expect("a word");
    assert_eq!(world.line("SELECT count(*) FROM job_run WHERE job = 'clock'").await, "1");
    // New records are as good as a word.
    let world = filled().await;
    world.days_pass(180);
    world.load(&[ier(5).contact(1).sent("2027-04-20 08:00").stamp("2027-04-29 00:00")]).await;
    clock::check(&world.warehouse, "retain").await.expect("records of these days");
}

/// What each job that destroys would remove is said before anybody consents, and is what it then removes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_says_what_each_job_that_destroys_would_remove() {
    let world = World::on("2026-11-01");
    let rows = [(1, "2021-01-10"), (2, "2021-01-11"), (3, "2026-06-10"), (4, "2026-10-20")];
    let rows = rows.map(|(number, sent)| ier(number).contact(1).sent(&format!("{sent} 08:00")).stamp("2026-10-31 00:00"));
    world.load(&rows).await;
    world.archive("2026-08-01").await;
    world.days_pass(10);
    let unconfirmed = Scheduler { confirm: Default::default(), ..all_jobs(&world) };
    let reported = unconfirmed.plan().await.expect("a plan").to_string();
    let retain = "retain never ran, waits for run.confirm = [\"retain\"] (every 1m)\n  \
                  now it would remove 2 rows: 2 rows of archive/individual_email_result (1 file)";
    assert!(reported.contains(retain), "{reported}");
    assert!(
        reported.contains("vacuum never ran, waits for run.confirm = [\"vacuum\"] (every 1m)\n  now it would remove "),
        "{reported}"
    );
    assert!(
        !reported.contains("vacuum never ran, waits for run.confirm = [\"vacuum\"] (every 1m)\n  now it would remove nothing"),
        "{reported}"
    );
    assert!(reported.contains("of hot/individual_email_result"), "{reported}");
    assert_eq!(world.line("SELECT count(*) FROM ier").await, "4", "nothing was done");
    // One consent says nothing about the others.
    let vacuum = Scheduler { confirm: ["vacuum".to_owned()].into(), ..all_jobs(&world) };
    let plan = vacuum.plan().await.expect("a plan");
    let due = |job: &str| plan.jobs.iter().any(|plan| plan.job == job && plan.due && plan.removal.is_some());
    assert!(due("vacuum") && !due("retain"), "{plan}");
    let report = vacuum.once(std::future::pending()).await.expect("a run");
    assert!(!outcomes(&report).contains_key("retain") && outcomes(&report)["vacuum"] == Outcome::Done, "{report}");
    assert_eq!(world.line("SELECT count(*) FROM ier").await, "4");
    // With consent, the same is reported and done; without a term, nothing.
    let confirmed = all_jobs(&world);
    assert!(confirmed.plan().await.expect("a plan").to_string().contains("now it would remove 2 rows"), "confirmed or not");
    let unsaid = Scheduler { context: scheduler(&world, "a", "every 1m", JOBS).context, ..all_jobs(&world) };
    let reported = unsaid.plan().await.expect("a plan").to_string();
    assert!(reported.contains("now it would remove nothing; nothing expires, because the settings do not say"), "{reported}");
    world.clock.tick(Duration::minutes(2));
    run(&world).await;
    assert_eq!(world.line("SELECT count(*) FROM ier").await, "2");
}
