//! Merges copies of a record that are stored under one key more than once.
//!
//! No job stores a key twice. Copies come from a fault, or from an old file that somebody put back. All copies are versions of the
//! record and are resolved like versions (Rule 2). The result goes to hot as a late row, in the same commit that removes hot's
//! other copies. From that commit on every query finds one row, because a late row overrides archived copies. The next fold of late
//! rows removes those.
//!
//! **Invariants.** No copy is removed before the row that holds everything it says is committed. What was erased stays erased,
//! because the list is read after both tiers are pinned, as in a load. The books ([`crate::lake::log::tally`]) do not change: a
//! copy that was never counted in need not be counted out.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, Date32Array, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};

use super::pin::{Pinned, pin_all};
use super::settle::{IerPlacement, Moved, partitions_of};
use super::warehouse::{Tiers, Warehouse};
use super::{links, suppressed};
use crate::error::{Error, Result};
use crate::lake::columns::keys;
use crate::lake::file::tags::ANYWHERE;
use crate::lake::fold::write::StartedFiles;
use crate::lake::fold::{Changes, Located, fold, locate};
use crate::lake::log::commit::{ATTEMPTS, Change, commit, discard_paths, lost_race};
use crate::lake::log::snapshot::{DataFile, Snapshot};
use crate::lake::log::table::LakeTable;
use crate::lake::paths::Partition;
use crate::record::fields::{KeyRule, hidden};
use crate::record::resolve::{group_by_key, resolve};

/// Merges the copies of each of these records, in hot and archive or in a table of one lake; returns how many records there were.
/// Unknown keys are skipped.
///
/// # Errors
/// Conflict when others change the table all the time.
pub async fn mend(
    warehouse: &Arc<Warehouse>,
    target: &Arc<LakeTable>,
    tiers: Option<&Tiers>,
    wanted: &HashSet<&str>,
) -> Result<u64> {
    let (iers, links) = (target.table.key == KeyRule::Ier, target.table.name == links::table()?.name);
    // IERs whose links have to be looked at again when all is done.
    let mut followed: Vec<String> = Vec::new();
    for _ in 0..ATTEMPTS {
        let pinned = pin_all(target, tiers).await?;
        let begun = Arc::new(StartedFiles::default());
        let attempt = async {
            let (mut whole, in_hot) = resolved(warehouse, (target, tiers), &pinned, wanted).await?;
            if links {
                // Copies that were left behind when their IER moved must not win.
                whole = links::enrich(warehouse, &whole).await?;
                followed.extend(links::ier_ids(&whole)?.iter().flatten().map(str::to_owned));
            }
            if iers {
                let moved = moved_iers(&whole)?;
                links::follow(warehouse, &moved).await?;
                followed.extend(moved.into_iter().map(|moved| moved.ier_id));
            }
            let coming: HashSet<&str> = keys(&whole)?.iter().flatten().collect();
            // Copies of what was erased are not ours to remove.
            let leaving = in_hot.only(|key| coming.contains(key));
            let change = change(warehouse, target, &leaving, &whole, &begun).await?;
            Ok::<_, Error>((whole.num_rows() as u64, change))
        };
        let (records, change) = match attempt.await {
            Ok(done) => done,
            Err(error) => {
                discard_paths(target, &begun.paths()).await;
                if pinned.is_past_of(target, tiers, &error).await? {
                    continue;
                }
                return Err(error);
            }
        };
        if !change.is_empty() {
            match commit(target, &pinned.hot, change, warehouse.clock().as_ref()).await {
                Err(error) if lost_race(&error) => {
                    discard_paths(target, &begun.paths()).await;
                    continue;
                }
                done => done?,
            };
        }
        if !followed.is_empty() {
            links::update_placements(warehouse, &followed.iter().map(Some).collect()).await?;
        }
        return Ok(records);
    }
    Err(Error::conflict(phrase!("{} is changed by others all the time: try again", target.name())))
}

/// One row for each record, of all its copies, marked as overriding archived ones anywhere; and where hot's copies stand.
async fn resolved(
    warehouse: &Warehouse,
    (target, tiers): (&Arc<LakeTable>, Option<&Tiers>),
    pinned: &Pinned,
    wanted: &HashSet<&str>,
) -> Result<(RecordBatch, Located)> {
    let table = &target.table;
    let list = suppressed::list(warehouse).await?;
    let files = |snapshot: &Snapshot| snapshot.files().cloned().collect::<Vec<Arc<DataFile>>>();
    let in_hot = locate(target, &files(&pinned.hot), wanted).await?;
    let mut copies = vec![in_hot.fetch(target).await?];
    if let Some(tiers) = tiers {
        let in_archive = locate(&tiers.archive, &files(&pinned.archive), wanted).await?;
        copies.push(in_archive.fetch(&tiers.archive).await?);
    }
    let (copies, _) = list.admitted(table, concat_batches(&table.lake_schema(), &copies)?)?;
    let by_key = group_by_key(&copies)?;
    let whole = resolve(table, &copies, &by_key.groups())?.batch;
    if tiers.is_none() {
        return Ok((whole, in_hot));
    }
    let mut columns = whole.columns().to_vec();
    columns[whole.schema().index_of(hidden::LATE)?] = Arc::new(Date32Array::from(vec![ANYWHERE; whole.num_rows()]));
    Ok((RecordBatch::try_new(whole.schema(), columns)?, in_hot))
}

/// Where the links of these IERs belong.
pub(super) fn moved_iers(iers: &RecordBatch) -> Result<Vec<Moved>> {
    let ids = iers.column_by_name("ier_id").ok_or_else(|| Error::internal("no column ier_id"))?.as_string::<i32>();
    let known = (0..iers.num_rows()).filter(|row| ids.is_valid(*row));
    known.map(|row| Ok(Moved { ier_id: ids.value(row).to_owned(), placement: IerPlacement::of(iers, row)? })).collect()
}

/// The change to hot: these rows come, those go.
pub(super) async fn change(
    warehouse: &Warehouse,
    hot: &Arc<LakeTable>,
    leaving: &Located,
    whole: &RecordBatch,
    begun: &Arc<StartedFiles>,
) -> Result<Change> {
    let places = partitions_of(hot, whole)?;
    let mut touched: BTreeSet<Partition> = places.iter().copied().collect();
    touched.extend(leaving.hits.values().map(|hits| hits.file.partition));
    let mut change = Change { operation: "mend", ..Change::default() };
    for partition in touched {
        let mask: BooleanArray = places.iter().map(|place| Some(*place == partition)).collect();
        let mut outgoing = leaving.clone();
        outgoing.hits.retain(|_, hits| hits.file.partition == partition);
        let changes =
            Changes { outgoing, incoming: vec![filter_record_batch(whole, &mask)?], begun: begun.clone(), ..Changes::default() };
        let folded = fold(hot, partition, changes, warehouse.clock().now().timestamp_millis(), &|_| {}).await?;
        change.adds.extend(folded.adds);
        change.removes.extend(folded.replaced);
    }
    Ok(change)
}
