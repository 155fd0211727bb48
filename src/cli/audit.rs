//! `ier audit`: was this person told? A verdict for each send, with what proves it, after the look-up was recorded.

use chrono::{DateTime, Duration, NaiveDate, TimeZone, Utc};
use chrono_tz::Tz;

use crate::error::{Error, Result};
use crate::query::audit::{About, Question, audit};
use crate::tiers::lookups::LookUp;

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
    let zone = session.settings.zone;
    let as_of = args.as_of.map(|day| end_of(day, zone)).transpose()?;
    let question = Question { about, from: args.from, to: args.to, as_of, zone };
    let reason = session.reason(args.reason.as_deref())?;
    let engine = session.engine().await?;
    let person = engine.person(&args.id).await?;
    let (answer, log) = tokio::try_join!(audit(&engine, &person, question), session.look_ups())?;
    log.append(LookUp { verb: "audit", person: *person.id(), reason, rows: answer.sends.len() as u64 }).await?;
    session.answer(&answer)
}

/// The last moment of a day in a zone.
fn end_of(day: NaiveDate, zone: Tz) -> Result<DateTime<Utc>> {
    let out_of_range = || Error::invalid(format!("{day} is out of range"));
    let next = day.succ_opt().and_then(|day| day.and_hms_opt(0, 0, 0)).ok_or_else(out_of_range)?;
    // Where clocks change at midnight the day may begin an hour later.
    let next = zone.from_local_datetime(&next).earliest().map_or_else(|| next.and_utc(), |next| next.with_timezone(&Utc));
    Ok(next - Duration::milliseconds(1))
}
