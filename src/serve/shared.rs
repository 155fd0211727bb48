//! What all sessions of a server share: the engine, the limits, and whether the server is stopping.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::access::Access;
use crate::query::engine::Engine;

/// A statement that finds all places taken waits so long for one.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a server allows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServeLimits {
    /// Sessions at once.
    pub connections: usize,
    /// Statements at once, of all sessions.
    pub statements: usize,
    /// How long a statement may run; `None` for as long as it takes.
    pub statement: Option<Duration>,
}

/// Whether sessions may stay.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    /// They may.
    Open,
    /// What runs may come to its end; who is idle goes.
    Draining,
    /// All go.
    Over,
}

/// What all sessions share.
pub(super) struct Shared {
    pub(super) engine: Engine,
    pub(super) access: Access,
    pub(super) limits: ServeLimits,
    pub(super) phase: watch::Receiver<Phase>,
    connections: Arc<Semaphore>,
    statements: Arc<Semaphore>,
}

impl Shared {
    pub(super) fn new(engine: Engine, access: Access, limits: ServeLimits, phase: watch::Receiver<Phase>) -> Self {
        let connections = Arc::new(Semaphore::new(limits.connections));
        let statements = Arc::new(Semaphore::new(limits.statements));
        Self { engine, access, limits, phase, connections, statements }
    }

    /// A place for a session, if there is one.
    pub(super) fn seat(&self) -> Option<OwnedSemaphorePermit> {
        self.connections.clone().try_acquire_owned().ok()
    }

    /// A place for a statement, if there is one soon.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        tokio::time::timeout(PATIENCE, self.statements.clone().acquire_owned()).await.ok()?.ok()
    }

    /// Comes back when nobody has a seat.
    pub(super) async fn empty(&self) {
        let all = u32::try_from(self.limits.connections).unwrap_or(u32::MAX);
        drop(self.connections.acquire_many(all).await);
    }
}
