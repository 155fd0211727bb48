//! Types that the checks of a pack share: a problem that was found, and the pack's files as they were read.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::manifest::Manifest;

/// Something that is not as it was written.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Problem {
    /// The file of the pack, or of the archive.
    pub file: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Problem {
    pub(super) fn new(file: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { file: file.into(), problem: problem.into() }
    }
}

/// A pack as it was found.
pub(super) struct Found {
    /// The bytes of the files a pack has.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The manifest, where it can be read.
    pub manifest: Option<Manifest>,
    /// The records by table and key, where they can be believed.
    pub records: BTreeMap<(String, String), Map<String, Value>>,
}
