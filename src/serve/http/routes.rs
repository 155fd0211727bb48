//! Every way there is, with the right it takes: what stands here is served, and nothing else.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, delete, get, post};

use super::api::{catalog, health, log, people, questions, sql};
use super::app::App;
use super::guard::{Door, Need, admit, recognise};
use super::problem::Problem;
use crate::serve::access::Right;
use crate::serve::page;

/// A way.
pub(crate) struct Route {
    /// The method of HTTP.
    pub(crate) method: &'static str,
    /// Where it is.
    pub(crate) path: &'static str,
    /// What it takes.
    pub(crate) need: Need,
    handler: fn() -> MethodRouter<Arc<App>>,
}

const fn way(method: &'static str, path: &'static str, need: Need, handler: fn() -> MethodRouter<Arc<App>>) -> Route {
    Route { method, path, need, handler }
}

const SQL: Need = Need::Of(Right::Sql);
const PEOPLE: Need = Need::Of(Right::People);
const OPERATIONS: Need = Need::Of(Right::Operations);
const LOOK_UPS: Need = Need::Of(Right::LookUps);

/// All of them.
pub(crate) const ROUTES: &[Route] = &[
    // Whether it is well.
    way("GET", "/healthz", Need::Nothing, || get(health::alive)),
    way("GET", "/readyz", Need::Nothing, || get(health::ready)),
    way("GET", "/metrics", OPERATIONS, || get(health::figures)),
    // For programs.
    way("GET", "/api/v1/openapi.json", Need::Nothing, || get(catalog::openapi)),
    way("GET", "/api/v1/me", Need::Somebody, || get(catalog::me)),
    way("GET", "/api/v1/catalog", SQL, || get(catalog::catalog)),
    way("GET", "/api/v1/status", OPERATIONS, || get(catalog::show)),
    way("POST", "/api/v1/sql", SQL, || post(sql::ask)),
    way("GET", "/api/v1/runs", Need::Somebody, || get(sql::list)),
    way("GET", "/api/v1/runs/{id}", Need::Somebody, || get(sql::show)),
    way("DELETE", "/api/v1/runs/{id}", Need::Somebody, || delete(sql::stop)),
    way("GET", "/api/v1/questions", SQL, || get(questions::list)),
    way("GET", "/api/v1/questions/{name}", SQL, || get(questions::show)),
    way("POST", "/api/v1/questions/{name}", SQL, || post(questions::ask)),
    way("POST", "/api/v1/people", PEOPLE, || post(people::search)),
    way("POST", "/api/v1/people/{id}/history", PEOPLE, || post(people::history)),
    way("POST", "/api/v1/people/{id}/aliases", PEOPLE, || post(people::aliases)),
    way("POST", "/api/v1/people/{id}/audit", PEOPLE, || post(people::ask)),
    way("POST", "/api/v1/people/{id}/evidence", PEOPLE, || post(people::evidence)),
    way("POST", "/api/v1/evidence/verify", PEOPLE, || post(people::check)),
    way("GET", "/api/v1/look-ups", LOOK_UPS, || get(log::show)),
    // To come in and go.
    way("GET", "/sign-in", Need::Nothing, || get(page::entry::form)),
    way("POST", "/sign-in", Need::Nothing, || post(page::entry::enter)),
    way("POST", "/sign-out", Need::Somebody, || post(page::entry::leave)),
    way("GET", "/assets/{hash}/{name}", Need::Nothing, || get(page::assets::show)),
    // For people who look people up.
    way("GET", "/", Need::Somebody, || get(page::search::home)),
    way("POST", "/people", PEOPLE, || post(page::search::found)),
    way("POST", "/person", PEOPLE, || post(page::person::show)),
    way("POST", "/audit", PEOPLE, || post(page::audit::show)),
    way("POST", "/evidence", PEOPLE, || post(page::evidence::make)),
    way("POST", "/evidence/file", PEOPLE, || post(page::evidence::fetch)),
    way("GET", "/verify", PEOPLE, || get(page::evidence::form)),
    way("POST", "/verify", PEOPLE, || post(page::evidence::check)),
    way("GET", "/look-ups", Need::Somebody, || get(page::log::show)),
    // For people who ask about many.
    way("GET", "/questions", SQL, || get(page::questions::list)),
    way("GET", "/questions/{name}", SQL, || get(page::questions::form)),
    way("POST", "/questions/{name}", SQL, || post(page::questions::answer)),
    way("GET", "/worksheet", SQL, || get(page::worksheet::show)),
    way("POST", "/worksheet/file", SQL, || post(page::worksheet::download)),
    // For people who keep it running.
    way("GET", "/status", OPERATIONS, || get(page::status::show)),
];

/// The ways, behind their doors.
pub(super) fn router(app: &Arc<App>) -> Router {
    let mut router = Router::new();
    for way in ROUTES {
        let door = Door { app: app.clone(), need: way.need, method: way.method, path: way.path };
        router = router.route(way.path, (way.handler)().layer(from_fn_with_state(door, recognise)));
    }
    let router = router.fallback(nothing).method_not_allowed_fallback(no_method);
    // Pages tell people what programs are told in JSON.
    let router = router.layer(from_fn(page::oops::told));
    router.layer(from_fn_with_state(app.clone(), admit)).with_state(app.clone())
}

async fn nothing() -> Problem {
    Problem::not_found("there is nothing at this address")
}

async fn no_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed", "this address does not take that method")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// What is written by hand beside the table must say the same.
    #[test]
    fn the_description_has_every_way_of_programs_and_no_other() {
        let described: serde_json::Value = serde_json::from_str(include_str!("openapi.json")).unwrap();
        let mut told: Vec<(String, String)> = Vec::new();
        for (path, methods) in described["paths"].as_object().unwrap() {
            let methods = methods.as_object().unwrap().keys().filter(|method| *method != "parameters");
            told.extend(methods.map(|method| (method.to_uppercase(), path.clone())));
        }
        let mut served: Vec<(String, String)> = ROUTES
            .iter()
            .filter(|route| route.path.starts_with("/api/"))
            .map(|route| (route.method.to_owned(), route.path.to_owned()))
            .collect();
        told.sort();
        served.sort();
        assert_eq!(told, served);
    }

    #[test]
    fn what_shows_somebody_is_no_get() {
        let people = ROUTES.iter().filter(|route| route.need == PEOPLE && route.method == "GET");
        assert_eq!(people.map(|route| route.path).collect::<Vec<_>>(), ["/verify"], "a form");
    }
}
