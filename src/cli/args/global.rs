//! Flags that every verb has.

use std::path::PathBuf;

use clap::ValueHint;

use super::path::path;

/// What every verb understands.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Global {
    /// Where the tables live: a folder, or a URL such as s3://bucket/path
    #[arg(short, long, global = true, value_name = "URL", value_hint = ValueHint::AnyPath, help_heading = "Global options")]
    pub warehouse: Option<String>,

    /// The settings file (else $IER_CONFIG, else ./ier.toml)
    #[arg(value_parser = path(), long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Global options")]
    pub config: Option<PathBuf>,

    /// Reports and errors as JSON, for machines
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,

    /// No progress and no reports of what was done; answers and errors only
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub quiet: bool,

    /// Say at the end, on standard error, what was asked of the store: requests, bytes, and how many waited for another
    #[arg(long, global = true, help_heading = "Global options")]
    pub stats: bool,
}

impl Global {
    /// These flags, and others said elsewhere on the line, which win.
    pub fn with(self, other: Self) -> Self {
        Self {
            warehouse: other.warehouse.or(self.warehouse),
            config: other.config.or(self.config),
            json: self.json || other.json,
            quiet: self.quiet || other.quiet,
            stats: self.stats || other.stats,
        }
    }
}
