//! Arguments of `ier vacuum`.

use std::time::Duration;

use super::clock::ClockArgs;
use super::length::duration;

/// Delete files that no table uses any more
///
/// Deletes only with --confirm; without, says what it would delete. Files younger than --retain stay, for statements that
/// still read them and for jobs that are about to commit them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ier vacuum
  ier vacuum --confirm
  ier vacuum --retain 30d --confirm

A job writes its files first and commits them then. With --retain below an hour, a vacuum beside it takes them for unused: the job
has to begin again, and statements that still read what it deletes fail. More than 30d is refused: the log does not say for longer when
a file was replaced.")]
pub struct Vacuum {
    /// Say what would be deleted, and delete nothing (this is also what happens without --confirm)
    #[arg(short = 'n', long, conflicts_with = "confirm")]
    pub dry_run: bool,

    /// Do delete
    #[arg(long)]
    pub confirm: bool,

    /// Keep what a table used within this time: 7d, 36h; 1h to 30d
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = duration)]
    pub retain: Duration,

    /// Also with --retain below an hour: deletes what loads, archive runs and others at work have written and not yet committed
    #[arg(long)]
    pub even_while_jobs_run: bool,

    /// Whether to believe the clock.
    #[command(flatten)]
    pub clock: ClockArgs,
}
