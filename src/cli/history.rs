//! `ier history`: enters the look-up in the log, then shows one person's e-mails, newest first.

use crate::error::Result;
use crate::output::Format;
use crate::query::people::Person;
use crate::query::who::PersonLabel;
use crate::record::id::SfId;

use super::answer;
use super::args::History;
use super::print;
use super::session::Session;

/// Other ids that the note names.
const NAMED: usize = 8;

/// Asks for the history, which the engine enters in the log of look-ups, and writes the answer. Says on standard error who it is and under which other ids it looked, and when nothing is found, what that does
/// not prove.
pub async fn run(session: &Session, args: &History) -> Result<()> {
    // What cannot be written is refused before anything is computed.
    let format = args.output.resolve(session.global.json)?;
    let notes = format == Format::Table && !session.global.quiet;
    session.check_reason(args.reason.as_deref())?;
    let engine = session.engine_for(args.reason.as_deref()).await?;
    let found = async {
        let person = engine.person(&args.id).await?;
        let label = async { if notes { engine.label(&person).await.map(Some) } else { Ok(None) } };
        let (stream, label) = tokio::try_join!(engine.history_of(&person), label)?;
        Ok((person, stream, label))
    };
    let ((person, stream, label), ()) = tokio::try_join!(found, engine.open_look_ups())?;
    let (rows, stream) = answer::hold(stream).await?;
    if rows == 0 {
        engine.must_be_known(&person).await?;
    }
    if let Some(note) = label.and_then(|label| named(&label)) {
        print::to_stderr(&note)?;
    }
    if let (true, Some(note)) = (notes, looked_under(&person)) {
        print::to_stderr(&note)?;
    }
    let rows = answer::write(session, stream, &args.output, (!args.utc).then_some(session.settings.zone)).await?;
    if rows == 0 && notes {
        print::to_stderr("note: no record is no proof that nothing was sent; tracking may have been off for a send")?;
    }
    Ok(())
}

/// Who it is.
fn named(label: &PersonLabel) -> Option<String> {
    match (&label.name, &label.email) {
        (Some(name), Some(email)) => Some(format!("{name} <{email}>")),
        (one, other) => one.clone().or_else(|| other.clone()),
    }
}

/// Under which other ids the person is known, if any.
fn looked_under(person: &Person) -> Option<String> {
    let others: Vec<&str> = person.other_ids().map(SfId::as_str).collect();
    if others.is_empty() {
        return None;
    }
    let (named, more) = others.split_at(others.len().min(NAMED));
    let named = named.join(", ");
    let more = match more.len() {
        0 => String::new(),
        more => format!(" and {more} more, which ier alias list {} shows", person.id()),
    };
    Some(format!("note: {} is also known as {named}{more}: this is the history under all of these ids", person.id()))
}
