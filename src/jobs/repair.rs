//! Records stored more than once: finds them in both tiers, and makes one of each when told to.
//!
//! Reads the keys of every row, and nothing else of it. Repairing writes the outcome of all copies to hot
//! ([`crate::tiers::mend`]) and folds it into the archive at once. Killed at any moment, the same again finishes;
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
use crate::tiers::mend::mend;
use crate::tiers::pin::{Pinned, pin};
use crate::tiers::warehouse::{Tiers, Warehouse};

/// Records of a table that are named.
const NAMED: usize = 10;

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
}

/// A record that is stored more than once.
#[derive(Clone, Debug, Serialize)]
pub struct Example {
    /// Its key.
    pub key: String,
    /// Its rows: the file, and the place in it.
    pub places: Vec<Place>,
}

impl Doubled {
    fn new(object: &str, found: BTreeMap<String, BTreeSet<Place>>) -> Self {
        let named = found.iter().take(NAMED);
        Self {
            object: object.to_owned(),
            records: found.len() as u64,
            copies: found.values().map(|places| places.len() as u64).sum(),
            examples: named.map(|(key, places)| Example { key: key.clone(), places: places.iter().cloned().collect() }).collect(),
            mended: 0,
            keys: found.into_keys().collect(),
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
            lines.push(format!("  {}: {}", example.key, listed(&example.places)));
        }
        match self.records.saturating_sub(NAMED as u64) {
            0 => {}
            more => lines.push(format!("  and {more} more")),
        }
        lines
    }
}

/// Looks for records stored more than once, in the tables with two tiers; those that have some.
pub async fn find(warehouse: &Arc<Warehouse>, progress: &Arc<dyn Progress>) -> Result<Vec<Doubled>> {
    let mut doubled = Vec::new();
    for table in TABLES.iter().filter(|table| table.tiered) {
        progress.say(&format!("looking at the keys of {}", table.name));
        let found = find_in(&warehouse.tiers(table).await?, progress).await?;
        if !found.is_empty() {
            doubled.push(Doubled::new(&table.name, found));
        }
    }
    Ok(doubled)
}

/// Both tiers at one moment, again when a vacuum deletes files of it.
async fn find_in(tiers: &Tiers, progress: &Arc<dyn Progress>) -> Result<BTreeMap<String, BTreeSet<Place>>> {
    for _ in 0..ATTEMPTS {
        let pinned = pin(tiers).await?;
        match find_pinned(tiers, &pinned, progress).await {
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
    }
    if !found.is_empty() {
        fold_late(warehouse, progress).await?;
    }
    Ok(())
}
