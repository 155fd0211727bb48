//! Rows that wait to be folded, sorted by partition; rows beyond the memory budget wait on disk.
//!
//! The rows stay until the buffer is dropped, because a fold that lost a commit race is built again from them. They are read in
//! [`Part`]s: a partition with too many rows for one pass is read in several.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{cast, filter_record_batch, take_record_batch};
use arrow::datatypes::DataType;
use futures::StreamExt;

use super::cross_partition::{CrossPartitionKeys, Fingerprints};
use super::scratch::{Place, Scratch};
use crate::error::{Error, Result};
use crate::lake::columns::keys;
use crate::lake::file::sort::{BATCH_ROWS, Sorted, sort};
use crate::lake::paths::{Partition, Role};
use crate::record::fields::Table;
use crate::record::key::sent_days;

/// Batches of a partition are written together up to this many bytes, so that later reads are neither tiny nor large.
const RUN_BYTES: usize = 8 << 20;

/// Of a partition that has much more, each run has keys of one bucket: of so many bits of their hashes.
const BUCKET_BITS: u32 = 4;

/// Bytes that are cut into buckets at once.
const CUT_BYTES: usize = 8 * RUN_BYTES;

/// The part of the budget that is one over this holds numbers that tell which keys wander.
const FINGERPRINTS: usize = 16;

/// Rows by partition.
pub struct Spill {
    table: Arc<Table>,
    role: Role,
    limit_bytes: usize,
    held_bytes: usize,
    held: BTreeMap<Partition, Vec<RecordBatch>>,
    scratch: Scratch,
    cut_bytes: usize,
    spilled: BTreeMap<Partition, Vec<Run>>,
    sizes: BTreeMap<Partition, Size>,
    fingerprints: Option<Fingerprints>,
    ordinals: BTreeMap<Partition, u16>,
    hasher: hashbrown::DefaultHashBuilder,
}

/// Rows on disk.
#[derive(Clone, Copy, Debug)]
struct Run {
    place: Place,
    /// The first bits of the hashes of their keys, where these are alike.
    bucket: Option<u64>,
}

/// The size of a partition.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    rows: u64,
    bytes: u64,
}

/// Some rows of a partition: all versions of each of them.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// The partition.
    pub partition: Partition,
    /// The first bits of the hashes of their keys, and how many bits that is.
    number: u64,
    bits: u32,
}

impl Part {
    fn whole(partition: Partition) -> Self {
        Self { partition, number: 0, bits: 0 }
    }

    fn has(self, hash: u64) -> bool {
        self.bits == 0 || hash >> (u64::BITS - self.bits) == self.number
    }

    /// May a run have rows of it?
    fn meets(self, run: &Run) -> bool {
        let common = self.bits.min(BUCKET_BITS);
        run.bucket.is_none_or(|bucket| bucket >> (BUCKET_BITS - common) == self.number >> (self.bits - common))
    }
}

impl Spill {
    /// A buffer for a table that holds at most about `limit_bytes` in memory.
    pub fn new(table: Arc<Table>, role: Role, limit_bytes: usize) -> Self {
        Self {
            table,
            role,
            limit_bytes,
            held_bytes: 0,
            held: BTreeMap::new(),
            scratch: Scratch::default(),
            cut_bytes: CUT_BYTES,
            spilled: BTreeMap::new(),
            sizes: BTreeMap::new(),
            // A table that is one partition has none that wander.
            fingerprints: (role != Role::Reference).then(|| Fingerprints::new(limit_bytes / FINGERPRINTS)),
            ordinals: BTreeMap::new(),
            hasher: hashbrown::DefaultHashBuilder::default(),
        }
    }

    /// The table whose rows these are.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// From now on rows have the columns of this table; those already here have nulls in the new ones.
    pub fn widen(&mut self, table: Arc<Table>) {
        self.table = table;
    }

    /// Takes a batch in; all columns of the table.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut places: BTreeMap<Partition, Vec<u32>> = BTreeMap::new();
        // A table without partitions may have a column of that name, too, and anything in it.
        let days = if self.role.partition_column().is_some() { sent_days(batch) } else { None };
        // Exports are in order of time, so rows come in long runs of one partition.
        let (mut run, mut in_run): (Partition, Vec<u32>) = (Partition(None), Vec::new());
        for row in 0..batch.num_rows() {
            let day = days.filter(|days| days.is_valid(row)).map(|days| days.value(row));
            let partition = self.role.partition_of(day);
            if partition != run && !in_run.is_empty() {
                places.entry(run).or_default().append(&mut in_run);
            }
            run = partition;
            in_run.push(row as u32);
        }
        places.entry(run).or_default().append(&mut in_run);
        let keys = keys(batch)?;
        for (partition, rows) in places {
            let next = self.ordinals.len();
            let ordinal = *self.ordinals.entry(partition).or_insert(next as u16);
            if next >= usize::from(u16::MAX) {
                return Err(Error::invalid("a load spans more than 65,535 days: check the dates in the files"));
            }
            if let Some(fingerprints) = &mut self.fingerprints {
                rows.iter().try_for_each(|row| fingerprints.note(keys.value(*row as usize), ordinal))?;
            }
            let part = match rows.len() == batch.num_rows() {
                true => batch.clone(),
                false => take_record_batch(batch, &UInt32Array::from(rows))?,
            };
            let size = self.sizes.entry(partition).or_default();
            size.rows += part.num_rows() as u64;
            size.bytes += rows_bytes(&part);
            self.held_bytes += part.get_array_memory_size();
            self.held.entry(partition).or_default().push(part);
        }
        if self.held_bytes > self.limit_bytes { self.relieve() } else { Ok(()) }
    }

    /// The partitions that have rows, in order, with the number of rows.
    pub fn partitions(&self) -> impl Iterator<Item = (Partition, u64)> + '_ {
        self.sizes.iter().map(|(partition, size)| (*partition, size.rows))
    }

    /// Rows in all.
    pub fn rows(&self) -> u64 {
        self.sizes.values().map(|size| size.rows).sum()
    }

    /// Bytes of the rows in memory.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// A partition in parts of about so many bytes, so that each can be read at once.
    pub fn parts(&self, partition: Partition, bytes: usize) -> impl Iterator<Item = Part> + use<> {
        let size = self.sizes.get(&partition).copied().unwrap_or_default();
        let parts = size.bytes.div_ceil(bytes.max(1) as u64).max(1).next_power_of_two();
        let bits = parts.trailing_zeros();
        (0..parts).map(move |number| Part { partition, number, bits })
    }

    /// The rows of a part as one batch; they stay in the buffer.
    pub fn read(&self, part: Part) -> Result<RecordBatch> {
        let pieces: Vec<RecordBatch> = self.pieces_of(part).collect::<Result<_>>()?;
        Ok(arrow::compute::concat_batches(&self.table.lake_schema(), &pieces)?)
    }

    /// The rows of a partition piece by piece, each no larger than some megabytes; they stay in the buffer.
    pub fn pieces(&self, partition: Partition) -> impl Iterator<Item = Result<RecordBatch>> + '_ {
        self.pieces_of(Part::whole(partition))
    }

    /// The rows of a part piece by piece.
    pub fn pieces_of(&self, part: Part) -> impl Iterator<Item = Result<RecordBatch>> + '_ {
        let spilled = self.spilled.get(&part.partition).into_iter().flatten();
        let spilled = spilled.filter(move |run| part.meets(run)).map(|run| self.scratch.read(run.place));
        let pieces = spilled.chain(self.held.get(&part.partition).into_iter().flatten().cloned().map(Ok));
        pieces.map(move |piece| {
            let piece = crate::lake::columns::pad(&piece?, &self.table.lake_schema())?;
            match part.bits {
                0 => Ok(piece),
                _ => Ok(filter_record_batch(&piece, &self.those(&piece, |hash| part.has(hash))?)?),
            }
        })
    }

    /// The rows of a batch whose key's hash passes.
    fn those(&self, batch: &RecordBatch, passes: impl Fn(u64) -> bool) -> Result<BooleanArray> {
        Ok(keys(batch)?.iter().map(|key| Some(passes(self.hasher.hash_one(key.unwrap_or_default())))).collect())
    }

    /// Keys that occur in more than one partition (or seem to: hashes of two keys may be equal). Such rows must be resolved
    /// across partitions; there are few. Asked for once, when all rows are in.
    pub fn cross_partition(&mut self) -> Result<CrossPartitionKeys> {
        self.fingerprints.take().unwrap_or_else(|| Fingerprints::new(0)).cross_partition()
    }

    /// Puts all rows on disk.
    pub fn relieve(&mut self) -> Result<()> {
        // Partition by partition, so that what is written is given back at once.
        while let Some((partition, batches)) = self.held.pop_first() {
            let (mut together, mut bytes) = (Vec::new(), 0);
            for batch in batches {
                bytes += batch.get_array_memory_size();
                together.push(crate::lake::columns::pad(&batch, &self.table.lake_schema())?);
                if bytes >= self.cut_bytes {
                    self.put(partition, &std::mem::take(&mut together), bytes)?;
                    bytes = 0;
                }
            }
            self.put(partition, &together, bytes)?;
        }
        self.held_bytes = 0;
        Ok(())
    }

    /// Puts rows of a partition on disk, those of each bucket for themselves where they are many.
    fn put(&mut self, partition: Partition, batches: &[RecordBatch], bytes: usize) -> Result<()> {
        if batches.is_empty() {
            return Ok(());
        }
        let schema = self.table.lake_schema();
        let mut put = |rows: &RecordBatch, bucket| -> Result<()> {
            if rows.num_rows() > 0 {
                let run = Run { place: self.scratch.write(rows)?, bucket };
                self.spilled.entry(partition).or_default().push(run);
            }
            Ok(())
        };
        if bytes < self.cut_bytes / 2 {
            let (mut first, mut run_bytes) = (0, 0);
            for (at, batch) in batches.iter().enumerate() {
                run_bytes += batch.get_array_memory_size();
                if run_bytes >= RUN_BYTES || at + 1 == batches.len() {
                    put(&arrow::compute::concat_batches(&schema, &batches[first..=at])?, None)?;
                    (first, run_bytes) = (at + 1, 0);
                }
            }
            return Ok(());
        }
        for bucket in 0..1u64 << BUCKET_BITS {
            let is_of =
                |key: Option<&str>| Some(self.hasher.hash_one(key.unwrap_or_default()) >> (u64::BITS - BUCKET_BITS) == bucket);
            let of_bucket = batches.iter().map(|batch| {
                let mask: BooleanArray = keys(batch)?.iter().map(is_of).collect();
                Ok(filter_record_batch(batch, &mask)?)
            });
            let of_bucket: Vec<RecordBatch> = of_bucket.collect::<Result<_>>()?;
            put(&arrow::compute::concat_batches(&schema, &of_bucket)?, Some(bucket))?;
        }
        Ok(())
    }
}

/// Bytes of a batch's rows; what a builder set aside for more of them is not theirs.
fn rows_bytes(batch: &RecordBatch) -> u64 {
    let own = |column: &ArrayRef| column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size());
    batch.columns().iter().map(|column| own(column) as u64).sum()
}

/// A batch of a sorted run has so many rows at least: smaller ones would rather cost time than save memory.
const LEAST_ROWS: usize = 256;

/// Sorted runs of one partition's rows, on disk until they are merged. A merge has one batch of each run in memory: together about
/// as much as one run is.
pub struct SortedRuns {
    table: Arc<Table>,
    runs_expected: usize,
    scratch: Arc<Scratch>,
    runs: Vec<Vec<Place>>,
}

impl SortedRuns {
    /// None so far; about so many will come.
    pub fn new(table: Arc<Table>, runs_expected: usize) -> Self {
        Self { table, runs_expected: runs_expected.max(1), scratch: Arc::default(), runs: Vec::new() }
    }

    /// Sorts rows and puts them down.
    pub fn push(&mut self, rows: &RecordBatch) -> Result<()> {
        let rows = sort(&self.table, rows)?;
        let batch_rows = rows.num_rows().div_ceil(self.runs_expected).clamp(LEAST_ROWS, BATCH_ROWS);
        let batches = (0..rows.num_rows()).step_by(batch_rows);
        let run = batches.map(|from| self.scratch.write(&own_labels(&rows.slice(from, batch_rows.min(rows.num_rows() - from)))?));
        self.runs.push(run.collect::<Result<_>>()?);
        Ok(())
    }

    /// Each run as a stream that holds one batch.
    pub fn streams(self) -> Vec<Sorted> {
        let Self { scratch, runs, .. } = self;
        let stream = |run: Vec<Place>| {
            let scratch = scratch.clone();
            futures::stream::iter(run.into_iter().map(move |place| scratch.read(place))).boxed()
        };
        runs.into_iter().filter(|run| !run.is_empty()).map(stream).collect()
    }
}

/// The batch with only those labels that it has: as a piece of a larger one it would bring those of all along.
fn own_labels(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(|column| match column.data_type() {
        DataType::Dictionary(_, texts) if column.as_any_dictionary().values().len() > batch.num_rows() => {
            Ok(cast(&cast(column, texts)?, column.data_type())?)
        }
        _ => Ok(column.clone()),
    });
    Ok(RecordBatch::try_new(batch.schema(), columns.collect::<Result<_>>()?)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use arrow::array::StringArray;

    use super::*;
    use crate::record::fields::known;

    fn rows(table: &Table, numbers: std::ops::Range<usize>) -> RecordBatch {
        let schema = table.lake_schema();
        let columns = schema.fields().iter().map(|field| -> ArrayRef {
            let texts: StringArray = numbers.clone().map(|number| Some(format!("{}-{}", field.name(), number % 700))).collect();
            match field.data_type() {
                DataType::Utf8 => Arc::new(texts),
                kind @ DataType::Dictionary(..) => cast(&texts, kind).unwrap(),
                kind => arrow::array::new_null_array(kind, numbers.len()),
            }
        });
        RecordBatch::try_new(schema.clone(), columns.collect()).unwrap()
    }

    #[test]
    fn all_versions_of_a_row_are_in_one_part_whether_they_wait_in_memory_or_on_disk() {
        let table = known("contact").unwrap().clone();
        for (limit, batch) in [(usize::MAX, 900), (64 << 10, 500), (usize::MAX, 6_000)] {
            let mut spill = Spill::new(table.clone(), Role::Reference, limit);
            spill.cut_bytes = 200 << 10;
            (0..6_000).step_by(batch).for_each(|from| spill.push(&rows(&table, from..(from + batch).min(6_000))).unwrap());
            if batch == 6_000 {
                spill.relieve().unwrap();
                assert!(spill.spilled.values().flatten().any(|run| run.bucket.is_some()), "much is put down by bucket");
            }
            let bytes = spill.sizes[&Partition(None)].bytes as usize;
            for parts in [1, 8] {
                let parts: Vec<Part> = spill.parts(Partition(None), bytes / parts).collect();
                let mut seen = BTreeSet::new();
                let mut total = 0;
                for part in &parts {
                    let rows = spill.read(*part).unwrap();
                    total += rows.num_rows();
                    let own: BTreeSet<String> = keys(&rows).unwrap().iter().map(|key| key.unwrap().to_owned()).collect();
                    assert!(own.is_disjoint(&seen));
                    seen.extend(own);
                }
                assert_eq!((total, seen.len()), (6_000, 700), "{} parts", parts.len());
            }
            assert_eq!(spill.rows(), 6_000);
        }
    }

    #[tokio::test]
    async fn sorted_runs_come_back_in_order_and_bring_only_their_own_labels() {
        use futures::TryStreamExt;
        let table = known("contact").unwrap().clone();
        let mut runs = SortedRuns::new(table.clone(), 100);
        runs.push(&rows(&table, 0..10_000)).unwrap();
        runs.push(&rows(&table, 0..0)).unwrap();
        let streams = runs.streams();
        assert_eq!(streams.len(), 1);
        for stream in streams {
            let batches: Vec<RecordBatch> = stream.try_collect().await.unwrap();
            let all: Vec<String> =
                batches.iter().flat_map(|rows| keys(rows).unwrap().iter().map(|key| key.unwrap().to_owned())).collect();
            assert!(all.is_sorted() && all.len() == 10_000);
            assert!(batches.iter().all(|rows| rows.num_rows() <= LEAST_ROWS), "of a hundred runs each has little in memory");
        }
    }
}
