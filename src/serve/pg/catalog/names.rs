//! Names columns that a statement does not name, as Postgres does, and makes two columns of one name different.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{AccessExpr, Expr, Ident, Query, Select, SelectItem, TrimWhereField, VisitMut, VisitorMut};

use super::pieces::{bare, folded, last, select_of, type_name};

/// What stands for a column without a name.
const UNKNOWN: &str = "?column?";

/// The name Postgres gives the column of an expression.
pub(super) fn of(expression: &Expr) -> String {
    name(expression).map_or_else(|| UNKNOWN.to_owned(), |(name, _)| name)
}

/// A name, and whether it is a good one: a type or `case` stands only where nothing better is found around it.
fn name(expression: &Expr) -> Option<(String, bool)> {
    let good = |name: String| Some((name, true));
    let fixed = |name: &str| good(name.to_owned());
    match bare(expression) {
        Expr::Identifier(ident) => good(folded(ident)),
        Expr::CompoundIdentifier(idents) => idents.last().map(folded).and_then(good),
        Expr::Function(function) => good(last(&function.name)),
        Expr::Cast { expr, data_type, .. } => {
            let of_type = || Some((type_name(data_type).trim_start_matches('_').to_owned(), false));
            name(expr).filter(|(_, good)| *good).or_else(of_type)
        }
        Expr::Case { else_result, .. } => {
            let better = else_result.as_deref().and_then(name).filter(|(_, good)| *good);
            better.or_else(|| Some(("case".to_owned(), false)))
        }
        Expr::Subquery(query) => select_of(query).and_then(|select| match select.projection.first()? {
            SelectItem::UnnamedExpr(expression) => name(expression).and_then(|(name, _)| good(name)),
            SelectItem::ExprWithAlias { alias, .. } => good(folded(alias)),
            _ => None,
        }),
        Expr::Exists { .. } => fixed("exists"),
        Expr::Array(_) => fixed("array"),
        Expr::Collate { expr, .. } => name(expr),
        Expr::CompoundFieldAccess { root, access_chain } => match access_chain.last() {
            Some(AccessExpr::Dot(field)) => name(field),
            _ => name(root),
        },
        Expr::Trim { trim_where, .. } => match trim_where {
            Some(TrimWhereField::Leading) => fixed("ltrim"),
            Some(TrimWhereField::Trailing) => fixed("rtrim"),
            _ => fixed("btrim"),
        },
        Expr::Substring { .. } => fixed("substring"),
        Expr::Position { .. } => fixed("position"),
        Expr::Extract { .. } => fixed("extract"),
        Expr::Ceil { .. } => fixed("ceil"),
        Expr::Floor { .. } => fixed("floor"),
        Expr::AtTimeZone { .. } => fixed("timezone"),
        _ => None,
    }
}

/// Names each column of each SELECT that has no name of its own, as Postgres does, and a second one of the same name by another.
/// What the outermost columns are called is asked before: `columns::of`.
pub(super) fn give(query: &mut Query) {
    let _ = VisitMut::visit(query, &mut Give);
}

struct Give;

impl VisitorMut for Give {
    type Break = ();

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let mut taken: HashSet<String> = HashSet::new();
        for item in &mut select.projection {
            let (wanted, plain) = match item {
                SelectItem::UnnamedExpr(expression) => {
                    (of(expression), matches!(expression, Expr::Identifier(_) | Expr::CompoundIdentifier(_)))
                }
                SelectItem::ExprWithAlias { alias, .. } => (folded(alias), false),
                _ => continue,
            };
            let first = taken.insert(wanted.clone());
            if first && (plain || matches!(item, SelectItem::ExprWithAlias { .. })) {
                continue;
            }
            let unique = if first {
                wanted
            } else {
                (2..).map(|at| format!("{wanted} {at}")).find(|name| taken.insert(name.clone())).unwrap_or_default()
            };
            let alias = Ident::with_quote('"', unique);
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
            }
        }
        ControlFlow::Continue(())
    }
}
