//! Tables of people's attributes in time: each row holds from a moment to another, and what a load says begins and ends spans.
//!
//! A load says how things are now. A row that is new holds from now on (one of the table's first load: for as long as can be
//! told); a row that is there already goes on; a row that the load no longer has, of a person it names, holds no longer from now
//! on. Of people it does not name nothing ends, unless the load is said to be complete. So a row is never changed but for its end,
//! and "what were they when it was sent" and "what are they now" are one join each.
//!
//! Where a file has dates of its own (`start_date` or `effective_date`, and `end_date`, whose day still counts), those say it better.
//! A row whose values changed under the same start is the exception: what was known before holds until now, or until the end
//! the new row gives, and the new row from then on.
//!
//! **Invariants.** Loading the same files twice changes nothing. No two spans of one row overlap.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::{cast, concat_batches, filter_record_batch};
use arrow::datatypes::DataType;
use chrono_tz::Tz;
use futures::TryStreamExt;

use super::aliases::Aliases;
use super::carry::Counts;
use super::upsert::Upsert;
use super::warehouse::Warehouse;
use crate::error::{Error, Result};
use crate::lake::columns::{keys, pad};
use crate::lake::log::commit::{ATTEMPTS, lost_race};
use crate::lake::log::snapshot::Snapshot;
use crate::lake::log::table::LakeTable;
use crate::lake::read::open;
use crate::progress::Progress;
use crate::record::fields::{Table, UTC, VALID_FROM, VALID_TO, hidden};
use crate::record::identity::Identities;
use crate::record::resolve::resolve_all;
use crate::source::moments::{DateOrder, Moments, day};

/// Stands between a row's identity and the beginning of its span, in the keys of rows that were not there at first.
const SPAN: char = '\u{4}';

/// Columns by which a row names its person.
const PEOPLE: [&str; 3] = ["contact_id", "lead_id", "person_id"];

/// Columns that say since when a row holds, and until when.
const STARTS: [&str; 2] = ["start_date", "effective_date"];
const END: &str = "end_date";

/// How many people whose rows would end are named.
const PEOPLE_NAMED: usize = 5;

/// What a load says of rows it does not have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Missing {
    /// Nothing: some of its rows were refused, and they may be among those.
    Unknown,
    /// Those of people it names hold no longer.
    OfPeopleNamed,
    /// All hold no longer: the load is complete. Where that is more than half of them, only when `confirmed`.
    All {
        /// Somebody looked.
        confirmed: bool,
    },
}

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

/// Writes what a load says into its table. `told` has the load's rows.
///
/// # Errors
/// Invalid when a complete load would end more than half of the rows and nobody has confirmed that; conflict when others write to
/// the table all the time.
pub async fn write(
    warehouse: &Arc<Warehouse>,
    told: &Upsert,
    (missing, zone, buffer_bytes): (Missing, Tz, usize),
    progress: &Arc<dyn Progress>,
) -> Result<Spans> {
    let identities = Aliases::open(warehouse).await?.identities().await?;
    for _ in 0..ATTEMPTS {
        let mut upsert = Upsert::new(warehouse, told.table(), buffer_bytes).await?;
        upsert.make_table().await?;
        let base = upsert.lake().snapshot().await?;
        let (comes, spans) = {
            let table = upsert.table().clone();
            // All that is in memory only to compare goes before anything is written.
            let load = Load {
                rows: pad(&resolve_all(told.table(), &told.all_rows()?)?, &table.lake_schema())?,
                now: warehouse.clock().now().timestamp_micros(),
                identities: &identities,
                zone,
                table: &table,
            };
            load.against(&stored(upsert.lake(), &base).await?, missing)?
        };
        if comes.num_rows() == 0 {
            return Ok(spans);
        }
        upsert.push(&comes)?;
        drop(comes);
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
    Err(Error::conflict(phrase!("{} is changed by others all the time: try again when they are done", told.table().name)))
}

/// All rows of a table.
async fn stored(lake: &Arc<LakeTable>, snapshot: &Snapshot) -> Result<RecordBatch> {
    let mut batches = Vec::new();
    for file in snapshot.files() {
        let rows: Vec<RecordBatch> = open(lake, file).await?.stream(None, None)?.try_collect().await?;
        batches.extend(rows);
    }
    Ok(concat_batches(&lake.table.lake_schema(), &batches)?)
}

/// A load against what is there.
struct Load<'a> {
    rows: RecordBatch,
    now: i64,
    identities: &'a Identities,
    zone: Tz,
    table: &'a Table,
}

/// What is said of rows, by their place.
struct Facts<'a> {
    /// Who they are, as long as they hold.
    identity: Vec<&'a str>,
    /// The one id of their person, where they name one.
    person: Vec<Option<&'a str>>,
    /// Their own dates, in microseconds.
    start: Vec<Option<i64>>,
    end: Vec<Option<i64>>,
    /// Their values; of no column where the identity says them already.
    values: &'a [StringArray],
}

/// What is there: its facts, and the spans they have.
struct Stored<'a> {
    facts: Facts<'a>,
    from: &'a TimestampMicrosecondArray,
    until: &'a TimestampMicrosecondArray,
    now: i64,
}

/// Which rows of a load begin, and which of those there end; by their place.
struct Changes {
    begins: Vec<usize>,
    ends: Vec<usize>,
    /// How many that begin replace one.
    changed: u64,
}

impl Load<'_> {
    /// Rows that begin, and rows that end with their end, to be written; and how many there are of each.
    fn against(&self, stored: &RecordBatch, missing: Missing) -> Result<(RecordBatch, Spans)> {
        let (comes, own) = (Texts::of(self.table, &self.rows)?, Texts::of(self.table, stored)?);
        let comes = self.facts(&comes);
        let (from, until) = (moments(stored, VALID_FROM)?, moments(stored, VALID_TO)?);
        let own = Stored { facts: self.facts(&own), from, until, now: self.now };
        let changes = self.compare(&comes, &own, missing)?;
        let (begins, ends) = (&changes.begins, &changes.ends);
        let until = own.new_ends(ends, &followed((ends, &own.facts), (begins, &comes)), &comes);
        let floors = Floors::of(&own, ends, &until);
        let is_first = stored.num_rows() == 0;
        let from = begins.iter().map(|row| {
            let told = comes.start[*row].or((!is_first).then_some(self.now));
            floors.before(&comes, *row).max(told)
        });
        let until_told = begins.iter().map(|row| comes.end[*row]);
        let begun = self.spanned(&self.rows, begins, (from.collect(), until_told.collect()), |identity| match is_first {
            true => identity.to_owned(),
            false => format!("{identity}{SPAN}{}", self.now),
        })?;
        let from = ends.iter().map(|row| own.start(*row));
        let ended = self.spanned(stored, ends, (from.collect(), until.into_iter().map(Some).collect()), str::to_owned)?;
        let spans = Spans { begun: begins.len() as u64, changed: changes.changed, ended: ends.len() as u64, erased: 0 };
        Ok((concat_batches(&self.table.lake_schema(), [&begun, &ended])?, spans))
    }

    /// What changes when these come to those.
    ///
    /// # Errors
    /// Invalid when so much would end that the load is rather cut short than complete.
    fn compare(&self, comes: &Facts<'_>, own: &Stored<'_>, missing: Missing) -> Result<Changes> {
        let held: HashMap<&str, usize> =
            (0..own.from.len()).filter(|row| own.holds(*row)).map(|row| (own.facts.identity[row], row)).collect();
        let mut going_on = HashSet::new();
        let mut begins = Vec::new();
        let mut changed = 0;
        for row in 0..self.rows.num_rows() {
            match held.get(comes.identity[row]) {
                Some(&before) if comes.says(row, &own.facts, before) => drop(going_on.insert(before)),
                before => {
                    changed += u64::from(before.is_some());
                    begins.push(row);
                }
            }
        }
        let told: HashSet<&str> = comes.identity.iter().copied().collect();
        let named: HashSet<&str> = comes.person.iter().flatten().copied().collect();
        let is_over = |row: usize| {
            let is_asked = match missing {
                Missing::Unknown => false,
                Missing::OfPeopleNamed => own.facts.person[row].is_some_and(|person| named.contains(person)),
                Missing::All { .. } => true,
            };
            // What is past its own end has ended already.
            !going_on.contains(&row) && (told.contains(own.facts.identity[row]) || is_asked && !own.is_past(row))
        };
        let mut ends: Vec<usize> = held.values().copied().filter(|row| is_over(*row)).collect();
        ends.sort_unstable();
        let holding = held.values().filter(|row| !own.is_past(**row)).count();
        if missing == (Missing::All { confirmed: false }) && ends.len() * 2 > holding {
            let people: BTreeSet<&str> = ends.iter().filter_map(|row| own.facts.person[*row]).collect();
            let named = people.iter().take(PEOPLE_NAMED).copied().collect::<Vec<_>>().join(", ");
            let more = people.len().saturating_sub(PEOPLE_NAMED);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            return Err(Error::invalid(phrase!(
                "{} of the {} rows of {} would end, those of {named}{more}: look whether the files are whole, and then \
                 add --confirm",
                ends.len(),
                holding,
                self.table.name
            )));
        }
        Ok(Changes { begins, ends, changed })
    }

    /// Some rows with these spans, and with keys made of their own.
    fn spanned(
        &self,
        batch: &RecordBatch,
        rows: &[usize],
        (from, until): (Vec<Option<i64>>, Vec<Option<i64>>),
        key: impl Fn(&str) -> String,
    ) -> Result<RecordBatch> {
        let mut mask = vec![false; batch.num_rows()];
        rows.iter().for_each(|row| mask[*row] = true);
        let chosen = filter_record_batch(batch, &BooleanArray::from(mask))?;
        let schema = chosen.schema();
        let mut columns = chosen.columns().to_vec();
        for (name, moments) in [(VALID_FROM, from), (VALID_TO, until)] {
            columns[schema.index_of(name)?] =
                Arc::new(TimestampMicrosecondArray::from(moments).with_timezone(UTC.clone())) as ArrayRef;
        }
        let named: StringArray = keys(&chosen)?.iter().map(|own| own.map(&key)).collect();
        columns[schema.index_of(hidden::KEY)?] = Arc::new(named);
        Ok(RecordBatch::try_new(schema, columns)?)
    }

    fn facts<'t>(&'t self, texts: &'t Texts) -> Facts<'t> {
        let rows = texts.keys.len();
        let mut dates = Moments::new(self.zone);
        // A day that is spelled otherwise was spelled anew when it was loaded.
        let mut midnight = |text: &str, days_later: i32| dates.midnight(day(text, DateOrder::MonthFirst).ok()?.0 + days_later);
        let start = |row: usize| texts.starts.iter().find_map(|column| text(column, row));
        let person = |row: usize| texts.people.iter().find_map(|column| text(column, row));
        Facts {
            identity: texts.keys.iter().map(|key| key.unwrap_or_default().split(SPAN).next().unwrap_or_default()).collect(),
            person: (0..rows).map(|row| person(row).map(|id| self.identities.canonical(id))).collect(),
            start: (0..rows).map(|row| midnight(start(row)?, 0)).collect(),
            end: (0..rows).map(|row| midnight(text(texts.end.as_ref()?, row)?, 1)).collect(),
            values: &texts.values,
        }
    }
}

impl Stored<'_> {
    fn start(&self, row: usize) -> Option<i64> {
        self.from.is_valid(row).then(|| self.from.value(row))
    }

    fn end(&self, row: usize) -> Option<i64> {
        self.until.is_valid(row).then(|| self.until.value(row))
    }

    fn is_past(&self, row: usize) -> bool {
        self.end(row).is_some_and(|end| end <= self.now)
    }

    /// A row holds until something ended it; its own end ends nothing: the file goes on to say the same.
    fn holds(&self, row: usize) -> bool {
        let is_own = |end| self.facts.end[row].is_some_and(|own| own == end || end > self.now);
        self.end(row).is_none_or(is_own)
    }

    /// When these rows end: now, or before where what follows them began before, or their own end came; not before they began.
    fn new_ends(&self, ends: &[usize], followed: &HashMap<usize, usize>, comes: &Facts<'_>) -> Vec<i64> {
        let until = |row: &usize| {
            let next = followed.get(row).and_then(|next| comes.end[*next]);
            let end = [next, self.end(*row)].into_iter().flatten().fold(self.now, i64::min);
            self.start(*row).map_or(end, |start| end.max(start))
        };
        ends.iter().map(until).collect()
    }
}

/// Before what no span may begin: no two of one row overlap, nor of rows of which one follows the other.
#[derive(Default)]
struct Floors<'a> {
    by_identity: HashMap<&'a str, i64>,
    by_place: HashMap<(&'a str, i64), i64>,
}

impl<'a> Floors<'a> {
    /// The latest ends of those there, of which these end now.
    fn of(own: &Stored<'a>, ends: &[usize], until: &[i64]) -> Self {
        let mut floors = Self::default();
        let ended = (0..own.until.len()).filter_map(|row| Some((row, own.end(row)?)));
        let ending = || ends.iter().copied().zip(until.iter().copied());
        for (row, end) in ended.chain(ending()) {
            let floor = floors.by_identity.entry(own.facts.identity[row]).or_insert(end);
            *floor = end.max(*floor);
        }
        for (row, end) in ending() {
            if let Some(place) = own.facts.place(row) {
                let floor = floors.by_place.entry(place).or_insert(end);
                *floor = end.max(*floor);
            }
        }
        floors
    }

    /// That of a row that comes.
    fn before(&self, comes: &Facts<'_>, row: usize) -> Option<i64> {
        let by_place = comes.place(row).and_then(|place| self.by_place.get(&place));
        self.by_identity.get(comes.identity[row]).max(by_place).copied()
    }
}

/// The columns that facts are read from.
struct Texts {
    keys: StringArray,
    people: Vec<StringArray>,
    starts: Vec<StringArray>,
    end: Option<StringArray>,
    values: Vec<StringArray>,
}

impl Texts {
    fn of(table: &Table, batch: &RecordBatch) -> Result<Self> {
        let column = |name: &str| -> Result<Option<StringArray>> {
            let column = batch.column_by_name(name).filter(|_| table.field(name).is_some());
            column.map(|column| Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone())).transpose()
        };
        let some =
            |names: &[&str]| -> Result<Vec<StringArray>> { names.iter().filter_map(|name| column(name).transpose()).collect() };
        let own: Vec<&str> = table.exported().map(|field| field.name.as_ref()).collect();
        Ok(Self {
            keys: keys(batch)?.clone(),
            people: some(&PEOPLE)?,
            starts: some(&STARTS)?,
            end: column(END)?,
            values: if table.field(table.id).is_some() { some(&own)? } else { Vec::new() },
        })
    }
}

impl<'a> Facts<'a> {
    /// Has a row the values of another? Both have the columns of one table.
    fn says(&self, row: usize, others: &Self, other: usize) -> bool {
        self.values.iter().zip(others.values).all(|(own, others)| text(own, row) == text(others, other))
    }

    /// What a row is about, where it says so: its person, and since when.
    fn place(&self, row: usize) -> Option<(&'a str, i64)> {
        self.person[row].zip(self.start[row])
    }
}

/// Of rows that end, those that one new row follows: with the same id, or else alone under the same start of the same person.
fn followed((gone, own): (&[usize], &Facts<'_>), (begins, comes): (&[usize], &Facts<'_>)) -> HashMap<usize, usize> {
    let by_identity: HashMap<&str, usize> = begins.iter().map(|row| (comes.identity[*row], *row)).collect();
    let mut by_place: HashMap<(&str, i64), Vec<usize>> = HashMap::new();
    begins.iter().for_each(|row| {
        if let Some(place) = comes.place(*row) {
            by_place.entry(place).or_default().push(*row);
        }
    });
    let mut ends_at: HashMap<(&str, i64), Vec<usize>> = HashMap::new();
    gone.iter().for_each(|row| {
        if let Some(place) = own.place(*row) {
            ends_at.entry(place).or_default().push(*row);
        }
    });
    let alone_at = |row: usize| {
        let place = own.place(row)?;
        match (ends_at.get(&place)?.as_slice(), by_place.get(&place)?.as_slice()) {
            ([_], [next]) => Some(*next),
            _ => None,
        }
    };
    let next = |row: &usize| by_identity.get(own.identity[*row]).copied().or_else(|| alone_at(*row)).map(|next| (*row, next));
    gone.iter().filter_map(next).collect()
}

fn text(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row)).filter(|text| !text.is_empty())
}

fn moments<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a TimestampMicrosecondArray> {
    let column = batch.column_by_name(name).and_then(|column| column.as_primitive_opt());
    column.ok_or_else(|| Error::internal(phrase!("no column {name}")))
}
