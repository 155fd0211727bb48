//! The binary as a person or a script meets it: what it prints, where, and with which exit code.
//!
//! Stories are kept as transcripts in `snapshots/`; what differs from run to run (times, sizes, paths) is replaced. After a
//! wanted change `INSTA_UPDATE=always cargo test cli` writes them anew, to be read before they are committed.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use clap::CommandFactory;
use serde_json::Value;
use tempfile::TempDir;

use crate::fixture::data;

/// Readers that do not read: signals and time limits work all the same.
mod deaf;

/// What goes wrong outside of us: its kind, its exit code, and what the message names.
mod kinds;

/// Folders and files of any name work, or are refused before anything is written.
mod paths;

/// What people read beside the rows: times in their zone, lists of people, charts of questions.
mod reports;

/// A store at the other end of a network, and what it may answer.
mod stores;

/// Typing mistakes: what cannot be taken back shows the person and asks, and what was named by mistake is not loaded.
mod slips;

/// The shell at a terminal of 80 columns.
mod terminal;

/// Control characters in names: no verb prints them to a terminal.
mod terminals;

/// Who may come in at `ier serve`.
mod users;

/// A folder of its own for each story, which is also home; `data/` is in it.
struct Room {
    folder: TempDir,
    transcript: String,
}

impl Room {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        for file in std::fs::read_dir(data()).unwrap().map(|entry| entry.unwrap().path()) {
            std::fs::copy(&file, folder.path().join("data").join(file.file_name().unwrap())).unwrap();
        }
        Self { folder, transcript: String::new() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path().join(name), bytes).unwrap();
    }

    /// `ier` with these words, nobody at the keyboard, and no settings but its own.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ier"));
        command.args(words).current_dir(self.path()).env_clear().env("HOME", self.path()).env("COLUMNS", "100");
        command.env("USER", "tester");
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    fn run_with(&self, words: &[&str], input: &[u8]) -> Output {
        let mut child = self.command(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Runs it and writes down what happened.
    fn tell(&mut self, words: &[&str]) -> &mut Self {
        let output = self.run(words);
        self.note(words, &output)
    }

    fn note(&mut self, words: &[&str], output: &Output) -> &mut Self {
        let quoted =
            words.iter().map(|word| if word.contains([' ', '\n', '*']) { format!("{word:?}") } else { (*word).to_owned() });
        self.transcript += &format!("$ ier {}\n", quoted.collect::<Vec<_>>().join(" "));
        self.transcript += &self.plain(&String::from_utf8_lossy(&output.stdout));
        for line in self.plain(&String::from_utf8_lossy(&output.stderr)).lines() {
            self.transcript += &format!("! {line}\n");
        }
        match output.status.code() {
            Some(0) => {}
            Some(code) => self.transcript += &format!("[exit {code}]\n"),
            None => self.transcript += "[killed]\n",
        }
        self.transcript.push('\n');
        self
    }

    /// Without what differs from run to run.
    fn plain(&self, text: &str) -> String {
        let canonical = self.path().canonicalize().unwrap();
        let text = text.replace(&canonical.display().to_string(), "ROOM").replace(&self.path().display().to_string(), "ROOM");
        let text: Vec<String> = text.lines().map(|line| without_measures(line).trim_end().to_owned()).collect();
        text.iter().map(|line| format!("{line}\n")).collect()
    }

    fn sql(&self, query: &str) -> String {
        let output = self.run(&["sql", "--format", "csv", query]);
        assert!(output.status.success(), "{query}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Units of what is measured, and what they become: a number before one of these says nothing about what `ier` does.
const UNITS: [(&str, &str); 9] = [
    (" B", " KiB"),
    (" KiB", " KiB"),
    (" MiB", " KiB"),
    (" bytes", " bytes"),
    (" ms", " s"),
    (" s", " s"),
    ("/s", "/s"),
    (" rows/s", " rows/s"),
    (" times as much", " times as much"),
];

/// Numbers with a unit become `#`, days and times of file names `TIME`. Where something was replaced, columns are squeezed.
pub fn without_measures(line: &str) -> String {
    let line = match line.find("ier-rejects-") {
        Some(at) => {
            let stamp = at + "ier-rejects-".len();
            let rest = line[stamp..].trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
            format!("{}TIME{rest}", &line[..stamp])
        }
        None => line.to_owned(),
    };
    let (mut out, mut rest, mut replaced) = (String::new(), line.as_str(), false);
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let number =
            rest[start..].find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',').map_or(rest.len(), |end| start + end);
        let number = start + rest[start..number].trim_end_matches(['.', ',']).len();
        let free = !rest[..start].ends_with(|c: char| c.is_alphanumeric() || c == '-' || c == ':');
        let measured = UNITS.iter().filter(|_| free).find_map(|(unit, reported)| {
            let next = rest[number..].strip_prefix(unit)?;
            (!next.starts_with(|c: char| c.is_alphanumeric())).then_some((*reported, next))
        });
        out += &rest[..start];
        if let Some((reported, next)) = measured {
            out.push('#');
            out += reported;
            (rest, replaced) = (next, true);
        } else {
            out += &rest[start..number];
            rest = &rest[number..];
        }
    }
    out += rest;
    if !replaced {
        return out;
    }
    out.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join("  ")
}

/// Seals and the moments of this run, which differ from run to run.
fn without_today(transcript: &str) -> String {
    let line = |line: &str| {
        let mut reported = line.to_owned();
        for before in ["known here since ", " by tester at ", "seal: ", "  seal ", "its seal is "] {
            let Some(start) = reported.find(before).map(|at| at + before.len()) else { continue };
            let end = reported[start..].find(')').map_or(reported.len(), |end| start + end + 1);
            reported.replace_range(start..end, "TODAY");
        }
        reported + "\n"
    };
    transcript.lines().map(line).collect()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Every verb, as the command line itself lists them.
fn verbs() -> Vec<String> {
    let verbs = ier::cli::args::Args::command();
    verbs.get_subcommands().map(|verb| verb.get_name().to_owned()).filter(|name| name != "help").collect()
}

#[test]
fn help_teaches_every_verb() {
    let mut room = Room::new();
    room.tell(&["--help"]).tell(&["-h"]);
    for verb in verbs() {
        room.tell(&[&verb, "--help"]);
    }
    room.tell(&["alias", "add", "--help"]).tell(&["alias", "list", "--help"]).tell(&["audit", "verify", "--help"]);
    room.tell(&["hold", "add", "--help"]).tell(&["hold", "list", "--help"]).tell(&["hold", "release", "--help"]);
    insta::assert_snapshot!("help", room.transcript);
    assert_eq!(out(&room.run(&[])), out(&room.run(&["--help"])), "no words at all ask for help");
}

#[test]
fn a_day_at_work() {
    let mut room = Room::new();
    room.tell(&["status"])
        .tell(&["load", "data"])
        .tell(&["load", "data"])
        .tell(&["load", "data/individual_email_result.csv", "data/contact.csv", "--quiet"])
        .tell(&["archive", "--until", "2026-08-17", "--dry-run"])
        .tell(&["archive", "--until", "2026-08-17"])
        .tell(&["archive", "--until", "2026-08-17"])
        .tell(&["compact", "--dry-run"])
        .tell(&["compact"])
        .tell(&["status"])
        .tell(&["vacuum"])
        .tell(&["vacuum", "--retain", "0", "--even-while-jobs-run", "--confirm"])
        .tell(&["history", "003f40000000001"])
        .tell(&["history", "003f40000000001AAA", "--utc", "--max-rows", "1"])
        .tell(&["history", "003f40000000009AAA"]);
    insta::assert_snapshot!("a_day_at_work", room.transcript);
}

#[test]
fn one_person_under_all_their_ids() {
    let mut room = Room::new();
    assert!(room.run(&["load", "data", "--rejects", "rejects.csv"]).status.success());
    let ledger = &["alias", "list", "-F", "csv"];
    room.tell(&["who", "ortiz"])
        .tell(&["who", "fay", "peak"])
        .tell(&["who", "example", "--limit", "2"])
        .tell(&["who", "reed", "--json"])
        .tell(&["history", "00Qf40000000001", "--max-rows", "1"])
        .tell(&["history", "00Qf40000000001", "--max-rows", "1", "--quiet"])
        .tell(&["history", "ANA.ORTIZ2@example.com", "--max-rows", "1", "--utc"])
        .tell(&["history", "nobody@example.edu"])
        .tell(&["alias", "add", "00Qf40000000002", "003f40000000003", "--reason", "same badge, ticket 4711"])
        .tell(&["alias", "add", "00Qf40000000002", "003f40000000003", "--reason", "same badge, ticket 4711", "--confirm"])
        .tell(&["alias", "add", "003f40000000003", "003f4000000000B", "--reason", "a typing mistake", "--confirm"])
        .tell(&["alias", "add", "003f40000000003", "003f40000000003AAA", "--reason", "itself"])
        .tell(&["alias", "add", "003f40000000003", "003f40000000004"])
        .tell(&["alias", "add", "003f40000000003", "003f40000000004", "--reason", " "])
        .tell(&["alias", "add", "003f40000000003", "a0Bf40000000001", "--reason", "a send"])
        .tell(&["history", "003f40000000003", "--max-rows", "1"]);
    // When something was learned differs from run to run.
    let back = room.run(&["alias", "add", "003f40000000003", "00Qf40000000002", "--reason", "the other way"]);
    assert_eq!(code(&back), 2);
    let refused = "ier: 003f40000000003AAA cannot become 00Qf40000000002EAA, it is the other way round: 00Qf40000000002EAA became \
                   003f40000000003AAA (hand, learned 20";
    assert!(err(&back).starts_with(refused), "{}", err(&back));
    let list = room.run(ledger);
    let reported: Vec<String> = out(&list)
        .lines()
        .map(|line| line.split(',').enumerate().filter(|(at, _)| *at != 3).map(|(_, cell)| cell).collect::<Vec<_>>().join(","))
        .collect();
    assert_eq!(
        reported,
        [
            "alias_id,person_id,how,author,reason",
            "003f40000000002AAA,003f40000000001AAA,merge,,",
            "00Qf40000000001EAA,003f40000000001AAA,conversion,,",
            "00Qf40000000002EAA,003f40000000003AAA,hand,tester,\"same badge, ticket 4711\"",
        ]
    );
    let of_ben: Value = serde_json::from_slice(&room.run(&["alias", "list", "00Qf40000000002", "--json"]).stdout).unwrap();
    assert_eq!((of_ben.as_array().unwrap().len(), &of_ben[0]["how"]), (1, &Value::from("hand")));
    let words = ["alias", "add", "00Qf40000000002", "003f40000000003", "--reason", "once more", "--confirm", "--json"];
    let again: Value = serde_json::from_slice(&room.run(&words).stdout).unwrap();
    assert_eq!((&again["added"], &again["reason"]), (&Value::from(false), &Value::from("same badge, ticket 4711")));
    insta::assert_snapshot!("people", room.transcript);
}

#[test]
fn evidence_is_kept_and_verified() {
    let mut room = Room::new();
    assert!(room.run(&["load", "data", "--rejects", "rejects.csv"]).status.success());
    room.tell(&["audit", "003f40000000001", "--about", "stories", "--evidence", "ticket-4711.zip", "--reason", "ticket 4711"])
        .tell(&["audit", "003f40000000001", "--about", "stories", "--evidence", "ticket-4711.zip"])
        .tell(&["audit", "verify", "ticket-4711.zip"])
        .tell(&["audit", "verify", "ticket-4711.zip", "--alone"])
        .tell(&["audit", "verify", "ticket-4711.zip", "-w", "elsewhere"])
        .tell(&["audit", "verify", "missing.zip"])
        .tell(&["audit", "verify", "rejects.csv"])
        .tell(&["audit", "003f40000000001", "--about", "stories", "--evidence", "ticket-4711", "--quiet"]);
    let records = room.path().join("ticket-4711/records.csv");
    let text = std::fs::read_to_string(&records).unwrap();
    std::fs::write(&records, text.replacen("true", "True", 1)).unwrap();
    room.file("ticket-4711/note.txt", "checked");
    room.tell(&["audit", "verify", "ticket-4711"]);
    insta::assert_snapshot!("evidence", without_today(&room.transcript));

    let json = |words: &[&str]| -> Value { serde_json::from_slice(&room.run(words).stdout).unwrap() };
    let kept = json(&["audit", "003f40000000001", "--about", "stories", "--evidence", "other.zip", "--json"]);
    assert_eq!((&kept["evidence"]["path"], &kept["sends"][0]["verdict"]), (&"other.zip".into(), &"sent".into()));
    let seal = kept["evidence"]["seal"].as_str().unwrap();
    let report = json(&["audit", "verify", "other.zip", "--seal", seal, "--json"]);
    assert!(report["wrong"].as_array().is_some_and(Vec::is_empty) && report["archive"]["asked_again"] == true, "{report}");
    let altered = room.run(&["audit", "verify", "other.zip", "--seal", &"0".repeat(64), "--json"]);
    assert_eq!(code(&altered), 6);
    let report: Value = serde_json::from_slice(&altered.stdout).unwrap();
    assert_eq!(report["wrong"][0]["file"], "manifest.json");
}

/// Days as this run counts them are replaced.
fn without_days(transcript: &str) -> String {
    let today = chrono::Utc::now().date_naive();
    let mut reported = transcript.replace(&today.to_string(), "TODAY");
    for (months, word) in [(12, "A-YEAR-AGO"), (36, "THREE-YEARS-AGO")] {
        reported = reported.replace(&(today - chrono::Months::new(months)).to_string(), word);
    }
    // What is to come will have been.
    reported = reported.replace(" were not tracked", " will not be tracked");
    let line = |line: &str| {
        let acts = ["  placed ", "  released "];
        match acts.iter().find(|act| line.starts_with(**act)).and_then(|act| Some((act, line.split_once(" by ")?.1))) {
            Some((act, rest)) => format!("{act}NOW by {rest}\n"),
            None => line.to_owned() + "\n",
        }
    };
    reported.lines().map(line).collect()
}

#[test]
fn holds_and_retention() {
    let mut room = Room::new();
    let row = |number: u32, sent: &str| {
        format!(
            "a0Df4000000900{number},M-90{number},Old news,003f4000000000{number},{sent}T08:00:00.000Z,2025-01-01T00:00:00.000Z\n"
        )
    };
    let header = "Id,et4ae5__MergeId__c,Name,et4ae5__Contact__c,et4ae5__DateSent__c,SystemModstamp\n";
    room.file("old.csv", [header, &row(1, "2015-03-02"), &row(2, "2015-03-03"), &row(3, "2015-04-03")].concat());
    room.file("short.toml", "[[retain.rules]]\nname = \"news\"\nemail_name = \"*news\"\nunit = \"Nowhere\"\nyears = 1\n");
    assert!(room.run(&["load", "old.csv"]).status.success());
    room.tell(&["retain"]);
    room.file("ier.toml", "[retain]\nyears = 3\n");
    room.tell(&["retain"])
        .tell(&["--config", "short.toml", "retain", "--dry-run"])
        .tell(&["hold", "list"])
        .tell(&["hold", "add", "--person", "003f40000000002", "--reason", "case 17"])
        .tell(&["hold", "add", "--person", "003f40000000002", "--reason", "case 17"])
        .tell(&["hold", "add", "--person", "a0Bf40000000001", "--reason", "a send"])
        .tell(&["hold", "add", "--unit", "Nowhere", "--reason", "nobody"])
        .tell(&["hold", "add", "--reason", "nothing"])
        .tell(&["hold", "add", "--send", "4711"])
        .tell(&["retain"])
        .tell(&["retain", "--confirm"])
        .tell(&["retain", "--confirm"])
        .tell(&["sql", "-F", "csv", "SELECT object, month, rows, opened FROM expired_total ORDER BY month"])
        .tell(&["hold", "list"])
        .tell(&["hold", "release", "hold-1", "--reason", "closed"]);
    let id = format!("hold-{}-1", chrono::Utc::now().date_naive());
    room.tell(&["hold", "release", &id, "--reason", "closed"]).tell(&["hold", "list", "--all"]);
    insta::assert_snapshot!("retention", without_days(&room.transcript));
    let report: Value = serde_json::from_slice(&room.run(&["retain", "--confirm", "--json"]).stdout).unwrap();
    assert_eq!((&report["rows"], report["run_ids"].as_array().map(Vec::len)), (&Value::from(1), Some(1)));
    let plan: Value = serde_json::from_slice(&room.run(&["retain", "--json"]).stdout).unwrap();
    assert_eq!((&plan["terms"][0]["term"], &plan["months"]), (&Value::from("3 years"), &Value::Array(Vec::new())));
}

#[test]
fn an_answer_in_every_format() {
    let mut room = Room::new();
    assert!(room.run(&["load", "data", "--rejects", "rejects.csv"]).status.success());
    let query = "SELECT ier_id, email_name, date_sent, sent_date, opened, date_opened, number_of_total_clicks AS clicks, 1.0 / 3 AS share \
                 FROM ier WHERE contact_id = '003f40000000001AAA' ORDER BY ier_id LIMIT 2";
    for format in ["table", "csv", "json", "ndjson"] {
        room.tell(&["sql", "--format", format, query]);
    }
    room.tell(&["sql", "--local", query])
        .tell(&["sql", "--json", query])
        .tell(&["sql", "SELECT subject_line FROM ier WHERE ier_id = 'a0Df40000000015EAA'"])
        .tell(&["sql", "SELECT 1 AS one; SELECT 2 AS two;"])
        .tell(&["sql", "SELECT ier_id FROM ier WHERE false"])
        .tell(&["sql", "--max-rows", "1", "SELECT name FROM contact ORDER BY id"]);
    insta::assert_snapshot!("formats", room.transcript);

    let parquet = room.run(&["sql", "--format", "parquet", query]);
    assert!(parquet.stdout.starts_with(b"PAR1") && parquet.stdout.ends_with(b"PAR1"));
    let arrow = room.run(&["sql", "--format", "arrow", query]);
    assert!(arrow.stdout.starts_with(b"ARROW1"));
    let xlsx = room.run(&["sql", "--format", "xlsx", query]);
    assert!(xlsx.stdout.starts_with(b"PK"));
}

#[test]
fn an_answer_as_a_chart() {
    let mut room = Room::new();
    assert!(room.run(&["load", "data", "--rejects", "rejects.csv"]).status.success());
    let sends = "SELECT email_name, count(*) AS sent FROM ier WHERE email_name IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5";
    room.tell(&["sql", "--chart", sends])
        .tell(&["sql", "-o", "sends.svg", sends])
        .tell(&["sql", "--chart=bar", "-o", "sends.png", sends])
        .tell(&["sql", "--chart=heat", sends])
        .tell(&["sql", "--chart", "SELECT count(*) AS n FROM ier"])
        .tell(&["sql", "--chart", "-F", "csv", sends])
        .tell(&["sql", "--chart", "-o", "sends.csv", sends]);
    insta::assert_snapshot!("charts", room.transcript);
    let picture = std::fs::read_to_string(room.path().join("sends.svg")).unwrap();
    assert_eq!(picture, out(&room.run(&["sql", "-F", "svg", sends])));
    assert!(std::fs::read(room.path().join("sends.png")).unwrap().starts_with(b"\x89PNG"));
    assert!(!room.path().join("sends.csv").exists());
}

#[test]
fn an_answer_in_a_file() {
    let mut room = Room::new();
    assert!(room.run(&["load", "data", "--rejects", "rejects.csv"]).status.success());
    for name in ["a.csv", "a.json", "a.jsonl", "a.parquet", "a.arrow", "a.xlsx", "a.txt"] {
        room.tell(&["sql", "-o", name, "SELECT id, name FROM contact ORDER BY id"]);
        assert!(room.path().join(name).is_file(), "{name}");
    }
    room.tell(&["sql", "-o", "quiet.csv", "--quiet", "SELECT 1 AS one"])
        .tell(&["sql", "-o", "json.csv", "--json", "SELECT 1 AS one"])
        .tell(&["sql", "-o", "answer.xls", "SELECT 1"])
        .tell(&["sql", "-o", "two.csv", "SELECT 1; SELECT 2"])
        .tell(&["history", "003f40000000001", "-o", "evidence.csv"]);
    insta::assert_snapshot!("files", room.transcript);
    assert_eq!(std::fs::read_to_string(room.path().join("a.csv")).unwrap().lines().count(), 7);

    let nowhere = room.run(&["sql", "-o", "nowhere/a.csv", "SELECT 1"]);
    assert_eq!(code(&nowhere), 3);
    assert!(err(&nowhere).starts_with("ier: cannot write nowhere/a.csv: No such file or directory"), "{}", err(&nowhere));

    // An answer that breaks off leaves what was there.
    let broken = room.run(&["sql", "-o", "a.csv", "SELECT 1 / (7 - n) FROM (VALUES (1), (7)) AS t(n)"]);
    assert_ne!(code(&broken), 0);
    assert_eq!(std::fs::read_to_string(room.path().join("a.csv")).unwrap().lines().count(), 7);

    // The file loads back: the exports of the answers are exports.
    assert!(room.run(&["load", "a.parquet", "--as", "contact"]).status.success());
}

#[test]
fn mistakes_are_answered_with_what_to_do() {
    let mut room = Room::new();
    room.file("header only.csv", "Id,et4ae5__MergeId__c\n");
    room.file("unknown.csv", "a,b\n1,2\n");
    room.file("empty.csv", "");
    room.file("reserved.csv", "ContactId,x\n003f40000000001,1\n");
    let gzip = {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        out.write_all(&std::fs::read(data().join("individual_email_result.csv")).unwrap()).unwrap();
        out.finish().unwrap()
    };
    room.file("truncated.csv.gz", &gzip[..gzip.len() / 2]);
    room.file("wrong.toml", "wharehouse = \"x\"\n");
    room.file("query.sql", b"SELECT '\xff'");
    assert!(room.run(&["load", "data/business_unit.csv"]).status.success());
    room.tell(&["load", "missing.csv"])
        .tell(&["load", "missing*.csv"])
        .tell(&["load", "unknown.csv"])
        .tell(&["load", "unknown.csv", "--as", "ier"])
        .tell(&["load", "header only.csv"])
        .tell(&["load", "empty.csv"])
        .tell(&["load", "truncated.csv.gz"])
        .tell(&["load", "reserved.csv", "--as", "select"])
        .tell(&["load", "data", "--zone", "Denver"])
        .tell(&["history", "003f4000000000"])
        .tell(&["history", "003f40000000001AAB"])
        .tell(&["history", "a0Bf40000000001EAA"])
        .tell(&["load", "reserved.csv", "--as", "person_alias"])
        .tell(&["sql", "SELEC 1"])
        .tell(&["sql", "SELECT * FROM nowhere"])
        .tell(&["sql", "SELECT nothing FROM business_unit"])
        .tell(&["sql", "DROP TABLE ier"])
        .tell(&["sql", "SELECT 1; SELEC 2"])
        .tell(&["sql", "SELECT 1 / 0"])
        .tell(&["sql", ""])
        .tell(&["sql", "-f", "missing.sql"])
        .tell(&["sql", "-f", "query.sql"])
        .tell(&["archive", "--older-than", "90"])
        .tell(&["--config", "missing.toml", "status"])
        .tell(&["--config", "wrong.toml", "status"])
        .tell(&["-w", "ftp://example.org/x", "status"])
        .tell(&["demo", "data"])
        .tell(&["generate", "data"])
        .tell(&["frobnicate"])
        .tell(&["load"])
        .tell(&["--json", "frobnicate"])
        .tell(&["--json", "sql", "SELEC 1"])
        .tell(&["--json", "load", "missing.csv"]);
    insta::assert_snapshot!("mistakes", room.transcript);

    let early = room.run(&["archive", "--until", "2999-01-01"]);
    assert_eq!(code(&early), 2);
    assert!(err(&early).ends_with("that day's mails are still to come\n"), "{}", err(&early));
}

#[test]
fn every_kind_of_error_has_its_exit_code() {
    let room = Room::new();
    room.file("cut.csv.gz", [0x1f, 0x8b, 8, 0, 0]);
    room.file("a file", "");
    assert!(room.run(&["load", "data/business_unit.csv"]).status.success());
    for (words, expected) in [
        (&["status"][..], 0),
        (&["--version"], 0),
        (&["sql", "SELEC 1"], 2),
        (&["frobnicate"], 2),
        (&["load", "missing.csv"], 3),
        (
            &[
                "sql",
                "--timeout",
                "1s",
                "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b WHERE a.value < b.value - 99999",
            ],
            5,
        ),
        (&["-w", "a file", "status"], 2),
        (&["load", "cut.csv.gz"], 6),
    ] {
        let output = room.run(words);
        assert_eq!(code(&output), expected, "{words:?}: {}{}", out(&output), err(&output));
        assert_eq!(err(&output).is_empty(), expected == 0, "{words:?}: errors and nothing else go to standard error");
    }
}

#[test]
#[cfg(unix)]
fn ctrl_c_stops_a_statement_that_never_pauses() {
    let room = Room::new();
    assert!(room.run(&["load", "data/business_unit.csv"]).status.success());
    let endless = "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b WHERE a.value + b.value = 0";
    let mut child = room.command(&["sql", endless]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(2));
    let started = Instant::now();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}

#[test]
fn every_report_is_json_for_machines() {
    let room = Room::new();
    let json = |words: &[&str]| -> Value {
        let mut all = words.to_vec();
        all.push("--json");
        let output = room.run(&all);
        assert!(output.status.success() && output.stderr.is_empty(), "{words:?}: {}", err(&output));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{words:?}: {error}: {}", out(&output)))
    };
    let made = json(&["generate", "made", "--months", "1", "--contacts", "20", "--sends-per-month", "1", "--end", "2026-11-01"]);
    assert!(made["rows"].as_u64().unwrap() > 20);
    let loaded = json(&["load", "data"]);
    assert_eq!(loaded["tables"][0]["table"], "individual_email_result");
    assert_eq!((loaded["tables"][0]["read"].as_u64(), loaded["tables"][0]["rejected"].as_u64()), (Some(24), Some(2)));
    assert!(room.path().join(loaded["rejects_file"].as_str().unwrap()).is_file());
    let plan = json(&["archive", "--until", "2026-08-17", "--dry-run"]);
    assert_eq!((&plan["until"], plan["tables"][0]["rows"].as_u64()), (&Value::from("2026-08-17"), Some(10)));
    let archived = json(&["archive", "--until", "2026-08-17"]);
    assert_eq!(archived["tables"][0]["rows"].as_u64(), Some(10));
    assert!(json(&["compact", "--dry-run"])["months"].is_array());
    assert_eq!(json(&["compact"])["rows"].as_u64(), Some(0));
    let status = json(&["status"]);
    let rows = |tier: &str| {
        let tables = status["tables"].as_array().unwrap();
        let table = tables.iter().find(|table| table["table"] == "individual_email_result" && table["tier"] == tier).unwrap();
        table["rows"].as_u64()
    };
    assert_eq!((rows("hot"), rows("archive")), (Some(5), Some(10)));
    assert!(json(&["vacuum"]).is_object());
    assert!(json(&["vacuum", "--confirm", "--retain", "0", "--even-while-jobs-run"]).is_object());
    let history = json(&["history", "003f40000000001"]);
    assert_eq!(history.as_array().unwrap().len(), 6);
    assert_eq!(history[0]["date_sent"], "2026-10-20T16:00:00Z");
    assert_eq!(json(&["sql", "SELECT count(*) AS n FROM ier"])[0]["n"].as_u64(), Some(15));
    assert_eq!(json(&["sql", "SELECT 1 WHERE false"]), Value::Array(Vec::new()));
}

#[test]
fn pipes_are_read_and_written() {
    let room = Room::new();
    let contacts = std::fs::read(data().join("contact.csv")).unwrap();
    let loaded = room.run_with(&["load", "-", "--as", "contact", "--json"], &contacts);
    let report: Value = serde_json::from_slice(&loaded.stdout).unwrap();
    assert_eq!((report["tables"][0]["table"].as_str(), report["tables"][0]["inserted"].as_u64()), (Some("contact"), Some(6)));
    let recognised = room.run_with(&["load", "-"], &std::fs::read(data().join("lead.csv")).unwrap());
    assert!(out(&recognised).contains("lead"), "{}", err(&recognised));

    let piped = room.run_with(&["sql", "--format", "csv"], b"-- how many?\nSELECT count(*) AS n FROM contact;\nSELECT 2 AS two");
    assert_eq!((out(&piped).as_str(), code(&piped)), ("n\n6\ntwo\n2\n", 0));
    let named = room.run_with(&["sql", "--format", "csv", "-f", "-"], b"SELECT 1 AS one;");
    assert_eq!(out(&named), "one\n1\n");
    let mistaken = room.run_with(&["sql", "--format", "csv"], b"SELECT 1 AS one;\nSELEC 2;\nSELECT 3 AS three;");
    assert_eq!((out(&mistaken).as_str(), code(&mistaken)), ("one\n1\n", 2));
    assert!(err(&mistaken).contains("statement 2"), "{}", err(&mistaken));

    // A reader who has seen enough is no error.
    let mut child = room
        .command(&["sql", "--format", "csv", "SELECT value FROM generate_series(1, 2000000)"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), err(&output).as_str()), (0, ""));
}

#[test]
fn a_load_killed_at_any_time_is_finished_by_the_next() {
    let made = ["--months", "3", "--contacts", "300", "--sends-per-month", "4", "--end", "2026-11-01", "--seed", "7"];
    let room = Room::new();
    assert!(room.run(&[&["generate", "exports"], &made[..]].concat()).status.success());
    let started = Instant::now();
    assert!(room.run(&["-w", "whole", "load", "exports", "--rejects", "rejects.csv"]).status.success());
    let whole = started.elapsed();
    for share in [0.15, 0.35, 0.5, 0.65, 0.75, 0.85, 0.95] {
        let mut child = room
            .command(&["load", "exports", "--rejects", "/dev/null"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(whole.mul_f64(share));
        child.kill().unwrap();
        child.wait().unwrap();
        // What is there can be read at any time, and never twice.
        // Killed before anything was there, it has made no warehouse.
        if !room.path().join("warehouse/warehouse.json").exists() {
            continue;
        }
        let twice = "SELECT count(*) - count(DISTINCT coalesce(lower(merge_id), ier_id)) AS twice FROM ier";
        assert_eq!(room.sql(twice), "twice\n0\n", "killed after {share} of the time");
    }
    let last = room.run(&["load", "exports", "--rejects", "/dev/null"]);
    assert!(last.status.success(), "{}", err(&last));
    let again = room.run(&["load", "exports", "--rejects", "/dev/null"]);
    assert!(out(&again).contains("nothing changed"), "{}", out(&again));
    for table in ["ier", "individual_link", "contact", "lead", "email_send", "aggregate_link", "affiliation", "employment"] {
        let query = format!("SELECT * FROM {table} ORDER BY 1, 2, 3, 4");
        let expected = room.run(&["-w", "whole", "sql", "--format", "csv", &query]);
        assert!(expected.stdout.len() > 100);
        assert_eq!(room.sql(&query), out(&expected), "{table}");
    }
}

#[test]
fn the_demo_ends_in_a_table_and_says_what_to_try_next() {
    let room = Room::new();
    let demo = room.run(&["demo", "try"]);
    assert!(demo.status.success(), "{}", err(&demo));
    let reported = out(&demo);
    for step in ["1. ", "2. ", "3. ", "4. ", "5. ", "6. ", "7. "] {
        assert!(reported.lines().any(|line| line.starts_with(step)), "{step}: {reported}");
    }
    assert!(reported.contains("-+-") && reported.contains("rows"), "answers are tables: {reported}");
    let next: Vec<&str> =
        reported.lines().skip_while(|line| !line.contains("Try next")).filter(|line| line.starts_with("  ier")).collect();
    assert!(next.len() > 3, "{reported}");
    // What it says to try does work.
    let status = next.iter().find(|line| line.contains(" status")).unwrap();
    let words: Vec<&str> = status.split("   ").next().unwrap().split_whitespace().skip(1).collect();
    assert!(room.run(&words).status.success(), "{status}");
    let history = next.iter().find(|line| line.contains(" history ")).unwrap();
    let words: Vec<&str> = history.trim().split("   ").next().unwrap().split_whitespace().skip(1).collect();
    let answer = out(&room.run(&words));
    assert!(answer.lines().last().unwrap().ends_with("rows)"), "{answer}");
    let audit = next.iter().find(|line| line.contains(" audit ")).unwrap();
    let words: Vec<&str> = audit.trim().split("   ").next().unwrap().split_whitespace().skip(1).collect();
    let answer = out(&room.run(&words));
    assert!(answer.contains("SENT: ") && answer.contains("matched: "), "{answer}");
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[cfg(unix)]
#[test]
fn keys_and_rejected_rows_are_for_their_owner_alone() {
    let room = Room::new();
    let loaded = room.run(&["load", "data", "--rejects", "rejects.csv"]);
    assert!(loaded.status.success(), "{}", err(&loaded));
    assert!(room.run(&["history", "003f40000000001"]).status.success());
    let erased = room.run(&["erase", "003f40000000001", "--reason", "ticket 4711", "--confirm"]);
    assert!(erased.status.success(), "{}", err(&erased));
    for secret in ["rejects.csv", "warehouse/lookups/key", "warehouse/erased/key"] {
        assert_eq!(mode(&room.path().join(secret)), 0o600, "{secret}");
    }
}

#[test]
fn a_rejects_file_that_is_there_is_refused_before_anything_is_read() {
    let room = Room::new();
    room.file("rejects.csv", "what the load before has refused");
    let refused = room.run(&["load", "data", "--rejects", "rejects.csv"]);
    assert_eq!(code(&refused), 2, "{}", err(&refused));
    assert!(err(&refused).contains("rejects.csv is there already"), "{}", err(&refused));
    assert!(!room.path().join("warehouse/hot").exists(), "nothing was loaded");
    assert_eq!(std::fs::read_to_string(room.path().join("rejects.csv")).unwrap(), "what the load before has refused");
}

#[test]
fn a_load_that_fails_names_its_rejects_and_the_next_passes_them_by() {
    let room = Room::new();
    std::fs::create_dir(room.path().join("in")).unwrap();
    let affiliations = "ContactId,School\nnobody,Law\n003f40000000001,Law\n";
    let mut zip = zip::ZipWriter::new(std::fs::File::create(room.path().join("in/weekly.zip")).unwrap());
    for (name, text) in [("affiliation.csv", affiliations), ("what.csv", "0035000001abcDEAAY,ada@example.edu\n")] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
    let warehouse = room.path().join("warehouse");
    let mut command = room.command(&["-w", warehouse.to_str().unwrap(), "load", "."]);
    let failed = command.current_dir(room.path().join("in")).output().unwrap();
    assert_eq!(code(&failed), 2, "{}", err(&failed));
    let reported = err(&failed);
    let named = reported.split("rows rejected by then: ").nth(1).expect("the file is named").split_whitespace().next().unwrap();
    let rejects = std::fs::read_to_string(room.path().join("in").join(named)).unwrap();
    assert!(rejects.contains("nobody"), "{rejects}");

    std::fs::remove_file(room.path().join("in/weekly.zip")).unwrap();
    room.file("in/affiliation.csv", affiliations);
    for _ in 0..2 {
        let again = room.run(&["load", "in", "--rejects", "/dev/null"]);
        assert!(again.status.success(), "{}", err(&again));
    }
}

/// A weekly export of many small files in one zip.
#[cfg(unix)]
#[test]
fn a_zip_of_many_members_needs_few_open_files() {
    let room = Room::new();
    let mut zip = zip::ZipWriter::new(std::fs::File::create(room.path().join("weekly.zip")).unwrap());
    for number in 0..1500 {
        zip.start_file(format!("Contact-{number:04}.csv"), zip::write::SimpleFileOptions::default()).unwrap();
        write!(zip, "Id,Email\n003f4000000{number:04},{number}@example.edu\n").unwrap();
    }
    zip.finish().unwrap();
    let ier = room.command(&["load", "weekly.zip"]);
    let mut limited = Command::new("/bin/sh");
    limited.args(["-c", "ulimit -n 256; exec \"$0\" load weekly.zip"]).arg(ier.get_program());
    let loaded = limited.current_dir(room.path()).env_clear().env("HOME", room.path()).env("USER", "tester").output().unwrap();
    assert!(loaded.status.success(), "{}", err(&loaded));
    assert_eq!(room.sql("SELECT count(*) AS people FROM contact"), "people\n1500\n");
}
