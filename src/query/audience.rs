//! Turns an answer into an audience: ids of people that load back into Salesforce, each person once, without people who must not
//! be written to.
//!
//! People are identified by the first column of the answer that is called `person_id`, `contact_id`, `lead_id` or `id`. Each is
//! listed under the one id by which they are counted, which is the one Salesforce knows today. Left out, and counted, are rows
//! without an id of a person, people who opted out, and people deleted in Salesforce, for whom nothing can be loaded.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::execution::SendableRecordBatchStream;
use futures::TryStreamExt;
use serde::Serialize;

use super::engine::Engine;
use crate::error::{Error, Result};
use crate::human;
use crate::output::lists::{IDS, Lists};
use crate::record::id::{LEAD_PREFIX, SfId};

/// Columns that name a person, the best first.
const PEOPLE: [&str; 4] = ["person_id", "contact_id", "lead_id", "id"];

/// The SQL of who opted out; its parameter says whether whoever unsubscribed by an e-mail did.
const OPTED_OUT: &str = include_str!("../../sql/audience/opted_out.sql");

/// The SQL of whether anybody's opt-out is on record.
const OPT_OUTS_KNOWN: &str = include_str!("../../sql/audience/opt_outs_known.sql");

/// The SQL that lists deleted people.
const DELETED: &str = include_str!("../../sql/audience/deleted.sql");

/// How an audience is written, and who is left out of it.
#[derive(Clone, Debug)]
pub struct Audience {
    /// The campaign they become members of; without one, their ids are listed.
    pub campaign: Option<SfId>,
    /// Their status as members.
    pub status: String,
    /// Write ids of 15 characters rather than 18.
    pub short_ids: bool,
    /// Write to those who unsubscribed by an e-mail, too.
    pub with_unsubscribed: bool,
    /// A statement of others to leave out.
    pub leave_out: Option<String>,
}

/// The report of a written audience.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AudienceReport {
    /// Rows of the answer.
    pub rows: u64,
    /// People in the files.
    pub people: u64,
    /// Rows that name nobody.
    pub nobody: u64,
    /// People left out because their contact or lead says that they opted out.
    pub opted_out: u64,
    /// People left out because they unsubscribed by an e-mail.
    pub unsubscribed: u64,
    /// Does any contact or lead on record say whether they opted out?
    pub opt_outs_known: bool,
    /// People left out because the statement for that names them.
    pub left_out: u64,
    /// People left out because they are deleted in Salesforce.
    pub deleted: u64,
    /// The files.
    pub files: Vec<PathBuf>,
}

impl fmt::Display for AudienceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let people = if self.people == 1 { "person" } else { "people" };
        write!(f, "{} {people} of {}", human::count(self.people), human::counted(self.rows, "row"))?;
        for (count, why) in [
            (self.opted_out, "opted out"),
            (self.unsubscribed, "unsubscribed by an e-mail"),
            (self.left_out, "left out by your statement"),
            (self.deleted, "deleted in Salesforce"),
        ] {
            if count > 0 {
                write!(f, "; {} {why}", human::count(count))?;
            }
        }
        if self.nobody > 0 {
            write!(f, "; {} without a contact's or lead's id", human::counted(self.nobody, "row"))?;
        }
        if !self.opt_outs_known {
            write!(
                f,
                "\nwhether others opted out is not known, since no contact or lead on record says so: load an export with HasOptedOutOfEmail"
            )?;
        }
        for file in &self.files {
            write!(f, "\n{}", file.display())?;
        }
        Ok(())
    }
}

impl Audience {
    /// Writes the people of an answer to `out`, or where they are more than a file may have, to files with numbers beside it.
    ///
    /// # Errors
    /// Invalid when the answer has no column of people, and when the file is there already; then nothing is written.
    pub async fn write(&self, engine: &Engine, answer: SendableRecordBatchStream, out: &Path) -> Result<AudienceReport> {
        let mut lists = Lists::create(out, self.header())?;
        let identities = engine.identities().await?;
        let mut report = AudienceReport::default();
        let mut people = BTreeSet::new();
        let counted = |id: &SfId| SfId::parse(identities.canonical(id.as_str())).unwrap_or(*id);
        gather(answer, |person| {
            report.rows += 1;
            match person {
                Some(person) => drop(people.insert(counted(&person))),
                None => report.nobody += 1,
            }
        })
        .await?;
        gather(engine.sql(OPT_OUTS_KNOWN).await?, |_| report.opt_outs_known = true).await?;
        let opted_out = async |unsubscribed: bool| {
            let value = ScalarValue::Boolean(Some(unsubscribed));
            engine.sql_within(OPTED_OUT, ParamValues::from(vec![value])).await
        };
        report.opted_out = without(&mut people, opted_out(false).await?, counted).await?;
        if !self.with_unsubscribed {
            report.unsubscribed = without(&mut people, opted_out(true).await?, counted).await?;
        }
        if let Some(statement) = &self.leave_out {
            report.left_out = without(&mut people, engine.sql(statement).await?, counted).await?;
        }
        // Of a person merged or converted, the ids given up are deleted; the one that counts is not.
        report.deleted = without(&mut people, engine.sql(DELETED).await?, |id| *id).await?;
        for person in &people {
            lists.write_row(&self.row(person))?;
        }
        lists.sync()?;
        report.people = people.len() as u64;
        report.files = lists.hand_out()?;
        Ok(report)
    }

    fn header(&self) -> &'static str {
        if self.campaign.is_some() { "CampaignId,ContactId,LeadId,Status" } else { IDS }
    }

    fn row(&self, person: &SfId) -> String {
        let id = |id: &SfId| if self.short_ids { id.as_str15().to_owned() } else { id.to_string() };
        let Some(campaign) = &self.campaign else { return id(person) };
        let (contact, lead) =
            if person.has_prefix(LEAD_PREFIX) { (String::new(), id(person)) } else { (id(person), String::new()) };
        format!("{},{contact},{lead},{}", id(campaign), quoted(&self.status))
    }
}

/// A cell of a file of comma-separated values.
fn quoted(text: &str) -> String {
    let plain = !text.contains([',', '"', '\n', '\r']);
    if plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"").replace(['\n', '\r'], " ")) }
}

/// Takes people out who are in an answer, under the ids made of those; returns how many.
async fn without(people: &mut BTreeSet<SfId>, answer: SendableRecordBatchStream, counted: impl Fn(&SfId) -> SfId) -> Result<u64> {
    let before = people.len();
    gather(answer, |person| {
        if let Some(person) = person {
            people.remove(&counted(&person));
        }
    })
    .await?;
    Ok((before - people.len()) as u64)
}

/// Shows `each` the person of every row of an answer, if it names one.
async fn gather(mut answer: SendableRecordBatchStream, mut each: impl FnMut(Option<SfId>)) -> Result<()> {
    let schema = answer.schema();
    let place = PEOPLE
        .iter()
        .find_map(|name| schema.index_of(name).ok())
        .ok_or_else(|| Error::invalid(phrase!("the answer names no people: it needs a column {}", PEOPLE.join(", or else "))))?;
    while let Some(batch) = answer.try_next().await? {
        let ids = cast(batch.column(place), &DataType::Utf8View)?;
        for id in ids.as_string_view() {
            each(id.and_then(|id| SfId::parse(id).ok()).filter(SfId::is_person));
        }
    }
    Ok(())
}
