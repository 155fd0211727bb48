//! What `ier run` does by itself, and when.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{NaiveTime, Weekday};
use serde::Deserialize;

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
    /// Also run jobs that destroy; without, they are only named.
    pub confirm: bool,
    /// Where figures for a monitor are written; `None` = nowhere.
    pub metrics_file: Option<PathBuf>,
    /// This machine's name, where the system tells it.
    pub host: Option<String>,
}

impl Run {
    pub(super) fn defaults() -> Self {
        let jobs = RUN_JOBS.iter().map(|(job, schedule)| ((*job).to_owned(), *schedule)).collect();
        Self { jobs, confirm: false, metrics_file: None, host: None }
    }

    /// Lays one source over what is known.
    pub(super) fn lay(&mut self, layer: RunLayer, place: &dyn Fn(&str) -> String) -> Result<()> {
        for (job, words) in layer.jobs {
            let key = place(&format!("run.{job}"));
            let Some(schedule) = self.jobs.get_mut(&job) else {
                let jobs = RUN_JOBS.iter().map(|(job, _)| format!("run.{job}")).collect::<Vec<_>>().join(", ");
                return Err(Error::invalid(format!("{key} is no setting; give one of {jobs}, run.confirm, run.metrics_file")));
            };
            *schedule = words.parse().map_err(|right| Error::invalid(format!("{key} is \"{words}\"; {right}")))?;
        }
        if let Some(confirm) = layer.confirm {
            self.confirm = confirm;
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
    pub(super) confirm: Option<bool>,
    pub(super) metrics_file: Option<PathBuf>,
    /// Everything else; what is no job is refused when it is laid.
    #[serde(flatten)]
    pub(super) jobs: BTreeMap<String, String>,
}
