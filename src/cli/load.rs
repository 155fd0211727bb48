//! `ier load`: loads export files, and reports how many rows were inserted, updated and rejected.

use chrono::TimeDelta;

use crate::error::{Kind, Result};
use crate::jobs::load::{LoadRequest, check, default_rejects, load, rejected_by_then};
use crate::source::moments::Plausible;
use crate::source::reading::Asked;
use crate::tiers::spans::Missing;

use super::args::{Load, Reading};
use super::inspect;
use super::interrupt::or_interrupted;
use super::session::Session;

/// Loads what `args` name, or says how it would. Who stops it hears where the rows are that were rejected by then.
pub async fn run(session: &Session, args: &Load) -> Result<()> {
    if args.dry_run {
        return or_interrupted(inspect::run(session, &args.inputs, &args.reading)).await;
    }
    let rejects = args.rejects.clone().unwrap_or_else(|| default_rejects(session.clock.now()));
    let request = LoadRequest {
        inputs: args.inputs.clone(),
        asked: session.asked(&args.reading),
        rejects: Some(rejects.clone()),
        buffer_bytes: session.load_buffer_bytes(),
        record_bytes: session.settings.load.record_bytes(),
        keep_versions: session.settings.load.keep_versions,
        missing: if args.complete { Missing::All { confirmed: args.confirm } } else { Missing::OfPeopleNamed },
    };
    let (warehouse, progress) = (session.place()?, session.progress()?);
    let plan = async { check(&request).map(|()| request.clone()) };
    let done = or_interrupted(session.job(&warehouse, "load", plan, |request, _| load(&warehouse, request, progress))).await;
    done.map_err(|error| match error.kind() {
        Kind::Interrupted if rejects.is_file() => error.also(rejected_by_then(&rejects)),
        _ => error,
    })
}

impl Session {
    /// What is said of files by flags and settings.
    pub(super) fn asked(&self, reading: &Reading) -> Asked {
        let latest = (self.clock.now() + TimeDelta::days(1)).timestamp_micros();
        Asked {
            as_table: reading.as_table.clone(),
            is_forced: reading.force,
            zone_is_given: reading.zone.is_some(),
            dates: reading.dates,
            strict: reading.strict,
            files: self.settings.load.files.clone(),
            plausible: Plausible { earliest: self.settings.load.earliest_micros(), latest },
            ..Asked::new(self.settings.zone)
        }
    }
}
