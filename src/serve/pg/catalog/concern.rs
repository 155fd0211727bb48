//! Decides whether a statement is about the catalogs, about our data, or about both.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, ObjectName, Query, Statement, TableFactor, Visit, Visitor};

use super::functions;
use super::pieces::{folded, parts, type_name};
use super::shapes::{INFORMATION_SCHEMA, PG_CATALOG};

/// What a statement asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Concern {
    /// The catalogs alone.
    Catalog,
    /// The engine's tables, or nothing that is stored.
    Data,
    /// Both at once, which nobody answers.
    Mixed,
}

/// All its relations are of the catalogs, or it has none and calls one of their functions: it concerns the catalogs.
pub(super) fn of(statement: &Statement) -> Concern {
    let mut names = Names::default();
    let _ = statement.visit(&mut names);
    let mut seen = Seen { ctes: names.0, ..Seen::default() };
    let _ = statement.visit(&mut seen);
    match (seen.catalog, seen.data, seen.call) {
        (true, true, _) => Concern::Mixed,
        (true, false, _) | (false, false, true) => Concern::Catalog,
        _ => Concern::Data,
    }
}

/// Is this schema one of the catalogs?
fn is_catalog(schema: &str) -> bool {
    schema == PG_CATALOG || schema == INFORMATION_SCHEMA
}

/// Names given to queries by WITH.
#[derive(Default)]
struct Names(HashSet<String>);

impl Visitor for Names {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let tables = query.with.iter().flat_map(|with| &with.cte_tables);
        self.0.extend(tables.map(|table| folded(&table.alias.name)));
        ControlFlow::Continue(())
    }
}

#[derive(Default)]
struct Seen {
    ctes: HashSet<String>,
    catalog: bool,
    data: bool,
    call: bool,
}

impl Seen {
    fn relation(&mut self, name: &ObjectName) {
        match parts(name).as_slice() {
            [name] if self.ctes.contains(name) => {}
            [name] if name.starts_with("pg_") => self.catalog = true,
            [.., schema, _] if is_catalog(schema) => self.catalog = true,
            _ => self.data = true,
        }
    }

    fn function(&mut self, name: &ObjectName) {
        self.call |= match parts(name).as_slice() {
            [name] => name.starts_with("pg_") || functions::named(name).is_some(),
            [.., schema, _] => is_catalog(schema),
            [] => false,
        };
    }
}

impl Visitor for Seen {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { name, args: None, .. } => self.relation(name),
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => self.function(name),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        match expression {
            Expr::Function(function) => self.function(&function.name),
            Expr::Cast { data_type, .. } => {
                let name = type_name(data_type);
                let named = name.trim_start_matches('_');
                self.call |=
                    named == "oid" || named.starts_with("reg") || data_type.to_string().to_lowercase().starts_with("pg_catalog.");
            }
            // Postgres knows this one without parentheses, too.
            Expr::Identifier(ident) if ident.quote_style.is_none() => {
                self.call |=
                    matches!(folded(ident).as_str(), "current_schema" | "current_catalog" | "session_user" | "current_role");
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
