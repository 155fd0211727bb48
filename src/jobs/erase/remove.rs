//! Removes rows from a table: finds them on the newest snapshot, puts their keys on the list, rewrites their files without them,
//! and commits; repeats this as long as other commits come first. Files written for a lost attempt are used again where their
//! original is still live.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::Array;
use chrono::{DateTime, Utc};

use super::find::{self, EmailRecords, ErasedIds, Rows};
use super::held::HoldCheck;
use super::ledger::{FileReceipt, FileState, TableReceipt};
use crate::error::{Error, Result};
use crate::lake::columns::keys;
use crate::lake::file::tags;
use crate::lake::fold::splice::{Spliced, splice};
use crate::lake::log::commit::{ATTEMPTS, Change, commit, discard, lost_race};
use crate::lake::log::snapshot::{DataFile, Snapshot};
use crate::lake::log::table::{HOT_VERSION, LakeTable};
use crate::lake::parallel::at_most;
use crate::ledgers::erased::suppress;
use crate::progress::{Progress, Unit};
use crate::record::fields::{KeyRule, hidden};
use crate::record::key::sent_days;
use crate::record::names::{columns, own_column};
use crate::tiers::suppressed::{AllNames, Key, List, Subject};
use crate::tiers::warehouse::{Tiers, Warehouse};

/// Files written anew at once: each holds its old bytes and a row group.
const FILES: usize = 2;

/// One erasure at work.
pub struct Remover {
    pub warehouse: Arc<Warehouse>,
    pub key: Key,
    pub erasure_id: String,
    pub at: DateTime<Utc>,
    pub progress: Arc<dyn Progress>,
    /// No hold stood against it; nothing to ask where none can.
    pub unheld: Option<HoldCheck>,
}

/// The rows to remove.
#[derive(Clone)]
pub enum RowsToRemove {
    /// Of a tiered table: somebody's.
    Of(Arc<ErasedIds>),
    /// Of a reference table: those a list refuses.
    Refused(Arc<List>),
    /// Of a ledger: those with this value in this column.
    Holding(&'static str, String),
}

impl RowsToRemove {
    async fn rows(&self, lake: &Arc<LakeTable>, snapshot: &Snapshot) -> Result<Rows> {
        match self {
            Self::Of(erased_ids) => find::tiered(lake, snapshot, erased_ids).await,
            Self::Refused(list) => find::refused(lake, snapshot, list).await,
            Self::Holding(column, value) => find::holding(lake, snapshot, column, value).await,
        }
    }
}

/// Which of the rows removed from a tiered table count as erased.
#[derive(Clone, Copy)]
pub enum Count<'a> {
    /// All.
    All,
    /// Those of the archive whose key hot does not have.
    Beside(&'a Arc<LakeTable>),
    /// Those of the archive whose key was not counted in hot, and these that were passed over before.
    After(&'a Arc<LakeTable>, &'a HashSet<String>, &'a Days),
}

/// Keys of rows, with the day (since 1970) each was sent.
pub type Days = BTreeMap<String, Option<i32>>;

/// The rows removed from a table.
#[derive(Default)]
pub struct Removed {
    /// What proves it.
    pub receipt: TableReceipt,
    /// The keys of the rows.
    keys: HashSet<String>,
    /// Rows that were not counted.
    uncounted: Days,
}

/// New files by the path of the old one, with the places of the rows they were made without.
type Made = BTreeMap<String, (Vec<u32>, Spliced)>;

impl Remover {
    /// Removes rows from both tiers: from the archive, from hot, and from the archive what was moved there meanwhile. The last
    /// commit carries the version of hot from which the rows were gone before: no reader joins an older hot to it, and an archive
    /// run that read an older one loses to it.
    ///
    /// A record that is in both (a late row overrides it) is counted once, as erased in the month under which it was counted when
    /// it came in: hot's. So the archive's part goes first, uncounted where hot has the key, and hot's counts it: in
    /// this order a run that was killed in between leaves nothing that the next one would count again. What an archive run made hot
    /// forget before its turn came is counted at the end.
    pub async fn tiers(&self, tiers: &Tiers, what: &RowsToRemove) -> Result<[TableReceipt; 3]> {
        let archive = self.table(&tiers.archive, what, Count::Beside(&tiers.hot), false).await?;
        let hot = self.table(&tiers.hot, what, Count::All, true).await?;
        let mut owed = archive.uncounted;
        owed.retain(|key, _| !hot.keys.contains(key));
        let moved = self.table(&tiers.archive, what, Count::After(&tiers.hot, &hot.keys, &owed), true).await?;
        Ok([archive.receipt, hot.receipt, moved.receipt])
    }

    /// Makes an empty commit, so that a writer that prepared a change on an older version has to prepare it again.
    pub async fn fence(&self, lake: &Arc<LakeTable>) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let change = Change { operation: "erase", ..Change::default() };
            match commit(lake, &*lake.snapshot().await?, change, self.warehouse.clock().as_ref()).await {
                Err(error) if lost_race(&error) => {}
                done => return done.map(|_| ()),
            }
        }
        Err(busy(lake))
    }

    /// Removes rows from a table; with `fence` it commits even when there are none.
    pub async fn table(&self, lake: &Arc<LakeTable>, what: &RowsToRemove, count: Count<'_>, fence: bool) -> Result<Removed> {
        self.progress.say(&format!("erasing from {}", lake.name()));
        let mut made = Made::new();
        for _ in 0..ATTEMPTS {
            let base = lake.snapshot().await?;
            match self.attempt(lake, &base, what, count, fence, &mut made).await {
                Err(error) if lost_race(&error) => {}
                // A file of the snapshot was deleted meanwhile, so there is a newer one.
                Err(error) if error.is_missing() && lake.snapshot().await?.version != base.version => {}
                // After another error the commit may have landed, so its files must stay.
                done => return done,
            }
        }
        self.discard(lake, made.into_values()).await;
        Err(busy(lake))
    }

    async fn discard(&self, lake: &LakeTable, made: impl Iterator<Item = (Vec<u32>, Spliced)>) {
        let adds: Vec<_> = made.filter_map(|(_, spliced)| spliced.add).collect();
        discard(lake, &adds).await;
    }

    async fn attempt(
        &self,
        lake: &Arc<LakeTable>,
        base: &Snapshot,
        what: &RowsToRemove,
        count: Count<'_>,
        fence: bool,
        made: &mut Made,
    ) -> Result<Removed> {
        if let Some(unheld) = &self.unheld {
            unheld.still(&self.warehouse).await?;
        }
        let rows = what.rows(lake, base).await?;
        let days = days_of(lake, &rows).await?;
        self.suppress(lake, &rows, &days, what).await?;
        self.splice(lake, &rows, made).await?;
        let mut change = Change { operation: "erase", ..Change::default() };
        let mut removed = Removed { keys: days.keys().cloned().collect(), ..Removed::default() };
        removed.receipt = TableReceipt { table: lake.name(), rows: rows.rows(), ..TableReceipt::default() };
        for (path, (file, places)) in rows.files {
            let (_, spliced) = made.get(&path).ok_or_else(|| Error::internal(phrase!("{path} was not written anew")))?;
            removed.receipt.files.push(file_receipt(lake, &file, places.len() as u64, spliced)?);
            change.adds.extend(spliced.add.clone());
            change.removes.push(file);
        }
        let mut counted = if lake.table.tiered { days } else { BTreeMap::new() };
        match count {
            Count::All => {}
            Count::Beside(hot) => {
                // Hot after the archive's snapshot: what it no longer has by then was moved by a commit we lose to.
                let in_hot = days_of(hot, &what.rows(hot, &*hot.snapshot().await?).await?).await?;
                removed.uncounted = counted.clone().into_iter().filter(|(key, _)| in_hot.contains_key(key)).collect();
                counted.retain(|key, _| !in_hot.contains_key(key));
            }
            Count::After(hot, done, owed) => {
                counted.retain(|key, _| !done.contains(key));
                counted.extend(owed.clone());
                // Taken after the archive's snapshot, so never less than what that carries.
                let version = hot.snapshot().await?.version;
                change.transactions.push((HOT_VERSION, version.map_or(-1, |version| version as i64)));
            }
        }
        for day in counted.into_values() {
            change.tally.month(day).erased += 1;
        }
        if change.is_empty() && !fence {
            return Ok(removed);
        }
        let committed = commit(lake, base, change, self.warehouse.clock().as_ref()).await;
        // Only what is found to be missing before the commit lets us try again: after it, nobody may know whether it landed.
        let unsure = |error: Error| match error.is_missing() {
            true => Error::unavailable(error.to_string()).with_source(error),
            false => error,
        };
        removed.receipt.version = committed.map_err(unsure)?.version;
        Ok(removed)
    }

    /// Puts the keys, and all other names, of rows about to go on the list, where they are not yet.
    async fn suppress(&self, lake: &Arc<LakeTable>, rows: &Rows, days: &Days, what: &RowsToRemove) -> Result<()> {
        if rows.files.is_empty() || lake.table.ledger {
            return Ok(());
        }
        let mut subjects: Vec<Subject<'_>> = days.keys().map(|key| Subject::Record(&lake.table.name, key)).collect();
        let mut email_records = EmailRecords::default();
        if let (RowsToRemove::Of(erased_ids), KeyRule::Ier) = (what, lake.table.key) {
            email_records.add(lake, rows, erased_ids).await?;
        }
        subjects.extend(email_records.ier_ids.iter().map(|id| Subject::Ier(id)));
        let names = match lake.table.tiered && own_column(&lake.table).is_some() {
            true => AllNames::of(&lake.table, &rows.fetch(lake, &columns(&lake.table)).await?)?,
            false => AllNames::default(),
        };
        subjects.extend(names.subjects(&lake.table));
        suppress(&self.warehouse, &self.key, &subjects, self.at, &self.erasure_id).await
    }

    /// Makes the new files that are not made yet; drops those whose origin is gone or loses other rows now.
    async fn splice(&self, lake: &Arc<LakeTable>, rows: &Rows, made: &mut Made) -> Result<()> {
        let is_current = |path: &String, places: &Vec<u32>| rows.files.get(path).is_some_and(|(_, now)| now == places);
        let (current, void): (Made, Made) =
            std::mem::take(made).into_iter().partition(|(path, (places, _))| is_current(path, places));
        *made = current;
        self.discard(lake, void.into_values()).await;
        let missing = rows.files.iter().filter(|(path, _)| !made.contains_key(*path));
        let missing: Vec<(Arc<DataFile>, Vec<u32>)> = missing.map(|(_, file)| file.clone()).collect();
        self.progress.count(Unit::Rows, missing.iter().map(|(file, _)| file.rows).sum());
        let now = self.warehouse.clock().now().timestamp_millis();
        let (lake, progress) = (lake.clone(), self.progress.clone());
        let done = at_most(FILES, missing, move |(file, places)| {
            let (lake, progress) = (lake.clone(), progress.clone());
            async move {
                let spliced = splice(&lake, &file, &places, now).await?;
                progress.advance(file.rows);
                Ok((file.add.path.clone(), (places, spliced)))
            }
        });
        made.extend(done.await?);
        Ok(())
    }
}

fn busy(lake: &LakeTable) -> Error {
    Error::conflict(phrase!("{} is changed by others all the time: run the same again to finish", lake.name()))
}

fn file_receipt(lake: &LakeTable, file: &DataFile, rows_removed: u64, spliced: &Spliced) -> Result<FileReceipt> {
    let state = |file: &DataFile| FileState {
        path: file.add.path.clone(),
        blake3: file.tag(tags::BLAKE3).map(str::to_owned),
        rows: file.rows,
        bytes: file.bytes(),
    };
    let after = spliced.add.clone().map(|add| DataFile::new(&lake.table, lake.role, add)).transpose()?;
    Ok(FileReceipt {
        before: state(file),
        after: after.as_ref().map(state),
        rows_removed,
        groups_copied: spliced.groups_copied as u64,
        groups_encoded: spliced.groups_encoded as u64,
    })
}

async fn days_of(lake: &Arc<LakeTable>, rows: &Rows) -> Result<Days> {
    if rows.files.is_empty() {
        return Ok(Days::new());
    }
    let columns: &[&str] = if lake.table.tiered { &[hidden::KEY, "sent_date"] } else { &[hidden::KEY] };
    let batch = rows.fetch(lake, columns).await?;
    let sent = sent_days(&batch);
    let day = |row: usize| sent.filter(|days| days.is_valid(row)).map(|days| days.value(row));
    Ok(keys(&batch)?.iter().enumerate().filter_map(|(row, key)| Some((key?.to_owned(), day(row)))).collect())
}
