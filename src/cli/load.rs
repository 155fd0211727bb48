//! `ier load`: exports in, counts out.

use crate::error::Result;
use crate::jobs::load::{LoadRequest, load};
use crate::tiers::spans::Missing;

use super::args::Load;
use super::progress::Unit;
use super::session::Session;

/// Loads what `args` name.
pub async fn run(session: &Session, args: &Load) -> Result<()> {
    let request = LoadRequest {
        inputs: args.inputs.clone(),
        as_table: args.as_table.clone(),
        zone: session.settings.zone,
        rejects: args.rejects.clone(),
        buffer_bytes: session.load_buffer_bytes(),
        keep_versions: session.settings.load.keep_versions,
        missing: if args.complete { Missing::All { confirmed: args.confirm } } else { Missing::OfPeopleNamed },
    };
    let (warehouse, progress) = (session.place()?, session.progress(Unit::Bytes)?);
    session.job(&warehouse, "load", |_| load(&warehouse, request, progress)).await
}
