//! `ier hold`: what must not be removed.

use crate::error::Result;
use crate::jobs::hold::{HoldRequest, add, list, plan, plan_release, release};
use crate::ledgers::holds::Scope;

use super::args::{Hold, HoldVerb};
use super::session::Session;

/// Places a hold, lists them, or releases one.
pub async fn run(session: &Session, args: &Hold) -> Result<()> {
    let warehouse = session.warehouse().await?;
    let author = &session.settings.audit.who;
    match &args.verb {
        HoldVerb::Add(args) => {
            let scope = Scope {
                person_id: args.person.clone(),
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
