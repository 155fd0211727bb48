//! The questions people bring, as forms.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use maud::{Markup, html};

use super::layout::page;
use super::words::{First, picture, shown};
use crate::audit::nearest;
use crate::human;
use crate::output::chart::as_svg;
use crate::query::question::{Default as Given, Parameter, Question, Type};
use crate::serve::access::Right;
use crate::serve::http::api::questions::{all, allowed, answer as sent, one};
use crate::serve::http::app::App;
use crate::serve::http::asked::{Asked, rows};
use crate::serve::http::form::Form;
use crate::serve::http::guard::Caller;
use crate::serve::http::input::{Body, Fields};
use crate::serve::http::problem::Problem;
use crate::serve::http::stream::Outgoing;

/// Rows that a page shows.
const SHOWN: usize = 1_000;

/// Names of fields that are no parameters begin so.
const OWN: char = '.';

/// What an answer may be downloaded as.
pub(super) const DOWNLOADS: [(&str, &str); 6] =
    [("csv", "CSV"), ("xlsx", "Excel"), ("parquet", "Parquet"), ("arrow", "Arrow"), ("json", "JSON"), ("ndjson", "NDJSON")];

/// All questions.
pub(crate) async fn list(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Result<Response, Problem> {
    let questions = all(&app)?;
    let content = html! {
        h1 { "Questions" }
        ul.list {
            @for question in &questions { li { a href=(format!("/questions/{}", question.name)) { (shown(&question.title)) } " " code { (question.name) } } }
        }
    };
    Ok(page(Some(&caller), "Questions", "/questions", content))
}

/// One question, to be asked.
pub(crate) async fn form(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let question = one(&app, &name)?;
    let content = html! { (head(&question)) (fill(&caller, &question, &Fields::default())) (about(&question)) };
    Ok(page(Some(&caller), &question.title, "/questions", content))
}

/// Asks it: a page with the first rows, or a file with all.
pub(crate) async fn answer(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    body: Body,
) -> Result<Response, Problem> {
    let question = one(&app, &name)?;
    let fields = body.fields();
    let given: BTreeMap<String, String> = question
        .parameters
        .iter()
        .filter_map(|parameter| Some((parameter.name.clone(), fields.get(&parameter.name)?.to_owned())))
        .collect();
    let with_names = fields.get(".names").is_some();
    let reason = fields.get(".reason");
    if let Some(format) = fields.get(".format") {
        let form = Form::named(format).ok_or_else(|| Problem::invalid(format!("there is no format \"{format}\"")))?;
        let day = app.now().with_timezone(&app.site.zone).format("%Y-%m-%d");
        let outgoing = Outgoing { file: Some(format!("{}-{day}", question.name)), ..Outgoing::of(form) };
        return sent(&app, (&caller, reason), (&question, given, with_names), outgoing).await;
    }
    allowed(&caller, &question, with_names)?;
    let Some(_turn) = app.shared.turn().await else { return Err(Problem::busy()) };
    let about_words = given.get("about").cloned();
    let asked = Asked::Question { sql: question.sql.clone(), given, with_names };
    let engine = app.engine(&caller.who, reason);
    let read = async {
        let first = First::of(rows(&app, (&caller.who, reason), asked).await?, SHOWN).await?;
        let near = match &about_words {
            Some(words) if first.rows == 0 => nearest::where_none_has(&engine, words).await?,
            _ => None,
        };
        Ok::<_, crate::error::Error>((first, near))
    };
    let (first, near) = app.within(read).await?;
    let zone = app.site.zone;
    // A picture is for questions that say what it draws, and of all rows.
    let places = question.charted().filter(|_| first.kept() == first.rows && first.rows > 0);
    let chart = places.and_then(|places| as_svg(&first.schema, &first.batches, &places, zone).ok());
    let content = html! {
        (head(&question))
        (fill(&caller, &question, &fields))
        section aria-label="Answer" {
            @if let Some(near) = &near {
                p.note role="note" {
                    "No send on record has the words \"" (shown(about_words.as_deref().unwrap_or_default())) "\""
                    @if near.is_empty() { "." } @else { "; names that are like it, which is no verdict:" }
                }
                ul { @for near in near { li { (shown(&near.line(zone))) } } }
            }
            p role="status" { (human::counted(first.rows, "row")) ", times of " (zone.name()) "." }
            @if let Some(svg) = chart {
                figure { img.wide.chart src=(picture(&svg)) alt=(format!("{} The table below says the same.", question.title)); }
            }
            (first.table(&question.title, zone)?)
        }
        (about(&question))
    };
    Ok(page(Some(&caller), &question.title, "/questions", content))
}

fn head(question: &Question) -> Markup {
    html! {
        h1 { (shown(&question.title)) }
        @if !question.notes.is_empty() { p.lead { (shown(&question.notes.join(" "))) } }
    }
}

/// The form of its parameters.
fn fill(caller: &Caller, question: &Question, fields: &Fields) -> Markup {
    let names_people = question.columns.iter().any(|(name, _)| name == "person_id") && caller.may(Right::People);
    let has_person = question.parameters.iter().any(|parameter| parameter.kind == Type::Person);
    html! {
        form.narrow method="post" action=(format!("/questions/{}", question.name)) {
            @for parameter in &question.parameters { (field(parameter, fields)) }
            @if has_person {
                div.grow {
                    label for="reason" { "Reason" }
                    input id="reason" name=".reason" value=(fields.text(".reason")) autocomplete="off";
                    p.small { "This question is about a person: it is logged." }
                }
            }
            @if names_people {
                div.check { label { input type="checkbox" name=".names" value="yes" checked[fields.get(".names").is_some()]; " with names and addresses" } }
            }
            button { "Ask" }
            div.downloads role="group" aria-label="Download all rows" {
                span.small { "or download all rows: " }
                @for (format, name) in DOWNLOADS { button.plain name=".format" value=(format) { (name) } }
            }
        }
    }
}

fn field(parameter: &Parameter, fields: &Fields) -> Markup {
    debug_assert!(!parameter.name.starts_with(OWN), "names of parameters begin with letters");
    let id = format!("p-{}", parameter.name);
    let default = match &parameter.default {
        Given::Value(text) => text.as_str(),
        Given::Required | Given::Any => "",
    };
    let value = fields.get(&parameter.name).unwrap_or_default();
    let is_required = parameter.default == Given::Required;
    let hint = format!("{id}-hint");
    let chosen = if value.is_empty() { default } else { value };
    html! {
        div {
            label for=(id) { (parameter.name) }
            @if !parameter.choices.is_empty() {
                select id=(id) name=(parameter.name) aria-describedby=(hint) {
                    @for choice in &parameter.choices { option value=(choice) selected[choice == chosen] { (choice) } }
                }
            } @else if parameter.kind == Type::Boolean {
                select id=(id) name=(parameter.name) aria-describedby=(hint) {
                    @if default.is_empty() { option value="" { "any" } }
                    @for choice in ["true", "false"] { option value=(choice) selected[choice == chosen] { (choice) } }
                }
            } @else {
                input id=(id) name=(parameter.name) value=(value) placeholder=(if default.is_empty() && !is_required { "any" } else { default })
                    inputmode=[matches!(parameter.kind, Type::Integer | Type::Number).then_some("decimal")]
                    required[is_required] aria-describedby=(hint) autocomplete="off";
            }
            p.small id=(hint) { (shown(&parameter.meaning)) " (" (parameter.kind.name()) ")" }
        }
    }
}

/// Its columns, and its SQL.
fn about(question: &Question) -> Markup {
    html! {
        details { summary { "What its columns mean" }
            dl.facts { @for (column, meaning) in &question.columns { dt { code { (question.heading(column)) } } dd { (shown(meaning)) } } }
        }
        details { summary { "Show its SQL" } pre.code { (question.sql) } }
    }
}
