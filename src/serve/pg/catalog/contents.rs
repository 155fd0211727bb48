//! The rows of the relations of `pg_catalog`. Relations that are not named in [`rows`] are always empty.

use super::cells::{Cell, Row};
use super::known::{
    self, DATABASE, INFORMATION_SCHEMA_OID, Known, OWNER, OWNER_NAME, PG_CATALOG_OID, PUBLIC_OID, RECORD, TABLESPACE, USER,
    type_of,
};
use super::shapes::{FUNCTIONS, INFORMATION_SCHEMA, PG_CATALOG, SHAPES, TYPES, function_named, type_numbered};
use crate::query::catalog::PUBLIC;

/// The relations of `pg_catalog` that have rows.
pub(super) const FILLED: [&str; 24] = [
    "pg_am",
    "pg_attribute",
    "pg_authid",
    "pg_class",
    "pg_collation",
    "pg_database",
    "pg_description",
    "pg_language",
    "pg_namespace",
    "pg_proc",
    "pg_roles",
    "pg_settings",
    "pg_shadow",
    "pg_stat_activity",
    "pg_stat_all_tables",
    "pg_stat_database",
    "pg_stat_user_tables",
    "pg_statio_user_tables",
    "pg_tables",
    "pg_tablespace",
    "pg_timezone_names",
    "pg_type",
    "pg_user",
    "pg_views",
];

/// The rows of a relation of `pg_catalog`.
pub(super) fn rows(known: &Known, name: &str) -> Vec<Row> {
    match name {
        "pg_am" => [(2, "heap", "t"), (403, "btree", "i")]
            .map(|(oid, name, kind)| {
                vec![("oid", oid.into()), ("amname", name.into()), ("amhandler", 0.into()), ("amtype", kind.into())]
            })
            .into(),
        "pg_attribute" => attributes(known),
        "pg_class" => classes(known),
        "pg_collation" => [(100, "default", "d"), (950, "C", "c"), (951, "POSIX", "c")].map(collation).into(),
        "pg_database" => vec![database(known)],
        "pg_description" => descriptions(known),
        "pg_language" => [(12, "internal"), (14, "sql")].map(language).into(),
        "pg_namespace" => {
            schemas().map(|(oid, name)| vec![("oid", oid.into()), ("nspname", name.into()), ("nspowner", OWNER.into())]).into()
        }
        "pg_proc" => functions(),
        "pg_authid" | "pg_roles" => roles(known).into_iter().map(|(oid, name)| role(oid, &name)).collect(),
        "pg_user" | "pg_shadow" => vec![vec![
            ("usename", known.session.user.clone().into()),
            ("usesysid", known.user().into()),
            ("usecreatedb", false.into()),
            ("usesuper", false.into()),
            ("userepl", false.into()),
            ("usebypassrls", false.into()),
            ("passwd", if name == "pg_user" { "********".into() } else { Cell::Null }),
        ]],
        "pg_settings" => known.settings().into_iter().map(|(name, value)| setting(&name, value)).collect(),
        "pg_stat_activity" => vec![activity(known)],
        "pg_stat_database" => vec![vec![("datid", DATABASE.into()), ("datname", known.session.database.clone().into())]],
        "pg_stat_all_tables" | "pg_stat_user_tables" | "pg_statio_user_tables" => tables(known, false)
            .map(|relation| {
                vec![
                    ("relid", relation.oid.into()),
                    ("schemaname", PUBLIC.into()),
                    ("relname", relation.facts.name.clone().into()),
                ]
            })
            .collect(),
        "pg_tables" => pg_tables(known),
        "pg_views" => pg_views(known),
        "pg_tablespace" => [(TABLESPACE, "pg_default"), (1664, "pg_global")]
            .map(|(oid, name)| vec![("oid", oid.into()), ("spcname", name.into()), ("spcowner", OWNER.into())])
            .into(),
        "pg_timezone_names" => vec![vec![("name", "UTC".into()), ("abbrev", "UTC".into()), ("is_dst", false.into())]],
        "pg_type" => types(),
        _ => Vec::new(),
    }
}

/// The schemas with their numbers.
pub(super) fn schemas() -> [(i64, &'static str); 3] {
    [(PG_CATALOG_OID, PG_CATALOG), (PUBLIC_OID, PUBLIC), (INFORMATION_SCHEMA_OID, INFORMATION_SCHEMA)]
}

/// The roles with their numbers: the owner, and who is connected.
pub(super) fn roles(known: &Known) -> Vec<(i64, String)> {
    let mut roles = vec![(OWNER, OWNER_NAME.to_owned())];
    if known.user() == USER {
        roles.push((USER, known.session.user.clone()));
    }
    roles
}

/// The engine's views, or its tables.
pub(super) fn tables(known: &Known, views: bool) -> impl Iterator<Item = &known::Relation> {
    known.relations.iter().filter(move |relation| relation.facts.is_view == views)
}

fn language((oid, name): (i64, &str)) -> Row {
    vec![
        ("oid", oid.into()),
        ("lanname", name.into()),
        ("lanowner", OWNER.into()),
        ("lanispl", false.into()),
        ("lanpltrusted", (oid == 14).into()),
        ("lanplcallfoid", 0.into()),
        ("laninline", 0.into()),
        ("lanvalidator", 0.into()),
    ]
}

fn collation((oid, name, provider): (i64, &str, &str)) -> Row {
    vec![
        ("oid", oid.into()),
        ("collname", name.into()),
        ("collnamespace", PG_CATALOG_OID.into()),
        ("collowner", OWNER.into()),
        ("collprovider", provider.into()),
        ("collisdeterministic", true.into()),
        ("collencoding", (-1).into()),
        ("collcollate", if provider == "d" { Cell::Null } else { name.into() }),
        ("collctype", if provider == "d" { Cell::Null } else { name.into() }),
    ]
}

fn database(known: &Known) -> Row {
    vec![
        ("oid", DATABASE.into()),
        ("datname", known.session.database.clone().into()),
        ("datdba", OWNER.into()),
        ("encoding", 6.into()),
        ("datlocprovider", "c".into()),
        ("datistemplate", false.into()),
        ("datallowconn", true.into()),
        ("datconnlimit", (-1).into()),
        ("datfrozenxid", 0.into()),
        ("datminmxid", 0.into()),
        ("dattablespace", TABLESPACE.into()),
        ("datcollate", "C".into()),
        ("datctype", "C.UTF-8".into()),
    ]
}

/// `pg_roles` and `pg_authid` have the same columns but for two.
fn role(oid: i64, name: &str) -> Row {
    vec![
        ("oid", oid.into()),
        ("rolname", name.into()),
        ("rolsuper", false.into()),
        ("rolinherit", true.into()),
        ("rolcreaterole", false.into()),
        ("rolcreatedb", false.into()),
        ("rolcanlogin", (oid != OWNER).into()),
        ("rolreplication", false.into()),
        ("rolconnlimit", (-1).into()),
        ("rolbypassrls", false.into()),
    ]
}

fn setting(name: &str, value: String) -> Row {
    let number = value.parse::<i64>().is_ok() && !name.ends_with("version");
    let kind = match value.as_str() {
        "on" | "off" => "bool",
        _ if number => "integer",
        _ => "string",
    };
    let unit = if name.ends_with("_timeout") { Some("ms") } else { None };
    vec![
        ("name", name.into()),
        ("setting", value.clone().into()),
        ("unit", unit.into()),
        ("category", "Settings".into()),
        ("short_desc", "".into()),
        ("context", "user".into()),
        ("vartype", kind.into()),
        ("source", "default".into()),
        ("boot_val", value.clone().into()),
        ("reset_val", value.into()),
        ("pending_restart", false.into()),
    ]
}

fn activity(known: &Known) -> Row {
    vec![
        ("datid", DATABASE.into()),
        ("datname", known.session.database.clone().into()),
        ("pid", known.session.backend_pid.into()),
        ("usesysid", known.user().into()),
        ("usename", known.session.user.clone().into()),
        ("application_name", known.setting("application_name").into()),
        ("state", "active".into()),
        ("backend_type", "client backend".into()),
    ]
}

/// What `pg_class` says of one relation.
struct Class<'a> {
    oid: i64,
    name: &'a str,
    schema: i64,
    kind: &'a str,
    columns: usize,
}

fn classes(known: &Known) -> Vec<Row> {
    let ours = known.relations.iter().map(|relation| Class {
        oid: relation.oid,
        name: &relation.facts.name,
        schema: PUBLIC_OID,
        kind: if relation.facts.is_view { "v" } else { "r" },
        columns: relation.facts.columns.len(),
    });
    let of_postgres = SHAPES.iter().map(|shape| Class {
        oid: shape.oid,
        name: shape.name,
        schema: known::schema_number(shape.schema),
        kind: shape.kind,
        columns: shape.columns.len(),
    });
    let readers: Vec<String> = roles(known).into_iter().map(|(_, role)| format!("{role}=r/{OWNER_NAME}")).collect();
    let mut rows: Vec<Row> = ours.map(class).collect();
    rows.iter_mut().for_each(|row| row.push(("relacl", Cell::Texts(readers.clone()))));
    rows.extend(of_postgres.map(class));
    rows
}

fn class(class: Class<'_>) -> Row {
    let view = class.kind == "v";
    vec![
        ("oid", class.oid.into()),
        ("relname", class.name.into()),
        ("relnamespace", class.schema.into()),
        ("reltype", 0.into()),
        ("reloftype", 0.into()),
        ("relowner", OWNER.into()),
        ("relam", if view { 0 } else { 2 }.into()),
        ("relfilenode", 0.into()),
        ("reltablespace", 0.into()),
        ("relpages", 0.into()),
        // Not known: how many rows a table has depends on who asks.
        ("reltuples", Cell::Real(-1.0)),
        ("relallvisible", 0.into()),
        ("reltoastrelid", 0.into()),
        ("relhasindex", false.into()),
        ("relisshared", false.into()),
        ("relpersistence", "p".into()),
        ("relkind", class.kind.into()),
        ("relnatts", (class.columns as i64).into()),
        ("relchecks", 0.into()),
        // A view has its rule in Postgres; here nobody could look it up in `pg_rewrite`.
        ("relhasrules", view.into()),
        ("relhastriggers", false.into()),
        ("relhassubclass", false.into()),
        ("relrowsecurity", false.into()),
        ("relforcerowsecurity", false.into()),
        ("relispopulated", true.into()),
        ("relreplident", if view { "n" } else { "d" }.into()),
        ("relispartition", false.into()),
        ("relrewrite", 0.into()),
        ("relfrozenxid", 0.into()),
        ("relminmxid", 0.into()),
    ]
}

fn attributes(known: &Known) -> Vec<Row> {
    let mut rows = Vec::new();
    for relation in &known.relations {
        for (at, column) in relation.facts.columns.iter().enumerate() {
            rows.push(attribute(relation.oid, at, &column.name, type_of(column), !column.nullable));
        }
    }
    for shape in SHAPES.iter() {
        for (at, column) in shape.columns.iter().enumerate() {
            let found = TYPES.iter().find(|found| found.name == column.type_name);
            rows.push(attribute(shape.oid, at, column.name, found.map_or(25, |found| found.oid), false));
        }
    }
    rows
}

fn attribute(relation: i64, at: usize, name: &str, type_oid: i64, not_null: bool) -> Row {
    let found = type_numbered(type_oid);
    vec![
        ("attrelid", relation.into()),
        ("attname", name.into()),
        ("atttypid", type_oid.into()),
        ("attstattarget", (-1).into()),
        ("attlen", found.map_or(-1, |found| i64::from(found.length)).into()),
        ("attnum", (at as i64 + 1).into()),
        ("attndims", i64::from(found.is_some_and(|found| found.category == "A")).into()),
        ("attcacheoff", (-1).into()),
        ("atttypmod", (-1).into()),
        ("attbyval", found.is_some_and(|found| found.by_value).into()),
        ("attalign", found.map_or("i", |found| found.align).into()),
        ("attstorage", found.map_or("x", |found| found.storage).into()),
        ("attcompression", "".into()),
        ("attnotnull", not_null.into()),
        ("atthasdef", false.into()),
        ("atthasmissing", false.into()),
        ("attidentity", "".into()),
        ("attgenerated", "".into()),
        ("attisdropped", false.into()),
        ("attislocal", true.into()),
        ("attinhcount", 0.into()),
        ("attcollation", found.map_or(0, |found| found.collation).into()),
    ]
}

fn descriptions(known: &Known) -> Vec<Row> {
    let row = |oid: i64, class: i64, part: i64, text: &str| -> Row {
        vec![("objoid", oid.into()), ("classoid", class.into()), ("objsubid", part.into()), ("description", text.into())]
    };
    let mut rows = Vec::new();
    for relation in &known.relations {
        rows.extend(relation.facts.comment.as_deref().map(|text| row(relation.oid, PG_CLASS, 0, text)));
        for (at, column) in relation.facts.columns.iter().enumerate() {
            rows.extend(column.comment.as_deref().map(|text| row(relation.oid, PG_CLASS, at as i64 + 1, text)));
        }
    }
    rows.extend(known::our_functions().map(|(oid, _, _, meaning)| row(oid, PG_PROC, 0, meaning)));
    rows
}

/// Number of `pg_class`, by which comments on tables are known.
pub(super) const PG_CLASS: i64 = 1259;
/// Number of `pg_proc`.
pub(super) const PG_PROC: i64 = 1255;

fn functions() -> Vec<Row> {
    let row = |oid: i64, name: &str, schema: i64, returns: i64, takes: &[i64]| -> Row {
        vec![
            ("oid", oid.into()),
            ("proname", name.into()),
            ("pronamespace", schema.into()),
            ("proowner", OWNER.into()),
            ("prolang", 12.into()),
            ("procost", Cell::Real(1.0)),
            ("prorows", Cell::Real(0.0)),
            ("provariadic", 0.into()),
            ("prosupport", 0.into()),
            ("prokind", "f".into()),
            ("prosecdef", false.into()),
            ("proleakproof", false.into()),
            ("proisstrict", false.into()),
            ("proretset", (returns == RECORD).into()),
            ("provolatile", "i".into()),
            ("proparallel", "s".into()),
            ("pronargs", (takes.len() as i64).into()),
            ("pronargdefaults", 0.into()),
            ("prorettype", returns.into()),
            ("proargtypes", Cell::Ints(takes.to_vec())),
            ("prosrc", name.into()),
        ]
    };
    let of_types = FUNCTIONS.iter().map(|found| row(found.oid, found.name, PG_CATALOG_OID, found.returns, &found.takes));
    let ours = known::our_functions().map(|(oid, name, ..)| row(oid, name, PUBLIC_OID, known::result_of(name), &[]));
    of_types.chain(ours).collect()
}

fn types() -> Vec<Row> {
    TYPES
        .iter()
        .map(|found| {
            let [input, output, receive, send] = found.functions.map(function_named);
            vec![
                ("oid", found.oid.into()),
                ("typname", found.name.into()),
                ("typnamespace", PG_CATALOG_OID.into()),
                ("typowner", OWNER.into()),
                ("typlen", i64::from(found.length).into()),
                ("typbyval", found.by_value.into()),
                ("typtype", found.kind.into()),
                ("typcategory", found.category.into()),
                ("typispreferred", found.preferred.into()),
                ("typisdefined", true.into()),
                ("typdelim", ",".into()),
                ("typrelid", 0.into()),
                ("typsubscript", function_named(found.subscript).into()),
                ("typelem", found.element.into()),
                ("typarray", found.array.into()),
                ("typinput", input.into()),
                ("typoutput", output.into()),
                ("typreceive", receive.into()),
                ("typsend", send.into()),
                ("typmodin", 0.into()),
                ("typmodout", 0.into()),
                ("typanalyze", 0.into()),
                ("typalign", found.align.into()),
                ("typstorage", found.storage.into()),
                ("typnotnull", false.into()),
                ("typbasetype", 0.into()),
                ("typtypmod", (-1).into()),
                ("typndims", 0.into()),
                ("typcollation", found.collation.into()),
            ]
        })
        .collect()
}

fn pg_tables(known: &Known) -> Vec<Row> {
    let ours = tables(known, false).map(|relation| (PUBLIC, relation.facts.name.as_str()));
    let of_postgres = SHAPES.iter().filter(|shape| shape.kind == "r").map(|shape| (shape.schema, shape.name));
    let row = |(schema, name): (&str, &str)| -> Row {
        vec![
            ("schemaname", schema.into()),
            ("tablename", name.into()),
            ("tableowner", OWNER_NAME.into()),
            ("hasindexes", false.into()),
            ("hasrules", false.into()),
            ("hastriggers", false.into()),
            ("rowsecurity", false.into()),
        ]
    };
    ours.chain(of_postgres).map(row).collect()
}

fn pg_views(known: &Known) -> Vec<Row> {
    let ours = tables(known, true).map(|relation| (PUBLIC, relation.facts.name.as_str(), known.definition(relation.oid)));
    let of_postgres = SHAPES.iter().filter(|shape| shape.kind == "v").map(|shape| (shape.schema, shape.name, None));
    let row = |(schema, name, text): (&str, &str, Option<&str>)| -> Row {
        vec![
            ("schemaname", schema.into()),
            ("viewname", name.into()),
            ("viewowner", OWNER_NAME.into()),
            ("definition", text.into()),
        ]
    };
    ours.chain(of_postgres).map(row).collect()
}
