//! What is to be made, and the files that were made.

use std::path::PathBuf;

use chrono::NaiveDate;

/// In what form IERs and links are written; the small objects are always CSV.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Format {
    /// gzipped CSV, as Salesforce exports.
    #[default]
    Csv,
    /// Parquet, for bulk.
    Parquet,
}

/// What to make.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Months of sends; the last one may be cut short by `end`.
    pub months: u32,
    /// Contacts; a twentieth as many leads come with them.
    pub contacts: u64,
    /// Sends a month: 60 % reach 0.4 % of the contacts, 30 % reach 4 %, 10 % reach 40 %.
    pub sends_per_month: u32,
    /// Same seed, same bytes.
    pub seed: u64,
    /// The day before which everything has happened.
    pub end: NaiveDate,
    /// CSV or Parquet.
    pub format: Format,
    /// Every observed version of an IER (sent, then opened, then clicked); otherwise only the last.
    pub versions: bool,
    /// Duplicates, late opens, vanished contacts, unreadable rows and the like, at realistic rates.
    pub misbehaviour: bool,
}

impl Default for Recipe {
    /// A demo: 14 months of 12 sends to 2,000 contacts, up to the end of October 2026.
    fn default() -> Self {
        let end = NaiveDate::from_ymd_opt(2026, 11, 1).unwrap_or_default();
        Self {
            months: 14,
            contacts: 2_000,
            sends_per_month: 12,
            seed: 7,
            end,
            format: Format::Csv,
            versions: true,
            misbehaviour: true,
        }
    }
}

/// A file that was written.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct MadeFile {
    /// Where.
    pub path: PathBuf,
    /// Of which table it holds rows.
    pub table: &'static str,
    /// Rows, deliberately bad ones included.
    pub rows: u64,
    /// Size.
    pub bytes: u64,
}
