//! Finds people: by id, by e-mail address, by words of a name.

use std::collections::BTreeMap;
use std::fmt;

use arrow::array::{Array, AsArray, StringViewArray};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::execution::SendableRecordBatchStream;
use futures::TryStreamExt;
use serde::Serialize;

use super::engine::Engine;
use super::people::Person;
use crate::error::{Error, Result};
use crate::human;
use crate::record::id::SfId;
use crate::record::identity::Identities;
use crate::record::text_match::{Words, plain};

/// The SQL of all contacts and leads by name and address.
pub(super) const PEOPLE: &str = include_str!("../../sql/people.sql");

/// The SQL of one person's contacts and leads by name and address.
const LABEL: &str = include_str!("../../sql/person_label.sql");

/// The SQL of those whose e-mails name an address; its parameter is the address in lower case.
const WRITTEN_TO: &str = include_str!("../../sql/written_to.sql");

/// People an error lists.
const LISTED: usize = 20;

/// People found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Found {
    /// How many there are.
    pub found: u64,
    /// The first of them, by name.
    pub people: Vec<PersonLabel>,
}

/// A person's ids, name and address, by which the user recognises them.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct PersonLabel {
    /// The canonical id.
    pub id: String,
    /// The name that goes with the canonical id, or else with an id that was found.
    pub name: Option<String>,
    /// The address that goes with it.
    pub email: Option<String>,
    /// The person's other ids.
    pub other_ids: Vec<String>,
}

impl fmt::Display for PersonLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", self.id, self.name.as_deref().unwrap_or("(no name)"))?;
        if let Some(email) = &self.email {
            write!(f, "  {email}")?;
        }
        if !self.other_ids.is_empty() {
            write!(f, "  also {}", self.other_ids.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let titles = ["id", "name", "email", "other ids"].map(str::to_owned);
        let cells = |label: &PersonLabel| {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            [label.id.clone(), text(&label.name), text(&label.email), label.other_ids.join(" ")]
        };
        let rows: Vec<[String; 4]> = std::iter::once(titles).chain(self.people.iter().map(cells)).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths = [width(0), width(1), width(2)];
        if !self.people.is_empty() {
            for [id, name, email, others] in &rows {
                let line = format!("{id:0$}  {name:1$}  {email:2$}  {others}", widths[0], widths[1], widths[2]);
                writeln!(f, "{}", line.trim_end())?;
            }
        }
        write!(f, "({} found", if self.found == 1 { "1 person".to_owned() } else { human::count(self.found) + " people" })?;
        let shown = self.people.len() as u64;
        if shown < self.found {
            write!(f, ", the first {} shown: add words, or raise --limit", human::count(shown))?;
        }
        f.write_str(")")
    }
}

impl Engine {
    /// Finds a person by an id of 15 or 18 characters, or by an e-mail address that no other person has.
    ///
    /// # Errors
    /// Invalid when the text is no person's id, or an address that several people share: the message lists them. Not found
    /// when nobody has the address.
    pub async fn person(&self, who: &str) -> Result<Person> {
        let people = self.people().await?;
        let id = if who.contains('@') { self.by_address(who, &people.identities).await? } else { SfId::of_person(who)? };
        Ok(Person { id, ids: people.identities.all_of(&id), people })
    }

    /// A person's e-mails under all their ids, newest first; [`Engine::person`] says by what they may be asked for.
    pub async fn history(&self, who: &str) -> Result<SendableRecordBatchStream> {
        self.history_of(&self.person(who).await?).await
    }

    /// The person who has an id, or else people in whose name and address, as a contact's or lead's record has them, all words of a
    /// text occur: in any order, as parts of words too, without case, accents and punctuation. At most `limit` of them, by name. Each
    /// that is returned is entered in the log of look-ups.
    ///
    /// # Errors
    /// Invalid when there is no word; not found for an id that nobody has.
    pub async fn who(&self, text: &str, limit: usize) -> Result<Found> {
        self.may_look_up()?;
        let found = match SfId::of_person(text.trim()) {
            Ok(_) => {
                let person = self.person(text.trim()).await?;
                self.must_be_known(&person).await?;
                Found { found: 1, people: vec![self.label(&person).await?] }
            }
            Err(_) => self.found_by_words(text, limit).await?,
        };
        for label in &found.people {
            self.looked_up("who", &SfId::of_person(&label.id)?, 1).await?;
        }
        Ok(found)
    }

    async fn found_by_words(&self, text: &str, limit: usize) -> Result<Found> {
        let words = Words::of(text);
        if words.is_empty() {
            return Err(Error::invalid("nobody is asked for; give a part of a name or an address, such as ier who ortiz"));
        }
        let identities = self.identities().await?;
        let matches = |name: &str, email: &str| words.are_parts_of(&plain(&format!("{name} {email}")));
        let mut people = self.labels(&identities, &matches, BTreeMap::new()).await?;
        let found = people.len() as u64;
        people.truncate(limit);
        Ok(Found { found, people })
    }

    /// By what somebody is recognised, as contacts and leads have it.
    pub async fn label(&self, person: &Person) -> Result<PersonLabel> {
        let (sql, ids) = person.statement(LABEL);
        let mut rows = self.sql_within(&sql, ids).await?;
        let canonical = person.canonical_id();
        let others = person.ids().iter().map(SfId::to_string).filter(|id| id != canonical).collect();
        let mut label = PersonLabel { id: canonical.to_owned(), other_ids: others, ..PersonLabel::default() };
        while let Some(batch) = rows.try_next().await? {
            let [ids, names, emails] = [0, 1, 2].map(|at| batch.column(at).as_string_view());
            for row in 0..batch.num_rows() {
                let text = |column: &StringViewArray| column.is_valid(row).then(|| column.value(row).to_owned());
                let is_canonical = ids.value(row) == canonical;
                for (known, found) in [(&mut label.name, text(names)), (&mut label.email, text(emails))] {
                    if found.is_some() && (is_canonical || known.is_none()) {
                        *known = found;
                    }
                }
            }
        }
        Ok(label)
    }

    /// The one person who has an address: as a contact, as a lead, or by the e-mails they were sent.
    async fn by_address(&self, address: &str, identities: &Identities) -> Result<SfId> {
        let address = address.trim();
        let wanted = address.to_lowercase();
        let value = ParamValues::from(vec![ScalarValue::Utf8View(Some(wanted.clone()))]);
        let mut rows = self.sql_within(WRITTEN_TO, value).await?;
        let mut found = BTreeMap::new();
        while let Some(batch) = rows.try_next().await? {
            for id in batch.column(0).as_string_view().iter().flatten() {
                found.insert(identities.canonical(id).to_owned(), PersonLabel::default());
            }
        }
        let people = self.labels(identities, &|_, email| email.trim().to_lowercase() == wanted, found).await?;
        match people.as_slice() {
            [] => Err(Error::not_found(phrase!("nobody has the address {address}; ier who finds people by parts of it"))),
            [person] => SfId::of_person(&person.id),
            several => {
                let mut list: Vec<String> = several.iter().take(LISTED).map(|label| format!("\n  {label}")).collect();
                if several.len() > LISTED {
                    list.push(format!("\n  and {} more", several.len() - LISTED));
                }
                let (many, list) = (several.len(), list.concat());
                Err(Error::invalid(phrase!("{many} people share the address {address}; name one by id:{list}")))
            }
        }
    }

    /// Contacts and leads whose name and address match, and those found already, each person once, by name.
    async fn labels(
        &self,
        identities: &Identities,
        matches: &(dyn Fn(&str, &str) -> bool + Sync),
        mut found: BTreeMap<String, PersonLabel>,
    ) -> Result<Vec<PersonLabel>> {
        // Of somebody with several ids the canonical one's record may come before or after the one that matches.
        let mut canonical: BTreeMap<String, (Option<String>, Option<String>)> = BTreeMap::new();
        let mut rows = self.sql(PEOPLE).await?;
        while let Some(batch) = rows.try_next().await? {
            let [ids, names, emails] = [0, 1, 2].map(|at| batch.column(at).as_string_view());
            for row in 0..batch.num_rows() {
                let text = |column: &StringViewArray| column.is_valid(row).then(|| column.value(row).to_owned());
                let (name, email) = (text(names), text(emails));
                let id = ids.value(row);
                let person = identities.canonical(id);
                let is_match = matches(name.as_deref().unwrap_or_default(), email.as_deref().unwrap_or_default());
                if is_match {
                    let label = found.entry(person.to_owned()).or_default();
                    if label.name.is_none() && label.email.is_none() {
                        (label.name, label.email) = (name.clone(), email.clone());
                    }
                }
                if id == person && (identities.has_others(id) || found.contains_key(id)) {
                    canonical.insert(id.to_owned(), (name, email));
                }
            }
        }
        let mut labels: Vec<PersonLabel> = Vec::with_capacity(found.len());
        for (id, mut label) in found {
            if let Some((name, email)) = canonical.remove(&id) {
                (label.name, label.email) = (name.or(label.name), email.or(label.email));
            }
            label.other_ids = identities.ids_of(&id).into_iter().filter(|other| *other != id).map(str::to_owned).collect();
            labels.push(PersonLabel { id, ..label });
        }
        labels.sort_by(|a, b| (a.name.is_none(), &a.name, &a.id).cmp(&(b.name.is_none(), &b.name, &b.id)));
        Ok(labels)
    }
}
