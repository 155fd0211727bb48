//! `ier load`: exports in, counts out.

use crate::error::{Kind, Result};
use crate::jobs::load::{LoadRequest, check, load, rejected_by_then, usual_rejects};
use crate::tiers::spans::Missing;

use super::Session;
use super::args::Load;
use super::interrupt::or_interrupted;
use super::progress::Unit;

/// Loads what `args` name. Who stops it hears where the rows are that were rejected by then.
pub async fn run(session: &Session, args: &Load) -> Result<()> {
    let rejects = args.rejects.clone().unwrap_or_else(|| usual_rejects(session.clock.now()));
    let request = LoadRequest {
        inputs: args.inputs.clone(),
        as_table: args.as_table.clone(),
        zone: session.settings.zone,
        rejects: Some(rejects.clone()),
        buffer_bytes: session.load_buffer_bytes(),
        keep_versions: session.settings.load.keep_versions,
        missing: if args.complete { Missing::All { confirmed: args.confirm } } else { Missing::OfPeopleNamed },
    };
    let (warehouse, progress) = (session.place()?, session.progress(Unit::Bytes)?);
    let plan = async { check(&request).map(|()| request.clone()) };
    let done = or_interrupted(session.job(&warehouse, "load", plan, |request, _| load(&warehouse, request, progress))).await;
    done.map_err(|error| match error.kind() {
        Kind::Interrupted if rejects.is_file() => error.also(rejected_by_then(&rejects)),
        _ => error,
    })
}
