//! The recipe as a whole: same seed same bytes, counts as expected, and every row readable but the deliberate ones.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read;

use arrow::array::AsArray;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;
use crate::record::id::SfId;
use crate::synthetic::recipe::Format;

fn small() -> Recipe {
    Recipe { months: 8, contacts: 600, sends_per_month: 10, ..Recipe::default() }
}

fn made(recipe: &Recipe) -> (tempfile::TempDir, Made) {
    let folder = tempfile::tempdir().expect("a folder");
    let made = generate(recipe, &folder.path().join("out"), &|_, _| {}).expect("made");
    (folder, made)
}

fn hashes(made: &Made) -> BTreeMap<String, String> {
    let name = |file: &MadeFile| file.path.file_name().expect("a name").to_string_lossy().into_owned();
    made.files
        .iter()
        .map(|file| (name(file), blake3::hash(&std::fs::read(&file.path).expect("read")).to_hex().to_string()))
        .collect()
}

fn text(file: &MadeFile) -> String {
    let bytes = std::fs::read(&file.path).expect("read");
    if file.path.extension().is_some_and(|extension| extension == "gz") {
        let mut text = String::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).expect("gzip");
        return text;
    }
    encoding_rs::Encoding::for_bom(&bytes).expect("a mark").0.decode(&bytes).0.into_owned()
}

/// Rows by header.
fn rows(file: &MadeFile) -> Vec<HashMap<String, String>> {
    let text = text(file);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader.headers().expect("headers").clone();
    let row = |row: csv::StringRecord| headers.iter().map(str::to_owned).zip(row.iter().map(str::to_owned)).collect();
    reader.records().map(|record| row(record.expect("a row"))).collect()
}

/// The value under the API name, whatever the tool did to it.
fn value<'a>(row: &'a HashMap<String, String>, api: &str) -> &'a str {
    row.get(api).or_else(|| row.get(&api.to_uppercase())).map_or("", String::as_str)
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for format in [Format::Csv, Format::Parquet] {
        let recipe = Recipe { months: 3, contacts: 2_500, sends_per_month: 8, format, ..Recipe::default() };
        let (_a, first) = made(&recipe);
        let (_b, second) = made(&recipe);
        let (_c, other) = made(&Recipe { seed: 8, ..recipe });
        assert_eq!(hashes(&first), hashes(&second), "{format:?}");
        let (first, other) = (hashes(&first), hashes(&other));
        assert_eq!(first.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
        let same: Vec<_> = first.iter().filter(|(name, hash)| other.get(*name) == Some(hash)).map(|(name, _)| name).collect();
        assert_eq!(same, ["business_unit.csv.gz"], "only the units do not depend on chance");
    }
}

#[test]
fn every_row_is_readable_but_three() {
    let recipe = small();
    let (_folder, made) = made(&recipe);
    let (mut bad_ids, mut bad_dates, mut known, mut keys) = (0, 0, HashSet::new(), HashSet::new());
    let (mut orphans, mut linked) = (0, 0);
    for file in &made.files {
        let rows = rows(file);
        assert_eq!(rows.len() as u64, file.rows, "{}", file.path.display());
        for row in &rows {
            for (header, value) in row {
                let is_id =
                    header.eq_ignore_ascii_case("id") || header.ends_with("Id") && value.len() > 14 || header == "Record ID";
                let is_id = is_id || header.eq_ignore_ascii_case("et4ae5__Contact__c") && !value.is_empty();
                bad_ids += u32::from(is_id && SfId::parse(value).is_err());
                bad_dates += u32::from(value.starts_with("2026-13-45"));
            }
            if file.table == "individual_email_result" {
                let id = row.get("Record ID").map_or_else(|| value(row, "Id"), String::as_str);
                if let Ok(id) = SfId::parse(id) {
                    known.insert(id);
                }
                let merge = value(row, "et4ae5__MergeId__c").to_lowercase();
                let parts = ["JobId", "ListId", "BatchId", "SubscriberId"].map(|name| value(row, &format!("et4ae5__{name}__c")));
                keys.insert(match (merge.is_empty(), row.contains_key("Record ID")) {
                    (_, true) => id.to_owned(),
                    (true, _) => parts.join("/"),
                    (false, _) => merge,
                });
            }
        }
    }
    assert_eq!((bad_ids, bad_dates), (2, 1));
    for file in made.files.iter().filter(|file| file.table == "individual_link") {
        for row in rows(file) {
            let known = known.contains(&SfId::parse(value(&row, "et4ae5__Individual_Email_Result__c")).expect("an id"));
            *(if known { &mut linked } else { &mut orphans }) += 1;
        }
    }
    assert!(linked > 100 && orphans < linked / 20, "{linked} links, {orphans} orphans");
    let expected = expected_iers(&recipe) as f64;
    let difference = (keys.len() as f64 - expected).abs() / expected;
    assert!(difference < 0.1, "{} keys, {expected} expected", keys.len());
}

#[test]
fn counters_of_a_whole_send_are_those_of_its_iers() {
    let recipe = Recipe { misbehaviour: false, ..small() };
    let (_folder, made) = made(&recipe);
    let mut last: HashMap<String, HashMap<String, String>> = HashMap::new();
    for file in made.files.iter().filter(|file| file.table == "individual_email_result") {
        for row in rows(file) {
            let key = value(&row, "et4ae5__MergeId__c").to_owned();
            // Stamps are in one of two spellings that sort alike.
            if last.get(&key).is_none_or(|known| value(known, "SystemModstamp")[..19] <= value(&row, "SystemModstamp")[..19]) {
                last.insert(key, row);
            }
        }
    }
    let mut counted: HashMap<&str, [u64; 4]> = HashMap::new();
    for row in last.values() {
        let counts = counted.entry(value(row, "et4ae5__SendDefinition__c")).or_default();
        counts[0] += 1;
        counts[1] += u64::from(value(row, "et4ae5__Opened__c") == "true");
        counts[2] += u64::from(value(row, "et4ae5__Clicked__c") == "true");
        counts[3] += u64::from(value(row, "et4ae5__HardBounce__c") == "true");
    }
    let sends = made.files.iter().find(|file| file.table == "email_send").expect("sends");
    let sends = rows(sends);
    assert_eq!(sends.len(), 80);
    let (mut opened, mut sent) = (0, 0);
    for send in &sends {
        let stated = ["NumberSent", "NumberofUniqueOpens", "NumberofUniqueClicks", "NumberofHardBounces"]
            .map(|name| value(send, &format!("et4ae5__{name}__c")).parse::<u64>().expect("a number"));
        assert_eq!(counted.get(value(send, "Id")).copied().unwrap_or_default(), stated, "{send:?}");
        (sent, opened) = (sent + stated[0], opened + stated[1]);
    }
    let rate = opened as f64 / sent as f64;
    assert!((0.30..0.40).contains(&rate), "{rate} opened");
}

#[test]
fn misbehaviour_is_there() {
    let (_folder, made) = made(&Recipe::default());
    let iers: Vec<_> = made.files.iter().filter(|file| file.table == "individual_email_result").flat_map(rows).collect();
    let count = |test: &dyn Fn(&HashMap<String, String>) -> bool| iers.iter().filter(|row| test(row)).count();
    assert!(count(&|row| value(row, "et4ae5__DateSent__c").is_empty() && row.contains_key("Id")) > 0, "undated");
    assert!(
        count(&|row| value(row, "et4ae5__HardBounce__c") == "true" && value(row, "et4ae5__SoftBounce__c") == "true") > 0,
        "both"
    );
    assert!(
        count(&|row| value(row, "et4ae5__Clicked__c") == "true" && value(row, "et4ae5__Opened__c") == "false") > 0,
        "unseen open"
    );
    assert!(count(&|row| value(row, "IsDeleted") == "true") > 0, "deleted");
    assert!(count(&|row| row.contains_key("Region__c")) > 0, "an unknown column");
    assert!(count(&|row| row.values().any(|value| value == "#N/A")) > 0, "#N/A");
    assert!(count(&|row| row.values().any(|value| value.contains('\n'))) > 0, "a line break");
    assert!(count(&|row| row.contains_key("Record ID")) > 0, "a report");
    let mut ids: HashMap<String, HashSet<String>> = HashMap::new();
    let mut spellings: HashMap<String, HashSet<String>> = HashMap::new();
    for row in iers.iter().filter(|row| !value(row, "et4ae5__MergeId__c").is_empty()) {
        let merge = value(row, "et4ae5__MergeId__c");
        if value(row, "Id").len() == 18 {
            ids.entry(merge.to_lowercase()).or_default().insert(value(row, "Id").to_owned());
        }
        spellings.entry(merge.to_lowercase()).or_default().insert(merge.to_owned());
    }
    assert!(ids.values().any(|ids| ids.len() > 1), "one key under two ids");
    assert!(spellings.values().any(|spellings| spellings.len() > 1), "one key in two spellings");
    let contacts = made.files.iter().find(|file| file.table == "contact").map(rows).expect("contacts");
    let losers: HashMap<&str, &str> = contacts
        .iter()
        .filter(|row| !value(row, "MasterRecordId").is_empty())
        .map(|row| (value(row, "Id"), value(row, "MasterRecordId")))
        .collect();
    assert!(!losers.is_empty(), "merges");
    let withheld = made.files.iter().find(|file| file.table == "not_sent").map(rows).expect("e-mails withheld");
    let share = withheld.len() as f64 / expected_iers(&Recipe::default()) as f64;
    assert!((0.000_5..0.02).contains(&share), "{share} withheld");
    let late = made.files.iter().find(|file| file.path.ends_with("late-2026-10.csv.gz")).expect("late");
    assert!(late.rows > 10 && late.rows < iers.len() as u64 / 20, "{}", late.rows);
}

#[test]
fn parquet_has_one_typed_row_an_ier() {
    let recipe = Recipe { format: Format::Parquet, versions: false, misbehaviour: false, ..small() };
    let (_folder, made) = made(&recipe);
    let (mut rows, mut ids) = (0, HashSet::new());
    for file in made.files.iter().filter(|file| file.table == "individual_email_result") {
        let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(&file.path).expect("open")).expect("parquet");
        let mut previous = i64::MIN;
        for batch in reader.build().expect("a reader") {
            let batch = batch.expect("a batch");
            rows += batch.num_rows() as u64;
            let column = |name: &str| batch.column_by_name(name).expect("a column");
            let sent = column("et4ae5__DateSent__c").as_primitive::<arrow::datatypes::TimestampMicrosecondType>();
            for &sent in sent.values() {
                assert!(sent >= previous, "in order of date");
                previous = sent;
            }
            ids.extend(column("Id").as_string::<i32>().iter().flatten().map(str::to_owned));
        }
    }
    assert_eq!(rows as usize, ids.len());
    let bulk = made.files.iter().filter(|file| file.table == "individual_email_result").map(|file| file.rows).sum::<u64>();
    assert_eq!(rows, bulk);
}

#[test]
fn refuses_a_folder_with_files_and_a_recipe_of_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("mine.txt"), "mine").expect("written");
    let refused = generate(&small(), folder.path(), &|_, _| {}).expect_err("not empty");
    assert!(refused.to_string().ends_with("the folder is not empty; name a new one"), "{refused}");
    let empty = folder.path().join("new");
    assert!(generate(&Recipe { contacts: 0, ..small() }, &empty, &|_, _| {}).is_err());
    assert_eq!(expected_iers(&Recipe { months: 0, ..small() }), 0);
}

#[test]
fn workload_m_is_as_large_as_described() {
    let recipe = Recipe { months: 36, contacts: 500_000, sends_per_month: 40, misbehaviour: false, ..Recipe::default() };
    let expected = expected_iers(&recipe) as f64 / 1e6;
    assert!((39.0..41.5).contains(&expected), "{expected} million");
}

#[test]
fn the_hand_made_exports_have_the_rows_their_readme_names() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let mut bad = Vec::new();
    for (name, expected) in [
        ("individual_email_result.csv", 19),
        ("individual_email_result-late.csv", 5),
        ("individual_link.csv", 7),
        ("aggregate_link.csv", 5),
        ("email_send.csv", 4),
        ("triggered_send.csv", 1),
        ("business_unit.csv", 2),
        ("contact.csv", 6),
        ("lead.csv", 2),
        ("affiliation.csv", 6),
        ("employment.csv", 3),
        ("not_sent.csv", 5),
    ] {
        let mut reader = csv::Reader::from_path(folder.join(name)).expect(name);
        let mut rows = 0;
        for row in reader.records() {
            let row = row.expect(name);
            rows += 1;
            // Whatever begins like an id of ours is one.
            let ids = row.iter().filter(|value| value.len() >= 15 && value.get(3..6) == Some("f40"));
            let bad_ids = ids.filter(|value| SfId::parse(value).is_err()).count();
            if bad_ids > 0 || row.iter().any(|value| value.starts_with("2026-13")) {
                bad.push((name, row.position().map(csv::Position::line)));
            }
        }
        assert_eq!(rows, expected, "{name}");
    }
    assert_eq!(bad, [("individual_email_result.csv", Some(10)), ("individual_email_result.csv", Some(15))]);
}
