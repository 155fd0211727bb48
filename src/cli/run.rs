//! Dispatches each verb to the file that implements it.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use clap::CommandFactory;
use futures::FutureExt;

use crate::error::{Context, Error, Result};
use crate::query::depth;
use crate::settings;

use super::args::{Args, Verb};
use super::interrupt::or_interrupted;
use super::session::Session;
use super::{
    alias, archive, ask, audit, compact, completions, demo, drop, erase, generate, history, hold, inspect, load, log, manual,
    print, reconcile, release, retain, scheduler, serve, sql, status, user, vacuum, verify, who,
};

/// After the result is known, tasks that were stopped get this long to remove their temporary files.
const FAREWELL: Duration = Duration::from_secs(2);

/// Does what the arguments say, on threads of its own. In the library rather than in the binary, so that what runs on
/// those threads is compiled once for binary, tests and benchmarks.
pub fn start(args: Args) -> Result<()> {
    let session = Session::new(&args, settings::environment())?;
    let threads = session.settings.query.threads;
    // A deep statement is copied and dropped where it was read.
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(threads).thread_stack_size(depth::STACK_BYTES).enable_all().build();
    let runtime = runtime.context(|| "cannot start threads")?;
    let outcome = runtime.block_on(without_panic(Box::pin(run(args, session))));
    runtime.shutdown_timeout(FAREWELL);
    outcome
}

/// What becomes of some work. What dies here dies as an error with a kind and a code of its own, like what dies on other threads.
async fn without_panic(work: impl Future<Output = Result<()>>) -> Result<()> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| Err(Error::panicked(panic.as_ref())))
}

/// Does what the arguments say. Ctrl-C stops it, except in the shell, where it stops a statement; a load says
/// what it leaves behind, the scheduler first gives its lease back.
async fn run(args: Args, session: Session) -> Result<()> {
    let Some(verb) = args.verb else {
        return print::line(&Args::command().render_long_help().to_string());
    };
    // They listen for signals themselves.
    let listens = matches!(verb, Verb::Load(_) | Verb::Sql(_) | Verb::Run(_) | Verb::Serve(_));
    let work = async {
        match verb {
            Verb::Demo(args) => demo::run(&session, &args).await,
            Verb::Sql(args) => sql::run(&session, &session.engine_for(args.reason.as_deref()).await?, &args).await,
            Verb::Ask(args) => ask::run(&session, &args).await,
            Verb::History(args) => history::run(&session, &args).await,
            Verb::Who(args) => who::run(&session, &args).await,
            Verb::Alias(args) => alias::run(&session, &args).await,
            Verb::Audit(args) => audit::run(&session, &args).await,
            Verb::Log(args) => log::run(&session, &args).await,
            Verb::Status(args) => status::run(&session, &args).await,
            Verb::Load(args) => load::run(&session, &args).await,
            Verb::Inspect(args) => inspect::run(&session, &args.inputs, &args.reading).await,
            Verb::Archive(args) => archive::run(&session, &args).await,
            Verb::Compact(args) => compact::run(&session, &args).await,
            Verb::Vacuum(args) => vacuum::run(&session, &args).await,
            Verb::Reconcile(args) => reconcile::run(&session, &args).await,
            Verb::Run(args) => scheduler::run(&session, &args).await,
            Verb::Serve(args) => serve::run(&session, &args).await,
            Verb::User(args) => user::run(&session, &args),
            Verb::Release(args) => release::run(&session, &args).await,
            Verb::Drop(args) => drop::run(&session, &args).await,
            Verb::Erase(args) => erase::run(&session, &args).await,
            Verb::Hold(args) => hold::run(&session, &args).await,
            Verb::Retain(args) => retain::run(&session, &args).await,
            Verb::Verify(args) => verify::run(&session, &args).await,
            Verb::Generate(args) => generate::run(&session, &args).await,
            Verb::Manual(args) => manual::run(&session, &args),
            Verb::Completions(args) => completions::run(&args),
        }
    };
    let done = if listens { work.await } else { or_interrupted(work).await };
    session.stats()?;
    session.report_upgrade()?;
    session.with_full_names(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[tokio::test]
    async fn a_command_that_dies_has_failed_like_any_other() {
        let died = without_panic(async { std::panic::resume_unwind(Box::new("no such day".to_owned())) }).await;
        let error = died.err().map(|error| (error.kind(), error.to_string()));
        assert_eq!(error, Some((Kind::Internal, "it panicked: no such day".to_owned())));
        assert!(without_panic(async { Ok(()) }).await.is_ok());
    }
}
