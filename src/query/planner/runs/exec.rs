//! `RunAggregateExec`: the partial aggregation of a GROUP BY, without a hash table.
//!
//! A row either belongs to the group of the row before or begins a new one. A group that occurs again (the same person in another
//! file) is emitted again, as a partial result that the final aggregate merges. So the answer is right for rows in any order, and
//! fast where rows of a group are adjacent.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result as DfResult, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::execution_plan::{CardinalityEffect, EmissionType};
use datafusion::physical_plan::filter_pushdown::{ChildFilterDescription, FilterDescription, FilterPushdownPhase};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, RecordOutput};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PlanProperties, apply_expression_roots,
};
use futures::{TryStreamExt, stream};

use super::aggregate::{Aggregate, GroupExpr, Key};
use super::gather::Gathering;
use super::number::{IdOfNumber, NUMBER, UnknownTexts};

/// Partial results by runs of rows.
#[derive(Clone, Debug)]
pub struct RunAggregateExec {
    group_by: Arc<[GroupExpr]>,
    aggregates: Arc<[Aggregate]>,
    unknown_texts: Arc<UnknownTexts>,
    input: Arc<dyn ExecutionPlan>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl RunAggregateExec {
    /// In place of a partial aggregate, the same rows but for the ids, which are numbers.
    pub(super) fn new(partial: &AggregateExec, keys: Vec<Key>, unknown_texts: Arc<UnknownTexts>) -> Self {
        let declared = partial.schema();
        let fields = declared.fields().iter().enumerate().map(|(at, field)| match keys.get(at) {
            // Another name: nothing that knows the text by its name takes the number for it.
            Some(key) if key.is_number() => {
                let name = format!("number({})", field.name());
                Arc::new(field.as_ref().clone().with_name(name).with_data_type(NUMBER))
            }
            _ => field.clone(),
        });
        let schema = Schema::new_with_metadata(fields.collect::<Vec<_>>(), declared.metadata().clone());
        let group_by = partial.group_expr().expr().iter().zip(keys);
        let group_by = group_by.map(|((expr, name), key)| GroupExpr { expr: expr.clone(), name: name.clone(), key });
        let aggregates = partial.aggr_expr().iter().zip(partial.filter_expr());
        let aggregates =
            aggregates.map(|(function, filter)| Aggregate { function: function.clone(), filter: filter.clone() }).collect();
        Self::over(partial.input().clone(), group_by.collect(), aggregates, unknown_texts, Arc::new(schema))
    }

    fn over(
        input: Arc<dyn ExecutionPlan>,
        group_by: Arc<[GroupExpr]>,
        aggregates: Arc<[Aggregate]>,
        unknown_texts: Arc<UnknownTexts>,
        schema: SchemaRef,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema.clone()),
            Partitioning::UnknownPartitioning(input.output_partitioning().partition_count()),
            EmissionType::Incremental,
            input.boundedness(),
        );
        let (properties, metrics) = (Arc::new(properties), ExecutionPlanMetricsSet::new());
        Self { group_by, aggregates, unknown_texts, input, schema, properties, metrics }
    }

    /// A condition on what comes out, as one on what goes in: possible when it is about the groups alone.
    pub(super) fn before(&self, filter: &Arc<dyn PhysicalExpr>) -> DfResult<Option<Arc<dyn PhysicalExpr>>> {
        let mut is_of_groups = true;
        let group_at = |expr: &Arc<dyn PhysicalExpr>| {
            let column = expr.downcast_ref::<Column>()?;
            self.group_by.get(column.index())
        };
        let rewritten = filter.clone().transform_down(|expr| {
            let group = match expr.downcast_ref::<IdOfNumber>() {
                Some(id) => group_at(id.number()).filter(|group| group.key.is_number()),
                None if expr.is::<Column>() => group_at(&expr).filter(|group| !group.key.is_number()),
                None => return Ok(Transformed::no(expr)),
            };
            match group {
                Some(group) => Ok(Transformed::new(group.expr.clone(), true, TreeNodeRecursion::Jump)),
                None => {
                    is_of_groups = false;
                    Ok(Transformed::new(expr, false, TreeNodeRecursion::Stop))
                }
            }
        })?;
        // Columns are passed down by their names.
        let input = self.input.schema();
        let is_named = |column: &Column| input.index_of(column.name()).is_ok_and(|at| at == column.index());
        Ok((is_of_groups && collect_columns(&rewritten.data).iter().all(is_named)).then_some(rewritten.data))
    }
}

impl DisplayAs for RunAggregateExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group_by = self.group_by.iter().map(|GroupExpr { expr, name, .. }| match expr.to_string() {
            text if text == *name => text,
            text => format!("{text} as {name}"),
        });
        let group_by = group_by.collect::<Vec<_>>().join(", ");
        let aggregates = self.aggregates.iter().map(|aggregate| aggregate.function.name()).collect::<Vec<_>>().join(", ");
        write!(f, "RunAggregateExec: gby=[{group_by}], aggr=[{aggregates}]")
    }
}

impl ExecutionPlan for RunAggregateExec {
    fn name(&self) -> &str {
        "RunAggregateExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        let groups = self.group_by.iter().map(|group| group.expr.clone());
        let arguments = self.aggregates.iter().flat_map(|aggregate| aggregate.function.expressions());
        let filters = self.aggregates.iter().filter_map(|aggregate| aggregate.filter.clone());
        apply_expression_roots(groups.chain(arguments).chain(filters), visit)
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> DfResult<Arc<dyn ExecutionPlan>> {
        let (Some(input), true) = (children.pop(), children.is_empty()) else {
            return internal_err!("RunAggregateExec has one input");
        };
        let (group_by, aggregates) = (self.group_by.clone(), self.aggregates.clone());
        Ok(Arc::new(Self::over(input, group_by, aggregates, self.unknown_texts.clone(), self.schema.clone())))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let gathering = Gathering::new(&self.group_by, &self.aggregates, &self.unknown_texts, &self.schema)?;
        let batches = stream::try_unfold((input, Some(gathering)), move |(mut input, gathering)| {
            let metrics = metrics.clone();
            async move {
                let Some(mut gathering) = gathering else { return Ok(None) };
                while let Some(batch) = input.try_next().await? {
                    let _timer = metrics.elapsed_compute().timer();
                    gathering.add(&batch)?;
                    if gathering.is_full() {
                        return Ok(gathering.take()?.record_output(&metrics).map(|full| (full, (input, Some(gathering)))));
                    }
                }
                let _timer = metrics.elapsed_compute().timer();
                Ok(gathering.take()?.record_output(&metrics).map(|rest: RecordBatch| (rest, (input, None))))
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::LowerEqual
    }

    /// A condition on groups alone leaves out whole groups, before or after: what a join learns about a person's id reaches the
    /// files.
    fn gather_filters_for_pushdown(
        &self,
        _: FilterPushdownPhase,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        _: &ConfigOptions,
    ) -> DfResult<FilterDescription> {
        let before = filters.iter().map(|filter| self.before(filter)).collect::<DfResult<Option<Vec<_>>>>()?;
        let child = match before {
            Some(before) => ChildFilterDescription::from_child(&before, &self.input)?,
            None => ChildFilterDescription::all_unsupported(&filters),
        };
        Ok(FilterDescription::new().with_child(child))
    }
}
