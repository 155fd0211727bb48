//! Refuses statements that do not only read. The engine checks this once more.

use datafusion::sql::sqlparser::ast::Statement;

use super::failure::Failure;

/// Refuses what would change something, and says what.
pub(super) fn question(statement: Option<&Statement>) -> Result<(), Failure> {
    match statement {
        Some(Statement::Explain { statement, .. }) => question(Some(statement)),
        Some(
            Statement::Query(_)
            | Statement::ExplainTable { .. }
            | Statement::ShowTables { .. }
            | Statement::ShowColumns { .. }
            | Statement::ShowFunctions { .. }
            | Statement::ShowCreate { .. },
        )
        | None => Ok(()),
        Some(other) => {
            let text = other.to_string();
            Err(Failure::read_only(text.split_whitespace().next().unwrap_or_default()))
        }
    }
}
