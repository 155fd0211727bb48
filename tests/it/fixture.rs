//! A warehouse in memory that stands at a given day, with the engine over it: what these stories begin with.
//!
//! Its engine is opened once and stays open while the jobs run, as a server's would; answers come as lines of text, so
//! that an expected answer can be read beside the question. Not a place for faults, races or large data.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::NaiveDate;
use futures::TryStreamExt;
use ier::clock::ManualClock;
use ier::error::Result;
use ier::jobs::archive::{self, ArchiveReport};
use ier::jobs::compact::{self, CompactReport};
use ier::jobs::load::{LoadReport, LoadRequest, load};
use ier::lake::log::root::Root;
use ier::progress::Silent;
use ier::query::engine::Engine;
use ier::query::limits::Limits;
use ier::source::reading::Asked;
use ier::tiers::spans::Missing;
use ier::tiers::warehouse::Warehouse;
use tempfile::TempDir;

use crate::world::COMPACT;

/// The hand-made exports.
pub fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data")
}

/// A warehouse, its day, its engine, and a folder for files to load.
pub struct Fixture {
    pub warehouse: Arc<Warehouse>,
    pub engine: Engine,
    pub clock: Arc<ManualClock>,
    pub folder: TempDir,
}

/// Everything alike on every machine: plans depend on the number of threads.
pub fn limits() -> Limits {
    Limits { threads: 2, ..Limits::default() }
}

impl Fixture {
    /// An empty warehouse on the day of `data/README.md`'s archive run.
    pub async fn empty() -> Self {
        Self::with_limits(limits()).await
    }

    /// The same, with an engine of these limits.
    pub async fn with_limits(limits: Limits) -> Self {
        let day = NaiveDate::from_ymd_opt(2026, 11, 15).unwrap().and_hms_opt(12, 0, 0).unwrap();
        let clock = Arc::new(ManualClock::at(day.and_utc()));
        let mut root = Root::open("memory:///", &BTreeMap::new()).unwrap();
        // Houses are small, and their rows unlike each other.
        (root.rollup_rows_each, root.rare_rows_each) = (0, 0);
        let warehouse = Warehouse::at(root, clock.clone());
        // A warehouse without tables: no engine is opened where there is none.
        warehouse.root().markers.made(day.and_utc()).await.unwrap();
        let engine = Engine::open(warehouse.clone(), limits).await.unwrap();
        Self { warehouse, engine, clock, folder: TempDir::new().unwrap() }
    }

    /// A warehouse with all of `data/`, nothing archived.
    pub async fn filled() -> Self {
        let fixture = Self::empty().await;
        fixture.load([data()]).await.unwrap();
        fixture
    }

    /// Loads files or folders; rejects go to [`Fixture::rejects`].
    pub async fn load(&self, inputs: impl IntoIterator<Item = impl AsRef<Path>>) -> Result<LoadReport> {
        self.load_as(inputs, None).await
    }

    /// [`Fixture::load`] with `--as`.
    pub async fn load_as(&self, inputs: impl IntoIterator<Item = impl AsRef<Path>>, table: Option<&str>) -> Result<LoadReport> {
        Box::pin(load(&self.warehouse, self.request(inputs, table), Arc::new(Silent))).await
    }

    /// What [`Fixture::load_as`] asks for.
    pub fn request(&self, inputs: impl IntoIterator<Item = impl AsRef<Path>>, table: Option<&str>) -> LoadRequest {
        // The rejects of the load before have been looked at.
        drop(std::fs::remove_file(self.rejects()));
        LoadRequest {
            inputs: inputs.into_iter().map(|input| input.as_ref().display().to_string()).collect(),
            asked: Asked { as_table: table.map(str::to_owned), ..Asked::new(chrono_tz::America::Denver) },
            rejects: Some(self.rejects()),
            buffer_bytes: 64 << 20,
            record_bytes: 1 << 20,
            keep_versions: true,
            missing: Missing::OfPeopleNamed,
        }
    }

    /// Where rejected rows go.
    pub fn rejects(&self) -> PathBuf {
        self.folder.path().join("rejects.csv")
    }

    /// Writes a file to load.
    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Archives what is older than 90 days.
    pub async fn archive(&self) -> ArchiveReport {
        let plan = archive::plan(&self.warehouse, None, 90).await.unwrap();
        archive::execute(&self.warehouse, plan, Arc::new(Silent)).await.unwrap()
    }

    /// Compacts the archive.
    pub async fn compact(&self) -> CompactReport {
        let plan = compact::plan(&self.warehouse, &COMPACT).await.unwrap();
        compact::execute(&self.warehouse, plan, &COMPACT, Arc::new(Silent)).await.unwrap()
    }

    /// The answer, a line a row.
    pub async fn ask(&self, sql: &str) -> Vec<String> {
        match self.try_ask(sql).await {
            Ok(rows) => rows,
            Err(error) => panic!("{sql}: {error}"),
        }
    }

    /// The answer, or why there is none.
    pub async fn try_ask(&self, sql: &str) -> Result<Vec<String>> {
        let batches: Vec<RecordBatch> = self.engine.sql(sql).await?.try_collect().await?;
        Ok(cells(&batches).into_iter().map(|row| row.join(" | ")).collect())
    }
}

/// Rows of texts; null is `-`, an empty text `(empty)`, a ratio has four decimals.
pub fn cells(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("-").with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S"));
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            rows.push(
                columns
                    .iter()
                    .zip(batch.columns())
                    .map(|(column, array)| match column.value(row).to_string() {
                        text if text.is_empty() => "(empty)".to_owned(),
                        text if array.data_type().is_floating() && array.is_valid(row) => {
                            let rounded = format!("{:.4}", text.parse::<f64>().unwrap());
                            rounded.trim_end_matches('0').trim_end_matches('.').to_owned()
                        }
                        text => text,
                    })
                    .collect(),
            );
        }
    }
    rows
}
