//! Checks before an irreversible verb: the user who typed an id sees the person it belongs to, an unknown send is refused, and so is a
//! reason that names the person.

use std::fmt;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use datafusion::common::{ParamValues, ScalarValue};
use futures::TryStreamExt;
use serde::Serialize;

use super::engine::Engine;
use super::people::Person;
use super::who::PersonLabel;
use crate::error::{Error, Kind, Result};
use crate::human::counted;
use crate::record::id::SfId;
use crate::record::text_match::plain;

/// The SQL that counts the e-mails sent to a person.
const MAIL_COUNT: &str = include_str!("../../sql/mail_count.sql");

/// The SQL of whether a send is known.
const KNOWN_SEND: &str = include_str!("../../sql/known_send.sql");

/// A person in a form that the user recognises.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct NamedPerson {
    /// Their ids, name and address.
    #[serde(flatten)]
    pub label: PersonLabel,
    /// E-mails on record.
    pub mails: u64,
}

impl fmt::Display for NamedPerson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.label, counted(self.mails, "mail"))
    }
}

impl Engine {
    /// The person in a form that the user recognises; written to the log of look-ups as `verb`. `insist` names the flag that
    /// allows an id that belongs to nobody.
    ///
    /// # Errors
    /// Not found for such an id, unless there is a flag and it `is_given`.
    pub async fn named_person(&self, person: &Person, verb: &str, (insist, is_given): (&str, bool)) -> Result<NamedPerson> {
        match self.must_be_known(person).await {
            Err(error) if error.kind() == Kind::NotFound && !is_given => return Err(error.also(insist.to_owned())),
            Err(error) if error.kind() != Kind::NotFound => return Err(error),
            _ => {}
        }
        let (sql, ids) = person.statement(MAIL_COUNT);
        let mut rows = self.sql_within(&sql, ids).await?;
        let mut mails = 0;
        while let Some(batch) = rows.try_next().await? {
            mails += batch.column(0).as_primitive::<Int64Type>().iter().flatten().sum::<i64>();
        }
        let named_person = NamedPerson { label: self.label(person).await?, mails: u64::try_from(mails).unwrap_or(0) };
        self.looked_up(verb, person.id(), named_person.mails).await?;
        Ok(named_person)
    }
}

impl Engine {
    /// Refuses a send that nothing here is known of: its id or number may be mistyped.
    ///
    /// # Errors
    /// Not found.
    pub async fn check_send_exists(&self, send: &str) -> Result<()> {
        let send = SfId::parse(send.trim()).map_or_else(|_| send.trim().to_owned(), |id| id.to_string());
        let value = ParamValues::from(vec![ScalarValue::Utf8View(Some(send.clone()))]);
        let mut rows = self.sql_within(KNOWN_SEND, value).await?;
        while let Some(batch) = rows.try_next().await? {
            if batch.num_rows() > 0 {
                return Ok(());
            }
        }
        Err(Error::not_found(phrase!("no send, mail or withheld mail here has the id or job number {send}")))
    }
}

/// Refuses a reason that is kept for good and says whom it is about: by an id, an address, their whole name, or their last name as names are
/// written.
///
/// # Errors
/// Invalid; the message does not repeat what it found.
pub fn must_not_name(reason: &str, person: &Person, named_person: &NamedPerson) -> Result<()> {
    let label = &named_person.label;
    let words: Vec<&str> = reason.split(|c: char| !c.is_alphanumeric() && !"@.-_+'’".contains(c)).collect();
    let is_id = |word: &&str| SfId::parse(word).is_ok_and(|id| person.ids().contains(&id));
    let is_address =
        |word: &&str| label.email.as_ref().is_some_and(|address| word.trim_matches('.').eq_ignore_ascii_case(address));
    let said: Vec<String> = plain(reason).split_whitespace().map(str::to_owned).collect();
    let name = label.name.as_deref().map(plain).unwrap_or_default();
    let name: Vec<&str> = name.split_whitespace().collect();
    let whole = !name.is_empty() && name.iter().all(|part| said.iter().any(|word| word == part));
    let last = label.name.as_deref().and_then(|name| name.split_whitespace().next_back());
    let last = last.filter(|last| last.chars().count() > 1 && last.starts_with(char::is_uppercase));
    let last = last.is_some_and(|last| words.iter().any(|word| word.trim_matches('.').trim_end_matches("'s") == last));
    match words.iter().any(is_id) || words.iter().any(is_address) || whole || last {
        false => Ok(()),
        true => Err(Error::invalid(
            "the reason is kept for good and names the person: say it without, such as --reason \"ticket 4711\"",
        )),
    }
}
