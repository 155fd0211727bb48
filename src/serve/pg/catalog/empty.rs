//! Finds statements, and parts of statements, that have no rows, because they join a relation that is always empty here: there are
//! no indexes, no constraints, no policies, no triggers.
//!
//! Most statements that clients send about a table are of this kind, and they are the hardest to plan: functions that return sets,
//! fields of composite values, subscripts. They can be answered without being understood.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Join, JoinOperator, ObjectName, Query,
    Select, SelectItem, SetExpr, SetOperator, TableFactor, TableWithJoins, Visit, VisitMut, Visitor, VisitorMut,
};

use super::pieces::{aggregates, bare, call, column, folded, last, null, parts, truth};
use super::shapes::{SHAPES, shape_named};
use super::{contents, information};

/// Names of queries known to be empty, by WITH.
pub(super) type EmptyNames = HashSet<String>;

/// Has the relation never any rows?
pub(super) fn is_always_empty(name: &str) -> bool {
    shape_named(name).is_some() && !contents::FILLED.contains(&name) && !information::FILLED.contains(&name)
}

/// Is a query without rows for that reason?
pub(super) fn query(query: &Query, above: &EmptyNames) -> bool {
    let mut names = above.clone();
    for table in query.with.iter().flat_map(|with| &with.cte_tables) {
        let name = folded(&table.alias.name);
        if self::query(&table.query, &names) {
            names.insert(name);
        } else {
            names.remove(&name);
        }
    }
    body(&query.body, &names)
}

fn body(expression: &SetExpr, names: &EmptyNames) -> bool {
    match expression {
        SetExpr::Select(select) => self::select(select, names),
        SetExpr::Query(inner) => query(inner, names),
        SetExpr::SetOperation { left, op: SetOperator::Union, right, .. } => body(left, names) && body(right, names),
        SetExpr::SetOperation { left, op: SetOperator::Intersect, right, .. } => body(left, names) || body(right, names),
        SetExpr::SetOperation { left, op: SetOperator::Except | SetOperator::Minus, .. } => body(left, names),
        _ => false,
    }
}

fn select(select: &Select, names: &EmptyNames) -> bool {
    let grouped = match &select.group_by {
        GroupByExpr::All(_) => true,
        GroupByExpr::Expressions(expressions, modifiers) => !expressions.is_empty() && modifiers.is_empty(),
    };
    // Without groups an aggregate has one row, of nothing.
    let nothing = select.from.iter().any(|table| joined(table, names)) || select.selection.as_ref().is_some_and(own_collation);
    nothing && (grouped || !has_aggregate(select))
}

/// `a.attcollation <> t.typcollation` among what is asked of each row: all have the collation of their type here.
fn own_collation(condition: &Expr) -> bool {
    let Expr::BinaryOp { left, op, right } = bare(condition) else { return false };
    match op {
        BinaryOperator::And => own_collation(left) || own_collation(right),
        BinaryOperator::NotEq => {
            let collation =
                |side: &Expr| column(side).is_some_and(|name| matches!(name.as_str(), "attcollation" | "typcollation"));
            collation(left) && collation(right)
        }
        _ => false,
    }
}

fn joined(table: &TableWithJoins, names: &EmptyNames) -> bool {
    table.joins.iter().fold(factor(&table.relation, names), |left, join| after(left, join, names))
}

fn after(left: bool, join: &Join, names: &EmptyNames) -> bool {
    let right = factor(&join.relation, names);
    match join.join_operator {
        JoinOperator::Left(_) | JoinOperator::LeftOuter(_) | JoinOperator::LeftAnti(_) | JoinOperator::Anti(_) => left,
        JoinOperator::Right(_) | JoinOperator::RightOuter(_) => right,
        JoinOperator::FullOuter(_) => left && right,
        JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_) => left || right,
        _ => false,
    }
}

fn factor(factor: &TableFactor, names: &EmptyNames) -> bool {
    match factor {
        TableFactor::Table { name, args: None, .. } => relation(name, names),
        TableFactor::Table { name, args: Some(args), .. } => function(name, &args.args),
        TableFactor::Function { name, args, .. } => function(name, args),
        TableFactor::UNNEST { array_exprs, .. } => array_exprs.iter().any(never_has_items),
        TableFactor::Derived { subquery, .. } => query(subquery, names),
        TableFactor::NestedJoin { table_with_joins, .. } => joined(table_with_joins, names),
        _ => false,
    }
}

fn relation(name: &ObjectName, names: &EmptyNames) -> bool {
    match parts(name).as_slice() {
        [name] if names.contains(name) => true,
        [.., name] => is_always_empty(name),
        [] => false,
    }
}

/// `unnest` of a list that no row has.
fn function(name: &ObjectName, args: &[FunctionArg]) -> bool {
    let list = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => never_has_items(expression),
        _ => false,
    };
    last(name) == "unnest" && args.iter().any(list)
}

/// Is it a column of lists that are all null here, such as `reloptions`?
fn never_has_items(expression: &Expr) -> bool {
    let Some(name) = column(expression) else { return false };
    let mut columns = SHAPES.iter().flat_map(|shape| &shape.columns);
    name != "relacl" && columns.any(|column| column.name == name && column.type_name.starts_with('_'))
}

fn has_aggregate(select: &Select) -> bool {
    let mut looking = Aggregates { depth: 0, found: false };
    for item in &select.projection {
        if let SelectItem::UnnamedExpr(expression) | SelectItem::ExprWithAlias { expr: expression, .. } = item {
            let _ = expression.visit(&mut looking);
        }
    }
    if let Some(having) = &select.having {
        let _ = having.visit(&mut looking);
    }
    looking.found
}

/// Looks for aggregates of this SELECT, not of those within it.
struct Aggregates {
    depth: usize,
    found: bool,
}

impl Visitor for Aggregates {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        self.found |= self.depth == 0 && matches!(expression, Expr::Function(function) if aggregates(function));
        ControlFlow::Continue(())
    }
}

/// Puts what a subquery without rows stands for in its place: null, an empty list, false.
pub(super) fn fold(query: &mut Query) {
    let _ = VisitMut::visit(query, &mut Fold);
}

struct Fold;

impl VisitorMut for Fold {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        let none = EmptyNames::new();
        let value = match expression {
            Expr::Subquery(subquery) if query(subquery, &none) => Some(null()),
            Expr::Exists { subquery, negated } if query(subquery, &none) => Some(truth(*negated)),
            Expr::InSubquery { subquery, negated, .. } if query(subquery, &none) => Some(truth(*negated)),
            Expr::Function(function) if last(&function.name) == "array" => match &function.args {
                FunctionArguments::Subquery(subquery) if query(subquery, &none) => Some(call("no_texts", Vec::new())),
                _ => None,
            },
            _ => None,
        };
        if let Some(value) = value {
            *expression = value;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        // There are no domains here, whose bases one would have to climb.
        let climbs =
            matches!(bare(expression), Expr::Subquery(subquery) if subquery.with.as_ref().is_some_and(|with| with.recursive));
        if climbs {
            *expression = null();
        }
        ControlFlow::Continue(())
    }
}
