//! Tables in which jobs keep what they did and what they must respect: runs, legal holds, erasures, ids given out for deletion,
//! totals of what retention removed, files that were given up. All are ledgers: a row stays as it was first written.

use super::column::{Field, KeyRule, Kind, Table};
use super::evidence::reference;

/// The runs of jobs, a row each, written when the run ends.
pub(super) fn job_run() -> Table {
    use Kind::{Label, Long, Text, Time};
    ledger(
        "job_run",
        &["run_id"],
        [
            Field::system("run_id", "run_id", Text),
            Field::system("job", "job", Label),
            Field::system("started_at", "started_at", Time),
            Field::system("finished_at", "finished_at", Time),
            // `done`, `nothing` (there was nothing to do) or `failed`.
            Field::system("outcome", "outcome", Label),
            Field::system("rows", "rows", Long),
            Field::system("who", "who", Label),
            Field::system("engine", "engine", Label),
            // The report, as JSON; never a person's data.
            Field::system("report", "report", Text),
            Field::system("error", "error", Text),
        ],
    )
}

/// Legal holds: a row when one is placed, another when it is released.
pub(super) fn legal_hold() -> Table {
    use Kind::{Date, Id, Label, Text, Time};
    ledger(
        "legal_hold",
        &["hold_id", "action"],
        [
            Field::system("hold_id", "hold_id", Text),
            // `placed` or `released`.
            Field::system("action", "action", Label),
            Field::system("at", "at", Time),
            // What is held: `person`, `send`, `unit` or `span`.
            Field::system("kind", "kind", Label),
            Field::system("person_id", "person_id", Id),
            Field::system("send", "send", Label),
            Field::system("unit", "unit", Label),
            Field::system("from_date", "from_date", Date),
            Field::system("until_date", "until_date", Date),
            Field::system("reason", "reason", Label),
            Field::system("author", "author", Label),
        ],
    )
}

/// The list of what was erased, as keyed hashes: later loads of the same are refused.
pub(super) fn erased() -> Table {
    use Kind::{Label, Text, Time};
    ledger(
        "erased",
        &["kind", "subject"],
        [
            // `person` (an id of theirs), `address`, `ier` (the id of an e-mail's record) or `record` (the key of any record).
            Field::system("kind", "kind", Label),
            Field::system("subject", "subject", Text),
            Field::system("erased_at", "erased_at", Time),
            Field::system("erasure_id", "erasure_id", Label),
        ],
    )
}

/// Erasures, a row a step: `begun`, `removed` (no table shows the rows any more), `purged` (no object holds them any more).
pub(super) fn erasure() -> Table {
    use Kind::{Label, Text, Time};
    ledger(
        "erasure",
        &["erasure_id", "step"],
        [
            Field::system("erasure_id", "erasure_id", Text),
            Field::system("step", "step", Label),
            Field::system("at", "at", Time),
            Field::system("due", "due", Time),
            Field::system("reason", "reason", Label),
            Field::system("author", "author", Label),
            // The receipt, as JSON: hashed people, files before and after, counts.
            Field::system("receipt", "receipt", Text),
        ],
    )
}

/// Ids of archived IERs and links given out for deletion in Salesforce.
pub(super) fn released() -> Table {
    use Kind::{Id, Label, Time};
    ledger(
        "released",
        &["record_id"],
        [
            Field::system("record_id", "record_id", Id).stats(),
            // The table the record is archived in.
            Field::system("object", "object", Label),
            Field::system("released_at", "released_at", Time).shared(),
            // The run that gave it out: its number in `job_run`, too.
            Field::system("release_id", "release_id", Label),
        ],
    )
}

/// What retention removed, by send and month: totals outlive the records.
pub(super) fn expired_total() -> Table {
    use Kind::{Date, Label, LabelId, Long, Text, Time};
    ledger(
        "expired_total",
        &["run_id", "object", "month", "send_definition_id", "triggered_send_definition_id", "job_id"],
        [
            // Of the one commit that removed these rows.
            Field::system("run_id", "run_id", Text),
            Field::system("removed_at", "removed_at", Time),
            Field::system("object", "object", Label),
            // The first day of the month sent.
            Field::system("month", "month", Date),
            Field::system("send_definition_id", "send_definition_id", LabelId),
            Field::system("triggered_send_definition_id", "triggered_send_definition_id", LabelId),
            Field::system("job_id", "job_id", Label),
            Field::system("rows", "rows", Long),
            Field::system("opened", "opened", Long),
            Field::system("clicked", "clicked", Long),
            Field::system("hard_bounced", "hard_bounced", Long),
            Field::system("soft_bounced", "soft_bounced", Long),
            Field::system("unsubscribed", "unsubscribed", Long),
        ],
    )
}

/// Files that were gone or damaged and were taken out of their table's log, with what is known of their rows. No bounds of people's
/// ids: an erasure does not look here.
pub(super) fn given_up() -> Table {
    use Kind::{Date, Label, Long, Text, Time};
    ledger(
        "given_up",
        &["object", "folder", "path"],
        [
            Field::system("object", "object", Label),
            // `hot`, `archive` or `reference`.
            Field::system("folder", "folder", Label),
            Field::system("path", "path", Text),
            Field::system("rows", "rows", Long),
            Field::system("bytes", "bytes", Long),
            // The first day of the month sent.
            Field::system("month", "month", Date),
            Field::system("first_sent", "first_sent", Date),
            Field::system("last_sent", "last_sent", Date),
            // Of the records' own ids.
            Field::system("least_id", "least_id", Text),
            Field::system("greatest_id", "greatest_id", Text),
            // How many of the loads in `load_coverage` may have brought them.
            Field::system("loads", "loads", Long),
            Field::system("written_at", "written_at", Time),
            Field::system("given_up_at", "given_up_at", Time),
            Field::system("reason", "reason", Label),
            Field::system("author", "author", Label),
        ],
    )
}

fn ledger(name: &'static str, key: &'static [&'static str], own: impl IntoIterator<Item = Field>) -> Table {
    Table { ledger: true, ..reference(name, KeyRule::ColumnsElseRow(key), own) }
}
