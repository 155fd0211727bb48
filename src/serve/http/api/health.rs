//! Whether the server is well, for those who watch it.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::super::app::App;
use super::super::problem::Problem;
use crate::jobs::metrics;
use crate::ledgers::lease::Terms;
use crate::serve::pg;

/// It is there.
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// It takes requests, and the warehouse answers.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response {
    if !app.is_open() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    match app.shared.own_engine().warehouse().must_exist().await {
        Ok(()) => "ok\n".into_response(),
        // What is wrong with it concerns nobody who is not signed in.
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the warehouse does not answer\n").into_response(),
    }
}

/// Figures of the warehouse, its jobs and this server.
pub(crate) async fn figures(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let mut text = app.within(metrics::metrics(app.shared.own_engine().warehouse(), Terms::default())).await?;
    let figures = [
        ("ier_http_sessions", "Sessions of browsers.", app.sessions.count() as u64),
        ("ier_http_statements_running", "Statements that run, asked over HTTP.", app.runs.running() as u64),
        ("ier_pg_unanswered_catalog_statements", "Statements about the catalogs that got no answer.", pg::unanswered()),
    ];
    if !text.ends_with('\n') {
        text.push('\n');
    }
    for (name, help, value) in figures {
        // Writing to a text cannot fail.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n");
    }
    text += &app.counters.text();
    let mut response = text.into_response();
    let media = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    Ok(response)
}
