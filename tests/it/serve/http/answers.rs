//! Right answers, in every form: the values are those of `data/README.md`, and what is read back is read by other libraries.

use std::io::Cursor;

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use calamine::{Data, Reader};
use serde_json::json;

use super::{Web, curl};

/// Month, mails, opened: of `data/README.md`, in UTC.
const MONTHS: [(&str, i64, i64); 5] =
    [("2025-11", 1, 1), ("2025-12", 3, 2), ("2026-08", 6, 3), ("2026-09", 1, 1), ("2026-10", 4, 2)];

const BY_MONTH: &str = "SELECT substr(CAST(sent_date AS VARCHAR), 1, 7) AS month, count(*) AS mails, \
    count(*) FILTER (WHERE opened) AS opened FROM ier GROUP BY 1 ORDER BY 1";

#[tokio::test(flavor = "multi_thread")]
async fn one_answer_is_the_same_in_every_form() {
    let site = Web::usual().await;
    let expected: Vec<(String, i64, i64)> =
        MONTHS.iter().map(|(month, mails, opened)| ((*month).to_owned(), *mails, *opened)).collect();

    let reply = site.sql(BY_MONTH, "json");
    assert_eq!((reply.code, reply.header("content-type")), (200, Some("application/json")), "{}", reply.text());
    let of = |row: &serde_json::Value| {
        (row["month"].as_str().unwrap().to_owned(), row["mails"].as_i64().unwrap(), row["opened"].as_i64().unwrap())
    };
    assert_eq!(reply.json().as_array().unwrap().iter().map(of).collect::<Vec<_>>(), expected);
    assert!(reply.header("x-ier-run").is_some());

    let reply = site.sql(BY_MONTH, "ndjson");
    assert_eq!(reply.text().lines().map(|line| of(&serde_json::from_str(line).unwrap())).collect::<Vec<_>>(), expected);

    let reply = site.sql(BY_MONTH, "csv");
    assert_eq!(reply.header("content-type"), Some("text/csv; charset=utf-8"));
    let mut csv = csv::Reader::from_reader(Cursor::new(reply.body));
    assert_eq!(csv.headers().unwrap().iter().collect::<Vec<_>>(), ["month", "mails", "opened"]);
    assert_eq!(csv.deserialize::<(String, i64, i64)>().map(std::result::Result::unwrap).collect::<Vec<_>>(), expected);

    let batches = |batches: Vec<arrow::array::RecordBatch>| -> Vec<(String, i64, i64)> {
        let rows = |batch: &arrow::array::RecordBatch| {
            let (months, mails, opened) = (
                batch.column(0).as_string::<i32>().clone(),
                batch.column(1).as_primitive::<Int64Type>().clone(),
                batch.column(2).as_primitive::<Int64Type>().clone(),
            );
            (0..months.len()).map(|row| (months.value(row).to_owned(), mails.value(row), opened.value(row))).collect::<Vec<_>>()
        };
        batches.iter().flat_map(rows).collect()
    };
    let reply = site.sql(BY_MONTH, "arrow");
    assert_eq!(reply.header("content-type"), Some("application/vnd.apache.arrow.stream"));
    let stream = arrow::ipc::reader::StreamReader::try_new(Cursor::new(reply.body), None).unwrap();
    assert_eq!(batches(stream.map(std::result::Result::unwrap).collect()), expected);

    let reply = site.sql(BY_MONTH, "parquet");
    let file = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(bytes::Bytes::from(reply.body), 100).unwrap();
    assert_eq!(batches(file.map(std::result::Result::unwrap).collect()), expected);

    let reply = site.sql(BY_MONTH, "xlsx");
    let mut book = calamine::Xlsx::new(Cursor::new(reply.body)).unwrap();
    let sheet = book.worksheet_range_at(0).unwrap().unwrap();
    let rows = sheet.rows().skip(1).map(|row| match row {
        [Data::String(month), Data::Float(mails), Data::Float(opened)] => (month.clone(), *mails as i64, *opened as i64),
        other => panic!("{other:?}"),
    });
    assert_eq!(rows.collect::<Vec<_>>(), expected);

    // What is accepted decides where no format is named.
    let token = format!("Authorization: Bearer {}", site.token);
    let reply =
        curl(&["-H", &token, "-H", "Accept: text/csv", "--data-binary", "SELECT 1 AS one", &site.url("/api/v1/sql")], b"");
    assert_eq!(reply.text(), "one\n1\n");
    site.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worksheets_rows_say_how_many_there_are_and_when_they_are_whole() {
    let site = Web::usual().await;
    let body = json!({ "sql": "SELECT a.x, b.x FROM generate_series(1, 25000) AS a(x), generate_series(1, 1) AS b(x)", "format": "rows", "first": 3 });
    let reply = site.post("/api/v1/sql", body);
    let lines: Vec<serde_json::Value> = reply.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 5, "{}", reply.text());
    assert_eq!(lines[0][0], "columns");
    assert_eq!(lines[0][1][1]["key"], "x_2", "{}", lines[0]);
    assert_eq!(lines[1]["x_2"], 1);
    assert_eq!(lines[4], json!(["end", { "rows": 25000 }]));
    site.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_values_and_nothing_else() {
    let site = Web::usual().await;
    let ask = |body: serde_json::Value| site.post("/api/v1/sql", body);
    let reply = ask(json!({ "sql": "SELECT $1 AS a, $2 + 1 AS b, $3 AS c", "parameters": ["it's; DROP", 41, true] }));
    assert_eq!(reply.json(), json!([{ "a": "it's; DROP", "b": 42, "c": true }]), "{}", reply.text());
    let named =
        "-- Mails since?\n-- Parameters:\n--   since  date  -  a day\nSELECT count(*) AS n FROM ier WHERE sent_date >= $since";
    let reply = ask(json!({ "sql": named, "parameters": { "since": "2026-10-01" } }));
    assert_eq!(reply.json(), json!([{ "n": 4 }]), "{}", reply.text());
    let reply = ask(json!({ "sql": named }));
    assert_eq!(reply.code, 400);
    assert!(reply.json()["detail"].as_str().unwrap().contains("since is missing"), "{}", reply.text());
    site.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_listed_shown_and_asked() {
    let site = Web::usual().await;
    let listed = site.get("/api/v1/questions").json();
    assert_eq!(listed["questions"].as_array().unwrap().len(), 17);
    assert_eq!(site.get("/api/v1/questions/hard_bounced").json()["name"], "hard_bounced");
    let missing = site.get("/api/v1/questions/hard_bounces");
    assert_eq!(missing.code, 404);
    assert!(missing.json()["detail"].as_str().unwrap().contains("perhaps hard_bounced"), "{}", missing.text());
    // Ben alone bounced hard twice; he has a name.
    let body = json!({ "parameters": { "from": "2020-01-01" }, "with_names": true });
    let reply = site.post("/api/v1/questions/hard_bounced", body);
    let rows = reply.json();
    assert_eq!(rows.as_array().map(Vec::len), Some(1), "{}", reply.text());
    assert_eq!((&rows[0]["person_id"], &rows[0]["name"]), (&json!("003f40000000003AAA"), &json!("Ben Reed")));
    site.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_and_how_it_is() {
    let site = Web::usual().await;
    let catalog = site.get("/api/v1/catalog").json();
    let ier = catalog["tables"].as_array().unwrap().iter().find(|table| table["name"] == "ier").unwrap().clone();
    assert!(ier["meaning"].as_str().is_some_and(|meaning| !meaning.is_empty()));
    let opened = ier["columns"].as_array().unwrap().iter().find(|column| column["name"] == "opened").unwrap().clone();
    assert_eq!(opened["type"], "boolean");
    let status = site.get("/api/v1/status").json();
    let hot = |table: &&serde_json::Value| table["table"] == "individual_email_result" && table["tier"] == "hot";
    assert_eq!(status["tables"].as_array().unwrap().iter().find(hot).unwrap()["rows"], 15);
    assert_eq!(status["iers_loaded"]["files"], 2);
    assert_eq!(site.get("/api/v1/me").json()["rights"], json!(["sql", "people", "operations", "look_ups"]));
    let described = site.get("/api/v1/openapi.json").json();
    assert!(described["paths"]["/api/v1/sql"]["post"].is_object());

    assert_eq!(curl(&[&site.url("/healthz")], b"").text(), "ok\n");
    assert_eq!(curl(&[&site.url("/readyz")], b"").text(), "ok\n");
    assert_eq!(curl(&[&site.url("/metrics")], b"").code, 401);
    let figures = site.get("/metrics").text();
    let counted = "ier_http_requests_total{method=\"GET\",path=\"/api/v1/status\",status=\"200\"} 1\n";
    assert!(figures.contains(counted), "{figures}");
    assert!(!figures.contains("ana"), "{figures}");
    site.stops().await;
}
