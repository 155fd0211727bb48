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

use crate::world::World;
use crate::world::records::{contact_id, id, ier, ier_id};

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
    id: Option<Option<u8>>,
    /// The org's own fields, one of [`OWN`].
    own: Option<usize>,
}

/// Own fields as exports with other columns, in other orders, tell them.
const OWN: [&str; 8] = [
    r#"{"a":"1"}"#,
    r#"{"b":"1"}"#,
    r#"{"a":"2","b":"1"}"#,
    r#"{"b":"2","a":"1"}"#,
    r#"{"c;=":"é","a":"1"}"#,
    r#"{"a":null}"#,
    r#"{"a":"2","b":null}"#,
    r#"{"b":null,"a":null}"#,
];

fn ier_table() -> &'static Arc<Table> {
    known("ier").expect("the table of IERs")
}

fn provided<T: std::fmt::Debug + Clone + 'static>(value: impl Strategy<Value = T> + 'static) -> BoxedStrategy<Option<Option<T>>> {
    let value = value.boxed();
    prop_oneof![1 => Just(None), 1 => Just(Some(None)), 3 => value.prop_map(|value| Some(Some(value)))].boxed()
}

fn version() -> impl Strategy<Value = Version> {
    let stamp = || prop_oneof![1 => Just(None), 5 => (0..4i64).prop_map(Some)];
    let people = (provided(0..3u8), provided(0..2u8), provided(0..3u8));
    let names = (provided(0..2u8), prop::option::of(0..OWN.len()));
    let facts = (provided(0..3u8), provided(0..5i64), provided(any::<bool>()), provided(any::<bool>()), provided(0..3i32));
    ((stamp(), stamp()), people, facts, names).prop_map(
        |((modstamp, modified), (contact, lead, send), (subject, sent, opened, clicked, unique), (id, own))| Version {
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
            id,
            own,
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
    put("ier_id", version.id.map(|value| text(value.map(|number| ier_id(number.into())))));
    put("custom", version.own.map(|own| text(Some(OWN[own].to_owned()))));
    let fields: Vec<Field> = columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
    let provided = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, column)| column).collect());
    complete(table, &provided.expect("a batch")).expect("a whole row").batch
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
        sent: Some(Some(0)),
        ..bare()
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

#[test]
fn each_of_the_orgs_own_fields_has_its_own_newest_version() {
    let version = |stamp: i64, own: usize| batch(&Version { modstamp: Some(stamp), own: Some(own), ..bare() });
    let own = |rows: &[RecordBatch]| shown(&one(rows))["custom"].clone();
    assert_eq!(own(&[version(5, 0), version(3, 2)]), r#"{"a":"1","b":"1"}"#, "a version that lacks a field does not erase it");
    assert_eq!(own(&[version(5, 3), version(3, 1)]), OWN[3], "a version that has all of them stays letter by letter");
    assert_eq!(own(&[version(5, 0), version(3, 1), version(4, 3)]), r#"{"a":"1","b":"2"}"#);
    assert_eq!(own(&[version(5, 5), version(3, 2)]), r#"{"a":null,"b":"1"}"#, "one that has it, and nothing in it, empties it");
    assert_eq!(own(&[version(3, 5), version(5, 2)]), OWN[2], "until it is filled again");
    assert_eq!(own(&[version(5, 5), version(5, 0)]), OWN[0], "of one age, a value goes before none");
    // As older builds noted it: the whole text is of another version.
    let older = one(&[version(5, 0), batch(&Version { own: None, modstamp: Some(7), ..bare() })]);
    assert_eq!(
        shown(&older)["kept_stamps"].split(';').filter(|note| note.starts_with("custom")).collect::<Vec<_>>(),
        ["custom=5,"]
    );
    assert_eq!(own(&[older.clone(), version(6, 1)]), r#"{"a":"1","b":"1"}"#);
    assert_eq!(own(&[older, version(4, 2)]), r#"{"a":"1","b":"1"}"#);
}

fn bare() -> Version {
    Version {
        modstamp: None,
        modified: None,
        contact: None,
        lead: None,
        send: None,
        subject: None,
        sent: None,
        opened: None,
        clicked: None,
        unique: None,
        id: None,
        own: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_formula_is_as_it_was_last_seen_and_an_older_file_again_changes_nothing() {
    let mail =
        |address: &str| ier(1).contact(1).sent("2026-08-06 15:00").stamp("2026-08-06 16:15").unopened().set("Email", address);
    let world = World::on("2026-08-10");
    let address = "SELECT current_email FROM ier";
    for (provided, updated, shown) in [
        ("zoe.first@example.edu", 0, "zoe.first@example.edu"),
        ("ana.later@example.edu", 1, "ana.later@example.edu"),
        ("ana.later@example.edu", 0, "ana.later@example.edu"),
        ("zoe.first@example.edu", 0, "ana.later@example.edu"),
        ("mia.third@example.edu", 1, "mia.third@example.edu"),
        ("ana.later@example.edu", 0, "mia.third@example.edu"),
    ] {
        world.days_pass(1);
        assert_eq!(world.load(&[mail(provided)]).await.updated, updated, "{provided}");
        assert_eq!(world.line(address).await, shown);
    }
    // Of one load the order says nothing.
    let both = [mail("bob@example.edu"), mail("eve@example.edu")];
    let (forth, back) = (World::on("2026-08-10"), World::on("2026-08-10"));
    forth.load(&both).await;
    back.load(&[both[1].clone(), both[0].clone()]).await;
    assert_eq!(forth.line(address).await, back.line(address).await);
    // A newer version wins as any.
    world.load(&[mail("aaa@example.edu").stamp("2026-08-12 08:00")]).await;
    assert_eq!(world.line(address).await, "aaa@example.edu");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_with_only_its_last_modified_date_is_placed_by_it() {
    let world = World::on("2026-08-10");
    let mail = ier(1).contact(1).sent("2026-08-06 15:00").stamp("2026-08-06 16:00").unopened();
    world.load(std::slice::from_ref(&mail)).await;
    let later =
        mail.clone().without("SystemModstamp").set("LastModifiedDate", "2026-08-07T08:00:00.000Z").opened("2026-08-07 07:58");
    assert_eq!(world.load(&[later]).await.updated, 1);
    assert_eq!(world.line("SELECT opened FROM ier").await, "true");
    assert_eq!(world.load(&[mail]).await.updated, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_connector_adds_makes_no_new_version() {
    let world = World::on("2026-08-10");
    let sync = |run: &str| {
        let columns = "_airbyte_raw_id,_airbyte_extracted_at,attributes,,Id,et4ae5__MergeId__c,et4ae5__DateSent__c,SystemModstamp,Region__c";
        let row = format!(
            "{run},2026-08-06 1{run}:00:00Z,\"{{'type': '{run}'}}\",{run},{},M-1,2026-08-06T15:00:00Z,2026-08-06T16:00:00Z,West",
            ier_id(1)
        );
        world.text(&format!("sync-{run}.csv"), &format!("{columns}\n{row}\n"))
    };
    for (run, updated) in [("1", 0), ("3", 0), ("2", 0)] {
        let report = world.load_files(&[sync(run)]).await.expect("the load");
        assert_eq!(report.tables[0].updated, updated, "{run}");
    }
    assert_eq!(world.line("SELECT custom FROM ier").await, r#"{"Region__c":"West"}"#);
    assert_eq!(world.line("SELECT count(*) FROM ier_versions").await, "1");
}
