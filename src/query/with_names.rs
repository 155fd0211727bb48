//! Adds names and addresses to an answer that lists people by their ids, so that they can be contacted.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{TryStreamExt, stream};

use super::engine::Engine;
use super::who::PEOPLE;
use crate::error::{Error, Result};
use crate::record::id::{LEAD_PREFIX, SfId};

/// The column that tells who it is.
const PERSON: &str = "person_id";

/// The columns that are added, where the answer does not have them; the last only where the address of the org is known.
const ADDED: [&str; 3] = ["name", "email", "link"];

/// Which of them is the link.
const LINK: usize = 2;

/// The address of a person's record in an org.
fn link(org: &str, id: &str) -> Option<String> {
    let object = if SfId::of_person(id).ok()?.as_str().starts_with(LEAD_PREFIX) { "Lead" } else { "Contact" };
    Some(format!("{org}/lightning/r/{object}/{id}/view"))
}

/// A name and an address.
type Named = [Option<String>; 2];

impl Engine {
    /// An answer with a column `person_id`, with the name and the address of each behind it, as contacts and leads have them, and a link to
    /// their record in the org of an address (`https://….lightning.force.com`), where there is one. Held until all of it is there,
    /// since who is in it decides whose names are kept.
    ///
    /// # Errors
    /// Invalid when the answer names no people.
    pub async fn with_names(&self, answer: SendableRecordBatchStream, org: Option<&str>) -> Result<SendableRecordBatchStream> {
        let schema = answer.schema();
        let place = schema
            .index_of(PERSON)
            .map_err(|_| Error::invalid(phrase!("the answer names no people: it has no column {PERSON} to add names to")))?;
        let batches: Vec<RecordBatch> = answer.try_collect().await?;
        let mut people = HashSet::new();
        for batch in &batches {
            let ids = cast(batch.column(place), &DataType::Utf8View)?;
            people.extend(ids.as_string_view().iter().flatten().map(str::to_owned));
        }
        let named = self.named(&people).await?;
        let known = if org.is_some() { ADDED.len() } else { ADDED.len() - 1 };
        let added: Vec<usize> = (0..known).filter(|at| schema.index_of(ADDED[*at]).is_err()).collect();
        let own = schema.fields().iter().cloned();
        let fields = own.chain(added.iter().map(|at| Arc::new(Field::new(ADDED[*at], DataType::Utf8View, true))));
        let wide = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let mut out = Vec::with_capacity(batches.len());
        for batch in &batches {
            let ids = cast(batch.column(place), &DataType::Utf8View)?;
            let mut columns = batch.columns().to_vec();
            for at in &added {
                let of = |id: Option<&str>| match org {
                    Some(org) if *at == LINK => id.and_then(|id| link(org, id)),
                    _ => id.and_then(|id| named.get(id)?[*at].clone()),
                };
                columns.push(Arc::new(ids.as_string_view().iter().map(of).collect::<StringViewArray>()));
            }
            out.push(Ok(RecordBatch::try_new(wide.clone(), columns)?));
        }
        Ok(Box::pin(RecordBatchStreamAdapter::new(wide, stream::iter(out))))
    }

    /// Names and addresses of people, by the id under which they are counted: its own, or else those of another id of theirs.
    async fn named(&self, people: &HashSet<String>) -> Result<HashMap<String, Named>> {
        let identities = self.identities().await?;
        let mut named: HashMap<String, Named> = HashMap::new();
        let mut rows = self.sql(PEOPLE).await?;
        while let Some(batch) = rows.try_next().await? {
            let [ids, names, emails] = [0, 1, 2].map(|at| batch.column(at).as_string_view());
            for row in 0..batch.num_rows() {
                let id = ids.value(row);
                let person = identities.canonical(id);
                let Some(person) = people.get(person) else { continue };
                let known = named.entry(person.clone()).or_default();
                for (known, column) in known.iter_mut().zip([names, emails]) {
                    if column.is_valid(row) && (known.is_none() || id == person) {
                        *known = Some(column.value(row).to_owned());
                    }
                }
            }
        }
        Ok(named)
    }
}
