//! `ier hold`: places, lists and releases legal holds, which say what must not be removed.

use crate::error::{Kind, Result};
use crate::jobs::hold::{HoldRequest, add, list, plan, plan_release, release};
use crate::ledgers::holds::Scope;

use super::args::{Hold, HoldAdd, HoldVerb};
use super::print;
use super::session::Session;

const INSIST: &str = "to hold what may come, add --anyway";

/// The person a hold names, by their id. Refuses whom, or a send that, nothing here is known of: of a hold on a mistyped id one would hear
/// when the records are gone.
async fn held_person(session: &Session, args: &HoldAdd) -> Result<Option<String>> {
    if args.person.is_none() && args.send.is_none() {
        return Ok(None);
    }
    let engine = session.engine_for(Some(&args.reason)).await?;
    if let Some(send) = args.send.as_ref().filter(|_| !args.anyway) {
        engine.check_send_exists(send).await.map_err(|error| match error.kind() {
            Kind::NotFound => error.also(INSIST),
            _ => error,
        })?;
    }
    let Some(who) = &args.person else { return Ok(None) };
    let person = engine.person(who).await?;
    let named_person = engine.named_person(&person, "hold", (INSIST, args.anyway)).await?;
    if !session.global.json && !session.global.quiet {
        print::line(&named_person.to_string())?;
    }
    Ok(Some(person.id().to_string()))
}

/// Places a hold, lists them, or releases one.
pub async fn run(session: &Session, args: &Hold) -> Result<()> {
    let warehouse = session.warehouse().await?;
    let author = &session.settings.audit.who;
    match &args.verb {
        HoldVerb::Add(args) => {
            let person_id = held_person(session, args).await?;
            let scope = Scope {
                person_id,
                send: args.send.clone(),
                unit: args.unit.clone(),
                from_date: session.day("--from", args.from.as_ref())?,
                until_date: session.day("--until", args.until.as_ref())?,
            };
            let request = HoldRequest { scope, reason: args.reason.clone(), author: author.clone() };
            if args.dry_run {
                return session.answer(&plan(&warehouse, &request).await?);
            }
            session.job(&warehouse, "hold", plan(&warehouse, &request), |_, _| add(&warehouse, &request)).await
        }
        HoldVerb::List(args) => session.answer(&list(&warehouse, args.all).await?),
        HoldVerb::Release(args) => {
            let planned = plan_release(&warehouse, &args.hold, &args.reason);
            session.job(&warehouse, "hold", planned, |(), _| release(&warehouse, &args.hold, &args.reason, author)).await
        }
    }
}
