//! What the dependencies may be: their licences, and one version of what must be one.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// The licences that `.deny.toml` allows: they ask for no more than to be named; the MPL also that changes to its own files are
/// published, and nothing is changed here.
fn licences() -> Vec<String> {
    let text = std::fs::read_to_string(super::crate_folder().join(".deny.toml")).expect("what cargo deny is told");
    let reported: toml::Table = text.parse().expect("TOML");
    let allowed = reported["licenses"]["allow"].as_array().expect("a list");
    allowed.iter().filter_map(|licence| licence.as_str().map(str::to_owned)).collect()
}

/// Of these there is one version in the tree: values of one would be strangers to the other.
const ONE_VERSION: [&str; 6] = ["arrow", "arrow-array", "datafusion", "object_store", "parquet", "tokio"];

/// The platform of this machine: only its dependencies were fetched.
fn host() -> String {
    let reported = Command::new("rustc").arg("-vV").output().expect("rustc").stdout;
    let reported = String::from_utf8(reported).expect("a text");
    reported.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host").to_owned()
}

fn packages() -> Vec<Value> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--locked", "--offline", "--format-version", "1", "--filter-platform", &host()]);
    let reported = command.current_dir(super::crate_folder()).output().expect("cargo");
    assert!(reported.status.success(), "{}", String::from_utf8_lossy(&reported.stderr));
    let reported: Value = serde_json::from_slice(&reported.stdout).expect("JSON");
    reported["packages"].as_array().cloned().unwrap_or_default()
}

/// Does an expression of SPDX leave a choice that asks for no more than to be named? `OR` leaves one, `AND` wants both.
fn is_permitted(expression: &str, licences: &[String]) -> bool {
    let expression = expression.replace('/', " OR ");
    let is_allowed = |one: &str| licences.iter().any(|licence| licence == one.trim().trim_matches(['(', ')']));
    let any_of = |text: &str| text.split(" OR ").any(is_allowed);
    let all_of = |text: &str| text.split(" AND ").all(any_of);
    all_of(&expression)
}

#[test]
fn licences_of_dependencies_ask_for_no_more_than_to_be_named() {
    let licences = licences();
    let strict: Vec<String> = packages()
        .iter()
        .filter(|package| {
            !package["license"].as_str().is_some_and(|licence| is_permitted(licence, &licences)) && package["name"] != "ier"
        })
        .map(|package| format!("{} {}: {}", package["name"], package["version"], package["license"]))
        .collect();
    assert!(strict.is_empty(), "{}", strict.join("\n"));
}

#[test]
fn what_must_be_one_is_there_once() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in packages() {
        let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
        versions.entry(text("name")).or_default().insert(text("version"));
    }
    for name in ONE_VERSION {
        assert_eq!(versions.get(name).map(BTreeSet::len), Some(1), "{name}: {:?}", versions.get(name));
    }
}
