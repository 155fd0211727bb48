//! Arguments of `ier generate`.

use std::path::PathBuf;

use clap::{ValueEnum, ValueHint};

use super::day::Day;
use super::path::path;

/// Write invented exports, with the faults of real ones, for trials and measurements
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ier generate exports
  ier generate big --contacts 1000000 --months 36 --format parquet
  ier generate clean --no-misbehaviour --no-versions")]
pub struct Generate {
    /// The folder to write to
    #[arg(value_parser = path(), value_hint = ValueHint::DirPath)]
    pub folder: PathBuf,

    /// Months of sends, up to --end
    #[arg(long, value_name = "N")]
    pub months: Option<u32>,

    /// People
    #[arg(long, value_name = "N")]
    pub contacts: Option<u64>,

    /// Sends a month
    #[arg(long, value_name = "N")]
    pub sends_per_month: Option<u32>,

    /// The same seed makes the same records
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// The day before which everything has happened; today unless given
    #[arg(long, value_name = "DATE")]
    pub end: Option<Day>,

    /// How the files are written
    #[arg(long, value_enum, default_value = "csv")]
    pub format: ExportFormat,

    /// Without second and third versions of records
    #[arg(long)]
    pub no_versions: bool,

    /// Without the faults of real exports
    #[arg(long)]
    pub no_misbehaviour: bool,
}

/// How invented exports are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum ExportFormat {
    /// As Salesforce exports them
    Csv,
    /// Smaller and faster to load
    Parquet,
}
