//! Synthetic exports: what a university's org would export, made from a seed, to try, test and measure the engine with.
//!
//! Every fact (who is in a send, who opens it and when) is a pure function of the seed and of what the fact is about. So the files
//! of different months are written side by side, in bounded memory, and the same recipe gives the same bytes. Nothing in them is
//! about a real person: names are drawn from lists, addresses are in domains reserved for examples.
//!
//! Its rates were set, not measured, so nothing about people's behaviour can be learned from it. It refuses a folder that is not
//! empty.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use self::month::MonthMade;
use self::recipe::{MadeFile, Recipe};
use self::sends::Plan;
use crate::error::{Context, Error, Result};

// What is to be made, and the files that were made.
pub mod recipe;

// The months of a recipe, in UTC microseconds.
mod calendar;

// One value of a row, and how each exporting tool writes it.
mod cell;

// Random decisions, each a hash of the seed and of what is decided.
mod dice;

// What one person does with one e-mail, and the versions of the IER that follow from it.
mod lifecycle;

// Files that appear whole or not at all.
mod file;

// Makes Salesforce ids like those of one org.
mod ids;

// The columns of one version of an IER, and of a link.
mod ier;

// Writes the files of one month: IERs, links, and at times a report.
mod month;

// Writes the small objects: sends, units, people and what belongs to them.
mod objects;

// The invented people: contacts and leads, their names, and whether they are merged, deleted or converted.
mod people;

// The sends of each month: their recipients, and the texts of their IERs.
mod sends;

// Writes IERs and links: as CSV in some tool's style, or as Parquet.
mod sink;

// The totals that Marketing Cloud counts for a send and its links.
mod tally;

// E-mails that were withheld, as in Marketing Cloud's NotSent extract.
mod withheld;

// Names of e-mails, links and people.
mod wording;

/// Threads that write months side by side. More would gain little: the disk is next.
const WRITERS: usize = 4;

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
    std::fs::create_dir_all(folder).context(|| phrase!("{}: cannot be made", folder.display()))?;
    let mut entries = std::fs::read_dir(folder).context(|| phrase!("{}: cannot be read", folder.display()))?;
    if entries.next().is_some() {
        return Err(Error::invalid(phrase!("{}: the folder is not empty; name a new one", folder.display())));
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
