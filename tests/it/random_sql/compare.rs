//! Answers, and whether two of them are the same: names, types, rows; their order where the statement asks for one. What has no
//! name in the statement the engine calls as Postgres does (`query::naming`), and DataFusion after its plan.
//!
//! Sums of fractions run in another order on another plan, so fractions may differ by a billionth. Nothing else may.

use std::cmp::Ordering;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::Result;
use datafusion::execution::SendableRecordBatchStream;
use futures::TryStreamExt;

/// How far fractions may differ, for their size.
const TOLERANCE: f64 = 1e-9;

#[derive(Clone, Debug)]
enum Cell {
    Null,
    Fraction(f64),
    Text(String),
}

impl Cell {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::Fraction(one), Self::Fraction(other)) => {
                one.total_cmp(other).is_eq() || (one - other).abs() <= TOLERANCE * one.abs().max(other.abs())
            }
            _ => false,
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        let rank = |cell: &Self| match cell {
            Self::Null => 0,
            Self::Fraction(_) => 1,
            Self::Text(_) => 2,
        };
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => one.cmp(other),
            (Self::Fraction(one), Self::Fraction(other)) => one.total_cmp(other),
            _ => rank(self).cmp(&rank(other)),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Null => "NULL".to_owned(),
            Self::Fraction(number) => number.to_string(),
            Self::Text(text) => format!("{text:?}"),
        }
    }
}

/// What a statement answered.
#[derive(Debug)]
pub struct Answer {
    columns: Vec<(String, DataType)>,
    rows: Vec<Vec<Cell>>,
}

impl Answer {
    /// All of a stream.
    pub async fn of(stream: SendableRecordBatchStream) -> Result<Self> {
        let schema = stream.schema();
        let columns = schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect();
        let batches: Vec<RecordBatch> = stream.try_collect().await?;
        let mut rows = Vec::new();
        for batch in &batches {
            let columns: Vec<Vec<Cell>> = batch.columns().iter().map(|column| cells(column)).collect::<Result<_>>()?;
            let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
            rows.extend((0..batch.num_rows()).map(|_| columns.iter_mut().filter_map(Iterator::next).collect::<Vec<Cell>>()));
        }
        Ok(Self { columns, rows })
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The first difference to the answer it should be, if there is one. Rows stand in the order of the columns by which the
    /// statement sorts, first the most significant; among equals they may stand in any.
    pub fn difference(mut self, mut expected: Self, sorted_by: &[usize]) -> Option<String> {
        let is_name = |name: &str| name.chars().all(|char| char.is_alphanumeric() || char == '_');
        let are_alike = |((name, kind), (other, other_kind)): (&(String, DataType), &(String, DataType))| {
            kind == other_kind && (name == other || !is_name(other))
        };
        if self.columns.len() != expected.columns.len() || !self.columns.iter().zip(&expected.columns).all(are_alike) {
            return Some(format!("columns:\n  engine    {:?}\n  reference {:?}", self.columns, expected.columns));
        }
        if self.rows.len() == expected.rows.len() {
            for (place, (one, other)) in self.rows.iter().zip(&expected.rows).enumerate() {
                if sorted_by.iter().any(|column| !one[*column].is(&other[*column])) {
                    return Some(format!("order, row {place}:\n  engine    {}\n  reference {}", shown(one), shown(other)));
                }
            }
        }
        // Fractions last, so that one that differs a little moves no row.
        let is_fraction = |column: &usize| self.columns[*column].1.is_floating();
        let (last, first): (Vec<usize>, Vec<usize>) = (0..self.columns.len()).partition(is_fraction);
        let by: Vec<usize> = first.into_iter().chain(last).collect();
        let order = |one: &Vec<Cell>, other: &Vec<Cell>| {
            by.iter().map(|column| one[*column].order(&other[*column])).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        };
        self.rows.sort_by(order);
        expected.rows.sort_by(order);
        let (ours, theirs) = (self.rows.len(), expected.rows.len());
        let same = |one: &Vec<Cell>, other: &Vec<Cell>| one.iter().zip(other).all(|(one, other)| one.is(other));
        let place = self.rows.iter().zip(&expected.rows).position(|(one, other)| !same(one, other));
        let place = place.or((ours != theirs).then_some(ours.min(theirs)))?;
        let row = |rows: &[Vec<Cell>]| rows.get(place).map_or_else(|| "(no more rows)".to_owned(), |row| shown(row));
        Some(format!(
            "rows, all sorted, row {place}:\n  engine    ({ours} rows) {}\n  reference ({theirs} rows) {}",
            row(&self.rows),
            row(&expected.rows)
        ))
    }
}

fn shown(row: &[Cell]) -> String {
    row.iter().map(Cell::shown).collect::<Vec<_>>().join(" | ")
}

fn cells(column: &dyn Array) -> Result<Vec<Cell>> {
    if column.data_type().is_floating() {
        let numbers = cast(column, &DataType::Float64)?;
        let numbers = numbers.as_primitive::<Float64Type>();
        return Ok(numbers.iter().map(|number| number.map_or(Cell::Null, Cell::Fraction)).collect());
    }
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column, &options)?;
    let cell = |row| if column.is_null(row) { Cell::Null } else { Cell::Text(formatter.value(row).to_string()) };
    Ok((0..column.len()).map(cell).collect())
}
