//! `ier erase`: removes people everywhere and for good, when confirmed.

use std::future::ready;

use chrono::Duration;

use crate::error::{Error, Result};
use crate::jobs::erase::{EraseRequest, execute, finish, plan};
use crate::query::named_person::must_not_name;

use super::args::Erase;
use super::print;
use super::session::Session;

/// What the ledger of runs, and the schedule, call the end of erasures.
const FINISH: &str = "finish_erasures";

/// Plans, and only when confirmed erases. To look at what would go is a look-up, and logged.
pub async fn run(session: &Session, args: &Erase) -> Result<()> {
    if args.finish {
        return finish(session, args).await;
    }
    let reason = args.reason.as_deref().unwrap_or_default();
    let (warehouse, engine) = session.warehouse_and_engine_for(Some(reason)).await?;
    let insist = ("to refuse it for ever all the same, add --unknown", args.unknown);
    let (mut people, mut named_person) = (Vec::new(), Vec::new());
    for who in &args.ids {
        let person = engine.person(who).await?;
        let shown = engine.named_person(&person, "erase", insist).await?;
        must_not_name(reason, &person, &shown)?;
        people.push(*person.id());
        named_person.push(shown);
    }
    let grace = Duration::from_std(args.grace);
    let request = EraseRequest {
        people,
        reason: reason.to_owned(),
        author: session.settings.audit.who.clone(),
        grace: grace.map_err(|error| Error::invalid("--grace is out of range").with_source(error))?,
        rejects: args.rejects.clone(),
    };
    let plan = plan(&warehouse, request).await?;
    if !args.confirm {
        if !session.global.json {
            named_person.iter().try_for_each(|person| print::line(&person.to_string()))?;
        }
        return session.unconfirmed(&plan, "nothing was erased; add --confirm to erase");
    }
    let progress = session.progress()?;
    session.job(&warehouse, "erase", ready(Ok(plan)), |plan, _| execute(&warehouse, plan, progress)).await
}

/// Deletes the old versions of erasures whose time has come.
async fn finish(session: &Session, args: &Erase) -> Result<()> {
    let warehouse = session.warehouse().await?;
    let plan = finish::plan(&warehouse).await?;
    if !args.confirm {
        return session.unconfirmed(&plan, "nothing was deleted; add --confirm to delete");
    }
    session.believe(&warehouse, args.clock, "erase --finish").await?;
    let progress = session.progress()?;
    session.job(&warehouse, FINISH, ready(Ok(plan)), |plan, _| finish::execute(&warehouse, plan, progress)).await
}
