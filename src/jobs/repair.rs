//! Finds records that are stored more than once in both tiers, and merges each into one when asked to.
//!
//! A record is stored more than once when its key is stored twice, or when it stands under two keys that are one record's
//! ([`crate::record::names`]): loads prevent that, but older builds did not. The search reads of every row only its keys and
//! other names. The repair writes the merged row to hot, or to the one lake of a reference table ([`crate::tiers::mend`],
//! [`crate::tiers::unite`]), and folds it into the archive at once. A killed repair is finished by running it again; no question
//! ever misses a record meanwhile.
//!
//! Tables of people's attributes are searched, too. Ledgers are not: of two rows in a ledger nobody knows which is the copy, and
//! `ier verify` names them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use futures::TryStreamExt;
use serde::Serialize;

use super::archive::fold_late;
use super::duplicates::{Duplicates, Place, listed};
use crate::error::{Context, Error, Result};
use crate::human;
use crate::lake::log::commit::ATTEMPTS;
use crate::lake::log::snapshot::DataFile;
use crate::lake::log::table::LakeTable;
use crate::lake::parallel::in_parallel;
use crate::lake::read;
use crate::lake::read::inspect;
use crate::progress::{Progress, Unit};
use crate::record::fields::TABLES;
use crate::record::names::OneRecord;
use crate::tiers::mend::mend;
use crate::tiers::namesakes::stored_under_several;
use crate::tiers::pin::{Pinned, pin_all};
use crate::tiers::unite::unite;
use crate::tiers::warehouse::{Tiers, Warehouse};

/// How many records of a table the report names.
const NAMED: usize = 10;

/// Memory for the names of rows.
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

/// Looks for records stored more than once; the tables that have some.
pub async fn find(warehouse: &Arc<Warehouse>, progress: &Arc<dyn Progress>) -> Result<Vec<Doubled>> {
    let known = TABLES.iter().filter(|table| !table.ledger).map(|table| table.name.to_string());
    let attributes = warehouse.attribute_names().await?;
    let mut doubled = Vec::new();
    for name in known.chain(attributes) {
        let Some(stored) = Stored::of(warehouse, &name).await? else { continue };
        progress.say(&format!("looking at the keys of {name}"));
        let (found, namesakes) = stored.find(progress).await?;
        if !found.is_empty() || !namesakes.is_empty() {
            doubled.push(Doubled::new(&name, found, namesakes));
        }
    }
    Ok(doubled)
}

/// Keys that are there twice, and records under several.
type FoundTwice = (BTreeMap<String, BTreeSet<Place>>, Vec<OneRecord>);

/// The lakes of a table.
struct Stored {
    /// Its hot tier, or the one lake of a reference table.
    lake: Arc<LakeTable>,
    tiers: Option<Tiers>,
}

impl Stored {
    /// Of a table by its name; `None` where there is none.
    async fn of(warehouse: &Arc<Warehouse>, name: &str) -> Result<Option<Self>> {
        let Some(table) = TABLES.iter().find(|table| table.name == name) else {
            let lake = warehouse.attributes(name, None).await?;
            return Ok(lake.map(|lake| Self { lake, tiers: None }));
        };
        if !table.tiered {
            return Ok(Some(Self { lake: warehouse.reference(table).await?, tiers: None }));
        }
        let tiers = warehouse.tiers(table).await?;
        Ok(Some(Self { lake: tiers.hot.clone(), tiers: Some(tiers) }))
    }

    /// All of it at one moment, again when a vacuum deletes files of it.
    async fn find(&self, progress: &Arc<dyn Progress>) -> Result<FoundTwice> {
        let archive = self.tiers.as_ref().map(|tiers| &tiers.archive);
        for _ in 0..ATTEMPTS {
            let pinned = pin_all(&self.lake, self.tiers.as_ref()).await?;
            let found = async {
                let twice = self.find_pinned(&pinned, progress).await?;
                Ok((twice, stored_under_several(&self.lake, archive, &pinned, NAMES_BYTES).await?))
            };
            match found.await {
                Err(error) if pinned.is_past_of(&self.lake, self.tiers.as_ref(), &error).await? => {}
                done => return done,
            }
        }
        Err(Error::conflict(phrase!("{} is changed by others all the time: try again", self.lake.table.name)))
    }

    async fn find_pinned(&self, pinned: &Pinned, progress: &Arc<dyn Progress>) -> Result<BTreeMap<String, BTreeSet<Place>>> {
        let files = self.files(pinned);
        progress.count(Unit::Rows, files.iter().map(|(_, file)| file.rows).sum());
        let duplicates = Duplicates::new(Some(pinned.clone()));
        found_in(files, duplicates, progress).await
    }

    fn files(&self, pinned: &Pinned) -> Vec<(Arc<LakeTable>, Arc<DataFile>)> {
        let hot = pinned.hot.files().map(|file| (self.lake.clone(), file.clone()));
        let archived =
            self.tiers.iter().flat_map(|tiers| pinned.archive.files().map(|file| (tiers.archive.clone(), file.clone())));
        hot.chain(archived).collect()
    }
}

async fn found_in(
    files: Vec<(Arc<LakeTable>, Arc<DataFile>)>,
    duplicates: Duplicates,
    progress: &Arc<dyn Progress>,
) -> Result<BTreeMap<String, BTreeSet<Place>>> {
    let duplicates = Arc::new(duplicates);
    let (taking, reporting) = (duplicates.clone(), progress.clone());
    in_parallel(files.clone(), move |(lake, file)| {
        let (duplicates, progress) = (taking.clone(), reporting.clone());
        async move {
            let mut rows = read::open(&lake, &file).await?.stream(Some(inspect::key_columns(&lake)), None)?;
            while let Some(batch) = rows.try_next().await.context(|| phrase!("cannot read {}", file.path(&lake.folder)))? {
                duplicates.take(&lake, &file, &batch)?;
                progress.advance(batch.num_rows() as u64);
            }
            Ok(())
        }
    })
    .await?;
    duplicates.found(&files).await
}

/// Makes one row of each record found.
pub async fn repair(warehouse: &Arc<Warehouse>, found: &mut [Doubled], progress: &Arc<dyn Progress>) -> Result<()> {
    let mut is_tiered = false;
    for doubled in found.iter_mut() {
        let stored = Stored::of(warehouse, &doubled.object).await?;
        let Stored { lake, tiers } = stored.ok_or_else(|| Error::internal(phrase!("there is no table {}", doubled.object)))?;
        progress.say(&format!("mending {}", doubled.object));
        for keys in doubled.keys.chunks(AT_ONCE) {
            let wanted: HashSet<&str> = keys.iter().map(String::as_str).collect();
            doubled.mended += mend(warehouse, &lake, tiers.as_ref(), &wanted).await?;
        }
        for records in doubled.namesakes.chunks(AT_ONCE) {
            doubled.mended += unite(warehouse, &lake, tiers.as_ref(), records).await?;
        }
        is_tiered |= tiers.is_some();
    }
    if is_tiered {
        fold_late(warehouse, progress).await?;
    }
    Ok(())
}
