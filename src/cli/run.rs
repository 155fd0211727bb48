//! From a verb to the file that does it.

use clap::CommandFactory;

use crate::error::Result;

use super::args::{Args, Verb};
use super::interrupt::or_interrupted;
use super::{Session, archive, compact, completions, demo, generate, history, load, print, sql, status, vacuum};

/// Does what the arguments say. Ctrl-C stops it, except in the shell, where it stops a statement.
pub async fn run(args: Args, session: Session) -> Result<()> {
    let Some(verb) = args.verb else {
        return print::line(&Args::command().render_long_help().to_string());
    };
    let is_sql = matches!(verb, Verb::Sql(_));
    let work = async {
        match verb {
            Verb::Demo(args) => demo::run(&session, &args).await,
            Verb::Sql(args) => sql::run(&session, &session.engine().await?, &args).await,
            Verb::History(args) => history::run(&session, &args).await,
            Verb::Status(_) => status::run(&session).await,
            Verb::Load(args) => load::run(&session, &args).await,
            Verb::Archive(args) => archive::run(&session, &args).await,
            Verb::Compact(args) => compact::run(&session, &args).await,
            Verb::Vacuum(args) => vacuum::run(&session, &args).await,
            Verb::Generate(args) => generate::run(&session, &args).await,
            Verb::Completions(args) => completions::run(&args),
        }
    };
    if is_sql { work.await } else { or_interrupted(work).await }
}
