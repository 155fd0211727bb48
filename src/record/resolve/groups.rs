//! Groups the rows of a batch by key.

use arrow::array::{Array, AsArray, RecordBatch};

use crate::error::{Error, Result};
use crate::record::fields::hidden;

/// The rows of a batch by key. One allocation holds them all: most keys come once.
pub struct ByKey {
    /// All rows, those of a key together.
    order: Vec<u32>,
    /// Where each key's rows end in `order`.
    ends: Vec<usize>,
}

impl ByKey {
    /// Each key's rows, in order of first appearance.
    pub fn groups(&self) -> Vec<&[u32]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.order[start..end]).collect()
    }
}

/// Groups the rows of a batch by key.
pub fn group_by_key(batch: &RecordBatch) -> Result<ByKey> {
    let keys = batch.column_by_name(hidden::KEY).ok_or_else(|| Error::internal("batch without keys"))?.as_string::<i32>();
    let mut seen: hashbrown::HashMap<&str, u32> = hashbrown::HashMap::with_capacity(keys.len());
    // Chains the rows of one key through `next`, so that no per-key list is allocated for the many keys that come once.
    let mut next: Vec<u32> = vec![u32::MAX; keys.len()];
    let mut heads: Vec<u32> = Vec::with_capacity(keys.len());
    let mut tails: Vec<u32> = Vec::with_capacity(keys.len());
    for row in 0..keys.len() as u32 {
        let group = *seen.entry(keys.value(row as usize)).or_insert_with(|| {
            heads.push(row);
            tails.push(row);
            heads.len() as u32 - 1
        });
        let tail = &mut tails[group as usize];
        if *tail != row {
            next[*tail as usize] = row;
            *tail = row;
        }
    }
    let mut order = Vec::with_capacity(keys.len());
    let mut ends = Vec::with_capacity(heads.len());
    for head in heads {
        let mut row = head;
        while row != u32::MAX {
            order.push(row);
            row = next[row as usize];
        }
        ends.push(order.len());
    }
    Ok(ByKey { order, ends })
}
