//! `ier release`: lists of ids by which Data Loader deletes records in Salesforce; only of records that are archived and
//! verified.
//!
//! **Invariant**: no id is given out whose archived copy was not read back in this very run. Each file that ids are taken from is
//! fetched whole. Its bytes have the hash in the log, all its columns decode, and its number of rows is that of the log
//! ([`proof`]). A file that fails is named and its ids are left out; the run counts as failed after it has handed out the others.
//! Also left out are rows that a newer version in hot overrides (the newest version is not archived yet), rows that Salesforce
//! has deleted already, and rows without an id.
//!
//! A legal hold keeps no id back: it protects the archived copy, which neither retention nor erasure may touch and which was just
//! verified. Users who must keep the original in Salesforce as well must remove its id from the list.
//!
//! **Once only.** The ledger `released` holds each id once, under the first run that gave it out. Its commit is a
//! compare-and-swap on the version in which the ids were looked for and not found, so of two runs at once exactly one has an id
//! in its list.
//!
//! **Order.** 1. The lists are written and synced under hidden names. 2. The ledger commits, some hundred thousand ids at a time.
//! 3. The lists get their final names, all synced. A run killed before the ledger commits has changed nothing. After a later kill
//! the ledger has ids that no list has: the next plan or report names that run, and `--again` writes its list. So no id is given
//! out twice, and none is lost. Ids that `--again` gives out are verified again, too; ids no longer in the archive are left out
//! and counted.
//!
//! **Races.** Archiving and loading: the run uses the two snapshots it pinned; a later version stands in hot, whatever happens to
//! the original. Compaction and a vacuum with a short retention may delete a file: then it is no longer live, and its rows wait
//! for the next run. Erasure and retention: an id may be given out whose copy was removed since; its original was to be deleted
//! anyway.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::Date32Type;
use chrono::{Duration, NaiveDate};
use hashbrown::HashSet;
use serde::Serialize;

use self::ledger::Ledger;
use crate::error::{Error, Kind, Result};
use crate::human;
use crate::lake::columns::keys;
use crate::lake::log::snapshot::DataFile;
use crate::lake::log::table::LakeTable;
use crate::lake::read::proof;
use crate::ledgers::runs::Report;
use crate::output::lists::{self, Lists};
use crate::progress::{Progress, Unit};
use crate::record::fields::{Table, known};
use crate::record::id::SfId;
use crate::tiers::pin::pin;
use crate::tiers::warehouse::Warehouse;

// The ledger of ids given out: each id is entered exactly once.
mod ledger;

/// Ids looked up and remembered at once: some 40 MB.
const CHUNK_IDS: usize = 500_000;

/// The request for a run.
#[derive(Clone, Debug)]
pub struct ReleaseRequest {
    /// The table: `individual_email_result` or `individual_link`.
    pub object: String,
    /// Only records sent before this many days ago; all that are archived where it is not said.
    pub older_than_days: Option<u32>,
    /// At most this many ids.
    pub limit: Option<u64>,
    /// Give out once more what this run gave out.
    pub again: Option<String>,
    /// The list; several are numbered.
    pub out: PathBuf,
}

/// The plan of a run.
#[derive(Clone, Debug, Serialize)]
pub struct ReleasePlan {
    /// The table.
    pub object: String,
    /// Only records sent before this day.
    pub sent_before: Option<NaiveDate>,
    /// At most this many ids.
    pub limit: Option<u64>,
    /// The run whose list is to be written again.
    pub again: Option<String>,
    /// Archive files to be read back.
    pub files: u64,
    /// Their rows: more than can be given out.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Ids given out so far, of all tables.
    pub given_out: u64,
    /// Runs that remembered ids and did not come to hand them out.
    pub unfinished: Vec<String>,
    #[serde(skip)]
    request: Option<ReleaseRequest>,
}

/// The report of a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ReleaseReport {
    /// The run's number: `--again` takes it.
    pub release_id: String,
    /// The run whose list was written again.
    pub again: Option<String>,
    /// The table.
    pub object: String,
    /// Ids given out.
    pub ids: u64,
    /// The lists they are in.
    pub lists: Vec<PathBuf>,
    /// Archive files read back.
    pub files_verified: u64,
    /// Their bytes.
    pub bytes_verified: u64,
    /// Rows of those files that were not given out, and why.
    pub skipped: Skipped,
    /// Files that are not what was written: none of their ids were given out.
    pub damaged: Vec<Damaged>,
    /// Files that were replaced meanwhile; their rows wait for the next run.
    pub files_replaced: u64,
    /// Runs that remembered ids and did not come to hand them out.
    pub unfinished: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}

/// Rows not given out.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Skipped {
    /// Given out before.
    pub given_out: u64,
    /// A newer version waits in hot for the next archive run.
    pub newer_in_hot: u64,
    /// Deleted in Salesforce already.
    pub deleted: u64,
    /// Sent too lately for what was asked.
    pub too_young: u64,
    /// Without an id.
    pub without_id: u64,
    /// Of a list written again: ids of that run that are not in the archive any more, or could not be proved.
    pub not_archived: u64,
}

/// A file that is not what was written.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Damaged {
    /// Which.
    pub path: String,
    /// What is wrong with it.
    pub what: String,
    /// Rows the log says it holds.
    pub rows: u64,
}

impl fmt::Display for ReleasePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (files, rows) = (human::counted(self.files, "archive file"), human::counted(self.rows, "row"));
        match &self.again {
            Some(run) => write!(f, "write the list of {run} again")?,
            None => write!(f, "release ids of {}", self.object)?,
        }
        write!(f, ": read back {files} of {rows}, {}", human::bytes(self.bytes))?;
        if let Some(day) = self.sent_before {
            write!(f, "; only what was sent before {day}")?;
        }
        if let Some(limit) = self.limit {
            write!(f, "; at most {}", human::counted(limit, "id"))?;
        }
        write!(f, "\n{} given out so far", human::counted(self.given_out, "id"))?;
        tell_unfinished(f, &self.unfinished)
    }
}

fn tell_unfinished(f: &mut fmt::Formatter<'_>, unfinished: &[String]) -> fmt::Result {
    unfinished.iter().try_for_each(|run| {
        write!(f, "\nno run says that the list of {run} was handed out; unless that one is still at work, ")?;
        write!(f, "`ier release --again {run} --out FILE` writes it")
    })
}

impl fmt::Display for ReleaseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ids {
            0 => write!(f, "nothing to release")?,
            ids => write!(f, "released {} of {}, in {}", human::counted(ids, "id"), self.object, human::seconds(self.seconds))?,
        }
        for list in &self.lists {
            write!(f, "\n  {}", list.display())?;
        }
        let files = human::counted(self.files_verified, "archive file");
        write!(f, "\nread back and verified: {files}, {}", human::bytes(self.bytes_verified))?;
        let skipped = &self.skipped;
        for (rows, why) in [
            (skipped.given_out, "given out before"),
            (skipped.newer_in_hot, "newer in hot: the next `ier archive` folds them in"),
            (skipped.deleted, "deleted in Salesforce already"),
            (skipped.too_young, "sent too lately"),
            (skipped.without_id, "without an id"),
            (skipped.not_archived, "of that run not in the archive any more, or not proved"),
        ] {
            if rows > 0 {
                write!(f, "\nleft out: {} {why}", human::count(rows))?;
            }
        }
        if self.files_replaced > 0 {
            let files = human::counted(self.files_replaced, "file");
            write!(f, "\n{files} replaced meanwhile: their rows wait for the next run")?;
        }
        for damaged in &self.damaged {
            write!(f, "\nDAMAGED, {} not given out: {}", human::counted(damaged.rows, "row"), damaged.what)?;
        }
        if self.ids > 0 && self.again.is_none() {
            write!(f, "\nremembered as {}; `--again` writes the list once more", self.release_id)?;
        }
        tell_unfinished(f, &self.unfinished)
    }
}

impl Report for ReleaseReport {
    fn rows(&self) -> u64 {
        self.ids
    }

    fn changed(&self) -> bool {
        self.ids > 0
    }

    fn complaint(&self) -> Option<Error> {
        let first = self.damaged.first()?;
        let files = human::counted(self.damaged.len() as u64, "archive file");
        Some(Error::corrupt(phrase!("{files} damaged, none of their ids given out; the first: {}", first.what)))
    }
}

/// Looks at what would be read back.
///
/// # Errors
/// Invalid when the object has no archive, when the list is there already, and for a limit of 0; not found when the run whose list
/// is wanted again gave out none of these.
pub async fn plan(warehouse: &Arc<Warehouse>, request: ReleaseRequest) -> Result<ReleasePlan> {
    let table = archived_table(&request.object)?;
    if request.limit == Some(0) {
        return Err(Error::invalid("a limit of 0 gives out nothing: give a number from 1, or none"));
    }
    lists::refuse_existing(&request.out)?;
    let pinned = pin(&warehouse.tiers(table).await?).await?;
    let ledger = Ledger::open(warehouse).await?;
    if let Some(again) = &request.again {
        ledger.ids_of(again, &table.name).await?;
    }
    Ok(ReleasePlan {
        object: table.name.to_string(),
        sent_before: request.older_than_days.map(|days| warehouse.clock().today() - Duration::days(days.into())),
        limit: request.limit,
        again: request.again.clone(),
        files: pinned.archive.files().count() as u64,
        rows: pinned.archive.rows(),
        bytes: pinned.archive.files().map(|file| file.bytes()).sum(),
        given_out: ledger.given_out().await?,
        unfinished: ledger.unfinished(warehouse, request.again.as_deref()).await?,
        request: Some(request),
    })
}

fn archived_table(object: &str) -> Result<&'static Arc<Table>> {
    let table = known(object).filter(|table| table.tiered);
    table.ok_or_else(|| Error::invalid(phrase!("{object} is not archived: give individual_email_result or individual_link")))
}

/// Reads back, remembers, hands out. `release_id` is the run's number.
///
/// # Errors
/// As [`plan`]. After the ledger was written, an error says by which `--again` the list can still be had.
pub async fn execute(
    warehouse: &Arc<Warehouse>,
    plan: ReleasePlan,
    release_id: String,
    progress: Arc<dyn Progress>,
) -> Result<ReleaseReport> {
    let started = warehouse.clock().now();
    let request = plan.request.clone().ok_or_else(|| Error::internal("a plan of a release without its request"))?;
    let table = archived_table(&plan.object)?;
    let tiers = warehouse.tiers(table).await?;
    let pinned = pin(&tiers).await?;
    let taking = RowFilter {
        late: Arc::new(pinned.late_keys(&tiers.hot).await?),
        id_column: table.id,
        sent_before: plan.sent_before.map(|day| day.to_epoch_days()),
    };
    let ledger = Ledger::open(warehouse).await?;
    let of_that_run = match &plan.again {
        Some(run) => Some(ledger.ids_of(run, &plan.object).await?),
        None => None,
    };
    let mut report = ReleaseReport {
        release_id: release_id.clone(),
        again: plan.again.clone(),
        object: plan.object.clone(),
        unfinished: plan.unfinished.clone(),
        ..ReleaseReport::default()
    };
    let mut lists = Lists::create(&request.out, lists::IDS)?;
    progress.say("reading back archived files");
    progress.count(Unit::Bytes, pinned.archive.files().map(|file| file.bytes()).sum());
    for file in pinned.archive.files() {
        let left = request.limit.map_or(u64::MAX, |limit| limit - lists.rows());
        if left == 0 {
            break;
        }
        let Some(taken) = proved_ids(&tiers.archive, file, &taking, &mut report).await? else { continue };
        for chunk in taken.chunks(CHUNK_IDS) {
            let left = request.limit.map_or(u64::MAX, |limit| limit - lists.rows());
            let (mut wanted, others) = ledger.sorted_out(chunk, plan.again.as_deref()).await?;
            if plan.again.is_none() {
                report.skipped.given_out += others;
            }
            wanted.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            lists.write(&wanted)?;
        }
        progress.advance(file.bytes());
    }
    if let Some(ids) = of_that_run {
        report.skipped.not_archived = ids.saturating_sub(lists.rows());
    }
    lists.sync()?;
    if plan.again.is_none() {
        progress.say("remembering what is given out");
        remember(&ledger, &mut lists, &release_id, &plan.object, &mut report).await?;
    }
    report.ids = lists.rows();
    report.lists = lists.hand_out().map_err(|error| match plan.again {
        Some(_) => error,
        None => error.also(phrase!("its ids are remembered: `ier release --again {release_id} --out FILE` hands them out")),
    })?;
    report.seconds = (warehouse.clock().now() - started).as_seconds_f64();
    Ok(report)
}

/// Writes the ids of the lists to the ledger, and removes from the lists the ids that another run gave out first.
async fn remember(ledger: &Ledger, lists: &mut Lists, release_id: &str, object: &str, report: &mut ReleaseReport) -> Result<()> {
    let mut ours: Vec<bool> = Vec::new();
    for chunk in lists.chunks(CHUNK_IDS)? {
        let mine = ledger.remember(&chunk?, release_id, object).await.map_err(|error| match ours.contains(&true) {
            true => {
                error.also(phrase!("what is remembered already is handed out by `ier release --again {release_id} --out FILE`"))
            }
            false => error,
        })?;
        ours.extend(mine);
    }
    let lost = ours.iter().filter(|mine| !**mine).count() as u64;
    if lost > 0 {
        report.skipped.given_out += lost;
        lists.keep_only(&ours)?;
    }
    Ok(())
}

/// The filter that selects the rows of a file whose ids are given out.
#[derive(Clone)]
struct RowFilter {
    late: Arc<HashSet<String>>,
    id_column: &'static str,
    sent_before: Option<i32>,
}

/// The ids to be taken from a file, sorted, after it was read back; none where it cannot be relied on.
async fn proved_ids(
    archive: &Arc<LakeTable>,
    file: &Arc<DataFile>,
    taking: &RowFilter,
    report: &mut ReleaseReport,
) -> Result<Option<Vec<SfId>>> {
    let proved = match proof::prove(archive, file).await {
        Ok(proved) => {
            let taking = taking.clone();
            // Decoding takes a core for seconds.
            tokio::task::spawn_blocking(move || taking.from(proved)).await?
        }
        Err(error) => Err(error),
    };
    match proved {
        Ok((ids, skipped)) => {
            report.files_verified += 1;
            report.bytes_verified += file.bytes();
            report.skipped.newer_in_hot += skipped.newer_in_hot;
            report.skipped.deleted += skipped.deleted;
            report.skipped.too_young += skipped.too_young;
            report.skipped.without_id += skipped.without_id;
            Ok(Some(ids))
        }
        Err(error) if matches!(error.kind(), Kind::Unavailable | Kind::Interrupted) => Err(error),
        Err(error) => {
            let newest = archive.snapshot().await?;
            if newest.partition(file.partition).iter().any(|live| live.add.path == file.add.path) {
                let path = file.path(&archive.folder).to_string();
                report.damaged.push(Damaged { path, what: error.to_string(), rows: file.rows });
            } else {
                report.files_replaced += 1;
            }
            Ok(None)
        }
    }
}

impl RowFilter {
    fn from(&self, proved: proof::Proved) -> Result<(Vec<SfId>, Skipped)> {
        let (mut ids, mut skipped) = (Vec::new(), Skipped::default());
        for batch in proved {
            let batch = batch?;
            let column = |name: &str| batch.column_by_name(name).ok_or_else(|| Error::internal(phrase!("no column {name}")));
            let texts = column(self.id_column)?.as_string::<i32>();
            let deleted = column("is_deleted")?.as_boolean();
            let days = column("sent_date")?.as_primitive::<Date32Type>();
            let keys = keys(&batch)?;
            for row in 0..batch.num_rows() {
                let id = texts.is_valid(row).then(|| texts.value(row)).and_then(|text| SfId::parse(text).ok());
                let young = || self.sent_before.is_some_and(|day| days.is_null(row) || days.value(row) >= day);
                match id {
                    None => skipped.without_id += 1,
                    Some(_) if deleted.is_valid(row) && deleted.value(row) => skipped.deleted += 1,
                    Some(_) if self.late.contains(keys.value(row)) => skipped.newer_in_hot += 1,
                    Some(_) if young() => skipped.too_young += 1,
                    Some(id) => ids.push(id),
                }
            }
        }
        // Neighbours in the list are neighbours in the ledger, so that few of its files hold them.
        ids.sort_unstable();
        ids.dedup();
        Ok((ids, skipped))
    }
}
