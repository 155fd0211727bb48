//! Statements side by side: here and, in turns, at the peers, whose answers must say the same.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringViewArray};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use ier::output::{self, Format, Options};
use ier::query::engine::Engine;
use ier::query::question::{find, library};

use super::{Peer, Tables};
use crate::{Outcome, high_water_kib, live_files, median, open, scalar, timed};

/// Runs of each statement; the median is printed.
pub const RUNS: usize = 5;

/// A peer that has taken so long for a statement is not asked it again, in milliseconds.
const PATIENCE: f64 = 20_000.0;

/// The workload's queries.
pub const QUERIES: [(&str, &str); 8] = [
    ("q01 rates by month", include_str!("../queries/q01_monthly_rates.sql")),
    ("q02 largest sends", include_str!("../queries/q02_send_totals.sql")),
    ("q03 opened, not clicked", include_str!("../queries/q03_opened_not_clicked.sql")),
    ("q04 never opened", include_str!("../queries/q04_never_open.sql")),
    ("q05 one history", include_str!("../queries/q05_history.sql")),
    ("q06 fatigue", include_str!("../queries/q06_fatigue.sql")),
    ("q07 best hour", include_str!("../queries/q07_time_to_open.sql")),
    ("q08 hard-bounced twice", include_str!("../queries/q08_hygiene.sql")),
];

/// All questions of `ier ask`, with parameters that have an answer in made-up data; `{contact}` is one who got many e-mails.
const QUESTIONS: [(&str, &[(&str, &str)]); 17] = [
    ("told", &[("id", "{contact}"), ("about", "connections")]),
    ("audience_opens", &[("from", "2023-01-01")]),
    ("audience_engagement", &[("from", "2025-09-01")]),
    ("opened_not_clicked", &[("from", "2025-09-01")]),
    ("readers", &[("from", "2025-09-01")]),
    ("policy_clicks", &[("from", "2025-09-01")]),
    ("never_open", &[("from", "2025-09-01")]),
    ("reached_not_opened", &[("about", "Giving"), ("from", "2026-06-01")]),
    ("clicks_by_owner", &[("from", "2026-08-25")]),
    ("link_clickers", &[("from", "2026-08-01")]),
    ("fatigue", &[("from", "2025-01-01")]),
    ("rates", &[("by", "send")]),
    ("hard_bounced", &[]),
    ("time_to_open", &[("from", "2025-09-01")]),
    ("storage", &[("by", "month")]),
    ("audience", &[("did", "clicked"), ("from", "2025-09-01")]),
    ("audience_among", &[("did", "clicked"), ("from", "2025-09-01")]),
];

/// What questions ask beside `ier`; and which ids are whose, for peers that know no ledger of aliases.
const OTHERS: [(&str, &str); 8] = [
    ("email_send", "SELECT * FROM email_send"),
    ("business_unit", "SELECT * FROM business_unit"),
    ("individual_link", "SELECT * FROM individual_link"),
    ("affiliation", "SELECT * FROM affiliation"),
    ("employment", "SELECT * FROM employment"),
    ("not_sent", "SELECT * FROM not_sent"),
    ("data_file", "SELECT * FROM data_file"),
    ("alias", "SELECT DISTINCT alias_id, canonical_person(alias_id) AS person_id FROM person_alias"),
];

const BUSIEST: &str = "SELECT contact_id FROM ier WHERE contact_id IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1";

const LARGEST: &str =
    "SELECT send_definition_id FROM ier WHERE send_definition_id IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1";

/// The queries over a warehouse whose IERs are archived.
pub async fn queries(warehouse: &Path) -> Outcome<()> {
    let engine = open(warehouse, None).await?;
    let (contact, send) = (scalar(&engine, BUSIEST).await?, scalar(&engine, LARGEST).await?);
    let mut peers = Peer::all(&Tables { ier: live_files(warehouse).await?, ..Tables::default() }, warehouse);
    heading(&peers);
    let mut times = Vec::new();
    for (name, sql) in QUERIES {
        let sql = one_line(sql).replace("{contact}", &contact).replace("{send}", &send);
        times.push(beside(&engine, &mut peers, name, &sql).await?);
    }
    compared(&peers, &times, &warehouse.with_file_name("queries.svg")).await?;
    let status = std::fs::read_to_string("/proc/self/status")?;
    println!("{:28} peak {} MiB", "all queries, in process", high_water_kib(&status).unwrap_or(0) / 1024);
    Ok(())
}

/// The questions over the same warehouse; its other tables are copied for the peers.
pub async fn questions(warehouse: &Path) -> Outcome<()> {
    let engine = open(warehouse, None).await?;
    let others = copied(&engine, &warehouse.with_file_name("tables"), &OTHERS).await?;
    let peers = Peer::all(&Tables { ier: live_files(warehouse).await?, others }, warehouse);
    ask_all(&engine, peers, warehouse).await
}

/// The questions over any warehouse, with people under several ids, hot rows and late ones: DuckDB gets what the table `ier` is
/// as a file.
pub async fn questions_of_any(warehouse: &Path) -> Outcome<()> {
    let engine = open(warehouse, None).await?;
    let mut others = copied(&engine, &warehouse.with_file_name("tables"), &OTHERS).await?;
    others.extend(copied(&engine, &warehouse.with_file_name("iers"), &[("ier", "SELECT * FROM ier")]).await?);
    let ier = others.remove("ier").into_iter().collect();
    let peers = vec![Peer::duckdb(&Tables { ier, others })?];
    ask_all(&engine, peers, warehouse).await
}

async fn ask_all(engine: &Engine, mut peers: Vec<Peer>, warehouse: &Path) -> Outcome<()> {
    let contact = scalar(engine, BUSIEST).await?;
    heading(&peers);
    let library = library(None, drop)?;
    let mut times = Vec::new();
    for (name, given) in QUESTIONS {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), value.replace("{contact}", &contact))).collect();
        let sql = engine.expanded(&find(&library, name)?.sql, &given)?;
        times.push(beside(engine, &mut peers, name, &sql).await?);
    }
    compared(&peers, &times, &warehouse.with_file_name("questions.svg")).await
}

/// The answers of some statements as files in a folder, by name.
async fn copied(engine: &Engine, folder: &Path, statements: &[(&str, &str)]) -> Outcome<BTreeMap<String, String>> {
    std::fs::create_dir_all(folder)?;
    let mut files = BTreeMap::new();
    for (name, sql) in statements {
        let path = folder.join(format!("{name}.parquet"));
        output::write(engine.sql(sql).await?, Format::Parquet, File::create(&path)?, &Options::default()).await?;
        files.insert((*name).to_owned(), path.to_string_lossy().into_owned());
    }
    Ok(files)
}

/// The medians of a statement: here, and at each peer that can answer it.
struct Times {
    name: String,
    own: f64,
    theirs: Vec<Option<f64>>,
}

impl Times {
    fn ratio(&self, peer: usize) -> Option<f64> {
        self.theirs[peer].map(|theirs| self.own / theirs)
    }
}

/// Times a statement everywhere and compares the answers; prints the medians.
async fn beside(engine: &Engine, peers: &mut [Peer], name: &str, sql: &str) -> Outcome<Times> {
    let (mut own, mut theirs) = (Vec::new(), vec![Some(Vec::new()); peers.len()]);
    let mut rows = 0;
    for run in 0..=RUNS {
        let (ms, batches) = timed(engine, sql).await?;
        let said = super::said(&batches)?;
        rows = said.rows;
        for (peer, theirs) in peers.iter_mut().zip(&mut theirs) {
            let Some(times) = theirs.as_mut().filter(|times| times.iter().sum::<f64>() < PATIENCE) else { continue };
            match peer.ask(sql)? {
                Ok(answer) => {
                    if run == 0 && !answer.said.is_like(&said) {
                        println!("{name}: {} answers otherwise, with {} rows; here are {rows}", peer.name, answer.said.rows);
                    }
                    times.push(answer.ms);
                }
                Err(why) => {
                    println!("{name}: {} cannot answer: {why}", peer.name);
                    *theirs = None;
                }
            }
        }
        own.push(ms);
    }
    // The first run warms all up.
    let typical = |mut times: Vec<f64>| median(if times.len() > 1 { times.split_off(1) } else { times });
    let times =
        Times { name: name.to_owned(), own: typical(own), theirs: theirs.into_iter().map(|times| times.map(typical)).collect() };
    let cell = |at: usize| match times.theirs[at].zip(times.ratio(at)) {
        Some((theirs, ratio)) => format!(" {theirs:>14.1} {ratio:>7.3}"),
        None => format!(" {:>14} {:>7}", "-", "-"),
    };
    println!("{name:28} {:>10.1}{}  {rows} rows", times.own, (0..peers.len()).map(cell).collect::<String>());
    Ok(times)
}

/// Prints the head of the table that [`beside`] fills.
fn heading(peers: &[Peer]) {
    let cells: String = peers.iter().map(|peer| format!(" {:>14} {:>7}", peer.name, "ratio")).collect();
    println!("{:28} {:>10}{cells}", "median ms", "ier");
}

/// Prints the geometric means of what ours is of each peer's, and draws the times as a picture.
async fn compared(peers: &[Peer], times: &[Times], picture: &Path) -> Outcome<()> {
    let mean = |at: usize| {
        let ratios: Vec<f64> = times.iter().filter_map(|times| times.ratio(at)).collect();
        (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp()
    };
    let cells: String = (0..peers.len()).map(|at| format!(" {:>14} {:>7.3}", "", mean(at))).collect();
    println!("{:28} {:>10}{cells}", "geometric mean", "");
    let names: ArrayRef = Arc::new(times.iter().map(|times| Some(times.name.as_str())).collect::<StringViewArray>());
    let shown = |ms: f64| (ms * 10.0).round() / 10.0;
    let own: ArrayRef = Arc::new(times.iter().map(|times| Some(shown(times.own))).collect::<Float64Array>());
    let theirs = peers.iter().enumerate().map(|(at, peer)| {
        let column: ArrayRef = Arc::new(times.iter().map(|times| times.theirs[at].map(shown)).collect::<Float64Array>());
        (format!("{} ms", peer.name), column)
    });
    let columns = [("query".to_owned(), names), ("ier ms".to_owned(), own)];
    let batch = RecordBatch::try_from_iter(columns.into_iter().chain(theirs))?;
    let schema = batch.schema();
    let rows = RecordBatchStreamAdapter::new(schema, futures::stream::iter([Ok(batch)]));
    output::write(Box::pin(rows), Format::Svg, File::create(picture)?, &Options::default()).await?;
    println!("{:28} {}", "picture", picture.display());
    Ok(())
}

/// A statement as peers take it, without its comment.
pub fn one_line(sql: &str) -> String {
    sql.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join(" ")
}
