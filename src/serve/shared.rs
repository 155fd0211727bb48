//! What all sessions of a server share: the engine, the limits, and whether the server is stopping.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::access::{Access, Right, Role, Who};
use crate::query::engine::Engine;
use crate::query::policy::Policy;

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
    engine: Engine,
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

    /// The engine as somebody may ask it: the one place where a role becomes what is seen. `reason` is why they look people up.
    pub(super) fn engine_for(&self, who: &Who, reason: Option<&str>) -> Engine {
        let reason = stated(reason);
        if who.role == Role::Owner {
            let reason = reason.or_else(|| self.engine.requester().and_then(|own| own.reason.clone()));
            return self.engine.asked_by(&who.name, reason, false, None);
        }
        let policy = Policy {
            role: who.role.name(),
            may_ask: who.role.may(Right::Sql),
            may_look_up: who.role.may(Right::People),
            is_raw: who.role.is_raw(),
            units: who.units.clone(),
            masks: who.masks.clone(),
            key: self.access.mask_key(),
        };
        self.engine.asked_by(&who.name, reason, who.role.gives_reasons(), Some(Arc::new(policy)))
    }

    /// The engine as somebody may ask it about one person: who may look people up sees them as they are, and it is entered in the log.
    pub(super) fn engine_to_look(&self, who: &Who, reason: Option<&str>) -> Engine {
        if !who.role.may(Right::People) || who.role == Role::Owner {
            return self.engine_for(who, reason);
        }
        let reason = stated(reason);
        self.engine.asked_by(&who.name, reason, who.role.gives_reasons(), None)
    }

    /// The engine itself, which sees everything: for what the server asks for itself, and for nobody else.
    pub(super) fn own_engine(&self) -> &Engine {
        &self.engine
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

/// A reason that says something.
fn stated(reason: Option<&str>) -> Option<String> {
    reason.map(str::trim).filter(|reason| !reason.is_empty()).map(str::to_owned)
}
