//! A person: who they are, how their ids became one, what they were sent and what became of it, now or as it was known on a day.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use maud::{Markup, html};

use super::layout::page;
use super::parts::{coverage, reason};
use super::words::{moment, or_none, picture as address, shown};
use super::{audit, picture};
use crate::audit::Alias;
use crate::audit::facts::{PersonFacts, Record, erasure, person_facts};
use crate::audit::wording::both;
use crate::calendar::local::Calendar;
use crate::error::Result as Outcome;
use crate::human::{count, counted};
use crate::ledgers::coverage::{IerCoverage, of_iers};
use crate::query::engine::Engine;
use crate::query::people::Person;
use crate::query::who::PersonLabel;
use crate::record::identity::Identities;
use crate::record::text_match::{Words, plain};
use crate::serve::access::Who;
use crate::serve::http::app::App;
use crate::serve::http::guard::Caller;
use crate::serve::http::input::{Body, Fields};
use crate::serve::http::problem::Problem;

/// Mails that a page lists.
const LISTED: usize = 500;

/// What may have become of a mail, to look for: its name in a form, and in words.
const OUTCOMES: [(&str, &str); 6] = [
    ("", "anything"),
    ("opened", "opened"),
    ("clicked", "clicked"),
    ("bounced", "bounced"),
    ("unsubscribed", "unsubscribed"),
    ("nothing", "nothing recorded"),
];

/// Shows somebody.
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, Problem> {
    shown_to(&app, &caller, &body.fields()).await
}

/// All that is shown.
struct View {
    face: PersonLabel,
    person: Person,
    life: PersonFacts,
    erased: Option<String>,
    loaded: Option<IerCoverage>,
    as_of: Option<DateTime<Utc>>,
}

/// Looks somebody up, and shows them to who asked.
pub(super) async fn shown_to(app: &App, caller: &Caller, fields: &Fields) -> Result<Response, Problem> {
    let as_of = fields.day("as_of")?;
    let (from, to) = (fields.day("from")?, fields.day("to")?);
    let _place = app.look_up().await?;
    let engine = app.looking(&caller.who, fields.get("reason"))?;
    let view = app.within(looked_up(&engine, fields.text("id"), as_of, app.site.zone)).await?;
    let zone = app.site.zone;
    let wanted = Wanted { from, to, words: fields.text("words"), outcome: fields.text("outcome"), zone };
    let mails: Vec<&Record> = view.life.records.iter().filter(|record| wanted.has(record, &view.life)).collect();
    let name = view.face.name.as_deref().map_or_else(|| "No name on record".to_owned(), shown);
    let content = html! {
        div.heading {
            h1 { (name) }
            @if let Some(email) = &view.face.email { p.lead { (shown(email)) } }
        }
        (facts(&view, zone))
        @if let Some(erased) = &view.erased { p.note role="note" { (erased) } }
        (coverage(view.loaded.as_ref(), zone))
        nav.within aria-label="On this page" { a href="#mails" { "Mails" } a href="#ids" { "Ids" } a href="#ask" { "Was this person told?" } }
        section aria-labelledby="mails" {
            h2 id="mails" { "Mails" }
            @if let Some((svg, spoken)) = picture::life(&view.life, zone) {
                figure { img.wide src=(address(&svg)) alt=(spoken); figcaption { (spoken) " The table below says the same." } }
            }
            (narrow(app, &caller.who, fields))
            (mails_table(&mails, &view, zone))
            @if !view.life.withheld.is_empty() {
                h3 { "Withheld" }
                ul { @for withheld in &view.life.withheld { li { (shown(&withheld.line(zone))) } } }
            }
        }
        section aria-labelledby="ids" {
            h2 id="ids" { "How these ids are one person" }
            (ids(&view, zone))
        }
        section aria-labelledby="ask" {
            h2 id="ask" { "Was this person told?" }
            (audit::form(app, &caller.who, fields))
        }
    };
    Ok(page(Some(caller), &name, "/", content))
}

async fn looked_up(engine: &Engine, who: &str, as_of: Option<NaiveDate>, zone: Tz) -> Outcome<View> {
    let as_of = as_of.and_then(|day| Calendar { zone, ..Calendar::default() }.end_of(day));
    let person = engine.person(who).await?;
    let ids = match as_of {
        None => person.ids().to_vec(),
        Some(at) => Identities::new(person.edges().iter().filter(|edge| edge.learned_at <= at).cloned()).all_of(person.id()),
    };
    let (life, face, erased, loaded, ()) = tokio::try_join!(
        person_facts(engine, &ids, as_of),
        engine.label(&person),
        erasure(engine, person.ids()),
        of_iers(engine.warehouse()),
        engine.open_look_ups()
    )?;
    if life.is_empty() && erased.is_none() {
        engine.must_be_known(&person).await?;
    }
    engine.looked_up("history", person.id(), life.records.len() as u64).await?;
    Ok(View { face, person, life, erased: erased.map(|erased| erased.sentence(zone)), loaded, as_of })
}

fn facts(view: &View, zone: Tz) -> Markup {
    let records = &view.life.records;
    let dates = || records.iter().filter_map(|record| record.date_sent);
    html! {
        dl.facts {
            dt { "Id" } dd { code { (view.person.canonical_id()) } }
            @if view.person.ids().len() > 1 {
                dt { "Also" }
                dd { @for id in view.person.ids().iter().filter(|id| id.as_str() != view.person.canonical_id()) { code { (id) } " " } }
            }
            dt { "On record" }
            dd {
                (counted(records.len() as u64, "mail"))
                @if let (Some(first), Some(last)) = (dates().min(), dates().max()) { ", sent " (moment(Some(first), zone)) " to " (moment(Some(last), zone)) }
            }
            dt { "As known" }
            dd {
                @match view.as_of {
                    Some(at) => {
                        "here at " (both(at, zone))
                        @if view.life.learned_since > 0 { "; left out, being learned later: " (counted(view.life.learned_since as u64, "mail")) }
                    }
                    None => "now",
                }
            }
            dt { "Times" } dd { (zone.name()) "; those of UTC stand behind each" }
        }
    }
}

/// Which mails are looked for.
struct Wanted<'a> {
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    words: &'a str,
    outcome: &'a str,
    zone: Tz,
}

impl Wanted<'_> {
    fn has(&self, record: &Record, life: &PersonFacts) -> bool {
        let day = record.date_sent.map(|at| at.with_timezone(&self.zone).date_naive());
        let in_time = day.is_none_or(|day| self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day <= to));
        let words = Words::of(self.words);
        let named = || {
            let texts = [&record.email_name, &record.subject_line, &record.from_name];
            let all = texts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ");
            words.are_parts_of(&plain(&all))
        };
        let became = became(record, life);
        let is = |what: &str| became.iter().any(|(kind, _)| *kind == what);
        in_time
            && (words.is_empty() || named())
            && match self.outcome {
                "" => true,
                "nothing" => became.is_empty(),
                outcome => is(outcome),
            }
    }
}

/// Something that became of a mail: its kind, its words, and its moment where one is recorded.
type Became = (&'static str, (String, Option<DateTime<Utc>>));

/// What became of a mail.
fn became(record: &Record, life: &PersonFacts) -> Vec<Became> {
    let yes = |flag: Option<bool>| flag == Some(true);
    let mut became = Vec::new();
    if yes(record.opened) || record.date_opened.is_some() {
        became.push(("opened", ("opened".to_owned(), record.date_opened)));
    }
    let links = record.ier_id.as_ref().and_then(|id| life.clicks.get(id)).map_or(&[][..], Vec::as_slice);
    if yes(record.clicked) || !links.is_empty() {
        let clicks = record.number_of_total_clicks.filter(|clicks| *clicks > 0);
        let times = clicks.map_or(String::new(), |clicks| format!(" {}", counted(clicks as u64, "time")));
        became.push(("clicked", (format!("clicked{times}"), links.iter().filter_map(|link| link.last_clicked).max())));
    }
    let bounce = match (yes(record.hard_bounce), yes(record.soft_bounce)) {
        (true, true) => Some("bounced, of no clear kind"),
        (true, false) => Some("hard bounce"),
        (false, true) => Some("soft bounce"),
        (false, false) => record.date_bounced.map(|_| "bounced"),
    };
    became.extend(bounce.map(|bounce| ("bounced", (bounce.to_owned(), record.date_bounced))));
    became.extend(record.date_unsubscribed.map(|at| ("unsubscribed", ("unsubscribed".to_owned(), Some(at)))));
    became
}

/// The form that narrows the list.
fn narrow(app: &App, who: &Who, fields: &Fields) -> Markup {
    html! {
        form.narrow method="post" action="/person#mails" {
            input type="hidden" name="id" value=(fields.text("id"));
            div { label for="from" { "Sent from" } input id="from" name="from" type="date" value=(fields.text("from")); }
            div { label for="to" { "to" } input id="to" name="to" type="date" value=(fields.text("to")); }
            div { label for="words" { "Words of the e-mail" } input id="words" name="words" value=(fields.text("words")); }
            div {
                label for="outcome" { "What happened" }
                select id="outcome" name="outcome" {
                    @for (value, name) in OUTCOMES { option value=(value) selected[value == fields.text("outcome")] { (name) } }
                }
            }
            div { label for="as_of" { "As known on" } input id="as_of" name="as_of" type="date" value=(fields.text("as_of")); }
            div.grow { (reason(app, who, fields.text("reason"))) }
            button { "Show these" }
        }
    }
}

fn mails_table(mails: &[&Record], view: &View, zone: Tz) -> Markup {
    let all = view.life.records.len();
    let shown_of = match (mails.len(), all) {
        (some, all) if some == all => counted(all as u64, "mail"),
        (some, all) => format!("{} of {}", count(some as u64), counted(all as u64, "mail")),
    };
    let caption = match mails.len() {
        many if many > LISTED => format!("The first {} of these, newest first ({shown_of})", count(LISTED as u64)),
        _ => format!("{shown_of}, newest first"),
    };
    html! {
        div.scroll tabindex="0" role="region" aria-label="Table of mails" {
            table {
                caption { (caption) }
                thead { tr { th scope="col" { "Sent" } th scope="col" { "E-mail" } th scope="col" { "From" } th scope="col" { "What happened" } th scope="col" { "Record" } } }
                tbody {
                    @for record in mails.iter().take(LISTED) {
                        tr {
                            td.when { (moment(record.date_sent, zone)) }
                            th scope="row" {
                                (or_none(record.email_name.as_deref()))
                                @if let Some(subject) = &record.subject_line { div.small { (shown(subject)) } }
                            }
                            td { (or_none(record.from_name.as_deref())) }
                            td {
                                @let became = became(record, &view.life);
                                @if became.is_empty() { span.none { "nothing recorded" } }
                                @for (_, (what, at)) in &became {
                                    div { (what) @if at.is_some() { " " span.when { (moment(*at, zone)) } } }
                                }
                                @if record.is_deleted == Some(true) { div.small { "deleted in Salesforce since" } }
                            }
                            td.small { code { (or_none(record.ier_id.as_deref())) } div { "of " (or_none(record.person_id.as_deref())) } }
                        }
                    }
                }
            }
        }
    }
}

fn ids(view: &View, zone: Tz) -> Markup {
    let edges: Vec<_> = view.person.edges().iter().filter(|edge| view.as_of.is_none_or(|at| edge.learned_at <= at)).collect();
    html! {
        @if edges.is_empty() {
            p { "One id is known: " code { (view.person.canonical_id()) } "." }
        } @else {
            ul { @for edge in edges { li { (shown(&Alias::of(edge).sentence(zone))) } } }
        }
    }
}
