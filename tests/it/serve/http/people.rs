//! People: who is found, what they were sent, what is proved. The right answers are those of `data/README.md`.

use serde_json::{Value, json};

use super::{ANA, Web, curl, limits};
use crate::fixture::Fixture;

/// The newest look-ups: verb and reason.
fn log(site: &Web) -> Vec<(String, Value)> {
    let log = site.get("/api/v1/look-ups").json();
    assert_eq!(log["log"]["damage"], Value::Null, "{log}");
    let of = |entry: &Value| (entry["verb"].as_str().unwrap().to_owned(), entry["reason"].clone());
    log["look_ups"].as_array().unwrap().iter().map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_is_found_by_name_by_any_id_and_by_any_address() {
    let site = Web::usual().await;
    let texts = [
        "ortiz ana",
        "ORTIZ",
        ANA,
        "003f40000000001",
        "003f40000000002AAA",
        "00Qf40000000001EAA",
        "ana.ortiz@example.edu",
        "ana.ortiz2@example.com",
        "ana.o@example.com",
    ];
    for text in texts {
        let reply = site.post("/api/v1/people", json!({ "text": text, "reason": "ticket 7" }));
        let found = reply.json();
        assert_eq!((found["found"].as_u64(), &found["people"][0]["id"]), (Some(1), &json!(ANA)), "{text}: {found}");
        assert_eq!(found["people"][0]["other_ids"], json!(["003f40000000002AAA", "00Qf40000000001EAA"]), "{text}");
    }
    assert_eq!(log(&site), vec![("who".to_owned(), json!("ticket 7")); texts.len()]);
    assert_eq!(site.post("/api/v1/people", json!({ "text": "nobody-of-this-name" })).json()["found"], 0);
    let reply = site.post("/api/v1/people", json!({ "text": "" }));
    assert_eq!(reply.code, 400, "{}", reply.text());
    site.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_whole_under_all_ids_and_logged_before_it_is_shown() {
    let site = Web::usual().await;
    let reply = site.post("/api/v1/people/00Qf40000000001EAA/history", json!({ "reason": "ticket 8" }));
    let sent = |row: &Value| row["ier_id"].as_str().unwrap()[9..15].trim_start_matches('0').to_owned();
    let rows = reply.json();
    let ids: Vec<String> = rows.as_array().unwrap().iter().map(sent).collect();
    assert_eq!(ids, ["7", "2", "1", "13", "11", "12"], "newest first: {rows}");
    assert_eq!(log(&site), [("history".to_owned(), json!("ticket 8"))]);
    let aliases = site.post(&format!("/api/v1/people/{ANA}/aliases"), json!({})).json();
    assert_eq!(aliases.as_array().unwrap().len(), 2, "{aliases}");
    let unknown = site.post("/api/v1/people/003f40000000099AAA/history", json!({}));
    assert_eq!(unknown.code, 404, "{}", unknown.text());
    assert_eq!(site.post("/api/v1/people/a0Bf40000000001EAA/history", json!({})).code, 400);
    // A statement that names somebody is a look-up, too.
    let before = log(&site).len();
    assert_eq!(site.sql(&format!("SELECT count(*) AS n FROM ier WHERE contact_id = '{ANA}'"), "csv").text(), "n\n3\n");
    assert_eq!(log(&site).len(), before + 1);
    site.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_come_in_words_and_evidence_is_what_it_was() {
    let site = Web::usual().await;
    let ask = |id: &str, about: &str| site.post(&format!("/api/v1/people/{id}/audit"), json!({ "about": about, "reason": "r" }));
    let told = ask("003f4000000000AAAQ", "deadline reminder").json();
    assert_eq!(told["sends"][0]["verdict"], "not_sent", "Eli: {told}");
    let told = ask(ANA, "deadline reminder").json();
    assert_eq!(told["sends"][0]["verdict"], "sent", "{told}");
    assert!(told["in_words"].as_str().unwrap().contains("\nSENT: "), "{told}");
    let told = ask(ANA, "survey").json();
    assert_eq!(told["sends"][0]["verdict"], "no_evidence", "tracking was off: {told}");
    assert_eq!(site.post(&format!("/api/v1/people/{ANA}/audit"), json!({})).code, 400);

    let path = format!("/api/v1/people/{ANA}/evidence");
    let pack = site.post(&path, json!({ "about": "deadline reminder" }));
    let seal = pack.header("x-ier-seal").unwrap().to_owned();
    assert!(pack.header("content-disposition").unwrap().contains(&format!("evidence-{}.zip", &seal[..12])));
    // Another library reads it.
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(pack.body.clone())).unwrap();
    let manifest: Value = serde_json::from_reader(zip.by_name("manifest.json").unwrap()).unwrap();
    assert_eq!((&manifest["seal"], &manifest["asked_by"]), (&json!(seal), &json!("ana")));

    let verify = |bytes: &[u8], seal: &str| site.send(&format!("/api/v1/evidence/verify?seal={seal}"), "application/zip", bytes);
    let report = verify(&pack.body, &seal).json();
    assert_eq!((&report["unaltered"], report["archive"].is_object()), (&json!(true), true), "{report}");
    assert_eq!(verify(&pack.body, &"0".repeat(64)).json()["unaltered"], false, "another seal");
    let mut changed = pack.body.clone();
    let at = changed.windows(4).position(|four| four == b"open").unwrap();
    changed[at] = b'0';
    assert_eq!(verify(&changed, &seal).json()["unaltered"], false);
    assert_eq!(verify(b"no zip", "").code, 200, "what is wrong with it is told");
    let verbs: Vec<String> = log(&site).into_iter().map(|(verb, _)| verb).collect();
    assert_eq!(verbs.iter().filter(|verb| *verb == "audit verify").count(), 2, "{verbs:?}");
    assert_eq!(verbs.iter().filter(|verb| *verb == "audit").count(), 4, "{verbs:?}");
    site.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_reason_is_wanted_nobody_is_shown_without() {
    let site = Web::over(Fixture::filled().await, limits(), true).await;
    let refused = [
        site.post("/api/v1/people", json!({ "text": "ortiz" })),
        site.post(&format!("/api/v1/people/{ANA}/history"), json!({ "reason": " " })),
        site.post(&format!("/api/v1/people/{ANA}/audit"), json!({ "about": "survey" })),
        site.post(&format!("/api/v1/people/{ANA}/evidence"), json!({ "about": "survey" })),
        site.sql(&format!("SELECT * FROM ier WHERE person_id = '{ANA}'"), "json"),
    ];
    for reply in refused {
        assert_eq!(reply.code, 400, "{}", reply.text());
        assert!(!reply.text().to_lowercase().contains("ortiz"), "{}", reply.text());
    }
    assert!(log(&site).is_empty());
    assert_eq!(site.sql("SELECT count(*) AS n FROM ier", "csv").text(), "n\n15\n");
    let body = json!({ "sql": format!("SELECT count(*) AS n FROM ier WHERE person_id = '{ANA}'"), "reason": "ticket 9" });
    assert_eq!(site.post("/api/v1/sql", body).json(), json!([{ "n": 3 }]));
    assert_eq!(log(&site), [("sql".to_owned(), json!("ticket 9"))]);
    site.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_by_get_is_none() {
    let site = Web::usual().await;
    let token = format!("Authorization: Bearer {}", site.token);
    for path in ["/api/v1/people", &format!("/api/v1/people/{ANA}/history"), "/person", "/people", "/audit"] {
        let reply = curl(&["-H", &token, &site.url(path)], b"");
        assert_eq!(reply.code, 405, "{path}: {}", reply.text());
    }
    site.stops().await;
}
