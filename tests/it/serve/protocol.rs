//! What a well-behaved client sees of the protocol: both ways of asking, transactions, cursors, settings, COPY.

use futures::TryStreamExt;
use tokio_postgres::types::Type;

use super::{Served, client, code, filled, limits, rows};
use crate::world::records::ier;

#[tokio::test]
async fn several_statements_of_one_message_are_answered_in_turn() {
    let served = Served::usual().await;
    let client = served.client().await;
    assert_eq!(
        rows(&client, "SELECT count(*) FROM ier; SELECT ';' AS a, NULL AS b -- c;\n;;SHOW transaction_isolation").await,
        ["3", "; -", "read committed"]
    );
    assert!(rows(&client, " -- nothing\n;").await.is_empty());
    // What cannot be understood keeps all from being done.
    assert_eq!(code(&client, "BEGIN; SELEC 1").await, "42601");
    assert_eq!(code(&client, "SELECT 1; SELECT nothing FROM ier; SELECT 2").await, "42703");
    assert_eq!(rows(&client, "SELECT 1").await, ["1"]);
}

#[tokio::test]
async fn errors_have_states_that_fit() {
    let served = Served::usual().await;
    let client = served.client().await;
    for (sql, state) in [
        ("SELECT * FROM nowhere", "42P01"),
        ("SELECT nothing FROM ier", "42703"),
        ("SELECT no_such_function(1)", "42883"),
        ("SELECT 1 FROM ier WHERE", "42601"),
        ("SELECT 'a", "42601"),
        ("SELECT 1 / 0", "22012"),
        ("SELECT CAST(ier_id AS bigint) FROM ier", "22P02"),
        ("INSERT INTO ier VALUES (1)", "25006"),
        ("CREATE TABLE t (a int)", "25006"),
        ("SELECT 1 AS a INTO t", "25006"),
        ("COPY ier FROM STDIN", "25006"),
        ("COPY ier TO '/tmp/ier'", "42501"),
        ("COPY (SELECT 1) TO PROGRAM 'cat'", "42501"),
        ("SELECT * FROM pg_catalog.pg_nothing, ier", "0A000"),
        ("SET datafusion.execution.batch_size = 1", "42704"),
        ("SET ROLE postgres", "42501"),
        ("SELECT $1", "42P02"),
        ("PREPARE p AS SELECT $10000000000", "54000"),
        ("FETCH 1 FROM nothing", "34000"),
        ("EXECUTE nothing", "26000"),
    ] {
        assert_eq!(code(&client, sql).await, state, "{sql}");
    }
    assert_eq!(rows(&client, "SELECT count(*) FROM ier").await, ["3"]);
}

#[tokio::test]
async fn a_transaction_that_failed_answers_nothing_until_it_ends() {
    let served = Served::usual().await;
    let client = served.client().await;
    client.simple_query("BEGIN; SAVEPOINT one").await.unwrap();
    assert_eq!(code(&client, "SELECT nothing FROM ier").await, "42703");
    assert_eq!(code(&client, "SELECT 1").await, "25P02");
    client.simple_query("ROLLBACK TO SAVEPOINT one").await.unwrap();
    assert_eq!(rows(&client, "SELECT 1; RELEASE one").await, ["1"]);
    assert_eq!(code(&client, "RELEASE one").await, "3B001");
    assert_eq!(code(&client, "SHOW timezone").await, "25P02");
    client.simple_query("COMMIT").await.unwrap();
    assert_eq!(code(&client, "SAVEPOINT two").await, "25P01");
    assert_eq!(rows(&client, "SELECT 1").await, ["1"]);
}

#[tokio::test]
async fn statements_are_prepared_bound_and_read_in_parts() {
    let served = Served::usual().await;
    let mut client = served.client().await;
    let counting = client.prepare("SELECT ier_id FROM ier WHERE number_of_total_clicks > $1 AND email_name <> $2").await.unwrap();
    assert_eq!(counting.params(), [Type::INT4, Type::TEXT]);
    assert_eq!(counting.columns()[0].type_(), &Type::TEXT);
    for _ in 0..7 {
        assert_eq!(client.query(&counting, &[&1_i32, &"x"]).await.unwrap().len(), 1);
        assert_eq!(client.query(&counting, &[&9_i32, &"x"]).await.unwrap().len(), 0);
    }
    let transaction = client.transaction().await.unwrap();
    let portal = transaction.bind("SELECT x FROM generate_series(1, 10) AS a(x)", &[]).await.unwrap();
    let mut read = Vec::new();
    loop {
        let part = transaction.query_portal(&portal, 4).await.unwrap();
        read.push(part.len());
        if part.len() < 4 {
            break;
        }
    }
    assert_eq!(read, [4, 4, 2]);
    transaction.commit().await.unwrap();
    assert!(client.prepare("SELECT 1; SELECT 2").await.is_err());
    client
        .simple_query("PREPARE p AS SELECT number_of_total_clicks + 1 AS n FROM ier WHERE number_of_total_clicks = $1")
        .await
        .unwrap();
    assert_eq!(rows(&client, "EXECUTE p(3)").await, ["4"]);
    client.simple_query("DEALLOCATE ALL").await.unwrap();
    assert_eq!(code(&client, "EXECUTE p(3)").await, "26000");
}

#[tokio::test]
async fn what_was_prepared_before_a_load_sees_it() {
    let world = filled().await;
    let served = Served::over(&world, limits()).await;
    let client = served.client().await;
    let counting = client.prepare("SELECT count(*) FROM ier").await.unwrap();
    let count = async || client.query_one(&counting, &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(count().await, 3);
    world.another().load(&[ier(4).sent("2026-08-02 12:00")]).await;
    assert_eq!(count().await, 4);
    assert_eq!(code(&client, "SELECT * FROM people_by_team").await, "42P01");
    let path = world.text("people_by_team.csv", "ContactId,Team\n003f40000000001AAA,Red\n");
    world.another().load_files(&[path]).await.unwrap();
    assert_eq!(rows(&client, "SELECT team FROM people_by_team").await, ["Red"]);
}

#[tokio::test]
async fn cursors_go_forward_and_with_their_transaction() {
    let served = Served::usual().await;
    let client = served.client().await;
    assert_eq!(code(&client, "DECLARE c CURSOR FOR SELECT 1").await, "25P01");
    let declared = "BEGIN; DECLARE \"SQL_CUR1\" CURSOR WITH HOLD FOR SELECT x FROM generate_series(1, 5) AS a(x); \
                    DECLARE c NO SCROLL CURSOR FOR SELECT x FROM generate_series(1, 5) AS a(x)";
    client.simple_query(declared).await.unwrap();
    assert_eq!(
        rows(&client, "FETCH 2 IN \"SQL_CUR1\"; MOVE 1 FROM c; FETCH FORWARD ALL FROM c").await,
        ["1", "2", "2", "3", "4", "5"]
    );
    client.simple_query("COMMIT").await.unwrap();
    assert_eq!(rows(&client, "FETCH ALL IN \"SQL_CUR1\"; FETCH NEXT FROM \"SQL_CUR1\"").await, ["3", "4", "5"]);
    assert_eq!(code(&client, "FETCH 1 FROM c").await, "34000");
    assert_eq!(code(&client, "FETCH BACKWARD 1 FROM \"SQL_CUR1\"").await, "55000");
    client.simple_query("CLOSE ALL").await.unwrap();
    assert_eq!(code(&client, "CLOSE \"SQL_CUR1\"").await, "34000");
    let together = "BEGIN;declare \"SQL_CUR2\" cursor with hold for select 7 as n;fetch 100 in \"SQL_CUR2\"";
    assert_eq!(rows(&client, together).await, ["7"]);
    client.simple_query("ROLLBACK").await.unwrap();
    assert_eq!(code(&client, "CLOSE \"SQL_CUR2\"").await, "34000");
}

#[tokio::test]
async fn settings_are_shown_set_and_taken_back() {
    let served = Served::usual().await;
    let client = served.client().await;
    assert_eq!(
        rows(&client, "SHOW server_version; SHOW TIME ZONE; SHOW search_path").await,
        ["16.0", "UTC", "\"$user\", public"]
    );
    client
        .simple_query("SET extra_float_digits = 3; SET SESSION TIME ZONE 'America/Denver'; BEGIN; SET LOCAL TimeZone = '-3'")
        .await
        .unwrap();
    assert_eq!(rows(&client, "SHOW timezone").await, ["-3"]);
    client.simple_query("COMMIT").await.unwrap();
    assert_eq!(rows(&client, "SHOW timezone").await, ["America/Denver"]);
    let when = "SELECT date_sent FROM ier WHERE ier_id = (SELECT max(ier_id) FROM ier WHERE number_of_total_clicks = 3)";
    assert_eq!(rows(&client, when).await, ["2026-08-01 06:00:00-06"]);
    client.simple_query("BEGIN; SET timezone TO 'Asia/Kolkata'; ROLLBACK").await.unwrap();
    assert_eq!(rows(&client, "SHOW timezone").await, ["America/Denver"]);
    client.simple_query("DISCARD ALL").await.unwrap();
    assert_eq!(rows(&client, when).await, ["2026-08-01 12:00:00+00"]);
    assert_eq!(code(&client, "SET client_encoding TO 'LATIN1'").await, "22023");
    let pool = "SET SESSION AUTHORIZATION DEFAULT;RESET ALL;CLOSE ALL;UNLISTEN *;DISCARD SEQUENCES;DISCARD TEMP";
    client.simple_query(pool).await.unwrap();
    assert!(rows(&client, "SHOW ALL").await.len() > 30);
}

#[tokio::test]
async fn a_session_begins_with_what_the_client_says() {
    let served = Served::usual().await;
    let mut config = served.config();
    config.application_name("tests").options("-c TimeZone=Europe/Berlin -c statement_timeout=5s");
    let session = client(&config).await.unwrap();
    assert_eq!(
        rows(&session, "SHOW application_name; SHOW timezone; SHOW statement_timeout").await,
        ["tests", "Europe/Berlin", "5000"]
    );
    session.simple_query("SET timezone TO UTC; RESET timezone").await.unwrap();
    assert_eq!(rows(&session, "SHOW timezone").await, ["Europe/Berlin"]);
    let asked =
        "SELECT version(), current_schema(), current_database(), current_user, pg_catalog.current_setting('server_version')";
    let reported = rows(&session, asked).await;
    assert!(reported[0].starts_with("PostgreSQL 16.0 (ier "), "{reported:?}");
    assert!(reported[0].ends_with(" public ier ana 16.0"), "{reported:?}");
    let pid = session.query_one("SELECT pg_backend_pid()", &[]).await.unwrap();
    assert!(pid.get::<_, i32>(0) > 0);
}

#[tokio::test]
async fn copy_sends_rows_in_three_forms() {
    let served = Served::usual().await;
    let client = served.client().await;
    let copied = async |sql: &str| {
        let stream = client.copy_out(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let parts: Vec<bytes::Bytes> = stream.try_collect().await.unwrap();
        parts.concat()
    };
    let two = "VALUES (1, 'a\tb', true), (2, NULL, false)";
    assert_eq!(copied(&format!("COPY ({two}) TO STDOUT")).await, b"1\ta\\tb\tt\n2\t\\N\tf\n");
    let csv = copied(&format!("COPY (SELECT * FROM ({two}) AS v(n, \"a,b\", c)) TO STDOUT WITH (FORMAT csv, HEADER)")).await;
    assert_eq!(String::from_utf8(csv).unwrap(), "n,\"a,b\",c\n1,a\tb,t\n2,,f\n");
    let binary = copied("COPY (SELECT 7 AS n, NULL AS t) TO STDOUT (FORMAT binary)").await;
    let expected =
        [b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".as_slice(), b"\0\x02\0\0\0\x08\0\0\0\0\0\0\0\x07\xff\xff\xff\xff", b"\xff\xff"];
    assert_eq!(binary, expected.concat());
    assert_eq!(copied("COPY ier (ier_id) TO STDOUT").await.iter().filter(|byte| **byte == b'\n').count(), 3);
}

#[tokio::test]
async fn lists_in_text_are_lists_and_what_a_statement_casts_is_of_that_type() {
    let served = Served::usual().await;
    let client = served.client().await;
    assert_eq!(rows(&client, "SELECT count(*) FROM ier WHERE tier = ANY('{hot,\"x,y\"}'::text[])").await, ["3"]);
    assert_eq!(rows(&client, "SELECT array_length('{a,b}'::text[], 1), ('{1,2}'::int[])[2]").await, ["2 2"]);
    assert_eq!(code(&client, "SELECT '{a'::text[]").await, "22023");
    // A pattern that is no literal would be taken for one of another language.
    assert_eq!(code(&client, "SELECT to_char(date_sent, tier) FROM ier").await, "22023");
    let typed = client.prepare("SELECT $1::int4 + 1, $2::text[], $3::timestamptz IS NULL").await.unwrap();
    assert_eq!(typed.params(), [Type::INT4, Type::TEXT_ARRAY, Type::TIMESTAMPTZ]);
}

#[tokio::test]
async fn the_head_of_a_binary_copy_comes_with_its_first_row() {
    let served = Served::usual().await;
    let client = served.client().await;
    for (sql, rows) in [("SELECT 1::int4", 1), ("SELECT 1::int4 WHERE false", 0)] {
        let stream = client.copy_out(&format!("COPY ({sql}) TO STDOUT (FORMAT binary)")).await.unwrap();
        let parts: Vec<bytes::Bytes> = stream.try_collect().await.unwrap();
        assert!(parts[0].starts_with(b"PGCOPY\n\xff\r\n\0") && parts[0].len() > 19, "{parts:?}");
        assert_eq!(parts.len(), rows + 1, "each row, and the end: {parts:?}");
        assert!(parts.last().unwrap().ends_with(&[0xff, 0xff]));
    }
}
