//! `ier load`: exports in, counts out.

use crate::error::{Error, Result};
use crate::jobs::load::{LoadReport, LoadRequest, load};

use super::Session;
use super::args::Load;
use super::progress::Unit;

/// Loads what `args` name. A load of which nothing was accepted is a failed one: whoever scheduled it must hear.
pub async fn run(session: &Session, args: &Load) -> Result<()> {
    let request = LoadRequest {
        inputs: args.inputs.clone(),
        as_table: args.as_table.clone(),
        zone: session.settings.zone,
        rejects: args.rejects.clone(),
        buffer_bytes: session.load_buffer_bytes(),
        keep_versions: session.settings.load.keep_versions,
    };
    let report = load(&session.warehouse()?, request, session.progress(Unit::Bytes)?).await?;
    session.report(&report, LoadReport::to_string)?;
    if report.all_rejected() {
        return Err(Error::invalid("every row was rejected: the rejects file says why"));
    }
    Ok(())
}
