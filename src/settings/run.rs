//! `[run]`: which jobs `ier run` does, when, which of them may destroy something, and where figures for a monitor are written.
//!
//! # Decisions
//! - 2026-11-28 **Consent to destroy is given job by job; `confirm = true` is refused, `false` is an empty list.** An old
//!   `true` may have meant one job only, and nobody can tell which. An old `false` meant nothing, and means it still.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use chrono::{NaiveTime, Weekday};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::calendar::Schedule;
use crate::error::{Error, Result};

/// The jobs that can be scheduled, and when they run unless it is said. Each has a line in the scheduler's table, too.
pub const RUN_JOBS: &[(&str, Schedule)] = &[
    ("archive", Schedule::Daily(at(2))),
    ("compact", Schedule::Weekly(Weekday::Sun, at(3))),
    ("retain", Schedule::Monthly(1, at(4))),
    ("vacuum", Schedule::Weekly(Weekday::Sun, at(5))),
    ("finish_erasures", Schedule::Daily(at(4))),
    ("reconcile", Schedule::Weekly(Weekday::Sun, at(6))),
    ("verify", Schedule::Monthly(1, at(5))),
];

/// The jobs among them that destroy something. Each wants a consent of its own: that one may says nothing about another.
pub const DESTROYING_JOBS: [&str; 3] = ["vacuum", "retain", "finish_erasures"];

const fn at(hour: u32) -> NaiveTime {
    match NaiveTime::from_hms_opt(hour, 0, 0) {
        Some(time) => time,
        None => NaiveTime::MIN,
    }
}

/// What `ier run` does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Run {
    /// When each job runs, in the settings' zone.
    pub jobs: BTreeMap<String, Schedule>,
    /// The jobs that destroy and may; the others are only named. All of them are among [`DESTROYING_JOBS`].
    pub confirm: BTreeSet<String>,
    /// Where figures for a monitor are written; `None` = nowhere.
    pub metrics_file: Option<PathBuf>,
    /// This machine's name, where the system tells it.
    pub host: Option<String>,
}

impl Run {
    pub(super) fn defaults() -> Self {
        let jobs = RUN_JOBS.iter().map(|(job, schedule)| ((*job).to_owned(), *schedule)).collect();
        Self { jobs, confirm: BTreeSet::new(), metrics_file: None, host: None }
    }

    /// Lays one source over what is known.
    pub(super) fn apply(&mut self, layer: RunLayer, place: &dyn Fn(&str) -> String) -> Result<()> {
        for (job, words) in layer.jobs {
            let key = place(&format!("run.{job}"));
            let Some(schedule) = self.jobs.get_mut(&job) else {
                let jobs = RUN_JOBS.iter().map(|(job, _)| format!("run.{job}")).collect::<Vec<_>>().join(", ");
                return Err(Error::invalid(phrase!("{key} is no setting; give one of {jobs}, run.confirm, run.metrics_file")));
            };
            *schedule = words.parse().map_err(|right| Error::invalid(phrase!("{key} is \"{words}\"; {right}")))?;
        }
        if let Some(confirm) = layer.confirm {
            self.confirm = confirm.checked(&place("run.confirm"))?;
        }
        if let Some(path) = layer.metrics_file.filter(|path| !path.as_os_str().is_empty()) {
            self.metrics_file = Some(path);
        }
        Ok(())
    }
}

/// One source of these settings.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RunLayer {
    pub(super) confirm: Option<Consent>,
    pub(super) metrics_file: Option<PathBuf>,
    /// Everything else; what is no job is refused when it is laid.
    #[serde(flatten)]
    pub(super) jobs: BTreeMap<String, String>,
}

/// Which jobs may destroy, as a source of settings tells it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Consent {
    /// These.
    Of(Vec<String>),
    /// `true`: what once let all of them.
    Everything,
}

impl Consent {
    /// From a text: names with commas between, or what was a truth once.
    pub(super) fn parse(text: &str) -> Self {
        match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" => Self::Everything,
            "false" | "0" | "no" => Self::Of(Vec::new()),
            names => Self::Of(names.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()),
        }
    }

    /// The names, each of a job that destroys.
    fn checked(self, place: &str) -> Result<BTreeSet<String>> {
        let jobs = DESTROYING_JOBS.map(|job| format!("\"{job}\"")).join(", ");
        let names = match self {
            Self::Of(names) => names,
            Self::Everything => {
                let variable = DESTROYING_JOBS.join(",");
                return Err(Error::invalid(phrase!(
                    "{place} is true: consent is now given job by job; write those of [{jobs}] that may run by themselves \
                     (as a variable: {variable}). And records expire only where retain.years or a rule says so: three years \
                     are no longer the default"
                )));
            }
        };
        match names.iter().find(|name| !DESTROYING_JOBS.contains(&name.as_str())) {
            Some(wrong) => Err(Error::invalid(phrase!("{place} names \"{wrong}\"; give any of the jobs that destroy: {jobs}"))),
            None => Ok(names.into_iter().collect()),
        }
    }
}

impl<'de> Deserialize<'de> for Consent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct NamesOrTruth;
        impl<'de> Visitor<'de> for NamesOrTruth {
            type Value = Consent;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of jobs, such as [\"vacuum\"]")
            }

            fn visit_bool<E: de::Error>(self, all: bool) -> std::result::Result<Consent, E> {
                Ok(if all { Consent::Everything } else { Consent::Of(Vec::new()) })
            }

            fn visit_str<E: de::Error>(self, text: &str) -> std::result::Result<Consent, E> {
                Ok(Consent::parse(text))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<Consent, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = seq.next_element::<String>()? {
                    names.push(name);
                }
                Ok(Consent::Of(names))
            }
        }
        deserializer.deserialize_any(NamesOrTruth)
    }
}
