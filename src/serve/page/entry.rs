//! Signing in and out: by a link that is good once, by a token, or by a name and a password.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;

use super::layout::page;
use crate::serve::access::{Refused, Who};
use crate::serve::http::app::App;
use crate::serve::http::guard::{Caller, cookie_name, session_of};
use crate::serve::http::input::{Body, Query};
use crate::serve::http::problem::Problem;
use crate::serve::http::sessions::LONGEST;

/// Signs in by the code of a link, or asks for a token.
pub(crate) async fn form(State(app): State<Arc<App>>, method: Method, headers: HeaderMap, Query(query): Query) -> Response {
    let code = query.get("code");
    if let (Some(code), Method::GET) = (code, method) {
        match app.sessions.redeem(code, app.now()) {
            Some(who) => return begun(&app, &headers, who),
            // Who follows a link twice is in already.
            None if is_in(&app, &headers) => return Redirect::to("/").into_response(),
            None => {}
        }
    }
    let content = html! {
        h1 { "Sign in" }
        @if code.is_some() {
            p.lead role="alert" { "This link was used already, or is too old: each signs in once, within ten minutes." }
        }
        form.card method="post" action="/sign-in" {
            @if app.shared.access.is_listed() {
                label for="name" { "Name" }
                input id="name" name="name" autocomplete="username" spellcheck="false" autofocus;
                label for="token" { "Password" }
                input id="token" name="token" type="password" autocomplete="current-password" required;
                p.small { "A token does as well, without a name." }
            } @else {
                label for="token" { "Token" }
                input id="token" name="token" type="password" autocomplete="current-password" required autofocus;
                p.small { "The password that ier serve printed where it was started." }
            }
            button { "Sign in" }
        }
    };
    page(None, "Sign in", "", content)
}

/// Signs in by a token, or by a name and a password.
pub(crate) async fn enter(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let fields = body.fields();
    let (access, secret) = (&app.shared.access, fields.text("token"));
    let who = match (access.bearer(secret), fields.get("name")) {
        (Some(who), _) => Ok(who),
        (None, Some(name)) => access.password_from(name, secret, None).await,
        (None, None) => Err(Refused::Unproved),
    };
    match who {
        Ok(who) => Ok(begun(&app, &headers, who)),
        Err(Refused::Unproved) => {
            Err(Problem::forbidden("this lets nobody in: a wrong name, a wrong password, or an unknown token"))
        }
        Err(Refused::TooOften) => Err(Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too many tries",
            "too many tries have failed of late; wait a few minutes",
        )),
        Err(Refused::Busy) => Err(Problem::busy()),
    }
}

/// Signs out.
pub(crate) async fn leave(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Response {
    caller.session.iter().for_each(|secret| app.sessions.end(secret));
    with_cookie(&app, "", 0, Redirect::to("/sign-in").into_response())
}

/// A new session, whatever there was before.
fn begun(app: &App, headers: &HeaderMap, who: Who) -> Response {
    session_of(app, headers).iter().for_each(|secret| app.sessions.end(secret));
    let secret = app.sessions.begin(who, app.now());
    with_cookie(app, &secret, LONGEST.num_seconds(), Redirect::to("/").into_response())
}

fn is_in(app: &App, headers: &HeaderMap) -> bool {
    session_of(app, headers).is_some_and(|secret| app.sessions.find(&secret, app.now()).is_some())
}

fn with_cookie(app: &App, secret: &str, seconds: i64, mut response: Response) -> Response {
    let secure = if app.shared.access.tls().is_some() { "; Secure" } else { "" };
    let cookie = format!("{}={secret}; Path=/; HttpOnly; SameSite=Strict{secure}; Max-Age={seconds}", cookie_name(app));
    response.headers_mut().extend(HeaderValue::from_str(&cookie).ok().map(|cookie| (header::SET_COOKIE, cookie)));
    response
}
