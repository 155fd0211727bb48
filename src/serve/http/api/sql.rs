//! Statements, and those that run.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use clap::ValueEnum;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::app::App;
use super::super::asked::{Asked, parameters, rows};
use super::super::form::Form;
use super::super::guard::Caller;
use super::super::input::{Body, Query};
use super::super::problem::Problem;
use super::super::stream::{Outgoing, send};
use crate::output::chart::Kind;
use crate::query::parsed::Parsed;

/// A statement and how it is asked.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Request {
    sql: String,
    parameters: Option<Value>,
    format: Option<String>,
    chart: Option<String>,
    reason: Option<String>,
    run: Option<String>,
    first: Option<usize>,
}

/// Answers a statement: the body is JSON, or the statement itself.
pub(crate) async fn ask(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let request = match body.is("application/json") {
        true => body.json()?,
        false => Request { sql: body.text()?.to_owned(), ..Request::default() },
    };
    if request.sql.trim().is_empty() {
        return Err(Problem::invalid("there is no statement; give it as sql, or as the whole body"));
    }
    let form = Form::wanted(request.format.as_deref().or(query.get("format")), &headers)?;
    let chart = request.chart.as_deref().or(query.get("chart")).map(kind).transpose()?;
    let (given, parameters) = parameters(request.parameters)?;
    let parsed = Box::new(Parsed::of(&request.sql)?);
    let reason = request.reason.as_deref().or(query.get("reason"));
    let outgoing = Outgoing { first: request.first, chart, run: run_number(request.run.as_deref())?, ..Outgoing::of(form) };
    let asking = rows(&app, (&caller.who, reason), Asked::Statement { parsed, given, parameters });
    send(&app, &caller.who.name, asking, outgoing).await
}

/// What a chart is to be.
pub(crate) fn kind(name: &str) -> Result<Kind, Problem> {
    Kind::from_str(name, true)
        .map_err(|_| Problem::invalid(format!("there is no chart \"{name}\"; there are line, bar and heat")))
}

/// The number that who asks gives a statement.
pub(super) fn run_number(text: Option<&str>) -> Result<Option<Uuid>, Problem> {
    let wrong = || Problem::invalid("run is no number of a statement; give a UUID");
    text.map(|text| number(text).ok_or_else(wrong)).transpose()
}

/// The statements that run, or ran a moment ago.
pub(crate) async fn list(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Response {
    axum::Json(json!({ "runs": app.runs.list(caller.sees(), app.now()) })).into_response()
}

/// One of them.
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let told = number(&id).and_then(|id| app.runs.get(id, caller.sees(), app.now()));
    told.map(|told| axum::Json(told).into_response()).ok_or_else(unknown)
}

/// Stops one.
pub(crate) async fn stop(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let is_stopped = number(&id).is_some_and(|id| app.runs.stop(id, caller.sees()));
    is_stopped.then_some(StatusCode::NO_CONTENT).ok_or_else(unknown)
}

fn number(text: &str) -> Option<Uuid> {
    Uuid::parse_str(text).ok()
}

fn unknown() -> Problem {
    Problem::not_found("no statement of this number runs, or ran within the last ten minutes")
}
