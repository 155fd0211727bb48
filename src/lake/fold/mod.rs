//! The fold: how the rows of a partition change.
//!
//! `fold(files, changes)` takes the partition's sorted files, leaves out the removed rows, merges the incoming rows in order, and
//! writes new sorted files. Upsert, archiving, late updates, compaction (no changes) and erasure (only removals) are folds with
//! different changes. Memory is bounded by the changes and one batch a file, never by the partition. Where few rows of a large file
//! are removed, a [`splice`] does the same with less work.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use deltalake_core::kernel::Add;
use futures::{StreamExt, TryStreamExt};

use self::write::StartedFiles;
use super::paths::Partition;
use super::read;
use crate::error::{Error, Result};
use crate::lake::file::layout::Effort;
use crate::lake::file::open::OpenFile;
use crate::lake::file::sort::{BATCH_ROWS, Sorted, merge, sort};
use crate::lake::log::snapshot::DataFile;
use crate::lake::log::table::LakeTable;

// Writes sorted rows as data files, and returns their log entries.
pub mod write;

// A temporary file for batches and numbers that wait on disk.
pub(crate) mod scratch;

// Finds the keys of a load that occur in more than one partition.
pub mod cross_partition;

// Rows that wait to be folded, by partition; rows beyond the memory budget wait on disk.
pub mod spill;

// Makes a new file without some rows of an old one, by copying the row groups that do not change.
pub mod splice;

/// The positions of wanted keys: for each file, the numbers of their rows (ascending).
#[derive(Clone, Debug, Default)]
pub struct Located {
    /// Rows by the file's path.
    pub hits: BTreeMap<String, Hits>,
}

/// Rows found in one file.
#[derive(Clone, Debug)]
pub struct Hits {
    /// The file.
    pub file: Arc<DataFile>,
    /// Places of the rows, ascending.
    pub rows: Vec<u32>,
    /// Their keys.
    pub keys: Vec<String>,
}

impl Located {
    /// All keys found.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.hits.values().flat_map(|hits| hits.keys.iter().map(String::as_str))
    }

    /// Number of rows found.
    pub fn len(&self) -> usize {
        self.hits.values().map(|hits| hits.rows.len()).sum()
    }

    /// Was nothing found?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads the rows found, all columns.
    pub async fn fetch(&self, table: &LakeTable) -> Result<RecordBatch> {
        let mut batches = Vec::with_capacity(self.hits.len());
        for hits in self.hits.values() {
            batches.push(read::fetch(table, &hits.file, &hits.rows).await?);
        }
        Ok(arrow::compute::concat_batches(&table.table.lake_schema(), &batches)?)
    }

    /// Takes in what else was found; no row was found twice.
    pub fn add(&mut self, other: Self) {
        for (path, hits) in other.hits {
            match self.hits.get_mut(&path) {
                None => drop(self.hits.insert(path, hits)),
                Some(own) => {
                    let mut found: Vec<(u32, String)> =
                        own.rows.drain(..).chain(hits.rows).zip(own.keys.drain(..).chain(hits.keys)).collect();
                    found.sort_unstable_by_key(|(row, _)| *row);
                    (own.rows, own.keys) = found.into_iter().unzip();
                }
            }
        }
    }

    /// The part found under these keys only.
    pub fn only(&self, wanted: impl Fn(&str) -> bool) -> Self {
        let mut located = Self::default();
        for (path, hits) in &self.hits {
            let (rows, keys): (Vec<u32>, Vec<String>) =
                hits.rows.iter().zip(&hits.keys).filter(|(_, key)| wanted(key)).map(|(row, key)| (*row, key.clone())).unzip();
            if !rows.is_empty() {
                located.hits.insert(path.clone(), Hits { file: hits.file.clone(), rows, keys });
            }
        }
        located
    }
}

/// Finds keys in files, without reading files (or row groups) whose key filter excludes them.
pub async fn locate(table: &Arc<LakeTable>, files: &[Arc<DataFile>], wanted: &HashSet<&str>) -> Result<Located> {
    let mut located = Located::default();
    if wanted.is_empty() {
        return Ok(located);
    }
    let mut found = futures::stream::iter(files.iter().cloned().map(|file| async move {
        let found = read::open(table, &file).await?.find_keys(wanted).await?;
        Ok::<_, Error>((file, found))
    }))
    .buffer_unordered(PARALLEL);
    while let Some((file, found)) = found.try_next().await? {
        if !found.is_empty() {
            let (rows, keys) = found.into_iter().unzip();
            located.hits.insert(file.add.path.clone(), Hits { file, rows, keys });
        }
    }
    Ok(located)
}

/// Partitions or files worked on at once.
pub const PARALLEL: usize = 4;

/// The result of a fold; nothing is visible until it is committed.
#[derive(Debug, Default)]
pub struct Folded {
    /// Log entries of the new files.
    pub adds: Vec<Add>,
    /// The files they replace.
    pub replaced: Vec<Arc<DataFile>>,
    /// Rows written.
    pub rows: u64,
}

/// The changes of one partition.
#[derive(Default)]
pub struct Changes {
    /// Rows to remove, by their position in the partition's files.
    pub outgoing: Located,
    /// Rows to add, in any order.
    pub incoming: Vec<RecordBatch>,
    /// Rows to add that are sorted already and too many to hold in memory, for example other files.
    pub streams: Vec<Sorted>,
    /// Files of the partition to rewrite although they lose no row: small ones, to keep the number of files low.
    pub absorb: Vec<Arc<DataFile>>,
    /// The compression effort for the new files; none for the usual effort of the tier.
    pub effort: Option<Effort>,
    /// The list in which new files are noted before they are written.
    pub begun: Arc<StartedFiles>,
}

/// Writes the new files of one partition. `progress` is called with the rows written.
pub async fn fold(
    table: &Arc<LakeTable>,
    partition: Partition,
    changes: Changes,
    now_millis: i64,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<Folded> {
    fold_through(table, partition, changes, now_millis, progress, |rows| rows).await
}

/// [`fold`], with the new rows passed through `through` on their way to the files: to sum them, say.
pub async fn fold_through(
    table: &Arc<LakeTable>,
    partition: Partition,
    changes: Changes,
    now_millis: i64,
    progress: &(dyn Fn(u64) + Send + Sync),
    through: impl FnOnce(Sorted) -> Sorted + Send,
) -> Result<Folded> {
    let mut replaced: BTreeMap<String, (Arc<DataFile>, Vec<u32>)> =
        changes.outgoing.hits.into_iter().map(|(path, hits)| (path, (hits.file, hits.rows))).collect();
    for file in changes.absorb {
        replaced.entry(file.add.path.clone()).or_insert_with(|| (file, Vec::new()));
    }
    let effort = changes.effort.unwrap_or_else(|| Effort::of(table.role));
    let begun = changes.begun;
    let mut inputs = changes.streams;
    for (file, outgoing) in replaced.values() {
        let open = read::open(table, file).await?;
        inputs.push(without(&open, outgoing)?);
    }
    let schema = table.table.lake_schema();
    if changes.incoming.iter().any(|batch| batch.num_rows() > 0) {
        let incoming = sort(&table.table, &arrow::compute::concat_batches(&schema, &changes.incoming)?)?;
        let batches = (0..incoming.num_rows())
            .step_by(BATCH_ROWS)
            .map(move |from| Ok(incoming.slice(from, BATCH_ROWS.min(incoming.num_rows() - from))));
        inputs.push(futures::stream::iter(batches.collect::<Vec<_>>()).boxed());
    }
    let rows = std::sync::atomic::AtomicU64::new(0);
    let adds = if inputs.is_empty() {
        Vec::new()
    } else {
        let count = |written: u64| {
            rows.fetch_add(written, std::sync::atomic::Ordering::Relaxed);
            progress(written);
        };
        write::write(table, partition, effort, &begun, through(merge(table.table.clone(), inputs)), now_millis, &count).await?
    };
    let replaced = replaced.into_values().map(|(file, _)| file).collect();
    Ok(Folded { adds, replaced, rows: rows.into_inner() })
}

/// A file's rows in order, without some (ascending places).
fn without(file: &OpenFile, outgoing: &[u32]) -> Result<Sorted> {
    let rows = file.stream(None, None)?;
    if outgoing.is_empty() {
        return Ok(rows);
    }
    let outgoing = outgoing.to_vec();
    let mut first = 0u32;
    let mut next = 0usize;
    Ok(rows
        .map(move |batch| {
            let batch = batch?;
            let end = first + batch.num_rows() as u32;
            let mut keep = vec![true; batch.num_rows()];
            while next < outgoing.len() && outgoing[next] < end {
                keep[(outgoing[next] - first) as usize] = false;
                next += 1;
            }
            first = end;
            if keep.iter().all(|keep| *keep) { Ok(batch) } else { Ok(filter_record_batch(&batch, &BooleanArray::from(keep))?) }
        })
        .boxed())
}
