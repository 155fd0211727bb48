//! Evidence to keep, and evidence to check.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use maud::html;

use super::audit::{again, asked};
use super::layout::page;
use super::parts::reason;
use super::words::shown;
use crate::human::counted;
use crate::record::id::SfId;
use crate::serve::http::api::people::{checked, packed, zipped};
use crate::serve::http::app::App;
use crate::serve::http::guard::Caller;
use crate::serve::http::input::{Body, PACK};
use crate::serve::http::multipart::Parts;
use crate::serve::http::problem::Problem;

/// Makes a pack, and shows its seal.
pub(crate) async fn make(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, Problem> {
    let fields = body.fields();
    let (answer, pack) = packed(&app, &caller, (fields.text("id"), asked(&app, &fields)?), fields.get("reason")).await?;
    let (seal, rows) = (pack.manifest.seal.clone(), pack.manifest.rows().count());
    let zip = pack.zip()?;
    let bytes = zip.len() as u64;
    let name = app.packs.keep((&caller.who.name, &answer.person), zip, seal.clone(), app.now());
    let content = html! {
        h1 { "Evidence" }
        p.answer role="status" { (shown(&answer.summary())) }
        p { "The pack rests on " (counted(rows as u64, "record")) ". Note its seal where the pack is not: by it anybody can tell later that the pack is the one that was made now." }
        p.seal { label for="seal" { "Seal" } input id="seal" readonly value=(seal) size="64" spellcheck="false"; }
        form method="post" action="/evidence/file" {
            input type="hidden" name="pack" value=(name);
            input type="hidden" name="reason" value=(fields.text("reason"));
            button { "Download the pack (zip, " (crate::human::bytes(bytes)) ")" }
        }
        p.small { "It can be fetched here for ten minutes, by you alone; each time is logged." }
        form method="post" action="/audit" { (again(&fields)) button.plain { "Back to the answer" } }
    };
    Ok(page(Some(&caller), "Evidence", "/", content))
}

/// The pack that was made.
pub(crate) async fn fetch(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, Problem> {
    let fields = body.fields();
    let pack = app.packs.get(fields.text("pack"), &caller.who.name, app.now());
    let pack = pack.ok_or_else(|| Problem::not_found("this pack is not here, or no longer: make it again"))?;
    let engine = app.looking(&caller.who, fields.get("reason"))?;
    let person = SfId::of_person(&pack.person)?;
    engine.looked_up("audit", &person, 1).await?;
    Ok(zipped(pack.zip.as_ref().clone(), &pack.seal))
}

/// Where a pack is given to be checked.
pub(crate) async fn form(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>) -> Response {
    let content = html! {
        h1 { "Is a pack what was once written?" }
        form.card method="post" action="/verify" enctype="multipart/form-data" {
            (reason(&app, &caller.who, ""))
            label for="pack" { "The pack (zip)" }
            input id="pack" name="pack" type="file" accept=".zip,application/zip" required;
            label for="seal" { "Its seal, as it was noted elsewhere " span.small { "(optional)" } }
            input id="seal" name="seal" autocomplete="off" spellcheck="false";
            button { "Verify" }
        }
        p.small { "Every byte is held against the pack's own seal, that against the one you noted, and the records against the archive." }
    };
    page(Some(&caller), "Verify a pack", "/verify", content)
}

/// What is found in a pack.
pub(crate) async fn check(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    body: Body<PACK>,
) -> Result<Response, Problem> {
    let parts = Parts::of(&body)?;
    let zip = parts.bytes("pack").filter(|zip| !zip.is_empty());
    let zip = zip.ok_or_else(|| Problem::invalid("no pack was given: choose its file"))?;
    let (seal, why) = (parts.text("seal"), parts.text("reason"));
    let report = checked(&app, &caller, (body.bytes.slice_ref(zip), seal.as_deref()), why.as_deref()).await?;
    let is_whole = report.wrong.is_empty();
    let text = report.to_string();
    let content = html! {
        h1 { "A pack was verified" }
        p.answer role="status" { @if is_whole { "VERIFIED: the pack is what was written." } @else { "ALTERED: " (counted(report.wrong.len() as u64, "thing")) " wrong." } }
        pre.words { @for line in text.lines() { (shown(line)) "\n" } }
        p { a href="/verify" { "Verify another" } }
    };
    Ok(page(Some(&caller), "A pack was verified", "/verify", content))
}
