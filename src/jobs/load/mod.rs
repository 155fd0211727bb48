//! `ier load`: export files into the hot tier and the reference tables.
//!
//! Every file is read to its end before anything is committed: a file that turns out broken, or a parser that dies
//! ([`parsers`]), changes nothing. Then each
//! table changes in one commit: IERs, then their links (which take person and date from them), then the rest, then the ledger
//! of aliases with what contacts and leads show, and last the ledger of loads. A run killed between two commits is finished by running it again: what is already there is found
//! unchanged.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use self::new_table::may_be_made;
use self::parsers::{FinishedExport, Parsed, Parsers, Rejected};
use self::report::some;
pub use self::report::{LoadReport, SkippedFile, TableCounts};
use crate::error::{Context, Error, Message, Result};
use crate::human;
use crate::lake::log::commit::{ATTEMPTS, lost_race};
use crate::ledgers::coverage::{self, Covered};
use crate::progress::{Progress, Unit};
use crate::record::fields::{TABLES, Table, known};
use crate::source::export::ReadOptions;
use crate::source::inputs::{self, Input};
use crate::source::reading::Asked;
use crate::source::reject::RejectFile;
use crate::source::rows::Irregularities;
use crate::tiers::link_load::LinkLoad;
use crate::tiers::settle::Counts;
use crate::tiers::spans::{self, Missing, Spans};
use crate::tiers::upsert::Upsert;
use crate::tiers::warehouse::Warehouse;
use crate::tiers::{aliases, links};

// May a file make a table of its name?
mod new_table;

// The parsers of a load: threads that read the files, and the count of what they have read.
mod parsers;

// What a load did, for people and machines.
mod report;

/// Rows a parser hands over at once: some ten megabytes. What is on its way is in memory beside what waits.
const BATCH_ROWS: usize = 16 * 1024;
/// The part of a load's memory in which rows wait; the other is for rows that are worked on.
const WAITING: usize = 2;

/// The request for a load.
#[derive(Clone, Debug)]
pub struct LoadRequest {
    /// Files, folders, globs, or `-` for standard input.
    pub inputs: Vec<String>,
    /// What is said of them: table, zone, order of dates.
    pub asked: Asked,
    /// Where rejected rows go; by default a file in the working folder, named by the time.
    pub rejects: Option<PathBuf>,
    /// Memory for rows on their way, in bytes; what exceeds it waits in the temporary folder.
    pub buffer_bytes: usize,
    /// Bytes of a record of text, at most.
    pub record_bytes: usize,
    /// Keep which versions of an IER were seen, and when.
    pub keep_versions: bool,
    /// What becomes of the rows of people's attributes that the files do not have.
    pub missing: Missing,
}

/// Loads export files.
///
/// # Errors
/// Invalid (wrong header, unknown table, a file that contradicts itself, a rejects file that is there already), not found, corrupt (truncated,
/// undecodable), or internal (a parser died): then nothing was changed. Conflict when others change the same tables all the
/// time. Each names the rejects file, if there is one.
pub async fn load(warehouse: &Arc<Warehouse>, request: LoadRequest, progress: Arc<dyn Progress>) -> Result<LoadReport> {
    let started = warehouse.clock().now();
    let inputs = inputs::expand(&request.inputs)?;
    let rejects = RejectFile::at(request.rejects.clone().unwrap_or_else(|| usual_rejects(started)))?;
    let rejects = Arc::new(Mutex::new(rejects));
    // On the heap: a load is deep enough as it is.
    let done = Box::pin(load_inputs(warehouse, inputs, &request, &rejects, progress)).await;
    done.map_err(|error| {
        let mut rejects = rejects.lock().unwrap_or_else(PoisonError::into_inner);
        match (rejects.count(), rejects.finish()) {
            (0, _) => error,
            (_, Ok(_)) => error.also(rejected_by_then(rejects.path())),
            (_, Err(unwritten)) => error.also(unwritten),
        }
    })
}

/// Looks whether what a request names is there, and whether there is room for what is rejected. Nothing is read or written.
///
/// # Errors
/// Not found for a file that is not there; invalid for nothing to read, and for a rejects file that is there already.
pub fn check(request: &LoadRequest) -> Result<()> {
    inputs::expand(&request.inputs)?;
    request.rejects.as_ref().map_or(Ok(()), |path| RejectFile::at(path).map(drop))
}

/// Where the rows are that a load rejected before it stopped.
pub fn rejected_by_then(rejects: &Path) -> Message {
    phrase!("rows rejected by then: {}", rejects.display())
}

/// The rejects file of a load that names none: in the working folder, told from all others by time and process.
pub fn usual_rejects(started: DateTime<Utc>) -> PathBuf {
    let name = format!("ier-rejects-{}-{}", started.format("%Y%m%d-%H%M%S"), std::process::id());
    let mut path = PathBuf::from(format!("{name}.csv"));
    let mut number = 1;
    while path.symlink_metadata().is_ok() {
        number += 1;
        path = PathBuf::from(format!("{name}-{number}.csv"));
    }
    path
}

async fn load_inputs(
    warehouse: &Arc<Warehouse>,
    inputs: Vec<Input>,
    request: &LoadRequest,
    rejects: &Rejected,
    progress: Arc<dyn Progress>,
) -> Result<LoadReport> {
    let clock = warehouse.clock().clone();
    let started = clock.now();
    let bytes = inputs.iter().filter_map(|input| input.bytes).sum();
    progress.say("reading");
    progress.count(Unit::Bytes, bytes);
    let mut inputs = inputs;
    // What comes through a pipe may take its time: whoever waits can stop it.
    let inputs = tokio::task::spawn_blocking(move || inputs.iter_mut().try_for_each(Input::keep).map(|()| inputs)).await??;
    let mut whole = false;
    let mut loading = loop {
        let mut loading = Loading::new(warehouse, request);
        match loading.read(inputs.clone(), (request, started), whole, rejects, &progress).await? {
            Read::ToTheEnd => break loading,
            Read::Otherwise if whole => return Err(Error::internal("a file changed while it was read: load it again")),
            // Nothing is stored yet. All files are judged as a whole this time.
            Read::Otherwise => {
                whole = true;
                rejects.lock().unwrap_or_else(PoisonError::into_inner).start_over()?;
                progress.say("reading again, because a file does not go on as it began");
                progress.count(Unit::Bytes, bytes);
            }
        }
    };
    let rejects_file = {
        let mut rejects = rejects.lock().unwrap_or_else(PoisonError::into_inner);
        (rejects.finish()? > 0).then(|| rejects.path().to_owned())
    };
    let covered = std::mem::take(&mut loading.covered);
    let Found { empty, left_out, notes } = std::mem::take(&mut loading.found);
    let attributes = loading.attributes(request.missing)?;
    let mut tables = Box::pin(loading.commit(&progress)).await?;
    let aliases_learned = match tables.iter().any(|counts| aliases::shows(&counts.table)) {
        true => aliases::learn(warehouse)
            .await
            .context(|| "contacts and leads are loaded, but the ledger of aliases lacks what they show: load the files again")?,
        false => 0,
    };
    // Whose attributes a row has may hang on what was just learned.
    for load in attributes {
        tables.push(Box::pin(write_attributes(warehouse, load, request, &progress)).await?);
    }
    coverage::record(warehouse, covered)
        .await
        .context(|| "all rows are loaded, but the ledger of loads does not say so: load the files again")?;
    let seconds = (clock.now() - started).num_milliseconds() as f64 / 1000.0;
    let note = |(note, mut files): (String, Vec<String>)| {
        files.sort_unstable();
        format!("{}: {note}", some(files.iter().map(String::as_str)))
    };
    let notes = notes.into_iter().map(note).collect();
    Ok(LoadReport { tables, empty, left_out, notes, aliases_learned, rejects_file, bytes, seconds })
}

/// One table's rows on their way.
struct TableLoad {
    counts: TableCounts,
    rows: Rows,
}

enum Rows {
    Upsert(Box<Upsert>),
    /// Links wait until their IERs are committed.
    Links(Box<LinkLoad>),
}

impl Rows {
    /// How many there are.
    fn count(&self) -> u64 {
        match self {
            Self::Upsert(upsert) => upsert.rows(),
            Self::Links(links) => links.rows(),
        }
    }

    /// Bytes of those that wait in memory.
    fn held_bytes(&self) -> usize {
        match self {
            Self::Upsert(upsert) => upsert.held_bytes(),
            Self::Links(links) => links.held_bytes(),
        }
    }
}

/// Were the files as they were taken for?
enum Read {
    ToTheEnd,
    /// One was not: everything read is void.
    Otherwise,
}

/// Findings of a load other than rows.
#[derive(Default)]
struct Found {
    empty: Vec<String>,
    left_out: Vec<SkippedFile>,
    /// What was assumed of files, or is odd in them, with their names.
    notes: BTreeMap<String, Vec<String>>,
}

struct Loading {
    warehouse: Arc<Warehouse>,
    buffer_bytes: usize,
    keep_versions: bool,
    /// Make tables whatever their names are like.
    is_forced: bool,
    /// In the order of commits.
    tables: Vec<TableLoad>,
    /// What was read, for the ledger.
    covered: Vec<Covered>,
    found: Found,
}

impl Loading {
    fn new(warehouse: &Arc<Warehouse>, request: &LoadRequest) -> Self {
        Self {
            warehouse: warehouse.clone(),
            buffer_bytes: request.buffer_bytes / WAITING,
            keep_versions: request.keep_versions,
            is_forced: request.asked.is_forced,
            tables: Vec::new(),
            covered: Vec::new(),
            found: Found::default(),
        }
    }

    async fn read(
        &mut self,
        inputs: Vec<Input>,
        (request, now): (&LoadRequest, DateTime<Utc>),
        whole: bool,
        rejects: &Rejected,
        progress: &Arc<dyn Progress>,
    ) -> Result<Read> {
        let advance = progress.clone();
        let mut asked = request.asked.clone();
        asked.plausible.latest = asked.plausible.latest.min((now + TimeDelta::days(1)).timestamp_micros());
        let options = ReadOptions {
            whole,
            batch_rows: BATCH_ROWS,
            record_bytes: request.record_bytes,
            progress: Some(Arc::new(move |bytes| advance.advance(bytes))),
            ..ReadOptions::new(asked)
        };
        let mut parsers = Parsers::start(inputs, &options, rejects);
        let mut is_anything_read = false;
        while let Some(parsed) = parsers.next().await? {
            match parsed {
                Parsed::Rows(table, batch) => {
                    match &mut self.table(&table).await?.rows {
                        Rows::Upsert(upsert) => upsert.push(&batch)?,
                        Rows::Links(links) => links.push(&batch)?,
                    }
                    self.relieve()?;
                }
                Parsed::End(ended) => {
                    is_anything_read = true;
                    self.end(ended, request).await?;
                }
                Parsed::Nothing(name) => {
                    is_anything_read = true;
                    self.empty(name, request)?;
                }
                Parsed::SkippedFile(file, why) => self.found.left_out.push(SkippedFile { file, why }),
                Parsed::Otherwise => {
                    parsers.stop().await;
                    return Ok(Read::Otherwise);
                }
                Parsed::Input(covered) => self.covered.extend(covered),
            }
        }
        if !is_anything_read {
            let files = some(self.found.left_out.iter().map(|left_out| left_out.file.as_str()));
            return Err(Error::invalid(phrase!("nothing here is understood: {files}; load them one by one, with --as TABLE")));
        }
        // The last moment at which nothing is stored: a row that is neither here nor refused would be lost in silence.
        match self.tables.iter().find(|load| load.rows.count() + load.counts.rejected != load.counts.read) {
            None => Ok(Read::ToTheEnd),
            Some(TableLoad { counts, rows }) => Err(Error::internal(phrase!(
                "{}: {} rows were read, {} are here and {} refused; nothing of this load is stored",
                counts.table,
                counts.read,
                rows.count(),
                counts.rejected
            ))),
        }
    }

    /// An export is at its end.
    async fn end(&mut self, ended: FinishedExport, request: &LoadRequest) -> Result<()> {
        let FinishedExport { name, table, rows_read, rejected, irregularities, notes } = ended;
        for note in notes {
            self.found.notes.entry(note).or_default().push(name.clone());
        }
        if rows_read == 0 {
            self.empty(name, request)?;
            if known(&table.name).is_none() && matches!(request.missing, Missing::All { .. }) {
                return Err(Error::invalid(phrase!("{} has no rows: with --complete, everything there would end", table.name)));
            }
            return Ok(());
        }
        let counts = &mut self.table(&table).await?.counts;
        let Irregularities { repaired, trailing, .. } = irregularities;
        counts.files += 1;
        counts.read += rows_read;
        counts.rejected += rejected;
        counts.repaired += repaired;
        counts.trailing += trailing;
        Ok(())
    }

    /// A file without rows.
    fn empty(&mut self, name: String, request: &LoadRequest) -> Result<()> {
        if request.asked.strict {
            return Err(Error::invalid(phrase!("{name} has no rows, and --strict wants some in each file")));
        }
        self.found.empty.push(name);
        Ok(())
    }

    /// Puts rows on disk while those of all tables are more than may wait in memory: the most of them first.
    fn relieve(&mut self) -> Result<()> {
        while self.tables.iter().map(|load| load.rows.held_bytes()).sum::<usize>() > self.buffer_bytes {
            let Some(most) = self.tables.iter_mut().max_by_key(|load| load.rows.held_bytes()) else { break };
            match &mut most.rows {
                Rows::Upsert(upsert) => upsert.relieve()?,
                Rows::Links(links) => links.relieve()?,
            }
        }
        Ok(())
    }

    /// The load of a table, begun if this is its first batch.
    async fn table(&mut self, table: &Arc<Table>) -> Result<&mut TableLoad> {
        if let Some(at) = self.tables.iter().position(|load| load.counts.table == table.name) {
            // A second file of people's attributes may bring columns the first did not have.
            if let Rows::Upsert(upsert) = &mut self.tables[at].rows {
                upsert.widen(table).await?;
            }
            return Ok(&mut self.tables[at]);
        }
        if !self.is_forced {
            may_be_made(&self.warehouse, &table.name).await?;
        }
        let buffer_bytes = self.buffer_bytes;
        let rows = if table.name == links::table()?.name {
            Rows::Links(Box::new(LinkLoad::new(&self.warehouse, buffer_bytes)?))
        } else {
            let mut upsert = Upsert::new(&self.warehouse, table, buffer_bytes).await?;
            upsert.keep_versions(self.keep_versions);
            Rows::Upsert(Box::new(upsert))
        };
        let counts = TableCounts { table: table.name.to_string(), ..TableCounts::default() };
        self.tables.push(TableLoad { counts, rows });
        self.tables.last_mut().ok_or_else(|| Error::internal("a table just begun is missing"))
    }

    /// Takes out the tables of people's attributes, which are written when it is known who is who.
    ///
    /// # Errors
    /// Invalid when the files shall be complete, and rows of theirs were refused.
    fn attributes(&mut self, missing: Missing) -> Result<Vec<TableLoad>> {
        let (known, attributes) = self.tables.drain(..).partition(|load| known(&load.counts.table).is_some());
        self.tables = known;
        let refused = |load: &&TableLoad| load.counts.rejected > 0;
        if let (Missing::All { .. }, Some(TableLoad { counts, .. })) = (missing, attributes.iter().find(refused)) {
            let (rows, name) = (human::counted(counts.rejected, "row"), &counts.table);
            return Err(Error::invalid(phrase!(
                "{rows} of {name} cannot be read, so the files are not complete: see the rejects file, or load without --complete"
            )));
        }
        Ok(attributes)
    }

    /// Commits table by table; what each got.
    async fn commit(mut self, progress: &Arc<dyn Progress>) -> Result<Vec<TableCounts>> {
        let order: BTreeMap<&str, usize> = TABLES.iter().enumerate().map(|(at, table)| (table.name.as_ref(), at)).collect();
        self.tables.sort_by_key(|load| order.get(load.counts.table.as_str()).copied().unwrap_or(usize::MAX));
        let ier = links::ier_table()?.name.as_ref();
        let touched: HashSet<String> = self.tables.iter().map(|load| load.counts.table.clone()).collect();
        let mut counts = Vec::with_capacity(self.tables.len());
        for load in self.tables {
            let name = load.counts.table.clone();
            let done = match load.rows {
                Rows::Links(mut links) => links.write(progress, || failed(&name)).await?,
                Rows::Upsert(mut upsert) => {
                    progress.say(&format!("writing {name}"));
                    run(&self.warehouse, &mut upsert, name == ier, progress).await.context(|| failed(&name))?
                }
            };
            let Counts { inserted, updated, unchanged, outdone, late, erased } = done;
            counts.push(TableCounts { inserted, updated, unchanged, outdone, late, erased, ..load.counts });
        }
        if touched.contains(ier) || touched.contains(links::table()?.name.as_ref()) {
            links::adopt_orphans(&self.warehouse).await?;
        }
        Ok(counts)
    }
}

fn failed(table: &str) -> String {
    format!("cannot load {table}; the tables before it are stored")
}

/// Writes what a load says into a table of people's attributes.
async fn write_attributes(
    warehouse: &Arc<Warehouse>,
    load: TableLoad,
    request: &LoadRequest,
    progress: &Arc<dyn Progress>,
) -> Result<TableCounts> {
    let TableLoad { counts, rows } = load;
    let Rows::Upsert(mut provided) = rows else {
        return Err(Error::internal(phrase!("{} is loaded as links are", counts.table)));
    };
    progress.say(&format!("writing {}", counts.table));
    let missing = if counts.rejected > 0 { Missing::Unknown } else { request.missing };
    let how = (missing, request.asked.zone, request.buffer_bytes / WAITING);
    let written = spans::write(warehouse, &mut provided, how, progress).await;
    let Spans { begun, changed, ended, erased } = written.context(|| failed(&counts.table))?;
    let (inserted, updated) = (begun.saturating_sub(changed), begun.min(changed));
    // Rows that came twice are among the unchanged, so there are never more of the others than were read.
    let unchanged = counts.read.saturating_sub(counts.rejected + begun + erased);
    Ok(TableCounts { inserted, updated, unchanged, ended, erased, ..counts })
}

/// Folds and commits one table, again as long as others come first.
async fn run(warehouse: &Arc<Warehouse>, upsert: &mut Upsert, ier: bool, progress: &Arc<dyn Progress>) -> Result<Counts> {
    // IERs whose links were moved, by this attempt or by one that lost: a move of the winner's may make it void.
    let mut followed: Vec<String> = Vec::new();
    for _ in 0..ATTEMPTS {
        let prepared = match upsert.prepare(progress).await {
            // Others committed and deleted files meanwhile.
            Err(error) if lost_race(&error) => continue,
            done => done?,
        };
        if ier {
            links::follow(warehouse, &prepared.moved).await?;
            followed.extend(prepared.moved.iter().map(|moved| moved.ier_id.clone()));
        }
        match upsert.commit(prepared).await {
            Err(error) if lost_race(&error) => progress.say("somebody else wrote first: writing again"),
            done => {
                let counts = done?;
                if !followed.is_empty() {
                    links::settle_anew(warehouse, &followed.iter().map(Some).collect()).await?;
                }
                return Ok(counts);
            }
        }
    }
    Err(Error::conflict("others change the table all the time: try again when they are done"))
}
