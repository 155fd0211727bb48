//! A warehouse in memory, with a clock that is told the time: what the stories, models and faults play in.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::{Duration, NaiveDate, NaiveTime};
use datafusion::execution::SendableRecordBatchStream;
use futures::TryStreamExt;
use ier::clock::ManualClock;
use ier::error::{Kind, Result};
use ier::jobs;
use ier::jobs::archive::ArchiveReport;
use ier::jobs::compact::{CompactOptions, CompactReport};
use ier::jobs::load::{LoadReport, LoadRequest, TableCounts};
use ier::jobs::reconcile::ReconcileReport;
use ier::jobs::vacuum::VacuumReport;
use ier::jobs::verify::VerifyReport;
use ier::lake::file::tags;
use ier::lake::log::root::Root;
use ier::lake::paths::Role;
use ier::progress::{Progress, Silent};
use ier::query::engine::Engine;
use ier::query::limits::Limits;
use ier::source::reading::Asked;
use ier::tiers::spans::Missing;
use ier::tiers::warehouse::Warehouse;
use object_store::ObjectStoreExt;
use tempfile::TempDir;

use self::records::{Record, csv};
use self::store::FaultStore;

/// How months are compacted where a test does not say.
pub const COMPACT: CompactOptions = CompactOptions { budget: None, memory_bytes: 1 << 30, best_after: Some(Duration::days(365)) };

pub mod records;

pub mod power;

pub mod s3;

pub mod store;

pub mod turns;

/// Rows of an answer, each cell as text; null is `-`.
pub type Rows = Vec<Vec<String>>;

/// A warehouse and its day.
pub struct World {
    pub store: Arc<FaultStore>,
    pub clock: ManualClock,
    pub warehouse: Arc<Warehouse>,
    /// Who hears how far its jobs are.
    pub progress: Arc<dyn Progress>,
    engine: tokio::sync::OnceCell<Engine>,
    folder: Arc<TempDir>,
}

/// A day as people write it.
pub fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day, as 2026-08-06")
}

pub fn silent() -> Arc<dyn Progress> {
    Arc::new(Silent)
}

/// An unwritten page: no settings, no threads to share.
fn limits() -> Limits {
    Limits { statement: None, threads: 2, memory_bytes: 256 << 20, ..Limits::default() }
}

/// A number that no other file of the tests has.
fn number() -> u64 {
    static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

fn warehouse(store: &Arc<FaultStore>, clock: &ManualClock) -> Arc<Warehouse> {
    let mut root = Root::open("memory:///", &Default::default()).expect("memory is always there").with_store(store.clone());
    // Worlds are small, and their rows unlike each other.
    (root.rollup_rows_each, root.rare_rows_each) = (0, 0);
    Warehouse::at(root, Arc::new(clock.clone()))
}

impl World {
    /// An empty warehouse at noon of this day.
    pub fn on(today: &str) -> Self {
        let noon = NaiveTime::from_hms_opt(12, 0, 0).expect("noon");
        let clock = ManualClock::at(day(today).and_time(noon).and_utc());
        let store = FaultStore::new(clock.clone());
        Self::over(store, clock, Arc::new(TempDir::new().expect("a temporary folder")))
    }

    /// Another warehouse, on the same day.
    pub fn at(&self, warehouse: Arc<Warehouse>) -> Self {
        Self { warehouse, ..self.another() }
    }

    fn over(store: Arc<FaultStore>, clock: ManualClock, folder: Arc<TempDir>) -> Self {
        let warehouse = warehouse(&store, &clock);
        Self { store, clock, warehouse, progress: silent(), engine: tokio::sync::OnceCell::new(), folder }
    }

    /// The same objects in another world, in which one call may fail.
    pub fn fork(&self, fault: Option<(u64, store::Mode)>) -> Self {
        self.with(self.store.fork(self.clock.clone(), fault))
    }

    /// Another process over the same store, which never fails it.
    pub fn another(&self) -> Self {
        self.process(None, None)
    }

    /// Another process over the same store, in which one call may fail, or which calls when it is its turn.
    pub fn process(&self, fault: Option<(u64, store::Mode)>, seat: Option<turns::Seat>) -> Self {
        self.with(self.store.process_of(self.clock.clone(), fault, seat))
    }

    /// The same day and folder over another store.
    pub fn with(&self, store: Arc<FaultStore>) -> Self {
        Self::over(store, self.clock.clone(), self.folder.clone())
    }

    /// Lets so many days pass.
    pub fn days_pass(&self, days: i64) {
        self.clock.tick(Duration::days(days));
    }

    /// The same world, whose jobs tell this one how far they are.
    pub fn telling(self, progress: Arc<dyn Progress>) -> Self {
        Self { progress, ..self }
    }

    /// A place in the folder of this world's files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes an export file.
    pub fn file(&self, name: &str, records: &[Record]) -> String {
        let path = self.path(name);
        std::fs::write(&path, csv(records)).expect("an export file");
        path.to_string_lossy().into_owned()
    }

    /// Writes any other file.
    pub fn text(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file");
        path.to_string_lossy().into_owned()
    }

    /// Loads export files.
    pub async fn load_files(&self, files: &[String]) -> Result<LoadReport> {
        let request = LoadRequest {
            inputs: files.to_vec(),
            asked: Asked::new(chrono_tz::America::Denver),
            rejects: Some(self.path(&format!("rejects-{}.csv", number()))),
            buffer_bytes: 64 << 20,
            record_bytes: 1 << 20,
            keep_versions: true,
            missing: Missing::OfPeopleNamed,
        };
        // On the heap: a test that loads often has room for each of its futures on its stack.
        Box::pin(jobs::load::load(&self.warehouse, request, self.progress.clone())).await
    }

    /// Loads records through an export file; what became of them.
    pub async fn load(&self, records: &[Record]) -> TableCounts {
        let file = self.file(&format!("export-{}.csv", number()), records);
        let mut report = self.load_files(&[file]).await.expect("the load");
        assert_eq!(report.tables.len(), 1, "one file, one table");
        let counts = report.tables.remove(0);
        assert_eq!(counts.read, counts.accounted_for(), "nothing is dropped uncounted: {counts:?}");
        counts
    }

    /// Archives what was sent before a day.
    pub async fn try_archive(&self, until: NaiveDate) -> Result<ArchiveReport> {
        let plan = jobs::archive::plan(&self.warehouse, Some(until), 90).await?;
        Box::pin(jobs::archive::execute(&self.warehouse, plan, self.progress.clone())).await
    }

    /// Archives what was sent before a day.
    pub async fn archive(&self, until: &str) -> ArchiveReport {
        self.try_archive(day(until)).await.expect("the archive run")
    }

    pub async fn try_compact(&self) -> Result<CompactReport> {
        let plan = jobs::compact::plan(&self.warehouse, &COMPACT).await?;
        jobs::compact::execute(&self.warehouse, plan, &COMPACT, self.progress.clone()).await
    }

    pub async fn compact(&self) -> CompactReport {
        self.try_compact().await.expect("the compaction")
    }

    pub async fn try_vacuum(&self, retain_hours: i64) -> Result<VacuumReport> {
        let plan = jobs::vacuum::plan(&self.warehouse, Duration::hours(retain_hours)).await?;
        jobs::vacuum::execute(plan, self.progress.clone()).await
    }

    /// Deletes what has not been used for so many hours.
    pub async fn vacuum(&self, retain_hours: i64) -> VacuumReport {
        self.try_vacuum(retain_hours).await.expect("the vacuum")
    }

    /// Reads everything and looks whether it is as it was written; deletes what is left over if told to.
    pub async fn try_verify(&self, table: Option<&str>, sweep: bool) -> Result<VerifyReport> {
        let plan = jobs::verify::plan(&self.warehouse, table).await?;
        let choices = jobs::verify::Choices { look_up_key: None, retain: Duration::days(7), sweep };
        jobs::verify::execute(&self.warehouse, plan, choices, self.progress.clone()).await
    }

    /// Holds the books against the rows; makes one row of each record that is stored more than once if told to.
    pub async fn try_reconcile(&self, repair: bool) -> Result<ReconcileReport> {
        jobs::reconcile::reconcile(&self.warehouse, self.engine().await?, repair, &self.progress).await
    }

    /// Everything is as it was written, and nothing is left over that a vacuum would not have deleted, too.
    pub async fn is_sound(&self) -> VerifyReport {
        let report = self.try_verify(None, false).await.expect("the verification");
        assert!(report.verdict().is_ok(), "{report}");
        report
    }

    /// The engine, opened when it is first asked.
    pub async fn engine(&self) -> Result<&Engine> {
        self.engine.get_or_try_init(|| Engine::open(self.warehouse.clone(), limits())).await
    }

    /// The answer to a question, as rows of text.
    pub async fn try_ask(&self, sql: &str) -> Result<Rows> {
        texts(self.engine().await?.sql(sql).await?).await
    }

    /// The answer, without rows where there is no warehouse yet: who is asked there is refused.
    pub async fn ask(&self, sql: &str) -> Rows {
        match self.try_ask(sql).await {
            Err(error) if error.kind() == Kind::NotFound && self.engine.get().is_none() => Vec::new(),
            answer => answer.unwrap_or_else(|error| panic!("{sql}: {error}")),
        }
    }

    /// An answer of one row, its cells in one line.
    pub async fn line(&self, sql: &str) -> String {
        let rows = self.ask(sql).await;
        if rows.is_empty() && self.engine.get().is_none() {
            // Counts and sums, where there is no warehouse to count in.
            return vec!["0"; sql.matches(" AS ").count() - sql.matches("CAST(").count()].join(" ");
        }
        assert_eq!(rows.len(), 1, "{sql}: {rows:?}");
        rows[0].join(" ")
    }

    /// Every live file is there and has the hash the log promises.
    pub async fn files_are_sound(&self) {
        for lake in self.warehouse.existing().await.expect("tables") {
            for file in lake.snapshot().await.expect("a snapshot").files() {
                let path = file.path(&lake.folder);
                let bytes = async { lake.store.get(&path).await?.bytes().await }.await;
                let bytes = bytes.unwrap_or_else(|error| panic!("live file {path}: {error}"));
                assert_eq!(file.tag(tags::BLAKE3), Some(blake3::hash(&bytes).to_hex().as_str()), "hash of {path}");
            }
        }
    }

    /// Every log entry that a process was told it had written is there.
    pub async fn every_commit_is_there(&self, process: &World) {
        for entry in process.store.acknowledged() {
            let found = self.store.head(&entry).await;
            assert!(found.is_ok(), "{entry} was acknowledged: {found:?}");
        }
    }

    /// Every row stands in the partition of its own day, and the archive holds no late mark.
    pub async fn rows_stand_where_they_belong(&self) {
        use arrow::array::{Array, AsArray};
        for lake in self.warehouse.existing().await.expect("tables").into_iter().filter(|lake| lake.table.tiered) {
            for file in lake.snapshot().await.expect("a snapshot").files() {
                let open = ier::lake::read::open(&lake, file).await.expect("a file");
                let columns = ["sent_date", "late_from", "record_key"];
                let mut rows = open.stream(Some(&columns), None).expect("rows");
                while let Some(batch) = rows.try_next().await.expect("rows") {
                    let days = batch.column(0).as_primitive::<arrow::datatypes::Date32Type>();
                    for row in 0..batch.num_rows() {
                        let own = lake.role.partition_of(days.is_valid(row).then(|| days.value(row)));
                        let key = batch.column(2).as_string::<i32>().value(row);
                        assert_eq!(own, file.partition, "{key} in {}/{}", lake.name(), file.add.path);
                    }
                    assert!(
                        lake.role == Role::Hot || batch.column(1).null_count() == batch.num_rows(),
                        "marks in {}",
                        lake.name()
                    );
                }
            }
        }
    }

    /// Every row taken in is there, erased or expired.
    pub async fn the_books_balance(&self) {
        if !self.warehouse.exists().await.expect("an answer") {
            return;
        }
        let report = self.try_reconcile(false).await.expect("the books");
        report.check().unwrap_or_else(|error| panic!("{error}\n{report}"));
    }

    /// No key twice, in either table, over both tiers.
    pub async fn no_key_twice(&self) {
        let twice =
            self.ask("SELECT lower(merge_id), count(*) FROM ier WHERE merge_id IS NOT NULL GROUP BY 1 HAVING count(*) > 1").await;
        assert!(twice.is_empty(), "IERs twice: {twice:?}");
        let twice = self.ask("SELECT unique_link_id, count(*) FROM individual_link GROUP BY 1 HAVING count(*) > 1").await;
        assert!(twice.is_empty(), "links twice: {twice:?}");
    }
}

/// All rows of an answer as text.
pub async fn texts(stream: SendableRecordBatchStream) -> Result<Rows> {
    let batches: Vec<arrow::array::RecordBatch> = stream.try_collect().await?;
    let options = arrow::util::display::FormatOptions::new().with_null("-");
    let mut rows = Vec::new();
    for batch in &batches {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| arrow::util::display::ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<std::result::Result<_, _>>()?;
        rows.extend((0..batch.num_rows()).map(|row| columns.iter().map(|column| column.value(row).to_string()).collect()));
    }
    Ok(rows)
}
