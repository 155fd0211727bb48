//! A running statement: its place among the others, its time limit, and what stops it.

use std::pin::Pin;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Sleep;

use super::backends::{Backend, Stop};
use super::failure::Failure;
use super::settings::Settings;
use super::socket::{Broken, Socket};
use crate::serve::shared::{Phase, Shared};

/// A statement that runs, or goes on after a pause.
pub(super) struct Running {
    stop: Stop,
    /// When its time is over.
    deadline: Option<Pin<Box<Sleep>>>,
    phase: watch::Receiver<Phase>,
    _turn: OwnedSemaphorePermit,
}

impl Running {
    /// Begins when there is a place.
    ///
    /// # Errors
    /// 53300 where there is none soon.
    pub(super) async fn begin(shared: &Shared, backend: &Backend, settings: &Settings) -> Result<Self, Failure> {
        let stop = backend.begins();
        let full = || {
            Failure::new("53300", "too many statements run at once; try again")
                .hint("serve.statements says how many there may be.")
        };
        let turn = shared.turn().await.ok_or_else(full)?;
        let limit = [shared.limits.statement, settings.statement_timeout()].into_iter().flatten().min();
        let deadline = limit.map(|limit: Duration| Box::pin(tokio::time::sleep(limit)));
        Ok(Self { stop, deadline, phase: shared.phase.clone(), _turn: turn })
    }

    /// Comes back when it is to stop, and says why.
    async fn over(&mut self) -> Failure {
        let late = async {
            match &mut self.deadline {
                Some(deadline) => deadline.await,
                None => std::future::pending().await,
            }
        };
        let leaving = async {
            if self.phase.wait_for(|phase| *phase == Phase::Over).await.is_err() {
                // Nobody is there who could say so.
                std::future::pending().await
            }
        };
        tokio::select! {
            () = self.stop.heard() => Failure::new("57014", "canceling statement due to user request"),
            () = late => Failure::new("57014", "canceling statement due to statement timeout"),
            () = leaving => Failure::fatal("57P01", "terminating connection due to administrator command"),
        }
    }

    /// Does something until it is done, the statement is to stop, or the client is gone.
    pub(super) async fn wait<T>(&mut self, socket: &mut Socket, work: impl Future<Output = T>) -> Result<T, Broken> {
        tokio::select! {
            biased;
            failure = self.over() => Err(failure.into()),
            done = work => Ok(done),
            () = socket.gone() => Err(Broken::Gone),
        }
    }

    /// Sends what waits, unless the statement is to stop before the client has taken it.
    pub(super) async fn flush(&mut self, socket: &mut Socket) -> Result<(), Broken> {
        tokio::select! {
            biased;
            failure = self.over() => Err(failure.into()),
            sent = socket.flush() => sent,
        }
    }
}
