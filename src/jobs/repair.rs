//! Records stored more than once: finds them in both tiers, and makes one of each when told to.
//!
//! A record is stored more than once when a key is twice, or when it stands under two keys that are one record's
//! ([`crate::record::names`]): loads see to that, but older builds did not. Reads of every row its keys and what else may name it, and
//! nothing else. Repairing writes the outcome of all copies to hot
//! ([`crate::tiers::mend`], [`crate::tiers::unite`]) and folds it into the archive at once. Killed at any moment, the same again finishes;
//! no question ever misses a record meanwhile.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use futures::TryStreamExt;
use serde::Serialize;

use super::archive::fold_late;
use super::doubles::{Doubles, Place, listed};
use crate::error::{Context, Error, Result};
use crate::human;
use crate::lake::log::commit::ATTEMPTS;
use crate::lake::log::snapshot::DataFile;
use crate::lake::log::table::LakeTable;
use crate::lake::parallel::in_parallel;
use crate::lake::read;
use crate::lake::read::inspect;
use crate::progress::Progress;
use crate::record::fields::TABLES;
use crate::record::names::OneRecord;
use crate::tiers::mend::mend;
use crate::tiers::namesakes::stored_under_several;
use crate::tiers::pin::{Pinned, pin};
use crate::tiers::unite::unite;
use crate::tiers::warehouse::{Tiers, Warehouse};

/// Records of a table that are named.
const NAMED: usize = 10;

/// Memory for what rows may be known by.
const NAMES_BYTES: usize = 256 << 20;

/// Records mended in one commit.
const AT_ONCE: usize = 100_000;

/// Records of a table that are stored more than once.
#[derive(Clone, Debug, Serialize)]
pub struct Doubled {
    /// The table.
    pub object: String,
    /// How many records.
    pub records: u64,
    /// How many rows these are.
    pub copies: u64,
    /// The first of them.
    pub examples: Vec<Example>,
    /// Of the records: made one row of, in this run.
    pub mended: u64,
    #[serde(skip)]
    keys: Vec<String>,
    /// Records under several keys.
    #[serde(skip)]
    namesakes: Vec<OneRecord>,
}

/// A record that is stored more than once.
#[derive(Clone, Debug, Serialize)]
pub struct Example {
    /// Its key.
    pub key: String,
    /// Its rows: the file, and the place in it. None of a record that is stored under another key as well, which is an example, too.
    pub places: Vec<Place>,
}

impl Doubled {
    fn new(object: &str, found: BTreeMap<String, BTreeSet<Place>>, namesakes: Vec<OneRecord>) -> Self {
        let twice = found.iter().map(|(key, places)| Example { key: key.clone(), places: places.iter().cloned().collect() });
        let under_several = namesakes.iter().flat_map(|record| &record.stored);
        let under_several = under_several.map(|key| Example { key: shown(key), places: Vec::new() });
        Self {
            object: object.to_owned(),
            records: (found.len() + namesakes.len()) as u64,
            copies: found.values().map(BTreeSet::len).chain(namesakes.iter().map(|record| record.stored.len())).sum::<usize>()
                as u64,
            examples: twice.chain(under_several).take(NAMED).collect(),
            mended: 0,
            keys: found.into_keys().collect(),
            namesakes,
        }
    }

    /// How many there are, in a line for people.
    pub fn headline(&self) -> String {
        let (records, copies) = (human::counted(self.records, "record"), human::count(self.copies));
        let mended = if self.mended > 0 { ", made one row each" } else { "" };
        format!("{}: {records} stored more than once, as {copies} rows{mended}", self.object)
    }

    /// Lines for people: how many, and which.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.headline()];
        for example in &self.examples {
            let places =
                if example.places.is_empty() { "the same under another key".to_owned() } else { listed(&example.places) };
            lines.push(format!("  {}: {places}", example.key));
        }
        match self.records.saturating_sub(NAMED as u64) {
            0 => {}
            more => lines.push(format!("  and {more} more")),
        }
        lines
    }
}

/// A key for people: makeshift ones have characters in them that nobody can see.
fn shown(key: &str) -> String {
    key.trim_start_matches(char::is_control).replace(char::is_control, " ")
}

/// Looks for records stored more than once, in the tables with two tiers; those that have some.
pub async fn find(warehouse: &Arc<Warehouse>, progress: &Arc<dyn Progress>) -> Result<Vec<Doubled>> {
    let mut doubled = Vec::new();
    for table in TABLES.iter().filter(|table| table.tiered) {
        progress.say(&format!("looking at the keys of {}", table.name));
        let (found, namesakes) = find_in(&warehouse.tiers(table).await?, progress).await?;
        if !found.is_empty() || !namesakes.is_empty() {
            doubled.push(Doubled::new(&table.name, found, namesakes));
        }
    }
    Ok(doubled)
}

/// Keys that are there twice, and records under several.
type FoundTwice = (BTreeMap<String, BTreeSet<Place>>, Vec<OneRecord>);

/// Both tiers at one moment, again when a vacuum deletes files of it.
async fn find_in(tiers: &Tiers, progress: &Arc<dyn Progress>) -> Result<FoundTwice> {
    for _ in 0..ATTEMPTS {
        let pinned = pin(tiers).await?;
        let found = async {
            let twice = find_pinned(tiers, &pinned, progress).await?;
            Ok((twice, stored_under_several(&tiers.hot, Some(&tiers.archive), &pinned, NAMES_BYTES).await?))
        };
        match found.await {
            Err(error) if pinned.is_past(tiers, &error).await? => {}
            done => return done,
        }
    }
    Err(Error::conflict(phrase!("{} is changed by others all the time: try again", tiers.hot.table.name)))
}

async fn find_pinned(tiers: &Tiers, pinned: &Pinned, progress: &Arc<dyn Progress>) -> Result<BTreeMap<String, BTreeSet<Place>>> {
    let of = |lake: &Arc<LakeTable>, file: &Arc<DataFile>| (lake.clone(), file.clone());
    let hot = pinned.hot.files().map(|file| of(&tiers.hot, file));
    let files: Vec<_> = hot.chain(pinned.archive.files().map(|file| of(&tiers.archive, file))).collect();
    progress.total(files.iter().map(|(_, file)| file.rows).sum());
    let doubles = Arc::new(Doubles::new(Some(pinned.clone())));
    let (taking, told) = (doubles.clone(), progress.clone());
    in_parallel(files.clone(), move |(lake, file)| {
        let (doubles, progress) = (taking.clone(), told.clone());
        async move {
            let mut rows = read::open(&lake, &file).await?.stream(Some(inspect::key_columns(&lake)), None)?;
            while let Some(batch) = rows.try_next().await.context(|| phrase!("cannot read {}", file.path(&lake.folder)))? {
                doubles.take(&lake, &file, &batch)?;
                progress.advance(batch.num_rows() as u64);
            }
            Ok(())
        }
    })
    .await?;
    doubles.found(&files).await
}

/// Makes one row of each record found.
pub async fn repair(warehouse: &Arc<Warehouse>, found: &mut [Doubled], progress: &Arc<dyn Progress>) -> Result<()> {
    for doubled in found.iter_mut() {
        let table = TABLES.iter().find(|table| table.name == doubled.object.as_str());
        let table = table.ok_or_else(|| Error::internal(phrase!("there is no table {}", doubled.object)))?;
        progress.say(&format!("mending {}", doubled.object));
        let tiers = warehouse.tiers(table).await?;
        for keys in doubled.keys.chunks(AT_ONCE) {
            let wanted: HashSet<&str> = keys.iter().map(String::as_str).collect();
            doubled.mended += mend(warehouse, &tiers, &wanted).await?;
        }
        for records in doubled.namesakes.chunks(AT_ONCE) {
            doubled.mended += unite(warehouse, &tiers.hot, Some(&tiers), records).await?;
        }
    }
    if !found.is_empty() {
        fold_late(warehouse, progress).await?;
    }
    Ok(())
}
