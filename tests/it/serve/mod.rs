//! The warehouse served to others: each test has a server of its own, at a port that was free, and clients that know nothing of it.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::Duration;

use ier::error::Result;
use ier::query::engine::Engine;
use ier::query::limits::Limits;
use ier::query::look_ups::Requester;
use ier::serve::Server;
use ier::serve::access::Access;
use ier::serve::shared::ServeLimits;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use crate::world::World;
use crate::world::records::{ier, send};

/// What a well-behaved client sees of the protocol.
mod protocol;

/// Values are the same by every way.
mod values;

/// Who looked up whom.
mod look_ups;

/// What ends a statement, and what does not.
mod stops;

/// Who may come in, and what each role sees.
mod access;

/// What nobody finds out who may not see it.
mod leaks;

/// TLS.
mod tls;

/// What is refused: by raw bytes, as an attacker sends them.
mod refused;

/// Clients that are installed here.
mod clients;

/// Over HTTP: programs and browsers.
mod http;

pub const USER: &str = "ana";

/// A server, and how to come in.
pub struct Served {
    pub address: SocketAddr,
    pub password: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<()>>,
}

pub fn limits() -> ServeLimits {
    ServeLimits { connections: 20, statements: 8, statement: Some(Duration::from_secs(60)) }
}

impl Served {
    /// Over some records, by usual limits.
    pub async fn usual() -> Self {
        Self::over(&filled().await, limits()).await
    }

    pub async fn over(world: &World, limits: ServeLimits) -> Self {
        Self::with(Self::engine(world).await, limits).await
    }

    /// To somebody whose look-ups are entered.
    pub async fn to(world: &World, limits: ServeLimits, requester: Requester) -> Self {
        Self::with(Self::engine(world).await.shown_to(requester), limits).await
    }

    pub async fn engine(world: &World) -> Engine {
        let limits = Limits { statement: None, threads: 2, memory_bytes: 256 << 20, ..Limits::default() };
        Engine::open(world.warehouse.clone(), limits).await.unwrap()
    }

    async fn with(engine: Engine, limits: ServeLimits) -> Self {
        let (access, token) = Access::of(USER);
        Self::to_those(engine, access, token.shown(), limits).await
    }

    /// To whoever an access lets in; `password` is that of [`USER`].
    pub async fn to_those(engine: Engine, access: Access, password: &str, limits: ServeLimits) -> Self {
        let server = Server::bind("127.0.0.1:0", engine, access, limits).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let address = server.address().unwrap();
        let task = tokio::spawn(server.run(async { drop(stopped.await) }));
        Self { address, password: password.to_owned(), stop, task }
    }

    pub fn config(&self) -> Config {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.address.port()).user(USER).password(&self.password).dbname("ier");
        config
    }

    pub async fn client(&self) -> Client {
        client(&self.config()).await.unwrap()
    }

    /// Tells it to stop, and waits until it has.
    pub async fn stops(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }
}

pub async fn client(config: &Config) -> std::result::Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(async { drop(connection.await) });
    Ok(client)
}

/// Some records with values of every kind.
pub async fn filled() -> World {
    let world = World::on("2026-08-06");
    let records = [
        ier(1).of_send(1).sent("2026-08-01 12:00").opened("2026-08-01 13:30").clicks(3, 2),
        ier(2).of_send(1).sent("2026-03-08 09:30").unopened(),
        ier(3).of_send(2).sent("2025-12-31 23:59"),
        send(1, 2),
        send(2, 1),
    ];
    let of = |table: std::ops::Range<usize>| records[table].to_vec();
    world.load(&of(0..3)).await;
    world.load(&of(3..5)).await;
    world
}

/// The rows of an answer in text; null is `-`.
pub async fn rows(client: &Client, sql: &str) -> Vec<String> {
    rows_of(client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")))
}

pub fn rows_of(messages: Vec<SimpleQueryMessage>) -> Vec<String> {
    let row = |message: SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|at| row.get(at).unwrap_or("-").to_owned()).collect::<Vec<_>>().join(" "))
        }
        _ => None,
    };
    messages.into_iter().filter_map(row).collect()
}

/// The SQLSTATE of a statement that fails.
pub async fn code(client: &Client, sql: &str) -> String {
    match client.simple_query(sql).await {
        Ok(_) => panic!("{sql} was answered"),
        Err(error) => error.code().map_or_else(|| error.to_string(), |code| code.code().to_owned()),
    }
}

pub fn is(error: &tokio_postgres::Error, state: &SqlState) -> bool {
    error.code() == Some(state)
}

/// A statement that computes for minutes and finds nothing.
pub const LONG: &str =
    "SELECT count(*) FROM generate_series(1, 200000) AS a(x), generate_series(1, 200000) AS b(y) WHERE x + y < 0";

/// One with more rows than anybody reads.
pub const MANY: &str =
    "SELECT x, 'a text of some length, so that rows are not small' AS words FROM generate_series(1, 2000000000) AS a(x)";
