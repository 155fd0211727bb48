//! `ier run`: runs all jobs on their schedules, in one process, under the warehouse's [lease].
//!
//! Which jobs are due is read from the ledger of runs each time. So a restart forgets nothing, and runs by hand count. One job runs
//! at a time. The lease is renewed before each job and while it runs. If the lease is lost, the job is dropped at its next await;
//! that leaves nothing half done, because a table changes in one commit. The module [lease] says what the lease guarantees, and why
//! no table depends on it.
//!
//! The results of runs are also kept in memory. So if the ledger cannot be written, a failed job still waits for its next try, and
//! a finished job is not repeated at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use tokio::time::{sleep, timeout};

pub use self::context::JobContext;
pub use self::events::{Event, JobRun};
pub use self::plan::JobPlan;
pub use self::removal::{Removal, TableRemoval};
pub use self::table::{JOBS, JobResult, Scheduled};
use super::{clock, metrics, schedule};
use crate::calendar::Schedule;
use crate::error::{Error, Kind, Result};
use crate::ledgers::lease::{self, Attempt, Candidate, Lease, Terms};
use crate::ledgers::runs::{History, Outcome, histories};

// Events of the scheduler, printed as a line for people or an object for machines.
mod events;

// When each job last ran, and when it will run next.
mod plan;

// Previews what each job that destroys would remove now.
mod removal;

// What the scheduler hands to its jobs: the warehouse, the user and their settings.
mod context;

// The jobs `ier run` can do: add one here, and its name to the settings.
mod table;

/// How often who has nothing to do looks at the clock and says how things stand.
pub const LOOK: Duration = Duration::from_secs(60);
/// How often who waits for the lease looks whether it is free.
const LOOK_LEASE: Duration = Duration::from_secs(10);
/// How often metrics are written when nothing happens.
const METRICS: TimeDelta = TimeDelta::minutes(5);
/// How long a scheduler that was told to stop tries to give its lease back.
const FAREWELL: Duration = Duration::from_secs(5);

/// All jobs of a warehouse.
pub struct Scheduler {
    /// What the jobs need to know.
    pub context: JobContext,
    /// When each job runs.
    pub schedules: BTreeMap<String, Schedule>,
    /// In which zone that is meant.
    pub zone: Tz,
    /// The jobs that destroy and may.
    pub confirm: BTreeSet<String>,
    /// The jobs.
    pub jobs: &'static [Scheduled],
    /// Who works, for people: the lease names them.
    pub holder: String,
    /// For how long the lease holds.
    pub terms: Terms,
    /// How often to look at the clock when nothing is due, and to say how things stand.
    pub look: Duration,
    /// Where metrics go.
    pub metrics_file: Option<PathBuf>,
    /// What became of the jobs this process did.
    pub memory: Memory,
}

/// The runs that this process remembers.
#[derive(Debug, Default)]
pub struct Memory(Mutex<BTreeMap<&'static str, History>>);

/// The plan: which jobs are due now, and when each will run.
#[derive(Clone, Debug, Serialize)]
pub struct RunPlan {
    /// Who holds the lease.
    pub lease: Option<String>,
    /// The jobs, in their order.
    pub jobs: Vec<JobPlan>,
    /// Why jobs that go by the clock would be refused.
    pub clock: Option<String>,
}

/// The report of one pass over the schedules.
#[derive(Debug, Serialize)]
pub struct OnceReport {
    /// Who was at work already: then nothing was done.
    pub held_by: Option<String>,
    /// What ran.
    pub ran: Vec<JobRun>,
    /// The jobs, after that.
    pub jobs: Vec<JobPlan>,
    /// The first job's error.
    #[serde(skip)]
    pub error: Option<Error>,
}

impl fmt::Display for RunPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.lease {
            Some(holder) => write!(f, "at work: {holder}")?,
            None => f.write_str("no scheduler is at work")?,
        }
        for job in &self.jobs {
            write!(f, "\n{job} ({})", job.schedule)?;
            job.removal.iter().try_for_each(|removal| write!(f, "\n  {removal}"))?;
        }
        self.clock.iter().try_for_each(|refused| write!(f, "\n{refused}"))
    }
}

impl fmt::Display for OnceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(holder) = &self.held_by {
            return write!(f, "nothing done: {holder} is at work");
        }
        if self.ran.is_empty() {
            f.write_str("nothing is due")?;
        }
        for (at, ran) in self.ran.iter().enumerate() {
            write!(f, "{}{ran}", if at > 0 { "\n" } else { "" })?;
        }
        self.jobs.iter().try_for_each(|job| write!(f, "\n{job}"))
    }
}

impl Scheduler {
    fn now(&self) -> DateTime<Utc> {
        self.context.warehouse.clock().now()
    }

    /// Which jobs are due now and when each will run. For jobs that destroy also what they would remove now, confirmed or not.
    /// Writes nothing.
    pub async fn plan(&self) -> Result<RunPlan> {
        let lease = lease::newest(&self.context.warehouse, self.terms).await?;
        let holder = lease.filter(|lease| lease.until > self.now()).and_then(|lease| lease.holder().map(str::to_owned));
        let mut jobs = self.jobs().await?;
        for job in jobs.iter_mut().filter(|job| job.next.is_some()) {
            let removes = self.jobs.iter().find(|scheduled| scheduled.name == job.job).and_then(|scheduled| scheduled.destroys);
            if let Some(removes) = removes {
                job.removal = Some(removes(self.context.clone()).await.unwrap_or_else(|error| Removal::unknown(&error)));
            }
        }
        let clock = match clock::check(&self.context.warehouse, "a job that destroys or archives").await {
            Err(error) if error.kind() == Kind::Invalid => Some(error.to_string()),
            checked => checked.map(|()| None)?,
        };
        Ok(RunPlan { lease: holder, jobs, clock })
    }

    async fn jobs(&self) -> Result<Vec<JobPlan>> {
        let now = self.now();
        let mut known = histories(&self.context.warehouse).await?;
        for (job, run) in self.memory.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            if known.get(*job).is_none_or(|known| known.started_at < run.started_at) {
                known.insert((*job).to_owned(), run.clone());
            }
        }
        let here = |moment: DateTime<Utc>| moment.with_timezone(&self.zone).fixed_offset();
        let plan = |job: &Scheduled| {
            let schedule = self.schedules.get(job.name).copied().unwrap_or(Schedule::Off);
            let history = known.get(job.name);
            let next = schedule::next(&schedule, history, now, self.zone);
            let unconfirmed = job.destroys.is_some() && !self.confirm.contains(job.name) && next.is_some();
            JobPlan {
                job: job.name,
                schedule: schedule.to_string(),
                last: history.map(|run| here(run.finished_at)),
                outcome: history.map(|run| run.outcome.clone()),
                next: next.map(here),
                due: !unconfirmed && next.is_some_and(|next| next <= now),
                unconfirmed,
                removal: None,
            }
        };
        Ok(self.jobs.iter().map(plan).collect())
    }

    /// Does one job, and remembers what became of it.
    async fn work(&self, job: &'static str) -> Result<(JobRun, Option<Error>)> {
        let scheduled = self.jobs.iter().find(|scheduled| scheduled.name == job);
        let scheduled = scheduled.ok_or_else(|| Error::internal(phrase!("no job {job}")))?;
        let started_at = self.now();
        let before = histories(&self.context.warehouse).await?.remove(job);
        let done = (scheduled.work)(self.context.clone()).await;
        let finished_at = self.now();
        let (outcome, rows, report, error, warning) = match done {
            Ok(done) => (done.outcome, done.rows, Some(done.summary), done.complaint, done.unrecorded),
            Err(error) => (Outcome::Failed, 0, None, Some(error), None),
        };
        let failed = outcome == Outcome::Failed;
        let mut memory = self.memory.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = memory.get(job).cloned().into_iter().chain(before).max_by_key(|run| run.started_at);
        let success = |moment: DateTime<Utc>, earlier: fn(&History) -> Option<DateTime<Utc>>| match failed {
            true => before.as_ref().and_then(earlier),
            false => Some(moment),
        };
        let history = History {
            started_at,
            finished_at,
            outcome: outcome.name().to_owned(),
            rows,
            succeeded_started_at: success(started_at, |run| run.succeeded_started_at),
            succeeded_at: success(finished_at, |run| run.succeeded_at),
            failures: if failed { before.as_ref().map_or(0, |run| run.failures) + 1 } else { 0 },
        };
        let seconds = history.seconds();
        memory.insert(scheduled.name, history);
        let ran = JobRun {
            job: scheduled.name,
            outcome,
            rows,
            seconds,
            report,
            error: error.as_ref().map(ToString::to_string),
            warning: warning.map(|error| format!("job_run does not tell of this run: {error}")),
        };
        Ok((ran, error))
    }

    async fn write_metrics(&self) -> Result<()> {
        let Some(path) = &self.metrics_file else { return Ok(()) };
        metrics::write(&metrics::metrics(&self.context.warehouse, self.terms).await?, path)
    }

    /// Does everything that is due, in order, and returns. Where another is at work it does nothing.
    ///
    /// # Errors
    /// When the store does not answer, when the lease is lost, or `stop` says so. A job's failure is in the report.
    pub async fn once(&self, stop: impl Future<Output = Error>) -> Result<OnceReport> {
        let mut candidate = Candidate::new(&self.context.warehouse, &self.holder, self.terms);
        let mut lease = match candidate.take().await? {
            Attempt::Ours(lease) => lease,
            Attempt::Held(newest) => {
                let held_by = newest.holder().map(str::to_owned);
                return Ok(OnceReport { held_by, ran: Vec::new(), jobs: self.jobs().await?, error: None });
            }
        };
        let done = tokio::select! {
            stopped = stop => Err(stopped),
            done = self.all_due(&mut lease) => done,
        };
        let released = timeout(FAREWELL, lease.release()).await;
        let mut report = done?;
        let late = |_elapsed| Err(Error::unavailable("the lease could not be given back: it expires by itself"));
        if let Err(error) = released.unwrap_or_else(late) {
            report.error.get_or_insert(error);
        }
        Ok(report)
    }

    async fn all_due(&self, lease: &mut Lease) -> Result<OnceReport> {
        let mut report = OnceReport { held_by: None, ran: Vec::new(), jobs: Vec::new(), error: None };
        for job in self.jobs().await?.into_iter().filter(|job| job.due) {
            lease.renew().await?;
            let (ran, error) = tokio::select! {
                biased;
                lost = lease.keep() => return Err(lost),
                done = self.work(job.job) => done?,
            };
            report.ran.push(ran);
            report.error = report.error.or(error);
        }
        report.jobs = self.jobs().await?;
        if let Err(error) = self.write_metrics().await {
            report.error.get_or_insert(error);
        }
        Ok(report)
    }

    /// Works, or waits for its turn, until `stop` says why to stop. `tell` hears what happens, and once a minute how things
    /// stand. Trouble with the store ends nothing: it is reported, and the work is tried again.
    pub async fn run_until(&self, stop: impl Future<Output = Error>, tell: &(dyn Fn(&Event) -> Result<()> + Sync)) -> Result<()> {
        let mut held: Option<Lease> = None;
        let stopped = tokio::select! {
            biased;
            stopped = stop => stopped,
            failed = self.shifts(&mut held, tell) => match failed {
                Ok(never) => match never {},
                Err(error) => error,
            },
        };
        if let Some(lease) = held {
            match timeout(FAREWELL, lease.release()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tell(&Event::Trouble { error: error.to_string() })?,
                Err(_elapsed) => tell(&Event::Trouble { error: "the lease could not be given back: it expires".to_owned() })?,
            }
        }
        if stopped.kind() != Kind::Interrupted {
            return Err(stopped);
        }
        tell(&Event::Stopped)
    }

    async fn shifts(
        &self,
        held: &mut Option<Lease>,
        tell: &(dyn Fn(&Event) -> Result<()> + Sync),
    ) -> Result<std::convert::Infallible> {
        let mut candidate = Candidate::new(&self.context.warehouse, &self.holder, self.terms);
        let mut reported_at: Option<DateTime<Utc>> = None;
        let mut waits_for: Option<String> = None;
        let mut measured: Option<DateTime<Utc>> = None;
        let look_lease = LOOK_LEASE.min(self.terms.ttl);
        loop {
            let Some(lease) = held.as_mut() else {
                match candidate.take().await {
                    Ok(Attempt::Ours(lease)) => {
                        tell(&Event::Took { term: lease.term() })?;
                        (*held, reported_at, waits_for) = (Some(lease), None, None);
                    }
                    Ok(Attempt::Held(newest)) => {
                        let holder = newest.holder().map(str::to_owned);
                        if holder != waits_for || self.is_over(reported_at, self.look) {
                            (waits_for, reported_at) = (holder.clone(), Some(self.now()));
                            tell(&Event::Waiting { holder: holder.unwrap_or_default(), until: newest.until })?;
                        }
                        sleep(look_lease).await;
                    }
                    Err(error) => {
                        tell(&Event::Trouble { error: error.to_string() })?;
                        sleep(look_lease).await;
                    }
                }
                continue;
            };
            let step = match lease.renew().await {
                Ok(()) => {
                    let term = lease.term();
                    tokio::select! {
                        biased;
                        lost = lease.keep() => Err(lost),
                        done = self.step(term, &mut reported_at, &mut measured, tell) => done,
                    }
                }
                Err(error) => Err(error),
            };
            match step {
                Ok(()) => {}
                Err(error) if error.kind() == Kind::Conflict => {
                    tell(&Event::Lost { why: error.to_string() })?;
                    *held = None;
                }
                Err(error) => {
                    tell(&Event::Trouble { error: error.to_string() })?;
                    sleep(look_lease).await;
                }
            }
        }
    }

    fn is_over(&self, since: Option<DateTime<Utc>>, span: Duration) -> bool {
        since.is_none_or(|since| self.now() - since >= TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX))
    }

    /// Does what is due first; or says how things stand, and waits until something may be.
    async fn step(
        &self,
        term: u64,
        reported_at: &mut Option<DateTime<Utc>>,
        measured: &mut Option<DateTime<Utc>>,
        tell: &(dyn Fn(&Event) -> Result<()> + Sync),
    ) -> Result<()> {
        let jobs = self.jobs().await?;
        if let Some(due) = jobs.iter().find(|job| job.due) {
            tell(&Event::Began { job: due.job })?;
            let (ran, _) = self.work(due.job).await?;
            tell(&Event::Ended(ran))?;
            (*reported_at, *measured) = (None, None);
            return Ok(());
        }
        if measured.is_none_or(|at| self.now() - at >= METRICS) {
            *measured = Some(self.now());
            if let Err(error) = self.write_metrics().await {
                tell(&Event::Trouble { error: error.to_string() })?;
            }
        }
        let next = jobs.iter().filter(|job| !job.unconfirmed).filter_map(|job| job.next).min();
        if self.is_over(*reported_at, self.look) {
            *reported_at = Some(self.now());
            tell(&Event::Health { term, jobs })?;
        }
        let until = next.and_then(|next| next.signed_duration_since(self.now()).to_std().ok()).unwrap_or(self.look);
        sleep(until.max(Duration::from_millis(10)).min(self.look)).await;
        Ok(())
    }
}
