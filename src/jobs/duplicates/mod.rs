//! Finds keys that are stored more than once in a table. `ier verify` reports them, `ier reconcile` repairs them.
//!
//! In sound tiers a key is in hot once and in the archive once, and in both only where the hot row is late and overrides the
//! archived one.
//!
//! The search takes two passes: the first reads every key as a 64-bit hash, most of them on disk ([`keys`]). The second reads the
//! keys themselves where a hash occurred twice, and nothing where none did.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex};

use arrow::array::{Array, RecordBatch};

use self::keys::{Fingerprints, fingerprint};
use crate::error::{Error, Kind, Result};
use crate::lake::columns::keys;
use crate::lake::log::snapshot::DataFile;
use crate::lake::log::table::LakeTable;
use crate::lake::paths::Role;
use crate::lake::read::inspect;
use crate::record::fields::hidden;
use crate::tiers::pin::Pinned;

// Finds hashes of keys that occur more than once, in bounded memory.
mod keys;

/// The position of a row: its file, as the store names it, and its number in that file.
pub type Place = (String, u64);

/// Places, for people.
pub fn listed<'a>(places: impl IntoIterator<Item = &'a Place>) -> String {
    let rows: Vec<String> = places.into_iter().map(|(file, row)| format!("row {row} of {file}")).collect();
    rows.join(", ")
}

/// Pools of rows of which no two may share a key.
#[derive(Clone, Copy, Debug)]
enum Pool {
    /// Rows of hot.
    Hot,
    /// Archived rows, and those of hot that override none.
    Whole,
}

const POOLS: [Pool; 2] = [Pool::Hot, Pool::Whole];

/// The keys of one table, of both its tiers if it has two.
#[derive(Debug, Default)]
pub struct Duplicates {
    pinned: Option<Pinned>,
    pools: [Mutex<Fingerprints>; POOLS.len()],
}

impl Duplicates {
    /// Nothing taken in yet. `pinned`: both tiers of a tiered table; where only one of them can be read, hot rows are
    /// compared with each other only.
    pub fn new(pinned: Option<Pinned>) -> Self {
        Self { pinned, ..Self::default() }
    }

    /// In which pools does a row of this file belong, by whether it has a late mark?
    fn pools_of(&self, lake: &LakeTable, file: &DataFile) -> impl Fn(bool) -> [bool; POOLS.len()] + use<> {
        let hot = lake.role == Role::Hot;
        let before = self.pinned.as_ref().is_some_and(|pinned| pinned.is_before(file));
        let alone = hot && self.pinned.is_none();
        move |marked| [hot, !hot || !(before || marked || alone)]
    }

    /// Takes in the keys of some rows of a file; the batch needs the columns of [`inspect::key_columns`].
    pub fn take(&self, lake: &LakeTable, file: &DataFile, batch: &RecordBatch) -> Result<()> {
        let pools_of = self.pools_of(lake, file);
        let marks = batch.column_by_name(hidden::LATE);
        let rows = keys(batch)?.iter().enumerate().filter_map(|(row, key)| Some((row, fingerprint(key?))));
        let rows: Vec<_> = rows.map(|(row, number)| (number, pools_of(marks.is_some_and(|marks| marks.is_valid(row))))).collect();
        for pool in POOLS {
            let numbers = rows.iter().filter(|(_, pools)| pools[pool as usize]).map(|(number, _)| *number);
            self.pools[pool as usize].lock().map_err(|_| poisoned())?.add(numbers)?;
        }
        Ok(())
    }

    /// The keys stored more than once, each with its places, when all rows of `files` have been taken in. What of a file cannot
    /// be read is left out.
    pub async fn found(&self, files: &[(Arc<LakeTable>, Arc<DataFile>)]) -> Result<BTreeMap<String, BTreeSet<Place>>> {
        let mut suspects: [HashSet<u64>; POOLS.len()] = Default::default();
        for pool in POOLS {
            let mut keys = self.pools[pool as usize].lock().map_err(|_| poisoned())?;
            suspects[pool as usize] = std::mem::take(&mut *keys).twice()?;
        }
        let mut duplicates: BTreeMap<String, BTreeSet<Place>> = BTreeMap::new();
        if suspects.iter().all(HashSet::is_empty) {
            return Ok(duplicates);
        }
        let mut places: [BTreeMap<String, BTreeSet<Place>>; POOLS.len()] = Default::default();
        for (lake, file) in files {
            let pools_of = self.pools_of(lake, file);
            let is_suspect = |key: &str, marked: bool, pool: Pool| {
                pools_of(marked)[pool as usize] && suspects[pool as usize].contains(&fingerprint(key))
            };
            let wanted = |key: &str, marked: bool| POOLS.iter().any(|pool| is_suspect(key, marked, *pool));
            let rows = match inspect::keys_of(lake, file, wanted).await {
                Ok(rows) => rows,
                // What cannot be reached may hold a key again: it must not pass for a file without one.
                Err(error) if error.kind() == Kind::Unavailable => return Err(error),
                Err(_damaged) => continue,
            };
            for found in rows {
                for pool in POOLS.into_iter().filter(|pool| is_suspect(&found.key, found.marked, *pool)) {
                    let place = (file.path(&lake.folder).to_string(), found.row);
                    places[pool as usize].entry(found.key.clone()).or_default().insert(place);
                }
            }
        }
        for (key, places) in places.into_iter().flatten().filter(|(_, places)| places.len() > 1) {
            duplicates.entry(key).or_default().extend(places);
        }
        Ok(duplicates)
    }
}

fn poisoned() -> Error {
    Error::internal("a pool of keys is poisoned")
}
