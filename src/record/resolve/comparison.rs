//! Compares loaded versions with the resolved rows, for the counts of a load: which say nothing new, and which have lost against a
//! newer version. Both changed nothing.

use arrow::array::{DynComparator, RecordBatch, make_comparator};
use arrow::compute::SortOptions;

use super::{Resolver, own};
use crate::error::Result;
use crate::record::fields::{CUSTOM, Table};
use crate::record::kept::Kept;
use crate::record::stamp::Stamp;

/// Loaded versions beside the resolved rows.
pub struct RowComparison<'a> {
    versions: Resolver<'a>,
    rows: Resolver<'a>,
    /// Of each register, the versions' values beside those that stand.
    compare: Vec<DynComparator>,
    is_ledger: bool,
}

impl<'a> RowComparison<'a> {
    /// Of versions, and of rows of the same table.
    ///
    /// # Errors
    /// Only when one of them does not have the table's columns.
    pub fn new(table: &'a Table, versions: &'a RecordBatch, rows: &'a RecordBatch) -> Result<Self> {
        let (versions, rows) = (Resolver::new(table, versions, None)?, Resolver::new(table, rows, None)?);
        let options = SortOptions { descending: false, nulls_first: true };
        let pairs = versions.columns.iter().zip(&rows.columns);
        let compare = pairs.map(|(incoming, stands)| Ok(make_comparator(&incoming.values, &stands.values, options)?));
        let compare = compare.collect::<Result<_>>()?;
        Ok(Self { versions, rows, compare, is_ledger: table.ledger })
    }

    /// Does a version say nothing but what a row that stands holds? Then it was here already; else, where it did not make the row, it
    /// is outdone: older, or of the same age and with a value that another of that age goes before.
    ///
    /// A version without any stamp proves no age, and is held against the values alone.
    ///
    /// # Errors
    /// Corrupt when notes cannot be read.
    pub fn says_nothing_new(&self, version: u32, row: u32) -> Result<bool> {
        let own = self.versions.stamp(version);
        if self.is_ledger {
            // What is stored stays, and is not compared with what is loaded.
            return Ok(true);
        }
        if own != Stamp::default() && own < self.rows.stamp(row) {
            return Ok(false);
        }
        let kept = self.versions.kept(version).map_or_else(|| Ok(Kept::default()), Kept::parse)?;
        Ok(self.versions.columns.iter().enumerate().all(|(at, column)| {
            let is_silent = || self.versions.register(column, version, &kept).is_none();
            if (self.compare[at])(version as usize, row as usize).is_eq() || is_silent() {
                return true;
            }
            let stands = || self.rows.columns[at].text(row);
            column.name == CUSTOM && column.text(version).is_some_and(|text| own::says_nothing_else(&text, stands().as_deref()))
        }))
    }
}
