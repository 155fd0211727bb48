//! Compares a pack with today's archive: do the records still stand where the pack says, with the same values?
//!
//! A file of the archive may be replaced by compaction and deleted by vacuum. Then its records are looked up by their keys in
//! today's tables. A record that has changed or is gone there is reported, but proves nothing against the pack. What does
//! contradict the pack is a file that is still there with other bytes, or a record at the same position with other values.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use object_store::path::Path;
use serde::Serialize;
use serde_json::{Map, Value};

use super::manifest::{ENGINE, FileRead, Manifest, TableRead};
use super::pinned::{PinnedTable, PinnedVersions};
use super::report::{Found, Problem};
use super::rows::objects;
use super::{Inquiry, packed};
use crate::error::{Kind, Result};
use crate::human::counted;
use crate::lake::fold::locate;
use crate::lake::read::placed;
use crate::lake::read::verify::fingerprint;
use crate::query::engine::Engine;
use crate::record::fields::{TIER, hidden};
use crate::tiers::warehouse::Warehouse;

/// The result of comparing a pack with the archive.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ArchiveComparison {
    /// The warehouse that was asked.
    pub warehouse: String,
    /// Each file that held records.
    pub files: Vec<SourceFile>,
    /// Each record.
    pub records: Vec<SourceRow>,
    /// Was the question asked again, because all tables are what they were? Then a difference is among what is wrong.
    pub asked_again: bool,
}

/// A file of the archive that the pack names, and its state today.
#[derive(Clone, Debug, Serialize)]
pub struct SourceFile {
    /// Its place in the warehouse.
    pub path: String,
    /// What became of it.
    pub state: FileState,
}

/// The state of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    /// It is there, with the very bytes.
    Unchanged,
    /// It is no longer there.
    Gone,
    /// It is there with other bytes.
    Altered,
}

/// A record of the pack, and its state today.
#[derive(Clone, Debug, Serialize)]
pub struct SourceRow {
    /// Its table.
    pub table: String,
    /// Its key.
    pub key: String,
    /// What became of it.
    #[serde(flatten)]
    pub state: RowState,
}

/// The state of a record.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RowState {
    /// It stands where the pack says, with these values.
    InPlace,
    /// It stands there with other values, or another does.
    Contradicted,
    /// Its file is gone; today's table has it with the same values.
    Moved,
    /// Its file is gone; today's table has another version of it.
    ChangedSince {
        /// The columns that differ.
        columns: Vec<String>,
    },
    /// Its file is gone, and today's table has no such record.
    NotFound,
}

/// Asks the archive about every record; adds what contradicts the pack to what is wrong.
pub(super) async fn archive(
    found: &Found,
    manifest: &Manifest,
    warehouse: &Arc<Warehouse>,
    engine: &Engine,
    wrong: &mut Vec<Problem>,
) -> Result<ArchiveComparison> {
    let mut comparison = ArchiveComparison { warehouse: warehouse.url().to_owned(), ..ArchiveComparison::default() };
    let pinned = PinnedVersions::now(warehouse, engine).await?;
    let mut gone: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (table, file) in manifest.tables.iter().flat_map(|table| table.files.iter().map(move |file| (table, file))) {
        let path = format!("{}/{}/{}", table.tier, table.table, file.path);
        let Some(lake) = pinned.of(&table.table).map(|(_, pinned)| pinned).find(|pinned| pinned.lake.role.folder() == table.tier)
        else {
            wrong.push(Problem::new(path, "belongs to no table of this engine"));
            continue;
        };
        let (state, states) = in_file(found, manifest, lake, table, file).await?;
        match state {
            FileState::Unchanged => {}
            FileState::Altered => wrong.push(Problem::new(&path, "in the archive, it is not the file the pack names")),
            FileState::Gone => gone.entry(&table.table).or_default().extend(file.rows.iter().map(|row| row.key.as_str())),
        }
        for (row, row_state) in file.rows.iter().zip(states) {
            if row_state == RowState::Contradicted && state == FileState::Unchanged {
                let problem = format!("row {}: the archive's record is not the pack's ({})", row.position, row.key);
                wrong.push(Problem::new(&path, problem));
            }
            comparison.records.push(SourceRow { table: table.table.clone(), key: row.key.clone(), state: row_state });
        }
        comparison.files.push(SourceFile { path, state });
    }
    for (table, keys) in gone {
        comparison.records.extend(today(found, &pinned, table, &keys).await?);
    }
    if comparison.files.iter().all(|file| file.state == FileState::Unchanged) && same_versions(manifest, &pinned) {
        comparison.asked_again = ask_again(found, manifest, warehouse, engine, wrong).await?;
    }
    Ok(comparison)
}

/// What became of a file, and of its rows as long as it is there.
async fn in_file(
    found: &Found,
    manifest: &Manifest,
    pinned: &PinnedTable,
    table: &TableRead,
    file: &FileRead,
) -> Result<(FileState, Vec<RowState>)> {
    let lake = &pinned.lake;
    let path = Path::from_iter(lake.folder.parts().chain(Path::from(file.path.as_str()).parts()));
    match fingerprint(&lake.store, &path).await {
        Err(error) if error.is_missing() => return Ok((FileState::Gone, Vec::new())),
        Err(error) => return Err(error.context(phrase!("cannot read {path}"))),
        Ok((bytes, blake3)) if bytes != file.bytes || file.blake3.as_ref().is_some_and(|named| *named != blake3) => {
            return Ok((FileState::Altered, vec![RowState::Contradicted; file.rows.len()]));
        }
        Ok(_) => {}
    }
    let places: Vec<u32> = file.rows.iter().map(|row| row.position).collect();
    if !places.is_sorted_by(|a, b| a < b) {
        return Ok((FileState::Unchanged, vec![RowState::Contradicted; places.len()]));
    }
    let there = match placed::at(lake, &table.tier, &path, file.bytes, &places).await {
        Ok(rows) => objects(&rows)?,
        Err(error) if error.kind() == Kind::Corrupt && !error.is_missing() => Vec::new(),
        Err(error) => return Err(error),
    };
    let states = file.rows.iter().enumerate().map(|(at, row)| {
        let packed = found.records.get(&(table.table.clone(), row.key.clone()));
        let same = match (there.get(at), packed) {
            (Some(there), Some(packed)) => {
                let own_key = there.get(hidden::KEY).and_then(Value::as_str) == Some(row.key.as_str());
                // A later engine may show columns that this one did not know.
                own_key && differing(packed, there, &[]).is_empty() && (manifest.engine != ENGINE || packed.len() == there.len())
            }
            _ => false,
        };
        if same { RowState::InPlace } else { RowState::Contradicted }
    });
    Ok((FileState::Unchanged, states.collect()))
}

/// The columns of a packed record that say something else there.
fn differing(packed: &Map<String, Value>, there: &Map<String, Value>, but: &[&str]) -> Vec<String> {
    let other = |(column, value): &(&String, &Value)| !but.contains(&column.as_str()) && there.get(*column) != Some(*value);
    packed.iter().filter(other).map(|(column, _)| column.clone()).collect()
}

/// Looks records up by key in today's tables: hot first, which overrides the archive.
async fn today(found: &Found, pinned: &PinnedVersions, table: &str, keys: &[&str]) -> Result<Vec<SourceRow>> {
    let mut now: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for (_, PinnedTable { lake, snapshot, .. }) in pinned.of(table) {
        let wanted: HashSet<&str> = keys.iter().copied().filter(|key| !now.contains_key(*key)).collect();
        let files: Vec<_> = snapshot.files().cloned().collect();
        for hits in locate(lake, &files, &wanted).await?.hits.values() {
            let rows = objects(&placed::in_live(lake, lake.role.folder(), &hits.file, &hits.rows).await?)?;
            now.extend(hits.keys.iter().cloned().zip(rows));
        }
    }
    let state = |key: &str| {
        let packed = found.records.get(&(table.to_owned(), key.to_owned()));
        match (now.get(key), packed) {
            (Some(now), Some(packed)) => match differing(packed, now, &[TIER]) {
                columns if columns.is_empty() => RowState::Moved,
                columns => RowState::ChangedSince { columns },
            },
            _ => RowState::NotFound,
        }
    };
    Ok(keys.iter().map(|key| SourceRow { table: table.to_owned(), key: (*key).to_owned(), state: state(key) }).collect())
}

/// Is every table at the version that the pack names?
fn same_versions(manifest: &Manifest, pinned: &PinnedVersions) -> bool {
    let now = pinned.tables.iter().map(|pinned| (&*pinned.lake.table.name, pinned.lake.role.folder(), pinned.snapshot.version));
    manifest.tables.iter().map(|read| (read.table.as_str(), read.tier.as_str(), read.version)).eq(now)
}

/// Asks the question again and compares every byte. Returns whether that could be done: another engine may word an answer
/// otherwise, and a table may change meanwhile.
async fn ask_again(
    found: &Found,
    manifest: &Manifest,
    warehouse: &Arc<Warehouse>,
    engine: &Engine,
    wrong: &mut Vec<Problem>,
) -> Result<bool> {
    if manifest.engine != ENGINE {
        return Ok(false);
    }
    let who = manifest.person.asked.clone();
    let inquiry = Inquiry { who, question: manifest.question.clone(), asked_by: manifest.asked_by.clone() };
    let (_, again) = packed(warehouse, engine, &inquiry, manifest.made_at).await?;
    let versions = |manifest: &Manifest| -> Vec<Option<u64>> { manifest.tables.iter().map(|read| read.version).collect() };
    if versions(&again.manifest) != versions(manifest) {
        return Ok(false);
    }
    for (name, bytes) in &again.files {
        if found.files.get(name).is_some_and(|packed| packed != bytes) {
            let problem = "the same question at the same versions of the tables is answered otherwise";
            wrong.push(Problem::new(name, problem));
        }
    }
    Ok(true)
}

impl fmt::Display for ArchiveComparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "against {}", self.warehouse)?;
        let files = |state: FileState| self.files.iter().filter(|file| file.state == state).count() as u64;
        let rows = |of: fn(&RowState) -> bool| self.records.iter().filter(|row| of(&row.state)).count() as u64;
        let mut line = |number: u64, noun: &str, what: &str| match number {
            0 => Ok(()),
            number => write!(f, "\n  {} {what}", counted(number, noun)),
        };
        line(files(FileState::Unchanged), "source file", "there, unchanged")?;
        line(files(FileState::Altered), "source file", "there with other bytes than the pack names")?;
        line(
            files(FileState::Gone),
            "source file",
            "no longer there (compacted or vacuumed): its records are looked for by key",
        )?;
        line(rows(|state| *state == RowState::InPlace), "record", "where the pack says, with the same values")?;
        line(rows(|state| *state == RowState::Contradicted), "record", "contradicted by what stands there")?;
        line(rows(|state| *state == RowState::Moved), "record", "elsewhere by now, with the same values")?;
        line(
            rows(|state| matches!(state, RowState::ChangedSince { .. })),
            "record",
            "changed since: today's version says otherwise",
        )?;
        line(
            rows(|state| *state == RowState::NotFound),
            "record",
            "no longer in any table: erased, or this is another warehouse",
        )?;
        for row in &self.records {
            if let RowState::ChangedSince { columns } = &row.state {
                write!(f, "\n  {} {} differs today in {}", row.table, row.key, columns.join(", "))?;
            }
        }
        match self.asked_again {
            true => write!(f, "\n  all tables are what they were: the question was asked again, and the answers compared"),
            false => write!(f, "\n  tables have changed since: the question was not asked again"),
        }
    }
}
