//! `ier audit`: was this person told? A verdict for each send, with what proves it.

use crate::error::{Error, Result};
use crate::query::audit::{About, Question, audit};

use super::Session;
use super::args::Audit;

/// Asks, and prints the answer.
pub async fn run(session: &Session, args: &Audit) -> Result<()> {
    let about = match (&args.about, &args.email_id, &args.send) {
        (Some(text), None, None) => About::Text(text.clone()),
        (None, Some(id), None) => About::EmailId(id.clone()),
        (None, None, Some(id)) => About::Send(id.clone()),
        _ => return Err(Error::invalid("name the sends with one of --about, --email-id and --send")),
    };
    let question = Question { about, from: args.from, to: args.to, zone: session.settings.zone };
    let engine = session.engine().await?;
    let ids = engine.person(&args.id).await?;
    session.answer(&audit(&engine, &ids, question).await?)
}
