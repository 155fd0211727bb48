//! `ier user`: the file of those who may come in.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn listed(room: &Room) -> Value {
    serde_json::from_slice(&room.run(&["user", "list", "--json"]).stdout).unwrap()
}

/// Refused with this code, and this is said.
fn refused(room: &Room, words: &[&str], wanted: i32, says: &str) {
    let reported = room.run(words);
    assert_eq!(code(&reported), wanted, "{words:?}: {}{}", out(&reported), err(&reported));
    assert!(err(&reported).contains(says), "{words:?} does not say {says:?}: {}", err(&reported));
}

#[test]
fn people_are_added_get_tokens_and_are_taken_out_when_that_is_confirmed() {
    let room = Room::new();
    let file = room.path().join("ier-users.toml");
    assert!(room.run(&["user", "list"]).status.success() && !file.exists(), "a look makes no file");
    let added = ["user", "add", "ana", "--role", "analyst", "--unit", "Law School", "--mask", "contact.email=hash"];
    assert!(room.run(&added).status.success());
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let made: Value = serde_json::from_slice(&room.run(&["user", "token", "ana", "--json"]).stdout).unwrap();
    let token = made["token"].as_str().unwrap();
    assert_eq!((token.len(), made["id"].as_str()), (40, Some("ana-1")));
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains(token) && text.contains("SCRAM-SHA-256$4096:"), "{text}");
    assert!(room.run_with(&["user", "password", "ana"], b"correct horse\nmore\n").status.success());
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains("correct") && text.contains("$argon2id$"), "{text}");
    let ana = &listed(&room)[0];
    assert_eq!((&ana["name"], &ana["role"], &ana["units"][0]), (&"ana".into(), &"analyst".into(), &"Law School".into()));
    assert_eq!(
        (&ana["masks"][0], &ana["password"], &ana["disabled"]),
        (&"contact.email=hash".into(), &true.into(), &false.into())
    );
    assert!(room.run(&["user", "disable", "ana"]).status.success());
    assert_eq!(listed(&room)[0]["disabled"], true);
    let asked = room.run(&["user", "remove", "ana"]);
    assert!(asked.status.success() && out(&asked).contains("add --confirm") && listed(&room)[0]["name"] == "ana");
    assert!(room.run(&["user", "token", "ana", "--revoke", "ana-1"]).status.success());
    assert_eq!(listed(&room)[0]["tokens"].as_array().unwrap().len(), 0);
    assert!(room.run(&["user", "remove", "ana", "--confirm"]).status.success());
    assert_eq!(listed(&room).as_array().unwrap().len(), 0);
}

#[test]
fn slips_are_told_and_change_nothing() {
    let room = Room::new();
    assert!(room.run(&["user", "add", "ana", "--role", "auditor"]).status.success());
    let before = std::fs::read(room.path().join("ier-users.toml")).unwrap();
    refused(&room, &["user", "add", "ana", "--role", "analyst"], 2, "there is a user ana already");
    refused(&room, &["user", "add", "bob", "--role", "admin"], 2, "give one of analyst, auditor, operator, privacy-officer");
    refused(&room, &["user", "add", "bob", "--role", "auditor", "--unit", "Law"], 2, "units limit what an analyst sees");
    refused(&room, &["user", "add", "bob", "--role", "analyst", "--mask", "email=none"], 2, "is no mask");
    refused(&room, &["user", "add", "bob\n", "--role", "analyst"], 2, "can be no name");
    refused(&room, &["user", "token", "anna"], 3, "there is no user anna");
    refused(&room, &["user", "token", "ana", "--revoke", "laptop"], 3, "has no token laptop");
    let short = room.run_with(&["user", "password", "ana"], b"short\n");
    assert!(code(&short) == 2 && err(&short).contains("at least 10 characters"), "{}", err(&short));
    assert_eq!(std::fs::read(room.path().join("ier-users.toml")).unwrap(), before);
    // A file that others can read is believed by nobody.
    let file = room.path().join("ier-users.toml");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    refused(&room, &["user", "list"], 2, "chmod 600");
    refused(&room, &["serve", "--pg", "127.0.0.1:0", "--users", "none.toml"], 3, "there is no warehouse");
}
