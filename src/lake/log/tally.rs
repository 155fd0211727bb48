//! The tally of a table: how many rows it ever took in and gave up for good, by month. `ier reconcile` compares it with the rows
//! that are there.
//!
//! A tally is a small JSON object beside the data files, `_tally/<number>.json`. An application transaction of the commit that
//! changed the rows names it, so it commits with them and cannot disagree with what was done. It can only disagree with what is
//! there, and that is its purpose. Its numbers are totals since the table's first commit. A commit that changes them writes a new
//! object, and vacuum deletes the old ones. It carries a seal as a log entry does ([`super::seal`]).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use serde::{Deserialize, Serialize};

use super::seal;
use super::snapshot::Snapshot;
use super::table::LakeTable;
use crate::error::{Context, Error, Result};
use crate::lake::paths::{date_of, first_of_month, tally_file};

/// Application transaction: the number of the tally that holds since this commit.
pub const TALLY: &str = "ier.tally";

/// Rows by month sent (`2026-05`); those without a date are under `none`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    months: BTreeMap<String, Counts>,
}

/// The counts of a month's rows: taken in, erased, expired and given up. A row whose date is corrected leaves one month and comes
/// into another: taken in there, and one less taken in here.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Rows that came in.
    pub taken_in: i64,
    /// Rows that were erased on request.
    pub erased: i64,
    /// Rows that retention removed.
    pub expired: i64,
    /// Rows that were in files given up because they were gone or damaged. Left out where there are none, as it was before there were.
    #[serde(default, skip_serializing_if = "is_none")]
    pub given_up: i64,
}

fn is_none(rows: &i64) -> bool {
    *rows == 0
}

impl Counts {
    /// Rows that must still be stored.
    pub fn left(self) -> i64 {
        self.taken_in - self.erased - self.expired - self.given_up
    }

    fn add(&mut self, other: Self) {
        self.taken_in += other.taken_in;
        self.erased += other.erased;
        self.expired += other.expired;
        self.given_up += other.given_up;
    }
}

impl Tally {
    /// Does it count nothing?
    pub fn is_empty(&self) -> bool {
        self.months.values().all(|counts| *counts == Counts::default())
    }

    /// The counts of the month of a day (since 1970); of rows without a date where there is none.
    pub fn month(&mut self, day: Option<i32>) -> &mut Counts {
        self.months.entry(month_name(day)).or_default()
    }

    /// Adds the counts of another.
    pub fn add(&mut self, other: &Self) {
        for (month, counts) in &other.months {
            self.months.entry(month.clone()).or_default().add(*counts);
        }
    }

    /// All months, in order.
    pub fn months(&self) -> impl Iterator<Item = (&str, Counts)> {
        self.months.iter().map(|(month, counts)| (month.as_str(), *counts))
    }
}

/// The name under which a day's month is counted.
pub fn month_name(day: Option<i32>) -> String {
    day.map_or_else(|| "none".to_owned(), |day| date_of(first_of_month(day)).format("%Y-%m").to_string())
}

/// The tally that holds at a version of a table; an empty one when nothing was ever counted.
///
/// # Errors
/// Conflict when it was swept because the table has moved on since.
pub async fn read(table: &LakeTable, snapshot: &Snapshot) -> Result<Tally> {
    let Some(number) = table.transaction(snapshot, TALLY).await? else { return Ok(Tally::default()) };
    let path = place(table, number);
    let bytes = match table.store.get(&path).await {
        Ok(found) => found.bytes().await.context(|| phrase!("cannot read {path}"))?,
        Err(object_store::Error::NotFound { .. }) if table.snapshot().await?.version != snapshot.version => {
            return Err(Error::conflict(phrase!("{} has moved on from version {:?}", table.name(), snapshot.version)));
        }
        Err(error) => return Err(Error::from(error).context(phrase!("cannot read {path}"))),
    };
    seal::check(&bytes).map_err(|broken| seal::damage(&path, &broken))?;
    table.markers.check_belongs(&table.sealed_name(&path), &bytes).await?.map_err(|broken| seal::damage(&path, &broken))?;
    let unreadable = |error| Error::corrupt(phrase!("{path} is no tally: {error}"));
    let mut tally: serde_json::Value = serde_json::from_slice(&bytes).map_err(unreadable)?;
    if let Some(fields) = tally.as_object_mut() {
        fields.shift_remove(seal::FIELD);
        fields.shift_remove(seal::BELONGS);
    }
    serde_json::from_value(tally).map_err(unreadable)
}

/// The place of the tally that holds at a version of a table.
pub async fn live(table: &LakeTable, snapshot: &Snapshot) -> Result<Option<Path>> {
    Ok(table.transaction(snapshot, TALLY).await?.map(|number| place(table, number)))
}

fn place(table: &LakeTable, number: i64) -> Path {
    Path::from_iter(table.folder.parts().chain(Path::from(tally_file(number)).parts()))
}

/// Writes the tally as it will be after a commit on `base` that changes it by `change`, under a random number.
pub(crate) async fn write(table: &LakeTable, base: &Snapshot, change: &Tally, number: i64, now: DateTime<Utc>) -> Result<()> {
    let mut tally = read(table, base).await?;
    tally.add(change);
    let unwritable = |error| Error::internal(phrase!("a tally cannot be written: {error}"));
    let mut sealed = serde_json::to_value(&tally).map_err(unwritable)?;
    let path = place(table, number);
    sealed[seal::BELONGS] = table.markers.place_of(table.sealed_name(&path), now).await?.text().into();
    let (field, place_of_seal) = seal::place();
    sealed[field] = place_of_seal;
    let bytes = seal::sealed(&serde_json::to_vec(&sealed).map_err(unwritable)?);
    let bytes = bytes.ok_or_else(|| Error::internal("a tally has no place for its seal"))?;
    table.store.put(&path, PutPayload::from(bytes)).await.context(|| phrase!("cannot write {path}"))?;
    Ok(())
}
