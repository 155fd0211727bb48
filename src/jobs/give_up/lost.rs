//! A file that is missing or damaged, and what the log says was in it.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use datafusion::common::ScalarValue;
use serde::Serialize;

use crate::human;
use crate::jobs::verify::DeadFile;
use crate::lake::paths::{Role, date_of};

/// A file that is gone or damaged, and what was in it.
#[derive(Clone, Debug, Serialize)]
pub struct LostFile {
    /// The table.
    pub object: String,
    /// `hot`, `archive` or `reference`.
    pub tier: &'static str,
    /// The file, as the table's log names it.
    pub path: String,
    /// What became of it.
    pub reason: String,
    /// Its rows.
    pub rows: u64,
    /// Its bytes, as they were.
    pub bytes: u64,
    /// The month its rows were sent in, by its first day; none where the table has no months, or they have no date.
    pub month: Option<NaiveDate>,
    /// The earliest and the latest day sent, where the log tells.
    pub first_sent: Option<NaiveDate>,
    /// The latest.
    pub last_sent: Option<NaiveDate>,
    /// The least and the greatest id in it, by column, where the log tells.
    pub ids: BTreeMap<String, [String; 2]>,
    /// When it was written.
    pub written_at: Option<DateTime<Utc>>,
    /// May a legal hold cover rows of it? None where holds cannot be read.
    pub may_be_held: Option<bool>,
    /// The column that is a record's own id, if it names no person.
    #[serde(skip)]
    pub(super) own_id: Option<&'static str>,
}

/// First and last day (since 1970) on which rows of a file were sent; none where that is not known.
pub(super) fn days(dead: &DeadFile) -> (Option<i32>, Option<i32>) {
    let day = |value: &ScalarValue| match value {
        ScalarValue::Date32(day) => *day,
        _ => None,
    };
    match dead.file.ranges.get("sent_date") {
        Some(range) => (day(&range.min), day(&range.max)),
        None => (None, None),
    }
}

impl LostFile {
    pub(super) fn of(dead: &DeadFile, may_be_held: Option<bool>) -> Self {
        let (lake, file) = (&dead.lake, &dead.file);
        let (first, last) = days(dead);
        let ids = file.ranges.iter().filter_map(|(column, range)| match (&range.min, &range.max) {
            (ScalarValue::Utf8View(Some(least)), ScalarValue::Utf8View(Some(greatest))) => {
                Some((column.clone(), [least.clone(), greatest.clone()]))
            }
            _ => None,
        });
        let is_person = ["contact", "lead", "person_alias"].contains(&&*lake.table.name);
        Self {
            object: lake.table.name.to_string(),
            tier: lake.role.folder(),
            path: file.add.path.clone(),
            reason: dead.reason.clone(),
            rows: file.rows,
            bytes: file.bytes(),
            month: Role::Archive.partition_of(file.partition.0).0.map(date_of),
            first_sent: first.map(date_of),
            last_sent: last.map(date_of),
            ids: ids.collect(),
            written_at: DateTime::from_timestamp_millis(file.add.modification_time),
            may_be_held,
            own_id: (!is_person).then_some(lake.table.id),
        }
    }
}

impl fmt::Display for LostFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rows, bytes) = (human::counted(self.rows, "row"), human::bytes(self.bytes));
        write!(f, "{}/{}/{}: {}; {rows}, {bytes}", self.tier, self.object, self.path, self.reason)?;
        if let (Some(first), Some(last)) = (self.first_sent, self.last_sent) {
            write!(f, ", sent {first} to {last}")?;
        }
        for (column, [least, greatest]) in &self.ids {
            write!(f, ", {column} {least} to {greatest}")?;
        }
        if self.may_be_held == Some(true) {
            f.write_str("; a legal hold may cover some of it")?;
        }
        Ok(())
    }
}
