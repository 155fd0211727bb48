//! Arguments for the format of an answer and the place where it is written. Several verbs share them.
//!
//! # Decisions
//! - 2026-11-21 **`ier sql` shows times in UTC, `ier history` in the configured zone.** A statement's literals are UTC, and
//!   what it shows should match; a person reads a history.

use std::path::PathBuf;

use clap::ValueHint;

use super::path::path;
use crate::output::Format;
use crate::output::chart::Kind;

/// How an answer is written, and where.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Output {
    /// How the answer is written; else as the file's name says, else a table
    #[arg(short = 'F', long, value_enum)]
    pub format: Option<Format>,

    /// Draw the answer: lines over time, bars or a heat map, as its columns ask for or KIND says; with -o a picture, .svg or .png
    #[arg(long, value_enum, value_name = "KIND", num_args = 0..=1, require_equals = true)]
    pub chart: Option<Option<Kind>>,

    /// Write the answer to a file, which appears when it is whole
    #[arg(value_parser = path(), short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,

    /// Replace the file of -o if it is there already
    #[arg(long)]
    pub force: bool,

    /// Show at most this many rows of a table (all are counted)
    #[arg(long, value_name = "N")]
    pub max_rows: Option<usize>,
}
