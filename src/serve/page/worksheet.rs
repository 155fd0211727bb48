//! Statements, typed: the page is here, what it does stands in its scripts.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use maud::html;

use super::layout::with_script;
use super::questions::DOWNLOADS;
use crate::query::parsed::Parsed;
use crate::serve::http::app::App;
use crate::serve::http::asked::{Asked, rows};
use crate::serve::http::form::Form;
use crate::serve::http::guard::Caller;
use crate::serve::http::input::Body;
use crate::serve::http::problem::Problem;
use crate::serve::http::stream::{Outgoing, send};

/// The page.
pub(crate) async fn show(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Response {
    let content = html! {
        h1 { "Worksheet" }
        noscript { p.note { "The worksheet needs scripts. " a href="/questions" { "Questions" } " work without." } }
        div.sheet data-zone=(app.site.zone.name()) {
            div.tabs role="group" aria-label="Drafts" {
                select id="draft" aria-label="Draft" {}
                button.plain id="new" type="button" { "New" }
                button.plain id="name" type="button" { "Rename" }
                button.plain id="drop" type="button" { "Delete" }
                button.plain id="save" type="button" { "Save as .sql" }
                button.plain id="link" type="button" { "Copy link" }
            }
            div.editor {
                pre id="paint" aria-hidden="true" {}
                textarea id="sql" rows="10" spellcheck="false" autocomplete="off" autocapitalize="off" aria-label="Statement"
                    aria-describedby="keys" aria-controls="words" {}
                ul id="words" role="listbox" aria-label="Completions" hidden {}
            }
            p.small id="keys" { kbd { "Ctrl" } "+" kbd { "Enter" } " runs the selection, else the statement at the cursor · " kbd { "Ctrl" } "+" kbd { "Space" } " completes · " kbd { "Esc" } " then " kbd { "Tab" } " leaves" }
            div.line {
                button id="run" type="button" { "Run" }
                button.plain id="cancel" type="button" disabled { "Cancel" }
                label for="why" { "Reason" }
                input id="why" placeholder="for statements about a person, which are logged" autocomplete="off";
            }
            p id="state" role="status" aria-live="polite" {}
            div id="problem" role="alert" {}
            div.tools id="tools" hidden {
                button.plain id="table" type="button" aria-pressed="true" { "Table" }
                button.plain id="chart" type="button" aria-pressed="false" { "Chart" }
                select id="kind" aria-label="Kind of chart" { option value="" { "by columns" } option value="line" { "lines" } option value="bar" { "bars" } option value="heat" { "heat map" } }
                form id="files" method="post" action="/worksheet/file" {
                    input type="hidden" name="sql" id="files-sql";
                    input type="hidden" name="reason" id="files-why";
                    span.small { "Download all rows: " }
                    @for (format, name) in DOWNLOADS { button.plain name="format" value=(format) { (name) } }
                }
            }
            div id="answer" {}
            details id="history" { summary { "History, kept in this browser" } ol id="past" {} button.plain id="forget" type="button" { "Forget it" } }
            details id="tree" { summary { "Tables, columns, functions" } label for="find" { "Find" } input id="find" type="search"; div id="names" {} }
        }
    };
    with_script(&caller, "Worksheet", "/worksheet", content, "worksheet.js")
}

/// All rows of a statement, as a file.
pub(crate) async fn download(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, Problem> {
    let fields = body.fields();
    let form = Form::named(fields.text("format")).ok_or_else(|| Problem::invalid("there is no such format"))?;
    let parsed = Box::new(Parsed::of(fields.text("sql"))?);
    let at = app.now().with_timezone(&app.site.zone).format("%Y-%m-%d-%H%M");
    let outgoing = Outgoing { file: Some(format!("answer-{at}")), ..Outgoing::of(form) };
    let asked = Asked::Statement { parsed, given: Default::default(), parameters: Vec::new() };
    send(&app, &caller.who.name, rows(&app, (&caller.who, fields.get("reason")), asked), outgoing).await
}
