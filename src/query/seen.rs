//! What may be seen by whom a statement is for, with the units as they are when it begins.

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::ParamValues;
use futures::TryStreamExt;

use super::engine::Engine;
use super::policy::Seen;
use super::policy::units::{Row, SENDS, Units};
use crate::error::Result;

impl Engine {
    /// What may be seen; `None` for everything. What asks for itself, on the way to somebody who is looked up, sees everything.
    ///
    /// # Errors
    /// Invalid where the statement, or a look-up, is not for whoever asks.
    pub(super) async fn seen(&self, is_asked: bool) -> Result<Seen> {
        let Some(policy) = self.policy() else { return Ok(None) };
        if !is_asked {
            policy.check_looks_up()?;
            return Ok(None);
        }
        policy.check_asks()?;
        let units = if policy.units.is_empty() { None } else { Some(self.units(&policy.units).await?) };
        Ok(Some((policy.clone(), units)))
    }

    /// What is of the units of these names. Read each time: sends come with every load.
    async fn units(&self, names: &[String]) -> Result<Units> {
        let engine = self.unrestricted();
        let batches: Vec<_> = engine.sql_within(SENDS, ParamValues::List(Vec::new())).await?.try_collect().await?;
        let mut texts = Vec::with_capacity(batches.len());
        for batch in &batches {
            let columns = batch.columns().iter().map(|column| cast(column, &DataType::Utf8View));
            texts.push(columns.collect::<Result<Vec<_>, _>>()?);
        }
        let rows = texts.iter().flat_map(|columns| {
            let text = |column: usize, row: usize| {
                let texts = columns[column].as_string_view();
                texts.is_valid(row).then(|| texts.value(row))
            };
            let rows = columns.first().map_or(0, |column| column.len());
            (0..rows).filter_map(move |row| {
                let names = [text(2, row), text(3, row), text(4, row)];
                Some(Row { kind: text(0, row)?, id: text(1, row)?, names })
            })
        });
        Ok(Units::of_rows(rows, names))
    }
}
