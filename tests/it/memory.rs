//! What a process takes, measured from outside, and what becomes of rows that outgrow it.
#![allow(clippy::unwrap_used)]

use chrono::NaiveDate;
use ier::jobs::load::{LoadReport, LoadRequest};
use ier::synthetic::generate;
use ier::synthetic::recipe::{Format, Recipe};

use crate::fixture::{Fixture, data};

/// All of two tables: what was loaded, however it was.
const ALL: [&str; 3] = [
    "SELECT ier_id, person_id, date_sent, email_name, opened, system_modstamp, sent_date FROM ier ORDER BY ier_id",
    "SELECT count(*), count(DISTINCT id), min(email), max(email) FROM contact",
    "SELECT count(*), count(DISTINCT ier_id), count(DISTINCT person_id), min(link_url), max(link_url) FROM individual_link",
];

impl Fixture {
    /// Loads with so little memory that the rows of each day are worked on in parts, and all others wait on disk.
    async fn load_tightly(&self, folder: &std::path::Path) -> LoadReport {
        let request = LoadRequest { buffer_bytes: 96 << 10, ..self.request([folder], None) };
        let silent = std::sync::Arc::new(ier::progress::Silent);
        Box::pin(ier::jobs::load::load(&self.warehouse, request, silent)).await.unwrap()
    }

    async fn all(&self) -> Vec<Vec<String>> {
        let mut all = Vec::new();
        for sql in ALL {
            all.push(self.ask(sql).await);
        }
        all
    }
}

fn exports(months: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let end = NaiveDate::from_ymd_opt(2026, 11, 1).unwrap();
    let recipe = Recipe { months, contacts: 150, sends_per_month: 4, end, format: Format::Csv, ..Recipe::default() };
    generate(&recipe, folder.path(), &|_, _| {}).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_whose_days_outgrow_its_memory_stores_the_same_rows() {
    let exports = exports(3);
    let (roomy, tight) = (Fixture::empty().await, Fixture::empty().await);
    let reported = roomy.load([exports.path()]).await.unwrap();
    let counts = |report: &LoadReport| -> Vec<(String, [u64; 7])> {
        let of = |t: &ier::jobs::load::TableCounts| [t.read, t.inserted, t.updated, t.unchanged, t.outdone, t.rejected, t.late];
        report.tables.iter().map(|table| (table.table.clone(), of(table))).collect()
    };
    let first = tight.load_tightly(exports.path()).await;
    assert_eq!(counts(&first), counts(&reported));
    assert_eq!(tight.all().await, roomy.all().await);
    // What is known is found again, day by day and beyond it, and after it was archived.
    let again = tight.load_tightly(exports.path()).await;
    assert!(!again.changed(), "{again}");
    roomy.archive().await;
    tight.archive().await;
    let again = tight.load_tightly(exports.path()).await;
    assert!(!again.changed(), "{again}");
    assert_eq!(tight.all().await, roomy.all().await);
}

#[cfg(target_os = "linux")]
mod seen_from_outside {
    use std::path::Path;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::data;

    /// What a process of this program takes before it does anything, in MiB: a build for tests is larger than others.
    const BASE_MIB: u64 = 160;

    fn ier(warehouse: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ier"));
        command.env_clear().current_dir(warehouse).arg("--warehouse").arg(warehouse).args(args);
        command.env("TMPDIR", std::env::temp_dir()).env("PATH", "");
        command
    }

    /// Runs it; the most it ever had in memory, in MiB.
    fn peak_mib(mut command: Command) -> u64 {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap();
        let status = format!("/proc/{}/status", child.id());
        let mut peak = 0;
        let ended = loop {
            // The kernel keeps the peak itself, so only what comes within the last moment is missed.
            let reported = std::fs::read_to_string(&status).unwrap_or_default();
            let kib =
                reported.lines().find_map(|line| line.strip_prefix("VmHWM:")).and_then(|rest| rest.split_whitespace().next());
            peak = kib.and_then(|kib| kib.parse().ok()).unwrap_or(0).max(peak);
            if let Some(ended) = child.try_wait().unwrap() {
                break ended;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        assert!(ended.success(), "{ended}");
        peak / 1024
    }

    #[test]
    fn different_texts_of_many_groups_keep_to_the_memory_of_statements() {
        let folder = tempfile::tempdir().unwrap();
        let mut load = ier(folder.path(), &["load"]);
        assert!(load.arg(data()).output().unwrap().status.success());
        let sql = "SELECT count(*), sum(n), sum(d), sum(e) FROM (
            SELECT value % 30000 AS g, count(*) AS n, count(DISTINCT md5(CAST(value AS TEXT))) AS d,
                   count(DISTINCT CAST(value % 5 AS TEXT)) FILTER (WHERE value % 2 = 0) AS e
            FROM generate_series(1, 90000) GROUP BY 1) t";
        let mut statement = ier(folder.path(), &["sql", sql]);
        statement.env("IER_QUERY_MEMORY_MB", "64").env("IER_QUERY_THREADS", "2");
        let peak = peak_mib(statement);
        assert!(peak < BASE_MIB + 64 * 5 / 4, "{peak} MiB");
    }
}
