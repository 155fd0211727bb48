//! `ier load`: exports in, counts out.

use crate::error::Result;
use crate::human;
use crate::jobs::load::{LoadReport, LoadRequest, load};

use super::args::Load;
use super::progress::Unit;
use super::{Session, print};

/// Loads what `args` name.
pub async fn run(session: &Session, args: &Load) -> Result<()> {
    let request = LoadRequest {
        inputs: args.inputs.clone(),
        as_table: args.as_table.clone(),
        zone: session.settings.zone,
        rejects: args.rejects.clone(),
        buffer_bytes: session.load_buffer_bytes(),
    };
    let report = load(&session.warehouse()?, request, session.progress(Unit::Bytes)?).await?;
    session.report(&report, human)
}

/// The counts as a table, and where rejected rows are.
pub fn human(report: &LoadReport) -> String {
    let rows: Vec<Vec<String>> = report
        .tables
        .iter()
        .map(|t| {
            let counts = [t.files, t.read, t.inserted, t.updated, t.unchanged, t.rejected, t.late];
            std::iter::once(t.table.clone()).chain(counts.map(human::count)).collect()
        })
        .collect();
    let headers = ["table", "files", "read", "inserted", "updated", "unchanged", "rejected", "late"];
    let mut text = print::columns(&headers, &rows);
    let read = report.tables.iter().map(|table| table.read).sum();
    text.push_str(&format!(
        "{} in {} ({} rows)\n",
        human::bytes(report.bytes),
        human::seconds(report.seconds),
        human::rate(read, report.seconds)
    ));
    if !report.changed() {
        text.push_str("nothing changed: all of it was known already\n");
    }
    if let Some(path) = &report.rejects_file {
        text.push_str(&format!("rejected rows, with line and reason: {}\n", path.display()));
    }
    text
}
