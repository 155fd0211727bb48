//! Selects the files that hold rows a statement wants, by counting these rows in the rollups.
//!
//! The log's bounds exclude files by person and by day. The attributes of a send, or whether an e-mail was opened or bounced, are
//! spread over all files: there the rollup ([`crate::lake::file::rollup`]) counts the rows that pass the filters. Files with none
//! are left out. Where few rows of a file are wanted, the columns that no filter uses are decoded for these rows alone.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{FieldRef, Int64Type, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::physical_expr::PhysicalExpr;
use futures::{StreamExt, TryStreamExt, stream};

use super::exactness::is_exact;
use super::shortcuts::Shortcuts;
use crate::error::{Error, Result};
use crate::lake::columns;
use crate::lake::file::rollup::{self, ROWS, exactness};
use crate::lake::file::tags;
use crate::lake::log::snapshot::DataFile;
use crate::lake::log::table::LakeTable;
use crate::lake::read::appendix_scan::rollup_of;
use crate::lake::read::tier::Tier;
use crate::record::fields::{TIER, Table};

type Files = Vec<Arc<DataFile>>;

/// Rollups on their way at once.
const AHEAD: usize = 64;

/// Rows are few when fewer than one in so many is wanted.
const FEW: u64 = 20;

/// The part of a statement's filters that rollups can judge.
pub struct Selection {
    wanted: Arc<dyn PhysicalExpr>,
    /// The columns it asks for, and how many rows there are.
    schema: SchemaRef,
}

impl Selection {
    /// What rollups can judge of these filters; none where they tell nothing of it, or nothing the log does not.
    pub fn of(table: &Table, filters: &[Expr], state: &dyn Session) -> Result<Option<Self>> {
        if !rollup::is_kept(table) || !Shortcuts::of(state.config_options()).selection {
            return Ok(None);
        }
        let parts = filters.iter().flat_map(split_conjunction).filter(|part| is_exact(part, &|column| exactness(&column.name)));
        let Some(wanted) = conjunction(parts.cloned()) else { return Ok(None) };
        let columns: Vec<String> = wanted.column_refs().into_iter().map(|column| column.name.clone()).collect();
        let is_of_log = |column: &String| [TIER, rollup::SENT, rollup::DAY].contains(&column.as_str());
        if columns.iter().all(is_of_log) {
            return Ok(None);
        }
        let all = columns::schema(table);
        let [rows, ..] = rollup::own_fields();
        let named = all.fields().iter().filter(|field| columns.contains(field.name())).cloned();
        let fields: Vec<FieldRef> = named.chain([Arc::new(rows)]).collect();
        let schema = Arc::new(Schema::new(fields));
        let wanted = state.create_physical_expr(wanted, &DFSchema::try_from(schema.clone())?)?;
        Ok(Some(Self { wanted, schema }))
    }

    /// Of a tier's files, those in which there are such rows, or may be, and whether these are few of theirs.
    ///
    /// # Errors
    /// Corrupt, naming the file, when a rollup is damaged.
    pub async fn choose(&self, lake: &LakeTable, (files, tier): (Files, Tier)) -> Result<(Files, Tier)> {
        let judged = stream::iter(files.into_iter().map(|file| async move {
            let wanted = match file.tag(tags::ROLLUP) {
                // What cannot be computed of a rollup is computed, or fails, where the rows are.
                Some(_) => self.rows(&*rollup_of(lake, &file).await?, tier.name).unwrap_or(file.rows),
                None => file.rows,
            };
            Ok::<_, Error>((file, wanted))
        }));
        let judged: Vec<(Arc<DataFile>, u64)> = judged.buffered(AHEAD).try_collect().await?;
        let kept: Vec<(Arc<DataFile>, u64)> = judged.into_iter().filter(|(_, wanted)| *wanted > 0).collect();
        let sum = |of: fn(&(Arc<DataFile>, u64)) -> u64| kept.iter().map(of).sum::<u64>();
        let few = sum(|(_, wanted)| *wanted) * FEW < sum(|(file, _)| file.rows);
        Ok((kept.into_iter().map(|(file, _)| file).collect(), Tier { few, ..tier }))
    }

    /// How many rows of a file are wanted.
    fn rows(&self, rollup: &rollup::Rollup, tier: &str) -> Result<u64> {
        let batch = rollup.batch(&self.schema, tier)?;
        let wanted = self.wanted.evaluate(&batch)?.into_array(batch.num_rows())?;
        let rows = batch.column(batch.num_columns() - 1).as_primitive::<Int64Type>();
        debug_assert_eq!(self.schema.field(batch.num_columns() - 1).name(), ROWS);
        let Some(wanted) = wanted.as_boolean_opt() else { return Err(Error::internal("a filter is no condition")) };
        Ok((0..batch.num_rows())
            .filter(|row| wanted.is_valid(*row) && wanted.value(*row))
            .map(|row| rows.value(row) as u64)
            .sum())
    }
}
