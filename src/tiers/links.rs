//! Places links with their IERs: same person, same date, same tier.
//!
//! A link's export names only its IER. The load looks up the IER's person and date; a link whose IER is not known waits in the
//! partition without a date and is looked up again after every load. When an IER's person or date changes, its links are
//! rewritten **before** the IER is committed. A crash between the two leaves the IER unchanged, so the same load, run again,
//! moves the links again.
//!
//! **Race.** IERs and links are two tables, so their commits can cross: one load looks up an IER for its link while another moves
//! the IER with its known links. So both look again at the end: a load that moved IERs settles their links again after its
//! commit, and a load that wrote links does so for IERs that changed since the look-up. Whichever commits last sees the other.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Date32Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::filter_record_batch;
use futures::TryStreamExt;

use super::pin::pin;
use super::settle::{Counts, IerPlacement, Moved};
use super::upsert::Upsert;
use super::warehouse::Warehouse;
use crate::error::{Error, Result};
use crate::lake::log::commit::ATTEMPTS;
use crate::lake::log::snapshot::DataFile;
use crate::lake::log::table::LakeTable;
use crate::lake::paths::Partition;
use crate::lake::read;
use crate::record::fields::{Table, UTC, known};

/// Links looked up at once.
pub const CHUNK_ROWS: usize = 1 << 20;

/// The table of links.
pub fn table() -> Result<&'static Arc<Table>> {
    known("individual_link").ok_or_else(|| Error::internal("no table of links"))
}

/// The table of IERs.
pub fn ier_table() -> Result<&'static Arc<Table>> {
    known("individual_email_result").ok_or_else(|| Error::internal("no table of IERs"))
}

/// Gives links the person and date of their IERs, as far as these are known.
pub async fn enrich(warehouse: &Arc<Warehouse>, links: &RecordBatch) -> Result<RecordBatch> {
    let placements = placements(warehouse, ier_ids(links)?).await?;
    with_placements(links, &placements)
}

/// The IERs that links name.
pub fn ier_ids(links: &RecordBatch) -> Result<&StringArray> {
    let column = links.column_by_name("ier_id").ok_or_else(|| Error::internal("links without ier_id"))?;
    Ok(column.as_string::<i32>())
}

/// Looks IERs up by id: hot ones first, which override archived ones. Ids ascend with creation, so the log's ranges leave
/// few files to read.
async fn placements(warehouse: &Arc<Warehouse>, ids: &StringArray) -> Result<HashMap<String, IerPlacement>> {
    let mut wanted: Vec<&str> = ids.iter().flatten().collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut found = HashMap::new();
    let tiers = warehouse.tiers(ier_table()?).await?;
    let pinned = pin(&tiers).await?;
    for (lake, snapshot) in [(&tiers.hot, &pinned.hot), (&tiers.archive, &pinned.archive)] {
        for file in snapshot.files().filter(|file| file.may_hold("ier_id", &wanted)) {
            let mut rows =
                read::open(lake, file).await?.stream(Some(&["ier_id", "person_id", "date_sent", "sent_date"]), None)?;
            while let Some(batch) = rows.try_next().await? {
                let ids = batch.column(0).as_string::<i32>();
                for row in 0..batch.num_rows() {
                    let id = ids.value(row);
                    if ids.is_valid(row) && wanted.binary_search(&id).is_ok() && !found.contains_key(id) {
                        found.insert(id.to_owned(), IerPlacement::of(&batch, row)?);
                    }
                }
            }
        }
    }
    Ok(found)
}

/// The links with the placements that were found; others stay as they are.
fn with_placements(links: &RecordBatch, placements: &HashMap<String, IerPlacement>) -> Result<RecordBatch> {
    let ids = ier_ids(links)?;
    let placements: Vec<IerPlacement> = (0..links.num_rows())
        .map(|row| match ids.is_valid(row).then(|| placements.get(ids.value(row))).flatten() {
            Some(placement) => Ok(placement.clone()),
            None => IerPlacement::of(links, row),
        })
        .collect::<Result<_>>()?;
    let people: StringArray = placements.iter().map(|placement| placement.person_id.as_deref()).collect();
    let dates: TimestampMicrosecondArray = placements.iter().map(|placement| placement.date_sent).collect();
    let days: Date32Array = placements.iter().map(|placement| placement.sent_date).collect();
    let mut columns = links.columns().to_vec();
    let settled: [(&str, ArrayRef); 3] = [
        ("person_id", Arc::new(people)),
        ("date_sent", Arc::new(dates.with_timezone(UTC.clone()))),
        ("sent_date", Arc::new(days)),
    ];
    for (name, column) in settled {
        columns[links.schema().index_of(name)?] = column;
    }
    Ok(RecordBatch::try_new(links.schema(), columns)?)
}

/// Writes the links of these IERs anew, where they now belong. Called before the IERs are committed.
pub async fn follow(warehouse: &Arc<Warehouse>, moved: &[Moved]) -> Result<()> {
    if moved.is_empty() {
        return Ok(());
    }
    let placements: HashMap<String, IerPlacement> =
        moved.iter().map(|moved| (moved.ier_id.clone(), moved.placement.clone())).collect();
    let links = links_of(warehouse, &placements).await?;
    upsert(warehouse, &links).await?;
    Ok(())
}

/// Gives the links of these IERs the placements that their IERs have now, again as long as IERs change meanwhile.
pub async fn update_placements(warehouse: &Arc<Warehouse>, ids: &StringArray) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let version = ier_version(warehouse).await?;
        let placements = placements(warehouse, ids).await?;
        upsert(warehouse, &links_of(warehouse, &placements).await?).await?;
        if ier_version(warehouse).await? == version {
            return Ok(());
        }
    }
    Err(Error::conflict(phrase!("{} is changed by others all the time: try again", ier_table()?.name)))
}

/// The version of the hot table of IERs: as long as it is the same, no IER has moved.
pub async fn ier_version(warehouse: &Arc<Warehouse>) -> Result<Option<u64>> {
    Ok(warehouse.tiers(ier_table()?).await?.hot.snapshot().await?.version)
}

/// The links of IERs, with the placements given. Archived ones first: hot ones override them.
async fn links_of(warehouse: &Arc<Warehouse>, placements: &HashMap<String, IerPlacement>) -> Result<Vec<RecordBatch>> {
    let mut wanted: Vec<&str> = placements.keys().map(String::as_str).collect();
    wanted.sort_unstable();
    let tiers = warehouse.tiers(table()?).await?;
    let pinned = pin(&tiers).await?;
    let mut links = Vec::new();
    for (lake, snapshot) in [(&tiers.archive, &pinned.archive), (&tiers.hot, &pinned.hot)] {
        for file in snapshot.files().filter(|file| file.may_hold("ier_id", &wanted)) {
            links.extend(matching(lake, file, |id| placements.contains_key(id)).await?);
        }
    }
    links.iter().map(|links| with_placements(links, placements)).collect()
}

/// Looks again for the IERs of links that had none.
pub async fn adopt_orphans(warehouse: &Arc<Warehouse>) -> Result<()> {
    let version = ier_version(warehouse).await?;
    let hot = warehouse.tiers(table()?).await?.hot;
    let snapshot = hot.snapshot().await?;
    let mut adopted = Vec::new();
    for file in snapshot.partition(Partition(None)) {
        for orphans in matching(&hot, file, |_| true).await? {
            let ids = ier_ids(&orphans)?;
            let placements = placements(warehouse, ids).await?;
            // An IER without any date has links here for good: those that already have its person stay as they are.
            let is_news = |row: usize| match placements.get(ids.value(row)).filter(|placement| placement.is_known()) {
                Some(placement) if ids.is_valid(row) => Ok(*placement != IerPlacement::of(&orphans, row)?),
                _ => Ok(false),
            };
            let found = (0..ids.len()).map(is_news).collect::<Result<Vec<bool>>>()?;
            adopted.push(with_placements(&filter_record_batch(&orphans, &BooleanArray::from(found))?, &placements)?);
        }
    }
    upsert(warehouse, &adopted).await?;
    if adopted.iter().any(|links| links.num_rows() > 0) && ier_version(warehouse).await? != version {
        for links in &adopted {
            update_placements(warehouse, ier_ids(links)?).await?;
        }
    }
    Ok(())
}

async fn matching(lake: &LakeTable, file: &DataFile, wanted: impl Fn(&str) -> bool) -> Result<Vec<RecordBatch>> {
    let mut rows = read::open(lake, file).await?.stream(None, None)?;
    let mut matching = Vec::new();
    while let Some(batch) = rows.try_next().await? {
        let mask: BooleanArray = ier_ids(&batch)?.iter().map(|id| Some(id.is_some_and(&wanted))).collect();
        if mask.true_count() > 0 {
            matching.push(filter_record_batch(&batch, &mask)?);
        }
    }
    Ok(matching)
}

/// Upserts link rows that already have their placements.
async fn upsert(warehouse: &Arc<Warehouse>, links: &[RecordBatch]) -> Result<Counts> {
    if links.iter().all(|links| links.num_rows() == 0) {
        return Ok(Counts::default());
    }
    let mut upsert = Upsert::new(warehouse, table()?, 256 << 20).await?;
    for batch in links.iter().filter(|links| links.num_rows() > 0) {
        upsert.push(batch)?;
    }
    upsert.write().await
}
