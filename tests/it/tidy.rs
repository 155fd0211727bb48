//! What a machine can hold us to.

use std::path::{Path, PathBuf};

/// The rooms in the order data flows: a room knows only those before it. `cli` sees all.
const ROOMS: [&str; 7] = ["record", "source", "lake", "tiers", "query", "jobs", "cli"];

/// No file may outgrow its subject.
const LINES: usize = 600;

/// The one table of columns is one subject, however long.
const LONGER: [(&str, usize); 1] = [("record/fields.rs", 761)];

fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder with this ending, in order.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The engine's sources: path below `src`, text without comments.
fn sources() -> Vec<(String, String)> {
    let folder = crate_folder().join("src");
    let name = |path: &PathBuf| path.strip_prefix(&folder).expect("below src").to_string_lossy().into_owned();
    let code = |text: String| text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    files(&folder, "rs").iter().map(|path| (name(path), code(std::fs::read_to_string(path).expect("a source file")))).collect()
}

fn room_of(path: &str) -> Option<usize> {
    let first = path.split(['/', ':']).next()?;
    ROOMS.iter().position(|room| *room == first)
}

#[test]
fn arrows_between_rooms_point_down() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let Some(here) = room_of(&file) else { continue };
        for (at, _) in text.match_indices("crate::") {
            let there = &text[at + "crate::".len()..];
            if room_of(there.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()) > Some(here) {
                wrong.push(format!("{file} knows crate::{}", there.lines().next().unwrap_or_default()));
            }
        }
    }
    assert!(wrong.is_empty(), "a room knows one after it in {ROOMS:?}:\n{}", wrong.join("\n"));
}

#[test]
fn small_rooms_know_no_large_ones() {
    for (file, text) in sources() {
        if ["error.rs", "clock.rs", "human.rs", "progress.rs"].contains(&file.as_str()) {
            for room in ROOMS {
                assert!(!text.contains(&format!("crate::{room}")), "{file} knows crate::{room}");
            }
        }
    }
}

#[test]
fn time_is_read_in_one_file() {
    for (file, text) in sources() {
        for reading in ["Utc::now", "Local::now", "SystemTime::now", "Instant::now", "Date::today"] {
            assert!(file == "clock.rs" || !text.contains(reading), "{file} reads the time ({reading}): take a Clock");
        }
    }
}

#[test]
fn environment_is_read_in_one_file() {
    for (file, text) in sources() {
        for reading in ["env::var", "env::vars", "env::var_os"] {
            assert!(file == "settings.rs" || !text.contains(reading), "{file} reads the environment ({reading}): take a setting");
        }
    }
}

#[test]
fn nothing_panics_on_purpose() {
    for (file, text) in sources() {
        if file.ends_with("tests.rs") {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in ["todo!", "unimplemented!", "panic!(", ".unwrap()", "dbg!"] {
            assert!(!code.contains(word), "{file} has {word}");
        }
    }
}

#[test]
fn no_file_outgrows_its_subject() {
    for path in files(&crate_folder().join("src"), "rs") {
        let name = path.strip_prefix(crate_folder().join("src")).expect("below src").to_string_lossy().into_owned();
        let lines = std::fs::read_to_string(&path).expect("a source file").lines().count();
        let limit = LONGER.iter().find(|(file, _)| *file == name).map_or(LINES, |(_, limit)| *limit);
        assert!(lines <= limit, "{name} has {lines} lines: split it by the question it answers");
    }
}

#[test]
fn every_sql_file_is_used_and_says_what_it_answers() {
    let mut readers: Vec<PathBuf> = files(&crate_folder().join("src"), "rs");
    readers.extend(files(&crate_folder().join("tests"), "rs"));
    readers.extend(files(&crate_folder().join("tests"), "slt"));
    let texts: Vec<String> = readers.iter().map(|path| std::fs::read_to_string(path).expect("a source file")).collect();
    for path in files(&crate_folder().join("sql"), "sql") {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(texts.iter().any(|text| text.contains(&name)), "{name} is named in no test and in no source file");
        let text = std::fs::read_to_string(&path).expect("an SQL file");
        assert!(text.starts_with("-- "), "{name} does not begin with a comment that says what it answers");
    }
}
