//! Arguments of `ier hold`.

use clap::Subcommand;

use super::day::Day;

/// Legal holds: records that must stay, whatever retention or an erasure says
///
/// A hold is on a person (under all their ids, also those learned later), a send, a business unit or a span of days; or on
/// what several of these have in common. It stands until it is released.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ier hold add --person 003f400000JJbuP --reason \"case 17\"
  ier hold list
  ier hold release hold-2026-11-22-1 --reason \"case 17 is closed\"")]
pub struct Hold {
    /// What to do.
    #[command(subcommand)]
    pub verb: HoldVerb,
}

/// What to do with holds.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "a verb's help is the documentation of its arguments")]
pub enum HoldVerb {
    Add(HoldAdd),
    List(HoldList),
    Release(HoldRelease),
}

/// Place a hold
///
/// It covers the records for which all is true that is named. When the command is done, no run of `ier retain` can miss it any
/// more, also one that is at work now.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ier hold add --person 003f400000JJbuP --reason \"case 17\"
  ier hold add --unit \"Law School\" --from 2024-01-01 --until 2024-06-30 --reason \"case 18\"
  ier hold add --send 4711 --reason \"complaint of May\"

Your name is recorded: the setting audit.who, else the system's user.")]
pub struct HoldAdd {
    /// A contact's or lead's id, or an e-mail address: the person under all their ids
    #[arg(long, value_name = "ID")]
    pub person: Option<String>,

    /// A send, by its id or its job's number
    #[arg(long, value_name = "ID|JOB")]
    pub send: Option<String>,

    /// A business unit, by its name, id or MID
    #[arg(long, value_name = "NAME|ID|MID")]
    pub unit: Option<String>,

    /// What was sent on this day (UTC) or later
    #[arg(long, value_name = "DATE")]
    pub from: Option<Day>,

    /// What was sent on this day (UTC) or earlier
    #[arg(long, value_name = "DATE")]
    pub until: Option<Day>,

    /// What the hold is for
    #[arg(long, value_name = "TEXT")]
    pub reason: String,

    /// Also place a hold on a person or send that nothing here is known of: for records to come
    #[arg(long)]
    pub anyway: bool,

    /// Say what would be held, and hold nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// List the holds that stand
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  ier hold list\n  ier hold list --all --json")]
pub struct HoldList {
    /// Released ones, too
    #[arg(long)]
    pub all: bool,
}

/// Release a hold: what it kept may expire or be erased again
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  ier hold release hold-2026-11-22-1 --reason \"case 17 is closed\"")]
pub struct HoldRelease {
    /// The hold, as `ier hold list` names it
    #[arg(value_name = "HOLD")]
    pub hold: String,

    /// Why it may end
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}
