//! The rollup of a file: a pre-aggregated table of how many of its rows share the same send, hour and outcome, without any
//! person.
//!
//! **Why.** Most questions over all people ask for counts and sums by send, by month or by outcome. A million rows have a few
//! thousand different combinations of these, and the file stores them. A row of a rollup stands for [`ROWS`] rows of the file,
//! which have in common:
//! - the values of the columns [`LABELS`], [`CHECKS`] and [`NUMBERS`], and the day;
//! - the hour of `date_sent`, with the earliest and the latest moment of the rows ([`FIRST`], [`LAST`]). A question about less
//!   than an hour has to read the rows;
//! - for each of the columns [`MOMENTS`], whether there is a value.
//!
//! **Where.** It stands in the tail of its file, between the checksums and the page indexes, where other engines do not look. The
//! log has its position and its hash (tag `ier.rollup`), so it is committed and removed with the rows it counts and cannot
//! disagree with them. A file whose rows have too little in common has no rollup.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Int32Array, Int64Array, RecordBatch, StringArray, StringViewArray,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Field, FieldRef, Int32Type, Schema, SchemaRef, TimestampMicrosecondType};
use hashbrown::HashMap;

use super::appendix::{self, Place};
use crate::error::Result;
use crate::record::fields::{KeyRule, TIER, Table, UTC};

/// The column with the number of rows of the file that a row of the rollup stands for.
pub const ROWS: &str = "__rows";
/// The column of the least `date_sent` of these.
pub const FIRST: &str = "__first_sent";
/// The column of the greatest.
pub const LAST: &str = "__last_sent";

/// Texts that all e-mails of a send share.
pub const LABELS: [&str; 9] = [
    "email_name",
    "send_definition_id",
    "triggered_send_definition_id",
    "triggered_send_definition_name",
    "job_id",
    "email_id",
    "from_name",
    "from_address",
    "subject_line",
];

/// Checkboxes.
pub const CHECKS: [&str; 5] = ["opened", "clicked", "hard_bounce", "soft_bounce", "is_deleted"];

/// Whole numbers, small mostly.
pub const NUMBERS: [&str; 2] = ["number_of_total_clicks", "number_of_unique_clicks"];

/// Moments of which the rollup only has whether there is one.
pub const MOMENTS: [&str; 3] = ["date_opened", "date_bounced", "date_unsubscribed"];

/// The column of which the rollup has the hour.
pub const SENT: &str = "date_sent";

/// The column of the day.
pub const DAY: &str = "sent_date";

/// The resolution of `date_sent`, in microseconds.
pub const HOUR_MICROS: i64 = 3_600_000_000;

/// Hours since 1970 that a rollup may have, until 2100: whether a zone is whole hours from UTC is known for these.
const HOURS: Range<i64> = 0..1_139_568;

/// A rollup is kept when each of its rows stands for so many rows of the file or more, on average: then it is much smaller, and much
/// faster to read.
pub const ROWS_EACH: usize = 4;

/// Beyond this number of groups, grouping stops as soon as they are too many for the rows seen.
const PATIENCE: usize = 1 << 16;

/// How exactly a rollup has a column of its table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exactness {
    /// Each value.
    Exactly,
    /// The hour in which it lies.
    Hour,
    /// Whether there is a value.
    Presence,
    /// Nothing.
    Nothing,
}

/// How exactly a rollup has a column (by name).
pub fn exactness(column: &str) -> Exactness {
    match column {
        SENT => Exactness::Hour,
        DAY | TIER | ROWS | FIRST | LAST => Exactness::Exactly,
        _ if LABELS.contains(&column) || CHECKS.contains(&column) || NUMBERS.contains(&column) => Exactness::Exactly,
        _ if MOMENTS.contains(&column) => Exactness::Presence,
        _ => Exactness::Nothing,
    }
}

/// Have files of this table rollups?
pub fn is_kept(table: &Table) -> bool {
    table.key == KeyRule::Ier
}

/// The columns that a rollup's own numbers make: rows, first, last.
pub fn own_fields() -> [Field; 3] {
    let moment = || DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some(UTC.clone()));
    [Field::new(ROWS, DataType::Int64, false), Field::new(FIRST, moment(), true), Field::new(LAST, moment(), true)]
}

/// The columns of a table's rows that its rollup is made of.
pub fn sources() -> impl Iterator<Item = &'static str> {
    LABELS.into_iter().chain([SENT, DAY]).chain(CHECKS).chain(NUMBERS).chain(MOMENTS)
}

/// The rollup of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollup(RecordBatch);

impl Rollup {
    /// Its rows.
    pub fn rows(&self) -> usize {
        self.0.num_rows()
    }

    /// The bytes of memory it takes.
    pub fn memory_bytes(&self) -> usize {
        self.0.get_array_memory_size()
    }

    /// The bytes that are kept in the file.
    pub fn encode(&self) -> Result<Vec<u8>> {
        appendix::encode(&self.0)
    }

    /// Reads what [`Rollup::encode`] wrote.
    ///
    /// # Errors
    /// Corrupt when the bytes are not those that were written there.
    pub fn decode(bytes: &[u8], place: &Place) -> Result<Self> {
        Ok(Self(appendix::decode(bytes, place, "rollup is", |_| true)?))
    }

    /// Its rows with the columns of `schema`, as SQL sees those of the table: what it does not tell is null, and a moment of which
    /// only is known that there is one is 1970.
    pub fn batch(&self, schema: &SchemaRef, tier: &str) -> Result<RecordBatch> {
        let rows = self.rows();
        let column = |field: &FieldRef| -> Result<ArrayRef> {
            let name = field.name().as_str();
            if name == TIER {
                return Ok(Arc::new(StringViewArray::from_iter_values(std::iter::repeat_n(tier, rows))));
            }
            Ok(match (self.0.column_by_name(name), exactness(name)) {
                (Some(column), Exactness::Presence) => {
                    let there = column.as_boolean();
                    let moments: TimestampMicrosecondArray = there.iter().map(|is| is.and_then(|is| is.then_some(0))).collect();
                    Arc::new(moments.with_timezone(UTC.clone()))
                }
                (Some(column), Exactness::Exactly | Exactness::Hour) if column.data_type() == field.data_type() => column.clone(),
                (Some(column), Exactness::Exactly | Exactness::Hour) => cast(column, field.data_type())?,
                (_, Exactness::Nothing) | (None, _) => new_null_array(field.data_type(), rows),
            })
        };
        let columns = schema.fields().iter().map(column).collect::<Result<Vec<_>>>()?;
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
    }
}

/// The grouping key of a rollup.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
struct GroupKey {
    /// The labels: their place in [`RollupBuilder::labels`].
    labels: u32,
    /// Hour (since 1970) of `date_sent`, and the day.
    hour: Option<i32>,
    day: Option<i32>,
    /// Two bits a checkbox (is it known, is it ticked), one for each moment.
    marks: u16,
    numbers: [Option<i32>; NUMBERS.len()],
}

#[derive(Clone, Copy, Debug)]
struct Count {
    rows: i64,
    first: i64,
    last: i64,
}

/// Makes the rollup of a file while its rows are written.
#[derive(Debug)]
pub struct RollupBuilder {
    texts: Vec<Texts>,
    /// The labels that stand together in some row, by the places of their texts.
    labels: HashMap<[u32; LABELS.len()], u32>,
    counts: HashMap<GroupKey, Count>,
    rows: usize,
    /// See [`ROWS_EACH`].
    rows_each: usize,
    given_up: bool,
}

/// Different texts of a column; their places begin with 1, no text is 0.
#[derive(Debug, Default)]
struct Texts {
    places: HashMap<String, u32>,
}

impl Texts {
    fn place(&mut self, text: &str) -> u32 {
        let next = self.places.len() as u32 + 1;
        match self.places.get(text) {
            Some(place) => *place,
            None => *self.places.entry(text.to_owned()).or_insert(next),
        }
    }
}

impl RollupBuilder {
    /// Of no rows yet; none for a table without rollups. It shall stand for `rows_each` rows or more, on average.
    pub fn new(table: &Table, rows_each: usize) -> Option<Self> {
        is_kept(table).then(|| Self {
            texts: LABELS.iter().map(|_| Texts::default()).collect(),
            labels: HashMap::new(),
            counts: HashMap::new(),
            rows: 0,
            rows_each,
            given_up: false,
        })
    }

    /// Takes rows in. Columns a file does not have are null.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows();
        if self.given_up {
            return Ok(());
        }
        let labels = self.labels_of(batch)?;
        let marks = marks(batch)?;
        let numbers = NUMBERS.map(|name| batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<Int32Type>()));
        let sent = batch.column_by_name(SENT).and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
        let days = batch.column_by_name(DAY).and_then(|column| column.as_primitive_opt::<Date32Type>());
        for row in 0..batch.num_rows() {
            let moment = sent.filter(|sent| sent.is_valid(row)).map(|sent| sent.value(row));
            let hour = moment.map(|moment| moment.div_euclid(HOUR_MICROS));
            if hour.is_some_and(|hour| !HOURS.contains(&hour)) {
                self.given_up = true;
                return Ok(());
            }
            let group_key = GroupKey {
                labels: labels[row],
                hour: hour.map(|hour| hour as i32),
                day: days.filter(|days| days.is_valid(row)).map(|days| days.value(row)),
                marks: marks[row],
                numbers: numbers.map(|numbers| numbers.filter(|of| of.is_valid(row)).map(|of| of.value(row))),
            };
            let moment = moment.unwrap_or_default();
            let count = self.counts.entry(group_key).or_insert(Count { rows: 0, first: moment, last: moment });
            count.rows += 1;
            count.first = count.first.min(moment);
            count.last = count.last.max(moment);
        }
        self.given_up = self.counts.len() > PATIENCE && self.is_too_long();
        Ok(())
    }

    fn is_too_long(&self) -> bool {
        self.counts.len() * self.rows_each > self.rows
    }

    /// The labels of each row.
    fn labels_of(&mut self, batch: &RecordBatch) -> Result<Vec<u32>> {
        let mut places = vec![[0u32; LABELS.len()]; batch.num_rows()];
        for (at, (name, texts)) in LABELS.iter().zip(&mut self.texts).enumerate() {
            let Some(column) = batch.column_by_name(name) else { continue };
            let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
            let column = if *column.data_type() == dictionary { column.clone() } else { cast(column, &dictionary)? };
            let column = column.as_dictionary::<Int32Type>();
            let values = column.values().as_string::<i32>();
            // A batch may share a large dictionary of which it uses little.
            let mut known = vec![0u32; values.len()];
            for (row, key) in column.keys().iter().enumerate() {
                let Some(key) = key.map(|key| key as usize).filter(|key| values.is_valid(*key)) else { continue };
                if known[key] == 0 {
                    known[key] = texts.place(values.value(key));
                }
                places[row][at] = known[key];
            }
        }
        let mut last = ([u32::MAX; LABELS.len()], 0);
        Ok(places
            .into_iter()
            .map(|places| {
                if last.0 != places {
                    let next = self.labels.len() as u32;
                    last = (places, *self.labels.entry(places).or_insert(next));
                }
                last.1
            })
            .collect())
    }

    /// The rollup; none when the rows are too unlike each other.
    pub fn finish(self) -> Result<Option<Rollup>> {
        if self.given_up || self.rows == 0 || self.is_too_long() {
            return Ok(None);
        }
        let mut rows: Vec<(GroupKey, Count)> = self.counts.into_iter().collect();
        rows.sort_unstable_by_key(|(group_key, _)| *group_key);
        let mut labels = vec![[0u32; LABELS.len()]; self.labels.len()];
        for (places, at) in self.labels {
            labels[at as usize] = places;
        }
        let mut fields = Vec::new();
        let mut columns: Vec<ArrayRef> = Vec::new();
        let mut push = |name: &str, column: ArrayRef| {
            fields.push(Field::new(name, column.data_type().clone(), true));
            columns.push(column);
        };
        for (at, (name, texts)) in LABELS.iter().zip(self.texts).enumerate() {
            let mut values = vec![String::new(); texts.places.len()];
            for (text, place) in texts.places {
                values[place as usize - 1] = text;
            }
            let key = |group_key: &GroupKey| labels[group_key.labels as usize][at].checked_sub(1).map(|key| key as i32);
            let keys: Int32Array = rows.iter().map(|(group_key, _)| key(group_key)).collect();
            push(name, Arc::new(DictionaryArray::try_new(keys, Arc::new(StringArray::from_iter_values(values)))?));
        }
        let moments = |of: &dyn Fn(&(GroupKey, Count)) -> Option<i64>| -> ArrayRef {
            Arc::new(rows.iter().map(of).collect::<TimestampMicrosecondArray>().with_timezone(UTC.clone()))
        };
        push(SENT, moments(&|(group_key, _)| group_key.hour.map(|hour| i64::from(hour) * HOUR_MICROS)));
        push(FIRST, moments(&|(group_key, count)| group_key.hour.map(|_| count.first)));
        push(LAST, moments(&|(group_key, count)| group_key.hour.map(|_| count.last)));
        push(DAY, Arc::new(rows.iter().map(|(group_key, _)| group_key.day).collect::<arrow::array::Date32Array>()));
        for (at, name) in CHECKS.iter().enumerate() {
            let check = |marks: u16| (marks >> (2 * at) & 1 == 1).then_some(marks >> (2 * at + 1) & 1 == 1);
            push(name, Arc::new(rows.iter().map(|(group_key, _)| check(group_key.marks)).collect::<BooleanArray>()));
        }
        for (at, name) in MOMENTS.iter().enumerate() {
            let there = |marks: u16| marks >> (2 * CHECKS.len() + at) & 1 == 1;
            push(name, Arc::new(rows.iter().map(|(group_key, _)| Some(there(group_key.marks))).collect::<BooleanArray>()));
        }
        for (at, name) in NUMBERS.iter().enumerate() {
            push(name, Arc::new(rows.iter().map(|(group_key, _)| group_key.numbers[at]).collect::<Int32Array>()));
        }
        push(ROWS, Arc::new(rows.iter().map(|(_, count)| count.rows).collect::<Int64Array>()));
        Ok(Some(Rollup(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)))
    }
}

/// The checkboxes and moments of each row, as [`GroupKey::marks`].
fn marks(batch: &RecordBatch) -> Result<Vec<u16>> {
    let mut marks = vec![0u16; batch.num_rows()];
    for (at, name) in CHECKS.iter().enumerate() {
        let Some(checks) = batch.column_by_name(name).and_then(|column| column.as_boolean_opt()) else { continue };
        for (row, mark) in marks.iter_mut().enumerate() {
            if checks.is_valid(row) {
                *mark |= (1 | u16::from(checks.value(row)) << 1) << (2 * at);
            }
        }
    }
    for (at, name) in MOMENTS.iter().enumerate() {
        let Some(moments) = batch.column_by_name(name) else { continue };
        for (row, mark) in marks.iter_mut().enumerate() {
            *mark |= u16::from(moments.is_valid(row)) << (2 * CHECKS.len() + at);
        }
    }
    Ok(marks)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests;
