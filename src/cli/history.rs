//! `ier history`: one person's mails, newest first, after the look-up was recorded.

use crate::error::Result;
use crate::ledgers::lookups::LookUp;
use crate::output::Format;
use crate::query::people::Person;
use crate::record::id::SfId;

use super::answer;
use super::args::History;
use super::print;
use super::session::Session;

/// Other ids that the note names.
const NAMED: usize = 8;

/// Asks for the history, records the look-up, and writes the answer: in this order, so that nobody sees a row of which the
/// log does not tell. Says on standard error under which other ids it looked, and when nothing is found, what that does
/// not prove.
pub async fn run(session: &Session, args: &History) -> Result<()> {
    // What cannot be written is refused before anything is computed.
    let format = args.output.resolve(session.global.json)?;
    let notes = format == Format::Table && !session.global.quiet;
    let reason = session.reason(args.reason.as_deref())?;
    let engine = session.engine().await?;
    let found = async {
        let person = engine.person(&args.id).await?;
        let (rows, stream) = answer::hold(engine.history_of(&person).await?).await?;
        Ok((person, rows, stream))
    };
    let ((person, rows, stream), log) = tokio::try_join!(found, session.look_ups())?;
    log.append(LookUp { verb: "history", person: *person.id(), reason, rows }).await?;
    if let (true, Some(note)) = (notes, looked_under(&person)) {
        print::remark(&note)?;
    }
    let rows = answer::write(session, stream, &args.output, (!args.utc).then_some(session.settings.zone)).await?;
    if rows == 0 && notes {
        print::remark("note: no record is no proof that nothing was sent; tracking may have been off for a send")?;
    }
    Ok(())
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
