//! Warehouses of earlier formats, as the programs of their day wrote them: this build reads, continues and verifies them.
//! `tests/golden/README.md` says how each was made.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::fixture::data;

/// A copy of a golden warehouse, and what the program of its day said of it.
struct Golden {
    desk: TempDir,
    answers: String,
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

fn contents(folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => contents(&entry.path(), found),
            false => drop(found.insert(entry.path(), std::fs::read(entry.path()).unwrap())),
        }
    }
}

impl Golden {
    fn new(format: &str) -> Self {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format);
        let desk = TempDir::new().unwrap();
        copy(&golden.join("warehouse"), &desk.path().join("warehouse"));
        Self { desk, answers: std::fs::read_to_string(golden.join("answers.txt")).unwrap() }
    }

    fn ier(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ier"));
        command.args(["-w", "warehouse"]).args(words).current_dir(self.desk.path());
        command.env_clear().env("HOME", self.desk.path()).env("USER", "keeper").stdin(Stdio::null()).output().unwrap()
    }

    fn does(&self, words: &[&str]) -> String {
        let output = self.ier(words);
        let reported = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{words:?}: {reported}");
        String::from_utf8(output.stdout).unwrap() + &reported
    }

    fn sql(&self, statement: &str) -> String {
        let output = self.ier(&["sql", "-F", "csv", statement]);
        assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The statements with the answers of the program of its day.
    fn answered(&self) -> impl Iterator<Item = (&str, &str)> {
        self.answers.split("== ").skip(1).map(|part| part.split_once('\n').unwrap())
    }

    fn answers_as_then(&self, but: &[&str]) {
        for (statement, then) in self.answered().filter(|(statement, _)| !but.iter().any(|table| statement.contains(table))) {
            // What is not named is called otherwise since.
            let rows = |answer: &str| answer.split_once('\n').map_or_else(String::new, |(_, rows)| rows.to_owned());
            assert_eq!(rows(&self.sql(statement)), rows(then), "{statement}");
        }
    }

    fn contents(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        contents(&self.desk.path().join("warehouse"), &mut found);
        found
    }
}

#[test]
fn format_0_is_read_as_it_was_and_nothing_of_it_changes() {
    let golden = Golden::new("format-0");
    let before = golden.contents();
    assert!(golden.answered().count() > 10);
    golden.answers_as_then(&[]);
    golden.does(&["status"]);
    golden.does(&["hold", "list"]);
    // Who was looked up is entered, and nothing else is written.
    let mut after = golden.contents();
    after.retain(|path, _| before.contains_key(path) || !path.components().any(|part| part.as_os_str() == "lookups"));
    assert!(after == before, "byte for byte");
}

#[test]
fn format_0_is_continued_by_every_job_and_verified() {
    let golden = Golden::new("format-0");
    let before = golden.contents();
    let reported = golden.does(&["verify"]);
    assert!(reported.contains("was of format 0 and is of format 1 now"), "the first that writes says so: {reported}");
    assert!(!golden.does(&["verify"]).contains("format"), "and only the first");
    golden.answers_as_then(&[]);
    // Loading the same exports again changes no record.
    golden.does(&["load", data().to_str().unwrap()]);
    golden.answers_as_then(&[]);
    let now = golden.contents();
    for (place, bytes) in &before {
        assert_eq!(now.get(place), Some(bytes), "{} is as it was written", place.display());
    }
    // Erased stays erased, held stays held, the late row is folded in, look-ups go on.
    assert_eq!(golden.sql("SELECT count(*) FROM ier WHERE person_id = '003f4000000000AAAQ'"), "count\n0\n");
    golden.does(&["archive", "--until", "2026-10-01"]);
    golden.does(&["compact"]);
    golden.answers_as_then(&["tier", "load_coverage"]);
    assert!(golden.does(&["history", "003f40000000003"]).contains("Winter 2020"));
    golden.does(&["log"]);
    golden.does(&["erase", "003f40000000001", "--reason", "request 6", "--confirm"]);
    assert_eq!(golden.sql("SELECT count(*) FROM ier WHERE person_id = '003f40000000001AAA'"), "count\n0\n");
    golden.does(&["load", data().to_str().unwrap()]);
    assert_eq!(golden.sql("SELECT count(*) FROM ier WHERE person_id = '003f40000000001AAA'"), "count\n0\n");
    golden.does(&["reconcile"]);
    golden.does(&["verify"]);
}

/// An upgrade binds what was written before to its place, too.
#[test]
fn format_0_upgraded_finds_entries_and_keys_that_were_changed_for_others() {
    let golden = Golden::new("format-0");
    golden.does(&["verify"]);
    let warehouse = golden.desk.path().join("warehouse");
    let entry = |table: &str, version: u64| warehouse.join(format!("{table}/_delta_log/{version:020}.json"));
    let whole = std::fs::read(entry("reference/legal_hold", 2)).unwrap();
    std::fs::copy(entry("reference/legal_hold", 1), entry("reference/legal_hold", 2)).unwrap();
    for words in [&["verify"][..], &["hold", "list"], &["sql", "SELECT * FROM legal_hold"]] {
        assert_eq!(golden.ier(words).status.code(), Some(6), "{words:?}");
    }
    std::fs::write(entry("reference/legal_hold", 2), whole).unwrap();
    golden.does(&["verify"]);
    let key = std::fs::read_to_string(warehouse.join("erased/key")).unwrap();
    let other = if key.starts_with('0') { '1' } else { '0' };
    std::fs::write(warehouse.join("erased/key"), format!("{other}{}", &key[1..])).unwrap();
    assert_eq!(golden.ier(&["verify"]).status.code(), Some(6));
    assert_eq!(golden.ier(&["load", data().to_str().unwrap()]).status.code(), Some(6));
}
