//! Refuses grouping sets over columns that the statement fixes to one value.
//!
//! **Why.** `WHERE a = 3 … GROUP BY ROLLUP (a, b)`: a grouping set leaves columns null, but DataFusion 55.2 still assumes that a
//! is 3 in every row, and that x is y above a join by `x = y`. It then splits the total over several rows, and omits an ORDER BY
//! that it takes for done. Random statements compared with SQLite found it (seeds 12724, 16639, 17627); no upstream issue was
//! found. The column is the same in all rows, so the user can leave it out.

use std::collections::HashSet;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result as DfResult, plan_err};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, Operator};
use datafusion::optimizer::AnalyzerRule;

/// Refuses grouping sets that DataFusion would answer wrongly.
#[derive(Debug)]
pub struct FixedGroupings;

impl AnalyzerRule for FixedGroupings {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> DfResult<LogicalPlan> {
        plan.apply_with_subqueries(|node| match node {
            LogicalPlan::Aggregate(aggregate) => checked(aggregate),
            _ => Ok(TreeNodeRecursion::Continue),
        })?;
        Ok(plan)
    }

    fn name(&self) -> &str {
        "fixed_groupings"
    }
}

fn checked(aggregate: &Aggregate) -> DfResult<TreeNodeRecursion> {
    let [Expr::GroupingSet(sets)] = aggregate.group_expr.as_slice() else { return Ok(TreeNodeRecursion::Continue) };
    let grouped: HashSet<String> = sets.distinct_expr().into_iter().filter_map(name_of).collect();
    match fixed(&aggregate.input, &grouped)? {
        None => Ok(TreeNodeRecursion::Continue),
        Some(column) => plan_err!(
            "{column} is grouped by in ROLLUP, CUBE or GROUPING SETS, and is the same in all rows, or the same as another such column: leave it out of the grouping sets"
        ),
    }
}

/// A column by its last name: what is below an alias has other first ones.
fn name_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Column(column) => Some(column.name.clone()),
        Expr::Cast(cast) => name_of(&cast.expr),
        _ => None,
    }
}

/// A grouped column that a condition below fixes, as long as rows are neither grouped nor put together there.
fn fixed(plan: &LogicalPlan, grouped: &HashSet<String>) -> DfResult<Option<String>> {
    let mut found = None;
    plan.apply(|node| {
        let conditions: Vec<&Expr> = match node {
            LogicalPlan::Filter(filter) => split_conjunction(&filter.predicate),
            LogicalPlan::Join(join) => {
                let pair = join.on.iter().find_map(|(left, right)| fixed_by(left, right, grouped));
                found = found.take().or(pair);
                join.filter.as_ref().map_or_else(Vec::new, split_conjunction)
            }
            LogicalPlan::Aggregate(_) | LogicalPlan::Union(_) => return Ok(TreeNodeRecursion::Jump),
            _ => Vec::new(),
        };
        for condition in conditions {
            if let Expr::BinaryExpr(binary) = condition
                && binary.op == Operator::Eq
            {
                found = found.take().or_else(|| fixed_by(&binary.left, &binary.right, grouped));
            }
        }
        Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// Which of two sides that are equal is a grouped column, where the other is one too, or the same in all rows.
fn fixed_by(left: &Expr, right: &Expr, grouped: &HashSet<String>) -> Option<String> {
    let is_grouped = |expr: &Expr| name_of(expr).filter(|name| grouped.contains(name));
    match (is_grouped(left), is_grouped(right)) {
        (Some(name), Some(_)) => Some(name),
        (Some(name), None) => right.column_refs().is_empty().then_some(name),
        (None, Some(name)) => left.column_refs().is_empty().then_some(name),
        (None, None) => None,
    }
}
