//! Slips of the finger: what cannot be taken back shows whom it is about and asks, and what was named by mistake is not loaded.

use super::*;

fn loaded() -> Room {
    let room = Room::new();
    let loaded = room.run(&["load", "data", "--rejects", "r.csv"]);
    assert!(loaded.status.success(), "{}", err(&loaded));
    room
}

/// Refused with this code, and this is said.
fn refused(room: &Room, words: &[&str], wanted: i32, says: &[&str]) {
    let reported = room.run(words);
    assert_eq!(code(&reported), wanted, "{words:?}: {}{}", out(&reported), err(&reported));
    for part in says {
        assert!(err(&reported).contains(part), "{words:?} does not say {part:?}: {}", err(&reported));
    }
}

#[test]
fn a_table_that_the_file_is_not_of_is_refused() {
    let room = loaded();
    let before = room.sql("SELECT (SELECT count(*) FROM ier) AS mails, (SELECT count(*) FROM individual_link) AS links");
    let like = |table| format!("this looks like an export of {table}");
    for (file, reported, says) in [
        ("data/individual_link.csv", "individual_email_result", like("individual_link")),
        ("data/contact.csv", "individual_link", like("contact")),
        ("data/individual_email_result.csv", "opens", like("individual_email_result")),
        ("data/affiliation.csv", "contact", "no column of this file is one of contact".to_owned()),
    ] {
        refused(&room, &["load", file, "--as", reported], 2, &[&says]);
    }
    // The columns are those of both; the ids are a lead's.
    room.file("people.csv", "Id,FirstName,LastName,Email\n00Qf40000000001EAA,Ana,Ortiz,a@example.edu\n");
    refused(&room, &["load", "people.csv", "--as", "contact"], 2, &["their ids begin with 00Q, as those of leads do", "--force"]);
    room.file("sites.csv", "Id,Building,Floor\na0Bf40000000001EAA,Norlin,2\n");
    refused(&room, &["load", "sites.csv", "--as", "email_send"], 2, &["2 of 3 are unknown there"]);
    assert_eq!(room.sql("SELECT (SELECT count(*) FROM ier) AS mails, (SELECT count(*) FROM individual_link) AS links"), before);
    let insisted = room.run(&["load", "sites.csv", "--as", "email_send", "--force"]);
    assert!(insisted.status.success(), "{}", err(&insisted));
    // A file with few columns, all of which are understood, is loaded as the user says.
    room.file("deleted.csv", "Id,IsDeleted\n003f40000000003AAA,true\n");
    let thin = room.run(&["load", "deleted.csv", "--as", "contact"]);
    assert!(thin.status.success(), "{}", err(&thin));
}

#[test]
fn a_new_table_whose_name_is_nearly_another_is_asked_about_and_can_be_dropped() {
    let room = loaded();
    for name in ["affilation", "afiliation", "employmnet", "leda", "individual_emial_result"] {
        let meant = ["affiliation", "employment", "lead", "individual_email_result"];
        let near = room.run(&["load", "data/affiliation.csv", "--as", name]);
        assert_eq!(code(&near), 2, "{name}");
        assert!(meant.iter().any(|meant| err(&near).contains(&format!("load with --as {meant} if"))), "{}", err(&near));
    }
    room.file("Affilation.csv", std::fs::read(data().join("affiliation.csv")).unwrap());
    refused(&room, &["load", "Affilation.csv"], 2, &["there is affiliation"]);
    let made = room.run(&["load", "Affilation.csv", "--force"]);
    assert!(made.status.success(), "{}", err(&made));
    assert_eq!(room.sql("SELECT count(*) AS n FROM affilation"), "n\n6\n");

    let shown = room.run(&["drop", "affilation"]);
    assert!(shown.status.success() && out(&shown).contains("6 rows") && out(&shown).contains("add --confirm"), "{}", out(&shown));
    assert_eq!(room.sql("SELECT count(*) AS n FROM affilation"), "n\n6\n", "only shown");
    let dropped = room.run(&["drop", "affilation", "--confirm"]);
    assert!(dropped.status.success(), "{}", err(&dropped));
    refused(&room, &["sql", "SELECT * FROM affilation"], 3, &["there is no table affilation"]);
    refused(&room, &["drop", "affilation", "--confirm"], 3, &["no table affilation"]);
    let listed = room.run_with(&["sql"], b"\\d\n");
    assert!(!out(&listed).contains("affilation") && out(&listed).contains("affiliation"), "{}", out(&listed));
    assert!(!out(&room.run(&["status"])).contains("affilation"));
    assert_eq!(room.sql("SELECT outcome, rows FROM job_run WHERE job = 'drop'"), "outcome,rows\ndone,6\n");
    for job in [&["verify"][..], &["reconcile"], &["archive"], &["compact"], &["vacuum"], &["status"]] {
        let done = room.run(job);
        assert!(done.status.success(), "{job:?}: {}{}", out(&done), err(&done));
    }

    // The same name again is a new table, with the columns of its file alone.
    room.file("affilation.csv", "ContactId,Club\n003f40000000003AAA,Chess\n");
    let again = room.run(&["load", "affilation.csv"]);
    assert!(again.status.success(), "{}", err(&again));
    assert_eq!(room.sql("SELECT contact_id, club FROM affilation"), "contact_id,club\n003f40000000003AAA,Chess\n");
    refused(&room, &["sql", "SELECT campus FROM affilation"], 2, &["campus"]);
    for table in ["ier", "contact", "person_alias", "job_run"] {
        refused(&room, &["drop", table, "--confirm"], 2, &["is never dropped"]);
    }
    refused(&room, &["drop", "affiliatoin"], 3, &["is affiliation meant?"]);
}

#[test]
fn an_erasure_reaches_what_was_dropped() {
    let room = loaded();
    assert!(room.run(&["drop", "affiliation", "--confirm"]).status.success());
    let traces = room.run(&["verify", "--erased", "003f40000000003"]);
    assert!(out(&traces).contains("affiliation"), "the file is still there: {}", out(&traces));
    assert!(room.run(&["erase", "003f40000000003", "--reason", "ticket 4711", "--confirm"]).status.success());
    let traces = room.run(&["verify", "--erased", "003f40000000003"]);
    assert!(traces.status.success(), "{}{}", out(&traces), err(&traces));
}

#[test]
fn two_people_are_made_one_only_when_somebody_has_seen_who_they_are() {
    let room = loaded();
    let join = ["alias", "add", "003f40000000003", "003f40000000004", "--reason", "ticket 4711"];
    let shown = room.run(&join);
    assert!(shown.status.success(), "{}", err(&shown));
    for part in ["Ben Reed", "ben.reed@example.edu", "Chen Wu", "mails", "for good", "add --confirm"] {
        assert!(out(&shown).contains(part), "{part}: {}", out(&shown));
    }
    assert!(!room.sql("SELECT alias_id FROM person_alias").contains("003f40000000003AAA"));
    let mistyped = ["alias", "add", "003f40000000003", "003f4000000000B", "--reason", "x", "--confirm"];
    refused(&room, &mistyped, 3, &["no contact, lead or record here has the id", "add --unknown"]);
    let insisted = room.run(&[&mistyped[..], &["--unknown"]].concat());
    assert!(insisted.status.success(), "{}", err(&insisted));
}

#[test]
fn holds_and_erasures_of_nobody_are_refused() {
    let room = loaded();
    refused(&room, &["hold", "add", "--person", "003f4000000000B", "--reason", "case 17"], 3, &["no contact, lead", "--anyway"]);
    refused(&room, &["hold", "add", "--send", "999999", "--reason", "case 17"], 3, &["no send", "999999", "--anyway"]);
    assert_eq!(room.sql("SELECT count(*) AS n FROM legal_hold"), "n\n0\n");
    let held = room.run(&["hold", "add", "--person", "ben.reed@example.edu", "--reason", "case 17"]);
    assert!(
        held.status.success() && out(&held).contains("Ben Reed") && out(&held).contains("003f40000000003AAA"),
        "{}",
        out(&held)
    );
    let coming = room.run(&["hold", "add", "--send", "999999", "--reason", "case 18", "--anyway"]);
    assert!(coming.status.success(), "{}", err(&coming));

    let nobody = ["erase", "003f4000000000B", "--reason", "ticket 4711", "--confirm"];
    refused(&room, &nobody, 3, &["no contact, lead", "add --unknown"]);
    assert_eq!(room.sql("SELECT count(*) AS n FROM erasure"), "n\n0\n");
    let insisted = room.run(&[&nobody[..], &["--unknown"]].concat());
    assert!(insisted.status.success(), "{}", err(&insisted));
}

#[test]
fn a_reason_that_is_kept_for_good_names_nobody() {
    let room = loaded();
    for reason in [
        "Ben Reed asked for it",
        "Reed, Ben",
        "Mr Reed's request",
        "mail from ben.reed@example.edu.",
        "contact 003f40000000003",
        "contact 003f40000000003AAA",
        "BEN REED",
    ] {
        let reported = room.run(&["erase", "003f40000000003", "--reason", reason, "--confirm"]);
        assert_eq!(code(&reported), 2, "{reason}");
        assert!(err(&reported).contains("names the person") && !err(&reported).contains("Reed"), "{reason}: {}", err(&reported));
    }
    assert_eq!(room.sql("SELECT count(*) AS n FROM erasure"), "n\n0\n");
    let done = room.run(&["erase", "003f40000000003", "--reason", "ticket 4711, to be read by the office", "--confirm"]);
    assert!(done.status.success(), "{}", err(&done));
}

#[cfg(unix)]
#[test]
fn what_names_people_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let room = loaded();
    let mode = |path: &str| std::fs::metadata(room.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("warehouse"), 0o700);
    let pack = ["audit", "003f40000000001", "--about", "stories", "--evidence", "pack"];
    assert!(room.run(&pack).status.success());
    assert_eq!(mode("pack"), 0o700);
    for file in std::fs::read_dir(room.path().join("pack")).unwrap().map(|entry| entry.unwrap().file_name()) {
        assert_eq!(mode(&format!("pack/{}", file.to_string_lossy())), 0o600, "{file:?}");
    }
    assert!(room.run(&["sql", "-o", "a.csv", "SELECT * FROM contact"]).status.success());
    assert!(room.run(&["sql", "-o", "a.png", "SELECT month, sent FROM rates_by_month"]).status.success());
    assert_eq!(mode("a.csv"), 0o600);
    assert_eq!(mode("a.png") & 0o600, 0o600);
    assert_ne!(mode("a.png"), 0o600, "a picture names nobody");
    let audience = ["ask", "audience", "--did", "opened", "--about", "stories", "--as", "audience", "-o", "members.csv"];
    let listed = room.run(&audience);
    assert!(listed.status.success(), "{}", err(&listed));
    assert_eq!(mode("members.csv"), 0o600);
}

#[test]
fn an_answer_replaces_no_file_unless_told() {
    let room = loaded();
    room.file("a.csv", "mine");
    refused(&room, &["sql", "-o", "a.csv", "SELECT 1"], 2, &["a.csv exists already", "--force"]);
    refused(&room, &["ask", "rates", "-o", "a.csv"], 2, &["a.csv exists already"]);
    assert_eq!(std::fs::read_to_string(room.path().join("a.csv")).unwrap(), "mine");
    assert!(room.run(&["sql", "-o", "a.csv", "--force", "SELECT 1 AS one"]).status.success());
    assert_eq!(std::fs::read_to_string(room.path().join("a.csv")).unwrap(), "one\n1\n");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("nowhere.csv", room.path().join("link.csv")).unwrap();
        refused(&room, &["sql", "-o", "link.csv", "SELECT 1"], 2, &["a link to a file that is not there"]);
    }
}

#[test]
fn a_demo_that_somebody_went_on_with_is_not_cleared() {
    let room = Room::new();
    let demo = || room.run(&["demo", "try"]);
    assert!(demo().status.success());
    assert!(demo().status.success(), "an untouched one may be made anew");
    assert!(room.run(&["-w", "try/warehouse", "load", "data", "--rejects", "r.csv"]).status.success());
    refused(&room, &["demo", "try"], 2, &["something else was loaded into it since", "--fresh"]);
    let fresh = room.run(&["demo", "try", "--fresh"]);
    assert!(fresh.status.success(), "{}", err(&fresh));
}

#[test]
fn days_are_written_in_one_way_everywhere() {
    let room = loaded();
    let who = "003f40000000003";
    for words in [
        &["audit", who, "--about", "stories", "--from", "10/01/2026", "--to", "today"][..],
        &["audit", who, "--about", "stories", "--from", "90 days ago"],
        &["ask", "rates", "--from", "8/1/2026", "--to", "yesterday"],
        &["archive", "--until", "08/01/2026", "--dry-run"],
        &["archive", "--until", "90 days ago", "--dry-run"],
        &["hold", "add", "--from", "1/1/2020", "--until", "6 years ago", "--reason", "case 17", "--dry-run"],
    ] {
        let reported = room.run(words);
        assert!(reported.status.success(), "{words:?}: {}", err(&reported));
    }
    refused(&room, &["archive", "--until", "13/01/2026"], 2, &["--until is \"13/01/2026\"; give a day, such as 2026-08-01"]);
    let london = room.command(&["archive", "--until", "8/1/2026"]).env("IER_ZONE", "Europe/London").output().unwrap();
    assert_eq!(code(&london), 2, "the day does not show which number is the month there: {}", err(&london));
}

#[test]
fn verbs_that_people_try_are_answered() {
    let room = Room::new();
    refused(&room, &["import", "x.csv"], 2, &["there is no verb import; `ier load"]);
    refused(&room, &["server"], 2, &["ier serve"]);
    let reported: Value = serde_json::from_slice(&room.run(&["--json", "export"]).stderr).unwrap();
    assert!(reported["error"]["message"].as_str().unwrap().contains("ier sql -o FILE"), "{reported}");
    refused(&room, &["-w", "s3:/bucket", "status"], 2, &["give s3://bucket"]);
}

#[test]
fn several_answers_are_one_value_of_json() {
    let room = loaded();
    let reported = room.run(&["--json", "sql", "SELECT 1 AS one; SELECT 2 AS two; SELECT 3 AS three WHERE false"]);
    let value: Value = serde_json::from_slice(&reported.stdout).unwrap();
    assert_eq!(value, serde_json::json!([[{ "one": 1 }], [{ "two": 2 }], []]));
    let psql = room.run(&["sql", "-F", "csv", "-c", "SELECT 1 AS one"]);
    assert_eq!(out(&psql), "one\n1\n");
    refused(&room, &["sql", "question.sql"], 2, &["run it with ier sql -f question.sql"]);
}
