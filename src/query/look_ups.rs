//! The log of look-ups, as the engine writes it: whatever shows a person leaves an entry before the first row is shown.
//!
//! It stands here, below all doors, so that none can pass it by: the history, audits, the search for people, and statements that
//! name a person to `contact_history` or `person_ids`, or in a condition (`super::named`), whoever asks them. A statement over
//! everybody is no look-up of anybody.
//!
//! An engine that was opened without a log (for tests, and for jobs, which ask about nobody) writes no entries; `ier` never opens
//! one without.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::error::{Error, Result};
use crate::ledgers::lookups::LookUpLog;
use crate::record::id::SfId;
use crate::tiers::warehouse::Warehouse;

/// Who makes the look-ups, and for which reason.
#[derive(Clone, Debug, Default)]
pub struct Requester {
    /// Their name, for the log.
    pub who: String,
    /// The key of the log, where the settings name one.
    pub key: Option<String>,
    /// Why, as stated.
    pub reason: Option<String>,
    /// Is nobody shown without a reason?
    pub reason_required: bool,
}

impl Requester {
    /// Refuses silence where a reason is wanted.
    ///
    /// # Errors
    /// Invalid, with what to do.
    pub fn check(&self) -> Result<()> {
        if self.reason_required && self.reason.is_none() {
            return Err(Error::invalid(
                "say why you look, with --reason TEXT (a shell takes it at its start: ier sql --reason TEXT): audit.reason_required \
                 asks for it",
            ));
        }
        Ok(())
    }
}

/// The log, opened when it is first needed.
#[derive(Clone)]
pub(super) struct LookUps {
    pub(super) looker: Requester,
    log: Arc<OnceCell<LookUpLog>>,
}

impl LookUps {
    pub(super) fn of(looker: Requester) -> Self {
        Self { looker, log: Arc::default() }
    }

    /// The same for this looker; of the same person it is the same log, which is not opened again.
    pub(super) fn now_by(&self, looker: Requester) -> Self {
        let is_same = (&looker.who, &looker.key) == (&self.looker.who, &self.looker.key);
        Self { log: if is_same { self.log.clone() } else { Arc::default() }, looker }
    }

    /// The log, opened.
    pub(super) async fn log(&self, warehouse: &Warehouse) -> Result<&LookUpLog> {
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

    /// Is one of them so?
    pub(super) fn has(&self, is: impl Fn(&SfId) -> bool) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|(_, known)| is(known))
    }

    /// All of them, once.
    pub(super) fn drained(&self) -> Vec<(&'static str, SfId)> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
