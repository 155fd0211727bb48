//! Pins one version of each table that an audit reads, so that the answer and its evidence come from the same data.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::lake::log::snapshot::Snapshot;
use crate::lake::log::table::LakeTable;
use crate::lake::paths::Role;
use crate::query::engine::Engine;
use crate::query::planner::late::LateKeys;
use crate::record::fields::known;
use crate::tiers::pin::pin;
use crate::tiers::warehouse::Warehouse;

/// The tables that audits read, among them those that say which ids are one person.
const ASKED: [&str; 10] = [
    "individual_email_result",
    "individual_link",
    "not_sent",
    "email_send",
    "triggered_send",
    "business_unit",
    "contact",
    "lead",
    "person_alias",
    "load_coverage",
];

/// One version of each table.
pub struct PinnedVersions {
    /// In the order of [`ASKED`]; of a tiered table hot before archive.
    pub tables: Vec<PinnedTable>,
    /// Rows may be read straight from the bytes of their pages.
    pub raw_pages: bool,
}

/// One version of one lake table.
pub struct PinnedTable {
    /// The table.
    pub lake: Arc<LakeTable>,
    /// What it was then.
    pub snapshot: Arc<Snapshot>,
    /// For the archive of a tiered table: the keys that late rows of its hot tier override.
    pub late: Option<LateKeys>,
}

impl PinnedVersions {
    /// The newest version of each table; both tiers of a tiered one as Rule 7 wants it.
    pub async fn now(warehouse: &Warehouse, engine: &Engine) -> Result<Self> {
        let mut tables = Vec::new();
        for name in ASKED {
            let table = known(name).ok_or_else(|| Error::internal(phrase!("there is no table {name}")))?;
            if table.tiered {
                let tiers = warehouse.tiers(table).await?;
                let pinned = pin(&tiers).await?;
                let late = LateKeys::read(&tiers.hot, &pinned).await?;
                tables.push(PinnedTable { lake: tiers.hot, snapshot: pinned.hot, late: None });
                tables.push(PinnedTable { lake: tiers.archive, snapshot: pinned.archive, late: Some(late) });
            } else {
                let lake = warehouse.table(Role::Reference, table).await?;
                let snapshot = lake.snapshot().await?;
                tables.push(PinnedTable { lake, snapshot, late: None });
            }
        }
        Ok(Self { tables, raw_pages: engine.limits().shortcuts.raw_pages })
    }

    /// Has no table been written to since? Versions only grow, so whatever was read between saw these.
    pub async fn is_newest(&self) -> Result<bool> {
        for pinned in &self.tables {
            if pinned.lake.snapshot().await?.version != pinned.snapshot.version {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The lake tables of this name.
    pub fn of(&self, name: &str) -> impl Iterator<Item = (usize, &PinnedTable)> {
        self.tables.iter().enumerate().filter(move |(_, pinned)| pinned.lake.table.name == name)
    }
}
