//! Audiences: out as ids that load back into Salesforce, each person once, nobody who may not be written to.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use ier::error::Result;
use ier::query::audience::{Audience, AudienceReport};
use ier::record::id::SfId;

use crate::fixture::Fixture;

/// Everybody who opened anything: Ana (who unsubscribed), Ben, Chen (deleted), Eli and Fay, a lead.
const OPENED: &str = "SELECT person_id FROM ier WHERE opened";

fn everybody() -> Audience {
    Audience { campaign: None, status: "Sent".to_owned(), short_ids: false, with_unsubscribed: true, leave_out: None }
}

async fn written(fixture: &Fixture, audience: &Audience, sql: &str, name: &str) -> Result<(AudienceReport, Vec<String>)> {
    let out: PathBuf = fixture.folder.path().join(name);
    let report = audience.write(&fixture.engine, fixture.engine.sql(sql).await?, &out).await?;
    assert!(report.files.iter().all(|file| *file == out));
    let text = if out.exists() { std::fs::read_to_string(out)? } else { String::new() };
    Ok((report, text.lines().map(str::to_owned).collect()))
}

#[tokio::test]
async fn each_person_once_by_the_id_salesforce_knows() {
    let fixture = Fixture::filled().await;
    let (report, lines) = written(&fixture, &everybody(), OPENED, "ids.csv").await.unwrap();
    // Ana opened under three ids; Chen is deleted.
    assert_eq!(lines, ["Id", "003f40000000001AAA", "003f40000000003AAA", "003f4000000000AAAQ", "00Qf40000000002EAA"]);
    assert_eq!((report.rows, report.people, report.deleted, report.opted_out, report.nobody), (9, 4, 1, 0, 0));
    assert!(
        report.to_string().contains("no contact or lead on record says so: load an export with HasOptedOutOfEmail"),
        "{report}"
    );
    let careful = Audience { with_unsubscribed: false, ..everybody() };
    let (report, lines) = written(&fixture, &careful, OPENED, "careful.csv").await.unwrap();
    assert_eq!(lines[1..], ["003f40000000003AAA", "003f4000000000AAAQ", "00Qf40000000002EAA"]);
    assert_eq!((report.opted_out, report.unsubscribed), (0, 1), "Ana unsubscribed by an e-mail");
    assert!(report.to_string().contains("; 1 unsubscribed by an e-mail"), "{report}");
}

#[tokio::test]
async fn an_audience_read_back_is_the_same_people() {
    let fixture = Fixture::filled().await;
    for (short_ids, name) in [(false, "long.csv"), (true, "short.csv")] {
        let audience = Audience { short_ids, ..everybody() };
        written(&fixture, &audience, OPENED, name).await.unwrap();
        // An `Id` alone names no person: the column is renamed, as somebody would for another tool.
        let text = std::fs::read_to_string(fixture.folder.path().join(name)).unwrap().replacen("Id", "PersonId", 1);
        let back = fixture.file("back.csv", text);
        let table = if short_ids { "back_short" } else { "back_long" };
        fixture.load_as([back], Some(table)).await.unwrap();
        let reported = fixture.ask(&format!("SELECT person_id FROM {table} ORDER BY 1")).await;
        let asked = "SELECT DISTINCT canonical_person(person_id) AS p FROM ier WHERE opened \
            AND canonical_person(person_id) <> '003f40000000004AAA' ORDER BY 1";
        assert_eq!(reported, fixture.ask(asked).await, "{name}");
    }
}

#[tokio::test]
async fn members_of_a_campaign_are_contacts_or_leads_with_a_status() {
    let fixture = Fixture::filled().await;
    let campaign = Some(SfId::parse("701f40000000001").unwrap());
    let audience = Audience { campaign, status: "Sent, again".to_owned(), short_ids: true, ..everybody() };
    let (_, lines) =
        written(&fixture, &audience, "SELECT person_id FROM ier WHERE send_definition_id = 'a0Bf40000000002EAA'", "members.csv")
            .await
            .unwrap();
    let expected = [
        "CampaignId,ContactId,LeadId,Status",
        "701f40000000001,003f40000000001,,\"Sent, again\"",
        "701f40000000001,003f40000000003,,\"Sent, again\"",
        "701f40000000001,,00Qf40000000002,\"Sent, again\"",
    ];
    assert_eq!(lines, expected, "Chen, deleted, is no member");
}

#[tokio::test]
async fn who_opted_out_or_is_left_out_is_not_in_it() {
    let fixture = Fixture::filled().await;
    // Data Loader writes headers in capitals; reports have labels.
    let contacts = "ID,EMAIL OPT OUT,SYSTEMMODSTAMP\n003f40000000003AAA,1,2026-11-10T00:00:00.000Z\n";
    fixture.load_as([fixture.file("optouts.csv", contacts)], Some("contact")).await.unwrap();
    let leave_out = Some("SELECT contact_id FROM affiliation WHERE affiliation = 'Donor'".to_owned());
    let audience = Audience { leave_out, ..everybody() };
    let (report, lines) = written(&fixture, &audience, OPENED, "some.csv").await.unwrap();
    assert_eq!(lines[1..], ["003f40000000001AAA", "00Qf40000000002EAA"]);
    assert_eq!((report.opted_out, report.left_out, report.deleted, report.opt_outs_known), (1, 1, 1, true));
    let nobody = Audience { leave_out: Some("SELECT person_id FROM ier".to_owned()), ..everybody() };
    let (report, lines) = written(&fixture, &nobody, OPENED, "nobody.csv").await.unwrap();
    assert!(report.files.is_empty() && lines.is_empty(), "an audience of nobody is no file");
}

#[tokio::test]
async fn what_cannot_be_an_audience_is_refused_and_nothing_is_written_over() {
    let fixture = Fixture::filled().await;
    let error = written(&fixture, &everybody(), "SELECT email_name FROM ier", "none.csv").await.unwrap_err().to_string();
    assert!(error.contains("needs a column person_id, or else contact_id"), "{error}");
    assert!(!fixture.folder.path().join("none.csv").exists());
    let there = fixture.file("there.csv", "mine");
    let error = written(&fixture, &everybody(), OPENED, "there.csv").await.unwrap_err().to_string();
    assert!(error.contains("is there already"), "{error}");
    assert_eq!(std::fs::read_to_string(there).unwrap(), "mine");
    let odd = "SELECT * FROM (VALUES ('003f40000000003'), ('a0Bf40000000001EAA'), ('nobody'), (NULL)) t(id)";
    let (report, lines) = written(&fixture, &everybody(), odd, "odd.csv").await.unwrap();
    assert_eq!((report.people, report.nobody, lines.len()), (1, 3, 2));
}
