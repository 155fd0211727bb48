//! Whom a request comes from, and whether it may: every request goes through [`admit`], and every way that is not open to all through
//! [`recognise`].
//!
//! - **By which name.** A name that leads here by another's hand (DNS rebinding) is refused: only names of this machine are known.
//! - **From which site.** What another site sends is refused, by what the browser says of it (`Sec-Fetch-Site`, else `Origin`). What says
//!   neither is no browser of today, and has to bring a token. From elsewhere a browser may only go to a page.
//! - **Who.** A token, else the cookie of a session. Then the right that the way takes.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use url::form_urlencoded;

use super::app::App;
use super::input::text;
use super::problem::Problem;
use crate::serve::access::{Right, Who};

/// Pages may load what comes from here, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
    form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'";

/// A picture is no page.
const PICTURE: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/// Headers of every response.
const HEADERS: [(&str, &str); 5] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
];

/// Names of this machine.
const HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// What a way takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Need {
    /// Nothing: whoever comes may.
    Nothing,
    /// To be signed in, whatever for.
    Somebody,
    /// A right.
    Of(Right),
}

/// Somebody who asks.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) who: Who,
    /// The secret of their session, where they came by one.
    pub(crate) session: Option<String>,
}

impl Caller {
    pub(crate) fn may(&self, right: Right) -> bool {
        self.who.role.may(right)
    }

    /// Whose statements they may see: their own, or all.
    pub(crate) fn sees(&self) -> Option<&str> {
        if self.may(Right::Operations) { None } else { Some(&self.who.name) }
    }
}

/// The first door.
pub(crate) async fn admit(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let admitted = admitted(&app, &request);
    let mut response = match admitted {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let is_picture = text(headers, header::CONTENT_TYPE).starts_with("image/svg");
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(if is_picture { PICTURE } else { POLICY }));
    if app.shared.access.tls().is_some() {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn admitted(app: &App, request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    let host = text(headers, header::HOST);
    let own = app.address.ip().to_string();
    let name = name_of(&host);
    // With TLS a name that leads here by another's hand has not this certificate.
    let is_proved = app.shared.access.tls().is_some();
    if !is_proved && !HOSTS.iter().any(|known| name.eq_ignore_ascii_case(known)) && name.trim_matches(['[', ']']) != own {
        let detail = "this server does not go by that name; come to it by its address, or by localhost";
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "misdirected", detail));
    }
    let query = request.uri().query().unwrap_or_default();
    if form_urlencoded::parse(query.as_bytes()).any(|(name, _)| matches!(&*name, "token" | "access_token" | "authorization")) {
        return Err(Problem::invalid(
            "a token in an address is seen by too many; send it as a header: Authorization: Bearer TOKEN",
        ));
    }
    if is_foreign(request.method(), request.uri().path(), headers, &host) {
        return Err(Problem::forbidden("this was sent by another site, or by nobody who says who it is"));
    }
    if !app.is_open() && !matches!(request.uri().path(), "/healthz" | "/readyz") {
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the server is stopping"));
    }
    Ok(())
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Does a request come from where it may not?
fn is_foreign(method: &Method, path: &str, headers: &HeaderMap, host: &str) -> bool {
    let is_safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let site = text(headers, HeaderName::from_static("sec-fetch-site"));
    if !site.is_empty() {
        let goes_to_page = text(headers, HeaderName::from_static("sec-fetch-mode")) == "navigate"
            && text(headers, HeaderName::from_static("sec-fetch-dest")) == "document"
            && !path.starts_with("/api/");
        return !(matches!(site.as_str(), "same-origin" | "none") || is_safe && goes_to_page);
    }
    if is_safe {
        return false;
    }
    let origin = text(headers, header::ORIGIN);
    match origin.is_empty() {
        false => origin.split_once("://").is_none_or(|(_, from)| !from.eq_ignore_ascii_case(host)),
        true => token(headers).is_none(),
    }
}

/// The token of a request.
fn token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The name of the cookie: browsers do not keep those of two ports apart.
pub(crate) fn cookie_name(app: &App) -> String {
    let prefix = if app.shared.access.tls().is_some() { "__Host-" } else { "" };
    format!("{prefix}ier-{}", app.address.port())
}

/// The secret of the session a request belongs to.
pub(crate) fn session_of(app: &App, headers: &HeaderMap) -> Option<String> {
    let name = cookie_name(app);
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, secret)| secret.to_owned())
}

/// Who sends a request, if it is somebody.
pub(crate) fn caller(app: &App, headers: &HeaderMap) -> Option<Caller> {
    if headers.contains_key(header::AUTHORIZATION) {
        // A token that is wrong is not made up for by a cookie.
        return Some(Caller { who: app.shared.access.bearer(token(headers)?)?, session: None });
    }
    let secret = session_of(app, headers)?;
    let who = app.sessions.find(&secret, app.now())?;
    if !app.shared.access.may_stay(&who) {
        app.sessions.end(&secret);
        return None;
    }
    Some(Caller { who, session: Some(secret) })
}

/// What the second door knows of the way behind it.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) app: Arc<App>,
    pub(crate) need: Need,
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
}

/// The second door: who it is, and whether they may.
pub(crate) async fn recognise(State(door): State<Door>, mut request: Request, next: Next) -> Response {
    let Door { app, need, method, path } = door;
    let caller = caller(&app, request.headers());
    let allowed = match (need, &caller) {
        (Need::Nothing, _) | (Need::Somebody, Some(_)) => Ok(()),
        (Need::Of(right), Some(caller)) if caller.may(right) => Ok(()),
        (_, Some(caller)) => {
            let detail = format!("{} may not do this: it takes another role", caller.who.name);
            Err(Problem::forbidden(detail))
        }
        (_, None) => Err(Problem::stranger()),
    };
    let is_page = !path.starts_with("/api/") && path != "/metrics";
    let response = match allowed {
        Ok(()) => {
            if let Some(caller) = caller {
                request.extensions_mut().insert(caller);
            }
            next.run(request).await
        }
        Err(problem) if is_page && problem.status() == StatusCode::UNAUTHORIZED => Redirect::to("/sign-in").into_response(),
        Err(problem) => problem.into_response(),
    };
    app.counters.count(method, path, response.status().as_u16());
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn foreign(method: Method, path: &str, headers: &[(&'static str, &str)]) -> bool {
        let mut map = HeaderMap::new();
        headers.iter().for_each(|(name, value)| drop(map.insert(*name, value.parse().unwrap())));
        is_foreign(&method, path, &map, "127.0.0.1:8427")
    }

    #[test]
    fn what_another_site_sends_is_foreign() {
        let (site, mode, dest, origin) = ("sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest", "origin");
        let bearer = ("authorization", "Bearer abc");
        for (method, path, headers, is) in [
            (Method::POST, "/api/v1/sql", &[(site, "same-origin")][..], false),
            (Method::POST, "/api/v1/sql", &[(site, "none")], false),
            (Method::POST, "/api/v1/sql", &[(site, "cross-site")], true),
            (Method::POST, "/api/v1/sql", &[(site, "same-site")], true),
            (Method::POST, "/api/v1/sql", &[(site, "cross-site"), bearer], true),
            (Method::POST, "/api/v1/sql", &[(origin, "http://127.0.0.1:8427")], false),
            (Method::POST, "/api/v1/sql", &[(origin, "https://evil.example")], true),
            (Method::POST, "/api/v1/sql", &[(origin, "null")], true),
            (Method::POST, "/api/v1/sql", &[(origin, "http://127.0.0.1:8428")], true),
            (Method::POST, "/api/v1/sql", &[], true),
            (Method::POST, "/api/v1/sql", &[bearer], false),
            (Method::DELETE, "/api/v1/runs/1", &[], true),
            (Method::GET, "/api/v1/status", &[(site, "cross-site")], true),
            (Method::GET, "/api/v1/status", &[(site, "cross-site"), (mode, "navigate"), (dest, "document")], true),
            (Method::GET, "/", &[(site, "cross-site"), (mode, "navigate"), (dest, "document")], false),
            (Method::GET, "/", &[(site, "cross-site"), (mode, "navigate"), (dest, "iframe")], true),
            (Method::GET, "/assets/x/page.css", &[(site, "cross-site"), (mode, "no-cors")], true),
            (Method::GET, "/api/v1/status", &[], false),
        ] {
            assert_eq!(foreign(method.clone(), path, headers), is, "{method} {path} {headers:?}");
        }
    }

    #[test]
    fn a_port_is_no_part_of_a_name() {
        for (host, name) in [("localhost:1", "localhost"), ("[::1]:8427", "[::1]"), ("[::1]", "[::1]"), ("a", "a"), ("a:", "a:")]
        {
            assert_eq!(name_of(host), name);
        }
    }
}
