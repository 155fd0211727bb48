//! Tables that are not objects of Salesforce but say how far its records can be relied on: e-mails that were withheld, what was
//! loaded, and which ids are one person. They have none of the system columns.

use std::borrow::Cow;

use super::column::{Field, KeyRule, Kind, Table, custom_fields, hidden};

/// E-mails that were not sent, from the NotSent files of tracking extracts: the only record of a send withheld.
///
/// A person held back twice by one job (a triggered send has one for ever) has two rows, which differ in their moment. The
/// person is the contact or lead the subscriber key names, if it names one.
pub(super) fn not_sent() -> Table {
    use Kind::{Id, Label, Text, Time};
    Table {
        signature: &["job_id", "subscriber_key", "event_date", "reason"],
        ..reference(
            "not_sent",
            KeyRule::ColumnsElseRow(&["job_id", "subscriber_key", "batch_id", "list_id", "event_date"]),
            [
                Field::system("client_id", "ClientID", Label),
                Field::system("job_id", "SendID", Label),
                Field::system("subscriber_key", "SubscriberKey", Text),
                Field::derived("person_id", Id).stats(),
                Field::system("email_address", "EmailAddress", Text),
                Field::system("subscriber_id", "SubscriberID", Text),
                Field::system("list_id", "ListID", Label),
                Field::system("event_date", "EventDate", Time),
                Field::system("event_type", "EventType", Label),
                Field::system("batch_id", "BatchID", Label),
                Field::system("triggered_send_external_key", "TriggeredSendExternalKey", Label),
                Field::system("reason", "Reason", Label),
                custom_fields(),
            ],
        )
    }
}

/// The ledger of loads: one row a source file and table. Its key is what the file held and where that went, so that the
/// same file under another name, or loaded again, is no new evidence.
pub(super) fn load_coverage() -> Table {
    use Kind::{Label, Long, Text, Time};
    Table {
        ledger: true,
        ..reference(
            "load_coverage",
            KeyRule::ColumnsElseRow(&["file_blake3", "object"]),
            [
                Field::system("source", "source", Label),
                Field::system("object", "object", Label),
                Field::system("loaded_at", "loaded_at", Time),
                Field::system("rows_read", "rows_read", Long),
                Field::system("rows_rejected", "rows_rejected", Long),
                Field::system("first_sent", "first_sent", Time),
                Field::system("last_sent", "last_sent", Time),
                Field::system("first_modstamp", "first_modstamp", Time),
                Field::system("highest_modstamp", "highest_modstamp", Time),
                Field::system("bytes", "bytes", Long),
                Field::system("file_blake3", "file_blake3", Text),
                Field::system("reading", "reading", Label),
            ],
        )
    }
}

/// The ledger of aliases, which id became which: a row an edge of [`crate::record::identity`].
pub(super) fn person_alias() -> Table {
    use Kind::{Id, Label, Time};
    Table {
        ledger: true,
        ..reference(
            "person_alias",
            KeyRule::ColumnsElseRow(&["alias_id", "person_id", "how"]),
            [
                Field::system("alias_id", "alias_id", Id).stats(),
                Field::system("person_id", "person_id", Id).stats(),
                Field::system("how", "how", Label),
                Field::system("learned_at", "learned_at", Time).shared(),
                Field::system("reason", "reason", Label),
                Field::system("author", "author", Label),
            ],
        )
    }
}

/// A table of its own columns and the bookkeeping.
pub(super) fn reference(name: &'static str, key: KeyRule, own: impl IntoIterator<Item = Field>) -> Table {
    let bookkeeping = [Field::hidden(hidden::KEY, Kind::Text), Field::hidden(hidden::KEPT, Kind::Label)];
    Table {
        name: Cow::Borrowed(name),
        short: None,
        api: Cow::Borrowed(""),
        packaged: false,
        tiered: false,
        key,
        id: "id",
        fields: own.into_iter().chain(bookkeeping).collect(),
        telltales: &[],
        signature: &[],
        ledger: false,
    }
}
