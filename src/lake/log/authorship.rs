//! Tells whether another engine wrote a log entry that has no seal, and which one, as far as the entry says so itself.

use std::fmt;

use chrono::{DateTime, Utc};
use object_store::path::Path;
use serde::Serialize;
use serde_json::Value;

use super::seal::{self, SealError};
use crate::error::Error;
use crate::human;

/// Our names in a log begin so: fields of commit infos, and application transactions.
const OURS: &str = "ier.";

/// The author of a foreign log entry, as the entry names it.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Author {
    /// The engine, as it names itself.
    pub engine: Option<String>,
    /// What it did: `WRITE`, `DELETE`, `VACUUM END` …
    pub operation: Option<String>,
    /// When, by its clock.
    pub at: Option<DateTime<Utc>>,
    /// Files it added.
    pub files_added: u64,
    /// Their rows, as far as it says.
    pub rows_added: u64,
    /// Files it took out.
    pub files_removed: u64,
}

/// Reads an entry without seal; none where it is one of ours that was damaged, or cannot be read.
pub(crate) fn written(entry: &[u8]) -> Option<Author> {
    if seal::check(entry) != Err(SealError::Unsealed) {
        return None;
    }
    let mut written = Author::default();
    let mut lines = 0;
    for line in entry.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        let action: Value = serde_json::from_slice(line).ok()?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        if action["txn"]["appId"].as_str().is_some_and(|name| name.starts_with(OURS)) {
            return None;
        }
        if let Some(info) = action["commitInfo"].as_object() {
            if info.keys().any(|key| key.starts_with(OURS)) {
                return None;
            }
            let info = &action["commitInfo"];
            written.engine = text(&info["engineInfo"]).or_else(|| text(&info["clientVersion"]));
            written.operation = text(&info["operation"]);
            written.at = info["timestamp"].as_i64().and_then(DateTime::from_timestamp_millis);
        }
        if let Some(add) = action["add"].as_object() {
            written.files_added += 1;
            let stats: Option<Value> =
                add.get("stats").and_then(Value::as_str).and_then(|stats| serde_json::from_str(stats).ok());
            written.rows_added += stats.and_then(|stats| stats["numRecords"].as_u64()).unwrap_or(0);
        }
        written.files_removed += u64::from(action["remove"].is_object());
        lines += 1;
    }
    (lines > 0).then_some(written)
}

impl Author {
    /// Why readers refuse the entry.
    pub(crate) fn refusal(&self, location: &Path) -> Error {
        Error::corrupt(phrase!("{location} {self}; `ier verify --undo-foreign` says what that was, and takes it back"))
    }
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "was not written by ier but by {}", self.engine.as_deref().unwrap_or("another engine"))?;
        write!(f, " ({}", self.operation.as_deref().unwrap_or("an unnamed operation"))?;
        if let Some(at) = self.at {
            write!(f, ", {}", human::moment(at))?;
        }
        write!(f, ")")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_another_engine_says_who_wrote_it() {
        let entry = br#"{"commitInfo":{"timestamp":1764324000000,"operation":"WRITE","engineInfo":"delta-rs:py-1.6.6"}}
{"add":{"path":"a.parquet","stats":"{\"numRecords\":20}"}}
{"remove":{"path":"b.parquet"}}
"#;
        let written = written(entry).unwrap();
        assert_eq!((written.files_added, written.rows_added, written.files_removed), (1, 20, 1));
        let refusal = written.refusal(&Path::from("hot/x/_delta_log/00000000000000000007.json")).to_string();
        for said in ["delta-rs:py-1.6.6", "WRITE", "2025-11-28 10:00:00 UTC", "ier verify --undo-foreign"] {
            assert!(refusal.contains(said), "{said} is not in: {refusal}");
        }
    }

    #[test]
    fn an_entry_of_ours_that_lost_its_seal_is_not_foreign() {
        for entry in [
            &br#"{"commitInfo":{"timestamp":1,"ier.operation":"upsert"}}"#[..],
            br#"{"commitInfo":{"timestamp":1}}
{"txn":{"appId":"ier.commit","version":7}}"#,
            br#"{"commitInfo":{"timest"#,
            b"",
        ] {
            assert_eq!(written(entry), None);
        }
    }
}
