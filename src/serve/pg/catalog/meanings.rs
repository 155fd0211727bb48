//! A line about each table and column, for the catalogs' comments.
//!
//! The lines are in `meanings.txt`. A column that comes from an export is described by its Salesforce field.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::query::catalog::VIEWS;
use crate::record::fields::{Source, TABLES, Table};

static LINES: LazyLock<HashMap<&'static str, &'static str>> =
    LazyLock::new(|| include_str!("meanings.txt").lines().filter_map(|line| line.split_once(": ")).collect());

/// What a table or view is; of a view, the head of its text.
pub(crate) fn of_table(name: &str) -> Option<String> {
    let view = || VIEWS.iter().find(|(view, _)| *view == name).map(|(_, sql)| head(name, sql));
    LINES.get(name).map(|line| (*line).to_owned()).or_else(view)
}

/// What a column is. One of a view, too, where it has the name of a table's column that says so.
pub(crate) fn of_column(table: &str, column: &str) -> Option<String> {
    let line = |key: &str| LINES.get(key).map(|line| (*line).to_owned());
    let is = |known: &Table| known.name == table || known.short == Some(table);
    let own = || {
        let known = TABLES.iter().find(|known| is(known) && (known.is_salesforce() || known.name == "not_sent"))?;
        exported(known, column)
    };
    let same_named = || TABLES.iter().filter(|known| known.is_salesforce()).find_map(|known| exported(known, column));
    line(&format!("{table}.{column}")).or_else(|| line(&format!("*.{column}"))).or_else(own).or_else(same_named)
}

/// The field of an export a column comes from.
fn exported(table: &Table, column: &str) -> Option<String> {
    let field = table.field(column).filter(|field| field.source == Source::Export)?;
    let whose = if table.is_salesforce() { "Salesforce field" } else { "column of tracking extracts:" };
    let api = field.api_name();
    Some(match field.labels.first() {
        Some(label) => format!("{label} ({whose} {api})"),
        None => format!("{whose} {api}"),
    })
}

/// The first paragraph of the comment at the head of a view's text.
fn head(name: &str, sql: &str) -> String {
    let lines = sql.lines().map_while(|line| line.strip_prefix("--")).map(str::trim);
    let text = lines.take_while(|line| !line.is_empty() && !line.starts_with("Columns:")).collect::<Vec<_>>().join(" ");
    text.trim_start_matches(&format!("{name}: ")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_of_every_table_is_told() {
        let mut untold = Vec::new();
        for table in TABLES.iter() {
            assert!(of_table(&table.name).is_some(), "{}", table.name);
            let columns = table.visible().filter(|field| of_column(&table.name, &field.name).is_none());
            untold.extend(columns.map(|field| format!("{}.{}", table.name, field.name)));
        }
        assert!(untold.is_empty(), "{untold:?}");
        assert!(VIEWS.iter().all(|(view, _)| of_table(view).is_some_and(|text| !text.starts_with(view))));
    }
}
