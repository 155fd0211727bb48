//! Keeps the condition of a join with an aggregate of all rows.
//!
//! **Why.** An aggregate without GROUP BY has one row even over no rows. Where a join's condition names no column of one side
//! (`ON x.c = y.c AND x.c IS NULL`, where `c` is the same in every row), DataFusion 55.2 pushes it down into that side and
//! through the aggregate, which still has its row: so the join keeps a row it should not. A condition is not pushed through a
//! limit, so each such side gets one, of the one row it has.

use std::sync::Arc;

use datafusion::common::Result as DfResult;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::logical_expr::{Distinct, Join, Limit, LogicalPlan, lit};
use datafusion::optimizer::AnalyzerRule;

use super::subqueries::is_one_row;

/// Keeps conditions of joins above aggregates of all rows.
#[derive(Debug)]
pub struct OneRowJoins;

impl AnalyzerRule for OneRowJoins {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> DfResult<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| Ok(limited(node))).data()
    }

    fn name(&self) -> &str {
        "one_row_joins"
    }
}

fn limited(node: LogicalPlan) -> Transformed<LogicalPlan> {
    match node {
        LogicalPlan::Join(join)
            if (!join.on.is_empty() || join.filter.is_some()) && (is_side(&join.left) || is_side(&join.right)) =>
        {
            let (left, right) = (side(&join.left), side(&join.right));
            Transformed::yes(LogicalPlan::Join(Join { left, right, ..join }))
        }
        node => Transformed::no(node),
    }
}

/// One row, of a statement that asks nothing of the one around it.
fn is_side(plan: &LogicalPlan) -> bool {
    has_one_row(plan) && plan.all_out_ref_exprs().is_empty()
}

/// One row also behind what neither adds nor takes any from one.
fn has_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => has_one_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => has_one_row(&alias.input),
        LogicalPlan::Distinct(Distinct::All(input)) => has_one_row(input),
        LogicalPlan::Window(window) => has_one_row(&window.input),
        plan => is_one_row(plan),
    }
}

fn side(plan: &Arc<LogicalPlan>) -> Arc<LogicalPlan> {
    match is_side(plan) {
        true => Arc::new(LogicalPlan::Limit(Limit { skip: None, fetch: Some(Box::new(lit(1_i64))), input: plan.clone() })),
        false => plan.clone(),
    }
}
