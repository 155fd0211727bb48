//! Arguments of `ier run`.

/// Do all jobs on their schedules, until told to stop
///
/// The settings say when each job runs ([run] in ier.toml). Runs that were missed are made up for, once. Of several `ier run`
/// over one warehouse one works, and another takes over when it stops or dies. Says once a minute how things stand.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ier run --dry-run                           what is due, when the rest is, and what would be removed
  ier run                                     stay, as a service
  ier run --once                              do what is due and end, for cron or a timer
  ier run --json | tee -a run.ndjson

Ctrl-C and SIGTERM stop it at once; nothing is left half done.")]
pub struct Run {
    /// Do what is due, and end
    #[arg(long)]
    pub once: bool,

    /// Say what is due, and what each job that destroys would remove; do nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Whether to believe the clock.
    #[command(flatten)]
    pub clock: super::clock::ClockArgs,
}
