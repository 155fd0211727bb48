//! Arguments of `ier release`.

use std::path::PathBuf;

use clap::{ValueEnum, ValueHint};

use super::path::path;

/// List the ids of archived records that may be deleted in Salesforce, for Data Loader
///
/// Each archive file an id is taken from is read back now, whole: its bytes have the hash they were written with, and decode.
/// Left out are ids given out before, records of which a newer version waits in hot, and those Salesforce deleted already.
/// What is given out is remembered. Nothing is deleted here, and legal holds keep no id back: the archived copy stays.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ier release --out delete.csv --dry-run      what would be read back
  ier release --out delete.csv                all that is archived and was not given out before
  ier release --out delete.csv --older-than 365d --limit 100000
  ier release --out links.csv --object individual_link
  ier release --out delete.csv --again 5b0c…  a list once more: proved once more, too

Lists of more than 5,000,000 ids become delete-1.csv, delete-2.csv, … A list that is there already is never written over.")]
pub struct Release {
    /// The list to write
    #[arg(value_parser = path(), short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: PathBuf,

    /// Only records sent longer ago than this: 365d, 52w
    #[arg(long, value_name = "AGE", value_parser = super::length::days)]
    pub older_than: Option<u32>,

    /// Give out at most this many ids
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,

    /// Whose ids
    #[arg(long, value_enum, default_value = "individual_email_result")]
    pub object: ReleaseObject,

    /// Write the list of an earlier run again
    #[arg(long, value_name = "RELEASE", conflicts_with_all = ["limit", "older_than"])]
    pub again: Option<String>,

    /// Say what would be read back, and do nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Whether to believe the clock.
    #[command(flatten)]
    pub clock: super::clock::ClockArgs,
}

/// What is archived.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum ReleaseObject {
    /// IERs
    IndividualEmailResult,
    /// Their links
    IndividualLink,
}
