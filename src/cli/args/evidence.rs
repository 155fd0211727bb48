//! Arguments of `ier audit verify`.

use std::path::PathBuf;

use clap::{Subcommand, ValueHint};

use super::path::path;

/// What to do with an answer given before.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "a verb's help is the documentation of its arguments")]
pub enum AuditVerb {
    Verify(AuditVerify),
}

/// Is an evidence pack what was once written?
///
/// Finds any byte that was changed since, and any file that is missing or was added. Where the warehouse is at hand, each record
/// is held against the archive: the file it came from is still there with the same hash, and the record stands in its place.
/// A file that was compacted or vacuumed away since is no fault: its records are then looked for by key. Exit code 6: altered.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ier audit verify ticket-4711.zip
  ier audit verify ticket-4711 --warehouse s3://bucket/path
  ier audit verify ticket-4711.zip --alone --seal 5f3c0e…

Whoever can rewrite the whole pack can also seal it anew: note the seal elsewhere when the pack is made, or ask the archive.
Asking the archive is a look-up, and logged.")]
pub struct AuditVerify {
    /// The pack: a folder or a zip
    #[arg(value_parser = path(), value_hint = ValueHint::AnyPath)]
    pub pack: PathBuf,

    /// The seal the pack had when it was made
    #[arg(long, value_name = "HEX")]
    pub seal: Option<String>,

    /// Do not ask the archive
    #[arg(long)]
    pub alone: bool,

    /// Why you look, for the log of look-ups
    #[arg(long, value_name = "TEXT", conflicts_with = "alone")]
    pub reason: Option<String>,
}
