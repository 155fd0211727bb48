//! Previews what each job that destroys would remove now, before and after the user has consented. Removes nothing.

use std::collections::BTreeMap;
use std::fmt;

use chrono::Duration;
use serde::Serialize;

use super::context::JobContext;
use crate::error::{Error, Result};
use crate::human;
use crate::jobs::erase::finish;
use crate::jobs::{retain, vacuum};

/// The preview of what a job would remove.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Removal {
    /// By table; only those that lose something.
    pub tables: Vec<TableRemoval>,
    /// What else there is to know: why nothing goes, or what waits.
    pub note: Option<String>,
    /// Why it is not known, where it is not.
    pub unknown: Option<String>,
}

impl Removal {
    /// A preview that could not be made.
    pub(super) fn unknown(error: &Error) -> Self {
        Self { unknown: Some(error.to_string()), ..Self::default() }
    }
}

/// The preview for one table.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct TableRemoval {
    /// The table.
    pub table: String,
    /// Rows that nobody would see any more.
    pub rows: u64,
    /// Files: those deleted; of retention those that would lose rows.
    pub files: u64,
}

impl fmt::Display for TableRemoval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = human::counted(self.files, "file");
        match self.rows {
            0 => write!(f, "{files} of {}", self.table),
            rows => write!(f, "{} of {} ({files})", human::counted(rows, "row"), self.table),
        }
    }
}

impl fmt::Display for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why) = &self.unknown {
            return write!(f, "what it would remove now is not known: {why}");
        }
        let sum = |of: fn(&TableRemoval) -> u64| self.tables.iter().map(of).sum::<u64>();
        match (sum(|table| table.rows), sum(|table| table.files)) {
            (0, 0) => f.write_str("now it would remove nothing")?,
            (0, files) => write!(f, "now it would remove {}", human::counted(files, "file"))?,
            (rows, _) => write!(f, "now it would remove {}", human::counted(rows, "row"))?,
        }
        for (at, table) in self.tables.iter().enumerate() {
            write!(f, "{}{table}", if at == 0 { ": " } else { ", " })?;
        }
        self.note.iter().try_for_each(|note| write!(f, "; {note}"))
    }
}

/// Rows that have outlived their terms.
pub(super) async fn of_retain(context: JobContext) -> Result<Removal> {
    let plan = retain::plan(&context.warehouse, &context.retain).await?;
    let mut tables: BTreeMap<String, TableRemoval> = BTreeMap::new();
    for month in plan.months.iter().filter(|month| month.rows() > 0) {
        let name = month.tier.map_or_else(|| month.table.clone(), |tier| format!("{tier}/{}", month.table));
        let table = tables.entry(name.clone()).or_insert_with(|| TableRemoval { table: name, ..TableRemoval::default() });
        table.rows += month.rows();
        table.files += month.files_whole + month.files_folded;
    }
    Ok(Removal { tables: tables.into_values().collect(), note: plan.note, unknown: None })
}

/// Files that no table uses.
pub(super) async fn of_vacuum(context: JobContext, retain: Duration) -> Result<Removal> {
    let plan = vacuum::plan(&context.warehouse, retain).await?;
    let removal = |table: vacuum::TableVacuum| TableRemoval { table: table.table, rows: 0, files: table.files };
    Ok(Removal { tables: plan.tables.into_iter().map(removal).collect(), note: None, unknown: None })
}

/// Old versions of what was erased.
pub(super) async fn of_finish(context: JobContext) -> Result<Removal> {
    let plan = finish::plan(&context.warehouse).await?;
    let files = finish::files(&context.warehouse, &plan).await?;
    let removal = |(table, files)| TableRemoval { table, rows: 0, files };
    let waiting = (!plan.waiting.is_empty()).then(|| {
        let first = plan.waiting.iter().map(|pending| pending.due).min().unwrap_or_default();
        format!("{} waits, from {} on", human::counted(plan.waiting.len() as u64, "erasure"), human::moment(first))
    });
    Ok(Removal { tables: files.into_iter().map(removal).collect(), note: waiting, unknown: None })
}
