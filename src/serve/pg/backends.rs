//! All sessions of the server, and how a statement is cancelled from another connection.
//!
//! To cancel a statement, a client sends the number of its session and a key that only the session's client knows. A wrong key gets
//! the same silence as a right one, and only after a delay: there are four thousand million keys to try.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::serve::access::random;

/// Who has a wrong key waits so long.
const DOUBT: Duration = Duration::from_millis(200);

#[derive(Default)]
pub(super) struct Backends(Mutex<HashMap<i32, Arc<Stopper>>>);

/// How one session's statement is stopped.
struct Stopper {
    key: [u8; 4],
    /// The statement that runs, if any.
    running: Mutex<Option<Arc<Notify>>>,
}

impl Backends {
    fn all(&self) -> MutexGuard<'_, HashMap<i32, Arc<Stopper>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number and a key for a new session.
    pub(super) fn enter(self: &Arc<Self>) -> Backend {
        let mut all = self.all();
        loop {
            let [one, two, three, four, rest @ ..] = random();
            let key = [rest[0], rest[1], rest[2], rest[3]];
            // Numbers are positive, as those of processes are.
            let number = i32::from_be_bytes([one & 0x7F, two, three, four]);
            if let (1.., Entry::Vacant(place)) = (number, all.entry(number)) {
                let stopper = place.insert(Arc::new(Stopper { key, running: Mutex::default() })).clone();
                return Backend { number, stopper, backends: self.clone() };
            }
        }
    }

    /// Stops the statement of the session that has this number and key, if it runs one.
    pub(super) async fn cancel(&self, number: i32, key: &[u8]) {
        let stopper = self.all().get(&number).cloned();
        match stopper.filter(|stopper| stopper.key == key) {
            Some(stopper) => {
                if let Some(running) = &*stopper.running.lock().unwrap_or_else(PoisonError::into_inner) {
                    running.notify_one();
                }
            }
            None => tokio::time::sleep(DOUBT).await,
        }
    }
}

/// A session's place among them; it is left when this goes.
pub(super) struct Backend {
    number: i32,
    stopper: Arc<Stopper>,
    backends: Arc<Backends>,
}

impl Backend {
    pub(super) fn number(&self) -> i32 {
        self.number
    }

    pub(super) fn key(&self) -> i32 {
        i32::from_be_bytes(self.stopper.key)
    }

    /// A statement begins: what is returned hears when it is to stop.
    pub(super) fn begins(&self) -> Stop {
        let heard = Arc::new(Notify::new());
        *self.stopper.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(heard.clone());
        Stop { heard, stopper: self.stopper.clone() }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.backends.all().remove(&self.number);
    }
}

/// Hears that a statement is to stop, for as long as it runs.
pub(super) struct Stop {
    heard: Arc<Notify>,
    stopper: Arc<Stopper>,
}

impl Stop {
    pub(super) async fn heard(&self) {
        self.heard.notified().await;
        // It stays heard.
        self.heard.notify_one();
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        *self.stopper.running.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
