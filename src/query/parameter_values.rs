//! Resolves the values given for a question's parameters: people are looked up, and values of columns are checked against those
//! that exist.

use std::borrow::Cow;
use std::collections::BTreeMap;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use futures::TryStreamExt;

use super::engine::Engine;
use super::question::{Default, Parameter, Question, Type};
use crate::error::{Context, Error, Result};
use crate::record::text_match::plain;

/// Values that an error lists.
const LISTED: usize = 40;

impl Engine {
    /// The given values, with people replaced by their ids. Missing values, and values that only the statement can check, are not
    /// checked here.
    ///
    /// # Errors
    /// Not found for somebody of whom nothing is on record, and for a value that its column does not have, with those it has.
    pub(super) async fn looked_at<'a>(
        &self,
        query: &str,
        given: &'a BTreeMap<String, String>,
    ) -> Result<Cow<'a, BTreeMap<String, String>>> {
        let mut found = Cow::Borrowed(given);
        for parameter in Question::head(query)?.parameters {
            let value = match (given.get(&parameter.name), &parameter.default) {
                (Some(text), Default::Any) if text == "any" => continue,
                (Some(text), _) | (None, Default::Value(text)) => text,
                (None, _) => continue,
            };
            if parameter.kind == Type::Person {
                self.may_look_up()?;
                let person = self.person(value.trim()).await.context(|| phrase!("{}", parameter.name.clone()))?;
                self.must_be_known(&person).await?;
                found.to_mut().insert(parameter.name.clone(), person.id().to_string());
            }
            if let Some((table, column)) = &parameter.values_of {
                self.must_be_there(&parameter, (table, column), value).await?;
            }
        }
        Ok(found)
    }

    /// Refuses a value that a column does not have; of a table that is not there, or has nothing, the statement itself will tell.
    async fn must_be_there(&self, parameter: &Parameter, (table, column): (&str, &str), value: &str) -> Result<()> {
        let sql = format!("SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY 1");
        let Ok(mut rows) = self.sql(&sql).await else { return Ok(()) };
        let (wanted, mut known) = (plain(value), Vec::new());
        while let Some(batch) = rows.try_next().await? {
            let values = cast(batch.column(0), &DataType::Utf8View)?;
            known.extend(values.as_string_view().iter().flatten().map(str::to_owned));
        }
        if known.is_empty() || known.iter().any(|known| plain(known) == wanted) {
            return Ok(());
        }
        let more = if known.len() > LISTED { format!(" and {} more", known.len() - LISTED) } else { String::new() };
        known.truncate(LISTED);
        let (name, known) = (&parameter.name, known.join(", "));
        Err(Error::not_found(phrase!("{name}: there is no {column} \"{value}\"; there are {known}{more}")))
    }
}
