//! The layout of an export: which header fills which column, and which headers the table does not know.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::{Field as ArrowField, Schema, SchemaRef};

use super::headers::{HEROKU_ID, column_of, is_api, is_exported, is_nearly_id};
use crate::error::{Error, Result};
use crate::human;
use crate::record::fields::{CUSTOM, Field, Kind, Table, normalise};
use crate::record::id::{CONTACT_PREFIX, LEAD_PREFIX, SfId};

/// Columns of a file, at most: no object has so many fields, and where keys are data they are never at an end.
pub(super) const COLUMNS_MAX: usize = 4_000;

/// Refuses a file with more than [`COLUMNS_MAX`] columns.
pub(super) fn refuse_many(name: &str, columns: usize) -> Result<()> {
    if columns <= COLUMNS_MAX {
        return Ok(());
    }
    let columns = human::count(columns as u64);
    Err(Error::invalid(phrase!("{name} has {columns} columns, more than any object has fields: does its first line end?")))
}

/// The headers of an export, laid over the columns of its table.
pub(super) struct Layout {
    pub table: Arc<Table>,
    /// What shows that it is this table.
    pub why: &'static str,
    /// The headers as they stand in the file.
    pub headers: Vec<String>,
    /// The columns this export fills, in the table's order.
    pub columns: Vec<Filled>,
    /// The headers the table does not know; their values are kept in `custom`.
    pub unknown: Vec<Unknown>,
    /// Headers whose values are no data: a connector's bookkeeping.
    pub left_out: Vec<usize>,
    /// The columns filled, then `custom` where there is any.
    pub schema: SchemaRef,
}

/// A header whose values are kept by its name.
pub(super) struct Unknown {
    pub at: usize,
    pub name: String,
    /// Under the label of a lookup: ids are in their column, names are kept.
    pub names_only: bool,
}

impl Unknown {
    /// Is it something of another record (its name, in place of its id, or a field of it, as `Contact.Name`)? Then an empty one says
    /// nothing: the id's column tells whether there is such a record, and a null there erases none that is known.
    pub fn is_of_another(&self) -> bool {
        self.names_only || self.name.contains('.')
    }

    /// The part of a value that is kept: all of it, except an id under a lookup's label, of which nothing is kept.
    pub fn kept<'a>(&self, text: &'a str) -> &'a str {
        if self.names_only && SfId::parse(text).is_ok() { "" } else { text }
    }
}

/// The kind of a column's texts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Holds {
    /// Texts as people wrote them.
    Text,
    /// Ids and keys of other systems, numbers, times: a word for nothing is nothing.
    Typed,
    /// The stamp that tells which version is newer.
    Stamp,
    /// A day in a table of attributes, whose columns are texts: since when a row holds, or until when.
    Day,
}

/// A column and the places its value may come from, best first.
pub(super) struct Filled {
    pub field: Field,
    pub from: Vec<Place>,
    pub holds: Holds,
    /// Does it name another record than the row's own?
    is_lookup: bool,
    /// The beginnings one of which an id of this column must have; empty for any.
    pub prefixes: &'static [&'static str],
}

/// One source of a column's values.
pub(super) struct Place {
    pub at: usize,
    /// An API name beyond doubt: a value that does not fit is an error even where another place has one that does.
    pub strict: bool,
}

/// Makes the layout of a file from its header and first rows; nothing where its table is not known.
pub(super) type MakeLayout<'a> = dyn Fn(Vec<String>, &[Vec<String>]) -> Result<Option<Layout>> + 'a;

impl Layout {
    /// May this value of the last column be the beginning of another? An id and a yes or no are none when they are cut.
    pub fn may_be_short(&self, value: &[u8]) -> bool {
        let last = self.headers.len().saturating_sub(1);
        let is_last = |filled: &&Filled| filled.from.iter().any(|place| place.at == last);
        let kind = self.columns.iter().find(is_last).map(|filled| filled.field.kind);
        value.is_empty() || !kind.is_some_and(|kind| kind == Kind::Bool || kind.is_id())
    }

    pub fn new(table: Arc<Table>, headers: Vec<String>) -> Self {
        let mut columns: Vec<Filled> = Vec::new();
        let mut unknown: Vec<Unknown> = Vec::new();
        let mut left_out = Vec::new();
        if table.field(CUSTOM).is_some_and(|custom| !is_exported(custom)) {
            let has_heroku_id = headers.iter().any(|header| header.trim().eq_ignore_ascii_case(HEROKU_ID));
            let mut ranked: Vec<(usize, u8, usize)> = Vec::new();
            let mut seen: HashSet<String> = HashSet::new();
            let mut names = UnknownNames::default();
            for (at, header) in headers.iter().enumerate() {
                let lower = header.trim().to_lowercase();
                if is_connectors(header) || is_no_field(&lower) || (has_heroku_id && lower == "id") {
                    left_out.push(at);
                    continue;
                }
                let repeated = !seen.insert(lower);
                match column_of(&table, header).filter(|_| !repeated) {
                    Some(column) => ranked.push((column, rank(&table.fields[column], header), at)),
                    None => {
                        unknown.push(Unknown { at, name: names.name(header, repeated), names_only: false });
                    }
                }
            }
            ranked.sort_unstable();
            for (column, _, at) in ranked {
                let field = &table.fields[column];
                let from = Place { at, strict: is_api(&headers[at]) };
                if field.kind.is_id() && field.name != table.id && !from.strict {
                    unknown.push(Unknown { at, name: names.name(&headers[at], false), names_only: true });
                }
                match columns.last_mut().filter(|last| last.field.name == field.name) {
                    Some(last) => last.from.push(from),
                    None => columns.push(Filled::new(&table, field, from)),
                }
            }
            unknown.sort_by_key(|unknown| unknown.at);
        } else {
            // A table of attributes was made from this very header, column by column.
            let (out, places): (Vec<usize>, Vec<usize>) = (0..headers.len()).partition(|at| is_connectors(&headers[*at]));
            let place = |at| Place { at, strict: true };
            columns.extend(table.exported().zip(places).map(|(field, at)| Filled::new(&table, field, place(at))));
            left_out = out;
        }
        let mut fields: Vec<ArrowField> = columns
            .iter()
            .map(|column| ArrowField::new(column.field.name.as_ref(), column.field.kind.lake_type(), true))
            .collect();
        if !unknown.is_empty() {
            fields.push(ArrowField::new(CUSTOM, Kind::Label.lake_type(), true));
        }
        Self { table, why: "", headers, columns, unknown, left_out, schema: Arc::new(Schema::new(fields)) }
    }
}

impl Filled {
    fn new(table: &Table, field: &Field, from: Place) -> Self {
        let is_attribute = table.field(CUSTOM).is_none_or(is_exported);
        let holds = match field.kind {
            Kind::Text | Kind::Label if is_attribute && SPAN_DAYS.contains(&field.name.as_ref()) => Holds::Day,
            Kind::Text | Kind::Label if is_attribute || !is_key(&field.name) => Holds::Text,
            _ if field.name == "system_modstamp" => Holds::Stamp,
            _ => Holds::Typed,
        };
        let is_lookup = field.name != table.id;
        Self { field: field.clone(), from: vec![from], holds, is_lookup, prefixes: prefixes(table, field) }
    }
}

impl Filled {
    /// Under the label of a lookup reports show a name: it is kept as such, and is no reason to refuse the row.
    pub fn shows_name(&self, place: &Place, text: &str) -> bool {
        !place.strict && self.field.kind.is_id() && self.is_lookup && !is_nearly_id(text.trim())
    }
}

/// Columns of a table of attributes that say since when a row holds, and until when.
const SPAN_DAYS: [&str; 3] = ["start_date", "effective_date", "end_date"];

/// Is a text column an id or key of another system, which is never a word?
fn is_key(name: &str) -> bool {
    name.ends_with("_id") || name.ends_with("_key")
}

/// Is this a column of a connector or data frame, which says nothing of the record?
pub(super) fn is_connectors(header: &str) -> bool {
    const BEGINNINGS: [&str; 8] =
        ["__index_level_", "_airbyte_", "_fivetran_", "_sdc_", "_dlt_", "_hc_", "unnamed: ", "attributes."];
    let header = header.trim().to_ascii_lowercase();
    header.is_empty() || header == "attributes" || BEGINNINGS.iter().any(|beginning| header.starts_with(beginning))
}

/// Is a header, in lower case, no name of a field, nor of a report's column? Those begin with a letter: what begins otherwise, as
/// `_dbt_source_relation`, a tool has added, and so it has some others.
fn is_no_field(header: &str) -> bool {
    const TOOLS: [&str; 8] = [
        "dbt_scd_id",
        "dbt_updated_at",
        "dbt_valid_from",
        "dbt_valid_to",
        "dbt_is_deleted",
        "flow_published_at",
        "flow_document",
        "level_0",
    ];
    header.starts_with(['_', '$']) || header.starts_with("...") || header.starts_with("metadata$") || TOOLS.contains(&header)
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

/// The names under which unknown values are kept: headers verbatim, numbered where they come again.
#[derive(Default)]
struct UnknownNames {
    taken: HashSet<String>,
    /// By header, the number to try next.
    next: HashMap<String, usize>,
}

impl UnknownNames {
    fn name(&mut self, header: &str, repeated: bool) -> String {
        if !repeated && self.taken.insert(header.to_owned()) {
            return header.to_owned();
        }
        let number = self.next.entry(header.to_owned()).or_insert(2);
        loop {
            let name = format!("{header}#{number}");
            *number += 1;
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
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
