//! Queries the facts that an audit needs, and reads the rows into structs: sends, records, clicks, withheld e-mails, erasures.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use arrow::json::ArrayWriter;
use arrow::json::writer::WriterBuilder;
use chrono::{DateTime, Days, NaiveDate, Utc};
use datafusion::common::{ParamValues, ScalarValue};
use futures::TryStreamExt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::lake::paths::date_of;
use crate::query::engine::Engine;
use crate::record::fields::{Kind, UTC};
use crate::record::id::SfId;
use crate::record::observed::{PastState, then};
use crate::tiers::links;
use crate::tiers::suppressed::{self, Subject};

const SENDS: &str = include_str!("../../sql/audit/sends.sql");
const RECORDS: &str = include_str!("../../sql/audit/records.sql");
const CLICKS: &str = include_str!("../../sql/audit/clicks.sql");
const WITHHELD: &str = include_str!("../../sql/audit/withheld.sql");
const SEEN: &str = include_str!("../../sql/audit/seen.sql");
const UNDER_ADDRESS: &str = include_str!("../../sql/audit/under_address.sql");
const SEEN_AS_OF: &str = include_str!("../../sql/audit/seen_as_of.sql");
const EXPIRED: &str = include_str!("../../sql/audit/expired.sql");
const LOADED: &str = include_str!("../../sql/audit/loaded.sql");

/// A recipient's mail may carry a date a little before its send's own.
pub const EARLY_DAYS: u64 = 2;

/// The kind of record from which a send is known.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SendKind {
    /// The table of e-mail sends.
    EmailSend,
    /// The table of triggered sends: mails that go out one by one when something happens.
    TriggeredSend,
    /// The person's records only: the send itself was deleted, or never loaded.
    RecordsOnly,
}

/// A send.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Send {
    /// Where it is known from.
    pub kind: SendKind,
    /// Its id.
    pub id: Option<String>,
    /// Marketing Cloud's number of the job.
    pub job_id: Option<String>,
    /// Marketing Cloud's number of the e-mail: the "Email ID" of a ticket.
    pub email_id: Option<String>,
    /// The e-mail's name.
    pub email_name: Option<String>,
    /// Its subject line.
    pub subject: Option<String>,
    /// From whom it came.
    pub from_name: Option<String>,
    /// For which unit.
    pub business_unit: Option<String>,
    /// When the send began.
    pub date_sent: Option<DateTime<Utc>>,
    /// To how many it went, as Marketing Cloud counted.
    pub number_sent: Option<i64>,
    /// Was the recording of individual results switched off?
    pub tracking_disabled: Option<bool>,
    /// The day after which opens and clicks were no longer recorded.
    pub tracking_expires: Option<NaiveDate>,
}

/// A record of one e-mail to the person.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the columns of `ier`")]
pub struct Record {
    pub ier_id: Option<String>,
    pub person_id: Option<String>,
    pub send_definition_id: Option<String>,
    pub triggered_send_definition_id: Option<String>,
    pub job_id: Option<String>,
    pub email_id: Option<String>,
    pub email_name: Option<String>,
    pub subject_line: Option<String>,
    pub from_name: Option<String>,
    pub from_address: Option<String>,
    pub date_sent: Option<DateTime<Utc>>,
    pub opened: Option<bool>,
    pub date_opened: Option<DateTime<Utc>>,
    pub clicked: Option<bool>,
    pub number_of_total_clicks: Option<i64>,
    pub hard_bounce: Option<bool>,
    pub soft_bounce: Option<bool>,
    pub date_bounced: Option<DateTime<Utc>>,
    pub date_unsubscribed: Option<DateTime<Utc>>,
    pub tracking_as_of: Option<DateTime<Utc>>,
    pub system_modstamp: Option<DateTime<Utc>>,
    pub is_deleted: Option<bool>,
    pub tier: Option<String>,
    #[serde(skip_serializing)]
    pub observed: Option<String>,
}

/// A link the person clicked.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Click {
    /// In which e-mail.
    pub ier_id: Option<String>,
    /// The link's name.
    pub link_name: Option<String>,
    /// Where it leads.
    pub link_url: Option<String>,
    /// How often.
    #[serde(alias = "number_of_total_clicks")]
    pub clicks: Option<i64>,
    /// When last.
    pub last_clicked: Option<DateTime<Utc>>,
}

/// Marketing Cloud's record that a mail was withheld.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Withheld {
    /// Of which job.
    pub job_id: Option<String>,
    /// The subscriber as the record names them.
    pub subscriber_key: Option<String>,
    /// The address it was not sent to.
    pub email_address: Option<String>,
    /// When.
    pub event_date: Option<DateTime<Utc>>,
    /// Why, in Marketing Cloud's words.
    pub reason: Option<String>,
}

/// The span of all records ever loaded.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Loaded {
    /// The earliest moment of sending among them.
    pub first_sent: Option<DateTime<Utc>>,
    /// The latest.
    pub last_sent: Option<DateTime<Utc>>,
}

/// An erasure on request.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Erasure {
    /// When.
    pub at: DateTime<Utc>,
    /// Which; the ledger `erasure` has its receipt.
    pub erasure_id: String,
}

/// The counts of a send's records that retention removed.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Expired {
    /// Records that were removed.
    pub removed: i64,
    /// The first day of the earliest month in which their mails were sent.
    pub first_month: Option<NaiveDate>,
    /// That of the latest.
    pub last_month: Option<NaiveDate>,
    /// When records were removed last.
    pub removed_at: Option<DateTime<Utc>>,
}

/// All records of one person: e-mails, clicks, and e-mails that were withheld.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PersonFacts {
    /// Their records, newest first.
    pub records: Vec<Record>,
    /// Their clicks, by the record's id.
    pub clicks: HashMap<String, Vec<Click>>,
    /// Mails withheld from them.
    pub withheld: Vec<Withheld>,
    /// Records left out because they were not known yet at the moment asked about.
    pub learned_since: usize,
}

/// Reads a person's life, as it was known at a moment where one is given. Of clicks and withheld mails it is not kept when
/// they were learned: those that had happened by then are taken.
pub async fn person_facts(engine: &Engine, ids: &[SfId], as_of: Option<DateTime<Utc>>) -> Result<PersonFacts> {
    let all: Vec<Map<String, Value>> = of_person(engine, RECORDS, ids).await?;
    let mut person_facts = PersonFacts::default();
    for row in all {
        match Record::known(row, as_of)? {
            Some(record) => person_facts.records.push(record),
            None => person_facts.learned_since += 1,
        }
    }
    let by_then = |at: Option<DateTime<Utc>>| as_of.is_none_or(|as_of| at.is_some_and(|at| at <= as_of));
    for click in of_person::<Click>(engine, CLICKS, ids).await?.into_iter().filter(|click| by_then(click.last_clicked)) {
        if let Some(ier) = &click.ier_id {
            person_facts.clicks.entry(ier.clone()).or_default().push(click);
        }
    }
    let withheld = of_person::<Withheld>(engine, WITHHELD, ids).await?;
    person_facts.withheld = withheld.into_iter().filter(|withheld| by_then(withheld.event_date)).collect();
    Ok(person_facts)
}

impl PersonFacts {
    /// Is nothing at all on record?
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.withheld.is_empty() && self.learned_since == 0
    }
}

impl Record {
    /// A row's record, as it was known at a moment where one is given; `None` when it was not.
    pub fn known(row: Map<String, Value>, as_of: Option<DateTime<Utc>>) -> Result<Option<Self>> {
        let row = match as_of {
            None => Some(row),
            Some(at) => known_at(row, at)?,
        };
        row.map(|row| read(Value::Object(row))).transpose()
    }
}

/// A record as it was known at a moment; `None` when it was not.
fn known_at(mut row: Map<String, Value>, at: DateTime<Utc>) -> Result<Option<Map<String, Value>>> {
    let observed = row.get("observed").and_then(Value::as_str);
    let PastState::Known(was) = then(observed, at.timestamp_millis())? else { return Ok(None) };
    for (name, value) in was {
        let kind = links::ier_table()?.field(&name).map(|field| field.kind);
        let value = match (kind, value.as_i64()) {
            (Some(Kind::Time), Some(micros)) => DateTime::from_timestamp_micros(micros).map(|at| at.to_rfc3339()).into(),
            (Some(Kind::Date), Some(day)) => i32::try_from(day).ok().map(|day| date_of(day).to_string()).into(),
            _ => value,
        };
        if row.contains_key(&name) {
            row.insert(name, value);
        }
    }
    Ok(Some(row))
}

/// By which erasure a person was erased, where any of their ids was.
pub async fn erasure(engine: &Engine, ids: &[SfId]) -> Result<Option<Erasure>> {
    let list = suppressed::list(engine.warehouse()).await?;
    let found = ids.iter().filter_map(|id| list.find(Subject::Person(id))).min_by_key(|erased| erased.at);
    Ok(found.map(|erased| Erasure { at: erased.at, erasure_id: erased.erasure_id.to_string() }))
}

/// The sends of this id or job, and of this e-mail; all where neither is given.
pub async fn sends(engine: &Engine, send: Option<&str>, email_id: Option<&str>) -> Result<Vec<Send>> {
    rows(engine, SENDS, vec![text(send), text(email_id)]).await
}

/// How many records of each of these sends there are, or were known at a moment, whoever they belong to: in one statement, however
/// many sends there are.
pub async fn seen(engine: &Engine, sends: &[&Send], as_of: Option<DateTime<Utc>>) -> Result<Vec<i64>> {
    #[derive(Deserialize)]
    struct Seen {
        send_definition_id: Option<String>,
        triggered_send_definition_id: Option<String>,
        sent_date: Option<NaiveDate>,
        seen: i64,
    }
    let ids: Vec<&str> = sends.iter().filter_map(|send| send.id.as_deref()).collect();
    let first = sends.iter().map(|send| send.first_day()).min().unwrap_or(NaiveDate::MIN);
    let mut values = vec![ScalarValue::Date32(Some(first.to_epoch_days()))];
    values.extend(as_of.map(|at| moment(Some(at))));
    let sql = if as_of.is_some() { SEEN_AS_OF } else { SEEN };
    let all: Vec<Seen> = of_lists(engine, sql, values, &[("$ids", &ids)]).await?;
    let seen = |send: &&Send| {
        let is_own = |row: &&Seen| {
            send.is_named(&row.send_definition_id, &row.triggered_send_definition_id) && row.sent_date >= Some(send.first_day())
        };
        all.iter().filter(is_own).map(|row| row.seen).sum()
    };
    Ok(sends.iter().map(seen).collect())
}

/// Of each of these sends: how many records stand under an address of the person's but under no id of theirs, if any do, and an id
/// under which they stand. In one statement.
pub async fn under_address(engine: &Engine, sends: &[&Send], ids: &[SfId]) -> Result<Vec<Option<(i64, Option<String>)>>> {
    #[derive(Deserialize)]
    struct Found {
        send_definition_id: Option<String>,
        triggered_send_definition_id: Option<String>,
        records: i64,
        person_id: Option<String>,
    }
    let named: Vec<&str> = sends.iter().filter_map(|send| send.id.as_deref()).collect();
    if named.is_empty() {
        return Ok(vec![None; sends.len()]);
    }
    let people: Vec<&str> = ids.iter().map(SfId::as_str).collect();
    let all: Vec<Found> = of_lists(engine, UNDER_ADDRESS, Vec::new(), &[("$ids", &named), ("$people", &people)]).await?;
    let found = |send: &&Send| {
        let own = all.iter().filter(|row| send.is_named(&row.send_definition_id, &row.triggered_send_definition_id));
        own.map(|row| (row.records, row.person_id.clone())).reduce(|a, b| (a.0 + b.0, a.1.or(b.1)))
    };
    Ok(sends.iter().map(found).collect())
}

/// What retention removed of the records of each of these sends, whoever they belonged to: in one statement.
pub async fn expired(engine: &Engine, sends: &[&Send]) -> Result<Vec<Expired>> {
    #[derive(Deserialize)]
    struct Removed {
        send_definition_id: Option<String>,
        triggered_send_definition_id: Option<String>,
        job_id: Option<String>,
        #[serde(flatten)]
        expired: Expired,
    }
    let ids: Vec<&str> = sends.iter().filter_map(|send| send.id.as_deref()).collect();
    let jobs: Vec<&str> = sends.iter().filter_map(|send| send.job_id.as_deref()).collect();
    let all: Vec<Removed> = of_lists(engine, EXPIRED, Vec::new(), &[("$ids", &ids), ("$jobs", &jobs)]).await?;
    let expired = |send: &&Send| {
        let is_own = |row: &&Removed| match (&row.send_definition_id, &row.triggered_send_definition_id) {
            (None, None) => send.job_id.is_some() && send.job_id == row.job_id,
            (definition, triggered) => send.is_named(definition, triggered),
        };
        all.iter().filter(is_own).map(|row| row.expired).fold(Expired::default(), Expired::and)
    };
    Ok(sends.iter().map(expired).collect())
}

impl Send {
    /// A day before which none of its mails was sent.
    fn first_day(&self) -> NaiveDate {
        let first = self.date_sent.and_then(|at| at.date_naive().checked_sub_days(Days::new(EARLY_DAYS)));
        first.unwrap_or(NaiveDate::MIN)
    }

    /// Is it one of these?
    fn is_named(&self, definition: &Option<String>, triggered: &Option<String>) -> bool {
        self.id.is_some() && (self.id == *definition || self.id == *triggered)
    }
}

impl Expired {
    fn and(self, other: Self) -> Self {
        // What is not known is not the first.
        let first = |a: Option<NaiveDate>, b: Option<NaiveDate>| a.into_iter().chain(b).min();
        Self {
            removed: self.removed + other.removed,
            first_month: first(self.first_month, other.first_month),
            last_month: self.last_month.max(other.last_month),
            removed_at: self.removed_at.max(other.removed_at),
        }
    }
}

/// The span of all records ever loaded, or loaded by a moment.
pub async fn loaded(engine: &Engine, as_of: Option<DateTime<Utc>>) -> Result<Loaded> {
    Ok(rows(engine, LOADED, vec![moment(as_of)]).await?.into_iter().next().unwrap_or_default())
}

fn moment(at: Option<DateTime<Utc>>) -> ScalarValue {
    ScalarValue::TimestampMicrosecond(at.map(|at| at.timestamp_micros()), Some(UTC.clone()))
}

fn text(value: Option<&str>) -> ScalarValue {
    ScalarValue::Utf8View(value.map(str::to_owned))
}

/// A statement about a person: `$ids` in it are all their ids.
async fn of_person<T: DeserializeOwned>(engine: &Engine, sql: &str, ids: &[SfId]) -> Result<Vec<T>> {
    let ids: Vec<&str> = ids.iter().map(SfId::as_str).collect();
    of_lists(engine, sql, Vec::new(), &[("$ids", &ids)]).await
}

/// A statement with lists of texts: a name in it stands for one parameter a text, because a list is no value that can be bound. They
/// follow the other parameters; of an empty list there is one, which is null.
async fn of_lists<T: DeserializeOwned>(
    engine: &Engine,
    sql: &str,
    mut values: Vec<ScalarValue>,
    lists: &[(&str, &[&str])],
) -> Result<Vec<T>> {
    let mut sql = without_comments(sql);
    for (name, list) in lists {
        let first = values.len() + 1;
        values.extend(list.iter().map(|of| text(Some(of))));
        if list.is_empty() {
            values.push(text(None));
        }
        let places: Vec<String> = (first..=values.len()).map(|place| format!("${place}")).collect();
        sql = sql.replace(name, &places.join(", "));
    }
    rows(engine, &sql, values).await
}

/// A statement's head comment names its parameters too.
fn without_comments(sql: &str) -> String {
    sql.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n")
}

async fn rows<T: DeserializeOwned>(engine: &Engine, sql: &str, values: Vec<ScalarValue>) -> Result<Vec<T>> {
    let batches: Vec<RecordBatch> = engine.sql_within(sql, ParamValues::from(values)).await?.try_collect().await?;
    deserialized(&batches)
}

/// Rows as structs, by the names of their columns; nulls included.
pub fn deserialized<T: DeserializeOwned>(batches: &[RecordBatch]) -> Result<Vec<T>> {
    let mut writer: ArrayWriter<_> = WriterBuilder::new().with_explicit_nulls(true).build(Vec::new());
    writer.write_batches(&batches.iter().collect::<Vec<_>>())?;
    writer.finish()?;
    let json = writer.into_inner();
    if json.is_empty() {
        return Ok(Vec::new());
    }
    read(serde_json::from_slice(&json).map_err(|error| Error::internal(phrase!("an answer is no JSON: {error}")))?)
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|error| Error::internal(phrase!("an answer has other columns than its SQL: {error}")))
}

/// Has retention ever removed a record?
pub async fn has_expired(engine: &Engine) -> Result<bool> {
    let rows: Vec<RecordBatch> = engine.sql("SELECT object FROM expired_total LIMIT 1").await?.try_collect().await?;
    Ok(rows.iter().any(|batch| batch.num_rows() > 0))
}
