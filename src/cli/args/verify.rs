//! The words of `ier verify`.

use std::time::Duration;

/// Is everything still as it was written? Reads all of it, and names each damaged object
///
/// Looks at every object of every table's log, at every live file (size, hash, rows, order, partition, statistics), whether any
/// key is twice, at the log of look-ups, and for objects that killed runs left behind. Exit code 6: something is damaged.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ier verify
  ier verify --table ier
  ier verify --json | jq .damages
  ier verify --dry-run                        how much would be read
  ier verify --sweep --confirm                also delete what killed runs left behind
  ier verify --erased 003f400000JJbuPAAT ana.ortiz@example.edu \"Ana Ortiz\"

Changes nothing without --sweep and --confirm.")]
pub struct Verify {
    /// Search every object instead, decompressed, for ids (in both forms), addresses or names that should be gone
    #[arg(long, value_name = "TEXT", num_args = 1.., conflicts_with_all = ["table", "dry_run", "sweep", "confirm"])]
    pub erased: Vec<String>,

    /// Only this table
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,

    /// Say what would be read, and read nothing
    #[arg(short = 'n', long, conflicts_with_all = ["sweep", "confirm"])]
    pub dry_run: bool,

    /// Delete objects that no table needs, except below a damaged table; only with --confirm
    #[arg(long)]
    pub sweep: bool,

    /// Do delete
    #[arg(long, requires = "sweep")]
    pub confirm: bool,

    /// Objects written or used within this time are not left over: 7d, 36h
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = super::duration)]
    pub retain: Duration,
}
