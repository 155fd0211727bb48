//! What one statement may use: time, memory, and the files and pages it may not skip past.
#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use datafusion::physical_plan::metrics::MetricValue;
use datafusion::physical_plan::{ExecutionPlan, collect};
use futures::TryStreamExt;
use ier::error::Kind;
use ier::query::limits::Limits;
use ier::record::id::SfId;

use crate::house::{House, limits};

/// A join that computes for long without a pause and finds nothing.
const ENDLESS: &str = "SELECT count(*) FROM generate_series(1, 20000) a, generate_series(1, 20000) b WHERE a.value + b.value = 0";

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_takes_too_long_is_stopped() {
    let house = House::with_limits(Limits { statement: Some(Duration::from_millis(200)), ..limits() }).await;
    let started = Instant::now();
    let error = house.try_ask(ENDLESS).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    assert!(error.to_string().contains("ran longer than 0.2 s"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(3), "told in time, not at the next pause: {:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sort_that_outgrows_its_memory_spills() {
    let folder = tempfile::tempdir().unwrap();
    let house =
        House::with_limits(Limits { memory_bytes: 24 << 20, spill_folder: Some(folder.path().to_owned()), ..limits() }).await;
    // 32 MB of numbers.
    let sorted = "SELECT value % 977 AS rest, value FROM generate_series(1, 2000000) ORDER BY rest, value";
    let mut stream = house.engine.sql(sorted).await.unwrap();
    let (mut rows, mut before, mut spilled) = (0, (-1, 0), false);
    while let Some(batch) = stream.try_next().await.unwrap() {
        spilled |= !files(folder.path()).is_empty();
        let [rests, values] = [0, 1].map(|column| batch.column(column).as_primitive::<Int64Type>().values().clone());
        for row in rests.iter().copied().zip(values.iter().copied()) {
            assert!(before < row, "{before:?} stands before {row:?}");
            before = row;
        }
        rows += batch.num_rows();
    }
    assert_eq!((rows, before), (2_000_000, (976, 1_999_918)));
    assert!(spilled, "it was more than fits");
    drop(stream);
    drop(house);
    assert!(files(folder.path()).is_empty(), "nothing is left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grouping_that_outgrows_its_memory_spills_or_says_so() {
    let house = House::with_limits(Limits { memory_bytes: 8 << 20, ..limits() }).await;
    let grouped = "SELECT count(*), sum(n) FROM (
        SELECT repeat(CAST(value AS TEXT), 8) AS text, count(*) AS n FROM generate_series(1, 200000) GROUP BY 1) t";
    match house.try_ask(grouped).await {
        Ok(rows) => assert_eq!(rows, ["200000 | 200000"]),
        Err(error) => {
            assert_eq!(error.kind(), Kind::Unavailable, "{error}");
            assert!(error.to_string().contains("query.memory_mb"), "{error}");
        }
    }
    let hopeless = house.try_ask("SELECT array_length(array_agg(repeat('x', 100) || value)) FROM generate_series(1, 400000)");
    let error = hopeless.await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "what cannot spill is refused: {error}");
    assert!(error.to_string().contains("raise query.memory_mb"), "{error}");
    assert_eq!(house.ask("SELECT 1").await, ["1"], "and the engine lives on");
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// A month of one e-mail to each of these many people.
fn month(people: u32) -> String {
    let mut csv = String::from("Id,et4ae5__MergeId__c,et4ae5__Contact__c,et4ae5__DateSent__c,SystemModstamp\n");
    for person in 0..people {
        let id = SfId::parse(&format!("a0D000000{person:06}")).unwrap();
        let contact = SfId::parse(&format!("003000000{person:06}")).unwrap();
        let (minute, second) = (person / 60 % 60, person % 60);
        writeln!(csv, "{id},{person},{contact},2026-03-05T12:{minute:02}:{second:02}.000Z,2026-03-06T00:00:00.000Z").unwrap();
    }
    csv
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_look_up_reads_one_page_of_a_file() {
    let house = House::empty().await;
    house.load([house.file("individual_email_result.csv", month(20_000))]).await.unwrap();
    house.archive().await;
    let frame = house.engine.context().sql("SELECT * FROM ier WHERE person_id = '003000000012345AAA'").await.unwrap();
    let plan = frame.create_physical_plan().await.unwrap();
    let rows: usize =
        collect(plan.clone(), house.engine.context().task_ctx()).await.unwrap().iter().map(|batch| batch.num_rows()).sum();
    assert_eq!(rows, 1);
    let (matched, pruned) = pages(&plan);
    assert_eq!(matched + pruned, 20_000, "pages are known in advance");
    assert!(matched <= 4_096, "one page of {matched} rows was decoded, {pruned} rows were not");
    assert_eq!(house.ask("SELECT tier, count(*) FROM ier GROUP BY 1").await, ["archive | 20000"]);
}

/// Rows in pages that were kept and left out by the page index.
fn pages(plan: &Arc<dyn ExecutionPlan>) -> (usize, usize) {
    let own = plan.metrics().into_iter().flat_map(|metrics| {
        let counts = |metric: &Arc<datafusion::physical_plan::metrics::Metric>| match metric.value() {
            MetricValue::PruningMetrics { name, pruning_metrics } if name == "page_index_rows_pruned" => {
                Some((pruning_metrics.matched(), pruning_metrics.pruned()))
            }
            _ => None,
        };
        metrics.iter().filter_map(counts).collect::<Vec<_>>()
    });
    let below = plan.children().into_iter().map(pages);
    own.chain(below).fold((0, 0), |(matched, pruned), (more, less)| (matched + more, pruned + less))
}
