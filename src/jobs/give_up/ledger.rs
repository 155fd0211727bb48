//! The ledger of files that were given up. It also reads from the ledger of loads which exports have the lost records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use chrono::{DateTime, NaiveDate, Utc};
use futures::TryStreamExt;
use serde::Serialize;

use super::lost::LostFile;
use crate::error::{Context, Error, Result};
use crate::lake::paths::Role;
use crate::lake::read;
use crate::record::fields::{UTC, known};
use crate::record::key::label_array;
use crate::tiers::upsert::Upsert;
use crate::tiers::warehouse::Warehouse;

/// Rows of the ledger on their way, in memory.
const BUFFER_BYTES: usize = 16 << 20;

/// A load, as the ledger of loads tells it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Load {
    /// The file that was loaded.
    pub source: String,
    /// When.
    pub loaded_at: Option<DateTime<Utc>>,
    /// Rows it brought to the table.
    pub rows_read: i64,
    #[serde(skip)]
    sent: Option<[NaiveDate; 2]>,
}

impl Load {
    /// May records it brought have been in the file? What is not known may be.
    fn may_be_in(&self, file: &LostFile) -> bool {
        let apart = |[first, last]: [NaiveDate; 2]| {
            file.last_sent.is_some_and(|end| first > end) || file.first_sent.is_some_and(|begin| last < begin)
        };
        !self.sent.is_some_and(apart)
    }
}

/// By table: the loads whose records may have been in files of it. What of the ledger of loads is itself dead is left out.
pub(super) async fn loads(
    warehouse: &Arc<Warehouse>,
    files: &[LostFile],
    dead: &BTreeSet<String>,
) -> Result<BTreeMap<String, Vec<Load>>> {
    let mut loads: BTreeMap<String, BTreeSet<Load>> = BTreeMap::new();
    if files.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ledger = known("load_coverage").ok_or_else(|| Error::internal("there is no table load_coverage"))?;
    let lake = warehouse.table(Role::Reference, ledger).await?;
    let columns = ["object", "source", "loaded_at", "rows_read", "first_sent", "last_sent"];
    for file in lake.snapshot().await?.files().filter(|file| !dead.contains(file.path(&lake.folder).as_ref())) {
        let mut rows = read::open(&lake, file).await?.stream(Some(&columns), None)?;
        while let Some(batch) = rows.try_next().await? {
            let [objects, sources] = [0, 1].map(|at| cast(batch.column(at), &DataType::Utf8));
            let (objects, sources) = (objects?, sources?);
            let (objects, sources) = (objects.as_string::<i32>(), sources.as_string::<i32>());
            let counts = batch.column(3).as_primitive::<Int64Type>();
            let moment = |column: usize, row: usize| {
                let moments = batch.column(column).as_primitive::<TimestampMicrosecondType>();
                moments.is_valid(row).then(|| DateTime::from_timestamp_micros(moments.value(row))).flatten()
            };
            for row in 0..batch.num_rows() {
                let sent = moment(4, row).zip(moment(5, row)).map(|(first, last)| [first.date_naive(), last.date_naive()]);
                let load = Load {
                    source: sources.value(row).to_owned(),
                    loaded_at: moment(2, row),
                    rows_read: if counts.is_valid(row) { counts.value(row) } else { 0 },
                    sent,
                };
                if files.iter().any(|file| file.object == objects.value(row) && load.may_be_in(file)) {
                    loads.entry(objects.value(row).to_owned()).or_default().insert(load);
                }
            }
        }
    }
    Ok(loads.into_iter().map(|(object, loads)| (object, loads.into_iter().collect())).collect())
}

/// Writes down what was in the files. What is in the ledger already stays as it is.
///
/// # Errors
/// As an upsert fails.
pub(super) async fn record(
    warehouse: &Arc<Warehouse>,
    files: &[LostFile],
    loads: &BTreeMap<String, Vec<Load>>,
    author: &str,
) -> Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let table = known("given_up").ok_or_else(|| Error::internal("there is no table given_up"))?;
    let mut upsert = Upsert::new(warehouse, table, BUFFER_BYTES).await?;
    upsert.push(&batch(files, loads, author, warehouse.clock().now())?)?;
    upsert.write().await.context(|| "cannot write to given_up").map(drop)
}

fn batch(files: &[LostFile], loads: &BTreeMap<String, Vec<Load>>, author: &str, now: DateTime<Utc>) -> Result<RecordBatch> {
    let label = |of: fn(&LostFile) -> &str| label_array(files.iter().map(|file| Some(of(file))));
    let number = |of: &dyn Fn(&LostFile) -> u64| -> ArrayRef {
        Arc::new(files.iter().map(|file| i64::try_from(of(file)).ok()).collect::<Int64Array>())
    };
    let day = |of: fn(&LostFile) -> Option<NaiveDate>| -> ArrayRef {
        Arc::new(files.iter().map(|file| of(file).map(|day| day.to_epoch_days())).collect::<Date32Array>())
    };
    let moment = |of: &dyn Fn(&LostFile) -> Option<DateTime<Utc>>| -> ArrayRef {
        let micros = files.iter().map(|file| of(file).map(|moment| moment.timestamp_micros()));
        Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone(UTC.clone()))
    };
    let id = |at: usize| -> ArrayRef {
        let bound = |file: &LostFile| file.ids.get(file.own_id?).map(|bounds| bounds[at].clone());
        Arc::new(files.iter().map(bound).collect::<StringArray>())
    };
    let paths: StringArray = files.iter().map(|file| Some(file.path.as_str())).collect();
    let of_table =
        |file: &LostFile| loads.get(&file.object).map_or(0, |loads| loads.iter().filter(|load| load.may_be_in(file)).count());
    Ok(RecordBatch::try_from_iter_with_nullable([
        ("object", label(|file| &file.object), true),
        ("folder", label(|file| file.tier), true),
        ("path", Arc::new(paths) as ArrayRef, true),
        ("rows", number(&|file| file.rows), true),
        ("bytes", number(&|file| file.bytes), true),
        ("month", day(|file| file.month), true),
        ("first_sent", day(|file| file.first_sent), true),
        ("last_sent", day(|file| file.last_sent), true),
        ("least_id", id(0), true),
        ("greatest_id", id(1), true),
        ("loads", number(&|file| of_table(file) as u64), true),
        ("written_at", moment(&|file| file.written_at), true),
        ("given_up_at", moment(&|_| Some(now)), true),
        ("reason", label(|file| &file.reason), true),
        ("author", label_array(files.iter().map(|_| Some(author))), true),
    ])?)
}
