//! A value that another statement answers is null where that statement has no row.
//!
//! `(SELECT y.n FROM … WHERE …) IS NULL` is true where nothing is found, whatever the column says of itself. DataFusion 55.2 takes a value for
//! never null when its column is never null, and so answers `IS NULL` by false before it looks: rows are lost without a word, and a
//! list that shows such a value fails. Upstream has mended it after 55.2 (issue 24513, pull request 24516). Until then the column of
//! such a statement passes a function that gives what it gets and does not promise that it is never null; an aggregate of all rows, which
//! has a row always, needs none.

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

/// Lets values of other statements be null. Before anything asks what may be.
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
