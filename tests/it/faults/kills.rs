//! `kill -9` of the real binary, a hundred times: each verb is stopped at a moment the seed chooses within its usual time,
//! what it leaves is looked at, and it is run again to its end.
//!
//! # Decisions
//! - 2026-11-22 **What a killed process leaves is taken from one run that is watched, not from a run for each kill.** A
//!   kill leaves the store as it is; so twice as many points cost half the time.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use ier::clock::SystemClock;
use ier::tiers::warehouse::Warehouse;
use tempfile::TempDir;

use super::every_call::{on_all_cores, on_one_thread};
use super::long;
use crate::world::World;
use crate::world::records::{Record, csv, ier, link};
use crate::world::turns::Dice;

/// Kills in all; those that came too late do not count.
const KILLS: usize = 100;
const KILLS_LONG: usize = 1000;

/// Warehouses among which they are shared out.
const WAREHOUSES: usize = 2;

/// The first day anything is sent; each round is some days later.
const FIRST_DAY: &str = "2026-01-10";
const DAYS_A_ROUND: i64 = 4;

/// What is known of an IER: opened, clicks in all.
#[derive(Clone, Copy, Debug, Default)]
struct ExpectedIer {
    opened: bool,
    clicks: u64,
}

/// What should be in a warehouse.
#[derive(Clone, Default)]
struct Model {
    iers: BTreeMap<u32, ExpectedIer>,
    links: usize,
}

impl Model {
    /// As [`TOTALS`] answers.
    fn totals(&self) -> String {
        let (opened, clicks) = self.iers.values().fold((0, 0), |(o, c), known| (o + u64::from(known.opened), c + known.clicks));
        format!("{} {} {opened} {clicks}", self.iers.len(), self.iers.len())
    }
}

const TOTALS: &str = "SELECT count(*) AS a, count(DISTINCT lower(merge_id)) AS b, \
    coalesce(sum(CAST(opened AS INT)), 0) AS c, coalesce(sum(number_of_total_clicks), 0) AS d FROM ier";
const LINKS: &str = "SELECT count(*) AS a, count(DISTINCT unique_link_id) AS b FROM individual_link";

/// A warehouse on disk, what should be in it, and how long its verbs take.
struct Victim {
    folder: TempDir,
    dice: Dice,
    model: Model,
    usual: BTreeMap<&'static str, Duration>,
    kills: usize,
    late: usize,
}

impl Victim {
    fn new(seed: u64) -> Self {
        Self {
            folder: TempDir::new().expect("a temporary folder"),
            dice: Dice::new(seed),
            model: Model::default(),
            usual: BTreeMap::new(),
            kills: 0,
            late: 0,
        }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ier"));
        command.args(words).current_dir(self.folder.path()).env_clear().env("HOME", self.folder.path()).env("USER", "tester");
        command.stdin(Stdio::null());
        command
    }

    /// A reader in this process, over the warehouse the binary writes to.
    fn reader(&self) -> World {
        let place = self.folder.path().join("warehouse").display().to_string();
        let warehouse = Warehouse::place(&place, &BTreeMap::new(), Arc::new(SystemClock)).expect("the warehouse");
        World::on(FIRST_DAY).at(warehouse)
    }

    /// Kills a verb now and then, looks, and runs it to its end. What is seen meanwhile is as `before` or as `after`.
    fn killed(&mut self, verb: &'static str, words: &[&str], before: &Model, after: &Model) {
        let words = [&["-w", "warehouse", verb], words].concat();
        for _ in 0..=self.dice.below(3) {
            let usual = self.usual.get(verb).copied().unwrap_or(Duration::from_millis(400));
            let mut child = self.command(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary");
            std::thread::sleep(usual.mul_f64(self.dice.below(1000) as f64 / 1000.0));
            // It may have ended: then there is nothing to kill.
            drop(child.kill());
            let killed = child.wait().expect("an end").signal() == Some(9);
            self.kills += usize::from(killed);
            self.late += usize::from(!killed);
            let totals = on_one_thread(async {
                let reader = self.reader();
                let totals = reader.line(TOTALS).await;
                reader.files_are_sound().await;
                totals
            });
            assert!([before.totals(), after.totals()].contains(&totals), "{verb} killed: {totals}, not {}", after.totals());
        }
        let started = Instant::now();
        let done = self.command(&words).output().expect("the binary");
        assert!(done.status.success(), "{words:?}, run again: {}", String::from_utf8_lossy(&done.stderr));
        self.usual.insert(verb, started.elapsed());
    }

    /// The export files of a round: new IERs, news of old ones, links.
    fn exports(&mut self, round: i64) -> (Model, [String; 2]) {
        let day = crate::world::day(FIRST_DAY) + chrono::Duration::days(round * DAYS_A_ROUND);
        let stamp = format!("{} 06:00", day + chrono::Duration::days(DAYS_A_ROUND));
        let (mut model, first) = (self.model.clone(), self.model.iers.len() as u32 + 1);
        let mut numbers: Vec<u32> = (first..first + 6).collect();
        numbers.extend((0..5).filter(|_| first > 1).map(|_| 1 + self.dice.below(first as usize - 1) as u32));
        numbers.sort_unstable();
        numbers.dedup();
        let rows: Vec<Record> = numbers
            .iter()
            .map(|number| {
                let known = model.iers.entry(*number).or_default();
                if *number < first {
                    *known = ExpectedIer { opened: true, clicks: known.clicks + 1 };
                }
                let sent = crate::world::day(FIRST_DAY) + chrono::Duration::days(i64::from((number - 1) / 6) * DAYS_A_ROUND);
                let row = ier(*number).contact(number % 5).sent(&format!("{sent} 08:00")).stamp(&stamp);
                let row = if known.opened { row.opened(&stamp) } else { row.unopened() };
                row.clicks(known.clicks as u32, known.clicks.min(1) as u32)
            })
            .collect();
        let links: Vec<Record> = (first..first + 2).map(|number| link(number, number).stamp(&stamp)).collect();
        model.links += links.len();
        let files = [(format!("ier-{round}.csv"), rows), (format!("link-{round}.csv"), links)].map(|(name, rows)| {
            std::fs::write(self.folder.path().join(&name), csv(&rows)).expect("an export");
            name
        });
        (model, files)
    }

    /// Loads, archives, compacts and sweeps, each killed on the way.
    fn round(&mut self, round: i64) {
        let before = self.model.clone();
        let (after, files) = self.exports(round);
        self.killed("load", &[&files[0], &files[1], "--rejects", "/dev/null"], &before, &after);
        self.model = after.clone();
        let until = crate::world::day(FIRST_DAY) + chrono::Duration::days((round - 2) * DAYS_A_ROUND);
        self.killed("archive", &["--until", &until.to_string()], &after, &after);
        self.killed("compact", &[], &after, &after);
        self.killed("vacuum", &["--confirm", "--retain", "0s", "--even-while-jobs-run"], &after, &after);
        let reported = self.command(&["-w", "warehouse", "sql", "--format", "csv", TOTALS]).output().expect("the binary");
        let reported = String::from_utf8(reported.stdout).expect("text");
        assert_eq!(reported, format!("a,b,c,d\n{}\n", after.totals().replace(' ', ",")), "round {round}");
        on_one_thread(async {
            let reader = self.reader();
            assert_eq!(reader.line(LINKS).await, format!("{0} {0}", after.links), "round {round}");
            reader.rows_stand_where_they_belong().await;
            reader.files_are_sound().await;
        });
    }
}

#[test]
fn the_binary_killed_a_hundred_times() {
    let started = Instant::now();
    let wanted = if long() { KILLS_LONG } else { KILLS };
    let reported = Mutex::new(Vec::new());
    on_all_cores(1..=WAREHOUSES as u64, |seed| {
        let mut victim = Victim::new(seed);
        let mut round = 0;
        while victim.kills < wanted.div_ceil(WAREHOUSES) {
            victim.round(round);
            round += 1;
            assert!(round < 40 + wanted as i64, "{} of {} kills came too late", victim.late, victim.late + victim.kills);
        }
        reported.lock().expect("nobody panics with the lock").push((victim.kills, victim.late, round));
    });
    let reported = reported.into_inner().expect("nobody panicked with the lock");
    let kills: usize = reported.iter().map(|(kills, _, _)| kills).sum();
    println!(
        "faults of killing: {kills} kills in {reported:?} (kills, too late, rounds), {:.1} s",
        started.elapsed().as_secs_f64()
    );
    assert!(kills >= wanted);
}
