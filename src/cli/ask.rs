//! `ier ask`: answers a question of the library, by its name. Without a name it lists all questions.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::Result as DfResult;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use serde::Serialize;

use crate::audit::nearest;
use crate::error::Result;
use crate::query::ask::Ask as _;
use crate::query::engine::Engine;
use crate::query::question::{self, Question};
use crate::settings;

use super::args::Args;
use super::args::ask::{Ask, Flags, QuestionArgs, said};
use super::session::Session;
use super::{answer, print};

/// Lists the questions, or asks one.
pub async fn run(session: &Session, args: &Ask) -> Result<()> {
    let mut refused = Vec::new();
    let questions = question::library(session.settings.ask.folder.as_deref(), |error| refused.push(error))?;
    for error in refused {
        print::warning(&error.to_string())?;
    }
    // Flags may stand before a name, or where there is none.
    let is_question = |word: &String| questions.iter().any(|question| question.name == *word);
    let bare = || args.words.iter().position(|word| !word.starts_with('-'));
    let named = args.words.iter().position(is_question).or_else(bare);
    let Some(at) = named else { return session.answer(&QuestionList { questions }) };
    let question = question::find(&questions, &args.words[at])?;
    let (before, behind) = (&args.words[..at], &args.words[at + 1..]);
    let (flags, given) = match said(question, &[before, behind].concat())? {
        QuestionArgs::Help(help) => return print::line(&help),
        QuestionArgs::Ask(flags, given) => (flags, given),
    };
    let global = session.global.clone().with(flags.global.clone());
    let session = Session::new(&Args { global, verb: None }, settings::environment())?;
    if flags.explain {
        return print::line(&question.with(&given)?);
    }
    let done = answered(&session, question, &flags, &given).await;
    session.with_full_names(done)?;
    session.stats()
}

async fn answered(session: &Session, question: &Question, flags: &Flags, given: &BTreeMap<String, String>) -> Result<()> {
    let audience = answer::audience(session, &flags.audience, &flags.output)?;
    let engine = session.engine_for(flags.reason.as_deref()).await?;
    let mut stream = engine.ask_given(&question.sql, given).await?;
    if flags.with_names {
        stream = engine.with_names(stream, session.settings.ask.org_url.as_deref()).await?;
    }
    if flags.output.resolve(session.global.json)?.is_chart()
        && let Some(places) = question.charted()
    {
        stream = only(stream, &places)?;
    }
    let shown = (&flags.output, (!flags.utc).then_some(session.settings.zone));
    let rows = answer::deliver(session, &engine, stream, audience.as_ref(), shown).await?;
    match given.get(ABOUT) {
        Some(text) if rows == 0 && !session.global.quiet => no_hit(session, &engine, text).await,
        _ => Ok(()),
    }
}

/// The columns of an answer that stand at these places.
fn only(answer: SendableRecordBatchStream, places: &[usize]) -> Result<SendableRecordBatchStream> {
    let (schema, places) = (Arc::new(answer.schema().project(places)?), places.to_owned());
    let of = move |batch: DfResult<RecordBatch>| -> DfResult<RecordBatch> { Ok(batch?.project(&places)?) };
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, answer.map(of))))
}

/// The parameter that has words of an e-mail's name.
const ABOUT: &str = "about";

/// Says that no send has the words asked for, and which are like it: else nothing found would look like an answer.
async fn no_hit(session: &Session, engine: &Engine, text: &str) -> Result<()> {
    let Some(near) = nearest::where_none_has(engine, text).await? else { return Ok(()) };
    let lines: Vec<String> = near.iter().map(|near| format!("\n  {}", near.line(session.settings.zone))).collect();
    let like = if lines.is_empty() { "" } else { "; names that are like it, which is no verdict:" };
    print::to_stderr(&format!("note: no send on record has the words \"{text}\"{like}{}", lines.concat()))
}

/// All questions, for `ier ask`.
#[derive(Serialize)]
struct QuestionList {
    questions: Vec<Question>,
}

impl fmt::Display for QuestionList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.questions.iter().map(|question| question.name.len()).max().unwrap_or(0);
        for Question { name, title, .. } in &self.questions {
            writeln!(f, "{name:width$}  {title}")?;
        }
        write!(f, "\n`ier ask NAME --help` tells its parameters, `ier ask NAME` asks it")
    }
}
