//! Arguments of `ier load` and `ier inspect`.

use std::path::PathBuf;

use clap::ValueHint;

use super::path::path;
use crate::source::moments::DateOrder;

/// What is said of the files.
#[derive(Debug, clap::Args)]
pub struct Reading {
    /// Read all inputs as this table
    #[arg(long = "as", value_name = "TABLE")]
    pub as_table: Option<String>,

    /// Load as --as says although the file looks like another table's, or make a table whose name is close to another's
    #[arg(long)]
    pub force: bool,

    /// The time zone of times that carry none
    #[arg(long)]
    pub zone: Option<String>,

    /// Which comes first in dates such as 06/08/2026, where no date of a file tells
    #[arg(long, value_name = "ORDER")]
    pub dates: Option<DateOrder>,

    /// Refuse files without rows, and files of a folder or zip that are not understood, instead of leaving them out
    #[arg(long)]
    pub strict: bool,
}

/// Take in exports: CSV or Parquet, gzip or zip, of the package's objects or of people's attributes
///
/// Each file's object is recognised by its columns. Loading the same file twice changes nothing. Rows that cannot be read
/// are counted and, with their line and the reason, kept in a file.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ier load exports/*.csv.gz
  ier load exports/                           every export in a folder
  ier load affiliations.csv --as affiliation  a file of people's attributes, under this name
  ier load all-staff.csv --as employment --complete
  ier load report.csv --zone America/Chicago")]
pub struct Load {
    /// Files, folders or patterns
    #[arg(required = true, value_hint = ValueHint::AnyPath)]
    pub inputs: Vec<String>,

    /// What is said of them.
    #[command(flatten)]
    pub reading: Reading,

    /// Show what would be read and how, as `ier inspect` does, and store nothing
    #[arg(long)]
    pub dry_run: bool,

    /// The files have everybody's attributes: stored rows that they lack end, also those of people whom they do not name
    #[arg(long)]
    pub complete: bool,

    /// Go on although more than half of a table's rows would end
    #[arg(long, requires = "complete")]
    pub confirm: bool,

    /// Where rows that cannot be read are kept
    #[arg(value_parser = path(), long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub rejects: Option<PathBuf>,
}

/// Show how export files would be read, and what they would become; stores nothing
///
/// For each file: its table and why, its encoding, delimiter, dates and zone, each column with what becomes of it, what is odd,
/// and the first rows as they would be stored.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ier inspect report1787000000001.csv
  ier --json inspect exports/")]
pub struct Inspect {
    /// Files, folders or patterns
    #[arg(required = true, value_hint = ValueHint::AnyPath)]
    pub inputs: Vec<String>,

    /// What is said of them.
    #[command(flatten)]
    pub reading: Reading,
}
