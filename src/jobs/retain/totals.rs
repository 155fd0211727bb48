//! The ledger `expired_total`: counts of IERs by send and month, which stay when retention removes the rows.
//!
//! The ledger is another table than the one from which rows are removed, and no commit changes two tables. So there are three
//! steps:
//! 1. The totals are stored as an object of their own, with a random number as its name.
//! 2. The commit that removes the rows carries this number, as an application transaction.
//! 3. The totals are written to the ledger, and the object is deleted.
//!
//! A run that was killed in between is finished by the next one, before anything else is removed from the table. If the table
//! carries the number, its rows were removed, and the totals of the object go into the ledger. An object whose number the table
//! does not carry belongs to a removal that never happened, and is deleted. The key of a row of the ledger is made of all its
//! values, so two processes that finish the same removal write each row once.
//!
//! **Invariant**: the ledger never counts a row that is still stored. A row that was removed is missing from it until the next run
//! at most.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use chrono::{DateTime, Duration, Utc};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Context, Error, Result};
use crate::lake::log::snapshot::Snapshot;
use crate::lake::log::table::{LakeTable, REMOVAL};
use crate::lake::paths;
use crate::ledgers::sends::Mailing;
use crate::record::fields::{UTC, known};
use crate::record::key::label_array;
use crate::tiers::upsert::Upsert;
use crate::tiers::warehouse::Warehouse;

/// Rows on their way into the ledger, in memory.
const BUFFER_BYTES: usize = 64 << 20;

/// After this long without the removal, the run that stored the totals has died.
const ABANDONED_DAYS: i64 = 7;

/// The key of a total: month, send and job.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct TotalKey {
    /// The first day of the month, since 1970.
    pub month: i32,
    /// The e-mail send.
    pub send: Option<String>,
    /// The triggered send.
    pub triggered: Option<String>,
    /// The job.
    pub job: Option<String>,
}

impl TotalKey {
    /// Rows of a mailing sent on a day.
    pub fn new(day: i32, mailing: &Mailing) -> Self {
        let (send, triggered, job) = (mailing.send.clone(), mailing.triggered.clone(), mailing.job.clone());
        Self { month: paths::first_of_month(day), send, triggered, job }
    }
}

/// A total; all but the rows are an IER's.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Total {
    pub rows: i64,
    pub opened: i64,
    pub clicked: i64,
    pub hard_bounced: i64,
    pub soft_bounced: i64,
    pub unsubscribed: i64,
}

impl Total {
    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.opened += other.opened;
        self.clicked += other.clicked;
        self.hard_bounced += other.hard_bounced;
        self.soft_bounced += other.soft_bounced;
        self.unsubscribed += other.unsubscribed;
    }
}

/// The totals of rows that go.
pub type Totals = BTreeMap<TotalKey, Total>;

/// Totals stored before their rows are removed.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedTotals {
    #[serde(skip)]
    number: i64,
    run_id: String,
    removed_at: DateTime<Utc>,
    object: String,
    totals: Vec<(TotalKey, Total)>,
}

fn place(warehouse: &Warehouse, name: &str) -> Path {
    Path::from_iter(warehouse.root().base.parts().chain(Path::from(name).parts()))
}

impl RecordedTotals {
    /// Stores totals under a random number.
    pub async fn new(warehouse: &Warehouse, lake: &LakeTable, totals: Totals) -> Result<Self> {
        let now = warehouse.clock().now();
        let number = (Uuid::new_v4().as_u128() >> 65) as i64;
        let run_id = format!("retain-{}-{number:016x}", now.format("%Y%m%dT%H%M%S"));
        let object = lake.table.name.to_string();
        let put = Self { number, run_id, removed_at: now, object, totals: totals.into_iter().collect() };
        let bytes = serde_json::to_vec(&put).map_err(|error| Error::internal(phrase!("totals cannot be written: {error}")))?;
        let at = place(warehouse, &paths::retention(number));
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        warehouse.root().store.put_opts(&at, bytes.into(), options).await.context(|| phrase!("cannot write {at}"))?;
        Ok(put)
    }

    /// The application transaction of the removal's commit.
    pub fn transaction(&self) -> (&'static str, i64) {
        (REMOVAL, self.number)
    }

    /// By what the ledger names the removal.
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// The rows are removed: their totals go into the ledger.
    pub async fn removed(self, warehouse: &Arc<Warehouse>) -> Result<()> {
        let text = |value: &dyn Fn(&TotalKey) -> Option<&str>| label_array(self.totals.iter().map(|(of, _)| value(of)));
        // Only an IER tells what became of its mail.
        let of_iers = self.object == crate::tiers::links::ier_table()?.name;
        let number = |value: fn(&Total) -> i64, is_known: bool| -> ArrayRef {
            Arc::new(self.totals.iter().map(|(_, total)| is_known.then(|| value(total))).collect::<Int64Array>())
        };
        let run_ids: StringArray = self.totals.iter().map(|_| Some(self.run_id.as_str())).collect();
        let moments = TimestampMicrosecondArray::from_value(self.removed_at.timestamp_micros(), self.totals.len());
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("run_id", Arc::new(run_ids) as ArrayRef, true),
            ("removed_at", Arc::new(moments.with_timezone(UTC.clone())), true),
            ("object", label_array(self.totals.iter().map(|_| Some(self.object.as_str()))), true),
            ("month", Arc::new(self.totals.iter().map(|(of, _)| Some(of.month)).collect::<Date32Array>()), true),
            ("send_definition_id", text(&|of| of.send.as_deref()), true),
            ("triggered_send_definition_id", text(&|of| of.triggered.as_deref()), true),
            ("job_id", text(&|of| of.job.as_deref()), true),
            ("rows", number(|total| total.rows, true), true),
            ("opened", number(|total| total.opened, of_iers), true),
            ("clicked", number(|total| total.clicked, of_iers), true),
            ("hard_bounced", number(|total| total.hard_bounced, of_iers), true),
            ("soft_bounced", number(|total| total.soft_bounced, of_iers), true),
            ("unsubscribed", number(|total| total.unsubscribed, of_iers), true),
        ])?;
        let table = known("expired_total").ok_or_else(|| Error::internal("no ledger of what expired"))?;
        let mut upsert = Upsert::new(warehouse, table, BUFFER_BYTES).await?;
        upsert.push(&batch)?;
        let doing = || "the rows are removed, but expired_total does not say so yet: run `ier retain --confirm` again";
        upsert.write().await.context(doing)?;
        self.forget(warehouse).await
    }

    /// The rows were not removed, and will not be by this removal.
    pub async fn forget(&self, warehouse: &Warehouse) -> Result<()> {
        let at = place(warehouse, &paths::retention(self.number));
        match warehouse.root().store.delete(&at).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error).context(|| phrase!("cannot delete {at}")),
        }
    }

    async fn read(warehouse: &Warehouse, number: i64) -> Result<Option<Self>> {
        let at = place(warehouse, &paths::retention(number));
        let bytes = match warehouse.root().store.get(&at).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            found => found.context(|| phrase!("cannot read {at}"))?.bytes().await.context(|| phrase!("cannot read {at}"))?,
        };
        let put = serde_json::from_slice(&bytes).map_err(|error| Error::corrupt(phrase!("{at} is unreadable: {error}")))?;
        Ok(Some(Self { number, ..put }))
    }
}

/// Finishes the last removal from a table, should it have been interrupted. Before each further removal.
pub async fn settle(warehouse: &Arc<Warehouse>, lake: &LakeTable, snapshot: &Snapshot) -> Result<()> {
    let Some(number) = lake.transaction(snapshot, REMOVAL).await? else { return Ok(()) };
    match RecordedTotals::read(warehouse, number).await? {
        None => Ok(()),
        Some(put) => put.removed(warehouse).await,
    }
}

/// Deletes totals whose rows were never removed. Call when every table is settled.
pub async fn sweep(warehouse: &Warehouse) -> Result<()> {
    let folder = place(warehouse, paths::RETENTION);
    let abandoned = warehouse.clock().now() - Duration::days(ABANDONED_DAYS);
    let store = &warehouse.root().store;
    let listed: Vec<_> = store.list(Some(&folder)).try_collect().await.context(|| phrase!("cannot list {folder}"))?;
    for object in listed.iter().filter(|object| object.last_modified < abandoned) {
        let Some(number) = object.location.filename().and_then(paths::retention_number) else { continue };
        match store.delete(&place(warehouse, &paths::retention(number))).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error).context(|| phrase!("cannot delete {}", object.location)),
        }
    }
    Ok(())
}
