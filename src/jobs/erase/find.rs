//! Finds the rows of the people to be erased, and what must be known of these rows before they are removed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::DataType;
use futures::TryStreamExt;

use crate::error::{Error, Result};
use crate::lake::columns::keys;
use crate::lake::log::snapshot::{DataFile, Snapshot};
use crate::lake::log::table::LakeTable;
use crate::lake::parallel::in_parallel;
use crate::lake::read;
use crate::record::fields::{Table, hidden};
use crate::record::names;
use crate::tiers::suppressed::{List, addressed, naming};

/// Rows of a table's files that go.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// By the file's path: the file, and the places of the rows in it, ascending.
    pub files: BTreeMap<String, (Arc<DataFile>, Vec<u32>)>,
}

impl Rows {
    /// How many.
    pub fn rows(&self) -> u64 {
        self.files.values().map(|(_, places)| places.len() as u64).sum()
    }

    /// Rows in the files they stand in.
    pub fn rows_in_files(&self) -> u64 {
        self.files.values().map(|(file, _)| file.rows).sum()
    }

    /// Some columns of the rows.
    pub async fn fetch(&self, lake: &Arc<LakeTable>, columns: &[&str]) -> Result<RecordBatch> {
        let mut batches = Vec::new();
        for (file, places) in self.files.values() {
            let rows = read::open(lake, file).await?.stream(Some(columns), Some(places))?;
            batches.extend(rows.try_collect::<Vec<_>>().await?);
        }
        let schema = lake.table.lake_schema();
        let at: Vec<usize> = columns.iter().map(|name| schema.index_of(name)).collect::<Result<_, _>>()?;
        Ok(concat_batches(&Arc::new(schema.project(&at)?), &batches)?)
    }
}

/// The ids of the people whose rows are looked for.
#[derive(Clone, Debug, Default)]
pub struct ErasedIds {
    /// All ids, ascending.
    pub ids: Vec<String>,
    /// The ids of their e-mails' records, ascending.
    pub ier_ids: Vec<String>,
}

/// Columns of a tiered table that name the person of a row. A row that names a person in a lookup is theirs, even when it is
/// filed under another id.
fn columns(table: &Table) -> &'static [&'static str] {
    if table.field("contact_id").is_some() { &["person_id", "contact_id", "lead_id"] } else { &["person_id", "ier_id"] }
}

/// The rows of a tiered table that belong to these people. Files and pages that cannot hold one are not read.
pub async fn tiered(lake: &Arc<LakeTable>, snapshot: &Snapshot, erased_ids: &Arc<ErasedIds>) -> Result<Rows> {
    let (table, erased_ids) = (lake.clone(), erased_ids.clone());
    let found = in_parallel(snapshot.files().cloned().collect::<Vec<_>>(), move |file| {
        let (table, erased_ids) = (table.clone(), erased_ids.clone());
        async move { Ok((places(&table, &file, &erased_ids).await?, file)) }
    });
    let found = found.await?.into_iter().filter(|(places, _)| !places.is_empty());
    Ok(Rows { files: found.map(|(places, file)| (file.add.path.clone(), (file, places))).collect() })
}

async fn places(table: &LakeTable, file: &DataFile, erased_ids: &ErasedIds) -> Result<Vec<u32>> {
    let mut places: BTreeSet<u32> = BTreeSet::new();
    let mut open = None;
    for column in columns(&table.table) {
        let wanted = if *column == "ier_id" { &erased_ids.ier_ids } else { &erased_ids.ids };
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        if wanted.is_empty() || !file.may_hold(column, &wanted) {
            continue;
        }
        let open = match &open {
            Some(open) => open,
            None => open.insert(read::open(table, file).await?),
        };
        places.extend(open.find_values(column, &wanted).await?);
    }
    Ok(places.into_iter().collect())
}

/// The columns by which [`List::refused`] tells rows of a table.
pub fn identifying_columns(table: &Table) -> Vec<&str> {
    let mut columns: Vec<&str> = naming(table).map(|field| field.name.as_ref()).collect();
    for name in addressed(table).chain([hidden::KEY]) {
        columns.push(name);
    }
    columns.extend(table.field("ier_id").map(|field| field.name.as_ref()));
    if table.tiered {
        columns.extend(names::columns(table));
    }
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// The rows of a reference table that a list refuses.
pub async fn refused(lake: &Arc<LakeTable>, snapshot: &Snapshot, list: &List) -> Result<Rows> {
    let columns = identifying_columns(&lake.table);
    let mut found = Rows::default();
    for file in snapshot.files() {
        let mut rows = read::open(lake, file).await?.stream(Some(&columns), None)?;
        let (mut first, mut places) = (0u32, Vec::new());
        while let Some(batch) = rows.try_next().await? {
            if let Some(refused) = list.refused(&lake.table, &batch)? {
                places.extend((0..refused.len()).filter(|row| refused.value(*row)).map(|row| first + row as u32));
            }
            first += batch.num_rows() as u32;
        }
        if !places.is_empty() {
            found.files.insert(file.add.path.clone(), (file.clone(), places));
        }
    }
    Ok(found)
}

/// The rows of a ledger in which a column holds a value.
pub async fn holding(lake: &Arc<LakeTable>, snapshot: &Snapshot, column: &str, value: &str) -> Result<Rows> {
    let mut found = Rows::default();
    for file in snapshot.files() {
        let places = read::open(lake, file).await?.find_values(column, &[value]).await?;
        if !places.is_empty() {
            found.files.insert(file.add.path.clone(), (file.clone(), places));
        }
    }
    Ok(found)
}

/// What an erasure must know from the records of e-mails before they are removed.
#[derive(Clone, Debug, Default)]
pub struct EmailRecords {
    /// Their ids.
    pub ier_ids: BTreeSet<String>,
    /// Their keys.
    pub keys: BTreeSet<String>,
    /// The addresses they name.
    pub emails: BTreeSet<String>,
    /// The columns of the records by which holds are checked.
    pub records: Vec<RecordBatch>,
    /// Rows filed under somebody else, who name the person in a lookup.
    pub filed_elsewhere: u64,
}

impl EmailRecords {
    /// Takes the rows found in a tier in.
    pub async fn add(&mut self, lake: &Arc<LakeTable>, rows: &Rows, erased_ids: &ErasedIds) -> Result<()> {
        if rows.files.is_empty() {
            return Ok(());
        }
        const TEXTS: [&str; 4] = [hidden::KEY, "ier_id", "person_id", "current_email"];
        const IDENTIFYING: [&str; 6] =
            ["contact_id", "lead_id", "send_definition_id", "triggered_send_definition_id", "job_id", "sent_date"];
        let columns: Vec<&str> = TEXTS.into_iter().chain(IDENTIFYING).collect();
        let batch = rows.fetch(lake, &columns).await?;
        self.keys.extend(keys(&batch)?.iter().flatten().map(str::to_owned));
        for (at, column) in TEXTS.iter().enumerate().skip(1) {
            let texts = cast(batch.column(at), &DataType::Utf8)?;
            let texts = texts.as_string::<i32>().iter().flatten();
            match *column {
                "ier_id" => self.ier_ids.extend(texts.map(str::to_owned)),
                "current_email" => self.emails.extend(texts.filter_map(crate::tiers::suppressed::address)),
                _ => {
                    let others = texts.filter(|id| erased_ids.ids.binary_search_by(|own| own.as_str().cmp(id)).is_err());
                    self.filed_elsewhere += others.count() as u64;
                }
            }
        }
        self.records.push(batch);
        Ok(())
    }
}

/// The addresses that rows of a table of people name: those of the rows a list refuses, and those of all others.
pub async fn addresses(
    lake: &Arc<LakeTable>,
    list: &List,
    column: &str,
    own: &mut BTreeSet<String>,
    others: &mut BTreeSet<String>,
) -> Result<()> {
    let mut columns = identifying_columns(&lake.table);
    columns.push(column);
    columns.sort_unstable();
    columns.dedup();
    for file in lake.snapshot().await?.files() {
        let mut rows = read::open(lake, file).await?.stream(Some(&columns), None)?;
        while let Some(batch) = rows.try_next().await? {
            let refused = list.refused(&lake.table, &batch)?;
            let emails = batch.column_by_name(column).ok_or_else(|| Error::internal(phrase!("no column {column}")))?;
            let emails = cast(emails, &DataType::Utf8)?;
            for (row, email) in emails.as_string::<i32>().iter().enumerate() {
                let is_own = refused.as_ref().is_some_and(|refused| refused.value(row));
                let into = if is_own { &mut *own } else { &mut *others };
                into.extend(email.and_then(crate::tiers::suppressed::address));
            }
        }
    }
    Ok(())
}
