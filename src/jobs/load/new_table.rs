//! Refuses a new table of people's attributes whose name is nearly that of an existing one.
//!
//! **Why.** A file of people's attributes makes a table of its name. With a mistyped name, its rows would go to a table that nobody
//! queries.

use crate::error::{Error, Result};
use crate::human;
use crate::record::fields::{TABLES, known};
use crate::tiers::warehouse::Warehouse;

/// Refuses a new table whose name is a letter or two from one there is.
///
/// # Errors
/// Invalid, naming the one that may be meant.
pub(super) async fn may_be_made(warehouse: &Warehouse, name: &str) -> Result<()> {
    if known(name).is_some() {
        return Ok(());
    }
    let stored = warehouse.attribute_names().await?;
    if stored.iter().any(|there| there == name) {
        return Ok(());
    }
    let known = TABLES.iter().flat_map(|table| [Some(table.name.as_ref()), table.short]).flatten();
    match human::meant(name, known.chain(stored.iter().map(String::as_str))) {
        None => Ok(()),
        Some(meant) => Err(Error::invalid(phrase!(
            "there is no table {name} yet, and there is {meant}: load with --as {meant} if it is meant, or with --force to make {name}"
        ))),
    }
}
