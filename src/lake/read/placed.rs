//! Reads rows together with their positions: the file, and the number of the row in it.
//!
//! Files never change and are never overwritten, so a position is valid as long as its file is kept.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use futures::TryStreamExt;
use object_store::path::Path;

use super::people;
use super::tier::Tier;
use crate::error::{Error, Result};
use crate::lake::columns::{pad, schema};
use crate::lake::file::open::{OpenFile, open_at};
use crate::lake::log::snapshot::DataFile;
use crate::lake::log::table::LakeTable;
use crate::lake::read;
use crate::record::fields::{TIER, Table, hidden};

/// Rows of one file.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The file.
    pub file: Arc<DataFile>,
    /// The number in the file of each row, ascending; the first is 0.
    pub places: Vec<u32>,
    /// The rows: their key, the columns SQL shows, and which versions were seen, where that is kept.
    pub rows: RecordBatch,
}

/// The columns of placed rows, as places in [`schema`].
fn shown(table: &Table) -> Result<Vec<usize>> {
    let all = schema(table);
    let mut columns = vec![all.index_of(hidden::KEY)?];
    columns.extend(0..table.visible().count());
    if table.field(hidden::OBSERVED).is_some() {
        columns.push(all.index_of(hidden::OBSERVED)?);
    }
    if table.tiered {
        columns.push(all.index_of(TIER)?);
    }
    Ok(columns)
}

/// The rows of a few people in a tier's file, read by the short way of [`people`].
pub async fn of_people(lake: &Arc<LakeTable>, tier: Tier, file: &Arc<DataFile>, ids: &[String]) -> Result<Placed> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    let (rows, places) = people::with_places(lake, tier, file, &shown(&lake.table)?, ids).await?;
    if places.len() != rows.num_rows() {
        return Err(Error::corrupt(phrase!("{} has other rows than its index says", file.path(&lake.folder))));
    }
    Ok(Placed { file: file.clone(), places, rows })
}

/// The rows of a file in which a text column holds one of these values (ascending). Files that cannot hold one are not read.
pub async fn holding(lake: &LakeTable, tier: &str, file: &Arc<DataFile>, column: &str, sorted: &[&str]) -> Result<Placed> {
    let mut places = Vec::new();
    if file.may_hold(column, sorted) {
        let mut rows = read::open(lake, file).await?.stream(Some(&[column]), None)?;
        let mut first = 0u32;
        while let Some(batch) = rows.try_next().await? {
            let values = cast(batch.column(0), &DataType::Utf8)?;
            let values = values.as_string::<i32>();
            let wanted = |row: &usize| values.is_valid(*row) && sorted.binary_search(&values.value(*row)).is_ok();
            places.extend((0..values.len()).filter(wanted).map(|row| first + row as u32));
            first += values.len() as u32;
        }
    }
    let rows = in_live(lake, tier, file, &places).await?;
    Ok(Placed { file: file.clone(), places, rows })
}

/// The rows at these places (ascending) of a live file: key and columns as in [`Placed`].
///
/// # Errors
/// Corrupt when the file has no such rows, or is damaged; not found when it is not there.
pub async fn in_live(lake: &LakeTable, tier: &str, file: &DataFile, places: &[u32]) -> Result<RecordBatch> {
    let opened = if places.is_empty() { None } else { Some(read::open(lake, file).await?) };
    rows_of(lake, tier, opened, &file.path(&lake.folder), places).await
}

/// The same of a file that need not be live any more. Its pages cannot be checked: hold its bytes against a hash first.
///
/// # Errors
/// Corrupt when the file has no such rows; not found when it is not there.
pub async fn at(lake: &LakeTable, tier: &str, path: &Path, bytes: u64, places: &[u32]) -> Result<RecordBatch> {
    let opened = match places {
        [] => None,
        _ => Some(open_at(lake.table.clone(), lake.store.clone(), path.clone(), bytes).await?),
    };
    rows_of(lake, tier, opened, path, places).await
}

async fn rows_of(lake: &LakeTable, tier: &str, opened: Option<OpenFile>, path: &Path, places: &[u32]) -> Result<RecordBatch> {
    let mut batches = Vec::new();
    if let (Some(file), Some(last)) = (opened, places.last()) {
        if *last as usize >= file.rows() {
            return Err(Error::corrupt(phrase!("{path} has no row {last}, but only {}", file.rows())));
        }
        batches = file.stream(None, Some(places))?.try_collect().await?;
    }
    let rows = pad(&concat_batches(&lake.table.lake_schema(), &batches)?, &lake.table.scan_schema())?;
    let tier = ScalarValue::Utf8View(Some(tier.to_owned())).to_array_of_size(rows.num_rows())?;
    let columns = rows.columns().iter().cloned().chain([tier]).collect();
    Ok(RecordBatch::try_new(schema(&lake.table), columns)?.project(&shown(&lake.table)?)?)
}
