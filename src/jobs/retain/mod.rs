//! `ier retain`: removes records that have outlived their terms from both tiers, unless a hold covers them. Wants `--confirm`.
//!
//! What is removed is decided by `[retain]` in the settings and by the day it is: [`execute`] decides again, whatever was planned.
//! Totals by send and month go into the ledger `expired_total`; sends themselves are not touched. Safe to run twice, beside other
//! jobs, and again after a kill: see [`remove`] for the order of commits, and [`totals`] for how totals and rows stay consistent.
//! Links are removed before their IERs, because the attributes that decide about a link stand in its IER.
//!
//! A record that is loaded again after it expired is a record again, and is removed by the next run.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use chrono::NaiveDate;
use serde::Serialize;

use self::expiry::{ExpiredRows, LakeExpiry, TableExpiry};
use crate::error::{Error, Result};
use crate::human;
use crate::lake::log::commit::ATTEMPTS;
use crate::lake::paths::{Role, date_of};
use crate::ledgers::runs::Report;
use crate::ledgers::sends::Sends;
use crate::progress::{Progress, Unit};
use crate::record::fields::known;
use crate::settings::retain::{Object, Retain, Term};
use crate::tiers::claim;
use crate::tiers::warehouse::Warehouse;

// Finds the rows that have expired, and those of them that are held. Writes nothing.
mod expiry;

// Removes the expired rows: one commit to the archive, then one to hot.
mod remove;

// Computes until which day of sending a record has expired, from the terms of the rules that cover it.
mod terms;

// Counts of IERs by send and month, stored before retention removes the rows: the ledger `expired_total`.
mod totals;

/// What expires, in the order in which it is removed.
const OBJECTS: [Object; 3] = [Object::IndividualLink, Object::IndividualEmailResult, Object::NotSent];

/// The plan of a run.
#[derive(Clone, Debug, Serialize)]
pub struct RetainPlan {
    /// The day by which ages are counted.
    pub today: NaiveDate,
    /// The terms, that for everything first.
    pub terms: Vec<TermPlan>,
    /// By table, tier and month.
    pub months: Vec<MonthPlan>,
    /// What holds keep of what has expired.
    pub held: Vec<HeldPlan>,
    /// Why nothing expires, or less than once did, where nobody wrote down how long records are kept.
    pub note: Option<String>,
    #[serde(skip)]
    retain: Retain,
}

/// A term and what it means today.
#[derive(Clone, Debug, Serialize)]
pub struct TermPlan {
    /// The rule's name; none for the term of what no rule covers.
    pub rule: Option<String>,
    /// How long records are kept.
    pub term: Term,
    /// What was sent before this day has outlived it; none where nothing does.
    pub sent_before: Option<NaiveDate>,
    /// What is odd about it.
    pub note: Option<String>,
}

/// The rows to remove of one month of one table in one tier.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct MonthPlan {
    /// The table.
    pub table: String,
    /// `archive` or `hot`; none for a table without tiers.
    pub tier: Option<&'static str>,
    /// The month's first day; none for a table without months.
    pub month: Option<NaiveDate>,
    /// Rows in files that go whole.
    pub rows_whole: u64,
    /// Those files.
    pub files_whole: u64,
    /// Rows that go out of files of which others stay.
    pub rows_folded: u64,
    /// Those files, which are written anew.
    pub files_folded: u64,
    /// Rows that have expired and are held.
    pub rows_held: u64,
}

/// The rows that a hold protects.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct HeldPlan {
    /// The hold.
    pub hold_id: String,
    /// The table.
    pub table: String,
    /// Rows that have expired. A row that several holds cover is counted with each.
    pub rows: u64,
}

/// The report of a run.
#[derive(Clone, Debug, Serialize)]
pub struct RetainReport {
    /// The day by which ages were counted.
    pub today: NaiveDate,
    /// Rows that are gone.
    pub rows: u64,
    /// By table, tier and month.
    pub months: Vec<MonthPlan>,
    /// What holds kept.
    pub held: Vec<HeldPlan>,
    /// Removals by the names the ledger `expired_total` gives them.
    pub run_ids: Vec<String>,
    /// Bytes of files that are not needed any more; `ier vacuum` deletes them.
    pub bytes_removed: u64,
    /// Bytes written anew.
    pub bytes_written: u64,
    /// How long it took.
    pub seconds: f64,
    /// Why nothing expires, or less than once did, where nobody wrote down how long records are kept.
    pub note: Option<String>,
}

impl MonthPlan {
    /// Rows that go.
    pub fn rows(&self) -> u64 {
        self.rows_whole + self.rows_folded
    }
}

impl RetainPlan {
    /// Is there nothing to do?
    pub fn is_empty(&self) -> bool {
        self.months.iter().all(|month| month.rows() == 0)
    }

    /// Rows that would go.
    pub fn rows(&self) -> u64 {
        self.months.iter().map(MonthPlan::rows).sum()
    }
}

impl Report for RetainReport {
    fn rows(&self) -> u64 {
        self.rows
    }

    fn changed(&self) -> bool {
        self.rows > 0
    }
}

impl fmt::Display for TermPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            None => f.write_str("kept unless a rule says otherwise: ")?,
            Some(rule) => write!(f, "rule \"{rule}\": ")?,
        }
        write!(f, "{}", self.term)?;
        if let Some(day) = self.sent_before {
            write!(f, ", so what was sent before {day} has expired")?;
        }
        match &self.note {
            None => Ok(()),
            Some(note) => write!(f, " ({note})"),
        }
    }
}

impl fmt::Display for MonthPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.table)?;
        if let Some(tier) = self.tier {
            write!(f, ", {tier}")?;
        }
        if let Some(month) = self.month {
            write!(f, " {}", month.format("%Y-%m"))?;
        }
        let mut parts = Vec::new();
        if self.files_whole > 0 {
            let rows = human::counted(self.rows_whole, "row");
            parts.push(format!("{rows} with {}", human::counted(self.files_whole, "whole file")));
        }
        if self.files_folded > 0 {
            let files = human::counted(self.files_folded, "file");
            parts.push(format!("{} out of {files} written anew", human::counted(self.rows_folded, "row")));
        }
        if self.rows_held > 0 {
            parts.push(format!("{} held", human::counted(self.rows_held, "row")));
        }
        write!(f, ": {}", parts.join(", "))
    }
}

impl fmt::Display for HeldPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keeps {} of {}", self.hold_id, human::counted(self.rows, "row"), self.table)
    }
}

fn lines(f: &mut fmt::Formatter<'_>, lines: &[impl fmt::Display]) -> fmt::Result {
    lines.iter().try_for_each(|line| write!(f, "\n{line}"))
}

impl fmt::Display for RetainPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expired on {}: {}", self.today, human::counted(self.rows(), "row"))?;
        lines(f, &self.terms)?;
        lines(f, &self.months)?;
        lines(f, &self.held)?;
        lines(f, self.note.as_slice())
    }
}

impl fmt::Display for RetainReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows == 0 {
            write!(f, "nothing to remove: no record has expired that is not held")?;
        } else {
            let rows = human::counted(self.rows, "row");
            write!(f, "removed {rows} in {}; totals by send are in expired_total", human::seconds(self.seconds))?;
        }
        lines(f, &self.months)?;
        lines(f, &self.held)?;
        lines(f, self.note.as_slice())
    }
}

/// The advice for a warehouse that keeps records without a term in the settings.
async fn unsaid(warehouse: &Arc<Warehouse>, retain: &Retain) -> Result<Option<String>> {
    if retain.said {
        return Ok(None);
    }
    let ledger = known("expired_total").ok_or_else(|| Error::internal("there is no table expired_total"))?;
    let removed = warehouse.table(Role::Reference, ledger).await?.snapshot().await?.rows() > 0;
    let what = if retain.rules.is_empty() { "nothing expires" } else { "what no rule covers never expires" };
    let before = if removed { "; records have expired here before, when three years were the default" } else { "" };
    Ok(Some(format!(
        "{what}, because the settings do not say how long records are kept: `years = 3` under [retain] is three years{before}"
    )))
}

/// Looks at what a run would do now.
pub async fn plan(warehouse: &Arc<Warehouse>, retain: &Retain) -> Result<RetainPlan> {
    let today = warehouse.clock().today();
    let sends = Sends::read(warehouse).await?;
    let mut terms = vec![TermPlan { rule: None, term: retain.term, sent_before: retain.term.cutoff(today), note: None }];
    terms.extend(retain.rules.iter().map(|rule| {
        let unknown = rule.unit.as_ref().filter(|unit| !sends.knows_unit(&sends.unit(unit)));
        TermPlan {
            rule: Some(rule.name.clone()),
            term: rule.term,
            sent_before: rule.term.cutoff(today),
            note: unknown.map(|unit| format!("no unit \"{unit}\" is known here")),
        }
    }));
    let note = unsaid(warehouse, retain).await?;
    let mut plan = RetainPlan { today, terms, months: Vec::new(), held: Vec::new(), note, retain: retain.clone() };
    for object in OBJECTS.into_iter().filter(|_| !retain.keeps_all()) {
        let (_, expiry, _) = expiry::table(warehouse, retain, today, object).await?;
        for lake in &expiry.lakes {
            plan.months.extend(months(lake));
        }
        plan.held.extend(held(&expiry));
    }
    plan.held.sort_by(|a, b| a.hold_id.cmp(&b.hold_id));
    Ok(plan)
}

/// Removes what has expired now, by the rules of the plan; how much was planned, and when, does not matter.
///
/// # Errors
/// Conflict when others change the same tables all the time; unavailable when the store does not answer. What was removed by
/// then is removed, and the next run goes on.
pub async fn execute(warehouse: &Arc<Warehouse>, plan: RetainPlan, progress: Arc<dyn Progress>) -> Result<RetainReport> {
    let started = warehouse.clock().now();
    progress.count(Unit::Rows, plan.rows());
    finish_earlier(warehouse).await?;
    let mut report = RetainReport {
        today: started.date_naive(),
        rows: 0,
        months: Vec::new(),
        held: Vec::new(),
        run_ids: Vec::new(),
        bytes_removed: 0,
        bytes_written: 0,
        seconds: 0.0,
        note: plan.note.clone(),
    };
    for object in OBJECTS.into_iter().filter(|_| !plan.retain.keeps_all()) {
        progress.say(&format!("removing what expired of {}", object.table()));
        remove_expired(warehouse, &plan.retain, object, &mut report, &progress).await?;
    }
    report.held.sort_by(|a, b| a.hold_id.cmp(&b.hold_id));
    report.seconds = (warehouse.clock().now() - started).num_milliseconds() as f64 / 1000.0;
    Ok(report)
}

/// Moves the totals of interrupted removals into the ledger; deletes totals whose removal did not happen.
async fn finish_earlier(warehouse: &Arc<Warehouse>) -> Result<()> {
    for object in OBJECTS {
        let table = expiry::table_of(object)?;
        let roles: &[Role] = if table.tiered { &[Role::Archive, Role::Hot] } else { &[Role::Reference] };
        for role in roles {
            let lake = warehouse.table(*role, table).await?;
            totals::settle(warehouse, &lake, lake.snapshot().await?.as_ref()).await?;
        }
    }
    totals::sweep(warehouse).await
}

/// Removes what has expired of one table, again as long as others come first.
async fn remove_expired(
    warehouse: &Arc<Warehouse>,
    retain: &Retain,
    object: Object,
    report: &mut RetainReport,
    progress: &Arc<dyn Progress>,
) -> Result<()> {
    // The version of the archive in which we claimed hot.
    let mut claimed = None;
    for _ in 0..ATTEMPTS {
        let (rules, expiry, pinned) = expiry::table(warehouse, retain, report.today, object).await?;
        if expiry.lakes.iter().all(LakeExpiry::is_empty) {
            report.note_held(&expiry);
            return Ok(());
        }
        if let Some(pinned) = pinned.as_ref().filter(|pinned| expiry.copies > 0 && pinned.archive.version != claimed) {
            claimed = claim::claim(warehouse, &warehouse.tiers(expiry::table_of(object)?).await?, pinned, "retain").await?;
            continue;
        }
        let outcome = remove::remove(warehouse, &rules, &expiry, pinned.as_ref(), progress).await?;
        for lake in outcome.committed.iter().filter_map(|at| expiry.lakes.get(*at)) {
            report.note_removed(lake);
        }
        report.run_ids.extend(outcome.run_ids);
        report.bytes_written += outcome.bytes_written;
        if !outcome.lost {
            report.note_held(&expiry);
            return Ok(());
        }
    }
    Err(Error::conflict(phrase!("{} is changed by others all the time: run retain again", object.table())))
}

impl RetainReport {
    fn note_removed(&mut self, lake: &LakeExpiry) {
        for mut month in months(lake).into_iter().filter(|month| month.rows() > 0) {
            self.rows += month.rows();
            // What is held is reported once, when the last attempt is over.
            month.rows_held = 0;
            self.months.push(month);
        }
        let gone = lake.files.iter().filter(|file| file.loses());
        self.bytes_removed += gone.map(|file| file.file.bytes()).sum::<u64>();
    }

    fn note_held(&mut self, expiry: &TableExpiry) {
        self.held.extend(held(expiry));
    }
}

fn held(expiry: &TableExpiry) -> impl Iterator<Item = HeldPlan> {
    let table = expiry.object.table();
    expiry.held.iter().map(|(hold_id, rows)| HeldPlan { hold_id: hold_id.clone(), table: table.to_owned(), rows: *rows })
}

/// The rows to remove from a lake, by month. Rows that are not visible are not counted.
fn months(expiry: &LakeExpiry) -> Vec<MonthPlan> {
    let role = expiry.lake.role;
    let mut months: BTreeMap<Option<i32>, MonthPlan> = BTreeMap::new();
    for file in &expiry.files {
        let of = Role::Archive.partition_of(file.file.partition.0).0;
        let month = months.entry(of).or_insert_with(|| MonthPlan {
            table: expiry.lake.table.name.to_string(),
            tier: (role != Role::Reference).then(|| role.folder()),
            month: of.map(date_of),
            ..MonthPlan::default()
        });
        month.rows_held += file.held;
        match &file.outgoing {
            _ if !file.loses() => {}
            ExpiredRows::All => {
                month.files_whole += 1;
                month.rows_whole += file.expired;
            }
            ExpiredRows::Some(_) => {
                month.files_folded += 1;
                month.rows_folded += file.expired;
            }
        }
    }
    months.into_values().collect()
}
