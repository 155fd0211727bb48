//! Upserts rows into a table: finds the stored row of every version, wherever it is, and changes them all in one commit.
//!
//! A row is searched for in the partition of its own day first. Keys that are not there are searched for in the key filters of all
//! other hot files, and then of the archive's files, because a date may have been corrected or the row archived. An archived row is
//! resolved with the new version, and the result is written to hot, complete, as a late row.

use std::sync::Arc;

use arrow::array::RecordBatch;

use self::work::Work;
use super::memory_budget::MemoryBudget;
use super::namesakes::{self, Found};
use super::pin::{Pinned, pin_all};
use super::settle::{Counts, Moved, Observing};
use super::suppressed;
use super::unite::unite;
use super::warehouse::{Tiers, Warehouse};
use crate::error::{Error, Result};
use crate::lake::columns::keys;
use crate::lake::fold::cross_partition::CrossPartitionKeys;
use crate::lake::fold::spill::Spill;
use crate::lake::log::commit::{ATTEMPTS, Change, commit, discard, discard_paths, lost_race};
use crate::lake::log::snapshot::Snapshot;
use crate::lake::log::table::LakeTable;
use crate::lake::log::tally::Tally;
use crate::lake::paths::Partition;
use crate::lake::paths::Role;
use crate::progress::{Progress, Silent, Unit};
use crate::record::fields::{Table, known};
use crate::record::names::is_makeshift;

// One attempt at an upsert: finds each stored row, resolves it with the new version, folds the partitions.
mod work;

/// The rows that a load upserts into one table.
pub struct Upsert {
    warehouse: Arc<Warehouse>,
    target: Arc<LakeTable>,
    tiers: Option<Tiers>,
    spill: Arc<Spill>,
    /// Has a row come whose key is none of its own?
    makeshift: bool,
    cross_partition: Option<Arc<CrossPartitionKeys>>,
    keep_versions: bool,
    transactions: Vec<(&'static str, i64)>,
    budget: MemoryBudget,
}

/// An upsert whose files are written and whose commit is not.
pub struct Prepared {
    base: Arc<Snapshot>,
    change: Change,
    /// What became of the rows.
    pub counts: Counts,
    /// IERs whose links must follow.
    pub moved: Vec<Moved>,
}

impl Prepared {
    /// The version of the table it was prepared on.
    pub fn version(&self) -> Option<u64> {
        self.base.version
    }
}

impl Upsert {
    /// An upsert into a table; rows beyond `buffer_bytes` wait on disk, and those worked on take about as much again.
    pub async fn new(warehouse: &Arc<Warehouse>, table: &Arc<Table>, buffer_bytes: usize) -> Result<Self> {
        let (target, tiers) = if table.tiered {
            let tiers = warehouse.tiers(table).await?;
            (tiers.hot.clone(), Some(tiers))
        } else {
            (warehouse.reference(table).await?, None)
        };
        let role = if table.tiered { Role::Hot } else { Role::Reference };
        let spill = Arc::new(Spill::new(target.table.clone(), role, buffer_bytes));
        let (budget, transactions) = (MemoryBudget::new(buffer_bytes), Vec::new());
        let warehouse = warehouse.clone();
        Ok(Self {
            warehouse,
            target,
            tiers,
            spill,
            makeshift: false,
            cross_partition: None,
            keep_versions: true,
            transactions,
            budget,
        })
    }

    /// The same upsert, whose commit sets an application transaction of the table.
    pub fn with_transaction(mut self, name: &'static str, value: i64) -> Self {
        self.transactions.push((name, value));
        self
    }

    /// Whether to keep which versions of an IER were seen, and when (it is).
    pub fn keep_versions(&mut self, keep: bool) {
        self.keep_versions = keep;
    }

    /// Where the rows go.
    pub fn lake(&self) -> &Arc<LakeTable> {
        &self.target
    }

    /// The rows taken in for a table that is in one partition, in pieces of about so many bytes; all versions of a row are in one.
    pub fn pieces(&self, bytes: usize) -> impl Iterator<Item = Result<RecordBatch>> {
        self.spill.parts(Partition(None), bytes).map(|part| self.spill.read(part))
    }

    /// The table as it will be: an attribute table has the columns of its files and of the lake.
    pub fn table(&self) -> &Arc<Table> {
        &self.target.table
    }

    /// Takes rows in: any version of any row, any number of times. A file without some of the table's columns is padded.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let schema = self.target.table.lake_schema();
        if batch.schema().fields() == schema.fields() {
            return self.push_whole(batch);
        }
        let schema = batch.schema();
        let is_shown = |at: &usize| !crate::record::fields::is_hidden(schema.field(*at).name());
        let provided = batch.project(&(0..batch.num_columns()).filter(is_shown).collect::<Vec<_>>())?;
        self.push_whole(&crate::record::key::complete(&self.target.table, &provided)?.batch)
    }

    fn push_whole(&mut self, batch: &RecordBatch) -> Result<()> {
        let spill = Arc::get_mut(&mut self.spill).ok_or_else(|| Error::internal("rows pushed while they are folded"))?;
        self.makeshift = self.makeshift || keys(batch)?.iter().flatten().any(is_makeshift);
        spill.push(batch)
    }

    /// Makes room for the columns of another file of the same attribute table.
    pub async fn widen(&mut self, table: &Arc<Table>) -> Result<()> {
        if self.tiers.is_some() || table.exported().all(|field| self.target.table.field(&field.name).is_some()) {
            return Ok(());
        }
        let own: Vec<String> = self.target.table.exported().map(|field| field.name.to_string()).collect();
        let more = table.exported().map(|field| field.name.to_string());
        let wider = Arc::new(Table::attributes(&table.name, own.into_iter().chain(more)));
        self.target = self.warehouse.reference(&wider).await?;
        let spill = Arc::get_mut(&mut self.spill).ok_or_else(|| Error::internal("columns added while rows are folded"))?;
        spill.widen(self.target.table.clone());
        Ok(())
    }

    /// Bytes of the rows that wait in memory.
    pub fn held_bytes(&self) -> usize {
        self.spill.held_bytes()
    }

    /// Puts all rows that wait on disk.
    pub fn spill_to_disk(&mut self) -> Result<()> {
        let spill = Arc::get_mut(&mut self.spill).ok_or_else(|| Error::internal("rows put on disk while they are folded"))?;
        spill.spill_to_disk()
    }

    /// Rows taken in.
    pub fn rows(&self) -> u64 {
        self.spill.rows()
    }

    /// Writes the files of the upsert on the newest snapshots. Nothing is visible until [`Upsert::commit`].
    ///
    /// Rows of what was erased are dropped and counted. The tables are pinned first and the list of what was erased is read
    /// after that: see [`suppressed`](super::suppressed).
    ///
    /// Rows whose record goes by another key get that one ([`super::namesakes`]). Where they tell that stored records are one, these
    /// are made one first, by commits of their own.
    ///
    /// It begins a count of its rows.
    ///
    /// # Errors
    /// Conflict when a file of the snapshots vanished because others have committed and deleted meanwhile: prepare again.
    pub async fn prepare(&mut self, progress: &Arc<dyn Progress>) -> Result<Prepared> {
        progress.count(Unit::Rows, self.rows());
        self.make_table().await?;
        let (pinned, list, found) = self.identified().await?;
        let (spill, cross_partition, erased) = match found {
            Some(found) => {
                let mut renamed = Spill::new(self.target.table.clone(), self.role(), self.budget.bytes);
                let erased = found.rename(&self.spill, &list, &mut renamed)?;
                let cross_partition = Arc::new(renamed.cross_partition()?);
                (Arc::new(renamed), cross_partition, erased)
            }
            None => {
                // Taken from the buffer while nobody else holds it.
                let cross_partition = self.cross_partition()?;
                (self.spill.clone(), cross_partition, 0)
            }
        };
        let now_millis = self.warehouse.clock().now().timestamp_millis();
        let work = Work {
            now_millis,
            observing: Observing { now_millis: self.keep_versions.then_some(now_millis) },
            target: self.target.clone(),
            archive: self.tiers.as_ref().map(|tiers| tiers.archive.clone()),
            spill,
            pinned: pinned.clone(),
            list,
            cross_partition,
            budget: self.budget,
            begun: Arc::default(),
            progress: progress.clone(),
        };
        let (tiered, begun) = (self.tiers.is_some(), work.begun.clone());
        let (overlay, mut counts, moved) = match Arc::new(work).run().await {
            Ok(done) => done,
            Err(error) => {
                discard_paths(&self.target, &begun.paths()).await;
                if error.is_missing() && self.pin().await?.versions() != pinned.versions() {
                    return Err(Error::conflict(phrase!("{} changed meanwhile", self.target.name())).with_source(error));
                }
                return Err(error);
            }
        };
        counts.erased += erased;
        let base = overlay.base.clone();
        let mut change = overlay.into_change();
        if !tiered {
            // Rows of reference tables have no count by month.
            change.tally = Tally::default();
        }
        Ok(Prepared { base, change, counts, moved })
    }

    /// Both tiers, what was erased, and under which keys rows go that have another; stored records that are one were made one.
    async fn identified(&self) -> Result<(Pinned, Arc<suppressed::List>, Option<Found>)> {
        for _ in 0..ATTEMPTS {
            let pinned = self.pin().await?;
            let list = suppressed::list(&self.warehouse).await?;
            if namesakes::own_column(&self.target.table).is_none() {
                return Ok((pinned, list, None));
            }
            let search = namesakes::Search {
                hot: self.target.clone(),
                archive: self.tiers.as_ref().map(|tiers| tiers.archive.clone()),
                pinned: pinned.clone(),
                budget: self.budget,
            };
            let found = search.of(&self.spill, &list, self.makeshift).await?;
            if found.several_stored().next().is_none() {
                return Ok((pinned, list, Some(found).filter(|found| !found.is_empty())));
            }
            let several: Vec<_> = found.several_stored().cloned().collect();
            if unite(&self.warehouse, &self.target, self.tiers.as_ref(), &several).await? == 0 {
                // Of what is erased just now nothing is made anything.
                return Ok((pinned, list, Some(found)));
            }
        }
        Err(Error::conflict(phrase!("{} is changed by others all the time: try again", self.target.name())))
    }

    fn role(&self) -> Role {
        if self.tiers.is_some() { Role::Hot } else { Role::Reference }
    }

    fn cross_partition(&mut self) -> Result<Arc<CrossPartitionKeys>> {
        if let Some(cross_partition) = &self.cross_partition {
            return Ok(cross_partition.clone());
        }
        let spill = Arc::get_mut(&mut self.spill).ok_or_else(|| Error::internal("rows are folded twice at once"))?;
        Ok(self.cross_partition.insert(Arc::new(spill.cross_partition()?)).clone())
    }

    async fn pin(&self) -> Result<Pinned> {
        pin_all(&self.target, self.tiers.as_ref()).await
    }

    /// Commits a table of attributes that is not there yet without rows, so that an erasure can find it.
    pub async fn make_table(&self) -> Result<()> {
        if known(&self.target.table.name).is_some() {
            return Ok(());
        }
        let base = self.target.snapshot().await?;
        if base.version.is_some() {
            return Ok(());
        }
        let change = Change { operation: "make table", ..Change::default() };
        match commit(&self.target, &base, change, self.warehouse.clock().as_ref()).await {
            // Somebody else made it.
            Err(error) if lost_race(&error) => Ok(()),
            done => done.map(|_| ()),
        }
    }

    /// Prepares and commits, again as long as others come first.
    pub async fn write(&mut self) -> Result<Counts> {
        let silent: Arc<dyn Progress> = Arc::new(Silent);
        for _ in 0..ATTEMPTS {
            let done = match self.prepare(&silent).await {
                Ok(prepared) => self.commit(prepared).await,
                Err(error) => Err(error),
            };
            match done {
                Err(error) if lost_race(&error) => {}
                done => return done,
            }
        }
        Err(Error::conflict(phrase!("{} is changed by others all the time: try again", self.target.table.name)))
    }

    /// Gives a prepared upsert up.
    pub async fn abandon(&self, prepared: Prepared) {
        discard(&self.target, &prepared.change.adds).await;
    }

    /// Makes a prepared upsert visible; a conflict means: prepare again.
    pub async fn commit(&self, prepared: Prepared) -> Result<Counts> {
        if prepared.change.is_empty() {
            return Ok(prepared.counts);
        }
        let adds = prepared.change.adds.clone();
        let mut change = prepared.change;
        change.transactions.extend(&self.transactions);
        match commit(&self.target, &prepared.base, change, self.warehouse.clock().as_ref()).await {
            Err(error) if lost_race(&error) => {
                discard(&self.target, &adds).await;
                Err(error)
            }
            done => done.map(|_| prepared.counts),
        }
    }
}
