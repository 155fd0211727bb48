//! What a machine can hold us to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use imports::Imports;

mod dependencies;
mod imports;

/// The rooms in the order data flows: a room knows only those before it. `cli` sees all.
const ROOMS: [&str; 13] =
    ["record", "source", "synthetic", "lake", "tiers", "ledgers", "output", "query", "audit", "jobs", "serve", "manual", "cli"];

/// Rooms whose modules are listed in the same way: each knows only those before it.
const WITH_FLOORS: [&str; 2] = ["lake", "query"];

/// Making one of two records moves their links, which may show that two links are one: one subject, which calls itself.
const ONE_SUBJECT: [&str; 4] = ["tiers/links.rs", "tiers/mend.rs", "tiers/unite.rs", "tiers/upsert/mod.rs"];

/// No file may outgrow its subject.
const LINES: usize = 600;

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

/// A file that lists modules: their names and captions, in order; a module without a caption has an empty one.
fn listed(file: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(crate_folder().join("src").join(file)).expect("a list of modules");
    let lines: Vec<&str> = text.lines().collect();
    let name = |line: &str| Some(line.strip_suffix(';')?.split_once("mod ")?.1.to_owned()).filter(|name| !name.contains(' '));
    let module = |at: usize| name(lines[at]).filter(|name| name != "tests" && !lines[at].starts_with("//"));
    let caption = |at: usize| lines[at - 1].strip_prefix("// ").unwrap_or_default().to_owned();
    (1..lines.len()).filter_map(|at| Some((module(at)?, caption(at)))).collect()
}

fn imports() -> Imports {
    imports::of(&sources())
}

#[test]
fn rooms_are_listed_in_their_order() {
    let order: Vec<String> = listed("lib.rs").into_iter().map(|(room, _)| room).filter(|room| room_of(room).is_some()).collect();
    assert_eq!(order, ROOMS);
}

#[test]
fn imports_point_down_between_rooms_and_between_floors() {
    let mut wrong = Vec::new();
    for (file, imported) in imports() {
        for other in imported {
            if room_of(&other).is_some() && room_of(&file) < room_of(&other) && room_of(&file).is_some() {
                wrong.push(format!("{file} imports {other}"));
            }
        }
    }
    for room in WITH_FLOORS {
        let floors: Vec<String> = listed(&format!("{room}/mod.rs")).into_iter().map(|(floor, _)| floor).collect();
        let floor_of = |file: &str| {
            let below = file.strip_prefix(room)?.strip_prefix('/')?;
            floors.iter().position(|floor| below.trim_end_matches(".rs").split('/').next() == Some(floor.as_str()))
        };
        for (file, imported) in imports() {
            let above = |other: &&String| floor_of(&file).is_some() && floor_of(&file) < floor_of(other);
            wrong.extend(imported.iter().filter(above).map(|other| format!("{file} imports {other}, of a floor above it")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is in no circle has no imports, or nobody imports it, once what is in none was left out.
#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut left = imports();
    left.retain(|file, _| !ONE_SUBJECT.contains(&file.as_str()));
    loop {
        let files: BTreeSet<String> = left.keys().cloned().collect();
        let imported: BTreeSet<String> = left.values().flatten().cloned().collect();
        left.values_mut().for_each(|imports| imports.retain(|other| files.contains(other)));
        left.retain(|file, imports| !imports.is_empty() && imported.contains(file));
        if left.len() == files.len() {
            break;
        }
    }
    let circles: Vec<String> = left.iter().map(|(file, imports)| format!("{file} imports {imports:?}")).collect();
    assert!(circles.is_empty(), "in or between circles:\n{}", circles.join("\n"));
}

#[test]
fn every_module_has_a_caption() {
    let folder = crate_folder().join("src");
    for path in files(&folder, "rs") {
        let name = path.strip_prefix(&folder).expect("below src").to_string_lossy().into_owned();
        if name != "lib.rs" && !name.ends_with("/mod.rs") {
            continue;
        }
        for (module, caption) in listed(&name) {
            assert!(caption.ends_with(['.', '?']), "{name} says in no line above `mod {module}` what that is");
        }
    }
}

/// The README's list of rooms is that of `lib.rs`.
#[test]
fn the_readme_lists_the_rooms_as_the_map_does() {
    let place = |room: &str| match crate_folder().join("src").join(room).is_dir() {
        true => format!("src/{room}/"),
        false => format!("src/{room}.rs"),
    };
    let rows = listed("lib.rs").into_iter().map(|(room, caption)| format!("| {caption} | `{}` |\n", place(&room)));
    let rows: String = rows.collect();
    let readme = std::fs::read_to_string(crate_folder().join("README.md")).expect("a README");
    assert!(readme.contains(&rows), "README.md, Where to look, should list the rooms so:\n{rows}");
}

/// Decisions stand under the file they are about: one that moved takes them along.
#[test]
fn decisions_are_about_files_that_are_there() {
    for path in files(&crate_folder().join("src"), "md").iter().filter(|path| path.ends_with("DECISIONS.md")) {
        let text = std::fs::read_to_string(path).expect("decisions");
        for line in text.lines() {
            let about = line.strip_prefix("## `").and_then(|line| line.strip_suffix('`'));
            let there = |file: &str| path.parent().is_some_and(|room| room.join(file).exists());
            assert!(about.is_none_or(there), "{}: there is no {line}", path.display());
        }
    }
}

/// One style: a module with children is its folder's `mod.rs`.
#[test]
fn a_module_with_children_is_in_its_folder() {
    for path in ["src", "tests", "benches"].iter().flat_map(|folder| files(&crate_folder().join(folder), "rs")) {
        let name = path.strip_prefix(crate_folder()).expect("below the crate").to_string_lossy().into_owned();
        assert!(!path.with_extension("").is_dir(), "{name} has children beside it: make it their folder's mod.rs");
    }
}

#[test]
fn small_rooms_know_no_large_ones() {
    for (file, text) in sources() {
        if ["error/", "clock.rs", "human.rs", "progress.rs"].iter().any(|small| file.starts_with(small)) {
            for room in ROOMS {
                assert!(!text.contains(&format!("crate::{room}")), "{file} knows crate::{room}");
            }
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
        assert!(lines <= LINES, "{name} has {lines} lines: split it by the question it answers");
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
