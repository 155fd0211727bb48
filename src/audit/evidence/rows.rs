//! Reads the rows on which an answer is based once more, each with its position: the file, and the number of the row in it.
//!
//! SQL returns values without positions. So the rows are read from the files directly, and each is compared with what SQL returned.

use std::sync::Arc;

use arrow::array::RecordBatch;
use chrono::{DateTime, Days, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::pinned::{PinnedTable, PinnedVersions};
use crate::audit::Audit;
use crate::audit::facts::{Click, EARLY_DAYS, Record, Send, SendKind, Withheld, deserialized};
use crate::audit::verdict::Verdict;
use crate::error::{Context, Error, Result};
use crate::lake::log::snapshot::DataFile;
use crate::lake::read::placed::{self, Placed};
use crate::lake::read::tier::Tier;
use crate::record::fields::hidden;

/// Files read at once.
const FILES_AHEAD: usize = 16;

/// A row and where it stands.
#[derive(Clone, Debug)]
pub struct Row {
    /// The lake table it was read from, by its place in [`PinnedVersions::tables`].
    pub pinned: usize,
    /// Its file.
    pub file: Arc<DataFile>,
    /// Its number in the file; the first is 0.
    pub position: u32,
    /// Its key.
    pub key: String,
    /// Key and visible columns.
    pub values: Map<String, Value>,
}

/// The stored rows on which an answer is based.
pub struct SourceRows {
    /// The rows that are evidence, by table, newest first.
    pub records: Vec<Row>,
    /// The rows of the ledger of loads that bear on it.
    pub coverage: Vec<Row>,
}

/// Reads what an answer rests on.
///
/// # Errors
/// Internal when a row the answer tells of is not there, or another is: the tables have changed since, or there is a fault.
pub async fn behind(pinned: &PinnedVersions, answer: &Audit) -> Result<SourceRows> {
    let mut people: Vec<&str> = answer.person_ids.iter().map(String::as_str).collect();
    people.sort_unstable();
    let mails = of_people(pinned, "individual_email_result", &people).await?;
    if mails.len() != answer.records_of_person + answer.learned_since {
        return Err(differs("individual_email_result"));
    }
    let links = of_people(pinned, "individual_link", &people).await?;
    let withheld = holding(pinned, "not_sent", "person_id", &people).await?;
    let mut chosen = Vec::new();
    for audit in &answer.sends {
        chosen.extend(of_send(pinned, &audit.send).await?);
        match &audit.verdict {
            Verdict::Sent { mails: recorded } => {
                for mail in recorded {
                    let then = |row: &Row| Record::known(row.values.clone(), answer.question.as_of);
                    chosen.extend(equal(&mails, &Some(mail.record.clone()), then, "individual_email_result")?);
                    for click in &mail.clicks {
                        chosen.extend(equal(&links, click, fact::<Click>, "individual_link")?);
                    }
                }
            }
            Verdict::NotSent { withheld: recorded } => {
                for record in recorded {
                    chosen.extend(equal(&withheld, record, fact::<Withheld>, "not_sent")?);
                }
            }
            Verdict::NoEvidence { .. } => {}
        }
    }
    for record in &answer.withheld_unnamed {
        chosen.extend(equal(&withheld, record, fact::<Withheld>, "not_sent")?);
    }
    Ok(SourceRows { records: in_order(pinned, chosen), coverage: in_order(pinned, coverage(pinned, answer).await?) })
}

fn differs(table: &str) -> Error {
    Error::internal(phrase!("{table}: the rows read for the pack are not those the answer tells of"))
}

/// The rows that say what the answer says; there must be one. Rows that say the same of a mail are evidence alike.
fn equal<T: PartialEq>(rows: &[Row], recorded: &T, fact: impl Fn(&Row) -> Result<T>, table: &str) -> Result<Vec<Row>> {
    let mut found = Vec::new();
    for row in rows {
        if fact(row)? == *recorded {
            found.push(row.clone());
        }
    }
    if found.is_empty() { Err(differs(table)) } else { Ok(found) }
}

/// A row as the SQL of audits returns it.
fn fact<T: DeserializeOwned>(row: &Row) -> Result<T> {
    serde_json::from_value(Value::Object(row.values.clone())).map_err(|error| {
        Error::internal(phrase!("row {} of {} has other columns than audits ask for", row.position, row.file.add.path))
            .with_source(error)
    })
}

/// By table, then newest first, then by key; each row once.
fn in_order(pinned: &PinnedVersions, mut rows: Vec<Row>) -> Vec<Row> {
    let table = |row: &Row| pinned.tables[row.pinned].lake.table.name.clone();
    let place = |row: &Row| pinned.tables.iter().position(|pinned| pinned.lake.table.name == table(row));
    let date = |row: &Row| {
        let date = ["date_sent", "event_date", "loaded_at"].iter().find_map(|column| row.values.get(*column));
        date.and_then(Value::as_str).map(str::to_owned)
    };
    rows.sort_by_cached_key(|row| (place(row), std::cmp::Reverse(date(row)), row.key.clone(), row.pinned));
    rows.dedup_by(|a, b| (a.pinned, &a.key) == (b.pinned, &b.key));
    rows
}

/// A few people's rows of a tiered table: those of the hot tier, and those of the archive no late row overrides.
async fn of_people(pinned: &PinnedVersions, name: &str, people: &[&str]) -> Result<Vec<Row>> {
    let ids: Vec<String> = people.iter().map(|id| (*id).to_owned()).collect();
    let mut rows = Vec::new();
    for (at, table) in pinned.of(name) {
        let files = table.snapshot.files().filter(|file| file.may_hold("person_id", people)).cloned();
        let reading = |file: Arc<DataFile>| {
            let (lake, ids) = (table.lake.clone(), ids.clone());
            let tier = Tier { raw_pages: pinned.raw_pages, ..Tier::new(lake.role.folder()) };
            async move { placed::of_people(&lake, tier, &file, &ids).await }
        };
        let found: Vec<Placed> = stream::iter(files).map(reading).buffered(FILES_AHEAD).try_collect().await?;
        for placed in found {
            let late = table.late.as_ref().filter(|late| late.touches(&placed.file));
            let all = rows_of(at, placed)?;
            rows.extend(all.into_iter().filter(|row| late.is_none_or(|late| !late.overrides(&row.key))));
        }
    }
    Ok(rows)
}

/// The rows of a reference table in which a column has one of these values (ascending).
async fn holding(pinned: &PinnedVersions, name: &str, column: &str, sorted: &[&str]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (at, PinnedTable { lake, snapshot, .. }) in pinned.of(name) {
        for file in snapshot.files() {
            rows.extend(rows_of(at, placed::holding(lake, lake.role.folder(), file, column, sorted).await?)?);
        }
    }
    Ok(rows)
}

/// The send's own row: how many it went to, and whether it was tracked.
async fn of_send(pinned: &PinnedVersions, send: &Send) -> Result<Vec<Row>> {
    let table = match send.kind {
        SendKind::EmailSend => "email_send",
        SendKind::TriggeredSend => "triggered_send",
        SendKind::RecordsOnly => return Ok(Vec::new()),
    };
    let rows = holding(pinned, table, "id", &send.id.as_deref().into_iter().collect::<Vec<_>>()).await?;
    if rows.is_empty() { Err(differs(table)) } else { Ok(rows) }
}

/// The rows of the ledger of loads that bear on an answer: loads of what audits ask, whose span of sending meets that of
/// the sends in question, or is not known.
async fn coverage(pinned: &PinnedVersions, answer: &Audit) -> Result<Vec<Row>> {
    const OBJECTS: [&str; 5] = ["email_send", "individual_email_result", "individual_link", "not_sent", "triggered_send"];
    let moments: Option<Vec<DateTime<Utc>>> = answer.sends.iter().map(|audit| audit.sent_at()).collect();
    let span = moments.and_then(|moments| Some((*moments.iter().min()?, *moments.iter().max()?))).map(|(first, last)| {
        let margin = Days::new(EARLY_DAYS);
        (first.checked_sub_days(margin).unwrap_or(first), last.checked_add_days(margin).unwrap_or(last))
    });
    let mut rows = holding(pinned, "load_coverage", "object", &OBJECTS).await?;
    let moment = |row: &Row, column: &str| -> Option<DateTime<Utc>> { row.values.get(column)?.as_str()?.parse().ok() };
    rows.retain(|row| match (span, moment(row, "first_sent"), moment(row, "last_sent")) {
        (Some((first, last)), Some(loaded_first), Some(loaded_last)) => loaded_first <= last && first <= loaded_last,
        _ => true,
    });
    Ok(rows)
}

fn rows_of(pinned: usize, placed: Placed) -> Result<Vec<Row>> {
    let Placed { file, places, rows } = placed;
    let rows = places.into_iter().zip(objects(&rows)?).map(|(position, values)| {
        let key = values.get(hidden::KEY).and_then(Value::as_str).map(str::to_owned);
        let key = key.ok_or_else(|| Error::corrupt(phrase!("{}: row {position} has no key", file.add.path)))?;
        Ok(Row { pinned, file: file.clone(), position, key, values })
    });
    rows.collect()
}

/// Rows as JSON objects, nulls included.
pub fn objects(rows: &RecordBatch) -> Result<Vec<Map<String, Value>>> {
    deserialized(std::slice::from_ref(rows)).context(|| "cannot write records")
}
