//! What the catalogs describe: the engine's tables with their numbers (OIDs), the connected user, and the session's settings.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use arrow::datatypes::DataType;

use super::meanings;
use super::shapes::{self, INFORMATION_SCHEMA, PG_CATALOG, SHAPES};
use crate::query::catalog::{PUBLIC, VIEWS};
use crate::query::files;
use crate::query::functions::OURS;
use crate::record::fields::TABLES;
use crate::serve::pg::types;

/// A table or view of the engine, as the catalogs shall tell it.
#[derive(Clone, Debug)]
pub struct TableFacts {
    /// Its name in `public`.
    pub name: String,
    /// Whether it is a view.
    pub is_view: bool,
    /// What it is, in a line.
    pub comment: Option<String>,
    /// Its columns, in order.
    pub columns: Vec<ColumnFacts>,
}

/// A column of it.
#[derive(Clone, Debug)]
pub struct ColumnFacts {
    /// Its name.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
    /// Whether it may be null.
    pub nullable: bool,
    /// What it is, in a line.
    pub comment: Option<String>,
}

/// A session, as the catalogs shall tell it.
#[derive(Clone, Debug, Default)]
pub struct SessionFacts {
    /// Who is connected.
    pub user: String,
    /// The name of the database.
    pub database: String,
    /// The number by which the session can be cancelled.
    pub backend_pid: i32,
    /// Settings and their values, by their names in lower case; they add to and replace those of [`SETTINGS`].
    pub settings: BTreeMap<String, String>,
}

/// Number of the owner of everything, who is no one that connects.
pub(super) const OWNER: i64 = 10;
/// Name of the owner.
pub(super) const OWNER_NAME: &str = "ier";
/// Number of the connected user.
pub(super) const USER: i64 = 16383;
/// Number of the database.
pub(super) const DATABASE: i64 = 5;
/// Number of the tablespace.
pub(super) const TABLESPACE: i64 = 1663;
/// Number of `pg_catalog`.
pub(super) const PG_CATALOG_OID: i64 = 11;
/// Number of `public`.
pub(super) const PUBLIC_OID: i64 = 2200;
/// Number of `information_schema`.
pub(super) const INFORMATION_SCHEMA_OID: i64 = 13000;

/// The first number of tables and views that every warehouse has.
const FIRST: i64 = 16384;
/// The numbers of all other tables.
const OTHERS: std::ops::Range<i64> = 100_000..1_000_000;
/// The first number of functions of ours.
const FIRST_FUNCTION: i64 = 15000;

/// Settings that clients read, and their values unless the session has others.
pub(super) const SETTINGS: [(&str, &str); 47] = [
    ("allow_system_table_mods", "off"),
    ("application_name", ""),
    ("array_nulls", "on"),
    ("autovacuum", "off"),
    ("block_size", "8192"),
    ("bytea_output", "hex"),
    ("check_function_bodies", "on"),
    ("client_encoding", "UTF8"),
    ("client_min_messages", "notice"),
    ("datestyle", "ISO, MDY"),
    ("default_table_access_method", "heap"),
    ("default_tablespace", ""),
    ("default_transaction_deferrable", "off"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "on"),
    ("escape_string_warning", "on"),
    ("extra_float_digits", "1"),
    ("hot_standby", "on"),
    ("idle_in_transaction_session_timeout", "0"),
    ("in_hot_standby", "on"),
    ("integer_datetimes", "on"),
    ("intervalstyle", "postgres"),
    ("is_superuser", "off"),
    ("jit", "off"),
    ("lc_collate", "C"),
    ("lc_ctype", "C.UTF-8"),
    ("lc_messages", "C"),
    ("lc_monetary", "C"),
    ("lc_numeric", "C"),
    ("lc_time", "C"),
    ("listen_addresses", "localhost"),
    ("lock_timeout", "0"),
    ("max_connections", "100"),
    ("max_identifier_length", "63"),
    ("max_index_keys", "32"),
    ("port", "5432"),
    ("row_security", "on"),
    ("search_path", "\"$user\", public"),
    ("server_encoding", "UTF8"),
    ("server_version", "16.0"),
    ("server_version_num", "160000"),
    ("ssl", "on"),
    ("standard_conforming_strings", "on"),
    ("statement_timeout", "0"),
    ("timezone", "UTC"),
    ("transaction_isolation", "read committed"),
    ("transaction_read_only", "on"),
];

/// Settings that `set_config` may change: those that change nothing but how a client likes to be answered.
const CHANGEABLE: [&str; 12] = [
    "application_name",
    "bytea_output",
    "client_min_messages",
    "datestyle",
    "extra_float_digits",
    "idle_in_transaction_session_timeout",
    "intervalstyle",
    "jit",
    "lock_timeout",
    "search_path",
    "statement_timeout",
    "timezone",
];

/// A table or view of the engine with its number.
#[derive(Debug)]
pub(super) struct Relation {
    /// Its number.
    pub oid: i64,
    /// What it is.
    pub facts: TableFacts,
}

/// A relation of any schema, as far as names and numbers go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named<'a> {
    /// Its number.
    pub oid: i64,
    /// Its schema.
    pub schema: &'static str,
    /// Its name.
    pub name: &'a str,
}

/// All that is known.
#[derive(Debug)]
pub(super) struct Known {
    /// The engine's tables and views, by name.
    pub relations: Vec<Relation>,
    /// Who is connected.
    pub session: SessionFacts,
    by_oid: HashMap<i64, usize>,
    settings: Mutex<BTreeMap<String, String>>,
    changed: Mutex<BTreeMap<String, String>>,
}

impl Known {
    /// Numbers the tables.
    pub fn new(mut tables: Vec<TableFacts>, mut session: SessionFacts) -> Self {
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        tables.dedup_by(|a, b| a.name == b.name);
        let ours = names_of_ours();
        let mut taken = BTreeSet::new();
        let mut relations = Vec::with_capacity(tables.len());
        for facts in tables {
            let at = ours.iter().position(|name| *name == facts.name);
            let oid = at.map_or_else(|| free_number(&facts.name, &taken), |at| FIRST + at as i64);
            taken.insert(oid);
            relations.push(Relation { oid, facts: described(facts) });
        }
        let by_oid = relations.iter().enumerate().map(|(at, relation)| (relation.oid, at)).collect();
        let settings = Mutex::new(std::mem::take(&mut session.settings));
        Self { relations, session, by_oid, settings, changed: Mutex::default() }
    }

    /// Number of the connected user: the owner's where they are one.
    pub fn user(&self) -> i64 {
        if self.session.user == OWNER_NAME { OWNER } else { USER }
    }

    /// A table of the engine by its number.
    pub fn relation(&self, oid: i64) -> Option<&Relation> {
        self.by_oid.get(&oid).map(|at| &self.relations[*at])
    }

    /// A relation by its number.
    pub fn numbered(&self, oid: i64) -> Option<Named<'_>> {
        if let Some(relation) = self.relation(oid) {
            return Some(Named { oid, schema: PUBLIC, name: &relation.facts.name });
        }
        let shape = SHAPES.iter().find(|shape| shape.oid == oid)?;
        Some(Named { oid, schema: shape.schema, name: shape.name })
    }

    /// A relation by its name as SQL writes it: in quotes or not, with its schema or one of the search path.
    pub fn named(&self, text: &str) -> Option<Named<'_>> {
        let parts = identifiers(text)?;
        let (schema, name) = match parts.as_slice() {
            [name] => (None, name),
            [schema, name] => (Some(schema.as_str()), name),
            [database, schema, name] if *database == self.session.database => (Some(schema.as_str()), name),
            _ => return None,
        };
        let of_postgres = || {
            let shape = shapes::shape_named(name).filter(|shape| schema.unwrap_or(PG_CATALOG) == shape.schema)?;
            Some(Named { oid: shape.oid, schema: shape.schema, name: shape.name })
        };
        let of_ours = || {
            let relation = self.relations.iter().find(|relation| relation.facts.name == *name)?;
            (schema.unwrap_or(PUBLIC) == PUBLIC).then_some(Named {
                oid: relation.oid,
                schema: PUBLIC,
                name: &relation.facts.name,
            })
        };
        of_postgres().or_else(of_ours)
    }

    /// The value of a setting.
    pub fn setting(&self, name: &str) -> Option<String> {
        let name = name.to_lowercase();
        if let Some(value) = self.changed.lock().unwrap_or_else(PoisonError::into_inner).get(&name) {
            return Some(value.clone());
        }
        let built_in = || SETTINGS.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned().or_else(built_in)
    }

    /// All settings with their values.
    pub fn settings(&self) -> BTreeMap<String, String> {
        let mut all: BTreeMap<String, String> = SETTINGS.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        all.extend(self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone());
        all.extend(self.changed.lock().unwrap_or_else(PoisonError::into_inner).clone());
        all
    }

    /// The settings changed by statements here.
    pub fn changed(&self) -> BTreeMap<String, String> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the session's settings as they are now: what was changed here is among them, if it was kept.
    pub fn know(&self, settings: BTreeMap<String, String>) {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Changes a setting, if it is one of those that may be changed.
    pub fn set(&self, name: &str, value: &str) -> bool {
        let name = name.to_lowercase();
        let may = CHANGEABLE.contains(&name.as_str());
        if may {
            self.changed.lock().unwrap_or_else(PoisonError::into_inner).insert(name, value.to_owned());
        }
        may
    }

    /// The text of a view.
    pub fn definition(&self, oid: i64) -> Option<&'static str> {
        let relation = self.relation(oid).filter(|relation| relation.facts.is_view)?;
        VIEWS.iter().find(|(name, _)| *name == relation.facts.name).map(|(_, sql)| sql.trim())
    }

    /// The name of a role.
    pub fn role(&self, oid: i64) -> Option<&str> {
        match oid {
            OWNER => Some(OWNER_NAME),
            USER => Some(&self.session.user),
            _ => None,
        }
    }
}

/// Functions of ours: number, name, arguments as text, what they answer.
pub(super) fn our_functions() -> impl Iterator<Item = (i64, &'static str, &'static str, &'static str)> {
    OURS.iter().enumerate().map(|(at, (call, meaning))| {
        let (name, arguments) = call.split_once('(').unwrap_or((call, ""));
        (FIRST_FUNCTION + at as i64, name, arguments.trim_end_matches(')'), *meaning)
    })
}

/// Number of the type of rows that are of no table.
pub(super) const RECORD: i64 = 2249;

/// The number of the type that a function of ours answers with; those that answer with tables answer with records.
pub(super) fn result_of(function: &str) -> i64 {
    match function {
        "contact_history" | "person_ids" | "contact_observed" | "contact_links" | "ier_as_of" => RECORD,
        "sf_id_valid" | "has_words" | "has_part" | "same_text" => 16,
        "local_day" | "local_week" | "local_month" | "local_quarter" | "local_year" | "academic_term_start" => 1082,
        "local_hour" | "local_weekday" => 23,
        "day_start" => 1184,
        "observed_versions" => 2287,
        _ => 25,
    }
}

/// The number of a schema.
pub(super) fn schema_number(name: &str) -> i64 {
    match name {
        PG_CATALOG => PG_CATALOG_OID,
        INFORMATION_SCHEMA => INFORMATION_SCHEMA_OID,
        _ => PUBLIC_OID,
    }
}

/// The number of the Postgres type of a column.
pub(super) fn type_of(column: &ColumnFacts) -> i64 {
    i64::from(types::oid(&column.data_type))
}

/// The parts of a name as SQL writes it: without quotes, in lower case where there were none.
pub(super) fn identifiers(text: &str) -> Option<Vec<String>> {
    let (mut parts, mut part, mut quoted, mut was_quoted) = (Vec::new(), String::new(), false, false);
    let mut rest = text.trim().chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '"' if quoted && rest.peek() == Some(&'"') => {
                part.push('"');
                rest.next();
            }
            '"' => (quoted, was_quoted) = (!quoted, true),
            '.' if !quoted => {
                parts.push(std::mem::take(&mut part));
                was_quoted = false;
            }
            other if quoted => part.push(other),
            other => part.extend(other.to_lowercase()),
        }
    }
    if quoted || (part.is_empty() && !was_quoted) {
        return None;
    }
    parts.push(part);
    Some(parts)
}

/// The tables and views that every warehouse has, by name.
fn names_of_ours() -> Vec<&'static str> {
    let tables = TABLES.iter().flat_map(|table| table.short.into_iter().chain([table.name.as_ref()]));
    let mut names: Vec<&str> = tables.chain(VIEWS.iter().map(|(name, _)| *name)).chain([files::NAME, "ier_observed"]).collect();
    names.sort_unstable();
    names
}

/// A number that follows from the name; where two names have the same, the later one takes the next that is free.
fn free_number(name: &str, taken: &BTreeSet<i64>) -> i64 {
    let hash = blake3::hash(name.as_bytes());
    let begin = hash.as_bytes().iter().take(6).fold(0_i64, |number, byte| number << 8 | i64::from(*byte));
    let width = OTHERS.end - OTHERS.start;
    let numbers = (0..width).map(|step| OTHERS.start + (begin + step) % width);
    numbers.clone().find(|number| !taken.contains(number)).unwrap_or(OTHERS.start)
}

/// The facts with our own words where nobody gave any.
fn described(mut facts: TableFacts) -> TableFacts {
    facts.comment = facts.comment.or_else(|| meanings::of_table(&facts.name));
    for column in &mut facts.columns {
        column.comment = column.comment.take().or_else(|| meanings::of_column(&facts.name, &column.name));
    }
    facts
}
