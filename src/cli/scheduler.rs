//! `ier run`: runs all jobs on their schedules.

use chrono::SubsecRound;

use crate::error::{Error, Result};
use crate::jobs::scheduler::{Event, JOBS, JobContext, LOOK, Memory, Scheduler};
use crate::ledgers::lease::Terms;

use super::args::Run;
use super::interrupt::stopped;
use super::print;
use super::session::Session;

/// Shows the plan, or runs once what is due, or stays and runs jobs on their schedules.
pub async fn run(session: &Session, args: &Run) -> Result<()> {
    let scheduler = scheduler(session).await?;
    if args.clock.clock_is_right {
        session.believe(&scheduler.context.warehouse, args.clock, "run").await?;
    }
    if args.dry_run {
        return session.answer(&scheduler.plan().await?);
    }
    if !args.once {
        return scheduler.run_until(stopped(), &|event| tell(session, event)).await;
    }
    let report = scheduler.once(stopped()).await?;
    session.report(&report, ToString::to_string)?;
    report.error.map_or(Ok(()), |error| Err(error.context("a job failed")))
}

async fn scheduler(session: &Session) -> Result<Scheduler> {
    let settings = &session.settings;
    let (who, host) = (&settings.audit.who, settings.run.host.as_ref().map(|host| format!(" on {host}")).unwrap_or_default());
    Ok(Scheduler {
        context: JobContext {
            warehouse: session.warehouse().await?,
            who: who.clone(),
            archive_older_than_days: settings.archive.older_than_days,
            look_up_key: session.settings.audit.key.clone(),
            limits: session.limits()?,
            compact: session.compact_options(),
            retain: session.settings.retain.clone(),
        },
        schedules: settings.run.jobs.clone(),
        zone: settings.zone,
        confirm: settings.run.confirm.clone(),
        jobs: JOBS,
        holder: format!("{who}{host}, process {}", std::process::id()),
        terms: Terms::default(),
        look: LOOK,
        metrics_file: settings.run.metrics_file.clone(),
        memory: Memory::default(),
    })
}

/// A line for each event, as it happens: with the time, in the settings' zone; for machines as one object.
fn tell(session: &Session, event: &Event) -> Result<()> {
    let now = session.clock.now();
    if session.global.json {
        let text = serde_json::to_value(event).map_err(|error| Error::internal("an event is no json").with_source(error))?;
        let mut line = serde_json::json!({ "at": now.trunc_subsecs(3) });
        if let (Some(line), serde_json::Value::Object(event)) = (line.as_object_mut(), text) {
            line.extend(event);
        }
        return print::machine(&line.to_string());
    }
    let line = format!("{} {event}", now.with_timezone(&session.settings.zone).format("%Y-%m-%d %H:%M:%S%:z"));
    let line = session.in_full(&line);
    match (session.global.quiet, event.is_trouble()) {
        (true, true) => print::warning(&line),
        (true, false) => Ok(()),
        (false, _) => print::line(&line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{DESTROYING_JOBS, RUN_JOBS};

    #[test]
    fn every_job_has_a_schedule_and_every_schedule_a_job() {
        let (mut jobs, mut names): (Vec<_>, Vec<_>) =
            (JOBS.iter().map(|job| job.name).collect(), RUN_JOBS.iter().map(|(name, _)| *name).collect());
        jobs.sort_unstable();
        names.sort_unstable();
        assert_eq!(jobs, names);
        let destroys: std::collections::BTreeSet<_> =
            JOBS.iter().filter(|job| job.destroys.is_some()).map(|job| job.name).collect();
        assert!(destroys.iter().eq(&std::collections::BTreeSet::from(DESTROYING_JOBS)), "{destroys:?}");
    }
}
