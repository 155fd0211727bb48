//! The rows of the views of `information_schema`. Views that are not named in [`rows`] are always empty.

use super::cells::{Cell, Row};
use super::contents::{roles, schemas, tables};
use super::known::{self, ColumnFacts, Known, OWNER_NAME, type_of};
use super::shapes::{self, SHAPES, Type, type_numbered};
use crate::query::catalog::PUBLIC;

/// The views of `information_schema` that have rows.
pub(super) const FILLED: [&str; 12] = [
    "applicable_roles",
    "character_sets",
    "column_privileges",
    "columns",
    "enabled_roles",
    "information_schema_catalog_name",
    "role_table_grants",
    "routines",
    "schemata",
    "table_privileges",
    "tables",
    "views",
];

/// The rows of a view of `information_schema`.
pub(super) fn rows(known: &Known, name: &str) -> Vec<Row> {
    let catalog = known.session.database.as_str();
    match name {
        "applicable_roles" => roles(known)
            .into_iter()
            .map(|(_, role)| vec![("grantee", role.clone().into()), ("role_name", role.into()), ("is_grantable", "NO".into())])
            .collect(),
        "character_sets" => vec![vec![
            ("character_set_name", "UTF8".into()),
            ("character_repertoire", "UCS".into()),
            ("form_of_use", "UTF8".into()),
            ("default_collate_catalog", catalog.into()),
            ("default_collate_schema", "pg_catalog".into()),
            ("default_collate_name", "C.UTF-8".into()),
        ]],
        "column_privileges" => column_privileges(known, catalog),
        "columns" => columns(known, catalog),
        "enabled_roles" => roles(known).into_iter().map(|(_, role)| vec![("role_name", role.into())]).collect(),
        "information_schema_catalog_name" => vec![vec![("catalog_name", catalog.into())]],
        "routines" => known::our_functions().map(|(oid, name, ..)| routine(catalog, oid, name)).collect(),
        "schemata" => schemas()
            .map(|(_, schema)| {
                vec![("catalog_name", catalog.into()), ("schema_name", schema.into()), ("schema_owner", OWNER_NAME.into())]
            })
            .into(),
        "table_privileges" | "role_table_grants" => known
            .relations
            .iter()
            .map(|relation| {
                let mut row = privilege(known, catalog, &relation.facts.name);
                row.push(("with_hierarchy", "YES".into()));
                row
            })
            .collect(),
        "tables" => all_tables(known, catalog),
        "views" => views(known, catalog),
        _ => Vec::new(),
    }
}

/// That the connected user may read a table.
fn privilege(known: &Known, catalog: &str, table: &str) -> Row {
    vec![
        ("grantor", OWNER_NAME.into()),
        ("grantee", known.session.user.clone().into()),
        ("table_catalog", catalog.into()),
        ("table_schema", PUBLIC.into()),
        ("table_name", table.into()),
        ("privilege_type", "SELECT".into()),
        ("is_grantable", "NO".into()),
    ]
}

fn column_privileges(known: &Known, catalog: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    for relation in &known.relations {
        for column in &relation.facts.columns {
            let mut row = privilege(known, catalog, &relation.facts.name);
            row.push(("column_name", column.name.clone().into()));
            rows.push(row);
        }
    }
    rows
}

fn all_tables(known: &Known, catalog: &str) -> Vec<Row> {
    let row = |schema: &str, name: &str, view: bool| -> Row {
        vec![
            ("table_catalog", catalog.into()),
            ("table_schema", schema.into()),
            ("table_name", name.into()),
            ("table_type", if view { "VIEW" } else { "BASE TABLE" }.into()),
            ("is_insertable_into", "NO".into()),
            ("is_typed", "NO".into()),
        ]
    };
    let ours = known.relations.iter().map(|relation| row(PUBLIC, &relation.facts.name, relation.facts.is_view));
    let of_postgres = SHAPES.iter().map(|shape| row(shape.schema, shape.name, shape.kind == "v"));
    ours.chain(of_postgres).collect()
}

fn views(known: &Known, catalog: &str) -> Vec<Row> {
    let row = |schema: &str, name: &str, text: Option<&str>| -> Row {
        vec![
            ("table_catalog", catalog.into()),
            ("table_schema", schema.into()),
            ("table_name", name.into()),
            ("view_definition", text.into()),
            ("check_option", "NONE".into()),
            ("is_updatable", "NO".into()),
            ("is_insertable_into", "NO".into()),
            ("is_trigger_updatable", "NO".into()),
            ("is_trigger_deletable", "NO".into()),
            ("is_trigger_insertable_into", "NO".into()),
        ]
    };
    let ours = tables(known, true).map(|view| row(PUBLIC, &view.facts.name, known.definition(view.oid)));
    let of_postgres = SHAPES.iter().filter(|shape| shape.kind == "v").map(|shape| row(shape.schema, shape.name, None));
    ours.chain(of_postgres).collect()
}

fn columns(known: &Known, catalog: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    for relation in &known.relations {
        for (at, column) in relation.facts.columns.iter().enumerate() {
            let ColumnFacts { name, nullable, .. } = column;
            rows.push(a_column(catalog, (PUBLIC, &relation.facts.name), at, name, type_numbered(type_of(column)), *nullable));
        }
    }
    for shape in SHAPES.iter() {
        for (at, column) in shape.columns.iter().enumerate() {
            let found = shapes::TYPES.iter().find(|found| found.name == column.type_name);
            rows.push(a_column(catalog, (shape.schema, shape.name), at, column.name, found, true));
        }
    }
    rows
}

fn a_column(catalog: &str, table: (&str, &str), at: usize, name: &str, found: Option<&Type>, nullable: bool) -> Row {
    let type_name = found.map_or("text", |found| found.name);
    let (precision, radix, scale): (Option<i64>, Option<i64>, Option<i64>) = match type_name {
        "int2" => (Some(16), Some(2), Some(0)),
        "int4" => (Some(32), Some(2), Some(0)),
        "int8" => (Some(64), Some(2), Some(0)),
        "float4" => (Some(24), Some(2), None),
        "float8" => (Some(53), Some(2), None),
        "numeric" => (None, Some(10), None),
        _ => (None, None, None),
    };
    let moments = match type_name {
        "timestamp" | "timestamptz" | "time" => Some(6_i64),
        "date" => Some(0),
        _ => None,
    };
    let data_type = match found {
        Some(found) if found.category == "A" => "ARRAY".to_owned(),
        Some(found) => long_name(found),
        None => "text".to_owned(),
    };
    let octets = Some(1_073_741_824_i64).filter(|_| matches!(type_name, "text" | "varchar"));
    vec![
        ("table_catalog", catalog.into()),
        ("table_schema", table.0.into()),
        ("table_name", table.1.into()),
        ("column_name", name.into()),
        ("ordinal_position", (at as i64 + 1).into()),
        ("is_nullable", if nullable { "YES" } else { "NO" }.into()),
        ("data_type", data_type.into()),
        ("character_octet_length", octets.into()),
        ("numeric_precision", precision.into()),
        ("numeric_precision_radix", radix.into()),
        ("numeric_scale", scale.into()),
        ("datetime_precision", moments.into()),
        ("udt_catalog", catalog.into()),
        ("udt_schema", "pg_catalog".into()),
        ("udt_name", type_name.into()),
        ("dtd_identifier", (at as i64 + 1).to_string().into()),
        ("is_self_referencing", "NO".into()),
        ("is_identity", "NO".into()),
        ("identity_cycle", "NO".into()),
        ("is_generated", "NEVER".into()),
        ("is_updatable", "NO".into()),
    ]
}

fn routine(catalog: &str, oid: i64, name: &str) -> Row {
    let result = type_numbered(known::result_of(name));
    vec![
        ("specific_catalog", catalog.into()),
        ("specific_schema", PUBLIC.into()),
        ("specific_name", format!("{name}_{oid}").into()),
        ("routine_catalog", catalog.into()),
        ("routine_schema", PUBLIC.into()),
        ("routine_name", name.into()),
        ("routine_type", "FUNCTION".into()),
        ("data_type", result.map(long_name).into()),
        ("type_udt_catalog", catalog.into()),
        ("type_udt_schema", "pg_catalog".into()),
        ("type_udt_name", result.map_or(Cell::Null, |found| found.name.into())),
        ("routine_body", "EXTERNAL".into()),
        ("external_language", "INTERNAL".into()),
        ("is_deterministic", "YES".into()),
        ("security_type", "INVOKER".into()),
    ]
}

/// The name of a type as people and the standard write it: `timestamp with time zone`, `text[]`.
pub(super) fn long_name(found: &Type) -> String {
    if found.category == "A" && found.name.starts_with('_') {
        return type_numbered(found.element).map_or_else(|| found.name.to_owned(), |item| format!("{}[]", long_name(item)));
    }
    match found.name {
        "bool" => "boolean",
        "int2" => "smallint",
        "int4" => "integer",
        "int8" => "bigint",
        "float4" => "real",
        "float8" => "double precision",
        "timestamp" => "timestamp without time zone",
        "timestamptz" => "timestamp with time zone",
        "time" => "time without time zone",
        "timetz" => "time with time zone",
        "varchar" => "character varying",
        "bpchar" => "character",
        "char" => "\"char\"",
        "any" => "\"any\"",
        other => other,
    }
    .to_owned()
}
