//! What all requests share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::counters::Counters;
use super::packs::Packs;
use super::problem::Problem;
use super::runs::Runs;
use super::sessions::Sessions;
use super::site::Site;
use crate::query::engine::Engine;
use crate::serve::access::Who;
use crate::serve::shared::{Phase, Shared};

/// Look-ups at once. They are short, and have places of their own, so that heavy statements do not keep them waiting.
const LOOK_UPS: usize = 8;

/// A look-up that finds all places taken waits so long for one.
const PATIENCE: Duration = Duration::from_secs(2);

/// What all requests share.
pub(crate) struct App {
    pub(crate) shared: Arc<Shared>,
    pub(crate) site: Site,
    pub(crate) address: SocketAddr,
    pub(crate) sessions: Sessions,
    pub(crate) runs: Runs,
    pub(crate) packs: Packs,
    pub(crate) counters: Counters,
    look_ups: Arc<Semaphore>,
}

impl App {
    pub(crate) fn new(shared: Arc<Shared>, site: Site, address: SocketAddr) -> Self {
        let look_ups = Arc::new(Semaphore::new(LOOK_UPS));
        let (sessions, runs, packs, counters) = (Sessions::default(), Runs::default(), Packs::default(), Counters::default());
        Self { shared, site, address, sessions, runs, packs, counters, look_ups }
    }

    /// By the warehouse's clock.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.shared.own_engine().warehouse().clock().now()
    }

    /// The engine as it answers somebody, for the reason they give.
    pub(crate) fn engine(&self, who: &Who, reason: Option<&str>) -> Engine {
        self.shared.engine_for(who, reason)
    }

    /// The same, to look somebody up.
    ///
    /// # Errors
    /// Invalid where a reason is wanted and none is given.
    pub(crate) fn looking(&self, who: &Who, reason: Option<&str>) -> Result<Engine, Problem> {
        let engine = self.shared.engine_to_look(who, reason);
        match engine.wants_reason() {
            true => Err(Problem::invalid("say why you look: audit.reason_required asks for a reason")),
            false => Ok(engine),
        }
    }

    /// A place for a look-up.
    ///
    /// # Errors
    /// 429 where there is none soon.
    pub(crate) async fn look_up(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = tokio::time::timeout(PATIENCE, self.look_ups.clone().acquire_owned()).await;
        place.ok().and_then(Result::ok).ok_or_else(Problem::busy)
    }

    /// Does something short within the time of a statement.
    ///
    /// # Errors
    /// Its own; unavailable when its time is over.
    pub(crate) async fn within<T>(&self, work: impl Future<Output = crate::error::Result<T>>) -> Result<T, Problem> {
        match self.shared.limits.statement {
            Some(limit) => match tokio::time::timeout(limit, work).await {
                Ok(done) => Ok(done?),
                Err(_late) => Err(crate::error::Error::timed_out(limit).into()),
            },
            None => Ok(work.await?),
        }
    }

    /// Does a long look-up on a thread of its own, in a look-up's place and a statement's time.
    ///
    /// # Errors
    /// 429 where there is no place; its own; unavailable when its time is over.
    pub(crate) async fn aside<T: Send + 'static, F: Future<Output = crate::error::Result<T>>>(
        self: &Arc<Self>,
        work: impl FnOnce() -> F + Send + 'static,
    ) -> Result<T, Problem> {
        let place = self.look_up().await?;
        let (app, runtime) = (self.clone(), tokio::runtime::Handle::current());
        let done = tokio::task::spawn_blocking(move || {
            let _place = place;
            runtime.block_on(app.within(work()))
        });
        done.await.map_err(crate::error::Error::from)?
    }

    /// Are new requests taken?
    pub(crate) fn is_open(&self) -> bool {
        *self.shared.phase.borrow() == Phase::Open
    }
}
