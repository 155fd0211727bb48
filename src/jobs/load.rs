//! `ier load`: export files into the hot tier and the reference tables.
//!
//! Every file is read to its end before anything is committed: a file that turns out broken, or a parser that dies
//! ([`parsers`]), changes nothing. Then each
//! table changes in one commit: IERs, then their links (which take person and date from them), then the rest, then the ledger
//! of aliases with what contacts and leads show, and last the ledger of loads. A run killed between two commits is finished by running it again: what is already there is found
//! unchanged.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::Serialize;

use self::parsers::{Parsed, Parsers, Rejected};
use super::coverage::{self, Covered};
use super::record::Report;
use crate::error::{Context, Error, Message, Result};
use crate::human;
use crate::lake::commit::{ATTEMPTS, lost_race};
use crate::lake::paths::Role;
use crate::lake::snapshot::Partition;
use crate::lake::spill::Spill;
use crate::progress::Progress;
use crate::record::fields::{TABLES, Table, known};
use crate::source::export::ReadOptions;
use crate::source::inputs::{self, Input};
use crate::source::reject::RejectFile;
use crate::tiers::aliases;
use crate::tiers::carry::Counts;
use crate::tiers::links;
use crate::tiers::spans::{self, Missing, Spans};
use crate::tiers::upsert::Upsert;
use crate::tiers::warehouse::Warehouse;

mod parsers;

/// Rows a parser hands over at once: some ten megabytes. What is on its way is in memory beside what waits.
const BATCH_ROWS: usize = 16 * 1024;
/// The part of a load's memory in which rows wait; the other is for rows that are worked on.
const WAITING: usize = 2;

/// What to load.
#[derive(Clone, Debug)]
pub struct LoadRequest {
    /// Files, folders, globs, or `-` for standard input.
    pub inputs: Vec<String>,
    /// Load all of them into this table, whatever their headers say.
    pub as_table: Option<String>,
    /// The zone of date-times that carry none.
    pub zone: Tz,
    /// Where rejected rows go; by default a file in the working folder, named by the time.
    pub rejects: Option<PathBuf>,
    /// Memory for rows on their way, in bytes; what exceeds it waits in the temporary folder.
    pub buffer_bytes: usize,
    /// Keep which versions of an IER were seen, and when.
    pub keep_versions: bool,
    /// What becomes of the rows of people's attributes that the files do not have.
    pub missing: Missing,
}

/// What a load did to one table.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TableCounts {
    /// The table.
    pub table: String,
    /// Files read into it.
    pub files: u64,
    /// Rows in those files.
    pub read: u64,
    /// Rows with a new key.
    pub inserted: u64,
    /// Rows that changed a stored one.
    pub updated: u64,
    /// Rows that told nothing new.
    pub unchanged: u64,
    /// Rows refused, each with its reason in the rejects file.
    pub rejected: u64,
    /// Stored rows of people's attributes that hold no longer.
    pub ended: u64,
    /// Rows refused because they are somebody's who was erased on request.
    pub erased: u64,
    /// Of the inserted and updated: rows older than the archive's boundary, waiting in hot for the next archive run.
    pub late: u64,
}

/// What a load did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LoadReport {
    /// By table, in the order they were committed.
    pub tables: Vec<TableCounts>,
    /// Merges and conversions of people that were not known before.
    pub aliases_learned: u64,
    /// Where the rejected rows are, if there are any.
    pub rejects_file: Option<PathBuf>,
    /// Bytes of the files.
    pub bytes: u64,
    /// How long it took.
    pub seconds: f64,
}

impl LoadReport {
    /// Did any row change anything?
    pub fn changed(&self) -> bool {
        self.aliases_learned > 0 || self.tables.iter().any(|table| table.inserted + table.updated + table.ended > 0)
    }

    /// Was every row refused?
    pub fn all_rejected(&self) -> bool {
        self.tables.iter().any(|table| table.read > 0) && self.tables.iter().all(|table| table.rejected == table.read)
    }
}

impl Report for LoadReport {
    fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.inserted + table.updated).sum()
    }

    fn changed(&self) -> bool {
        LoadReport::changed(self)
    }

    /// A load of which nothing was accepted is a failed one.
    fn complaint(&self) -> Option<Error> {
        self.all_rejected().then(|| Error::invalid("every row was rejected: the rejects file says why"))
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.tables.iter().map(|table| table.table.len()).max().unwrap_or(0).max("table".len());
        let titles = ["files", "read", "inserted", "updated", "unchanged", "rejected"];
        write!(f, "{:width$}", "table")?;
        for title in titles {
            write!(f, "  {title:>12}")?;
        }
        for table in &self.tables {
            write!(f, "\n{:width$}", table.table)?;
            for number in [table.files, table.read, table.inserted, table.updated, table.unchanged, table.rejected] {
                write!(f, "  {:>12}", human::count(number))?;
            }
        }
        let rows: u64 = self.tables.iter().map(|table| table.read).sum();
        let (bytes, seconds) = (human::bytes(self.bytes), human::seconds(self.seconds));
        write!(f, "\n{} rows, {bytes} in {seconds} ({})", human::count(rows), human::rate(rows, self.seconds))?;
        let late: u64 = self.tables.iter().map(|table| table.late).sum();
        if late > 0 {
            write!(
                f,
                "\n{} rows are older than the archive's boundary; the next `ier archive` folds them in",
                human::count(late)
            )?;
        }
        for table in self.tables.iter().filter(|table| table.ended > 0) {
            let ended = human::counted(table.ended, "row");
            write!(f, "\n{}: {ended} hold no longer: the files name their people, and do not have them any more", table.table)?;
        }
        let erased: u64 = self.tables.iter().map(|table| table.erased).sum();
        if erased > 0 {
            write!(f, "\n{} refused: of people erased on request", human::counted(erased, "row"))?;
        }
        if self.aliases_learned > 0 {
            let aliases = if self.aliases_learned == 1 { "alias" } else { "aliases" };
            write!(f, "\n{} {aliases} of people learned, from merges and conversions", human::count(self.aliases_learned))?;
        }
        if let Some(path) = &self.rejects_file {
            write!(f, "\nrejected rows, with file, line and reason: {}", path.display())?;
        }
        if self.all_rejected() {
            write!(f, "\nnothing changed: every row was rejected")?;
        } else if !self.changed() {
            write!(f, "\nnothing changed: all of this was here already")?;
        }
        Ok(())
    }
}

/// Loads export files.
///
/// # Errors
/// Invalid (wrong header, no rows, unknown table, a rejects file that is there already), not found, corrupt (truncated,
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
    progress.total(bytes);
    let mut loading = Loading {
        warehouse: warehouse.clone(),
        buffer_bytes: request.buffer_bytes / WAITING,
        keep_versions: request.keep_versions,
        tables: Vec::new(),
        covered: Vec::new(),
    };
    loading.read(inputs, request, rejects, &progress).await?;
    let rejects_file = {
        let mut rejects = rejects.lock().unwrap_or_else(PoisonError::into_inner);
        (rejects.finish()? > 0).then(|| rejects.path().to_owned())
    };
    let covered = std::mem::take(&mut loading.covered);
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
    Ok(LoadReport { tables, aliases_learned, rejects_file, bytes, seconds })
}

/// One table's rows on their way.
struct TableLoad {
    counts: TableCounts,
    rows: Rows,
}

enum Rows {
    Upsert(Box<Upsert>),
    /// Links wait until their IERs are committed.
    Links(Box<Spill>),
}

impl Rows {
    /// How many there are.
    fn count(&self) -> u64 {
        match self {
            Self::Upsert(upsert) => upsert.rows(),
            Self::Links(spill) => spill.rows(),
        }
    }

    /// Bytes of those that wait in memory.
    fn held_bytes(&self) -> usize {
        match self {
            Self::Upsert(upsert) => upsert.held_bytes(),
            Self::Links(spill) => spill.held_bytes(),
        }
    }
}

struct Loading {
    warehouse: Arc<Warehouse>,
    buffer_bytes: usize,
    keep_versions: bool,
    /// In the order of commits.
    tables: Vec<TableLoad>,
    /// What was read, for the ledger.
    covered: Vec<Covered>,
}

impl Loading {
    async fn read(
        &mut self,
        inputs: Vec<Input>,
        request: &LoadRequest,
        rejects: &Rejected,
        progress: &Arc<dyn Progress>,
    ) -> Result<()> {
        let advance = progress.clone();
        let options = ReadOptions {
            as_table: request.as_table.clone(),
            zone: request.zone,
            batch_rows: BATCH_ROWS,
            progress: Some(Arc::new(move |bytes| advance.advance(bytes))),
        };
        let mut parsers = Parsers::start(inputs, &options, rejects);
        while let Some(parsed) = parsers.next().await? {
            match parsed {
                Parsed::Rows(table, batch) => {
                    match &mut self.table(&table).await?.rows {
                        Rows::Upsert(upsert) => upsert.push(&batch)?,
                        Rows::Links(spill) => spill.push(&batch)?,
                    }
                    self.relieve()?;
                }
                Parsed::End { table, rows_read, rejected } => {
                    let counts = &mut self.table(&table).await?.counts;
                    counts.files += 1;
                    counts.read += rows_read;
                    counts.rejected += rejected;
                }
                Parsed::Input(covered) => self.covered.extend(covered),
            }
        }
        // The last moment at which nothing is stored: a row that is neither here nor refused would be lost in silence.
        match self.tables.iter().find(|load| load.rows.count() + load.counts.rejected != load.counts.read) {
            None => Ok(()),
            Some(TableLoad { counts, rows }) => Err(Error::internal(format!(
                "{}: {} rows were read, {} are here and {} refused; nothing of this load is stored",
                counts.table,
                counts.read,
                rows.count(),
                counts.rejected
            ))),
        }
    }

    /// Puts rows on disk while those of all tables are more than may wait in memory: the most of them first.
    fn relieve(&mut self) -> Result<()> {
        while self.tables.iter().map(|load| load.rows.held_bytes()).sum::<usize>() > self.buffer_bytes {
            let Some(most) = self.tables.iter_mut().max_by_key(|load| load.rows.held_bytes()) else { break };
            match &mut most.rows {
                Rows::Upsert(upsert) => upsert.relieve()?,
                Rows::Links(spill) => spill.relieve()?,
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
        let buffer_bytes = self.buffer_bytes;
        let rows = if table.name == links::table()?.name {
            Rows::Links(Box::new(Spill::new(table.clone(), Role::Hot, buffer_bytes)))
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
            return Err(Error::invalid(format!(
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
            let (mut upsert, links) = match load.rows {
                Rows::Upsert(upsert) => (*upsert, None),
                Rows::Links(spill) => {
                    let looked_up_at = links::ier_version(&self.warehouse).await?;
                    (enriched(&self.warehouse, &spill, self.buffer_bytes).await?, Some((spill, looked_up_at)))
                }
            };
            progress.say(&format!("writing {name}"));
            progress.total(upsert.rows());
            let done = run(&self.warehouse, &mut upsert, name == ier, progress).await.context(|| failed(&name))?;
            if let Some((links, looked_up_at)) = links
                && links::ier_version(&self.warehouse).await? != looked_up_at
            {
                for piece in links.pieces(Partition(None)) {
                    links::settle_anew(&self.warehouse, links::ier_ids(&piece?)?).await?;
                }
            }
            let Counts { inserted, updated, unchanged, late, erased } = done;
            counts.push(TableCounts { inserted, updated, unchanged, late, erased, ..load.counts });
        }
        if touched.contains(ier) || touched.contains(links::table()?.name.as_ref()) {
            links::adopt_orphans(&self.warehouse).await?;
        }
        Ok(counts)
    }
}

fn failed(table: &str) -> String {
    format!("cannot load {table}; files read so far are committed up to the table before it")
}

/// Writes what a load says into a table of people's attributes.
async fn write_attributes(
    warehouse: &Arc<Warehouse>,
    load: TableLoad,
    request: &LoadRequest,
    progress: &Arc<dyn Progress>,
) -> Result<TableCounts> {
    let TableLoad { counts, rows } = load;
    let Rows::Upsert(told) = rows else { return Err(Error::internal(format!("{} is loaded as links are", counts.table))) };
    progress.say(&format!("writing {}", counts.table));
    progress.total(told.rows());
    let missing = if counts.rejected > 0 { Missing::Unknown } else { request.missing };
    let how = (missing, request.zone, request.buffer_bytes / WAITING);
    let written = spans::write(warehouse, &told, how, progress).await;
    let Spans { begun, changed, ended, erased } = written.context(|| failed(&counts.table))?;
    let (inserted, updated) = (begun.saturating_sub(changed), begun.min(changed));
    // Rows that came twice are among the unchanged, so there are never more of the others than were read.
    let unchanged = counts.read.saturating_sub(counts.rejected + begun + erased);
    Ok(TableCounts { inserted, updated, unchanged, ended, erased, ..counts })
}

/// The links of a load with the persons and dates of their IERs.
async fn enriched(warehouse: &Arc<Warehouse>, spill: &Spill, buffer_bytes: usize) -> Result<Upsert> {
    let table = links::table()?;
    let mut upsert = Upsert::new(warehouse, table, buffer_bytes).await?;
    let mut chunk = Vec::new();
    let mut rows = 0;
    for piece in spill.pieces(Partition(None)) {
        let piece = piece?;
        rows += piece.num_rows();
        chunk.push(piece);
        if rows >= links::CHUNK_ROWS {
            let batch = arrow::compute::concat_batches(&table.lake_schema(), &std::mem::take(&mut chunk))?;
            upsert.push(&links::enrich(warehouse, &batch).await?)?;
            rows = 0;
        }
    }
    if rows > 0 {
        let batch = arrow::compute::concat_batches(&table.lake_schema(), &chunk)?;
        upsert.push(&links::enrich(warehouse, &batch).await?)?;
    }
    Ok(upsert)
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
