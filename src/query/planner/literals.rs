//! Interprets literals by the column they are compared with: an id of 15 characters beside a column of ids, a text beside a
//! boolean.
//!
//! **Why.** Ids are stored in their 18 characters. Reports of Salesforce and people write 15, which would silently equal nothing.
//!
//! A comparison with a literal of 15 becomes one with both forms, because the column may be of a table of attributes, whose texts
//! are stored as they came. This applies only to columns with the name of one of our columns of ids, and to literals that are an
//! id. `opened = 'true'` is answered as Postgres answers it.

use std::collections::HashSet;
use std::sync::LazyLock;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue, plan_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, lit};
use datafusion::optimizer::AnalyzerRule;
use datafusion::sql::sqlparser::ast::BinaryOperator;

use crate::record::fields::TABLES;
use crate::record::id::SfId;

/// Characters of the short form of an id.
const SHORT: usize = 15;

/// Names of columns that hold ids, ours and Salesforce's, in lower case.
static IDS: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let of_table = |fields: Vec<[String; 2]>| fields.into_iter().flatten();
    TABLES
        .iter()
        .flat_map(|table| {
            let ids = table.fields.iter().filter(|field| field.kind.is_id());
            of_table(ids.map(|field| [field.name.to_lowercase(), field.api_name().to_lowercase()]).collect())
        })
        .collect()
});

/// Makes ids of 15 characters find those of 18. It runs before types are coerced.
#[derive(Debug)]
pub struct ShortIds;

impl AnalyzerRule for ShortIds {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> DfResult<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| {
            let names = NamePreserver::new(&node);
            node.map_expressions(|expr| {
                let name = names.save(&expr);
                Ok(expr.transform_up(lengthened)?.update_data(|expr| name.restore(expr)))
            })
        })
        .data()
    }

    fn name(&self) -> &str {
        "short_ids"
    }
}

fn lengthened(expr: Expr) -> DfResult<Transformed<Expr>> {
    match &expr {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::Eq | Operator::NotEq), right }) => {
            let (column, id) = match (id_of(left), id_of(right)) {
                (Some(id), None) if is_id_column(right) => (right, id),
                (None, Some(id)) if is_id_column(left) => (left, id),
                _ => return Ok(Transformed::no(expr)),
            };
            let list = id.into_iter().map(lit).collect();
            Ok(Transformed::yes(Expr::InList(InList::new(column.clone(), list, *op == Operator::NotEq))))
        }
        Expr::InList(list) if is_id_column(&list.expr) && list.list.iter().any(|item| id_of(item).is_some()) => {
            let items = list.list.iter().flat_map(|item| match id_of(item) {
                Some(forms) => forms.into_iter().map(lit).collect::<Vec<_>>(),
                None => vec![item.clone()],
            });
            Ok(Transformed::yes(Expr::InList(InList::new(list.expr.clone(), items.collect(), list.negated))))
        }
        _ => Ok(Transformed::no(expr)),
    }
}

fn is_id_column(expr: &Expr) -> bool {
    match expr {
        Expr::Column(column) => IDS.contains(&column.name.to_lowercase()),
        Expr::Cast(cast) => is_id_column(&cast.expr),
        _ => false,
    }
}

/// Both forms of an id that is written in 15 characters.
fn id_of(expr: &Expr) -> Option<[String; 2]> {
    let Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), _) = expr else { return None };
    let id = SfId::parse(text).ok().filter(|_| text.len() == SHORT)?;
    Some([id.as_str().to_owned(), text.clone()])
}

/// Makes texts that are compared with a boolean booleans.
#[derive(Debug)]
pub struct BoolLiterals;

impl ExprPlanner for BoolLiterals {
    fn plan_binary_op(&self, mut raw: RawBinaryExpr, schema: &DFSchema) -> DfResult<PlannerResult<RawBinaryExpr>> {
        use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
        if matches!(raw.op, Eq | NotEq | Gt | GtEq | Lt | LtEq) {
            let is_truth = |expr: &Expr| matches!(expr.get_type(schema), Ok(DataType::Boolean));
            if let Some(truth) = truth(&raw.right).filter(|_| is_truth(&raw.left)) {
                raw.right = truth?;
            } else if let Some(truth) = truth(&raw.left).filter(|_| is_truth(&raw.right)) {
                raw.left = truth?;
            }
        }
        Ok(PlannerResult::Original(raw))
    }
}

/// A text as a yes or no, where it is a text; Postgres' words.
fn truth(expr: &Expr) -> Option<DfResult<Expr>> {
    let Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), _) = expr else { return None };
    Some(match text.trim().to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "on" | "1" => Ok(lit(true)),
        "f" | "false" | "n" | "no" | "off" | "0" => Ok(lit(false)),
        _ => plan_err!("a column that is yes or no is compared with true or false, such as WHERE opened, or opened = false"),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use datafusion::logical_expr::col;

    use super::*;

    fn shown(expr: Expr) -> String {
        expr.transform_up(lengthened).data().unwrap().to_string()
    }

    #[test]
    fn only_ids_beside_columns_of_ids_are_lengthened() {
        let both = "Utf8(\"003f40000010XKXAAE\"), Utf8(\"003f40000010XKX\")";
        let both = both.replace("003f40000010XKXAAE", SfId::parse("003f40000010XKX").unwrap().as_str());
        let short = || lit("003f40000010XKX");
        assert_eq!(shown(col("person_id").eq(short())), format!("person_id IN ([{both}])"));
        assert_eq!(shown(short().not_eq(col("t.Contact_Id"))), format!("t.contact_id NOT IN ([{both}])"));
        assert_eq!(shown(col("id").in_list(vec![short(), lit("x")], true)), format!("id NOT IN ([{both}, Utf8(\"x\")])"));
        for as_it_was in [
            col("email_name").eq(short()),
            col("person_id").eq(lit("003f40000010XKXAAA")),
            col("person_id").eq(lit("fifteen letters")),
            col("person_id").lt(short()),
        ] {
            assert_eq!(shown(as_it_was.clone()), as_it_was.to_string());
        }
    }
}
