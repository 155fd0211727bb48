//! Makes a pack in memory, writes it as a folder or a zip (whole or not at all), and opens it again.
//!
//! # Decisions
//! - 2026-11-22 **A pack's versions are noted before the answer and looked at again after it, and all is read again where
//!   one has moved.** Statements pin for themselves; versions only grow, so what was the same before and after was the same
//!   between.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use super::manifest::{ENGINE, FORMAT, FileRead, MANIFEST, Manifest, PackedFile, Person, RowRead, TableRead};
use super::pinned::PinnedVersions;
use super::rows::{Row, SourceRows};
use super::{page, zip};
use crate::audit::Audit;
use crate::error::{Context, Error, Result};
use crate::lake::file::tags;
use crate::record::fields::hidden;

/// The answer, for machines.
pub const ANSWER: &str = "audit.json";
/// The answer, for people.
pub const PAGE: &str = "evidence.html";
/// The rows, for spreadsheets.
pub const RECORDS_CSV: &str = "records.csv";
/// The rows, for machines.
pub const RECORDS_JSON: &str = "records.json";

/// A pack in memory.
#[derive(Clone, Debug)]
pub struct Pack {
    /// What it says of itself.
    pub manifest: Manifest,
    /// All its files by name, the manifest among them.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// Makes a pack. Pure: the same in, the same bytes out.
pub fn build(
    answer: &Audit,
    person: Person,
    pinned: &PinnedVersions,
    behind: SourceRows,
    asked_by: &str,
    made_at: DateTime<Utc>,
) -> Result<Pack> {
    let mut manifest = Manifest {
        format: FORMAT.to_owned(),
        engine: ENGINE.to_owned(),
        made_at,
        asked_by: asked_by.to_owned(),
        question: answer.question.clone(),
        person,
        tables: tables(pinned, behind.records.iter().chain(&behind.coverage)),
        coverage: behind.coverage.iter().map(|row| row.values.clone()).collect(),
        files: Vec::new(),
        seal: String::new(),
    };
    let name = |row: &Row| pinned.tables[row.pinned].lake.table.name.to_string();
    let mut records: Vec<(String, Vec<Map<String, Value>>)> = Vec::new();
    for row in behind.records {
        match records.last_mut() {
            Some((table, rows)) if *table == name(&row) => rows.push(row.values),
            _ => records.push((name(&row), vec![row.values])),
        }
    }
    let mut files = BTreeMap::from([
        (ANSWER.to_owned(), json(answer)?),
        (PAGE.to_owned(), page::html(answer, &manifest, &records).into_bytes()),
        (RECORDS_CSV.to_owned(), csv(&records)?),
        (RECORDS_JSON.to_owned(), json(&records.into_iter().map(|(table, rows)| (table, rows.into())).collect::<Map<_, _>>())?),
    ]);
    manifest.files = files.iter().map(|(name, bytes)| PackedFile::of(name, bytes)).collect();
    manifest.seal = manifest.sealed()?;
    files.insert(MANIFEST.to_owned(), manifest.text()?.into_bytes());
    Ok(Pack { manifest, files })
}

fn tables<'a>(pinned: &PinnedVersions, rows: impl Iterator<Item = &'a Row>) -> Vec<TableRead> {
    let mut by_file: BTreeMap<(usize, &str), Vec<&Row>> = BTreeMap::new();
    for row in rows {
        by_file.entry((row.pinned, row.file.add.path.as_str())).or_default().push(row);
    }
    let file = |path: &str, rows: &Vec<&Row>| {
        let mut read: Vec<RowRead> = rows.iter().map(|row| RowRead { position: row.position, key: row.key.clone() }).collect();
        read.sort_by_key(|row| row.position);
        let file = rows.first().map(|row| &row.file)?;
        let blake3 = file.tag(tags::BLAKE3).map(str::to_owned);
        Some(FileRead { path: path.to_owned(), bytes: file.bytes(), blake3, rows: read })
    };
    let table = |(at, pinned): (usize, &super::pinned::PinnedTable)| TableRead {
        table: pinned.lake.table.name.to_string(),
        tier: pinned.lake.role.folder().to_owned(),
        version: pinned.snapshot.version,
        files: by_file.range((at, "")..(at + 1, "")).filter_map(|((_, path), rows)| file(path, rows)).collect(),
    };
    pinned.tables.iter().enumerate().map(table).collect()
}

/// JSON as `--json` prints it.
fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    let text = serde_json::to_string_pretty(value);
    Ok((text.map_err(|error| Error::internal("the answer cannot be written as json").with_source(error))? + "\n").into_bytes())
}

/// All rows in one table: which table they are of, then the columns of all of them.
fn csv(records: &[(String, Vec<Map<String, Value>>)]) -> Result<Vec<u8>> {
    let mut columns: Vec<&str> = vec![hidden::KEY];
    let mut known: BTreeSet<&str> = columns.iter().copied().collect();
    let named = records.iter().filter_map(|(_, rows)| rows.first()).flat_map(Map::keys);
    columns.extend(named.map(String::as_str).filter(|column| known.insert(column)));
    let mut writer = csv::Writer::from_writer(Vec::new());
    let unwritten = |error: csv::Error| Error::internal("the records cannot be written as csv").with_source(error);
    writer.write_record(std::iter::once("table").chain(columns.iter().copied())).map_err(unwritten)?;
    for (table, rows) in records {
        for row in rows {
            let cell = |column: &&str| match row.get(*column) {
                None | Some(Value::Null) => String::new(),
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            };
            writer.write_record(std::iter::once(table.clone()).chain(columns.iter().map(cell))).map_err(unwritten)?;
        }
    }
    writer.into_inner().map_err(|error| Error::internal(phrase!("the records cannot be written as csv: {}", error.error())))
}

/// Is a pack of this name a zip?
fn is_zip(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip"))
}

/// Refuses a place where something stands: evidence is never overwritten, nor mixed with other files.
pub fn check_free(path: &Path) -> Result<()> {
    let shown = path.display();
    let refused = |why: &str| Err(Error::invalid(phrase!("{shown} {why}; give the evidence a name of its own")));
    let parent = beside(path);
    if path.file_name().is_none() {
        return refused("names no file or folder");
    }
    if !parent.is_dir() {
        return Err(Error::not_found(phrase!("there is no folder {} to put the evidence in", parent.display())));
    }
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::from(error).context(phrase!("cannot look at {shown}"))),
        Ok(there) if there.is_dir() && is_zip(path) => refused("is a folder, although its name ends in .zip"),
        Ok(there) if there.is_dir() => match std::fs::read_dir(path).context(|| phrase!("cannot look into {shown}"))?.next() {
            None => Ok(()),
            Some(_) => refused("is a folder with something in it"),
        },
        Ok(_) => refused("exists already"),
    }
}

fn beside(path: &Path) -> PathBuf {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

impl Pack {
    /// The pack as a zip.
    ///
    /// # Errors
    /// Invalid when it is too large for one.
    pub fn zip(&self) -> Result<Vec<u8>> {
        zip::write(self.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())))
    }

    /// Writes the pack to a new file, where the name ends in `.zip`, else to a new or empty folder. It appears under its
    /// name when it is whole and on the disk; until then, and after an error, nothing of it is there.
    ///
    /// # Errors
    /// Invalid where something stands already.
    pub fn write(&self, path: &Path) -> Result<()> {
        check_free(path)?;
        let writing = || format!("cannot write {}", path.display());
        let (parent, prefix) = (beside(path), format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy()));
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(".part");
        if is_zip(path) {
            let zip = self.zip()?;
            let mut file = builder.tempfile_in(&parent).context(writing)?;
            file.write_all(&zip).and_then(|()| file.as_file().sync_all()).context(writing)?;
            file.persist_noclobber(path).map_err(|error| error.error).context(writing)?;
        } else {
            #[cfg(unix)]
            builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
            let folder = builder.tempdir_in(&parent).context(writing)?;
            for (name, bytes) in &self.files {
                let mut file = private().open(folder.path().join(name)).context(writing)?;
                file.write_all(bytes).and_then(|()| file.sync_all()).context(writing)?;
            }
            sync(folder.path()).context(writing)?;
            // An empty folder gives way; one that has been filled since does not.
            if path.is_dir() {
                std::fs::remove_dir(path).context(writing)?;
            }
            std::fs::rename(folder.path(), path).context(writing)?;
            // Its content has moved: there is nothing left to remove.
            let _moved = folder.keep();
        }
        sync(&parent).context(writing)
    }
}

/// Options that create a new file which only its owner can read.
fn private() -> std::fs::OpenOptions {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Syncs a folder, so that the names in it survive a power cut.
fn sync(folder: &Path) -> std::io::Result<()> {
    if cfg!(unix) { std::fs::File::open(folder)?.sync_all() } else { Ok(()) }
}
