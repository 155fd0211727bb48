//! Names the columns of an answer as Postgres does: after the function, the column that is cast, or the text that was typed.
//!
//! **Why.** The planner's own names (`count(Int64(1))`, `nvl(ier.from_name,Utf8("x"))`) describe a plan.
//!
//! Decided 2026-11-28: the columns of the outermost SELECT are named so. Inner ones keep the planner's names, which existing
//! statements use. Where Postgres would give two columns one name (`sum`, `sum`), which CSV, spreadsheets and JSON cannot
//! distinguish, each gets the text that was typed (`sum(a)`, `sum(b)`), and the second of two equal ones a number.

use std::collections::{HashMap, HashSet};

use datafusion::sql::sqlparser::ast::{
    DataType, Expr, Function, Ident, ObjectNamePart, Query, Select, SelectItem, SetExpr, Statement, TypedString,
};

/// What was typed is a name when it has no more characters.
const LONGEST: usize = 60;

/// Names the columns of a statement that have none.
pub fn name_columns(statement: &mut Statement) {
    if let Statement::Query(query) = statement
        && let Some(select) = outermost(query)
    {
        name(select);
    }
}

/// The SELECT after which the columns are called.
fn outermost(query: &mut Query) -> Option<&mut Select> {
    let mut body = query.body.as_mut();
    loop {
        body = match body {
            SetExpr::Select(select) => return Some(select),
            SetExpr::SetOperation { left, .. } => left.as_mut(),
            SetExpr::Query(query) => query.body.as_mut(),
            _ => return None,
        };
    }
}

fn name(select: &mut Select) {
    let has_all =
        select.projection.iter().any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)));
    // Names there are, and how often each short name is wanted.
    let (mut taken, mut wanted) = (HashSet::new(), HashMap::<String, usize>::new());
    for item in &select.projection {
        match item {
            SelectItem::ExprWithAlias { alias, .. } => drop(taken.insert(alias.value.clone())),
            SelectItem::UnnamedExpr(expr) => match column(expr) {
                Some(name) => drop(taken.insert(name)),
                None => *wanted.entry(short(expr).unwrap_or_default()).or_default() += 1,
            },
            _ => {}
        }
    }
    for item in &mut select.projection {
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        if column(expr).is_some() {
            continue;
        }
        let alone = short(expr).filter(|name| wanted.get(name) == Some(&1) && !taken.contains(name) && !has_all);
        let mut name = alone.unwrap_or_else(|| typed(expr));
        if taken.contains(&name) {
            let numbered = (2..).map(|number| format!("{name}_{number}")).find(|name| !taken.contains(name));
            name = numbered.unwrap_or(name);
        }
        taken.insert(name.clone());
        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', name) };
    }
}

/// What was typed, where that is short.
fn typed(expr: &Expr) -> String {
    let text = expr.to_string();
    if text.chars().count() > LONGEST { "?column?".to_owned() } else { text }
}

/// The name of a bare column.
fn column(expr: &Expr) -> Option<String> {
    let ident = match expr {
        Expr::Identifier(ident) => ident,
        Expr::CompoundIdentifier(parts) => parts.last()?,
        _ => return None,
    };
    Some(if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() })
}

/// What Postgres calls it, where that says something.
fn short(expr: &Expr) -> Option<String> {
    let named = match expr {
        Expr::Function(function) => return of_function(function),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => return column(inner).or_else(|| short(inner)),
        Expr::Cast { expr, data_type, .. } => return column(expr).or_else(|| short(expr)).or_else(|| of_type(data_type)),
        Expr::TypedString(TypedString { data_type, .. }) => return of_type(data_type),
        Expr::Subquery(query) => return of_query(query),
        Expr::AtTimeZone { .. } => "timezone",
        Expr::Case { .. } => "case",
        Expr::Ceil { .. } => "ceil",
        Expr::Exists { .. } => "exists",
        Expr::Extract { .. } => "extract",
        Expr::Floor { .. } => "floor",
        Expr::Interval(_) => "interval",
        Expr::Overlay { .. } => "overlay",
        Expr::Position { .. } => "position",
        Expr::Substring { .. } => "substring",
        Expr::Trim { .. } => "trim",
        _ => return None,
    };
    Some(named.to_owned())
}

fn of_function(function: &Function) -> Option<String> {
    match function.name.0.last()? {
        ObjectNamePart::Identifier(name) => Some(name.value.to_lowercase()),
        ObjectNamePart::Function(_) => None,
    }
}

fn of_type(data_type: &DataType) -> Option<String> {
    let name = data_type.to_string().to_lowercase();
    name.split(['(', ' ']).next().map(str::to_owned)
}

/// A subquery is called as its one column is.
fn of_query(query: &Query) -> Option<String> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    match select.projection.first()? {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
        SelectItem::UnnamedExpr(expr) => column(expr).or_else(|| short(expr)),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn named(sql: &str) -> Vec<String> {
        let mut statement = Parser::parse_sql(&GenericDialect {}, sql).unwrap().remove(0);
        name_columns(&mut statement);
        let Statement::Query(mut query) = statement else { return Vec::new() };
        let items = &outermost(&mut query).unwrap().projection;
        items
            .iter()
            .map(|item| match item {
                SelectItem::ExprWithAlias { alias, .. } => alias.value.clone(),
                item => item.to_string(),
            })
            .collect()
    }

    #[test]
    fn columns_are_called_as_in_postgres() {
        for (sql, names) in [
            ("SELECT count(*), SUM(a), t.b FROM t", vec!["count", "sum", "t.b"]),
            ("SELECT d::date, CAST(nvl(a, 'x') AS TEXT), '1'::int FROM t", vec!["d", "nvl", "int"]),
            ("SELECT 2, a + b, 'x' FROM t", vec!["2", "a + b", "'x'"]),
            ("SELECT sum(a), sum(b), sum(a) FROM t", vec!["sum(a)", "sum(b)", "sum(a)_2"]),
            ("SELECT d, d::date FROM t", vec!["d", "d::DATE"]),
            ("SELECT *, count(*) OVER () FROM t", vec!["*", "count(*) OVER ()"]),
            (
                "SELECT CASE WHEN a THEN 1 END, (SELECT max(x) FROM u), extract(year FROM d) FROM t",
                vec!["case", "max", "extract"],
            ),
            ("(SELECT count(*) FROM t) UNION ALL SELECT sum(a) FROM t", vec!["count"]),
            ("WITH w AS (SELECT sum(a) FROM t) SELECT min(x) AS m, max(x) FROM w", vec!["m", "max"]),
        ] {
            assert_eq!(named(sql), names, "{sql}");
        }
    }
}
