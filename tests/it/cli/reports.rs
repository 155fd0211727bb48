//! What people read beside the rows: times by their clock, lists of people who can be written to, charts of questions.

use super::*;

fn loaded() -> Room {
    let room = Room::new();
    let loaded = room.run(&["load", "data", "--rejects", "r.csv"]);
    assert!(loaded.status.success(), "{}", err(&loaded));
    room
}

#[test]
fn reports_show_times_in_the_zone_and_json_in_utc() {
    let room = loaded();
    room.file("ier.toml", "zone = 'Asia/Tokyo'\n");
    let hold = room.run(&["hold", "add", "--person", "003f40000000003", "--reason", "ticket 4711"]);
    assert!(hold.status.success(), "{}", err(&hold));
    for words in [&["hold", "list"][..], &["status"]] {
        let reported = out(&room.run(words));
        assert!(reported.contains(" JST") && !reported.contains("UTC"), "{words:?}: {reported}");
    }
    let listed: Value = serde_json::from_slice(&room.run(&["hold", "list", "--json"]).stdout).unwrap();
    assert!(listed["holds"][0]["placed"]["at"].as_str().unwrap().ends_with('Z'), "{listed}");
    let report: Value = serde_json::from_slice(&room.run(&["status", "--json"]).stdout).unwrap();
    assert!(report["iers_loaded"]["first_sent"].as_str().unwrap().ends_with('Z'), "{report}");
}

#[test]
fn lists_of_people_have_names_and_links_to_their_records() {
    let room = loaded();
    let plain = out(&room.run(&["ask", "opened_not_clicked", "--with-names", "-F", "csv"]));
    let head = |text: &str| text.lines().next().unwrap().to_owned();
    assert!(head(&plain).ends_with(",name,email"), "{plain}");
    room.file("ier.toml", "[ask]\norg_url = 'https://cu.lightning.force.com/'\n");
    let linked = out(&room.run(&["ask", "opened_not_clicked", "--with-names", "-F", "csv"]));
    assert!(head(&linked).ends_with(",name,email,link"), "{linked}");
    let record = "https://cu.lightning.force.com/lightning/r/Contact/003f40000000001AAA/view";
    assert!(linked.lines().nth(1).unwrap().ends_with(record), "{linked}");
    room.file("ier.toml", "[ask]\norg_url = 'cu.lightning.force.com'\n");
    let refused = room.run(&["status"]);
    assert_eq!(code(&refused), 2, "{}", err(&refused));
    assert!(err(&refused).contains("such as https://example.lightning.force.com"), "{}", err(&refused));
}

#[test]
fn a_name_in_the_place_of_an_id_leads_to_who_and_one_row_is_one_row() {
    let room = loaded();
    for words in [&["history", "Ana Ortiz"][..], &["audit", "Ana Ortiz", "--about", "giving"]] {
        let refused = room.run(words);
        assert_eq!(code(&refused), 2, "{words:?}");
        assert!(err(&refused).contains("`ier who` finds the ids of people by their names"), "{}", err(&refused));
    }
    room.file("prefs.csv", "ContactId,Opt\n003f40000000001AAA,yes\n");
    let one = room.run(&["load", "prefs.csv"]);
    assert!(out(&one).contains("\n1 row, "), "{}{}", out(&one), err(&one));
}

#[test]
fn questions_of_rates_can_be_drawn() {
    let room = loaded();
    for by in ["month", "send", "unit"] {
        let drawn = room.run(&["ask", "rates", "--by", by, "--chart"]);
        assert!(drawn.status.success(), "{by}: {}", err(&drawn));
        assert!(out(&drawn).contains('█') && out(&drawn).contains('%'), "{by}: {}", out(&drawn));
    }
    let written = room.run(&["ask", "rates", "-o", "rates.svg"]);
    assert!(written.status.success(), "{}", err(&written));
}

#[test]
fn tab_completes_questions() {
    let room = Room::new();
    for shell in ["bash", "zsh"] {
        let script = out(&room.run(&["completions", shell]));
        assert!(script.contains("audience_engagement") && script.contains("fatigue"), "{shell}");
    }
}
