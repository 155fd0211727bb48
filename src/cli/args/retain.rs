//! Arguments of `ier retain`.

/// Remove records that are older than they are kept, as [retain] in the settings says
///
/// Removes only with --confirm; without, says what it would remove. In both tiers; what a legal hold covers stays, and so do
/// sends and, in expired_total, what their records told. Judges anew when it is run: a plan binds nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ier retain                                  what would go, and what holds keep
  ier retain --confirm
  ier retain --confirm --json

Files that are not needed any more are deleted by `ier vacuum`.")]
pub struct RetainArgs {
    /// Say what would be removed, and remove nothing (this is also what happens without --confirm)
    #[arg(short = 'n', long, conflicts_with = "confirm")]
    pub dry_run: bool,

    /// Do remove
    #[arg(long)]
    pub confirm: bool,

    /// Whether to believe the clock.
    #[command(flatten)]
    pub clock: super::clock::ClockArgs,
}
