//! The ledger of aliases: which id became which. Loads of contacts and leads learn them, and nothing forgets them.
//!
//! **Why.** Salesforce shows the winner of a merge for some two weeks only. So after every load of `contact` and `lead`, what
//! they show is copied into the ledger, with the time.
//!
//! A crash before that loses nothing: both tables keep what they once showed, and their next load learns all that the ledger
//! lacks. A row of the ledger stays as it was first written: when two loads learn the same at once, the first to commit sets the
//! time.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field as ArrowField, Schema, TimestampMicrosecondType};
use chrono::DateTime;
use futures::TryStreamExt;
use tokio::sync::Mutex;

use super::upsert::Upsert;
use super::warehouse::Warehouse;
use crate::error::{Error, Result};
use crate::lake::log::snapshot::Snapshot;
use crate::lake::log::table::LakeTable;
use crate::lake::paths::Role;
use crate::lake::read;
use crate::record::fields::{Kind, Table, known};
use crate::record::id::SfId;
use crate::record::identity::{AliasSource, Edge, Identities};

/// Where a table of people shows that one id became another.
const SHOWN: [(&str, &str, AliasSource); 3] = [
    ("contact", "master_record_id", AliasSource::Merge),
    ("lead", "master_record_id", AliasSource::Merge),
    ("lead", "converted_contact_id", AliasSource::Conversion),
];

/// Edges on their way into the ledger, in memory.
const BUFFER_BYTES: usize = 64 << 20;

/// The ledger of a warehouse, read again only when it has changed.
pub struct Aliases {
    lake: Arc<LakeTable>,
    read: Mutex<Option<(Option<u64>, Arc<Identities>)>>,
}

impl Aliases {
    /// The ledger of a warehouse. Nothing is read yet.
    pub async fn open(warehouse: &Warehouse) -> Result<Self> {
        Ok(Self { lake: warehouse.table(Role::Reference, table()?).await?, read: Mutex::default() })
    }

    /// Who is one person, as the ledger says now. Costs one request when nothing has changed since the last call.
    pub async fn identities(&self) -> Result<Arc<Identities>> {
        let mut read = self.read.lock().await;
        let snapshot = self.lake.snapshot().await?;
        if let Some((_, identities)) = read.as_ref().filter(|(version, _)| *version == snapshot.version) {
            return Ok(identities.clone());
        }
        let identities = Arc::new(Identities::new(edges(&self.lake, &snapshot).await?));
        *read = Some((snapshot.version, identities.clone()));
        Ok(identities)
    }
}

/// The table of the ledger.
fn table() -> Result<&'static Arc<Table>> {
    known("person_alias").ok_or_else(|| Error::internal("no ledger of aliases"))
}

/// Do loads of this table show that ids became others?
pub fn shows(table: &str) -> bool {
    SHOWN.iter().any(|(shows, _, _)| *shows == table)
}

/// Adds to the ledger what contacts and leads show and it lacks. Returns how many edges are new.
pub async fn learn(warehouse: &Arc<Warehouse>) -> Result<u64> {
    let learned_at = warehouse.clock().now();
    let mut shown = Vec::new();
    for (name, column, how) in SHOWN {
        let table = known(name).ok_or_else(|| Error::internal(phrase!("no table {name}")))?;
        let lake = warehouse.table(Role::Reference, table).await?;
        for file in lake.snapshot().await?.files() {
            let mut rows = read::open(&lake, file).await?.stream(Some(&["id", column]), None)?;
            while let Some(batch) = rows.try_next().await? {
                let [ids, became] = [batch.column(0), batch.column(1)].map(|column| column.as_string::<i32>());
                for (id, became) in ids.iter().zip(became) {
                    if let (Some(alias), Some(person)) = (person_id(id), person_id(became)) {
                        shown.push(Edge { learned_at, alias, person, how, reason: None, author: None });
                    }
                }
            }
        }
    }
    record(warehouse, Identities::new(shown).edges()).await
}

/// The id of a contact or lead; none for any other text, which a column may hold although no load accepts it.
fn person_id(text: Option<&str>) -> Option<SfId> {
    text.and_then(|text| SfId::parse(text).ok()).filter(SfId::is_person)
}

/// Adds edges the ledger lacks. Returns how many there were.
pub async fn record(warehouse: &Arc<Warehouse>, edges: &[Edge]) -> Result<u64> {
    let known = Aliases::open(warehouse).await?.identities().await?;
    let new: Vec<&Edge> = edges.iter().filter(|edge| known.find(&edge.alias, &edge.person, edge.how).is_none()).collect();
    if new.is_empty() {
        return Ok(0);
    }
    let mut upsert = Upsert::new(warehouse, table()?, BUFFER_BYTES).await?;
    upsert.push(&batch(&new)?)?;
    Ok(upsert.write().await?.inserted)
}

/// Edges as rows of the ledger.
fn batch(edges: &[&Edge]) -> Result<RecordBatch> {
    let text = |of: &dyn Fn(&Edge) -> Option<String>| -> ArrayRef {
        Arc::new(edges.iter().map(|edge| of(edge)).collect::<StringArray>())
    };
    let micros = edges.iter().map(|edge| edge.learned_at.timestamp_micros());
    let learned_at = TimestampMicrosecondArray::from_iter_values(micros);
    let columns: [(&str, ArrayRef); 6] = [
        ("alias_id", text(&|edge| Some(edge.alias.to_string()))),
        ("person_id", text(&|edge| Some(edge.person.to_string()))),
        ("how", text(&|edge| Some(edge.how.name().to_owned()))),
        ("learned_at", cast(&learned_at, &Kind::Time.lake_type())?),
        ("reason", text(&|edge| edge.reason.as_deref().map(str::to_owned))),
        ("author", text(&|edge| edge.author.as_deref().map(str::to_owned))),
    ];
    let fields: Vec<ArrowField> =
        columns.iter().map(|(name, column)| ArrowField::new(*name, column.data_type().clone(), true)).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.map(|(_, column)| column).to_vec())?)
}

/// The edges a snapshot of the ledger holds.
async fn edges(lake: &LakeTable, snapshot: &Snapshot) -> Result<Vec<Edge>> {
    let mut edges = Vec::new();
    for file in snapshot.files() {
        let columns = ["alias_id", "person_id", "how", "reason", "author", "learned_at"];
        let mut rows = read::open(lake, file).await?.stream(Some(&columns), None)?;
        while let Some(batch) = rows.try_next().await? {
            let texts = batch.columns()[..5].iter().map(|column| Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone()));
            let texts: Vec<StringArray> = texts.collect::<Result<_>>()?;
            let learned_at = batch.column(5).as_primitive::<TimestampMicrosecondType>();
            for row in 0..batch.num_rows() {
                let text = |at: usize| texts[at].is_valid(row).then(|| texts[at].value(row));
                let learned_at = DateTime::from_timestamp_micros(learned_at.value(row));
                let (Some(alias), Some(person), Some(how), Some(learned_at)) =
                    (person_id(text(0)), person_id(text(1)), text(2).and_then(AliasSource::named), learned_at)
                else {
                    return Err(Error::corrupt(phrase!("{}, row {row} of {}: unreadable", lake.name(), file.path(&lake.folder))));
                };
                let [reason, author] = [3, 4].map(|at| text(at).map(Into::into));
                edges.push(Edge { learned_at, alias, person, how, reason, author });
            }
        }
    }
    Ok(edges)
}
