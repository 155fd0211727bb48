//! The questions people bring.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::app::App;
use super::super::asked::{Asked, parameters, rows};
use super::super::form::Form;
use super::super::guard::Caller;
use super::super::input::{Body, Query};
use super::super::problem::Problem;
use super::super::stream::{Outgoing, send};
use crate::query::question::{Question, Type, find, library};
use crate::serve::access::Right;

/// A question with its values.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Request {
    parameters: Option<Value>,
    with_names: bool,
    format: Option<String>,
    chart: Option<String>,
    reason: Option<String>,
    run: Option<String>,
    first: Option<usize>,
}

/// All questions.
pub(crate) fn all(app: &App) -> Result<Vec<Question>, Problem> {
    // A file that is none is told at the command line.
    Ok(library(app.site.questions.as_deref(), drop)?)
}

/// The question of a name.
pub(crate) fn one(app: &App, name: &str) -> Result<Question, Problem> {
    Ok(find(&all(app)?, name)?.clone())
}

/// Lists them.
pub(crate) async fn list(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    Ok(axum::Json(json!({ "questions": all(&app)? })).into_response())
}

/// Shows one.
pub(crate) async fn show(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Response, Problem> {
    Ok(axum::Json(one(&app, &name)?).into_response())
}

/// Asks one.
pub(crate) async fn ask(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Query(query): Query,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let request: Request = if body.bytes.is_empty() { Request::default() } else { body.json()? };
    let question = one(&app, &name)?;
    let form = Form::wanted(request.format.as_deref().or(query.get("format")), &headers)?;
    let chart = request.chart.as_deref().map(super::sql::kind).transpose()?;
    let (given, listed) = parameters(request.parameters)?;
    if !listed.is_empty() {
        return Err(Problem::invalid("a question's parameters have names; give an object"));
    }
    let outgoing =
        Outgoing { first: request.first, chart, run: super::sql::run_number(request.run.as_deref())?, ..Outgoing::of(form) };
    answer(&app, (&caller, request.reason.as_deref()), (&question, given, request.with_names), outgoing).await
}

/// Refuses a question about a person, and names beside ids, to who may not look people up.
pub(crate) fn allowed(caller: &Caller, question: &Question, with_names: bool) -> Result<(), Problem> {
    let is_about_somebody = question.parameters.iter().any(|parameter| parameter.kind == Type::Person);
    match (is_about_somebody || with_names) && !caller.may(Right::People) {
        true => Err(Problem::forbidden("this shows who people are: it takes the right to look them up")),
        false => Ok(()),
    }
}

/// Asks a question, and sends the answer.
pub(crate) async fn answer(
    app: &Arc<App>,
    (caller, reason): (&Caller, Option<&str>),
    (question, given, with_names): (&Question, BTreeMap<String, String>, bool),
    outgoing: Outgoing,
) -> Result<Response, Problem> {
    allowed(caller, question, with_names)?;
    let places = question.charted().filter(|_| outgoing.form.format().is_chart());
    let asked = Asked::Question { sql: question.sql.clone(), given, with_names };
    let asking = async {
        let answer = rows(app, (&caller.who, reason), asked).await?;
        match places {
            Some(places) => super::super::stream::only(answer, places),
            None => Ok(answer),
        }
    };
    send(app, &caller.who.name, asking, outgoing).await
}
