//! Somebody is looked for: by a name, an address, or any id.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use super::layout::page;
use super::parts::reason;
use super::person;
use super::words::{or_none, shown};
use crate::human;
use crate::serve::access::{Right, Who};
use crate::serve::http::api::people::{LISTED, find};
use crate::serve::http::app::App;
use crate::serve::http::guard::Caller;
use crate::serve::http::input::{Body, Fields};
use crate::serve::http::problem::Problem;

/// The first page: the search, for those who look people up.
pub(crate) async fn home(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Response {
    if !caller.may(Right::People) {
        let place = if caller.may(Right::Sql) { "/questions" } else { "/status" };
        return Redirect::to(place).into_response();
    }
    let content = html! {
        h1 { "Whose mails do you look for?" }
        (search(&app, &caller.who, &Fields::default(), true))
    };
    page(Some(&caller), "People", "/", content)
}

fn search(app: &App, who: &Who, fields: &Fields, is_first: bool) -> Markup {
    html! {
        form.card.search method="post" action="/people" role="search" {
            (reason(app, who, fields.text("reason")))
            label for="text" { "Name, address, or any id" }
            div.line {
                input id="text" name="text" type="search" value=(fields.text("text")) required autofocus[is_first]
                    autocomplete="off" spellcheck="false";
                button { "Look up" }
            }
            p.small { "Parts of words do. Ids of contacts and leads have 15 or 18 characters; those that were merged or converted find the person, too." }
        }
    }
}

/// Who was found; where it is one, what they were sent.
pub(crate) async fn found(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, Problem> {
    let fields = body.fields();
    let found = find(&app, &caller, (fields.text("text"), LISTED), fields.get("reason")).await?;
    if let ([only], 1) = (found.people.as_slice(), found.found) {
        let mut one = Fields::default();
        one.0.insert("id".to_owned(), only.id.clone());
        one.0.insert("reason".to_owned(), fields.text("reason").to_owned());
        return person::shown_to(&app, &caller, &one).await;
    }
    let people = if found.found == 1 { "1 person".to_owned() } else { format!("{} people", human::count(found.found)) };
    let content = html! {
        h1 { "Which of them?" }
        (search(&app, &caller.who, &fields, false))
        p role="status" {
            (people) " found"
            @if (found.people.len() as u64) < found.found { ", the first " (found.people.len()) " shown: add words" }
            "."
        }
        @if !found.people.is_empty() {
            div.scroll tabindex="0" role="region" aria-label="People found" {
                table {
                    caption { "People found, by name" }
                    thead { tr { th scope="col" { "Name" } th scope="col" { "Address" } th scope="col" { "Id" } th scope="col" { "Other ids" } th scope="col" { span.unseen { "Show" } } } }
                    tbody {
                        @for one in &found.people {
                            tr {
                                th scope="row" { (or_none(one.name.as_deref())) }
                                td { (or_none(one.email.as_deref())) }
                                td { code { (one.id) } }
                                td { (one.other_ids.join(" ")) }
                                td {
                                    form method="post" action="/person" {
                                        input type="hidden" name="id" value=(one.id);
                                        input type="hidden" name="reason" value=(fields.text("reason"));
                                        button.plain aria-label=(format!("Show {}", one.name.as_deref().map_or_else(|| one.id.clone(), shown))) { "Show" }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    };
    Ok(page(Some(&caller), "People found", "/", content))
}
