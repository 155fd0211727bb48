//! Was this person told? The form, and the answer with a verdict for each send, in the words of `ier audit`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::layout::page;
use super::parts::{coverage, reason};
use super::words::{picture as address, shown};
use crate::audit::evidence::timeline;
use crate::audit::verdict::Verdict;
use crate::audit::wording::{CAVEAT, NOT_AMONG, WITHHELD_UNNAMED};
use crate::audit::{Audit, Question, SendAudit};
use crate::human::counted;
use crate::ledgers::coverage::of_iers;
use crate::serve::access::Who;
use crate::serve::http::api::people::{audited, question};
use crate::serve::http::app::App;
use crate::serve::http::guard::Caller;
use crate::serve::http::input::{Body, Fields};
use crate::serve::http::problem::Problem;

/// What may name the sends: its field, and in words.
const BY: [(&str, &str); 3] = [
    ("about", "words of its name, subject or sender"),
    ("email_id", "Marketing Cloud's id of the e-mail"),
    ("send", "the send's id, or its job's number"),
];

/// The form.
pub(super) fn form(app: &App, who: &Who, fields: &Fields) -> Markup {
    html! {
        form.narrow method="post" action="/audit" {
            input type="hidden" name="id" value=(fields.text("id"));
            div.grow { label for="what" { "Which e-mail" } input id="what" name="what" value=(fields.text("what")) required placeholder="giving day"; }
            div {
                label for="by" { "That is" }
                select id="by" name="by" { @for (value, name) in BY { option value=(value) selected[value == fields.text("by")] { (name) } } }
            }
            div { label for="audit-from" { "Sent from" } input id="audit-from" name="from" type="date" value=(fields.text("from")); }
            div { label for="audit-to" { "to" } input id="audit-to" name="to" type="date" value=(fields.text("to")); }
            div { label for="audit-as-of" { "As known on" } input id="audit-as-of" name="as_of" type="date" value=(fields.text("as_of")); }
            @if app.engine(who, None).wants_reason() && fields.get("reason").is_none() {
                div.grow { (reason(app, who, "")) }
            } @else {
                input type="hidden" name="reason" value=(fields.text("reason"));
            }
            button { "Ask" }
        }
        p.small { "The answer is a verdict for each send that matches, with what proves it. This look-up is logged." }
    }
}

/// What the form asks.
pub(super) fn asked(app: &App, fields: &Fields) -> Result<Question, Problem> {
    let what = fields.get("what").map(str::to_owned);
    let about = match fields.text("by") {
        "email_id" => (None, what, None),
        "send" => (None, None, what),
        _ => (what, None, None),
    };
    if about == (None, None, None) {
        return Err(Problem::invalid("say which e-mail: some words of its name, subject or sender"));
    }
    question(app, about, (fields.day("from")?, fields.day("to")?, fields.day("as_of")?))
}

/// The answer.
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, Problem> {
    let fields = body.fields();
    let answer = audited(&app, &caller, (fields.text("id"), asked(&app, &fields)?), fields.get("reason")).await?;
    let zone = app.site.zone;
    let loaded = app.within(of_iers(app.shared.own_engine().warehouse())).await?;
    let name = answer.name.as_deref().map_or_else(|| answer.person.clone(), shown);
    let title = format!("Was {name} told?");
    let content = html! {
        h1 { (title) }
        p.answer role="status" { (shown(&answer.summary())) }
        dl.facts {
            dt { "Asked about" } dd { (shown(&answer.asked())) }
            dt { "Found" } dd { (shown(&answer.headline())) }
            dt { "Person" } dd { (shown(&answer.who_it_is())) }
            dt { "Looked under" } dd { @for id in &answer.person_ids { code { (id) } " " } }
            @for alias in &answer.aliases { dt { "One person" } dd { (shown(&alias.sentence(zone))) } }
            @if let Some(left_out) = answer.left_out() { dt { "Left out" } dd { (shown(&left_out)) } }
            dt { "On record in all" } dd { (counted(answer.records_of_person as u64, "mail")) }
            dt { "Times" } dd { "those of " (zone.name()) ", and of records in UTC" }
        }
        (coverage(loaded.as_ref(), zone))
        (verdicts(&answer))
        p.note role="note" { (CAVEAT) " NO EVIDENCE does not mean that nothing was sent." }
        section.act aria-labelledby="keep" {
            h2 id="keep" { "Evidence" }
            p { "A pack holds this answer with the records it rests on, and what proves both. It is made anew from what is here now." }
            form method="post" action="/evidence" { (again(&fields)) button { "Make the pack" } }
        }
        section.act aria-labelledby="more" {
            h2 id="more" { "Ask again" }
            (form(&app, &caller.who, &fields))
            form method="post" action="/person" {
                input type="hidden" name="id" value=(fields.text("id"));
                input type="hidden" name="reason" value=(fields.text("reason"));
                button.plain { "Back to the person" }
            }
        }
    };
    Ok(page(Some(&caller), &title, "/", content))
}

/// The same question, for another form.
pub(super) fn again(fields: &Fields) -> Markup {
    html! {
        @for name in ["id", "what", "by", "from", "to", "as_of", "reason"] {
            @if let Some(value) = fields.get(name) { input type="hidden" name=(name) value=(value); }
        }
    }
}

fn verdicts(answer: &Audit) -> Markup {
    let wording = answer.wording();
    let (not_among, listed): (Vec<_>, Vec<_>) = answer.sends.iter().partition(|send| send.verdict.is_not_among());
    let (proved, open): (Vec<_>, Vec<_>) = listed.into_iter().partition(|send| send.verdict.place() < 2);
    html! {
        @for send in proved { (one(answer, send)) }
        @if !not_among.is_empty() {
            section.verdict {
                h2 { span.word { "NOT AMONG THE RECIPIENTS" } " of " (counted(not_among.len() as u64, "send")) }
                p { "Of each of these " (NOT_AMONG) "." }
                ul { @for send in not_among { li { (shown(&send.line(wording.zone))) } } }
            }
        }
        @for send in open { (one(answer, send)) }
        @if !answer.withheld_unnamed.is_empty() {
            section.verdict {
                h2 { (WITHHELD_UNNAMED) }
                ul { @for withheld in &answer.withheld_unnamed { li { (shown(&withheld.line(wording.zone))) } } }
            }
        }
        @if answer.sends.is_empty() {
            section.verdict {
                h2 { span.word { "NO EVIDENCE" } }
                p { (shown(&answer.nothing_known())) }
                ul { @for near in &answer.nearest { li { (shown(&near.line(wording.zone))) } } }
            }
        }
    }
}

fn one(answer: &Audit, send: &SendAudit) -> Markup {
    let wording = answer.wording();
    let is_proved = send.verdict.place() < 2;
    html! {
        section.verdict.proved[is_proved] {
            h2 { span.word { (send.verdict.name()) } " " (shown(send.send.title())) }
            p.small { (shown(&send.send.about())) ". Matched: " (shown(&send.matched())) }
            @match &send.verdict {
                Verdict::Sent { mails } => {
                    @for mail in mails {
                        @if let Some(svg) = timeline::picture(mail, wording.zone) {
                            img.wide src=(address(&svg)) alt="What was recorded about this mail, on a line of time; the list below says the same";
                        }
                        ul { @for sentence in mail.sentences(&send.send, wording) { li { (shown(&sentence)) } } }
                    }
                }
                _ => ul { @for sentence in send.sentences(wording) { li { (shown(&sentence)) } } },
            }
        }
    }
}
