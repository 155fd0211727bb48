//! The warehouse over HTTP: an interface for programs below `/api/v1`, and pages for people.
//!
//! A connection is taken here and has its limits from the first byte on; what it may ask stands in one table ([`routes`]), with the right
//! that each way takes. [`guard`] lets nobody past who comes under a wrong name, from another site or without a right. Rows are asked
//! for in one place ([`asked`]) and leave by one ([`stream`]): an answer that breaks off never looks like a whole one.
//!
//! # Decisions
//! - 2026-11-29 **A link signs in once, and a cookie keeps the sign-in; programs send their token with each request.** The link's code
//!   is good for one use within minutes, so that what stands in a history or a log of addresses opens nothing. A token in an
//!   address is refused.
//! - 2026-11-29 **Who is looked up stands in no address.** Look-ups are POST, also on the pages: addresses are kept in histories, sent to
//!   others and written in logs, and a GET can be made by any other site.
//! - 2026-11-29 **An own loop on hyper, not `axum::serve`.** It has no limits on silent connections, and none on how many there are.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use self::app::App;
pub use self::site::Site;
use super::shared::{Phase, Shared};
use crate::error::{Context, Result};

// What a site is told of the settings.
mod site;

// What went wrong, as a program is told.
pub(super) mod problem;

// Who is signed in: codes that are good once, and sessions.
pub(super) mod sessions;

// Statements that run, or ran a moment ago.
pub(super) mod runs;

// Evidence that waits to be fetched.
pub(super) mod packs;

// What is counted of requests.
pub(super) mod counters;

// What all requests share.
pub(super) mod app;

// What a request brings.
pub(super) mod input;

// A form with a file in it.
pub(super) mod multipart;

// In what form an answer leaves.
pub(super) mod form;

// Rows that somebody asks for.
pub(super) mod asked;

// An answer on its way out.
pub(super) mod stream;

// Whom a request comes from, and whether it may.
pub(super) mod guard;

// What programs ask.
pub(super) mod api;

// Every way there is, with the right it takes.
pub(super) mod routes;

/// How long somebody who connected may say nothing, and how long the head of a request may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Headers a request may have.
const HEADERS: usize = 64;

/// Bytes of a request's head.
const HEAD: usize = 32 << 10;

/// When no connection can be taken, it is tried again after so long.
const PAUSE: Duration = Duration::from_millis(100);

/// The side of a server that speaks HTTP.
pub(super) struct Http {
    listener: TcpListener,
    address: SocketAddr,
    app: Arc<App>,
    seats: Arc<Semaphore>,
    connections: usize,
}

impl Http {
    /// Listens at an address.
    pub(super) async fn bind(wanted: SocketAddr, shared: Arc<Shared>, site: Site) -> Result<Self> {
        let listener = TcpListener::bind(wanted).await.context(|| phrase!("cannot listen at {wanted}"))?;
        let address = listener.local_addr().context(|| "cannot tell the address")?;
        let connections = shared.limits.connections;
        let app = Arc::new(App::new(shared, site, address));
        Ok(Self { listener, address, app, seats: Arc::new(Semaphore::new(connections)), connections })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of a page that signs somebody in, once.
    pub(super) fn link(&self, who: super::access::Who) -> String {
        let code = self.app.sessions.code(who, self.app.now());
        let scheme = if self.app.shared.access.tls().is_some() { "https" } else { "http" };
        format!("{scheme}://{}/sign-in?code={code}", self.address)
    }

    /// Takes connections for as long as it is let.
    pub(super) async fn listen(&self) -> Result<()> {
        let router = routes::router(&self.app);
        loop {
            // A connection that broke off at once, or too many open files: others may come all the same.
            let Ok((stream, _)) = self.listener.accept().await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            // Beyond these nobody is even told.
            let Ok(seat) = self.seats.clone().try_acquire_owned() else { continue };
            tokio::spawn(connection(stream, self.app.clone(), router.clone(), seat));
        }
    }

    /// Comes back when nobody is connected.
    pub(super) fn empty(&self) -> impl Future<Output = ()> + use<> {
        let (seats, all) = (self.seats.clone(), u32::try_from(self.connections).unwrap_or(u32::MAX));
        async move { drop(seats.acquire_many(all).await) }
    }
}

/// Serves one connection until either side has had enough of it, behind TLS where there is a certificate.
async fn connection(stream: TcpStream, app: Arc<App>, router: Router, _seat: OwnedSemaphorePermit) {
    drop(stream.set_nodelay(true));
    // Time for a request's head begins with its first byte: who sends none is sent away here.
    if !matches!(timeout(PATIENCE, stream.peek(&mut [0])).await, Ok(Ok(1..))) {
        return;
    }
    let phase = app.shared.phase.clone();
    let Some(tls) = app.shared.access.tls() else { return serve(stream, router, phase).await };
    // Whoever speaks no TLS, or another protocol in it, is told by their own side.
    let Ok((acceptor, _)) = tls.acceptor(&[b"http/1.1"]) else { return };
    if let Ok(Ok(stream)) = timeout(PATIENCE, acceptor.accept(stream)).await {
        serve(stream, router, phase).await;
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: Router, mut phase: watch::Receiver<Phase>) {
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_headers(HEADERS).max_buf_size(HEAD);
    let mut served = pin!(server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
    let mut leaving = false;
    loop {
        let next = if leaving { Phase::Over } else { Phase::Draining };
        tokio::select! {
            // Whether the client was content is its own affair.
            _ended = served.as_mut() => return,
            reached = async { phase.wait_for(|now| *now == next || *now == Phase::Over).await.map_or(Phase::Over, |now| *now) } => {
                if reached == Phase::Over {
                    return;
                }
                leaving = true;
                served.as_mut().graceful_shutdown();
            }
        }
    }
}
