//! What there is to ask, and how the warehouse is.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};

use super::super::app::App;
use super::super::guard::Caller;
use super::super::problem::Problem;
use crate::error::{Error, Result};
use crate::jobs::status::{Status, status};
use crate::ledgers::runs::{History, histories};
use crate::query::ask::Ask as _;
use crate::query::described::type_name;
use crate::serve::access::Right;
use crate::serve::pg;
use crate::serve::pg::catalog::meanings;

/// A table or view.
#[derive(Serialize)]
pub(crate) struct Table {
    pub(crate) name: String,
    kind: &'static str,
    meaning: Option<String>,
    columns: Vec<Column>,
}

#[derive(Serialize)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    meaning: Option<String>,
}

/// Tables, views, functions: what an editor completes.
pub(crate) async fn catalog(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let engine = app.shared.own_engine();
    let mut tables = Vec::new();
    for name in engine.table_names().await? {
        // One that has gone meanwhile is none.
        let Some((schema, is_view)) = engine.table_shape(&name).await? else { continue };
        let column = |field: &arrow::datatypes::FieldRef| Column {
            name: field.name().clone(),
            kind: type_name(field.data_type()),
            meaning: meanings::of_column(&name, field.name()),
        };
        let (columns, meaning) = (schema.fields().iter().map(column).collect(), meanings::of_table(&name));
        tables.push(Table { name, kind: if is_view { "view" } else { "table" }, meaning, columns });
    }
    let functions: Vec<Value> =
        engine.functions().into_iter().map(|(name, call)| json!({ "name": name, "call": call })).collect();
    Ok(axum::Json(json!({ "tables": tables, "functions": functions, "zone": app.site.zone.name() })).into_response())
}

/// How the warehouse is.
pub(crate) struct Health {
    pub(crate) status: Status,
    pub(crate) jobs: Vec<(String, History)>,
}

/// Reads logs and ledgers.
pub(crate) async fn health(app: &App) -> Result<Health> {
    let warehouse = app.shared.own_engine().warehouse();
    let (status, jobs) = tokio::try_join!(status(warehouse), histories(warehouse))?;
    Ok(Health { status, jobs: jobs.into_iter().collect() })
}

/// What is stored, and how the jobs are.
pub(crate) async fn show(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let Health { status, jobs } = app.within(health(&app)).await?;
    let mut told = serde_json::to_value(&status).map_err(|error| Error::internal("the status is no json").with_source(error))?;
    if let Some(told) = told.as_object_mut() {
        let jobs: serde_json::Map<String, Value> =
            jobs.into_iter().map(|(job, history)| (job, serde_json::to_value(&history).unwrap_or_default())).collect();
        told.insert("jobs".to_owned(), jobs.into());
        told.insert("unanswered_catalog_statements".to_owned(), json!(pg::unanswered()));
        told.insert("running_statements".to_owned(), json!(app.runs.running()));
    }
    Ok(axum::Json(told).into_response())
}

/// Who asks, and what they may.
pub(crate) async fn me(Extension(caller): Extension<Caller>) -> Response {
    let rights =
        [("sql", Right::Sql), ("people", Right::People), ("operations", Right::Operations), ("look_ups", Right::LookUps)];
    let rights: Vec<&str> = rights.into_iter().filter(|(_, right)| caller.may(*right)).map(|(name, _)| name).collect();
    axum::Json(json!({ "name": caller.who.name, "rights": rights })).into_response()
}

/// What this interface is, after OpenAPI 3.1.
pub(crate) async fn openapi() -> Response {
    let mut response = include_str!("../openapi.json").into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
