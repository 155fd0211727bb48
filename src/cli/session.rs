//! One run of `ier`: its settings, its clock, and how it prints.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use chrono::NaiveDate;
use serde::Serialize;

use crate::calendar::days::Today;
use crate::clock::{Clock, SystemClock};
use crate::error::Result;
use crate::human::local_times;
use crate::jobs::clock;
use crate::lake::log::marker::FORMAT;
use crate::ledgers::runs::{Report, asked};
use crate::progress::Progress;
use crate::settings::Settings;
use crate::tiers::warehouse::Warehouse;

use super::args::{Args, ClockArgs, Day, Global};
use super::print;
use super::progress;

/// One run.
#[derive(Clone, Debug)]
pub struct Session {
    /// Checked settings.
    pub settings: Settings,
    /// Where the settings file is, or would be.
    pub folder: PathBuf,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The flags every verb has.
    pub global: Global,
    /// The warehouse, once it is opened: all parts of a run share its store, and what is counted of it.
    pub(super) opened: OnceLock<Arc<Warehouse>>,
}

impl Session {
    /// Reads the settings the flags and the environment ask for.
    pub fn new(args: &Args, env: Vec<(String, String)>) -> Result<Self> {
        let file = Settings::locate(args.global.config.as_deref(), &env, Path::new(""));
        let settings = Settings::resolve(file.as_deref(), env.into_iter(), args.overrides())?;
        let folder = file.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
        let clock = Arc::new(SystemClock::checked()?);
        Ok(Self { settings, folder, clock, global: args.global.clone(), opened: OnceLock::new() })
    }

    /// A bar for a job, when somebody is there to see it.
    pub fn progress(&self) -> Result<Arc<dyn Progress>> {
        progress::start(self.global.quiet || self.global.json)
    }

    /// Plans, does a job's work, which is handed the plan and the run's number, and prints its report. The run is written down in
    /// `job_run`; where it cannot be, that is a warning, since the work is done.
    ///
    /// # Errors
    /// The plan's and the work's own, or what the report complains of.
    pub async fn job<P, R: Report, F: Future<Output = Result<R>>>(
        &self,
        warehouse: &Arc<Warehouse>,
        job: &str,
        plan: impl Future<Output = Result<P>>,
        work: impl FnOnce(P, String) -> F,
    ) -> Result<()> {
        let ended = asked(warehouse, (job, &self.settings.audit.who), plan, work).await?;
        self.report(&ended.report, R::to_string)?;
        if let Some(error) = &ended.unrecorded {
            let warning = format!("{job} has done its work, but job_run does not tell of it: {error}");
            print::warning(&self.in_full(&warning))?;
        }
        ended.report.complaint().map_or(Ok(()), Err)
    }

    /// Refuses to go by a clock that is not to be believed, unless a person says that it is right; `what` is what would have been done.
    ///
    /// # Errors
    /// Invalid when the clock is far from everything that is known here.
    pub async fn believe(&self, warehouse: &Arc<Warehouse>, args: ClockArgs, what: &str) -> Result<()> {
        match args.clock_is_right {
            true => clock::confirm(warehouse, &self.settings.audit.who).await,
            false => clock::check(warehouse, what).await,
        }
    }

    /// Says on standard error what was asked of the store, where that is wished.
    pub fn stats(&self) -> Result<()> {
        let (true, Some(warehouse)) = (self.global.stats, self.opened.get()) else { return Ok(()) };
        print::note(self.global.json, &warehouse.root().traffic.counts())
    }

    /// Says on standard error that the warehouse was of an older format and is of this program's now.
    pub fn report_upgrade(&self) -> Result<()> {
        let Some(root) = self.opened.get().map(|warehouse| warehouse.root()) else { return Ok(()) };
        let Some(before) = root.markers.upgraded_here() else { return Ok(()) };
        print::warning(&format!(
            "the warehouse at {} was of format {before} and is of format {FORMAT} now: use no older ier on it any more",
            root.location()
        ))
    }

    /// Prints what was asked for, even when told to be quiet.
    pub fn answer<T: Serialize + Display>(&self, value: &T) -> Result<()> {
        print::report(self.global.json, value, |value| self.in_full(&value.to_string()))
    }

    /// The day a flag names, where it was given.
    ///
    /// # Errors
    /// Invalid for what is no day.
    pub fn day(&self, flag: &str, day: Option<&Day>) -> Result<Option<NaiveDate>> {
        day.map(|day| day.on(flag, Today::at(self.clock.now(), self.settings.zone))).transpose()
    }

    /// Prints what would be done, and for people what word does it.
    pub fn unconfirmed<T: Serialize + Display>(&self, plan: &T, what_now: &str) -> Result<()> {
        self.answer(plan)?;
        if self.global.json { Ok(()) } else { print::line(what_now) }
    }

    /// Prints what was done, unless told to be quiet.
    pub fn report<T: Serialize>(&self, value: &T, human: impl FnOnce(&T) -> String) -> Result<()> {
        if self.global.quiet && !self.global.json {
            return Ok(());
        }
        print::report(self.global.json, value, |value| self.in_full(&human(value)))
    }

    /// A text for people: objects of the warehouse are named as a person finds them, by a path from the first slash on, or a URL, and
    /// moments are shown in the settings' zone.
    pub fn in_full(&self, text: &str) -> String {
        local_times(&self.with_places(text), self.settings.zone)
    }

    /// A text whose objects of the warehouse are named in full, and whose moments are as they were written: those of records in UTC.
    pub fn with_places(&self, text: &str) -> String {
        self.opened.get().map_or_else(|| text.to_owned(), |warehouse| warehouse.root().in_full(text))
    }

    /// What became of some work on this warehouse, its error with objects named in full.
    pub fn with_full_names<T>(&self, outcome: Result<T>) -> Result<T> {
        let value = |value: &str| if self.global.json { self.with_places(value) } else { self.in_full(value) };
        outcome.map_err(|error| error.with_values(value))
    }
}
