//! Erasure on request, as stories about a canary: afterwards no object holds their id, address or name, nobody else has
//! changed, and nothing of theirs comes back, whatever else runs and wherever it is killed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::concat_batches;
use chrono::Duration;
use deltalake_core::kernel::Add;
use futures::TryStreamExt;
use ier::clock::Clock;
use ier::error::{Kind, Result};
use ier::jobs;
use ier::jobs::erase::{EraseReport, EraseRequest, finish};
use ier::lake::file::layout::{Effort, writer_properties};
use ier::lake::file::rare::RareRows;
use ier::lake::file::tags;
use ier::lake::fold::splice::splice;
use ier::lake::fold::{Changes, Hits, fold};
use ier::lake::log::snapshot::DataFile;
use ier::lake::log::table::LakeTable;
use ier::lake::paths::{self, Role};
use ier::lake::read;
use ier::lake::read::inspect::rows_wrong;
use ier::ledgers::erased::suppress;
use ier::record::fields::known;
use ier::record::id::SfId;
use ier::tiers::suppressed::{Key, Subject};
use ier::tiers::upsert::Upsert;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;

use crate::faults::scenes::{Job, archive_job, compact_job};
use crate::races::{commit_to, held};
use crate::world::records::{Record, contact, contact_id, id, ier, ier_id, lead, lead_id, link, moment, send};
use crate::world::store::{Call, Mode};
use crate::world::{Rows, World, day, silent};

/// The canary: a contact, another merged into it, a lead converted into it.
const CANARY: u32 = 900;
const MERGED: u32 = 901;
const LEAD: u32 = 902;
const ADDRESS: &str = "canary@example.edu";
const NAME: &str = "Zora Canary";

fn canary_ids() -> Vec<String> {
    vec![contact_id(CANARY), contact_id(MERGED), lead_id(LEAD)]
}

fn email_record(number: u32, sent: &str) -> Record {
    ier(number).sent(sent).stamp("2026-09-21 00:00").unopened().clicks(0, 0).set("Email", format!("p{number}@example.edu"))
}

fn theirs(number: u32, sent: &str) -> Record {
    email_record(number, sent).contact(CANARY).set("Email", ADDRESS)
}

/// Others, among whom the canary is everywhere: hot, archive, late rows, links, people's tables, ledgers, old versions.
pub async fn prepared() -> World {
    let world = World::on("2026-11-01");
    let mut emails: Vec<Record> = Vec::new();
    for (number, sent) in [
        (1, "2026-06-10 08:00"),
        (2, "2026-06-11 08:00"),
        (3, "2026-07-15 08:00"),
        (4, "2026-09-05 08:00"),
        (5, "2026-09-20 08:00"),
    ] {
        emails.push(email_record(number, sent).contact(number % 3 + 1));
    }
    emails.push(theirs(50, "2026-06-10 09:00").set("HardBounce", "true"));
    emails.push(theirs(51, "2026-07-15 09:00").set("Contact", contact_id(MERGED)));
    emails.push(theirs(52, "2026-09-05 09:00").set("DateUnsubscribed", moment("2026-09-06 10:00")));
    emails.push(theirs(53, "2026-09-21 09:00").set("Contact", "").lead(LEAD));
    world.load(&emails).await;
    world.load(&[(1, 1), (2, 4), (3, 50), (4, 52), (5, 51)].map(|(number, of)| link(number, of).stamp("2026-09-21 00:00"))).await;
    let person = |row: Record, name: &str, email: &str| row.set("Name", name).set("Email", email).stamp("2026-09-21 00:00");
    world
        .load(&[
            person(contact(1), "Ann One", "ann@example.edu"),
            person(contact(2), "Ben Two", "ben@example.edu"),
            person(contact(CANARY), NAME, ADDRESS),
            person(contact(MERGED).merged_into(CANARY), NAME, "old.canary@example.edu"),
        ])
        .await;
    world.load(&[person(lead(LEAD).converted_into(CANARY), NAME, ADDRESS), person(lead(7), "Cy Seven", "cy@example.edu")]).await;
    world.archive("2026-08-01").await;
    // A second version of an archived one and of a hot one, and a new one before the boundary: late rows, and versions seen.
    world.days_pass(1);
    let late = theirs(50, "2026-06-10 09:00").stamp("2026-10-30 00:00").opened("2026-10-29 08:00");
    let others = email_record(2, "2026-06-11 08:00").contact(3).stamp("2026-10-30 00:00").opened("2026-10-29 08:00");
    let hot = theirs(52, "2026-09-05 09:00").stamp("2026-10-30 00:00").opened("2026-10-29 08:00");
    world.load(&[late, others, hot, theirs(54, "2026-06-12 09:00").stamp("2026-10-30 00:00")]).await;
    raw(&world, "affiliation.csv", &format!("ContactId,Campus\n{},Boulder\n{},Denver\n", contact_id(1), contact_id(CANARY)))
        .await;
    let short = &contact_id(MERGED)[..15];
    raw(
        &world,
        "mentoring.csv",
        &format!("Id,ContactId,Mentor\n{},{},{short}\n{},{},nobody\n", id("a0M", 1), contact_id(2), id("a0M", 2), contact_id(1)),
    )
    .await;
    let header = "ClientID,SendID,SubscriberKey,EmailAddress,SubscriberID,ListID,EventDate,EventType,BatchID,TriggeredSendExternalKey,Reason";
    let row = |key: &str, email: &str, batch: u32| {
        format!("7001001,9001,{key},{email},1,501,08/06/2026 09:05:00 AM,NotSent,{batch},,held\n")
    };
    let rows = [row(&lead_id(LEAD)[..15], ADDRESS, 1), row(ADDRESS, ADDRESS, 2), row(&contact_id(2), "ben@example.edu", 3)];
    raw(&world, "not_sent.csv", &format!("{header}\n{}", rows.concat())).await;
    hold(&world, "h-1", "placed", "person", Some(&contact_id(MERGED)), None).await;
    hold(&world, "h-1", "released", "person", Some(&contact_id(MERGED)), None).await;
    world
}

async fn raw(world: &World, name: &str, text: &str) {
    let path = world.file(name, &[]);
    std::fs::write(&path, text).expect("a file");
    world.load_files(&[path]).await.expect("the load");
}

/// Enters a legal hold as the ledger has it.
async fn hold(world: &World, hold_id: &str, action: &str, kind: &str, person: Option<&str>, span: Option<(&str, &str)>) {
    let text = |text: Option<&str>| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
    let date = |text: Option<&str>| -> ArrayRef { Arc::new(Date32Array::from(vec![text.map(|text| day(text).to_epoch_days())])) };
    let at = TimestampMicrosecondArray::from(vec![1_790_000_000_000_000]).with_timezone("UTC");
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("hold_id", text(Some(hold_id))),
        ("action", text(Some(action))),
        ("at", Arc::new(at)),
        ("kind", text(Some(kind))),
        ("person_id", text(person)),
        ("from_date", date(span.map(|span| span.0))),
        ("until_date", date(span.map(|span| span.1))),
        ("reason", text(Some("case 7"))),
    ];
    let mut upsert = Upsert::new(&world.warehouse, known("legal_hold").expect("a ledger"), 1 << 20).await.expect("an upsert");
    upsert.push(&RecordBatch::try_from_iter(columns).expect("a row")).expect("a row");
    upsert.write().await.expect("the hold");
}

pub fn request(who: &[&str]) -> EraseRequest {
    EraseRequest {
        people: who.iter().map(|id| SfId::of_person(id).expect("an id")).collect(),
        reason: "ticket 4711".to_owned(),
        author: "dana".to_owned(),
        grace: Duration::zero(),
        rejects: Vec::new(),
    }
}

pub async fn erase_as(world: &World, request: EraseRequest) -> Result<EraseReport> {
    let plan = jobs::erase::plan(&world.warehouse, request).await?;
    jobs::erase::execute(&world.warehouse, plan, world.progress.clone()).await
}

async fn erase(world: &World) -> Result<EraseReport> {
    erase_as(world, request(&[&contact_id(CANARY)])).await
}

pub fn erase_job() -> Job {
    Arc::new(|world: &World| Box::pin(async move { erase(world).await.map(drop) }))
}

/// Objects that hold the canary's ids, addresses or name.
pub async fn traces(world: &World) -> Vec<String> {
    let mut texts = canary_ids();
    texts.extend([ADDRESS, "old.canary@example.edu", NAME].map(str::to_owned));
    let plan = jobs::traces::plan(&world.warehouse, &texts).await.expect("a plan");
    assert!(plan.objects > 0);
    let report = jobs::traces::execute(&world.warehouse, plan, silent()).await.expect("a search");
    assert!(report.unreadable.is_empty(), "{report}");
    report.found.iter().map(|trace| format!("{} in {}: {}", trace.text, trace.object, trace.places.join(", "))).collect()
}

/// What everybody else's rows are, table by table.
async fn others(world: &World) -> BTreeMap<&'static str, Rows> {
    let ids = canary_ids().iter().map(|id| format!("'{id}'")).collect::<Vec<_>>().join(", ");
    let mut seen = BTreeMap::new();
    for (name, sql) in [
        ("ier", format!("SELECT * EXCEPT (tier) FROM ier WHERE person_id NOT IN ({ids}) ORDER BY ier_id")),
        ("links", format!("SELECT * EXCEPT (tier) FROM individual_link WHERE person_id NOT IN ({ids}) ORDER BY link_id")),
        ("versions", format!("SELECT * FROM ier_versions WHERE person_id NOT IN ({ids}) ORDER BY ier_id, version")),
        ("contact", format!("SELECT * FROM contact WHERE id NOT IN ({ids}) ORDER BY id")),
        ("lead", format!("SELECT * FROM lead WHERE id NOT IN ({ids}) ORDER BY id")),
        ("affiliation", format!("SELECT * FROM affiliation WHERE contact_id NOT IN ({ids})")),
        ("mentoring", "SELECT * FROM mentoring WHERE mentor = 'nobody'".to_owned()),
        ("not_sent", "SELECT * FROM not_sent WHERE email_address = 'ben@example.edu'".to_owned()),
        ("coverage", "SELECT object, rows_read FROM load_coverage ORDER BY file_blake3, object".to_owned()),
    ] {
        let rows = world.ask(&sql).await;
        assert!(!rows.is_empty(), "{name}");
        seen.insert(name, rows);
    }
    seen
}

/// Keys in the order in which they stand in files, by table and partition, without the canary's.
async fn order(world: &World) -> BTreeMap<String, Vec<String>> {
    let ids = canary_ids();
    let mut order: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for lake in world.warehouse.existing().await.expect("tables").into_iter().filter(|lake| lake.table.tiered) {
        for file in lake.snapshot().await.expect("a snapshot").files() {
            let open = read::open(&lake, file).await.expect("a file");
            let mut rows = open.stream(Some(&["record_key", "person_id"]), None).expect("rows");
            while let Some(batch) = rows.try_next().await.expect("rows") {
                let own = order.entry(format!("{} {:?}", lake.name(), file.partition)).or_default();
                let (keys, people) = (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
                own.extend(
                    (0..batch.num_rows())
                        .filter(|row| !ids.iter().any(|id| id == people.value(*row)))
                        .map(|row| keys.value(row).to_owned()),
                );
            }
        }
    }
    order.retain(|_, keys| !keys.is_empty());
    order
}

/// Nothing of the canary is shown, by any table.
pub async fn is_gone(world: &World) {
    let ids = canary_ids().iter().map(|id| format!("'{id}'")).collect::<Vec<_>>().join(", ");
    for sql in [
        format!("SELECT ier_id FROM ier WHERE person_id IN ({ids}) OR contact_id IN ({ids}) OR lead_id IN ({ids})"),
        "SELECT ier_id FROM ier WHERE merge_id IN ('M-50', 'M-51', 'M-52', 'M-53', 'M-54')".to_owned(),
        format!("SELECT link_id FROM individual_link WHERE person_id IN ({ids}) OR unique_link_id IN ('L-3', 'L-4', 'L-5')"),
        format!("SELECT id FROM contact WHERE id IN ({ids})"),
        format!("SELECT id FROM lead WHERE id IN ({ids})"),
        format!("SELECT alias_id FROM person_alias WHERE alias_id IN ({ids}) OR person_id IN ({ids})"),
    ] {
        assert_eq!(world.ask(&sql).await, Rows::new(), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_erasure_no_object_holds_the_person_and_nobody_else_has_changed() {
    let world = prepared().await;
    assert!(traces(&world).await.len() > 20, "the canary is everywhere");
    let (before, order_before) = (others(&world).await, order(&world).await);
    let dry = jobs::erase::plan(&world.warehouse, request(&[&lead_id(LEAD)])).await.expect("a plan");
    assert_eq!(dry.people, [canary_ids()], "all ids are found by any");
    assert_eq!(others(&world).await, before, "a plan changes nothing");

    let report = erase(&world).await.expect("the erasure");
    assert!(report.purged);
    assert_eq!(traces(&world.another()).await, Vec::<String>::new());
    let reader = world.another();
    is_gone(&reader).await;
    assert_eq!(others(&reader).await, before);
    assert_eq!(order(&reader).await, order_before);
    reader.files_are_sound().await;
    reader.no_key_twice().await;
    reader.rows_stand_where_they_belong().await;
    reader.the_books_balance().await;

    // What the plan counted is what went, and the receipt says so without naming anybody.
    let planned: u64 = dry.tables.iter().map(|table| table.rows).sum();
    assert_eq!(report.receipt.rows, planned);
    assert_eq!(planned, 6 + 3 + 2 + 1 + 1 + 1 + 2 + 2 + 2, "{dry}");
    let steps = reader.ask("SELECT step, reason, author, receipt FROM erasure ORDER BY at, step").await;
    assert_eq!(steps.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), ["begun", "purged", "removed"]);
    assert_eq!(steps[0][1..3], ["ticket 4711", "dana"]);
    assert!(steps.iter().all(|row| row[3].contains(&report.receipt.subjects[0])), "hashed subjects");
    assert!(report.receipt.tables.iter().flat_map(|table| &table.files).all(|file| file.before.blake3.is_some()));
    assert_eq!(reader.line("SELECT count(*) FROM erased WHERE kind = 'person'").await, "3");

    // Once more: nothing is left to do, and nothing is written twice.
    let again = erase(&reader).await.expect("once more");
    assert_eq!((again.receipt.rows, again.receipt.erasure_id), (0, report.receipt.erasure_id));
    assert_eq!(others(&reader).await, before);
    // The other jobs go on.
    reader.archive("2026-10-01").await;
    reader.compact().await;
    reader.vacuum(0).await;
    assert_eq!(others(&reader.another()).await, before);
    assert_eq!(traces(&reader).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_knows_an_erased_record_by_another_name_is_refused() {
    let placed = |record: Record| record.set("JobId", "9013").set("ListId", "501").set("BatchId", "1").set("SubscriberId", "41");
    let bare = |record: Record| record.set("Contact", "").set("Email", "").stamp("2026-11-01 00:00");
    let nameless = |record: Record| bare(record).without("Id").without("MergeId");
    for archived in [false, true] {
        // Known by a MergeId, stored once under an earlier id; known by job, list, batch and subscriber before its MergeId was.
        let world = World::on("2026-11-01");
        let sent = "2026-07-06 15:00";
        world.load(&[placed(theirs(1, sent)), email_record(2, sent).contact(2)]).await;
        world.load(&[placed(theirs(1, sent)).set("Id", ier_id(71)).stamp("2026-09-22 00:00")]).await;
        let other = |record: Record| placed(record).set("SubscriberId", "42");
        world.load(&[other(theirs(3, sent)).without("MergeId")]).await;
        world.load(&[link(5, 71), link(6, 2)]).await;
        if archived {
            world.archive("2026-08-01").await;
        }
        world.load(&[other(theirs(3, sent)).stamp("2026-09-22 00:00")]).await;
        erase(&world).await.expect("the erasure");
        let again = [
            nameless(placed(theirs(1, sent))),
            bare(theirs(1, sent)).without("MergeId"),
            nameless(other(theirs(3, sent))),
            bare(theirs(3, sent)).without("Id"),
        ];
        let counts = world.load(&again).await;
        assert_eq!((counts.read, counts.erased), (4, 4), "archived: {archived}: {counts:?}");
        let counts = world.load(&[link(5, 71).without("Unique_Link_ID").set("Individual_Email_Result", "")]).await;
        assert_eq!((counts.read, counts.erased), (1, 1), "archived: {archived}: {counts:?}");
        // Another record of another MergeId is none of theirs, whatever else it shares.
        let counts = world.load(&[bare(placed(email_record(4, sent))).set("Id", ier_id(4))]).await;
        assert_eq!((counts.inserted, counts.erased), (1, 0), "archived: {archived}: {counts:?}");
        assert_eq!(world.line("SELECT count(*) FROM ier").await, "2");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_load_of_the_same_is_refused_and_counted() {
    let world = prepared().await;
    erase(&world).await.expect("the erasure");
    let before = others(&world).await;
    // Their rows, as they were; a new one; and one whose contact Salesforce has blanked since.
    let blanked = email_record(52, "2026-09-05 09:00").set("Contact", "").stamp("2026-11-01 00:00");
    let counts = world
        .load(&[
            theirs(50, "2026-06-10 09:00"),
            theirs(60, "2026-10-20 09:00"),
            blanked,
            email_record(1, "2026-06-10 08:00").contact(2),
        ])
        .await;
    assert_eq!((counts.read, counts.erased, counts.unchanged), (4, 3, 1), "{counts:?}");
    let counts = world.load(&[link(4, 52), link(9, 50), link(2, 4).stamp("2026-09-21 00:00")]).await;
    assert_eq!((counts.erased, counts.unchanged), (2, 1), "{counts:?}");
    let merged = contact(MERGED).merged_into(CANARY).set("Name", NAME).stamp("2026-11-01");
    let counts =
        world.load(&[merged, contact(1).set("Name", "Ann One").set("Email", "ann@example.edu").stamp("2026-09-21 00:00")]).await;
    assert_eq!((counts.erased, counts.unchanged), (1, 1), "{counts:?}");
    let report = world.load_files(&[world.file("affiliation.csv", &[])]).await;
    assert!(report.is_err(), "an empty file is refused as ever");
    raw(
        &world,
        "affiliation.csv",
        &format!("ContactId,Campus\n{},Aurora\n{},Boulder\n", &contact_id(CANARY)[..15], contact_id(1)),
    )
    .await;
    is_gone(&world).await;
    assert_eq!(traces(&world).await, Vec::<String>::new());
    let mut after = others(&world).await;
    after.insert("coverage", before["coverage"].clone());
    assert_eq!(after, before);
    let alias = jobs::alias::AliasRequest {
        alias_id: contact_id(1),
        person_id: contact_id(CANARY),
        reason: "same".into(),
        author: "x".into(),
    };
    let refused = jobs::alias::add(&world.warehouse, &alias).await.expect_err("refused");
    assert!(refused.to_string().contains("was erased on request"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_people_share_the_rewriting() {
    let world = prepared().await;
    let both = erase_as(&world, request(&[&contact_id(CANARY), &contact_id(3), &lead_id(LEAD)])).await.expect("the erasure");
    assert_eq!(both.people, 2, "two ids of one person are one person");
    for table in &both.receipt.tables {
        let mut paths: Vec<&str> = table.files.iter().map(|file| file.before.path.as_str()).collect();
        let files = paths.len();
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), files, "{}", table.table);
    }
    let archive = both.receipt.tables.iter().find(|table| table.table == "archive/individual_email_result").expect("the archive");
    assert!(archive.files.iter().any(|file| file.rows_removed > 1), "one file lost rows of both");
    is_gone(&world).await;
    assert_eq!(world.ask(&format!("SELECT ier_id FROM ier WHERE person_id = '{}'", contact_id(3))).await, Rows::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_legal_hold_beats_it() {
    for (kind, person, span) in
        [("person", Some(contact_id(MERGED)), None), ("span", None, Some(("2026-06-01", "2026-06-30"))), ("span", None, None)]
    {
        let world = prepared().await;
        hold(&world, "h-2", "placed", kind, person.as_deref(), span).await;
        let refused = erase(&world).await.expect_err("refused");
        assert_eq!(refused.kind(), Kind::Invalid);
        assert!(refused.to_string().contains("hold h-2") && refused.to_string().contains("case 7"), "{refused}");
        hold(&world, "h-2", "released", kind, person.as_deref(), span).await;
        erase(&world).await.expect("released");
    }
    // One that stands between what was planned and what is done: the list is taken back.
    let world = prepared().await;
    let plan = jobs::erase::plan(&world.warehouse, request(&[&contact_id(CANARY)])).await.expect("a plan");
    hold(&world, "h-3", "placed", "person", Some(&contact_id(CANARY)), None).await;
    let before = others(&world).await;
    assert!(jobs::erase::execute(&world.warehouse, plan, silent()).await.is_err());
    assert_eq!(others(&world).await, before);
    assert_eq!(world.line("SELECT count(*) FROM erased").await, "0");
    let counts = world.load(&[theirs(61, "2026-10-20 09:00")]).await;
    assert_eq!((counts.inserted, counts.erased), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_versions_go_when_their_time_has_come() {
    let world = prepared().await;
    let graceful = EraseRequest { grace: Duration::days(3), ..request(&[&contact_id(CANARY)]) };
    let report = erase_as(&world, graceful).await.expect("the erasure");
    assert!(!report.purged);
    is_gone(&world).await;
    assert!(!traces(&world).await.is_empty(), "old versions hold them still");
    let early = finish::plan(&world.warehouse).await.expect("a plan");
    assert_eq!((early.due.len(), early.waiting.len()), (0, 1), "{early}");
    let nothing = finish::execute(&world.warehouse, early, silent()).await.expect("nothing");
    assert!(nothing.finished.is_empty() && !traces(&world).await.is_empty());
    world.days_pass(3);
    let due = finish::plan(&world.warehouse).await.expect("a plan");
    let done = finish::execute(&world.warehouse, due, silent()).await.expect("the purge");
    assert_eq!(done.finished, [report.receipt.erasure_id]);
    assert_eq!(traces(&world).await, Vec::<String>::new());
    world.another().files_are_sound().await;
    let after = finish::plan(&world.warehouse).await.expect("a plan");
    assert!(after.due.is_empty() && after.waiting.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejects_files_and_reasons() {
    let world = prepared().await;
    let folder = PathBuf::from(world.file("x.csv", &[])).parent().expect("a folder").join("put-aside");
    std::fs::create_dir(&folder).expect("a folder");
    let rejects = folder.join("rejects.csv");
    let text = format!(
        "file,line,reason,row\na.csv,2,bad date,\"{}\"\na.csv,3,bad date,ANN\na.csv,4,bad,{}\n",
        contact_id(MERGED),
        ADDRESS.to_uppercase()
    );
    std::fs::write(&rejects, text).expect("a file");
    let with = EraseRequest { rejects: vec![folder], ..request(&[&contact_id(CANARY)]) };
    assert_eq!(jobs::erase::plan(&world.warehouse, with.clone()).await.expect("a plan").rejected_rows, 2);
    let report = erase_as(&world, with).await.expect("the erasure");
    assert_eq!(report.receipt.rejected_rows, 2);
    assert_eq!(std::fs::read_to_string(&rejects).expect("a file"), "file,line,reason,row\na.csv,3,bad date,ANN\n");

    for reason in ["", " ", ADDRESS, &format!("asked by {}", &contact_id(CANARY)[..15])] {
        let unreasonable = EraseRequest { reason: reason.to_owned(), ..request(&[&contact_id(CANARY)]) };
        assert_eq!(
            jobs::erase::plan(&world.warehouse, unreasonable).await.expect_err("refused").kind(),
            Kind::Invalid,
            "{reason}"
        );
    }
}

/// Versions of the canary's rows and of others', some new, and a file of attributes nobody has seen.
fn load_job(world: &World) -> Job {
    let rows = [
        theirs(50, "2026-06-10 09:00").stamp("2026-10-31 00:00").clicks(3, 2),
        theirs(53, "2026-09-21 09:00").set("Contact", "").lead(LEAD).stamp("2026-10-31 00:00").opened("2026-10-30 08:00"),
        theirs(55, "2026-06-20 09:00"),
        theirs(56, "2026-10-20 09:00"),
        theirs(52, "2026-09-06 09:00").stamp("2026-10-31 00:00"),
        email_record(4, "2026-09-07 08:00").contact(2).stamp("2026-10-31 00:00"),
    ];
    let links = [link(8, 50), link(7, 56), link(2, 4)].map(|link| link.stamp("2026-10-31 00:00"));
    let people = [
        contact(CANARY).set("Name", NAME).set("Email", ADDRESS).stamp("2026-10-31"),
        contact(4).set("Name", "Di Four").stamp("2026-10-31"),
    ];
    let badges = world.file("badge.csv", &[]);
    std::fs::write(&badges, format!("ContactId,Badge\n{},1\n{},2\n", contact_id(CANARY), contact_id(1))).expect("a file");
    let files = vec![world.file("ier.csv", &rows), world.file("link.csv", &links), world.file("contact.csv", &people), badges];
    Arc::new(move |world: &World| {
        let files = files.clone();
        Box::pin(async move { world.load_files(&files).await.map(drop) })
    })
}

/// Others' IERs by key, without what a load of this file changes.
async fn untouched(world: &World) -> Rows {
    world.ask("SELECT merge_id, person_id, opened FROM ier WHERE merge_id IN ('M-1', 'M-2', 'M-3', 'M-5') ORDER BY 1").await
}

/// Each job held before each of its writes while the other runs from start to end, both ways.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_resurrects_whatever_runs_beside_it() {
    let start = prepared().await;
    start.archive("2026-08-02").await;
    let start = start.another();
    start.load(&[theirs(57, "2026-07-16 09:00"), email_record(31, "2026-07-16 08:00").contact(3)]).await;
    let load = load_job(&start);
    let mut jobs: Vec<(&str, Job)> = vec![("load", load.clone())];
    // Each meeting takes a second or two, and there are hundreds.
    if std::env::var("IER_TEST_FAULTS").is_ok_and(|how| how == "long") {
        jobs.extend([("archive", archive_job("2026-10-01")), ("compact", compact_job())]);
    }
    let before = untouched(&start).await;
    let mut meetings = 0;
    for (name, other) in &jobs {
        for erase_first in [true, false] {
            let first = if erase_first { erase_job() } else { other.clone() };
            let clean = start.fork(None);
            first(&clean).await.expect("a run alone");
            let calls: Vec<Call> = clean.store.calls();
            // Of an erasure, what it deletes at its end comes after all that counts; every write of the others does.
            let chosen = |call: &Call| {
                if erase_first { call.what == "put new" && call.path.contains("_delta_log") } else { call.writes() }
            };
            let places: Vec<usize> = calls.iter().enumerate().filter(|(_, call)| chosen(call)).map(|(at, _)| at).collect();
            for at in places {
                let reported =
                    format!("{name}, {} held at {} {}", if erase_first { "erase" } else { name }, calls[at].what, calls[at].path);
                let world = start.fork(None);
                let counted = std::sync::atomic::AtomicUsize::new(0);
                let process = world.another();
                let gate = process.store.hold(move |_| counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == at);
                let job = first.clone();
                let mut running = tokio::spawn(async move { job(&process).await });
                tokio::select! {
                    () = gate.reached() => {}
                    done = &mut running => { done.expect("no panic").expect("a run alone"); continue; }
                }
                meetings += 1;
                let second = if erase_first { other.clone() } else { erase_job() };
                second(&world.another()).await.unwrap_or_else(|error| panic!("{reported}: the second: {error}"));
                gate.open();
                let outcome = running.await.expect("no panic");
                if let Err(error) = &outcome {
                    // Its files were deleted under it: it says so, and is run again.
                    assert!(!erase_first && error.kind() == Kind::NotFound, "{reported}: the first: {error}");
                    other(&world.another()).await.unwrap_or_else(|error| panic!("{reported}: again: {error}"));
                }
                let reader = world.another();
                is_gone(&reader).await;
                assert_eq!(untouched(&reader).await, before, "{reported}");
                reader.files_are_sound().await;
                reader.no_key_twice().await;
                reader.the_books_balance().await;
                if outcome.is_err() {
                    erase(&reader).await.unwrap_or_else(|error| panic!("{reported}: once more: {error}"));
                }
                assert_eq!(traces(&reader).await, Vec::<String>::new(), "{reported}");
                // Nothing comes back with the next runs either.
                reader.try_archive(day("2026-10-01")).await.unwrap_or_else(|error| panic!("{reported}: {error}"));
                is_gone(&world.another()).await;
                assert_eq!(untouched(&world.another()).await, before, "{reported}, then archived");
            }
        }
    }
    println!("erasure beside others: {meetings} meetings");
}

/// What a load is about to commit is not taken for garbage, although no log names it yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_leaves_what_is_about_to_be_committed() {
    let world = prepared().await;
    let erasing = held(&world, erase_job(), |call| call.what == "delete").await;
    let file = world.file("new.csv", &[email_record(70, "2026-10-20 08:00").contact(1)]);
    let job: Job = Arc::new(move |world: &World| {
        let file = file.clone();
        Box::pin(async move { world.load_files(&[file]).await.map(drop) })
    });
    let loading = held(&world, job, commit_to("hot/individual_email_result")).await;
    erasing.goes_on().await.expect("the erasure");
    loading.goes_on().await.expect("the load");
    let reader = world.another();
    assert_eq!(reader.line("SELECT count(*) FROM ier WHERE merge_id = 'M-70'").await, "1");
    reader.files_are_sound().await;
    assert_eq!(traces(&reader).await, Vec::<String>::new());
}

/// What a run that was killed left behind, with the canary in it, goes with the next erasure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_killed_runs_left_goes_too() {
    let start = prepared().await;
    let load = load_job(&start);
    let writes = {
        let clean = start.fork(None);
        load(&clean).await.expect("a run alone");
        clean.store.calls().iter().filter(|call| call.writes()).count() as u64
    };
    for (write, mode) in (1..=writes).step_by(3).flat_map(|write| [(write, Mode::AbortAfter), (write, Mode::TornWrite)]) {
        let world = start.fork(Some((write, mode)));
        drop(world.store.process(load(&world)).await);
        let reader = world.another();
        erase(&reader).await.unwrap_or_else(|error| panic!("after write {write} {mode:?}: {error}"));
        assert_eq!(traces(&reader).await, Vec::<String>::new(), "after write {write} {mode:?}");
        is_gone(&reader).await;
        reader.files_are_sound().await;
    }
}

/// Killed after any of its writes, the same command finishes, by whichever id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_anywhere_the_same_command_finishes() {
    let start = prepared().await;
    let before = others(&start).await;
    let clean = start.fork(None);
    erase(&clean).await.expect("a run alone");
    let writes = clean.store.calls().iter().filter(|call| call.writes()).count() as u64;
    assert!(writes > 30, "{writes}");
    for write in 1..=writes {
        let world = start.fork(Some((write, Mode::AbortAfter)));
        let outcome = world.store.process(erase(&world)).await;
        assert!(outcome.is_none(), "write {write} was not made");
        let reader = world.another();
        reader.files_are_sound().await;
        erase(&reader).await.unwrap_or_else(|error| panic!("killed after write {write}: {error}"));
        assert_eq!(traces(&reader).await, Vec::<String>::new(), "killed after write {write}");
        is_gone(&reader).await;
        assert_eq!(others(&reader).await, before, "killed after write {write}");
        reader.files_are_sound().await;
        reader.the_books_balance().await;
        assert_eq!(reader.line("SELECT count(DISTINCT erasure_id) FROM erased").await, "1", "killed after write {write}");
        assert_eq!(reader.line("SELECT count(*) FROM erasure WHERE step = 'purged'").await, "1");
    }
    println!("erasure killed after each of {writes} writes");
}

/// A reader that had looked before goes on with what it has, or looks again: log entries are never deleted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_was_open_sees_what_is_left() {
    let world = prepared().await;
    let reader = world.another();
    let count = "SELECT count(*) FROM ier";
    assert_eq!(reader.line(count).await, "10");
    erase(&world).await.expect("the erasure");
    world.load(&[email_record(71, "2026-10-20 08:00").contact(1)]).await;
    assert_eq!(reader.line(count).await, "6");
    reader.load(&[email_record(72, "2026-10-20 08:00").contact(1)]).await;
    assert_eq!(world.line(count).await, "7");
}

/// A file of many small row groups, in which a splice has something to copy.
async fn many_groups(lake: &LakeTable, rows: &RecordBatch) -> DataFile {
    let properties = writer_properties(&lake.table, Effort::Archive).expect("properties").into_builder();
    let options = ArrowWriterOptions::new()
        .with_properties(properties.set_max_row_group_row_count(Some(10)).build())
        .with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(Vec::new(), lake.table.lake_schema(), options).expect("a writer");
    writer.write(rows).expect("rows");
    let bytes = writer.into_inner().expect("a file");
    let path = paths::data_file(lake.role, Role::Archive.partition_of(Some(20_000)));
    let place = Path::from_iter(lake.folder.parts().chain(Path::from(path.as_str()).parts()));
    let add = Add {
        path,
        size: bytes.len() as i64,
        partition_values: [("sent_month".to_owned(), Role::Archive.partition_of(Some(20_000)).value())].into(),
        stats: Some(format!("{{\"numRecords\":{}}}", rows.num_rows())),
        tags: Some([(tags::BLAKE3.to_owned(), Some(blake3::hash(&bytes).to_hex().to_string()))].into()),
        ..Add::default()
    };
    lake.store.put(&place, bytes.into()).await.expect("a file");
    DataFile::new(&lake.table, lake.role, add).expect("an entry")
}

async fn rows_of(lake: &Arc<LakeTable>, file: &DataFile) -> RecordBatch {
    let batches: Vec<RecordBatch> =
        read::open(lake, file).await.expect("a file").stream(None, None).expect("rows").try_collect().await.expect("rows");
    concat_batches(&lake.table.lake_schema(), &batches).expect("rows")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_splice_is_a_fold_that_copies() {
    let world = World::on("2026-11-01");
    let emails: Vec<Record> = (0..95)
        .map(|number| {
            email_record(number, "2026-09-05 08:00")
                .contact(number / 3)
                .of_send(number % 4)
                .set("SubjectLine", format!("Subject {}", number / 20))
        })
        .collect();
    world.load(&emails).await;
    let tiers = world.warehouse.tiers(known("ier").expect("a table")).await.expect("tiers");
    let snapshot = tiers.hot.snapshot().await.expect("a snapshot");
    let hot = rows_of(&tiers.hot, snapshot.files().next().expect("a file")).await;
    assert_eq!(hot.num_rows(), 95);
    let lake = tiers.archive;
    let old = many_groups(&lake, &hot).await;
    let store = lake.store.clone();
    for (goes, copied, encoded) in [
        (vec![0u32], 9, 1),
        (vec![94], 9, 1),
        (vec![9, 10], 8, 2),
        (vec![15, 16, 17, 44, 88], 7, 3),
        ((10..20).collect(), 9, 0),
        ((5..25).collect(), 7, 2),
        ((0..95).collect(), 0, 0),
        (Vec::new(), 10, 0),
    ] {
        let spliced = splice(&lake, &old, &goes, 1).await.expect("a splice");
        assert_eq!((spliced.groups_copied, spliced.groups_encoded), (copied, encoded), "{goes:?}");
        let hits = Hits { file: Arc::new(old.clone()), rows: goes.clone(), keys: Vec::new() };
        let mut changes = Changes { absorb: vec![Arc::new(old.clone())], ..Changes::default() };
        changes.outgoing.hits.insert(old.add.path.clone(), hits);
        let folded = fold(&lake, old.partition, changes, 1, &|_| {}).await.expect("a fold");
        let Some(add) = spliced.add else {
            assert!(folded.adds.is_empty(), "{goes:?}");
            continue;
        };
        assert_eq!(add.stats, folded.adds[0].stats, "statistics, {goes:?}");
        let new = DataFile::new(&lake.table, lake.role, add).expect("an entry");
        let folded = DataFile::new(&lake.table, lake.role, folded.adds[0].clone()).expect("an entry");
        let rows = rows_of(&lake, &new).await;
        assert_eq!(rows, rows_of(&lake, &folded).await, "{goes:?}");
        // Filters and indexes lead to every row that is left, and to none that went.
        let keys = hot.column_by_name("record_key").expect("keys").as_string::<i32>();
        let open = read::open(&lake, &new).await.expect("a file");
        let mut place = 0;
        for row in 0..95u32 {
            let key = keys.value(row as usize);
            let found = open.find_keys(&[key].into()).await.expect("a search");
            match goes.contains(&row) {
                true => assert!(found.is_empty(), "{key}"),
                false => {
                    assert_eq!(found, [(place, key.to_owned())]);
                    place += 1;
                }
            }
        }
        let people = rows.column_by_name("person_id").expect("people").as_string::<i32>();
        for person in people.iter().flatten().step_by(7) {
            let places: Vec<u32> = (0..people.len() as u32).filter(|row| people.value(*row as usize) == person).collect();
            assert_eq!(open.find_values("person_id", &[person]).await.expect("a search"), places);
        }
        // Nothing of a key that went is anywhere in the bytes.
        let bytes = store.get(&new.path(&lake.folder)).await.expect("a file").bytes().await.expect("bytes");
        for row in &goes {
            let id = hot.column_by_name("ier_id").expect("ids").as_string::<i32>().value(*row as usize).to_owned();
            let needle = ier::lake::file::search::Needle::new(&id).expect("a needle");
            assert!(ier::lake::file::search::search(&bytes, &[needle]).expect("a search").is_empty(), "{id}");
        }
    }
    // A file that is not as it was written is not copied.
    let place = old.path(&lake.folder);
    let mut bytes = store.get(&place).await.expect("a file").bytes().await.expect("bytes").to_vec();
    bytes[1000] ^= 1;
    store.put(&place, bytes.into()).await.expect("a file");
    assert_eq!(splice(&lake, &old, &[1], 1).await.expect_err("refused").kind(), Kind::Corrupt);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_splice_takes_the_rare_rows_along_that_stay() {
    let world = World::on("2026-11-01");
    let emails = (0..60).map(|number| {
        let row = email_record(number, "2026-09-05 08:00").contact(number / 3).set("Email", format!("rare{number}x@example.edu"));
        if number % 4 == 0 { row.set("HardBounce", "true") } else { row }
    });
    world.load(&emails.collect::<Vec<_>>()).await;
    let lake = world.warehouse.tiers(known("ier").expect("a table")).await.expect("tiers").hot;
    let old = lake.snapshot().await.expect("a snapshot").files().next().expect("a file").clone();
    let all = rows_of(&lake, &old).await;
    let addresses = all.column_by_name("current_email").expect("addresses").as_string::<i32>();
    let bounced = all.column_by_name("hard_bounce").expect("bounces").as_boolean();
    for goes in [vec![0u32], vec![59], (10..20).collect(), (1..60).collect(), (0..60).step_by(2).collect(), Vec::new()] {
        let spliced = splice(&lake, &old, &goes, 1).await.expect("a splice").add.expect("rows stay");
        let new = DataFile::new(&lake.table, lake.role, spliced).expect("an entry");
        let bytes = lake.store.get(&new.path(&lake.folder)).await.expect("a file").bytes().await.expect("bytes");
        assert_eq!(rows_wrong(&lake, &new, bytes.clone(), &mut |_| Ok(())).await.expect("rows"), Vec::<String>::new());
        let left = (0..60).filter(|row| goes.binary_search(&(*row as u32)).is_err() && bounced.value(*row)).count();
        let place = new.rare().expect("a tag");
        let rare = place.map(|place| RareRows::decode(place.within(&bytes), &place).expect("rare rows").rows());
        assert_eq!(rare.unwrap_or(0), left, "{goes:?}");
        for row in 0..60 {
            let needle = ier::lake::file::search::Needle::new(addresses.value(row)).expect("a needle");
            let found = ier::lake::file::search::search(&bytes, &[needle]).expect("a search");
            let stays = goes.binary_search(&(row as u32)).is_err();
            let among_rare = found.iter().any(|(_, place)| place == "column current_email of its rare rows");
            assert_eq!((found.is_empty(), among_rare), (!stays, stays && bounced.value(row)), "{row} of {goes:?}: {found:?}");
        }
    }
}

/// A send of which the canary had a mail: after the erasure nothing is proved, and the answer says why.
pub async fn audited() -> (World, String) {
    let world = World::on("2026-11-01");
    world.load(&[send(1, 1).set("EmailName", "Open enrollment").set("DateSent", "2026-09-05T08:00:00.000Z")]).await;
    world.load(&[theirs(50, "2026-09-05 09:00").of_send(1)]).await;
    let report = erase(&world).await.expect("the erasure");
    (world, report.receipt.erasure_id)
}

/// Those who are to be erased and have no row at all: their ids are refused all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_nobody_knows_is_refused_from_now_on() {
    let world = World::on("2026-11-01");
    erase(&world).await.expect("an empty warehouse");
    let counts = world.load(&[theirs(1, "2026-10-20 09:00"), email_record(2, "2026-10-20 09:00").contact(1)]).await;
    assert_eq!((counts.erased, counts.inserted), (1, 1));
}

/// The list of who was erased is written first: a load that comes then refuses what begins and what ends of theirs.
#[tokio::test]
async fn a_load_beside_an_erasure_that_has_only_begun_counts_its_own_rows() {
    let world = World::on("2026-11-01");
    let held = |rows: &[(u32, &str)]| {
        let rows: Vec<String> = rows.iter().map(|(person, school)| format!("{},{school}\n", contact_id(*person))).collect();
        world.text("affiliation.csv", &format!("ContactId,School\n{}", rows.concat()))
    };
    world.load_files(&[held(&[(1, "Law"), (1, "Arts"), (1, "Music"), (2, "Law")])]).await.expect("a load");
    let key = Key::made(&world.warehouse).await.expect("a key");
    let erased = SfId::of_person(&contact_id(1)).expect("an id");
    suppress(&world.warehouse, &key, &[Subject::Person(&erased)], world.clock.now(), "e-1").await.expect("the list");
    world.days_pass(1);
    let report = world.load_files(&[held(&[(1, "Dance"), (2, "Arts"), (2, "Arts")])]).await.expect("a load");
    let counts = &report.tables[0];
    assert_eq!((counts.read, counts.inserted, counts.updated, counts.unchanged, counts.erased), (3, 1, 0, 1, 1), "{counts:?}");
    assert_eq!(counts.ended, 1, "of the other's rows, one");
}
