//! `ier erase`: removes people, under all their ids, from every table, from old versions of tables and from rejects files. Wants
//! `--confirm`, because nothing can bring the rows back.
//!
//! **Order.**
//! 1. The people's ids and addresses are added to the list of what was erased ([`crate::tiers::suppressed`]). Each table refuses
//!    rows of theirs as soon as it has had one commit after that.
//! 2. Rows that name them are removed from rejects files.
//! 3. The hot IERs get a commit that changes nothing. The ids of the people's e-mails are looked up after it, so none is missed.
//! 4. Rows are removed: links first, because only their IERs say whose they are; then IERs, people, and aliases last. Of a tiered
//!    table the archive's rows go first, then hot's, then the archive's once more.
//!
//! After a crash, all that is left can be found by the same ids, because aliases go last. The same command, run again, finishes:
//! the list shows that the erasure was begun. If even the aliases are gone, so are all other rows; only the purge is left, and it
//! needs no ids.
//!
//! **Races.**
//! - *Loads*, and all else that upserts (links that follow their IER, orphans that are adopted, aliases that are learned): see the
//!   list. For it, step 4 commits to hot and to each reference table even if no row is removed.
//! - *Archive* reads hot, commits to the archive, and then removes the rows from hot. A run that read hot before our removal, and
//!   has not committed, loses its race to our last commit to the archive, which always comes after the one to hot. If the run has
//!   committed, our second search of the archive finds the rows. Its removal from hot writes only rows of the newest hot. A reader
//!   cannot combine an older hot with the new archive, because our commit carries hot's version (`HOT_VERSION`).
//! - *Compact* replaces files only while all files it read are live. Files from which rows were removed are not live any more.
//! - *Vacuum* deletes files that are not live, and so does the purge.
//! - *Another erasure* is like any of these.
//!
//! A reader whose version is purged meanwhile fails with *not found*; jobs of ours begin again.
//!
//! **Which rows are theirs.** Rows of IERs and links that name one of their ids as person, contact or lead. This includes rows
//! filed under another person (the plan counts these, because an alias may be missing). Also the links of their IERs, and rows of
//! other tables that hold one of their ids. In tables that are keyed by address, also rows with an address that is theirs alone.

// Finds the rows of the people to be erased, and what must be known of these rows before they are removed.
pub mod find;

// The second half of an erasure: deletes what old versions of tables still hold.
pub mod finish;

// Checks whether a legal hold forbids an erasure.
pub mod held;

// The ledger of erasures, one row a step: begun, removed from all tables, purged from all objects.
pub mod ledger;

// Removes rows that name an erased person from rejects files.
pub mod rejects;

// Removes rows from a table: puts their keys on the list, and rewrites their files without them.
mod remove;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;
use uuid::Uuid;

use self::find::{EmailRecords, ErasedIds, Rows};
use self::held::held;
use self::ledger::{ENGINE, Entry, Receipt, Step};
use self::rejects::Identifiers;
use self::remove::{Count, Remover, RowsToRemove};
use crate::error::{Error, Result};
use crate::human;
use crate::lake::columns::keys;
use crate::lake::log::table::LakeTable;
use crate::lake::paths::Role;
use crate::ledgers::erased::suppress;
use crate::ledgers::runs::Report;
use crate::progress::Progress;
use crate::record::fields::{TABLES, hidden, known};
use crate::record::id::SfId;
use crate::tiers::aliases::Aliases;
use crate::tiers::links;
use crate::tiers::pin::pin;
use crate::tiers::suppressed::{self, Key, List, Subject};
use crate::tiers::warehouse::Warehouse;

/// Ledgers without ids of people.
const NAMELESS: [&str; 5] = ["load_coverage", "job_run", "erased", "erasure", "expired_total"];

/// Reference tables that are committed to whether rows go or not, be they there or not: any load may be about to make them.
const FENCED: [&str; 6] = ["not_sent", "released", "contact", "lead", "legal_hold", "person_alias"];

/// The request for an erasure: the people and the reason.
#[derive(Clone, Debug)]
pub struct EraseRequest {
    /// An id of each person.
    pub people: Vec<SfId>,
    /// Why; kept.
    pub reason: String,
    /// Who asks; kept.
    pub author: String,
    /// How long old versions may still show the rows.
    pub grace: Duration,
    /// Rejects files, or folders of such.
    pub rejects: Vec<PathBuf>,
}

/// The plan of a run.
#[derive(Clone, Debug, Serialize)]
pub struct ErasePlan {
    /// All ids, person by person.
    pub people: Vec<Vec<String>>,
    /// Rows that would go, by table and tier.
    pub tables: Vec<TablePlan>,
    /// Of the IERs: filed under somebody else, naming one of the ids in a lookup.
    pub filed_elsewhere: u64,
    /// Rows that would go from rejects files.
    pub rejected_rows: u64,
    /// By when old versions would be deleted.
    pub due: DateTime<Utc>,
    #[serde(skip)]
    request: EraseRequest,
}

/// The plan for one table.
#[derive(Clone, Debug, Serialize)]
pub struct TablePlan {
    /// The table, with its tier.
    pub table: String,
    /// Rows that would go.
    pub rows: u64,
    /// Files that would be written anew.
    pub files: u64,
    /// Rows in these files.
    pub rows_in_files: u64,
}

/// The report of a run.
#[derive(Clone, Debug, Serialize)]
pub struct EraseReport {
    /// What proves it.
    pub receipt: Receipt,
    /// Were old versions deleted as well?
    pub purged: bool,
    /// If not, by when they will have to be.
    pub due: DateTime<Utc>,
    /// How many people.
    pub people: u64,
    /// How long it took.
    pub seconds: f64,
}

impl Report for EraseReport {
    fn rows(&self) -> u64 {
        self.receipt.rows
    }

    fn changed(&self) -> bool {
        true
    }
}

impl fmt::Display for ErasePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "erase {}", people(self.people.len() as u64))?;
        for ids in &self.people {
            write!(f, "\n  {}", ids.join(", "))?;
        }
        for table in self.tables.iter().filter(|table| table.rows > 0) {
            let (rows, files) = (human::counted(table.rows, "row"), human::counted(table.files, "file"));
            write!(f, "\n{}: {rows} in {files} of {}", table.table, human::counted(table.rows_in_files, "row"))?;
        }
        if self.tables.iter().all(|table| table.rows == 0) {
            write!(f, "\nno table has a row of theirs; their ids will be refused all the same")?;
        }
        if self.filed_elsewhere > 0 {
            let rows = human::counted(self.filed_elsewhere, "row");
            write!(f, "\n{rows} of these are filed under somebody else: is an alias missing?")?;
        }
        if self.rejected_rows > 0 {
            write!(f, "\nrejects files: {}", human::counted(self.rejected_rows, "row"))?;
        }
        match self.request.grace.is_zero() {
            true => write!(f, "\nold versions go at once: statements that run may have to be asked again"),
            false => {
                write!(f, "\nold versions go with the first `ier erase --finish --confirm` after {}", human::moment(self.due))
            }
        }
    }
}

impl fmt::Display for EraseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let receipt = &self.receipt;
        let rows = human::counted(receipt.rows, "row");
        write!(f, "erased {} in {}: {rows}", people(self.people), human::seconds(self.seconds))?;
        for table in receipt.tables.iter().filter(|table| table.rows > 0) {
            let (rows, files) = (human::counted(table.rows, "row"), human::counted(table.files.len() as u64, "file"));
            let copied: u64 = table.files.iter().map(|file| file.groups_copied).sum();
            let encoded: u64 = table.files.iter().map(|file| file.groups_encoded).sum();
            write!(f, "\n{}: {rows}, {files} written anew", table.table)?;
            write!(f, " ({} copied, {} encoded)", human::counted(copied, "row group"), human::count(encoded))?;
        }
        if receipt.rejected_rows > 0 {
            write!(f, "\nrejects files: {}", human::counted(receipt.rejected_rows, "row"))?;
        }
        match self.purged {
            true => write!(f, "\n{}", finish::summary(&receipt.purged))?,
            false => {
                write!(f, "\nold versions hold them still: run `ier erase --finish --confirm` after {}", human::moment(self.due))?
            }
        }
        write!(f, "\nloads of their rows are refused from now on, and counted")?;
        write!(f, "\nerasure {}", receipt.erasure_id)
    }
}

fn people(count: u64) -> String {
    if count == 1 { "1 person".to_owned() } else { human::count(count) + " people" }
}

/// What was found about the people before anything is changed.
struct Survey {
    erased_ids: Arc<ErasedIds>,
    email_records: EmailRecords,
    link_keys: BTreeSet<String>,
    /// Addresses of theirs that are nobody else's.
    addresses: BTreeSet<String>,
    identifiers: Identifiers,
    tables: Vec<TablePlan>,
}

impl Survey {
    fn subjects<'a>(&'a self, ids: &'a [SfId]) -> Vec<Subject<'a>> {
        let mut subjects: Vec<Subject<'a>> = ids.iter().map(Subject::Person).collect();
        subjects.extend(self.email_records.ier_ids.iter().map(|id| Subject::Ier(id)));
        subjects.extend(self.email_records.keys.iter().map(|key| Subject::Record("individual_email_result", key)));
        subjects.extend(self.link_keys.iter().map(|key| Subject::Record("individual_link", key)));
        subjects.extend(self.addresses.iter().map(|address| Subject::Address(address)));
        subjects
    }
}

/// Looks at what a run would do.
///
/// # Errors
/// Invalid without anybody or a reason, when the reason names the person, and when a legal hold stands against it.
pub async fn plan(warehouse: &Arc<Warehouse>, request: EraseRequest) -> Result<ErasePlan> {
    let people = resolve(warehouse, &request.people).await?;
    let ids: Vec<SfId> = people.iter().flatten().copied().collect();
    check_reason(&request.reason, &ids)?;
    let survey = survey(warehouse, &ids).await?;
    held(warehouse, &survey.erased_ids.ids, &survey.email_records).await?;
    let mut rejected_rows = 0;
    for file in rejects::files(&request.rejects)? {
        rejected_rows += rejects::filter_rejects(&file, &survey.identifiers, false)?;
    }
    Ok(ErasePlan {
        people: people.iter().map(|ids| ids.iter().map(SfId::to_string).collect()).collect(),
        tables: survey.tables,
        filed_elsewhere: survey.email_records.filed_elsewhere,
        rejected_rows,
        due: warehouse.clock().now() + request.grace,
        request,
    })
}

/// All ids of each person, as the ledger of aliases says; two ids of one person are one person.
async fn resolve(warehouse: &Arc<Warehouse>, people: &[SfId]) -> Result<Vec<Vec<SfId>>> {
    if people.is_empty() {
        return Err(Error::invalid("nobody is named: give a contact's or lead's id"));
    }
    let identities = Aliases::open(warehouse).await?.identities().await?;
    let mut resolved: Vec<Vec<SfId>> = people.iter().map(|id| identities.all_of(id)).collect();
    resolved.sort();
    resolved.dedup();
    Ok(resolved)
}

fn check_reason(reason: &str, ids: &[SfId]) -> Result<()> {
    if reason.trim().is_empty() {
        return Err(Error::invalid("an erasure needs a reason: say with --reason why, such as a ticket's number"));
    }
    let identifiers = Identifiers { ids: ids.iter().copied().collect(), ..Identifiers::default() };
    if identifiers.occur_in(reason) || reason.contains('@') {
        return Err(Error::invalid("the reason is kept, so it may not name the person: give a ticket's number, say"));
    }
    Ok(())
}

async fn survey(warehouse: &Arc<Warehouse>, ids: &[SfId]) -> Result<Survey> {
    let mut tables = Vec::new();
    let (mut erased_ids, email_records) = email_records(warehouse, ids, &mut tables).await?;
    erased_ids.ier_ids = email_records.ier_ids.iter().cloned().collect();
    let erased_ids = Arc::new(erased_ids);
    let tiers = warehouse.tiers(links::table()?).await?;
    let pinned = pin(&tiers).await?;
    let mut link_keys = BTreeSet::new();
    for (lake, snapshot) in [(&tiers.hot, &pinned.hot), (&tiers.archive, &pinned.archive)] {
        let rows = find::tiered(lake, snapshot, &erased_ids).await?;
        if !rows.files.is_empty() {
            link_keys.extend(keys(&rows.fetch(lake, &[hidden::KEY]).await?)?.iter().flatten().map(str::to_owned));
        }
        tables.push(planned(lake, &rows));
    }
    let mut survey = Survey {
        erased_ids,
        link_keys,
        addresses: BTreeSet::new(),
        identifiers: Identifiers { ids: ids.iter().copied().collect(), addresses: email_records.emails.clone() },
        email_records,
        tables,
    };
    survey.addresses = addresses(warehouse, ids, &mut survey.identifiers.addresses).await?;
    let list = List::of(Key::random(), survey.subjects(ids));
    for lake in references(warehouse).await? {
        let rows = find::refused(&lake, &*lake.snapshot().await?, &list).await?;
        survey.tables.push(planned(&lake, &rows));
    }
    Ok(survey)
}

/// Their e-mails' records in both tiers.
async fn email_records(
    warehouse: &Arc<Warehouse>,
    ids: &[SfId],
    tables: &mut Vec<TablePlan>,
) -> Result<(ErasedIds, EmailRecords)> {
    let mut sorted: Vec<String> = ids.iter().map(SfId::to_string).collect();
    sorted.sort();
    let erased_ids = Arc::new(ErasedIds { ids: sorted, ier_ids: Vec::new() });
    let mut email_records = EmailRecords::default();
    let tiers = warehouse.tiers(links::ier_table()?).await?;
    let pinned = pin(&tiers).await?;
    for (lake, snapshot) in [(&tiers.hot, &pinned.hot), (&tiers.archive, &pinned.archive)] {
        let rows = find::tiered(lake, snapshot, &erased_ids).await?;
        email_records.add(lake, &rows, &erased_ids).await?;
        tables.push(planned(lake, &rows));
    }
    Ok((erased_ids.as_ref().clone(), email_records))
}

fn planned(lake: &LakeTable, rows: &Rows) -> TablePlan {
    TablePlan { table: lake.name(), rows: rows.rows(), files: rows.files.len() as u64, rows_in_files: rows.rows_in_files() }
}

/// Adds to `own` the addresses that other tables have of these people; returns those that belong to no other person.
async fn addresses(warehouse: &Arc<Warehouse>, ids: &[SfId], own: &mut BTreeSet<String>) -> Result<BTreeSet<String>> {
    let list = List::of(Key::random(), ids.iter().map(Subject::Person));
    let mut others = BTreeSet::new();
    for (name, column) in [("contact", "email"), ("lead", "email"), ("not_sent", "email_address")] {
        let table = known(name).ok_or_else(|| Error::internal(phrase!("no table {name}")))?;
        let lake = warehouse.table(Role::Reference, table).await?;
        // Rows without an id name nobody else.
        let into = if name == "not_sent" { &mut BTreeSet::new() } else { &mut others };
        find::addresses(&lake, &list, column, own, into).await?;
    }
    Ok(own.difference(&others).cloned().collect())
}

/// Reference tables in the order in which rows go from them, aliases last.
async fn references(warehouse: &Arc<Warehouse>) -> Result<Vec<Arc<LakeTable>>> {
    let mut tables = Vec::new();
    for name in warehouse.attribute_names().await? {
        tables.extend(warehouse.attributes(&name, None).await?);
    }
    let place = |name: &str| FENCED.iter().position(|fenced| *fenced == name);
    let mut known: Vec<_> = TABLES.iter().filter(|table| !table.tiered && !NAMELESS.contains(&table.name.as_ref())).collect();
    known.sort_by_key(|table| place(&table.name));
    for table in known {
        tables.push(warehouse.table(Role::Reference, table).await?);
    }
    Ok(tables)
}

/// Carries out the plan, with regard to what has changed since.
///
/// # Errors
/// Invalid when a legal hold was placed since the plan. Conflict when others change a table all the time: the same again
/// finishes.
pub async fn execute(warehouse: &Arc<Warehouse>, plan: ErasePlan, progress: Arc<dyn Progress>) -> Result<EraseReport> {
    let started = warehouse.clock().now();
    progress.say("looking for rows");
    let people = resolve(warehouse, &plan.request.people).await?;
    let ids: Vec<SfId> = people.iter().flatten().copied().collect();
    let key = Key::made(warehouse).await?;
    let begun = begun_before(&*suppressed::list(warehouse).await?, &ids);
    let mut remover = Remover {
        warehouse: warehouse.clone(),
        key: key.clone(),
        erasure_id: begun.clone().unwrap_or_else(|| Uuid::new_v4().simple().to_string()),
        at: started,
        progress: progress.clone(),
        unheld: None,
    };
    let survey = survey(warehouse, &ids).await?;
    suppress(warehouse, &key, &survey.subjects(&ids), started, &remover.erasure_id).await?;
    remover.unheld = match held(warehouse, &survey.erased_ids.ids, &survey.email_records).await {
        Ok(unheld) => Some(unheld),
        Err(hold) => {
            if begun.is_none() {
                let what = RowsToRemove::Holding("erasure_id", remover.erasure_id.clone());
                remover.table(&warehouse.table(Role::Reference, suppressed::table()?).await?, &what, Count::All, false).await?;
            }
            return Err(hold);
        }
    };
    let hex = |id: &SfId| blake3::Hash::from_bytes(key.hash(Subject::Person(id))).to_hex().to_string();
    let mut receipt = Receipt {
        erasure_id: remover.erasure_id.clone(),
        engine: ENGINE.to_owned(),
        subjects: ids.iter().map(hex).collect(),
        ..Receipt::default()
    };
    let mut entry = Entry {
        step: Step::Begun,
        at: started,
        due: started + plan.request.grace,
        reason: Some(plan.request.reason.trim().to_owned()),
        author: Some(plan.request.author.clone()),
        receipt: receipt.clone(),
    };
    ledger::enter(warehouse, &entry).await?;
    for file in rejects::files(&plan.request.rejects)? {
        receipt.rejected_rows += rejects::filter_rejects(&file, &survey.identifiers, true)?;
    }
    remove(&remover, &ids, &mut receipt).await?;
    entry = Entry { step: Step::Removed, at: warehouse.clock().now(), receipt, ..entry };
    ledger::enter(warehouse, &entry).await?;
    // Of an erasure removed before, with a time of its own, that time holds, unless this run asks for an earlier one.
    let steps = ledger::all(warehouse).await?.remove(&remover.erasure_id).unwrap_or_default();
    let due = steps.get(&Step::Removed).map_or(entry.due, |removed| removed.due.min(entry.due));
    let purged = due <= entry.at;
    if purged {
        entry.receipt.purged = finish::purge_all(warehouse, &entry.receipt.versions, &progress).await?;
        entry = Entry { step: Step::Purged, at: warehouse.clock().now(), ..entry };
        ledger::enter(warehouse, &entry).await?;
    }
    let seconds = (warehouse.clock().now() - started).num_milliseconds() as f64 / 1000.0;
    Ok(EraseReport { receipt: entry.receipt, purged, due, people: people.len() as u64, seconds })
}

/// The erasure by which all of these ids are on the list already.
fn begun_before(list: &List, ids: &[SfId]) -> Option<String> {
    let mut erasures = ids.iter().map(|id| list.find(Subject::Person(id)).map(|erased| erased.erasure_id.to_string()));
    let first = erasures.next()??;
    erasures.all(|erasure| erasure.as_ref() == Some(&first)).then_some(first)
}

/// Removes the rows from every table, in the order this module's head gives.
async fn remove(remover: &Remover, ids: &[SfId], receipt: &mut Receipt) -> Result<()> {
    let warehouse = &remover.warehouse;
    let iers = warehouse.tiers(links::ier_table()?).await?;
    remover.fence(&iers.hot).await?;
    let (mut erased_ids, email_records) = email_records(warehouse, ids, &mut Vec::new()).await?;
    erased_ids.ier_ids = email_records.ier_ids.iter().cloned().collect();
    let subjects: Vec<Subject<'_>> = email_records.ier_ids.iter().map(|id| Subject::Ier(id)).collect();
    suppress(warehouse, &remover.key, &subjects, remover.at, &remover.erasure_id).await?;
    let what = RowsToRemove::Of(Arc::new(erased_ids));
    receipt.tables.extend(remover.tiers(&warehouse.tiers(links::table()?).await?, &what).await?);
    receipt.tables.extend(remover.tiers(&iers, &what).await?);
    // Tables of attributes may be made while others are worked on: each is there before its rows are.
    let mut done: BTreeSet<String> = BTreeSet::new();
    while let Some(lake) = references(warehouse).await?.into_iter().find(|lake| !done.contains(&lake.name())) {
        let what = RowsToRemove::Refused(suppressed::list(warehouse).await?);
        let name = lake.table.name.as_ref();
        let fence = FENCED.contains(&name) || known(name).is_none();
        receipt.tables.push(remover.table(&lake, &what, Count::All, fence).await?.receipt);
        done.insert(lake.name());
    }
    receipt.rows = receipt.tables.iter().map(|table| table.rows).sum();
    receipt.tables.retain(|table| table.rows > 0);
    for lake in warehouse.all().await? {
        if let Some(version) = lake.snapshot().await?.version {
            receipt.versions.insert(lake.name(), version);
        }
    }
    Ok(())
}
