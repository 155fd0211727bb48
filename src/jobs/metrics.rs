//! Metrics in Prometheus' text format: the jobs' runs, the contents of each tier, and the holder of the lease.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, NaiveTime, Utc};

use super::status::{Status, TableStatus, status};
use crate::error::{Context, Error, Result};
use crate::lake::paths::{Role, date_of};
use crate::ledgers::lease::{self, Terms};
use crate::ledgers::runs::{History, Outcome, histories};
use crate::record::fields::TABLES;
use crate::tiers::warehouse::Warehouse;

/// The page a monitor reads.
struct Page(String);

impl Page {
    /// One figure of each of several things; left out where there is none of it.
    fn gauge<'a>(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (Vec<(&'a str, &'a str)>, f64)>) {
        let mut head = Some(format!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
        for (labels, value) in values {
            self.0 += &head.take().unwrap_or_default();
            let labels: Vec<String> = labels.iter().map(|(label, of)| format!("{label}=\"{}\"", escaped(of))).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            // Writing to a text cannot fail.
            let _ = writeln!(self.0, "{name}{labels} {value}");
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn seconds(moment: DateTime<Utc>) -> f64 {
    moment.timestamp_millis() as f64 / 1000.0
}

/// The figures of a warehouse. Reads logs, the ledgers of runs and loads, and the lease.
pub async fn metrics(warehouse: &Arc<Warehouse>, terms: Terms) -> Result<String> {
    let status = status(warehouse).await?;
    let histories = histories(warehouse).await?;
    let mut page = Page(String::new());
    page.gauge("ier_metrics_timestamp_seconds", "When these figures were taken.", [(vec![], seconds(warehouse.clock().now()))]);

    let jobs = |figure: fn(&History) -> Option<f64>| {
        histories.iter().filter_map(move |(job, run)| Some((vec![("job", job.as_str())], figure(run)?)))
    };
    let help = "When the newest run that did not fail ended.";
    page.gauge("ier_job_last_success_timestamp_seconds", help, jobs(|run| run.succeeded_at.map(seconds)));
    page.gauge("ier_job_last_end_timestamp_seconds", "When the newest run ended.", jobs(|run| Some(seconds(run.finished_at))));
    page.gauge("ier_job_last_duration_seconds", "How long the newest run took.", jobs(|run| Some(run.seconds())));
    page.gauge("ier_job_last_rows", "Rows of the newest run.", jobs(|run| Some(run.rows as f64)));
    let failed = |run: &History| Some(f64::from(run.outcome == Outcome::Failed.name()));
    page.gauge("ier_job_last_failed", "1 where the newest run failed.", jobs(failed));
    page.gauge("ier_job_failures", "Failed runs since the newest that did not fail.", jobs(|run| Some(run.failures.into())));

    let tables = |figure: fn(&TableStatus) -> Option<f64>| of_tables(&status, figure);
    page.gauge("ier_rows", "Rows.", tables(|table| Some(table.rows as f64)));
    page.gauge("ier_files", "Live files.", tables(|table| Some(table.files as f64)));
    page.gauge("ier_bytes", "Bytes of live files.", tables(|table| Some(table.bytes as f64)));
    let late = |table: &TableStatus| (table.tier == Role::Hot.folder()).then_some(table.late_rows as f64);
    page.gauge("ier_late_rows", "At most so many rows wait in hot for the next archive run.", tables(late));
    let until = |table: &TableStatus| {
        let until = table.archived_until.filter(|_| table.tier == Role::Archive.folder())?;
        Some(seconds(until.and_time(NaiveTime::MIN).and_utc()))
    };
    page.gauge("ier_archived_until_timestamp_seconds", "Rows sent before this moment are archived.", tables(until));
    let mut oldest = Vec::new();
    for table in TABLES.iter().filter(|table| table.tiered) {
        let hot = warehouse.table(Role::Hot, table).await?.snapshot().await?;
        if let Some(day) = hot.partitions.keys().filter_map(|partition| partition.0).min() {
            oldest.push((vec![("table", table.name.as_ref())], seconds(date_of(day).and_time(NaiveTime::MIN).and_utc())));
        }
    }
    page.gauge("ier_hot_oldest_timestamp_seconds", "The day sent of the oldest row in hot.", oldest);

    if let Some(lease) = lease::newest(warehouse, terms).await? {
        let held = lease.until > warehouse.clock().now() && lease.holder().is_some();
        let holder = lease.holder().unwrap_or("nobody").to_owned();
        page.gauge(
            "ier_lease_held",
            "1 where a scheduler holds the lease.",
            [(vec![("holder", holder.as_str())], f64::from(held))],
        );
        page.gauge("ier_lease_number", "The lease's number, which only grows.", [(vec![], lease.number as f64)]);
        page.gauge("ier_lease_until_timestamp_seconds", "Until when the lease holds.", [(vec![], seconds(lease.until))]);
    }
    Ok(page.0)
}

fn of_tables(status: &Status, figure: fn(&TableStatus) -> Option<f64>) -> impl Iterator<Item = (Vec<(&str, &str)>, f64)> {
    status
        .tables
        .iter()
        .filter_map(move |table| Some((vec![("table", table.table.as_str()), ("tier", table.tier)], figure(table)?)))
}

/// Writes the figures to a file, which is always whole: a monitor may read it at any time.
pub fn write(metrics: &str, path: &Path) -> Result<()> {
    let writing = || format!("cannot write the metrics file {}", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or_else(|| Error::invalid(phrase!("{} names no file", path.display())))?;
    let prefix = format!(".{}.", name.to_string_lossy());
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix);
    // The monitor is another user.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder).context(writing)?;
    file.write_all(metrics.as_bytes()).context(writing)?;
    file.persist(path).map_err(|error| error.error).context(writing)?;
    Ok(())
}
