//! Derives the columns of a query's answer from its text: for statements that are answered without being planned, and for `*`.

use std::collections::HashMap;

use arrow::datatypes::DataType;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, Expr, Function, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableFactor,
    TableWithJoins, UnaryOperator, Value,
};

use super::functions;
use super::names;
use super::pieces::{alias_columns, arguments, bare, folded, last, parts, type_name};
use super::shapes::{held_as, shape_named};
use super::signature::Returns;

/// Names and types of columns.
pub(super) type Columns = Vec<(String, DataType)>;

/// Columns of queries named by WITH.
type Named = HashMap<String, Columns>;

/// The columns of a query; none where its text alone does not say.
pub(super) fn of(query: &Query) -> Option<Columns> {
    of_query(query, &Named::new(), &[])
}

/// What a SELECT reads from: each table's name and columns, in order.
pub(super) fn sources(select: &Select) -> Option<Vec<(String, Columns)>> {
    select.from.iter().map(|table| of_tables(table, &Named::new())).collect::<Option<Vec<_>>>().map(|all| all.concat())
}

type Scope = Vec<(String, Columns)>;

fn of_query(query: &Query, named: &Named, outer: &[(String, Columns)]) -> Option<Columns> {
    let mut named = named.clone();
    for table in query.with.iter().flat_map(|with| &with.cte_tables) {
        let columns = of_query(&table.query, &named, outer)?;
        let renamed = rename(columns, &alias_columns(Some(&table.alias)));
        named.insert(folded(&table.alias.name), renamed);
    }
    of_body(&query.body, &named, outer)
}

fn of_body(body: &SetExpr, named: &Named, outer: &[(String, Columns)]) -> Option<Columns> {
    match body {
        SetExpr::Select(select) => of_select(select, named, outer),
        SetExpr::Query(query) => of_query(query, named, outer),
        SetExpr::SetOperation { left, right, .. } => {
            // Where the left side has only null to say, the right side may say more.
            let (left, right) = (of_body(left, named, outer)?, of_body(right, named, outer));
            let right = right.filter(|right| right.len() == left.len()).unwrap_or_else(|| left.clone());
            let typed = |((name, one), (_, other)): ((String, DataType), (String, DataType))| {
                (name, if one == DataType::Utf8 { other } else { one })
            };
            Some(left.into_iter().zip(right).map(typed).collect())
        }
        SetExpr::Values(values) => {
            let row = values.rows.first()?;
            let column = |(at, value): (usize, &Expr)| (format!("column{}", at + 1), of_expression(value, &[]));
            Some(row.content.iter().enumerate().map(column).collect())
        }
        _ => None,
    }
}

fn of_select(select: &Select, named: &Named, outer: &[(String, Columns)]) -> Option<Columns> {
    let mut scope: Scope = Vec::new();
    for table in &select.from {
        scope.extend(of_tables(table, named)?);
    }
    let whole: Scope = scope.iter().chain(outer).cloned().collect();
    let mut columns = Columns::new();
    for item in &select.projection {
        match item {
            SelectItem::UnnamedExpr(expression) => columns.push((names::of(expression), of_expression(expression, &whole))),
            SelectItem::ExprWithAlias { expr, alias } => columns.push((folded(alias), of_expression(expr, &whole))),
            SelectItem::Wildcard(_) => columns.extend(scope.iter().flat_map(|(_, columns)| columns.clone())),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                let name = last(name);
                columns.extend(scope.iter().find(|(table, _)| *table == name)?.1.clone());
            }
            _ => return None,
        }
    }
    Some(columns)
}

fn of_tables(table: &TableWithJoins, named: &Named) -> Option<Scope> {
    let factors = std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation));
    factors.map(|factor| of_factor(factor, named)).collect::<Option<Vec<_>>>().map(|all| all.concat())
}

fn of_factor(factor: &TableFactor, named: &Named) -> Option<Scope> {
    let one = |name: String, columns: Columns| Some(vec![(name, columns)]);
    match factor {
        TableFactor::Table { name, alias, args: None, .. } => {
            let parts = parts(name);
            let own = parts.last()?.clone();
            let of_postgres =
                || Some(shape_named(&own)?.columns().map(|(name, data_type)| (name.to_owned(), data_type)).collect());
            let columns = named.get(&own).filter(|_| parts.len() == 1).cloned().or_else(of_postgres)?;
            let columns = rename(columns, &alias_columns(alias.as_ref()));
            one(alias.as_ref().map_or(own, |alias| folded(&alias.name)), columns)
        }
        TableFactor::Derived { subquery, alias, .. } => {
            let columns = rename(of_query(subquery, named, &[])?, &alias_columns(alias.as_ref()));
            one(alias.as_ref().map(|alias| folded(&alias.name)).unwrap_or_default(), columns)
        }
        TableFactor::NestedJoin { table_with_joins, .. } => of_tables(table_with_joins, named),
        TableFactor::Table { name, alias, .. } | TableFactor::Function { name, alias, .. } => {
            let name = alias.as_ref().map_or_else(|| last(name), |alias| folded(&alias.name));
            let column = alias_columns(alias.as_ref()).pop().unwrap_or_else(|| name.clone());
            one(name, vec![(column, DataType::Int64)])
        }
        TableFactor::UNNEST { alias, .. } => {
            let name = alias.as_ref().map_or_else(|| "unnest".to_owned(), |alias| folded(&alias.name));
            let column = alias_columns(alias.as_ref()).pop().unwrap_or_else(|| name.clone());
            one(name, vec![(column, DataType::Utf8)])
        }
        _ => None,
    }
}

fn rename(columns: Columns, names: &[String]) -> Columns {
    let name = |(at, (name, data_type)): (usize, (String, DataType))| (names.get(at).cloned().unwrap_or(name), data_type);
    columns.into_iter().enumerate().map(name).collect()
}

/// The type of an expression, text where nothing says another.
fn of_expression(expression: &Expr, scope: &[(String, Columns)]) -> DataType {
    let of = |expression: &Expr| of_expression(expression, scope);
    match bare(expression) {
        Expr::Identifier(ident) => look_up(scope, None, &folded(ident)),
        Expr::CompoundIdentifier(idents) => {
            let table = idents.len().checked_sub(2).and_then(|at| idents.get(at)).map(folded);
            look_up(scope, table.as_deref(), &idents.last().map(folded).unwrap_or_default())
        }
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) if number.parse::<i64>().is_ok() => DataType::Int64,
            Value::Number(..) => DataType::Float64,
            Value::Boolean(_) => DataType::Boolean,
            _ => DataType::Utf8,
        },
        Expr::Cast { data_type, .. } if type_name(data_type).starts_with("reg") => DataType::Utf8,
        Expr::Cast { data_type, .. } => held_as(&type_name(data_type)),
        Expr::Function(function) => of_call(function, scope),
        Expr::Case { conditions, else_result, .. } => {
            let results = conditions.iter().map(|when| &when.result).chain(else_result.as_deref());
            results.filter(|result| !is_null(result)).map(of).next().unwrap_or(DataType::Utf8)
        }
        Expr::BinaryOp { left, op, right } => match op {
            BinaryOperator::Plus | BinaryOperator::Minus | BinaryOperator::Multiply | BinaryOperator::Divide => of(left),
            BinaryOperator::BitwiseAnd | BinaryOperator::BitwiseOr | BinaryOperator::Modulo => of(left),
            BinaryOperator::StringConcat if matches!(of(left), DataType::List(_)) => of(left),
            BinaryOperator::StringConcat if matches!(of(right), DataType::List(_)) => of(right),
            BinaryOperator::StringConcat => DataType::Utf8,
            _ => DataType::Boolean,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => of(expr),
        Expr::UnaryOp { .. }
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsDistinctFrom(..)
        | Expr::IsNotDistinctFrom(..)
        | Expr::Exists { .. }
        | Expr::InList { .. }
        | Expr::InSubquery { .. }
        | Expr::Between { .. }
        | Expr::Like { .. }
        | Expr::ILike { .. }
        | Expr::AnyOp { .. }
        | Expr::AllOp { .. } => DataType::Boolean,
        Expr::Subquery(query) => {
            let columns = of_query(query, &Named::new(), scope).unwrap_or_default();
            columns.into_iter().next().map_or(DataType::Utf8, |(_, data_type)| data_type)
        }
        Expr::Collate { expr, .. } => of(expr),
        Expr::Array(_) => Returns::Texts.data_type(),
        Expr::CompoundFieldAccess { root, access_chain } => match (access_chain.last(), of(root)) {
            (Some(AccessExpr::Subscript(_)), DataType::List(item)) => item.data_type().clone(),
            // The place in a list, of `_pg_expandarray`, and what stands there.
            (Some(AccessExpr::Dot(_)), _) => DataType::Int32,
            _ => DataType::Utf8,
        },
        _ => DataType::Utf8,
    }
}

fn is_null(expression: &Expr) -> bool {
    matches!(bare(expression), Expr::Value(value) if value.value == Value::Null)
}

fn look_up(scope: &[(String, Columns)], table: Option<&str>, column: &str) -> DataType {
    let tables = scope.iter().filter(|(name, _)| table.is_none_or(|table| table == name));
    let found = tables.flat_map(|(_, columns)| columns).find(|(name, _)| name == column);
    found.map_or(DataType::Utf8, |(_, data_type)| data_type.clone())
}

fn of_call(function: &Function, scope: &[(String, Columns)]) -> DataType {
    let name = last(&function.name);
    if let Some(found) = functions::named(&name) {
        return found.returns.data_type();
    }
    let argument = || arguments(function).first().map_or(DataType::Utf8, |argument| of_expression(argument, scope));
    let list = |item: DataType| DataType::List(std::sync::Arc::new(arrow::datatypes::Field::new_list_field(item, true)));
    match name.as_str() {
        "count" | "row_number" | "rank" | "generate_series" => DataType::Int64,
        "generate_subscripts" | "length" => DataType::Int32,
        "bool_and" | "bool_or" | "every" => DataType::Boolean,
        "min" | "max" | "coalesce" | "nullif" | "array_remove" | "greatest" | "least" => argument(),
        "array_agg" => list(argument()),
        "array" | "string_to_array" => Returns::Texts.data_type(),
        "unnest" => match argument() {
            DataType::List(item) => item.data_type().clone(),
            other => other,
        },
        _ => DataType::Utf8,
    }
}
