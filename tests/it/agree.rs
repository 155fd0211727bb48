//! Audits, questions and views say the same of every record: of each person of `data/` and of the exports of a demo, whichever words are
//! asked for.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use futures::TryStreamExt;
use ier::audit::verdict::{EventKind, Mail, Outcome, Verdict};
use ier::audit::{About, Question, audit};
use ier::query::question::{find, library};
use ier::synthetic::generate;
use ier::synthetic::recipe::Recipe;
use tempfile::TempDir;

use crate::fixture::{Fixture, cells};

/// Rows of a question of the library.
async fn asked(fixture: &Fixture, name: &str, given: &[(&str, &str)]) -> Vec<Vec<String>> {
    let questions = library(None, drop).unwrap();
    let given: BTreeMap<String, String> = given.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let stream = fixture.engine.sql_given(&find(&questions, name).unwrap().sql, &given).await.unwrap();
    let batches: Vec<RecordBatch> = stream.try_collect().await.unwrap();
    cells(&batches)
}

/// What `ask told` must say of a mail, by what the audit says of it.
fn arrival(mail: &Mail) -> &'static str {
    let has = |what: EventKind| mail.events.iter().any(|event| event.what == what);
    match mail.outcome {
        Outcome::BouncedHard => "sent, bounced hard",
        Outcome::BouncedSoft => "sent, bounced softly",
        Outcome::Bounced => "sent, bounced, of no clear kind",
        Outcome::Delivered if has(EventKind::Clicked) => "sent, clicked",
        Outcome::Delivered if has(EventKind::Opened) => "sent, opened",
        Outcome::Delivered => "sent, nothing recorded since",
    }
}

/// Holds `ask told`, `ier audit` and the outcome of each row of `ier` against each other, for these people and words.
async fn compare(fixture: &Fixture, people: &[String], texts: &[&str]) -> usize {
    let mut compared = 0;
    let outcomes: BTreeMap<String, String> = {
        let rows: Vec<RecordBatch> =
            fixture.engine.sql("SELECT ier_id, outcome(i) FROM ier i").await.unwrap().try_collect().await.unwrap();
        cells(&rows).into_iter().map(|row| (row[0].clone(), row[1].clone())).collect()
    };
    for id in people {
        let person = fixture.engine.person(id).await.unwrap();
        for text in texts {
            let always = [("id", id.as_str()), ("about", *text), ("from", "2000-01-01"), ("to", "2100-01-01")];
            let rows = asked(fixture, "told", &always).await;
            let (withheld, sent): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row[7] == "not_sent");
            let reported: BTreeMap<String, String> = sent.iter().map(|row| (row[6].clone(), row[3].clone())).collect();
            assert_eq!(reported.len(), sent.len(), "{id} {text}: a record is listed once");
            let question =
                Question { about: About::Text((*text).to_owned()), from: None, to: None, as_of: None, zone: chrono_tz::UTC };
            let answer = audit(&fixture.engine, &person, question).await.unwrap();
            let mut audited = BTreeMap::new();
            let mut withheld_by_audit = BTreeSet::new();
            for send in &answer.sends {
                match &send.verdict {
                    Verdict::Sent { mails } => {
                        for mail in mails {
                            let ier_id = mail.record.ier_id.clone().unwrap();
                            assert_eq!(outcomes[&ier_id], mail.outcome.name(), "{ier_id}");
                            audited.insert(ier_id, arrival(mail).to_owned());
                        }
                    }
                    Verdict::NotSent { withheld } => {
                        withheld_by_audit.extend(withheld.iter().map(|row| row.job_id.clone().unwrap()))
                    }
                    Verdict::NoEvidence { .. } => {}
                }
            }
            assert_eq!(reported, audited, "{id} {text}");
            let withheld: BTreeSet<String> = withheld.iter().map(|row| row[6].split(' ').next().unwrap().to_owned()).collect();
            // Of a send of which a mail is on record the audit tells that one.
            assert!(withheld_by_audit.is_subset(&withheld), "{id} {text}: {withheld_by_audit:?}, {withheld:?}");
            compared += reported.len() + withheld_by_audit.len();
        }
    }
    compared
}

const TEXTS: [&str; 9] = [
    "enrolment",
    "giving day",
    "oe 2026 - deadline reminder",
    "CU Connections: the weeks stories",
    "employee services",
    "receipt",
    "2026",
    "6",
    "welcome back new year",
];

#[tokio::test]
async fn audits_and_sql_agree_on_every_record_of_the_hand_made_exports() {
    let fixture = Fixture::filled().await;
    let people = fixture.ask("SELECT id FROM contact UNION SELECT id FROM lead").await;
    for archived in [false, true] {
        assert_eq!(compare(&fixture, &people, &TEXTS).await, 69, "archived: {archived}");
        fixture.archive().await;
    }
}

#[tokio::test]
async fn audits_and_sql_agree_on_every_record_of_a_demo() {
    let fixture = Fixture::empty().await;
    let exports = TempDir::new().unwrap();
    let recipe = Recipe { contacts: 200, months: 6, ..Recipe::default() };
    generate(&recipe, exports.path(), &|_, _| ()).unwrap();
    fixture.load([exports.path()]).await.unwrap();
    let people = fixture
        .ask("SELECT canonical_person(person_id) FROM ier WHERE person_id IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC LIMIT 25")
        .await;
    let compared = compare(&fixture, &people, &["giving day", "connections"]).await;
    assert!(compared > 30, "{compared}");
}

/// Views and questions count the same mails: of what has no time of sending, too.
#[tokio::test]
async fn views_and_questions_count_the_same() {
    let fixture = Fixture::filled().await;
    let always = [("from", "2000-01-01"), ("to", "2100-01-01")];
    for archived in [false, true] {
        let by = |by: &'static str| [&[("by", by)][..], &always].concat();
        let sum =
            |rows: &[Vec<String>], column: usize| rows.iter().filter_map(|row| row[column].parse::<i64>().ok()).sum::<i64>();
        let view = fixture.ask("SELECT sum(sent), sum(delivered) FROM rates_by_send").await;
        for what in ["month", "send", "unit"] {
            let rows = asked(&fixture, "rates", &by(what)).await;
            assert_eq!(view[0], format!("{} | {}", sum(&rows, 1), sum(&rows, 2)), "{what}, archived: {archived}");
        }
        let view = fixture
            .ask("SELECT sent, delivered, open_rate FROM rates_by_send WHERE send_definition_id = 'a0Bf40000000002EAA'")
            .await;
        let rows = asked(&fixture, "rates", &by("send")).await;
        let row = rows.iter().find(|row| row[0].starts_with("OE 2026")).unwrap();
        assert_eq!(view[0], format!("{} | {} | {}", row[1], row[2], row[3]));
        let months = fixture.ask("SELECT month, sent FROM rates_by_month WHERE month = '2026-10-01'").await;
        let rows = asked(&fixture, "rates", &by("month")).await;
        assert!(rows.iter().any(|row| format!("{} | {}", row[0], row[1]) == months[0]), "{months:?}, {rows:?}");
        // Everybody of the view is in the lists, too.
        let reached = asked(&fixture, "reached_not_opened", &[("from", "2000-01-01")]).await.len();
        let rows = fixture.ask("SELECT count(*) FROM ier_with_send i WHERE outcome(i) = 'delivered' AND i.opened IS NOT TRUE AND i.clicked IS NOT TRUE").await;
        assert_eq!(rows[0], reached.to_string());
        fixture.archive().await;
    }
}
