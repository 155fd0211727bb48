#![allow(clippy::unwrap_used)]

use super::*;
use crate::output::Format;
use crate::output::chart::Kind;
use clap::CommandFactory;

fn parse(line: &str) -> Result<Args, String> {
    Args::try_parse_from(line.split_whitespace()).map_err(|error| error.to_string())
}

#[test]
fn the_words_do_not_contradict_each_other() {
    Args::command().debug_assert();
}

#[test]
fn every_verb_teaches_with_an_example() {
    for verb in Args::command().get_subcommands() {
        let example = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(example.contains(&format!("ier {}", verb.get_name())), "{}", verb.get_name());
    }
}

#[test]
fn global_flags_stand_before_or_after_the_verb() {
    for line in ["ier --warehouse w --json status", "ier status --json -w w"] {
        let args = parse(line).unwrap();
        assert!(args.global.json && args.overrides().warehouse.as_deref() == Some("w"), "{line}");
    }
    assert!(parse("ier").unwrap().verb.is_none());
}

#[test]
fn flags_become_overrides() {
    assert_eq!(parse("ier archive --older-than 12w").unwrap().overrides().older_than_days, Some(84));
    assert_eq!(parse("ier sql --timeout 5m x").unwrap().overrides().timeout_secs, Some(300));
    assert_eq!(parse("ier sql --timeout 3 x").unwrap().overrides().timeout_secs, Some(3));
    assert_eq!(parse("ier load --zone UTC x").unwrap().overrides().zone.as_deref(), Some("UTC"));
}

#[test]
fn dates_and_formats_are_read() {
    let Some(Verb::Archive(archive)) = parse("ier archive --until 2026-08-01 -n").unwrap().verb else { panic!() };
    assert_eq!((archive.until, archive.dry_run), (Some("2026-08-01".parse().unwrap()), true));
    let Some(Verb::Sql(sql)) = parse("ier sql -f q.sql --format ndjson -o out").unwrap().verb else { panic!() };
    assert_eq!((sql.output.format, sql.output.output), (Some(Format::Ndjson), Some(PathBuf::from("out"))));
}

#[test]
fn a_pack_is_verified_by_a_word_of_its_own() {
    let Some(Verb::Audit(audit)) = parse("ier audit verify a.zip --alone -w w").unwrap().verb else { panic!() };
    let Some(AuditVerb::Verify(verify)) = audit.verb else { panic!() };
    assert_eq!((verify.pack, verify.alone, audit.id), (PathBuf::from("a.zip"), true, None));
    let line = "ier audit 003f400000JJbuPAAT --about x --evidence a.zip";
    let Some(Verb::Audit(audit)) = parse(line).unwrap().verb else { panic!() };
    assert_eq!((audit.id.is_some(), audit.verb.is_none(), audit.evidence), (true, true, Some(PathBuf::from("a.zip"))));
}

#[test]
fn wrong_words_are_refused() {
    for line in [
        "ier archive --older-than 90",
        "ier archive --older-than 36h",
        "ier archive --older-than 0d",
        "ier archive --until 2026-08-01 --older-than 90d",
        "ier vacuum --dry-run --confirm",
        "ier retain --dry-run --confirm",
        "ier hold",
        "ier hold add --person 003f40000000001",
        "ier hold release --reason x",
        "ier audit 003f400000JJbuPAAT",
        "ier audit --about x",
        "ier audit verify",
        "ier audit 003f400000JJbuPAAT --about x verify pack",
        "ier sql -f q.sql x",
        "ier sql --format xls x",
        "ier sql --chart=pie x",
        "ier sql --timeout 99999999999999999999d x",
        "ier load",
        "ier alias",
        "ier alias add 003f40000000001 003f40000000002",
        "ier who",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn a_chart_needs_no_kind_and_takes_no_statement_for_one() {
    for (line, kind) in [("ier sql --chart x", None), ("ier sql --chart=heat x", Some(Kind::Heat))] {
        let Some(Verb::Sql(sql)) = parse(line).unwrap().verb else { unreachable!("{line} is no sql") };
        assert_eq!((sql.output.chart, sql.query.as_deref()), (Some(kind), Some("x")), "{line}");
    }
}
