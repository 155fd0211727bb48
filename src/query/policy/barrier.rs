//! Above the rows that somebody may see stands a node that nothing moves across: no condition, no limit, no statistics. What they ask is
//! asked of these rows alone, also where it fails, or shows by how long it takes.
//!
//! Only plain comparisons of a column with a value of its own type are copied below it ([`CopyComparisons`]), since they cannot fail: files
//! are chosen by them, as for everybody. A column under a mask is no column any more when they come here.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{DFSchema, DFSchemaRef, ExprSchema, Result as DfResult, internal_err};
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    BinaryExpr, Expr, Extension, Filter, LogicalPlan, Operator, UserDefinedLogicalNode, UserDefinedLogicalNodeCore,
};
use datafusion::optimizer::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties};
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};

/// Nothing moves across it.
#[derive(Debug, Eq, Hash, PartialEq)]
pub(super) struct Barrier {
    input: LogicalPlan,
    /// Comparisons were copied below it already.
    has_copies: bool,
}

impl Barrier {
    /// One above a plan.
    pub(super) fn above(input: LogicalPlan) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(Self { input, has_copies: false }) })
    }
}

impl PartialOrd for Barrier {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for Barrier {
    fn name(&self) -> &str {
        "Policy"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Policy")
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> DfResult<Self> {
        let (Some(input), true) = (inputs.pop(), inputs.is_empty()) else { return internal_err!("a policy is of one input") };
        Ok(Self { input, has_copies: self.has_copies })
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![output_columns.to_vec()])
    }
}

/// Copies plain comparisons below a barrier, once they have come down to it.
#[derive(Debug)]
pub struct CopyComparisons;

impl OptimizerRule for CopyComparisons {
    fn name(&self) -> &str {
        "copy_comparisons"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> DfResult<Transformed<LogicalPlan>> {
        let LogicalPlan::Filter(filter) = &plan else { return Ok(Transformed::no(plan)) };
        let LogicalPlan::Extension(Extension { node }) = filter.input.as_ref() else { return Ok(Transformed::no(plan)) };
        let Some(barrier) = node.as_any().downcast_ref::<Barrier>().filter(|barrier| !barrier.has_copies) else {
            return Ok(Transformed::no(plan));
        };
        let parts = split_conjunction(&filter.predicate).into_iter();
        let Some(copied) = conjunction(parts.filter(|part| is_plain(part, barrier.input.schema())).cloned()) else {
            return Ok(Transformed::no(plan));
        };
        let input = LogicalPlan::Filter(Filter::try_new(copied, Arc::new(barrier.input.clone()))?);
        let below = LogicalPlan::Extension(Extension { node: Arc::new(Barrier { input, has_copies: true }) });
        let filter = Filter::try_new(filter.predicate.clone(), Arc::new(below))?;
        Ok(Transformed::yes(LogicalPlan::Filter(filter)))
    }
}

/// Does it compare a column with values of its own type, and nothing else?
fn is_plain(part: &Expr, schema: &DFSchema) -> bool {
    use Operator::{Eq, Gt, GtEq, Lt, LtEq};
    let fits = |column: &Expr, value: &Expr| match (column, value) {
        (Expr::Column(column), Expr::Literal(value, _)) => {
            schema.field_from_column(column).is_ok_and(|field| *field.data_type() == value.data_type())
        }
        _ => false,
    };
    match part {
        Expr::BinaryExpr(BinaryExpr { left, op: Eq | Lt | LtEq | Gt | GtEq, right }) => fits(left, right) || fits(right, left),
        Expr::InList(list) => list.list.iter().all(|value| fits(&list.expr, value)),
        Expr::IsNull(inner) | Expr::IsNotNull(inner) | Expr::Not(inner) => matches!(inner.as_ref(), Expr::Column(_)),
        Expr::Column(_) => true,
        _ => false,
    }
}

/// The physical planner, which knows of barriers.
#[derive(Debug)]
pub struct Planner;

#[async_trait]
impl QueryPlanner for Planner {
    async fn create_physical_plan(&self, plan: &LogicalPlan, session: &dyn Session) -> DfResult<Arc<dyn ExecutionPlan>> {
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(BarrierPlanner)]);
        planner.create_physical_plan(plan, session).await
    }
}

struct BarrierPlanner;

#[async_trait]
impl ExtensionPlanner for BarrierPlanner {
    async fn plan_extension(
        &self,
        _: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        _: &dyn Session,
        _: &PhysicalPlanningContext,
    ) -> DfResult<Option<Arc<dyn ExecutionPlan>>> {
        Ok(match (node.as_any().is::<Barrier>(), inputs) {
            (true, [input]) => Some(Arc::new(BarrierExec::new(input.clone()))),
            _ => None,
        })
    }
}

/// The rows as they come. Of what DataFusion asks of a plan it answers as little as there is: no order, no statistics, no conditions taken.
struct BarrierExec {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl BarrierExec {
    fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(input.schema()),
            input.output_partitioning().clone(),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self { input, properties: Arc::new(properties) }
    }
}

impl fmt::Debug for BarrierExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PolicyExec")
    }
}

impl DisplayAs for BarrierExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PolicyExec")
    }
}

impl ExecutionPlan for BarrierExec {
    fn name(&self) -> &str {
        "PolicyExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> DfResult<Arc<dyn ExecutionPlan>> {
        let (Some(input), true) = (children.pop(), children.is_empty()) else { return internal_err!("a policy is of one input") };
        Ok(Arc::new(Self::new(input)))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        self.input.execute(partition, context)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow::array::{Int64Array, RecordBatch, StringViewArray};
    use arrow::datatypes::DataType;
    use datafusion::dataframe::DataFrame;
    use datafusion::datasource::{MemTable, provider_as_source};
    use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
    use datafusion::logical_expr::{LogicalPlanBuilder, cast, col, lit};
    use datafusion::optimizer::Optimizer;

    use super::*;

    fn state() -> SessionState {
        let mut rules = Optimizer::new().rules;
        let pushed = rules.iter().position(|rule| rule.name() == "push_down_filter").unwrap();
        rules.insert(pushed + 1, Arc::new(CopyComparisons));
        let state = SessionStateBuilder::new().with_default_features().with_optimizer_rules(rules);
        state.with_query_planner(Arc::new(Planner)).build()
    }

    /// Rows below 100 may be seen; the one above has a name that is no number.
    fn seen(condition: Expr) -> LogicalPlan {
        let names = StringViewArray::from(vec!["1", "2", "secret"]);
        let numbers = Int64Array::from(vec![1, 2, 200]);
        let rows = RecordBatch::try_from_iter([("n", Arc::new(numbers) as _), ("name", Arc::new(names) as _)]).unwrap();
        let table = Arc::new(MemTable::try_new(rows.schema(), vec![vec![rows]]).unwrap());
        let scan = LogicalPlanBuilder::scan("t", provider_as_source(table), None).unwrap();
        let scan = scan.filter(col("n").lt(lit(100_i64))).unwrap().build().unwrap();
        let shown = LogicalPlanBuilder::from(Barrier::above(scan)).project([col("t.n"), col("t.name")]).unwrap();
        shown.filter(condition).unwrap().build().unwrap()
    }

    #[test]
    fn only_plain_comparisons_are_copied_below_it() {
        let plain = col("t.n").gt_eq(lit(2_i64)).and(col("t.name").in_list(vec![lit("1")], false));
        let risky = cast(col("t.name"), DataType::Int64).gt(lit(0_i64)).and((lit(10_i64) / col("t.n")).gt(lit(0_i64)));
        let text = state().optimize(&seen(plain.and(risky))).unwrap().display_indent().to_string();
        let (above, below) = text.split_once("Policy").unwrap();
        assert!(above.contains("CAST(t.name AS Int64)") && above.contains("t.n >= Int64(2)"), "{text}");
        assert!(below.contains("t.n >= Int64(2)") && below.contains("t.n < Int64(100)"), "{text}");
        assert!(!below.contains("CAST(") && !below.contains('/'), "{text}");
    }

    #[tokio::test]
    async fn a_condition_that_fails_for_a_hidden_row_does_not_fail() {
        let condition =
            cast(col("t.name"), DataType::Int64).gt(lit(0_i64)).and((lit(10_i64) / (col("t.n") - lit(200_i64))).lt(lit(1_i64)));
        let rows = DataFrame::new(state(), seen(condition)).collect().await.unwrap();
        assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
    }
}
