//! What the jobs need to know.

use std::sync::Arc;

use crate::jobs::compact::CompactOptions;
use crate::query::limits::Limits;
use crate::settings::retain::Retain;
use crate::tiers::warehouse::Warehouse;

/// What the jobs need to know.
#[derive(Clone, Debug)]
pub struct Shift {
    /// Where.
    pub warehouse: Arc<Warehouse>,
    /// For whom, as the ledger names them.
    pub who: String,
    /// What goes to the archive.
    pub archive_older_than_days: u32,
    /// How far compaction goes.
    pub compact: CompactOptions,
    /// The key of the log of look-ups, where the settings name one.
    pub look_up_key: Option<String>,
    /// What the statements of jobs may use.
    pub limits: Limits,
    /// How long records are kept.
    pub retain: Retain,
}
