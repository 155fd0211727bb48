//! What SQL sees of a table: hot ∪ (archive without the keys of late rows), or one reference table.
//!
//! Snapshots are pinned in `scan`, so a plan made earlier never reads what a later job swept away.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result as DfResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{PhysicalExpr, projection::ProjectionExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::union::UnionExec;
use tokio::sync::Mutex;

use super::late::{LateKeys, NotLate};
use crate::error::{Error, Result};
use crate::lake::scan;
use crate::lake::snapshot::DataFile;
use crate::lake::table::LakeTable;
use crate::record::fields::{Source, Table, hidden};
use crate::tiers::pin::{Pinned, pin};
use crate::tiers::warehouse::Tiers;

/// Tier names as SQL shows them.
const HOT: &str = "hot";
const ARCHIVE: &str = "archive";

/// A table as SQL sees it.
pub struct TableView {
    table: Arc<Table>,
    schema: SchemaRef,
    /// Where its columns stand in [`scan::schema`].
    places: Vec<usize>,
    lakes: Lakes,
}

enum Lakes {
    Reference(Arc<LakeTable>),
    Tiered { tiers: Tiers, late: Mutex<Option<CachedLate>> },
}

/// The tiers of a table as they were when somebody was asked for: with the ledger of aliases, in one wave of requests. A statement
/// that has it as an extension of its configuration answers from these.
pub struct PinnedBefore {
    /// The name of the table.
    pub table: Cow<'static, str>,
    /// Its tiers.
    pub pinned: Pinned,
}

/// Late keys of the snapshot versions (hot, archive) they were read at.
type CachedLate = ((Option<u64>, Option<u64>), Arc<LateKeys>);

impl fmt::Debug for TableView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {}", self.table.name)
    }
}

impl TableView {
    /// A reference table.
    pub fn reference(lake: Arc<LakeTable>) -> Self {
        Self::new(lake.table.clone(), Lakes::Reference(lake))
    }

    /// A tiered table.
    pub fn tiered(tiers: Tiers) -> Self {
        Self::new(tiers.hot.table.clone(), Lakes::Tiered { tiers, late: Mutex::default() })
    }

    /// The columns SQL shows: those of the files without the hidden ones, and the tier of tiered tables.
    fn new(table: Arc<Table>, lakes: Lakes) -> Self {
        let visible = table.fields.iter().enumerate().filter(|(_, field)| field.source != Source::Hidden).map(|(place, _)| place);
        let tier = table.tiered.then_some(table.fields.len());
        let places: Vec<usize> = visible.chain(tier).collect();
        Self { schema: schema_of(&table, &places), places, table, lakes }
    }

    /// The same with a hidden column shown, as the last one.
    pub fn showing(mut self, hidden: &str) -> Self {
        self.places.extend(self.table.fields.iter().position(|field| field.name == hidden));
        self.schema = schema_of(&self.table, &self.places);
        self
    }

    async fn plan(&self, projection: &[usize], filters: &[Expr], state: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        match &self.lakes {
            Lakes::Reference(lake) => {
                let files = lake.snapshot().await?.files().cloned().collect();
                let files = scan::prune(&self.table, HOT, files, filters, state)?;
                scan::plan(lake, HOT, &files, projection, filters, state)
            }
            Lakes::Tiered { tiers, late } => {
                let pinned = match state.config().get_extension::<PinnedBefore>() {
                    Some(before) if before.table == self.table.name => before.pinned.clone(),
                    _ => pin(tiers).await?,
                };
                let late = late_keys(tiers, &pinned, late).await?;
                let hot = pinned.hot.files().cloned().collect();
                let hot = scan::prune(&self.table, HOT, hot, filters, state)?;
                let archive = pinned.archive.files().cloned().collect();
                let archive = scan::prune(&self.table, ARCHIVE, archive, filters, state)?;
                let (touched, untouched): (Vec<Arc<DataFile>>, Vec<Arc<DataFile>>) =
                    archive.into_iter().partition(|file| late.touches(file));
                let mut plans = Vec::new();
                if !hot.is_empty() {
                    plans.push(scan::plan(&tiers.hot, HOT, &hot, projection, filters, state)?);
                }
                if !untouched.is_empty() {
                    plans.push(scan::plan(&tiers.archive, ARCHIVE, &untouched, projection, filters, state)?);
                }
                if !touched.is_empty() {
                    plans.push(self.overridden(&tiers.archive, &touched, projection, filters, late, state)?);
                }
                match plans.len() {
                    0 => scan::plan(&tiers.hot, HOT, &[], projection, filters, state),
                    1 => Ok(plans.remove(0)),
                    _ => Ok(UnionExec::try_new(plans)?),
                }
            }
        }
    }

    /// Archive files of months with late rows, without the rows those override.
    fn overridden(
        &self,
        archive: &Arc<LakeTable>,
        files: &[Arc<DataFile>],
        projection: &[usize],
        filters: &[Expr],
        late: Arc<LateKeys>,
        state: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let key = scan::schema(&self.table).index_of(hidden::KEY)?;
        let mut with_key = projection.to_vec();
        with_key.push(key);
        let scan = scan::plan(archive, ARCHIVE, files, &with_key, filters, state)?;
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(hidden::KEY, projection.len()));
        let kept = Arc::new(FilterExec::try_new(Arc::new(NotLate::new(column, late)), scan)?);
        let schema = kept.schema();
        let columns = (0..projection.len()).map(|at| ProjectionExpr {
            expr: Arc::new(Column::new(schema.field(at).name(), at)),
            alias: schema.field(at).name().clone(),
        });
        Ok(Arc::new(ProjectionExec::try_new(columns.collect::<Vec<_>>(), kept)?))
    }
}

async fn late_keys(tiers: &Tiers, pinned: &Pinned, cache: &Mutex<Option<CachedLate>>) -> Result<Arc<LateKeys>> {
    let version = (pinned.hot.version, pinned.archive.version);
    let mut cached = cache.lock().await;
    if let Some((at, late)) = cached.as_ref().filter(|(at, _)| *at == version) {
        debug_assert_eq!(*at, version);
        return Ok(late.clone());
    }
    let late = Arc::new(LateKeys::read(&tiers.hot, pinned).await?);
    *cached = Some((version, late.clone()));
    Ok(late)
}

fn schema_of(table: &Table, places: &[usize]) -> SchemaRef {
    let all = scan::schema(table);
    Arc::new(Schema::new(places.iter().map(|place| all.fields()[*place].clone()).collect::<Vec<_>>()))
}

#[async_trait]
impl TableProvider for TableView {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DfResult<Vec<TableProviderFilterPushDown>> {
        // Files and pages are chosen by the filters; what is read is filtered again.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let projection: Vec<usize> = match projection {
            Some(columns) => columns.iter().map(|at| self.places[*at]).collect(),
            None => self.places.clone(),
        };
        let doing = |error: Error| error.context(format!("cannot read {}", self.table.name));
        Ok(self.plan(&projection, filters, state).await.map_err(doing)?)
    }
}
