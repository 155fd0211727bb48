//! Values are the same by every way: at the command line, as text, in binary, by COPY.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use ier::query::engine::Engine;
use ier::query::parsed::Parsed;
use ier::query::question::library;
use tokio_postgres::types::Type;

use super::{Served, filled, limits, rows};
use crate::fixture::Fixture;
use crate::world::texts;

/// A value of each type, and what is written of it.
const EACH: &[(&str, Type, &str)] = &[
    ("true", Type::BOOL, "t"),
    ("CAST(7 AS smallint)", Type::INT2, "7"),
    ("CAST(-7 AS int)", Type::INT4, "-7"),
    ("9223372036854775807", Type::INT8, "9223372036854775807"),
    ("CAST(0.1 AS real)", Type::FLOAT4, "0.1"),
    ("1e20", Type::FLOAT8, "1e+20"),
    ("CAST('12.340' AS decimal(10, 3))", Type::NUMERIC, "12.340"),
    ("DATE '2026-03-01'", Type::DATE, "2026-03-01"),
    ("CAST('2026-03-01 12:00:00.5' AS timestamp)", Type::TIMESTAMP, "2026-03-01 12:00:00.5"),
    ("INTERVAL '1 month 2 days'", Type::INTERVAL, "1 mon 2 days"),
    ("'é'", Type::TEXT, "é"),
    ("[1, 2, NULL]", Type::INT8_ARRAY, "{1,2,NULL}"),
    ("['a', 'b c']", Type::TEXT_ARRAY, "{a,\"b c\"}"),
    ("NULL", Type::TEXT, "-"),
];

#[tokio::test]
async fn every_type_has_its_own_and_its_text() {
    let served = Served::usual().await;
    let client = served.client().await;
    for (expression, expected, text) in EACH {
        let sql = format!("SELECT {} AS v", expression.replace('[', "ARRAY["));
        let prepared = client.prepare(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        assert_eq!(prepared.columns()[0].type_(), expected, "{sql}");
        assert_eq!(rows(&client, &sql).await, [*text], "{sql}");
    }
    let row =
        client.query_one("SELECT true AS a, 7::smallint AS b, 1.5::double AS c, 'x' AS d, ARRAY[1, 2] AS e", &[]).await.unwrap();
    assert_eq!((row.get::<_, bool>(0), row.get::<_, i16>(1), row.get::<_, f64>(2)), (true, 7, 1.5));
    assert_eq!((row.get::<_, String>(3), row.get::<_, Vec<i64>>(4)), ("x".to_owned(), vec![1, 2]));
    let moment = client.query_one("SELECT max(date_sent) FROM ier", &[]).await.unwrap();
    let since = moment.get::<_, std::time::SystemTime>(0).duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(since.as_secs(), 1_785_585_600, "noon of the first of August");
}

#[tokio::test]
async fn every_table_and_view_answers_as_at_the_command_line() {
    let world = filled().await;
    let served = Served::over(&world, limits()).await;
    let client = served.client().await;
    for table in world.engine().await.unwrap().table_names().await.unwrap() {
        // Files are of the moment, and so is what was last looked at.
        if ["data_file", "lookup"].contains(&table.as_str()) {
            continue;
        }
        let counted = world.line(&format!("SELECT count(*) FROM {table}")).await;
        assert_eq!(rows(&client, &format!("SELECT count(*) FROM {table}")).await, [counted.as_str()], "{table}");
        let binary =
            client.query(&format!("SELECT * FROM {table}"), &[]).await.unwrap_or_else(|error| panic!("{table}: {error:?}"));
        assert_eq!(binary.len().to_string(), counted, "{table}");
    }
    let all = "SELECT ier_id, opened, number_of_total_clicks, email_name FROM ier ORDER BY ier_id";
    let expected: Vec<String> =
        world.ask(all).await.into_iter().map(|row| row.join(" ").replace("true", "t").replace("false", "f")).collect();
    assert_eq!(rows(&client, all).await, expected);
}

/// A statement's answer as text, by the grammar it was read by.
async fn answered(engine: &Engine, sql: &str, is_postgres: bool) -> Result<Vec<Vec<String>>, String> {
    let mut given = BTreeMap::new();
    for (name, value) in [("id", "003f40000000002"), ("about", "giving day"), ("unit", "any")] {
        given.insert(name.to_owned(), value.to_owned());
    }
    let declared = ier::query::question::Question::head(sql).unwrap().parameters;
    given.retain(|name, _| declared.iter().any(|parameter| parameter.name == *name));
    let stream = match is_postgres {
        true => engine.sql_parsed(&Parsed::of(sql).unwrap(), &given, Vec::new()).await,
        false => engine.sql_given(sql, &given).await,
    };
    match stream {
        Ok(stream) => texts(stream).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

#[tokio::test]
async fn every_question_means_the_same_in_both_grammars() {
    let fixture = Fixture::filled().await;
    for question in library(None, drop).unwrap() {
        let (ours, theirs) =
            (answered(&fixture.engine, &question.sql, false).await, answered(&fixture.engine, &question.sql, true).await);
        assert_eq!(ours, theirs, "{}", question.name);
    }
}

#[tokio::test]
async fn parameters_come_in_text_and_in_binary() {
    let served = Served::usual().await;
    let client = served.client().await;
    let types = [Type::BOOL, Type::INT4, Type::FLOAT8, Type::TEXT, Type::TEXT_ARRAY];
    let prepared = client.prepare_typed("SELECT $1 AS a, $2 AS b, $3 AS c, $4 AS d, $5 AS e", &types).await.unwrap();
    let row = client.query_one(&prepared, &[&true, &-5_i32, &0.25_f64, &"it's", &vec!["x", "y"]]).await;
    let row = row.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(row.len(), 5);
    let found = client.query("SELECT ier_id FROM ier WHERE date_sent > $1", &[&std::time::SystemTime::UNIX_EPOCH]).await.unwrap();
    assert_eq!(found.len(), 3);
    let history = client.query("SELECT * FROM contact_history($1)", &[&"003f40000000001AAA"]).await;
    assert!(history.is_ok_and(|rows| rows.len() <= 3));
    let stream = client.query_raw("SELECT ier_id FROM ier WHERE opened = $1", [true]).await.unwrap();
    assert_eq!(stream.try_collect::<Vec<_>>().await.unwrap().len(), 1);
}
