//! What each catalog function of Postgres returns here.

use datafusion::common::{Result as DfResult, ScalarValue};

use super::contents::{PG_CLASS, PG_PROC};
use super::information::long_name;
use super::known::{self, DATABASE, Known, OWNER, PG_CATALOG_OID, PUBLIC_OID, USER, identifiers};
use super::shapes::{self, INFORMATION_SCHEMA, PG_CATALOG, TYPES, type_numbered};
use super::signature::Returns::{Bool, Int, SmallInt, Text, Texts};
use super::signature::{Call, Function, Returns, refused};
use crate::query::catalog::PUBLIC;

const fn function(name: &'static str, returns: Returns, call: Call) -> Function {
    Function { name, returns, call }
}

/// All functions, each under its name alone.
pub(super) const ALL: &[Function] = &[
    function("version", Text, |known, _| {
        // Clients read the number behind the name.
        let version = known.setting("server_version").unwrap_or_default();
        text(&format!("PostgreSQL {version} (ier {})", env!("CARGO_PKG_VERSION")))
    }),
    function("current_database", Text, |known, _| text(&known.session.database)),
    function("current_catalog", Text, |known, _| text(&known.session.database)),
    function("current_schema", Text, |_, _| text(PUBLIC)),
    function("current_schemas", Texts, |_, args| {
        let implicit = bool_of(args.first()).unwrap_or(false);
        Ok(list(if implicit { &[PG_CATALOG, PUBLIC] } else { &[PUBLIC] }))
    }),
    function("current_user", Text, user),
    function("session_user", Text, user),
    function("current_role", Text, user),
    function("user", Text, user),
    function("pg_backend_pid", SmallInt, |known, _| Ok(ScalarValue::from(known.session.backend_pid))),
    function("pg_my_temp_schema", Int, |_, _| int(0)),
    function("pg_is_other_temp_schema", Bool, |_, _| truth(false)),
    function("pg_is_in_recovery", Bool, |_, _| truth(true)),
    function("pg_is_wal_replay_paused", Bool, |_, _| truth(false)),
    function("pg_export_snapshot", Text, |_, _| refused("there are no snapshots to export here".to_owned())),
    function("pg_advisory_unlock_all", Text, |_, _| text("")),
    function("pg_encoding_to_char", Text, |_, args| text(if int_of(args.first()) == Some(6) { "UTF8" } else { "SQL_ASCII" })),
    function("pg_char_to_encoding", SmallInt, |_, _| Ok(ScalarValue::from(6_i32))),
    function("getdatabaseencoding", Text, |_, _| text("UTF8")),
    function("pg_client_encoding", Text, |_, _| text("UTF8")),
    function("inet_server_addr", Text, no_text),
    function("inet_client_addr", Text, no_text),
    function("inet_server_port", SmallInt, |_, _| Ok(ScalarValue::Int32(None))),
    function("inet_client_port", SmallInt, |_, _| Ok(ScalarValue::Int32(None))),
    // Settings.
    function("current_setting", Text, current_setting),
    function("set_config", Text, set_config),
    // Names and numbers of things.
    function("format_type", Text, format_type),
    function("to_regclass", Int, |known, args| Ok(ScalarValue::Int64(relation_of(known, args.first())))),
    function("to_regtype", Int, |_, args| Ok(ScalarValue::Int64(type_of_value(args.first())))),
    function("to_regnamespace", Int, |_, args| Ok(ScalarValue::Int64(schema_of(args.first())))),
    function("to_regrole", Int, |known, args| Ok(ScalarValue::Int64(role_of(known, args.first())))),
    function("to_regproc", Int, |_, args| Ok(ScalarValue::Int64(function_of(args.first())))),
    function("to_regprocedure", Int, |_, args| Ok(ScalarValue::Int64(function_of(args.first())))),
    function("regclass_in", Int, |known, args| found(relation_of(known, args.first()), "relation", args)),
    function("regtype_in", Int, |_, args| found(type_of_value(args.first()), "type", args)),
    function("regnamespace_in", Int, |_, args| found(schema_of(args.first()), "schema", args)),
    function("regrole_in", Int, |known, args| found(role_of(known, args.first()), "role", args)),
    function("regproc_in", Int, |_, args| found(function_of(args.first()), "function", args)),
    function("regprocedure_in", Int, |_, args| found(function_of(args.first()), "function", args)),
    function("regclass_out", Text, |known, args| {
        out(args, |oid| regclass_text(known, oid), |_| relation_of(known, args.first()))
    }),
    function("regtype_out", Text, |_, args| out(args, |oid| type_numbered(oid).map(long_name), |_| type_of_value(args.first()))),
    function("regnamespace_out", Text, |_, args| out(args, schema_text, |_| schema_of(args.first()))),
    function("regrole_out", Text, |known, args| {
        out(args, |oid| known.role(oid).map(str::to_owned), |_| role_of(known, args.first()))
    }),
    function("regproc_out", Text, |_, args| out(args, function_text, |_| function_of(args.first()))),
    function("regprocedure_out", Text, |_, args| out(args, function_text, |_| function_of(args.first()))),
    function("regtypes_out", Texts, |_, args| Ok(texts_of_types(args.first()))),
    function("pg_get_userbyid", Text, |known, args| {
        let oid = int_of(args.first());
        Ok(ScalarValue::Utf8(oid.map(|oid| known.role(oid).map_or_else(|| format!("unknown (OID={oid})"), str::to_owned))))
    }),
    function("quote_ident", Text, |_, args| Ok(ScalarValue::Utf8(text_of(args.first()).map(|name| quoted(&name))))),
    function("quote_literal", Text, |_, args| {
        Ok(ScalarValue::Utf8(text_of(args.first()).map(|value| format!("'{}'", value.replace('\'', "''")))))
    }),
    function("quote_nullable", Text, |_, args| {
        text(&text_of(args.first()).map_or_else(|| "NULL".to_owned(), |value| format!("'{}'", value.replace('\'', "''"))))
    }),
    function("format", Text, |_, args| {
        Ok(ScalarValue::Utf8(text_of(args.first()).map(|pattern| formatted(&pattern, &args[1..]))))
    }),
    function("parse_ident", Texts, |_, args| {
        let parts = text_of(args.first()).and_then(|name| identifiers(&name)).unwrap_or_default();
        Ok(list(&parts.iter().map(String::as_str).collect::<Vec<_>>()))
    }),
    // What may be seen.
    function("pg_table_is_visible", Bool, |known, args| {
        seen(int_of(args.first()).and_then(|oid| known.numbered(oid)).map(|named| named.schema != INFORMATION_SCHEMA))
    }),
    function("pg_type_is_visible", Bool, |_, args| seen(int_of(args.first()).and_then(type_numbered).map(|_| true))),
    function("pg_function_is_visible", Bool, |_, args| seen(int_of(args.first()).map(|_| true))),
    function("pg_operator_is_visible", Bool, |_, args| seen(int_of(args.first()).map(|_| true))),
    function("pg_opclass_is_visible", Bool, |_, args| seen(int_of(args.first()).map(|_| true))),
    function("pg_opfamily_is_visible", Bool, |_, args| seen(int_of(args.first()).map(|_| true))),
    function("pg_collation_is_visible", Bool, |_, args| seen(int_of(args.first()).map(|_| true))),
    function("pg_conversion_is_visible", Bool, |_, args| seen(int_of(args.first()).map(|_| true))),
    function("pg_statistics_obj_is_visible", Bool, |_, args| seen(int_of(args.first()).map(|_| true))),
    function("pg_ts_config_is_visible", Bool, |_, args| seen(int_of(args.first()).map(|_| true))),
    function("pg_ts_dict_is_visible", Bool, |_, args| seen(int_of(args.first()).map(|_| true))),
    function("pg_ts_parser_is_visible", Bool, |_, args| seen(int_of(args.first()).map(|_| true))),
    function("pg_ts_template_is_visible", Bool, |_, args| seen(int_of(args.first()).map(|_| true))),
    // What may be done: to read, and nothing else.
    function("has_table_privilege", Bool, |known, args| privilege(known, args, 1, relation_of, &["select"])),
    function("has_any_column_privilege", Bool, |known, args| privilege(known, args, 1, relation_of, &["select"])),
    function("has_column_privilege", Bool, |known, args| privilege(known, args, 2, relation_of, &["select"])),
    function("has_schema_privilege", Bool, |known, args| privilege(known, args, 1, |_, value| schema_of(value), &["usage"])),
    function("has_database_privilege", Bool, |known, args| privilege(known, args, 1, database_of, &["connect"])),
    function("has_type_privilege", Bool, |known, args| privilege(known, args, 1, |_, value| type_of_value(value), &["usage"])),
    function("has_function_privilege", Bool, |known, args| {
        privilege(known, args, 1, |_, value| function_of(value), &["execute"])
    }),
    function("has_language_privilege", Bool, |known, args| privilege(known, args, 1, |_, _| Some(DATABASE), &[])),
    function("has_sequence_privilege", Bool, |known, args| privilege(known, args, 1, relation_of, &[])),
    function("has_tablespace_privilege", Bool, |known, args| privilege(known, args, 1, |_, _| Some(DATABASE), &[])),
    function("has_server_privilege", Bool, |known, args| privilege(known, args, 1, |_, _| Some(DATABASE), &[])),
    function("has_foreign_data_wrapper_privilege", Bool, |known, args| privilege(known, args, 1, |_, _| Some(DATABASE), &[])),
    function("pg_has_role", Bool, |known, args| {
        let role = role_of(known, args.get(args.len().saturating_sub(2)));
        Ok(ScalarValue::Boolean(role.map(|role| role == known.user())))
    }),
    function("row_security_active", Bool, |_, _| truth(false)),
    function("pg_relation_is_publishable", Bool, |_, _| truth(false)),
    function("pg_column_is_updatable", Bool, |_, _| truth(false)),
    function("pg_relation_is_updatable", SmallInt, |_, _| Ok(ScalarValue::from(0_i32))),
    // Comments.
    function("obj_description", Text, obj_description),
    function("shobj_description", Text, no_text),
    function("col_description", Text, |known, args| {
        let relation = int_of(args.first()).and_then(|oid| known.relation(oid));
        let at = int_of(args.get(1)).and_then(|number| usize::try_from(number - 1).ok());
        let column = relation.zip(at).and_then(|(relation, at)| relation.facts.columns.get(at));
        Ok(ScalarValue::Utf8(column.and_then(|column| column.comment.clone())))
    }),
    // Definitions.
    function("pg_get_viewdef", Text, |known, args| {
        let definition = relation_of(known, args.first()).and_then(|oid| known.definition(oid));
        Ok(ScalarValue::Utf8(definition.map(str::to_owned)))
    }),
    function("pg_get_function_result", Text, |_, args| {
        let answer = int_of(args.first()).and_then(|oid| {
            let ours = known::our_functions().find(|(number, ..)| *number == oid);
            let returns = match ours {
                Some((_, name, ..)) => known::result_of(name),
                None => shapes::FUNCTIONS.iter().find(|function| function.oid == oid)?.returns,
            };
            let name = type_numbered(returns).map(long_name)?;
            Some(if returns == known::RECORD && ours.is_some() { format!("SETOF {name}") } else { name })
        });
        Ok(ScalarValue::Utf8(answer))
    }),
    function("pg_get_function_arguments", Text, function_arguments),
    function("pg_get_function_identity_arguments", Text, function_arguments),
    function("pg_get_functiondef", Text, no_text),
    function("pg_get_function_sqlbody", Text, no_text),
    function("pg_get_function_arg_default", Text, no_text),
    function("pg_get_expr", Text, no_text),
    function("pg_get_ruledef", Text, no_text),
    function("pg_get_indexdef", Text, no_text),
    function("pg_get_constraintdef", Text, no_text),
    function("pg_get_triggerdef", Text, no_text),
    function("pg_get_partkeydef", Text, no_text),
    function("pg_get_partition_constraintdef", Text, no_text),
    function("pg_get_statisticsobjdef", Text, no_text),
    function("pg_get_statisticsobjdef_columns", Text, no_text),
    function("pg_get_serial_sequence", Text, no_text),
    function("pg_tablespace_location", Text, |_, _| text("")),
    function("pg_relation_filepath", Text, no_text),
    // Sizes are not told: those of our files are in the table `data_file`.
    function("pg_relation_size", Int, no_size),
    function("pg_table_size", Int, no_size),
    function("pg_indexes_size", Int, no_size),
    function("pg_total_relation_size", Int, no_size),
    function("pg_database_size", Int, no_size),
    function("pg_tablespace_size", Int, no_size),
    function("pg_stat_get_live_tuples", Int, no_size),
    function("pg_size_pretty", Text, |_, args| Ok(ScalarValue::Utf8(int_of(args.first()).map(pretty)))),
    // What `information_schema` is made of in Postgres; of a type's number, and of its modifier, which no type has here.
    function("_pg_numeric_precision", SmallInt, |_, args| {
        small(match int_of(args.first()) {
            Some(21) => Some(16),
            Some(23) => Some(32),
            Some(20) => Some(64),
            Some(700) => Some(24),
            Some(701) => Some(53),
            _ => None,
        })
    }),
    function("_pg_numeric_precision_radix", SmallInt, |_, args| {
        small(match int_of(args.first()) {
            Some(20 | 21 | 23 | 700 | 701) => Some(2),
            Some(1700) => Some(10),
            _ => None,
        })
    }),
    function("_pg_numeric_scale", SmallInt, |_, args| {
        small(if matches!(int_of(args.first()), Some(20 | 21 | 23)) { Some(0) } else { None })
    }),
    function("_pg_datetime_precision", SmallInt, |_, args| {
        small(match int_of(args.first()) {
            Some(1082) => Some(0),
            Some(1083 | 1114 | 1184 | 1186 | 1266) => Some(6),
            _ => None,
        })
    }),
    function("_pg_char_max_length", SmallInt, |_, _| small(None)),
    function("_pg_char_octet_length", SmallInt, |_, args| {
        small(if matches!(int_of(args.first()), Some(25 | 1043)) { Some(1 << 30) } else { None })
    }),
    // The time passes before: see `nap` in `mod.rs`.
    function("pg_sleep", Text, |_, _| text("")),
    // Lists.
    function("array_upper", Int, |_, args| Ok(ScalarValue::Int64(length_of(args.first()).filter(|length| *length > 0)))),
    function("array_lower", Int, |_, args| {
        Ok(ScalarValue::Int64(length_of(args.first()).filter(|length| *length > 0).map(|_| 1)))
    }),
    function("no_texts", Texts, |_, _| Ok(list(&[]))),
    function("like_escape", Text, like_escape),
    function("json_build_object", Text, json_build_object),
    function("jsonb_build_object", Text, json_build_object),
];

fn text(value: &str) -> DfResult<ScalarValue> {
    Ok(ScalarValue::Utf8(Some(value.to_owned())))
}

fn int(value: i64) -> DfResult<ScalarValue> {
    Ok(ScalarValue::Int64(Some(value)))
}

fn small(value: Option<i32>) -> DfResult<ScalarValue> {
    Ok(ScalarValue::Int32(value))
}

fn truth(value: bool) -> DfResult<ScalarValue> {
    Ok(ScalarValue::Boolean(Some(value)))
}

fn seen(value: Option<bool>) -> DfResult<ScalarValue> {
    Ok(ScalarValue::Boolean(value))
}

fn list(items: &[&str]) -> ScalarValue {
    let items: Vec<ScalarValue> = items.iter().map(|item| ScalarValue::from(*item)).collect();
    ScalarValue::List(ScalarValue::new_list_nullable(&items, &arrow::datatypes::DataType::Utf8))
}

fn no_text(_: &Known, _: &[ScalarValue]) -> DfResult<ScalarValue> {
    Ok(ScalarValue::Utf8(None))
}

fn no_size(_: &Known, _: &[ScalarValue]) -> DfResult<ScalarValue> {
    Ok(ScalarValue::Int64(None))
}

fn user(known: &Known, _: &[ScalarValue]) -> DfResult<ScalarValue> {
    text(&known.session.user)
}

/// The text of a value, null for null.
fn text_of(value: Option<&ScalarValue>) -> Option<String> {
    match value? {
        ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => text.clone(),
        other if other.is_null() => None,
        other => Some(other.to_string()),
    }
}

/// The number in a value, also where it is written as text.
fn int_of(value: Option<&ScalarValue>) -> Option<i64> {
    match value? {
        ScalarValue::Int64(number) => *number,
        ScalarValue::Int32(number) => number.map(i64::from),
        ScalarValue::Int16(number) => number.map(i64::from),
        other => text_of(Some(other))?.parse().ok(),
    }
}

fn bool_of(value: Option<&ScalarValue>) -> Option<bool> {
    match value? {
        ScalarValue::Boolean(truth) => *truth,
        other => text_of(Some(other)).map(|text| matches!(text.as_str(), "t" | "true" | "on" | "1")),
    }
}

fn length_of(value: Option<&ScalarValue>) -> Option<i64> {
    match value? {
        ScalarValue::List(items) if !value.is_some_and(ScalarValue::is_null) => Some(i64::from(items.value_length(0))),
        _ => None,
    }
}

/// The number of what a value names; a number is its own.
fn relation_of(known: &Known, value: Option<&ScalarValue>) -> Option<i64> {
    int_of(value).or_else(|| known.named(&text_of(value)?).map(|named| named.oid))
}

fn schema_of(value: Option<&ScalarValue>) -> Option<i64> {
    int_of(value).or_else(|| match text_of(value)?.trim_matches('"') {
        PG_CATALOG => Some(PG_CATALOG_OID),
        PUBLIC => Some(PUBLIC_OID),
        INFORMATION_SCHEMA => Some(known::INFORMATION_SCHEMA_OID),
        _ => None,
    })
}

fn schema_text(oid: i64) -> Option<String> {
    let name = match oid {
        PG_CATALOG_OID => PG_CATALOG,
        PUBLIC_OID => PUBLIC,
        known::INFORMATION_SCHEMA_OID => INFORMATION_SCHEMA,
        _ => return None,
    };
    Some(name.to_owned())
}

fn role_of(known: &Known, value: Option<&ScalarValue>) -> Option<i64> {
    int_of(value).or_else(|| {
        let name = text_of(value)?;
        [OWNER, USER].into_iter().find(|oid| known.role(*oid) == Some(name.as_str()))
    })
}

fn database_of(known: &Known, value: Option<&ScalarValue>) -> Option<i64> {
    int_of(value).or_else(|| text_of(value).filter(|name| *name == known.session.database).map(|_| DATABASE))
}

fn function_of(value: Option<&ScalarValue>) -> Option<i64> {
    int_of(value).or_else(|| {
        let text = text_of(value)?;
        let parts = identifiers(text.split('(').next().unwrap_or_default())?;
        let name = parts.last()?;
        let ours = known::our_functions().find(|(_, ours, ..)| ours == name).map(|(oid, ..)| oid);
        Some(shapes::function_named(name)).filter(|oid| *oid != 0).or(ours)
    })
}

fn function_text(oid: i64) -> Option<String> {
    let of_types = shapes::FUNCTIONS.iter().find(|function| function.oid == oid).map(|function| function.name);
    of_types.or_else(|| known::our_functions().find(|(number, ..)| *number == oid).map(|(_, name, ..)| name)).map(str::to_owned)
}

fn regclass_text(known: &Known, oid: i64) -> Option<String> {
    let named = known.numbered(oid)?;
    let schema = if named.schema == INFORMATION_SCHEMA { format!("{INFORMATION_SCHEMA}.") } else { String::new() };
    Some(format!("{schema}{}", quoted(named.name)))
}

/// A type by any of its names: `int8`, `bigint`, `pg_catalog.int8`, `timestamp with time zone`, `text[]`.
fn type_of_value(value: Option<&ScalarValue>) -> Option<i64> {
    int_of(value).or_else(|| {
        let text = text_of(value)?;
        let name = text.trim().trim_start_matches("pg_catalog.").trim_matches('"').to_lowercase();
        if let Some(item) = name.strip_suffix("[]") {
            return type_of_value(Some(&ScalarValue::from(item))).and_then(type_numbered).map(|found| found.array);
        }
        // `varchar(10)` and `numeric(10,2)` are the types, too.
        let bare = name.split('(').next().unwrap_or_default().trim().to_owned();
        let bare = match bare.as_str() {
            "int" => "int4",
            "float" => "float8",
            "decimal" => "numeric",
            "bool" => "bool",
            other => other,
        };
        TYPES.iter().find(|found| found.name == bare || long_name(found) == bare).map(|found| found.oid)
    })
}

/// A value as a type of names shows it: by name where there is one, `-` for nothing.
fn out(
    args: &[ScalarValue],
    name: impl Fn(i64) -> Option<String>,
    number: impl Fn(&str) -> Option<i64>,
) -> DfResult<ScalarValue> {
    let Some(value) = text_of(args.first()) else { return Ok(ScalarValue::Utf8(None)) };
    let shown = match number(&value) {
        Some(0) => "-".to_owned(),
        Some(oid) => name(oid).unwrap_or_else(|| oid.to_string()),
        None => return refused(format!("\"{value}\" does not exist")),
    };
    text(&shown)
}

fn found(number: Option<i64>, what: &str, args: &[ScalarValue]) -> DfResult<ScalarValue> {
    match (number, text_of(args.first())) {
        (None, Some(name)) => refused(format!("{what} \"{name}\" does not exist")),
        (number, _) => Ok(ScalarValue::Int64(number)),
    }
}

fn texts_of_types(value: Option<&ScalarValue>) -> ScalarValue {
    let Some(ScalarValue::List(items)) = value.filter(|value| !value.is_null()) else {
        return ScalarValue::List(ScalarValue::new_list_nullable(&[], &arrow::datatypes::DataType::Utf8));
    };
    let items = items.value(0);
    let names = (0..items.len()).map(|at| {
        let oid = ScalarValue::try_from_array(&items, at).ok().and_then(|item| int_of(Some(&item)));
        oid.and_then(type_numbered).map_or_else(|| "-".to_owned(), long_name)
    });
    let names: Vec<String> = names.collect();
    list(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

fn current_setting(known: &Known, args: &[ScalarValue]) -> DfResult<ScalarValue> {
    let Some(name) = text_of(args.first()) else { return Ok(ScalarValue::Utf8(None)) };
    match known.setting(&name) {
        Some(value) => text(&value),
        None if bool_of(args.get(1)) == Some(true) => Ok(ScalarValue::Utf8(None)),
        None => refused(format!("unrecognized configuration parameter \"{name}\"")),
    }
}

fn set_config(known: &Known, args: &[ScalarValue]) -> DfResult<ScalarValue> {
    let Some(name) = text_of(args.first()) else { return refused("SET requires parameter name".to_owned()) };
    let value = text_of(args.get(1)).unwrap_or_default();
    if known.set(&name, &value) { text(&value) } else { refused(format!("parameter \"{name}\" cannot be changed here")) }
}

fn format_type(_: &Known, args: &[ScalarValue]) -> DfResult<ScalarValue> {
    let Some(oid) = int_of(args.first()) else { return Ok(ScalarValue::Utf8(None)) };
    let name = match oid {
        0 => "-".to_owned(),
        oid => type_numbered(oid).map_or_else(|| "???".to_owned(), long_name),
    };
    text(&name)
}

fn obj_description(known: &Known, args: &[ScalarValue]) -> DfResult<ScalarValue> {
    let Some(oid) = int_of(args.first()) else { return Ok(ScalarValue::Utf8(None)) };
    let class = text_of(args.get(1));
    let is = |name: &str, number: i64| class.as_ref().is_none_or(|class| class == name || *class == number.to_string());
    let of_relation =
        known.relation(oid).filter(|_| is("pg_class", PG_CLASS)).and_then(|relation| relation.facts.comment.clone());
    let of_function = || {
        let ours = known::our_functions().find(|(number, ..)| *number == oid && is("pg_proc", PG_PROC));
        ours.map(|(.., meaning)| meaning.to_owned())
    };
    Ok(ScalarValue::Utf8(of_relation.or_else(of_function)))
}

fn function_arguments(_: &Known, args: &[ScalarValue]) -> DfResult<ScalarValue> {
    let answer = int_of(args.first()).and_then(|oid| {
        if let Some((_, _, arguments, _)) = known::our_functions().find(|(number, ..)| *number == oid) {
            return Some(arguments.to_owned());
        }
        let function = shapes::FUNCTIONS.iter().find(|function| function.oid == oid)?;
        let takes = function.takes.iter().filter_map(|oid| type_numbered(*oid)).map(long_name);
        Some(takes.collect::<Vec<_>>().join(", "))
    });
    Ok(ScalarValue::Utf8(answer))
}

/// Whether the user (the first argument of one more than `before` and the privilege) may do it: what may be done is read, nothing else.
fn privilege(
    known: &Known,
    args: &[ScalarValue],
    before: usize,
    number: fn(&Known, Option<&ScalarValue>) -> Option<i64>,
    may: &[&str],
) -> DfResult<ScalarValue> {
    let (role, rest) = if args.len() > before + 1 { args.split_at(1) } else { (&args[..0], args) };
    let role = if role.is_empty() { Some(known.user()) } else { role_of(known, role.first()) };
    let (Some(asked), Some(role)) = (text_of(rest.last()), role) else { return Ok(ScalarValue::Boolean(None)) };
    let Some(_) = number(known, rest.first()) else { return Ok(ScalarValue::Boolean(None)) };
    // Several privileges in a list: is there one that they have?
    let granted = asked.split(',').any(|one| may.contains(&one.trim().to_lowercase().as_str()));
    truth(granted && (role == known.user() || role == OWNER))
}

/// An identifier as SQL has to write it.
fn quoted(name: &str) -> String {
    let plain = name.chars().enumerate().all(|(at, letter)| {
        letter == '_' || letter.is_ascii_lowercase() || (at > 0 && (letter.is_ascii_digit() || letter == '$'))
    });
    let mut words = shapes::keywords().filter(|(code, ..)| *code != "U").flat_map(|(_, _, words)| words);
    if plain && !name.is_empty() && !words.any(|word| word == name) {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `%s`, `%I` and `%L` in a pattern, each the next value: as it is, as an identifier, as a literal.
fn formatted(pattern: &str, values: &[ScalarValue]) -> String {
    let (mut answer, mut values, mut characters) = (String::new(), values.iter(), pattern.chars());
    while let Some(character) = characters.next() {
        if character != '%' {
            answer.push(character);
            continue;
        }
        match characters.next() {
            Some('s') => answer.push_str(&text_of(values.next()).unwrap_or_default()),
            Some('I') => answer.push_str(&quoted(&text_of(values.next()).unwrap_or_default())),
            Some('L') => match text_of(values.next()) {
                Some(value) => answer.push_str(&format!("'{}'", value.replace('\'', "''"))),
                None => answer.push_str("NULL"),
            },
            other => answer.extend(other),
        }
    }
    answer
}

fn pretty(bytes: i64) -> String {
    let mut size = bytes;
    for unit in ["bytes", "kB", "MB", "GB"] {
        if size.abs() < 10 * 1024 {
            return format!("{size} {unit}");
        }
        size = (size + 512) / 1024;
    }
    format!("{size} TB")
}

/// A pattern of LIKE that escapes by another character than the backslash, as one that escapes by it.
fn like_escape(_: &Known, args: &[ScalarValue]) -> DfResult<ScalarValue> {
    let (Some(pattern), Some(escape)) = (text_of(args.first()), text_of(args.get(1))) else { return Ok(ScalarValue::Utf8(None)) };
    let escape = escape.chars().next();
    let (mut answer, mut characters) = (String::new(), pattern.chars());
    while let Some(character) = characters.next() {
        if Some(character) == escape {
            answer.push('\\');
            answer.extend(characters.next());
        } else if character == '\\' {
            answer.push_str("\\\\");
        } else {
            answer.push(character);
        }
    }
    text(&answer)
}

fn json_build_object(_: &Known, args: &[ScalarValue]) -> DfResult<ScalarValue> {
    let value = |value: &ScalarValue| match value {
        value if value.is_null() => serde_json::Value::Null,
        ScalarValue::Boolean(Some(truth)) => (*truth).into(),
        ScalarValue::Int64(Some(number)) => (*number).into(),
        ScalarValue::Int32(Some(number)) => (*number).into(),
        other => text_of(Some(other)).into(),
    };
    let pairs =
        args.chunks(2).filter_map(|pair| Some((text_of(pair.first())?, pair.get(1).map_or(serde_json::Value::Null, value))));
    text(&serde_json::Value::Object(pairs.collect()).to_string())
}
