//! What of each table is shown as it is, and how the rest is masked unless somebody says otherwise.
//!
//! **Invariant**: a column that is not named here is masked, also one that an org added or a later version of this program has. What is
//! named is nobody's name, address or text about them. Ids of people are shown: without them nothing can be counted or joined, and who
//! looks somebody up by one is in the log.

use super::masks::Mask;

/// How a table's rows are told by business unit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ByUnit {
    /// By the send they are of, or the triggered send: these columns.
    Sends(&'static [(&'static str, Of)]),
    /// They are no unit's: everybody's rows are shown.
    Nobodys,
    /// They cannot be told: who sees some units sees none of them.
    Untold,
}

/// What a column holds, by which a row's unit is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Of {
    /// The id of a send.
    Send,
    /// The id of a triggered send.
    Triggered,
    /// The number of a send's job.
    Job,
    /// The id of a unit.
    Unit,
}

/// What is known of a table's columns.
pub(super) struct Known {
    pub(super) table: &'static str,
    /// Shown as they are.
    pub(super) shown: &'static [&'static str],
    /// Masked otherwise than by null.
    pub(super) masked: &'static [(&'static str, Mask)],
    pub(super) by_unit: ByUnit,
}

/// Both ways in which a row names its send.
const SENT: ByUnit = ByUnit::Sends(&[("send_definition_id", Of::Send), ("triggered_send_definition_id", Of::Triggered)]);

/// The columns of Salesforce itself.
const SYSTEM: [&str; 7] =
    ["owner_id", "created_date", "created_by_id", "last_modified_date", "last_modified_by_id", "system_modstamp", "is_deleted"];

/// The tables in which rows are of Salesforce, and so have its own columns.
const OF_SALESFORCE: [&str; 8] = [
    "individual_email_result",
    "individual_link",
    "aggregate_link",
    "email_send",
    "triggered_send",
    "business_unit",
    "contact",
    "lead",
];

const TABLES: &[Known] = &[
    Known {
        table: "individual_email_result",
        shown: &[
            "ier_id",
            "email_name",
            "person_id",
            "contact_id",
            "lead_id",
            "campaign_member_id",
            "send_definition_id",
            "triggered_send_definition_id",
            "triggered_send_definition_name",
            "job_id",
            "batch_id",
            "list_id",
            "subscriber_id",
            "dm_tracking_id",
            "email_id",
            "email_asset_id",
            "from_name",
            "from_address",
            "subject_line",
            "date_sent",
            "sent_date",
            "opened",
            "date_opened",
            "clicked",
            "number_of_total_clicks",
            "number_of_unique_clicks",
            "hard_bounce",
            "soft_bounce",
            "date_bounced",
            "date_unsubscribed",
            "tracking_as_of",
            "tier",
        ],
        masked: &[("current_email", Mask::Domain), ("merge_id", Mask::Hash)],
        by_unit: SENT,
    },
    Known {
        table: "individual_link",
        shown: &[
            "link_id",
            "link_name",
            "ier_id",
            "person_id",
            "date_sent",
            "sent_date",
            "exact_target_link_id",
            "number_of_total_clicks",
            "last_clicked",
            "tier",
        ],
        // A link may carry the address of whoever it was sent to.
        masked: &[("link_url", Mask::Domain), ("unique_link_id", Mask::Hash)],
        by_unit: ByUnit::Untold,
    },
    Known {
        table: "aggregate_link",
        shown: &[
            "id",
            "name",
            "send_definition_id",
            "triggered_send_definition_id",
            "exact_target_link_id",
            "number_of_total_clicks",
            "number_of_unique_clicks",
            "last_clicked",
        ],
        masked: &[("link_url", Mask::Domain), ("unique_link_id", Mask::Hash)],
        by_unit: SENT,
    },
    Known {
        table: "email_send",
        shown: &[
            "id",
            "name",
            "job_id",
            "member_id",
            "email_id",
            "email_name",
            "subject",
            "subject_line",
            "from_name",
            "from_email",
            "business_unit_id",
            "business_unit_saved",
            "campaign_id",
            "date_sent",
            "send_status",
            "number_sent",
            "number_unsubscribed",
            "number_of_hard_bounces",
            "number_of_soft_bounces",
            "number_of_total_opens",
            "number_of_unique_opens",
            "number_of_total_clicks",
            "number_of_unique_clicks",
            "number_of_existing_undeliverables",
            "number_of_existing_unsubscribes",
            "number_of_subscribers_forwarding_email",
            "individual_tracking_disabled",
            "tracking_expiration_date",
        ],
        masked: &[],
        by_unit: ByUnit::Sends(&[("id", Of::Send)]),
    },
    Known {
        table: "triggered_send",
        shown: &[
            "id",
            "name",
            "email_id",
            "email_name",
            "from_name",
            "from_email",
            "subject",
            "business_unit_id",
            "member_id",
            "et_triggered_send_def_id",
            "individual_tracking_disabled",
            "number_sent",
            "number_unsubscribed",
            "number_of_hard_bounces",
            "number_of_soft_bounces",
            "number_of_total_opens",
            "number_of_unique_opens",
            "number_of_total_clicks",
            "number_of_unique_clicks",
            "number_of_existing_undeliverables",
            "number_of_existing_unsubscribes",
            "number_of_subscribers_forwarding_email",
        ],
        masked: &[],
        by_unit: ByUnit::Sends(&[("id", Of::Triggered)]),
    },
    Known {
        table: "business_unit",
        shown: &["id", "name", "business_unit_id", "enabled", "is_parent_account_mid"],
        masked: &[],
        by_unit: ByUnit::Sends(&[("id", Of::Unit)]),
    },
    Known {
        table: "contact",
        shown: &["id", "master_record_id", "account_id", "has_opted_out_of_email"],
        masked: &[("email", Mask::Domain)],
        by_unit: ByUnit::Nobodys,
    },
    Known {
        table: "lead",
        shown: &["id", "is_converted", "converted_contact_id", "converted_date", "master_record_id", "has_opted_out_of_email"],
        masked: &[("email", Mask::Domain)],
        by_unit: ByUnit::Nobodys,
    },
    Known {
        table: "not_sent",
        shown: &[
            "client_id",
            "job_id",
            "person_id",
            "subscriber_id",
            "list_id",
            "event_date",
            "event_type",
            "batch_id",
            "triggered_send_external_key",
            "reason",
        ],
        // The key of a subscriber may be their address.
        masked: &[("subscriber_key", Mask::Hash), ("email_address", Mask::Domain)],
        by_unit: ByUnit::Sends(&[("job_id", Of::Job)]),
    },
    Known {
        table: "load_coverage",
        shown: &[
            "object",
            "loaded_at",
            "rows_read",
            "rows_rejected",
            "first_sent",
            "last_sent",
            "first_modstamp",
            "highest_modstamp",
            "bytes",
            "reading",
        ],
        masked: &[],
        by_unit: ByUnit::Untold,
    },
    Known {
        table: "person_alias",
        shown: &["alias_id", "person_id", "how", "learned_at"],
        masked: &[],
        by_unit: ByUnit::Nobodys,
    },
    Known {
        table: "job_run",
        shown: &["run_id", "job", "started_at", "finished_at", "outcome", "rows", "engine"],
        masked: &[],
        by_unit: ByUnit::Untold,
    },
    Known {
        table: "expired_total",
        shown: &[
            "run_id",
            "removed_at",
            "object",
            "month",
            "send_definition_id",
            "triggered_send_definition_id",
            "job_id",
            "rows",
            "opened",
            "clicked",
            "hard_bounced",
            "soft_bounced",
            "unsubscribed",
        ],
        masked: &[],
        by_unit: SENT,
    },
    Known { table: "data_file", shown: &["table_name", "tier", "period", "rows", "bytes"], masked: &[], by_unit: ByUnit::Untold },
];

/// A table's name, as it is known here; one that is not has nothing that is shown.
pub(super) fn known(table: &str) -> Option<&'static Known> {
    TABLES.iter().find(|known| known.table == table)
}

/// How a column is masked unless it is said otherwise.
pub(super) fn usual(table: &str, column: &str) -> Mask {
    let known = known(table);
    let is_shown = |known: &Known| known.shown.contains(&column);
    let is_of_salesforce = OF_SALESFORCE.contains(&table) && SYSTEM.contains(&column);
    if is_of_salesforce || known.is_some_and(is_shown) {
        return Mask::Shown;
    }
    let masked = known.and_then(|known| known.masked.iter().find(|(masked, _)| *masked == column));
    masked.map_or(Mask::Null, |(_, mask)| mask.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::files;
    use crate::record::fields::{TABLES as RECORDED, TIER, is_system};

    #[test]
    fn every_name_here_is_a_column_and_whatever_is_about_somebody_is_masked() {
        assert!(SYSTEM.into_iter().all(is_system));
        for known in TABLES {
            let columns: Vec<String> = match RECORDED.iter().find(|table| table.name == known.table) {
                Some(table) => table.visible().map(|field| field.name.to_string()).chain([TIER.to_owned()]).collect(),
                None => files::schema().fields().iter().map(|field| field.name().clone()).collect(),
            };
            let units: Vec<&str> = match known.by_unit {
                ByUnit::Sends(columns) => columns.iter().map(|(column, _)| *column).collect(),
                ByUnit::Nobodys | ByUnit::Untold => Vec::new(),
            };
            for column in known.shown.iter().copied().chain(known.masked.iter().map(|(column, _)| *column)).chain(units) {
                assert!(columns.iter().any(|known| known == column), "{}.{column}", known.table);
            }
        }
        for (table, column) in [
            ("individual_email_result", "current_email"),
            ("individual_email_result", "custom"),
            ("individual_email_result", "observed"),
            ("individual_email_result", "merge_id"),
            ("individual_link", "link_url"),
            ("individual_link", "custom"),
            ("aggregate_link", "link_url"),
            ("contact", "name"),
            ("contact", "first_name"),
            ("contact", "last_name"),
            ("contact", "email"),
            ("contact", "custom"),
            ("lead", "name"),
            ("lead", "company"),
            ("lead", "email"),
            ("not_sent", "subscriber_key"),
            ("not_sent", "email_address"),
            ("not_sent", "custom"),
            ("load_coverage", "source"),
            ("load_coverage", "file_blake3"),
            ("person_alias", "reason"),
            ("person_alias", "author"),
            ("job_run", "who"),
            ("job_run", "report"),
            ("job_run", "error"),
            ("legal_hold", "person_id"),
            ("legal_hold", "reason"),
            ("erased", "subject"),
            ("erasure", "receipt"),
            ("released", "record_id"),
            ("data_file", "path"),
            ("a table of attributes", "campus"),
        ] {
            assert_ne!(usual(table, column), Mask::Shown, "{table}.{column}");
        }
    }
}
