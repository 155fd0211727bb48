//! Every row read is counted under one head, and "all of this was here already" is said only where it is true.

use std::path::{Path, PathBuf};

use ier::jobs::load::{LoadReport, TableCounts};

use crate::fixture::{Fixture, data};

const HERE_ALREADY: &str = "nothing changed: all of this was here already";

/// All exports of a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let endings = ["csv", "parquet"];
    let is_export = |path: &PathBuf| path.extension().is_some_and(|ending| endings.iter().any(|own| ending == *own));
    let all = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = all.filter(is_export).collect();
    files.sort();
    assert!(files.len() > 5, "{}", folder.display());
    files
}

/// The counts add up, and the last line is true.
fn holds(report: &LoadReport, what: &str) {
    let text = report.to_string();
    for counts in &report.tables {
        assert_eq!(counts.read, counts.accounted_for(), "{what}: {counts:?}");
    }
    let sum = |of: fn(&TableCounts) -> u64| report.tables.iter().map(of).sum::<u64>();
    let all_here = sum(|counts| counts.read) == sum(|counts| counts.unchanged) && sum(|counts| counts.read) > 0;
    assert_eq!(text.contains(HERE_ALREADY), all_here && !report.changed(), "{what}: {text}");
    let json = serde_json::to_value(report).unwrap();
    for counts in json["tables"].as_array().unwrap() {
        let heads = ["inserted", "updated", "unchanged", "outdone", "rejected", "erased"];
        let accounted: u64 = heads.iter().map(|head| counts[head].as_u64().unwrap()).sum();
        assert_eq!(counts["read"].as_u64().unwrap(), accounted, "{what}: {counts}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_counts_of_every_file_add_up() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/door");
    for file in files(&data()).into_iter().chain(files(&tests)) {
        let (fixture, what) = (Fixture::empty().await, file.display().to_string());
        // Some are there to be refused.
        let Ok(first) = fixture.load([&file]).await else { continue };
        holds(&first, &what);
        let again = fixture.load([&file]).await.unwrap();
        holds(&again, &format!("{what}, again"));
        assert!(!again.changed(), "{what}: {again}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_lost_to_newer_versions_are_counted_apart_from_unchanged_ones() {
    let fixture = Fixture::empty().await;
    let file = |name: &str, rows: &[(&str, &str, &str)]| {
        let rows: String =
            rows.iter().map(|(id, title, at)| format!("{id},m-{id},{title},2026-08-06T1{at}:00:00.000Z\n")).collect();
        fixture.file(name, format!("Id,et4ae5__MergeId__c,Name,SystemModstamp\n{rows}"))
    };
    let (one, two) = ("a0Df40000000001EAA", "a0Df40000000002EAA");
    let newer = file("newer.csv", &[(one, "B", "6"), (two, "A", "5"), (one, "B", "6"), (one, "A", "5")]);
    let older = file("older.csv", &[(one, "A", "5"), (two, "A", "5"), (two, "0", "4")]);
    let counts = |report: &LoadReport| {
        let [table] = report.tables.as_slice() else { panic!("{report}") };
        [table.read, table.inserted, table.updated, table.unchanged, table.outdone, table.rejected]
    };
    let report = fixture.load([&newer]).await.unwrap();
    assert_eq!(counts(&report), [4, 2, 0, 1, 1, 0], "one came twice, and one in an older version");
    assert!(report.to_string().contains("individual_email_result: 1 row is outdone: newer versions"), "{report}");
    holds(&report, "newer");
    let report = fixture.load([&older]).await.unwrap();
    assert_eq!(counts(&report), [3, 0, 0, 1, 2, 0]);
    assert!(report.to_string().ends_with("nothing changed: of 3 rows, 1 here already, 2 outdone by newer versions"), "{report}");
    fixture.archive().await;
    let report = fixture.load([&older]).await.unwrap();
    assert_eq!(counts(&report), [3, 0, 0, 1, 2, 0], "beside the archive");
    // The same moment with another value, which loses; without any stamp, and with nothing new.
    let same = file("same.csv", &[(two, "0", "5")]);
    assert_eq!(counts(&fixture.load([&same]).await.unwrap()), [1, 0, 0, 0, 1, 0]);
    let bare = fixture.file("bare.csv", format!("Id,et4ae5__MergeId__c,Name\n{two},m-{two},A\n{one},m-{one},A\n"));
    assert_eq!(counts(&fixture.load([&bare]).await.unwrap()), [2, 0, 0, 1, 1, 0]);
    // A broken row is neither.
    let broken = fixture.file("broken.csv", format!("Id,et4ae5__MergeId__c,Name\n{two},m-{two},A\n{one}x,m-{one},A\n"));
    let report = fixture.load([&broken]).await.unwrap();
    assert_eq!(counts(&report), [2, 0, 0, 1, 0, 1]);
    assert!(report.to_string().ends_with("nothing changed: of 2 rows, 1 here already, 1 rejected"), "{report}");
    holds(&report, "broken");
}
