//! Catalog statements of clients, and what they are answered.
//!
//! `tests/serve/catalog.json` has the statements that fifteen clients sent to a PostgreSQL server over two relations, a table `ier` and a
//! view `rates_by_month`, and what that server answered. `{ier}` stands for the number of the table, which is another here.

use std::fmt::Write;

use arrow::array::Array;
use arrow::datatypes::{DataType, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use serde::Deserialize;

use super::*;
use crate::record::fields::UTC;

/// One statement of a client.
#[derive(Deserialize)]
struct Case {
    /// The client, and what it was doing.
    client: String,
    sql: String,
    /// Values of its parameters, as texts.
    #[serde(default)]
    parameters: Vec<String>,
    /// Names of the columns PostgreSQL answered with.
    columns: Vec<String>,
    /// Its rows, as texts; null where the rows are of things that one server has and the other has not.
    rows: Option<Vec<Vec<Option<String>>>>,
}

fn cases() -> Vec<Case> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serve/catalog.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn column(name: &str, data_type: DataType, comment: &str) -> ColumnFacts {
    let comment = Some(comment.to_owned()).filter(|comment| !comment.is_empty());
    ColumnFacts { name: name.to_owned(), data_type, nullable: true, comment }
}

fn facts() -> Vec<TableFacts> {
    let moment = DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.clone()));
    let ier = TableFacts {
        name: "ier".to_owned(),
        is_view: false,
        comment: Some("One row per e-mail and recipient".to_owned()),
        columns: vec![
            column("ier_id", DataType::Utf8View, "The record's id"),
            column("person_id", DataType::Utf8View, "The person"),
            column("email_name", DataType::Utf8View, "The e-mail's name"),
            column("date_sent", moment, "When it was sent"),
            column("sent_date", DataType::Date32, "The day it was sent"),
            column("opened", DataType::Boolean, "Whether it was opened"),
            column("number_of_total_clicks", DataType::Int64, "Clicks"),
            column("open_rate", DataType::Float64, "A rate"),
            column("custom", DataType::Utf8View, "The org's own fields"),
        ],
    };
    let rates = TableFacts {
        name: "rates_by_month".to_owned(),
        is_view: true,
        comment: Some("What became of each month's e-mails".to_owned()),
        columns: vec![
            column("month", DataType::Date32, "The month"),
            column("sent", DataType::Int64, "E-mails sent"),
            column("open_rate", DataType::Float64, "Opened over sent"),
        ],
    };
    vec![rates, ier]
}

fn catalog() -> Catalog {
    let settings = BTreeMap::from([("application_name".to_owned(), "tests".to_owned())]);
    let session = SessionFacts { user: "analyst".to_owned(), database: "ier".to_owned(), backend_pid: 4711, settings };
    Catalog::new(facts(), session).unwrap()
}

fn parsed(sql: &str) -> Statement {
    let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    assert_eq!(statements.len(), 1, "{sql}");
    statements.remove(0)
}

/// With the numbers of our relations in the places of their names.
fn numbered(catalog: &Catalog, sql: &str) -> String {
    let relations = catalog.known.relations.iter();
    relations
        .fold(sql.to_owned(), |sql, relation| sql.replace(&format!("{{{}}}", relation.facts.name), &relation.oid.to_string()))
}

fn value(text: &str, data_type: &DataType) -> ScalarValue {
    match data_type {
        DataType::List(item) => {
            let items =
                text.trim_matches(['{', '}']).split(',').map(|one| ScalarValue::from(one).cast_to(item.data_type()).unwrap());
            ScalarValue::List(ScalarValue::new_list_nullable(&items.collect::<Vec<_>>(), item.data_type()))
        }
        _ => ScalarValue::from(text).cast_to(data_type).unwrap(),
    }
}

/// Rows as Postgres writes them as text.
fn texts(batches: &[RecordBatch]) -> Vec<Vec<Option<String>>> {
    let options = FormatOptions::new();
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|array| (array, ArrayFormatter::try_new(array, &options).unwrap())).collect();
        let cell = |array: &ArrayRef, formatter: &ArrayFormatter<'_>, row: usize| match array.data_type() {
            _ if array.is_null(row) => None,
            DataType::Boolean => Some(if formatter.value(row).to_string() == "true" { "t" } else { "f" }.to_owned()),
            DataType::List(_) => Some(formatter.value(row).to_string().replace('[', "{").replace(']', "}").replace(", ", ",")),
            _ => Some(formatter.value(row).to_string()),
        };
        rows.extend(
            (0..batch.num_rows())
                .map(|row| columns.iter().map(|(array, formatter)| cell(array, formatter, row)).collect::<Vec<_>>()),
        );
    }
    rows
}

fn names(schema: &SchemaRef) -> Vec<String> {
    schema.fields().iter().map(|field| field.name().clone()).collect()
}

/// The rows of an answer, a line each, null as `-`.
async fn lines(catalog: &Catalog, sql: &str) -> Vec<String> {
    let statement = parsed(&numbered(catalog, sql));
    assert_eq!(Catalog::concerns(&statement), Concern::Catalog, "{sql}");
    let (_, batches) = catalog.answer(&statement, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let line =
        |row: Vec<Option<String>>| row.into_iter().map(|cell| cell.unwrap_or("-".to_owned())).collect::<Vec<_>>().join(" | ");
    texts(&batches).into_iter().map(line).collect()
}

/// What a client sent while it was doing something, the part of it that has these words.
fn sent(client: &str, words: &str) -> String {
    let case = cases().into_iter().find(|case| case.client == client && case.sql.contains(words));
    case.unwrap_or_else(|| panic!("{client} sent nothing with {words}")).sql
}

#[tokio::test]
async fn clients_are_answered_as_postgres_answers_them() {
    let catalog = catalog();
    let mut wrong = String::new();
    for case in &cases() {
        let sql = numbered(&catalog, &case.sql);
        let statement = parsed(&sql);
        if Catalog::concerns(&statement) != Concern::Catalog {
            writeln!(wrong, "{}: is not for the catalogs: {sql}\n", case.client).unwrap();
            continue;
        }
        let (types, described) = match catalog.describe(&statement, &[]).await {
            Ok(described) => described,
            Err(error) => {
                writeln!(wrong, "{}: not described: {error}: {sql}\n", case.client).unwrap();
                continue;
            }
        };
        assert!(types.len() <= case.parameters.len(), "{}: {} parameters: {sql}", case.client, types.len());
        let parameters: Vec<ScalarValue> =
            case.parameters.iter().zip(&types).map(|(given, data_type)| value(&numbered(&catalog, given), data_type)).collect();
        let (schema, batches) = match catalog.answer(&statement, &parameters).await {
            Ok(answer) => answer,
            Err(error) => {
                writeln!(wrong, "{}: {error}: {sql}\n", case.client).unwrap();
                continue;
            }
        };
        if names(&schema) != case.columns {
            writeln!(wrong, "{}: columns {:?}, not {:?}: {sql}\n", case.client, names(&schema), case.columns).unwrap();
        }
        if described != schema {
            writeln!(wrong, "{}: described as {described:?}, answered as {schema:?}: {sql}\n", case.client).unwrap();
        }
        let Some(expected) = &case.rows else { continue };
        let numbers = |cell: &Option<String>| cell.as_ref().map(|cell| numbered(&catalog, cell));
        let expected: Vec<Vec<Option<String>>> = expected.iter().map(|row| row.iter().map(numbers).collect()).collect();
        let (mut rows, mut expected) = (texts(&batches), expected);
        // The order of what nobody ordered is nobody's; asyncpg orders by the depth alone.
        if !case.sql.to_lowercase().contains("order by") || case.client == "asyncpg" {
            rows.sort();
            expected.sort();
        }
        if rows != expected {
            writeln!(wrong, "{}: {sql}\n  answered {rows:?}\n  expected {expected:?}\n", case.client).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[tokio::test]
async fn psql_shows_what_is_here_and_who_may_read_it() {
    let catalog = catalog();
    let functions = lines(&catalog, &sent("psql15 \\df", "pg_proc")).await;
    assert_eq!(functions.len(), crate::query::functions::OURS.len());
    assert_eq!(functions[0], "public | academic_term | text | moment | func");
    assert!(functions.contains(&"public | person_ids | SETOF record | '003…' | func".to_owned()), "{functions:?}");
    assert_eq!(lines(&catalog, &sent("psql15 \\l", "pg_database")).await, ["ier | ier | UTF8 | C | C.UTF-8 | - | libc | -"]);
    assert_eq!(
        lines(&catalog, &sent("psql15 \\du", "pg_roles")).await,
        ["analyst | f | t | f | f | t | -1 | - | {} | f | f", "ier | f | t | f | f | f | -1 | - | {} | f | f"]
    );
    assert_eq!(
        lines(&catalog, &sent("psql15 \\dp", "pg_class")).await,
        [
            "public | ier | table | ier=r/ier\nanalyst=r/ier |  | ",
            "public | rates_by_month | view | ier=r/ier\nanalyst=r/ier |  | "
        ]
    );
    assert_eq!(
        lines(&catalog, &sent("psql \\dt+", "pg_class")).await,
        ["public | ier | table | ier | permanent | heap | - | One row per e-mail and recipient"]
    );
    assert_eq!(lines(&catalog, &sent("psql15 \\dn", "pg_namespace")).await, ["public | ier"]);
    let definition = lines(&catalog, &sent("psql15 \\d+ rates_by_month", "pg_get_viewdef")).await;
    assert!(definition[0].contains("GROUP BY 1"), "{definition:?}");
}

#[tokio::test]
async fn types_are_known_with_the_functions_that_read_them() {
    let catalog = catalog();
    let types = lines(&catalog, &sent("adbc pg connect", "array_recv")).await;
    assert!(types.contains(&"20 | int8 | int8recv | 0 | 0 | 1016".to_owned()), "{types:?}");
    assert!(types.contains(&"1184 | timestamptz | timestamptz_recv | 0 | 0 | 1185".to_owned()), "{types:?}");
    assert!(!types.iter().any(|line| line.contains("_text")), "{types:?}");
    let arrays = lines(&catalog, &sent("postgres.js", "typcategory")).await;
    assert!(arrays.contains(&"25 | 1009".to_owned()), "{arrays:?}");
    let of_jdbc = lines(&catalog, &sent("pgjdbc getTypeInfo", "array_in")).await;
    assert!(
        of_jdbc.contains(&"t | b | _text | 1009".to_owned()) && of_jdbc.contains(&"f | b | text | 25".to_owned()),
        "{of_jdbc:?}"
    );
    let of_columns = lines(&catalog, &sent("Power BI columns", "COLUMN_NAME")).await;
    assert_eq!(
        of_columns[3..6],
        ["date_sent | 4 | YES | timestamp with time zone", "sent_date | 5 | YES | date", "opened | 6 | YES | boolean"]
    );
}

#[tokio::test]
async fn privileges_are_told_as_they_are() {
    let catalog = catalog();
    let asked = "SELECT has_table_privilege('ier', 'SELECT'), has_table_privilege('analyst', 'public.ier', 'select, insert'), \
                 has_table_privilege('ier', 'INSERT'), has_schema_privilege('public', 'CREATE'), has_schema_privilege('public', 'usage'), \
                 has_database_privilege('ier', 'TEMP'), has_column_privilege('ier', 'opened', 'UPDATE'), pg_has_role('analyst', 'member'), \
                 pg_has_role('ier', 'member'), has_table_privilege('nothing_here', 'SELECT')";
    assert_eq!(lines(&catalog, asked).await, ["t | t | f | f | t | f | f | t | f | -"]);
}

#[tokio::test]
async fn statements_go_where_they_belong() {
    let concerns = [
        ("SELECT * FROM ier", Concern::Data),
        ("SELECT 1", Concern::Data),
        ("SELECT now(), upper('a')", Concern::Data),
        ("WITH pg_x AS (SELECT 1) SELECT * FROM pg_x", Concern::Data),
        ("SELECT * FROM generate_series(1, 3)", Concern::Data),
        ("SELECT count(*) FROM ier WHERE opened = (SELECT true FROM pg_class LIMIT 1)", Concern::Mixed),
        ("SELECT * FROM ier i, information_schema.tables t", Concern::Mixed),
        ("SELECT * FROM salesforce.pg_class", Concern::Data),
        ("SELECT version()", Concern::Catalog),
        ("SELECT pg_catalog.version()", Concern::Catalog),
        ("SELECT current_schema", Concern::Catalog),
        ("SELECT 'ier'::regclass", Concern::Catalog),
        ("SELECT * FROM pg_class", Concern::Catalog),
        ("SELECT * FROM information_schema.columns", Concern::Catalog),
        ("SELECT * FROM ier.pg_catalog.pg_class", Concern::Catalog),
        ("SELECT word FROM pg_get_keywords()", Concern::Catalog),
        ("SELECT name, format_type(tp, tpm) FROM (VALUES ('a', 25, -1)) s(name, tp, tpm)", Concern::Catalog),
        ("EXPLAIN SELECT * FROM ier", Concern::Data),
    ];
    for (sql, concern) in concerns {
        assert_eq!(Catalog::concerns(&parsed(sql)), concern, "{sql}");
    }
}

#[test]
fn numbers_are_the_same_for_everybody() {
    let attributes = |name: &str| TableFacts { name: name.to_owned(), is_view: false, comment: None, columns: Vec::new() };
    let names = ["staff", "alumni", "contact", "jobs"];
    let numbers = |tables: Vec<TableFacts>| -> BTreeMap<String, i64> {
        let known = Known::new(tables, SessionFacts::default());
        known.relations.iter().map(|relation| (relation.facts.name.clone(), relation.oid)).collect()
    };
    let all = numbers(names.iter().map(|name| attributes(name)).chain(facts()).collect());
    let reversed = numbers(names.iter().rev().map(|name| attributes(name)).collect());
    for name in names {
        assert_eq!(all[name], reversed[name], "{name}");
    }
    assert!((100_000..1_000_000).contains(&all["staff"]) && (16384..16500).contains(&all["ier"]), "{all:?}");
    let distinct: std::collections::BTreeSet<i64> = all.values().copied().collect();
    assert_eq!(distinct.len(), all.len());
}

#[tokio::test]
async fn comments_stand_where_nobody_gave_any() {
    let columns = vec![column("person_id", DataType::Utf8View, ""), column("date_opened", DataType::Utf8View, "")];
    let ier = TableFacts { name: "ier".to_owned(), is_view: false, comment: None, columns };
    let session = SessionFacts { user: "a".to_owned(), database: "ier".to_owned(), ..SessionFacts::default() };
    let catalog = Catalog::new(vec![ier], session).unwrap();
    let comments = lines(
        &catalog,
        "SELECT obj_description('ier'::regclass), col_description('ier'::regclass, 1), col_description({ier}, 2)",
    )
    .await;
    assert!(comments[0].starts_with("Individual Email Results: one row per e-mail"), "{comments:?}");
    assert!(
        comments[0].contains("The id under which the person is counted") && comments[0].ends_with("et4ae5__DateOpened__c"),
        "{comments:?}"
    );
}

#[tokio::test]
async fn what_is_not_answered_is_told_and_counted() {
    let catalog = catalog();
    let before = unanswered();
    for sql in ["SELECT pg_read_file('/etc/passwd')", "SELECT pg_no_such_thing(oid) FROM pg_class", "SELECT 'nothing'::regclass"]
    {
        let statement = parsed(sql);
        assert_eq!(Catalog::concerns(&statement), Concern::Catalog, "{sql}");
        let error = catalog.answer(&statement, &[]).await.unwrap_err();
        assert!(error.to_string().starts_with("the catalogs do not answer this statement"), "{error}");
    }
    assert!(unanswered() >= before + 3);
}

#[tokio::test]
async fn settings_are_changed_when_a_statement_runs_and_only_those_of_display() {
    let catalog = catalog();
    let statement = parsed("SELECT set_config('jit', $1, false)");
    let declared = [Some(DataType::Utf8View)];
    assert_eq!(catalog.describe(&statement, &declared).await.unwrap().0, [DataType::Utf8View]);
    assert_eq!(catalog.changed_settings(), BTreeMap::new());
    catalog.answer(&statement, &[ScalarValue::from("on")]).await.unwrap();
    assert_eq!(lines(&catalog, "SELECT current_setting('JIT'), current_setting('application_name')").await, ["on | tests"]);
    assert_eq!(catalog.changed_settings().len(), 1);
    catalog.know_settings(BTreeMap::from([("jit".to_owned(), "later".to_owned())]));
    assert_eq!(lines(&catalog, "SELECT setting FROM pg_settings WHERE name = 'jit'").await, ["later"]);
    assert!(lines(&catalog, "SELECT version()").await[0].starts_with("PostgreSQL 16.0 (ier "));
    let refused = parsed("SELECT set_config('datafusion.execution.batch_size', '1', false)");
    assert!(catalog.answer(&refused, &[]).await.is_err());
}

#[tokio::test]
async fn an_answer_is_bounded() {
    let catalog = catalog();
    let statement = parsed("SELECT a.attname, b.attname FROM pg_attribute a, pg_attribute b, pg_attribute c");
    assert!(catalog.answer(&statement, &[]).await.is_err());
}

#[tokio::test]
async fn columns_are_told_as_the_standard_views_are_made() {
    let catalog = catalog();
    let comments = "SELECT a.attname, (information_schema._pg_numeric_precision(information_schema._pg_truetypid(a.*, t.*), \
                information_schema._pg_truetypmod(a.*, t.*)))::information_schema.cardinal_number AS precision, \
                information_schema._pg_datetime_precision(information_schema._pg_truetypid(a, t), -1), \
                (SELECT count(1) FROM pg_type t2 WHERE t2.typname = t.typname) > 1 AS isdup \
                FROM pg_attribute a JOIN pg_type t ON t.oid = atttypid LEFT JOIN (pg_depend JOIN pg_class cs ON objid = cs.oid \
                AND classid = 'pg_class'::regclass::oid) ON refobjid = attrelid AND refobjsubid = attnum \
                WHERE a.attrelid = {ier} AND attnum BETWEEN 4 AND 8 AND attisdropped IS FALSE ORDER BY attnum";
    let expected =
        ["date_sent | - | 6 | f", "sent_date | - | 0 | f", "opened | - | - | f", "number_of_total_clicks | 64 | - | f"];
    assert_eq!(lines(&catalog, comments).await[..4], expected);
}

#[tokio::test]
async fn sleep_can_be_cancelled() {
    let catalog = catalog();
    let statement = parsed("SELECT pg_sleep(3)");
    let asked = tokio::time::timeout(Duration::from_millis(10), catalog.answer(&statement, &[])).await;
    assert!(asked.is_err(), "it slept no time");
    assert_eq!(lines(&catalog, "SELECT pg_sleep(0.01)").await, [""]);
}
