//! Why a statement cannot be planned, where it asks for a table that is not there, and which one was meant.

use datafusion::catalog::SchemaProvider;
use datafusion::execution::session_state::SessionState;
use datafusion::sql::parser::Statement;

use super::catalog::{PUBLIC, PublicSchema, SALESFORCE, SalesforceSchema};
use crate::error::{Error, sql_errors};

/// Why a statement cannot be planned, if that is because it asks for a table that is not there.
pub(super) async fn missing_table(state: &SessionState, statement: &Statement, public: &PublicSchema) -> Option<Error> {
    let mut missing = None;
    for table in state.resolve_table_references(statement).ok()? {
        let is_public = table.schema().is_none_or(|schema| schema == PUBLIC);
        let is_known = state.table_functions().contains_key(table.table());
        if is_public && !is_known && public.table(table.table()).await.ok()?.is_none() {
            missing = Some(table);
            break;
        }
    }
    let table = missing?;
    let name = table.table();
    if let Some(meant) = meant_table(name, public) {
        return Some(Error::not_found(format!("there is no table {name}; did you mean {meant}?")));
    }
    Some(Error::not_found(match name.chars().all(|char| char == '_' || char.is_alphanumeric()) {
        true => format!(
            "there is no table {name}. One of people's attributes is made when a file of its name is loaded (ier load {name}.csv); \
             SELECT table_name FROM information_schema.tables lists those there are"
        ),
        false => format!("there is no table {name:?}; a file is loaded before it is asked: ier load FILE"),
    }))
}

/// A table there is, whose name a missing one may be a slip of; Salesforce's names are those of a schema of their own.
fn meant_table(name: &str, public: &PublicSchema) -> Option<String> {
    if SalesforceSchema::knows(name) {
        return Some(format!("{SALESFORCE}.{name}"));
    }
    let near = |known: &String| sql_errors::is_slip(name, known) || name.strip_suffix('s') == Some(known.as_str());
    public.table_names().into_iter().find(near)
}
