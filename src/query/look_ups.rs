//! The log of look-ups, as the engine writes it: everything that shows a person leaves an entry before the first row is shown.
//!
//! It is part of the engine, so no front end can bypass it. Entries are written for the history, for audits, for the search for people,
//! and for statements that name a person to `contact_history` or `person_ids`, or in a condition (`super::named`). A statement about
//! everybody is not a look-up.
//!
//! An engine that was opened without a log writes no entries: in tests, and in jobs, which do not ask about a person. `ier` always opens
//! one with a log.

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
    pub(super) requester: Requester,
    log: Arc<OnceCell<LookUpLog>>,
}

impl LookUps {
    pub(super) fn of(requester: Requester) -> Self {
        Self { requester, log: Arc::default() }
    }

    /// The same for this requester; of the same person it is the same log, which is not opened again.
    pub(super) fn now_by(&self, requester: Requester) -> Self {
        let is_same = (&requester.who, &requester.key) == (&self.requester.who, &self.requester.key);
        Self { log: if is_same { self.log.clone() } else { Arc::default() }, requester }
    }

    /// The log, opened.
    pub(super) async fn log(&self, warehouse: &Warehouse) -> Result<&LookUpLog> {
        self.log.get_or_try_init(|| LookUpLog::open(warehouse, &self.requester.who, self.requester.key.as_deref())).await
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
