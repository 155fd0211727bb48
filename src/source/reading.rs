//! How a file is read: all assumptions about it in one value, each with its basis.
//!
//! A [`Reading`] is made from the file's beginning and confirmed by the rest while rows are read. It is made from the whole file
//! where that is small, or turned out to differ from its beginning ([`super::detect`]). Rows of a file whose reading did not hold
//! are never stored. What the file does not decide, the user says ([`Asked`]), or it is assumed and reported.

use std::collections::BTreeMap;
use std::fmt;

use chrono_tz::Tz;
use serde::Serialize;

use super::moments::{DateOrder, EARLIEST, Moments, Plausible};
use super::records::{Dialect, Quoting};

/// What the user says about a file.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The table to load into, instead of what header and name say.
    pub as_table: Option<String>,
    /// Load as the user says even where a file looks like one of another table, and make a table whose name is close to another's.
    pub is_forced: bool,
    /// The zone of moments that have none.
    pub zone: Tz,
    /// Was the zone said for these files, rather than taken from the settings?
    pub zone_is_given: bool,
    /// Which comes first in dates such as 06/08/2026.
    pub dates: Option<DateOrder>,
    /// When a record's moments can be.
    pub plausible: Plausible,
    /// Files that come again and again, by their names.
    pub files: Vec<FileRule>,
    /// Refuse whatever is not understood, also where it stands among files that are, and files without rows.
    pub strict: bool,
}

impl Asked {
    /// Everything is found out from the files; moments without zone are in this one.
    pub fn new(zone: Tz) -> Self {
        let plausible = Plausible { earliest: EARLIEST, ..Plausible::ANY };
        Self {
            as_table: None,
            is_forced: false,
            zone,
            zone_is_given: false,
            dates: None,
            plausible,
            files: Vec::new(),
            strict: false,
        }
    }

    /// What holds for a file of this name: what was said for this load, else what the settings say of such files. And the names by
    /// which its columns are known, where they have others there.
    pub(super) fn of_file(&self, name: &str) -> (Self, Option<&BTreeMap<String, String>>) {
        let Some(rule) = self.files.iter().find(|rule| rule.pattern.matches(name)) else { return (self.clone(), None) };
        let mut asked = self.clone();
        asked.as_table = asked.as_table.or_else(|| rule.table.clone());
        asked.dates = asked.dates.or(rule.dates);
        if let (Some(zone), false) = (rule.zone, self.zone_is_given) {
            (asked.zone, asked.zone_is_given) = (zone, true);
        }
        (asked, Some(&rule.columns))
    }
}

/// A standing rule for files whose names match a pattern.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FileRule {
    /// Their names, without folders.
    pub pattern: glob::Pattern,
    /// Their table.
    pub table: Option<String>,
    /// The zone of their moments that have none.
    pub zone: Option<Tz>,
    /// Which comes first in their dates.
    pub dates: Option<DateOrder>,
    /// Their headers, and the columns these are.
    pub columns: BTreeMap<String, String>,
}

/// How times are read in a column.
#[derive(Clone, Debug)]
pub(super) struct Times {
    pub zone: Tz,
    pub zone_is_given: bool,
    pub order: DateOrder,
    pub plausible: Plausible,
}

impl Times {
    /// As the user says, and with the order of dates that was detected.
    pub fn of(asked: &Asked, dates: Option<(DateOrder, Basis)>) -> Self {
        Self {
            zone: asked.zone,
            zone_is_given: asked.zone_is_given,
            order: dates.map_or(DateOrder::MonthFirst, |(order, _)| order),
            plausible: asked.plausible,
        }
    }

    /// Reads moments of records.
    pub fn moments(&self) -> Moments {
        let mut moments = Moments::new(self.zone);
        moments.order = self.order;
        moments.plausible = self.plausible;
        moments
    }

    /// Reads days, which may lie in the future: the end of an employment, the day tracking ends.
    pub fn days(&self) -> Moments {
        let mut moments = self.moments();
        moments.plausible = Plausible::ANY;
        moments
    }
}

/// What an assumption is based on.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// The user said so.
    #[serde(rename = "told")]
    Given,
    /// This line of the file allows nothing else.
    Line(u64),
    /// Nothing in the file speaks for it or against it.
    Assumed,
}

/// The encoding of a file's characters.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
pub enum Encoding {
    /// UTF-8.
    #[serde(rename = "UTF-8")]
    Utf8,
    /// UTF-16, as a mark at its beginning or every second byte shows.
    #[serde(rename = "UTF-16")]
    Utf16,
    /// Windows-1252: not UTF-8, and readable as this throughout.
    #[serde(rename = "Windows-1252")]
    Windows1252,
}

/// How a file is read.
#[derive(Clone, Debug, Serialize)]
pub struct Reading {
    /// Delimited text, Parquet, JSON.
    pub format: &'static str,
    /// Of text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<TextReading>,
    /// The zone of moments that have none.
    pub zone: String,
    /// Was the zone given for this load?
    pub zone_told: bool,
    /// Which number is the month in dates such as 06/08/2026, and why; nothing where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dates: Option<(DateOrder, Basis)>,
}

/// How delimited text is read.
#[derive(Clone, Debug, Serialize)]
pub struct TextReading {
    /// Its encoding.
    pub encoding: Encoding,
    /// What stands between fields.
    pub delimiter: char,
    /// How quotes are used.
    quoting: Quoting,
    /// The line of the header.
    pub header_line: u64,
}

impl Reading {
    /// Of a file in this format, before anything in it was examined.
    pub(super) fn of(format: &'static str, asked: &Asked) -> Self {
        Self { format, text: None, zone: asked.zone.to_string(), zone_told: asked.zone_is_given, dates: None }
    }

    /// What the numbers of its rows count.
    pub fn place(&self) -> &'static str {
        match self.format {
            "Parquet" => "row",
            "JSON" => "record",
            _ => "line",
        }
    }
}

impl TextReading {
    pub(super) fn new(encoding: Encoding, dialect: Dialect, header_line: u64) -> Self {
        Self { encoding, delimiter: dialect.delimiter.into(), quoting: dialect.quoting, header_line }
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.format)?;
        if let Some(text) = &self.text {
            let delimiter = match text.delimiter {
                ',' => "commas",
                ';' => "semicolons",
                '\t' => "tabs",
                '|' => "bars",
                _ => "delimiters of its own",
            };
            let encoding = match text.encoding {
                Encoding::Utf8 => "UTF-8",
                Encoding::Utf16 => "UTF-16",
                Encoding::Windows1252 => "Windows-1252",
            };
            let quoting = match text.quoting {
                Quoting::Doubled => "",
                Quoting::Escaped => ", escapes with \\",
                Quoting::None => ", quotes are letters",
            };
            write!(f, ", {delimiter}, {encoding}{quoting}, header in line {}", text.header_line)?;
        }
        if let Some((order, ground)) = self.dates {
            let order = match order {
                DateOrder::MonthFirst => "month first",
                DateOrder::DayFirst => "day first",
            };
            match ground {
                Basis::Given => write!(f, "; dates {order} (told)"),
                Basis::Line(line) => write!(f, "; dates {order} ({} {line} shows it)", self.place()),
                Basis::Assumed => write!(f, "; dates {order} (assumed: no date of the file tells)"),
            }?;
        }
        write!(f, "; times without a zone are in {}", self.zone)
    }
}
