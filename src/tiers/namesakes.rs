//! Finds the stored record of a version whose key differs from the record's key.
//!
//! A version without a key of its own (no MergeId, no unique link id) may belong to a record that has one, and the other way round
//! ([`crate::record::names`]). Such versions are rare. Usually only the footers of files are read: their statistics show that no
//! file has a row under a makeshift key.
//!
//! If there are such rows, the search is narrowed:
//! - A version that is stored under exactly its key, with all its names, needs no further search.
//! - A version with a key of its own is searched for only in files with makeshift keys.
//! - Ids ascend with creation, and job ids with time. So the ranges of ids in the log, and then in the footers, leave few files,
//!   and of these only the pages of one column are read.
//! - Former names of a record are searched for only in files with rows that noted some.
//!
//! The versions of one load are compared with each other by hashes of their names, most of them on disk. So memory holds only the
//! rows that do have another key.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use futures::TryStreamExt;

use super::memory_budget::MemoryBudget;
use super::pin::Pinned;
use super::suppressed::List;
use crate::error::Result;
use crate::lake::columns::keys;
use crate::lake::file::open::OpenFile;
use crate::lake::fold::cross_partition::{CrossPartitionKeys, Fingerprints};
use crate::lake::fold::locate;
use crate::lake::fold::spill::Spill;
use crate::lake::log::snapshot::DataFile;
use crate::lake::log::table::LakeTable;
use crate::lake::parallel::at_most;
use crate::lake::read;
use crate::record::fields::{Table, hidden};
pub use crate::record::names::own_column;
use crate::record::names::{LEAST_OWN, NameReader, OneRecord, RecordNames, columns, is_makeshift, noted, records};
use crate::record::resolve::BEHIND_NAMES;

/// A version looked for takes about so many bytes, with its names.
const KNOWN_BYTES: usize = 512;

/// The part of the room that is one over this holds numbers that stand for names.
const SHARED_NAMES_PART: usize = 16;

/// The tiers in which records are looked for.
pub(super) struct Search {
    /// The lake that is written to.
    pub hot: Arc<LakeTable>,
    /// The archive of a table that has one.
    pub archive: Option<Arc<LakeTable>>,
    /// Both as they are.
    pub pinned: Pinned,
    /// For what is worked on.
    pub budget: MemoryBudget,
}

/// Records of which rows come, or are stored, under several keys.
#[derive(Default)]
pub(super) struct Found {
    records: Vec<OneRecord>,
    by_key: HashMap<String, usize>,
}

impl Found {
    fn new(records: Vec<OneRecord>) -> Self {
        let all = records.iter().enumerate();
        let by_key = all.flat_map(|(at, record)| record.keys.iter().map(move |key| (key.clone(), at))).collect();
        Self { records, by_key }
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Those that are stored under several keys.
    pub fn several_stored(&self) -> impl Iterator<Item = &OneRecord> {
        self.records.iter().filter(|record| record.stored.len() > 1)
    }

    /// Moves the waiting rows into another buffer, under the keys of their records, without rows on the list of what was erased.
    /// Returns how many these were.
    pub fn rename(&self, from: &Spill, list: &List, into: &mut Spill) -> Result<u64> {
        let mut erased = 0;
        for (partition, _) in from.partitions() {
            for piece in from.pieces(partition) {
                let (rows, refused) = list.admitted(from.table(), piece?)?;
                erased += refused;
                into.push(&self.renamed(rows)?)?;
            }
        }
        Ok(erased)
    }

    fn renamed(&self, rows: RecordBatch) -> Result<RecordBatch> {
        let own = keys(&rows)?;
        let key_of = |key: &str| self.by_key.get(key).map(|at| self.records[*at].key.as_str()).filter(|other| *other != key);
        if own.iter().flatten().all(|key| key_of(key).is_none()) {
            return Ok(rows);
        }
        let renamed: StringArray = own.iter().map(|key| key.map(|key| key_of(key).unwrap_or(key))).collect();
        with_keys(&rows, renamed)
    }
}

/// The rows under these keys.
pub(super) fn with_keys(rows: &RecordBatch, keys: StringArray) -> Result<RecordBatch> {
    let mut columns = rows.columns().to_vec();
    columns[rows.schema().index_of(hidden::KEY)?] = Arc::new(keys);
    Ok(RecordBatch::try_new(rows.schema(), columns)?)
}

/// What is known about a file without reading its rows.
#[derive(Clone)]
struct Place {
    lake: Arc<LakeTable>,
    file: Arc<DataFile>,
    /// It has rows under makeshift keys.
    makeshift: bool,
    /// It has rows with names they do not go by any more.
    former: bool,
}

/// Names in the forms in which columns hold them.
#[derive(Default)]
struct Names {
    all: HashSet<String>,
    /// Ascending.
    ids: Vec<String>,
    /// Ascending.
    jobs: Vec<String>,
}

impl Names {
    fn of<'a>(names: impl Iterator<Item = &'a String>) -> Self {
        let all: HashSet<String> = names.cloned().collect();
        let sorted = |texts: BTreeSet<&str>| texts.into_iter().map(str::to_owned).collect();
        let ids = sorted(all.iter().filter_map(|name| name.strip_prefix('\u{2}')).collect());
        let jobs = sorted(all.iter().filter_map(|name| name.strip_prefix('\u{1}')?.split('\u{1}').next()).collect());
        Self { all, ids, jobs }
    }
}

/// The names to look for: in every file, or only in files with makeshift keys.
struct Wanted {
    /// Names of versions without a key of their own.
    free: Names,
    /// Names of all versions.
    all: Names,
    /// Keys of their own.
    own: HashSet<String>,
    /// All names, as rows note those they had.
    former: HashSet<String>,
}

impl Search {
    /// The records of these rows that go by several keys. `makeshift`: may one of the rows have no key of its own?
    pub async fn of(&self, spill: &Spill, list: &List, makeshift: bool) -> Result<Found> {
        let places = self.places().await?;
        let all = places.iter().any(|place| place.makeshift);
        if !all && !makeshift {
            return Ok(Found::default());
        }
        let shared_names = if makeshift { Some(SharedNames::of(spill, self.budget.bytes / SHARED_NAMES_PART)?) } else { None };
        let is_shared = |known: &RecordNames| {
            shared_names.as_ref().is_some_and(|shared_names| known.names.iter().any(|name| shared_names.may_hold(name)))
        };
        let (mut several, mut chunk) = (Vec::new(), Vec::new());
        let most = self.budget.bytes / KNOWN_BYTES;
        for (partition, _) in spill.partitions() {
            for piece in spill.pieces(partition) {
                let (piece, _) = list.admitted(spill.table(), piece?)?;
                let Some(reader) = NameReader::of(spill.table(), &piece)? else { return Ok(Found::default()) };
                for row in 0..piece.num_rows() {
                    if all || !places.is_empty() && is_makeshift(reader.key(row)) {
                        chunk.push(reader.record_names(row, false)?);
                    } else if shared_names.is_some() {
                        let known = reader.record_names(row, false)?;
                        several.extend(Some(known).filter(is_shared));
                    }
                }
                if chunk.len() >= most {
                    self.look_up(&places, std::mem::take(&mut chunk), &is_shared, &mut several).await?;
                }
            }
        }
        self.look_up(&places, chunk, &is_shared, &mut several).await?;
        if several.is_empty() {
            return Ok(Found::default());
        }
        // Under which of these keys is something stored?
        let loaded: HashSet<&str> = several.iter().map(|known: &RecordNames| known.key.as_str()).collect();
        let stored = self.under(&loaded).await?;
        several.extend(stored);
        Ok(Found::new(records(several)))
    }

    /// All files, with what their footers tell.
    async fn places(&self) -> Result<Vec<Place>> {
        let of = |lake: &Arc<LakeTable>, file: &Arc<DataFile>| (lake.clone(), file.clone());
        let hot = self.pinned.hot.files().map(|file| of(&self.hot, file));
        let archived = self.archive.iter().flat_map(|lake| self.pinned.archive.files().map(move |file| of(lake, file)));
        at_most(crate::lake::fold::PARALLEL, hot.chain(archived).collect::<Vec<_>>(), |(lake, file)| async move {
            let open = read::open(&lake, &file).await?;
            let makeshift = open.may_hold(hidden::KEY, |least, _| least < LEAST_OWN.as_bytes());
            let former = open.may_hold(hidden::KEPT, |least, _| least < BEHIND_NAMES.as_bytes());
            Ok(Place { lake, file, makeshift, former })
        })
        .await
    }

    /// Looks up the records of some versions. What has to do with more than its own key is added, and what is stored of it.
    async fn look_up(
        &self,
        places: &[Place],
        loaded: Vec<RecordNames>,
        is_shared: &(dyn Fn(&RecordNames) -> bool + Sync),
        several: &mut Vec<RecordNames>,
    ) -> Result<()> {
        if loaded.is_empty() {
            return Ok(());
        }
        let makeshift: HashSet<&str> = loaded.iter().map(|known| known.key.as_str()).filter(|key| is_makeshift(key)).collect();
        let there = self.under(&makeshift).await?;
        let there: HashMap<&str, Vec<&RecordNames>> = there.iter().fold(HashMap::new(), |mut by_key, known| {
            by_key.entry(known.key.as_str()).or_insert_with(Vec::new).push(known);
            by_key
        });
        let is_settled = |known: &RecordNames| {
            there
                .get(known.key.as_str())
                .is_some_and(|stored| known.names.iter().all(|name| stored.iter().any(|stored| stored.goes_by(name))))
        };
        let (settled, open): (Vec<RecordNames>, Vec<RecordNames>) = loaded.into_iter().partition(is_settled);
        several.extend(settled.into_iter().filter(|known| is_shared(known)));
        let found = self.known_by(places, &open).await?;
        let names: HashSet<&String> = found.iter().flat_map(|known| &known.names).collect();
        let former: HashSet<&String> = found.iter().flat_map(|known| &known.former).collect();
        let own: HashSet<&String> = found.iter().filter_map(|known| known.own.as_ref()).collect();
        let is_found = |known: &RecordNames| {
            known.names.iter().any(|name| names.contains(name) || !former.is_empty() && former.contains(&noted(name)))
                || known.own.as_ref().is_some_and(|key| own.contains(key))
        };
        several.extend(open.into_iter().filter(|known| is_shared(known) || is_found(known)));
        several.extend(found);
        Ok(())
    }

    /// The records stored under these keys.
    async fn under(&self, wanted: &HashSet<&str>) -> Result<Vec<RecordNames>> {
        let mut all = Vec::new();
        let lakes = [(Some(&self.hot), &self.pinned.hot), (self.archive.as_ref(), &self.pinned.archive)];
        for (lake, snapshot) in lakes.into_iter().filter_map(|(lake, snapshot)| Some((lake?, snapshot))) {
            let files: Vec<Arc<DataFile>> = snapshot.files().cloned().collect();
            for hits in locate(lake, &files, wanted).await?.hits.into_values() {
                let open = read::open(lake, &hits.file).await?;
                all.extend(known_at(&lake.table, &open, &hits.rows, |_| true).await?);
            }
        }
        Ok(all)
    }

    /// The stored records that share a name with one of these.
    async fn known_by(&self, places: &[Place], loaded: &[RecordNames]) -> Result<Vec<RecordNames>> {
        if loaded.is_empty() {
            return Ok(Vec::new());
        }
        let free = loaded.iter().filter(|known| is_makeshift(&known.key));
        let former = places.iter().any(|place| place.former);
        let wanted = Arc::new(Wanted {
            free: Names::of(free.flat_map(|known| &known.names)),
            all: Names::of(loaded.iter().flat_map(|known| &known.names)),
            own: loaded.iter().filter_map(|known| known.own.clone()).collect(),
            former: loaded.iter().filter(|_| former).flat_map(|known| &known.names).map(|name| noted(name)).collect(),
        });
        let found = at_most(self.budget.at_once, places.to_vec(), move |place| {
            let wanted = wanted.clone();
            async move { place.known_by(&wanted).await }
        });
        Ok(found.await?.into_iter().flatten().collect())
    }
}

impl Place {
    async fn known_by(&self, wanted: &Wanted) -> Result<Vec<RecordNames>> {
        let table = &self.lake.table;
        let names = if self.makeshift { &wanted.all } else { &wanted.free };
        let own = if self.makeshift { Some(&wanted.own).filter(|own| !own.is_empty()) } else { None };
        if names.all.is_empty() && own.is_none() {
            return Ok(Vec::new());
        }
        let open = read::open(&self.lake, &self.file).await?;
        let mut places: BTreeSet<u32> = BTreeSet::new();
        for (column, values) in [(table.id, &names.ids), ("job_id", &names.jobs)] {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let within = |least: &[u8], greatest: &[u8]| {
                let first = values.partition_point(|value| value.as_bytes() < least);
                values.get(first).is_some_and(|value| value.as_bytes() <= greatest)
            };
            if table.field(column).is_some()
                && !values.is_empty()
                && self.file.may_hold(column, &values)
                && open.may_hold(column, within)
            {
                places.extend(open.find_values(column, &values).await?);
            }
        }
        if let (Some(own), Some(column)) = (own, own_column(table))
            && open.may_hold(column, |_, _| true)
        {
            let is_of = |texts: &[StringArray], row: usize| {
                let text = |at: usize| Some(texts[at].value(row)).filter(|text| !text.is_empty());
                text(0).is_some_and(is_makeshift) && text(1).is_some_and(|key| own.contains(&key.to_lowercase()))
            };
            places.extend(rows_where(&open, &[hidden::KEY, column], is_of).await?);
        }
        if self.former {
            let is_of = |texts: &[StringArray], row: usize| {
                let kept = texts[0].value(row);
                !kept.is_empty() && kept < BEHIND_NAMES
            };
            places.extend(rows_where(&open, &[hidden::KEPT], is_of).await?);
        }
        let places: Vec<u32> = places.into_iter().collect();
        let is_wanted = |known: &RecordNames| {
            known.names.iter().any(|name| names.all.contains(name))
                || known.former.iter().any(|name| wanted.former.contains(name))
                || is_makeshift(&known.key) && known.own.as_ref().is_some_and(|key| wanted.own.contains(key))
        };
        known_at(table, &open, &places, is_wanted).await
    }
}

/// Records of a table that are stored under several keys: by older loads, which did not look for them.
///
/// # Errors
/// Not found when files have been deleted meanwhile.
pub async fn stored_under_several(
    hot: &Arc<LakeTable>,
    archive: Option<&Arc<LakeTable>>,
    pinned: &Pinned,
    bytes: usize,
) -> Result<Vec<OneRecord>> {
    let Some(own) = own_column(&hot.table) else { return Ok(Vec::new()) };
    let search = Search { hot: hot.clone(), archive: archive.cloned(), pinned: pinned.clone(), budget: MemoryBudget::new(bytes) };
    let places = search.places().await?;
    // Keys of their own in another spelling: where their records would be found today.
    let mut spelled: HashSet<String> = HashSet::new();
    let mut builder = SharedNamesBuilder::new(bytes / SHARED_NAMES_PART);
    let names = places.iter().any(|place| place.makeshift);
    let read_columns = if names { columns(&hot.table) } else { vec![hidden::KEY, own] };
    for place in &places {
        let mut rows = read::open(&place.lake, &place.file).await?.stream(Some(&read_columns), None)?;
        while let Some(batch) = rows.try_next().await? {
            let own = batch.column_by_name(own).map(|own| cast(own, &DataType::Utf8)).transpose()?;
            let own = own.iter().flat_map(|own| own.as_string::<i32>().iter());
            spelled.extend(
                keys(&batch)?
                    .iter()
                    .zip(own)
                    .filter_map(|(key, own)| {
                        let (key, plain) = (key.filter(|key| !is_makeshift(key))?, own?.trim().to_lowercase());
                        (key != plain).then_some([key.to_owned(), plain])
                    })
                    .flatten(),
            );
            if names && let Some(reader) = NameReader::of(&hot.table, &batch)? {
                builder.note(&reader)?;
            }
        }
    }
    let mut several = search.under(&spelled.iter().map(String::as_str).collect()).await?;
    if names {
        let shared_names = builder.finish()?;
        for place in &places {
            let open = read::open(&place.lake, &place.file).await?;
            let all: Vec<u32> = (0..open.rows() as u32).collect();
            let is_shared =
                |known: &RecordNames| known.names.iter().any(|name| shared_names.may_hold(name)) || !known.former.is_empty();
            several.extend(known_at(&hot.table, &open, &all, is_shared).await?);
        }
    }
    Ok(records(several).into_iter().filter(|record| record.stored.len() > 1).collect())
}

/// The places of the rows for whose texts in some columns this is true; nulls are empty.
async fn rows_where(open: &OpenFile, columns: &[&str], is_of: impl Fn(&[StringArray], usize) -> bool) -> Result<Vec<u32>> {
    let mut rows = open.stream(Some(columns), None)?;
    let (mut found, mut first) = (Vec::new(), 0);
    while let Some(batch) = rows.try_next().await? {
        let texts = batch.columns().iter().map(|column| Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone()));
        let texts: Vec<StringArray> = texts.collect::<Result<_>>()?;
        found.extend((0..batch.num_rows()).filter(|row| is_of(&texts, *row)).map(|row| first + row as u32));
        first += batch.num_rows() as u32;
    }
    Ok(found)
}

/// The names of the rows at these places, where they are wanted.
async fn known_at(
    table: &Table,
    open: &OpenFile,
    places: &[u32],
    is_wanted: impl Fn(&RecordNames) -> bool,
) -> Result<Vec<RecordNames>> {
    let mut known = Vec::new();
    if places.is_empty() {
        return Ok(known);
    }
    let mut rows = open.stream(Some(&columns(table)), Some(places))?;
    while let Some(batch) = rows.try_next().await? {
        let Some(reader) = NameReader::of(table, &batch)? else { break };
        for row in 0..batch.num_rows() {
            known.extend(Some(reader.record_names(row, true)?).filter(&is_wanted));
        }
    }
    Ok(known)
}

/// The names that stand under several keys, without the names and keys themselves.
pub(super) struct SharedNames([CrossPartitionKeys; 2]);

impl SharedNames {
    /// Of rows that wait.
    fn of(spill: &Spill, bytes: usize) -> Result<Self> {
        let mut noting = SharedNamesBuilder::new(bytes);
        for (partition, _) in spill.partitions() {
            for piece in spill.pieces(partition) {
                if let Some(reader) = NameReader::of(spill.table(), &piece?)? {
                    noting.note(&reader)?;
                }
            }
        }
        noting.finish()
    }

    /// May a name stand under several keys?
    pub fn may_hold(&self, name: &str) -> bool {
        self.0.iter().any(|half| half.may_hold(name))
    }
}

/// Names on their way to [`SharedNames`]: each with 32 bits of its key, so that two keys look equal only once in four
/// thousand million times.
pub(super) struct SharedNamesBuilder {
    halves: [Fingerprints; 2],
    hasher: RandomState,
}

impl SharedNamesBuilder {
    pub fn new(bytes: usize) -> Self {
        Self { halves: [0, 1].map(|_| Fingerprints::new(bytes / 2)), hasher: RandomState::new() }
    }

    pub fn note(&mut self, reader: &NameReader) -> Result<()> {
        for row in 0..reader.rows() {
            let hash = self.hasher.hash_one(reader.key(row));
            for name in reader.names(row) {
                self.halves[0].note(&name, hash as u16)?;
                self.halves[1].note(&name, (hash >> 16) as u16)?;
            }
        }
        Ok(())
    }

    pub fn finish(self) -> Result<SharedNames> {
        let [first, second] = self.halves;
        Ok(SharedNames([first.cross_partition()?, second.cross_partition()?]))
    }
}
