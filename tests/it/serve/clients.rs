//! Clients that are installed here: `psql`, where there is one. And the program itself, as a person starts and stops it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_postgres::{Config, NoTls};

use super::refused::logged_in;
use super::{MANY, Served, USER};
use crate::fixture::data;

async fn psql(served: &Served, input: &[&str]) -> Option<(String, String)> {
    let port = served.address.port();
    let mut command = std::process::Command::new("psql");
    command.args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1"]).arg(format!("host=127.0.0.1 port={port} user={USER} dbname=ier"));
    command.env("PGPASSWORD", &served.password).stdin(Stdio::null());
    for statement in input {
        command.args(["-c", statement]);
    }
    // The server is in this process.
    match tokio::task::spawn_blocking(move || command.output()).await.unwrap() {
        Ok(output) => Some((String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())),
        Err(error) => {
            eprintln!("skipped: there is no psql here ({error})");
            None
        }
    }
}

#[tokio::test]
async fn psql_asks_copies_and_reads_in_parts() {
    let served = Served::usual().await;
    let Some((answer, error)) = psql(&served, &["SELECT count(*) AS n, max(sent_date) FROM ier"]).await else { return };
    assert_eq!((answer.as_str(), error.as_str()), ("3|2026-08-01\n", ""));
    let (answer, _) = psql(&served, &["\\copy (SELECT 1 AS a, 'x,y' AS b) TO STDOUT WITH (FORMAT csv, HEADER)"]).await.unwrap();
    assert_eq!(answer, "a,b\n1,\"x,y\"\n");
    let parts = ["\\set FETCH_COUNT 2", "SELECT x FROM generate_series(1, 5) AS a(x)"];
    assert_eq!(psql(&served, &parts).await.unwrap(), ("1\n2\n3\n4\n5\n".to_owned(), String::new()));
    let (_, error) = psql(&served, &["DELETE FROM ier"]).await.unwrap();
    assert!(error.contains("cannot execute DELETE in a read-only transaction"), "{error}");
}

/// `ier serve`, in a process of its own.
struct Program {
    child: Child,
    address: SocketAddr,
    user: String,
    password: String,
    _folder: TempDir,
}

fn ier(folder: &Path, words: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ier"));
    command.args(words).env_clear().env("HOME", folder).env("USER", "ann").env("IER_WAREHOUSE", folder.join("warehouse"));
    command.stdin(Stdio::null());
    command
}

impl Program {
    fn started() -> Self {
        let folder = TempDir::new().unwrap();
        let data = data().display().to_string();
        assert!(ier(folder.path(), &["load", "-q", &data, "--rejects", "/dev/null"]).status().unwrap().success());
        Self::over(folder, &[])
    }

    /// Over the warehouse in a folder, with these words more.
    fn over(folder: TempDir, more: &[&str]) -> Self {
        let words = [&["serve", "--json", "--http", "off", "--pg", "127.0.0.1:0"], more].concat();
        let mut child = ier(folder.path(), &words).stdout(Stdio::piped()).spawn().unwrap();
        let (mut reported, mut lines) = (String::new(), BufReader::new(child.stdout.take().unwrap()).lines());
        let reported: serde_json::Value = loop {
            reported.push_str(&lines.next().expect("it says where it is").unwrap());
            if let Ok(reported) = serde_json::from_str(&reported) {
                break reported;
            }
        };
        let text = |name: &str| reported[name].as_str().unwrap_or_default().to_owned();
        let address = text("address").parse().unwrap();
        Self { child, address, user: text("user"), password: text("password"), _folder: folder }
    }

    /// What it has in memory, in bytes.
    #[cfg(target_os = "linux")]
    fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).unwrap();
        status.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn the_program_serves_holds_no_rows_that_nobody_reads_and_stops_when_told() {
    let program = tokio::task::spawn_blocking(Program::started).await.unwrap();
    assert_eq!(program.user, "ann");
    let mut config = Config::new();
    let (host, port) = (program.address.ip().to_string(), program.address.port());
    config.host(&host).port(port).user(&program.user).password(&program.password).dbname("ier");
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    assert!(client.query_one("SELECT count(*) FROM ier", &[]).await.unwrap().get::<_, i64>(0) > 0);

    let mut raw = logged_in(program.address, &program.user, &program.password).await;
    let message = [&[b'Q'][..], &(MANY.len() as u32 + 5).to_be_bytes(), MANY.as_bytes(), b"\0"].concat();
    raw.write_all(&message).await.unwrap();
    let mut first = vec![0; 1 << 20];
    raw.read_exact(&mut first).await.unwrap();
    let before = program.resident();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let grown = program.resident().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more");
    drop(raw);

    let id = program.child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let ended = tokio::task::spawn_blocking(move || {
        let mut program = program;
        program.child.wait().unwrap()
    });
    let ended = ended.await.unwrap();
    assert!(ended.success(), "{ended}");
    assert!(client.simple_query("SELECT 1").await.is_err());
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn the_program_serves_the_users_of_its_file_as_it_is_now() {
    let folder = TempDir::new().unwrap();
    let users = folder.path().join("people.toml").display().to_string();
    let home = folder.path().to_owned();
    let run = async |words: &[&str]| {
        let mut command = ier(&home, words);
        command.args(["--users", &users]);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let data = data().display().to_string();
    let loaded = tokio::task::spawn_blocking({
        let mut load = ier(folder.path(), &["load", "-q", &data, "--rejects", "/dev/null"]);
        move || load.status()
    });
    assert!(loaded.await.unwrap().unwrap().success());
    run(&["user", "--json", "add", "ana", "--role", "analyst"]).await;
    let token = run(&["user", "--json", "token", "ana"]).await["token"].as_str().unwrap().to_owned();
    let more = ["--users".to_owned(), users.clone()];
    let started = tokio::task::spawn_blocking(move || Program::over(folder, &more.each_ref().map(String::as_str)));
    let program = started.await.unwrap();
    assert_eq!((program.user.as_str(), program.password.as_str()), ("", ""), "nobody is told a password");
    let mut config = Config::new();
    config.host("127.0.0.1").port(program.address.port()).user("ana").password(&token).dbname("ier");
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    let masked = "SELECT count(*) FROM contact WHERE first_name IS NOT NULL OR email LIKE '%@%'";
    assert_eq!(client.query_one(masked, &[]).await.unwrap().get::<_, i64>(0), 0);
    run(&["user", "--json", "disable", "ana"]).await;
    let id = program.child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
    assert_eq!(client.simple_query("SELECT 1").await.unwrap_err().code().unwrap().code(), "57P01");
    assert_eq!(config.connect(NoTls).await.err().unwrap().code().unwrap().code(), "28P01");
    run(&["user", "--json", "disable", "ana", "--undo"]).await;
    assert!(config.connect(NoTls).await.is_ok(), "the server lives on after SIGHUP");
}
