//! Folders and files by whatever name.

use super::*;

fn loads(room: &Room, folder: &Path, words: &[&str]) -> Output {
    let mut command = room.command(&[words, &["load", &data().join("contact.csv").display().to_string()]].concat());
    command.current_dir(folder).output().unwrap()
}

/// The folders below this one that hold a table, from it.
fn warehouses(below: &Path) -> Vec<String> {
    fn walk(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap).filter(|entry| entry.file_type().unwrap().is_dir()) {
            match entry.file_name() == "reference" {
                true => found.push(folder.to_owned()),
                false => walk(&entry.path(), found),
            }
        }
    }
    let mut found = Vec::new();
    walk(below, &mut found);
    let mut names: Vec<String> =
        found.iter().map(|path| path.strip_prefix(below).unwrap().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_warehouse_may_have_any_name() {
    let room = Room::new();
    let here = room.path().join("here");
    std::fs::create_dir_all(here.join("sub/deep")).unwrap();
    std::fs::create_dir(here.join("a b")).unwrap();
    std::os::unix::fs::symlink("sub/deep", here.join("link")).unwrap();
    for (words, folder) in [
        ("wh", "here/wh"),
        ("../beside", "beside"),
        ("..", ""),
        ("./sub/../other", "here/other"),
        ("sub/", "here/sub"),
        ("link", "here/sub/deep"),
        ("link/../beyond", "here/sub/beyond"),
        ("~/at home", "at home"),
        ("~bob", "here/~bob"),
        ("a b", "here/a b"),
        ("100%", "here/100%"),
        ("a#1", "here/a#1"),
        ("a?b", "here/a?b"),
        ("a*b", "here/a*b"),
        ("Büro ä€", "here/Büro ä€"),
        ("a:b", "here/a:b"),
        (" blank ", "here/ blank "),
        ("./s3:/bucket", "here/s3:/bucket"),
    ] {
        for _ in 0..3 {
            let loaded = loads(&room, &here, &["-w", words]);
            assert!(loaded.status.success(), "{words:?}: {}", err(&loaded));
        }
        assert_eq!(warehouses(room.path()), [folder], "{words:?}");
        for (question, answer) in
            [(&["sql", "-F", "csv", "SELECT count(*) AS n FROM contact"][..], "n\n6\n"), (&["-q", "verify"], "")]
        {
            let reported = room.command(&[&["-w", words], question].concat()).current_dir(&here).output().unwrap();
            assert!(
                reported.status.success() && out(&reported).ends_with(answer),
                "{words:?}: {}{}",
                out(&reported),
                err(&reported)
            );
        }
        let there = room.path().join(folder);
        for name in ["reference", "hot", "archive", "lookups"] {
            drop(std::fs::remove_dir_all(there.join(name)));
        }
    }
}

#[test]
fn a_warehouse_that_cannot_be_is_refused_before_anything_is_written() {
    let room = Room::new();
    room.file("file", "");
    std::os::unix::fs::symlink("nowhere/at/all", room.path().join("dangling")).unwrap();
    for (words, says) in [
        ("s3:/bucket", "give s3://bucket"),
        ("gs:bucket", "give gs://bucket"),
        ("file", "is a file: name a folder"),
        ("file/wh", "Not a directory"),
        ("a\nb", "illegal character"),
        ("a%20b", "would be read as another"),
        ("s3://bucket/a%2520b", "would be read as another"),
        ("a%2Fb/wh", "would be read as another"),
        ("a\\b", "would be read as another"),
        ("ftp://example.org/x", "Unable to recognise URL"),
        ("file://wh", "is not a local path"),
        ("  ", "is empty"),
    ] {
        let refused = loads(&room, room.path(), &["-w", words]);
        assert_eq!(code(&refused), 2, "{words:?}: {}", err(&refused));
        assert!(err(&refused).contains(says), "{words:?}: {}", err(&refused));
        assert_eq!(warehouses(room.path()), [""; 0], "{words:?}");
    }
    let names = |room: &Room| {
        let mut names: Vec<_> = std::fs::read_dir(room.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&room), ["dangling", "data", "file"]);
}

#[test]
fn relative_paths_in_a_settings_file_start_at_the_file() {
    let room = Room::new();
    let (here, beside) = (room.path().join("here"), room.path().join("etc dir"));
    std::fs::create_dir(&here).unwrap();
    std::fs::create_dir(&beside).unwrap();
    for (words, folder) in [("../wh", "wh"), ("wh", "etc dir/wh"), ("~/wh 2", "wh 2")] {
        std::fs::write(beside.join("ier.toml"), format!("warehouse = '{words}'\n")).unwrap();
        for config in ["../etc dir/ier.toml".to_owned(), beside.join("ier.toml").display().to_string()] {
            let loaded = loads(&room, &here, &["--config", &config]);
            assert!(loaded.status.success(), "{config}: {}", err(&loaded));
            assert_eq!(warehouses(room.path()), [folder], "{words}");
        }
        let mut named = room.command(&["sql", "-F", "csv", "SELECT count(*) AS n FROM contact"]);
        let named = named.current_dir(&here).env("IER_CONFIG", "../etc dir/ier.toml").output().unwrap();
        assert_eq!(out(&named), "n\n6\n", "{}", err(&named));
        std::fs::remove_dir_all(room.path().join(folder)).unwrap();
    }
    // What the environment and a flag say is meant from where the command is typed.
    let mut variable = room.command(&["load", "../data/contact.csv"]);
    let loaded = variable.current_dir(&here).env("IER_WAREHOUSE", "../by variable").output().unwrap();
    assert!(loaded.status.success(), "{}", err(&loaded));
    assert_eq!(warehouses(room.path()), ["by variable"]);
}

#[test]
fn whatever_else_is_read_or_written_may_have_any_name() {
    let room = Room::new();
    let here = room.path().join("here");
    for name in ["a b", "100%", "a#1", "Büro", "a*b", "[a]"] {
        let folder = here.join(name);
        std::fs::create_dir_all(folder.join("spill")).unwrap();
        for file in ["contact.csv", "individual_email_result.csv", "email_send.csv"] {
            std::fs::copy(data().join(file), folder.join(file)).unwrap();
        }
        std::fs::write(folder.join("mine.sql"), "-- How many\nSELECT count(*) AS n FROM ier\n").unwrap();
        let in_it = |file: &str| format!("../here/{name}/{file}");
        let run = |words: &[&str]| {
            let mut command = room.command(&[&["-w", &in_it("wh")], words].concat());
            command.current_dir(&here).env("IER_ASK_FOLDER", in_it("")).env("IER_QUERY_SPILL_FOLDER", in_it("spill"));
            let output = command.output().unwrap();
            assert!(output.status.success(), "{name}: {words:?}: {}", err(&output));
            output
        };
        run(&["load", &in_it("individual_email_result.csv"), &in_it("contact.csv"), "--rejects", &in_it("rejects.csv")]);
        run(&["load", &in_it("email_send.csv"), "--rejects", &in_it("rejects2.csv")]);
        assert!(folder.join("rejects.csv").is_file(), "{name}");
        assert_eq!(out(&run(&["ask", "mine", "-F", "csv"])), "n\n15\n", "{name}");
        run(&["sql", "SELECT * FROM ier ORDER BY ier_id", "-o", &in_it("all rows.csv")]);
        run(&["sql", "SELECT * FROM ier ORDER BY ier_id", "-o", &in_it("all rows.xlsx")]);
        run(&["audit", "003f40000000003", "--about", "enrolment", "--evidence", &in_it("case.zip")]);
        run(&["archive", "--until", "2026-10-01"]);
        run(&["release", "--out", &in_it("delete.csv")]);
        for file in ["all rows.csv", "all rows.xlsx", "case.zip", "delete.csv"] {
            assert!(folder.join(file).is_file(), "{name}/{file}");
        }
    }
    // Behind a flag's `=` a shell leaves it alone.
    let written =
        room.command(&["-w", "a b/wh", "sql", "--output=~/home.csv", "SELECT 1 AS a"]).current_dir(&here).output().unwrap();
    assert!(written.status.success() && room.path().join("home.csv").is_file(), "{}", err(&written));
}
