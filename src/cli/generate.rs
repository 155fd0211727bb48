//! `ier generate`: writes invented exports.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};

use serde::Serialize;

use crate::error::Result;
use crate::human;
use crate::progress::{Progress, Unit};
use crate::synthetic::recipe::{Format, Recipe};
use crate::synthetic::{self, Made};

use super::args::{ExportFormat, Generate};
use super::print;
use super::session::Session;

/// What was made, for machines; `Made` itself does not know the folder asked for.
#[derive(Serialize)]
struct Report {
    folder: PathBuf,
    files: u64,
    rows: u64,
    bytes: u64,
    seconds: f64,
}

/// Makes the exports `args` describe.
pub async fn run(session: &Session, args: &Generate) -> Result<()> {
    let usual = Recipe::default();
    let recipe = Recipe {
        months: args.months.unwrap_or(usual.months),
        contacts: args.contacts.unwrap_or(usual.contacts),
        sends_per_month: args.sends_per_month.unwrap_or(usual.sends_per_month),
        seed: args.seed.unwrap_or(usual.seed),
        end: session.day("--end", args.end.as_ref())?.unwrap_or_else(|| session.clock.today()),
        format: match args.format {
            ExportFormat::Csv => Format::Csv,
            ExportFormat::Parquet => Format::Parquet,
        },
        versions: !args.no_versions,
        misbehaviour: !args.no_misbehaviour,
    };
    let started = session.clock.now();
    let made = make(recipe, &args.folder, session.progress()?).await?;
    let report = Report {
        folder: args.folder.clone(),
        files: made.files.len() as u64,
        rows: made.files.iter().map(|file| file.rows).sum(),
        bytes: made.files.iter().map(|file| file.bytes).sum(),
        seconds: (session.clock.now() - started).as_seconds_f64(),
    };
    session.report(&report, |report| {
        let folder = report.folder.display();
        format!("{}\nnext: ier load {folder}", summary(&made, report.seconds, &args.folder))
    })
}

/// Makes exports on a thread of its own, so that Ctrl-C is heard.
pub async fn make(recipe: Recipe, folder: &Path, progress: Arc<dyn Progress>) -> Result<Made> {
    let folder = folder.to_owned();
    let work = move || {
        let advanced = AtomicU64::new(0);
        progress.say("making exports");
        // How many there will be is known once the first are made.
        let begun = Once::new();
        synthetic::generate(&recipe, &folder, &|done, expected| {
            begun.call_once(|| progress.count(Unit::Rows, expected));
            progress.advance(done.saturating_sub(advanced.swap(done, Ordering::Relaxed)));
        })
    };
    tokio::task::spawn_blocking(work).await?
}

/// The files by table.
pub fn summary(made: &Made, seconds: f64, folder: &Path) -> String {
    let mut tables: Vec<(&str, u64, u64, u64)> = Vec::new();
    for file in &made.files {
        match tables.iter_mut().find(|(table, ..)| *table == file.table) {
            Some((_, files, rows, bytes)) => (*files, *rows, *bytes) = (*files + 1, *rows + file.rows, *bytes + file.bytes),
            None => tables.push((file.table, 1, file.rows, file.bytes)),
        }
    }
    let rows: Vec<Vec<String>> = tables
        .iter()
        .map(|(table, files, rows, bytes)| {
            vec![(*table).to_owned(), human::count(*files), human::count(*rows), human::bytes(*bytes)]
        })
        .collect();
    let all = tables.iter().map(|(_, _, rows, _)| rows).sum();
    let what = format!("{} made in {}, {}", human::counted(all, "row"), folder.display(), human::seconds(seconds));
    format!("{}{what}", print::columns(&["table", "files", "rows", "size"], &rows))
}
