//! The scheduler's plan: when each job last ran, and when it will run next.

use std::fmt;

use chrono::{DateTime, FixedOffset, TimeZone};
use serde::Serialize;

use super::removal::Removal;

/// When a job ran, and will run, in the schedules' zone.
#[derive(Clone, Debug, Serialize)]
pub struct JobPlan {
    /// The job's name.
    pub job: &'static str,
    /// Its schedule.
    pub schedule: String,
    /// When its newest run ended.
    pub last: Option<DateTime<FixedOffset>>,
    /// The outcome of its newest run.
    pub outcome: Option<String>,
    /// When it begins next; not after now where it is due.
    pub next: Option<DateTime<FixedOffset>>,
    /// Is it due?
    pub due: bool,
    /// Whether it destroys and waits for confirmation, so that it does not run.
    pub unconfirmed: bool,
    /// What it would remove now; only of jobs that destroy, when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removal: Option<Removal>,
}

impl fmt::Display for JobPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.job)?;
        match (&self.outcome, self.last) {
            (Some(outcome), Some(last)) => write!(f, " {} {}", found(self.job, outcome), moment(&last))?,
            _ => f.write_str(" never ran")?,
        }
        match self.next {
            _ if self.unconfirmed => write!(f, ", waits for run.confirm = [\"{}\"]", self.job),
            None => f.write_str(", off"),
            Some(_) if self.due => f.write_str(", due"),
            Some(next) => write!(f, ", next {}", moment(&next)),
        }
    }
}

/// An outcome in words: that nothing was to be done, or to be mended, is no news of nothing looked at.
fn found<'a>(job: &str, outcome: &'a str) -> &'a str {
    match (job, outcome) {
        ("verify" | "reconcile", "nothing") => "found all well",
        (_, "nothing") => "found nothing to do",
        (_, outcome) => outcome,
    }
}

pub(super) fn moment<Z: TimeZone<Offset: fmt::Display>>(at: &DateTime<Z>) -> String {
    at.format("%Y-%m-%d %H:%M:%S%:z").to_string()
}
