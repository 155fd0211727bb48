//! Builds and parses every path in the warehouse. No other file does.
//!
//! ```text
//! warehouse.json
//! upgraded.json
//! hot/individual_email_result/_delta_log/00000000000000000020.json
//! hot/individual_email_result/_delta_log/00000000000000000020.checkpoint.parquet
//! hot/individual_email_result/_seals/00000000000000000020.checkpoint.parquet/<blake3>
//! hot/individual_email_result/sent_day=2026-10-31/part-….parquet
//! hot/individual_email_result/_tally/….json
//! archive/individual_email_result/sent_month=2026-05-01/part-….parquet
//! reference/email_send/part-….parquet
//! lookups/00000000000000000001.json
//! lookups/key
//! lookups/key.id
//! lease/00000000000000000001.json
//! erased/key
//! retention/00000000004711000000.json
//! _probe/<blake3>
//! ```

use chrono::{Datelike, NaiveDate};
use object_store::path::Path;
use uuid::Uuid;

use crate::error::{Error, Result};

/// A partition: the first day (since 1970) it covers; `None` holds the rows without a date.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Partition(pub Option<i32>);

impl Partition {
    /// The value as the log writes it.
    pub fn value(self) -> Option<String> {
        self.0.map(|day| date_of(day).to_string())
    }

    pub(super) fn parse(value: Option<&str>) -> Result<Self> {
        match value {
            None | Some("") => Ok(Self(None)),
            Some(text) => {
                let date: NaiveDate =
                    text.parse().map_err(|_| Error::corrupt(phrase!("partition value {text:?} is not a date")))?;
                Ok(Self(Some(date.to_epoch_days())))
            }
        }
    }
}

/// Which of the warehouse's folders a table stands in; decides how it is partitioned.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Role {
    /// Young rows: one partition a day sent.
    Hot,
    /// Old rows: one partition a month sent.
    Archive,
    /// Small tables without partitions.
    Reference,
}

impl Role {
    /// All folders.
    pub const ALL: [Role; 3] = [Role::Hot, Role::Archive, Role::Reference];

    /// The folder's name.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Archive => "archive",
            Self::Reference => "reference",
        }
    }

    /// The Delta partition column. Its own column rather than `sent_date`, which every file holds: so the files of both
    /// tiers have one schema.
    pub fn partition_column(self) -> Option<&'static str> {
        match self {
            Self::Hot => Some("sent_day"),
            Self::Archive => Some("sent_month"),
            Self::Reference => None,
        }
    }

    /// The partition of a row sent on this day (days since 1970); rows without a day have one of their own.
    pub fn partition_of(self, day: Option<i32>) -> Partition {
        match self {
            Self::Hot => Partition(day),
            Self::Archive => Partition(day.map(first_of_month)),
            Self::Reference => Partition(None),
        }
    }
}

/// The first day of a day's month.
pub fn first_of_month(day: i32) -> i32 {
    let date = date_of(day);
    day - (date.day() as i32 - 1)
}

/// Days since 1970 as a date; a day beyond the calendar becomes its last day.
pub fn date_of(day: i32) -> NaiveDate {
    NaiveDate::from_epoch_days(day).unwrap_or(NaiveDate::MAX)
}

/// The marker of a warehouse, in its folder.
pub const MARKER: &str = "warehouse.json";

/// The object that records the seals from before an upgrade of the format.
pub const UPGRADED: &str = "upgraded.json";

/// The folder of a table, below the warehouse's.
pub fn table(role: Role, name: &str) -> String {
    format!("{}/{name}", role.folder())
}

/// The folder of a table's log, below the table's.
pub const LOG: &str = "_delta_log";

/// A log entry's name in that folder.
pub fn log_entry(version: u64) -> String {
    format!("{version:020}.json")
}

/// A sealed object of a table, as it is named below the warehouse's folder: the table's name, and the last two parts of the place.
/// A table's folder may be reached by a link, so that its place in the store need not be below the warehouse's.
pub fn sealed_name(table: &str, place: &Path) -> String {
    let parts: Vec<_> = place.parts().collect();
    let last = Path::from_iter(parts[parts.len().saturating_sub(2)..].iter().cloned());
    format!("{table}/{last}")
}

/// The name of the hint which checkpoint is the newest, in that folder.
pub const LAST_CHECKPOINT: &str = "_last_checkpoint";

/// The folder of the seals of a table's checkpoints. Other engines leave alone what begins with an underscore.
pub const SEALS: &str = "_seals";

/// The kinds of objects in the folder of a table's log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogObject {
    /// The entry of this version.
    Entry(u64),
    /// A checkpoint of this version.
    Checkpoint(u64),
    /// What says which checkpoint is the newest.
    LastCheckpoint,
}

/// What this object is, if it is one of a table's log.
pub fn log_object(place: &Path) -> Option<LogObject> {
    let mut parts = place.parts().rev();
    let name = parts.next()?;
    if parts.next()?.as_ref() != LOG {
        return None;
    }
    let name = name.as_ref();
    if name == LAST_CHECKPOINT {
        return Some(LogObject::LastCheckpoint);
    }
    let (digits, rest) = name.split_at_checked(20)?;
    let version = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
    match rest {
        ".json" => Some(LogObject::Entry(version)),
        rest if rest.starts_with(".checkpoint.") && rest.ends_with("parquet") => Some(LogObject::Checkpoint(version)),
        _ => None,
    }
}

/// The folder of the seals of a checkpoint.
pub fn seals_of(checkpoint: &Path) -> Path {
    let parts: Vec<_> = checkpoint.parts().collect();
    let (table, name) = parts.split_at(parts.len().saturating_sub(2));
    Path::from_iter(table.iter().cloned()).join(SEALS).join(name.last().map_or("", |name| name.as_ref()))
}

/// The file name of the checkpoint that a seal proves; none when the path is not a seal.
pub fn sealed_checkpoint(place: &Path) -> Option<String> {
    let mut parts = place.parts().rev().skip(1);
    let name = parts.next()?;
    (parts.next()?.as_ref() == SEALS).then(|| name.as_ref().to_owned())
}

/// The folder of the look-up log, beside those of the tables: no table's vacuum looks into it.
pub const LOOKUPS: &str = "lookups";

/// An entry of the look-up log, by its number: names sort as numbers do.
pub fn lookup(sequence: u64) -> String {
    format!("{LOOKUPS}/{sequence:020}.json")
}

/// Where the log's own key is kept when the settings name none.
pub const LOOKUP_KEY: &str = "lookups/key";

/// The object with the id of that key.
pub const LOOKUP_KEY_ID: &str = "lookups/key.id";

/// The number of the entry with this file name; none when it is not an entry.
pub fn lookup_sequence(file_name: &str) -> Option<u64> {
    numbered(file_name)
}

/// The number that is a file's name.
pub fn numbered(file_name: &str) -> Option<u64> {
    let digits = file_name.strip_suffix(".json").filter(|digits| digits.len() == 20)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Is this the place of an object of the look-up log?
pub fn is_lookup(place: &Path) -> bool {
    place.parts().rev().nth(1).is_some_and(|folder| folder.as_ref() == LOOKUPS)
}

/// The folder of a table's tallies. The underscore keeps other engines from taking them for data.
pub const TALLIES: &str = "_tally";

/// A tally's path below its table.
pub fn tally_file(number: i64) -> String {
    format!("{TALLIES}/{number}.json")
}

/// The folder of the objects on which distant stores are tried before they are written to.
pub const PROBES: &str = "_probe";

/// The folder of the schedulers' lease.
pub const LEASE: &str = "lease";

/// An entry of the lease, by its number.
pub fn lease(number: u64) -> String {
    format!("{LEASE}/{number:020}.json")
}

/// The object with the key that hashes the list of what was erased.
pub const ERASED_KEY: &str = "erased/key";

/// Is this the place of a key of the warehouse's own? On a disk it is for the owner's eyes alone.
pub fn is_key(place: &Path) -> bool {
    let parts: Vec<_> = place.parts().collect();
    let last = Path::from_iter(parts[parts.len().saturating_sub(2)..].iter().cloned());
    last.as_ref() == ERASED_KEY || last.as_ref() == LOOKUP_KEY
}

/// The version of the log entry or checkpoint with this file name, and whether it is a checkpoint.
pub fn log_version(file_name: &str) -> Option<(u64, bool)> {
    let (digits, ending) = file_name.split_at_checked(20)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let is_checkpoint = ending.starts_with(".checkpoint");
    (is_checkpoint || ending == ".json").then_some((digits.parse().ok()?, is_checkpoint))
}

/// The version a name in a log's folder begins with, whatever follows.
pub fn leading_version(place: &Path) -> Option<u64> {
    let (digits, _) = place.filename()?.split_at_checked(20)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// The folder of totals put down before the rows they sum up are removed, beside those of the tables: no table's vacuum looks
/// into it.
pub const RETENTION: &str = "retention";

/// The object with a removal's totals, by its number.
pub fn retention(number: i64) -> String {
    format!("{RETENTION}/{number:020}.json")
}

/// The number of the totals in the file of this name; none for what holds none.
pub fn retention_number(file_name: &str) -> Option<i64> {
    let digits = file_name.strip_suffix(".json").filter(|digits| digits.len() == 20)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Is this the place of an object of a table's log?
pub fn is_log(place: &Path) -> bool {
    place.parts().any(|part| part.as_ref() == LOG)
}

/// The folder of the table whose log this object belongs to.
pub fn table_of_log(place: &Path) -> Option<Path> {
    let above: Vec<_> = place.parts().take_while(|part| part.as_ref() != LOG).collect();
    is_log(place).then(|| Path::from_iter(above))
}

/// A new place beside an object, where it is written before it gets its name. Readers of Delta logs know such names and
/// pass them by.
pub fn aside(place: &Path) -> Path {
    let parts: Vec<_> = place.parts().collect();
    let folder = Path::from_iter(parts[..parts.len().saturating_sub(1)].iter().cloned());
    folder.join(format!("_commit_{}.json.tmp", Uuid::new_v4().simple()))
}

/// Is this a file that counts for nothing until a commit names it: data, or a tally?
pub fn is_named_by_commits(place: &Path) -> bool {
    let name = place.filename().unwrap_or_default();
    let tally = place.parts().rev().nth(1).is_some_and(|folder| folder.as_ref() == TALLIES);
    tally || (name.starts_with("part-") && name.ends_with(".parquet"))
}

/// Is this what a writer left [`aside`] when it was stopped?
pub fn is_temporary(place: &Path) -> bool {
    place.filename().is_some_and(|name| name.starts_with("_commit_") && name.ends_with(".json.tmp"))
}

/// A new data file's path below its table. Names are never used twice, so a file is never overwritten.
pub fn data_file(role: Role, partition: Partition) -> String {
    let name = format!("part-{}.parquet", Uuid::new_v4().simple());
    match role.partition_column() {
        None => name,
        Some(column) => {
            format!("{column}={}/{name}", partition.value().unwrap_or_else(|| "__HIVE_DEFAULT_PARTITION__".to_owned()))
        }
    }
}
