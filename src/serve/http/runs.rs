//! Statements that run, or ran a moment ago: how far each is, and what stops it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use tokio::sync::watch;
use uuid::Uuid;

/// What has ended is remembered so long.
const REMEMBERED: TimeDelta = TimeDelta::minutes(10);

/// Ended statements that are remembered.
const MOST: usize = 1_000;

/// Where a statement is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// It is computed, or its rows are sent.
    Running,
    /// It was sent whole.
    Done,
    /// It failed.
    Failed,
    /// Somebody stopped it, or who asked went away.
    Cancelled,
}

/// A statement.
#[derive(Debug)]
pub(crate) struct Run {
    id: Uuid,
    who: String,
    started_at: DateTime<Utc>,
    rows: AtomicU64,
    ended: Mutex<(State, Option<DateTime<Utc>>)>,
    stop: watch::Sender<bool>,
}

/// What is told of one.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Told {
    /// Its number.
    pub(crate) run: String,
    /// Where it is.
    pub(crate) state: State,
    /// Rows found so far.
    pub(crate) rows: u64,
    /// When it began.
    pub(crate) started_at: DateTime<Utc>,
    /// How long it has taken, in seconds.
    pub(crate) seconds: f64,
}

impl Run {
    pub(crate) fn id(&self) -> Uuid {
        self.id
    }

    /// More rows were found.
    pub(crate) fn found(&self, rows: usize) {
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// Rows found so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Comes back when somebody stops it.
    pub(crate) async fn stopped(&self) {
        drop(self.stop.subscribe().wait_for(|stop| *stop).await);
    }

    /// It has ended; the first word counts.
    pub(crate) fn end(&self, state: State, now: DateTime<Utc>) {
        let mut ended = locked(&self.ended);
        if ended.1.is_none() {
            *ended = (state, Some(now));
        }
    }

    fn told(&self, now: DateTime<Utc>) -> Told {
        let (state, ended) = *locked(&self.ended);
        let seconds = (ended.unwrap_or(now) - self.started_at).as_seconds_f64();
        Told { run: self.id.to_string(), state, rows: self.rows(), started_at: self.started_at, seconds }
    }
}

/// All that are known.
#[derive(Debug, Default)]
pub(crate) struct Runs(Mutex<HashMap<Uuid, Arc<Run>>>);

impl Runs {
    /// One begins, under a number that its asker chose, or a new one; `None` where the number is taken.
    pub(crate) fn begin(&self, id: Option<Uuid>, who: &str, now: DateTime<Utc>) -> Option<Arc<Run>> {
        let mut known = locked(&self.0);
        let is_old = |run: &Arc<Run>| locked(&run.ended).1.is_some_and(|ended| now - ended >= REMEMBERED);
        known.retain(|_, run| !is_old(run));
        if known.len() >= MOST {
            let ended = |run: &Arc<Run>| locked(&run.ended).1;
            let oldest = known.values().filter_map(|run| Some((ended(run)?, run.id))).min().map(|(_, id)| id);
            oldest.and_then(|id| known.remove(&id));
        }
        let id = id.unwrap_or_else(Uuid::new_v4);
        if known.contains_key(&id) {
            return None;
        }
        let (rows, ended) = (AtomicU64::new(0), Mutex::new((State::Running, None)));
        let run = Arc::new(Run { id, who: who.to_owned(), started_at: now, rows, ended, stop: watch::Sender::new(false) });
        known.insert(id, run.clone());
        Some(run)
    }

    /// Those of somebody, or of all, newest first.
    pub(crate) fn list(&self, of: Option<&str>, now: DateTime<Utc>) -> Vec<Told> {
        let known = locked(&self.0);
        let mut told: Vec<Told> =
            known.values().filter(|run| of.is_none_or(|who| run.who == who)).map(|run| run.told(now)).collect();
        told.sort_by(|a, b| (b.started_at, &b.run).cmp(&(a.started_at, &a.run)));
        told
    }

    /// One of somebody's, or of anybody's.
    pub(crate) fn get(&self, id: Uuid, of: Option<&str>, now: DateTime<Utc>) -> Option<Told> {
        locked(&self.0).get(&id).filter(|run| of.is_none_or(|who| run.who == who)).map(|run| run.told(now))
    }

    /// Stops one of somebody's, or of anybody's; `false` where there is none.
    pub(crate) fn stop(&self, id: Uuid, of: Option<&str>) -> bool {
        let known = locked(&self.0);
        let run = known.get(&id).filter(|run| of.is_none_or(|who| run.who == who));
        run.is_some_and(|run| {
            run.stop.send_replace(true);
            true
        })
    }

    /// How many run now.
    pub(crate) fn running(&self) -> usize {
        locked(&self.0).values().filter(|run| locked(&run.ended).1.is_none()).count()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_known_to_who_asked_it_and_forgotten_a_while_after_it_ended() {
        let (runs, now) = (Runs::default(), DateTime::UNIX_EPOCH);
        let run = runs.begin(None, "ana", now).unwrap();
        assert!(runs.begin(Some(run.id()), "ana", now).is_none(), "the number is taken");
        run.found(3);
        assert_eq!(runs.get(run.id(), Some("ana"), now).unwrap().rows, 3);
        assert!(runs.get(run.id(), Some("bob"), now).is_none() && !runs.stop(run.id(), Some("bob")));
        assert!(runs.get(run.id(), None, now).is_some());
        assert_eq!(runs.running(), 1);
        run.end(State::Done, now);
        run.end(State::Cancelled, now);
        assert_eq!(runs.list(Some("ana"), now)[0].state, State::Done, "the first word counts");
        assert_eq!(runs.running(), 0);
        runs.begin(None, "ana", now + REMEMBERED).unwrap();
        assert!(runs.get(run.id(), None, now).is_none());
    }
}
