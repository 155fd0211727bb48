//! Reading rollups for SQL: each row stands for [`ROWS`](super::rollup::ROWS) rows of its file.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result as DfResult, Statistics, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use futures::{StreamExt, TryStreamExt, stream};

use super::people::files_shown;
use super::reader::Reader;
use super::rollup::Rollup;
use super::snapshot::DataFile;
use super::table::LakeTable;
use crate::error::{Context, Error, Result};

/// Rollups on their way at once, a thread: a store answers many requests as fast as one.
const AHEAD: usize = 16;

/// The rollup of a file that has one.
///
/// # Errors
/// Corrupt, naming the file, when it is damaged or has none.
pub async fn rollup_of(lake: &LakeTable, file: &DataFile) -> Result<Arc<Rollup>> {
    let path = file.path(&lake.folder);
    let place = file.rollup()?.ok_or_else(|| Error::internal(format!("{path} has no rollup")))?;
    let reader = Reader::new(lake.store.clone(), path.clone(), file.bytes(), None);
    lake.footers.rollup(&reader, &place).await.context(|| format!("cannot read the rollup of {path}"))
}

/// Reads the rollups of a tier's files that have one.
pub struct RollupExec {
    lake: Arc<LakeTable>,
    tier: String,
    schema: SchemaRef,
    /// By thread.
    groups: Vec<Vec<Arc<DataFile>>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl RollupExec {
    /// A plan that returns the columns of `schema` (see [`Rollup::batch`]).
    pub fn new(lake: &Arc<LakeTable>, tier: &str, groups: Vec<Vec<Arc<DataFile>>>, schema: SchemaRef) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema.clone()),
            Partitioning::UnknownPartitioning(groups.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let (lake, tier, properties) = (lake.clone(), tier.to_owned(), Arc::new(properties));
        Self { lake, tier, schema, groups, properties, metrics: ExecutionPlanMetricsSet::new() }
    }

    fn files(&self) -> impl Iterator<Item = &Arc<DataFile>> {
        self.groups.iter().flatten()
    }
}

impl fmt::Debug for RollupExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as(DisplayFormatType::Verbose, f)
    }
}

impl DisplayAs for RollupExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<&str> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        let rows: u64 = self.files().map(|file| file.rows).sum();
        let (tier, files) = (&self.tier, files_shown(&self.lake, self.files(), format));
        write!(f, "RollupExec: tier={tier}, instead of {rows} rows, projection=[{}], {files}", columns.join(", "))
    }
}

impl ExecutionPlan for RollupExec {
    fn name(&self) -> &str {
        "RollupExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> DfResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let Some(files) = self.groups.get(partition) else { return internal_err!("there is no partition {partition}") };
        let rows = MetricBuilder::new(&self.metrics).output_rows(partition);
        let (lake, tier, schema) = (self.lake.clone(), self.tier.clone(), self.schema.clone());
        let batches = stream::iter(files.clone())
            .map(move |file| {
                let lake = lake.clone();
                async move { rollup_of(&lake, &file).await }
            })
            .buffered(AHEAD)
            .and_then(move |rollup| {
                rows.add(rollup.rows());
                futures::future::ready(rollup.batch(&schema, &tier))
            })
            .map_err(|error: Error| error.into());
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn partition_statistics(&self, _: Option<usize>) -> DfResult<Arc<Statistics>> {
        // How long rollups are is known when they are read: a few thousandths of their files.
        let rows: u64 = self.files().map(|file| file.rows / 100).sum();
        let mut statistics = Statistics::new_unknown(&self.schema);
        statistics.num_rows = Precision::Inexact(rows as usize);
        Ok(Arc::new(statistics))
    }
}
