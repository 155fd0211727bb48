//! Suggests which id was meant when an id belongs to nobody.
//!
//! Salesforce shows ids of 15 characters, in which case matters, in reports and addresses. A user who types one, or copies it
//! from a program that changes case, has another id. No verdict is given about such an id.

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use datafusion::common::{ParamValues, ScalarValue};
use futures::TryStreamExt;

use super::engine::Engine;
use super::people::Person;
use super::who::PersonLabel;
use crate::error::{Error, Result};
use crate::human::counted;
use crate::record::id::SfId;
use crate::tiers::suppressed::{self, Subject};

/// The SQL that tells whether anything is on record under some ids.
const KNOWN_IDS: &str = include_str!("../../sql/known_ids.sql");

/// The SQL of ids that are nearly one.
const NEAR_IDS: &str = include_str!("../../sql/near_ids.sql");

/// Ids that are named.
const NAMED: usize = 3;

impl Engine {
    /// Refuses an id that belongs to nobody: no contact, no lead, no record and no erasure has it.
    ///
    /// # Errors
    /// Not found, with the ids on record that differ by case or by one character, whose they are and how many mails they have.
    pub async fn must_be_known(&self, person: &Person) -> Result<()> {
        let list = suppressed::list(self.warehouse()).await?;
        if person.ids().iter().any(|id| list.find(Subject::Person(id)).is_some()) {
            return Ok(());
        }
        let (sql, ids) = person.statement(KNOWN_IDS);
        let mut rows = self.sql_within(&sql, ids).await?;
        while let Some(batch) = rows.try_next().await? {
            if batch.num_rows() > 0 {
                return Ok(());
            }
        }
        Err(self.nobody_has(person.id()).await?)
    }

    /// That nobody has an id, and which it may have been.
    async fn nobody_has(&self, id: &SfId) -> Result<Error> {
        let wanted = ParamValues::from(vec![ScalarValue::Utf8View(Some(id.as_str15().to_owned()))]);
        let mut rows = self.sql_within(NEAR_IDS, wanted).await?;
        let mut near: Vec<(bool, SfId, u64)> = Vec::new();
        while let Some(batch) = rows.try_next().await? {
            let (ids, mails) = (batch.column(0).as_string_view(), batch.column(1).as_primitive::<Int64Type>());
            for (found, mails) in ids.iter().zip(mails.values()) {
                let Some(found) = found.and_then(|found| SfId::of_person(found).ok()) else { continue };
                let by_case = found.as_str15().eq_ignore_ascii_case(id.as_str15());
                near.push((!by_case, found, (*mails).max(0) as u64));
            }
        }
        near.sort_unstable();
        let mut suggestions = Vec::new();
        for (by_character, found, mails) in near.into_iter().take(NAMED) {
            let PersonLabel { name, .. } = self.label(&self.person(found.as_str()).await?).await?;
            let name = name.map_or(String::new(), |name| format!(" ({name})"));
            let differs = if by_character { "by one character" } else { "by case alone" };
            // It shows somebody, if only by name.
            self.looked_up("id not found", &found, mails).await?;
            suggestions.push(format!("; {found}{name}, which differs {differs}, has {}", counted(mails, "mail")));
        }
        let suggestions = suggestions.concat();
        Ok(Error::not_found(phrase!(
            "no contact, lead or record here has the id {id}, so nothing can be said of it{suggestions}"
        )))
    }
}
