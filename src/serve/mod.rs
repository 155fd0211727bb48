//! `ier serve`: one process that stays, and answers clients of Postgres, browsers and programs.
//!
//! A server first listens ([`Server::with_pg`], [`Server::with_http`]) and then serves until it is told to stop ([`Server::run`]). When it stops, it accepts
//! no new client, ends idle sessions, and lets running statements finish within [`DRAIN`].
//!
//! # Decisions
//! - 2026-11-28 **Without users it serves one person: whoever started it, on this machine.** Their token is made anew at each start
//!   and kept nowhere but in what was printed; the server keeps what checks it.
//! - 2026-11-29 **An address that others can reach wants a list of users and TLS, both.** One password for all is nobody's, and what is
//!   said in plain is everybody's.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use self::access::{Access, Who};
use self::http::{Http, Site};
use self::shared::{Phase, ServeLimits, Shared};
use crate::error::{Context, Error, Result};
use crate::query::engine::Engine;

// What an operator should know while a server runs.
pub mod tell;

// TLS: a certificate and its key, read again when they have changed.
pub mod tls;

// Who may come in, what they may do, and what checks that it is they.
pub mod access;

// What all sessions share: the engine, the limits, whether it is time to go.
pub mod shared;

// Postgres' wire protocol: analysts connect with what they have.
pub mod pg;

// HTTP: an interface for programs, and what carries the pages.
pub mod http;

// Pages for people.
mod page;

/// What runs when the server is told to stop gets so long to end.
pub const DRAIN: Duration = Duration::from_secs(30);

/// Sessions that were told to go get so long to say so.
const FAREWELL: Duration = Duration::from_millis(500);

/// A server that listens, and serves once it is run.
pub struct Server {
    shared: Arc<Shared>,
    phase: watch::Sender<Phase>,
    pg: Option<(TcpListener, SocketAddr)>,
    http: Option<Http>,
}

impl Server {
    /// For those whom `access` knows. It listens nowhere yet.
    pub fn new(engine: Engine, access: Access, limits: ServeLimits) -> Self {
        let (phase, watched) = watch::channel(Phase::Open);
        let shared = Arc::new(Shared::new(engine, access, limits, watched));
        Self { shared, phase, pg: None, http: None }
    }

    /// Listens for Postgres' protocol alone: see [`Server::with_pg`].
    ///
    /// # Errors
    /// As [`Server::with_pg`].
    pub async fn bind(address: &str, engine: Engine, access: Access, limits: ServeLimits) -> Result<Self> {
        Self::new(engine, access, limits).with_pg(address).await
    }

    /// The same, listening for Postgres' protocol at an address of this machine (`127.0.0.1:5427`, `[::1]:5427`, `localhost:0`; port
    /// 0 is any that is free). With users and TLS it may be one that others can reach.
    ///
    /// # Errors
    /// Invalid for what is no address, and for one that others can reach and may not; unavailable when the port is taken.
    pub async fn with_pg(self, address: &str) -> Result<Self> {
        let wanted = reachable(address, self.shared.access.is_for_others())?;
        let listening = || phrase!("cannot listen at {address}");
        let listener = TcpListener::bind(wanted).await.context(listening)?;
        let address = listener.local_addr().context(|| "cannot tell the address")?;
        Ok(Self { pg: Some((listener, address)), ..self })
    }

    /// The same, listening for HTTP.
    ///
    /// # Errors
    /// As [`Server::with_pg`].
    pub async fn with_http(self, address: &str, site: Site) -> Result<Self> {
        let wanted = reachable(address, self.shared.access.is_for_others())?;
        let http = Http::bind(wanted, self.shared.clone(), site).await?;
        Ok(Self { http: Some(http), ..self })
    }

    /// Where it listens for Postgres' protocol, with the port that was found.
    pub fn address(&self) -> Option<SocketAddr> {
        self.pg.as_ref().map(|(_, address)| *address)
    }

    /// Where it listens for HTTP.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(Http::address)
    }

    /// The address of a page that signs somebody in: once, and within minutes.
    pub fn link(&self, who: Who) -> Option<String> {
        self.http.as_ref().map(|http| http.link(who))
    }

    /// Reads users and certificate again, as often as it is called; `false` where one of them is broken and what held before holds.
    pub fn reread(&self) -> impl Fn() -> bool + Send + Sync + 'static {
        let shared = self.shared.clone();
        move || {
            let users = shared.access.reread();
            shared.access.tls().is_none_or(tls::Tls::reread) && users
        }
    }

    /// Serves until `stop` comes, and then until what runs has ended, or has been given its time.
    ///
    /// # Errors
    /// Unavailable when nobody can be let in any more.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<()> {
        let Self { shared, phase, pg, http } = self;
        let speaking_pg = async {
            match &pg {
                Some((listener, _)) => pg::listen(listener, &shared).await,
                None => std::future::pending().await,
            }
        };
        let speaking_http = async {
            match &http {
                Some(http) => http.listen().await,
                None => std::future::pending().await,
            }
        };
        let served = tokio::select! {
            served = speaking_pg => served,
            served = speaking_http => served,
            () = stop => Ok(()),
        };
        let http_empty = http.as_ref().map(Http::empty);
        drop((pg, http));
        phase.send_replace(Phase::Draining);
        let empty = async { tokio::join!(shared.empty(), futures::future::OptionFuture::from(http_empty)) };
        let mut empty = pin!(empty);
        if tokio::time::timeout(DRAIN, empty.as_mut()).await.is_err() {
            phase.send_replace(Phase::Over);
            drop(tokio::time::timeout(FAREWELL, empty).await);
        }
        served
    }
}

/// An address of this machine, and where others may come, one that they can reach.
fn reachable(text: &str, is_for_others: bool) -> Result<SocketAddr> {
    let right = "give an address of this machine and a port, such as 127.0.0.1:5427 or [::1]:5427";
    let address: SocketAddr = match text.strip_prefix("localhost:") {
        Some(port) => SocketAddr::new(IpAddr::from([127, 0, 0, 1]), port.parse().map_err(|_| wrong(text, right))?),
        None => text.parse().map_err(|_| wrong(text, right))?,
    };
    if !address.ip().is_loopback() && !is_for_others {
        return Err(Error::invalid(phrase!(
            "{text} can be reached from other machines, and what is served without TLS and without a list of users is for the person who \
             started it alone; {right}, and let others come to it by ssh -L, or set serve.users, serve.tls_certificate and serve.tls_key"
        )));
    }
    Ok(address)
}

fn wrong(text: &str, right: &'static str) -> Error {
    Error::invalid(phrase!("{text} is no address; {right}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_served() {
        for (text, message) in [
            ("0.0.0.0:5427", "reached from other machines"),
            ("[::]:5427", "reached from other machines"),
            ("192.168.1.4:5427", "reached from other machines"),
            ("example.org:5427", "is no address"),
            ("5427", "is no address"),
            ("localhost:port", "is no address"),
        ] {
            let error = reachable(text, false).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        for text in ["127.0.0.1:0", "127.8.0.1:5427", "[::1]:5427", "localhost:5427"] {
            assert!(reachable(text, false).unwrap().ip().is_loopback());
        }
        assert_eq!(reachable("0.0.0.0:5427", true).unwrap().port(), 5427);
        assert!(reachable("5427", true).is_err());
    }
}
