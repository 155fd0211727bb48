//! The definition of every table of the warehouse, with its columns.
//!
//! All else is derived from the [`Table`] values built here: which header of an export means which column, the Arrow and Delta
//! schemas, the columns with statistics, the encodings, the SQL schema and the `salesforce` schema. A column is added by adding one
//! line.

use std::sync::{Arc, LazyLock};

use self::column::table;
pub use self::column::{
    CUSTOM, CUSTOM_SUFFIX, Field, HIDDEN, KeyRule, Kind, PACKAGE, Source, TIER, Table, UTC, hidden, is_hidden, is_system,
    normalise, snake_case,
};
pub use self::spans::{VALID_FROM, VALID_TO, is_span};

// The types that describe a column and a table.
mod column;

// Tables about records: e-mails that were withheld, what was loaded, which ids are one person.
mod evidence;

// The columns that say from when until when a row of people's attributes holds.
mod spans;

// Tables in which jobs keep what they did and what they must respect.
mod work;

/// Individual Email Results: one row per e-mail and recipient.
pub fn individual_email_result() -> Table {
    use Kind::{Bool, Date, Id, Int, Label, LabelId, Text, Time};
    table(
        "individual_email_result",
        "IndividualEmailResult",
        true,
        KeyRule::Ier,
        &["mergeid", "individualemailresultid", "hardbounce", "softbounce", "triggeredsenddefinitionname"],
        [
            Field::system("ier_id", "Id", Id)
                .labels(&["Individual Email Result: ID", "Record ID", "Individual Email Result ID"])
                .sticky()
                .stats(),
            Field::new("merge_id", "MergeId", Text).sticky(),
            Field::system("email_name", "Name", Label).labels(&[
                "Email Name",
                "Individual Email Result: Email Name",
                "Individual Email Result Name",
            ]),
            Field::derived("person_id", Id).stats(),
            Field::new("contact_id", "Contact", Id).labels(&["Contact_ID", "Contact: Contact ID"]).sticky().stats(),
            Field::new("lead_id", "Lead", Id).labels(&["Lead_ID", "Lead: Lead ID"]).sticky().stats(),
            Field::new("campaign_member_id", "CampaignMemberId", Text),
            Field::new("send_definition_id", "SendDefinition", LabelId).labels(&["Email Send"]).sticky().stats(),
            Field::new("triggered_send_definition_id", "TriggeredSendDefinition", LabelId).labels(&["Triggered Send"]).sticky(),
            Field::new("triggered_send_definition_name", "TriggeredSendDefinitionName", Label).labels(&["Triggered Send Name"]),
            Field::new("job_id", "JobId", Label).sticky(),
            Field::new("batch_id", "BatchId", Label).sticky(),
            Field::new("list_id", "ListId", Label).sticky(),
            Field::new("subscriber_id", "SubscriberId", Text).sticky(),
            Field::new("dm_tracking_id", "DMTrackingId", Label),
            Field::new("email_id", "Email_ID", Label),
            Field::new("email_asset_id", "Email_Asset_ID", Label),
            Field::new("from_name", "FromName", Label),
            Field::new("from_address", "FromAddress", Label).labels(&["From Email Address"]),
            Field::new("subject_line", "SubjectLine", Label).labels(&["Subject"]),
            Field::new("date_sent", "DateSent", Time).stats(),
            Field::derived("sent_date", Date).stats(),
            Field::new("opened", "Opened", Bool),
            Field::new("date_opened", "DateOpened", Time),
            Field::new("clicked", "Clicked", Bool),
            Field::new("number_of_total_clicks", "NumberOfTotalClicks", Int).labels(&["Total Clicks"]),
            Field::new("number_of_unique_clicks", "NumberOfUniqueClicks", Int).labels(&["Links Clicked", "Unique Clicks"]),
            Field::new("hard_bounce", "HardBounce", Bool),
            Field::new("soft_bounce", "SoftBounce", Bool),
            Field::new("date_bounced", "DateBounced", Time),
            Field::new("date_unsubscribed", "DateUnsubscribed", Time),
            Field::new("tracking_as_of", "Tracking_As_Of", Time).shared(),
            Field::new("current_email", "Email", Text),
        ],
    )
}

/// Link details: one row per link a recipient clicked. Person and date come from its IER.
pub fn individual_link() -> Table {
    use Kind::{Date, Id, Int, Label, Text, Time};
    table(
        "individual_link",
        "IndividualLink",
        true,
        KeyRule::ColumnElseId("unique_link_id"),
        &["individualemailresult", "individuallinkid", "individuallinkleveldetailid"],
        [
            Field::system("link_id", "Id", Id).labels(&["Individual Link Level Detail: ID", "Record ID"]).sticky(),
            Field::new("unique_link_id", "Unique_Link_ID", Text).sticky(),
            Field::system("link_name", "Name", Label).labels(&["Link Name"]),
            Field::new("ier_id", "Individual_Email_Result", Id).labels(&["Individual Email Result ID"]).sticky().stats(),
            Field::derived("person_id", Id).stats(),
            Field::derived("date_sent", Time).stats(),
            Field::derived("sent_date", Date).stats(),
            Field::new("exact_target_link_id", "ExactTargetLinkID", Label),
            Field::new("link_url", "LinkURL", Label),
            Field::new("number_of_total_clicks", "NumberOfTotalClicks", Int).labels(&["Total Clicks"]),
            Field::new("last_clicked", "Last_Clicked", Time),
        ],
    )
}

/// Link totals of a send.
pub fn aggregate_link() -> Table {
    use Kind::{Id, Int, Label, LabelId, Text, Time};
    table(
        "aggregate_link",
        "AggregateLink",
        true,
        KeyRule::ColumnElseId("unique_link_id"),
        &["aggregatelinkid", "aggregatelinkleveldetailid"],
        [
            Field::system("id", "Id", Id).labels(&["Record ID"]).sticky(),
            Field::system("name", "Name", Label).labels(&["Link Name"]),
            Field::new("send_definition_id", "Send_Definition", LabelId).labels(&["SendDefinition", "Email Send"]).sticky(),
            Field::new("triggered_send_definition_id", "TriggeredSendDefinition", LabelId).labels(&["Triggered Send"]).sticky(),
            Field::new("unique_link_id", "Unique_Link_ID", Text).sticky(),
            Field::new("exact_target_link_id", "ExactTargetLinkID", Label),
            Field::new("link_url", "LinkURL", Label),
            Field::new("number_of_total_clicks", "NumberOfTotalClicks", Int).labels(&["Total Clicks"]),
            Field::new("number_of_unique_clicks", "NumberOfUniqueClicks", Int).labels(&["Unique Clicks"]),
            Field::new("last_clicked", "Last_Clicked", Time),
        ],
    )
}

/// The counters Marketing Cloud keeps on a send.
fn send_counters() -> impl Iterator<Item = Field> {
    [
        ("number_sent", "NumberSent"),
        ("number_unsubscribed", "NumberUnsubscribed"),
        ("number_of_hard_bounces", "NumberofHardBounces"),
        ("number_of_soft_bounces", "NumberofSoftBounces"),
        ("number_of_total_opens", "NumberofTotalOpens"),
        ("number_of_unique_opens", "NumberofUniqueOpens"),
        ("number_of_total_clicks", "NumberofTotalClicks"),
        ("number_of_unique_clicks", "NumberofUniqueClicks"),
        ("number_of_existing_undeliverables", "NumberofExistingUndeliverables"),
        ("number_of_existing_unsubscribes", "NumberofExistingUnsubscribes"),
        ("number_of_subscribers_forwarding_email", "NumberofSubscribersForwardingEmail"),
    ]
    .into_iter()
    .map(|(name, api)| Field::new(name, api, Kind::Int))
}

/// Sends: one row per send job.
pub fn email_send() -> Table {
    use Kind::{Bool, Date, Id, Label, LabelId, Time};
    let own = [
        Field::system("id", "Id", Id).labels(&["Email Send: ID", "Record ID", "Email Send ID"]),
        Field::system("name", "Name", Label).labels(&["Email Send: Email Send Name", "Email Send Name"]),
        Field::new("job_id", "JobId", Label),
        Field::new("member_id", "MemberID", Label),
        Field::new("email_id", "EmailId", Label),
        Field::new("email_name", "EmailName", Label),
        Field::new("subject", "Subject", Label),
        Field::new("subject_line", "SubjectLine", Label),
        Field::new("from_name", "FromName", Label),
        Field::new("from_email", "FromEmail", Label),
        Field::new("business_unit_id", "Business_Unit", LabelId).sticky(),
        Field::new("business_unit_saved", "Business_Unit_saved", Label),
        Field::new("campaign_id", "Campaign", LabelId).sticky(),
        Field::new("date_sent", "DateSent", Time),
        Field::new("send_status", "SendStatus", Label),
        Field::new("individual_tracking_disabled", "Individual_Tracking_Disabled", Bool),
        Field::new("tracking_expiration_date", "Tracking_Expiration_Date", Date),
    ];
    table(
        "email_send",
        "SendDefinition",
        true,
        KeyRule::IdElseRow,
        &["sendstatus", "emailsendid", "businessunitsaved", "trackingexpirationdate"],
        own.into_iter().chain(send_counters()),
    )
}

/// Triggered sends.
pub fn triggered_send() -> Table {
    use Kind::{Bool, Id, Label, LabelId};
    let own = [
        Field::system("id", "Id", Id).labels(&["Triggered Send: ID", "Record ID"]),
        Field::system("name", "Name", Label).labels(&["Triggered Send Name"]),
        Field::new("email_id", "EmailId", Label),
        Field::new("email_name", "EmailName", Label),
        Field::new("from_name", "FromName", Label),
        Field::new("from_email", "FromEmail", Label),
        Field::new("subject", "Subject", Label),
        Field::new("business_unit_id", "Business_Unit", LabelId).sticky(),
        Field::new("member_id", "MemberId", Label),
        Field::new("et_triggered_send_def_id", "etTriggeredSendDefId", Label),
        Field::new("individual_tracking_disabled", "Individual_Tracking_Disabled", Bool),
    ];
    table(
        "triggered_send",
        "Automated_Send",
        true,
        KeyRule::IdElseRow,
        &["ettriggeredsenddefid", "triggeredsendid"],
        own.into_iter().chain(send_counters()),
    )
}

/// Business units.
pub fn business_unit() -> Table {
    use Kind::{Bool, Id, Label};
    table(
        "business_unit",
        "Business_Unit",
        true,
        KeyRule::IdElseRow,
        &["isparentaccountmid", "businessunitid"],
        [
            Field::system("id", "Id", Id).labels(&["Record ID"]),
            Field::system("name", "Name", Label).labels(&["Business Unit Name"]),
            Field::new("business_unit_id", "Business_Unit_ID", Label),
            Field::new("enabled", "Enabled", Bool),
            Field::new("is_parent_account_mid", "IsParentAccountMID", Bool),
        ],
    )
}

/// Contacts.
pub fn contact() -> Table {
    use Kind::{Id, Label, Text};
    table(
        "contact",
        "Contact",
        false,
        KeyRule::IdElseRow,
        // Leads have a MasterRecordId, too: the ids tell them apart.
        &[],
        [
            Field::system("id", "Id", Id).labels(&["Contact ID", "Record ID"]).stats(),
            Field::system("master_record_id", "MasterRecordId", Id).sticky(),
            Field::system("name", "Name", Text).labels(&["Full Name"]),
            Field::system("first_name", "FirstName", Label),
            Field::system("last_name", "LastName", Label),
            Field::system("email", "Email", Text),
            Field::system("account_id", "AccountId", Kind::LabelId),
            Field::system("has_opted_out_of_email", "HasOptedOutOfEmail", Kind::Bool).labels(&["Email Opt Out"]),
        ],
    )
}

/// Leads.
pub fn lead() -> Table {
    use Kind::{Bool, Date, Id, Label, Text};
    table(
        "lead",
        "Lead",
        false,
        KeyRule::IdElseRow,
        &["convertedcontactid", "isconverted"],
        [
            Field::system("id", "Id", Id).labels(&["Lead ID", "Record ID"]).stats(),
            Field::system("is_converted", "IsConverted", Bool).labels(&["Converted"]),
            Field::system("converted_contact_id", "ConvertedContactId", Id).sticky(),
            Field::system("converted_date", "ConvertedDate", Date),
            Field::system("name", "Name", Text).labels(&["Full Name"]),
            Field::system("first_name", "FirstName", Label),
            Field::system("last_name", "LastName", Label),
            Field::system("company", "Company", Label).labels(&["Company / Account"]),
            Field::system("email", "Email", Text),
            Field::system("master_record_id", "MasterRecordId", Id).sticky(),
            Field::system("has_opted_out_of_email", "HasOptedOutOfEmail", Bool).labels(&["Email Opt Out"]),
        ],
    )
}

/// The tables every warehouse knows, in the order they are listed.
pub static TABLES: LazyLock<[Arc<Table>; 18]> = LazyLock::new(|| {
    [
        individual_email_result(),
        individual_link(),
        aggregate_link(),
        email_send(),
        triggered_send(),
        business_unit(),
        contact(),
        lead(),
        evidence::not_sent(),
        evidence::load_coverage(),
        evidence::person_alias(),
        work::job_run(),
        work::legal_hold(),
        work::erased(),
        work::erasure(),
        work::released(),
        work::expired_total(),
        work::given_up(),
    ]
    .map(Arc::new)
});

/// The known table of this name: ours, the short one, or the API name (bare or full), without regard to case.
pub fn known(name: &str) -> Option<&'static Arc<Table>> {
    TABLES.iter().find(|table| {
        table.name.eq_ignore_ascii_case(name)
            || table.short.is_some_and(|short| short.eq_ignore_ascii_case(name))
            || (table.is_salesforce() && (table.api.eq_ignore_ascii_case(name) || table.api_name().eq_ignore_ascii_case(name)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_all_habits_are_one() {
        for header in ["et4ae5__DateSent__c", "DateSent__c", "DateSent", "Date Sent", " date_sent "] {
            assert_eq!(normalise(header), "datesent", "{header}");
        }
        assert_eq!(normalise("et4ae5__Contact__r.Id"), "contact");
    }

    #[test]
    fn column_names_of_attribute_files() {
        for (header, column) in [
            ("JobTitle__c", "job_title"),
            ("Job Title", "job_title"),
            ("FTE %", "fte"),
            ("ContactId", "contact_id"),
            ("ID", "id"),
        ] {
            assert_eq!(snake_case(header), column);
        }
    }

    #[test]
    fn names_are_unique_and_headers_unambiguous() {
        for table in TABLES.iter() {
            let mut seen = std::collections::HashMap::new();
            for field in table.exported() {
                let headers = std::iter::once(field.api.as_ref()).chain(field.labels.iter().copied()).map(normalise);
                for header in headers.collect::<std::collections::HashSet<_>>() {
                    if let Some(other) = seen.insert(header.clone(), &field.name) {
                        panic!("{}: header {header} means both {other} and {}", table.name, field.name);
                    }
                }
            }
        }
    }
}
