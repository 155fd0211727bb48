//! Completes an export's columns to a whole row: computes the key and the derived columns.
//!
//! [`complete`] takes the columns an export had and returns all columns of the table; [`derive`] recomputes the derived columns
//! after two versions were merged.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, DictionaryArray, Int32Array, RecordBatch, StringArray, StringBuilder,
    StringDictionaryBuilder, new_null_array,
};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Date32Type, Int32Type, TimestampMicrosecondType};

use super::fields::{Field, KeyRule, Source, Table, hidden};
use super::id::{CONTACT_PREFIX, LEAD_PREFIX, SfId};
use super::kept::never_provided;
use super::names::{PARTS, id_key, parts_key};
use super::spelling::plain;
use crate::error::{Error, Result};

/// Microseconds in a day.
pub const DAY_MICROS: i64 = 86_400_000_000;

/// The UTC day of a moment.
pub fn day_of(micros: i64) -> i32 {
    micros.div_euclid(DAY_MICROS) as i32
}

/// A batch with every column of the table, and the rows (by place in the export's batch) that have no key.
pub struct Completed {
    /// All columns of [`Table::lake_schema`]; rows without a key are left out.
    pub batch: RecordBatch,
    /// Places of the rows left out, ascending.
    pub keyless: Vec<usize>,
}

/// Fills in what an export does not tell: absent columns (null, and marked as never provided, so that they erase nothing),
/// the key, person, day and click of an IER.
///
/// `provided` holds any of the table's export columns and `custom`, in lake types, in any order. A link's person and date are
/// left null: they come from its IER.
pub fn complete(table: &Table, provided: &RecordBatch) -> Result<Completed> {
    let provided = plain(table, provided)?;
    let provided = provided.as_ref();
    let rows = provided.num_rows();
    let schema = table.lake_schema();
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    let mut absent: Vec<&Field> = Vec::new();
    for (field, arrow) in table.fields.iter().zip(schema.fields()) {
        match provided.column_by_name(&field.name) {
            Some(column) if column.data_type() == arrow.data_type() => columns.push(column.clone()),
            Some(column) => columns.push(cast(column, arrow.data_type())?),
            None => {
                if field.source == Source::Export {
                    absent.push(field);
                }
                columns.push(new_null_array(arrow.data_type(), rows));
            }
        }
    }
    if let Some(kept) = never_provided(&absent) {
        let at = schema.index_of(hidden::KEPT)?;
        let keys = Int32Array::from(vec![0; rows]);
        columns[at] = Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::new(StringArray::from(vec![kept])))?);
    }
    let keys = keys(table, provided)?;
    let keyless: Vec<usize> = (0..rows).filter(|&row| keys.is_null(row)).collect();
    columns[schema.index_of(hidden::KEY)?] = Arc::new(keys);
    let mut nullable = schema.as_ref().clone();
    if !keyless.is_empty() {
        // The key column may hold nulls until the rows without one are filtered out.
        nullable = arrow::datatypes::Schema::new(
            schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect::<Vec<_>>(),
        );
    }
    let mut batch = RecordBatch::try_new(Arc::new(nullable), columns)?;
    if !keyless.is_empty() {
        let keep =
            arrow::compute::is_not_null(batch.column_by_name(hidden::KEY).ok_or_else(|| Error::internal("no key column"))?)?;
        let kept = filter_record_batch(&batch, &keep)?;
        batch = RecordBatch::try_new(schema, kept.columns().to_vec())?;
    }
    Ok(Completed { batch: derive(table, batch)?, keyless })
}

/// Recomputes the derived columns of an IER: person, day, click; and the person a subscriber key names. Other tables pass
/// through: a link's person and day are its IER's, also where that day is not the one its date says.
pub fn derive(table: &Table, batch: RecordBatch) -> Result<RecordBatch> {
    // Which table it is, not which columns it has: files of attributes may be called and have whatever they like.
    if table.name == "not_sent" {
        return derive_subscriber(batch);
    }
    if table.key != KeyRule::Ier {
        return Ok(batch);
    }
    let schema = batch.schema();
    let mut columns = batch.columns().to_vec();
    let column = |name: &str| batch.column_by_name(name).ok_or_else(|| Error::internal(phrase!("no column {name}")));
    let contacts = column("contact_id")?.as_string::<i32>();
    let leads = column("lead_id")?.as_string::<i32>();
    let mut people = StringBuilder::with_capacity(batch.num_rows(), batch.num_rows() * 18);
    for (contact, lead) in contacts.iter().zip(leads) {
        people.append_option(contact.or(lead));
    }
    columns[schema.index_of("person_id")?] = Arc::new(people.finish());

    let unique = column("number_of_unique_clicks")?.as_primitive::<Int32Type>();
    let provided = column("clicked")?.as_boolean();
    let clicked: BooleanArray =
        unique.iter().zip(provided).map(|(unique, provided)| unique.map(|clicks| clicks > 0).or(provided)).collect();
    columns[schema.index_of("clicked")?] = Arc::new(clicked);

    let sent = column("date_sent")?.as_primitive::<TimestampMicrosecondType>();
    let created = column("created_date")?.as_primitive::<TimestampMicrosecondType>();
    let days: Date32Array = sent.iter().zip(created).map(|(sent, created)| sent.or(created).map(day_of)).collect();
    columns[schema.index_of("sent_date")?] = Arc::new(days);
    Ok(RecordBatch::try_new(schema, columns)?)
}

/// The person of a row of Marketing Cloud's: its subscriber key, where that is the id of a contact or lead. Any other
/// subscriber key, an address say, names nobody Salesforce knows.
fn derive_subscriber(batch: RecordBatch) -> Result<RecordBatch> {
    let schema = batch.schema();
    let subscribers = batch.column(schema.index_of("subscriber_key")?).as_string::<i32>();
    let person =
        |text: &str| SfId::parse(text).ok().filter(|id| [CONTACT_PREFIX, LEAD_PREFIX].iter().any(|prefix| id.has_prefix(prefix)));
    let mut people = StringBuilder::with_capacity(batch.num_rows(), batch.num_rows() * 18);
    for subscriber in subscribers {
        people.append_option(subscriber.and_then(person).as_ref().map(SfId::as_str));
    }
    let mut columns = batch.columns().to_vec();
    columns[schema.index_of("person_id")?] = Arc::new(people.finish());
    Ok(RecordBatch::try_new(schema, columns)?)
}

/// The key of each row (Rule 1) by what it tells itself; null where the row has none. By what else a record is known, and which of
/// its versions tells a better key than another: see [`super::names`].
///
/// Keys of different rules never collide: a fallback key begins with a character no key of the first rule keeps.
fn keys(table: &Table, provided: &RecordBatch) -> Result<StringArray> {
    let rows = provided.num_rows();
    let texts = |name: &str| -> Result<Option<StringArray>> {
        provided.column_by_name(name).map(|column| Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone())).transpose()
    };
    let ids = texts(table.id)?;
    let mut keys = StringBuilder::with_capacity(rows, rows * 32);
    match table.key {
        KeyRule::Ier => {
            let merge = texts("merge_id")?;
            // Nearly every export has MergeIds; the columns of the second rule are then not even unpacked.
            let all_provided =
                merge.as_ref().is_some_and(|merge| merge.iter().all(|merge| merge.is_some_and(|merge| !merge.is_empty())));
            let part = |name: &str| if all_provided { Ok(None) } else { texts(name) };
            let [job, list, batch, subscriber] = PARTS;
            let parts = [part(job)?, part(list)?, part(batch)?, part(subscriber)?];
            let mut lower = String::new();
            for row in 0..rows {
                if let Some(merge) = value(&merge, row) {
                    if merge.is_ascii() {
                        lower.clear();
                        lower.push_str(merge);
                        lower.make_ascii_lowercase();
                        keys.append_value(&lower);
                    } else {
                        keys.append_value(merge.to_lowercase());
                    }
                } else if let [Some(job), Some(list), Some(batch), Some(subscriber)] =
                    parts.each_ref().map(|part| value(part, row))
                {
                    keys.append_value(parts_key([job, list, batch, subscriber]));
                } else {
                    keys.append_option(value(&ids, row).map(id_key));
                }
            }
        }
        KeyRule::ColumnElseId(name) => {
            let own = texts(name)?;
            for row in 0..rows {
                match value(&own, row) {
                    Some(own) => keys.append_value(own.to_lowercase()),
                    None => keys.append_option(value(&ids, row).map(id_key)),
                }
            }
        }
        KeyRule::IdElseRow => {
            let columns = match &ids {
                Some(_) => Vec::new(),
                None => row_texts(table, provided)?,
            };
            for row in 0..rows {
                match value(&ids, row) {
                    Some(id) => keys.append_value(id),
                    None if columns.is_empty() => keys.append_null(),
                    None => keys.append_value(row_key(&columns, row)),
                }
            }
        }
        KeyRule::ColumnsElseRow(names) => {
            let parts =
                names.iter().map(|name| provided.column_by_name(name).map(key_text).transpose()).collect::<Result<Vec<_>>>()?;
            let columns = row_texts(table, provided)?;
            for row in 0..rows {
                match parts.iter().map(|part| value(part, row)).collect::<Option<Vec<&str>>>() {
                    Some(parts) => keys.append_value(format!("\u{1}{}", parts.join("\u{1}"))),
                    None => keys.append_value(row_key(&columns, row)),
                }
            }
        }
    }
    Ok(keys.finish())
}

fn value(column: &Option<StringArray>, row: usize) -> Option<&str> {
    column.as_ref().filter(|column| column.is_valid(row)).map(|column| column.value(row)).filter(|text| !text.is_empty())
}

/// The key of a row that has nothing better: the whole of it.
fn row_key(columns: &[StringArray], row: usize) -> String {
    let text: Vec<&str> = columns.iter().map(|column| if column.is_null(row) { "" } else { column.value(row) }).collect();
    format!("\u{3}{}", blake3::hash(text.join("\u{1}").as_bytes()).to_hex())
}

/// A column as parts of keys; a moment as its number, which no way of writing dates can change.
fn key_text(column: &ArrayRef) -> Result<StringArray> {
    let number = matches!(column.data_type(), DataType::Timestamp(..)).then(|| cast(column, &DataType::Int64)).transpose()?;
    Ok(cast(number.as_ref().unwrap_or(column), &DataType::Utf8)?.as_string::<i32>().clone())
}

/// All provided columns as text, in the table's order: the identity of a row that has no id.
fn row_texts(table: &Table, provided: &RecordBatch) -> Result<Vec<StringArray>> {
    table
        .exported()
        .filter_map(|field| provided.column_by_name(&field.name))
        .map(|column| Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone()))
        .collect()
}

/// The days of a batch, for sorting rows into partitions; null for rows without a date.
pub fn sent_days(batch: &RecordBatch) -> Option<&arrow::array::PrimitiveArray<Date32Type>> {
    batch.column_by_name("sent_date").map(|column| column.as_primitive::<Date32Type>())
}

/// Text that is often the same, as the lake holds it.
pub fn label_array<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    let mut builder = StringDictionaryBuilder::<Int32Type>::new();
    values.for_each(|value| builder.append_option(value));
    Arc::new(builder.finish())
}
