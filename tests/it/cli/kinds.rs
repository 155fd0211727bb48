//! What goes wrong outside of us: its kind, its exit code, and what the message names.

use std::path::PathBuf;

use super::*;

fn loaded() -> Room {
    let room = Room::new();
    let files = ["data/individual_email_result.csv", "data/contact.csv", "data/email_send.csv"];
    assert!(room.run(&[&["load", "--rejects", "r.csv"], &files[..]].concat()).status.success());
    room
}

/// The files below a folder whose names end so, in order.
fn files(room: &Room, folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![room.path().join(folder)];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match path.is_dir() {
                true => folders.push(path),
                false if path.to_string_lossy().ends_with(ending) => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    found
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_the_disks_fault_whatever_is_written() {
    let room = loaded();
    let many = "SELECT x.*, random() AS r FROM ier x, ier y, ier z";
    for format in ["csv", "json", "ndjson", "table", "parquet", "arrow", "xlsx"] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let reported = room.command(&["sql", "-F", format, many]).stdout(full).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(code(&reported), 5, "{format}: {}", err(&reported));
        assert!(
            err(&reported).contains("standard output") && err(&reported).contains("No space left"),
            "{format}: {}",
            err(&reported)
        );
        let reported = room.run(&["sql", "-F", format, "-o", "/dev/full", many]);
        assert_eq!(code(&reported), 5, "{format}: {}", err(&reported));
        assert!(
            err(&reported).contains("cannot write /dev/full") && err(&reported).contains("No space left"),
            "{}",
            err(&reported)
        );
    }
    for words in [&["status"][..], &["hold", "list"], &["--help"], &["archive", "--dry-run"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let reported = room.command(words).stdout(full).stderr(Stdio::piped()).output().unwrap();
        assert_ne!(code(&reported), 70, "{words:?}: {}", err(&reported));
        assert_ne!(code(&reported), 0, "{words:?}: {}", err(&reported));
    }
}

#[test]
fn a_file_the_log_names_and_nobody_has_is_damage() {
    for question in [
        "SELECT count(*) FILTER (WHERE opened) FROM ier",
        "SELECT * FROM rates_by_month",
        "SELECT * FROM ier WHERE person_id = '003f40000000003AAA'",
        "SELECT max(subject_line) FROM ier",
    ] {
        let room = loaded();
        for file in files(&room, "warehouse/hot", ".parquet") {
            std::fs::remove_file(file).unwrap();
        }
        let reported = room.run(&["sql", question]);
        assert_eq!(code(&reported), 6, "{question}: {}", err(&reported));
        assert!(err(&reported).contains("part-") && err(&reported).contains("is not there"), "{question}: {}", err(&reported));
    }
    let room = loaded();
    for file in files(&room, "warehouse/hot", ".parquet") {
        std::fs::remove_file(file).unwrap();
    }
    for words in [
        &["load", "data/individual_email_result.csv", "--rejects", "s.csv"][..],
        &["archive", "--until", "2026-10-01"],
        &["verify"],
    ] {
        // A load that changes nothing may not need the rows.
        let reported = room.run(words);
        assert!([0, 6].contains(&code(&reported)), "{words:?}: {}", err(&reported));
    }
    assert_eq!(code(&room.run(&["archive", "--until", "2026-10-01"])), 6);
}

#[test]
fn a_log_with_a_gap_is_damage() {
    let room = loaded();
    let more = room.run(&["load", "data/individual_email_result-late.csv", "--rejects", "s.csv"]);
    assert!(more.status.success(), "{}", err(&more));
    let entries = files(&room, "warehouse/hot/individual_email_result/_delta_log", ".json");
    assert!(entries.len() > 1, "{entries:?}");
    std::fs::remove_file(&entries[0]).unwrap();
    let reported = room.run(&["sql", "SELECT count(*) FROM ier"]);
    assert_eq!(code(&reported), 6, "{}", err(&reported));
}

#[test]
fn a_mistake_in_a_statement_is_the_persons_also_where_it_is_found_late() {
    let room = loaded();
    for statement in [
        "SELECT custom_field(ier_id, 'a') FROM ier",
        "SELECT CAST(ier_id AS int) FROM ier",
        "SELECT 1 / (count(*) - count(*)) FROM ier",
        "SELECT date_trunc('fortnight', date_sent) FROM ier",
    ] {
        let reported = room.run(&["sql", statement]);
        assert_eq!(code(&reported), 2, "{statement}: {}", err(&reported));
    }
}

#[test]
fn a_path_in_an_error_is_whole_and_stands_there_once() {
    let room = loaded();
    let folder = room.path().canonicalize().unwrap().join("warehouse/hot").display().to_string();
    let file = &files(&room, "warehouse/hot", ".parquet")[0];
    let mut bytes = std::fs::read(file).unwrap();
    bytes[300] ^= 1;
    std::fs::write(file, bytes).unwrap();
    for gone in [false, true] {
        if gone {
            std::fs::remove_file(file).unwrap();
        }
        let verified = room.run(&["verify"]);
        assert!(out(&verified).contains(&format!("DAMAGED {folder}/")), "{}", out(&verified));
        let refused = room.run(&["archive", "--until", "2026-10-01"]);
        for reported in [err(&verified), err(&refused)] {
            assert!(reported.contains(&format!(" {folder}/")) && reported.matches(".parquet").count() == 1, "{reported}");
        }
    }
    let reported = err(&room.run(&["sql", "-o", "nowhere/a.csv", "SELECT 1"]));
    assert_eq!(reported, "ier: cannot write nowhere/a.csv: No such file or directory (os error 2)\n");
}
