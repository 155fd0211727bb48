//! `ier verify --give-up`: takes files that are missing or damaged out of their tables' logs, so that all jobs work again. The
//! ledger `given_up` keeps what was in them, as far as it is known. It destroys nothing that is not destroyed already, but
//! declares the loss final; wants `--confirm`. Loading the exports again fills the gap.
//!
//! **What is dead.** A live file that is not in the store, or whose bytes do not have the hash in the log. A file with the right
//! bytes is never given up, whatever is wrong with its rows. Nothing is given up while the store does not answer.
//!
//! **Order.** First the ledger, then the commits that take the files out: after a crash between them the next run takes out the
//! files named in the ledger. Dead files without which the ledger cannot be written, its own and those of the list of what was
//! erased, are taken out before. The list of what was erased, the erasures and the legal holds are left alone unless `--table`
//! names them: without their rows erased people come back, and held records may expire.
//!
//! **The books.** Rows given up are counted by month, in the same commit, so that `ier reconcile` balances. An archived row shows
//! again when its late version was in a dead file, and a row hidden by a late version was not visible before. Nobody knows which
//! keys a dead file had. So where late rows are involved, the books themselves tell how many rows are no longer visible, within
//! what the dead files can have held: see [`months`].
//!
//! **Beside other jobs** it works like any removal of rows: with a claim where hot is concerned ([`crate::tiers::claim`]), and
//! decided again when another commit came first. A file that was replaced meanwhile is no longer dead.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::Duration;

use super::verify::{self, Choices, DeadFile};
use crate::error::{Error, Kind, Result};
use crate::lake::fold::locate;
use crate::lake::log::commit::{ATTEMPTS, Change, commit, lost_race};
use crate::lake::log::snapshot::{DataFile, Snapshot};
use crate::lake::log::table::LakeTable;
use crate::lake::log::tally::{self, Tally, month_name};
use crate::lake::paths::Role;
use crate::ledgers::holds::{Holds, PEOPLE_COLUMNS};
use crate::ledgers::runs::Report;
use crate::progress::Progress;
use crate::record::fields::known;
use crate::tiers::claim;
use crate::tiers::pin::{Pinned, pin};
use crate::tiers::warehouse::{Tiers, Warehouse};

pub use self::ledger::Load;
pub use self::lost::LostFile;
pub use self::report::{GiveUpPlan, GiveUpReport};

// A file that is missing or damaged, and what the log says was in it.
mod lost;

// The ledger of files that were given up, and the loads that their records came from.
mod ledger;

// The report of files that are given up, for people and machines.
mod report;

/// Tables without whose rows something happens that nobody wants.
const ONLY_BY_NAME: [&str; 3] = ["legal_hold", "erased", "erasure"];

/// Tables that are written to, or read, whenever a ledger is written.
const FIRST: [&str; 2] = ["erased", "given_up"];

/// Reads everything as `ier verify` does, and returns the dead files and what was in them; `only` names one table.
///
/// # Errors
/// As [`verify::plan`] and [`verify::execute`].
pub async fn plan(
    warehouse: &Arc<Warehouse>,
    only: Option<&str>,
    look_up_key: Option<String>,
    progress: Arc<dyn Progress>,
) -> Result<GiveUpPlan> {
    let choices = Choices { look_up_key, retain: Duration::days(7), sweep: false };
    let found = verify::execute(warehouse, verify::plan(warehouse, only).await?, choices, progress).await?;
    let dead: BTreeSet<String> = found.dead.iter().map(|dead| dead.file.path(&dead.lake.folder).to_string()).collect();
    let mut plan = GiveUpPlan {
        files: Vec::new(),
        left_alone: Vec::new(),
        loads: BTreeMap::new(),
        other: found.damages.into_iter().filter(|damage| !dead.contains(&damage.object)).collect(),
        dead: Vec::new(),
    };
    // Holds that cannot be read cannot be asked.
    let holds = Holds::open(warehouse).await.ok();
    for dead in found.dead {
        let file = LostFile::of(&dead, holds.as_ref().map(|holds| may_be_held(holds, &dead)));
        if only.is_none() && ONLY_BY_NAME.contains(&file.object.as_str()) {
            plan.left_alone.push(file);
        } else {
            plan.files.push(file);
            plan.dead.push(dead);
        }
    }
    plan.loads = ledger::loads(warehouse, &plan.files, &dead).await?;
    Ok(plan)
}

/// May a legal hold cover rows of a file, as far as the log's statistics tell? Holds stand against retention and erasure only.
fn may_be_held(holds: &Holds, dead: &DeadFile) -> bool {
    let expires = ["individual_email_result", "individual_link", "not_sent"];
    let links = &*dead.lake.table.name == "individual_link";
    let (first, last) = lost::days(dead);
    let may_be = |ids: &[&str]| links || PEOPLE_COLUMNS.iter().any(|column| dead.file.may_hold(column, ids));
    expires.contains(&&*dead.lake.table.name) && holds.may_cover(first, last, may_be)
}

/// Takes the planned files out of the logs, if they are still named there; `author` is who says so.
///
/// # Errors
/// Conflict when others change a table all the time; unavailable when the store does not answer. What is out stays out, and the
/// same command goes on.
pub async fn execute(warehouse: &Arc<Warehouse>, plan: GiveUpPlan, author: &str) -> Result<GiveUpReport> {
    let started = warehouse.clock().now();
    let mut by_table: BTreeMap<String, Vec<DeadFile>> = BTreeMap::new();
    for dead in plan.dead {
        by_table.entry(dead.lake.table.name.to_string()).or_default().push(dead);
    }
    for name in FIRST {
        if let Some(dead) = by_table.remove(name) {
            give_up(warehouse, &dead).await?;
        }
    }
    ledger::record(warehouse, &plan.files, &plan.loads, author).await?;
    for dead in by_table.into_values() {
        give_up(warehouse, &dead).await?;
    }
    let seconds = (warehouse.clock().now() - started).as_seconds_f64();
    Ok(GiveUpReport { files: plan.files, left_alone: plan.left_alone, loads: plan.loads, other: plan.other, seconds })
}

/// Takes the dead files of one table out of its log, or its two.
async fn give_up(warehouse: &Arc<Warehouse>, dead: &[DeadFile]) -> Result<()> {
    let Some(first) = dead.first() else { return Ok(()) };
    let paths = |role: Role| -> BTreeSet<String> {
        dead.iter().filter(|dead| dead.lake.role == role).map(|dead| dead.file.add.path.clone()).collect()
    };
    if first.lake.role == Role::Reference {
        return of_one(warehouse, &first.lake, &paths(Role::Reference)).await;
    }
    let table = known(&first.lake.table.name).ok_or_else(|| Error::internal("a tiered table that nobody knows"))?;
    let tiers = warehouse.tiers(table).await?;
    of_both(warehouse, &tiers, &paths(Role::Hot), &paths(Role::Archive)).await
}

/// The live files of a snapshot among these paths.
fn among(snapshot: &Snapshot, paths: &BTreeSet<String>) -> Vec<Arc<DataFile>> {
    snapshot.files().filter(|file| paths.contains(&file.add.path)).cloned().collect()
}

async fn of_one(warehouse: &Arc<Warehouse>, lake: &Arc<LakeTable>, paths: &BTreeSet<String>) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let base = lake.snapshot().await?;
        let removes = among(&base, paths);
        if removes.is_empty() {
            return Ok(());
        }
        let change = Change { removes, operation: "give up", ..Change::default() };
        match commit(lake, &base, change, warehouse.clock().as_ref()).await {
            Err(error) if lost_race(&error) => {}
            done => return done.map(drop),
        }
    }
    Err(changed(lake))
}

fn changed(lake: &LakeTable) -> Error {
    Error::conflict(phrase!("{} is changed by others all the time: try again", lake.name()))
}

async fn of_both(warehouse: &Arc<Warehouse>, tiers: &Tiers, hot: &BTreeSet<String>, archive: &BTreeSet<String>) -> Result<()> {
    // The version of the archive in which we claimed hot.
    let mut claimed = None;
    for _ in 0..ATTEMPTS {
        let pinned = pin(tiers).await?;
        let (dead_hot, dead_archive) = (among(&pinned.hot, hot), among(&pinned.archive, archive));
        if dead_hot.is_empty() && dead_archive.is_empty() {
            return Ok(());
        }
        // Where there is no archive yet, no run is between its two commits.
        let claims = !dead_hot.is_empty() && pinned.archive.version.is_some();
        if claims && pinned.archive.version != claimed {
            claimed = claim::claim(warehouse, tiers, &pinned, "give up").await?;
            continue;
        }
        let lost = match months(tiers, &pinned, &dead_hot, &dead_archive).await {
            // Files that are live, and not dead, were replaced and swept meanwhile.
            Err(error) if pinned.is_past(tiers, &error).await? => continue,
            lost => lost?,
        };
        match commit_both(warehouse, tiers, &pinned, dead_hot, dead_archive, &lost).await {
            Err(error) if lost_race(&error) => {}
            done => return done,
        }
    }
    Err(changed(&tiers.hot))
}

/// Commits to the archive first, as every removal of rows does.
async fn commit_both(
    warehouse: &Arc<Warehouse>,
    tiers: &Tiers,
    pinned: &Pinned,
    dead_hot: Vec<Arc<DataFile>>,
    dead_archive: Vec<Arc<DataFile>>,
    lost: &BTreeMap<Option<i32>, i64>,
) -> Result<()> {
    let clock = warehouse.clock().as_ref();
    let mut rest = lost.clone();
    if !dead_archive.is_empty() || (!dead_hot.is_empty() && pinned.archive.version.is_some()) {
        let mut tally = Tally::default();
        for (month, rows) in by_month(&dead_archive) {
            let left = rest.entry(month).or_default();
            // What is left over is counted by the commit to hot; without one, all is counted here.
            let here = if dead_hot.is_empty() { *left } else { (*left).clamp(0, rows) };
            tally.month(month).given_up += here;
            *left -= here;
        }
        let transactions = match dead_hot.is_empty() {
            true => vec![claim::built_from(pinned)],
            false => claim::transactions(pinned),
        };
        let change = Change { removes: dead_archive, tally, transactions, operation: "give up", ..Change::default() };
        commit(&tiers.archive, &pinned.archive, change, clock).await?;
    }
    if dead_hot.is_empty() {
        return Ok(());
    }
    let mut tally = Tally::default();
    for (month, rows) in rest {
        tally.month(month).given_up += rows;
    }
    let change = Change { removes: dead_hot, tally, operation: "give up", ..Change::default() };
    commit(&tiers.hot, &pinned.hot, change, clock).await.map(drop)
}

/// Rows by month sent (its first day; none for rows without a date).
fn by_month<'a>(files: impl IntoIterator<Item = &'a Arc<DataFile>>) -> BTreeMap<Option<i32>, i64> {
    let mut months = BTreeMap::new();
    for file in files {
        *months.entry(Role::Archive.partition_of(file.partition.0).0).or_default() += file.rows as i64;
    }
    months
}

/// How many rows fewer readers see once the dead files are out of the log, by month: what the books say there should be, without what
/// there is then. Bounded by what the dead files can have held, so that what else is wrong with the books shows as before:
/// at most their rows; at least these without those that late rows may have hidden, and those that hid others.
async fn months(
    tiers: &Tiers,
    pinned: &Pinned,
    dead_hot: &[Arc<DataFile>],
    dead_archive: &[Arc<DataFile>],
) -> Result<BTreeMap<Option<i32>, i64>> {
    let dead: BTreeSet<&str> = dead_hot.iter().chain(dead_archive).map(|file| file.add.path.as_str()).collect();
    let after = Pinned { hot: Arc::new(pinned.hot.without(&dead)), archive: Arc::new(pinned.archive.without(&dead)) };
    let late = after.late_keys(&tiers.hot).await?;
    let archived: Vec<Arc<DataFile>> = after.archive.files().cloned().collect();
    let located = locate(&tiers.archive, &archived, &late.iter().map(String::as_str).collect()).await?;
    let mut seen = by_month(after.hot.files().chain(after.archive.files()));
    for hits in located.hits.values() {
        *seen.entry(Role::Archive.partition_of(hits.file.partition.0).0).or_default() -= hits.rows.len() as i64;
    }
    let hid: i64 = dead_hot.iter().filter(|file| pinned.is_late(file)).map(|file| file.rows as i64).sum();
    let hides = late.len() as i64 - located.len() as i64;
    let mut books = tally::read(&tiers.hot, &pinned.hot).await?;
    books.add(&tally::read(&tiers.archive, &pinned.archive).await?);
    let books: BTreeMap<&str, i64> = books.months().map(|(month, counts)| (month, counts.left())).collect();
    let (rows, rows_archived) = (by_month(dead_hot.iter().chain(dead_archive)), by_month(dead_archive));
    let concerned: BTreeSet<Option<i32>> = match hid {
        0 => rows.keys().copied().collect(),
        _ => rows.keys().chain(seen.keys()).copied().collect(),
    };
    let of = |counts: &BTreeMap<Option<i32>, i64>, month: Option<i32>| counts.get(&month).copied().unwrap_or(0);
    let lost = concerned.into_iter().map(|month| {
        let most = of(&rows, month);
        let least = most - hides.min(of(&rows_archived, month)) - hid;
        let missing = books.get(month_name(month).as_str()).copied().unwrap_or(0) - of(&seen, month);
        (month, missing.clamp(least, most))
    });
    Ok(lost.filter(|(_, rows)| *rows != 0).collect())
}

impl Report for GiveUpReport {
    fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    fn changed(&self) -> bool {
        !self.files.is_empty()
    }

    fn complaint(&self) -> Option<Error> {
        if let Some(file) = self.left_alone.first() {
            return Some(Error::corrupt(phrase!(
                "{} was left alone: it is given up only where --table {} says so",
                file.path,
                file.object
            )));
        }
        let worst = self.other.iter().find(|damage| damage.kind == Kind::Corrupt).or(self.other.first())?;
        let message = phrase!("{}: {}, which giving up does not mend", worst.object, worst.what);
        Some(match worst.kind {
            Kind::Corrupt => Error::corrupt(message),
            Kind::Internal => Error::internal(message),
            _ => Error::unavailable(message),
        })
    }
}
