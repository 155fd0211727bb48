//! Synthetic exports: what a university's org would export, made from a seed, to try, test and measure the engine with.
//!
//! Every fact (who is in a send, who opens it and when) is a pure function of the seed and of what the fact is about, so
//! the files of different months are written side by side, in bounded memory, and the same recipe gives the same bytes.
//! Nothing in them is about a real person: names are drawn from lists, addresses are in domains reserved for examples.
//!
//! This is not a model of behaviour to learn from: rates are set, not measured. It refuses a folder that is not empty.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use chrono::NaiveDate;

use self::month::MonthMade;
use self::sends::Plan;
use crate::error::{Context, Error, Result};

mod calendar;

mod cell;

mod dice;

mod fate;

mod file;

mod ids;

mod ier;

mod month;

mod objects;

mod people;

mod sends;

mod sink;

mod tally;

mod withheld;

mod wording;

/// Threads that write months side by side. More would gain little: the disk is next.
const WRITERS: usize = 4;

/// In what form IERs and links are written; the small objects are always CSV.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Format {
    /// gzipped CSV, as Salesforce exports.
    #[default]
    Csv,
    /// Parquet, for bulk.
    Parquet,
}

/// What to make.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Months of sends; the last one may be cut short by `end`.
    pub months: u32,
    /// Contacts; a twentieth as many leads come with them.
    pub contacts: u64,
    /// Sends a month: 60 % reach 0.4 % of the contacts, 30 % reach 4 %, 10 % reach 40 %.
    pub sends_per_month: u32,
    /// Same seed, same bytes.
    pub seed: u64,
    /// The day before which everything has happened.
    pub end: NaiveDate,
    /// CSV or Parquet.
    pub format: Format,
    /// Every observed version of an IER (sent, then opened, then clicked); otherwise only the last.
    pub versions: bool,
    /// Duplicates, late opens, vanished contacts, unreadable rows and the like, at realistic rates.
    pub misbehaviour: bool,
}

impl Default for Recipe {
    /// A demo: 14 months of 12 sends to 2,000 contacts, up to the end of October 2026.
    fn default() -> Self {
        let end = NaiveDate::from_ymd_opt(2026, 11, 1).unwrap_or_default();
        Self {
            months: 14,
            contacts: 2_000,
            sends_per_month: 12,
            seed: 7,
            end,
            format: Format::Csv,
            versions: true,
            misbehaviour: true,
        }
    }
}

/// A file that was written.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct MadeFile {
    /// Where.
    pub path: PathBuf,
    /// Of which table it holds rows.
    pub table: &'static str,
    /// Rows, deliberately bad ones included.
    pub rows: u64,
    /// Size.
    pub bytes: u64,
}

/// All files that were written, in order of their names.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Made {
    /// The files.
    pub files: Vec<MadeFile>,
}

/// About how many IERs (not versions) a recipe makes; 0 for a recipe that [`generate`] refuses.
pub fn expected_iers(recipe: &Recipe) -> u64 {
    Plan::new(recipe).map_or(0, |plan| plan.expected())
}

/// Writes the exports of a recipe into `folder`, which is made if it is not there. `progress` hears of IERs done and
/// expected, on the calling thread.
///
/// # Errors
/// Refuses a folder that has files in it and a recipe of nothing. A file that could not be finished is removed; finished
/// ones stay.
pub fn generate(recipe: &Recipe, folder: &Path, progress: &dyn Fn(u64, u64)) -> Result<Made> {
    let plan = Plan::new(recipe)?;
    std::fs::create_dir_all(folder).context(|| format!("{}: cannot be made", folder.display()))?;
    let mut entries = std::fs::read_dir(folder).context(|| format!("{}: cannot be read", folder.display()))?;
    if entries.next().is_some() {
        return Err(Error::invalid(format!("{}: the folder is not empty; name a new one", folder.display())));
    }
    let (mut files, months) = write_months(&plan, folder, progress)?;
    let mut tallies = Vec::with_capacity(months.len());
    for month in months.into_values() {
        files.extend(month.files);
        tallies.push(month.tallies);
    }
    files.extend(objects::write_sends(&plan, folder, &tallies)?);
    files.extend(withheld::write(&plan, folder)?);
    files.sort();
    Ok(Made { files })
}

/// What a writer has done.
enum Note {
    Rows(u64),
    Month(MonthMade),
    Files(Vec<MadeFile>),
    Failed(Error),
}

/// One piece of work; the order in which pieces are done changes no byte.
enum Work<'a> {
    Late,
    People,
    Month(&'a calendar::Month),
}

impl Work<'_> {
    fn run(&self, plan: &Plan, folder: &Path, notes: &mpsc::Sender<Note>) -> Result<Note> {
        Ok(match self {
            Self::Late => Note::Files(month::write_late(plan, folder)?.into_iter().collect()),
            Self::People => Note::Files(objects::write_people(plan, folder)?),
            // Nobody listens any more only after a failure, and then nobody wants to know.
            Self::Month(month) => {
                Note::Month(month::write_month(plan, month, folder, &|rows| drop(notes.send(Note::Rows(rows))))?)
            }
        })
    }
}

fn write_months(plan: &Plan, folder: &Path, progress: &dyn Fn(u64, u64)) -> Result<(Vec<MadeFile>, BTreeMap<u32, MonthMade>)> {
    // The long ones first, so that no thread is left alone with one at the end.
    let work: Vec<Work<'_>> = [Work::Late, Work::People].into_iter().chain(plan.months.iter().map(Work::Month)).collect();
    let next = AtomicUsize::new(0);
    let writers = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(WRITERS));
    let expected = plan.expected();
    let (sender, notes) = mpsc::channel::<Note>();
    std::thread::scope(|scope| {
        for _ in 0..writers {
            let (sender, work, next) = (sender.clone(), &work, &next);
            scope.spawn(move || {
                while let Some(piece) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let note = piece.run(plan, folder, &sender).unwrap_or_else(Note::Failed);
                    if matches!(note, Note::Failed(_)) {
                        // The other writers find no more work.
                        next.store(work.len(), Ordering::Relaxed);
                    }
                    if sender.send(note).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let (mut files, mut months, mut done, mut failed) = (Vec::new(), BTreeMap::new(), 0, None);
        for note in notes {
            match note {
                Note::Rows(rows) => {
                    done += rows;
                    progress(done, expected.max(done));
                }
                Note::Month(month) => drop(months.insert(month.index, month)),
                Note::Files(more) => files.extend(more),
                Note::Failed(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok((files, months)), Err)
    })
}

#[cfg(test)]
mod tests;
