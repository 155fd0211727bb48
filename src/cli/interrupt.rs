//! Stops the program on request: Ctrl-C, and the signal that a service manager sends.
//!
//! The work is dropped at its next await. Work that does not come to one within three seconds is ended with the process. Neither leaves
//! anything half done: a table changes in one commit, a file appears by one renaming.

use std::time::Duration;

use tokio::task::JoinHandle;

use crate::error::{Context, Error, Kind, Result};

/// Work that waits on the spot, for a reader of a long report say, cannot be dropped: it gets so long to go on.
const DEAF: Duration = Duration::from_secs(3);

/// Does `work` until it is done or the user stops it.
pub async fn or_interrupted<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let _last = LastResort::new();
    tokio::select! {
        outcome = work => outcome,
        stopped = stopped() => Err(stopped),
    }
}

/// Waits for Ctrl-C or SIGTERM.
pub async fn stopped() -> Error {
    match wait().await {
        Ok(()) => Error::interrupted("interrupted"),
        Err(error) => error,
    }
}

/// Ends the process when the work does not stop in time.
struct LastResort(JoinHandle<()>);

impl LastResort {
    fn new() -> Self {
        Self(tokio::spawn(async {
            if wait().await.is_ok() {
                tokio::time::sleep(DEAF).await;
                // Nothing is half done by that: a table changes in one commit, a file appears in one renaming.
                std::process::exit(Kind::Interrupted.exit_code().into());
            }
        }))
    }
}

impl Drop for LastResort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(unix)]
async fn wait() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context(|| "cannot listen for signals")?;
    tokio::select! {
        pressed = ctrl_c() => pressed,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn wait() -> Result<()> {
    ctrl_c().await
}

/// Waits for SIGHUP: files that are read at the start are to be read again.
#[cfg(unix)]
pub async fn hung_up() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    signal(SignalKind::hangup()).context(|| "cannot listen for signals")?.recv().await;
    Ok(())
}

/// Elsewhere nobody sends one.
#[cfg(not(unix))]
pub async fn hung_up() -> Result<()> {
    std::future::pending().await
}

/// Waits for Ctrl-C alone.
pub async fn ctrl_c() -> Result<()> {
    tokio::signal::ctrl_c().await.context(|| "cannot listen for Ctrl-C")
}
