//! Faults of DataFusion and of its parser that the engine answers rightly nonetheless: each asked of DataFusion itself, to see
//! whether it is still there, and of the engine.
//!
//! When an upgrade makes a test here fail, upstream has mended that fault: take the line away, and the rewrite of ours once none of
//! its lines is left (`query::planner::subqueries`, `query::planner::empty_values`, `query::planner::wall_clock`, `query::functions::idioms`).

use std::sync::Arc;

use datafusion::catalog::{MemorySchemaProvider, SchemaProvider};
use datafusion::prelude::SessionContext;
use ier::query::limits::Limits;
use tokio::runtime::Builder;

use super::{Cell, Row, STACK_BYTES, read};
use crate::fixture::Fixture;

/// The tables they are asked of.
const TABLES_OF_FAULTS: [&str; 6] = [
    "CREATE TABLE o(id INT, g INT) AS VALUES (1, 1), (2, 2)",
    "CREATE TABLE v(id INT, g INT) AS VALUES (1, 1), (NULL, 2)",
    "CREATE TABLE a(id INT, z INT) AS VALUES (1, 10), (2, 20), (NULL, 30), (4, 40)",
    "CREATE TABLE b(id INT, z INT) AS VALUES (1, 5), (NULL, 50)",
    "CREATE TABLE n(x INT NOT NULL) AS VALUES (1), (2)",
    "CREATE TABLE m(x INT NOT NULL) AS VALUES (1), (3)",
];

/// Where upstream keeps it (apache/datafusion, unless it says otherwise), the statement, the right rows.
const FAULTS: [(&str, &str, &[Option<i64>]); 13] = [
    ("issue 25347", "SELECT id FROM o WHERE 3 NOT IN (SELECT id FROM v WHERE v.g = o.g)", &[Some(1)]),
    ("issue 25336", "SELECT id FROM a WHERE id NOT IN (SELECT b.id FROM b WHERE b.z < a.z)", &[Some(2), Some(4)]),
    (
        "issue 25336, its second part",
        "SELECT id FROM a WHERE NOT (id IN (SELECT b.id FROM b WHERE b.z < a.z)) OR id = 4",
        &[Some(2), Some(4)],
    ),
    ("issue 25480", "SELECT id FROM a WHERE id NOT IN (SELECT b.id FROM b WHERE b.id = a.id)", &[None, Some(2), Some(4)]),
    ("issue 25340, mended by 25348 after 55.2", "SELECT id FROM a WHERE 3 NOT IN (SELECT id FROM b)", &[]),
    ("issue 25474", "SELECT x FROM n WHERE nullif(x, x) NOT IN (SELECT x FROM m)", &[]),
    ("issue 25473", "SELECT x FROM n WHERE CAST(NULL AS INT) NOT IN (SELECT x FROM m)", &[]),
    (
        "no number found: what is counted nowhere is 0",
        "SELECT id FROM a WHERE 0 IN (SELECT count(*) FROM b WHERE b.z = a.z)",
        &[None, Some(1), Some(2), Some(4)],
    ),
    (
        "no number found: two marks are taken for one",
        "SELECT id FROM a WHERE EXISTS (SELECT 1 FROM b WHERE (EXISTS (SELECT 1 FROM o WHERE o.id = b.id) \
         AND EXISTS (SELECT 1 FROM m WHERE m.x = b.z)) OR b.z = a.z)",
        &[],
    ),
    (
        "no number found: two columns of one name are taken for one",
        "SELECT id FROM a WHERE id IN (SELECT o.id FROM o JOIN v ON o.g >= v.g WHERE o.g = a.id AND v.g = 1 + 0 * a.z)",
        &[Some(1), Some(2)],
    ),
    (
        "no number found: a condition without columns goes below an aggregate",
        "SELECT 7 AS id FROM (SELECT max(z) AS z FROM a) t WHERE 1 = (SELECT min(z) FROM b)",
        &[],
    ),
    (
        "issue 24513, mended by 24516 after 55.2",
        "SELECT id FROM o WHERE (SELECT x FROM n WHERE x > 5) IS NULL",
        &[Some(1), Some(2)],
    ),
    (
        "issue 23692; apache/datafusion-sqlparser-rs 2436, merged after 0.62: IS DISTINCT FROM takes the AND behind it",
        "SELECT id FROM o WHERE (id = 1) IS DISTINCT FROM false AND g = 2",
        &[],
    ),
];

fn ids(rows: Vec<Row>) -> Vec<Option<i64>> {
    let id = |row: &Row| if let Cell::Number(number) = row[0] { Some(number as i64) } else { None };
    let mut ids: Vec<_> = rows.iter().map(id).collect();
    ids.sort();
    ids
}

#[test]
fn faults_of_the_planner_are_answered_rightly_and_still_there() {
    let runtime = Builder::new_multi_thread().worker_threads(1).thread_stack_size(STACK_BYTES).enable_all().build();
    let (mut wrong, mut mended) = (Vec::new(), Vec::new());
    runtime.expect("a runtime").block_on(async {
        let (plain, engine) =
            (SessionContext::new(), Fixture::with_limits(Limits { threads: 1, ..Limits::default() }).await.engine);
        let schema = Arc::new(MemorySchemaProvider::new());
        for table in TABLES_OF_FAULTS {
            plain.sql(table).await.expect("a table").collect().await.expect("a table");
            let name = table["CREATE TABLE ".len()..].split('(').next().expect("a name");
            schema.register_table(name.to_owned(), plain.table_provider(name).await.expect("a table")).expect("a table");
        }
        engine.context().catalog("ier").expect("the catalog").register_schema("f", schema).expect("a schema");
        for (upstream, sql, right) in FAULTS {
            let reported = async { read(plain.sql(sql).await?.execute_stream().await?).await }.await;
            if reported.is_ok_and(|rows| ids(rows) == right) {
                mended.push(format!("{upstream}: {sql}"));
            }
            let named = ["o", "v", "a", "b", "n", "m"].iter().fold(format!("{sql} "), |sql, name| {
                let sql = sql.replace(&format!("JOIN {name} "), &format!("JOIN f.{name} "));
                sql.replace(&format!("FROM {name} "), &format!("FROM f.{name} "))
                    .replace(&format!("FROM {name})"), &format!("FROM f.{name})"))
            });
            match engine.sql(&named).await {
                Ok(stream) => {
                    let reported = ids(read(stream).await.expect("rows"));
                    if reported != right {
                        wrong.push(format!("{upstream}: {sql}\n  {reported:?} instead of {right:?}"));
                    }
                }
                Err(error) => wrong.push(format!("{upstream}: {sql}\n  {error}")),
            }
        }
    });
    assert!(wrong.is_empty(), "the engine is wrong:\n{}", wrong.join("\n"));
    assert!(
        mended.is_empty(),
        "upstream has mended, so the head of query::planner::subqueries is to be changed:\n{}",
        mended.join("\n")
    );
}
