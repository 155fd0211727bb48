//! `ier verify --undo-foreign`: takes back what other engines committed to our tables, which are unreadable since. Changes logs
//! only; wants `--confirm`. [`crate::lake::log::foreign`] explains what can be taken back.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::human;
use crate::lake::log::foreign::{self, Found};
use crate::lake::log::table::LakeTable;
use crate::lake::paths::Role;
use crate::ledgers::runs::Report;
use crate::record::fields::TABLES;
use crate::tiers::warehouse::Warehouse;

/// The plan: the foreign entries of each table.
#[derive(Clone, Debug, Serialize)]
pub struct UndoPlan {
    /// Tables in whose logs something was found.
    pub tables: Vec<TableUndo>,
}

/// The foreign entries of one table's log.
#[derive(Clone, Debug, Serialize)]
pub struct TableUndo {
    /// The table.
    pub table: String,
    /// What it is.
    #[serde(flatten)]
    pub found: Found,
    #[serde(skip)]
    lake: Arc<LakeTable>,
}

/// The report: the entries that were taken back.
#[derive(Clone, Debug, Serialize)]
pub struct UndoReport {
    /// Tables whose logs are ours again.
    pub undone: Vec<TableUndo>,
    /// Tables of which nothing could be taken back.
    pub refused: Vec<TableUndo>,
}

impl fmt::Display for TableUndo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:\n  {}", self.table, self.found)
    }
}

impl fmt::Display for UndoPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tables.len() as u64 {
            0 => f.write_str("no other engine wrote into a log"),
            tables => {
                write!(f, "other engines wrote into the logs of {}", human::counted(tables, "table"))?;
                self.tables.iter().try_for_each(|table| write!(f, "\n{table}"))
            }
        }
    }
}

impl fmt::Display for UndoReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.undone.len() as u64 {
            0 => f.write_str("nothing was taken back")?,
            tables => write!(f, "taken back in {}", human::counted(tables, "table"))?,
        }
        self.undone.iter().chain(&self.refused).try_for_each(|table| write!(f, "\n{table}"))
    }
}

impl Report for UndoReport {
    /// Entries of logs, not rows, are what it takes back.
    fn rows(&self) -> u64 {
        0
    }

    fn changed(&self) -> bool {
        !self.undone.is_empty()
    }

    fn complaint(&self) -> Option<Error> {
        if let Some(TableUndo { table, found: Found { refused: Some(refused), .. }, .. }) = self.refused.first() {
            return Some(Error::corrupt(phrase!("{table} cannot be taken back: {refused}")));
        }
        let missing = self.undone.iter().find(|undone| !undone.found.missing.is_empty())?;
        Some(Error::corrupt(phrase!(
            "{}: {} gone, of those that are live again: `ier verify --give-up` says what was in them",
            missing.table,
            human::counted(missing.found.missing.len() as u64, "file")
        )))
    }
}

/// Looks into all logs for what others wrote. Reads no table, since it is for tables that cannot be read.
///
/// # Errors
/// Unavailable when the store does not answer.
pub async fn plan(warehouse: &Arc<Warehouse>) -> Result<UndoPlan> {
    let mut lakes = Vec::new();
    for table in TABLES.iter() {
        let roles: &[Role] = if table.tiered { &[Role::Hot, Role::Archive] } else { &[Role::Reference] };
        for role in roles {
            lakes.push(warehouse.table(*role, table).await?);
        }
    }
    for name in warehouse.attribute_names().await? {
        // Its columns are in its log; they are not needed here.
        lakes.push(warehouse.bare_attributes(&name)?);
    }
    let mut tables = Vec::new();
    for lake in lakes {
        if let Some(found) = foreign::look(warehouse.root(), &lake).await? {
            tables.push(TableUndo { table: lake.name(), found, lake });
        }
    }
    Ok(UndoPlan { tables })
}

/// Takes back what can be, table by table; each is as it was when its turn is over.
///
/// # Errors
/// Conflict when somebody is writing to one of the logs; unavailable when the store does not answer. The same command goes on.
pub async fn execute(plan: UndoPlan) -> Result<UndoReport> {
    let (refused, undone): (Vec<_>, Vec<_>) = plan.tables.into_iter().partition(|table| table.found.refused.is_some());
    for table in &undone {
        foreign::undo(&table.lake, &table.found).await?;
    }
    Ok(UndoReport { undone, refused })
}
