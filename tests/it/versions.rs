//! Which version wins (`record::resolve`): a pure function of the set of versions. Whatever the order of arrival, however
//! often one is repeated, however they are grouped on the way, the row is the same, its bookkeeping included.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Schema};
use ier::record::fields::{Table, UTC, known};
use ier::record::key::complete;
use ier::record::resolve::{group_by_key, resolve, resolve_all};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use crate::world::records::{contact_id, id};

/// One version of the one key, as an export tells it. An outer `None` means: the export had no such column.
#[derive(Clone, Debug)]
struct Version {
    modstamp: Option<i64>,
    modified: Option<i64>,
    contact: Option<Option<u8>>,
    lead: Option<Option<u8>>,
    send: Option<Option<u8>>,
    subject: Option<Option<u8>>,
    sent: Option<Option<i64>>,
    opened: Option<Option<bool>>,
    clicked: Option<Option<bool>>,
    unique: Option<Option<i32>>,
}

fn ier_table() -> &'static Arc<Table> {
    known("ier").expect("the table of IERs")
}

fn told<T: std::fmt::Debug + Clone + 'static>(value: impl Strategy<Value = T> + 'static) -> BoxedStrategy<Option<Option<T>>> {
    let value = value.boxed();
    prop_oneof![1 => Just(None), 1 => Just(Some(None)), 3 => value.prop_map(|value| Some(Some(value)))].boxed()
}

fn version() -> impl Strategy<Value = Version> {
    let stamp = || prop_oneof![1 => Just(None), 5 => (0..4i64).prop_map(Some)];
    let people = (told(0..3u8), told(0..2u8), told(0..3u8));
    let facts = (told(0..3u8), told(0..5i64), told(any::<bool>()), told(any::<bool>()), told(0..3i32));
    ((stamp(), stamp()), people, facts).prop_map(
        |((modstamp, modified), (contact, lead, send), (subject, sent, opened, clicked, unique))| Version {
            modstamp,
            modified,
            contact,
            lead,
            send,
            subject,
            sent,
            opened,
            clicked,
            unique,
        },
    )
}

/// The version as the loader hands it on.
fn batch(version: &Version) -> RecordBatch {
    let table = ier_table();
    let mut columns: Vec<(&str, ArrayRef)> = vec![("merge_id", text(Some("m-1".to_owned())))];
    let moment =
        |micros: Option<i64>| -> ArrayRef { Arc::new(TimestampMicrosecondArray::from(vec![micros]).with_timezone(UTC.clone())) };
    columns.push(("system_modstamp", moment(version.modstamp)));
    columns.push(("last_modified_date", moment(version.modified)));
    let mut put = |name: &'static str, column: Option<ArrayRef>| columns.extend(column.map(|column| (name, column)));
    put("contact_id", version.contact.map(|value| text(value.map(|contact| contact_id(contact.into())))));
    put("lead_id", version.lead.map(|value| text(value.map(|lead| id("00Q", lead.into())))));
    put("send_definition_id", version.send.map(|value| text(value.map(|send| id("a0B", send.into())))));
    put("subject_line", version.subject.map(|value| text(value.map(|subject| format!("subject {subject}")))));
    put("date_sent", version.sent.map(|value| moment(value.map(|days| days * 86_400_000_000))));
    put("opened", version.opened.map(|value| Arc::new(BooleanArray::from(vec![value])) as ArrayRef));
    put("clicked", version.clicked.map(|value| Arc::new(BooleanArray::from(vec![value])) as ArrayRef));
    put("number_of_unique_clicks", version.unique.map(|value| Arc::new(Int32Array::from(vec![value])) as ArrayRef));
    let fields: Vec<Field> = columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
    let told = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, column)| column).collect());
    complete(table, &told.expect("a batch")).expect("a whole row").batch
}

fn text(value: Option<String>) -> ArrayRef {
    Arc::new(StringArray::from(vec![value]))
}

/// Resolves rows of the one key to one.
fn one(rows: &[RecordBatch]) -> RecordBatch {
    let all = concat_batches(&ier_table().lake_schema(), rows).expect("one batch");
    let every: Vec<u32> = (0..all.num_rows() as u32).collect();
    resolve(ier_table(), &all, &[&every]).expect("a row").batch
}

/// The row's columns as text, nulls left out: what a failure shows.
fn shown(row: &RecordBatch) -> BTreeMap<String, String> {
    let columns = row.schema();
    let shown = columns.fields().iter().zip(row.columns()).filter(|(_, column)| column.is_valid(0));
    shown
        .map(|(field, column)| (field.name().clone(), arrow::util::display::array_value_to_string(column, 0).expect("a value")))
        .collect()
}

fn runner(cases: u32) -> TestRunner {
    let config = ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 400, ..ProptestConfig::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]))
}

/// Versions, an order of them with repetitions, and where to cut it into groups that are resolved first.
fn arrivals() -> impl Strategy<Value = (Vec<Version>, Vec<usize>, Vec<bool>)> {
    prop::collection::vec(version(), 1..6).prop_flat_map(|versions| {
        let count = versions.len();
        let order = prop::collection::vec(0..count, 0..8).prop_flat_map(move |again| {
            // Every version at least once, in any order, some of them again.
            Just((0..count).chain(again).collect::<Vec<_>>()).prop_shuffle()
        });
        (Just(versions), order, prop::collection::vec(any::<bool>(), 16))
    })
}

#[test]
fn any_order_any_repetition_any_grouping_is_one_row() {
    let outcome = runner(600).run(&arrivals(), |(versions, order, cuts)| {
        let rows: Vec<RecordBatch> = versions.iter().map(batch).collect();
        let plain = one(&rows);
        let arrived: Vec<RecordBatch> = order.iter().map(|at| rows[*at].clone()).collect();
        prop_assert_eq!(shown(&one(&arrived)), shown(&plain), "another order");
        // Cut into groups, each resolved to a row; then the rows.
        let mut groups: Vec<Vec<RecordBatch>> = vec![Vec::new()];
        for (row, cut) in arrived.iter().zip(&cuts) {
            if *cut {
                groups.push(Vec::new());
            }
            groups.last_mut().expect("a group").push(row.clone());
        }
        let parts: Vec<RecordBatch> = groups.iter().filter(|group| !group.is_empty()).map(|group| one(group)).collect();
        prop_assert_eq!(shown(&one(&parts)), shown(&plain), "grouped");
        // One after the other, as loads bring them.
        let chained = arrived[1..].iter().fold(arrived[0].clone(), |row, next| one(&[row, next.clone()]));
        prop_assert_eq!(shown(&chained), shown(&plain), "one by one");
        prop_assert_eq!(shown(&one(&[plain.clone(), plain.clone()])), shown(&plain), "with itself");
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn a_null_never_erases_a_person_and_clicked_follows_the_clicks() {
    let outcome = runner(200).run(&prop::collection::vec(version(), 1..6), |versions| {
        let row = one(&versions.iter().map(batch).collect::<Vec<_>>());
        let known = |name: &str| row.column_by_name(name).expect("a column").is_valid(0);
        prop_assert_eq!(known("contact_id"), versions.iter().any(|version| matches!(version.contact, Some(Some(_)))));
        prop_assert_eq!(known("lead_id"), versions.iter().any(|version| matches!(version.lead, Some(Some(_)))));
        prop_assert_eq!(known("send_definition_id"), versions.iter().any(|version| matches!(version.send, Some(Some(_)))));
        prop_assert_eq!(known("person_id"), known("contact_id") || known("lead_id"));
        if known("number_of_unique_clicks") {
            let clicks =
                row.column_by_name("number_of_unique_clicks").expect("clicks").as_primitive::<arrow::datatypes::Int32Type>();
            let clicked = row.column_by_name("clicked").expect("clicked").as_boolean();
            prop_assert!(clicked.is_valid(0));
            prop_assert_eq!(clicked.value(0), clicks.value(0) > 0);
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn among_many_keys_each_is_resolved_alone() {
    let version = |contact: u8, stamp: i64| Version {
        modstamp: Some(stamp),
        modified: Some(stamp),
        contact: Some(Some(contact)),
        lead: None,
        send: None,
        subject: None,
        sent: Some(Some(0)),
        opened: None,
        clicked: None,
        unique: None,
    };
    let rename = |row: RecordBatch, key: &str| {
        let at = row.schema().index_of(ier::record::fields::hidden::KEY).expect("the key");
        let mut columns = row.columns().to_vec();
        columns[at] = text(Some(key.to_owned()));
        RecordBatch::try_new(row.schema(), columns).expect("a row")
    };
    let rows: Vec<RecordBatch> = [("a", 1, 5), ("b", 2, 5), ("a", 2, 6), ("c", 0, 1), ("b", 0, 4)]
        .map(|(key, contact, stamp)| rename(batch(&version(contact, stamp)), key))
        .to_vec();
    let all = concat_batches(&ier_table().lake_schema(), &rows).expect("one batch");
    let by_key = group_by_key(&all).expect("groups");
    assert_eq!(by_key.groups(), [&[0, 2][..], &[1, 4], &[3]]);
    let resolved = resolve_all(ier_table(), &all).expect("rows");
    let people = resolved.column_by_name("contact_id").expect("contacts").as_string::<i32>();
    let people: Vec<&str> = people.iter().flatten().collect();
    assert_eq!(people, [contact_id(2), contact_id(2), contact_id(0)]);
}
