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

use std::sync::Arc;

use arrow::array::{Array, BooleanArray, RecordBatch, StringArray, StringBuilder};
use arrow::compute::filter_record_batch;
use futures::TryStreamExt;

pub use super::homes::ier_ids;
use super::homes::{Homes, with_homes};
use super::pin::pin;
use super::settle::{Home, Moved};
use super::upsert::Upsert;
use super::warehouse::Warehouse;
use crate::error::{Error, Result};
use crate::lake::log::commit::ATTEMPTS;
use crate::lake::paths::Partition;
use crate::lake::read;
use crate::record::fields::{Table, known};

/// Memory for ids of IERs that are looked up together, where no load says how much there is.
const IDS_BYTES: usize = 32 << 20;

/// Memory for links that are moved; more wait on disk.
const MOVED_BYTES: usize = 32 << 20;

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
    Homes::of(warehouse, ier_ids(links)?).await?.give(links)
}

/// Writes the links of these IERs anew, where they now belong. Called before the IERs are committed.
pub async fn follow(warehouse: &Arc<Warehouse>, moved: &[Moved]) -> Result<()> {
    if moved.is_empty() {
        return Ok(());
    }
    move_to(warehouse, &Homes::moved(moved)).await
}

/// Gives the links of these IERs the homes their IERs have now, again as long as IERs change meanwhile.
pub async fn settle_anew(warehouse: &Arc<Warehouse>, ids: &StringArray) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let version = ier_version(warehouse).await?;
        move_to(warehouse, &Homes::of(warehouse, ids).await?).await?;
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

/// Writes the links of IERs anew, with these homes. Archived ones first: hot ones override them.
async fn move_to(warehouse: &Arc<Warehouse>, homes: &Homes) -> Result<()> {
    let wanted: Vec<&str> = homes.ids().collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let tiers = warehouse.tiers(table()?).await?;
    let pinned = pin(&tiers).await?;
    let mut moved = Upsert::new(warehouse, table()?, MOVED_BYTES).await?;
    for (lake, snapshot) in [(&tiers.archive, &pinned.archive), (&tiers.hot, &pinned.hot)] {
        for file in snapshot.files().filter(|file| file.may_hold("ier_id", &wanted)) {
            let mut rows = read::open(lake, file).await?.stream(None, None)?;
            while let Some(links) = rows.try_next().await? {
                let ids = ier_ids(&links)?.iter();
                let is_of: BooleanArray = ids.map(|id| Some(id.is_some_and(|id| homes.is_known(id)))).collect();
                if is_of.true_count() > 0 {
                    moved.push(&homes.give(&filter_record_batch(&links, &is_of)?)?)?;
                }
            }
        }
    }
    write(moved).await
}

/// Looks again for the IERs of links that had none.
pub async fn adopt_orphans(warehouse: &Arc<Warehouse>) -> Result<()> {
    let version = ier_version(warehouse).await?;
    let hot = warehouse.tiers(table()?).await?.hot;
    let snapshot = hot.snapshot().await?;
    let mut adopted = Upsert::new(warehouse, table()?, MOVED_BYTES).await?;
    let mut named = StringBuilder::new();
    for file in snapshot.partition(Partition(None)) {
        let open = read::open(&hot, file).await?;
        let orphans = (open.stream(None, None)?, open.stream(None, None)?);
        with_homes(warehouse, orphans, IDS_BYTES, |orphans, homes| {
            let ids = ier_ids(orphans)?;
            // An IER without any date has links here for good: those that already have its person stay as they are.
            let is_news = |row: usize| match homes.get(ids.value(row)).filter(Home::is_known) {
                Some(home) if ids.is_valid(row) => Ok(home != Home::of(orphans, row)?),
                _ => Ok(false),
            };
            let found = (0..ids.len()).map(is_news).collect::<Result<Vec<bool>>>()?;
            let news = filter_record_batch(orphans, &BooleanArray::from(found))?;
            if news.num_rows() > 0 {
                ier_ids(&news)?.iter().flatten().for_each(|id| named.append_value(id));
                adopted.push(&homes.give(&news)?)?;
            }
            Ok(())
        })
        .await?;
    }
    let named = named.finish();
    write(adopted).await?;
    if !named.is_empty() && ier_version(warehouse).await? != version {
        settle_anew(warehouse, &named).await?;
    }
    Ok(())
}

/// Writes link rows that already have their homes.
async fn write(mut links: Upsert) -> Result<()> {
    if links.rows() > 0 {
        links.write().await?;
    }
    Ok(())
}
