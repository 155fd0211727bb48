//! Resolves loaded versions with the stored rows of the same keys. The result says which rows are written, which of them replace a
//! stored row, which are late, which IERs have moved (so that their links must follow), and what the load counts.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Date32Array, RecordBatch, StringArray, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{Date32Type, TimestampMicrosecondType};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::lake::columns::keys;
use crate::lake::file::tags::ANYWHERE;
use crate::lake::log::table::LakeTable;
use crate::lake::log::tally::Tally;
use crate::lake::paths::{Partition, Role};
use crate::record::fields::{KeyRule, Table, hidden};
use crate::record::key::sent_days;
use crate::record::observed;
use crate::record::resolve::comparison::RowComparison;
use crate::record::resolve::{Incoming, Outcome, group_by_key, resolve_incoming};

/// The counts of a load's rows by outcome.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Counts {
    /// Rows with a key nobody had.
    pub inserted: u64,
    /// Rows that changed a stored row.
    pub updated: u64,
    /// Rows without anything new: all they say is stored, or in another row of the same load.
    pub unchanged: u64,
    /// Rows that say something else than what stands, and changed nothing: a newer version is stored, or is in another row of the
    /// same load.
    pub outdone: u64,
    /// Of the inserted and updated: rows that override or belong before the archive's boundary.
    pub late: u64,
    /// Rows refused because they are somebody's who was erased.
    pub erased: u64,
}

impl Counts {
    /// Adds another count.
    pub fn add(&mut self, other: Counts) {
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.outdone += other.outdone;
        self.late += other.late;
        self.erased += other.erased;
    }
}

/// Counts the provided rows of one record. One of them made the stored row (none where `before` is unchanged); the others are
/// unchanged or outdone.
fn count(counts: &mut Counts, comparison: &RowComparison<'_>, provided: &[u32], place: u32, made: bool) -> Result<()> {
    let mut said = 0;
    if provided.len() > usize::from(made) {
        for row in provided {
            said += u64::from(comparison.says_nothing_new(*row, place)?);
        }
    }
    let others = (provided.len() as u64).saturating_sub(u64::from(made));
    // The row that stands may be made of several, and be none of them whole.
    let unchanged = said.saturating_sub(u64::from(made)).min(others);
    counts.unchanged += unchanged;
    counts.outdone += others - unchanged;
    Ok(())
}

/// Resolves versions of which nothing is stored; one row a record, and what became of the rows.
pub fn settle_new(table: &Table, provided: &RecordBatch, provided_at_millis: i64) -> Result<(RecordBatch, Counts)> {
    let by_key = group_by_key(provided)?;
    let groups = by_key.groups();
    let mut counts = Counts { inserted: groups.len() as u64, ..Counts::default() };
    if groups.len() == provided.num_rows() {
        return Ok((provided.clone(), counts));
    }
    let rows = resolve_incoming(table, provided, &groups, Some(Incoming { from: 0, at_millis: provided_at_millis }))?.batch;
    let comparison = RowComparison::new(table, provided, &rows)?;
    for (place, group) in groups.iter().enumerate().filter(|(_, group)| group.len() > 1) {
        count(&mut counts, &comparison, group, place as u32, true)?;
    }
    Ok((rows, counts))
}

/// An IER whose person or date changed, so that its links must follow.
#[derive(Clone, Debug)]
pub struct Moved {
    /// The IER's id.
    pub ier_id: String,
    /// Where its links now belong.
    pub placement: IerPlacement,
}

/// The columns that a link takes from its IER.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct IerPlacement {
    /// The person the IER is filed under.
    pub person_id: Option<String>,
    /// The IER's date, in microseconds.
    pub date_sent: Option<i64>,
    /// The IER's day, since 1970.
    pub sent_date: Option<i32>,
}

impl IerPlacement {
    /// Reads these columns from a row.
    pub fn of(batch: &RecordBatch, row: usize) -> Result<Self> {
        let column = |name: &str| batch.column_by_name(name).ok_or_else(|| Error::internal(phrase!("no column {name}")));
        let people = column("person_id")?.as_string::<i32>();
        let dates = column("date_sent")?.as_primitive::<TimestampMicrosecondType>();
        let days = column("sent_date")?.as_primitive::<Date32Type>();
        Ok(Self {
            person_id: people.is_valid(row).then(|| people.value(row).to_owned()),
            date_sent: dates.is_valid(row).then(|| dates.value(row)),
            sent_date: days.is_valid(row).then(|| days.value(row)),
        })
    }

    /// Does it tell anything? (An IER may have a person and no day, or a day and no person.)
    pub fn is_known(&self) -> bool {
        self.person_id.is_some() || self.sent_date.is_some()
    }
}

/// Is it kept which versions the engine saw? Then with which moment those of now are noted.
#[derive(Clone, Copy, Debug)]
pub struct Observing {
    /// Now, in milliseconds; `None` when versions are not kept.
    pub now_millis: Option<i64>,
}

impl Observing {
    /// Notes rows that are stored for the first time.
    pub fn note_first(self, table: &Table, rows: RecordBatch) -> Result<RecordBatch> {
        match self.now_millis.filter(|_| table.field(hidden::OBSERVED).is_some()) {
            Some(now) => observed::first(&rows, now),
            None => Ok(rows),
        }
    }

    /// Notes rows that come, each with the version (of `versions`) that was stored before. Where versions are not kept, what
    /// was noted earlier goes: it would no longer lead back.
    fn note(self, table: &Table, versions: &RecordBatch, previous: &[Option<u32>], incoming: RecordBatch) -> Result<RecordBatch> {
        if table.field(hidden::OBSERVED).is_none() {
            return Ok(incoming);
        }
        let Some(now) = self.now_millis else { return observed::none(&incoming) };
        let changes = observed::Changes::new(table, versions, &incoming)?;
        let noted = previous.iter().enumerate().map(|(after, before)| match before {
            Some(before) => changes.noted(*before as usize, after, now),
            None => Ok(now.to_string()),
        });
        observed::with(&incoming, StringArray::from(noted.collect::<Result<Vec<_>>>()?))
    }
}

/// Loaded versions resolved with the stored rows.
pub struct Settled {
    /// Rows to write, complete, one per key, with their late marks.
    pub incoming: RecordBatch,
    /// For each row to write, whether it replaces a stored row of this lake.
    pub replaces: Vec<bool>,
    /// The counts of the changes.
    pub counts: Counts,
    /// IERs whose links must follow.
    pub moved: Vec<Moved>,
    /// Rows added to and removed from each month.
    pub tally: Tally,
}

/// Resolves `changes` (any number of versions a key, loaded at this moment) with the rows `stored` in this lake and those only `archived`.
///
/// A row that leaves its day is marked with it: the archive may hold it there already, or be about to (an archive run that
/// read the row before it moved); a mark too many costs a look, a mark too few would show a row twice.
///
/// What the engine saw is noted where that is kept.
pub fn settle(
    table: &Table,
    stored: &RecordBatch,
    archived: &RecordBatch,
    changes: &RecordBatch,
    observing: Observing,
    provided_at_millis: i64,
) -> Result<Settled> {
    let versions = concat_batches(&table.lake_schema(), [stored, archived, changes])?;
    let in_lake = stored.num_rows() as u32;
    let known = in_lake + archived.num_rows() as u32;
    let by_key = group_by_key(&versions)?;
    let groups = by_key.groups();
    let resolved = resolve_incoming(table, &versions, &groups, Some(Incoming { from: known, at_millis: provided_at_millis }))?;
    let marks = Marks::new(table, &versions, &resolved.batch);
    let comparison = RowComparison::new(table, &versions, &resolved.batch)?;
    let mut settled_rows: Vec<u32> = Vec::new();
    let mut late: Vec<Option<i32>> = Vec::new();
    let mut replaces = Vec::new();
    let mut previous: Vec<Option<u32>> = Vec::new();
    let mut counts = Counts::default();
    let mut moved = Vec::new();
    let mut tally = Tally::default();
    for (place, (group, outcome)) in groups.iter().zip(&resolved.outcomes).enumerate() {
        let provided: Vec<u32> = group.iter().copied().filter(|row| *row >= known).collect();
        let before = group.iter().copied().find(|row| *row < known);
        let stays = matches!(outcome, Outcome::Version(row) if *row < known);
        count(&mut counts, &comparison, &provided, place as u32, !stays)?;
        if stays {
            continue;
        }
        match before {
            Some(_) => counts.updated += 1,
            None => counts.inserted += 1,
        }
        if let Some(before) = before {
            moved.extend(marks.moved(before, place)?);
            tally.month(Marks::day(&versions, "sent_date", before as usize)).taken_in -= 1;
        }
        tally.month(Marks::day(&resolved.batch, "sent_date", place)).taken_in += 1;
        settled_rows.push(place as u32);
        previous.push(before);
        late.push(marks.late(before, place));
        replaces.push(group.iter().any(|row| *row < in_lake));
    }
    let mut incoming = take_record_batch(&resolved.batch, &UInt32Array::from(settled_rows))?;
    incoming = observing.note(table, &versions, &previous, incoming)?;
    if table.tiered {
        let mut columns = incoming.columns().to_vec();
        columns[incoming.schema().index_of(hidden::LATE)?] = Arc::new(Date32Array::from(late));
        incoming = RecordBatch::try_new(incoming.schema(), columns)?;
    }
    Ok(Settled { incoming, replaces, counts, moved, tally })
}

/// Days, marks, persons and dates before and after.
struct Marks<'a> {
    table: &'a Table,
    versions: &'a RecordBatch,
    resolved: &'a RecordBatch,
}

impl<'a> Marks<'a> {
    fn new(table: &'a Table, versions: &'a RecordBatch, resolved: &'a RecordBatch) -> Self {
        Self { table, versions, resolved }
    }

    fn day(batch: &RecordBatch, column: &str, row: usize) -> Option<i32> {
        let days = batch.column_by_name(column)?.as_primitive_opt::<Date32Type>()?;
        days.is_valid(row).then(|| days.value(row))
    }

    /// The mark of a resolved row that was stored or archived as `before`.
    fn late(&self, before: Option<u32>, place: usize) -> Option<i32> {
        if !self.table.tiered {
            return None;
        }
        let mark = Self::day(self.resolved, hidden::LATE, place);
        let now = Self::day(self.resolved, "sent_date", place);
        let then = before.and_then(|row| Self::day(self.versions, "sent_date", row as usize));
        match (mark, then.filter(|then| Some(*then) != now)) {
            (mark, None) => mark,
            (None, Some(then)) => Some(then),
            (Some(mark), Some(then)) if mark == then => Some(mark),
            (Some(_), Some(_)) => Some(ANYWHERE),
        }
    }

    /// The IER, when its person or date is another than before.
    fn moved(&self, before: u32, place: usize) -> Result<Option<Moved>> {
        if self.table.key != KeyRule::Ier {
            return Ok(None);
        }
        let placement = IerPlacement::of(self.resolved, place)?;
        if IerPlacement::of(self.versions, before as usize)? == placement {
            return Ok(None);
        }
        let ids = self.resolved.column_by_name("ier_id").ok_or_else(|| Error::internal("no column ier_id"))?.as_string::<i32>();
        Ok(ids.is_valid(place).then(|| Moved { ier_id: ids.value(place).to_owned(), placement }))
    }
}

/// The rows of a batch whose key passes.
pub fn filter_keys(batch: &RecordBatch, wanted: impl Fn(&str) -> bool) -> Result<RecordBatch> {
    let mask: arrow::array::BooleanArray = keys(batch)?.iter().map(|key| key.map(&wanted)).collect();
    if mask.true_count() == batch.num_rows() {
        return Ok(batch.clone());
    }
    Ok(arrow::compute::filter_record_batch(batch, &mask)?)
}

/// The partition in which each of these rows belongs.
pub fn partitions_of(lake: &LakeTable, rows: &RecordBatch) -> Result<Vec<Partition>> {
    if lake.role == Role::Reference {
        return Ok(vec![Partition(None); rows.num_rows()]);
    }
    let days = sent_days(rows).ok_or_else(|| Error::internal("tiered rows without a day"))?;
    Ok((0..rows.num_rows()).map(|row| lake.role.partition_of(days.is_valid(row).then(|| days.value(row)))).collect())
}
