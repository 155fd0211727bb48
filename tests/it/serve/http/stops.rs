//! What ends a statement, and what a broken answer looks like: never like a whole one.

use std::io::{Cursor, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ier::serve::shared::ServeLimits;
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::super::{LONG, MANY};
use super::{Web, limits};
use crate::fixture::Fixture;

/// Nobody waits longer for what should be at once; machines that test are busy.
const SOON: Duration = Duration::from_secs(20);

/// Rows enough for some pieces, and then one that cannot be divided by.
const FAILS: &str = "SELECT x, repeat('a', 100) AS words, 1 / (x - 400000) AS y FROM generate_series(1, 500000) AS a(x)";

fn one_place() -> ServeLimits {
    ServeLimits { statements: 1, ..limits() }
}

/// Comes back when a statement finds the only place free.
async fn is_free(site: &Web) {
    let free = async {
        while site.sql("SELECT 1 AS a", "csv").code != 200 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, free).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_fails_on_the_way_does_not_look_whole_in_any_form() {
    let site = Web::usual().await;
    for format in ["json", "ndjson", "csv", "arrow"] {
        let reply = site.sql(FAILS, format);
        assert_eq!(reply.code, 200, "{format}: some of it was sent: {}", reply.text());
        assert_eq!(reply.exit, 18, "{format}: curl says that it is not whole");
    }
    let broken = site.sql(FAILS, "arrow").body;
    let read = arrow::ipc::reader::StreamReader::try_new(Cursor::new(broken), None).unwrap();
    assert!(read.collect::<std::result::Result<Vec<_>, _>>().is_err(), "no reader takes it for whole");
    let broken = site.sql(FAILS, "json").text();
    assert!(serde_json::from_str::<serde_json::Value>(&broken).is_err());
    // Files that are made whole before they are sent are told as problems.
    for format in ["xlsx", "parquet"] {
        let reply = site.sql(FAILS, format);
        assert!(reply.code == 400 || reply.exit == 18, "{format}: {} {}", reply.code, reply.exit);
    }
    let reply = site.post("/api/v1/sql", json!({ "sql": FAILS, "format": "rows", "first": 5 }));
    let text = reply.text();
    let last = text.lines().last().unwrap();
    assert!(reply.exit == 0 && last.starts_with("[\"problem\",") && !text.contains("[\"end\""), "{last}");
    // What fails at once is no answer at all.
    let reply = site.sql("SELECT 1 / (x - 1) AS y FROM generate_series(1, 5) AS a(x)", "csv");
    assert_eq!(reply.code, 400, "{}", reply.text());
    site.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_followed_and_cancelled_by_its_number() {
    let site = Web::over(Fixture::filled().await, one_place(), false).await;
    let number = "11111111-2222-4333-8444-555555555555";
    let (url, token) = (site.url("/api/v1/sql"), format!("Authorization: Bearer {}", site.token));
    let body = json!({ "sql": LONG, "run": number }).to_string();
    let asking = tokio::task::spawn_blocking(move || {
        super::curl(&["-H", &token, "-H", "Content-Type: application/json", "--data-binary", "@-", &url], body.as_bytes())
    });
    let path = format!("/api/v1/runs/{number}");
    let runs = async {
        while site.get(&path).code != 200 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, runs).await.unwrap();
    assert_eq!(site.get(&path).json()["state"], "running");
    assert_eq!(site.get("/api/v1/runs").json()["runs"][0]["run"], number);
    let busy = site.sql("SELECT 1", "csv");
    assert_eq!((busy.code, busy.header("retry-after")), (429, Some("1")), "{}", busy.text());
    assert!(busy.json()["detail"].as_str().unwrap().contains("too many statements"), "{}", busy.text());
    // Look-ups have places of their own.
    let found = site.post("/api/v1/people", json!({ "text": "ortiz" }));
    assert_eq!(found.json()["found"], 1, "{}", found.text());
    let token = format!("Authorization: Bearer {}", site.token);
    let (cancelled, stopped) = (Instant::now(), super::curl(&["-X", "DELETE", "-H", &token, &site.url(&path)], b""));
    assert_eq!(stopped.code, 204);
    let reply = timeout(SOON, asking).await.unwrap().unwrap();
    eprintln!("cancelled within {:?}", cancelled.elapsed());
    assert_eq!(reply.code, 503, "{}", reply.text());
    assert!(reply.text().contains("cancelled"), "{}", reply.text());
    is_free(&site).await;
    assert_eq!(site.get(&path).json()["state"], "cancelled");
    assert_eq!(super::curl(&["-X", "DELETE", "-H", &token, &site.url("/api/v1/runs/x")], b"").code, 404);
    site.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_away_leaves_nothing_behind() {
    let site = Web::over(Fixture::filled().await, one_place(), false).await;
    for sql in [LONG, MANY] {
        let token = format!("Authorization: Bearer {}", site.token);
        let mut command = Command::new("curl");
        command.args(["-sS", "-H", &token, "--data-binary", sql, &site.url("/api/v1/sql?format=csv")]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let running = async {
            while !site.get("/api/v1/runs").text().contains("\"running\"") {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(SOON, running).await.unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let gone = Instant::now();
        is_free(&site).await;
        eprintln!("free {:?} after who asked went away", gone.elapsed());
        let runs = site.get("/api/v1/runs").json();
        assert!(runs["runs"].as_array().unwrap().iter().all(|run| run["state"] != "running"), "{runs}");
    }
    site.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_ends_with_its_time_also_where_nobody_reads_its_answer() {
    let short = ServeLimits { statement: Some(Duration::from_millis(400)), ..one_place() };
    let site = Web::over(Fixture::filled().await, short, false).await;
    let reply = site.sql(LONG, "json");
    assert_eq!(reply.code, 503, "{}", reply.text());
    assert!(reply.text().contains("ran longer than 0.4 s"), "{}", reply.text());
    assert_eq!(site.sql(MANY, "csv").exit, 18);
    let mut deaf = TcpStream::connect(site.address).unwrap();
    let request = format!(
        "POST /api/v1/sql?format=csv HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n{MANY}",
        site.token,
        MANY.len()
    );
    deaf.write_all(request.as_bytes()).unwrap();
    let mut first = [0; 12];
    deaf.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    is_free(&site).await;
    drop(deaf);
    site.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_lets_what_runs_end_and_takes_nothing_new() {
    let site = Web::usual().await;
    let (url, token) = (site.url("/api/v1/sql?format=csv"), format!("Authorization: Bearer {}", site.token));
    let counting = tokio::task::spawn_blocking(move || {
        let sql = "SELECT count(*) AS n FROM generate_series(1, 30000000) AS a(x) WHERE x % 7 = 0";
        super::curl(&["-H", &token, "--data-binary", sql, &url], b"")
    });
    let running = async {
        while site.get("/api/v1/runs").json()["runs"].as_array().unwrap().is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, running).await.unwrap();
    let address = site.address;
    timeout(Duration::from_secs(60), site.stops()).await.unwrap();
    assert_eq!(counting.await.unwrap().text(), "n\n4285714\n");
    assert!(TcpStream::connect(address).is_err());
}
