//! Arguments of `ier erase`.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueHint;

use super::length::duration;
use super::path::path;

/// Erase people on request: their records under all their ids, and all that old versions still hold
///
/// Goes through hot, archive, links, people's tables, aliases and old versions, and refuses later loads of the same rows. Others' rows
/// and their order stay. Legal holds stand against it. Several people in one run share the rewriting. Erases only with
/// --confirm; without, says what would go. Killed, the same command finishes. Nothing brings an erased row back.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ier erase 003f400000JJbuPAAT --reason \"ticket 4711\"
  ier erase 003f400000JJbuPAAT 00Qf40000000001EAA --reason \"ticket 4711\" --rejects /srv/ier/done --confirm
  ier erase 003f400000JJbuPAAT --reason \"ticket 4711\" --grace 7d --confirm
  ier erase --finish --confirm

Statements that read an old version when it goes fail, and have to be asked again: --grace gives them time. Copies elsewhere
(exports, evidence packs, backups) are not seen.")]
pub struct Erase {
    /// A contact's or lead's id, or an address that only one person has; all other ids of the person are found by it
    #[arg(value_name = "ID", required_unless_present = "finish", conflicts_with = "finish")]
    pub ids: Vec<String>,

    /// Why; kept for good, so it may not name the person
    #[arg(long, value_name = "TEXT", required_unless_present = "finish", conflicts_with = "finish")]
    pub reason: Option<String>,

    /// Do erase
    #[arg(long)]
    pub confirm: bool,

    /// Also take an id that no contact, lead or record here has: later loads of it are refused for ever
    #[arg(long, conflicts_with = "finish")]
    pub unknown: bool,

    /// Say what would be erased, and erase nothing (this is also what happens without --confirm)
    #[arg(short = 'n', long, conflicts_with = "confirm")]
    pub dry_run: bool,

    /// Also take rows that name the person out of these rejects files, or folders of such
    #[arg(value_parser = path(), long, value_name = "PATH", num_args = 1.., value_hint = ValueHint::AnyPath, conflicts_with = "finish")]
    pub rejects: Vec<PathBuf>,

    /// Leave old versions for this long; `ier erase --finish --confirm` then deletes them
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = duration)]
    pub grace: Duration,

    /// Delete the old versions of all erasures whose time has come
    #[arg(long)]
    pub finish: bool,

    /// Whether to believe the clock.
    #[command(flatten)]
    pub clock: super::clock::ClockArgs,
}
