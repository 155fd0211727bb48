//! Converts a moment to a zone's wall clock before its zone is dropped.
//!
//! **Why.** `(date_sent AT TIME ZONE 'America/Denver')::timestamp` is Denver's clock in Postgres, and `date_bin('1 day', …)` of
//! it begins at Denver's midnight, as `local_day` does. DataFusion 55.2 keeps the moment and drops the zone, so both use UTC: a
//! row sent at eight in the evening is silently counted on the next day (apache/datafusion issues 12218 and 10602). Moments
//! stored in UTC are not concerned.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, Result as DfResult};
use datafusion::config::ConfigOptions;
use datafusion::functions::datetime::to_local_time;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};
use datafusion::optimizer::AnalyzerRule;

use crate::record::fields::UTC;

/// Applies zones where they are dropped. It runs before types are coerced.
#[derive(Debug)]
pub struct WallClock;

impl AnalyzerRule for WallClock {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> DfResult<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| {
            let (names, schema) = (NamePreserver::new(&node), merge_schema(&node.inputs()));
            node.map_expressions(|expr| {
                let name = names.save(&expr);
                let shown = expr.transform_up(|expr| by_the_wall(expr, &schema))?;
                Ok(shown.update_data(|expr| name.restore(expr)))
            })
        })
        .data()
    }

    fn name(&self) -> &str {
        "wall_clock"
    }
}

fn by_the_wall(expr: Expr, schema: &DFSchema) -> DfResult<Transformed<Expr>> {
    let is_elsewhere = |expr: &Expr| match expr.get_type(schema) {
        Ok(DataType::Timestamp(_, Some(zone))) => zone != *UTC,
        _ => false,
    };
    match expr {
        Expr::Cast(mut cast) if matches!(cast.field.data_type(), DataType::Timestamp(_, None)) && is_elsewhere(&cast.expr) => {
            cast.expr = Box::new(to_local_time().call(vec![*cast.expr]));
            Ok(Transformed::yes(Expr::Cast(cast)))
        }
        Expr::ScalarFunction(mut call) if call.name() == "date_bin" && call.args.get(1).is_some_and(is_elsewhere) => {
            let moment = call.args[1].clone();
            call.args[1] = to_local_time().call(vec![moment]);
            Ok(Transformed::yes(Expr::ScalarFunction(call)))
        }
        expr => Ok(Transformed::no(expr)),
    }
}
