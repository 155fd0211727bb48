//! `ier inspect`: shows how files would be read, and which rows they would become. It stores nothing, and needs no warehouse.

use crate::error::Result;
use crate::source::export::ReadOptions;
use crate::source::inputs::expand;
use crate::source::inspect::inspect;

use super::args::Reading;
use super::session::Session;

/// Shows what a load of these files would make of them.
pub async fn run(session: &Session, inputs: &[String], reading: &Reading) -> Result<()> {
    let options = ReadOptions { record_bytes: session.settings.load.record_bytes(), ..ReadOptions::new(session.asked(reading)) };
    let inputs = expand(inputs)?;
    let found = tokio::task::spawn_blocking(move || inspect(inputs, &options)).await??;
    session.answer(&found)
}
