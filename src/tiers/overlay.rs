//! The files that one upsert has replaced and added so far, partition by partition, over the snapshot that it began with. At the
//! end they become one change to commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use deltalake_core::kernel::Add;

use crate::error::Result;
use crate::lake::fold::Folded;
use crate::lake::log::commit::Change;
use crate::lake::log::snapshot::{DataFile, Snapshot};
use crate::lake::log::table::LakeTable;
use crate::lake::log::tally::Tally;
use crate::lake::paths::Partition;

/// Files of partitions already rewritten by this upsert, over those of the snapshot.
pub(super) struct Overlay {
    pub base: Arc<Snapshot>,
    adds: BTreeMap<String, Add>,
    removes: BTreeMap<String, Arc<DataFile>>,
    files: BTreeMap<Partition, Vec<Arc<DataFile>>>,
    pub tally: Tally,
}

impl Overlay {
    pub fn new(base: Arc<Snapshot>) -> Self {
        Self { base, adds: BTreeMap::new(), removes: BTreeMap::new(), files: BTreeMap::new(), tally: Tally::default() }
    }

    /// The files of a partition as they are now.
    pub fn files(&self, partition: Partition) -> Vec<Arc<DataFile>> {
        self.files.get(&partition).cloned().unwrap_or_else(|| self.base.partition(partition).to_vec())
    }

    /// Takes in what a fold of a partition did.
    pub fn apply(&mut self, table: &LakeTable, partition: Partition, folded: Folded) -> Result<()> {
        let mut files = self.files(partition);
        for gone in folded.replaced {
            files.retain(|file| file.add.path != gone.add.path);
            if self.adds.remove(&gone.add.path).is_none() {
                self.removes.insert(gone.add.path.clone(), gone);
            }
        }
        for add in folded.adds {
            files.push(Arc::new(DataFile::new(&table.table, table.role, add.clone())?));
            self.adds.insert(add.path.clone(), add);
        }
        self.files.insert(partition, files);
        Ok(())
    }

    /// All of it as one change.
    pub fn into_change(self) -> Change {
        Change {
            adds: self.adds.into_values().collect(),
            removes: self.removes.into_values().collect(),
            tally: self.tally,
            operation: "upsert",
            ..Change::default()
        }
    }
}
