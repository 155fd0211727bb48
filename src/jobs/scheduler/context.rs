//! What the scheduler hands to its jobs: the warehouse, the user, and their settings.

use std::sync::Arc;

use crate::jobs::compact::CompactOptions;
use crate::query::limits::Limits;
use crate::settings::retain::Retain;
use crate::tiers::warehouse::Warehouse;

/// What the jobs of a scheduler are given.
#[derive(Clone, Debug)]
pub struct JobContext {
    /// The warehouse the jobs work on.
    pub warehouse: Arc<Warehouse>,
    /// The user on whose behalf they run, as the ledger names them.
    pub who: String,
    /// Rows older than this many days go to the archive.
    pub archive_older_than_days: u32,
    /// The limits of compaction.
    pub compact: CompactOptions,
    /// The key of the log of look-ups, where the settings name one.
    pub look_up_key: Option<String>,
    /// The limits of the jobs' statements.
    pub limits: Limits,
    /// How long records are kept.
    pub retain: Retain,
}
