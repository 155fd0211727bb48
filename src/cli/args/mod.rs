//! The command-line arguments of all verbs, and their help texts. They are parsed here and checked for their form only; what a verb
//! does is decided elsewhere.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueHint};

pub use self::ask::Ask;
pub use self::audience::AudienceArgs;
pub use self::clock::ClockArgs;
pub use self::day::Day;
pub use self::drop::Drop;
pub use self::erase::Erase;
pub use self::evidence::{AuditVerb, AuditVerify};
pub use self::generate::{ExportFormat, Generate};
pub use self::global::Global;
pub use self::hold::{Hold, HoldAdd, HoldVerb};
use self::length::{days, duration, seconds};
pub use self::load::{Inspect, Load, Reading};
pub use self::manual::Manual;
pub use self::output::Output;
use self::path::path;
pub use self::reconcile::Reconcile;
pub use self::release::{Release, ReleaseObject};
pub use self::retain::RetainArgs;
pub use self::run::Run;
pub use self::serve::Serve;
pub use self::user::{User, UserToken, UserVerb};
pub use self::vacuum::Vacuum;
pub use self::verify::Verify;
use crate::settings::Overrides;

// Arguments of `ier ask`: a question's name, and its parameters as flags.
pub mod ask;

// Arguments that write an answer as an audience.
mod audience;

// The flag by which the user confirms that the clock is right.
mod clock;

// Parses a day given as an argument.
mod day;

// Arguments of `ier drop`.
mod drop;

// Arguments of `ier erase`.
mod erase;

// Arguments of `ier audit verify`.
mod evidence;

// Flags that every verb has.
mod global;

// Arguments of `ier load` and `ier inspect`.
mod load;

// Arguments for the format of an answer and the place where it is written.
mod output;

// Parses lengths of time: `90d`, `36h`, `5m`.
mod length;

// Arguments of `ier manual`.
mod manual;

// Parses a path given as an argument.
mod path;

// Arguments of `ier reconcile`.
mod reconcile;

// Arguments of `ier release`.
mod release;

// Arguments of `ier run`.
mod run;

// The words of `ier serve`.
mod serve;

// Arguments of `ier user`.
mod user;

// Arguments of `ier generate`.
mod generate;

// Arguments of `ier vacuum`.
mod vacuum;

// Arguments of `ier verify`.
mod verify;

// Arguments of `ier hold`.
mod hold;

// Arguments of `ier retain`.
mod retain;

/// Archived e-mail engagement, answered in SQL
///
/// ier keeps Individual Email Results (who was sent which e-mail, and what became of it) in two tiers, hot and archive, and
/// answers SQL over both as one table.
#[derive(Debug, Parser)]
#[command(name = "ier", version, after_long_help = EXAMPLES, after_help = "Try `ier demo` first; `--help` shows examples.")]
pub struct Args {
    /// The flags every verb has.
    #[command(flatten)]
    pub global: Global,

    /// What to do; without one, help is shown.
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

const EXAMPLES: &str = "\
Examples:
  ier demo                                    see it all at work, in seconds, on invented data
  ier load exports/*.csv.gz                   take in exports; safe to run again
  ier sql \"SELECT count(*) FROM ier\"          ask; without a query, a shell
  ier ask                                     the questions people bring, ready to ask
  ier history 003f400000JJbuPAAT              one person's mails, newest first
  ier who ortiz                               whose name or address has this in it
  ier archive --older-than 90d --dry-run      what would move to the archive
  ier status                                  what is stored, and what it costs
  ier manual                                  the manual: its chapters, and who reads which

Settings come from ier.toml, IER_* variables and flags, in rising order.
Exit codes: 0 done, 2 invalid request, 3 not found, 4 conflict (try again), 5 unavailable,
6 corrupt data, 70 a fault of ier, 130 interrupted.";

/// What to do.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "a verb's help is the documentation of its arguments")]
pub enum Verb {
    Demo(Demo),
    Sql(Sql),
    Ask(Ask),
    History(History),
    Who(Who),
    Alias(Alias),
    Audit(Audit),
    Log(Log),
    Status(Status),
    Load(Load),
    Inspect(Inspect),
    Archive(Archive),
    Compact(Compact),
    Vacuum(Vacuum),
    Reconcile(Reconcile),
    Release(Release),
    Run(Run),
    Serve(Serve),
    User(User),
    Erase(Erase),
    Drop(Drop),
    Hold(Hold),
    Retain(RetainArgs),
    Verify(Verify),
    Generate(Generate),
    Manual(Manual),
    Completions(Completions),
}

/// Try it all on invented exports: load, archive and query them, and see what to try next
///
/// Everything happens in one folder, which may be deleted afterwards. Takes seconds.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  ier demo\n  ier demo /tmp/try-ier")]
pub struct Demo {
    /// The folder to work in; must be empty, new, or an earlier demo's
    #[arg(value_parser = path(), default_value = "ier-demo", value_hint = ValueHint::DirPath)]
    pub folder: PathBuf,

    /// Begin anew although something else was loaded into the earlier demo's warehouse
    #[arg(long)]
    pub fresh: bool,
}

/// Ask in SQL; without a query, an interactive shell
///
/// Hot and archived records are one table, `ier` (also `individual_email_result`); `\d` in the shell lists the others.
/// Answers stream: the first rows show before the last are found, and memory does not grow with the answer.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ier sql \"SELECT email_name, count(*) AS sent FROM ier GROUP BY 1 ORDER BY 2 DESC LIMIT 10\"
  ier sql -f question.sql -o answer.parquet
  ier sql -f question.sql --param about='Giving Day' --param from=2026-01-01
  ier sql --chart \"SELECT month, sent, opened FROM rates_by_month ORDER BY month\"
  ier sql --format csv \"SELECT contact_id FROM ier WHERE hard_bounce\" | head
  echo 'SELECT 1;' | ier sql --json
  ier sql                                     a shell: history, \\d, \\timing, \\? for help")]
pub struct Sql {
    /// One or more statements, separated by `;`
    #[arg(conflicts_with = "file")]
    pub query: Option<String>,

    /// The same, as psql has it
    #[arg(short = 'c', long = "command", value_name = "SQL", conflicts_with_all = ["query", "file"])]
    pub command: Option<String>,

    /// Read the statements from a file; `-` is standard input
    #[arg(value_parser = path(), short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    /// A value for a parameter that the statement's head declares, such as from=2026-01-01
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = ask::pair)]
    pub parameters: Vec<(String, String)>,

    /// How and where the answer goes.
    #[command(flatten)]
    pub output: Output,

    /// How it goes back into Salesforce.
    #[command(flatten)]
    pub audience: AudienceArgs,

    /// Stop a statement after this long: 30s, 5m; a number alone means seconds, 0 = never
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub timeout: Option<Duration>,

    /// Show times of a table or spreadsheet in your zone rather than in UTC
    #[arg(long)]
    pub local: bool,

    /// Why you look, for the log of look-ups: for statements that name a person to contact_history or person_ids
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// One person's mails, newest first: what was sent, and what became of it
///
/// Takes a contact's or lead's id of 15 or 18 characters, or an e-mail address that only one person has. Finds the mails
/// under all ids of the person: contacts merged into them, leads converted into them, whatever `ier alias` says. Times are
/// shown in your zone, with its offset.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ier history 003f400000JJbuPAAT
  ier history 003f400000JJbuP -o evidence.csv
  ier history 00Qf400000JJbuPEAT --json
  ier history ana.ortiz@example.edu
  ier history 003f400000JJbuP --reason \"ticket 4711\"

No record here does not prove that nothing was sent: tracking may have been off for the send.
Each look-up is recorded: see `ier log`.")]
pub struct History {
    /// A contact's or lead's id, or an e-mail address
    #[arg(value_name = "ID")]
    pub id: String,

    /// How and where the answer goes.
    #[command(flatten)]
    pub output: Output,

    /// Show times of a table or spreadsheet in UTC
    #[arg(long)]
    pub utc: bool,

    /// Why you look, for the log of look-ups
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// Who looked up whose records, and why: the newest look-ups, after a check that none was altered or removed
///
/// Whose is kept as a hash: --subject finds the look-ups of a person you can name. Exit code 6 says that the log is damaged.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ier log
  ier log --last 100 --json
  ier log --subject 003f400000JJbuPAAT        who looked this person up

Note the last number and hash somewhere else now and then: they prove that nothing was cut off later.")]
pub struct Log {
    /// Show at most this many
    #[arg(long, value_name = "N", default_value = "20")]
    pub last: usize,

    /// Only those about this contact's or lead's id
    #[arg(long, value_name = "ID")]
    pub subject: Option<String>,

    /// Show times in UTC
    #[arg(long)]
    pub utc: bool,
}

/// Was this person told? For each send in question, what is proved, and by which record
///
/// A send is found by words of its name, subject or sender (--about), by the id of its e-mail (--email-id), or by its own id or
/// job number (--send). The verdict is SENT, NOT SENT (somebody recorded that it was withheld) or NO EVIDENCE, with the reason.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true,
    group(clap::ArgGroup::new("sends").required(true).args(["about", "email_id", "send"])),
    after_help = "\
Examples:
  ier audit 003f400000JJbuPAAT --about 'open enrollment'
  ier audit 003f400000JJbuP --about 'open enrollment' --from 2025-10-01 --to 2025-11-30
  ier audit 003f400000JJbuPAAT --email-id 31001
  ier audit 003f400000JJbuPAAT --about 'open enrollment' --as-of 2025-12-31
  ier audit 003f400000JJbuPAAT --send a0Bf40000000001EAA --json
  ier audit 003f400000JJbuPAAT --about 'open enrollment' --evidence ticket-4711.zip
  ier audit verify ticket-4711.zip

NO EVIDENCE does not mean that nothing was sent."
)]
pub struct Audit {
    /// A contact's or lead's id, or an e-mail address that only one person has; all other ids of the person are found by it
    #[arg(required = true)]
    pub id: Option<String>,

    /// What to do with an answer given before.
    #[command(subcommand)]
    pub verb: Option<AuditVerb>,

    /// Words of the e-mail's name, subject or sender; case, accents, dashes, quotes and punctuation do not count
    #[arg(long, value_name = "TEXT")]
    pub about: Option<String>,

    /// The e-mail's id in Marketing Cloud: the "Email ID" of a ticket
    #[arg(long, value_name = "ID")]
    pub email_id: Option<String>,

    /// The id of the send, or the number of its job
    #[arg(long, value_name = "ID")]
    pub send: Option<String>,

    /// Sent on this day or later, in your zone
    #[arg(long, value_name = "DATE")]
    pub from: Option<Day>,

    /// Sent on this day or earlier, in your zone
    #[arg(long, value_name = "DATE")]
    pub to: Option<Day>,

    /// Answer from what was known here at the end of this day, in your zone
    #[arg(long, value_name = "DATE")]
    pub as_of: Option<Day>,

    /// Why you look, for the log of look-ups
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,

    /// Also keep the evidence, in a new folder or (NAME.zip) a zip: page, records, and a manifest that proves them
    #[arg(value_parser = path(), long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub evidence: Option<PathBuf>,
}

/// Find people by name or address: their ids
///
/// Takes an id, or words: all must occur in the name or the address of a contact or lead, in any order, as parts of words too,
/// without case, accents and punctuation. Each person is listed once, under the id by which they are counted, with their other ids.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ier who ortiz
  ier who \"jose nunez\"                       also finds Núñez, José
  ier who @example.org --limit 500 --json")]
pub struct Who {
    /// Parts of a name or an address
    #[arg(required = true, value_name = "TEXT")]
    pub text: Vec<String>,

    /// List at most this many people (all are counted)
    #[arg(long, value_name = "N", default_value = "50")]
    pub limit: usize,

    /// Why you look, for the log of look-ups
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// Which ids are one person: list what is known, add what is not
///
/// Merges and conversions are learned from contacts and leads as they are loaded, and never forgotten. What Salesforce no
/// longer shows can be added by hand, with a reason. Nothing takes an alias back.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ier alias list
  ier alias list 003f400000JJbuPAAT
  ier alias add 003f400000JJbuP 003f400000JJbuQ --reason \"same badge number, ticket 4711\"")]
pub struct Alias {
    /// What to do.
    #[command(subcommand)]
    pub verb: AliasVerb,
}

/// What to do with aliases.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "a verb's help is the documentation of its arguments")]
pub enum AliasVerb {
    Add(AliasAdd),
    List(AliasList),
}

/// Say that an id became another, and why
///
/// Shows both people, with names, addresses and numbers of mails; makes them one only with --confirm. Nothing takes an alias back.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ier alias add 003f400000JJbuP 003f400000JJbuQ --reason \"same badge number, ticket 4711\"
  ier alias add 003f400000JJbuP 003f400000JJbuQ --reason \"same badge number, ticket 4711\" --confirm

Your name is recorded: the setting audit.who, else the system's user.")]
pub struct AliasAdd {
    /// The id that was given up, a contact's or lead's
    #[arg(value_name = "FROM")]
    pub from: String,

    /// The id it became
    #[arg(value_name = "TO")]
    pub to: String,

    /// Why they are one person
    #[arg(long, value_name = "TEXT")]
    pub reason: String,

    /// Do make them one
    #[arg(long)]
    pub confirm: bool,

    /// Show who they are, and change nothing (this is also what happens without --confirm)
    #[arg(short = 'n', long, conflicts_with = "confirm")]
    pub dry_run: bool,

    /// Also take ids that no contact, lead or record here has
    #[arg(long)]
    pub unknown: bool,
}

/// List which id became which, how that is known, and since when
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  ier alias list\n  ier alias list 003f400000JJbuPAAT --json")]
pub struct AliasList {
    /// One of a person's ids, to list only what concerns them
    #[arg(value_name = "ID")]
    pub id: Option<String>,

    /// Why you look, for the log of look-ups
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,

    /// How and where the answer goes.
    #[command(flatten)]
    pub output: Output,

    /// Show times of a table or spreadsheet in UTC
    #[arg(long)]
    pub utc: bool,
}

/// What is stored: rows, files and bytes by table, tier and month, and what an IER costs here and in Salesforce
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  ier status\n  ier status --json | jq .\n  ier status --metrics")]
pub struct Status {
    /// Figures for a monitor instead, in Prometheus' text format: jobs, tiers, lease
    #[arg(long)]
    pub metrics: bool,
}

/// Move records older than 90 days from hot to archive
///
/// Answers do not change, before, during or after. Safe to run again, and at any time.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ier archive --dry-run                       what would move
  ier archive                                 as settings say
  ier archive --older-than 365d
  ier archive --until 2026-08-01              records sent before this day")]
pub struct Archive {
    /// Move records sent longer ago than this: 90d, 12w
    #[arg(long, value_name = "AGE", value_parser = days, conflicts_with = "until")]
    pub older_than: Option<u32>,

    /// Move records sent before this day (UTC)
    #[arg(long, value_name = "DATE")]
    pub until: Option<Day>,

    /// Say what would be done, and do nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Whether to believe the clock.
    #[command(flatten)]
    pub clock: ClockArgs,
}

/// Rewrite many small files as few sorted ones
///
/// Late rows are folded in first. Then the months of many, small or overlapping files, the worst first, and those left alone for a
/// year, which get the best compression. Answers do not change; the files left behind are removed by `ier vacuum`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  ier compact --dry-run\n  ier compact\n  ier compact --budget 10m")]
pub struct Compact {
    /// Say what would be done, and do nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Begin no month after this long: 10m, 2h; the rest waits for the next run
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub budget: Option<Duration>,
}

/// Print a script that completes `ier`'s words in your shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ier completions bash > ~/.local/share/bash-completion/completions/ier
  ier completions zsh > \"${fpath[1]}/_ier\"
  ier completions fish > ~/.config/fish/completions/ier.fish")]
pub struct Completions {
    /// Your shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

impl Args {
    /// Are answers and errors wanted as JSON? Behind a question's name its own flags stand, and this one among them.
    pub fn json(&self) -> bool {
        let asked = matches!(&self.verb, Some(Verb::Ask(ask)) if ask.words.iter().any(|word| word == "--json"));
        self.global.json || asked
    }

    /// What the flags say about settings.
    pub fn overrides(&self) -> Overrides {
        let mut overrides = Overrides { warehouse: self.global.warehouse.clone(), ..Overrides::default() };
        match &self.verb {
            Some(Verb::Sql(sql)) => overrides.timeout_secs = sql.timeout.map(|timeout| timeout.as_secs()),
            Some(Verb::Load(load)) => overrides.zone = load.reading.zone.clone(),
            Some(Verb::Inspect(inspect)) => overrides.zone = inspect.reading.zone.clone(),
            Some(Verb::Archive(archive)) => overrides.older_than_days = archive.older_than,
            _ => {}
        }
        overrides
    }
}

#[cfg(test)]
mod tests;
