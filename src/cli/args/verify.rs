//! Arguments of `ier verify`.

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
  ier verify --give-up                        files that are gone or damaged, and what was in them
  ier verify --give-up --confirm              take them out of the log, so that all jobs work again
  ier verify --undo-foreign                   what another engine wrote into the logs
  ier verify --erased 003f400000JJbuPAAT ana.ortiz@example.edu \"Ana Ortiz\"

Changes nothing without --confirm.")]
pub struct Verify {
    /// Search every object instead, decompressed, for ids (in both forms), addresses or names that should be gone
    #[arg(long, value_name = "TEXT", num_args = 1.., conflicts_with_all = ["table", "dry_run", "changes", "confirm"])]
    pub erased: Vec<String>,

    /// Only this table
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,

    /// Say what would be read, and read nothing; with one of the next three, say what it would change
    #[arg(short = 'n', long, conflicts_with = "confirm")]
    pub dry_run: bool,

    /// Delete objects that no table needs, except below a damaged table; only with --confirm
    #[arg(long, group = "changes")]
    pub sweep: bool,

    /// Take files that are gone or damaged out of the log, and keep what was in them in the ledger given_up; only with --confirm
    #[arg(long, group = "changes")]
    pub give_up: bool,

    /// Take back what other engines committed since ier last did; only with --confirm
    #[arg(long, group = "changes", conflicts_with = "table")]
    pub undo_foreign: bool,

    /// Do it
    #[arg(long, requires = "changes")]
    pub confirm: bool,

    /// Whether to believe the clock.
    #[command(flatten)]
    pub clock: super::clock::ClockArgs,

    /// With --sweep: also with --retain below an hour, which deletes what jobs at work have written and not yet committed
    #[arg(long)]
    pub even_while_jobs_run: bool,

    /// Objects written or used within this time are not left over: 7d, 36h
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = super::length::duration)]
    pub retain: Duration,
}
