//! `ier release`: writes lists of ids that may be deleted in Salesforce.

use crate::error::Result;
use crate::jobs::release::{ReleaseRequest, execute, plan};

use super::args::{Release, ReleaseObject};
use super::session::Session;

/// Makes the plan, and carries it out unless it is only to be shown.
pub async fn run(session: &Session, args: &Release) -> Result<()> {
    let object = match args.object {
        ReleaseObject::IndividualEmailResult => "individual_email_result",
        ReleaseObject::IndividualLink => "individual_link",
    };
    let request = ReleaseRequest {
        object: object.to_owned(),
        older_than_days: args.older_than,
        limit: args.limit,
        again: args.again.clone(),
        out: args.out.clone(),
    };
    let warehouse = session.warehouse().await?;
    let planned = plan(&warehouse, request);
    if args.dry_run {
        return session.answer(&planned.await?);
    }
    if args.older_than.is_some() {
        session.believe(&warehouse, args.clock, "release --older-than").await?;
    }
    let progress = session.progress()?;
    session.job(&warehouse, "release", planned, |plan, run_id| execute(&warehouse, plan, run_id, progress)).await
}
