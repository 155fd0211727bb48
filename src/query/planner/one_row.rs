//! Keeps conditions above an aggregate of all rows.
//!
//! **Why.** An aggregate without GROUP BY has exactly one row, whatever its input is. DataFusion 55.2 pushes a condition that uses
//! no column down through it; a condition becomes such a one when its columns are the same in every row (`ON x.c = y.c AND x.c IS
//! NULL`, `WHERE x.c LIKE '%b'`, where `c` is `'a'`). Below the aggregate the condition has no effect: the aggregate still has its
//! one row, and a row is shown that should not be.
//!
//! **How.** A condition is never pushed through a limit. So each aggregate of this kind below a condition or a join gets a limit of
//! one row, which changes nothing else.
//!
//! Until 2026-11-28 only the sides of joins got one. But there may be a condition between join and aggregate, such as one with NOT
//! IN (seed 12067, compared with SQLite).

use std::sync::Arc;

use datafusion::common::Result as DfResult;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::logical_expr::{Limit, LogicalPlan, lit};
use datafusion::optimizer::AnalyzerRule;

/// Keeps conditions above aggregates of all rows.
#[derive(Debug)]
pub struct OneRowStays;

impl AnalyzerRule for OneRowStays {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> DfResult<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| match node {
            LogicalPlan::Filter(_) | LogicalPlan::Join(_) => node.map_children(limited),
            node => Ok(Transformed::no(node)),
        })
        .data()
    }

    fn name(&self) -> &str {
        "one_row_stays"
    }
}

/// A limit above each aggregate that a condition from above would reach; what is below another condition or join has its own
/// already. One that asks something of a statement around it is left: it is taken out of its place.
fn limited(plan: LogicalPlan) -> DfResult<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Filter(_) | LogicalPlan::Join(_) | LogicalPlan::Limit(_) => Ok(Transformed::no(plan)),
        LogicalPlan::Aggregate(ref aggregate) if aggregate.group_expr.is_empty() => {
            if !plan.all_out_ref_exprs().is_empty() {
                return Ok(Transformed::no(plan));
            }
            let (skip, fetch) = (None, Some(Box::new(lit(1_i64))));
            Ok(Transformed::yes(LogicalPlan::Limit(Limit { skip, fetch, input: Arc::new(plan) })))
        }
        plan => plan.map_children(limited),
    }
}
