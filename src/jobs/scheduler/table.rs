//! The jobs `ier run` can do: **add one here**, and its name to the settings.

use std::future::Future;
use std::sync::Arc;

use chrono::Duration;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::removal::{self, Removal};
use super::shift::Shift;
use crate::error::{Error, Result};
use crate::jobs::erase::finish;
use crate::jobs::{archive, clock, compact, reconcile, retain, vacuum, verify};
use crate::ledgers::runs::{Outcome, Report, recorded};
use crate::progress::{Progress, Silent};
use crate::query::engine::Engine;

/// Files unused for less than this stay when nobody says otherwise.
const VACUUM_RETAIN_DAYS: i64 = 7;

/// The jobs, in the order in which they are done when several are due: what moves rows before what tidies up behind it.
pub const JOBS: &[Scheduled] = &[
    Scheduled {
        name: "archive",
        destroys: None,
        work: |shift| {
            as_run("archive", shift, |shift, _| async move {
                clock::check(&shift.warehouse, "archive").await?;
                let plan = archive::plan(&shift.warehouse, None, shift.archive_older_than_days).await?;
                archive::execute(&shift.warehouse, plan, silent()).await
            })
        },
    },
    Scheduled {
        name: "compact",
        destroys: None,
        work: |shift| {
            as_run("compact", shift, |shift, _| async move {
                let plan = compact::plan(&shift.warehouse, &shift.compact).await?;
                compact::execute(&shift.warehouse, plan, &shift.compact, silent()).await
            })
        },
    },
    Scheduled {
        name: "retain",
        destroys: Some(|shift| removal::of_retain(shift).boxed()),
        work: |shift| {
            as_run("retain", shift, |shift, _| async move {
                clock::check(&shift.warehouse, "retain").await?;
                let plan = retain::plan(&shift.warehouse, &shift.retain).await?;
                retain::execute(&shift.warehouse, plan, silent()).await
            })
        },
    },
    Scheduled {
        name: "vacuum",
        destroys: Some(|shift| removal::of_vacuum(shift, Duration::days(VACUUM_RETAIN_DAYS)).boxed()),
        work: |shift| {
            as_run("vacuum", shift, |shift, _| async move {
                clock::check(&shift.warehouse, "vacuum").await?;
                vacuum::execute(vacuum::plan(&shift.warehouse, Duration::days(VACUUM_RETAIN_DAYS)).await?, silent()).await
            })
        },
    },
    Scheduled {
        name: "finish_erasures",
        destroys: Some(|shift| removal::of_finish(shift).boxed()),
        work: |shift| {
            as_run("finish_erasures", shift, |shift, _| async move {
                clock::check(&shift.warehouse, "finish_erasures").await?;
                finish::execute(&shift.warehouse, finish::plan(&shift.warehouse).await?, silent()).await
            })
        },
    },
    Scheduled {
        name: "verify",
        destroys: None,
        work: |shift| {
            as_run("verify", shift, |shift, _| async move {
                let choices =
                    verify::Choices { look_up_key: shift.look_up_key, retain: Duration::days(VACUUM_RETAIN_DAYS), sweep: false };
                verify::execute(&shift.warehouse, verify::plan(&shift.warehouse, None).await?, choices, silent()).await
            })
        },
    },
    Scheduled {
        name: "reconcile",
        destroys: None,
        work: |shift| {
            as_run("reconcile", shift, |shift, _| async move {
                let engine = Engine::open(shift.warehouse.clone(), shift.limits).await?;
                reconcile::reconcile(&shift.warehouse, &engine, false, &silent()).await
            })
        },
    },
];

/// A function that previews what a job would remove now.
type PreviewFn = fn(Shift) -> BoxFuture<'static, Result<Removal>>;

/// A job that can be scheduled.
pub struct Scheduled {
    /// Its name, in the settings and in the ledger.
    pub name: &'static str,
    /// Says what it would remove now, if it destroys anything: then it wants a consent of its own.
    pub destroys: Option<PreviewFn>,
    /// Does it, and writes the run down.
    pub work: fn(Shift) -> BoxFuture<'static, Result<Done>>,
}

/// The result of a job.
#[derive(Debug)]
pub struct Done {
    /// How it ended.
    pub outcome: Outcome,
    /// Its rows.
    pub rows: u64,
    /// Its report, for people.
    pub summary: String,
    /// What the report complains of.
    pub complaint: Option<Error>,
    /// Why the ledger does not tell of it, where it does not.
    pub unrecorded: Option<Error>,
}

fn silent() -> Arc<dyn Progress> {
    Arc::new(Silent)
}

/// Does a job's work as a run of the ledger.
fn as_run<R, F>(
    job: &'static str,
    shift: Shift,
    work: impl FnOnce(Shift, String) -> F + Send + 'static,
) -> BoxFuture<'static, Result<Done>>
where
    R: Report + Send + Sync,
    F: Future<Output = Result<R>> + Send,
{
    async move {
        let (warehouse, who) = (shift.warehouse.clone(), shift.who.clone());
        let ended = recorded(&warehouse, job, &who, |run_id| work(shift, run_id)).await?;
        let complaint = ended.report.complaint();
        let outcome = match (&complaint, ended.report.changed()) {
            (Some(_), _) => Outcome::Failed,
            (None, true) => Outcome::Done,
            (None, false) => Outcome::Nothing,
        };
        let (rows, summary) = (ended.report.rows(), ended.report.to_string());
        Ok(Done { outcome, rows, summary, complaint, unrecorded: ended.unrecorded })
    }
    .boxed()
}
