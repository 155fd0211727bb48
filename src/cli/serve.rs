//! `ier serve`: serves the warehouse to clients of Postgres until it is stopped.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Notify;

use crate::error::Result;
use crate::human;
use crate::serve::Server;
use crate::serve::access::{Access, Token};
use crate::serve::shared::ServeLimits;

use super::args::Serve;
use super::interrupt;
use super::print;
use super::session::Session;

/// What is said when it is there.
#[derive(Serialize)]
struct Ready {
    address: SocketAddr,
    user: String,
    /// The secret that lets in: shown here, and nowhere else.
    password: String,
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, user, password } = self;
        let (host, port) = (address.ip(), address.port());
        // Quotes within quotes, for a user whose name has blanks.
        let user = user.replace('\\', "\\\\").replace('\'', "\\'");
        writeln!(f, "Serving at {address}, for you alone: whoever has this password can ask what you can.")?;
        writeln!(f)?;
        writeln!(f, "  PGPASSWORD={password} psql \"host={host} port={port} user='{user}' dbname=ier\"")?;
        writeln!(f)?;
        write!(f, "Ctrl-C stops it.")
    }
}

/// Serves.
pub async fn run(session: &Session, args: &Serve) -> Result<()> {
    let settings = &session.settings;
    let limits = ServeLimits {
        connections: settings.serve.connections,
        statements: settings.serve.statements,
        statement: (settings.serve.timeout_secs > 0).then(|| Duration::from_secs(settings.serve.timeout_secs)),
    };
    let engine = session.engine_to_serve(args.reason.as_deref()).await?;
    let (access, token): (Access, Token) = Access::of(&settings.audit.who);
    let server = Server::bind(&args.pg, engine, access, limits).await?;
    let ready = Ready { address: server.address(), user: settings.audit.who.clone(), password: token.shown().to_owned() };
    session.answer(&ready)?;
    drop((ready, token));
    let asked_to_stop = Notify::new();
    let serving = server.run(async {
        interrupt::stopped().await;
        asked_to_stop.notify_one();
        if !session.global.quiet && !session.global.json {
            let seconds = crate::serve::DRAIN.as_secs();
            drop(print::warning(&format!("nobody new is let in, and what runs has {seconds} seconds to end")));
        }
    });
    // Who says it twice means at once.
    let again = async {
        asked_to_stop.notified().await;
        interrupt::stopped().await
    };
    let served = tokio::select! {
        served = serving => served,
        stopped = again => Err(stopped),
    };
    let unanswered = crate::serve::pg::unanswered();
    if unanswered > 0 && !session.global.quiet && !session.global.json {
        drop(print::warning(&format!("{} about the catalogs got no answer", human::counted(unanswered, "statement"))));
    }
    served
}
