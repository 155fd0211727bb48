//! The clock. This is the only file that reads the system's clock, so that tests can choose the time.

#![expect(clippy::disallowed_methods, reason = "here the system's clock is read")]

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, NaiveDate, Utc};

use crate::error::{Error, Result};

/// The time, as a job or a statement sees it.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Now, in UTC.
    fn now(&self) -> DateTime<Utc>;

    /// Today, in UTC.
    fn today(&self) -> NaiveDate {
        self.now().date_naive()
    }
}

/// The machine's clock.
#[derive(Debug, Default)]
pub struct SystemClock;

impl SystemClock {
    /// The machine's clock, if it can be the time of anything.
    ///
    /// # Errors
    /// Invalid before 1970 and where the calendar ends: some of what we are built on would stop with a panic.
    pub fn checked() -> Result<Self> {
        match since_1970(SystemTime::now()) {
            Some(_) => Ok(Self),
            None => Err(Error::invalid("the clock of this machine stands before 1970, or beyond all calendars: set it")),
        }
    }
}

/// A moment of the system's clock; none before 1970 and where the calendar ends.
fn since_1970(moment: SystemTime) -> Option<DateTime<Utc>> {
    let since = moment.duration_since(UNIX_EPOCH).ok()?;
    // Calendars are asked for the days around it, too.
    let seconds = i64::try_from(since.as_secs()).ok().filter(|seconds| *seconds < LAST_SECOND)?;
    DateTime::from_timestamp(seconds, since.subsec_nanos())
}

/// The end of the year 9999: files and stores know no later times.
const LAST_SECOND: i64 = 253_402_300_800;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        // It was checked when the process began; one that was set back since counts as standing still.
        since_1970(SystemTime::now()).unwrap_or(DateTime::UNIX_EPOCH)
    }
}

/// A clock that stands still until it is told to move: for tests and for jobs run "as of" a day.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn at(now: DateTime<Utc>) -> Self {
        Self(Arc::new(AtomicI64::new(now.timestamp_micros())))
    }

    /// Moves the clock forward.
    pub fn tick(&self, by: chrono::Duration) {
        self.0.fetch_add(by.num_microseconds().unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0.load(Ordering::SeqCst)).unwrap_or(DateTime::UNIX_EPOCH)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_clock_before_1970_or_after_all_calendars_is_none() {
        assert_eq!(since_1970(UNIX_EPOCH), Some(DateTime::UNIX_EPOCH));
        assert_eq!(since_1970(UNIX_EPOCH - Duration::from_secs(1)), None);
        assert_eq!(since_1970(UNIX_EPOCH + Duration::from_secs(253_402_300_800)), None);
        let last = since_1970(UNIX_EPOCH + Duration::from_secs(253_402_300_799)).unwrap();
        assert_eq!(last.date_naive().to_string(), "9999-12-31");
    }
}
