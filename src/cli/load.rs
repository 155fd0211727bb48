//! `ier load`: exports in, counts out.

use chrono::TimeDelta;

use crate::error::Result;
use crate::jobs::load::{LoadRequest, load};
use crate::source::moments::Plausible;
use crate::source::reading::Asked;
use crate::tiers::spans::Missing;

use super::args::{Load, Reading};
use super::inspect;
use super::progress::Unit;
use super::session::Session;

/// Loads what `args` name, or says how it would.
pub async fn run(session: &Session, args: &Load) -> Result<()> {
    if args.dry_run {
        return inspect::run(session, &args.inputs, &args.reading);
    }
    let request = LoadRequest {
        inputs: args.inputs.clone(),
        asked: session.asked(&args.reading),
        rejects: args.rejects.clone(),
        buffer_bytes: session.load_buffer_bytes(),
        record_bytes: session.settings.load.record_bytes(),
        keep_versions: session.settings.load.keep_versions,
        missing: if args.complete { Missing::All { confirmed: args.confirm } } else { Missing::OfPeopleNamed },
    };
    let (warehouse, progress) = (session.place()?, session.progress(Unit::Bytes)?);
    session.job(&warehouse, "load", |_| load(&warehouse, request, progress)).await
}

impl Session {
    /// What is said of files by flags and settings.
    pub(super) fn asked(&self, reading: &Reading) -> Asked {
        let latest = (self.clock.now() + TimeDelta::days(1)).timestamp_micros();
        Asked {
            as_table: reading.as_table.clone(),
            zone_is_told: reading.zone.is_some(),
            dates: reading.dates,
            strict: reading.strict,
            files: self.settings.load.files.clone(),
            plausible: Plausible { earliest: self.settings.load.earliest_micros(), latest },
            ..Asked::new(self.settings.zone)
        }
    }
}
