//! The types that describe a column and a table: the kind of values, where they come from, and how a table finds a row by its key.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field as ArrowField, Schema, SchemaRef, TimeUnit};

use super::spans::{VALID_FROM, VALID_TO};

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
    pub(super) const fn new(name: &'static str, api: &'static str, kind: Kind) -> Self {
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
    pub(super) const fn system(name: &'static str, api: &'static str, kind: Kind) -> Self {
        let mut field = Self::new(name, api, kind);
        field.packaged = false;
        field
    }

    pub(super) const fn derived(name: &'static str, kind: Kind) -> Self {
        let mut field = Self::new(name, "", kind);
        field.source = Source::Derived;
        field
    }

    pub(super) const fn hidden(name: &'static str, kind: Kind) -> Self {
        let mut field = Self::new(name, "", kind);
        field.source = Source::Hidden;
        field
    }

    pub(super) const fn labels(mut self, labels: &'static [&'static str]) -> Self {
        self.labels = labels;
        self
    }

    pub(super) const fn sticky(mut self) -> Self {
        self.sticky = true;
        self
    }

    pub(super) const fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    pub(super) const fn stats(mut self) -> Self {
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

/// The name of the column with a row's tier; not stored.
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

/// The form of a header that is compared: without package prefix, `__c`, case and punctuation, so that `et4ae5__Date_Sent__c`,
/// `DateSent` and `Date Sent` are equal.
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
pub(super) fn table(
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
pub(super) const fn custom_fields() -> Field {
    Field::derived(CUSTOM, Kind::Label).sticky()
}
