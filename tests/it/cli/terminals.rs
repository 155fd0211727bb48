//! Names that a terminal would obey, from everywhere names come from, through every verb.

use std::collections::BTreeSet;

use super::*;

/// Colours, a cleared screen in one character and in two, a bell, a line over the one before, a line turned round.
const EVIL: &str = "\u{1b}[31mEve\u{1b}[2J\u{9b}2J\u{7}\r\u{202e}";

const EVE: &str = "003f40000063001AAA";

fn room() -> Room {
    let room = Room::new();
    room.file("contact.csv", format!("Id,FirstName,LastName,Email\n{EVE},\"{EVIL}\",Peak,eve@example.edu\n003f40000063002AAA,Ann,\"{EVIL}\",eve@example.edu\n"));
    room.file(
        "ier.csv",
        format!(
            "Id,Name,et4ae5__Contact__c,et4ae5__MergeId__c,et4ae5__DateSent__c,et4ae5__SubjectLine__c,et4ae5__Email_Name__c,CreatedDate,SystemModstamp\n\
             a0Df40000063001EAA,IER-1,{EVE},M1,2026-08-06T10:00:00.000Z,\"{EVIL}\",\"News {EVIL}\",2026-08-06T10:00:00.000Z,2026-08-06T10:00:00.000Z\n\
             \"{EVIL}\",IER-2,{EVE},M2,2026-08-06T10:00:00.000Z,x,x,2026-08-06T10:00:00.000Z,\"{EVIL}\"\n"
        ),
    );
    room.file("header.csv", format!("\"{EVIL}\",b\n1,2\n"));
    room.file(&format!("{EVIL}.csv"), format!("contact_id,\"{EVIL}\",start_date\n{EVE},1,{EVIL}\n"));
    room.file(&format!("{EVIL}.txt"), "kept");
    std::fs::create_dir(room.path().join("asked")).unwrap();
    room.file("asked/evil.sql", format!("-- {EVIL}\nSELECT '{EVIL}' AS a\n"));
    room
}

/// What is in a text that has no place on a terminal.
fn obeyed(bytes: &[u8]) -> BTreeSet<char> {
    let is_obeyed = |character: &char| {
        let lines = matches!(character, '\n' | '\t');
        character.is_control() && !lines || matches!(character, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    String::from_utf8_lossy(bytes).chars().filter(is_obeyed).collect()
}

#[test]
fn nothing_that_a_terminal_obeys_reaches_it_from_any_verb() {
    let room = room();
    let (file, text, ids) = (format!("{EVIL}.csv"), format!("{EVIL}.txt"), format!("{EVIL}.ids"));
    let (config, folder) = (format!("{EVIL}.toml"), format!("{EVIL}/made"));
    let (literal, unit) = (format!("SELECT '{EVIL}' AS \"{EVIL}\""), format!("--unit={EVIL}"));
    let (explained, wrong) = (format!("EXPLAIN {literal} FROM ier"), format!("SELECT {EVIL}"));
    let mut reported = BTreeSet::new();
    let mut evil = 0;
    for words in [
        &["load", "contact.csv", "ier.csv", "--rejects", "r.csv"][..],
        &["load", "header.csv", "--rejects", "s.csv"],
        &["load", &file, "--rejects", "t.csv"],
        &["load", &text, "--rejects", "u.csv"],
        &["load", &wrong],
        &["load", "contact.csv", "--rejects", &text],
        &["who", "eve"],
        &["who", EVIL],
        &["history", "eve@example.edu"],
        &["history", EVIL],
        &["history", EVE, "--reason", EVIL],
        &["audit", EVE, "--about", "news", "--reason", EVIL],
        &["audit", EVE, "--about", EVIL],
        &["audit", EVE, "--about", "news", "--evidence", "pack"],
        &["audit", "verify", "pack"],
        &["audit", "verify", &file],
        &["alias", "add", "003f40000063002AAA", EVE, "--reason", EVIL],
        &["alias", "add", EVIL, EVE, "--reason", "x"],
        &["alias", "list"],
        &["log"],
        &["hold", "add", "--person", EVE, "--reason", EVIL],
        &["hold", "add", &unit, "--reason", "x"],
        &["hold", "list"],
        &["erase", EVE, "--reason", EVIL],
        &["erase", EVIL, "--reason", "x"],
        &["erase", "--finish"],
        &["drop", EVIL],
        &["hold", "release", EVIL, "--reason", "x"],
        &["erase", EVE, "--reason", EVIL, "--rejects", &folder],
        &["inspect", "contact.csv", "header.csv"],
        &["inspect", &file],
        &["status"],
        &["status", "--metrics"],
        &["sql", "SELECT first_name, last_name, email_name FROM contact c JOIN ier i ON i.contact_id = c.contact_id"],
        &["sql", "-F", "chart", "SELECT email_name, count(*) FROM ier GROUP BY 1"],
        &["sql", &literal],
        &["sql", &explained],
        &["sql", &wrong],
        &["sql", "-o", &folder, "SELECT 1"],
        &["ask"],
        &["ask", "evil"],
        &["ask", "evil", "--explain"],
        &["ask", "evil", "--help"],
        &["ask", EVIL],
        &["ask", "evil", EVIL],
        &["archive", "--until", "2026-09-01"],
        &["archive", "--until", EVIL],
        &["compact"],
        &["vacuum"],
        &["retain"],
        &["reconcile"],
        &["verify"],
        &["verify", "--table", EVIL],
        &["verify", "--erased", EVIL],
        &["release", "--out", &ids],
        &["release", "--again", EVIL, "--out", "x.csv"],
        &["run", "--once"],
        &["run", "--dry-run"],
        &["run", "--once", "--config", &config],
        &["generate", &text],
        &["demo", "data"],
        &["manual", "loading"],
        &["manual", EVIL],
        &["serve", "--pg", EVIL],
        &["user", "add", EVIL, "--role", "analyst"],
        &["user", "add", "ann", "--role", EVIL],
        &["user", "add", "ann", "--role", "analyst", &unit],
        &["user", "list"],
        &["user", "token", EVIL],
        &["user", "remove", "ann"],
        &["completions", "bash"],
        &["completions", EVIL],
        &[EVIL],
        &["-w", &text, "status"],
        &["-w", &folder, "status"],
    ] {
        let output = room.command(words).env("IER_ASK_FOLDER", "asked").output().unwrap();
        for (bytes, whence) in [(&output.stdout, "standard output"), (&output.stderr, "standard error")] {
            let obeyed = obeyed(bytes);
            assert!(obeyed.is_empty(), "{words:?}, {whence}: {obeyed:?} in {:?}", String::from_utf8_lossy(bytes));
            evil += u32::from(String::from_utf8_lossy(bytes).contains("[31mEve"));
        }
        reported.extend(words.first().map(|verb| (*verb).to_owned()));
    }
    assert!(evil > 30, "the names are shown, in {evil} places: or nothing is tried");
    let unreported: Vec<String> = verbs().into_iter().filter(|verb| !reported.contains(verb)).collect();
    assert!(unreported.is_empty(), "verbs that are not tried: {unreported:?}");
    let page = std::fs::read(room.path().join("pack/evidence.html"));
    assert_eq!(obeyed(&page.unwrap()), BTreeSet::new());
}

#[test]
fn statements_from_a_pipe_print_nothing_that_a_terminal_obeys() {
    let room = room();
    assert!(room.run(&["load", "contact.csv"]).status.success());
    for typed in [format!("SELECT {EVIL};"), format!("\\d {EVIL}\n"), format!("\\format {EVIL}\n"), format!("SELECT '{EVIL}';")] {
        let output = room.run_with(&["sql"], typed.as_bytes());
        assert_eq!((obeyed(&output.stdout), obeyed(&output.stderr)), Default::default(), "{typed:?}: {output:?}");
    }
}
