//! Events of the scheduler, each printed as a line for people or as an object for machines.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::plan::{JobPlan, moment};
use crate::human;
use crate::ledgers::runs::Outcome;

/// An event of the scheduler, or its state.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The lease is ours.
    Took {
        /// Its fencing token.
        term: u64,
    },
    /// Another holds the lease.
    Waiting {
        /// Who.
        holder: String,
        /// Until when, unless they renew it.
        until: DateTime<Utc>,
    },
    /// The lease is ours no more: what was being done was stopped.
    Lost {
        /// Why.
        why: String,
    },
    /// A job begins.
    Began {
        /// Which.
        job: &'static str,
    },
    /// A job has ended.
    Ended(JobRun),
    /// Something that has to be tried again.
    Trouble {
        /// What.
        error: String,
    },
    /// Nothing is due.
    Health {
        /// The lease's fencing token.
        term: u64,
        /// When each job ran, and will.
        jobs: Vec<JobPlan>,
    },
    /// Told to stop, and has.
    Stopped,
}

impl Event {
    /// Must it be heard also by who wants to hear of errors only?
    pub fn is_trouble(&self) -> bool {
        match self {
            Self::Trouble { .. } | Self::Lost { .. } => true,
            Self::Ended(ran) => ran.error.is_some() || ran.warning.is_some(),
            _ => false,
        }
    }
}

/// A job that ran.
#[derive(Clone, Debug, Serialize)]
pub struct JobRun {
    /// Which.
    pub job: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// Its rows.
    pub rows: u64,
    /// How long it took.
    pub seconds: f64,
    /// Its report, for people.
    pub report: Option<String>,
    /// Its error, or what its report complains of.
    pub error: Option<String>,
    /// What else went wrong.
    pub warning: Option<String>,
}

impl fmt::Display for JobRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // That nothing was to be mended is no news of nothing done: all of it was looked at.
        match (self.job, &self.outcome) {
            ("verify" | "reconcile", Outcome::Nothing) => write!(f, "{}: looked at everything, and all is well", self.job)?,
            (job, Outcome::Nothing) => write!(f, "{job}: looked, and found nothing to do")?,
            (job, outcome) => write!(f, "{job} {}", outcome.name())?,
        }
        if self.rows > 0 {
            write!(f, ", {}", human::counted(self.rows, "row"))?;
        }
        write!(f, ", in {}", human::seconds(self.seconds))?;
        for line in self.report.iter().flat_map(|report| report.lines()) {
            write!(f, "\n  {line}")?;
        }
        if let Some(error) = &self.error {
            write!(f, "\n  error: {error}")?;
        }
        if let Some(warning) = &self.warning {
            write!(f, "\n  warning: {warning}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Took { term } => write!(f, "at work, lease {term}"),
            Self::Waiting { holder, until } => write!(f, "waiting: {holder} is at work, until {} at least", moment(until)),
            Self::Lost { why } => write!(f, "stopped work: {why}"),
            Self::Began { job } => write!(f, "{job} begins"),
            Self::Ended(ran) => write!(f, "{ran}"),
            Self::Trouble { error } => write!(f, "trouble: {error}"),
            Self::Health { term, jobs } => {
                write!(f, "nothing is due, lease {term}")?;
                jobs.iter().try_for_each(|job| write!(f, "; {job}"))
            }
            Self::Stopped => f.write_str("stopped"),
        }
    }
}
