//! Enters a statement's look-ups in the log ([`super::look_ups`]). If a reason is required and missing, the look-up is refused. The
//! entry is written before a row is shown.

use arrow::array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt, stream};

use super::engine::Engine;
use super::look_ups::AskedAbout;
use super::policy::errors::Denied;
use crate::error::Result;
use crate::ledgers::lookups::LookUp;
use crate::record::id::SfId;

/// Rows of a statement that are held back until its look-up is written. For a longer answer the entry counts only these rows.
const HELD_ROWS: usize = 100_000;

impl Engine {
    /// Must whoever looks somebody up say why?
    pub fn wants_reason(&self) -> bool {
        self.look_ups().is_some_and(|look_ups| look_ups.requester.reason_required && look_ups.requester.reason.is_none())
    }

    /// The key of the log, where the settings name one.
    pub fn look_up_key(&self) -> Option<&str> {
        self.look_ups().and_then(|look_ups| look_ups.requester.key.as_deref())
    }

    /// Refuses a look-up, before anything is computed, where a reason is required and none was given.
    ///
    /// # Errors
    /// Invalid, with what to do.
    pub fn may_look_up(&self) -> Result<()> {
        let Some(policy) = self.policy() else {
            return self.look_ups().map_or(Ok(()), |look_ups| look_ups.requester.check());
        };
        policy.check_looks_up()?;
        match self.look_ups().map(|look_ups| look_ups.requester.check()) {
            Some(Ok(())) => Ok(()),
            // Whoever came over the network has no flags.
            _ => Err(Denied::error("say why you look: SET ier.reason = 'ticket 4711' in SQL, the field reason elsewhere")),
        }
    }

    /// Opens the log beside other work, so that an entry does not wait for it later.
    pub async fn open_look_ups(&self) -> Result<()> {
        match self.look_ups() {
            Some(look_ups) => look_ups.log(self.warehouse()).await.map(drop),
            None => Ok(()),
        }
    }

    /// Writes the entry of a look-up; to be called before any row of it is shown.
    ///
    /// # Errors
    /// Invalid where a reason is wanted and none was given; unavailable when the log cannot be written: then nothing may be shown.
    pub async fn looked_up(&self, verb: &str, person: &SfId, rows: u64) -> Result<()> {
        self.may_look_up()?;
        let Some(look_ups) = self.look_ups() else { return Ok(()) };
        let reason = look_ups.requester.reason.as_deref();
        let log = look_ups.log(self.warehouse()).await?;
        log.append(LookUp { verb, person: *person, reason, rows }).await.map(drop)
    }

    /// Enters whom a statement asked about, with the rows it found, before they are shown.
    pub(super) async fn after_entry(
        &self,
        asked: &AskedAbout,
        mut answer: SendableRecordBatchStream,
    ) -> Result<SendableRecordBatchStream> {
        let asked = asked.drained();
        if asked.is_empty() || self.look_ups().is_none() {
            return Ok(answer);
        }
        self.may_look_up()?;
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
