//! The report of a load, for people and machines: every row that was read is counted under one head.
//!
//! read = inserted + updated + unchanged + outdone + rejected + erased. The lines of a table are its rows read and its trailing
//! lines. Repaired rows are counted in addition: a row with a broken character may be new or known.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::error::Error;
use crate::human;
use crate::ledgers::runs::Report;

/// The counts of a load for one table.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TableCounts {
    /// The table.
    pub table: String,
    /// Files read into it.
    pub files: u64,
    /// Rows in those files.
    pub read: u64,
    /// Rows with a new key.
    pub inserted: u64,
    /// Rows that changed a stored one.
    pub updated: u64,
    /// Rows with nothing new: everything in them was stored already, or came in another row of the same load.
    pub unchanged: u64,
    /// Rows that differ and changed nothing, because a newer version was stored already or came in another row of the same load.
    pub outdone: u64,
    /// Rows refused, each with its reason in the rejects file.
    pub rejected: u64,
    /// Of the rows that were taken, those in which invalid bytes were replaced.
    pub repaired: u64,
    /// Closing lines of reports. They are not rows and not counted as read.
    pub trailing: u64,
    /// Stored rows of people's attributes that ended.
    pub ended: u64,
    /// Rows refused because they belong to a person who was erased on request.
    pub erased: u64,
    /// Of the inserted and updated: rows older than the archive's boundary, waiting in hot for the next archive run.
    pub late: u64,
}

impl TableCounts {
    /// The sum of all heads: as many rows as were read.
    pub fn accounted_for(&self) -> u64 {
        self.inserted + self.updated + self.unchanged + self.outdone + self.rejected + self.erased
    }
}

/// A file that was not read.
#[derive(Clone, Debug, Serialize)]
pub struct SkippedFile {
    /// The file, or `file!member`.
    pub file: String,
    /// Why.
    pub why: String,
}

/// The report of a load.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LoadReport {
    /// By table, in the order they were committed.
    pub tables: Vec<TableCounts>,
    /// Files whose table has a header and no rows, or in whose place the source says that there is nothing.
    pub empty: Vec<String>,
    /// Members of zips and files of folders that were not read.
    pub left_out: Vec<SkippedFile>,
    /// What was assumed of files, or is odd in them: a sentence each.
    pub notes: Vec<String>,
    /// Merges and conversions of people that were not known before.
    pub aliases_learned: u64,
    /// Where the rejected rows are, if there are any.
    pub rejects_file: Option<PathBuf>,
    /// Bytes of the files.
    pub bytes: u64,
    /// How long it took.
    pub seconds: f64,
}

impl LoadReport {
    /// Did any row change anything?
    pub fn changed(&self) -> bool {
        self.aliases_learned > 0 || self.tables.iter().any(|table| table.inserted + table.updated + table.ended > 0)
    }

    /// The sum over all files of one kind of irregular rows.
    fn sum(&self, of: impl Fn(&TableCounts) -> u64) -> u64 {
        self.tables.iter().map(of).sum()
    }

    /// What became of rows of which none changed anything.
    fn nothing_changed(&self, rows: u64) -> String {
        if self.sum(|table| table.unchanged) == rows {
            return "nothing changed: all of this was here already".to_owned();
        }
        let parts = [
            (self.sum(|table| table.unchanged), "here already"),
            (self.sum(|table| table.outdone), "outdone by newer versions"),
            (self.sum(|table| table.rejected), "rejected"),
            (self.sum(|table| table.erased), "refused, of people erased"),
        ];
        let parts = parts.iter().filter(|(count, _)| *count > 0);
        let parts: Vec<String> = parts.map(|(count, what)| format!("{} {what}", human::count(*count))).collect();
        format!("nothing changed: of {}, {}", human::counted(rows, "row"), parts.join(", "))
    }

    /// Was every row refused?
    pub fn all_rejected(&self) -> bool {
        self.tables.iter().any(|table| table.read > 0) && self.tables.iter().all(|table| table.rejected == table.read)
    }
}

/// How many names a line lists.
const NAMES_SHOWN: usize = 20;

pub(super) fn some<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(NAMES_SHOWN);
    let shown = names.take(NAMES_SHOWN).collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

impl Report for LoadReport {
    fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.inserted + table.updated).sum()
    }

    fn changed(&self) -> bool {
        LoadReport::changed(self)
    }

    /// A load of which nothing was accepted is a failed one.
    fn complaint(&self) -> Option<Error> {
        self.all_rejected().then(|| Error::invalid("every row was rejected: the rejects file says why"))
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.tables.iter().map(|table| table.table.len()).max().unwrap_or(0).max("table".len());
        let titles = ["files", "read", "inserted", "updated", "unchanged", "rejected"];
        write!(f, "{:width$}", "table")?;
        for title in titles {
            write!(f, "  {title:>12}")?;
        }
        for table in &self.tables {
            write!(f, "\n{:width$}", table.table)?;
            for number in [table.files, table.read, table.inserted, table.updated, table.unchanged, table.rejected] {
                write!(f, "  {:>12}", human::count(number))?;
            }
        }
        let rows = self.sum(|table| table.read);
        let (bytes, seconds) = (human::bytes(self.bytes), human::seconds(self.seconds));
        write!(f, "\n{}, {bytes} in {seconds} ({})", human::counted(rows, "row"), human::rate(rows, self.seconds))?;
        for table in self.tables.iter().filter(|table| table.outdone > 0) {
            let (rows, are) = (human::counted(table.outdone, "row"), if table.outdone == 1 { "is" } else { "are" });
            write!(f, "\n{}: {rows} {are} outdone: newer versions of these records were here, or came with them", table.table)?;
        }
        let late = self.sum(|table| table.late);
        if late > 0 {
            let are = if late == 1 { "is" } else { "are" };
            let rows = human::counted(late, "row");
            write!(f, "\n{rows} {are} older than the archive's boundary; the next `ier archive` folds in what is late")?;
        }
        for table in self.tables.iter().filter(|table| table.ended > 0) {
            let ended = human::counted(table.ended, "row");
            write!(f, "\n{}: {ended} ended: the files have other rows of these people, and lack these", table.table)?;
        }
        let erased = self.sum(|table| table.erased);
        if erased > 0 {
            write!(f, "\n{} refused: of people erased on request", human::counted(erased, "row"))?;
        }
        let trailing = self.sum(|table| table.trailing);
        if trailing > 0 {
            write!(f, "\n{} behind the rows of reports, which are none, passed over", human::counted(trailing, "line"))?;
        }
        for table in self.tables.iter().filter(|table| table.repaired > 0) {
            let rows = human::counted(table.repaired, "row");
            write!(f, "\n{}: {rows} with bytes that are no letters, which became \u{fffd}", table.table)?;
        }
        if !self.empty.is_empty() {
            write!(f, "\nno rows: {}", some(self.empty.iter().map(String::as_str)))?;
        }
        for left_out in &self.left_out {
            write!(f, "\nnot read: {} ({})", left_out.file, left_out.why)?;
        }
        for note in &self.notes {
            write!(f, "\nnote: {note}")?;
        }
        if self.aliases_learned > 0 {
            let aliases = if self.aliases_learned == 1 { "alias" } else { "aliases" };
            write!(f, "\n{} {aliases} of people learned, from merges and conversions", human::count(self.aliases_learned))?;
        }
        if let Some(path) = &self.rejects_file {
            write!(f, "\nrejected rows, with file, line and reason: {}", path.display())?;
        }
        if self.all_rejected() {
            write!(f, "\nnothing changed: every row was rejected")?;
        } else if rows > 0 && !self.changed() {
            write!(f, "\n{}", self.nothing_changed(rows))?;
        }
        Ok(())
    }
}
