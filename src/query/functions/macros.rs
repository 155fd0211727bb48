//! Macros: measures and other short expressions, each with one definition in `sql/macros.sql`.
//!
//! A call such as `open_rate(i)` is replaced by its definition before the statement is planned. So the planner sees plain counts,
//! which it can optimise, and a measure means the same in every statement. The first argument is the name of a table of the
//! statement; the definition's columns are those of that table. A measure may have a FILTER or an OVER, which is then applied to
//! each of its aggregates.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, MacroDefinition, Select, SelectItem,
    Statement, VisitMut, VisitorMut, WindowType, visit_expressions,
};
use datafusion::sql::sqlparser::dialect::DuckDbDialect;
use datafusion::sql::sqlparser::parser::Parser;

use crate::error::{Context, Error, Result};

/// The definitions.
pub const MACROS: &str = include_str!("../../../sql/macros.sql");

/// What a definition may count with: its FILTER and OVER go there.
const AGGREGATES: [&str; 2] = ["count", "sum"];

/// All macros.
#[derive(Debug, Default)]
pub struct Macros {
    by_name: HashMap<String, Macro>,
}

#[derive(Clone, Debug)]
struct Macro {
    parameters: Vec<Ident>,
    /// Without calls of other macros.
    definition: Expr,
}

impl Macros {
    /// Those every statement may use.
    pub fn built_in() -> Result<Self> {
        Self::parse(MACROS).context(|| "sql/macros.sql")
    }

    /// From statements `CREATE MACRO name(parameters) AS expression`, each of which may use earlier ones.
    fn parse(text: &str) -> Result<Self> {
        let mut macros = Self::default();
        for statement in Parser::parse_sql(&DuckDbDialect {}, text).map_err(|error| Error::internal(error.to_string()))? {
            let Statement::CreateMacro { name, args, definition: MacroDefinition::Expr(mut definition), .. } = statement else {
                return Err(Error::internal(phrase!("{statement} defines no macro")));
            };
            macros.expand(&mut definition)?;
            let parameters = args.unwrap_or_default().into_iter().map(|arg| arg.name).collect();
            macros.by_name.insert(name.to_string(), Macro { parameters, definition });
        }
        Ok(macros)
    }

    /// Each with how it is called.
    pub fn calls(&self) -> impl Iterator<Item = (String, String)> {
        self.by_name.iter().map(|(name, found)| {
            let parameters: Vec<String> = found.parameters.iter().map(ToString::to_string).collect();
            (name.clone(), format!("{name}({})", parameters.join(", ")))
        })
    }

    /// Replaces the calls in a statement, or in a part of one.
    pub fn expand(&self, statement: &mut impl VisitMut) -> Result<()> {
        match statement.visit(&mut Calls { macros: self }) {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(()),
        }
    }

    /// Is there a call in an expression?
    fn are_in(&self, expr: &Expr) -> bool {
        let call = |expr: &Expr| match expr {
            Expr::Function(function) if self.of(function).is_some() => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        visit_expressions(expr, call).is_break()
    }

    /// The macro a function's name means.
    fn of(&self, function: &Function) -> Option<(&str, &Macro)> {
        let [part] = function.name.0.as_slice() else { return None };
        let name = part.as_ident()?.value.to_ascii_lowercase();
        self.by_name.get_key_value(&name).map(|(name, found)| (name.as_str(), found))
    }
}

/// Finds calls.
struct Calls<'a> {
    macros: &'a Macros,
}

impl VisitorMut for Calls<'_> {
    type Break = Error;

    /// A column that is made by a macro is named as it was asked for, not after the definition.
    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        for item in &mut select.projection {
            let SelectItem::UnnamedExpr(expr) = item else { continue };
            let call = match expr {
                Expr::Function(function) => self.macros.of(function).map(|(name, _)| name.to_owned()),
                _ => None,
            };
            let name = call.or_else(|| self.macros.are_in(expr).then(|| expr.to_string()));
            if let Some(name) = name {
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', name) };
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        let Some((name, found)) = self.macros.of(function) else { return ControlFlow::Continue(()) };
        match found.applied(name, function) {
            Ok(applied) => {
                *expr = Expr::Nested(Box::new(applied));
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl Macro {
    /// The definition for a call.
    fn applied(&self, name: &str, call: &Function) -> Result<Expr> {
        let arguments = self.arguments(name, call)?;
        let mut definition = self.definition.clone();
        let mut put_in = Substitution { name, parameters: &self.parameters, arguments: &arguments };
        if let ControlFlow::Break(error) = definition.visit(&mut put_in) {
            return Err(error);
        }
        if call.filter.is_none() && call.over.is_none() {
            return Ok(definition);
        }
        let mut aggregates = Aggregates { filter: call.filter.as_deref(), over: call.over.as_ref(), found: false };
        match definition.visit(&mut aggregates) {
            ControlFlow::Continue(()) if aggregates.found => Ok(definition),
            _ => Err(Error::invalid(phrase!("{name} is asked of one row: it takes no FILTER and no OVER"))),
        }
    }

    fn arguments(&self, name: &str, call: &Function) -> Result<Vec<Expr>> {
        let parameters: Vec<&str> = self.parameters.iter().map(|parameter| parameter.value.as_str()).collect();
        let right = match parameters.len() {
            1 => format!("{name} takes the name of a table in the statement, such as {name}({0}) for FROM … {0}", parameters[0]),
            _ => format!("{name} takes {}, the first of them the name of a table in the statement", parameters.join(" and ")),
        };
        let FunctionArguments::List(list) = &call.args else { return Err(Error::invalid(right)) };
        let given: Option<Vec<Expr>> = list
            .args
            .iter()
            .map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) => Some(argument.clone()),
                _ => None,
            })
            .collect();
        given
            .filter(|given| {
                given.len() == parameters.len()
                    && list.duplicate_treatment.is_none()
                    && list.clauses.is_empty()
                    && matches!(given.first(), Some(Expr::Identifier(_) | Expr::CompoundIdentifier(_)))
            })
            .ok_or_else(|| Error::invalid(right))
    }
}

/// Puts arguments in the places of parameters.
struct Substitution<'a> {
    name: &'a str,
    parameters: &'a [Ident],
    arguments: &'a [Expr],
}

impl Substitution<'_> {
    fn argument(&self, parameter: &Ident) -> Option<&Expr> {
        self.parameters.iter().position(|known| known.value == parameter.value).and_then(|at| self.arguments.get(at))
    }
}

impl VisitorMut for Substitution<'_> {
    type Break = Error;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        let put = match expr {
            Expr::Identifier(parameter) => self.argument(parameter).map(|argument| Expr::Nested(Box::new(argument.clone()))),
            Expr::CompoundIdentifier(parts) => match self.argument(&parts[0]) {
                Some(Expr::Identifier(table)) => {
                    Some(Expr::CompoundIdentifier([std::slice::from_ref(table), &parts[1..]].concat()))
                }
                Some(Expr::CompoundIdentifier(table)) => Some(Expr::CompoundIdentifier([table, &parts[1..]].concat())),
                Some(other) => {
                    return ControlFlow::Break(Error::invalid(phrase!("{} takes the name of a table, not {other}", self.name)));
                }
                None => None,
            },
            _ => None,
        };
        if let Some(put) = put {
            *expr = put;
        }
        ControlFlow::Continue(())
    }
}

/// Hands the FILTER and the OVER of a measure to what it counts with.
struct Aggregates<'a> {
    filter: Option<&'a Expr>,
    over: Option<&'a WindowType>,
    found: bool,
}

impl VisitorMut for Aggregates<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        if !AGGREGATES.iter().any(|name| function.name.to_string().eq_ignore_ascii_case(name)) {
            return ControlFlow::Continue(());
        }
        self.found = true;
        if let Some(filter) = self.filter {
            let nested = |expr: Expr| Box::new(Expr::Nested(Box::new(expr)));
            function.filter = Some(match function.filter.take() {
                Some(own) => {
                    Box::new(Expr::BinaryOp { left: nested(*own), op: BinaryOperator::And, right: nested(filter.clone()) })
                }
                None => Box::new(filter.clone()),
            });
        }
        function.over = self.over.cloned();
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use datafusion::sql::sqlparser::dialect::GenericDialect;

    use super::*;

    fn expanded(sql: &str) -> Result<String> {
        let macros = Macros::parse(
            "CREATE MACRO n(i) AS count(*) FILTER (WHERE i.a OR i.b); CREATE MACRO rate(i) AS n(i) / nullif(count(i.a), 0); \
             CREATE MACRO at(i, moment) AS i.a < moment;",
        )?;
        let mut statement = Parser::parse_sql(&GenericDialect {}, sql).unwrap().remove(0);
        macros.expand(&mut statement)?;
        Ok(statement.to_string())
    }

    #[test]
    fn a_call_is_its_definition_under_its_own_name() {
        for (sql, expected) in [
            ("SELECT n(t) FROM t", "SELECT (count(*) FILTER (WHERE t.a OR t.b)) AS \"n\" FROM t"),
            ("SELECT N(public.t) AS x FROM t", "SELECT (count(*) FILTER (WHERE public.t.a OR public.t.b)) AS x FROM t"),
            (
                "SELECT round(rate(t), 2) FROM t",
                "SELECT round(((count(*) FILTER (WHERE t.a OR t.b)) / nullif(count(t.a), 0)), 2) AS \"round(rate(t), 2)\" FROM t",
            ),
            ("SELECT 1 FROM t WHERE at(t, now() - b)", "SELECT 1 FROM t WHERE (t.a < (now() - b))"),
            ("SELECT x, other.n(t) FROM t", "SELECT x, other.n(t) FROM t"),
        ] {
            assert_eq!(expanded(sql).unwrap(), expected);
        }
    }

    #[test]
    fn filter_and_window_reach_every_aggregate() {
        for (sql, expected) in [
            ("SELECT n(t) FILTER (WHERE c) FROM t", "SELECT (count(*) FILTER (WHERE (t.a OR t.b) AND (c))) AS \"n\" FROM t"),
            (
                "SELECT rate(t) OVER (PARTITION BY c) AS r FROM t",
                "SELECT ((count(*) FILTER (WHERE t.a OR t.b) OVER (PARTITION BY c)) / nullif(count(t.a) OVER (PARTITION BY c), 0)) AS r FROM t",
            ),
        ] {
            assert_eq!(expanded(sql).unwrap(), expected);
        }
    }

    #[test]
    fn a_call_that_means_nothing_is_refused_with_what_would_be_right() {
        for (sql, part) in [
            ("SELECT n() FROM t", "n takes the name of a table in the statement, such as n(i)"),
            ("SELECT n(*) FROM t", "n takes the name"),
            ("SELECT n(1) FROM t", "n takes the name"),
            ("SELECT n(DISTINCT t) FROM t", "n takes the name"),
            ("SELECT at(t) FROM t", "at takes i and moment, the first of them the name of a table"),
            ("SELECT at(t, 1) FILTER (WHERE c) FROM t", "it takes no FILTER"),
        ] {
            assert!(expanded(sql).is_err_and(|error| error.to_string().contains(part)), "{sql}");
        }
    }

    #[test]
    fn the_built_in_ones_are_whole() {
        let macros = Macros::built_in().unwrap();
        assert!(macros.by_name.contains_key("click_to_open_rate"));
        for (name, found) in &macros.by_name {
            assert!(!found.parameters.is_empty(), "{name}");
        }
    }
}
