//! What somebody may see: which rows, which columns as they are, and which under a mask.
//!
//! A policy is laid over a statement's plan when views and functions have become plans, and before anything is rewritten: each table that
//! is read is replaced by its rows that may be seen, under a [`barrier`], with its columns under their masks. So whatever a statement does
//! (filter, group, join, sort, call) it does to what may be seen, and its answer is the one it would have over data that were filtered
//! and masked beforehand. A table of which nothing is known here is refused.
//!
//! # Decisions
//! - 2026-11-29 **The plan is rewritten, not the catalog.** Views, history and `ier_as_of` hold tables of their own, and a catalog for each
//!   person would pass by them. Refused: filters without a barrier; DataFusion moves a condition that may fail below them, and its error
//!   shows a value of a row that is hidden.
//! - 2026-11-29 **Where all rows may be seen there is no barrier**, only masks: these are expressions that cannot fail, over which every
//!   rewriting is right anyway. Rollups answer such a statement as they do everybody's.
//! - 2026-11-29 **Ids of people are shown to analysts, and a condition on one is refused.** Without ids nothing is counted by person or
//!   joined; who wants them hidden gives the mask `hash`, by which they still join, and `people(…)` then counts nobody.

use std::fmt;
use std::sync::Arc;

use datafusion::catalog::default_table_source::source_as_provider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::common::{Column, Result as DfResult};
use datafusion::functions_table::generate_series::GenerateSeriesTable;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableScan, lit};

use self::barrier::Barrier;
use self::columns::ByUnit;
use self::errors::Denied;
use self::masks::{Mask, Masks};
use self::units::Units;
use super::as_of::AsOf;
use super::files::{self, DataFiles};
use super::functions::looked_up::LookedUp;
use super::planner::provider::TableView;
use crate::error::Result;
use crate::record::fields::hidden;

// How a column is masked, and the names people have for that.
pub mod masks;

// What of each table is shown as it is.
mod columns;

// The functions by which values are masked and rows told apart.
mod functions;

// The node that nothing moves across.
pub mod barrier;

// Errors without values.
pub mod errors;

// Which sends are those of some business units.
pub(super) mod units;

/// What somebody may see.
#[derive(Clone, Eq, PartialEq)]
pub struct Policy {
    /// What they are there for, as they are told.
    pub role: &'static str,
    /// They may ask in SQL.
    pub may_ask: bool,
    /// They may look somebody up.
    pub may_look_up: bool,
    /// They see all rows and columns as they are.
    pub is_raw: bool,
    /// The business units whose sends they see, by name, id or MID; empty for all.
    pub units: Vec<String>,
    /// How columns are masked, where that is not as usual.
    pub masks: Masks,
    /// The key of hashes.
    pub key: [u8; 32],
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy").field("role", &self.role).finish_non_exhaustive()
    }
}

/// What a scan is of.
enum Scanned<'a> {
    /// A table of records, or one made of them.
    Table(&'a str),
    /// Rows of one person who was looked up.
    Person,
    /// Numbers that were counted, names of tables and columns: nobody's data.
    Nothing,
}

impl Policy {
    /// Refuses statements of those who are not there to ask any.
    ///
    /// # Errors
    /// Invalid, by [`Denied`].
    pub(super) fn check_asks(&self) -> Result<()> {
        let role = self.role;
        match self.may_ask {
            true => Ok(()),
            false => Err(Denied::error(phrase!("statements are not for the role {role}"))),
        }
    }

    /// Refuses look-ups of those who are not there to make any.
    ///
    /// # Errors
    /// Invalid, by [`Denied`].
    pub(super) fn check_looks_up(&self) -> Result<()> {
        let role = self.role;
        match self.may_look_up {
            true => Ok(()),
            false => Err(Denied::error(phrase!("looking at one person is not for the role {role}"))),
        }
    }

    /// The same statement over what may be seen. `units` are those of the policy, as they are now.
    pub(super) fn laid_over(&self, plan: LogicalPlan, units: Option<&Units>) -> DfResult<LogicalPlan> {
        if self.is_raw {
            return Ok(plan);
        }
        plan.transform_up_with_subqueries(|node| match &node {
            LogicalPlan::TableScan(scan) => Ok(Transformed::yes(self.seen(scan, units)?)),
            LogicalPlan::Analyze(_) => Err(self.shows_too_much("EXPLAIN ANALYZE").into()),
            LogicalPlan::Explain(explain) if explain.verbose => Err(self.shows_too_much("EXPLAIN VERBOSE").into()),
            _ => Ok(Transformed::no(node)),
        })
        .data()
    }

    fn shows_too_much(&self, what: &'static str) -> crate::error::Error {
        let role = self.role;
        Denied::error(phrase!("{what} shows figures of files and is not for the role {role}; EXPLAIN alone is"))
    }

    /// What may be seen of a table, with the same columns.
    fn seen(&self, scan: &TableScan, units: Option<&Units>) -> DfResult<LogicalPlan> {
        let provider = source_as_provider(&scan.source)?;
        let table = match scanned(scan, provider.as_ref()) {
            Some(Scanned::Table(table)) => table.to_owned(),
            Some(Scanned::Person) if self.may_look_up => return Ok(LogicalPlan::TableScan(scan.clone())),
            Some(Scanned::Nothing) => return Ok(LogicalPlan::TableScan(scan.clone())),
            _ => return Err(self.unknown(scan)),
        };
        // A plan that was rewritten before has moved conditions already.
        if !scan.filters.is_empty() || scan.fetch.is_some() {
            return Err(self.unknown(scan));
        }
        let mut plan = LogicalPlanBuilder::scan(scan.table_name.clone(), scan.source.clone(), None)?;
        let column = |name: &str| Expr::Column(Column::new(Some(scan.table_name.clone()), name));
        if let Some(units) = units {
            let by_unit = columns::known(&table).map_or(ByUnit::Untold, |known| known.by_unit);
            let is_seen = match by_unit {
                ByUnit::Nobodys => None,
                ByUnit::Untold => {
                    let name = scan.table_name.table().to_owned();
                    return Err(Denied::error(phrase!(
                        "rows of {name} cannot be told by business unit, and you see some units only"
                    ))
                    .into());
                }
                ByUnit::Sends(of) => {
                    let each = of.iter().map(|(name, of)| functions::is_among(column(name), units.of(*of)));
                    Some(each.reduce(Expr::or).unwrap_or_else(|| lit(false)))
                }
            };
            if let Some(is_seen) = is_seen {
                plan = LogicalPlanBuilder::from(Barrier::above(plan.filter(is_seen)?.build()?));
            }
        }
        let masked = scan.projected_schema.iter().map(|(_, field)| {
            let (name, plain) = (field.name(), column(field.name()));
            let mask = self.mask(&table, name);
            match mask == Mask::Shown {
                true => Ok(plain),
                false => {
                    let masked = functions::masked(plain, field.data_type(), &mask, &self.key)?;
                    Ok(masked.alias_qualified(Some(scan.table_name.clone()), name))
                }
            }
        });
        plan.project(masked.collect::<DfResult<Vec<_>>>()?)?.build()
    }

    /// How a column is masked. Observations hold values of all columns, and are never shown.
    fn mask(&self, table: &str, column: &str) -> Mask {
        match self.masks.of(table, column) {
            Some(mask) if column != hidden::OBSERVED => mask.clone(),
            _ => columns::usual(table, column),
        }
    }

    fn unknown(&self, scan: &TableScan) -> datafusion::error::DataFusionError {
        let (name, role) = (scan.table_name.table().to_owned(), self.role);
        Denied::error(phrase!("{name} is not for the role {role}")).into()
    }
}

/// What a scan is of; `None` where nothing is known of it.
fn scanned<'a>(scan: &TableScan, provider: &'a dyn datafusion::catalog::TableProvider) -> Option<Scanned<'a>> {
    if let Some(view) = provider.downcast_ref::<TableView>() {
        return Some(Scanned::Table(view.name()));
    }
    if provider.is::<AsOf>() {
        return Some(Scanned::Table("individual_email_result"));
    }
    if provider.is::<DataFiles>() {
        return Some(Scanned::Table(files::NAME));
    }
    if provider.is::<LookedUp>() {
        return Some(Scanned::Person);
    }
    let names = ["tables", "columns", "schemata"].contains(&scan.table_name.table());
    let is_names = scan.table_name.schema() == Some("information_schema") && names && provider.is::<StreamingTable>();
    (is_names || provider.is::<GenerateSeriesTable>()).then_some(Scanned::Nothing)
}

/// For whom an engine answers, where it is not for itself.
pub(super) type Seen = Option<(Arc<Policy>, Option<Units>)>;
