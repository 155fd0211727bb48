//! Rows in file order: sorting a batch, and merging sorted streams into one.
//!
//! The order is (person_id, date_sent, key) for tiered tables and (key) for the others, nulls first. Both functions compare
//! the columns themselves; nothing is encoded into a row format first.

use std::cmp::Ordering;

use arrow::array::{Array, AsArray, PrimitiveArray, RecordBatch, StringArray, UInt32Array};
use arrow::compute::{interleave_record_batch, take_record_batch};
use arrow::datatypes::TimestampMicrosecondType;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use crate::error::{Error, Result};
use crate::record::fields::{Table, hidden};

/// Rows in a batch that a merge returns.
pub const BATCH_ROWS: usize = 8192;

/// The sort columns of one batch.
#[derive(Clone)]
pub struct SortKeys {
    people: Option<(StringArray, PrimitiveArray<TimestampMicrosecondType>)>,
    keys: StringArray,
}

impl SortKeys {
    /// Takes the sort columns of a batch.
    pub fn new(table: &Table, batch: &RecordBatch) -> Result<Self> {
        let column =
            |name: &str| batch.column_by_name(name).ok_or_else(|| Error::internal(phrase!("batch without sort column {name}")));
        let people = match table.tiered {
            true => Some((column("person_id")?.as_string::<i32>().clone(), column("date_sent")?.as_primitive().clone())),
            false => None,
        };
        Ok(Self { people, keys: column(hidden::KEY)?.as_string::<i32>().clone() })
    }

    fn len(&self) -> usize {
        self.keys.len()
    }

    /// Compares row `a` of this batch with row `b` of another.
    pub fn compare(&self, a: usize, other: &Self, b: usize) -> Ordering {
        let people = match (&self.people, &other.people) {
            (Some((people, dates)), Some((other_people, other_dates))) => {
                text(people, a).cmp(&text(other_people, b)).then_with(|| moment(dates, a).cmp(&moment(other_dates, b)))
            }
            _ => Ordering::Equal,
        };
        people.then_with(|| self.keys.value(a).cmp(other.keys.value(b)))
    }

    /// The first sixteen bytes of the leading sort column as a number that orders like them: most comparisons end here.
    fn prefix(&self, row: usize) -> u128 {
        let leading = match &self.people {
            Some((people, _)) => text(people, row).unwrap_or_default(),
            None => self.keys.value(row),
        };
        let mut bytes = [0u8; 16];
        let length = leading.len().min(16);
        bytes[..length].copy_from_slice(&leading.as_bytes()[..length]);
        u128::from_be_bytes(bytes)
    }
}

fn text(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}

fn moment(column: &PrimitiveArray<TimestampMicrosecondType>, row: usize) -> Option<i64> {
    column.is_valid(row).then(|| column.value(row))
}

/// Sorts a batch in memory.
pub fn sort(table: &Table, batch: &RecordBatch) -> Result<RecordBatch> {
    let keys = SortKeys::new(table, batch)?;
    let mut order: Vec<(u128, u32)> = (0..keys.len()).map(|row| (keys.prefix(row), row as u32)).collect();
    if order
        .windows(2)
        .all(|pair| pair[0].0.cmp(&pair[1].0).then_with(|| keys.compare(pair[0].1 as usize, &keys, pair[1].1 as usize)).is_le())
    {
        return Ok(batch.clone());
    }
    order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| keys.compare(a.1 as usize, &keys, b.1 as usize)));
    let order: UInt32Array = order.into_iter().map(|(_, row)| row).collect();
    Ok(take_record_batch(batch, &order)?)
}

/// A stream of sorted batches.
pub type Sorted = BoxStream<'static, Result<RecordBatch>>;

/// Merges sorted streams into one sorted stream. Holds one batch a stream.
pub fn merge(table: std::sync::Arc<Table>, inputs: Vec<Sorted>) -> Sorted {
    if inputs.len() == 1 {
        return inputs.into_iter().next().unwrap_or_else(|| futures::stream::empty().boxed());
    }
    let start = Merge { table, inputs, cursors: Vec::new(), heap: Vec::new(), started: false };
    futures::stream::try_unfold(start, |mut merge| async move { Ok(merge.next().await?.map(|batch| (batch, merge))) }).boxed()
}

struct Cursor {
    batch: RecordBatch,
    keys: SortKeys,
    row: usize,
}

struct Merge {
    table: std::sync::Arc<Table>,
    inputs: Vec<Sorted>,
    /// The current batch of each input; `None` when the input has ended.
    cursors: Vec<Option<Cursor>>,
    /// Inputs with rows left, as a binary heap, least row first.
    heap: Vec<usize>,
    started: bool,
}

impl Merge {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        if !self.started {
            self.started = true;
            for input in 0..self.inputs.len() {
                self.cursors.push(None);
                if self.advance(input).await? {
                    self.heap.push(input);
                }
            }
            for at in (0..self.heap.len() / 2).rev() {
                self.sift_down(at);
            }
        }
        // Batches that rows of this output were taken from: an input's batch is kept until the output is assembled.
        let mut batches: Vec<RecordBatch> = Vec::new();
        let mut place: Vec<usize> = vec![usize::MAX; self.inputs.len()];
        let mut picks: Vec<(usize, usize)> = Vec::with_capacity(BATCH_ROWS);
        while picks.len() < BATCH_ROWS {
            let Some(&input) = self.heap.first() else { break };
            let Some(cursor) = &mut self.cursors[input] else {
                return Err(Error::internal("merge: an ended input is still in the heap"));
            };
            if place[input] == usize::MAX {
                place[input] = batches.len();
                batches.push(cursor.batch.clone());
            }
            picks.push((place[input], cursor.row));
            cursor.row += 1;
            if cursor.row == cursor.keys.len() {
                place[input] = usize::MAX;
                if !self.advance(input).await? {
                    let last = self.heap.len() - 1;
                    self.heap.swap(0, last);
                    self.heap.pop();
                }
            }
            self.sift_down(0);
        }
        if picks.is_empty() {
            return Ok(None);
        }
        let batches: Vec<&RecordBatch> = batches.iter().collect();
        Ok(Some(interleave_record_batch(&batches, &picks)?))
    }

    /// Fetches the next batch of an input that has rows; `false` when there is none.
    async fn advance(&mut self, input: usize) -> Result<bool> {
        self.cursors[input] = None;
        while let Some(batch) = self.inputs[input].try_next().await? {
            if batch.num_rows() > 0 {
                let keys = SortKeys::new(&self.table, &batch)?;
                self.cursors[input] = Some(Cursor { batch, keys, row: 0 });
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn less(&self, a: usize, b: usize) -> bool {
        match (&self.cursors[a], &self.cursors[b]) {
            (Some(left), Some(right)) => left.keys.compare(left.row, &right.keys, right.row).then(a.cmp(&b)).is_lt(),
            _ => false,
        }
    }

    fn sift_down(&mut self, mut at: usize) {
        loop {
            let mut least = at;
            for child in [2 * at + 1, 2 * at + 2] {
                if child < self.heap.len() && self.less(self.heap[child], self.heap[least]) {
                    least = child;
                }
            }
            if least == at {
                return;
            }
            self.heap.swap(at, least);
            at = least;
        }
    }
}
