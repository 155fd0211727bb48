//! Decides whether an expression has the same value for all rows that a row of a rollup stands for, so that the rollup can be used.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, Operator};

use crate::lake::file::rollup::{Exactness, HOUR_MICROS};
use crate::query::functions::local_time;

/// Has an expression the same value for all rows that a row of a rollup stands for, and is that known? `exactness` says how exactly
/// a rollup has a column.
pub(crate) fn is_exact(expr: &Expr, exactness: &dyn Fn(&Column) -> Exactness) -> bool {
    let exactness_of = |expr: &Expr| match expr {
        Expr::Column(column) => exactness(column),
        _ => Exactness::Nothing,
    };
    let is_hour = |expr: &Expr| exactness_of(moment(expr)) == Exactness::Hour;
    match expr {
        Expr::Column(_) => exactness_of(expr) == Exactness::Exactly,
        Expr::IsNull(of) | Expr::IsNotNull(of) if exactness_of(of) != Exactness::Nothing => true,
        // An hour lies on one side of a moment at which hours begin.
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::GtEq | Operator::Lt, right }) if is_hour(left) => begins_hour(right),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::LtEq | Operator::Gt, right }) if is_hour(right) => begins_hour(left),
        Expr::Cast(Cast { expr, field }) if *field.data_type() == DataType::Date32 && is_hour(expr) => true,
        Expr::ScalarFunction(function) if function.args.last().is_some_and(is_hour) => is_of_hours(function),
        Expr::OuterReferenceColumn(..) | Expr::SetComparison(_) => false,
        Expr::Exists(exists) => exists.subquery.outer_ref_columns.is_empty(),
        Expr::ScalarSubquery(subquery) => subquery.outer_ref_columns.is_empty(),
        Expr::InSubquery(of) => of.subquery.outer_ref_columns.is_empty() && is_exact(&of.expr, exactness),
        _ if expr.is_volatile_node() => false,
        _ => {
            let mut all = true;
            let walk = expr.apply_children(|child| {
                all &= is_exact(child, exactness);
                Ok(if all { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
            });
            walk.is_ok() && all
        }
    }
}

/// Is a function of a moment alike all through an hour?
fn is_of_hours(function: &ScalarFunction) -> bool {
    match (function.name(), function.args.as_slice()) {
        ("date_trunc" | "date_part", [Expr::Literal(unit, _), _]) => {
            unit.try_as_str().flatten().is_some_and(|unit| UNITS.contains(&unit.to_ascii_lowercase().as_str()))
        }
        _ => local_time::is_of_hours(&function.func),
    }
}

/// Units of `date_trunc` and `date_part` that are alike all through an hour of UTC.
const UNITS: [&str; 11] = ["hour", "day", "week", "month", "quarter", "year", "dow", "doy", "isodow", "decade", "century"];

/// A moment without the casts that only change how it is written.
fn moment(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast(Cast { expr: inner, field }) => match field.data_type() {
            DataType::Timestamp(TimeUnit::Microsecond | TimeUnit::Nanosecond, zone)
                if zone.as_deref().is_none_or(|zone| matches!(zone, "UTC" | "+00:00")) =>
            {
                moment(inner)
            }
            _ => expr,
        },
        expr => expr,
    }
}

/// Is it a moment at which an hour begins?
fn begins_hour(expr: &Expr) -> bool {
    let Expr::Literal(value, _) = expr else { return false };
    let (moment, in_second) = match value {
        ScalarValue::TimestampSecond(Some(moment), _) => (*moment, 1),
        ScalarValue::TimestampMillisecond(Some(moment), _) => (*moment, 1_000),
        ScalarValue::TimestampMicrosecond(Some(moment), _) => (*moment, 1_000_000),
        ScalarValue::TimestampNanosecond(Some(moment), _) => (*moment, 1_000_000_000),
        _ => return false,
    };
    moment % (HOUR_MICROS / 1_000_000 * in_second) == 0
}
