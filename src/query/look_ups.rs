//! The log of look-ups, as the engine writes it: everything that shows a person leaves an entry before the first row is shown.
//!
//! It is part of the engine, so no front end can bypass it. Entries are written for the history, for audits, for the search for people,
//! and for statements that name a person to `contact_history` or `person_ids`, or in a condition (`super::named`). A statement about
//! everybody is not a look-up.
//!
//! An engine that was opened without a log writes no entries: in tests, and in jobs, which do not ask about a person. `ier` always opens
//! one with a log.

use std::collections::HashMap;
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
    /// The log, opened.
    pub(super) async fn log(&self, warehouse: &Warehouse) -> Result<&LookUpLog> {
        self.log.get_or_try_init(|| LookUpLog::open(warehouse, &self.requester.who, self.requester.key.as_deref())).await
    }
}

/// The logs of an engine by who makes the look-ups, so that nobody's is opened twice.
#[derive(Default)]
pub(super) struct Logs(Mutex<HashMap<String, Arc<OnceCell<LookUpLog>>>>);

impl Logs {
    /// The log as this requester writes it.
    pub(super) fn of(&self, requester: Requester) -> LookUps {
        let mut logs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let log = logs.entry(requester.who.clone()).or_default().clone();
        LookUps { requester, log }
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
