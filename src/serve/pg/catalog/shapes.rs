//! What Postgres has before anybody creates a table: its relations, types, their functions, and the keywords of its language.
//!
//! The four lists beside this file are those of Postgres itself (15, with the columns that 16 added), one thing a line.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, TimeUnit};

use crate::record::fields::UTC;

/// Schema of Postgres' own relations.
pub(super) const PG_CATALOG: &str = "pg_catalog";
/// Schema of the standard's views.
pub(super) const INFORMATION_SCHEMA: &str = "information_schema";

/// One column of a relation of Postgres.
#[derive(Debug)]
pub(super) struct Column {
    /// Its name.
    pub name: &'static str,
    /// The name of its type.
    pub type_name: &'static str,
}

/// One relation of Postgres.
#[derive(Debug)]
pub(super) struct Shape {
    /// Its number.
    pub oid: i64,
    /// `r` or `v`.
    pub kind: &'static str,
    /// Its schema.
    pub schema: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its columns.
    pub columns: Vec<Column>,
}

impl Shape {
    /// The names and types of its columns, as we hold them.
    pub fn columns(&self) -> impl Iterator<Item = (&'static str, DataType)> {
        self.columns.iter().map(|column| (column.name, held_as(column.type_name)))
    }
}

/// One type, with what `pg_type` says of it.
#[derive(Debug)]
pub(super) struct Type {
    /// Its number.
    pub oid: i64,
    /// Its name, `_text` for an array of texts.
    pub name: &'static str,
    /// Its bytes, -1 where they vary.
    pub length: i16,
    /// Whether it is passed by value.
    pub by_value: bool,
    /// `b` for a base type, `p` for a pseudo-type.
    pub kind: &'static str,
    /// Its category, `A` for arrays.
    pub category: &'static str,
    /// Whether its category prefers it.
    pub preferred: bool,
    /// The number of its elements' type.
    pub element: i64,
    /// The number of the type of its arrays.
    pub array: i64,
    /// The names of the functions that read and write it: text in, text out, binary in, binary out.
    pub functions: [&'static str; 4],
    /// How it is aligned.
    pub align: &'static str,
    /// How it is stored.
    pub storage: &'static str,
    /// The collation it has by default.
    pub collation: i64,
    /// The function that takes its elements, `-` for none.
    pub subscript: &'static str,
}

/// One function by which a type is read or written.
#[derive(Debug)]
pub(super) struct Function {
    /// Its number.
    pub oid: i64,
    /// Its name.
    pub name: &'static str,
    /// The type it answers with.
    pub returns: i64,
    /// The types it takes.
    pub takes: Vec<i64>,
}

/// All relations.
pub(super) static SHAPES: LazyLock<Vec<Shape>> = LazyLock::new(|| include_str!("shapes.txt").lines().filter_map(shape).collect());

/// All types that we answer with, and those the catalogs themselves have.
pub(super) static TYPES: LazyLock<Vec<Type>> = LazyLock::new(|| include_str!("types.txt").lines().filter_map(a_type).collect());

/// The functions of these types.
pub(super) static FUNCTIONS: LazyLock<Vec<Function>> =
    LazyLock::new(|| include_str!("functions.txt").lines().filter_map(function).collect());

static BY_NAME: LazyLock<HashMap<&'static str, &'static Shape>> =
    LazyLock::new(|| SHAPES.iter().map(|shape| (shape.name, shape)).collect());

static TYPES_BY_OID: LazyLock<HashMap<i64, &'static Type>> =
    LazyLock::new(|| TYPES.iter().map(|found| (found.oid, found)).collect());

static OF_FUNCTIONS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| of_type("regproc"));

static OF_TRUTHS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| of_type("bool"));

fn of_type(name: &str) -> HashSet<&'static str> {
    let columns = SHAPES.iter().flat_map(|shape| &shape.columns);
    columns.filter(|column| column.type_name == name).map(|column| column.name).collect()
}

fn shape(line: &'static str) -> Option<Shape> {
    let mut words = line.split(' ');
    let oid = words.next()?.parse().ok()?;
    let kind = words.next()?;
    let (schema, name) = words.next()?.split_once('.')?;
    let columns = words.filter_map(|word| word.split_once(':')).map(|(name, type_name)| Column { name, type_name }).collect();
    Some(Shape { oid, kind, schema, name, columns })
}

fn a_type(line: &'static str) -> Option<Type> {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |at: usize| words.get(at)?.parse::<i64>().ok();
    let word = |at: usize| words.get(at).copied();
    Some(Type {
        oid: number(0)?,
        name: word(1)?,
        length: word(2)?.parse().ok()?,
        by_value: word(3)? == "t",
        kind: word(4)?,
        category: word(5)?,
        preferred: word(6)? == "t",
        element: number(9)?,
        array: number(10)?,
        functions: [word(11)?, word(12)?, word(13)?, word(14)?],
        align: word(15)?,
        storage: word(16)?,
        collation: number(17)?,
        subscript: word(18)?,
    })
}

fn function(line: &'static str) -> Option<Function> {
    let mut words = line.split(' ');
    Some(Function {
        oid: words.next()?.parse().ok()?,
        name: words.next()?,
        returns: words.next()?.parse().ok()?,
        takes: words.next()?.split(',').filter_map(|word| word.parse().ok()).collect(),
    })
}

/// A relation of Postgres by its name; no two have the same in both schemas.
pub(super) fn shape_named(name: &str) -> Option<&'static Shape> {
    BY_NAME.get(name).copied()
}

/// A type by its number.
pub(super) fn type_numbered(oid: i64) -> Option<&'static Type> {
    TYPES_BY_OID.get(&oid).copied()
}

/// The number of a function by which types are read or written; 0 for `-`.
pub(super) fn function_named(name: &str) -> i64 {
    FUNCTIONS.iter().find(|function| function.name == name).map_or(0, |function| function.oid)
}

/// Is this the name of a column that holds a function, such as `typreceive`?
pub(super) fn holds_function(column: &str) -> bool {
    OF_FUNCTIONS.contains(column)
}

/// Is this the name of a column that is true or false?
pub(super) fn holds_truth(column: &str) -> bool {
    OF_TRUTHS.contains(column)
}

/// The words of the language in their four groups, as `pg_get_keywords()` tells them: code, meaning, words.
pub(super) fn keywords() -> impl Iterator<Item = (&'static str, &'static str, std::str::Split<'static, char>)> {
    let groups = [
        ("U", "unreserved"),
        ("C", "unreserved (cannot be function or type name)"),
        ("T", "reserved (can be function or type name)"),
        ("R", "reserved"),
    ];
    groups
        .into_iter()
        .zip(include_str!("keywords.txt").lines())
        .map(|((code, meaning), line)| (code, meaning, line.trim().split(' ')))
}

/// The type in which we hold values of a Postgres type. Numbers of things are 64 bits wide, wide enough for each of them.
pub(super) fn held_as(type_name: &str) -> DataType {
    let list = |item: DataType| DataType::List(Arc::new(Field::new_list_field(item, true)));
    match type_name {
        "bool" => DataType::Boolean,
        "int2" | "smallint" => DataType::Int16,
        "int4" | "int" | "integer" | "cardinal_number" => DataType::Int32,
        "int8" | "bigint" | "oid" | "xid" | "regproc" | "regclass" | "regtype" => DataType::Int64,
        "float4" => DataType::Float32,
        "float8" => DataType::Float64,
        "date" => DataType::Date32,
        "timestamptz" => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.clone())),
        "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "int2vector" | "_int2" => list(DataType::Int16),
        "oidvector" | "_oid" => list(DataType::Int64),
        "_float4" => list(DataType::Float32),
        "_text" | "_name" | "_char" | "_aclitem" | "_regtype" => list(DataType::Utf8),
        _ => DataType::Utf8,
    }
}
