//! `ier serve`: serves the warehouse to browsers and clients of Postgres until it is stopped.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Notify;

use crate::error::{Error, Result};
use crate::human;
use crate::serve::Server;
use crate::serve::http::Site;
use crate::serve::shared::ServeLimits;

use super::args::Serve;
use super::interrupt;
use super::print;
use super::served::access;
use super::session::Session;

/// Where not to listen.
const OFF: &str = "off";

/// What is said when it is there.
#[derive(Serialize)]
struct Ready {
    /// Where Postgres' protocol is spoken.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<SocketAddr>,
    /// Where HTTP is.
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<SocketAddr>,
    /// Is what is said to it read by nobody else?
    tls: bool,
    /// Whoever started it, where it serves them alone.
    #[serde(flatten)]
    owner: Option<Owner>,
}

#[derive(Serialize)]
struct Owner {
    /// What signs a browser in, once.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    user: String,
    /// The secret that lets in: shown here, and nowhere else.
    password: String,
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, http, tls, owner } = self;
        let at: Vec<String> = [http, address].into_iter().flatten().map(SocketAddr::to_string).collect();
        let (at, scheme) = (at.join(" and "), if *tls { "https" } else { "http" });
        match owner {
            Some(_) => writeln!(f, "Serving at {at}, for you alone: whoever has this password can ask what you can.")?,
            None => writeln!(f, "Serving at {at}{}, for those `ier user list` lists.", if *tls { " with TLS" } else { "" })?,
        }
        writeln!(f)?;
        match (owner, address, http) {
            (Some(Owner { link, user, password }), ..) => {
                // Quotes within quotes, for a user whose name has blanks.
                let user = user.replace('\\', "\\\\").replace('\'', "\\'");
                link.iter().try_for_each(|link| writeln!(f, "  {link}"))?;
                match (address, http) {
                    (Some(address), _) => {
                        let (host, port) = (address.ip(), address.port());
                        writeln!(f, "  PGPASSWORD={password} psql \"host={host} port={port} user='{user}' dbname=ier\"")?;
                    }
                    (None, Some(http)) => {
                        writeln!(f, "  curl -H 'Authorization: Bearer {password}' {scheme}://{http}/api/v1/status")?;
                    }
                    (None, None) => {}
                }
            }
            (None, address, http) => {
                http.iter().try_for_each(|http| writeln!(f, "  {scheme}://{http}"))?;
                let mode = if *tls { " sslmode=verify-full sslrootcert=system" } else { "" };
                address
                    .iter()
                    .try_for_each(|address| writeln!(f, "  psql \"host=… port={} user=… dbname=ier{mode}\"", address.port()))?;
            }
        }
        writeln!(f)?;
        if owner.as_ref().is_some_and(|owner| owner.link.is_some()) {
            writeln!(f, "The link signs one browser in, once, within ten minutes.")?;
        }
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
    if args.pg == OFF && args.http == OFF {
        return Err(Error::invalid("--http off and --pg off leave nothing to serve"));
    }
    let (access, token) = access(session, args)?;
    let tls = access.tls().is_some();
    let who = token.as_ref().and_then(|token| access.bearer(token.shown()));
    let mut server = Server::new(engine, access, limits);
    if args.pg != OFF {
        server = server.with_pg(&args.pg).await?;
    }
    if args.http != OFF {
        let site = Site {
            zone: settings.zone,
            questions: settings.ask.folder.clone(),
            org_url: settings.ask.org_url.clone(),
            spill_folder: Some(settings.query.spill_folder.clone()),
        };
        server = server.with_http(&args.http, site).await?;
    }
    let reread = server.reread();
    let owner = token.map(|token| Owner {
        link: who.and_then(|who| server.link(who)),
        user: settings.audit.who.clone(),
        password: token.shown().to_owned(),
    });
    let ready = Ready { address: server.address(), http: server.http_address(), tls, owner };
    session.answer(&ready)?;
    drop(ready);
    let quiet = session.global.quiet || session.global.json;
    let rereads = tokio::spawn(async move {
        while interrupt::hung_up().await.is_ok() {
            if reread() && !quiet {
                drop(print::to_stderr("users and certificate were read again"));
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
