//! `ier serve`: the warehouse for others to ask, until told to stop.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Notify;

use crate::error::Result;
use crate::human;
use crate::serve::Server;
use crate::serve::shared::ServeLimits;

use super::args::Serve;
use super::interrupt;
use super::print;
use super::served::access;
use super::session::Session;

/// What is said when it is there.
#[derive(Serialize)]
struct Ready {
    address: SocketAddr,
    /// Is what is said to it read by nobody else?
    tls: bool,
    /// Whoever started it, where it serves them alone.
    #[serde(flatten)]
    owner: Option<Owner>,
}

#[derive(Serialize)]
struct Owner {
    user: String,
    /// The secret that lets in: shown here, and nowhere else.
    password: String,
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, tls, owner } = self;
        let (host, port) = (address.ip(), address.port());
        match owner {
            Some(Owner { user, password }) => {
                // Quotes within quotes, for a user whose name has blanks.
                let user = user.replace('\\', "\\\\").replace('\'', "\\'");
                writeln!(f, "Serving at {address}, for you alone: whoever has this password can ask what you can.")?;
                writeln!(f)?;
                writeln!(f, "  PGPASSWORD={password} psql \"host={host} port={port} user='{user}' dbname=ier\"")?;
            }
            None => {
                writeln!(f, "Serving at {address}{}, for those `ier user list` lists.", if *tls { " with TLS" } else { "" })?;
                writeln!(f)?;
                let mode = if *tls { " sslmode=verify-full sslrootcert=system" } else { "" };
                writeln!(f, "  psql \"host=… port={port} user=… dbname=ier{mode}\"")?;
            }
        }
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
    let (access, token) = access(session, args)?;
    let tls = access.tls().is_some();
    let server = Server::bind(&args.pg, engine, access, limits).await?;
    let reread = server.reread();
    let owner = token.map(|token| Owner { user: settings.audit.who.clone(), password: token.shown().to_owned() });
    let ready = Ready { address: server.address(), tls, owner };
    session.answer(&ready)?;
    drop(ready);
    let quiet = session.global.quiet || session.global.json;
    let rereads = tokio::spawn(async move {
        while interrupt::hung_up().await.is_ok() {
            if reread() && !quiet {
                drop(print::remark("users and certificate were read again"));
            }
        }
    });
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
    rereads.abort();
    let unanswered = crate::serve::pg::unanswered();
    if unanswered > 0 && !session.global.quiet && !session.global.json {
        drop(print::warning(&format!("{} about the catalogs got no answer", human::counted(unanswered, "statement"))));
    }
    served
}
