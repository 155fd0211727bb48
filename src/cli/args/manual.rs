//! Arguments of `ier manual`.

use std::path::PathBuf;

use clap::ValueHint;

use super::path::path;

/// Read the manual: one chapter, or the list of chapters
///
/// A chapter is printed for your terminal, and as plain Markdown into a file or a pipe.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ier manual                                  the chapters, and who reads which
  ier manual loading
  ier manual settings > ier.md                one chapter as Markdown
  ier manual --all > manual.md                all chapters
  ier manual --man ~/.local/share/man/man1    a man page for each command")]
pub struct Manual {
    /// A chapter
    #[arg(value_name = "TOPIC")]
    pub topic: Option<String>,

    /// Print all chapters
    #[arg(long, conflicts_with = "topic")]
    pub all: bool,

    /// Write a man page for each command into this folder
    #[arg(value_parser = path(), long, value_name = "FOLDER", value_hint = ValueHint::DirPath, conflicts_with_all = ["topic", "all"])]
    pub man: Option<PathBuf>,
}
