//! Rows waiting to be folded, sorted into their partitions; what exceeds the memory budget waits on disk.
//!
//! Rows stay until the buffer is dropped, because a fold that lost a race is built again from them.

use std::collections::{BTreeMap, HashSet};
use std::hash::BuildHasher;
use std::io::{Cursor, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex};

use arrow::array::{Array, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow::ipc::{CompressionType, MetadataVersion};

use super::fold::keys;
use super::paths::Role;
use super::snapshot::Partition;
use crate::error::{Context, Error, Result};
use crate::human::temporary_folder;
use crate::record::fields::Table;
use crate::record::key::sent_days;

/// Rows by partition.
pub struct Spill {
    table: Arc<Table>,
    role: Role,
    limit_bytes: usize,
    held_bytes: usize,
    held: BTreeMap<Partition, Vec<RecordBatch>>,
    file: Mutex<Option<std::fs::File>>,
    spilled: BTreeMap<Partition, Vec<Run>>,
    rows: BTreeMap<Partition, u64>,
    /// One number a row: 48 bits of the key's hash, 16 of the partition's ordinal.
    fingerprints: Vec<u64>,
    ordinals: BTreeMap<Partition, u16>,
    hasher: hashbrown::DefaultHashBuilder,
}

fn fingerprint(hasher: &hashbrown::DefaultHashBuilder, key: &str, ordinal: u16) -> u64 {
    (hasher.hash_one(key) & !0xFFFF) | u64::from(ordinal)
}

#[derive(Clone, Copy, Debug)]
struct Run {
    offset: u64,
    bytes: usize,
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
            file: Mutex::new(None),
            spilled: BTreeMap::new(),
            rows: BTreeMap::new(),
            fingerprints: Vec::new(),
            ordinals: BTreeMap::new(),
            hasher: hashbrown::DefaultHashBuilder::default(),
        }
    }

    /// From now on rows have the columns of this table; those already here have nulls in the new ones.
    pub fn widen(&mut self, table: Arc<Table>) {
        self.table = table;
    }

    /// Takes a batch in; all columns of the table.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut places: BTreeMap<Partition, Vec<u32>> = BTreeMap::new();
        let days = sent_days(batch);
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
            let hasher = &self.hasher;
            self.fingerprints.extend(rows.iter().map(|row| fingerprint(hasher, keys.value(*row as usize), ordinal)));
            *self.rows.entry(partition).or_default() += rows.len() as u64;
            let part = match rows.len() == batch.num_rows() {
                true => batch.clone(),
                false => take_record_batch(batch, &UInt32Array::from(rows))?,
            };
            self.held_bytes += part.get_array_memory_size();
            self.held.entry(partition).or_default().push(part);
        }
        if self.held_bytes > self.limit_bytes { self.spill() } else { Ok(()) }
    }

    /// The partitions that have rows, in order, with the number of rows.
    pub fn partitions(&self) -> impl Iterator<Item = (Partition, u64)> + '_ {
        self.rows.iter().map(|(partition, rows)| (*partition, *rows))
    }

    /// Rows in all.
    pub fn rows(&self) -> u64 {
        self.rows.values().sum()
    }

    /// All rows of a partition as one batch; they stay in the buffer.
    pub fn read(&self, partition: Partition) -> Result<RecordBatch> {
        let batches: Vec<RecordBatch> = self.pieces(partition).collect::<Result<_>>()?;
        Ok(arrow::compute::concat_batches(&self.table.lake_schema(), &batches)?)
    }

    /// The rows of a partition piece by piece, each no larger than the memory budget; they stay in the buffer.
    pub fn pieces(&self, partition: Partition) -> impl Iterator<Item = Result<RecordBatch>> + '_ {
        let spilled = self.spilled.get(&partition).into_iter().flatten().map(|run| self.read_run(*run));
        let pieces = spilled.chain(self.held.get(&partition).into_iter().flatten().cloned().map(Ok));
        pieces.map(|piece| super::read::pad(&piece?, &self.table.lake_schema()))
    }

    /// Fingerprints of keys that occur in more than one partition (or seem to: hashes of two keys may be equal). Such rows
    /// must be resolved across partitions; there are few.
    pub fn wanderers(&mut self) -> Wanderers {
        self.fingerprints.sort_unstable();
        let hashes = self
            .fingerprints
            .windows(2)
            .filter(|pair| pair[0] >> 16 == pair[1] >> 16 && pair[0] != pair[1])
            .map(|pair| pair[0] >> 16)
            .collect();
        Wanderers { hashes, hasher: self.hasher.clone() }
    }

    fn spill(&mut self) -> Result<()> {
        let mut file = self.file.lock().map_err(|_| Error::internal("the spill file's lock is poisoned"))?;
        let file = match &mut *file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile().context(|| format!("cannot make a spill file in {}", temporary_folder()))?),
        };
        let mut offset = file.seek(SeekFrom::End(0))?;
        let options =
            IpcWriteOptions::try_new(64, false, MetadataVersion::V5)?.try_with_compression(Some(CompressionType::LZ4_FRAME))?;
        for (partition, batches) in std::mem::take(&mut self.held) {
            let batches: Vec<RecordBatch> =
                batches.iter().map(|batch| super::read::pad(batch, &self.table.lake_schema())).collect::<Result<_>>()?;
            let batch = arrow::compute::concat_batches(&self.table.lake_schema(), &batches)?;
            let mut bytes = Vec::new();
            let mut writer = StreamWriter::try_new_with_options(&mut bytes, &batch.schema(), options.clone())?;
            writer.write(&batch)?;
            writer.finish()?;
            drop(writer);
            file.write_all(&bytes).context(|| format!("cannot write the spill file in {}", temporary_folder()))?;
            self.spilled.entry(partition).or_default().push(Run { offset, bytes: bytes.len() });
            offset += bytes.len() as u64;
        }
        self.held_bytes = 0;
        Ok(())
    }

    fn read_run(&self, run: Run) -> Result<RecordBatch> {
        let mut bytes = vec![0; run.bytes];
        {
            let mut file = self.file.lock().map_err(|_| Error::internal("the spill file's lock is poisoned"))?;
            let file = file.as_mut().ok_or_else(|| Error::internal("a spilled run without a spill file"))?;
            file.seek(SeekFrom::Start(run.offset))?;
            file.read_exact(&mut bytes).context(|| format!("cannot read the spill file in {}", temporary_folder()))?;
        }
        let reader = StreamReader::try_new(Cursor::new(bytes), None)?;
        let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>()?;
        let [batch] = <[RecordBatch; 1]>::try_from(batches).map_err(|_| Error::internal("a spilled run is one batch"))?;
        Ok(batch)
    }
}

/// Keys that occur in more than one partition of a load.
pub struct Wanderers {
    hashes: HashSet<u64>,
    hasher: hashbrown::DefaultHashBuilder,
}

impl Wanderers {
    /// May this key be one?
    pub fn may_hold(&self, key: &str) -> bool {
        !self.hashes.is_empty() && self.hashes.contains(&(fingerprint(&self.hasher, key, 0) >> 16))
    }
}
