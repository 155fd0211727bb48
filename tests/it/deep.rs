//! Statements as deep as programs write them: answered or refused, and the process lives.
//!
//! Each is asked of the binary: one that overflows its stack ends the process, and would end the tests.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Stdio};

use tempfile::TempDir;

/// What a statement is, and what its answer or refusal holds.
fn statements() -> Vec<(&'static str, String, Option<&'static str>)> {
    let many = |part: &str, times: usize| vec![part; times].join(" ");
    let ids: Vec<String> = (0..20_000).map(|number| format!("'{number}'")).collect();
    vec![
        ("2,000 ORs", format!("SELECT count(*) FROM ier WHERE job_id = '1' {}", many("OR job_id = '2'", 2_000)), None),
        ("2,000 ANDs", format!("SELECT count(*) FROM ier WHERE job_id <> '1' {}", many("AND job_id <> '2'", 2_000)), None),
        ("2,000 sums", format!("SELECT 1 {}", many("+ 1", 2_000)), None),
        ("100,000 ORs", format!("SELECT 1 WHERE true {}", many("OR true", 100_000)), Some("too deep")),
        ("800 UNION ALLs", format!("SELECT 1 {}", many("UNION ALL SELECT 1", 800)), None),
        ("5,000 UNION ALLs", format!("SELECT 1 {}", many("UNION ALL SELECT 1", 5_000)), Some("too deep")),
        ("100,000 parentheses", format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000)), Some("nested too deep")),
        ("20,000 ids", format!("SELECT count(*) FROM ier WHERE job_id IN ({})", ids.join(", ")), None),
        ("a deep CASE", format!("SELECT {} 0 {}", many("CASE WHEN true THEN", 20), many("END", 20)), None),
        (
            "a deeper CASE",
            format!("SELECT {} 0 {}", many("CASE WHEN true THEN", 3_000), many("END", 3_000)),
            Some("nested too deep"),
        ),
    ]
}

#[test]
fn deep_statements_are_answered_or_refused() {
    let folder = TempDir::new().unwrap();
    let ier = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ier"));
        command.args(words).current_dir(folder.path()).env_clear().env("HOME", folder.path()).stdin(Stdio::null());
        command.output().unwrap()
    };
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/data");
    assert!(ier(&["-w", "wh", "load", data]).status.success());
    for (what, sql, refusal) in statements() {
        std::fs::write(folder.path().join("deep.sql"), &sql).unwrap();
        let output = ier(&["-w", "wh", "sql", "-f", "deep.sql"]);
        let reported = String::from_utf8_lossy(&output.stderr).into_owned();
        let expected = if refusal.is_some() { 2 } else { 0 };
        assert_eq!(output.status.code(), Some(expected), "{what}: {:.600}", reported);
        assert!(reported.contains(refusal.unwrap_or_default()), "{what}: {:.600}", reported);
    }
}
