//! `ier alias`: which ids are one person.

use crate::error::Result;
use crate::jobs::alias::{AliasRequest, add};

use super::answer;
use super::args::{Alias, AliasVerb};
use super::session::Session;

/// Adds an alias, or lists the ledger.
pub async fn run(session: &Session, args: &Alias) -> Result<()> {
    match &args.verb {
        AliasVerb::Add(args) => {
            let request = AliasRequest {
                alias_id: args.from.clone(),
                person_id: args.to.clone(),
                reason: args.reason.clone(),
                author: session.settings.audit.who.clone(),
            };
            let report = add(&session.warehouse().await?, &request).await?;
            session.report(&report, ToString::to_string)
        }
        AliasVerb::List(args) => {
            // What cannot be written is refused before anything is computed.
            args.output.resolve(session.global.json)?;
            let aliases = session.engine().await?.alias_ledger(args.id.as_deref()).await?;
            answer::write(session, aliases, &args.output, (!args.utc).then_some(session.settings.zone)).await.map(drop)
        }
    }
}
