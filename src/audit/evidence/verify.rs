//! Checks that a pack is as it was written: every byte is as the manifest says, and the manifest as its seal says.
//! [`archive_check`] then compares it with the archive.
//!
//! A seal is not a signature: whoever can rewrite all files of a pack can also seal it anew. They cannot change a seal that was
//! noted elsewhere when the pack was made, and they cannot change the archive.
//!
//! # Decisions
//! - 2026-11-22 **A record that differs from today's after its file is gone is told, and no fault of the pack.** Records
//!   change, and stamps do not always move with them; only a file or a place that is there can contradict.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use serde_json::{Map, Value};

use super::archive_check::{self, ArchiveComparison};
use super::manifest::{FORMAT, MANIFEST, Manifest, PackedFile};
use super::pack::{ANSWER, PAGE, RECORDS_CSV, RECORDS_JSON};
use super::report::{Found, Problem};
use super::zip;
use crate::audit::wording::both;
use crate::error::{Context, Error, Result};
use crate::human::counted;
use crate::query::engine::Engine;
use crate::record::fields::hidden;
use crate::tiers::warehouse::Warehouse;

/// The files of a pack beside the manifest, in order of their names.
const FILES: [&str; 4] = [ANSWER, PAGE, RECORDS_CSV, RECORDS_JSON];

/// The report of a verification.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Where the pack is.
    pub pack: String,
    /// Everything that is not as it was written; nothing: the pack is unaltered.
    pub wrong: Vec<Problem>,
    /// What the manifest says, where it can be read.
    pub says: Option<ManifestFacts>,
    /// What the archive says; none where it was not asked, and where the pack itself is altered.
    pub archive: Option<ArchiveComparison>,
}

/// The facts of a manifest.
#[derive(Clone, Debug, Serialize)]
pub struct ManifestFacts {
    /// When the pack was made.
    pub made_at: DateTime<Utc>,
    /// For whom.
    pub asked_by: String,
    /// About whom.
    pub person: String,
    /// What wrote it.
    pub engine: String,
    /// Its records.
    pub rows: usize,
    /// Its seal.
    pub seal: String,
    /// The zone of its local times.
    #[serde(skip)]
    zone: Tz,
}

/// Checks a pack: by itself, against a seal noted elsewhere, and, unless it is altered, against the archive, where these
/// are given.
///
/// # Errors
/// Not found where there is no pack; invalid for what is none, and for what is no seal; unavailable when pack or archive cannot be read. What is wrong with a pack is no error
/// but stands in the report.
pub async fn verify(path: &Path, seal: Option<&str>, archive: Option<(&Arc<Warehouse>, &Engine)>) -> Result<Report> {
    if let Some(noted) = seal.filter(|noted| !is_seal(noted)) {
        return Err(Error::invalid(phrase!(
            "--seal {noted} is no seal: one has {SEAL_CHARS} hexadecimal digits, as the audit printed it"
        )));
    }
    let mut report = Report { pack: path.display().to_string(), ..Report::default() };
    let found = alone(path, &mut report.wrong)?;
    let Some(manifest) = &found.manifest else { return Ok(report) };
    let sound = report.wrong.is_empty();
    if let Some(noted) = seal.filter(|noted| !noted.eq_ignore_ascii_case(&manifest.seal)) {
        report.wrong.push(Problem::new(MANIFEST, format!("{OTHER_SEAL} {}, not {noted}", manifest.seal)));
    }
    report.says = Some(ManifestFacts {
        made_at: manifest.made_at,
        asked_by: manifest.asked_by.clone(),
        person: manifest.person.id.clone(),
        engine: manifest.engine.clone(),
        rows: manifest.rows().count(),
        seal: manifest.seal.clone(),
        zone: manifest.question.zone,
    });
    // What was altered is no question to ask an archive.
    if let Some((warehouse, engine)) = archive.filter(|_| sound) {
        report.archive = Some(archive_check::archive(&found, manifest, warehouse, engine, &mut report.wrong).await?);
    }
    Ok(report)
}

/// What is wrong with a file that no pack has.
const NOT_OF_IT: &str = "does not belong to the pack";

/// What is wrong with a pack that is whole, and is not the one whose seal was noted.
const OTHER_SEAL: &str = "its seal is";

/// Characters of a seal.
const SEAL_CHARS: usize = 64;

fn is_seal(text: &str) -> bool {
    text.len() == SEAL_CHARS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Checks a pack by itself.
fn alone(path: &Path, wrong: &mut Vec<Problem>) -> Result<Found> {
    let files = open(path, wrong)?;
    let mut found = Found { files, manifest: None, records: BTreeMap::new() };
    if found.files.is_empty() && wrong.iter().all(|wrong| wrong.problem == NOT_OF_IT) {
        return Err(Error::invalid(phrase!("{} is no evidence pack: none of the files of one is in it", path.display())));
    }
    let Some(bytes) = found.files.get(MANIFEST) else {
        wrong.push(Problem::new(MANIFEST, "is missing: nothing says what the pack was"));
        return Ok(found);
    };
    let manifest: Manifest = match serde_json::from_slice(bytes) {
        Ok(manifest) => manifest,
        Err(error) => {
            wrong.push(Problem::new(MANIFEST, format!("cannot be read as a manifest: {error}")));
            return Ok(found);
        }
    };
    let problems = wrong.len();
    if manifest.format != FORMAT {
        wrong.push(Problem::new(MANIFEST, format!("its format is {:?}, not {FORMAT:?}", manifest.format)));
    }
    if manifest.sealed()? != manifest.seal {
        wrong.push(Problem::new(MANIFEST, "does not fit its seal: something in it was changed"));
    } else if manifest.text()?.as_bytes() != bytes {
        wrong.push(Problem::new(MANIFEST, "says the same in other bytes than it was written in"));
    }
    if !manifest.files.iter().map(|file| file.name.as_str()).eq(FILES) {
        wrong.push(Problem::new(MANIFEST, "does not name exactly the files a pack has"));
    }
    for file in &manifest.files {
        match found.files.get(&file.name) {
            None => wrong.push(Problem::new(&file.name, "is missing")),
            Some(bytes) if bytes.len() as u64 != file.bytes => {
                wrong.push(Problem::new(&file.name, format!("has {} bytes, not {}", bytes.len(), file.bytes)));
            }
            Some(bytes) if PackedFile::of(&file.name, bytes) != *file => {
                wrong.push(Problem::new(&file.name, "does not have the hash the manifest names: something in it was changed"));
            }
            Some(_) => {}
        }
    }
    if wrong.len() == problems {
        found.records = records(&found.files, &manifest, wrong);
    }
    found.manifest = Some(manifest);
    Ok(found)
}

/// The files a pack has, from a folder or a zip. What else is there is wrong, and not read.
fn open(path: &Path, wrong: &mut Vec<Problem>) -> Result<BTreeMap<String, Vec<u8>>> {
    let known = |name: &str| name == MANIFEST || FILES.contains(&name);
    let reading = || format!("cannot read {}", path.display());
    let mut files = BTreeMap::new();
    if path.is_dir() {
        for entry in std::fs::read_dir(path).context(reading)? {
            let entry = entry.context(reading)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !known(&name) {
                wrong.push(Problem::new(name, NOT_OF_IT));
            } else if !entry.file_type().context(reading)?.is_file() {
                wrong.push(Problem::new(name, "is no plain file"));
            } else {
                files.insert(name, std::fs::read(entry.path()).context(reading)?);
            }
        }
        wrong.sort_by(|a, b| a.file.cmp(&b.file));
        return Ok(files);
    }
    if !path.exists() {
        return Err(Error::not_found(phrase!("there is no pack {}", path.display())));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bytes = std::fs::read(path).context(reading)?;
    match zip::read(&bytes) {
        Err(error) => wrong.push(Problem::new(name, error.to_string())),
        Ok(members) => {
            if zip::write(members.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())))? != bytes {
                wrong.push(Problem::new(name, "the zip around its files was changed"));
            }
            for (member, bytes) in members {
                if !known(&member) {
                    wrong.push(Problem::new(member, NOT_OF_IT));
                } else if files.insert(member.clone(), bytes).is_some() {
                    wrong.push(Problem::new(member, "is there twice"));
                }
            }
        }
    }
    Ok(files)
}

/// The records by table and key: those the manifest places, and no others.
fn records(
    files: &BTreeMap<String, Vec<u8>>,
    manifest: &Manifest,
    wrong: &mut Vec<Problem>,
) -> BTreeMap<(String, String), Map<String, Value>> {
    let by_table: BTreeMap<String, Vec<Map<String, Value>>> =
        match serde_json::from_slice(files.get(RECORDS_JSON).map_or(&[][..], Vec::as_slice)) {
            Ok(by_table) => by_table,
            Err(error) => {
                wrong.push(Problem::new(RECORDS_JSON, format!("cannot be read: {error}")));
                return BTreeMap::new();
            }
        };
    let covering = manifest.coverage.iter().map(|row| ("load_coverage".to_owned(), row.clone()));
    let all = by_table.into_iter().flat_map(|(table, rows)| rows.into_iter().map(move |row| (table.clone(), row)));
    let key = |row: &Map<String, Value>| row.get(hidden::KEY).and_then(Value::as_str).unwrap_or_default().to_owned();
    let records: BTreeMap<(String, String), Map<String, Value>> =
        all.chain(covering).map(|(table, row)| ((table, key(&row)), row)).collect();
    let placed: BTreeSet<(&str, &str)> =
        manifest.rows().map(|(table, _, row)| (table.table.as_str(), row.key.as_str())).collect();
    if !records.keys().map(|(table, key)| (table.as_str(), key.as_str())).eq(placed) {
        wrong.push(Problem::new(RECORDS_JSON, "does not hold exactly the records the manifest places"));
    }
    records
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.wrong.as_slice() {
            [] => "UNALTERED",
            [wrong] if wrong.problem.starts_with(OTHER_SEAL) => "SEALED OTHERWISE",
            _ => "ALTERED",
        };
        write!(f, "{verdict}: {}", self.pack)?;
        if let Some(says) = &self.says {
            write!(f, "\n  asked about {} by {} at {}", says.person, says.asked_by, both(says.made_at, says.zone))?;
            write!(f, "\n  {}, answered by {}", counted(says.rows as u64, "record"), says.engine)?;
            write!(f, "\n  seal {}", says.seal)?;
        }
        for wrong in &self.wrong {
            write!(f, "\nwrong: {}: {}", wrong.file, wrong.problem)?;
        }
        match &self.archive {
            Some(archive) => write!(f, "\n{archive}"),
            None => write!(f, "\nthe archive was not asked"),
        }
    }
}
