//! A rollup gives the same counts as its rows do.

use std::collections::BTreeMap;

use arrow::array::{ArrayRef, Date32Array};
use arrow::datatypes::{Int64Type, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::*;
use crate::record::fields::known;

/// Rows of IERs that look random: few different values, nulls among them.
pub fn rows(seed: u64, count: usize) -> RecordBatch {
    let mut state = seed;
    let mut below = move |end: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % end
    };
    let schema = known("individual_email_result").unwrap().lake_schema();
    let columns = schema.fields().iter().map(|field| -> ArrayRef {
        let mut value = |end: u64| (0..count).map(|_| below(end + 1).checked_sub(1)).collect::<Vec<Option<u64>>>();
        match field.data_type() {
            DataType::Boolean => Arc::new(value(2).into_iter().map(|of| of.map(|of| of == 1)).collect::<BooleanArray>()),
            DataType::Int32 => Arc::new(value(3).into_iter().map(|of| of.map(|of| of as i32)).collect::<Int32Array>()),
            DataType::Date32 => Arc::new(value(3).into_iter().map(|of| of.map(|of| of as i32)).collect::<Date32Array>()),
            DataType::Timestamp(..) => {
                let moments = value(9).into_iter().map(|of| of.map(|of| (of as i64 + 90_000) * HOUR_MICROS / 3 - 7));
                Arc::new(moments.collect::<TimestampMicrosecondArray>().with_timezone(UTC.clone()))
            }
            other => {
                let texts: StringArray = value(2).into_iter().map(|of| of.map(|of| format!("{}-{of}", field.name()))).collect();
                cast(&texts, other).unwrap()
            }
        }
    });
    // Keys are never null.
    let fields: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.collect()).unwrap()
}

fn rollup(batches: &[RecordBatch]) -> Rollup {
    let mut builder = RollupBuilder::new(known("individual_email_result").unwrap(), 0).unwrap();
    batches.iter().for_each(|batch| builder.add(batch).unwrap());
    builder.finish().unwrap().unwrap()
}

/// What rows say in the columns a rollup tells, as text, and how often, with the least and greatest moment.
fn counted(batches: &[RecordBatch]) -> BTreeMap<Vec<String>, (i64, String, String)> {
    let options = FormatOptions::default().with_null("null");
    let mut counted: BTreeMap<Vec<String>, (i64, String, String)> = BTreeMap::new();
    for batch in batches {
        let shown: Vec<(&str, ArrayFormatter)> = sources()
            .map(|name| (name, ArrayFormatter::try_new(batch.column_by_name(name).unwrap(), &options).unwrap()))
            .collect();
        let sent = batch.column_by_name(SENT).unwrap().as_primitive::<TimestampMicrosecondType>().clone();
        for row in 0..batch.num_rows() {
            let cell = |(name, shown): &(&str, ArrayFormatter)| {
                let value = shown.value(row).to_string();
                match exactness(name) {
                    Exactness::Presence => (value != "null").to_string(),
                    Exactness::Hour if sent.is_valid(row) => sent.value(row).div_euclid(HOUR_MICROS).to_string(),
                    _ => value,
                }
            };
            let moment = shown.iter().find(|(name, _)| *name == SENT).unwrap().1.value(row).to_string();
            let group_key = shown.iter().map(cell).collect();
            let count = counted.entry(group_key).or_insert((0, moment.clone(), moment.clone()));
            count.0 += 1;
            let earlier = |a: &str, b: &str| (a.len(), a) < (b.len(), b);
            if earlier(&moment, &count.1) {
                count.1 = moment.clone();
            }
            if earlier(&count.2, &moment) {
                count.2 = moment;
            }
        }
    }
    counted
}

/// The same of a rollup's own rows.
fn shown_by(rollup: &Rollup) -> BTreeMap<Vec<String>, (i64, String, String)> {
    let options = FormatOptions::default().with_null("null");
    let column = |name: &str| ArrayFormatter::try_new(rollup.0.column_by_name(name).unwrap(), &options).unwrap();
    let sent = rollup.0.column_by_name(SENT).unwrap().as_primitive::<TimestampMicrosecondType>();
    let columns: Vec<(&str, ArrayFormatter)> = sources().map(|name| (name, column(name))).collect();
    let own = [ROWS, FIRST, LAST].map(column);
    let row = |row: usize| {
        let cell = |(name, shown): &(&str, ArrayFormatter)| match exactness(name) {
            Exactness::Hour if sent.is_valid(row) => (sent.value(row) / HOUR_MICROS).to_string(),
            _ => shown.value(row).to_string(),
        };
        let [rows, first, last] = own.each_ref().map(|shown| shown.value(row).to_string());
        (columns.iter().map(cell).collect(), (rows.parse().unwrap(), first, last))
    };
    (0..rollup.rows()).map(row).collect()
}

#[test]
fn a_rollup_tells_what_counting_the_rows_tells() {
    for seed in 0..20 {
        let batches = [rows(seed, 300), rows(seed + 100, 1), rows(seed + 200, 500)];
        let rollup = rollup(&batches);
        assert_eq!(shown_by(&rollup), counted(&batches), "seed {seed}");
    }
}

#[test]
fn a_rollup_comes_back_from_its_bytes_and_no_damage_goes_unseen() {
    let rollup = rollup(&[rows(1, 400)]);
    let bytes = rollup.encode().unwrap();
    let place = Place::of(17, &bytes);
    assert_eq!(Place::parse(&place.to_string()), Some(place.clone()));
    assert_eq!(Rollup::decode(&bytes, &place).unwrap(), rollup);
    for at in (0..bytes.len()).step_by(97) {
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        assert!(Rollup::decode(&bad, &place).is_err(), "byte {at}");
    }
}

#[test]
fn rows_unlike_each_other_have_no_rollup_and_neither_have_other_tables() {
    let mut builder = RollupBuilder::new(known("individual_email_result").unwrap(), 4).unwrap();
    builder.add(&rows(3, 500)).unwrap();
    assert_eq!(builder.finish().unwrap(), None);
    let mut builder = RollupBuilder::new(known("individual_email_result").unwrap(), 4).unwrap();
    let batch = rows(3, 1);
    for _ in 0..4 {
        builder.add(&batch).unwrap();
    }
    assert_eq!(builder.finish().unwrap().map(|rollup| rollup.rows()), Some(1));
    assert!(RollupBuilder::new(known("individual_link").unwrap(), 0).is_none());
}

#[test]
fn as_sql_sees_it_a_rollup_has_the_columns_that_are_asked_for() {
    let rollup = rollup(&[rows(5, 200)]);
    let table = known("individual_email_result").unwrap();
    let all = crate::lake::columns::schema(table);
    let fields: Vec<FieldRef> = all.fields().iter().cloned().chain(own_fields().map(Arc::new)).collect();
    let fields: Vec<FieldRef> = fields.into_iter().filter(|field| field.name() != "record_key").collect();
    let fields: Vec<FieldRef> = fields.iter().map(|field| Arc::new(field.as_ref().clone().with_nullable(true))).collect();
    let batch = rollup.batch(&Arc::new(Schema::new(fields)), "archive").unwrap();
    assert_eq!(batch.num_rows(), rollup.rows());
    let column = |name: &str| batch.column_by_name(name).unwrap();
    assert_eq!(column("person_id").null_count(), rollup.rows());
    assert_eq!(column(TIER).as_string_view().value(0), "archive");
    let opened = rollup.0.column_by_name("date_opened").unwrap().as_boolean();
    assert_eq!(column("date_opened").null_count(), opened.false_count());
    let rows: i64 = column(ROWS).as_primitive::<Int64Type>().values().iter().sum();
    assert_eq!(rows, 200);
}
