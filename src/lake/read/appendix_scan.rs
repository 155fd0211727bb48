//! Plan nodes that read the appendix of files for SQL: rollups, of which each row stands for
//! [`ROWS`](crate::lake::file::rollup::ROWS) rows of the file, and rare rows.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
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

use crate::error::{Context, Error, Result};
use crate::lake::columns::with_tier;
use crate::lake::file::rare::RareRows;
use crate::lake::file::reader::Reader;
use crate::lake::file::rollup::Rollup;
use crate::lake::log::snapshot::{DataFile, files_shown};
use crate::lake::log::table::LakeTable;
use crate::record::fields::TIER;

/// Files on their way at once, a thread: a store answers many requests as fast as one.
const AHEAD: usize = 16;

/// The rollup of a file that has one.
///
/// # Errors
/// Corrupt, naming the file, when it is damaged or has none.
pub async fn rollup_of(lake: &LakeTable, file: &DataFile) -> Result<Arc<Rollup>> {
    let path = file.path(&lake.folder);
    let place = file.rollup()?.ok_or_else(|| Error::internal(phrase!("{path} has no rollup")))?;
    let reader = Reader::new(lake.store.clone(), path.clone(), file.bytes(), None);
    lake.footers.rollup(&reader, &place).await.context(|| phrase!("cannot read the rollup of {path}"))
}

/// The part of the appendix that is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Appendix {
    /// Its rollup: with the columns of a schema as [`Rollup::batch`] has them.
    Rollup,
    /// Its rare rows.
    RareRows,
}

impl Appendix {
    /// Reads that of a file, with the columns of `schema`.
    async fn read(self, lake: &LakeTable, tier: &str, file: &DataFile, schema: &SchemaRef) -> Result<RecordBatch> {
        if self == Self::Rollup {
            return rollup_of(lake, file).await?.batch(schema, tier);
        }
        let path = file.path(&lake.folder);
        let place = file.rare()?.ok_or_else(|| Error::internal(phrase!("{path} has no rare rows")))?;
        let reader = Reader::new(lake.store.clone(), path.clone(), file.bytes(), None);
        let stored =
            Arc::new(Schema::new(schema.fields().iter().filter(|field| field.name() != TIER).cloned().collect::<Vec<_>>()));
        let rows = reader.appendix(&place, |bytes| RareRows::decode_as(bytes, &place, &stored)).await;
        with_tier(&rows.context(|| phrase!("cannot read the rare rows of {path}"))?, schema, tier)
    }
}

/// Reads rollups or rare rows of a tier's files, of which each has some.
pub struct AppendixExec {
    what: Appendix,
    lake: Arc<LakeTable>,
    tier: String,
    schema: SchemaRef,
    /// By thread.
    groups: Vec<Vec<Arc<DataFile>>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl AppendixExec {
    /// A plan that returns the columns of `schema`.
    pub fn new(what: Appendix, lake: &Arc<LakeTable>, tier: &str, groups: Vec<Vec<Arc<DataFile>>>, schema: SchemaRef) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema.clone()),
            Partitioning::UnknownPartitioning(groups.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let (lake, tier, properties) = (lake.clone(), tier.to_owned(), Arc::new(properties));
        Self { what, lake, tier, schema, groups, properties, metrics: ExecutionPlanMetricsSet::new() }
    }

    fn files(&self) -> impl Iterator<Item = &Arc<DataFile>> {
        self.groups.iter().flatten()
    }
}

impl fmt::Debug for AppendixExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as(DisplayFormatType::Verbose, f)
    }
}

impl DisplayAs for AppendixExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<&str> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        let rows: u64 = self.files().map(|file| file.rows).sum();
        let (tier, files) = (&self.tier, files_shown(&self.lake.folder, self.files(), format));
        let name = self.name();
        write!(f, "{name}: tier={tier}, instead of {rows} rows, projection=[{}], {files}", columns.join(", "))
    }
}

impl ExecutionPlan for AppendixExec {
    fn name(&self) -> &str {
        match self.what {
            Appendix::Rollup => "RollupExec",
            Appendix::RareRows => "RareRowsExec",
        }
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
        let (what, lake, tier, schema) = (self.what, self.lake.clone(), self.tier.clone(), self.schema.clone());
        let batches = stream::iter(files.clone())
            .map(move |file| {
                let (lake, tier, schema) = (lake.clone(), tier.clone(), schema.clone());
                async move { what.read(&lake, &tier, &file, &schema).await }
            })
            .buffered(AHEAD)
            .inspect_ok(move |batch| rows.add(batch.num_rows()))
            .map_err(|error: Error| error.into());
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn partition_statistics(&self, _: Option<usize>) -> DfResult<Arc<Statistics>> {
        // How long they are is known when they are read: rollups are some thousandths of their files, rare rows hundredths.
        let rows: u64 = self.files().map(|file| file.rows / 100).sum();
        let mut statistics = Statistics::new_unknown(&self.schema);
        statistics.num_rows = Precision::Inexact(rows as usize);
        Ok(Arc::new(statistics))
    }
}
