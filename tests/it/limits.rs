//! What one statement may use: time and memory.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use futures::TryStreamExt;
use ier::error::Kind;
use ier::query::limits::Limits;

use crate::fixture::{Fixture, limits};

/// A join that computes for long without a pause and finds nothing.
const ENDLESS: &str = "SELECT count(*) FROM generate_series(1, 20000) a, generate_series(1, 20000) b WHERE a.value + b.value = 0";

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_takes_too_long_is_stopped() {
    let fixture = Fixture::with_limits(Limits { statement: Some(Duration::from_millis(200)), ..limits() }).await;
    let started = Instant::now();
    let error = fixture.try_ask(ENDLESS).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    assert!(error.to_string().contains("ran longer than 0.2 s"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(3), "told in time, not at the next pause: {:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sort_that_outgrows_its_memory_spills() {
    let folder = tempfile::tempdir().unwrap();
    let fixture =
        Fixture::with_limits(Limits { memory_bytes: 24 << 20, spill_folder: Some(folder.path().to_owned()), ..limits() }).await;
    // 32 MB of numbers.
    let sorted = "SELECT value % 977 AS rest, value FROM generate_series(1, 2000000) ORDER BY rest, value";
    let mut stream = fixture.engine.sql(sorted).await.unwrap();
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
    drop(fixture);
    assert!(files(folder.path()).is_empty(), "nothing is left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_million_of_a_sort_needs_no_more_memory_than_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let fixture =
        Fixture::with_limits(Limits { memory_bytes: 24 << 20, spill_folder: Some(folder.path().to_owned()), ..limits() }).await;
    let sorted = "SELECT value % 977 AS rest, value FROM generate_series(1, 2000000) ORDER BY rest, value LIMIT";
    let counted = format!("SELECT count(*), max(rest), max(value) FROM ({sorted} 1000000)");
    // Counted in Python over the same numbers.
    assert_eq!(fixture.ask(&counted).await, ["1000000 | 488 | 2000000"]);
    assert_eq!(fixture.ask(&format!("{sorted} 3 OFFSET 2046")).await, ["0 | 1999919", "1 | 1", "1 | 978"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_short_of_memory_does_not_stand_still() {
    // Different texts of groups, dealt out to threads in small batches: such streams once waited for each other on disk.
    let distinct =
        "SELECT v % 13 AS g, count(DISTINCT md5(CAST(v % 337 AS TEXT))) AS n FROM generate_series(1, 40000) s(v) GROUP BY 1";
    let limits = Limits { memory_bytes: 2 << 20, threads: 2, statement: Some(Duration::from_secs(20)), ..limits() };
    let fixture = Fixture::with_limits(limits).await;
    let state = fixture.engine.context().state_ref();
    state.write().config_mut().options_mut().set("datafusion.execution.batch_size", "64").unwrap();
    let each: BTreeSet<String> = (0..13).map(|group| format!("{group} | 337")).collect();
    for _ in 0..12 {
        assert_eq!(fixture.ask(distinct).await.into_iter().collect::<BTreeSet<_>>(), each);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grouping_that_outgrows_its_memory_spills_or_says_so() {
    let fixture = Fixture::with_limits(Limits { memory_bytes: 8 << 20, ..limits() }).await;
    let grouped = "SELECT count(*), sum(n) FROM (
        SELECT repeat(CAST(value AS TEXT), 8) AS text, count(*) AS n FROM generate_series(1, 200000) GROUP BY 1) t";
    match fixture.try_ask(grouped).await {
        Ok(rows) => assert_eq!(rows, ["200000 | 200000"]),
        Err(error) => {
            assert_eq!(error.kind(), Kind::Unavailable, "{error}");
            assert!(error.to_string().contains("query.memory_mb"), "{error}");
        }
    }
    let hopeless = fixture.try_ask("SELECT array_length(array_agg(repeat('x', 100) || value)) FROM generate_series(1, 400000)");
    let error = hopeless.await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "what cannot spill is refused: {error}");
    assert!(error.to_string().contains("raise query.memory_mb"), "{error}");
    assert_eq!(fixture.ask("SELECT 1").await, ["1"], "and the engine lives on");
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
