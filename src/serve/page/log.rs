//! Who looked up whom: of everybody, for those whose matter that is; else one's own look-ups.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use maud::html;

use super::layout::page;
use super::words::{moment, or_none, shown};
use crate::human::{count, local_times};
use crate::serve::access::Right;
use crate::serve::http::api::log::{last, newest};
use crate::serve::http::app::App;
use crate::serve::http::guard::Caller;
use crate::serve::http::input::Query;
use crate::serve::http::problem::Problem;

/// How much of a hash tells one person from another.
const SUBJECT: usize = 12;

/// The newest entries.
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query,
) -> Result<Response, Problem> {
    let of_all = caller.may(Right::LookUps);
    let of = (!of_all).then_some(&caller.who);
    let (entries, report) = app.within(newest(&app, of, last(&query)?)).await?;
    let zone = app.site.zone;
    let content = html! {
        h1 { @if of_all { "Look-ups" } @else { "Your look-ups" } }
        p { "Written before the first row is shown, and never changed. People stand in it as hashes under the log's key." }
        div.scroll tabindex="0" role="region" aria-label="Look-ups" {
            table {
                caption { "The newest " (count(entries.len() as u64)) ", newest first" }
                thead { tr { th.number scope="col" { "Number" } th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "How" } th scope="col" { "Whom (hash)" } th.number scope="col" { "Rows" } th scope="col" { "Reason" } } }
                tbody {
                    @for entry in &entries {
                        tr {
                            td.number { (entry.sequence) }
                            td.when { (moment(Some(entry.at), zone)) }
                            td { (shown(&entry.who)) }
                            td { (shown(&entry.verb)) }
                            td { code { (entry.subject.get(..SUBJECT).unwrap_or(&entry.subject)) } }
                            td.number { (count(entry.rows)) }
                            td { (or_none(entry.reason.as_deref())) }
                        }
                    }
                }
            }
        }
        @for line in local_times(&report.to_string(), zone).lines() { p.small { (shown(line)) } }
    };
    Ok(page(Some(&caller), "Look-ups", "/look-ups", content))
}
