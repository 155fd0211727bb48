//! Tables of people's attributes in time: each row holds within a span (`valid_from`, `valid_to`), and a load begins and ends spans.
//!
//! A load states how things are now:
//! - A row that is not stored begins now. In the first load of a table it has no beginning: nobody knows since when it holds.
//! - A row that is stored goes on.
//! - A stored row that the load lacks ends now, if the load names its person, or is said to be complete.
//!
//! So a stored row only ever gets an end, and "what were they when it was sent" and "what are they now" are one join each.
//!
//! Dates in the file (`start_date` or `effective_date`, and `end_date`, whose day still counts) take precedence over the moment of
//! the load. Where a row replaces another under the same start, the old one ends and the new one begins at the load:
//!
//! | stored | loaded on 16 November | afterwards |
//! |---|---|---|
//! | Clerk, 1 June 2017 to 1 August 2019 | the same | Clerk, as before |
//! | Analyst, from 15 August 2019 | Senior Analyst, from 15 August 2019 | Analyst until 16 November; Senior Analyst from 16 November |
//! | Dean, from 1 May 2020 | nothing of this person but the rows above | Dean until 16 November |
//!
//! **Invariants.** Loading the same files twice changes nothing. No two spans of one row overlap.
//!
//! **Memory** is bounded by the buffer of the load, whatever the load and the table have: both are read twice, piece by piece, first
//! for the facts that are compared ([`facts`]), then for the rows that begin or end. Facts wait in buckets on disk ([`buckets`]).

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray, UInt32Array};
use arrow::compute::take_record_batch;
use chrono_tz::Tz;
use futures::TryStreamExt;

use self::buckets::{Buckets, ByRow};
pub use self::compare::Missing;
use self::compare::{Changes, CompareOptions};
use self::facts::{Fact, Facts, Kind, SPAN};
use super::aliases::Aliases;
use super::memory_budget::MemoryBudget;
use super::settle::Counts;
use super::upsert::Upsert;
use super::warehouse::Warehouse;
use crate::error::{Error, Result};
use crate::lake::columns::{keys, pad};
use crate::lake::log::commit::{ATTEMPTS, lost_race};
use crate::lake::log::snapshot::Snapshot;
use crate::lake::log::table::LakeTable;
use crate::lake::read::open;
use crate::progress::Progress;
use crate::record::fields::{UTC, VALID_FROM, VALID_TO, hidden};
use crate::record::resolve::resolve_all;

// The facts of a row that a comparison needs: hashes of a fixed size, however wide the row is.
mod facts;

// Facts in buckets, on disk where memory has no room; one bucket at a time is processed.
mod buckets;

// Compares a load with the stored rows: which rows begin, which end, and when.
mod compare;

/// How many people whose rows would end are named.
const PEOPLE_NAMED: usize = 5;

/// The part of the buffer that is one over this may hold facts that wait, and so may each bucket of facts that is compared.
const COMPARED: usize = 8;

/// What a load did to a table of attributes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spans {
    /// Rows that were not there.
    pub begun: u64,
    /// Of these, rows whose id was there with other values.
    pub changed: u64,
    /// Rows that hold no longer.
    pub ended: u64,
    /// Rows refused because they are somebody's who was erased.
    pub erased: u64,
}

impl Spans {
    /// What is left of what was to be written: a list of who was erased that is newer than the rows there refuses those that
    /// begin and those that end alike. Only the former are rows of the load.
    fn without_erased(self, counts: &Counts) -> Self {
        if counts.erased == 0 {
            return self;
        }
        let begun = self.begun.min(counts.inserted);
        let ended = self.ended.min(counts.updated);
        Self { begun, ended, changed: self.changed.min(begun), erased: self.begun - begun }
    }
}

/// Writes what a load says into its table. `load` has the load's rows; `buffer_bytes` is what may wait in memory.
///
/// # Errors
/// Invalid when a complete load would end more than half of the rows and nobody has confirmed that; conflict when others write to
/// the table all the time.
pub async fn write(
    warehouse: &Arc<Warehouse>,
    load: &mut Upsert,
    (missing, zone, buffer_bytes): (Missing, Tz, usize),
    progress: &Arc<dyn Progress>,
) -> Result<Spans> {
    // From here on the rows that begin and end wait in memory; those of a large load wait on disk.
    if load.held_bytes() > buffer_bytes / COMPARED {
        load.spill_to_disk()?;
    }
    let load = &*load;
    let identities = Aliases::open(warehouse).await?.identities().await?;
    for _ in 0..ATTEMPTS {
        let mut upsert = Upsert::new(warehouse, load.table(), buffer_bytes).await?;
        upsert.make_table().await?;
        let base = upsert.lake().snapshot().await?;
        let table = upsert.table().clone();
        let now = warehouse.clock().now().timestamp_micros();
        let facts = Facts { table: &table, identities: &identities, zone };
        let spans = Writing { load, base: &base, facts, missing, now, buffer_bytes }.push(&mut upsert).await?;
        if upsert.rows() == 0 {
            return Ok(spans);
        }
        let prepared = match upsert.prepare(progress).await {
            Err(error) if lost_race(&error) => continue,
            prepared => prepared?,
        };
        if prepared.version() != base.version {
            upsert.abandon(prepared).await;
            continue;
        }
        match upsert.commit(prepared).await {
            Err(error) if lost_race(&error) => progress.say("somebody else wrote first: writing again"),
            counts => return Ok(spans.without_erased(&counts?)),
        }
    }
    Err(Error::conflict(phrase!("{} is changed by others all the time: try again when they are done", load.table().name)))
}

/// One attempt at writing a load on one version of its table.
struct Writing<'a> {
    load: &'a Upsert,
    base: &'a Snapshot,
    facts: Facts<'a>,
    missing: Missing,
    /// The moment of the load, in microseconds.
    now: i64,
    buffer_bytes: usize,
}

impl Writing<'_> {
    /// Pushes the rows that begin, and those that end with their end; tells how many there are of each.
    async fn push(&self, upsert: &mut Upsert) -> Result<Spans> {
        let bytes = self.buffer_bytes / COMPARED;
        let lake = upsert.lake().clone();
        let mut facts = Buckets::new(self.load.rows() + self.base.rows(), bytes);
        let loaded = self.each_loaded(|first, rows| {
            self.facts.of(Kind::Loaded, rows, first)?.into_iter().try_for_each(|fact| facts.put(fact.identity, fact))
        })?;
        let stored = self.each_stored(&lake, |first, rows| {
            self.facts.of(Kind::Stored, rows, first)?.into_iter().try_for_each(|fact| facts.put(fact.identity, fact))
        });
        let stored = stored.await?;
        let how = CompareOptions { missing: self.missing, now: self.now, is_first: stored == 0, bytes };
        let found = how.by_identity(facts)?;
        let (changed, ending, holding) = (found.changed, found.ends, found.holding);
        let Changes { mut begins, mut ends } = how.by_person(found, (loaded, stored))?;
        if self.missing == (Missing::All { confirmed: false }) && ending * 2 > holding {
            return Err(self.rather_cut_short(&lake, ends, holding).await?);
        }
        let spans = Spans { begun: begins.count(), changed, ended: ends.count(), erased: 0 };
        self.each_loaded(|first, rows| {
            let chosen = begins.take_before(first + rows.num_rows() as u64)?;
            let begun = spanned(rows, first, &chosen, |own| match how.is_first {
                true => own.to_owned(),
                false => format!("{own}{SPAN}{}", self.now),
            })?;
            upsert.push(&begun)
        })?;
        let ended = self.each_stored(&lake, |first, rows| {
            let chosen = ends.take_before(first + rows.num_rows() as u64)?;
            upsert.push(&spanned(rows, first, &chosen, str::to_owned)?)
        });
        ended.await?;
        Ok(spans)
    }

    /// Does something with all rows of the load, one version of each, piece by piece and always in the same order; each comes with
    /// the place of the piece's first. Returns how many there are.
    fn each_loaded(&self, mut work: impl FnMut(u64, &RecordBatch) -> Result<()>) -> Result<u64> {
        let mut first = 0;
        for piece in self.load.pieces(MemoryBudget::new(self.buffer_bytes).part_bytes()) {
            let rows = pad(&resolve_all(self.load.table(), &piece?)?, &self.facts.table.lake_schema())?;
            work(first, &rows)?;
            first += rows.num_rows() as u64;
        }
        Ok(first)
    }

    /// The same with all rows of the table.
    async fn each_stored(&self, lake: &LakeTable, mut work: impl FnMut(u64, &RecordBatch) -> Result<()>) -> Result<u64> {
        let mut first = 0;
        for file in self.base.files() {
            let mut batches = open(lake, file).await?.stream(None, None)?;
            while let Some(rows) = batches.try_next().await? {
                work(first, &rows)?;
                first += rows.num_rows() as u64;
            }
        }
        Ok(first)
    }

    /// So much would end that the load is rather cut short than complete.
    async fn rather_cut_short(&self, lake: &LakeTable, mut ends: ByRow, holding: u64) -> Result<Error> {
        let ending = ends.count();
        let (mut people, mut hashes) = (BTreeSet::new(), HashSet::new());
        let looked = self.each_stored(lake, |first, rows| {
            let chosen = ends.take_before(first + rows.num_rows() as u64)?;
            hashes.extend(chosen.iter().filter_map(|fact| fact.person));
            people.extend(self.facts.people(rows, chosen.iter().map(|fact| (fact.row - first) as usize))?);
            while people.len() > PEOPLE_NAMED {
                people.pop_last();
            }
            Ok(())
        });
        looked.await?;
        let more = hashes.len() - people.len();
        let named = people.into_iter().collect::<Vec<_>>().join(", ");
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        Ok(Error::invalid(phrase!(
            "{ending} of the {holding} rows of {} would end, those of {named}{more}: look whether the files are whole, and then add \
             --confirm",
            self.facts.table.name
        )))
    }
}

/// Those of some rows, of which the first has the place `first`, that get a span; with keys made of their own.
fn spanned(rows: &RecordBatch, first: u64, chosen: &[Fact], key: impl Fn(&str) -> String) -> Result<RecordBatch> {
    let places: UInt32Array = chosen.iter().map(|fact| (fact.row - first) as u32).collect();
    let rows = take_record_batch(rows, &places)?;
    let schema = rows.schema();
    let mut columns = rows.columns().to_vec();
    let from: TimestampMicrosecondArray = chosen.iter().map(|fact| fact.from).collect();
    let until: TimestampMicrosecondArray = chosen.iter().map(|fact| fact.until).collect();
    for (name, moments) in [(VALID_FROM, from), (VALID_TO, until)] {
        columns[schema.index_of(name)?] = Arc::new(moments.with_timezone(UTC.clone())) as ArrayRef;
    }
    let named: StringArray = keys(&rows)?.iter().map(|own| own.map(&key)).collect();
    columns[schema.index_of(hidden::KEY)?] = Arc::new(named);
    Ok(RecordBatch::try_new(schema, columns)?)
}
