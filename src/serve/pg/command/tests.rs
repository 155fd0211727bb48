//! What clients really send, and what others might.

use super::*;
use crate::serve::pg::pieces::split;

fn outcome(text: &str) -> String {
    let read = split(text).and_then(|pieces| read(&pieces[0]));
    match read {
        Err(failure) => failure.code.to_owned(),
        Ok(command) => match command {
            Command::Ask(_, parameters) => format!("ask {parameters}"),
            Command::Copy(..) => "copy".to_owned(),
            Command::Begin(tag) | Command::Discard(tag) | Command::Nothing(tag) => tag.to_owned(),
            Command::Commit => "commit".to_owned(),
            Command::Rollback => "rollback".to_owned(),
            Command::Savepoint(name) => format!("savepoint {name}"),
            Command::Release(name) => format!("release {name}"),
            Command::RollbackTo(name) => format!("to {name}"),
            Command::Set { name, value, is_local } => format!("{name}={value:?}{}", if is_local { " local" } else { "" }),
            Command::ResetAll => "reset all".to_owned(),
            Command::Show(name) => format!("show {name}"),
            Command::ShowAll => "show all".to_owned(),
            Command::Deallocate(name) => format!("deallocate {name:?}"),
            Command::Prepare(name, _, parameters) => format!("prepare {name} {parameters}"),
            Command::Execute(name, values) => format!("execute {name} {values:?}"),
            Command::Declare { name, hold, is_binary, .. } => format!("declare {name} {hold} {is_binary}"),
            Command::Fetch { name, rows, moves } => format!("fetch {name} {rows:?} {moves}"),
            Command::Close(name) => format!("close {name:?}"),
        },
    }
}

#[test]
fn what_clients_send_is_understood() {
    for (text, expected) in [
        ("-- Metabase:: userID: 1 queryType: native\nselect $1, $2", "ask 2"),
        ("/* {\"app\": \"dbt\"} */ WITH a AS (SELECT 1) SELECT * FROM a", "ask 0"),
        ("(SELECT 1)", "ask 0"),
        ("EXPLAIN ANALYZE SELECT 1", "ask 0"),
        ("SHOW TABLES", "ask 0"),
        ("BEGIN READ ONLY", "BEGIN"),
        ("start transaction isolation level repeatable read", "START TRANSACTION"),
        ("END", "commit"),
        ("ROLLBACK TO SAVEPOINT \"_pg3_1\"", "to _pg3_1"),
        ("RELEASE \"_pg3_1\"", "release _pg3_1"),
        ("SET DateStyle = 'ISO'", "datestyle=Some(\"ISO\")"),
        ("SET SESSION search_path TO 'public', x", "search_path=Some(\"public, x\")"),
        ("SET LOCAL statement_timeout = 100", "statement_timeout=Some(\"100\") local"),
        ("SET TIME ZONE -7", "TimeZone=Some(\"-7\")"),
        ("SET TIME ZONE INTERVAL '+02:00' HOUR TO MINUTE", "TimeZone=Some(\"+02:00\")"),
        ("set names 'UTF8'", "client_encoding=Some(\"UTF8\")"),
        ("SET timezone TO DEFAULT", "timezone=None"),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", "SET"),
        ("SET SESSION AUTHORIZATION DEFAULT", "SET"),
        ("SET ROLE admin", "42501"),
        ("SET datafusion.runtime.memory_limit = '1G'", "datafusion.runtime.memory_limit=Some(\"1G\")"),
        ("RESET ALL", "reset all"),
        ("SHOW TRANSACTION ISOLATION LEVEL", "show transaction_isolation"),
        ("show timezone", "show timezone"),
        ("DISCARD ALL", "DISCARD ALL"),
        ("UNLISTEN *", "UNLISTEN"),
        ("DEALLOCATE \"_pg3_0\"", "deallocate Some(\"_pg3_0\")"),
        ("PREPARE p (int, text) AS SELECT $1, $2", "prepare p 2"),
        ("EXECUTE p(1, -2, 'x''y', NULL)", "execute p [Some(\"1\"), Some(\"-2\"), Some(\"x'y\"), None]"),
        ("declare \"SQL_CUR0x1\" cursor with hold for select 1", "declare SQL_CUR0x1 true false"),
        ("DECLARE c BINARY INSENSITIVE NO SCROLL CURSOR WITHOUT HOLD FOR (SELECT 1)", "declare c false true"),
        ("fetch 100 in \"SQL_CUR0x1\"", "fetch SQL_CUR0x1 Some(100) false"),
        ("FETCH FORWARD ALL FROM c", "fetch c All false"),
        ("FETCH c", "fetch c Some(1) false"),
        ("MOVE FORWARD 5 IN c", "fetch c Some(5) true"),
        ("CLOSE ALL", "close None"),
        ("copy (select * from ier) to stdout", "copy"),
    ] {
        assert_eq!(outcome(text), expected, "{text}");
    }
}

#[test]
fn what_would_change_something_is_refused() {
    for text in [
        "INSERT INTO ier VALUES (1)",
        "CREATE LOCAL TEMPORARY TABLE \"#Tableau_1\" (COL INTEGER) ON COMMIT PRESERVE ROWS",
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
        "DROP TABLE ier",
        "EXPLAIN DELETE FROM ier",
        "EXPLAIN ANALYZE INSERT INTO ier VALUES (1)",
        "COPY ier FROM STDIN",
        "DO $$ BEGIN END $$",
        "VACUUM",
    ] {
        assert_eq!(outcome(text), "25006", "{text}");
    }
    for (text, code) in [
        ("COPY ier TO '/tmp/x'", "42501"),
        ("COPY (SELECT 1) TO PROGRAM 'sh'", "42501"),
        ("DECLARE c CURSOR FOR COPY ier TO STDOUT", "42601"),
        ("PREPARE p AS DELETE FROM ier", "25006"),
        ("FETCH BACKWARD 1 FROM c", "55000"),
        ("SELEC 1", "42601"),
        ("SELECT 1 2 3", "42601"),
        ("COMMIT AND CHAIN", "0A000"),
        ("LISTEN x", "0A000"),
    ] {
        assert_eq!(outcome(text), code, "{text}");
    }
    let deep = format!("SELECT E'\\'', 1{}", " + 1".repeat(5000));
    assert_eq!(outcome(&deep), "22023");
}
