//! Prepares a statement for planning: parses it, binds its parameters, names its columns, and replaces idioms and macros.
//!
//! A statement may begin with a comment that declares named parameters (see [`super::question`]). Their values are put into the
//! parsed statement, never pasted into its text. So a value can never become SQL.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::execution::session_state::SessionState;
use datafusion::sql::parser::{ExplainStatement, Statement};
use datafusion::sql::sqlparser::ast::{
    self, CastKind, DataType, Expr, Select, SelectItem, Value, ValueWithSpan, VisitMut, VisitorMut,
};

use super::question::{Parameter, Question, Type};
use super::{depth, naming};
use crate::calendar::days::Today;
use crate::error::{Error, Result};
use crate::query::functions::idioms;
use crate::query::functions::macros::Macros;

/// Reads a statement. `given` are values for the parameters its head declares; for others it has the defaults of `today`.
///
/// # Errors
/// Invalid for what is no statement, for a parameter nobody declared, and for a value of the wrong type or a missing one.
pub fn read(
    state: &SessionState,
    macros: &Macros,
    text: &str,
    given: &BTreeMap<String, String>,
    today: Today,
) -> Result<Statement> {
    depth::check(text)?;
    let dialect = state.config().options().sql_parser.dialect;
    complete(state.sql_to_statement(text, &dialect)?, macros, text, given, today)
}

/// The same for a statement that is parsed already, from this text.
///
/// # Errors
/// Invalid, as [`read`].
pub fn complete(
    mut statement: Statement,
    macros: &Macros,
    text: &str,
    given: &BTreeMap<String, String>,
    today: Today,
) -> Result<Statement> {
    let question = Question::head(text)?;
    let values = question.values(given, today)?;
    if !values.is_empty() {
        within(&mut statement, &mut |statement| match statement.visit(&mut Binding { values: &values }) {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(()),
        })?;
    }
    within(&mut statement, &mut |statement| {
        naming::name_columns(statement);
        idioms::translate(statement)?;
        macros.expand(statement)
    })?;
    Ok(statement)
}

/// Changes the SQL inside a statement of the planner's.
fn within(statement: &mut Statement, change: &mut dyn FnMut(&mut ast::Statement) -> Result<()>) -> Result<()> {
    match statement {
        Statement::Statement(inner) => change(inner),
        Statement::Explain(ExplainStatement { statement, .. }) => within(statement, change),
        // What else there is changes something, and is refused.
        _ => Ok(()),
    }
}

/// Puts values in the places of named parameters.
struct Binding<'a> {
    values: &'a [(&'a Parameter, Option<String>)],
}

impl VisitorMut for Binding<'_> {
    type Break = Error;

    /// A column is named after what was chosen: `AS "$by"`. Choices are a closed list, so that nothing else can come into a name.
    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        for item in &mut select.projection {
            let SelectItem::ExprWithAlias { alias, .. } = item else { continue };
            let chosen = |(parameter, value): &(&Parameter, Option<String>)| {
                let is_it = !parameter.choices.is_empty() && alias.value.strip_prefix('$') == Some(parameter.name.as_str());
                value.clone().filter(|_| is_it)
            };
            if let Some(chosen) = self.values.iter().find_map(chosen) {
                alias.value = chosen;
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        let Expr::Value(ValueWithSpan { value: Value::Placeholder(name), .. }) = expr else { return ControlFlow::Continue(()) };
        let Some(name) = name.strip_prefix('$').filter(|name| !name.starts_with(|c: char| c.is_ascii_digit())) else {
            return ControlFlow::Continue(());
        };
        match self.values.iter().find(|(parameter, _)| parameter.name == name) {
            Some((parameter, value)) => {
                *expr = literal(parameter.kind, value.as_deref());
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(Error::invalid(phrase!("the statement's head declares no parameter {name}"))),
        }
    }
}

/// A value with its type, so that a null has one, too.
fn literal(kind: Type, value: Option<&str>) -> Expr {
    let inner = match (kind, value) {
        (_, None) => Value::Null,
        (Type::Integer | Type::Number, Some(value)) => Value::Number(value.to_owned(), false),
        (Type::Boolean, Some(value)) => Value::Boolean(value == "true"),
        (Type::Text | Type::Id | Type::Person | Type::Date, Some(value)) => Value::SingleQuotedString(value.to_owned()),
    };
    let data_type = match kind {
        Type::Text | Type::Id | Type::Person => DataType::Varchar(None),
        Type::Integer => DataType::BigInt(None),
        Type::Number => DataType::Double(ast::ExactNumberInfo::None),
        Type::Boolean => DataType::Boolean,
        Type::Date => DataType::Date,
    };
    let expr = Box::new(Expr::value(inner));
    if matches!(kind, Type::Text | Type::Id | Type::Person) && value.is_some() {
        // Functions that want a literal want it bare.
        return *expr;
    }
    Expr::Cast { kind: CastKind::Cast, expr, data_type, array: false, format: None }
}
