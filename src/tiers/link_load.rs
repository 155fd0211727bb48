//! A load of links: the links wait for their IERs, get the IERs' places, are written, and are placed again where an IER moved
//! meanwhile.
//!
//! [`super::links`] explains the order and the reason for each step. A link's file may come before or after the file of its IER,
//! or in another load. So the links of a load wait until its IERs are committed; [`LinkLoad::write`] is called after that.

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::homes::with_homes;
use super::links;
use super::settle::Counts;
use super::upsert::Upsert;
use super::warehouse::Warehouse;
use crate::error::{Context, Error, Result};
use crate::lake::fold::spill::Spill;
use crate::lake::log::commit::{ATTEMPTS, lost_race};
use crate::lake::paths::{Partition, Role};
use crate::progress::Progress;

/// The part of the room for rows worked on that is one over this holds ids of IERs, looked up together.
const IDS_PART: usize = 2;

/// The links of a load on their way.
pub struct LinkLoad {
    warehouse: Arc<Warehouse>,
    buffer_bytes: usize,
    waiting: Spill,
}

impl LinkLoad {
    /// Of no links yet. Those beyond `buffer_bytes` wait on disk, and those worked on take about as much again.
    pub fn new(warehouse: &Arc<Warehouse>, buffer_bytes: usize) -> Result<Self> {
        let waiting = Spill::new(links::table()?.clone(), Role::Hot, buffer_bytes);
        Ok(Self { warehouse: warehouse.clone(), buffer_bytes, waiting })
    }

    /// Takes links in, to wait.
    pub fn push(&mut self, links: &RecordBatch) -> Result<()> {
        self.waiting.push(links)
    }

    /// How many there are.
    pub fn rows(&self) -> u64 {
        self.waiting.rows()
    }

    /// Bytes of those that wait in memory.
    pub fn held_bytes(&self) -> usize {
        self.waiting.held_bytes()
    }

    /// Puts those that wait in memory on disk.
    pub fn relieve(&mut self) -> Result<()> {
        self.waiting.relieve()
    }

    /// Writes them where their IERs are now, and once more those whose IERs moved while that was done. `failed` is put before
    /// the error of a write: nothing of the links is stored then.
    pub async fn write(&mut self, progress: &Arc<dyn Progress>, failed: impl FnOnce() -> String) -> Result<Counts> {
        let looked_up_at = links::ier_version(&self.warehouse).await?;
        let mut upsert = self.placed().await?;
        progress.say(&format!("writing {}", upsert.table().name));
        let counts = written(&mut upsert, progress).await.context(failed)?;
        self.settle(looked_up_at).await?;
        Ok(counts)
    }

    /// The links with the persons and dates of their IERs. Those that wait and those that are placed take what a load may hold, both
    /// together.
    async fn placed(&mut self) -> Result<Upsert> {
        if self.held_bytes() > self.buffer_bytes / 2 {
            self.relieve()?;
        }
        let mut upsert = Upsert::new(&self.warehouse, links::table()?, self.buffer_bytes - self.held_bytes()).await?;
        let pieces = || futures::stream::iter(self.waiting.pieces(Partition(None)));
        let ids_bytes = self.buffer_bytes / IDS_PART;
        with_homes(&self.warehouse, (pieces(), pieces()), ids_bytes, |links, homes| upsert.push(&homes.give(links)?)).await?;
        Ok(upsert)
    }

    /// Places the links anew where IERs have changed since they were looked up.
    async fn settle(&self, looked_up_at: Option<u64>) -> Result<()> {
        if links::ier_version(&self.warehouse).await? != looked_up_at {
            for piece in self.waiting.pieces(Partition(None)) {
                links::settle_anew(&self.warehouse, links::ier_ids(&piece?)?).await?;
            }
        }
        Ok(())
    }
}

/// Folds and commits, again as long as others come first.
async fn written(upsert: &mut Upsert, progress: &Arc<dyn Progress>) -> Result<Counts> {
    for _ in 0..ATTEMPTS {
        let prepared = match upsert.prepare(progress).await {
            // Others committed and deleted files meanwhile.
            Err(error) if lost_race(&error) => continue,
            done => done?,
        };
        match upsert.commit(prepared).await {
            Err(error) if lost_race(&error) => progress.say("somebody else wrote first: writing again"),
            done => return done,
        }
    }
    Err(Error::conflict("others change the table all the time: try again when they are done"))
}
