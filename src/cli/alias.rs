//! `ier alias`: which ids are one person.

use std::fmt;

use serde::Serialize;

use crate::error::Result;
use crate::jobs::alias::{AliasRequest, add, check};
use crate::query::named_person::NamedPerson;

use super::answer;
use super::args::{Alias, AliasAdd, AliasVerb};
use super::session::Session;

/// Whom an alias would make one.
#[derive(Serialize)]
struct AliasPlan {
    /// Whose the id is that was given up, and whose it became.
    people: [NamedPerson; 2],
}

impl fmt::Display for AliasPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [one, other] = &self.people;
        if one.label.id == other.label.id {
            return write!(f, "these are one person already:\n  {one}");
        }
        write!(f, "these would be one person, for good:\n  {one}\n  {other}")
    }
}

/// Adds an alias, or lists the ledger.
pub async fn run(session: &Session, args: &Alias) -> Result<()> {
    match &args.verb {
        AliasVerb::Add(args) => unite(session, args).await,
        AliasVerb::List(args) => {
            // What cannot be written is refused before anything is computed.
            args.output.resolve(session.global.json)?;
            let engine = session.engine_for(args.reason.as_deref()).await?;
            let aliases = engine.alias_ledger(args.id.as_deref()).await?;
            answer::write(session, aliases, &args.output, (!args.utc).then_some(session.settings.zone)).await.map(drop)
        }
    }
}

/// Shows who both are, and only when confirmed makes them one.
async fn unite(session: &Session, args: &AliasAdd) -> Result<()> {
    let request = AliasRequest {
        alias_id: args.from.clone(),
        person_id: args.to.clone(),
        reason: args.reason.clone(),
        author: session.settings.audit.who.clone(),
    };
    let (warehouse, engine) = session.warehouse_and_engine_for(Some(&args.reason)).await?;
    check(&warehouse, &request).await?;
    let insist = ("to join it all the same, add --unknown", args.unknown);
    let (one, other) = (engine.person(&args.from).await?, engine.person(&args.to).await?);
    let people = [engine.named_person(&one, "alias", insist).await?, engine.named_person(&other, "alias", insist).await?];
    if !args.confirm {
        return session.unconfirmed(&AliasPlan { people }, "nothing was joined; if they are one person, add --confirm");
    }
    let report = add(&warehouse, &request).await?;
    session.report(&report, ToString::to_string)
}
