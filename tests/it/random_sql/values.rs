//! The values a table's columns hold, as SQL writes them: what conditions ask for is then sometimes there.

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::grammar::{Column, Kind, Relation};

/// Values taken of each column.
const SAMPLES: usize = 40;

/// A table as the grammar knows it.
pub fn relation(name: &'static str, rows: &RecordBatch) -> Relation {
    let schema = rows.schema();
    let columns = schema.fields().iter().zip(rows.columns());
    let columns = columns.map(|(field, values)| {
        let kind = kind(field.data_type());
        Column { name: field.name().clone(), kind, literals: literals(kind, values) }
    });
    Relation { name, columns: columns.collect() }
}

fn kind(data_type: &DataType) -> Kind {
    match data_type {
        DataType::Boolean => Kind::Yes,
        DataType::Date32 => Kind::Day,
        DataType::Timestamp(..) => Kind::Moment,
        integer if integer.is_integer() => Kind::Whole,
        float if float.is_floating() => Kind::Fraction,
        _ => Kind::Text,
    }
}

fn literals(kind: Kind, values: &dyn Array) -> Vec<String> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(values, &options).expect("values that can be shown");
    let every = (values.len() / SAMPLES).max(1);
    let sampled = (0..values.len()).step_by(every).filter(|row| values.is_valid(*row));
    let mut literals: Vec<String> = sampled
        .map(|row| {
            let text = formatter.value(row).to_string();
            match kind {
                Kind::Day => format!("DATE '{text}'"),
                Kind::Moment => format!("TIMESTAMP '{text}'"),
                Kind::Text => format!("'{}'", text.replace('\'', "''")),
                Kind::Fraction | Kind::Whole | Kind::Yes => text,
            }
        })
        .collect();
    literals.sort();
    literals.dedup();
    literals
}
