//! The rare rows of a file: a second copy of the rows that bounced hard or unsubscribed, stored together.
//!
//! **Why.** They are one row in two hundred, and many questions ask for exactly these people: whom must we not write to again? In
//! the file itself nearly every page holds one of them, so a query for their addresses decodes the addresses of all rows. Stored
//! together they are a few thousand rows, read in a millisecond.
//!
//! **Where.** They stand between the last row group and the file's tail, so that look-ups, which fetch tails, do not fetch them.
//! The log has their position and their hash (tag `ier.rare`). The footer has them too, for readers that find a file without its
//! log ([`super::search`]).
//!
//! Each rare row has the number of its row in the file ([`ROW`]): when rows are removed from a file, the same rows are removed
//! here. A file without such rows, or with too many of them, has no copy.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{cast, concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt32Type};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use parquet::file::metadata::ParquetMetaData;

use super::appendix::{self, Place};
use super::{rollup, tags};
use crate::error::{Error, Result};
use crate::lake::columns::pad;
use crate::record::fields::Table;

/// The checkbox of e-mails that bounced hard.
const BOUNCED: &str = "hard_bounce";

/// The moment at which a person unsubscribed.
const UNSUBSCRIBED: &str = "date_unsubscribed";

/// The column of each row's number in its file; the first is 0.
const ROW: &str = "__row";

/// Rows are rare when there is at most one among so many.
pub const ROWS_EACH: usize = 20;

/// Beyond this number of rare rows, collecting stops as soon as they are too many of the rows seen.
const PATIENCE: usize = 1 << 16;

/// Where the rare rows of a file stand by its footer.
pub fn place(metadata: &ParquetMetaData) -> Option<Place> {
    let noted = metadata.file_metadata().key_value_metadata()?.iter().find(|noted| noted.key == tags::RARE)?;
    Place::parse(noted.value.as_deref()?)
}

/// Are all rows for which these filters hold rare ones?
pub fn are_all(filters: &[Expr]) -> bool {
    filters.iter().any(is_of_rare)
}

/// Is a condition true of rare rows only?
fn is_of_rare(condition: &Expr) -> bool {
    let is = |expr: &Expr, name: &str| matches!(expr, Expr::Column(column) if column.name == name);
    match condition {
        Expr::Column(_) => is(condition, BOUNCED),
        Expr::IsTrue(of) => is_of_rare(of),
        Expr::IsNotNull(of) => is(of, UNSUBSCRIBED),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => is_of_rare(left) || is_of_rare(right),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => is_of_rare(left) && is_of_rare(right),
        // What is compared with nothing is not true.
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::Eq | Operator::NotEq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq,
            right,
        }) => is(left, UNSUBSCRIBED) || is(right, UNSUBSCRIBED),
        _ => false,
    }
}

/// Which rows are rare. Columns a file does not have are null.
fn rare(batch: &RecordBatch) -> BooleanArray {
    let bounced = batch.column_by_name(BOUNCED).and_then(|column| column.as_boolean_opt());
    let unsubscribed = batch.column_by_name(UNSUBSCRIBED);
    let is_rare = |row: usize| {
        bounced.is_some_and(|bounced| bounced.is_valid(row) && bounced.value(row))
            || unsubscribed.is_some_and(|moments| moments.is_valid(row))
    };
    (0..batch.num_rows()).map(|row| Some(is_rare(row))).collect()
}

/// The rare rows of a file, in its order.
#[derive(Clone, Debug, PartialEq)]
pub struct RareRows(RecordBatch);

impl RareRows {
    /// How many.
    pub fn rows(&self) -> usize {
        self.0.num_rows()
    }

    /// The bytes that are kept in the file.
    pub fn encode(&self) -> Result<Vec<u8>> {
        appendix::encode(&self.0)
    }

    /// Reads what [`RareRows::encode`] wrote: all columns.
    ///
    /// # Errors
    /// Corrupt when the bytes are not those that were written there.
    pub fn decode(bytes: &[u8], place: &Place) -> Result<Self> {
        Ok(Self(appendix::decode(bytes, place, NAMED, |_| true)?))
    }

    /// Reads of what [`RareRows::encode`] wrote the columns of a schema; those that the file does not have are null.
    ///
    /// # Errors
    /// Corrupt when the bytes are not those that were written there.
    pub fn decode_as(bytes: &[u8], place: &Place, schema: &SchemaRef) -> Result<RecordBatch> {
        // One column, at least, says how many there are.
        let is_wanted = |name: &str| name == ROW || schema.column_with_name(name).is_some();
        pad(&appendix::decode(bytes, place, NAMED, is_wanted)?, schema)
    }

    /// All columns, without the rows' numbers.
    pub fn batch(&self) -> Result<RecordBatch> {
        let columns: Vec<usize> = (0..self.0.num_columns()).filter(|at| self.0.schema().field(*at).name() != ROW).collect();
        Ok(self.0.project(&columns)?)
    }

    /// Those of the file without the rows at these places (ascending); none when none stays.
    ///
    /// # Errors
    /// Corrupt when rows have no number.
    pub fn without(&self, outgoing: &[u32]) -> Result<Option<Self>> {
        let unnumbered = || Error::corrupt("its rare rows have no numbers");
        let remaining = |batch: &RecordBatch| -> Result<BooleanArray> {
            let numbers = batch.column_by_name(ROW).ok_or_else(unnumbered)?.as_primitive::<UInt32Type>();
            Ok(numbers.values().iter().map(|number| Some(outgoing.binary_search(number).is_err())).collect())
        };
        let kept = filter_record_batch(&self.0, &remaining(&self.0)?)?;
        let numbers = kept.column_by_name(ROW).ok_or_else(unnumbered)?.as_primitive::<UInt32Type>();
        let closed_up = numbers.values().iter().map(|number| number - outgoing.partition_point(|gone| gone < number) as u32);
        let closed_up: ArrayRef = Arc::new(closed_up.collect::<UInt32Array>());
        let schema = kept.schema();
        let columns = schema.fields().iter().zip(kept.columns());
        let columns = columns.map(|(field, column)| if field.name() == ROW { closed_up.clone() } else { column.clone() });
        let kept = RecordBatch::try_new(schema.clone(), columns.collect())?;
        Ok(Some(Self(kept)).filter(|rare| rare.rows() > 0))
    }
}

/// How errors name them.
const NAMED: &str = "rare rows are";

/// Collects the rare rows of a file while its rows are written.
#[derive(Debug)]
pub struct RareBuilder {
    found: Vec<RecordBatch>,
    count: usize,
    rows: usize,
    /// See [`ROWS_EACH`].
    rows_each: usize,
    given_up: bool,
}

impl RareBuilder {
    /// Of no rows yet; none for a table whose files have no rare rows. There shall be at most one among `rows_each`.
    pub fn new(table: &Table, rows_each: usize) -> Option<Self> {
        rollup::is_kept(table).then(|| Self { found: Vec::new(), count: 0, rows: 0, rows_each, given_up: false })
    }

    /// Takes rows in.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let first = self.rows as u32;
        self.rows += batch.num_rows();
        if self.given_up {
            return Ok(());
        }
        let rare = rare(batch);
        if rare.true_count() == 0 {
            return Ok(());
        }
        let numbers: UInt32Array = rare.values().set_indices_u32().map(|row| first + row).collect();
        let found = filter_record_batch(batch, &rare)?;
        // A batch may share a large dictionary of which few rows use little.
        let plain = |column: &ArrayRef| match column.data_type() {
            DataType::Dictionary(..) => cast(column, &DataType::Utf8),
            _ => Ok(column.clone()),
        };
        let mut columns = found.columns().iter().map(plain).collect::<Result<Vec<_>, _>>()?;
        columns.push(Arc::new(numbers));
        let schema = found.schema();
        let fields = schema.fields().iter().map(|field| field.name().as_str()).chain([ROW]);
        let fields: Vec<Field> =
            fields.zip(&columns).map(|(name, column)| Field::new(name, column.data_type().clone(), true)).collect();
        self.count += found.num_rows();
        self.found.push(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?);
        if self.count > PATIENCE && self.are_many() {
            self.given_up = true;
            self.found.clear();
        }
        Ok(())
    }

    fn are_many(&self) -> bool {
        self.count * self.rows_each > self.rows
    }

    /// The rare rows; none when there are none, or too many.
    pub fn finish(self) -> Result<Option<RareRows>> {
        let Some(first) = self.found.first().filter(|_| !self.given_up && !self.are_many()) else { return Ok(None) };
        Ok(Some(RareRows(concat_batches(&first.schema(), &self.found)?)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow::compute::take_record_batch;
    use datafusion::logical_expr::{col, lit};

    use super::super::rollup::tests::rows;
    use super::*;
    use crate::record::fields::known;

    fn ier() -> &'static Table {
        known("individual_email_result").unwrap()
    }

    fn rare_of(batches: &[RecordBatch], rows_each: usize) -> Option<RareRows> {
        let mut builder = RareBuilder::new(ier(), rows_each).unwrap();
        batches.iter().for_each(|batch| builder.add(batch).unwrap());
        builder.finish().unwrap()
    }

    /// Rows as they are, without dictionaries.
    fn plain(batch: &RecordBatch) -> RecordBatch {
        let fields: Vec<Field> =
            ier().delta_schema().fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
        pad(batch, &Arc::new(Schema::new(fields))).unwrap()
    }

    /// The same rows, but those of some that are rare.
    fn mostly_good(seed: u64, count: usize) -> RecordBatch {
        let all = rows(seed, count * 20);
        let is_rare = rare(&all);
        let mut spared = 0;
        let kept = (0..all.num_rows() as u32).filter(|row| {
            spared += usize::from(is_rare.value(*row as usize));
            !is_rare.value(*row as usize) || spared % 1000 == 0
        });
        take_record_batch(&all, &kept.take(count).collect::<UInt32Array>()).unwrap()
    }

    #[test]
    fn they_are_those_that_bounced_hard_or_unsubscribed_in_order() {
        for seed in 0..20 {
            let batches = [rows(seed, 300), rows(seed + 100, 1), rows(seed + 200, 500)];
            let whole = concat_batches(&batches[0].schema(), &batches).unwrap();
            let bounced = whole.column_by_name("hard_bounce").unwrap().as_boolean().clone();
            let unsubscribed = whole.column_by_name("date_unsubscribed").unwrap().clone();
            let is_rare = |row: &u32| {
                let row = *row as usize;
                (bounced.is_valid(row) && bounced.value(row)) || unsubscribed.is_valid(row)
            };
            let numbers: UInt32Array = (0..whole.num_rows() as u32).filter(is_rare).collect();
            let found = rare_of(&batches, 0).unwrap();
            assert_eq!(found.batch().unwrap(), plain(&take_record_batch(&whole, &numbers).unwrap()), "seed {seed}");
            assert_eq!(found.0.column_by_name(ROW).unwrap().as_primitive::<UInt32Type>(), &numbers);
        }
    }

    #[test]
    fn where_rows_leave_a_file_they_are_those_of_what_stays() {
        for seed in 0..20u32 {
            let whole = rows(seed.into(), 400);
            let found = rare_of(std::slice::from_ref(&whole), 0).unwrap();
            let (from, step) = (seed % 7, [1, 2, 3, 50][seed as usize % 4]);
            let outgoing: Vec<u32> = (from..400).step_by(step).collect();
            let remaining: UInt32Array = (0..400).filter(|row| outgoing.binary_search(row).is_err()).collect();
            let expected = rare_of(&[take_record_batch(&whole, &remaining).unwrap()], 0);
            assert_eq!(found.without(&outgoing).unwrap(), expected, "seed {seed}");
        }
    }

    #[test]
    fn they_come_back_from_their_bytes_and_no_damage_goes_unseen() {
        let found = rare_of(&[rows(1, 400)], 0).unwrap();
        let bytes = found.encode().unwrap();
        let place = Place::of(17, &bytes);
        assert_eq!(RareRows::decode(&bytes, &place).unwrap(), found);
        let schema = Arc::new(ier().scan_schema().project(&[3, 1]).unwrap());
        let some = RareRows::decode_as(&bytes, &place, &schema).unwrap();
        assert_eq!(some, pad(&found.0, &schema).unwrap());
        let none = RareRows::decode_as(&bytes, &place, &Arc::new(Schema::empty())).unwrap();
        assert_eq!((none.num_columns(), none.num_rows()), (0, found.rows()));
        for at in (0..bytes.len()).step_by(97) {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert!(RareRows::decode(&bad, &place).is_err(), "byte {at}");
        }
    }

    #[test]
    fn where_they_are_many_or_none_nothing_is_kept() {
        assert_eq!(rare_of(&[rows(3, 500)], ROWS_EACH), None);
        let good = mostly_good(3, 500);
        let found = rare_of(std::slice::from_ref(&good), ROWS_EACH).unwrap();
        assert!((1..=25).contains(&found.rows()), "{}", found.rows());
        let only_good = filter_record_batch(&good, &arrow::compute::not(&rare(&good)).unwrap()).unwrap();
        assert_eq!(rare_of(&[only_good], 0), None);
        assert!(RareBuilder::new(known("individual_link").unwrap(), 0).is_none());
    }

    #[test]
    fn conditions_that_only_rare_rows_meet_are_known() {
        let (bounced, unsubscribed) = (|| col("hard_bounce"), || col("date_unsubscribed"));
        for condition in [
            bounced(),
            bounced().is_true(),
            bounced().and(col("opened")),
            col("opened").and(unsubscribed().is_not_null()),
            bounced().or(unsubscribed().is_not_null()),
            unsubscribed().gt(col("date_sent")),
            col("date_sent").not_eq(unsubscribed()),
        ] {
            assert!(are_all(&[col("clicked"), condition.clone()]), "{condition}");
        }
        for condition in [
            !bounced(),
            bounced().is_not_null(),
            bounced().is_not_true(),
            bounced().or(col("soft_bounce")),
            unsubscribed().is_null(),
            bounced().or(unsubscribed().is_null()),
            bounced().is_false(),
            bounced().eq(col("opened")),
            Expr::BinaryExpr(BinaryExpr::new(Box::new(unsubscribed()), Operator::IsDistinctFrom, Box::new(col("date_sent")))),
            lit(true),
        ] {
            assert!(!are_all(&[col("clicked"), condition.clone()]), "{condition}");
        }
    }
}
