//! Which header fills which column, and which headers the table does not know.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{Field as ArrowField, Schema, SchemaRef};

use super::recognise::{is_api, is_told};
use crate::record::connectors::is_connector_column;
use crate::record::fields::{CUSTOM, Field, Kind, Table, normalise};
use crate::record::id::{CONTACT_PREFIX, LEAD_PREFIX};

/// The headers of an export, laid over the columns of its table.
pub(super) struct Layout {
    pub table: Arc<Table>,
    /// The headers as they stand in the file.
    pub headers: Vec<String>,
    /// The columns this export fills, in the table's order.
    pub columns: Vec<Filled>,
    /// Places and names of the headers the table does not know; their values are kept in `custom`.
    pub unknown: Vec<(usize, String)>,
    /// The columns filled, then `custom` where there is any.
    pub schema: SchemaRef,
}

/// A column and the places its value may come from, best first.
pub(super) struct Filled {
    pub field: Field,
    pub from: Vec<Place>,
    /// The beginnings one of which an id of this column must have; empty for any.
    pub prefixes: &'static [&'static str],
}

/// One place.
pub(super) struct Place {
    pub at: usize,
    /// An API name beyond doubt: a value that does not fit is an error even where another place has one that does.
    pub strict: bool,
}

impl Layout {
    pub fn new(table: Arc<Table>, headers: Vec<String>) -> Self {
        let mut columns: Vec<Filled> = Vec::new();
        let mut unknown = Vec::new();
        if table.field(CUSTOM).is_some_and(|custom| !is_told(custom)) {
            let mut ranked: Vec<(usize, u8, usize)> = Vec::new();
            let mut seen: HashSet<String> = HashSet::new();
            for (at, header) in headers.iter().enumerate() {
                let repeated = !seen.insert(header.trim().to_lowercase());
                match column_of(&table, header).filter(|_| !repeated) {
                    Some(column) => ranked.push((column, rank(&table.fields[column], header), at)),
                    None if is_connector_column(header) => {}
                    None => unknown.push((at, unknown_name(header, &unknown, repeated))),
                }
            }
            ranked.sort_unstable();
            for (column, _, at) in ranked {
                let field = &table.fields[column];
                let from = Place { at, strict: is_api(&headers[at]) };
                match columns.last_mut().filter(|last| last.field.name == field.name) {
                    Some(last) => last.from.push(from),
                    None => columns.push(Filled { field: field.clone(), from: vec![from], prefixes: prefixes(&table, field) }),
                }
            }
        } else {
            // A table of attributes was made from this very header, column by column.
            columns.extend(table.exported().enumerate().map(|(at, field)| Filled {
                field: field.clone(),
                from: vec![Place { at, strict: true }],
                prefixes: prefixes(&table, field),
            }));
        }
        let mut fields: Vec<ArrowField> = columns
            .iter()
            .map(|column| ArrowField::new(column.field.name.as_ref(), column.field.kind.lake_type(), true))
            .collect();
        if !unknown.is_empty() {
            fields.push(ArrowField::new(CUSTOM, Kind::Label.lake_type(), true));
        }
        Self { table, headers, columns, unknown, schema: Arc::new(Schema::new(fields)) }
    }
}

/// The column of a known table that a header means; by API name, label or our own name.
pub(super) fn column_of(table: &Table, header: &str) -> Option<usize> {
    let header = normalise(header);
    if header.is_empty() {
        return None;
    }
    let find = |means: &dyn Fn(&Field) -> bool| table.fields.iter().position(|field| is_told(field) && means(field));
    find(&|field| normalise(&field.api) == header)
        .or_else(|| find(&|field| field.labels.iter().any(|label| normalise(label) == header)))
        .or_else(|| find(&|field| normalise(&field.name) == header))
}

/// API names before all others, the lookup before the formula that copies it.
fn rank(field: &Field, header: &str) -> u8 {
    let same = normalise(&field.api) == normalise(header);
    match (same, is_api(header)) {
        (true, true) => 0,
        (true, false) => 1,
        (false, true) => 2,
        (false, false) => 3,
    }
}

/// A header under which unknown values are kept: verbatim, numbered where it comes again.
fn unknown_name(header: &str, taken: &[(usize, String)], repeated: bool) -> String {
    let mut number = if repeated { 2 } else { 1 };
    loop {
        let name = if number == 1 { header.to_owned() } else { format!("{header}#{number}") };
        if taken.iter().all(|(_, other)| *other != name) {
            return name;
        }
        number += 1;
    }
}

/// People's ids tell their object by their beginning.
fn prefixes(table: &Table, field: &Field) -> &'static [&'static str] {
    match (table.name.as_ref(), field.name.as_ref()) {
        (_, "contact_id" | "converted_contact_id") | ("contact", "id" | "master_record_id") => &[CONTACT_PREFIX],
        (_, "lead_id") | ("lead", "id" | "master_record_id") => &[LEAD_PREFIX],
        (_, "person_id") => &[CONTACT_PREFIX, LEAD_PREFIX],
        _ => &[],
    }
}
