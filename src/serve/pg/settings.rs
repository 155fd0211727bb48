//! The settings that a session may set and show, with their allowed values. Other names are refused.
//!
//! Most of them have no effect: clients set what they need from Postgres, and must get an answer. These have one: the zone in which
//! moments are shown, the time limit of a statement, and the reason for look-ups (`ier.reason`). Some are sent to the client whenever
//! they change ([`REPORTED`]).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::failure::Failure;
use super::zone::Zone;

/// The version of Postgres whose protocol and catalog are spoken.
pub(crate) const SERVER_VERSION: &str = "16.0";

/// What a setting may be.
#[derive(Clone, Copy)]
enum Kind {
    /// It stays what it is.
    Fixed,
    /// It stays what it is; to set what it is already does no harm.
    Only(&'static [&'static str]),
    /// Anything: nothing depends on it.
    Text,
    /// A time zone.
    Zone,
    /// `ISO` and an order of day and month, in which no date is ever read.
    DateStyle,
    /// Milliseconds, or a number with a unit.
    Time,
}

const YES: &[&str] = &["on", "true", "yes", "1"];
const NO: &[&str] = &["off", "false", "no", "0"];
const UTF8: &[&str] = &["utf8", "utf-8", "unicode"];
const ISOLATION: &[&str] = &["read committed", "read uncommitted", "repeatable read", "serializable"];
const EITHER: &[&str] = &["on", "off", "true", "false", "yes", "no", "1", "0"];

/// Names as they are shown, what they are at first, and what they may be.
const KNOWN: &[(&str, &str, Kind)] = &[
    ("application_name", "", Kind::Text),
    ("block_size", "8192", Kind::Fixed),
    ("bytea_output", "hex", Kind::Only(&["hex"])),
    ("check_function_bodies", "on", Kind::Text),
    ("client_encoding", "UTF8", Kind::Only(UTF8)),
    ("client_min_messages", "notice", Kind::Text),
    ("cursor_tuple_fraction", "0.1", Kind::Text),
    ("DateStyle", "ISO, MDY", Kind::DateStyle),
    ("default_transaction_deferrable", "off", Kind::Only(EITHER)),
    ("default_transaction_isolation", "read committed", Kind::Only(ISOLATION)),
    ("default_transaction_read_only", "on", Kind::Only(EITHER)),
    ("enable_bitmapscan", "on", Kind::Text),
    ("enable_hashjoin", "on", Kind::Text),
    ("enable_indexscan", "on", Kind::Text),
    ("enable_mergejoin", "on", Kind::Text),
    ("enable_nestloop", "on", Kind::Text),
    ("enable_seqscan", "on", Kind::Text),
    ("escape_string_warning", "on", Kind::Text),
    ("extra_float_digits", "1", Kind::Text),
    ("geqo", "on", Kind::Text),
    ("idle_in_transaction_session_timeout", "0", Kind::Time),
    ("idle_session_timeout", "0", Kind::Time),
    ("ier.reason", "", Kind::Text),
    ("in_hot_standby", "on", Kind::Fixed),
    ("integer_datetimes", "on", Kind::Fixed),
    ("IntervalStyle", "postgres", Kind::Only(&["postgres"])),
    ("is_superuser", "off", Kind::Fixed),
    ("jit", "off", Kind::Text),
    ("lc_collate", "C", Kind::Fixed),
    ("lc_ctype", "C.UTF-8", Kind::Fixed),
    ("lc_messages", "C", Kind::Text),
    ("lc_monetary", "C", Kind::Text),
    ("lc_numeric", "C", Kind::Text),
    ("lc_time", "C", Kind::Text),
    ("lock_timeout", "0", Kind::Time),
    ("max_identifier_length", "63", Kind::Fixed),
    ("max_index_keys", "32", Kind::Fixed),
    ("plan_cache_mode", "auto", Kind::Text),
    ("row_security", "on", Kind::Only(YES)),
    ("search_path", "\"$user\", public", Kind::Text),
    ("server_encoding", "UTF8", Kind::Fixed),
    ("server_version", SERVER_VERSION, Kind::Fixed),
    ("server_version_num", "160000", Kind::Fixed),
    ("session_authorization", "", Kind::Fixed),
    ("standard_conforming_strings", "on", Kind::Only(YES)),
    ("statement_timeout", "0", Kind::Time),
    ("synchronize_seqscans", "on", Kind::Text),
    ("synchronous_commit", "on", Kind::Text),
    ("TimeZone", "UTC", Kind::Zone),
    ("transaction_deferrable", "off", Kind::Only(NO)),
    ("transaction_isolation", "read committed", Kind::Only(ISOLATION)),
    ("transaction_read_only", "on", Kind::Only(EITHER)),
    ("work_mem", "4MB", Kind::Text),
    ("xmloption", "content", Kind::Text),
];

/// Of these a client is told at first, and whenever they change.
const REPORTED: &[&str] = &[
    "server_version",
    "server_encoding",
    "client_encoding",
    "application_name",
    "is_superuser",
    "session_authorization",
    "DateStyle",
    "IntervalStyle",
    "TimeZone",
    "integer_datetimes",
    "standard_conforming_strings",
    "in_hot_standby",
    "default_transaction_read_only",
];

/// Longer values are nobody's.
const LONGEST: usize = 1024;

/// A session's settings, which its catalog reads, too.
#[derive(Clone, Debug)]
pub(crate) struct Settings(Arc<Mutex<Values>>);

/// What is set: names as they are shown, and values.
pub(super) type Values = BTreeMap<&'static str, String>;

impl Settings {
    /// What holds before anything is set, for this user.
    pub(super) fn of(user: &str) -> Self {
        let mut values: Values = KNOWN.iter().map(|(name, value, _)| (*name, (*value).to_owned())).collect();
        values.insert("session_authorization", user.to_owned());
        Self(Arc::new(Mutex::new(values)))
    }

    fn values(&self) -> MutexGuard<'_, Values> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All values, to be taken back to.
    pub(super) fn kept(&self) -> Values {
        self.values().clone()
    }

    /// Takes all values back.
    pub(super) fn take_back(&self, kept: &Values) {
        self.values().clone_from(kept);
    }

    /// What a setting is; `None` where there is none of that name.
    pub(crate) fn current(&self, name: &str) -> Option<String> {
        self.values().get(known(name)?.0).cloned()
    }

    /// Every setting that may be shown: its name and what it is.
    pub(crate) fn all(&self) -> Vec<(String, String)> {
        self.values().iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    /// Sets one, or (`None`) takes it back to what `first` says.
    ///
    /// # Errors
    /// 42704 for a name that is not known, 55P02 for what cannot be changed, 22023 for what it cannot be.
    pub(crate) fn set(&self, name: &str, value: Option<&str>, first: &Values) -> Result<(), Failure> {
        let unknown = || Failure::new("42704", format!("unrecognized configuration parameter \"{name}\""));
        let (name, kind) = known(name).ok_or_else(unknown)?;
        let value = match value {
            Some(value) => accepted(name, kind, value, &self.values()[name])?,
            None => first.get(name).cloned().ok_or_else(unknown)?,
        };
        self.values().insert(name, value);
        Ok(())
    }

    /// Of what a client is to be told now, with all of it or what is different from `before`.
    pub(super) fn reported(&self, before: Option<&Values>) -> Vec<(String, String)> {
        let values = self.values();
        let reported = REPORTED.iter().filter_map(|name| Some((*name, values.get(name)?)));
        reported
            .filter(|(name, value)| before.is_none_or(|before| before.get(name) != Some(value)))
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .collect()
    }

    /// The zone in which moments are read and shown.
    pub(super) fn zone(&self) -> Zone {
        Zone::parse(&self.values()["TimeZone"]).unwrap_or(Zone::Named(chrono_tz::Tz::UTC))
    }

    /// Why people are looked up.
    pub(super) fn reason(&self) -> String {
        self.values()["ier.reason"].clone()
    }

    /// How long a statement may take by the client's own wish.
    pub(super) fn statement_timeout(&self) -> Option<Duration> {
        milliseconds(&self.values()["statement_timeout"]).filter(|milliseconds| *milliseconds > 0).map(Duration::from_millis)
    }
}

fn known(name: &str) -> Option<(&'static str, Kind)> {
    let name = match name.to_ascii_lowercase().as_str() {
        "time zone" => "timezone".to_owned(),
        "names" => "client_encoding".to_owned(),
        name => name.to_owned(),
    };
    KNOWN.iter().find(|(known, ..)| known.eq_ignore_ascii_case(&name)).map(|(name, _, kind)| (*name, *kind))
}

/// The value a setting has when it is set to this.
fn accepted(name: &'static str, kind: Kind, value: &str, now: &str) -> Result<String, Failure> {
    let wrong = || Failure::new("22023", format!("invalid value for parameter \"{name}\": \"{value}\""));
    // asyncpg quotes the name of its encoding where nothing else is quoted.
    let plain = value.trim().trim_matches('\'').to_ascii_lowercase();
    if value.len() > LONGEST {
        return Err(Failure::new("22023", format!("the value for parameter \"{name}\" is too long")));
    }
    match kind {
        Kind::Fixed if plain == now.to_ascii_lowercase() => Ok(now.to_owned()),
        Kind::Fixed => Err(Failure::new("55P02", format!("parameter \"{name}\" cannot be changed"))),
        Kind::Text => Ok(value.to_owned()),
        // What a client may say differs from what holds only where that makes no difference.
        Kind::Only(values) => values.contains(&plain.as_str()).then(|| now.to_owned()).ok_or_else(wrong),
        Kind::Zone if ["local", "default"].contains(&plain.as_str()) => Ok("UTC".to_owned()),
        Kind::Zone => Zone::parse(value).map(|zone| spelled(zone, value)).ok_or_else(wrong),
        Kind::DateStyle => {
            let is_ours = plain.split(',').all(|part| ["iso", "mdy", "dmy", "ymd", "us", "european"].contains(&part.trim()));
            is_ours.then(|| now.to_owned()).ok_or_else(wrong)
        }
        Kind::Time => milliseconds(&plain).map(|milliseconds| milliseconds.to_string()).ok_or_else(wrong),
    }
}

/// A zone, by a text that reads as the same zone again.
fn spelled(zone: Zone, typed: &str) -> String {
    match zone {
        Zone::Named(_) => zone.to_string(),
        Zone::Fixed(_) => typed.trim().to_owned(),
    }
}

fn milliseconds(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let unit = match text[digits..].trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(unit).filter(|milliseconds| *milliseconds <= i32::MAX as u64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_cannot_be_set_and_what_counts_is_checked() {
        let settings = Settings::of("ana");
        let first = settings.kept();
        for (name, value, code) in [
            ("datafusion.runtime.memory_limit", "1G", "42704"),
            ("ier.rollups", "off", "42704"),
            ("server_version", "17", "55P02"),
            ("is_superuser", "on", "55P02"),
            ("client_encoding", "LATIN1", "22023"),
            ("DateStyle", "German", "22023"),
            ("TimeZone", "Denver", "22023"),
            ("statement_timeout", "soon", "22023"),
            ("standard_conforming_strings", "off", "22023"),
        ] {
            assert_eq!(settings.set(name, Some(value), &first).unwrap_err().code, code, "{name}");
        }
        assert_eq!(settings.kept(), first);
    }

    #[test]
    fn changes_are_told_and_taken_back() {
        let settings = Settings::of("ana");
        let first = settings.kept();
        settings.set("time zone", Some("europe/berlin"), &first).unwrap();
        settings.set("STATEMENT_TIMEOUT", Some("2s"), &first).unwrap();
        settings.set("datestyle", Some("ISO, DMY"), &first).unwrap();
        assert_eq!(settings.reported(Some(&first)), [("TimeZone".to_owned(), "Europe/Berlin".to_owned())]);
        assert_eq!(settings.statement_timeout(), Some(Duration::from_secs(2)));
        assert_eq!(settings.current("statement_timeout"), Some("2000".to_owned()));
        settings.set("timezone", None, &first).unwrap();
        assert_eq!(settings.current("timezone"), Some("UTC".to_owned()));
        settings.set("timezone", Some("-7"), &first).unwrap();
        assert_eq!(settings.zone().to_string(), "<-07>+07");
    }
}
