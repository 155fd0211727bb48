//! `ier serve`: serves the warehouse to clients of Postgres until it is stopped.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Notify;

use crate::error::{Error, Result};
use crate::human;
use crate::serve::Server;
use crate::serve::access::{Access, Role, Token, Who};
use crate::serve::http::Site;
use crate::serve::shared::ServeLimits;

use super::args::Serve;
use super::interrupt;
use super::print;
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
    /// What signs a browser in, once.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    user: String,
    /// The secret that lets in: shown here, and nowhere else.
    password: String,
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, http, link, user, password } = self;
        // Quotes within quotes, for a user whose name has blanks.
        let user = user.replace('\\', "\\\\").replace('\'', "\\'");
        let at: Vec<String> = [http, address].into_iter().flatten().map(SocketAddr::to_string).collect();
        writeln!(f, "Serving at {}, for you alone: whoever has this password can ask what you can.", at.join(" and "))?;
        writeln!(f)?;
        if let Some(link) = link {
            writeln!(f, "  {link}")?;
        }
        match (address, http) {
            (Some(address), _) => {
                let (host, port) = (address.ip(), address.port());
                writeln!(f, "  PGPASSWORD={password} psql \"host={host} port={port} user='{user}' dbname=ier\"")?;
            }
            (None, Some(http)) => writeln!(f, "  curl -H 'Authorization: Bearer {password}' http://{http}/api/v1/status")?,
            (None, None) => {}
        }
        writeln!(f)?;
        if link.is_some() {
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
    let (access, token): (Access, Token) = Access::of(&settings.audit.who);
    if args.pg == OFF && args.http == OFF {
        return Err(Error::invalid("--http off and --pg off leave nothing to serve"));
    }
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
    let link = server.link(Who { name: settings.audit.who.clone(), role: Role::Owner });
    let (address, http) = (server.address(), server.http_address());
    let ready = Ready { address, http, link, user: settings.audit.who.clone(), password: token.shown().to_owned() };
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
