//! Merges the rows of a record that are stored under several keys, once a loaded version or `ier reconcile` has shown that they are
//! one record.
//!
//! All these rows are versions of the record and are resolved like versions (Rule 2). The result goes to hot under the best of the
//! keys, as a late row that may override archived copies. Only when it is committed, the rows under the other keys are removed. So
//! no query ever misses the record; until the end there are two rows of it, as before.
//!
//! **Order.** A row is removed from the archive before the hot row that hides it ([`claim`]). As long as an archived copy exists,
//! so does either the hot row or the result. Each round looks at what is stored now, and does the next steps that are possible. So
//! a killed run is finished by running it again, and a round that loses a commit race starts again.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, RecordBatch, StringArray, UInt32Array, make_comparator};
use arrow::compute::{SortOptions, cast, concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Date32Type};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::claim;
use super::links;
use super::mend;
use super::namesakes::with_keys;
use super::pin::{Pinned, pin_all};
use super::settle::Moved;
use super::suppressed;
use super::warehouse::{Tiers, Warehouse};
use crate::error::{Error, Result};
use crate::lake::columns::keys;
use crate::lake::file::tags::ANYWHERE;
use crate::lake::fold::write::StartedFiles;
use crate::lake::fold::{Changes, Located, fold_through, locate};
use crate::lake::log::commit::{ATTEMPTS, Change, commit, discard_paths, lost_race};
use crate::lake::log::snapshot::{DataFile, Snapshot};
use crate::lake::log::table::LakeTable;
use crate::lake::log::tally::Tally;
use crate::lake::paths::Partition;
use crate::lake::paths::Role;
use crate::lake::read::verify::{RowSum, read_back, summed};
use crate::record::fields::{CUSTOM, KeyRule, Source, Table, hidden};
use crate::record::names::OneRecord;
use crate::record::observed;
use crate::record::resolve::{group_by_key, resolve};

/// Makes one row of each of these records, in hot and archive or in a table of one lake. Returns how many there were.
///
/// On the heap, because moving links may find links that are one.
///
/// # Errors
/// Conflict when others change the table all the time.
pub fn unite<'a>(
    warehouse: &'a Arc<Warehouse>,
    target: &'a Arc<LakeTable>,
    tiers: Option<&'a Tiers>,
    records: &'a [OneRecord],
) -> BoxFuture<'a, Result<u64>> {
    let key_of = records.iter().flat_map(|record| record.stored.iter().map(|key| (key.as_str(), record.key.as_str()))).collect();
    Work { warehouse, target, tiers, key_of }.run().boxed()
}

struct Work<'a> {
    warehouse: &'a Arc<Warehouse>,
    target: &'a Arc<LakeTable>,
    tiers: Option<&'a Tiers>,
    /// Under which key the rows of each key go.
    key_of: HashMap<&'a str, &'a str>,
}

/// The changes of one round.
#[derive(Default)]
struct Round {
    /// Rows of hot that come, and those that go.
    incoming: Option<RecordBatch>,
    outgoing: Located,
    /// Archived rows that go.
    archived: Located,
    hot_tally: Tally,
    archive_tally: Tally,
    /// Records of which rows are left under several keys.
    records: u64,
}

impl Round {
    fn is_done(&self) -> bool {
        self.incoming.is_none() && self.outgoing.is_empty() && self.archived.is_empty()
    }
}

impl Work<'_> {
    async fn run(self) -> Result<u64> {
        let is_ier = self.target.table.key == KeyRule::Ier;
        let (mut claimed, mut followed, mut united) = (None, Vec::new(), 0);
        // A record may take two rounds, and each round a claim.
        for _ in 0..ATTEMPTS + 4 {
            let pinned = pin_all(self.target, self.tiers).await?;
            let round = match self.round(&pinned).await {
                Err(error) if self.is_past(&pinned, &error).await? => continue,
                round => round?,
            };
            united = united.max(round.records);
            if round.is_done() {
                if !followed.is_empty() {
                    links::update_placements(self.warehouse, &followed.iter().map(Some).collect()).await?;
                }
                return Ok(united);
            }
            if let Some(tiers) = self.tiers.filter(|_| claimed.is_none() || claimed != pinned.archive.version) {
                claimed = claim::claim(self.warehouse, tiers, &pinned, "unite").await?;
                continue;
            }
            if let Some(incoming) = round.incoming.as_ref().filter(|_| is_ier) {
                let moved: Vec<Moved> = mend::moved_iers(incoming)?;
                links::follow(self.warehouse, &moved).await?;
                followed.extend(moved.into_iter().map(|moved| moved.ier_id));
            }
            match self.commit(&pinned, round).await {
                Err(error) if lost_race(&error) => {}
                Err(error) if self.is_past(&pinned, &error).await? => {}
                done => done?,
            }
        }
        Err(Error::conflict(phrase!("{} is changed by others all the time: try again", self.target.name())))
    }

    async fn is_past(&self, pinned: &Pinned, error: &Error) -> Result<bool> {
        pinned.is_past_of(self.target, self.tiers, error).await
    }

    /// Reads the stored records, and plans what can be done next.
    async fn round(&self, pinned: &Pinned) -> Result<Round> {
        let table = &self.target.table;
        let list = suppressed::list(self.warehouse).await?;
        let wanted: HashSet<&str> = self.key_of.keys().copied().collect();
        let files = |snapshot: &Snapshot| snapshot.files().cloned().collect::<Vec<Arc<DataFile>>>();
        let in_hot = locate(self.target, &files(&pinned.hot), &wanted).await?;
        let in_archive = match self.tiers {
            Some(tiers) => locate(&tiers.archive, &files(&pinned.archive), &wanted).await?,
            None => Located::default(),
        };
        let (hot, _) = list.admitted(table, in_hot.fetch(self.target).await?)?;
        let (archived, _) = match self.tiers {
            Some(tiers) => list.admitted(table, in_archive.fetch(&tiers.archive).await?)?,
            None => (RecordBatch::new_empty(table.lake_schema()), 0),
        };
        let rows = concat_batches(&table.lake_schema(), [&hot, &archived])?;
        self.decide(&rows, hot.num_rows(), &in_hot, &in_archive).await
    }

    async fn decide(&self, rows: &RecordBatch, in_hot: usize, hot: &Located, archived: &Located) -> Result<Round> {
        let table = &self.target.table;
        let was: StringArray = keys(rows)?.clone();
        let is_under = |row: u32| self.key_of.get(was.value(row as usize)).is_none_or(|key| *key == was.value(row as usize));
        let is_hot = |row: u32| (row as usize) < in_hot;
        let renamed = was.iter().map(|key| key.map(|key| self.key_of.get(key).copied().unwrap_or(key))).collect();
        let rows = with_keys(rows, renamed)?;
        let by_key = group_by_key(&rows)?;
        let mut groups: Vec<Vec<u32>> = by_key.groups().into_iter().map(<[u32]>::to_vec).collect();
        // Of rows that say the same the one in its place is to be taken for the outcome.
        groups.iter_mut().for_each(|group| group.sort_by_key(|row| !(is_hot(*row) && is_under(*row))));
        groups.retain(|group| group.iter().map(|row| was.value(*row as usize)).collect::<BTreeSet<_>>().len() > 1);
        let groups: Vec<&[u32]> = groups.iter().map(Vec::as_slice).collect();
        let mut whole = resolve(table, &rows, &groups)?.batch;
        let says_all = RowContainment::new(table, &whole, &rows)?;
        if whole.num_rows() > 0 && table.name == links::table()?.name {
            whole = links::enrich(self.warehouse, &whole).await?;
        }
        let mut round = Round { records: groups.len() as u64, ..Round::default() };
        let (mut incoming, mut previous) = (Vec::new(), Vec::new());
        let (mut hot_outgoing, mut archive_outgoing) = (HashSet::new(), HashSet::new());
        for (place, group) in groups.iter().enumerate() {
            let there = group.first().copied().filter(|row| is_hot(*row) && is_under(*row));
            let has_archived = group.iter().any(|row| !is_hot(*row));
            let is_there = there.is_some_and(|there| says_all.are(place, there) && (!has_archived || is_marked(&rows, there)));
            for row in group.iter().copied().filter(|row| !is_under(*row)) {
                let key = was.value(row as usize);
                let hidden = group.iter().any(|other| is_hot(*other) && was.value(*other as usize) == key);
                if is_hot(row) {
                    hot_outgoing.insert(key);
                    round.hot_tally.month(day(&rows, row)).taken_in -= 1;
                } else if hidden || is_there {
                    archive_outgoing.insert(key);
                    if !hidden {
                        round.archive_tally.month(day(&rows, row)).taken_in -= 1;
                    }
                }
            }
            if !is_there {
                // What showed under this key: the row in hot, else the archived one.
                let before = there.or_else(|| group.iter().copied().find(|row| is_under(*row)));
                if let Some(before) = before {
                    hot_outgoing.insert(was.value(before as usize));
                    round.hot_tally.month(day(&rows, before)).taken_in -= 1;
                }
                round.hot_tally.month(day(&whole, place as u32)).taken_in += 1;
                incoming.push(place as u32);
                previous.push(before.or(group.first().copied()));
            }
        }
        round.outgoing = hot.only(|key| hot_outgoing.contains(key));
        round.archived = archived.only(|key| archive_outgoing.contains(key));
        if !incoming.is_empty() {
            let incoming = take_record_batch(&whole, &UInt32Array::from(incoming))?;
            round.incoming = Some(self.noted(&rows, &previous, incoming)?);
        }
        if self.tiers.is_none() {
            // Rows of reference tables have no count by month.
            (round.hot_tally, round.archive_tally) = Default::default();
        }
        Ok(round)
    }

    /// The rows that come, marked, and with what they were before noted where that is kept.
    fn noted(&self, rows: &RecordBatch, previous: &[Option<u32>], incoming: RecordBatch) -> Result<RecordBatch> {
        let table = &self.target.table;
        let mut incoming = incoming;
        if table.field(hidden::OBSERVED).is_some() {
            let now = self.warehouse.clock().now().timestamp_millis();
            let kept = rows.column(rows.schema().index_of(hidden::OBSERVED)?);
            let changes = observed::Changes::new(table, rows, &incoming)?;
            let noted = previous.iter().enumerate().map(|(after, before)| match before {
                Some(before) if kept.is_valid(*before as usize) => changes.noted(*before as usize, after, now).map(Some),
                _ => Ok(None),
            });
            incoming = observed::with(&incoming, noted.collect::<Result<Vec<Option<String>>>>()?.into())?;
        }
        if table.tiered {
            let mut columns = incoming.columns().to_vec();
            columns[incoming.schema().index_of(hidden::LATE)?] = Arc::new(Date32Array::from(vec![ANYWHERE; incoming.num_rows()]));
            incoming = RecordBatch::try_new(incoming.schema(), columns)?;
        }
        Ok(incoming)
    }

    /// Commits to the archive first, even an empty change: see [`claim`].
    async fn commit(&self, pinned: &Pinned, round: Round) -> Result<()> {
        let clock = self.warehouse.clock().as_ref();
        if let Some(tiers) = self.tiers {
            let begun = Arc::new(StartedFiles::default());
            let change = self.removal(&tiers.archive, &round.archived, &begun).await;
            let done = match change {
                Ok(change) => {
                    let transactions = claim::transactions(pinned);
                    let change = Change { transactions, tally: round.archive_tally, ..change };
                    commit(&tiers.archive, &pinned.archive, change, clock).await.map(|_| ())
                }
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                discard_paths(&tiers.archive, &begun.paths()).await;
                return Err(error);
            }
        }
        if round.incoming.is_none() && round.outgoing.is_empty() {
            return Ok(());
        }
        let begun = Arc::new(StartedFiles::default());
        let incoming = round.incoming.unwrap_or_else(|| RecordBatch::new_empty(self.target.table.lake_schema()));
        let done = match mend::change(self.warehouse, self.target, &round.outgoing, &incoming, &begun).await {
            Ok(change) => {
                let change = Change { operation: "unite", tally: round.hot_tally, ..change };
                commit(self.target, &pinned.hot, change, clock).await.map(|_| ())
            }
            Err(error) => Err(error),
        };
        if done.is_err() {
            discard_paths(self.target, &begun.paths()).await;
        }
        done
    }

    /// The archive's files without some rows, read back.
    async fn removal(&self, archive: &Arc<LakeTable>, outgoing: &Located, begun: &Arc<StartedFiles>) -> Result<Change> {
        let mut by_month: BTreeMap<Partition, Located> = BTreeMap::new();
        for (path, hits) in &outgoing.hits {
            by_month.entry(hits.file.partition).or_default().hits.insert(path.clone(), hits.clone());
        }
        let mut change = Change { operation: "unite", ..Change::default() };
        for (month, outgoing) in by_month {
            let stay: u64 = outgoing.hits.values().map(|hits| hits.file.rows - hits.rows.len() as u64).sum();
            let sum = Arc::new(Mutex::new(RowSum::default()));
            let summing = sum.clone();
            let changes = Changes { outgoing, begun: begun.clone(), ..Changes::default() };
            let now = self.warehouse.clock().now().timestamp_millis();
            let folded = fold_through(archive, month, changes, now, &|_| {}, |rows| summed(rows, summing)).await?;
            let written = *sum.lock().map_err(|_| Error::internal("a sum's lock is poisoned"))?;
            if written.rows != stay {
                return Err(Error::internal(phrase!(
                    "{}: {stay} rows were to stay, {} were written",
                    archive.name(),
                    written.rows
                )));
            }
            let new = folded.adds.iter().map(|add| DataFile::new(&archive.table, Role::Archive, add.clone()));
            read_back(archive, new.collect::<Result<_>>()?, written).await?;
            change.adds.extend(folded.adds);
            change.removes.extend(folded.replaced);
        }
        Ok(change)
    }
}

/// Tells whether rows of one batch have all values that rows of another have.
struct RowContainment(Vec<arrow::array::DynComparator>);

impl RowContainment {
    fn new(table: &Table, some: &RecordBatch, others: &RecordBatch) -> Result<Self> {
        let is_provided = |name: &str, source: Source| source == Source::Export || [CUSTOM, hidden::KEPT].contains(&name);
        let columns = table.fields.iter().filter(|field| is_provided(&field.name, field.source));
        let comparator = |name: &str| -> Result<_> {
            let column = |batch: &RecordBatch| -> Result<ArrayRef> {
                let column = batch.column_by_name(name).ok_or_else(|| Error::internal(phrase!("no column {name}")))?;
                Ok(if matches!(column.data_type(), DataType::Dictionary(..)) {
                    cast(column, &DataType::Utf8)?
                } else {
                    column.clone()
                })
            };
            Ok(make_comparator(&column(some)?, &column(others)?, SortOptions::default())?)
        };
        Ok(Self(columns.map(|field| comparator(&field.name)).collect::<Result<_>>()?))
    }

    fn are(&self, row: usize, other: u32) -> bool {
        self.0.iter().all(|compare| compare(row, other as usize).is_eq())
    }
}

fn is_marked(rows: &RecordBatch, row: u32) -> bool {
    rows.column_by_name(hidden::LATE).is_some_and(|marks| marks.is_valid(row as usize))
}

fn day(rows: &RecordBatch, row: u32) -> Option<i32> {
    let days = rows.column_by_name("sent_date")?.as_primitive_opt::<Date32Type>()?;
    days.is_valid(row as usize).then(|| days.value(row as usize))
}
