//! People: who they are, what they were sent, what is proved. Each look-up is entered in its log before anything of it is shown.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chrono::NaiveDate;
use serde::Deserialize;
use serde_json::json;

use super::super::app::App;
use super::super::asked::{Asked, rows};
use super::super::form::Form;
use super::super::guard::Caller;
use super::super::input::{Body, Fields, PACK, Query};
use super::super::problem::Problem;
use super::super::stream::{Outgoing, send};
use crate::audit::evidence::verify::{Report, verify};
use crate::audit::evidence::{Inquiry, Pack, pack};
use crate::audit::{About, Audit, Question, audit};
use crate::calendar::local::Calendar;
use crate::error::{Context, Error};
use crate::query::who::Found;
use crate::record::id::SfId;

/// People that a search lists, where it does not say how many.
pub(crate) const LISTED: usize = 50;

/// What a search gives.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    text: String,
    limit: Option<usize>,
    reason: Option<String>,
}

/// What a look-up gives.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Why {
    reason: Option<String>,
    format: Option<String>,
}

/// What an audit gives.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Asking {
    about: Option<String>,
    email_id: Option<String>,
    send: Option<String>,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    as_of: Option<NaiveDate>,
    reason: Option<String>,
}

/// People by an id, an address, or parts of names and addresses.
pub(crate) async fn search(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, Problem> {
    let Search { text, limit, reason } = body.json()?;
    let found = find(&app, &caller, (&text, limit.unwrap_or(LISTED)), reason.as_deref()).await?;
    Ok(axum::Json(found).into_response())
}

/// Searches. An address finds who was ever written to under it, too.
pub(crate) async fn find(
    app: &App,
    caller: &Caller,
    (text, limit): (&str, usize),
    reason: Option<&str>,
) -> Result<Found, Problem> {
    let _place = app.look_up().await?;
    let engine = app.looking(&caller.who, reason)?;
    let asked = async {
        let found = engine.who(text, limit).await?;
        if found.found > 0 || !text.contains('@') {
            return Ok(found);
        }
        match engine.person(text).await {
            Ok(person) => engine.who(person.canonical_id(), limit).await,
            Err(error) if error.kind() == crate::error::Kind::NotFound => Ok(found),
            Err(error) => Err(error),
        }
    };
    app.within(asked).await
}

/// A person's mails, newest first.
pub(crate) async fn history(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(query): Query,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    shown(&app, &caller, Asked::History { person: id }, (&query, &headers, &body)).await
}

/// How a person's ids became one.
pub(crate) async fn aliases(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(query): Query,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    shown(&app, &caller, Asked::Aliases { person: id }, (&query, &headers, &body)).await
}

/// Rows about one person, in a look-up's place, in the form that is asked for.
async fn shown(
    app: &Arc<App>,
    caller: &Caller,
    asked: Asked,
    (query, headers, body): (&Fields, &HeaderMap, &Body),
) -> Result<Response, Problem> {
    let why: Why = given(body)?;
    let form = Form::wanted(why.format.as_deref().or(query.get("format")), headers)?;
    app.looking(&caller.who, why.reason.as_deref())?;
    let place = Some(app.look_up().await?);
    let asking = rows(app, (&caller.who, why.reason.as_deref()), asked);
    send(app, &caller.who.name, asking, Outgoing { place, ..Outgoing::of(form) }).await
}

fn given<T: Default + serde::de::DeserializeOwned>(body: &Body) -> Result<T, Problem> {
    if body.bytes.is_empty() { Ok(T::default()) } else { body.json() }
}

/// Was this person told?
pub(crate) async fn ask(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    body: Body,
) -> Result<Response, Problem> {
    let (question, reason) = asking(&app, body.json()?)?;
    let answer = audited(&app, &caller, (&id, question), reason.as_deref()).await?;
    let says = answer.to_string();
    let mut told = serde_json::to_value(&answer).map_err(|error| Error::internal("the answer is no json").with_source(error))?;
    if let Some(told) = told.as_object_mut() {
        told.insert("in_words".to_owned(), says.into());
    }
    Ok(axum::Json(told).into_response())
}

/// Audits somebody.
pub(crate) async fn audited(
    app: &App,
    caller: &Caller,
    (who, question): (&str, Question),
    reason: Option<&str>,
) -> Result<Audit, Problem> {
    let _place = app.look_up().await?;
    let engine = app.looking(&caller.who, reason)?;
    let asked = async { audit(&engine, &engine.person(who).await?, question).await };
    app.within(asked).await
}

/// The pack that proves an answer.
pub(crate) async fn evidence(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    body: Body,
) -> Result<Response, Problem> {
    let (question, reason) = asking(&app, body.json()?)?;
    let (_, pack) = packed(&app, &caller, (&id, question), reason.as_deref()).await?;
    let seal = pack.manifest.seal.clone();
    Ok(zipped(pack.zip()?, &seal))
}

/// Audits somebody, and packs what the answer rests on.
pub(crate) async fn packed(
    app: &Arc<App>,
    caller: &Caller,
    (who, question): (&str, Question),
    reason: Option<&str>,
) -> Result<(Audit, Pack), Problem> {
    let engine = app.looking(&caller.who, reason)?;
    let inquiry = Inquiry { who: who.to_owned(), question, asked_by: caller.who.name.clone() };
    let made_at = app.now();
    let made = move || async move { pack(engine.warehouse(), &engine, &inquiry, made_at).await };
    app.aside(made).await
}

/// A pack as a file; its name says nothing of anybody.
pub(crate) fn zipped(zip: Vec<u8>, seal: &str) -> Response {
    let mut response = zip.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    let name = format!("attachment; filename=\"evidence-{}.zip\"", seal.get(..12).unwrap_or_default());
    headers.extend(HeaderValue::from_str(&name).ok().map(|name| (header::CONTENT_DISPOSITION, name)));
    headers.extend(HeaderValue::from_str(seal).ok().map(|seal| (header::HeaderName::from_static("x-ier-seal"), seal)));
    response
}

/// Is a pack what was once written?
pub(crate) async fn check(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query,
    body: Body<PACK>,
) -> Result<Response, Problem> {
    let report = checked(&app, &caller, (body.bytes, query.get("seal")), query.get("reason")).await?;
    let is_whole = report.wrong.is_empty();
    let mut told = serde_json::to_value(&report).map_err(|error| Error::internal("the report is no json").with_source(error))?;
    if let Some(told) = told.as_object_mut() {
        told.insert("unaltered".to_owned(), json!(is_whole));
    }
    Ok(axum::Json(told).into_response())
}

/// Verifies a pack that was sent, against a seal where one is given, and the archive.
pub(crate) async fn checked(
    app: &Arc<App>,
    caller: &Caller,
    (zip, seal): (Bytes, Option<&str>),
    reason: Option<&str>,
) -> Result<Report, Problem> {
    let engine = app.looking(&caller.who, reason)?;
    let seal = seal.map(str::to_owned);
    let found = move || async move {
        let folder = tempfile::tempdir().context(|| "cannot make a temporary folder")?;
        // It is read by its name; a pack's own name says nothing of anybody.
        let path = folder.path().join("pack.zip");
        std::fs::write(&path, &zip).context(|| "cannot keep the pack while it is read")?;
        let mut report = verify(&path, seal.as_deref(), Some((engine.warehouse(), &engine))).await?;
        report.pack = "the pack that was sent".to_owned();
        if let (Some(archive), Some(says)) = (&report.archive, &report.says) {
            let person = SfId::of_person(&says.person)?;
            engine.looked_up("audit verify", &person, archive.records.len() as u64).await?;
        }
        Ok::<_, Error>(report)
    };
    app.aside(found).await
}

fn asking(app: &App, asking: Asking) -> Result<(Question, Option<String>), Problem> {
    let Asking { about, email_id, send, from, to, as_of, reason } = asking;
    Ok((question(app, (about, email_id, send), (from, to, as_of))?, reason))
}

/// What is asked of an audit.
pub(crate) fn question(
    app: &App,
    about: (Option<String>, Option<String>, Option<String>),
    (from, to, as_of): (Option<NaiveDate>, Option<NaiveDate>, Option<NaiveDate>),
) -> Result<Question, Problem> {
    let about = match about {
        (Some(text), None, None) => About::Text(text),
        (None, Some(id), None) => About::EmailId(id),
        (None, None, Some(id)) => About::Send(id),
        _ => return Err(Problem::invalid("name the sends by one of about, email_id and send")),
    };
    let zone = app.site.zone;
    let end = |day| Calendar { zone, ..Calendar::default() }.end_of(day);
    let as_of = as_of.map(|day| end(day).ok_or_else(|| Problem::invalid(format!("{day} is out of range")))).transpose()?;
    Ok(Question { about, from, to, as_of, zone })
}
