//! The table providers: hot ∪ (archive without the keys of late rows), or one reference table. For questions over all people they
//! also provide the same rows pre-aggregated, from rollups.
//!
//! **Invariant**: snapshots are pinned in `scan`, so a plan made earlier never reads files that a later job deleted.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::expressions::{Column, lit};
use datafusion::physical_expr::{PhysicalExpr, projection::ProjectionExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use tokio::sync::Mutex;

use super::late::{LateKeys, NotOverridden};
use super::selection::Selection;
use super::shortcuts::Shortcuts;
use crate::error::{Error, Result};
use crate::lake::columns;
use crate::lake::file::rollup::{self, Exactness, exactness};
use crate::lake::file::{rare, tags};
use crate::lake::log::snapshot::DataFile;
use crate::lake::log::table::LakeTable;
use crate::lake::read::appendix_scan::{Appendix, AppendixExec};
use crate::lake::read::scan;
use crate::lake::read::tier::Tier;
use crate::record::fields::{Source, Table, hidden, is_hidden};
use crate::tiers::pin::{Pinned, pin};
use crate::tiers::warehouse::Tiers;

/// Tier names as SQL shows them.
const HOT: &str = "hot";
const ARCHIVE: &str = "archive";

/// A table as SQL sees it.
pub struct TableView {
    table: Arc<Table>,
    schema: SchemaRef,
    /// Where its columns stand in [`columns::schema`]; of [`TableView::rolled_up`] those of the table only.
    places: Vec<usize>,
    lakes: Lakes,
    rolled_up: bool,
}

#[derive(Clone)]
enum Lakes {
    Reference(Arc<LakeTable>),
    Tiered { tiers: Tiers, late: Arc<Mutex<Option<CachedLate>>> },
}

/// The files of a tiered table that a statement reads.
struct ChosenFiles {
    hot: Vec<Arc<DataFile>>,
    /// The archive's without late rows.
    untouched: Vec<Arc<DataFile>>,
    /// And those of which late rows may override some.
    touched: Vec<Arc<DataFile>>,
    late: Arc<LateKeys>,
    /// What is known of the rows that are wanted.
    hot_tier: Tier,
    archive_tier: Tier,
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
        Self::new(tiers.hot.table.clone(), Lakes::Tiered { tiers, late: Arc::default() })
    }

    /// The columns SQL shows: those of the files without the hidden ones, and the tier of tiered tables.
    fn new(table: Arc<Table>, lakes: Lakes) -> Self {
        let visible = table.fields.iter().enumerate().filter(|(_, field)| field.source != Source::Hidden).map(|(place, _)| place);
        let tier = table.tiered.then_some(table.fields.len());
        let places: Vec<usize> = visible.chain(tier).collect();
        Self { schema: schema_of(&table, &places), places, table, lakes, rolled_up: false }
    }

    /// The table's own name.
    pub fn name(&self) -> &str {
        &self.table.name
    }

    /// The same with a hidden column shown, as the last one.
    pub fn showing(mut self, hidden: &str) -> Self {
        self.places.extend(self.table.fields.iter().position(|field| field.name == hidden));
        self.schema = schema_of(&self.table, &self.places);
        self
    }

    /// The same table with rows that are alike counted together, by the rollups of its files where they have one; then come the
    /// columns [`rollup::own_fields`]. None of a table without rollups.
    pub fn rolled_up(&self) -> Option<Self> {
        let hides = !self.places.iter().any(|place| self.table.fields.get(*place).is_some_and(|field| is_hidden(&field.name)));
        (rollup::is_kept(&self.table) && hides && !self.rolled_up).then(|| {
            let own = rollup::own_fields().into_iter().map(Arc::new);
            let fields: Vec<FieldRef> = self.schema.fields().iter().cloned().chain(own).collect();
            Self {
                table: self.table.clone(),
                schema: Arc::new(Schema::new(fields)),
                places: self.places.clone(),
                lakes: self.lakes.clone(),
                rolled_up: true,
            }
        })
    }

    async fn plan(&self, projection: &[usize], filters: &[Expr], state: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        match &self.lakes {
            Lakes::Reference(lake) => {
                let files = lake.snapshot().await?.files().cloned().collect();
                let files = scan::prune(&self.table, HOT, files, filters, state)?;
                scan::plan(lake, tier(HOT, state), &files, projection, filters, state)
            }
            Lakes::Tiered { tiers, late } => {
                let chosen = self.choose(tiers, late, filters, state).await?;
                self.rows(tiers, &chosen, projection, filters, state)
            }
        }
    }

    async fn choose(
        &self,
        tiers: &Tiers,
        late: &Mutex<Option<CachedLate>>,
        filters: &[Expr],
        state: &dyn Session,
    ) -> Result<ChosenFiles> {
        let pinned = match state.config().get_extension::<PinnedBefore>() {
            Some(before) if before.table == self.table.name => before.pinned.clone(),
            _ => pin(tiers).await?,
        };
        let late = late_keys(tiers, &pinned, late).await?;
        let hot = pinned.hot.files().cloned().collect();
        let hot = scan::prune(&self.table, HOT, hot, filters, state)?;
        let archive = pinned.archive.files().cloned().collect();
        let archive = scan::prune(&self.table, ARCHIVE, archive, filters, state)?;
        let rare = Shortcuts::of(state.config_options()).rare_rows && rare::are_all(filters);
        let mut chosen_hot = (hot, Tier { rare, ..tier(HOT, state) });
        let mut chosen_archive = (archive, Tier { rare, ..tier(ARCHIVE, state) });
        if let Some(selection) = Selection::of(&self.table, filters, state)? {
            let hot = selection.choose(&tiers.hot, chosen_hot);
            let archive = selection.choose(&tiers.archive, chosen_archive);
            (chosen_hot, chosen_archive) = tokio::try_join!(hot, archive)?;
        }
        let ((hot, hot_tier), (archive, archive_tier)) = (chosen_hot, chosen_archive);
        let (touched, untouched) = archive.into_iter().partition(|file: &Arc<DataFile>| late.touches(file));
        Ok(ChosenFiles { hot, untouched, touched, late, hot_tier, archive_tier })
    }

    /// All rows of the chosen files.
    fn rows(
        &self,
        tiers: &Tiers,
        chosen: &ChosenFiles,
        projection: &[usize],
        filters: &[Expr],
        state: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let ChosenFiles { hot, untouched, touched, hot_tier, archive_tier, .. } = chosen;
        let mut plans = Vec::new();
        if !hot.is_empty() {
            plans.push(scan::plan(&tiers.hot, *hot_tier, hot, projection, filters, state)?);
        }
        if !untouched.is_empty() {
            plans.push(scan::plan(&tiers.archive, *archive_tier, untouched, projection, filters, state)?);
        }
        if !touched.is_empty() {
            plans.push(self.overridden(&tiers.archive, chosen, projection, filters, state)?);
        }
        if plans.is_empty() {
            plans.push(scan::plan(&tiers.hot, *hot_tier, &[], projection, filters, state)?);
        }
        scan::union(plans)
    }

    /// Rows that are alike counted together: by the rollups of files that have one, and one by one of those that have none, or
    /// whose rows late ones may override.
    async fn plan_rolled_up(&self, schema: SchemaRef, filters: &[Expr], state: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        let Lakes::Tiered { tiers, late } = &self.lakes else {
            return Err(Error::internal(phrase!("{} has no rollups", self.table.name)));
        };
        let own = rollup::own_fields();
        let of_table =
            |filter: &&Expr| own.iter().all(|field| !filter.column_refs().iter().any(|column| column.name == *field.name()));
        let filters: Vec<Expr> = filters.iter().filter(of_table).cloned().collect();
        let mut chosen = self.choose(tiers, late, &filters, state).await?;
        let mut plans: Vec<Arc<dyn ExecutionPlan>> = Vec::new();
        for (lake, tier, files) in [(&tiers.hot, HOT, &mut chosen.hot), (&tiers.archive, ARCHIVE, &mut chosen.untouched)] {
            let (with, without): (Vec<_>, Vec<_>) = files.drain(..).partition(|file| file.tag(tags::ROLLUP).is_some());
            *files = without;
            if !with.is_empty() {
                let groups = scan::groups(&with, state.config().target_partitions());
                plans.push(Arc::new(AppendixExec::new(Appendix::Rollup, lake, tier, groups, schema.clone())));
            }
        }
        if plans.is_empty() || !(chosen.hot.is_empty() && chosen.untouched.is_empty() && chosen.touched.is_empty()) {
            plans.push(self.one_by_one(tiers, &chosen, &schema, &filters, state)?);
        }
        scan::union(plans)
    }

    /// The rows of the chosen files, each of which stands for itself, as those of a rollup.
    fn one_by_one(
        &self,
        tiers: &Tiers,
        chosen: &ChosenFiles,
        schema: &SchemaRef,
        filters: &[Expr],
        state: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all = columns::schema(&self.table);
        let source =
            |name: &str| if [rollup::FIRST, rollup::LAST].contains(&name) { rollup::SENT.to_owned() } else { name.to_owned() };
        let mut projection: Vec<usize> = Vec::new();
        for field in
            schema.fields().iter().filter(|field| field.name() != rollup::ROWS && exactness(field.name()) != Exactness::Nothing)
        {
            let place = all.index_of(&source(field.name()))?;
            if !projection.contains(&place) {
                projection.push(place);
            }
        }
        let rows = self.rows(tiers, chosen, &projection, filters, state)?;
        let expressions = schema.fields().iter().map(|field| {
            let expr: Arc<dyn PhysicalExpr> = match rows.schema().column_with_name(&source(field.name())) {
                _ if field.name() == rollup::ROWS => lit(1i64),
                Some((at, column)) => Arc::new(Column::new(column.name(), at)),
                None => lit(ScalarValue::try_from(field.data_type())?),
            };
            Ok(ProjectionExpr { expr, alias: field.name().clone() })
        });
        let expressions = expressions.collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(ProjectionExec::try_new(expressions, rows)?))
    }

    /// Archive files of months with late rows, without the rows those override.
    fn overridden(
        &self,
        archive: &Arc<LakeTable>,
        chosen: &ChosenFiles,
        projection: &[usize],
        filters: &[Expr],
        state: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let key = columns::schema(&self.table).index_of(hidden::KEY)?;
        let mut with_key = projection.to_vec();
        with_key.push(key);
        let scan = scan::plan(archive, chosen.archive_tier, &chosen.touched, &with_key, filters, state)?;
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(hidden::KEY, projection.len()));
        let kept = Arc::new(FilterExec::try_new(Arc::new(NotOverridden::new(column, chosen.late.clone())), scan)?);
        let schema = kept.schema();
        let columns = (0..projection.len()).map(|at| ProjectionExpr {
            expr: Arc::new(Column::new(schema.field(at).name(), at)),
            alias: schema.field(at).name().clone(),
        });
        Ok(Arc::new(ProjectionExec::try_new(columns.collect::<Vec<_>>(), kept)?))
    }
}

/// A tier of whose rows nothing is known, to be read as a statement allows.
fn tier(name: &'static str, state: &dyn Session) -> Tier {
    Tier { raw_pages: Shortcuts::of(state.config_options()).raw_pages, ..Tier::new(name) }
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
    let all = columns::schema(table);
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
        let doing = |error: Error| error.context(phrase!("cannot read {}", self.table.name));
        if self.rolled_up {
            let schema = match projection {
                Some(columns) => Arc::new(self.schema.project(columns)?),
                None => self.schema.clone(),
            };
            return Ok(self.plan_rolled_up(schema, filters, state).await.map_err(doing)?);
        }
        let projection: Vec<usize> = match projection {
            Some(columns) => columns.iter().map(|at| self.places[*at]).collect(),
            None => self.places.clone(),
        };
        Ok(self.plan(&projection, filters, state).await.map_err(doing)?)
    }
}
