//! Who looked up whom.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::super::app::App;
use super::super::input::{Fields, Query};
use super::super::problem::Problem;
use crate::error::Result;
use crate::ledgers::lookups::{Entry, LogReport, LookUpLog};
use crate::serve::access::Who;

/// Entries that are shown, where nobody says how many.
const LAST: usize = 50;

/// The most that are.
const MOST: usize = 10_000;

/// The newest entries, newest first, and the outcome of the check of all: of everybody, or of one person's own look-ups.
pub(crate) async fn newest(app: &App, of: Option<&Who>, last: usize) -> Result<(VecDeque<Entry>, LogReport)> {
    let engine = app.shared.own_engine();
    let log = LookUpLog::open(engine.warehouse(), "", engine.look_up_key()).await?;
    let mut newest: VecDeque<Entry> = VecDeque::new();
    let report = log
        .read(|entry| {
            if of.is_none_or(|who| entry.who == who.name) {
                newest.push_front(entry);
                newest.truncate(last);
            }
        })
        .await?;
    Ok((newest, report))
}

/// How many entries are wanted.
pub(crate) fn last(query: &Fields) -> Result<usize, Problem> {
    let wrong = |_| Problem::invalid("last is a whole number, such as 50");
    Ok(query.get("last").map_or(Ok(LAST), str::parse).map_err(wrong)?.min(MOST))
}

/// The log.
pub(crate) async fn show(State(app): State<Arc<App>>, Query(query): Query) -> Result<Response, Problem> {
    let (look_ups, log) = app.within(newest(&app, None, last(&query)?)).await?;
    Ok(axum::Json(json!({ "look_ups": look_ups, "log": log })).into_response())
}
