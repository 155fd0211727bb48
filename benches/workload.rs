//! The workload, measured: load, archive, compact, upsert, and the queries beside other engines.
//!
//! `cargo bench --bench workload -- --scale s` (about a minute), `m` (40 million IERs: about half an hour and 30 GB of
//! disk), `l` (160 million), `--folder DIR` to keep and reuse the data. Jobs run as the real binary, with their peak memory. Queries run in this
//! process, warm, in turns with DuckDB on the same files, DuckDB on a table in its own format, and chdb on a MergeTree ordered by
//! contact (`pip install duckdb chdb pytz`); their answers are compared, and a picture is drawn. Prints figures, judges nothing.
//! `--only queries,histories` runs parts: jobs, compact, upsert, csv, queries, histories, questions, demo, late, erase.

#![allow(missing_docs, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array, AsArray, RecordBatch};
use futures::TryStreamExt;
use ier::clock::SystemClock;
use ier::lake::paths::Role;
use ier::query::engine::Engine;
use ier::query::limits::Limits;
use ier::record::fields::known;
use ier::synthetic::generate;
use ier::synthetic::recipe::{Format, Recipe};
use ier::tiers::warehouse::Warehouse;

mod peers;

use peers::beside::{QUERIES, RUNS, one_line, queries, questions, questions_of_any};
use peers::{Peer, Tables};

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Scale {
    recipe: Recipe,
    /// Months of which the hot tier of the upsert measurement is made.
    hot_months: u32,
}

fn scale(name: &str) -> Outcome<Scale> {
    let base = Recipe { format: Format::Parquet, versions: false, misbehaviour: false, ..Recipe::default() };
    let end = chrono::NaiveDate::from_ymd_opt(2026, 9, 1).ok_or("no date")?;
    Ok(match name {
        "s" => Scale { recipe: Recipe { months: 12, contacts: 20_000, sends_per_month: 40, end, ..base }, hot_months: 3 },
        "m" => Scale { recipe: Recipe { months: 36, contacts: 500_000, sends_per_month: 40, end, ..base }, hot_months: 5 },
        "l" => Scale { recipe: Recipe { months: 72, contacts: 1_000_000, sends_per_month: 40, end, ..base }, hot_months: 5 },
        other => return Err(format!("no scale {other:?}: s, m or l").into()),
    })
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().collect();
    let option = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1)).cloned();
    let scale_name = option("--scale").map_or_else(|| "s".to_owned(), |name| name.to_lowercase());
    let only = option("--only");
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only.split(',').any(|one| one == part));
    let scale = scale(&scale_name)?;
    let scratch = tempfile::tempdir()?;
    let folder = option("--folder").map_or_else(|| scratch.path().to_owned(), PathBuf::from).join(&scale_name);
    std::fs::create_dir_all(&folder)?;
    let exports = folder.join("exports");
    if !exports.exists() {
        let started = Instant::now();
        let made = generate(&scale.recipe, &exports, &|_, _| {})?;
        let rows: u64 = made.files.iter().map(|file| file.rows).sum();
        line("generate", started.elapsed(), rows, None);
    }
    let warehouse = folder.join("warehouse");
    if wanted("jobs") {
        if warehouse.exists() {
            std::fs::remove_dir_all(&warehouse)?;
        }
        jobs(&exports, &warehouse, &scale)?;
    }
    if wanted("compact") {
        compact(&exports, &folder.join("daily"), &scale).await?;
    }
    if wanted("upsert") {
        upsert(&exports, &folder, &scale).await?;
    }
    if wanted("csv") {
        csv(&folder)?;
    }
    if wanted("queries") {
        queries(&warehouse).await?;
    }
    if wanted("histories") {
        histories(&warehouse).await?;
    }
    if wanted("questions") {
        others(&exports, &warehouse, &scale).await?;
        questions(&warehouse).await?;
    }
    if wanted("demo") {
        demo(&folder.join("demo")).await?;
    }
    if wanted("late") {
        late(&warehouse).await?;
    }
    if wanted("erase") {
        erase(&warehouse, &folder.join("erased")).await?;
    }
    Ok(())
}

/// Prints one measurement.
fn line(what: &str, took: Duration, rows: u64, peak_kib: Option<u64>) {
    let rate = rows as f64 / took.as_secs_f64();
    let peak = peak_kib.map_or(String::new(), |kib| format!("  peak {} MiB", kib / 1024));
    println!("{what:28} {:8.2} s  {rows:>11} rows  {rate:>10.0} rows/s{peak}", took.as_secs_f64());
}

/// Runs the real binary; returns its time, its peak memory and its report.
fn ier(warehouse: &Path, args: &[&str]) -> Outcome<(Duration, u64, serde_json::Value)> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ier"));
    command.arg("--warehouse").arg(warehouse).arg("--json").args(args).stdout(Stdio::piped());
    let started = Instant::now();
    let mut child = command.spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let code = loop {
        // The kernel keeps the high-water mark; it is gone with the process, so it is read while that runs.
        if let Some(kib) = std::fs::read_to_string(&status).ok().and_then(|text| high_water_kib(&text)) {
            peak = peak.max(kib);
        }
        if let Some(code) = child.try_wait()? {
            break code;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let took = started.elapsed();
    let output = child.wait_with_output()?;
    if !code.success() {
        return Err(format!("ier {args:?} ended with {code}").into());
    }
    Ok((took, peak, serde_json::from_slice(&output.stdout)?))
}

fn high_water_kib(status: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}

/// The exports of IERs, or all others, in order.
fn export_files(exports: &Path, of_iers: bool) -> Outcome<Vec<String>> {
    let mut files = std::fs::read_dir(exports)?
        .map(|entry| Ok(entry?.path().to_string_lossy().into_owned()))
        .collect::<Outcome<Vec<String>>>()?;
    files.retain(|path| path.contains("individual_email_result") == of_iers);
    files.sort();
    Ok(files)
}

fn jobs(exports: &Path, warehouse: &Path, scale: &Scale) -> Outcome<()> {
    let files = export_files(exports, true)?;
    let mut args = vec!["load"];
    args.extend(files.iter().map(String::as_str));
    let (took, peak, report) = ier(warehouse, &args)?;
    let rows = report["tables"][0]["read"].as_u64().unwrap_or(0);
    line("load (Parquet exports)", took, rows, Some(peak));
    let until = scale.recipe.end.to_string();
    let (took, peak, report) = ier(warehouse, &["archive", "--until", &until])?;
    let moved = report["tables"][0]["rows"].as_u64().unwrap_or(0);
    line("archive", took, moved, Some(peak));
    let (took, peak, report) = ier(warehouse, &["compact"])?;
    line("compact", took, report["rows"].as_u64().unwrap_or(0), Some(peak));
    let (_, _, status) = ier(warehouse, &["status"])?;
    println!("{:28} {:8.2} bytes an IER", "archive, all columns", status["archive_bytes_per_ier"].as_f64().unwrap_or(f64::NAN));
    Ok(())
}

/// Takes in what the workload has beside IERs: links, sends, attributes. Not contacts, of which no question asks: with them come
/// merges, and the peers have no ledger of aliases.
async fn others(exports: &Path, warehouse: &Path, scale: &Scale) -> Outcome<()> {
    let there = scalar(&open(warehouse, None).await?, "SELECT CAST(count(*) AS VARCHAR) FROM individual_link").await;
    if there.is_ok_and(|count| count != "0") {
        return Ok(());
    }
    let files = export_files(exports, false)?;
    let mut args = vec!["load"];
    args.extend(files.iter().map(String::as_str).filter(|path| !path.contains("/contact.") && !path.contains("/lead.")));
    let (took, peak, report) = ier(warehouse, &args)?;
    let rows = report["tables"].as_array().into_iter().flatten().filter_map(|table| table["read"].as_u64()).sum();
    line("load all else", took, rows, Some(peak));
    ier(warehouse, &["archive", "--until", &scale.recipe.end.to_string()])?;
    Ok(())
}

/// The questions over a demonstration's warehouse: a year of exports with the faults of real ones, young records hot.
async fn demo(folder: &Path) -> Outcome<()> {
    let warehouse = folder.join("warehouse");
    ier(&warehouse, &["demo", &folder.to_string_lossy()])?;
    questions_of_any(&warehouse).await
}

/// One archive file a day, as daily archive runs would leave them if nobody ever compacted, to its final form.
async fn compact(exports: &Path, warehouse: &Path, scale: &Scale) -> Outcome<()> {
    if warehouse.exists() {
        std::fs::remove_dir_all(warehouse)?;
    }
    let files = export_files(exports, true)?;
    let mut args = vec!["load"];
    args.extend(files.iter().map(String::as_str));
    ier(warehouse, &args)?;
    let started = Instant::now();
    let opened = Warehouse::open(&warehouse.to_string_lossy(), &BTreeMap::new(), Arc::new(SystemClock)).await?;
    let first = scale.recipe.end - chrono::Months::new(scale.recipe.months);
    let mut runs = 0;
    for day in first.iter_days().skip(1).take_while(|day| *day <= scale.recipe.end) {
        let plan = ier::jobs::archive::plan(&opened, Some(day), 90).await?;
        ier::jobs::archive::execute(&opened, plan, Arc::new(ier::progress::Silent)).await?;
        runs += 1;
    }
    println!("{:28} {:8.2} s  {runs} archive runs, one a day", "daily archive files", started.elapsed().as_secs_f64());
    let answers = async || -> Outcome<String> {
        let engine = open(warehouse, None).await?;
        let sql = "SELECT concat_ws(' ', count(*), count(DISTINCT person_id), sum(CAST(opened AS INT)), sum(number_of_total_clicks), \
            min(date_sent), max(date_opened)) FROM ier";
        scalar(&engine, sql).await
    };
    let before = answers().await?;
    let (took, peak, report) = ier(warehouse, &["compact"])?;
    line("compact daily files", took, report["rows"].as_u64().unwrap_or(0), Some(peak));
    println!(
        "{:28} {} files, {:.0} MB became {} files, {:.0} MB; answers {}",
        "",
        report["files_before"],
        report["bytes_before"].as_f64().unwrap_or(f64::NAN) / 1e6,
        report["files_after"],
        report["bytes_after"].as_f64().unwrap_or(f64::NAN) / 1e6,
        if answers().await? == before { "unchanged" } else { "CHANGED" }
    );
    let (took, _, report) = ier(warehouse, &["compact"])?;
    println!("{:28} {:8.2} s  {} months", "compact again", took.as_secs_f64(), report["months"]);
    Ok(())
}

/// 100,000 changed rows spread over 14 days of a hot tier.
async fn upsert(exports: &Path, folder: &Path, scale: &Scale) -> Outcome<()> {
    let hot = folder.join("hot");
    if hot.exists() {
        std::fs::remove_dir_all(&hot)?;
    }
    let files = export_files(exports, true)?;
    let last = &files[files.len().saturating_sub(scale.hot_months as usize)..];
    let mut args = vec!["load"];
    args.extend(last.iter().map(String::as_str));
    let (took, peak, report) = ier(&hot, &args)?;
    line("load hot tier", took, report["tables"][0]["read"].as_u64().unwrap_or(0), Some(peak));
    let changes = folder.join("changes.csv");
    let since = scale.recipe.end - chrono::Duration::days(14);
    let count = changed_rows(&hot, &changes, &format!("sent_date >= DATE '{since}'"), 100_000).await?;
    let (took, peak, report) = ier(&hot, &["load", &changes.to_string_lossy()])?;
    line("upsert changed rows", took, count, Some(peak));
    println!("{:28} {}", "", report["tables"][0]);
    let (took, peak, _) = ier(&hot, &["load", &changes.to_string_lossy()])?;
    line("the same again", took, count, Some(peak));
    Ok(())
}

/// Writes an export of existing rows, opened a moment later than they were last modified.
async fn changed_rows(warehouse: &Path, to: &Path, filter: &str, limit: usize) -> Outcome<u64> {
    let engine = open(warehouse, None).await?;
    let total: u64 = scalar(&engine, &format!("SELECT CAST(count(*) AS VARCHAR) FROM ier WHERE {filter}")).await?.parse()?;
    let step = (total as usize).div_ceil(limit).max(1);
    let sql = format!(
        "SELECT ier_id, merge_id, email_name, contact_id, lead_id, send_definition_id, from_name, subject_line, date_sent, \
         number_of_unique_clicks, created_date, last_modified_date, system_modstamp FROM \
         (SELECT *, row_number() OVER () AS n FROM ier WHERE {filter}) t WHERE n % {step} = 0"
    );
    let mut batches = engine.sql(&sql).await?;
    let mut out = csv::Writer::from_path(to)?;
    out.write_record([
        "Id",
        "et4ae5__MergeId__c",
        "Name",
        "et4ae5__Contact__c",
        "et4ae5__Lead__c",
        "et4ae5__SendDefinition__c",
        "et4ae5__FromName__c",
        "et4ae5__SubjectLine__c",
        "et4ae5__DateSent__c",
        "et4ae5__NumberOfUniqueClicks__c",
        "CreatedDate",
        "LastModifiedDate",
        "SystemModstamp",
        "et4ae5__Opened__c",
    ])?;
    let mut count = 0;
    while let Some(batch) = batches.try_next().await? {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| arrow::compute::cast(column, &arrow::datatypes::DataType::Utf8))
            .collect::<Result<_, _>>()?;
        for row in 0..batch.num_rows() {
            let mut record: Vec<String> = columns
                .iter()
                .map(|column| if column.is_null(row) { String::new() } else { column.as_string::<i32>().value(row).to_owned() })
                .collect();
            for stamp in [11, 12] {
                record[stamp] = "2026-10-15T00:00:00.000Z".to_owned();
            }
            record.push("true".to_owned());
            out.write_record(&record)?;
            count += 1;
        }
    }
    out.flush()?;
    Ok(count)
}

/// Plain CSV in.
fn csv(folder: &Path) -> Outcome<()> {
    let exports = folder.join("csv");
    if !exports.exists() {
        let recipe = Recipe {
            contacts: 100_000,
            months: 3,
            sends_per_month: 40,
            misbehaviour: false,
            versions: false,
            ..Recipe::default()
        };
        generate(&recipe, &exports, &|_, _| {})?;
        for path in export_files(&exports, true)? {
            let plain = path.trim_end_matches(".gz").to_owned();
            let mut from = flate2::read::MultiGzDecoder::new(std::fs::File::open(&path)?);
            std::io::copy(&mut from, &mut std::fs::File::create(plain)?)?;
        }
    }
    let files: Vec<String> = export_files(&exports, true)?.into_iter().filter(|path| path.ends_with(".csv")).collect();
    let bytes: u64 = files.iter().map(|path| std::fs::metadata(path).map(|meta| meta.len())).sum::<Result<u64, _>>()?;
    let target = folder.join("csv-warehouse");
    if target.exists() {
        std::fs::remove_dir_all(&target)?;
    }
    let mut args = vec!["load"];
    args.extend(files.iter().map(String::as_str));
    let (took, peak, report) = ier(&target, &args)?;
    line("load (plain CSV)", took, report["tables"][0]["read"].as_u64().unwrap_or(0), Some(peak));
    println!("{:28} {:8.1} MB/s of {:.0} MB", "", bytes as f64 / 1e6 / took.as_secs_f64(), bytes as f64 / 1e6);
    Ok(())
}

async fn open(warehouse: &Path, memory_bytes: Option<usize>) -> Outcome<Engine> {
    let warehouse = Warehouse::open(&warehouse.to_string_lossy(), &BTreeMap::new(), Arc::new(SystemClock)).await?;
    let limits = Limits { statement: None, ..Limits::default() };
    Ok(Engine::open(warehouse, Limits { memory_bytes: memory_bytes.unwrap_or(limits.memory_bytes), ..limits }).await?)
}

async fn scalar(engine: &Engine, sql: &str) -> Outcome<String> {
    let batches: Vec<_> = engine.sql(sql).await?.try_collect().await?;
    let first = batches.iter().find(|batch| batch.num_rows() > 0).ok_or("no rows")?;
    let text = arrow::compute::cast(first.column(0), &arrow::datatypes::DataType::Utf8)?;
    Ok(text.as_string::<i32>().value(0).to_owned())
}

async fn timed(engine: &Engine, sql: &str) -> Outcome<(f64, Vec<RecordBatch>)> {
    let started = Instant::now();
    let batches: Vec<_> = engine.sql(sql).await?.try_collect().await?;
    Ok((started.elapsed().as_secs_f64() * 1000.0, batches))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The histories of contacts who were written to on one day, whoever they are: the busiest one is not the common case. For one
/// in ten of them the peers, and this engine, answer a statement that asks for seven columns.
async fn histories(warehouse: &Path) -> Outcome<()> {
    let engine = open(warehouse, None).await?;
    let day = "SELECT date_trunc('month', min(sent_date)) + INTERVAL '9 days' FROM ier";
    let sql = format!(
        "SELECT person_id FROM ier WHERE sent_date = ({day}) AND contact_id IS NOT NULL GROUP BY 1 ORDER BY reverse(person_id) LIMIT 500"
    );
    let batches: Vec<_> = engine.sql(&sql).await?.try_collect().await?;
    let people: Vec<String> =
        batches.iter().flat_map(|batch| batch.column(0).as_string_view().iter().flatten().map(str::to_owned)).collect();
    let files = live_files(warehouse).await?;
    let mut peers = Peer::all(&Tables { ier: files, ..Tables::default() }, warehouse);
    let mut times = vec![Vec::new(); 2 + peers.len()];
    let mut rows = 0;
    for (place, person) in people.iter().enumerate() {
        let started = Instant::now();
        let batches: Vec<_> = engine.history(person).await?.try_collect().await?;
        let took = started.elapsed().as_secs_f64() * 1000.0;
        let found = batches.iter().map(RecordBatch::num_rows).sum::<usize>();
        // The first ones read the footers.
        if place >= 20 {
            times[0].push(took);
            rows += found;
        }
        if place % 10 != 0 {
            continue;
        }
        let sql = one_line(QUERIES[4].1).replace("{contact}", person);
        let (ms, _) = timed(&engine, &sql).await?;
        if place > 20 {
            times[1].push(ms);
        }
        for (peer, times) in peers.iter_mut().zip(&mut times[2..]) {
            let answer = peer.ask(&sql)??;
            if answer.said.rows != found {
                println!("{person}: {found} rows here, {} from {}", answer.said.rows, peer.name);
            }
            if place > 20 {
                times.push(answer.ms);
            }
        }
    }
    let each = rows as f64 / times[0].len().max(1) as f64;
    let theirs = peers.iter().map(|peer| format!("{}, q05", peer.name));
    for (name, mut times) in ["ier, all columns", "ier, q05"].map(str::to_owned).into_iter().chain(theirs).zip(times) {
        times.sort_by(f64::total_cmp);
        let Some(slow) = times.get(times.len() * 99 / 100) else { continue };
        let (middle, count) = (times[times.len() / 2], times.len());
        println!("histories: {name:18} {count} of {each:.0} rows: median {middle:.1} ms, 99 of 100 within {slow:.1} ms");
    }
    Ok(())
}

async fn live_files(warehouse: &Path) -> Outcome<Vec<String>> {
    let warehouse = Warehouse::open(&warehouse.to_string_lossy(), &BTreeMap::new(), Arc::new(SystemClock)).await?;
    let table = known("ier").ok_or("no table of IERs")?;
    let mut files = Vec::new();
    for role in [Role::Hot, Role::Archive] {
        let lake = warehouse.table(role, table).await?;
        files.extend(lake.snapshot().await?.files().map(|file| format!("/{}", file.path(&lake.folder))));
    }
    Ok(files)
}

/// What late rows in three months cost a wide query.
async fn late(warehouse: &Path) -> Outcome<()> {
    let before = wide(warehouse).await?;
    let changes = warehouse.with_file_name("late.csv");
    let months = "sent_date >= DATE '2025-01-01' AND sent_date < DATE '2025-04-01'";
    let engine = open(warehouse, None).await?;
    let first: String = scalar(&engine, "SELECT CAST(min(date_trunc('month', sent_date)) AS DATE) FROM ier").await?;
    let filter = if first.as_str() > "2025-01-01" { "sent_date < DATE '2026-01-01'" } else { months };
    let count = changed_rows(warehouse, &changes, filter, 30_000).await?;
    let (took, peak, _) = ier(warehouse, &["load", &changes.to_string_lossy()])?;
    line("upsert late rows", took, count, Some(peak));
    let after = wide(warehouse).await?;
    println!("{:28} {before:8.1} ms before, {after:.1} ms with {count} late rows: {:.2}", "wide query (q01)", after / before);
    let (took, peak, report) = ier(warehouse, &["archive"])?;
    line("fold late rows in", took, report["tables"][0]["rows"].as_u64().unwrap_or(0), Some(peak));
    Ok(())
}

/// One person out of a copy of the archive, and a search for what is left of them in every object.
async fn erase(warehouse: &Path, copy: &Path) -> Outcome<()> {
    if copy.exists() {
        std::fs::remove_dir_all(copy)?;
    }
    copy_folder(warehouse, copy)?;
    let engine = open(copy, None).await?;
    let person = scalar(
        &engine,
        "SELECT person_id FROM (SELECT person_id, count(*) AS iers FROM ier WHERE contact_id IS NOT NULL GROUP BY 1 ORDER BY 2, 1) \
         OFFSET 100 LIMIT 1",
    )
    .await?;
    let all = live_files(copy).await?.len();
    let count = async |filter: &str| -> Outcome<String> {
        scalar(&open(copy, None).await?, &format!("SELECT CAST(count(*) AS VARCHAR) FROM ier WHERE {filter}")).await
    };
    let others = format!("person_id IS DISTINCT FROM '{person}'");
    let before = count(&others).await?;
    let args = ["erase", &person, "--reason", "measurement", "--confirm"];
    let (took, peak, report) = ier(copy, &args)?;
    let tables = report["receipt"]["tables"].as_array().cloned().unwrap_or_default();
    let files: Vec<&serde_json::Value> = tables.iter().filter_map(|table| table["files"].as_array()).flatten().collect();
    let sum = |name: &str| files.iter().filter_map(|file| file[name].as_u64()).sum::<u64>();
    line("erase one person", took, report["receipt"]["rows"].as_u64().unwrap_or(0), Some(peak));
    println!(
        "{:28} {} of {all} files written anew, {} row groups copied, {} encoded; others' rows {}",
        "",
        files.len(),
        sum("groups_copied"),
        sum("groups_encoded"),
        if count(&others).await? == before { "unchanged" } else { "CHANGED" }
    );
    let (took, peak, report) = ier(copy, &["verify", "--erased", &person])?;
    line("search every object", took, 0, Some(peak));
    println!("{:28} {report}", "");
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Outcome<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_folder(&entry.path(), &target)?,
            false => drop(std::fs::copy(entry.path(), target)?),
        }
    }
    Ok(())
}

async fn wide(warehouse: &Path) -> Outcome<f64> {
    let engine = open(warehouse, None).await?;
    let mut runs = Vec::new();
    for run in 0..=RUNS {
        let (ms, _) = timed(&engine, QUERIES[0].1).await?;
        if run > 0 {
            runs.push(ms);
        }
    }
    Ok(median(runs))
}
