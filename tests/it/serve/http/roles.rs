//! What each role gets over HTTP, and who gets nothing: people come by TLS, with a token or a password.

use std::net::SocketAddr;

use ier::serve::Server;
use ier::serve::http::Site;
use tokio::sync::oneshot;

use super::super::Served;
use super::super::access::{ANA, People, filled};
use super::super::tls::Certificate;
use super::{Reply, curl, limits};

/// A server for a list of users.
struct Https {
    people: People,
    certificate: Certificate,
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Https {
    async fn over(people: People) -> Self {
        let certificate = Certificate::new();
        let engine = Served::engine(&filled().await).await;
        let site = Site { zone: chrono_tz::UTC, questions: None, org_url: None, spill_folder: None };
        let server = Server::new(engine, people.access().behind(certificate.tls()), limits());
        let server = server.with_http("127.0.0.1:0", site).await.unwrap();
        let address = server.http_address().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(server.run(async { drop(stopped.await) }));
        Self { people, certificate, address, _stop: stop }
    }

    fn ask(&self, arguments: &[&str], path: &str, body: &str) -> Reply {
        let [certificate, _] = self.certificate.paths();
        let certificate = certificate.display().to_string();
        let url = format!("https://localhost:{}{path}", self.address.port());
        let arguments =
            [&["--cacert", &certificate, "--resolve", &format!("localhost:{}:127.0.0.1", self.address.port())], arguments];
        curl(&[&arguments.concat()[..], &[&url]].concat(), body.as_bytes())
    }

    /// A program of somebody's asks.
    fn get(&self, name: &str, path: &str) -> Reply {
        self.ask(&["-H", &format!("Authorization: Bearer {}", self.people.token(name))], path, "")
    }

    /// A program of somebody's sends something.
    fn post(&self, name: &str, path: &str, media: &str, body: &str) -> Reply {
        let (token, media) = (format!("Authorization: Bearer {}", self.people.token(name)), format!("Content-Type: {media}"));
        self.ask(&["-H", &token, "-H", &media, "--data-binary", "@-"], path, body)
    }

    fn sql(&self, name: &str, sql: &str, format: &str) -> Reply {
        self.post(name, &format!("/api/v1/sql?format={format}"), "application/sql", sql)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn each_role_has_its_ways_over_http_and_no_other() {
    let https = Https::over(People::of_each_role()).await;
    let (history, reason) = (format!("/api/v1/people/{ANA}/history"), r#"{"reason": "ticket 1"}"#);
    // A statement; somebody's history with a reason, and without; the status; who looked at whom.
    for (name, codes) in [
        ("ana", [200, 403, 403, 403, 403]),
        ("lea", [200, 403, 403, 403, 403]),
        ("aud", [200, 200, 400, 403, 403]),
        ("opa", [403, 403, 403, 200, 403]),
        ("pia", [200, 200, 400, 403, 200]),
    ] {
        let replies = [
            https.sql(name, "SELECT count(*) AS n FROM ier", "json"),
            https.post(name, &history, "application/json", reason),
            https.post(name, &history, "application/json", "{}"),
            https.get(name, "/api/v1/status"),
            https.get(name, "/api/v1/look-ups"),
        ];
        assert_eq!(replies.each_ref().map(|reply| reply.code), codes, "{name}: {replies:?}");
    }
    // Of the Law School's sends there is one record.
    assert_eq!(https.sql("ana", "SELECT count(*) AS n FROM ier", "csv").text(), "n\n3\n");
    assert_eq!(https.sql("lea", "SELECT count(*) AS n FROM ier", "csv").text(), "n\n1\n");
    let log = https.get("pia", "/api/v1/look-ups").text();
    assert!(log.contains("\"aud\"") && log.contains("\"pia\"") && !log.contains("\"ana\""), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn masked_addresses_leave_in_no_form_of_an_answer() {
    let https = Https::over(People::of_each_role()).await;
    let all = "SELECT * FROM ier";
    for format in ["json", "ndjson", "csv", "arrow", "rows"] {
        for (name, sees) in [("ana", false), ("lea", false), ("aud", false), ("pia", true)] {
            let reply = https.sql(name, all, format);
            assert_eq!((reply.code, reply.exit), (200, 0), "{name} {format}: {}", reply.text());
            assert_eq!(reply.text().contains("ana.ortiz@example.edu"), sees, "{name} {format}: {}", reply.text());
        }
    }
    for denied in
        [format!("SELECT * FROM contact_history('{ANA}')"), format!("SELECT count(*) FROM ier WHERE contact_id = '{ANA}'")]
    {
        let reply = https.sql("ana", &denied, "json");
        assert_eq!(reply.code, 403, "{denied}: {}", reply.text());
        assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    }
    // What somebody asked is no error that tells a value.
    let told = https.sql("ana", "SELECT CAST(name AS INT) FROM contact", "json").text();
    assert!(!told.contains("Ortiz"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn an_auditor_sees_one_person_as_they_are_and_an_operator_sees_nobody() {
    let https = Https::over(People::of_each_role()).await;
    let form = "application/x-www-form-urlencoded";
    let person = |name: &str| https.post(name, "/person", form, &format!("id={ANA}&reason=ticket+1"));
    for (name, code) in [("ana", 403), ("lea", 403), ("aud", 200), ("opa", 403), ("pia", 200)] {
        let page = person(name);
        assert_eq!(page.code, code, "{name}: {}", page.text());
        assert_eq!(page.text().contains("ana.ortiz@example.edu"), code == 200, "{name}: {}", page.text());
        assert_eq!(page.text().contains("Ana Ortiz"), code == 200, "{name}: {}", page.text());
    }
    let about = r#"{"about": "e", "reason": "ticket 1"}"#;
    let audit = https.post("aud", &format!("/api/v1/people/{ANA}/audit"), "application/json", about);
    let whole = https.post("pia", &format!("/api/v1/people/{ANA}/audit"), "application/json", about);
    assert_eq!((audit.code, audit.json()["sends"].clone()), (200, whole.json()["sends"].clone()));
    for (name, code) in [("ana", 403), ("aud", 403), ("opa", 200), ("pia", 403)] {
        let page = https.get(name, "/status");
        assert_eq!(page.code, code, "{name}: {}", page.text());
        assert!(!page.text().contains("ana.ortiz@"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn somebody_signs_in_by_a_password_and_is_out_as_soon_as_they_are_disabled() {
    let mut people = People::of_each_role();
    people.change(|users| users.set_password("aud", "correct horse battery").unwrap());
    let mut https = Https::over(people).await;
    let own = ["-H", "Sec-Fetch-Site: same-origin", "-H", "Accept: text/html"];
    let sign_in = |https: &Https, password: &str| {
        let password = format!("token={password}");
        let form = ["--data-urlencode", "name=aud", "--data-urlencode", password.as_str()];
        https.ask(&[&own[..], &form].concat(), "/sign-in", "")
    };
    assert_eq!(sign_in(&https, "wrong horse").code, 403);
    let reply = sign_in(&https, "correct horse battery");
    assert_eq!((reply.code, reply.header("location")), (303, Some("/")), "{}", reply.text());
    let cookie = reply.header("set-cookie").unwrap().to_owned();
    assert!(cookie.starts_with("__Host-") && cookie.contains("; Secure") && cookie.contains("HttpOnly"), "{cookie}");
    assert!(reply.header("strict-transport-security").is_some());
    let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap());
    let home = |https: &Https| https.ask(&[&own[..], &["-H", &cookie]].concat(), "/", "");
    let page = home(&https);
    assert_eq!(page.code, 200);
    assert!(page.text().contains("required") && !page.text().contains("(optional)"), "an auditor says why: {}", page.text());
    https.people.change(|users| users.known("aud").unwrap().disabled = true);
    assert_eq!((home(&https).code, home(&https).header("location")), (303, Some("/sign-in")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn nobody_is_served_in_plain_where_there_is_a_certificate() {
    let https = Https::over(People::of_each_role()).await;
    let reply = curl(&[&format!("http://127.0.0.1:{}/healthz", https.address.port())], b"");
    assert_ne!(reply.exit, 0);
    assert!(reply.body.is_empty(), "{}", reply.text());
    assert_eq!(https.ask(&[], "/healthz", "").text(), "ok\n");
}
