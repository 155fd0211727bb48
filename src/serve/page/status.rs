//! How the warehouse is: what is stored, how the jobs are, what is held, how much of each send is here.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::layout::page;
use super::words::{First, moment, shown};
use crate::error::Result as Outcome;
use crate::human::{bytes, count, counted, seconds};
use crate::jobs::hold;
use crate::query::engine::Engine;
use crate::serve::http::api::catalog::{Health, health};
use crate::serve::http::app::App;
use crate::serve::http::guard::Caller;
use crate::serve::http::problem::Problem;
use crate::serve::pg;

/// Sends of which more was sent than is here, the newest first.
const INCOMPLETE: &str = "SELECT job_id, email_name, date_sent, number_sent, iers_seen, share_seen FROM send_coverage \
    WHERE share_seen < 1 AND tracking_disabled IS NOT TRUE ORDER BY date_sent DESC NULLS LAST";

/// Sends that are listed.
const LISTED: usize = 50;

/// The newest error of each job that failed.
const FAILED: &str = "SELECT job, last_started, last_error FROM jobs WHERE last_outcome = 'failed' ORDER BY last_started DESC";

/// The page.
pub(crate) async fn show(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Result<Response, Problem> {
    // What it shows is said of sends and jobs, not of people.
    let engine = app.shared.own_engine();
    let read = async {
        let held = hold::list(engine.warehouse(), false);
        tokio::try_join!(health(&app), held, first(engine, INCOMPLETE), first(engine, FAILED))
    };
    let (Health { status, jobs }, held, incomplete, failed) = app.within(read).await?;
    let zone = app.site.zone;
    let content = html! {
        h1 { "Status" }
        p.lead { (shown(&status.warehouse)) }
        section aria-labelledby="jobs" {
            h2 id="jobs" { "Jobs" }
            div.scroll tabindex="0" role="region" aria-label="Table of jobs" { table {
                caption { "The newest run of each" }
                thead { tr { th scope="col" { "Job" } th scope="col" { "Ended" } th scope="col" { "Outcome" } th.number scope="col" { "Took" } th.number scope="col" { "Rows" } th scope="col" { "Last without failure" } th.number scope="col" { "Failures since" } } }
                tbody { @for (job, run) in &jobs { tr.failing[run.outcome == "failed"] {
                    th scope="row" { (job) }
                    td.when { (moment(Some(run.finished_at), zone)) }
                    td { (run.outcome) }
                    td.number { (seconds(run.seconds())) }
                    td.number { (count(run.rows)) }
                    td.when { (moment(run.succeeded_at, zone)) }
                    td.number { (run.failures) }
                } } }
            } }
            @if failed.rows > 0 { (failed.table("Why the newest run failed", zone)?) }
        }
        section aria-labelledby="stored" {
            h2 id="stored" { "What is stored" }
            (stored(&status))
        }
        section aria-labelledby="holds" {
            h2 id="holds" { "Holds" }
            @if held.holds.is_empty() { p { "Nothing is held." } } @else {
                div.scroll tabindex="0" role="region" aria-label="Table of holds" { table {
                    caption { (counted(held.holds.len() as u64, "hold")) ": what they cover is not removed" }
                    thead { tr { th scope="col" { "Hold" } th scope="col" { "Covers" } th scope="col" { "Placed" } th scope="col" { "By" } } }
                    tbody { @for hold in &held.holds { tr {
                        th scope="row" { code { (hold.hold_id) } }
                        // Whom it is about stands at the command line.
                        td { (hold.scope.kind()) }
                        td.when { (moment(Some(hold.placed.at), zone)) }
                        td { (shown(&hold.placed.author)) }
                    } } }
                } }
            }
        }
        section aria-labelledby="complete" {
            h2 id="complete" { "Sends that are not all here" }
            @if incomplete.rows == 0 { p { "Of every send that was tracked and whose number is known, all mails are on record." } }
            @else { (incomplete.table("Sends of which fewer mails are on record than were sent", zone)?) }
        }
        section aria-labelledby="server" {
            h2 id="server" { "This server" }
            dl.facts {
                dt { "Sessions of browsers" } dd { (count(app.sessions.count() as u64)) }
                dt { "Statements that run" } dd { (count(app.runs.running() as u64)) }
                dt { "Unanswered" } dd { (counted(pg::unanswered(), "statement")) " of clients about the catalogs" }
            }
        }
    };
    Ok(page(Some(&caller), "Status", "/status", content))
}

async fn first(engine: &Engine, sql: &str) -> Outcome<First> {
    First::of(engine.sql(sql).await?, LISTED).await
}

fn stored(status: &crate::jobs::status::Status) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Tables" { table {
            caption { "Tables, by tier" }
            thead { tr { th scope="col" { "Table" } th scope="col" { "Tier" } th.number scope="col" { "Rows" } th.number scope="col" { "Files" } th.number scope="col" { "Bytes" } th.number scope="col" { "Late rows" } th scope="col" { "Archived before" } th scope="col" { "Months" } } }
            tbody { @for table in &status.tables { tr {
                th scope="row" { (table.table) }
                td { (table.tier) }
                td.number { (count(table.rows)) }
                td.number { (count(table.files)) }
                td.number { (bytes(table.bytes)) }
                td.number { (count(table.late_rows)) }
                td { @if let Some(until) = table.archived_until { (until) } }
                td {
                    @let months: Vec<_> = table.months.iter().filter_map(|month| month.month).collect();
                    @if let (Some(first), Some(last)) = (months.first(), months.last()) { (first.format("%Y-%m")) " to " (last.format("%Y-%m")) }
                }
            } } }
        } }
    }
}
