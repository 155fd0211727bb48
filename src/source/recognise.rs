//! Decides which table an export belongs to: by `--as`, by the header, or by the file's name, in this order of trust.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::headers::{column_of, is_api, is_telltale, look_like_data, table_called};
use super::layout::is_connectors;
use crate::error::{Error, Result};
use crate::record::fields::{KeyRule, PACKAGE, TABLES, Table, is_system, normalise, snake_case};
use crate::record::id::{CONTACT_PREFIX, LEAD_PREFIX, SfId};

/// Headers (compared as [`normalise`] does) by which a file of people's attributes names the person.
const PERSON_HEADERS: [&str; 9] =
    ["contactid", "contact", "contactcontactid", "leadid", "lead", "leadleadid", "personid", "person", "whoid"];

/// Names that are other things in SQL: no table may be called so.
const RESERVED: [&str; 50] = [
    "all", "analyze", "and", "any", "archive", "as", "between", "by", "case", "cast", "create", "cross", "delete", "distinct",
    "drop", "else", "end", "exists", "explain", "false", "from", "full", "group", "having", "hot", "in", "inner", "insert", "is",
    "join", "left", "like", "limit", "not", "null", "offset", "on", "or", "order", "public", "right", "select", "set", "table",
    "then", "true", "union", "values", "where", "with",
];

/// What stands where a table could, and is none that can be loaded. The room that has the views is above this one, and holds this
/// list against what it has. A table may have the name of a function: each is found where it is meant.
const TAKEN: [(&str, &str); 9] = [
    ("data_file", "a table of the engine's own"),
    ("flat_report", "a view"),
    ("ier_versions", "a view"),
    ("ier_with_send", "a view"),
    ("jobs", "a view"),
    ("rates_by_month", "a view"),
    ("rates_by_send", "a view"),
    ("send_coverage", "a view"),
    ("send_reconciliation", "a view"),
];

/// Beginnings kept for schemas: the engine's own and those of the Postgres protocol.
const RESERVED_BEGINNINGS: [&str; 4] = ["information_schema", "pg_", "salesforce", "ier_"];

/// Names that tools give to files whatever is in them: Salesforce's reports, unloads of databases, the parts of Spark, downloads.
const NAMES_OF_NOTHING: [&str; 24] = [
    "book",
    "bulk_query_result",
    "csv",
    "data",
    "download",
    "export",
    "exported",
    "exports",
    "extract",
    "file",
    "output",
    "page",
    "part",
    "query",
    "query_result",
    "query_results",
    "records",
    "report",
    "result",
    "results",
    "sheet",
    "table",
    "unload",
    "untitled",
];

/// A table that knows this many of its own headers (system fields apart), and this share of all, needs no telltale.
const OWN_HEADERS_MIN: usize = 4;
const SHARE_MIN: f64 = 0.75;
/// An export of people has at least so many of their columns.
const PERSON_COLUMNS_MIN: usize = 2;

/// What hints at a file's table: its header, its name and its first rows.
pub struct Hints<'a> {
    /// The header.
    pub headers: &'a [String],
    /// The table that whoever loads it named.
    pub as_table: Option<&'a str>,
    /// The file's name, without folders; empty for standard input.
    pub file_name: &'a str,
    /// The first rows, as texts.
    pub rows: &'a [Vec<String>],
}

/// A table, and what shows that it is this one.
pub type Recognised = (Arc<Table>, &'static str);

/// The table of an export.
///
/// In this order: `as_table`, a known table or else the name of a table of attributes; the known table whose telltale
/// headers are there, or which knows nearly all headers; contacts or leads, by the beginnings of their ids; the known table the file
/// is named after; a table of attributes named after the file, when a header names the person. `None` when none fits.
///
/// # Errors
/// Invalid when the first line is no header but a row, when a known table's key cannot be had from this header, or when a name
/// cannot be a table's.
pub fn recognise(hints: &Hints<'_>) -> Result<Option<Recognised>> {
    let Hints { headers, file_name, .. } = *hints;
    if let Some(recognised) = recognise_known(hints)? {
        return Ok(Some(recognised));
    }
    if !headers.iter().any(|header| PERSON_HEADERS.contains(&bare(header).as_str())) {
        return Ok(None);
    }
    let stem = stem(file_name);
    if stem.is_empty() || NAMES_OF_NOTHING.contains(&stem.as_str()) {
        return Err(Error::invalid(phrase!(
            "people's attributes ({}), but the file's name says not which: name their table with --as, for example --as affiliation",
            listed_headers(headers)
        )));
    }
    let table = attributes(&attribute_name(&stem)?, headers)?;
    Ok(Some((table, "people's attributes: a column names the person, and the file the table")))
}

/// The known table of an export, or the one named by `--as`. For files among all objects of an org: there an unknown object is
/// not a table of ours, even if it names a contact.
///
/// # Errors
/// As of [`recognise`].
pub fn recognise_known(hints: &Hints<'_>) -> Result<Option<Recognised>> {
    let Hints { headers, as_table, file_name, .. } = *hints;
    if look_like_data(headers) {
        return Err(Error::invalid(
            "the first line looks like a row, not like a header: put a first line with the names of the columns before it",
        ));
    }
    if let Some(name) = as_table {
        let table = match table_called(name.trim()) {
            Some(table) => with_key(table, headers)?,
            None => attributes(&attribute_name(name.trim())?, headers)?,
        };
        return Ok(Some((table, "as told")));
    }
    if let Some(table) = by_header(headers) {
        return with_key(table, headers).map(|table| Some((table, "by its header")));
    }
    if let Some(table) = by_ids(hints) {
        return with_key(table, headers).map(|table| Some((table, "by its header and the beginning of its ids")));
    }
    let stem = stem(file_name);
    if let Some(table) = table_called(&stem) {
        return with_key(table, headers).map(|table| Some((table, "by its name")));
    }
    Ok(None)
}

/// Other files of a tracking extract.
const EXTRACTS: [&str; 19] = [
    "attributes",
    "bounces",
    "clickimpression",
    "clicks",
    "complaints",
    "conversions",
    "listmembership",
    "lists",
    "multipledataextensionsendlists",
    "opens",
    "sendimpression",
    "sendjobimpression",
    "sendjobs",
    "sent",
    "statuschange",
    "subscribers",
    "surveys",
    "unsubs",
    "unsubscribes",
];

/// Why a file is not read, by its name.
pub fn skip_reason(file_name: &str) -> &'static str {
    match EXTRACTS.contains(&normalise(&stem(file_name)).as_str()) {
        true => "of a tracking extract only NotSent is read",
        false => "its header is of no known object: load it by itself, with --as",
    }
}

/// The error for a header of no known table.
pub fn unknown(headers: &[String]) -> Error {
    Error::invalid(phrase!(
        "the header is of no known object ({}); say which with --as, for example --as individual_email_result or --as contact",
        listed_headers(headers)
    ))
}

/// Distinguishes contacts from leads by their ids, because their exports have the same headers.
pub(super) fn by_ids(hints: &Hints<'_>) -> Option<&'static Arc<Table>> {
    let table = |name| TABLES.iter().find(|table| table.name == name);
    let contact = table("contact")?;
    let at = hints
        .headers
        .iter()
        .position(|header| column_of(contact, header).is_some_and(|at| contact.fields[at].name == contact.id))?;
    // Two headers of one column, as `ContactId` and `Contact ID`, tell no more than one.
    let known = hints.headers.iter().filter_map(|header| column_of(contact, header)).collect::<BTreeSet<usize>>().len();
    if known < PERSON_COLUMNS_MIN || known * 2 < hints.headers.len() {
        return None;
    }
    let ids = || hints.rows.iter().filter_map(|row| SfId::parse(row.get(at)?).ok());
    let all = |prefix: &str| ids().next().is_some() && ids().all(|id| id.has_prefix(prefix));
    if all(CONTACT_PREFIX) {
        Some(contact)
    } else if all(LEAD_PREFIX) {
        table("lead")
    } else {
        None
    }
}

pub(super) fn by_header(headers: &[String]) -> Option<&'static Arc<Table>> {
    let mut certain: Option<(usize, &Arc<Table>)> = None;
    let mut fullest: Option<(usize, &Arc<Table>)> = None;
    let mut tied = false;
    for table in TABLES.iter().filter(|table| !table.ledger && missing_of_signature(table, headers).next().is_none()) {
        let count = known_headers(table, headers);
        let is_certain = !table.signature.is_empty() || headers.iter().any(|header| is_telltale(table, header));
        if is_certain && certain.is_none_or(|(best, _)| count > best) {
            certain = Some((count, table));
        }
        tied = fullest.is_some_and(|(best, _)| count == best) || (tied && fullest.is_some_and(|(best, _)| count < best));
        if fullest.is_none_or(|(best, _)| count > best) {
            fullest = Some((count, table));
        }
    }
    // A link's export may carry a telltale of its IER: the table that knows clearly more of the header is the right one.
    let nearly_all = fullest.filter(|(count, table)| {
        !tied && own_headers(table, headers) >= OWN_HEADERS_MIN && *count as f64 >= SHARE_MIN * headers.len() as f64
    });
    match (certain, nearly_all) {
        (Some((count, _)), Some((more, table))) if more > count => Some(table),
        (Some((_, table)), _) | (None, Some((_, table))) => Some(table),
        (None, None) => None,
    }
}

/// How many headers are fields of this object.
pub(super) fn known_headers(table: &Table, headers: &[String]) -> usize {
    headers.iter().filter(|header| column_of(table, header).is_some()).count()
}

/// How many headers are fields of this object and not of every object.
pub(super) fn own_headers(table: &Table, headers: &[String]) -> usize {
    headers.iter().filter_map(|header| column_of(table, header)).filter(|&at| !is_system(&table.fields[at].name)).count()
}

/// The columns of a table's signature for which there is no header.
fn missing_of_signature<'a>(table: &'a Table, headers: &'a [String]) -> impl Iterator<Item = &'static str> + use<'a> {
    let has = |column: &str| has_column(table, headers, column);
    table.signature.iter().copied().filter(move |column| !has(column))
}

fn has_column(table: &Table, headers: &[String], column: &str) -> bool {
    headers.iter().filter_map(|header| column_of(table, header)).any(|at| table.fields[at].name == column)
}

/// The name of a file without dates, numbers and endings, in snake case: `Contacts-2026-01.csv.gz` becomes `contacts`,
/// `et4ae5__IndividualEmailResult__c_2026.csv` `individual_email_result`.
fn stem(file_name: &str) -> String {
    let name = file_name.trim_start_matches(|c: char| !c.is_alphabetic());
    let name = match name.get(..PACKAGE.len()) {
        Some(prefix) if prefix.eq_ignore_ascii_case(PACKAGE) => &name[PACKAGE.len()..],
        _ => name,
    };
    let end = name.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(name.len());
    snake_case(name[..end].trim_end_matches(|c: char| !c.is_alphabetic()))
}

/// A header without any package's prefix: an org's own or another vendor's affiliation names its contact, too.
fn bare(header: &str) -> String {
    let header = header.trim();
    let own = header.split_once("__").filter(|(_, rest)| rest.contains("__")).map_or(header, |(_, rest)| rest);
    normalise(own)
}

/// A name that may be a table's.
fn attribute_name(name: &str) -> Result<String> {
    let lower = name.to_ascii_lowercase();
    let well_formed = lower.starts_with(|c: char| c.is_ascii_lowercase())
        && lower.len() <= 63
        && lower.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !well_formed {
        return Err(Error::invalid(phrase!(
            "{name:?} cannot be a table's name: letters, digits and _ only, a letter first; name it with --as"
        )));
    }
    if let Some((_, what)) = TAKEN.iter().find(|(taken, _)| *taken == lower) {
        return Err(Error::invalid(phrase!(
            "{name:?} cannot be a table's name: it is the name of {what}; choose another with --as"
        )));
    }
    let reserved = RESERVED.contains(&lower.as_str()) || RESERVED_BEGINNINGS.iter().any(|beginning| lower.starts_with(beginning));
    if reserved {
        return Err(Error::invalid(phrase!("{name:?} cannot be a table's name: it is reserved; choose another with --as")));
    }
    Ok(lower)
}

fn attributes(name: &str, headers: &[String]) -> Result<Arc<Table>> {
    let headers: Vec<String> = headers.iter().filter(|header| !is_connectors(header)).cloned().collect();
    let headers = headers.as_slice();
    let table = Table::attributes(name, attribute_headers(headers));
    if table.exported().count() != headers.len() {
        return Err(Error::internal(phrase!("{name}: not every header became a column: {}", listed_headers(headers))));
    }
    Ok(Arc::new(table))
}

/// The headers as the columns of a table of attributes are made from them, one each: a lookup of the person gets the name
/// by which other tables join it, and what would share a column's name gets a number.
fn attribute_headers(headers: &[String]) -> Vec<String> {
    use crate::record::fields::{HIDDEN, TIER, VALID_FROM, VALID_TO};
    let has = |column: &str| headers.iter().any(|header| snake_case(header) == column);
    let mut taken: Vec<String> = HIDDEN.into_iter().chain([VALID_FROM, VALID_TO, TIER]).map(str::to_owned).collect();
    let mut names = Vec::with_capacity(headers.len());
    for (at, header) in headers.iter().enumerate() {
        let lookup = is_api(header).then(|| bare(header));
        let base = match lookup.as_deref() {
            Some("contact") if !has("contact_id") => "ContactId".to_owned(),
            Some("lead") if !has("lead_id") => "LeadId".to_owned(),
            Some("person") if !has("person_id") => "PersonId".to_owned(),
            _ if snake_case(header).is_empty() => format!("column {}", at + 1),
            _ => header.clone(),
        };
        let mut name = base.clone();
        let mut number = 1;
        while taken.contains(&snake_case(&name)) {
            number += 1;
            name = format!("{base}#{number}");
        }
        taken.push(snake_case(&name));
        names.push(name);
    }
    names
}

/// A known table, if an export of this header can be one of its: its rows have a key, and nothing of its signature is missing.
fn with_key(table: &Arc<Table>, headers: &[String]) -> Result<Arc<Table>> {
    if table.ledger {
        return Err(Error::invalid(phrase!("{} is kept by ier itself: nothing can be loaded into it", table.name)));
    }
    let keyed = key_columns(table).iter().any(|columns| columns.iter().all(|column| has_column(table, headers, column)));
    let missing: Vec<String> = missing_of_signature(table, headers).map(|column| api(table, column)).collect();
    if keyed && missing.is_empty() {
        return Ok(table.clone());
    }
    let lacks = match keyed {
        true => format!("no {}", missing.join(", no ")),
        false => format!("no key, {}{}", key_needs(table), id_of_reports(table, headers)),
    };
    let listed = listed_headers(headers);
    Err(Error::invalid(phrase!("wrong header for {}: {lacks}; the headers are {listed}", table.name)))
}

/// The columns that give a row of this table its key: any of the lists, whole.
pub(super) fn key_columns(table: &Table) -> Vec<Vec<&'static str>> {
    match table.key {
        KeyRule::Ier => vec![vec!["merge_id"], vec!["job_id", "list_id", "batch_id", "subscriber_id"], vec![table.id]],
        KeyRule::ColumnElseId(column) => vec![vec![column], vec![table.id]],
        KeyRule::IdElseRow => vec![vec![table.id]],
        // At worst the whole row.
        KeyRule::ColumnsElseRow(_) => vec![Vec::new()],
    }
}

/// What a row needs to have a key, in the words of the exports.
pub(super) fn key_needs(table: &Table) -> String {
    let list = |columns: &Vec<&str>| columns.iter().map(|column| api(table, column)).collect::<Vec<_>>().join("+");
    format!("it needs {}", key_columns(table).iter().map(list).collect::<Vec<_>>().join(", or "))
}

/// For a report, what its column with the record's id is called.
fn id_of_reports(table: &Table, headers: &[String]) -> String {
    let is_report = headers.iter().any(|header| header.trim().contains(' '));
    let label = table.field(table.id).and_then(|field| field.labels.first()).filter(|_| is_report);
    label.map_or_else(String::new, |label| format!(" (in a report, add the column \"{label}\")"))
}

/// A column's name in the exports.
fn api(table: &Table, column: &str) -> String {
    table.field(column).map_or_else(|| column.to_owned(), |field| field.api.replace("__c", ""))
}

fn listed_headers(headers: &[String]) -> String {
    const LISTED: usize = 40;
    let shown = headers.iter().take(LISTED).map(|header| header.trim()).collect::<Vec<_>>().join(", ");
    if headers.len() > LISTED { format!("{shown} and {} more", headers.len() - LISTED) } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn table(headers: &str, as_table: Option<&str>, file_name: &str) -> Result<String> {
        of_rows(headers, as_table, file_name, "")
    }

    fn of_rows(headers: &str, as_table: Option<&str>, file_name: &str, row: &str) -> Result<String> {
        let cut = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<String>>();
        let headers = cut(headers);
        let found = recognise(&Hints { headers: &headers, as_table, file_name, rows: &[cut(row)] })?;
        found.map(|(table, _)| table.name.to_string()).ok_or_else(|| unknown(&headers))
    }

    /// What all tracking extracts begin with.
    const COMMON: &str = "ClientID,SendID,SubscriberKey,EmailAddress,SubscriberID,ListID,EventDate,EventType,BatchID,\
        TriggeredSendExternalKey";

    #[test]
    fn by_header_by_name_or_as_told() {
        for (headers, as_table, file_name, expected) in [
            ("Id,et4ae5__MergeId__c", None, "", "individual_email_result"),
            (
                "Individual Email Result ID,Email Name,Date Sent,Opened,Clicked,Hard Bounce,Soft Bounce",
                None,
                "report123.csv",
                "individual_email_result",
            ),
            ("Record ID,Email Name,Contact ID,Date Sent,Opened,Date Opened", None, "report.csv", "individual_email_result"),
            ("Id,Name,Individual_Email_Result__c,Unique_Link_ID__c,LinkURL__c", None, "", "individual_link"),
            ("Individual Email Result ID,Link Name,Unique Link ID,Last Clicked,Link URL", None, "", "individual_link"),
            (
                "Id,Name,Send_Definition__c,TriggeredSendDefinition__c,Unique_Link_ID__c,LinkURL__c,NumberOfUniqueClicks__c",
                None,
                "",
                "aggregate_link",
            ),
            ("Id,Name,JobId__c,SendStatus__c,NumberSent__c", None, "", "email_send"),
            ("Id,IsParentAccountMID__c", None, "", "business_unit"),
            ("Id,Email", None, "Contacts-2026-01.csv.gz", "contact"),
            ("Id,Email", None, "2026-01_leads.csv", "lead"),
            ("Id,Name", None, "et4ae5__IndividualEmailResult__c_2026.csv", "individual_email_result"),
            ("Id,Name", None, "SendDefinition.csv", "email_send"),
            ("Id,Name", None, "Triggered Sends (3).csv", "triggered_send"),
            ("ContactId,Campus", None, "Affiliation-2026.csv", "affiliation"),
            ("Contact ID,Campus", None, "hr_employment.v2.csv", "hr_employment"),
            ("LeadId,Campus", None, "EnrolmentTerm.csv", "enrolment_term"),
            ("Id,Campus", Some("Campus_Sites"), "x.csv", "campus_sites"),
            ("Id,Name", Some("IER"), "x.csv", "individual_email_result"),
            (&format!("{COMMON},Reason"), None, "x.csv", "not_sent"),
            ("job_id,subscriber_key,event_date,reason", None, "", "not_sent"),
            ("ContactId,Reason", None, "opt_out.csv", "opt_out"),
            ("Id,Name", Some("et4ae5__SendDefinition__c"), "x.csv", "email_send"),
            ("Id,Name", Some("contacts"), "affiliation.csv", "contact"),
        ] {
            assert_eq!(table(headers, as_table, file_name).expect(headers), expected, "{headers} {file_name}");
        }
    }

    #[test]
    fn contacts_and_leads_are_told_by_their_ids() {
        let headers = "Id,FirstName,LastName,Email,MasterRecordId";
        for (id, expected) in [("0035000001abcDEAAY", "contact"), ("00Q5000001abcDEAAY", "lead")] {
            let id = SfId::parse(&id[..15]).expect("an id");
            assert_eq!(of_rows(headers, None, "export.csv", id.as_str()).expect("told"), expected);
        }
        assert!(of_rows(headers, None, "export.csv", "").is_err(), "nothing tells them apart");
        assert_eq!(of_rows(headers, None, "Lead.csv", "").expect("by its name"), "lead");
    }

    #[test]
    fn headers_of_other_tools() {
        for (headers, expected) in [
            ("et_4_ae_5_merge_id_c,id,et_4_ae_5_date_sent_c,_fivetran_synced", "individual_email_result"),
            ("ET4AE5__MERGEID__C,ID,ET4AE5__DATESENT__C", "individual_email_result"),
            ("id,sfid,et4ae5__mergeid__c,_hc_lastop", "individual_email_result"),
            ("_airbyte_raw_id,Id,et4ae5__MergeId__c", "individual_email_result"),
            ("Email Send: ID,Individual Email Result: ID,Individual Email Result: Opened,Hard Bounce", "individual_email_result"),
        ] {
            assert_eq!(table(headers, None, "x.csv").expect(headers), expected, "{headers}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_refused() {
        for (headers, as_table, file_name, says) in [
            ("Name,Campus", None, "x.csv", "no known object (Name, Campus)"),
            ("ContactId,Campus", None, "-", "name their table with --as"),
            ("ContactId,Campus", None, "report1785999600123.csv", "name their table with --as"),
            ("ContactId,Campus", None, "data_0_0_0.csv.gz", "name their table with --as"),
            ("0035000001abcDEAAY,Ada,Lovelace", None, "contact.csv", "looks like a row"),
            ("Ada,Lovelace,ada@example.edu", Some("contact"), "", "looks like a row"),
            ("ContactId,Campus", None, "order.csv", "reserved"),
            ("ContactId,Campus", Some("pg_people"), "", "reserved"),
            ("ContactId,Campus", Some("my people"), "", "cannot be a table's name"),
            ("ContactId,Campus", Some("select"), "", "reserved"),
            ("ContactId,Campus", None, "Jobs-2026.csv", "it is the name of a view; choose another with --as"),
            ("Campus,Name", Some("contact"), "", "wrong header for contact: no key, it needs Id; the headers are Campus, Name"),
            ("Email Name,Hard Bounce", None, "", "it needs MergeId, or JobId+ListId+BatchId+SubscriberId, or Id"),
            ("Name,Email", None, "Contact.csv", "wrong header for contact"),
            // Other tracking extracts share nearly all headers with non-sends, and say something else.
            (COMMON, None, "Sent.csv", "no known object"),
            (&format!("{COMMON},BounceCategory,SMTPCode,BounceReason"), None, "Bounces.csv", "no known object"),
            (&format!("{COMMON},UnsubReason"), None, "Unsubs.csv", "no known object"),
            (COMMON, Some("not_sent"), "Sent.csv", "wrong header for not_sent: no Reason; the headers are ClientID"),
            ("ContactId,Source", Some("load_coverage"), "", "kept by ier itself"),
            ("source,object,loaded_at,rows_read,file_blake3", None, "load_coverage.csv", "kept by ier itself"),
        ] {
            let error = table(headers, as_table, file_name).expect_err(headers);
            assert_eq!(error.kind(), Kind::Invalid);
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
