//! The ledger of ids given out. It says which ids were given out, and enters new ones so that each is given out exactly once.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use futures::TryStreamExt;

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::lake::columns::keys;
use crate::lake::fold::write::StartedFiles;
use crate::lake::fold::{Changes, Located, fold, locate};
use crate::lake::log::commit::{ATTEMPTS, Change, commit, discard_paths, lost_race};
use crate::lake::log::snapshot::{DataFile, Snapshot};
use crate::lake::log::table::LakeTable;
use crate::lake::paths::{Partition, Role};
use crate::lake::read;
use crate::record::fields::{Table, UTC, known};
use crate::record::id::SfId;
use crate::record::key::{complete, label_array};
use crate::tiers::settle::filter_keys;
use crate::tiers::warehouse::Warehouse;

/// Files smaller than this are written anew together with the ids that come, so that small releases leave few files.
const ABSORB_BYTES: u64 = 1 << 20;

pub(super) struct Ledger {
    table: &'static Arc<Table>,
    lake: Arc<LakeTable>,
    clock: Arc<dyn Clock>,
}

impl Ledger {
    pub(super) async fn open(warehouse: &Arc<Warehouse>) -> Result<Self> {
        let table = known("released").ok_or_else(|| Error::internal("there is no table released"))?;
        Ok(Self { table, lake: warehouse.table(Role::Reference, table).await?, clock: warehouse.clock().clone() })
    }

    /// Ids given out so far.
    pub(super) async fn given_out(&self) -> Result<u64> {
        Ok(self.lake.snapshot().await?.rows())
    }

    /// Of sorted ids, those to be given out: ones no run has given out, or those of the run whose list is wanted again; and
    /// how many others there are.
    pub(super) async fn sorted_out(&self, ids: &[SfId], again: Option<&str>) -> Result<(Vec<SfId>, u64)> {
        let snapshot = self.lake.snapshot().await?;
        let rows = self.rows(ids, "", "")?;
        let located = self.find(&snapshot, ids, &rows).await?;
        let wanted: Vec<SfId> = match again {
            None => {
                let known: HashSet<&str> = located.keys().collect();
                ids.iter()
                    .zip(keys(&rows)?.iter())
                    .filter(|(_, key)| key.is_some_and(|key| !known.contains(key)))
                    .map(|(id, _)| *id)
                    .collect()
            }
            Some(run) => {
                let found = located.fetch(&self.lake).await?;
                let [texts, runs] = [text(&found, "record_id")?, text(&found, "release_id")?];
                let mut wanted: Vec<SfId> = (0..found.num_rows())
                    .filter(|&row| runs.is_valid(row) && runs.value(row) == run)
                    .filter_map(|row| SfId::parse(texts.value(row)).ok())
                    .collect();
                wanted.sort_unstable();
                wanted
            }
        };
        let others = (ids.len() - wanted.len()) as u64;
        Ok((wanted, others))
    }

    /// Remembers sorted ids as given out by a run. Says of each whether this call is what made it known: of two runs that want
    /// the same id the first to commit has it.
    pub(super) async fn remember(&self, ids: &[SfId], release_id: &str, object: &str) -> Result<Vec<bool>> {
        let rows = self.rows(ids, release_id, object)?;
        for _ in 0..ATTEMPTS {
            let snapshot = self.lake.snapshot().await?;
            let located = self.find(&snapshot, ids, &rows).await?;
            let known: HashSet<&str> = located.keys().collect();
            let fresh = filter_keys(&rows, |key| !known.contains(key))?;
            let mine = keys(&rows)?.iter().map(|key| key.is_some_and(|key| !known.contains(key))).collect();
            if fresh.num_rows() == 0 {
                return Ok(mine);
            }
            let absorb = snapshot.files().filter(|file| file.bytes() < ABSORB_BYTES).cloned().collect();
            let begun = Arc::new(StartedFiles::default());
            let changes = Changes { incoming: vec![fresh], absorb, begun: begun.clone(), ..Changes::default() };
            let folded = fold(&self.lake, Partition(None), changes, self.clock.now().timestamp_millis(), &|_| {}).await?;
            let change = Change { adds: folded.adds, removes: folded.replaced, operation: "release", ..Change::default() };
            match commit(&self.lake, &snapshot, change, self.clock.as_ref()).await {
                Err(error) if lost_race(&error) => discard_paths(&self.lake, &begun.paths()).await,
                done => return done.map(|_| mine),
            }
        }
        Err(Error::conflict("other releases write to the ledger all the time: try again when they are done"))
    }

    /// Where ids stand in the ledger. Files whose range of ids holds none are not opened.
    async fn find(&self, snapshot: &Snapshot, ids: &[SfId], rows: &RecordBatch) -> Result<Located> {
        let sorted: Vec<&str> = ids.iter().map(SfId::as_str).collect();
        let files: Vec<Arc<DataFile>> = snapshot.files().filter(|file| file.may_hold("record_id", &sorted)).cloned().collect();
        locate(&self.lake, &files, &keys(rows)?.iter().flatten().collect()).await
    }

    fn rows(&self, ids: &[SfId], release_id: &str, object: &str) -> Result<RecordBatch> {
        let now = self.clock.now().timestamp_micros();
        let label = |text: &str| label_array(ids.iter().map(|_| Some(text)));
        let texts: StringArray = ids.iter().map(|id| Some(id.as_str())).collect();
        let at = TimestampMicrosecondArray::from_value(now, ids.len()).with_timezone(UTC.clone());
        let provided = RecordBatch::try_from_iter_with_nullable([
            ("record_id", Arc::new(texts) as ArrayRef, true),
            ("object", label(object), true),
            ("released_at", Arc::new(at) as ArrayRef, true),
            ("release_id", label(release_id), true),
        ])?;
        Ok(complete(self.table, &provided)?.batch)
    }

    /// How many ids a run gave out of an object.
    ///
    /// # Errors
    /// Not found when it gave out none: a slip of the finger must not look like an empty list.
    pub(super) async fn ids_of(&self, run: &str, object: &str) -> Result<u64> {
        let mut ids = 0;
        for file in self.lake.snapshot().await?.files() {
            let mut rows = read::open(&self.lake, file).await?.stream(Some(&["release_id", "object"]), None)?;
            while let Some(batch) = rows.try_next().await? {
                let (runs, objects) = (text(&batch, "release_id")?, text(&batch, "object")?);
                ids += (0..batch.num_rows()).filter(|&row| runs.value(row) == run && objects.value(row) == object).count() as u64;
            }
        }
        match ids {
            0 => Err(Error::not_found(phrase!(
                "no run {run} gave out ids of {object}: `SELECT DISTINCT release_id, object FROM released` lists those that did"
            ))),
            ids => Ok(ids),
        }
    }

    /// Runs that remembered ids and of which no run says that the list was handed out; without the one whose list is
    /// wanted now.
    pub(super) async fn unfinished(&self, warehouse: &Arc<Warehouse>, again: Option<&str>) -> Result<Vec<String>> {
        let mut runs: BTreeSet<String> = BTreeSet::new();
        for file in self.lake.snapshot().await?.files() {
            let mut rows = read::open(&self.lake, file).await?.stream(Some(&["release_id"]), None)?;
            while let Some(batch) = rows.try_next().await? {
                // A label's dictionary names every run of the batch once.
                let labels = batch.column(0).as_any_dictionary_opt().map(|labels| labels.values().clone());
                let labels = cast(&labels.unwrap_or_else(|| batch.column(0).clone()), &DataType::Utf8)?;
                runs.extend(labels.as_string::<i32>().iter().flatten().map(str::to_owned));
            }
        }
        if let Some(again) = again {
            runs.remove(again);
        }
        if runs.is_empty() {
            return Ok(Vec::new());
        }
        let ledger = known("job_run").ok_or_else(|| Error::internal("there is no table job_run"))?;
        let lake = warehouse.table(Role::Reference, ledger).await?;
        for file in lake.snapshot().await?.files() {
            let mut rows = read::open(&lake, file).await?.stream(Some(&["run_id", "job", "report"]), None)?;
            while let Some(batch) = rows.try_next().await? {
                let [ids, jobs, reports] = [text(&batch, "run_id")?, text(&batch, "job")?, text(&batch, "report")?];
                for row in (0..batch.num_rows()).filter(|&row| jobs.value(row) == "release" && reports.is_valid(row)) {
                    runs.remove(ids.value(row));
                    let report: serde_json::Value = serde_json::from_str(reports.value(row)).unwrap_or_default();
                    report["again"].as_str().map(|again| runs.remove(again));
                }
            }
        }
        Ok(runs.into_iter().collect())
    }
}

fn text(batch: &RecordBatch, name: &str) -> Result<StringArray> {
    let column = batch.column_by_name(name).ok_or_else(|| Error::internal(phrase!("no column {name}")))?;
    Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone())
}
