//! One attempt at an upsert: locates every row, settles it with the stored row, and folds the partitions.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use arrow::compute::concat_batches;

use crate::error::{Context, Result};
use crate::lake::columns::keys;
use crate::lake::fold::cross_partition::CrossPartitionKeys;
use crate::lake::fold::spill::{Part, SortedRuns, Spill};
use crate::lake::fold::write::StartedFiles;
use crate::lake::fold::{Changes, Folded, Located, fold, locate};
use crate::lake::log::snapshot::DataFile;
use crate::lake::log::table::LakeTable;
use crate::lake::log::tally::Tally;
use crate::lake::parallel::at_most;
use crate::lake::paths::Partition;
use crate::lake::paths::Role;
use crate::progress::Progress;
use crate::record::fields::Table;
use crate::tiers::memory_budget::MemoryBudget;
use crate::tiers::overlay::Overlay;
use crate::tiers::pin::Pinned;
use crate::tiers::settle::{Counts, Moved, Observing, filter_keys, partitions_of, settle, settle_new};
use crate::tiers::suppressed::List;

/// Hot and reference files smaller than this are written anew together with the rows that come, so that a partition
/// upserted every few minutes stays one file.
const ABSORB_BYTES: u64 = 32 << 20;

/// The same for ledgers, which grow by a few rows a load and are never changed: some ten thousand rows, so that a load
/// writes no more than that anew however old the ledger is.
const ABSORB_BYTES_LEDGER: u64 = 1 << 20;

/// A key looked for beyond its own day takes about so many bytes, with its place in a set.
const KEY_BYTES: usize = 256;

/// The positions of a load's keys in the stored files.
#[derive(Default)]
struct Survey {
    /// In the partition of their own day; none where they are too many to be noted, and are looked for again.
    own: HashMap<Partition, Option<Located>>,
    /// In another hot partition.
    elsewhere: HashSet<String>,
    /// Archived rows that hot does not override.
    archived: Option<RecordBatch>,
}

/// One attempt at an upsert.
pub(super) struct Work {
    pub now_millis: i64,
    pub observing: Observing,
    pub target: Arc<LakeTable>,
    pub archive: Option<Arc<LakeTable>>,
    pub spill: Arc<Spill>,
    pub pinned: Pinned,
    pub list: Arc<List>,
    pub cross_partition: Arc<CrossPartitionKeys>,
    pub budget: MemoryBudget,
    pub begun: Arc<StartedFiles>,
    pub progress: Arc<dyn Progress>,
}

/// One partition's rows, settled and folded.
struct PartitionResult {
    partition: Partition,
    folded: Folded,
    counts: Counts,
    moved: Vec<Moved>,
    tally: Tally,
    /// Rows that must be settled across partitions.
    carried: RecordBatch,
}

impl PartitionResult {
    fn nothing(partition: Partition, table: &Table) -> Self {
        Self {
            partition,
            folded: Folded::default(),
            counts: Counts::default(),
            moved: Vec::new(),
            tally: Tally::default(),
            carried: RecordBatch::new_empty(table.lake_schema()),
        }
    }
}

/// The rows of one part, settled and not yet folded into their partition.
struct SettledPart {
    incoming: RecordBatch,
    counts: Counts,
    moved: Vec<Moved>,
    tally: Tally,
    outgoing: Located,
}

impl Work {
    pub async fn run(self: Arc<Self>) -> Result<(Overlay, Counts, Vec<Moved>)> {
        let survey = Arc::new(self.survey().await?);
        let mut overlay = Overlay::new(self.pinned.hot.clone());
        let mut counts = Counts::default();
        let mut moved = Vec::new();
        let mut carried = Vec::new();
        let partitions: Vec<Partition> = self.spill.partitions().map(|(partition, _)| partition).collect();
        let work = self.clone();
        let done = at_most(self.budget.at_once, partitions, move |partition| {
            let (work, survey) = (work.clone(), survey.clone());
            async move { work.partition(partition, &survey).await }
        });
        for done in done.await? {
            overlay.apply(&self.target, done.partition, done.folded)?;
            counts.add(done.counts);
            moved.extend(done.moved);
            overlay.tally.add(&done.tally);
            carried.push(done.carried);
        }
        let carried = concat_batches(&self.target.table.lake_schema(), &carried)?;
        if carried.num_rows() > 0 {
            self.carry(carried, &mut overlay, &mut counts, &mut moved).await?;
        }
        Ok((overlay, counts, moved))
    }

    /// Finds the load's keys in the stored files. An empty table is not searched.
    async fn survey(self: &Arc<Self>) -> Result<Survey> {
        let mut survey = Survey::default();
        let archive_files: Vec<Arc<DataFile>> = self.pinned.archive.files().cloned().collect();
        let hot_files: Vec<Arc<DataFile>> = self.pinned.hot.files().cloned().collect();
        if archive_files.is_empty() && hot_files.is_empty() {
            return Ok(survey);
        }
        let mut partitions = self.spill.partitions().peekable();
        let (most, mut noted) = (self.budget.bytes / KEY_BYTES, 0);
        while partitions.peek().is_some() {
            let mut rows = 0;
            let some = std::iter::from_fn(|| {
                let next = partitions.next_if(|_| rows < most)?;
                rows += next.1 as usize;
                Some(next.0)
            });
            let work = self.clone();
            let found = at_most(self.budget.at_once, some.collect::<Vec<_>>(), move |partition| {
                let work = work.clone();
                async move { work.survey_own(partition).await }
            });
            let mut misses = Vec::new();
            for (partition, located, missed) in found.await? {
                noted += located.as_ref().map_or(0, Located::len);
                match located {
                    Some(located) if located.is_empty() => {}
                    located => drop(survey.own.insert(partition, located.filter(|_| noted < most))),
                }
                misses.extend(missed);
            }
            self.survey_beyond(&hot_files, &archive_files, misses, &mut survey).await?;
        }
        Ok(survey)
    }

    /// Finds the keys of one day in the files of that day, none where these are too many; returns those not found as well.
    async fn survey_own(&self, partition: Partition) -> Result<(Partition, Option<Located>, Vec<String>)> {
        let (mut all, mut misses) = (Some(Located::default()), Vec::new());
        for part in self.spill.parts(partition, self.budget.part_bytes()) {
            let own = |piece: Result<RecordBatch>| -> Result<StringArray> {
                Ok(keys(&self.list.admitted(&self.target.table, piece?)?.0)?.clone())
            };
            let pieces: Vec<StringArray> = self.spill.pieces_of(part).map(own).collect::<Result<_>>()?;
            let wanted: HashSet<&str> = pieces.iter().flatten().flatten().collect();
            let located = locate(&self.target, self.pinned.hot.partition(partition), &wanted).await?;
            if self.target.role == Role::Hot {
                let found: HashSet<&str> = located.keys().collect();
                misses.extend(wanted.iter().filter(|key| !found.contains(*key)).map(|key| (*key).to_owned()));
            }
            all = all.filter(|all| (all.len() + located.len()) * KEY_BYTES < self.budget.bytes / self.budget.at_once);
            if let Some(all) = &mut all {
                all.add(located);
            }
        }
        Ok((partition, all, misses))
    }

    async fn survey_beyond(
        &self,
        hot_files: &[Arc<DataFile>],
        archive_files: &[Arc<DataFile>],
        misses: Vec<String>,
        survey: &mut Survey,
    ) -> Result<()> {
        let wanted: HashSet<&str> = misses.iter().map(String::as_str).collect();
        let elsewhere = locate(&self.target, hot_files, &wanted).await?;
        survey.elsewhere.extend(elsewhere.keys().map(str::to_owned));
        if let Some(archive) = &self.archive {
            // A row hot already has is complete: the archive need not be asked.
            let wanted: HashSet<&str> = wanted.into_iter().filter(|key| !survey.elsewhere.contains(*key)).collect();
            let located = locate(archive, archive_files, &wanted).await?;
            if !located.is_empty() {
                let found = located.fetch(archive).await?;
                let all = survey.archived.take().into_iter().chain([found]).collect::<Vec<_>>();
                survey.archived = Some(concat_batches(&self.target.table.lake_schema(), &all)?);
            }
        }
        Ok(())
    }

    /// The incoming rows of a part, without those on the list of what was erased, and how many these were.
    fn read(&self, part: Part) -> Result<(RecordBatch, u64)> {
        self.list.admitted(&self.target.table, self.spill.read(part)?)
    }

    async fn partition(&self, partition: Partition, survey: &Survey) -> Result<PartitionResult> {
        let parts: Vec<Part> = self.spill.parts(partition, self.budget.part_bytes()).collect();
        let mut done = PartitionResult::nothing(partition, &self.target.table);
        let (mut outgoing, mut incoming, mut carried) = (Located::default(), Vec::new(), Vec::new());
        // Rows that are settled wait sorted on disk for the last of them.
        let mut runs = SortedRuns::new(self.target.table.clone(), parts.len());
        for part in &parts {
            let (settled_part, misplaced_rows) = self.part(*part, survey).await?;
            done.counts.add(settled_part.counts);
            done.moved.extend(settled_part.moved);
            done.tally.add(&settled_part.tally);
            outgoing.add(settled_part.outgoing);
            carried.push(misplaced_rows);
            match parts.len() {
                1 => incoming.push(settled_part.incoming),
                _ => runs.push(&settled_part.incoming)?,
            }
        }
        done.carried = concat_batches(&self.target.table.lake_schema(), &carried)?;
        let changes = Changes { outgoing, incoming, streams: runs.streams(), ..Changes::default() };
        done.folded = self.fold(partition, self.pinned.hot.partition(partition), changes).await?;
        Ok(done)
    }

    /// Settles the rows of a part; returns those that must be settled across partitions as well.
    async fn part(&self, part: Part, survey: &Survey) -> Result<(SettledPart, RecordBatch)> {
        let partition = part.partition;
        let (read, erased) = self.read(part)?;
        let rows_read = read.num_rows() as u64 + erased;
        let carry = |key: &str| self.cross_partition.may_hold(key) || survey.elsewhere.contains(key);
        let mut carried = filter_keys(&read, carry)?;
        let mut own = filter_keys(&read, |key| !carry(key))?;
        drop(read);
        let mut settled_part = self.settle_partition(partition, &own, survey).await?;
        let misplaced = self.misplaced(partition, &settled_part.incoming)?;
        if !misplaced.is_empty() {
            let misplaced_rows = filter_keys(&own, |key| misplaced.contains(key))?;
            carried = concat_batches(&self.target.table.lake_schema(), [&carried, &misplaced_rows])?;
            own = filter_keys(&own, |key| !misplaced.contains(key))?;
            settled_part = self.settle_partition(partition, &own, survey).await?;
        }
        settled_part.counts.late = self.late(&settled_part.incoming, partition)?;
        settled_part.counts.erased = erased;
        self.progress.advance(rows_read);
        Ok((settled_part, carried))
    }

    /// Settles rows of one partition whose keys are stored in that partition, archived, or new.
    async fn settle_partition(&self, partition: Partition, own: &RecordBatch, survey: &Survey) -> Result<SettledPart> {
        let table = &self.target.table;
        let wanted: HashSet<&str> = keys(own)?.iter().flatten().collect();
        let located = match survey.own.get(&partition) {
            None => Located::default(),
            Some(Some(located)) => located.only(|key| wanted.contains(key)),
            Some(None) => locate(&self.target, self.pinned.hot.partition(partition), &wanted).await?,
        };
        let archived = match &survey.archived {
            None => RecordBatch::new_empty(table.lake_schema()),
            Some(archived) => filter_keys(archived, |key| wanted.contains(key))?,
        };
        drop(wanted);
        if located.is_empty() && archived.num_rows() == 0 {
            // Nothing is known of any of them: the common case of a bulk load.
            let (rows, counts) = settle_new(table, own, self.now_millis)?;
            let rows = self.observing.note_first(table, rows)?;
            let mut tally = Tally::default();
            tally.month(partition.0).taken_in += rows.num_rows() as i64;
            return Ok(SettledPart { incoming: rows, counts, moved: Vec::new(), tally, outgoing: Located::default() });
        }
        let settled = settle(table, &located.fetch(&self.target).await?, &archived, own, self.observing, self.now_millis)?;
        let replaced: HashSet<&str> = keys(&settled.incoming)?
            .iter()
            .zip(&settled.replaces)
            .filter(|(_, replaces)| **replaces)
            .filter_map(|(key, _)| key)
            .collect();
        let outgoing = located.only(|key| replaced.contains(key));
        drop(replaced);
        Ok(SettledPart {
            incoming: settled.incoming,
            counts: settled.counts,
            moved: settled.moved,
            tally: settled.tally,
            outgoing,
        })
    }

    /// Keys of rows that, settled, belong to another partition than the one they came in by: their date was kept from
    /// another version, an archived one or one told without a date.
    fn misplaced(&self, partition: Partition, incoming: &RecordBatch) -> Result<HashSet<String>> {
        let places = partitions_of(&self.target, incoming)?;
        let misplaced_rows = keys(incoming)?.iter().zip(places).filter(|(_, place)| *place != partition);
        Ok(misplaced_rows.filter_map(|(key, _)| key.map(str::to_owned)).collect())
    }

    /// How many of these rows are late.
    fn late(&self, rows: &RecordBatch, partition: Partition) -> Result<u64> {
        let Some(marks) = rows.column_by_name(crate::record::fields::hidden::LATE) else { return Ok(0) };
        let before = partition.0.is_some_and(|day| self.pinned.archived_until().is_some_and(|until| day < until));
        Ok(if before { rows.num_rows() as u64 } else { (marks.len() - marks.null_count()) as u64 })
    }

    async fn fold(&self, partition: Partition, files: &[Arc<DataFile>], changes: Changes) -> Result<Folded> {
        if changes.outgoing.is_empty()
            && changes.streams.is_empty()
            && changes.incoming.iter().all(|incoming| incoming.num_rows() == 0)
        {
            return Ok(Folded::default());
        }
        let absorb_bytes = if self.target.table.ledger { ABSORB_BYTES_LEDGER } else { ABSORB_BYTES };
        let absorb = files.iter().filter(|file| file.bytes() < absorb_bytes).cloned().collect();
        let changes = Changes { absorb, begun: self.begun.clone(), ..changes };
        let name = self.target.name();
        fold(&self.target, partition, changes, self.now_millis, &|_| {})
            .await
            .context(|| phrase!("cannot write {name}, partition {}", partition.value().unwrap_or_else(|| "without date".into())))
    }

    /// Settles rows whose key is, or may be, in more than one partition of the load or of the table.
    async fn carry(&self, rows: RecordBatch, overlay: &mut Overlay, counts: &mut Counts, moved: &mut Vec<Moved>) -> Result<()> {
        let table = self.target.table.clone();
        let wanted: HashSet<&str> = keys(&rows)?.iter().flatten().collect();
        let hot_files: Vec<Arc<DataFile>> = self.pinned.hot.files().cloned().collect();
        let stored = locate(&self.target, &hot_files, &wanted).await?.fetch(&self.target).await?;
        let archived = match &self.archive {
            None => RecordBatch::new_empty(table.lake_schema()),
            Some(archive) => {
                let known: HashSet<&str> = keys(&stored)?.iter().flatten().collect();
                let wanted: HashSet<&str> = wanted.difference(&known).copied().collect();
                let archive_files: Vec<Arc<DataFile>> = self.pinned.archive.files().cloned().collect();
                locate(archive, &archive_files, &wanted).await?.fetch(archive).await?
            }
        };
        let settled = settle(&table, &stored, &archived, &rows, self.observing, self.now_millis)?;
        counts.add(settled.counts);
        moved.extend(settled.moved);
        overlay.tally.add(&settled.tally);
        // Every touched partition: where the rows are now, and where they were.
        let coming: HashSet<&str> = keys(&settled.incoming)?.iter().flatten().collect();
        let leaving = filter_keys(&stored, |key| coming.contains(key))?;
        let mut touched: BTreeSet<Partition> = BTreeSet::new();
        touched.extend(partitions_of(&self.target, &settled.incoming)?);
        touched.extend(partitions_of(&self.target, &leaving)?);
        let places = partitions_of(&self.target, &settled.incoming)?;
        for partition in touched {
            let mask: arrow::array::BooleanArray = places.iter().map(|place| Some(*place == partition)).collect();
            let incoming = arrow::compute::filter_record_batch(&settled.incoming, &mask)?;
            let files = overlay.files(partition);
            let outgoing = locate(&self.target, &files, &coming).await?;
            counts.late += self.late(&incoming, partition)?;
            let changes = Changes { outgoing, incoming: vec![incoming], ..Changes::default() };
            let folded = self.fold(partition, &files, changes).await?;
            overlay.apply(&self.target, partition, folded)?;
        }
        self.progress.advance(rows.num_rows() as u64);
        Ok(())
    }
}
