//! The report of a verification, for people and machines.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::error::{Error, Kind};
use crate::human;
use crate::lake::log::snapshot::DataFile;
use crate::lake::log::table::LakeTable;
use crate::ledgers::lookups::LogReport;
use crate::ledgers::runs::Report;

/// An object that is not as it was written.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Damage {
    /// The table, where it is one's.
    pub table: Option<String>,
    /// The object, as the store names it; for what concerns several, the table.
    pub object: String,
    /// What is wrong with it.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
    /// Whether it is damage (`corrupt`), or could not be looked at (`unavailable`).
    #[serde(serialize_with = "name")]
    pub kind: Kind,
}

fn name<S: Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.name())
}

impl Damage {
    /// Damage of one of a table's objects.
    pub(super) fn corrupt(table: &str, object: impl ToString, what: impl Into<String>, remedy: &str) -> Self {
        Self {
            table: Some(table.to_owned()),
            object: object.to_string(),
            what: what.into(),
            remedy: remedy.to_owned(),
            kind: Kind::Corrupt,
        }
    }

    /// What an error about an object says: that the store did not answer is no damage.
    pub(super) fn of_error(table: Option<&str>, object: impl ToString, error: &Error, remedy: &str) -> Self {
        let (kind, remedy) = match error.kind() {
            Kind::Corrupt | Kind::NotFound | Kind::Invalid => (Kind::Corrupt, remedy),
            Kind::Internal => (Kind::Internal, "report it, with this message"),
            kind => (kind, "look again when the store answers"),
        };
        Self {
            table: table.map(str::to_owned),
            object: object.to_string(),
            what: error.to_string(),
            remedy: remedy.to_owned(),
            kind,
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.object, self.what, self.remedy)
    }
}

/// A live file that is not there, or whose bytes are not those the log promises.
#[derive(Clone, Debug)]
pub struct DeadFile {
    /// Its table.
    pub lake: Arc<LakeTable>,
    /// The file.
    pub file: Arc<DataFile>,
    /// What is wrong with it.
    pub reason: String,
}

/// The report on one table.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct TableReport {
    /// The table.
    pub table: String,
    /// Live files.
    pub files: u64,
    /// Their rows, as the log says.
    pub rows: u64,
    /// Their bytes, as the log says.
    pub bytes: u64,
}

/// An object that no table needs.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Leftover {
    /// The table below whose folder it lies.
    pub table: String,
    /// The object.
    pub object: String,
    /// Its bytes.
    pub bytes: u64,
}

/// The report of a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct VerifyReport {
    /// What was looked at, by table.
    pub tables: Vec<TableReport>,
    /// Objects of the tables' logs.
    pub log_objects: u64,
    /// Live files written before pages had checksums: what becomes of them is found by this job, and not by every reader.
    pub without_checksums: u64,
    /// What is wrong.
    pub damages: Vec<Damage>,
    /// Of these: files of which nothing can be read any more.
    #[serde(skip)]
    pub dead: Vec<DeadFile>,
    /// Objects that no table needs, left behind by runs that were killed or lost a race, or replaced long ago.
    pub leftovers: Vec<Leftover>,
    /// How many of these were deleted.
    pub swept: u64,
    /// The log of look-ups; none where it was not asked for or cannot be opened.
    pub look_ups: Option<LogReport>,
    /// How long it took.
    pub seconds: f64,
}

impl Report for VerifyReport {
    /// Nothing but leftovers is ever changed.
    fn rows(&self) -> u64 {
        0
    }

    fn changed(&self) -> bool {
        self.swept > 0
    }

    fn complaint(&self) -> Option<Error> {
        self.verdict().err()
    }
}

/// How many leftovers people are shown; JSON has them all.
const LEFTOVERS_SHOWN: usize = 20;

impl VerifyReport {
    /// Succeeds when nothing is wrong.
    ///
    /// # Errors
    /// Corrupt when anything is damaged; else of the kind that kept something from being looked at.
    pub fn verdict(&self) -> crate::error::Result<()> {
        let Some(first) = self.damages.first() else { return Ok(()) };
        let worst = self.damages.iter().find(|damage| damage.kind == Kind::Corrupt).unwrap_or(first);
        let more = self.damages.len() - 1;
        let more = if more > 0 { format!("; and {} more, listed above", human::count(more as u64)) } else { String::new() };
        let message = phrase!("{}: {}{more}", worst.object, worst.what);
        Err(match worst.kind {
            Kind::Corrupt => Error::corrupt(message),
            Kind::Internal => Error::internal(message),
            _ => Error::unavailable(message),
        })
    }
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = |of: fn(&TableReport) -> u64| self.tables.iter().map(of).sum::<u64>();
        write!(
            f,
            "read {} of {}, {}, {}, and {} of their logs, in {}",
            human::counted(sum(|table| table.files), "file"),
            human::counted(self.tables.len() as u64, "table"),
            human::counted(sum(|table| table.rows), "row"),
            human::bytes(sum(|table| table.bytes)),
            human::counted(self.log_objects, "object"),
            human::seconds(self.seconds),
        )?;
        if let Some(look_ups) = self.look_ups.as_ref().filter(|log| log.entries > 0) {
            write!(f, "\n{look_ups}")?;
        }
        if self.without_checksums > 0 {
            let files = human::counted(self.without_checksums, "file");
            write!(
                f,
                "\n{files} without checksums of pages, from before there were any: only `ier verify` finds damage in these"
            )?;
        }
        for damage in &self.damages {
            write!(f, "\nDAMAGED {damage}")?;
        }
        for leftover in self.leftovers.iter().take(LEFTOVERS_SHOWN) {
            write!(f, "\nleft over: {}, {}", leftover.object, human::bytes(leftover.bytes))?;
        }
        if self.leftovers.len() > LEFTOVERS_SHOWN {
            write!(f, "\nand {} more left over", human::count((self.leftovers.len() - LEFTOVERS_SHOWN) as u64))?;
        }
        if self.swept > 0 {
            write!(f, "\n{} deleted", human::counted(self.swept, "leftover"))?;
        }
        if self.damages.is_empty() {
            write!(f, "\nall is as it was written")
        } else {
            write!(f, "\n{} found", human::counted(self.damages.len() as u64, "fault"))
        }
    }
}
