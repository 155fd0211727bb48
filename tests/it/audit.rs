//! Was this person told? Each case as an auditor meets it, its verdict in words and as JSON.

use ier::audit::{About, Audit, Question, audit};
use ier::error::Result;
use ier::query::engine::Engine;
use ier::query::limits::Limits;
use serde_json::Value;

use crate::world::World;
use crate::world::records::{Record, contact_id, id, ier, link, send};

/// Send 1: "CU Connections", one of three mails on record unless a case says otherwise.
fn connections() -> Record {
    send(1, 3)
        .set("EmailName", "CU Connections")
        .set("SubjectLine", "Open enrollment ends Friday")
        .set("FromName", "Employee Services")
        .set("EmailId", "31001")
        .set("JobId", "9001")
        .set("DateSent", "2026-08-06T15:00:00.000Z")
        .set("Individual_Tracking_Disabled", "false")
}

/// The mail of send 1 to a contact.
fn mail(number: u32, contact: u32) -> Record {
    ier(number).contact(contact).of_send(1).set("JobId", "9001").sent("2026-08-06 15:05").stamp("2026-08-07 09:00")
}

/// A contact of whom nothing else is known.
fn contact(number: u32) -> Record {
    let row = Record::default().set("Id", contact_id(number)).set("Name", format!("Contact {number}"));
    row.set("Email", format!("contact{number}@example.edu")).set("MasterRecordId", "").stamp("2026-08-10")
}

async fn world(records: &[Record]) -> World {
    let world = World::on("2026-08-20");
    world.load(&[connections()]).await;
    if !records.is_empty() {
        world.load(records).await;
    }
    world
}

/// A question about these sends, whenever they were sent, from all that is known.
fn question(about: About) -> Question {
    Question { about, from: None, to: None, as_of: None, zone: chrono_tz::America::Denver }
}

async fn ask(world: &World, who: &str, question: Question) -> Result<Audit> {
    let limits = Limits { statement: None, threads: 2, ..Limits::default() };
    let engine = Engine::open(world.warehouse.clone(), limits).await?;
    let person = engine.person(who).await?;
    audit(&engine, &person, question).await
}

/// The one send's verdict as JSON, and the whole answer as people read it.
async fn verdict(world: &World, who: &str) -> (Value, String) {
    let answer = ask(world, who, question(About::Text("open ENROLLMENT".to_owned()))).await.expect("an answer");
    let json = serde_json::to_value(&answer).expect("json");
    assert_eq!(json["sends"].as_array().map(Vec::len), Some(1), "{json:#}");
    (json["sends"][0].clone(), answer.to_string())
}

fn has(text: &str, sentences: &[&str]) {
    for sentence in sentences {
        assert!(text.contains(sentence), "{sentence:?} is not in:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_sends_each_has_its_own_reason() {
    let world = World::on("2026-08-20");
    let like = |number: u32, number_sent: u32| {
        send(number, number_sent)
            .set("EmailName", "CU Connections")
            .set("JobId", format!("900{number}"))
            .set("DateSent", format!("2026-08-0{number}T15:00:00.000Z"))
            .set("Individual_Tracking_Disabled", (number == 5).to_string())
    };
    world.load(&[like(1, 3), like(2, 2), like(3, 2), like(4, 1), like(5, 1)]).await;
    let mail = |number: u32, contact: u32, of: u32| {
        ier(number).contact(contact).of_send(of).sent(&format!("2026-08-0{of} 15:05")).stamp("2026-08-09 09:00")
    };
    // Two days of one send; and one that began long after a mail that names it.
    let rows = [
        mail(1, 2, 1),
        mail(2, 2, 2),
        mail(3, 3, 2).sent("2026-08-03 09:00"),
        mail(4, 1, 4),
        mail(5, 2, 3).sent("2026-07-01 09:00"),
    ];
    world.load(&rows).await;
    let answer = ask(&world, &contact_id(1), question(About::Text("connections".to_owned()))).await.expect("an answer");
    let json = serde_json::to_value(&answer).expect("json");
    let reported: Vec<(&str, &str, i64)> = json["sends"]
        .as_array()
        .expect("sends")
        .iter()
        .map(|send| {
            let reason = &send["reason"];
            (
                send["send"]["job_id"].as_str().unwrap_or(""),
                reason["reason"].as_str().unwrap_or("proved"),
                reason["seen"].as_i64().unwrap_or(-1),
            )
        })
        .collect();
    let expected = [
        ("9004", "proved", -1),
        ("9002", "not_among_all", 2),
        ("9005", "tracking_off", -1),
        ("9003", "never_loaded", -1),
        ("9001", "incomplete", 1),
    ];
    assert_eq!(reported, expected, "{json:#}");
    // What answers comes first; what is the same of many is said once, and they have a line each.
    let text = answer.to_string();
    has(
        &text,
        &[
            "\"connections\": 5 sends - sent 1, not among the recipients 1, no evidence 3",
            "This person was sent 1 of the 5 e-mails that match; no record shows that they were sent the other 4.",
            "NOT AMONG THE RECIPIENTS of 1 send: tracking was on, as many mails are on record as were sent",
            "  2026-08-02  CU Connections (job 9002): 2 sent, 2 on record",
        ],
    );
    let place = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part} is not in {text}"));
    assert!(place("SENT: CU") < place("NOT AMONG") && place("NOT AMONG") < place("NO EVIDENCE"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sent_and_opened() {
    let world = world(&[mail(1, 1).opened("2026-08-06 16:20").clicks(2, 1)]).await;
    world.load(&[link(1, 1).set("Last_Clicked", "2026-08-06T16:25:00.000Z").stamp("2026-08-07")]).await;
    let (json, text) = verdict(&world, &contact_id(1)).await;
    assert_eq!((&json["verdict"], &json["mails"][0]["outcome"]), (&"sent".into(), &"delivered".into()));
    assert_eq!(json["matched"][0]["field"], "subject");
    has(
        &text,
        &[
            "SENT: CU Connections",
            "matched: subject \"Open enrollment ends Friday\"",
            "sent 2026-08-06 09:05:00 MDT",
            ", sent 2026-08-06 15:05:00 UTC",
            "an open was recorded 2026-08-06 10:20:00 MDT",
            "a click was recorded 2026-08-06 10:25:00 MDT",
            "clicked link: Read more, 1 time",
            "delivered, as far as is recorded: no bounce was",
            "as it stood in Salesforce at 2026-08-07 09:00:00 UTC",
        ],
    );
    assert!(!text.contains("read the"), "an open is not called a reading");
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_bounce() {
    let bounced = mail(1, 1).unopened().set("HardBounce", "true").set("DateBounced", "2026-08-06T15:06:00.000Z");
    let (json, text) = verdict(&world(&[bounced]).await, &contact_id(1)).await;
    assert_eq!((&json["verdict"], &json["mails"][0]["outcome"]), (&"sent".into(), &"bounced_hard".into()));
    has(&text, &["a hard bounce was recorded 2026-08-06 09:06:00 MDT", "not delivered: the address refused it for good"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn soft_bounce_later_delivered() {
    let bounced = mail(1, 1).set("SoftBounce", "true").set("DateBounced", "2026-08-06T15:06:00.000Z");
    let world = world(&[bounced.clone().unopened()]).await;
    let (json, text) = verdict(&world, &contact_id(1)).await;
    assert_eq!(json["mails"][0]["outcome"], "bounced_soft");
    has(&text, &["not delivered, as far as is recorded: the address refused it for a time"]);

    world.load(&[bounced.opened("2026-08-07 10:00").stamp("2026-08-08")]).await;
    let (json, text) = verdict(&world, &contact_id(1)).await;
    assert_eq!(json["mails"][0]["outcome"], "delivered");
    has(&text, &["a soft bounce was recorded", "delivered: what was recorded after the soft bounce needs a mail that arrived"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bounce_of_no_clear_kind() {
    let both = mail(1, 1).unopened().set("HardBounce", "true").set("SoftBounce", "true");
    let neither = mail(2, 2).unopened().set("DateBounced", "2026-08-06T15:06:00.000Z");
    let world = world(&[both, neither]).await;
    for contact in [1, 2] {
        let (json, text) = verdict(&world, &contact_id(contact)).await;
        assert_eq!(json["mails"][0]["outcome"], "bounced", "contact {contact}");
        has(&text, &["whether it was delivered is unclear"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clicked_but_never_opened() {
    let (json, text) = verdict(&world(&[mail(1, 1).unopened().clicks(1, 1)]).await, &contact_id(1)).await;
    assert_eq!(
        json["mails"][0]["events"][1],
        serde_json::json!({ "what": "clicked", "at": null, "learned_at": "2026-08-20T12:00:00Z" })
    );
    has(&text, &["a click was recorded at a time that was not recorded", "no open was recorded beside the click"]);
    assert!(!text.contains("an open was recorded"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn contact_deleted_in_salesforce() {
    let world = world(&[mail(1, 1).opened("2026-08-06 16:20")]).await;
    world.load(&[mail(1, 1).opened("2026-08-06 16:20").set("Contact", "").set("IsDeleted", "true").stamp("2026-08-12")]).await;
    let (json, text) = verdict(&world, &contact_id(1)).await;
    assert_eq!(json["verdict"], "sent", "a deleted contact takes nothing with it");
    has(&text, &["an open was recorded", "deleted in Salesforce since"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn opened_after_archiving() {
    let world = world(&[mail(1, 1).unopened()]).await;
    world.days_pass(120);
    world.archive("2026-09-01").await;
    world.load(&[mail(1, 1).opened("2026-12-10 08:00").stamp("2026-12-11")]).await;
    for stage in ["late", "folded in"] {
        let (json, text) = verdict(&world, &contact_id(1)).await;
        assert_eq!(json["mails"].as_array().map(Vec::len), Some(1), "{stage}: one mail, listed once");
        has(&text, &["an open was recorded 2026-12-10 01:00:00 MST"]);
        world.archive("2026-09-01").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn partial_sync() {
    let world = world(&[mail(1, 1), mail(2, 2)]).await;
    world.load(&[ier(9).contact(3).of_send(2).sent("2026-08-01 09:00").stamp("2026-08-02")]).await;
    let (json, text) = verdict(&world, &contact_id(3)).await;
    assert_eq!(json["verdict"], "no_evidence");
    assert_eq!(json["reason"], serde_json::json!({ "reason": "incomplete", "seen": 2, "number_sent": 3 }));
    has(&text, &["NO EVIDENCE", "the records are incomplete: 2 of 3 mails are on record"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_are_on_record_and_none_is_theirs() {
    let world = world(&[mail(1, 1), mail(2, 2), mail(3, 4)]).await;
    world.load(&[contact(3)]).await;
    let (json, text) = verdict(&world, &contact_id(3)).await;
    assert_eq!(json["reason"]["reason"], "never_a_subscriber", "nothing of any send is on record for them");
    has(&text, &["their subscriber key in Marketing Cloud may not be a Salesforce id"]);

    world.load(&[ier(9).contact(3).of_send(2).sent("2026-08-01 09:00").stamp("2026-08-02")]).await;
    let (json, text) = verdict(&world, &contact_id(3)).await;
    assert_eq!((&json["verdict"], &json["reason"]["reason"]), (&"no_evidence".into(), &"not_among_all".into()));
    has(&text, &["NOT AMONG THE RECIPIENTS of 1 send", "CU Connections (job 9001): 3 sent, 3 on record"]);
    assert!(!text.contains("NOT SENT"), "{text}");

    // One of them stands under their address, and another id: then it may be theirs.
    world.load(&[mail(3, 4).set("Email", "Contact3@example.edu ").stamp("2026-08-09")]).await;
    let (json, text) = verdict(&world, &contact_id(3)).await;
    assert_eq!(json["reason"], serde_json::json!({ "reason": "under_address", "records": 1, "person_id": contact_id(4) }));
    has(&text, &["NO EVIDENCE", "1 record of this send stands under an address of this person's, but under the id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tracking_off() {
    let world = World::on("2026-08-20");
    world.load(&[connections().set("Individual_Tracking_Disabled", "true")]).await;
    world.load(&[contact(1)]).await;
    let (json, text) = verdict(&world, &contact_id(1)).await;
    assert_eq!((&json["verdict"], &json["reason"]["reason"]), (&"no_evidence".into(), &"tracking_off".into()));
    has(&text, &["individual tracking was switched off for this send"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_what_was_ever_loaded() {
    let world = world(&[]).await;
    world.load(&[ier(9).contact(3).of_send(2).sent("2026-05-01 09:00").stamp("2026-05-02")]).await;
    let (json, text) = verdict(&world, &contact_id(3)).await;
    assert_eq!(json["reason"]["reason"], "never_loaded");
    has(&text, &["no record of this send was ever loaded; what was loaded was sent from 2026-05-01 03:00:00 MDT"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn suppressed() {
    let world = world(&[mail(1, 1)]).await;
    let path = world.file("not_sent.csv", &[]);
    let header = "ClientID,SendID,SubscriberKey,EmailAddress,SubscriberID,ListID,EventDate,EventType,BatchID,TriggeredSendExternalKey,Reason";
    let key = &contact_id(2)[..15];
    let row =
        format!("7001001,9001,{key},ben@example.edu,410000002,501,08/06/2026 09:05:00 AM,NotSent,1,,List Detective exclusion");
    std::fs::write(&path, format!("{header}\n{row}\n")).expect("a file");
    world.load_files(&[path]).await.expect("the load");
    let (json, text) = verdict(&world, &contact_id(2)).await;
    assert_eq!(json["verdict"], "not_sent");
    has(&text, &["NOT SENT: CU Connections", "withheld 2026-08-06 09:05:00 MDT, as", "reason given: List Detective exclusion"]);
    // Whoever has a record of the mail was sent it, whatever else was withheld.
    assert_eq!(verdict(&world, &contact_id(1)).await.0["verdict"], "sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn merged_twice_and_asked_by_the_oldest_id() {
    let world = world(&[mail(1, 3).unopened()]).await;
    let merged = |loser: u32, winner: u32| {
        let row = Record::default().set("Id", contact_id(loser)).set("Name", format!("Contact {loser}"));
        row.set("MasterRecordId", contact_id(winner)).set("IsDeleted", "true").stamp("2026-08-10")
    };
    world.load(&[merged(1, 2)]).await;
    world.load(&[merged(2, 3)]).await;
    let (json, text) = verdict(&world, &contact_id(1)[..15]).await;
    assert_eq!(json["verdict"], "sent");
    has(&text, &[&contact_id(1), &contact_id(2), &contact_id(3), &format!("of {}", contact_id(3))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn converted_lead() {
    let lead = id("00Q", 7);
    let world = world(&[mail(1, 0).set("Contact", "").set("Lead", &lead).unopened()]).await;
    let converted = Record::default().set("Id", &lead).set("IsConverted", "true").set("ConvertedContactId", contact_id(1));
    world.load(&[converted.set("Name", "Fay Lund").stamp("2026-08-10")]).await;
    for who in [contact_id(1), lead] {
        assert_eq!(verdict(&world, &who).await.0["verdict"], "sent", "{who}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn erased_on_request() {
    let (world, erasure_id) = crate::erase::audited().await;
    let canary = contact_id(900);
    let (json, text) = verdict(&world, &canary).await;
    assert_eq!((&json["verdict"], &json["reason"]["reason"]), (&"no_evidence".into(), &"erased".into()));
    assert_eq!(json["reason"]["erasure_id"], erasure_id);
    has(&text, &["NO EVIDENCE: Open enrollment", &format!("erased on request on 2026-11-01 (erasure {erasure_id})")]);
    // So does a question about no known send; and others are none the wiser.
    let permits = ask(&world, &canary, question(About::Text("parking permits".to_owned()))).await.expect("an answer");
    has(&permits.to_string(), &["NO EVIDENCE: erased on request on 2026-11-01"]);
    let nobody = ask(&world, &contact_id(1), question(About::Text("enrollment".to_owned()))).await.expect_err("nobody");
    assert!(!nobody.to_string().contains("erased"), "{nobody}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_such_send() {
    let world = world(&[mail(1, 1)]).await;
    let permits = question(About::Text("parking permits".to_owned()));
    let answer = ask(&world, &contact_id(1), permits).await.expect("an answer");
    assert!(answer.sends.is_empty());
    has(
        &answer.to_string(),
        &["no such send is known", "NO EVIDENCE: no such send is known here", "the 1 mail on record for this person"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_is_found_by_each_of_its_names() {
    // A send that was deleted is known from the records; accents and case do not count.
    let gone = ier(5).contact(1).set("SendDefinition", id("a0B", 77)).set("JobId", "7700").set("Name", "Año Nuevo — Saludos");
    let world = world(&[mail(1, 1), gone.sent("2026-01-02 10:00").stamp("2026-01-03")]).await;
    for (about, job) in [
        (About::Send(id("a0B", 1)[..15].to_owned()), "9001"),
        (About::Send("9001".to_owned()), "9001"),
        (About::EmailId("31001".to_owned()), "9001"),
        (About::Text("employee services".to_owned()), "9001"),
        (About::Text("ano NUEVO".to_owned()), "7700"),
        (About::Send(id("a0B", 77)), "7700"),
    ] {
        let answer = ask(&world, &contact_id(1), question(about.clone())).await.expect("an answer");
        let found: Vec<_> = answer.sends.iter().map(|send| send.send.job_id.as_deref()).collect();
        assert_eq!(found, [Some(job)], "{about:?}");
        assert_eq!(serde_json::to_value(&answer).expect("json")["sends"][0]["verdict"], "sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn days_are_those_of_the_configured_zone() {
    // 23:30 in Denver is the next day in UTC.
    let late = connections().set("DateSent", "2026-08-07T05:30:00.000Z");
    let world = World::on("2026-08-20");
    world.load(&[late]).await;
    world.load(&[mail(1, 1).sent("2026-08-07 05:31")]).await;
    for (from, to, found) in [(Some(6), Some(6), 1), (Some(7), None, 0), (None, Some(5), 0), (Some(1), Some(31), 1)] {
        let day = |day| chrono::NaiveDate::from_ymd_opt(2026, 8, day);
        let all = question(About::Text("connections".to_owned()));
        let question = Question { from: from.and_then(day), to: to.and_then(day), ..all };
        let answer = ask(&world, &contact_id(1), question).await.expect("an answer");
        assert_eq!(answer.sends.len(), found, "{from:?} to {to:?}");
    }
    let nothing = ask(&world, &contact_id(1), question(About::Text(" ".to_owned()))).await;
    assert!(nothing.expect_err("refused").to_string().contains("names nothing"));
    let day = |day| chrono::NaiveDate::from_ymd_opt(2026, 8, day);
    let backwards = Question { from: day(7), to: day(6), ..question(About::Send("9001".to_owned())) };
    let refused = ask(&world, &contact_id(1), backwards).await.expect_err("refused");
    assert!(refused.to_string().contains("no days from 2026-08-07 to 2026-08-06"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_known_on_a_day() {
    let world = world(&[mail(1, 1).unopened()]).await;
    world.days_pass(5);
    world.load(&[mail(1, 1).opened("2026-08-07 10:00").stamp("2026-08-24")]).await;
    world.load(&[mail(2, 1).set("SendDefinition", id("a0B", 2)).set("JobId", "9002").set("Name", "Enrollment II")]).await;
    world.days_pass(120);
    world.archive("2026-12-01").await;
    for (as_of, opened, sends, since) in
        [("2026-08-19T12:00:00Z", false, 1, 2), ("2026-08-24T12:00:00Z", false, 1, 1), ("2026-08-25T12:00:00Z", true, 2, 0)]
    {
        let as_of = Some(as_of.parse().expect("a moment"));
        let question = Question { as_of, ..question(About::Text("enrollment".to_owned())) };
        let answer = ask(&world, &contact_id(1), question).await.expect("an answer");
        let text = answer.to_string();
        assert_eq!((answer.sends.len(), answer.learned_since), (sends, since), "{text}");
        assert_eq!(text.contains("an open was recorded"), opened, "{text}");
        has(&text, &[&format!("left out, being learned later: {since} of the person's records")]);
        if opened {
            has(&text, &["an open was recorded 2026-08-07 04:00:00 MDT; known here since 2026-08-25 06:00:00 MDT"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_incomplete_then_is_called_incomplete_although_it_is_complete_now() {
    let world = world(&[mail(1, 1), mail(2, 2)]).await;
    world.load(&[ier(9).contact(5).of_send(2).sent("2026-08-01 09:00").stamp("2026-08-02")]).await;
    world.days_pass(5);
    world.load(&[mail(3, 3)]).await;
    for (as_of, reason) in [("2026-08-21T00:00:00Z", "incomplete"), ("2026-08-26T00:00:00Z", "not_among_all")] {
        let as_of = Some(as_of.parse().expect("a moment"));
        let question = Question { as_of, ..question(About::Send("9001".to_owned())) };
        let answer = ask(&world, &contact_id(5), question).await.expect("an answer");
        let json = serde_json::to_value(&answer).expect("json");
        assert_eq!(json["sends"][0]["reason"]["reason"], reason, "{json:#}");
    }
}

/// A question as people type it finds what is meant, and no more.
#[tokio::test(flavor = "multi_thread")]
async fn punctuation_does_not_count_and_numbers_match_as_a_whole() {
    let world = World::on("2026-08-20");
    let named = |number: u32, name: &str| {
        let send = send(number, 1).set("EmailName", name).set("JobId", format!("900{number}")).set("FromName", "Giving");
        send.set("DateSent", format!("2026-08-0{number}T15:00:00.000Z")).set("Individual_Tracking_Disabled", "true")
    };
    let names = [
        "Giving Day 6 November 2026",
        "Giving Day 16 November 2026",
        "OE 2026 – deadline reminder",
        "Day 6",
        "The week’s “best” news",
    ];
    let sends: Vec<Record> = names.iter().enumerate().map(|(at, name)| named(at as u32 + 1, name)).collect();
    world.load(&sends).await;
    world.load(&[contact(1)]).await;
    for (about, found) in [
        ("Giving Day 6 November 2026", &["Giving Day 6 November 2026"][..]),
        ("OE 2026 - deadline reminder", &["OE 2026 – deadline reminder"]),
        ("oe 2026: DEADLINE", &["OE 2026 – deadline reminder"]),
        ("the week's best news", &["The week’s “best” news"]),
        // The exact name first, although it is older.
        ("day 6", &["Day 6", "Giving Day 6 November 2026"]),
        ("novem", &["Giving Day 16 November 2026", "Giving Day 6 November 2026"]),
        ("eminder", &[]),
    ] {
        let answer = ask(&world, &contact_id(1), question(About::Text(about.to_owned()))).await.expect("an answer");
        let reported: Vec<&str> = answer.sends.iter().map(|send| send.send.title()).collect();
        assert_eq!(reported, found, "{about}");
    }
    // Without a hit: the likest, with their days, said to be no verdict.
    let answer = ask(&world, &contact_id(1), question(About::Text("giving dey 6 november".to_owned()))).await.expect("an answer");
    let text = answer.to_string();
    has(&text, &["like it, which is no verdict; ask again with one of them", "\n  2026-08-01  Giving Day 6 November 2026\n"]);
}

/// Whoever types an id wrong hears so, and who may have been meant; nothing is said of the send.
#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_verdict_about_an_id_that_nobody_has() {
    let world = world(&[mail(1, 1)]).await;
    world.load(&[contact(1)]).await;
    let right = contact_id(1);
    let lower = right[..15].to_lowercase();
    let wrong = format!("{}9", &right[..14]);
    for (who, near) in [(&lower, "by case alone"), (&wrong, "by one character")] {
        if right.starts_with(who.as_str()) {
            continue;
        }
        let error = ask(&world, who, question(About::Text("enrollment".to_owned()))).await.expect_err("nobody");
        assert_eq!(error.kind(), ier::error::Kind::NotFound, "{error}");
        let reported = format!("{right} (Contact 1), which differs {near}, has 1 mail");
        assert!(error.to_string().contains(&reported), "{error}");
    }
}

/// What was learned later is left out: ids, too.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_learned_later_is_left_out_and_named() {
    let world = world(&[mail(1, 1), ier(5).contact(2).of_send(2).sent("2026-08-01 09:00").stamp("2026-08-02")]).await;
    world.days_pass(5);
    let merged = Record::default().set("Id", contact_id(1)).set("Name", "Contact 1").set("MasterRecordId", contact_id(2));
    world.load(&[merged.set("IsDeleted", "true").stamp("2026-08-24")]).await;
    let then = |day: &str| Question { as_of: Some(day.parse().expect("a moment")), ..question(About::Send("9001".to_owned())) };
    let before = ask(&world, &contact_id(2), then("2026-08-21T00:00:00Z")).await.expect("an answer");
    assert_eq!((before.aliases.len(), before.person_ids.as_slice()), (0, &[contact_id(2)][..]));
    has(
        &before.to_string(),
        &[&format!("and the ids {}, which are known to be theirs since", contact_id(1)), "incomplete: 1 of 3"],
    );
    let after = ask(&world, &contact_id(2), then("2026-08-26T00:00:00Z")).await.expect("an answer");
    assert_eq!((after.aliases.len(), after.person_ids.len()), (1, 2));
    has(&after.to_string(), &["SENT: CU Connections"]);
}

/// A day in the future is written in the future tense.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_tracking_is_worded_as_past_or_future() {
    for (expires, reported) in
        [("2026-08-10", "after 2026-08-10 were not tracked"), ("2027-08-06", "after 2027-08-06 will not be tracked")]
    {
        let world = World::on("2026-08-20");
        world.load(&[connections().set("Tracking_Expiration_Date", expires)]).await;
        world.load(&[mail(1, 1)]).await;
        has(&verdict(&world, &contact_id(1)).await.1, &[reported]);
    }
}

/// A mail that was withheld, of a send that nothing here names, is listed apart from what was asked for.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_withheld_of_an_unknown_send_is_listed_by_itself() {
    let fixture = crate::fixture::Fixture::filled().await;
    let person = fixture.engine.person("003f40000000003AAA").await.expect("Ben");
    let answer = audit(&fixture.engine, &person, question(About::Text("reminder OE".to_owned()))).await.expect("an answer");
    assert_eq!((answer.sends.len(), answer.withheld_unnamed.len()), (1, 2));
    has(
        &answer.to_string(),
        &[
            "Ben Reed was sent \"OE 2026 – deadline reminder\" of 2026-10-20.",
            "person: Ben Reed <ben.reed@example.edu>",
            "WITHHELD, of sends that are not known here by name",
            "  job 7001: withheld 2026-10-31 23:30:00 MDT, as Marketing Cloud recorded for subscriber 003f40000000003; reason given: Subscriber held",
        ],
    );
}
