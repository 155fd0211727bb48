//! JSON, as interfaces, command lines, connectors and warehouses write it.

use ier::error::Kind;
use ier::jobs::load::LoadReport;
use serde_json::{Value, json};

use crate::fixture::Fixture;

const MAILS: &str =
    "SELECT ier_id, contact_id, email_name, job_id, date_sent, opened, number_of_total_clicks FROM ier ORDER BY ier_id";

/// The two mails of every file below.
const TABLE: [&str; 2] = [
    "a0Df40000000001EAA | 003f40000000001AAA | OE 2026 – \"deadline\" 🎓 | 9013 | 2026-08-06 15:00:00 | true | 3",
    "a0Df40000000002EAA | - | - | 9013 | 2026-08-07 15:00:00 | false | -",
];

/// The two mails, as the REST interface shows them. The second lacks what the first has.
fn records() -> Vec<Value> {
    let attributes =
        |id: &str| json!({"type": "et4ae5__IndividualEmailResult__c", "url": format!("/services/data/v60.0/sobjects/x/{id}")});
    vec![
        json!({
            "attributes": attributes("a0Df40000000001EAA"), "Id": "a0Df40000000001EAA", "Name": "OE 2026 – \"deadline\" 🎓",
            "et4ae5__Contact__c": "003f40000000001AAA", "et4ae5__JobId__c": "9013", "et4ae5__DateSent__c": "2026-08-06T15:00:00.000+0000",
            "et4ae5__Opened__c": true, "et4ae5__NumberOfTotalClicks__c": 3.0, "IsDeleted": false,
            "et4ae5__Contact__r": {"attributes": {"type": "Contact", "url": "/x"}, "LastName": "Ortiz", "Account": {"attributes": {}, "Name": "Law"}},
        }),
        json!({
            "IsDeleted": false, "et4ae5__Opened__c": false, "et4ae5__NumberOfTotalClicks__c": null, "et4ae5__Contact__r": null,
            "et4ae5__DateSent__c": "2026-08-07T15:00:00.000+0000", "et4ae5__JobId__c": "9013", "Id": "a0Df40000000002EAA",
            "attributes": attributes("a0Df40000000002EAA"),
        }),
    ]
}

fn lines(records: &[Value]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}

async fn loaded(name: &str, bytes: impl AsRef<[u8]>) -> (Fixture, LoadReport) {
    let fixture = Fixture::empty().await;
    let report = fixture.load([fixture.file(name, bytes)]).await.unwrap();
    let [table] = report.tables.as_slice() else { panic!("{name}: {report:?}") };
    assert_eq!(table.read, table.accounted_for(), "{name}");
    (fixture, report)
}

async fn refused(name: &str, bytes: impl AsRef<[u8]>) -> (Kind, String) {
    let fixture = Fixture::empty().await;
    let error = fixture.load([fixture.file(name, bytes)]).await.expect_err(name);
    assert!(fixture.try_ask("SELECT * FROM ier").await.unwrap().is_empty(), "{name}: nothing is stored");
    (error.kind(), error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_records_in_every_shape_of_json() {
    let records = records();
    let answer = json!({"totalSize": 2, "done": true, "records": records});
    let wrapped = json!({"status": 0, "result": {"records": records, "totalSize": 2, "done": true}, "warnings": []});
    let page = |at: usize, done: bool| json!({"totalSize": 2, "done": done, "records": [records[at]]});
    let airbyte =
        |record: &Value| json!({"_airbyte_raw_id": "x", "_airbyte_extracted_at": 1_786_018_380_000_i64, "_airbyte_data": record});
    let utf16: Vec<u8> = format!("\u{feff}{wrapped:#}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (name, bytes) in [
        ("lines.jsonl", lines(&records)),
        ("lines of Windows.ndjson", lines(&records).replace('\n', "\r\n")),
        ("without a last line end.json", lines(&records).trim_end().to_owned()),
        ("list.json", Value::from(records.clone()).to_string()),
        ("list in many lines.json", format!("\n{:#}\n", Value::from(records.clone()))),
        ("rest.json", answer.to_string()),
        ("rest in many lines.json", format!("{answer:#}")),
        ("sf data query.json", format!("{wrapped:#}")),
        ("two pages.json", format!("{}\n{}\n", page(0, false), page(1, true))),
        ("airbyte.jsonl", lines(&records.iter().map(airbyte).collect::<Vec<_>>())),
        ("a name that says nothing", lines(&records)),
        ("named.csv", lines(&records)),
    ] {
        let (fixture, report) = loaded(name, bytes).await;
        assert_eq!(fixture.ask(MAILS).await, TABLE, "{name}");
        assert_eq!((report.tables[0].read, report.tables[0].rejected, report.notes.len()), (2, 0, 0), "{name}");
        assert_eq!(
            fixture.ask("SELECT custom FROM ier ORDER BY ier_id").await,
            [r#"{"et4ae5__Contact__r.LastName":"Ortiz","et4ae5__Contact__r.Account.Name":"Law"}"#, "-"],
            "{name}: what is known of the contact is kept, attributes are not"
        );
    }
    let (fixture, _) = loaded("a PowerShell's.json", utf16).await;
    assert_eq!(fixture.ask(MAILS).await, TABLE);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_id_of_a_parent_fills_the_lookup_column() {
    let text = r#"{"Id":"a0Df40000000001EAA","et4ae5__MergeId__c":"m","et4ae5__Contact__r":{"Id":"003f40000000001AAA","Name":"Ada"}}
                  {"Id":"a0Df40000000002EAA","et4ae5__MergeId__c":"n","et4ae5__Contact__r":null}"#;
    let (fixture, _) = loaded("x.json", text).await;
    let sql = "SELECT contact_id, custom_field(custom, 'et4ae5__Contact__r.Name') FROM ier ORDER BY ier_id";
    assert_eq!(fixture.ask(sql).await, ["003f40000000001AAA | Ada", "- | -"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_keep_their_form_and_nulls_are_jsons_own() {
    let text = r##"[
      {"Id":"a0Df40000000001EAA","et4ae5__MergeId__c":"m","Name":"null","et4ae5__JobId__c":9013.0,"et4ae5__ListId__c":123456789012345678,
       "et4ae5__NumberOfTotalClicks__c":1e5,"et4ae5__Opened__c":true,"Rate__c":0.10,"Region__c":"#N/A","Tags__c":["a", {"b": 1.0}],
       "Address__c":{"city":"Denver"},"Own__c":false},
      {"Id":"a0Df40000000002EAA","et4ae5__MergeId__c":"n","Name":null,"et4ae5__JobId__c":NaN,"Region__c":""}
    ]"##;
    let (fixture, report) = loaded("x.json", text).await;
    let sql = "SELECT email_name, job_id, list_id, number_of_total_clicks, opened, custom FROM ier ORDER BY ier_id";
    let custom = r##"{"Rate__c":"0.10","Region__c":"#N/A","Tags__c":"[\"a\",{\"b\":1.0}]","Address__c":"{\"city\":\"Denver\"}","Own__c":"false"}"##;
    let none = r#"{"Rate__c":null,"Region__c":null,"Tags__c":null,"Address__c":null,"Own__c":null}"#;
    assert_eq!(
        fixture.ask(sql).await,
        [format!("null | 9013 | 123456789012345678 | 100000 | true | {custom}"), format!("- | - | - | - | - | {none}")]
    );
    assert_eq!(report.tables[0].rejected, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_no_record_has_erases_nothing() {
    let (fixture, _) = loaded("first.json", r#"{"Id":"a0Df40000000001EAA","et4ae5__MergeId__c":"m","Name":"kept","SystemModstamp":"2026-08-06T15:00:00Z","Region__c":"x"}"#).await;
    let later = r#"{"Id":"a0Df40000000001EAA","et4ae5__MergeId__c":"m","SystemModstamp":"2026-08-07T15:00:00Z"}"#;
    fixture.load([fixture.file("second.json", later)]).await.unwrap();
    assert_eq!(
        fixture.ask("SELECT email_name, custom, system_modstamp FROM ier").await,
        [r#"kept | {"Region__c":"x"} | 2026-08-07 15:00:00"#]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn records_say_of_which_object_they_are() {
    let record = |object: &str, id: &str| format!(r#"{{"attributes":{{"type":"{object}"}},"Id":"{id}","Name":"Autumn"}}"#);
    let (_, report) = loaded("query.json", format!("[{}]", record("et4ae5__SendDefinition__c", "a0Bf40000000001EAA"))).await;
    assert_eq!(report.tables[0].table, "email_send");
    let several =
        format!("[{},{}]", record("et4ae5__SendDefinition__c", "a0Bf40000000001EAA"), record("Contact", "003f40000000001AAA"));
    assert!(refused("x.json", several).await.1.contains("records of several objects"));
    // People's attributes go by the file's name, as from every other format.
    let text = r#"{"attributes":{"type":"hed__Affiliation__c"},"ContactId":"003f40000000001AAA","Affiliation":"Staff","Schools":["Law"]}"#;
    let (fixture, _) = loaded("affiliation.json", text).await;
    assert_eq!(
        fixture.ask("SELECT contact_id, affiliation, schools FROM affiliation").await,
        [r#"003f40000000001AAA | Staff | ["Law"]"#]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_rows_are_named_by_line_or_number() {
    let rows = [
        r#"{"Id":"a0Df40000000001EAA","et4ae5__MergeId__c":"m","et4ae5__Opened__c":true}"#,
        r#"{"Id":"a0Df40000000002EAA","et4ae5__MergeId__c":"n","et4ae5__Opened__c":"perhaps"}"#,
        r#"{"et4ae5__Opened__c":false}"#,
    ];
    for (text, places) in [(format!("\n{}\n", rows.join("\n\n")), (4, 6)), (format!("[\n{}\n]", rows.join(",")), (2, 3))] {
        let (fixture, report) = loaded("x.json", text).await;
        assert_eq!((report.tables[0].read, report.tables[0].rejected), (3, 2));
        let rejects = std::fs::read_to_string(fixture.rejects()).unwrap();
        let lines: Vec<&str> = rejects.lines().skip(1).map(|line| line.split_once("x.json,").unwrap().1).collect();
        assert!(lines[0].starts_with(&format!("{},\"et4ae5__Opened__c \"\"perhaps\"\": not a checkbox", places.0)), "{rejects}");
        assert!(lines[1].starts_with(&format!("{},\"no key: it needs MergeId", places.1)), "{rejects}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_of_dates_is_detected_from_the_whole_file() {
    let row = |at: usize, date: &str| format!("{{\"et4ae5__MergeId__c\":\"m{at}\",\"DateSent\":\"{date}\"}}\n");
    let text: String = (1..=9).map(|at| row(at, "06/08/2026 09:00")).chain([row(10, "31/08/2026 09:00")]).collect();
    let (fixture, report) = loaded("x.json", &text).await;
    assert_eq!((report.tables[0].rejected, report.notes.len()), (0, 0));
    assert_eq!(
        fixture.ask("SELECT DISTINCT date_trunc('day', date_sent) FROM ier ORDER BY 1").await,
        ["2026-08-06 00:00:00", "2026-08-31 00:00:00"]
    );
    let both = text + &row(11, "08/31/2026 09:00");
    let (kind, message) = refused("x.json", both).await;
    assert_eq!(kind, Kind::Invalid);
    assert!(message.contains("month first in line 11 and day first in line 10"), "{message}");
    let bare = r#"[{"Id":"a0Df40000000001EAA","et4ae5__MergeId__c":"m","SystemModstamp":"2026-08-06 15:00:00"}]"#;
    let (_, message) = refused("x.json", bare).await;
    assert!(message.contains("SystemModstamp has no zone or no seconds (record 1)"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_whole_or_no_records_is_refused() {
    let two = lines(&records());
    let list = Value::from(records()).to_string();
    for (bytes, kind, says) in [
        (two[..two.len() - 20].to_owned(), Kind::Corrupt, "x.json: cut off in record 2, on line 2"),
        (list[..list.len() - 1].to_owned(), Kind::Corrupt, "cut off in record 3"),
        (format!("{list}x"), Kind::Invalid, "stands something else"),
        (format!("{two}{list}"), Kind::Invalid, "stands something else"),
        (two.replacen("\"Name\":", "\"Id\":", 1), Kind::Invalid, "line 1 is not JSON as it should be: a key is there twice"),
        (two.replacen("true", "truly", 1), Kind::Invalid, "line 1 is not JSON as it should be"),
        (two.replacen("\"9013\"", "[9013]", 1), Kind::Invalid, "et4ae5__JobId__c is a list or an object in line 1"),
        (
            r#"[{"message":"Session of ada@example.edu expired","errorCode":"INVALID_SESSION_ID"}]"#.to_owned(),
            Kind::Invalid,
            "(INVALID_SESSION_ID)",
        ),
        (
            r#"{"status":1,"name":"NoOrg","message":"No org of Ada","exitCode":1,"stack":"x"}"#.to_owned(),
            Kind::Invalid,
            "what went wrong",
        ),
        (r#"[{"a":1},2]"#.to_owned(), Kind::Invalid, "no object stands among the records"),
        (r#"[["Id"],["a0Df40000000001EAA"]]"#.to_owned(), Kind::Invalid, "no object stands among the records"),
        (r#"{"Sent":1,"Opens":2}"#.to_owned(), Kind::Invalid, "the header is of no known object (Sent, Opens)"),
    ] {
        let (found, message) = refused("x.json", &bytes).await;
        assert!(found == kind && message.contains(says), "{message}");
        assert!(!message.to_lowercase().contains("ada"), "{message} names nobody");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_says_when_there_is_nothing_or_more() {
    let fixture = Fixture::empty().await;
    let files = [
        fixture.file("a.json", r#"{"totalSize":0,"done":true,"records":[]}"#),
        fixture.file("b.json", "[]\n"),
        fixture.file("c.json", r#"{"status":0,"result":{"records":[],"totalSize":0,"done":true},"warnings":[]}"#),
    ];
    let report = fixture.load(files).await.unwrap();
    assert_eq!((report.tables.len(), report.empty.len()), (0, 3));
    let first =
        json!({"totalSize": 4000, "done": false, "nextRecordsUrl": "/services/data/v60.0/query/01g-2000", "records": records()});
    let (_, report) = loaded("first page.json", first.to_string()).await;
    assert!(report.notes[0].contains("the answer says that there is more"), "{:?}", report.notes);
}

/// The limit is of a record (1 MiB here), not of a list.
#[tokio::test(flavor = "multi_thread")]
async fn long_records_are_refused_and_long_lists_are_not() {
    let (_, message) = refused("x.json", format!("[{{\"Id\":\"{}\"}}]", "x".repeat(3 << 20))).await;
    assert!(message.contains("record 1, on line 1, is longer than load.record_mb allows"), "{message}");
    let record =
        |at: usize| format!("{{\"Id\":\"a0Df4{at:010}\",\"et4ae5__MergeId__c\":\"{at}\",\"Name\":\"{}\"}}", "x".repeat(900));
    let list: Vec<String> = (0..3000).map(record).collect();
    let (_, report) = loaded("x.json", format!("[{}]", list.join(",\n"))).await;
    assert_eq!((report.tables[0].inserted, report.tables[0].rejected), (3000, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_1252_is_distinguished_from_damaged_utf_8() {
    let text = |name: &[u8]| [br#"{"Id":"a0Df40000000001EAA","et4ae5__MergeId__c":"m","Name":""#, name, br#""}"#].concat();
    let (fixture, report) = loaded("x.json", text(b"Ren\xE9e")).await;
    assert_eq!((fixture.ask("SELECT email_name FROM ier").await, report.tables[0].repaired), (vec!["Renée".to_owned()], 0));
    let (fixture, report) = loaded(
        "x.json",
        text("Renée \u{1F393}".as_bytes()).into_iter().chain(*b"\n").chain(text(b"Ren\xE9e")).collect::<Vec<u8>>(),
    )
    .await;
    assert_eq!((report.tables[0].read, report.tables[0].repaired), (2, 1));
    drop(fixture);
}
