//! What all pages have around them.

use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::assets;
use crate::serve::access::Right;
use crate::serve::http::guard::Caller;

/// The pages that are reached from everywhere: where, what they are called, and what they take.
const PLACES: [(&str, &str, Right); 6] = [
    ("/", "People", Right::People),
    ("/questions", "Questions", Right::Sql),
    ("/worksheet", "Worksheet", Right::Sql),
    ("/status", "Status", Right::Operations),
    ("/verify", "Verify a pack", Right::People),
    ("/look-ups", "Look-ups", Right::People),
];

/// A page: its title, where in the list above it belongs, and what is on it.
pub(super) fn page(caller: Option<&Caller>, title: &str, place: &str, content: Markup) -> Response {
    whole(caller, title, place, content, None)
}

/// The same with a script.
pub(super) fn with_script(caller: &Caller, title: &str, place: &str, content: Markup, script: &str) -> Response {
    whole(Some(caller), title, place, content, Some(script))
}

fn whole(caller: Option<&Caller>, title: &str, place: &str, content: Markup, script: Option<&str>) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · ier" }
                link rel="stylesheet" href=(assets::at("page.css"));
                link rel="icon" href=(assets::at("icon.svg"));
                @if let Some(script) = script { script type="module" src=(assets::at(script)) {} }
            }
            body {
                a.skip href="#main" { "To the content" }
                header.top {
                    a.mark href="/" { "ier" }
                    @if let Some(caller) = caller {
                        nav aria-label="Places" {
                            @for (at, name, right) in PLACES {
                                @if caller.may(right) { a href=(at) aria-current=[(at == place).then_some("page")] { (name) } }
                            }
                        }
                        form.who method="post" action="/sign-out" {
                            span { (caller.who.name) }
                            button.plain { "Sign out" }
                        }
                    }
                }
                main id="main" { (content) }
            }
        }
    };
    Html(page.into_string()).into_response()
}
