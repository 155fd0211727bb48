//! The evidence pack: the same question gives the same bytes, and no byte of it can change unseen.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use ier::audit::evidence::verify::{Report, verify};
use ier::audit::evidence::{Inquiry, Pack, pack};
use ier::audit::{About, Question};
use ier::error::Kind;
use ier::query::engine::Engine;
use ier::query::limits::Limits;
use object_store::ObjectStoreExt;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::world::World;
use crate::world::records::{Record, contact_id, ier, ier_id, link, send};

const ASKER: &str = "ann@example.edu";
const FILES: [&str; 5] = ["audit.json", "evidence.html", "manifest.json", "records.csv", "records.json"];

fn connections() -> Record {
    send(1, 3)
        .set("EmailName", "CU Connections")
        .set("SubjectLine", "Open enrollment ends Friday")
        .set("JobId", "9001")
        .set("DateSent", "2026-08-06T15:00:00.000Z")
}

fn mail(number: u32, contact: u32) -> Record {
    ier(number).contact(contact).of_send(1).set("JobId", "9001").sent("2026-08-06 15:05").stamp("2026-08-07 09:00")
}

fn clicked() -> Record {
    link(1, 1).set("Last_Clicked", "2026-08-06T16:25:00.000Z").stamp("2026-08-07")
}

/// A send of three mails, of which the first was opened and clicked, and somebody who got another mail.
async fn world() -> World {
    let world = World::on("2026-08-20");
    world.load(&[connections()]).await;
    world.load(&[mail(1, 1).opened("2026-08-06 16:20").clicks(2, 1), mail(2, 2)]).await;
    world.load(&[ier(9).contact(3).of_send(2).sent("2026-08-01 09:00").stamp("2026-08-02")]).await;
    world.load(&[clicked(), link(2, 2).stamp("2026-08-07")]).await;
    world
}

async fn engine(world: &World) -> Engine {
    Engine::open(world.warehouse.clone(), Limits { statement: None, threads: 2, ..Limits::default() }).await.expect("an engine")
}

fn inquiry(who: &str, about: &str) -> Inquiry {
    let about = About::Text(about.to_owned());
    let question = Question { about, from: None, to: None, as_of: None, zone: chrono_tz::America::Denver };
    Inquiry { who: who.to_owned(), question, asked_by: ASKER.to_owned() }
}

fn noon() -> DateTime<Utc> {
    "2026-08-20T12:00:00Z".parse().expect("a moment")
}

async fn packed(world: &World, inquiry: &Inquiry, at: DateTime<Utc>) -> Pack {
    pack(&world.warehouse, &engine(world).await, inquiry, at).await.expect("a pack").1
}

/// The pack about the mail of a contact.
async fn about(world: &World, contact: u32) -> Pack {
    packed(world, &inquiry(&contact_id(contact), "enrollment"), noon()).await
}

fn parsed(pack: &Pack, name: &str) -> Value {
    serde_json::from_slice(&pack.files[name]).expect("json")
}

fn text(pack: &Pack, name: &str) -> String {
    String::from_utf8(pack.files[name].clone()).expect("utf-8")
}

async fn alone(path: &Path) -> Report {
    verify(path, None, None).await.expect("a report")
}

/// What the archive says, and what is wrong.
async fn against(world: &World, path: &Path) -> Report {
    let engine = engine(world).await;
    verify(path, None, Some((&world.warehouse, &engine))).await.expect("a report")
}

/// How many records each became.
fn states(report: &Report) -> BTreeMap<String, usize> {
    let mut states = BTreeMap::new();
    for row in &report.archive.as_ref().expect("the archive was asked").records {
        let state = serde_json::to_value(row).expect("json")["state"].as_str().expect("a state").to_owned();
        *states.entry(state).or_default() += 1;
    }
    states
}

fn kept(pack: &Pack) -> (TempDir, PathBuf) {
    let room = TempDir::new().expect("a folder");
    let path = room.path().join("pack");
    pack.write(&path).expect("written");
    (room, path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_holds_the_answer_and_what_it_rests_on() {
    let world = world().await;
    let pack = about(&world, 1).await;
    assert_eq!(pack.files.keys().map(String::as_str).collect::<Vec<_>>(), FILES);
    let manifest = parsed(&pack, "manifest.json");
    assert_eq!(manifest["person"], json!({ "asked": contact_id(1), "id": contact_id(1), "ids": [contact_id(1)], "aliases": [] }));
    assert_eq!((&manifest["asked_by"], &manifest["made_at"]), (&ASKER.into(), &"2026-08-20T12:00:00Z".into()));
    assert_eq!(manifest["question"]["about"], json!({ "by": "text", "value": "enrollment" }));

    // The rows are those SQL shows, with all columns, of this person and this send only.
    let records = parsed(&pack, "records.json");
    let rows = |table: &str| records[table].as_array().expect("rows").clone();
    for (table, filter) in [("individual_email_result", "ier_id"), ("individual_link", "ier_id")] {
        let ier_id = ier_id(1);
        let shown = world.ask(&format!("SELECT * FROM {table} WHERE {filter} = '{ier_id}'")).await;
        assert_eq!((rows(table).len(), shown.len()), (1, 1), "{table}");
        let row = rows(table)[0].as_object().expect("a row").clone();
        let own: Vec<_> = row.iter().filter(|(column, _)| !["record_key", "observed"].contains(&column.as_str())).collect();
        assert_eq!(own.len(), shown[0].len(), "{table}: all columns");
        assert!(row.contains_key("record_key") && row.contains_key("observed") == (table == "individual_email_result"));
        for ((column, value), shown) in own.into_iter().zip(&shown[0]) {
            let reported = match value {
                Value::Null => "-".to_owned(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert_eq!(&reported, shown, "{table}.{column}");
        }
    }
    assert_eq!(rows("email_send")[0]["number_sent"], 3, "what the verdict knows of the send");
    let csv = text(&pack, "records.csv");
    assert_eq!(csv.lines().count(), 4, "{csv}");
    assert!(csv.starts_with("table,record_key,ier_id,merge_id,email_name,"), "{csv}");

    // Each row stands where the manifest says.
    let hot = &manifest["tables"][0];
    assert_eq!((&hot["table"], &hot["tier"]), (&"individual_email_result".into(), &"hot".into()));
    assert_eq!(hot["files"][0]["rows"], json!([{ "position": 0, "key": "m-1" }]));
    assert_eq!(manifest["tables"].as_array().expect("tables").len(), 12);
    let coverage = manifest["coverage"].as_array().expect("rows");
    let objects: Vec<_> = coverage.iter().map(|row| (row["object"].as_str(), row["rows_read"].as_u64())).collect();
    assert!(objects.contains(&(Some("individual_email_result"), Some(2))), "{objects:?}");
    assert!(!objects.contains(&(Some("individual_email_result"), Some(1))), "other days bear on nothing: {objects:?}");
    assert_eq!(parsed(&pack, "audit.json")["sends"][0]["verdict"], "sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_question_gives_the_same_bytes() {
    let world = world().await;
    let first = about(&world, 1).await;
    assert_eq!(first.files, about(&world.another(), 1).await.files, "another process, the same bytes");
    let (room, _) = kept(&first);
    let zips = ["a.zip", "b.zip"].map(|name| room.path().join(name));
    for zip in &zips {
        about(&world, 1).await.write(zip).expect("written");
    }
    assert_eq!(std::fs::read(&zips[0]).expect("a zip"), std::fs::read(&zips[1]).expect("a zip"));

    // Another time and asker stand on the page and in the manifest, and nowhere else.
    let mut other = inquiry(&contact_id(1), "enrollment");
    other.asked_by = "bob".to_owned();
    let later = packed(&world, &other, "2027-01-01T00:00:00Z".parse().expect("a moment")).await;
    for name in ["audit.json", "records.csv", "records.json"] {
        assert_eq!(first.files[name], later.files[name], "{name}");
    }
    let page = text(&later, "evidence.html").replace("bob", ASKER);
    let page =
        page.replace("2026-12-31 17:00:00 MST (2027-01-01 00:00:00 UTC)", "2026-08-20 06:00:00 MDT (2026-08-20 12:00:00 UTC)");
    assert_eq!(page, text(&first, "evidence.html"));
    let bare = |pack: &Pack| {
        let mut manifest = parsed(pack, "manifest.json");
        for reported in ["asked_by", "made_at", "seal", "files"] {
            manifest[reported] = Value::Null;
        }
        manifest
    };
    assert_eq!(bare(&first), bare(&later));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_needs_no_other_file_and_escapes_all_texts() {
    let world = World::on("2026-08-20");
    let spiteful = "enrollment <script>alert(1)</script> \"' & <img src=x onerror=y>";
    world.load(&[connections().set("SubjectLine", spiteful)]).await;
    world.load(&[mail(1, 1).opened("2026-08-06 16:20").set("SubjectLine", spiteful)]).await;
    let pack = about(&world, 1).await;
    let page = text(&pack, "evidence.html");
    for foreign in ["<script", "<img", "<link", "src=", "href=", "url(", "@import", "<iframe", "javascript:"] {
        let reported = page.replace("&lt;img src=x", "").replace("default-src", "").replace("style-src", "");
        assert!(!reported.contains(foreign), "{foreign}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; &quot;&#39; &amp; &lt;img src=x onerror=y&gt;"), "{page}");
    for reported in [
        "<span class=\"verdict\">SENT</span>",
        "<svg class=\"timeline\"",
        "an open was recorded, 2026-08-06 10:20:00 MDT</text>",
        "<li>an open was recorded 2026-08-06 10:20:00 MDT; known here since 2026-08-20 06:00:00 MDT",
        "date_opened 2026-08-06T16:20:00Z",
        "delivered, as far as is recorded: no bounce was",
        ASKER,
    ] {
        assert!(page.contains(reported), "{reported:?} is not in:\n{page}");
    }
    let tags = |tag: &str| (page.matches(&format!("<{tag}")).count(), page.matches(&format!("</{tag}>")).count());
    for tag in ["svg", "table", "tr", "td", "ul", "li", "h2", "div", "text"] {
        assert_eq!(tags(&format!("{tag} ")).0 + page.matches(&format!("<{tag}>")).count(), tags(tag).1, "{tag}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_evidence_is_evidence_too() {
    let world = world().await;
    let pack = about(&world, 3).await;
    assert_eq!(parsed(&pack, "audit.json")["sends"][0]["reason"]["reason"], "incomplete");
    let records = parsed(&pack, "records.json");
    assert_eq!(records.as_object().map(|tables| tables.keys().cloned().collect::<Vec<_>>()), Some(vec!["email_send".to_owned()]));
    assert!(text(&pack, "evidence.html").contains("<span class=\"verdict no_evidence\">NO EVIDENCE</span>"));
    let (_room, path) = kept(&pack);
    let report = against(&world, &path).await;
    assert!(report.wrong.is_empty() && report.archive.is_some_and(|archive| archive.asked_again), "{:?}", report.wrong);

    let unknown = packed(&world, &inquiry(&contact_id(1), "parking"), noon()).await;
    assert!(text(&unknown, "evidence.html").contains("no such send is known here"));
    let (_room, path) = kept(&unknown);
    assert!(against(&world, &path).await.wrong.is_empty());
}

/// The answer is that of a day, the records are as they stand: with the versions that were seen.
#[tokio::test(flavor = "multi_thread")]
async fn a_pack_as_of_a_day_holds_what_is_known_since() {
    let world = World::on("2026-08-10");
    world.load(&[connections()]).await;
    world.load(&[mail(1, 1).unopened()]).await;
    world.days_pass(10);
    world.load(&[mail(1, 1).opened("2026-08-15 16:20").stamp("2026-08-16")]).await;
    let mut then = inquiry(&contact_id(1), "enrollment");
    then.question.as_of = Some("2026-08-12T12:00:00Z".parse().expect("a moment"));
    let pack = packed(&world, &then, noon()).await;
    assert_eq!(parsed(&pack, "audit.json")["sends"][0]["mails"][0]["record"]["opened"], false);
    let row = parsed(&pack, "records.json")["individual_email_result"][0].clone();
    assert!(row["opened"] == true && row["observed"].as_str().is_some_and(|seen| seen.contains("opened")), "{row}");
    assert!(text(&pack, "evidence.html").contains("<th>As it was known here at</th><td>2026-08-12 06:00:00 MDT"));
    let (_room, path) = kept(&pack);
    let report = against(&world, &path).await;
    assert!(report.wrong.is_empty() && report.archive.is_some_and(|archive| archive.asked_again), "{:?}", report.wrong);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_of_several_ids_is_packed_with_how_that_is_known() {
    let world = world().await;
    let merged = Record::default().set("Id", contact_id(4)).set("Name", "Contact 4").set("Email", "four@example.edu");
    world.load(&[merged.set("MasterRecordId", contact_id(1)).set("IsDeleted", "true").stamp("2026-08-10")]).await;
    for who in [contact_id(4)[..15].to_owned(), "four@example.edu".to_owned()] {
        let pack = packed(&world, &inquiry(&who, "enrollment"), noon()).await;
        let person = parsed(&pack, "manifest.json")["person"].clone();
        assert_eq!((&person["asked"], &person["ids"]), (&json!(who), &json!([contact_id(1), contact_id(4)])));
        let alias = &person["aliases"][0];
        assert_eq!(
            (&alias["alias_id"], &alias["person_id"], &alias["how"]),
            (&json!(contact_id(4)), &json!(contact_id(1)), &json!("merge"))
        );
        assert_eq!(parsed(&pack, "audit.json")["sends"][0]["verdict"], "sent");
        assert!(text(&pack, "evidence.html").contains(&format!(
            "{} was merged into {}; known here since",
            contact_id(4),
            contact_id(1)
        )));
        let (_room, path) = kept(&pack);
        assert!(against(&world, &path).await.wrong.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_overwritten_and_nothing_left_behind() {
    let world = world().await;
    let pack = about(&world, 1).await;
    let room = TempDir::new().expect("a folder");
    let at = |name: &str| room.path().join(name);
    std::fs::create_dir(at("empty")).expect("a folder");
    std::fs::create_dir(at("full")).expect("a folder");
    std::fs::write(at("full/letter.txt"), "x").expect("a file");
    std::fs::create_dir(at("folder.zip")).expect("a folder");
    std::fs::write(at("there.zip"), "x").expect("a file");
    std::fs::write(at("file"), "x").expect("a file");
    for (name, why) in [
        ("full", "is a folder with something in it"),
        ("folder.zip", "its name ends in .zip"),
        ("there.zip", "exists already"),
        ("file", "exists already"),
        ("nowhere/pack", "there is no folder"),
    ] {
        let error = pack.write(&at(name)).expect_err(name);
        assert!(error.to_string().contains(why), "{name}: {error}");
    }
    for name in ["empty", "new", "new.zip", "NEW.ZIP"] {
        pack.write(&at(name)).expect(name);
        let report = alone(&at(name)).await;
        assert!(report.wrong.is_empty(), "{name}: {:?}", report.wrong);
        assert!(pack.write(&at(name)).is_err(), "{name}: a second time");
    }
    let mut left: Vec<String> = std::fs::read_dir(room.path())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    left.sort();
    assert_eq!(left, ["NEW.ZIP", "empty", "file", "folder.zip", "full", "new", "new.zip", "there.zip"]);
    assert_eq!(verify(&at("nothing"), None, None).await.expect_err("no pack").kind(), Kind::NotFound);
    let none = verify(&crate::fixture::data(), None, None).await.expect_err("a folder of exports");
    assert!(none.kind() == Kind::Invalid && none.to_string().contains("is no evidence pack"), "{none}");
    let slip = verify(&at("new.zip"), Some("0123"), None).await.expect_err("a seal with a slip");
    assert!(slip.kind() == Kind::Invalid && slip.to_string().contains("64 hexadecimal digits"), "{slip}");
    let other = verify(&at("new.zip"), Some(&"0".repeat(64)), None).await.expect("a report");
    assert!(other.to_string().starts_with("SEALED OTHERWISE: "), "{other}");
}

/// Flips a bit of each byte of each file of a pack, in a folder and in a zip: each is found, and nothing else is wrong.
#[test]
fn any_changed_byte_is_found() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
    // One with a mail for the folder, a smaller one for the zip.
    let (pack, smaller) = runtime.block_on(async {
        let world = world().await;
        (about(&world, 1).await, about(&world, 3).await)
    });
    let (room, folder) = kept(&pack);
    let zip = room.path().join("pack.zip");
    smaller.write(&zip).expect("written");
    let one = || tokio::runtime::Builder::new_current_thread().build().expect("a thread");
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let here = one();
            for name in FILES {
                let whole = &pack.files[name];
                for at in 0..whole.len() {
                    let mut bytes = whole.clone();
                    bytes[at] ^= 1 << (at % 8);
                    std::fs::write(folder.join(name), &bytes).expect("written");
                    let report = here.block_on(alone(&folder));
                    assert!(report.wrong.iter().any(|wrong| wrong.file == name), "byte {at} of {name}: {:?}", report.wrong);
                }
                std::fs::write(folder.join(name), whole).expect("written");
            }
            assert!(here.block_on(alone(&folder)).wrong.is_empty(), "it is whole again");
        });
        threads.spawn(|| {
            let here = one();
            let whole = std::fs::read(&zip).expect("a zip");
            for at in 0..whole.len() {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << ((at + 3) % 8);
                std::fs::write(&zip, &bytes).expect("written");
                assert!(!here.block_on(alone(&zip)).wrong.is_empty(), "byte {at} of the zip");
            }
            std::fs::write(&zip, &whole).expect("written");
            assert!(here.block_on(alone(&zip)).wrong.is_empty(), "it is whole again");
        });
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn files_cut_missing_added_or_exchanged_are_found() {
    let world = world().await;
    let pack = about(&world, 1).await;
    let (room, path) = kept(&pack);
    let wrong = |report: Report| report.wrong.into_iter().map(|wrong| wrong.file).collect::<Vec<_>>();
    for name in FILES {
        let (at, whole) = (path.join(name), &pack.files[name]);
        for length in [0, 1, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&at, &whole[..length]).expect("written");
            assert!(wrong(alone(&path).await).contains(&name.to_owned()), "{name} cut to {length}");
        }
        std::fs::write(&at, [whole.as_slice(), b"\n"].concat()).expect("written");
        assert!(wrong(alone(&path).await).contains(&name.to_owned()), "{name} grown");
        std::fs::remove_file(&at).expect("removed");
        assert!(wrong(alone(&path).await).contains(&name.to_owned()), "{name} removed");
        std::fs::create_dir(&at).expect("a folder");
        assert!(wrong(alone(&path).await).contains(&name.to_owned()), "{name} a folder");
        std::fs::remove_dir(&at).expect("removed");
        std::fs::write(&at, whole).expect("written");
    }
    for (one, other) in [("records.csv", "records.json"), ("audit.json", "manifest.json"), ("evidence.html", "audit.json")] {
        std::fs::write(path.join(one), &pack.files[other]).expect("written");
        std::fs::write(path.join(other), &pack.files[one]).expect("written");
        assert!(!alone(&path).await.wrong.is_empty(), "{one} and {other} exchanged");
        for name in [one, other] {
            std::fs::write(path.join(name), &pack.files[name]).expect("written");
        }
    }
    std::fs::write(path.join(".note"), "").expect("written");
    assert_eq!(wrong(alone(&path).await), [".note"]);
    std::fs::remove_file(path.join(".note")).expect("removed");
    assert!(alone(&path).await.wrong.is_empty());

    // A file of another pack is as foreign as any.
    let other = about(&world, 2).await;
    std::fs::write(path.join("records.csv"), &other.files["records.csv"]).expect("written");
    assert_eq!(wrong(alone(&path).await), ["records.csv"]);

    let zip = room.path().join("pack.zip");
    pack.write(&zip).expect("written");
    let whole = std::fs::read(&zip).expect("a zip");
    for length in (0..whole.len()).step_by(997).chain([whole.len() - 1]) {
        std::fs::write(&zip, &whole[..length]).expect("written");
        assert!(!alone(&zip).await.wrong.is_empty(), "cut to {length}");
    }
    std::fs::write(&zip, [&whole[..], b"x"].concat()).expect("written");
    assert_eq!(wrong(alone(&zip).await), ["pack.zip"]);
    std::fs::write(&zip, [&whole[..], &whole[..]].concat()).expect("written");
    assert!(!alone(&zip).await.wrong.is_empty(), "twice over");
}

/// Any program opens the zip, and finds the files of the folder in it.
#[tokio::test(flavor = "multi_thread")]
async fn the_zip_is_a_zip_to_others() {
    let pack = about(&world().await, 1).await;
    let room = TempDir::new().expect("a folder");
    let path = room.path().join("pack.zip");
    pack.write(&path).expect("written");
    let mut archive = zip::ZipArchive::new(std::fs::File::open(&path).expect("a file")).expect("a zip");
    let unpacked = room.path().join("unpacked");
    archive.extract(&unpacked).expect("unpacked");
    assert!(alone(&unpacked).await.wrong.is_empty(), "an unpacked zip is the folder");
    assert_eq!(archive.len(), FILES.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_archive_confirms_a_pack() {
    let world = world().await;
    let (_room, path) = kept(&about(&world, 1).await);
    let report = against(&world, &path).await;
    assert!(report.wrong.is_empty(), "{:?}", report.wrong);
    let all = states(&report).values().sum::<usize>();
    assert!(all >= 3 && states(&report) == BTreeMap::from([("in_place".to_owned(), all)]), "{:?}", states(&report));
    assert!(report.to_string().contains("the question was asked again"), "{report}");

    // Archived since: the old files are there until a vacuum, and bear the pack out still.
    world.days_pass(120);
    world.archive("2026-09-01").await;
    let report = against(&world, &path).await;
    assert!(report.wrong.is_empty() && report.archive.as_ref().is_some_and(|archive| !archive.asked_again));
    assert_eq!(states(&report), BTreeMap::from([("in_place".to_owned(), all)]));
    assert!(report.to_string().contains("tables have changed since"), "{report}");

    // Vacuumed: the records are found by key, in the other tier.
    world.days_pass(30);
    world.vacuum(0).await;
    let report = against(&world, &path).await;
    assert!(report.wrong.is_empty(), "{:?}", report.wrong);
    assert!(states(&report)["moved"] >= 2, "mail and click: {:?}", states(&report));
    assert_eq!(states(&report)["in_place"] + states(&report)["moved"], all);
    assert!(report.to_string().contains("no longer there (compacted or vacuumed)"), "{report}");

    // A later version came: said, and no fault of the pack.
    world.load(&[mail(1, 1).opened("2026-12-25 10:00").clicks(3, 1).stamp("2026-12-26")]).await;
    let report = against(&world, &path).await;
    assert!(report.wrong.is_empty(), "{:?}", report.wrong);
    assert_eq!(states(&report)["changed_since"], 1);
    assert!(report.to_string().contains("individual_email_result m-1 differs today in"), "{report}");

    // Another warehouse knows nothing of it.
    let other = World::on("2026-08-20");
    other.load(&[ier(99).contact(99).sent("2026-08-01 09:00")]).await;
    let report = against(&other, &path).await;
    assert!(report.wrong.is_empty(), "{:?}", report.wrong);
    assert_eq!(states(&report), BTreeMap::from([("not_found".to_owned(), all)]));
}

/// The late row is the evidence, not the archived one it overrides.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_row_is_cited_where_it_stands() {
    let world = world().await;
    world.days_pass(120);
    world.archive("2026-09-01").await;
    let archived = about(&world, 1).await;
    world.load(&[mail(1, 1).opened("2026-12-10 08:00").clicks(2, 1).stamp("2026-12-11")]).await;
    let late = about(&world, 1).await;
    for (pack, tier) in [(&archived, "archive"), (&late, "hot")] {
        assert_eq!(parsed(pack, "records.json")["individual_email_result"][0]["tier"], tier);
        let (_room, path) = kept(pack);
        let report = against(&world, &path).await;
        assert!(report.wrong.is_empty(), "{tier}: {:?}", report.wrong);
    }
}

/// Reseals a pack after some of its files were rewritten: what somebody could do who knows how packs are made.
fn forged(pack: &Pack, path: &Path, forge: impl Fn(&str, &str) -> String) {
    let mut manifest = parsed(pack, "manifest.json");
    let files: Vec<Value> = FILES
        .into_iter()
        .filter(|name| *name != "manifest.json")
        .map(|name| {
            let text = forge(name, &text(pack, name));
            std::fs::write(path.join(name), &text).expect("written");
            json!({ "name": name, "bytes": text.len(), "blake3": blake3::hash(text.as_bytes()).to_hex().as_str() })
        })
        .collect();
    manifest["files"] = files.into();
    manifest.as_object_mut().expect("an object").shift_remove("seal");
    let text = |manifest: &Value| serde_json::to_string_pretty(manifest).expect("json") + "\n";
    let bare = forge("manifest.json", &text(&manifest));
    let mut manifest: Value = serde_json::from_str(&bare).expect("json");
    manifest["seal"] = blake3::hash(bare.as_bytes()).to_hex().as_str().into();
    std::fs::write(path.join("manifest.json"), text(&manifest)).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forger_who_seals_anew_is_found_by_archive_or_seal() {
    let world = world().await;
    let pack = about(&world, 1).await;
    let (_room, path) = kept(&pack);
    forged(&pack, &path, |_, text| text.to_owned());
    assert!(against(&world, &path).await.wrong.is_empty(), "what was not changed seals alike");
    assert!(verify(&path, Some(&pack.manifest.seal), None).await.expect("a report").wrong.is_empty());

    // Another moment of opening, in every file.
    let opened = |_: &str, text: &str| text.replace("16:20:00", "17:20:00").replace("10:20:00", "11:20:00");
    forged(&pack, &path, opened);
    assert!(alone(&path).await.wrong.is_empty(), "by itself it cannot be found");
    let wrong = verify(&path, Some(&pack.manifest.seal), None).await.expect("a report").wrong;
    assert!(wrong.len() == 1 && wrong[0].problem.contains(&pack.manifest.seal), "{wrong:?}");
    let report = against(&world, &path).await;
    assert_eq!(states(&report)["contradicted"], 1);
    assert!(report.wrong[0].file.starts_with("hot/individual_email_result/sent_day=2026-08-06/part-"), "{:?}", report.wrong);
    assert!(report.wrong[0].problem.contains("the archive's record is not the pack's (m-1)"), "{:?}", report.wrong);

    // Another verdict, over true records: asking again tells.
    forged(&pack, &path, |name, text| match name {
        "audit.json" => text.replace("\"verdict\": \"sent\"", "\"verdict\": \"not_sent\""),
        "evidence.html" => text.replace(">SENT<", ">NOT SENT<"),
        _ => text.to_owned(),
    });
    assert!(alone(&path).await.wrong.is_empty());
    let wrong: Vec<String> = against(&world, &path).await.wrong.into_iter().map(|wrong| wrong.file).collect();
    assert_eq!(wrong, ["audit.json", "evidence.html", "manifest.json"]);

    // A record left out of one of two places does not pass even alone.
    forged(&pack, &path, |name, text| if name == "records.json" { "{}\n".to_owned() } else { text.to_owned() });
    assert!(alone(&path).await.wrong.iter().any(|wrong| wrong.file == "records.json"));
}

/// Answers are worded anew from time to time; packs that were made before are borne out all the same, record by record.
#[tokio::test(flavor = "multi_thread")]
async fn a_pack_of_an_earlier_wording_is_confirmed_record_by_record() {
    let world = world().await;
    let pack = about(&world, 1).await;
    let now = pack.manifest.engine.clone();
    let (_room, path) = kept(&pack);
    let earlier = |name: &str, text: &str| match name {
        "manifest.json" => text.replace(&now, "ier 0.1.0"),
        "evidence.html" => text.replace("delivered, as far as is recorded", "delivered, it seems"),
        _ => text.to_owned(),
    };
    forged(&pack, &path, earlier);
    let report = against(&world, &path).await;
    assert!(report.wrong.is_empty(), "{:?}", report.wrong);
    assert!(!report.archive.expect("the archive").asked_again, "the same answer has other words today");
}

/// The page begins with who it is and the answer, and has a line for each record and for each send that proves nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_begins_with_an_answer_that_anybody_understands() {
    let world = world().await;
    let person = Record::default().set("Id", contact_id(1)).set("Name", "Ana Ortiz").set("Email", "ana@example.edu");
    world.load(&[person.set("MasterRecordId", "").stamp("2026-08-10")]).await;
    let page = text(&about(&world, 1).await, "evidence.html");
    let body = page.split("<body>\n").nth(1).expect("a body");
    assert!(body.starts_with("<h1>Was Ana Ortiz told?</h1>\n<p class=\"answer\">Ana Ortiz was sent "), "{body}");
    assert!(page.contains("<th>Person</th><td>Ana Ortiz &lt;ana@example.edu&gt;</td>"), "{page}");
    assert!(!page.contains("<h3>"), "records are lines of a table");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_altered_file_of_the_archive_is_found() {
    let world = world().await;
    let pack = about(&world, 1).await;
    let (_room, path) = kept(&pack);
    let manifest = parsed(&pack, "manifest.json");
    let file = manifest["tables"][0]["files"][0]["path"].as_str().expect("a path");
    let lake = world.warehouse.existing().await.expect("tables").remove(0);
    let place = object_store::path::Path::from(format!("{}/{file}", lake.folder));
    let mut bytes = lake.store.get(&place).await.expect("there").bytes().await.expect("bytes").to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    lake.store.put(&place, bytes.into()).await.expect("written");
    let report = against(&world, &path).await;
    assert_eq!(report.wrong.len(), 1, "{:?}", report.wrong);
    assert!(report.wrong[0].file.ends_with(file) && report.wrong[0].problem.contains("not the file the pack names"));
}

/// Packs made while others load: each is of one moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pack_is_of_one_version_although_others_write() {
    let world = world().await;
    let other = world.another();
    let writes = async {
        for hour in 10..16 {
            let opened = format!("2026-08-08 {hour}:00");
            other.load(&[mail(1, 1).opened(&opened).clicks(2, 1).stamp(&opened)]).await;
            other.load(&[clicked().set("NumberOfTotalClicks", hour.to_string()).stamp(&opened)]).await;
        }
    };
    let packs = async {
        let mut packs = Vec::new();
        for _ in 0..4 {
            packs.push(about(&world, 1).await);
        }
        packs
    };
    let ((), packs) = tokio::join!(writes, packs);
    for pack in packs {
        let (_room, path) = kept(&pack);
        let report = against(&world, &path).await;
        assert!(report.wrong.is_empty(), "{:?}", report.wrong);
        let (audit, records) = (parsed(&pack, "audit.json"), parsed(&pack, "records.json"));
        let mail = &audit["sends"][0]["mails"][0];
        assert_eq!(mail["record"]["date_opened"], records["individual_email_result"][0]["date_opened"]);
        assert_eq!(mail["clicks"][0]["clicks"], records["individual_link"][0]["number_of_total_clicks"]);
    }
}
