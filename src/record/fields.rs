//! The one table of columns: every table of the warehouse, its columns, and all that follows from them.
//!
//! Reading exports (which header means which column), the Arrow and Delta schemas, statistics columns, encodings, the SQL
//! schema and the `salesforce` schema are all derived from the [`Table`] values built here; a column is added by adding
//! one line.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field as ArrowField, Schema, SchemaRef, TimeUnit};

pub use self::spans::{VALID_FROM, VALID_TO, is_span};

mod evidence;

mod spans;

mod work;

/// What a column holds; decides parsing, Arrow type and Parquet encoding.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A Salesforce id, stored in its 18-character form.
    Id,
    /// Text that hardly repeats: keys, addresses. Stored without a dictionary, prefixes shared with the neighbour's.
    Text,
    /// Text that repeats: names, subjects, lookups of a send. Stored with a dictionary.
    Label,
    /// A Salesforce id that repeats from row to row: a send, an owner. Stored with a dictionary.
    LabelId,
    /// A checkbox.
    Bool,
    /// A whole number of up to nine digits.
    Int,
    /// A whole number of any length: bytes, rows of a file.
    Long,
    /// A moment, in UTC microseconds.
    Time,
    /// A day.
    Date,
}

impl Kind {
    /// Is the value a Salesforce id?
    pub fn is_id(self) -> bool {
        matches!(self, Self::Id | Self::LabelId)
    }

    /// The type in which the engine loads, sorts and folds.
    pub fn lake_type(self) -> DataType {
        match self {
            Self::Id | Self::Text => DataType::Utf8,
            Self::Label | Self::LabelId => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
            Self::Bool => DataType::Boolean,
            Self::Int => DataType::Int32,
            Self::Long => DataType::Int64,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.clone())),
            Self::Date => DataType::Date32,
        }
    }

    /// The type SQL sees.
    pub fn sql_type(self) -> DataType {
        match self {
            Self::Id | Self::Text | Self::Label | Self::LabelId => DataType::Utf8View,
            other => other.lake_type(),
        }
    }

    /// The type the Delta log and other engines see.
    pub fn delta_type(self) -> DataType {
        match self {
            Self::Id | Self::Text | Self::Label | Self::LabelId => DataType::Utf8,
            other => other.lake_type(),
        }
    }
}

/// The one time zone of stored moments.
pub static UTC: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("UTC"));

/// Where a column's value comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// An export's column.
    Export,
    /// Computed from the row's other columns (and, for a link, from its IER).
    Derived,
    /// The engine's own bookkeeping; stored, but not a column of the SQL table.
    Hidden,
}

/// One column.
#[derive(Clone, Debug)]
pub struct Field {
    /// Our name, as SQL sees it.
    pub name: Cow<'static, str>,
    /// The API name without package prefix and `__c`; empty where Salesforce has no such field.
    pub api: Cow<'static, str>,
    /// Other headers under which exports carry it: UI labels, formula copies. Compared without case and punctuation.
    pub labels: &'static [&'static str],
    /// What it holds.
    pub kind: Kind,
    /// Where its value comes from.
    pub source: Source,
    /// A null never replaces a known value (Rule 2): people, sends and parents, and what a record is known by.
    pub sticky: bool,
    /// The log keeps least and greatest value per file, to choose files without opening them.
    pub stats: bool,
    /// A moment that a sync run gives to many rows: stored with a dictionary.
    pub shared: bool,
    /// A field of the managed package: the API name carries prefix and suffix.
    pub packaged: bool,
}

impl Field {
    const fn new(name: &'static str, api: &'static str, kind: Kind) -> Self {
        Self {
            name: Cow::Borrowed(name),
            api: Cow::Borrowed(api),
            labels: &[],
            kind,
            source: Source::Export,
            sticky: false,
            stats: false,
            shared: false,
            packaged: true,
        }
    }

    /// A field Salesforce itself defines: no package prefix.
    const fn system(name: &'static str, api: &'static str, kind: Kind) -> Self {
        let mut field = Self::new(name, api, kind);
        field.packaged = false;
        field
    }

    const fn derived(name: &'static str, kind: Kind) -> Self {
        let mut field = Self::new(name, "", kind);
        field.source = Source::Derived;
        field
    }

    const fn hidden(name: &'static str, kind: Kind) -> Self {
        let mut field = Self::new(name, "", kind);
        field.source = Source::Hidden;
        field
    }

    const fn labels(mut self, labels: &'static [&'static str]) -> Self {
        self.labels = labels;
        self
    }

    const fn sticky(mut self) -> Self {
        self.sticky = true;
        self
    }

    const fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    const fn stats(mut self) -> Self {
        self.stats = true;
        self
    }

    /// The full API name: `et4ae5__DateSent__c`, or `Id` for a field of Salesforce itself.
    pub fn api_name(&self) -> String {
        if self.packaged { format!("{PACKAGE}{}{CUSTOM_SUFFIX}", self.api) } else { self.api.to_string() }
    }
}

/// Prefix of the managed package's API names.
pub const PACKAGE: &str = "et4ae5__";
/// Suffix of every custom field's API name.
pub const CUSTOM_SUFFIX: &str = "__c";

/// How a table finds the one row a version belongs to (Rule 1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyRule {
    /// MergeId without case, else job + list + batch + subscriber, else Id.
    Ier,
    /// The named column, else Id.
    ColumnElseId(&'static str),
    /// The Id, or the whole row where an export has none.
    IdElseRow,
    /// The named columns together, or the whole row where it lacks one of them.
    ColumnsElseRow(&'static [&'static str]),
}

/// Names of the bookkeeping columns.
pub mod hidden {
    /// The row's key: never null.
    pub const KEY: &str = "record_key";
    /// Which values were kept from older versions, and those versions' stamps; null for nearly every row.
    /// See [`crate::record::resolve`].
    pub const KEPT: &str = "kept_stamps";
    /// Hot rows only: the day under which the archive may hold the same key although the row's own day does not say so.
    pub const LATE: &str = "late_from";
    /// IERs only: which versions the engine saw, and when; null where that is not kept. See [`crate::record::observed`].
    pub const OBSERVED: &str = "observed";
}

/// The names of all bookkeeping columns.
pub const HIDDEN: [&str; 4] = [hidden::KEY, hidden::KEPT, hidden::LATE, hidden::OBSERVED];

/// Is this the name of a bookkeeping column?
pub fn is_hidden(name: &str) -> bool {
    HIDDEN.contains(&name)
}

/// Name of the column that tells where a row lives; not stored.
pub const TIER: &str = "tier";

/// Name of the column that keeps the org's own fields, as one JSON object by name.
pub const CUSTOM: &str = "custom";

/// One table of the warehouse.
#[derive(Clone, Debug)]
pub struct Table {
    /// Our name.
    pub name: Cow<'static, str>,
    /// A second, shorter name.
    pub short: Option<&'static str>,
    /// The API name without prefix and suffix; empty for what is no object of Salesforce.
    pub api: Cow<'static, str>,
    /// An object of the managed package: the API name carries prefix and suffix.
    pub packaged: bool,
    /// Lives in hot and archive; otherwise one small reference table.
    pub tiered: bool,
    /// How the row of a version is found.
    pub key: KeyRule,
    /// Name of the column with the row's own Salesforce id.
    pub id: &'static str,
    /// The columns, in the order SQL shows them, hidden ones last.
    pub fields: Vec<Field>,
    /// Normalised headers of which an export of this object has at least one, and no other object's has.
    pub telltales: &'static [&'static str],
    /// Columns an export of this object always has, and no other feed has together: without any of them it is something else,
    /// however many of its headers are known. Empty for objects that telltales tell.
    pub signature: &'static [&'static str],
    /// Kept by the engine itself: no export is taken for it, none can be loaded into it, and a row stays as first written.
    pub ledger: bool,
}

impl Table {
    /// The column of this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The full API name: `et4ae5__IndividualEmailResult__c`.
    pub fn api_name(&self) -> String {
        if self.packaged { format!("{PACKAGE}{}{CUSTOM_SUFFIX}", self.api) } else { self.api.to_string() }
    }

    /// Is it an object of Salesforce, with an API name?
    pub fn is_salesforce(&self) -> bool {
        !self.api.is_empty()
    }

    /// The columns exports carry (not derived, not hidden).
    pub fn exported(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| field.source == Source::Export)
    }

    /// The columns SQL shows, in order.
    pub fn visible(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| field.source != Source::Hidden)
    }

    /// Schema of loaded, sorted and folded batches: all columns.
    pub fn lake_schema(&self) -> SchemaRef {
        self.schema_of(self.fields.iter(), Kind::lake_type)
    }

    /// Schema as other engines see the stored files: all columns.
    pub fn delta_schema(&self) -> SchemaRef {
        self.schema_of(self.fields.iter(), Kind::delta_type)
    }

    /// Schema of the stored files as the SQL scan reads them: all columns.
    pub fn scan_schema(&self) -> SchemaRef {
        self.schema_of(self.fields.iter(), Kind::sql_type)
    }

    /// Names of the columns with statistics in the log.
    pub fn stats_columns(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(|field| field.stats).map(|field| field.name.as_ref())
    }

    /// The order in which files are sorted, most significant first.
    pub fn sort_columns(&self) -> &'static [&'static str] {
        if self.tiered { &["person_id", "date_sent", hidden::KEY] } else { &[hidden::KEY] }
    }

    fn schema_of<'a>(&self, fields: impl Iterator<Item = &'a Field>, of: fn(Kind) -> DataType) -> SchemaRef {
        Arc::new(Schema::new(
            fields
                .map(|field| ArrowField::new(field.name.as_ref(), of(field.kind), field.name != hidden::KEY))
                .collect::<Vec<_>>(),
        ))
    }

    /// A table of people's attributes: the file's headers become columns, in order. Ids are recognised by name, moments
    /// among the system fields; everything else is text, because a column's values today do not bind tomorrow's.
    pub fn attributes(name: &str, headers: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut fields: Vec<Field> = Vec::new();
        for header in headers {
            let header = header.as_ref();
            let column = snake_case(header);
            if column.is_empty() || fields.iter().any(|field| field.name == column) {
                continue;
            }
            let mut field = match SYSTEM.iter().find(|field| normalise(&field.api) == normalise(header)) {
                Some(system) => system.clone(),
                None => Field::system("", "", Kind::Label),
            };
            if matches!(column.as_str(), "id" | "contact_id" | "lead_id" | "person_id") {
                field.kind = Kind::Id;
            }
            field.api = Cow::Owned(header.trim().to_owned());
            field.name = Cow::Owned(column);
            fields.push(field);
        }
        if !fields.is_empty() {
            fields.extend([Field::derived(VALID_FROM, Kind::Time).sticky(), Field::derived(VALID_TO, Kind::Time).sticky()]);
        }
        fields.extend([Field::hidden(hidden::KEY, Kind::Text), Field::hidden(hidden::KEPT, Kind::Label)]);
        Self {
            name: Cow::Owned(name.to_owned()),
            short: None,
            api: Cow::Owned(name.to_owned()),
            packaged: false,
            tiered: false,
            key: KeyRule::IdElseRow,
            id: "id",
            fields,
            telltales: &[],
            signature: &[],
            ledger: false,
        }
    }
}

/// A header as it is compared: without package prefix, `__c`, case and punctuation, so that `et4ae5__Date_Sent__c`,
/// `DateSent` and `Date Sent` are one.
pub fn normalise(header: &str) -> String {
    let lower = header.trim().to_ascii_lowercase();
    let bare = lower.strip_prefix(PACKAGE).unwrap_or(&lower);
    let bare = bare.strip_suffix(CUSTOM_SUFFIX).or_else(|| bare.strip_suffix("__r.id")).unwrap_or(bare);
    bare.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// A header as a column name: `Job Title` and `JobTitle__c` become `job_title`.
pub fn snake_case(header: &str) -> String {
    let header = header.trim();
    let header = header.strip_prefix(PACKAGE).unwrap_or(header);
    let header = header.strip_suffix(CUSTOM_SUFFIX).unwrap_or(header);
    let mut out = String::with_capacity(header.len() + 4);
    let mut previous = ' ';
    for c in header.chars() {
        if c.is_alphanumeric() {
            if c.is_uppercase() && (previous.is_lowercase() || previous.is_ascii_digit()) {
                out.push('_');
            }
            out.extend(c.to_lowercase());
        } else if !out.is_empty() && !out.ends_with('_') {
            out.push('_');
        }
        previous = c;
    }
    out.truncate(out.trim_end_matches('_').len());
    out
}

/// The system columns every object has, in the order they are shown.
static SYSTEM: [Field; 7] = [
    Field::system("owner_id", "OwnerId", Kind::LabelId),
    Field::system("created_date", "CreatedDate", Kind::Time).shared(),
    Field::system("created_by_id", "CreatedById", Kind::LabelId),
    Field::system("last_modified_date", "LastModifiedDate", Kind::Time).shared(),
    Field::system("last_modified_by_id", "LastModifiedById", Kind::LabelId),
    Field::system("system_modstamp", "SystemModstamp", Kind::Time).shared(),
    Field::system("is_deleted", "IsDeleted", Kind::Bool).labels(&["Deleted"]),
];

/// Is this one of the system columns, which say nothing about the object?
pub fn is_system(name: &str) -> bool {
    SYSTEM.iter().any(|field| field.name == name)
}

/// Builds a table: its own columns, the system columns, `custom`, the bookkeeping.
fn table(
    name: &'static str,
    api: &'static str,
    packaged: bool,
    key: KeyRule,
    telltales: &'static [&'static str],
    own: impl IntoIterator<Item = Field>,
) -> Table {
    let mut fields: Vec<Field> = own.into_iter().collect();
    let id = match name {
        "individual_email_result" => "ier_id",
        "individual_link" => "link_id",
        _ => "id",
    };
    let tiered = id != "id";
    fields.extend(SYSTEM.iter().cloned());
    fields.push(custom_fields());
    fields.push(Field::hidden(hidden::KEY, Kind::Text));
    fields.push(Field::hidden(hidden::KEPT, Kind::Label));
    if tiered {
        fields.push(Field::hidden(hidden::LATE, Kind::Date));
    }
    if key == KeyRule::Ier {
        fields.push(Field::hidden(hidden::OBSERVED, Kind::Text));
    }
    Table {
        name: Cow::Borrowed(name),
        short: (name == "individual_email_result").then_some("ier"),
        api: Cow::Borrowed(api),
        packaged,
        tiered,
        key,
        id,
        fields,
        telltales,
        signature: &[],
        ledger: false,
    }
}

/// The column of the org's own fields. An export without any erases none of them.
const fn custom_fields() -> Field {
    Field::derived(CUSTOM, Kind::Label).sticky()
}

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
        &["masterrecordid"],
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
