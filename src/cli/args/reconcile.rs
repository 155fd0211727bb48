//! Arguments of `ier reconcile`.

/// Do the books balance? Rows taken in beside rows there, sends beside their records
///
/// For IERs and links, by month sent: rows taken in = rows in hot + in the archive + erased + expired. For each send: its own
/// counters beside what its records tell, and why they differ. And whether any record is stored more than once, which no job
/// does: --repair makes one row of each. Else it changes nothing. Exit code 6: a row is missing, or there twice.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ier reconcile
  ier reconcile --repair --confirm
  ier reconcile --json | jq '.objects[].months[] | select(.difference != 0)'
  ier sql \"SELECT job_id, number_sent, iers, explanation FROM send_reconciliation WHERE explanation <> 'agree'\"")]
pub struct Reconcile {
    /// Make one row of each record that is stored more than once, of all its copies as of versions of it; only with
    /// --confirm
    #[arg(long)]
    pub repair: bool,

    /// Do repair
    #[arg(long, requires = "repair")]
    pub confirm: bool,
}
