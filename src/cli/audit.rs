//! `ier audit`: was this person told? It enters the look-up in the log, then shows a verdict for each send with its proof. `ier
//! audit verify` checks a pack of evidence.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::Serialize;

use crate::audit::evidence::verify::verify;
use crate::audit::evidence::{Inquiry, pack, pack::check_free};
use crate::audit::{About, Question, audit};
use crate::calendar::local::Calendar;
use crate::error::{Error, Result};
use crate::human::counted;
use crate::record::id::SfId;

use super::args::{Audit, AuditVerb, AuditVerify};
use super::print;
use super::session::Session;

/// Asks, keeps the evidence where that is wanted, and prints the answer.
pub async fn run(session: &Session, args: &Audit) -> Result<()> {
    if let Some(AuditVerb::Verify(args)) = &args.verb {
        return check(session, args).await;
    }
    let about = match (&args.about, &args.email_id, &args.send) {
        (Some(text), None, None) => About::Text(text.clone()),
        (None, Some(id), None) => About::EmailId(id.clone()),
        (None, None, Some(id)) => About::Send(id.clone()),
        _ => return Err(Error::invalid("name the sends with one of --about, --email-id and --send")),
    };
    let who = args.id.as_ref().ok_or_else(|| Error::invalid("name the person by a contact's or lead's id"))?;
    let zone = session.settings.zone;
    let as_of = session.day("--as-of", args.as_of.as_ref())?.map(|day| end_of(day, zone)).transpose()?;
    let (from, to) = (session.day("--from", args.from.as_ref())?, session.day("--to", args.to.as_ref())?);
    let question = Question { about, from, to, as_of, zone };
    session.check_reason(args.reason.as_deref())?;
    args.evidence.as_deref().map(check_free).transpose()?;
    let (warehouse, engine) = session.warehouse_and_engine_for(args.reason.as_deref()).await?;
    let Some(path) = &args.evidence else {
        let asked = async { audit(&engine, &engine.person(who).await?, question).await };
        let (answer, ()) = tokio::try_join!(asked, engine.open_look_ups())?;
        return print::report(session.global.json, &answer, |answer| session.with_places(&answer.to_string()));
    };
    let inquiry = Inquiry { who: who.clone(), question, asked_by: session.settings.audit.who.clone() };
    let packing = pack(&warehouse, &engine, &inquiry, session.clock.now());
    let ((answer, pack), ()) = tokio::try_join!(packing, engine.open_look_ups())?;
    pack.write(path)?;
    let records = counted(pack.manifest.rows().count() as u64, "record");
    let kept = PackLocation { path: path.display().to_string(), seal: pack.manifest.seal };
    print::report(session.global.json, &WithEvidence { answer: &answer, evidence: &kept }, |_| {
        session.with_places(&format!("{answer}\n\nevidence: {}, resting on {records}\nseal: {}", kept.path, kept.seal))
    })
}

/// The answer, and where its evidence is.
#[derive(Serialize)]
struct WithEvidence<'a> {
    #[serde(flatten)]
    answer: &'a crate::audit::Audit,
    evidence: &'a PackLocation,
}

#[derive(Serialize)]
struct PackLocation {
    path: String,
    seal: String,
}

/// Checks a pack, records that its person was looked up, and fails when it was altered.
async fn check(session: &Session, args: &AuditVerify) -> Result<()> {
    let warehouse_and_engine =
        if args.alone { None } else { session.warehouse_and_engine_if_any(args.reason.as_deref()).await? };
    warehouse_and_engine.as_ref().map_or(Ok(()), |(_, engine)| engine.may_look_up())?;
    let archive = warehouse_and_engine.as_ref().map(|(warehouse, engine)| (warehouse, engine));
    let report = verify(&args.pack, args.seal.as_deref(), archive).await?;
    if let (Some(archive), Some(says)) = (&report.archive, &report.says) {
        let person = SfId::of_person(&says.person)?;
        if let Some((_, engine)) = &warehouse_and_engine {
            engine.looked_up("audit verify", &person, archive.records.len() as u64).await?;
        }
    }
    session.answer(&report)?;
    match report.wrong.len() as u64 {
        0 => Ok(()),
        wrong => Err(Error::corrupt(phrase!("{}: {} wrong", args.pack.display(), counted(wrong, "thing")))),
    }
}

/// The last moment of a day in a zone.
fn end_of(day: NaiveDate, zone: Tz) -> Result<DateTime<Utc>> {
    let out_of_range = || Error::invalid(phrase!("{day} is out of range"));
    let calendar = Calendar { zone, ..Calendar::default() };
    calendar.end_of(day).ok_or_else(out_of_range)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_where_the_next_begins_also_where_clocks_change_at_midnight() {
        for (zone, day, end) in [
            // At midnight it is one o'clock.
            ("Africa/Cairo", "2026-04-23", "2026-04-23 21:59:59.999"),
            ("America/Havana", "2026-03-07", "2026-03-08 04:59:59.999"),
            // Midnight is there twice; the day ends with the first.
            ("America/Havana", "2026-10-31", "2026-11-01 03:59:59.999"),
            ("Africa/Johannesburg", "2026-04-23", "2026-04-23 21:59:59.999"),
            ("America/Denver", "2026-03-08", "2026-03-09 05:59:59.999"),
        ] {
            let ended = end_of(day.parse().unwrap(), zone.parse().unwrap()).unwrap();
            assert_eq!(ended.format("%F %T%.3f").to_string(), end, "{zone}");
        }
    }
}
