//! Postgres' wire protocol, version 3, for psql, DBeaver, Python and every other client of Postgres.
//!
//! A connection is accepted here, logs in by [`startup`], and is then a [`session`]. [`command`] tells what a statement asks for;
//! the two ways of asking are [`simple`] and [`extended`]. Statements about data go to the engine as they are, those about the
//! catalog to [`catalog`]. Text that a person typed is never changed.
//!
//! # Decisions
//! - 2026-11-28 **Of the crate `pgwire` the messages to clients and SCRAM, not its loop and handlers.** Its loop lets who failed to log
//!   in go on, where the failure is not marked fatal; sends a result only when it is whole; and hears of a cancellation only until the
//!   first row. Messages from clients are read here: its reader takes a gigabyte before login, and panics at some that are too short.
//! - 2026-11-28 **RowDescription names no table.** With a table's OID some clients ask the catalog about each result.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use self::backends::Backends;
pub use self::catalog::unanswered;
use self::session::Session;
use self::socket::Socket;
use super::shared::Shared;
use crate::error::Result;

// What went wrong, as a client is told: severity, SQLSTATE, words.
mod failure;

// Messages from clients.
mod frontend;

// What a connection's bytes go through: TCP alone, or TLS over it.
mod stream;

// A client's connection: messages in, within limits; messages out.
mod socket;

// The sessions there are, and how one's statement is stopped from another connection.
mod backends;

// The zone in which a session reads and shows moments.
mod zone;

// What a session may set and show.
mod settings;

// Columns' types as Postgres knows them.
pub(crate) mod types;

// Values as Postgres writes them, as text and in binary.
mod encode;

// Values of parameters, as clients send them.
mod parameters;

// Types that a statement itself gives its parameters.
mod casts;

// A message's statements.
mod pieces;

// Only what reads goes on to the engine.
mod reads;

// What a statement is: a question, or something that concerns the session.
mod command;

// pg_catalog and what else clients ask of a server about itself.
pub(crate) mod catalog;

// How somebody comes in.
mod startup;

// The rows of an answer, as many at a time as are wanted.
mod rows;

// What COPY writes.
mod copy;

// What a session holds between messages: prepared statements, portals, cursors.
mod held;

// Where a session stands: its transaction, cursors, prepared statements.
mod session;

// A statement while it runs: its place, its time, what stops it.
mod running;

// What commands do.
mod obey;

// Cursors: DECLARE, FETCH, MOVE, CLOSE.
mod cursors;

// Questions and commands in one message of text.
mod simple;

// Statements prepared, bound and executed step by step.
mod extended;

/// Connections that have not logged in yet. They hold little, and not for long: see [`startup`].
const STRANGERS: usize = 256;

/// When no connection can be taken, it is tried again after so long.
const PAUSE: Duration = Duration::from_millis(100);

/// Takes connections for as long as it is let.
pub(super) async fn listen(listener: &TcpListener, shared: &Arc<Shared>) -> Result<()> {
    let backends = Arc::new(Backends::default());
    let strangers = Arc::new(Semaphore::new(STRANGERS));
    loop {
        // A connection that broke off at once, or too many open files: others may come all the same.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        // Beyond these nobody is even told.
        let Ok(stranger) = strangers.clone().try_acquire_owned() else { continue };
        drop(stream.set_nodelay(true));
        let (shared, backends) = (shared.clone(), backends.clone());
        tokio::spawn(async move {
            let mut socket = Socket::new(stream);
            if let Some(entered) = startup::enter(&mut socket, &shared, &backends).await {
                drop(stranger);
                Session::new(socket, shared, entered).run().await;
            }
        });
    }
}
