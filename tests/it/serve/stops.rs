//! What ends a statement, and what does not: cancellation, time, a client that goes or does not read, a server that stops.

use std::time::Duration;

use futures::TryStreamExt;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use super::{LONG, MANY, Served, client, code, filled, is, limits, rows};

/// Nobody waits longer for what should be at once; machines that test are busy.
const SOON: Duration = Duration::from_secs(20);

const NOTHING: [&dyn ToSql; 0] = [];

#[tokio::test]
async fn a_statement_is_cancelled_while_it_computes_and_while_it_sends() {
    let served = Served::usual().await;
    let client = served.client().await;
    for sql in [LONG, MANY] {
        let asked = async {
            let stream = client.query_raw(sql, NOTHING).await?;
            stream.try_fold(0, |rows: u64, _| async move { Ok(rows + 1) }).await
        };
        let cancelled = async {
            sleep(Duration::from_millis(300)).await;
            client.cancel_token().cancel_query(NoTls).await.unwrap();
            Instant::now()
        };
        let (asked, cancelled) = timeout(SOON, async { tokio::join!(asked, cancelled) }).await.unwrap();
        assert!(is(&asked.unwrap_err(), &SqlState::QUERY_CANCELED), "{sql}");
        eprintln!("cancelled within {:?}", cancelled.elapsed());
        assert_eq!(rows(&client, "SELECT 1").await, ["1"]);
    }
    // There is nothing to cancel now, and what comes next is not meant.
    client.cancel_token().cancel_query(NoTls).await.unwrap();
    assert_eq!(rows(&client, "SELECT 2").await, ["2"]);
}

#[tokio::test]
async fn a_statement_ends_with_its_time_by_either_limit() {
    let world = filled().await;
    let short = super::ServeLimits { statement: Some(Duration::from_millis(300)), ..limits() };
    let served = Served::over(&world, short).await;
    let session = served.client().await;
    assert_eq!(timeout(SOON, code(&session, LONG)).await.unwrap(), "57014");
    assert_eq!(timeout(SOON, code(&session, MANY)).await.unwrap(), "57014");
    let served = Served::over(&world, limits()).await;
    let session = served.client().await;
    session.simple_query("SET statement_timeout = '200ms'").await.unwrap();
    assert_eq!(timeout(SOON, code(&session, LONG)).await.unwrap(), "57014");
    assert_eq!(rows(&session, "SELECT 1").await, ["1"]);
}

#[tokio::test]
async fn too_many_statements_and_sessions_are_refused_and_the_rest_goes_on() {
    let world = filled().await;
    let few = super::ServeLimits { connections: 2, statements: 1, ..limits() };
    let served = Served::over(&world, few).await;
    let (one, other) = (served.client().await, served.client().await);
    let third = client(&served.config()).await;
    assert!(is(&third.err().unwrap(), &SqlState::TOO_MANY_CONNECTIONS));
    let token = one.cancel_token();
    let busy = tokio::spawn(async move {
        let outcome = one.simple_query(LONG).await;
        (one, outcome.is_err())
    });
    sleep(Duration::from_millis(200)).await;
    assert_eq!(code(&other, "SELECT 1").await, "53300");
    token.cancel_query(NoTls).await.unwrap();
    let (one, was_stopped) = timeout(SOON, busy).await.unwrap().unwrap();
    assert!(was_stopped);
    assert_eq!(rows(&other, "SELECT 1").await, ["1"]);
    drop(one);
    let again = async {
        while client(&served.config()).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, again).await.unwrap();
}

#[tokio::test]
async fn who_goes_away_leaves_nothing_behind() {
    let world = filled().await;
    let served = Served::over(&world, super::ServeLimits { statements: 1, ..limits() }).await;
    let config = served.config();
    let (gone, connection) = config.connect(NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let asking = tokio::spawn(async move { gone.simple_query(LONG).await.is_err() });
    sleep(Duration::from_millis(300)).await;
    connection.abort();
    assert!(timeout(SOON, asking).await.unwrap().unwrap());
    let other = served.client().await;
    let free = async {
        while other.simple_query("SELECT 1").await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, free).await.unwrap();
}

#[tokio::test]
async fn a_server_that_stops_lets_what_runs_end_and_sends_the_rest_away() {
    let served = Served::usual().await;
    let (idle, busy) = (served.client().await, served.client().await);
    let counting = tokio::spawn(async move {
        let counted = rows(&busy, "SELECT count(*) FROM generate_series(1, 30000000) AS a(x) WHERE x % 7 = 0").await;
        (counted, busy)
    });
    sleep(Duration::from_millis(50)).await;
    let address = served.address;
    timeout(Duration::from_secs(60), served.stops()).await.unwrap();
    let (counted, _busy) = counting.await.unwrap();
    assert_eq!(counted, ["4285714"]);
    assert!(idle.simple_query("SELECT 1").await.is_err());
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
