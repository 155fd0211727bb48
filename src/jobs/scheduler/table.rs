//! The jobs `ier run` can do: **add one here**, and its name to the settings.

use std::future::Future;
use std::sync::Arc;

use chrono::Duration;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::context::JobContext;
use super::removal::{self, Removal};
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
        work: |context| {
            as_run("archive", context, |context, _| async move {
                clock::check(&context.warehouse, "archive").await?;
                let plan = archive::plan(&context.warehouse, None, context.archive_older_than_days).await?;
                archive::execute(&context.warehouse, plan, silent()).await
            })
        },
    },
    Scheduled {
        name: "compact",
        destroys: None,
        work: |context| {
            as_run("compact", context, |context, _| async move {
                let plan = compact::plan(&context.warehouse, &context.compact).await?;
                compact::execute(&context.warehouse, plan, &context.compact, silent()).await
            })
        },
    },
    Scheduled {
        name: "retain",
        destroys: Some(|context| removal::of_retain(context).boxed()),
        work: |context| {
            as_run("retain", context, |context, _| async move {
                clock::check(&context.warehouse, "retain").await?;
                let plan = retain::plan(&context.warehouse, &context.retain).await?;
                retain::execute(&context.warehouse, plan, silent()).await
            })
        },
    },
    Scheduled {
        name: "vacuum",
        destroys: Some(|context| removal::of_vacuum(context, Duration::days(VACUUM_RETAIN_DAYS)).boxed()),
        work: |context| {
            as_run("vacuum", context, |context, _| async move {
                clock::check(&context.warehouse, "vacuum").await?;
                vacuum::execute(vacuum::plan(&context.warehouse, Duration::days(VACUUM_RETAIN_DAYS)).await?, silent()).await
            })
        },
    },
    Scheduled {
        name: "finish_erasures",
        destroys: Some(|context| removal::of_finish(context).boxed()),
        work: |context| {
            as_run("finish_erasures", context, |context, _| async move {
                clock::check(&context.warehouse, "finish_erasures").await?;
                finish::execute(&context.warehouse, finish::plan(&context.warehouse).await?, silent()).await
            })
        },
    },
    Scheduled {
        name: "verify",
        destroys: None,
        work: |context| {
            as_run("verify", context, |context, _| async move {
                let choices = verify::Choices {
                    look_up_key: context.look_up_key,
                    retain: Duration::days(VACUUM_RETAIN_DAYS),
                    sweep: false,
                };
                verify::execute(&context.warehouse, verify::plan(&context.warehouse, None).await?, choices, silent()).await
            })
        },
    },
    Scheduled {
        name: "reconcile",
        destroys: None,
        work: |context| {
            as_run("reconcile", context, |context, _| async move {
                let engine = Engine::open(context.warehouse.clone(), context.limits).await?;
                reconcile::reconcile(&context.warehouse, &engine, false, &silent()).await
            })
        },
    },
];

/// A function that previews what a job would remove now.
type PreviewFn = fn(JobContext) -> BoxFuture<'static, Result<Removal>>;

/// A job that can be scheduled.
pub struct Scheduled {
    /// Its name, in the settings and in the ledger.
    pub name: &'static str,
    /// Says what it would remove now, if it destroys anything: then it wants a consent of its own.
    pub destroys: Option<PreviewFn>,
    /// Does it, and writes the run down.
    pub work: fn(JobContext) -> BoxFuture<'static, Result<JobResult>>,
}

/// The result of a job.
#[derive(Debug)]
pub struct JobResult {
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
    context: JobContext,
    work: impl FnOnce(JobContext, String) -> F + Send + 'static,
) -> BoxFuture<'static, Result<JobResult>>
where
    R: Report + Send + Sync,
    F: Future<Output = Result<R>> + Send,
{
    async move {
        let (warehouse, who) = (context.warehouse.clone(), context.who.clone());
        let ended = recorded(&warehouse, job, &who, |run_id| work(context, run_id)).await?;
        let complaint = ended.report.complaint();
        let outcome = match (&complaint, ended.report.changed()) {
            (Some(_), _) => Outcome::Failed,
            (None, true) => Outcome::Done,
            (None, false) => Outcome::Nothing,
        };
        let (rows, summary) = (ended.report.rows(), ended.report.to_string());
        Ok(JobResult { outcome, rows, summary, complaint, unrecorded: ended.unrecorded })
    }
    .boxed()
}
