//! Lets the value of a scalar subquery be null, because the subquery may have no row.
//!
//! **Why.** `(SELECT y.n FROM … WHERE …) IS NULL` is true if the subquery has no row, even if the column `n` is never null.
//! DataFusion 55.2 takes such a value for never null, and replaces `IS NULL` by false before it runs: rows are silently lost, and a
//! list that shows such a value fails. It is mended upstream after 55.2 (issue 24513, pull request 24516).
//!
//! **How.** Until then the column passes through a function that returns its argument and does not promise that it is never null. A
//! subquery that aggregates all rows always has a row, and needs no such function.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result as DfResult, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, LogicalPlanBuilder, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Subquery,
    Volatility,
};
use datafusion::optimizer::AnalyzerRule;

use super::subqueries::is_one_row;

/// Lets values of subqueries be null. It runs before any rule that uses what may be null.
#[derive(Debug)]
pub struct EmptyValues;

impl AnalyzerRule for EmptyValues {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> DfResult<LogicalPlan> {
        let mut found = false;
        plan.apply_with_subqueries(|node| {
            node.apply_expressions(|expr| {
                found |= expr.exists(|expr| Ok(matches!(expr, Expr::ScalarSubquery(asked) if is_meant(asked))))?;
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        if !found {
            return Ok(plan);
        }
        // What stands above such a value may be null, too.
        plan.transform_up_with_subqueries(|node| {
            let names = NamePreserver::new(&node);
            let node = node.map_expressions(|expr| {
                let name = names.save(&expr);
                Ok(expr.transform_up(may_be_null)?.update_data(|expr| name.restore(expr)))
            })?;
            node.map_data(LogicalPlan::recompute_schema)
        })
        .data()
    }

    fn name(&self) -> &str {
        "empty_values"
    }
}

/// Of a statement that asks nothing of the one around it, and has a row or not.
fn is_meant(asked: &Subquery) -> bool {
    let plan = &asked.subquery;
    let is_correlated = !asked.outer_ref_columns.is_empty();
    !is_correlated && !is_one_row(plan) && plan.schema().fields().len() == 1 && !plan.schema().field(0).is_nullable()
}

fn may_be_null(expr: Expr) -> DfResult<Transformed<Expr>> {
    match expr {
        Expr::ScalarSubquery(asked) if is_meant(&asked) => {
            let column = Expr::Column(Column::from(asked.subquery.schema().qualified_field(0)));
            let name = asked.subquery.schema().field(0).name().clone();
            let function = Arc::new(ScalarUDF::from(MayBeNull { signature: Signature::any(1, Volatility::Volatile) }));
            let value = Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![column])).alias(name);
            let plan = LogicalPlanBuilder::from(asked.subquery.as_ref().clone()).project([value])?.build()?;
            Ok(Transformed::yes(Expr::ScalarSubquery(Subquery { subquery: Arc::new(plan), ..asked })))
        }
        expr => Ok(Transformed::no(expr)),
    }
}

/// What it is given, and it may be null. Volatile, so that a value that is the same always is not put in its place before it is known
/// whether there is a row.
#[derive(Debug, Eq, Hash, PartialEq)]
struct MayBeNull {
    signature: Signature,
}

impl ScalarUDFImpl for MayBeNull {
    fn name(&self) -> &str {
        "__may_be_null"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        Ok(types.first().cloned().unwrap_or(DataType::Null))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        Ok(args.args.into_iter().next().unwrap_or(ColumnarValue::Scalar(ScalarValue::Null)))
    }
}
