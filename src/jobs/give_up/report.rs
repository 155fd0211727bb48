//! The report of files that are given up: what was in them as far as the log says, for people and machines.

use std::collections::BTreeMap;
use std::fmt;

use chrono::NaiveDate;
use serde::Serialize;

use super::ledger::Load;
use super::lost::LostFile;
use crate::human;
use crate::jobs::verify::{Damage, DeadFile};

/// The plan: the files to give up.
#[derive(Clone, Debug, Serialize)]
pub struct GiveUpPlan {
    /// Files that are gone or damaged.
    pub files: Vec<LostFile>,
    /// Such files of tables that have to be named for it.
    pub left_alone: Vec<LostFile>,
    /// By table: loads whose records may have been in them.
    pub loads: BTreeMap<String, Vec<Load>>,
    /// What else is damaged, which giving up does not mend.
    pub other: Vec<Damage>,
    #[serde(skip)]
    pub(super) dead: Vec<DeadFile>,
}

/// The report: the files that were given up.
#[derive(Clone, Debug, Serialize)]
pub struct GiveUpReport {
    /// The files; they are in the ledger `given_up`, too.
    pub files: Vec<LostFile>,
    /// Such files of tables that have to be named for it.
    pub left_alone: Vec<LostFile>,
    /// By table: loads whose records may have been in them.
    pub loads: BTreeMap<String, Vec<Load>>,
    /// What else is damaged.
    pub other: Vec<Damage>,
    /// How long it took.
    pub seconds: f64,
}

/// How many loads people are shown; JSON has them all.
const LOADS_SHOWN: usize = 20;

/// Writes the files, sums by table and month, and loads for people.
fn tell(
    f: &mut fmt::Formatter<'_>,
    files: &[LostFile],
    left_alone: &[LostFile],
    loads: &BTreeMap<String, Vec<Load>>,
    other: &[Damage],
) -> fmt::Result {
    let mut sums: BTreeMap<(&str, &str, Option<NaiveDate>), u64> = BTreeMap::new();
    for file in files {
        *sums.entry((&file.object, file.tier, file.month)).or_default() += file.rows;
        write!(f, "\n{file}")?;
    }
    for ((object, tier, month), rows) in sums {
        let month = month.map(|month| month.format(" %Y-%m").to_string()).unwrap_or_default();
        write!(f, "\nlost: {object}, {tier}{month}: {}", human::counted(rows, "row"))?;
    }
    for (object, loads) in loads.iter().filter(|(_, loads)| !loads.is_empty()) {
        write!(f, "\nload again, for {object}: ")?;
        let names: Vec<&str> = loads.iter().take(LOADS_SHOWN).map(|load| load.source.as_str()).collect();
        f.write_str(&names.join(", "))?;
        if loads.len() > LOADS_SHOWN {
            write!(f, " and {} more", human::count((loads.len() - LOADS_SHOWN) as u64))?;
        }
    }
    for file in left_alone {
        write!(f, "\nleft alone unless --table {} says so: {file}", file.object)?;
    }
    other.iter().try_for_each(|damage| write!(f, "\nnot mended by this: {damage}"))
}

impl fmt::Display for GiveUpPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.files.len() as u64 {
            0 => f.write_str("no file to give up")?,
            files => {
                let rows = self.files.iter().map(|file| file.rows).sum();
                write!(f, "{} with {} gone or damaged", human::counted(files, "file"), human::counted(rows, "row"))?;
            }
        }
        tell(f, &self.files, &self.left_alone, &self.loads, &self.other)
    }
}

impl fmt::Display for GiveUpReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.files.len() as u64 {
            0 => f.write_str("no file to give up")?,
            files => {
                let rows = self.files.iter().map(|file| file.rows).sum();
                let (files, rows) = (human::counted(files, "file"), human::counted(rows, "row"));
                write!(f, "given up {files} with {rows}; the ledger given_up says what was in them")?;
            }
        }
        tell(f, &self.files, &self.left_alone, &self.loads, &self.other)
    }
}
