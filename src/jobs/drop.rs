//! `ier drop`: removes a table of people's attributes, with all its rows, in one commit. Wants `--confirm`.
//!
//! It never removes a table of records or a ledger: those have `ier retain` and `ier erase`. The files stay until `ier vacuum`
//! deletes them, so erasures still reach them. A later load makes the table again. Beside a load of the same table one of the two
//! loses its race and begins again, so the table is either loaded or gone. Safe to run twice: the second run finds no table.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::human;
use crate::lake::log::commit::{ATTEMPTS, Change, commit, lost_race};
use crate::ledgers::runs::Report;
use crate::record::fields::{is_hidden, is_span, known};
use crate::tiers::warehouse::Warehouse;

/// The plan of a run.
#[derive(Clone, Debug, Serialize)]
pub struct DropPlan {
    /// The table.
    pub table: String,
    /// Its rows.
    pub rows: u64,
    /// Its columns.
    pub columns: Vec<String>,
}

/// The report of a run.
#[derive(Clone, Debug, Serialize)]
pub struct DropReport {
    /// The table.
    pub table: String,
    /// Rows it had.
    pub rows: u64,
}

impl Report for DropReport {
    fn rows(&self) -> u64 {
        self.rows
    }

    fn changed(&self) -> bool {
        true
    }
}

impl fmt::Display for DropPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rows, columns) = (human::counted(self.rows, "row"), self.columns.join(", "));
        write!(f, "the table {} would go, with {rows} and the columns {columns}", self.table)
    }
}

impl fmt::Display for DropReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dropped the table {}, {}; `ier vacuum` deletes its files", self.table, human::counted(self.rows, "row"))
    }
}

/// Makes the plan: the table, its rows and its columns.
///
/// # Errors
/// Invalid for a table of records or a ledger; not found where there is no such table, naming one that may be meant.
pub async fn plan(warehouse: &Arc<Warehouse>, name: &str) -> Result<DropPlan> {
    let name = name.trim().to_ascii_lowercase();
    if let Some(table) = known(&name) {
        return Err(Error::invalid(phrase!(
            "{} has records, or is kept by ier itself, and is never dropped: `ier retain` removes what has outlived its term, `ier \
             erase` a person",
            table.name
        )));
    }
    let names = warehouse.attribute_names().await?;
    let found = match names.contains(&name) {
        true => warehouse.attributes(&name, None).await?,
        false => None,
    };
    let Some(lake) = found else {
        let missing = Error::not_found(phrase!("there is no table {name} of people's attributes"));
        return Err(match human::meant(&name, names.iter().map(String::as_str)) {
            Some(meant) => missing.also(phrase!("is {meant} meant?")),
            None => missing,
        });
    };
    let snapshot = lake.snapshot().await?;
    let columns = snapshot.columns.iter().filter(|column| !is_hidden(column) && !is_span(column)).cloned().collect();
    Ok(DropPlan { table: name, rows: snapshot.rows(), columns })
}

/// Removes the table that was planned.
///
/// # Errors
/// Conflict when others load into it all the time.
pub async fn execute(warehouse: &Arc<Warehouse>, plan: &DropPlan) -> Result<DropReport> {
    let lake = warehouse.bare_attributes(&plan.table)?;
    for _ in 0..ATTEMPTS {
        let base = lake.snapshot().await?;
        let rows = base.rows();
        let removes = base.files().cloned().collect();
        let change = Change { removes, forgets_columns: true, operation: "drop", ..Change::default() };
        match commit(&lake, &base, change, warehouse.clock().as_ref()).await {
            Err(error) if lost_race(&error) => {}
            done => return done.map(|_| DropReport { table: plan.table.clone(), rows }),
        }
    }
    Err(Error::conflict(phrase!("others load into {} all the time: try again when they are done", plan.table)))
}
