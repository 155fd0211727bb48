//! The facts of a row of attributes that a comparison needs. They have a fixed size, however wide the row is.
//!
//! The row's identity, its person and its contents are hashes of 128 bits, so two rows that differ are not taken for one.

use std::mem::size_of;

use arrow::array::{Array, AsArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use chrono_tz::Tz;

use crate::error::{Error, Result};
use crate::lake::columns::keys;
use crate::record::fields::{Table, VALID_FROM, VALID_TO};
use crate::record::identity::Identities;
use crate::source::moments::{DateOrder, Moments, day};

/// Stands between a row's identity and the beginning of its span, in the keys of rows that were not there at first.
pub(super) const SPAN: char = '\u{4}';

/// Columns by which a row names its person.
const PEOPLE: [&str; 3] = ["contact_id", "lead_id", "person_id"];

/// Columns that say since when a row holds, and until when.
const STARTS: [&str; 2] = ["start_date", "effective_date"];
const END: &str = "end_date";

/// Stands for no moment in a fact that waits on disk. No calendar has it: it is 292,000 years before 1970.
const NO_MOMENT: i64 = i64::MIN;

/// What a fact is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(super) enum Kind {
    /// A row of the load.
    Loaded,
    /// A row of the table.
    Stored,
    /// A row of the load that begins. `from` is before what it may not begin.
    Begins,
    /// A row of the table that ends, and no row of the load has its identity.
    Ends,
    /// A row of the table that ends because a row of the load has its identity and other values. `end` is that of the row of the load.
    Replaced,
    /// A row of the table that ends if the load names its person.
    MayEnd,
}

impl Kind {
    const ALL: [Self; 6] = [Self::Loaded, Self::Stored, Self::Begins, Self::Ends, Self::Replaced, Self::MayEnd];
}

/// What is known of one row. Moments are in microseconds since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fact {
    /// What it is of.
    pub kind: Kind,
    /// Its place: among the rows of the load, or of the table.
    pub row: u64,
    /// Who it is, as long as it holds.
    pub identity: u128,
    /// The one id of its person, where it names one.
    pub person: Option<u128>,
    /// Its values; those of no column where the identity says them already.
    pub values: u128,
    /// Its own dates.
    pub start: Option<i64>,
    /// The end of its own last day.
    pub end: Option<i64>,
    /// The span it has, or gets.
    pub from: Option<i64>,
    /// The end of that span.
    pub until: Option<i64>,
}

impl Fact {
    /// Bytes of a fact on disk.
    pub const BYTES: usize = 1 + size_of::<u64>() + 3 * size_of::<u128>() + 4 * size_of::<i64>();

    /// Puts it down. No person is the number 0, which no hash is.
    pub fn put(&self, bytes: &mut Vec<u8>) {
        bytes.push(self.kind as u8);
        bytes.extend(self.row.to_le_bytes());
        for hash in [self.identity, self.person.unwrap_or_default(), self.values] {
            bytes.extend(hash.to_le_bytes());
        }
        for moment in [self.start, self.end, self.from, self.until] {
            bytes.extend(moment.unwrap_or(NO_MOMENT).to_le_bytes());
        }
    }

    /// The fact that was put down so.
    pub fn get(bytes: &[u8]) -> Result<Self> {
        let broken = || Error::internal("a fact on disk is not whole");
        let (kind, rest) = bytes.split_first().ok_or_else(broken)?;
        let kind = *Kind::ALL.get(usize::from(*kind)).ok_or_else(broken)?;
        let (row, rest) = rest.split_first_chunk().ok_or_else(broken)?;
        let hash = |at: usize| rest[at * size_of::<u128>()..].first_chunk().map(|bytes| u128::from_le_bytes(*bytes));
        let moments = rest.get(3 * size_of::<u128>()..).ok_or_else(broken)?;
        let moment = |at: usize| {
            let moment = moments.get(at * size_of::<i64>()..)?.first_chunk().map(|bytes| i64::from_le_bytes(*bytes))?;
            Some((moment != NO_MOMENT).then_some(moment))
        };
        Ok(Self {
            kind,
            row: u64::from_le_bytes(*row),
            identity: hash(0).ok_or_else(broken)?,
            person: hash(1).filter(|person| *person != 0),
            values: hash(2).ok_or_else(broken)?,
            start: moment(0).ok_or_else(broken)?,
            end: moment(1).ok_or_else(broken)?,
            from: moment(2).ok_or_else(broken)?,
            until: moment(3).ok_or_else(broken)?,
        })
    }

    /// What the row is about, where it says so: its person, and since when.
    pub fn place(&self) -> Option<(u128, i64)> {
        self.person.zip(self.start)
    }

    /// Is its span over?
    pub fn is_past(&self, now: i64) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// A row of the table holds until something ended it; its own end ends nothing: the file goes on to say the same.
    pub fn holds(&self, now: i64) -> bool {
        self.until.is_none_or(|until| self.end.is_some_and(|own| own == until || until > now))
    }
}

/// Reads facts from rows.
pub(super) struct Facts<'a> {
    pub table: &'a Table,
    pub identities: &'a Identities,
    pub zone: Tz,
}

impl Facts<'_> {
    /// The facts of these rows, of which the first has the place `first`.
    pub fn of(&self, kind: Kind, batch: &RecordBatch, first: u64) -> Result<Vec<Fact>> {
        let texts = Texts::of(self.table, batch)?;
        let (from, until) = (moments(batch, VALID_FROM)?, moments(batch, VALID_TO)?);
        let mut dates = Moments::new(self.zone);
        // A day that is spelled otherwise was spelled anew when it was loaded.
        let mut midnight = |text: &str, days_later: i32| dates.midnight(day(text, DateOrder::MonthFirst).ok()?.0 + days_later);
        let fact = |row: usize| {
            let start = texts.starts.iter().find_map(|column| text(column, row));
            let end = texts.end.as_ref().and_then(|column| text(column, row));
            Fact {
                kind,
                row: first + row as u64,
                identity: hash([texts.keys.is_valid(row).then(|| identity(texts.keys.value(row)))]),
                person: self.person(&texts, row).map(|person| hash([Some(person)])),
                values: hash(texts.values.iter().map(|column| text(column, row))),
                start: start.and_then(|text| midnight(text, 0)),
                end: end.and_then(|text| midnight(text, 1)),
                from: from.is_valid(row).then(|| from.value(row)),
                until: until.is_valid(row).then(|| until.value(row)),
            }
        };
        Ok((0..batch.num_rows()).map(fact).collect())
    }

    /// The one ids of the people of some rows.
    pub fn people(&self, batch: &RecordBatch, rows: impl Iterator<Item = usize>) -> Result<Vec<String>> {
        let texts = Texts::of(self.table, batch)?;
        Ok(rows.filter_map(|row| self.person(&texts, row).map(str::to_owned)).collect())
    }

    fn person<'t>(&'t self, texts: &'t Texts, row: usize) -> Option<&'t str> {
        texts.people.iter().find_map(|column| text(column, row)).map(|id| self.identities.canonical(id))
    }
}

/// Who a row is, by its key.
pub(super) fn identity(key: &str) -> &str {
    key.split(SPAN).next().unwrap_or_default()
}

/// A hash of texts, of which some are none.
fn hash<'a>(texts: impl IntoIterator<Item = Option<&'a str>>) -> u128 {
    let mut hasher = blake3::Hasher::new();
    for text in texts {
        // How long a text is stands before it, so that no two lists are the same bytes.
        hasher.update(&text.map_or(u64::MAX, |text| text.len() as u64).to_le_bytes());
        hasher.update(text.unwrap_or_default().as_bytes());
    }
    hasher.finalize().as_bytes().first_chunk().map_or(0, |bytes| u128::from_le_bytes(*bytes))
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

fn text(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row)).filter(|text| !text.is_empty())
}

fn moments<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a TimestampMicrosecondArray> {
    let column = batch.column_by_name(name).and_then(|column| column.as_primitive_opt());
    column.ok_or_else(|| Error::internal(phrase!("no column {name}")))
}
