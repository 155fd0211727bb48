//! What went wrong, as people are told: a page in place of JSON.

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use maud::html;
use serde_json::Value;

use super::layout::page;
use crate::serve::http::input::text;
use crate::serve::http::problem::MEDIA;

/// A problem is no longer than this.
const LONGEST: usize = 1 << 20;

/// Tells a person what a program is told.
pub(crate) async fn told(request: Request, next: Next) -> Response {
    let is_for_people =
        !request.uri().path().starts_with("/api/") && text(request.headers(), header::ACCEPT).contains("text/html");
    let response = next.run(request).await;
    if !is_for_people || text(response.headers(), header::CONTENT_TYPE) != MEDIA {
        return response;
    }
    let status = response.status();
    let bytes = to_bytes(response.into_body(), LONGEST).await.unwrap_or_default();
    let problem: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let of = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
    let (title, detail, id) = (of("title"), of("detail"), of("id"));
    let mut lines = detail.lines();
    let first = lines.next().unwrap_or_default();
    let content = html! {
        h1 { (capital(&title)) }
        p.lead role="alert" { (super::words::shown(first)) }
        @for line in lines { p { (super::words::shown(line)) } }
        p { a href="/" { "Begin again" } ", or go back: what you typed is still there." }
        p.small { "Problem " code { (id) } }
    };
    let mut response = page(None, &capital(&title), "", content);
    *response.status_mut() = status;
    response
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
