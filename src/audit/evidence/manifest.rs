//! The manifest of a pack: the question, the position of each row in the archive's files, and the hash of each file of the pack.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::audit::{Alias, Question};
use crate::error::{Error, Result};

/// The form of packs written today; another is refused rather than guessed at.
pub const FORMAT: &str = "ier evidence 1";

/// The manifest's own name in the pack.
pub const MANIFEST: &str = "manifest.json";

/// The engine that writes packs now. The second number counts the wordings of answers: a pack of another wording is held against the
/// archive record by record, and is not asked again, since the same answer would have other bytes. Whoever changes a word of an answer
/// or of its page counts on.
pub const ENGINE: &str = concat!("ier ", env!("CARGO_PKG_VERSION"), ", wording 2");

/// `manifest.json`.
///
/// **Invariant**: the file is exactly [`Manifest::text`] of what it says, so that no byte of it can change and say the same.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// What wrote it.
    pub engine: String,
    /// When.
    pub made_at: DateTime<Utc>,
    /// For whom.
    pub asked_by: String,
    /// What was asked.
    pub question: Question,
    /// About whom.
    pub person: Person,
    /// Every table asked, with the files that held rows that are evidence.
    pub tables: Vec<TableRead>,
    /// The rows of the ledger of loads that bear on the answer.
    pub coverage: Vec<Map<String, Value>>,
    /// Every other file of the pack.
    pub files: Vec<PackedFile>,
    /// blake3 over the manifest as it would be without this line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub seal: String,
}

/// The person asked about.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// As the asker named them.
    pub asked: String,
    /// The id that meant.
    pub id: String,
    /// Every id looked under.
    pub ids: Vec<String>,
    /// How it was known that these ids are one person's.
    pub aliases: Vec<AliasUsed>,
}

/// One id became another.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AliasUsed {
    /// The id that was given up.
    pub alias_id: String,
    /// The id it became.
    pub person_id: String,
    /// How that is known.
    pub how: String,
    /// When the engine learned it.
    pub learned_at: DateTime<Utc>,
    /// Why, where somebody said so by hand.
    pub reason: Option<String>,
    /// Who said so.
    pub author: Option<String>,
}

/// A table that was asked.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TableRead {
    /// Its name.
    pub table: String,
    /// `hot`, `archive` or `reference`.
    pub tier: String,
    /// The version of its Delta log; null for a table nothing was ever written to.
    pub version: Option<u64>,
    /// Its files that held rows that are evidence.
    pub files: Vec<FileRead>,
}

/// A file of a table.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FileRead {
    /// Its place below the table's folder.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its hash, as the table's log promises it; null for a file of another writer.
    pub blake3: Option<String>,
    /// The rows that are evidence.
    pub rows: Vec<RowRead>,
}

/// A row of a file.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RowRead {
    /// Its number in the file; the first is 0.
    pub position: u32,
    /// Its key.
    pub key: String,
}

/// A file of the pack.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PackedFile {
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its hash.
    pub blake3: String,
}

impl AliasUsed {
    /// As the answer tells it.
    pub fn of(alias: &Alias) -> Self {
        Self {
            alias_id: alias.alias_id.clone(),
            person_id: alias.person_id.clone(),
            how: alias.how.to_owned(),
            learned_at: alias.learned_at,
            reason: alias.reason.clone(),
            author: alias.author.clone(),
        }
    }
}

impl PackedFile {
    /// What a file of these bytes is.
    pub fn of(name: &str, bytes: &[u8]) -> Self {
        Self { name: name.to_owned(), bytes: bytes.len() as u64, blake3: hash(bytes) }
    }
}

impl Manifest {
    /// What its seal must be.
    pub fn sealed(&self) -> Result<String> {
        let bare = Self { seal: String::new(), ..self.clone() };
        Ok(hash(bare.text()?.as_bytes()))
    }

    /// The file.
    pub fn text(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self);
        Ok(text.map_err(|error| Error::internal("the manifest cannot be written").with_source(error))? + "\n")
    }

    /// Every row that is evidence, with its table and file.
    pub fn rows(&self) -> impl Iterator<Item = (&TableRead, &FileRead, &RowRead)> {
        let files = self.tables.iter().flat_map(|table| table.files.iter().map(move |file| (table, file)));
        files.flat_map(|(table, file)| file.rows.iter().map(move |row| (table, file, row)))
    }
}

/// blake3 in hexadecimal.
pub fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}
