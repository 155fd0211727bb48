//! The log of look-ups as the engine writes it: whatever shows somebody leaves an entry before the first row is shown.
//!
//! It stands here, below all doors, so that none can pass it by: the history, audits, the search for people, and statements that
//! name a person to `contact_history` or `person_ids`, whoever asks them. A statement over everybody is no look-up of anybody.
//!
//! An engine that was opened without a log (for jobs, which ask about nobody, and tests) writes none; `ier` opens none without.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::OnceCell;

use super::engine::Engine;
use crate::error::{Error, Result};
use crate::ledgers::lookups::{LookUp, LookUpLog};
use crate::record::id::SfId;
use crate::tiers::warehouse::Warehouse;

/// Rows of a statement that are held until its look-up is written; of a longer answer these are the rows the entry tells of.
const HELD_ROWS: usize = 100_000;

/// Who looks, and why.
#[derive(Clone, Debug, Default)]
pub struct Looker {
    /// Their name, for the log.
    pub who: String,
    /// The key of the log, where the settings name one.
    pub key: Option<String>,
    /// Why, as stated.
    pub reason: Option<String>,
    /// Is nobody shown without a reason?
    pub reason_required: bool,
}

impl Looker {
    /// Refuses silence where a reason is wanted.
    ///
    /// # Errors
    /// Invalid, with what to do.
    pub fn check(&self) -> Result<()> {
        if self.reason_required && self.reason.is_none() {
            return Err(Error::invalid("say why you look, with --reason TEXT: audit.reason_required asks for it"));
        }
        Ok(())
    }
}

/// The log, opened when it is first needed.
pub(super) struct LookUps {
    looker: Looker,
    log: OnceCell<LookUpLog>,
}

impl LookUps {
    pub(super) fn of(looker: Looker) -> Self {
        Self { looker, log: OnceCell::new() }
    }

    async fn log(&self, warehouse: &Warehouse) -> Result<&LookUpLog> {
        self.log.get_or_try_init(|| LookUpLog::open(warehouse, &self.looker.who, self.looker.key.as_deref())).await
    }
}

/// Whom a statement asks about, and by which function, gathered while it is planned.
#[derive(Clone, Debug, Default)]
pub(in crate::query) struct AskedAbout(Arc<Mutex<Vec<(&'static str, SfId)>>>);

impl AskedAbout {
    /// Notes somebody; the same person once.
    pub(in crate::query) fn note(&self, function: &'static str, id: SfId) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !asked.iter().any(|(_, known)| *known == id) {
            asked.push((function, id));
        }
    }

    fn taken(&self) -> Vec<(&'static str, SfId)> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Engine {
    /// Refuses to show somebody where a reason is wanted and none was given: before anything is computed.
    ///
    /// # Errors
    /// Invalid, with what to do.
    pub fn may_look_up(&self) -> Result<()> {
        self.look_ups().map_or(Ok(()), |look_ups| look_ups.looker.check())
    }

    /// Opens the log beside other work, so that an entry does not wait for it later.
    pub async fn open_look_ups(&self) -> Result<()> {
        match self.look_ups() {
            Some(look_ups) => look_ups.log(self.warehouse()).await.map(drop),
            None => Ok(()),
        }
    }

    /// Enters that somebody was looked up: to be called before anything of it is shown.
    ///
    /// # Errors
    /// Invalid where a reason is wanted and none was given; unavailable when the log cannot be written: then nothing may be shown.
    pub async fn looked_up(&self, verb: &str, person: &SfId, rows: u64) -> Result<()> {
        let Some(look_ups) = self.look_ups() else { return Ok(()) };
        look_ups.looker.check()?;
        let reason = look_ups.looker.reason.as_deref();
        let log = look_ups.log(self.warehouse()).await?;
        log.append(LookUp { verb, person: *person, reason, rows }).await.map(drop)
    }

    /// Enters whom a statement asked about, with the rows it found, before they are shown.
    pub(super) async fn after_entry(
        &self,
        asked: &AskedAbout,
        mut answer: SendableRecordBatchStream,
    ) -> Result<SendableRecordBatchStream> {
        let asked = asked.taken();
        if asked.is_empty() || self.look_ups().is_none() {
            return Ok(answer);
        }
        let schema = answer.schema();
        let mut held: Vec<RecordBatch> = Vec::new();
        let mut rows = 0;
        while rows < HELD_ROWS {
            let Some(batch) = answer.try_next().await? else { break };
            rows += batch.num_rows();
            held.push(batch);
        }
        for (function, person) in asked {
            self.looked_up(function, &person, rows as u64).await?;
        }
        let all = stream::iter(held.into_iter().map(Ok)).chain(answer);
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, all)))
    }
}
