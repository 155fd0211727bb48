//! What is refused: strangers, other sites, other names, links that were used, bodies that are too much.

use super::{ANA, Web, curl};

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_signed_in_gets_nothing() {
    let site = Web::usual().await;
    for (path, code) in [
        ("/api/v1/status", 401),
        ("/api/v1/catalog", 401),
        ("/api/v1/questions", 401),
        ("/api/v1/runs", 401),
        ("/api/v1/look-ups", 401),
        ("/metrics", 401),
        ("/", 303),
        ("/worksheet", 303),
        ("/status", 303),
        ("/look-ups", 303),
        ("/nothing", 404),
        ("/assets/0/page.css", 404),
        ("/assets/..%2f..%2fetc/passwd", 404),
    ] {
        let reply = curl(&[&site.url(path)], b"");
        assert_eq!(reply.code, code, "{path}: {}", reply.text());
        if code == 401 {
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
            assert_eq!(reply.header("content-type"), Some("application/problem+json"));
        }
    }
    let wrong = "Authorization: Bearer 0000000000000000000000000000000000000000";
    assert_eq!(curl(&["-H", wrong, &site.url("/api/v1/status")], b"").code, 401);
    assert_eq!(curl(&["-H", wrong, "--data", "SELECT 1", &site.url("/api/v1/sql")], b"").code, 401);
    // A wrong token is not made up for by a cookie.
    let cookie = format!("Cookie: {}", site.cookie());
    assert_eq!(curl(&["-H", &cookie, "-H", wrong, &site.url("/api/v1/status")], b"").code, 401);
    let in_address = curl(&[&site.url(&format!("/api/v1/status?token={}", site.token))], b"");
    assert_eq!(in_address.code, 400, "{}", in_address.text());
    site.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_good_once_and_a_session_until_it_ends() {
    let site = Web::usual().await;
    assert_eq!(curl(&["-I", &site.link], b"").code, 200, "who only looks at it does not use it up");
    let cookie = site.cookie();
    assert_eq!(site.browse(&cookie, "/", &[]).code, 200);
    let stolen = curl(&[&site.link], b"");
    assert_eq!((stolen.code, stolen.header("set-cookie")), (200, None), "{}", stolen.head);
    assert!(stolen.text().contains("used already"));
    assert_eq!(site.browse("ier-1=1", "/", &[]).code, 303);
    // Who has the cookie may follow it again.
    let again = curl(&["-H", &format!("Cookie: {cookie}"), &site.link], b"");
    assert_eq!((again.code, again.header("location")), (303, Some("/")));
    // By the token, too: as a form of this site.
    let token = format!("token={}", site.token);
    let form = ["-H", "Sec-Fetch-Site: same-origin", "--data-urlencode", &token, &site.url("/sign-in")];
    let other = curl(&form, b"");
    assert_eq!(other.code, 303, "{}", other.text());
    assert_ne!(other.header("set-cookie").unwrap().split(';').next().unwrap(), cookie, "each sign-in has its own");
    assert_eq!(curl(&["-H", "Sec-Fetch-Site: same-origin", "--data", "token=", &site.url("/sign-in")], b"").code, 403);
    assert_eq!(site.browse(&cookie, "/sign-out", &[("a", "b")]).code, 303);
    assert_eq!(site.browse(&cookie, "/", &[]).code, 303, "it is over");
    // Half an hour without a request, and another is over.
    let other = other.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    assert_eq!(site.browse(&other, "/", &[]).code, 200);
    site.fixture.clock.tick(chrono::Duration::minutes(31));
    assert_eq!(site.browse(&other, "/", &[]).code, 303);
    site.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_site_sends_is_refused() {
    let site = Web::usual().await;
    let cookie = format!("Cookie: {}", site.cookie());
    let own = format!("Origin: http://{}", site.address);
    for (header, code) in [
        ("Origin: https://evil.example", 403),
        ("Origin: null", 403),
        ("Sec-Fetch-Site: cross-site", 403),
        ("Sec-Fetch-Site: same-site", 403),
        ("X-Nothing: 1", 403),
        ("Sec-Fetch-Site: same-origin", 200),
        (own.as_str(), 200),
    ] {
        let reply = curl(&["-H", &cookie, "-H", header, "--data", "SELECT 1 AS a", &site.url("/api/v1/sql")], b"");
        assert_eq!(reply.code, code, "{header}: {}", reply.text());
    }
    let reply = curl(&["-H", &cookie, "-H", "Sec-Fetch-Site: cross-site", &site.url("/api/v1/status")], b"");
    assert_eq!(reply.code, 403, "a cross-site GET");
    let page =
        ["-H", &cookie, "-H", "Sec-Fetch-Site: cross-site", "-H", "Sec-Fetch-Mode: navigate", "-H", "Sec-Fetch-Dest: document"];
    let url = site.url("/questions");
    assert_eq!(curl(&[&page[..], &[url.as_str()]].concat(), b"").code, 200, "a link from elsewhere leads to a page");
    site.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_names_of_this_machine_are_answered_to() {
    let site = Web::usual().await;
    let port = site.address.port();
    let token = format!("Authorization: Bearer {}", site.token);
    for (host, code) in [
        ("evil.example".to_owned(), 421),
        (format!("evil.example:{port}"), 421),
        ("127.0.0.1.evil.example".to_owned(), 421),
        ("0.0.0.0".to_owned(), 421),
        (format!("localhost:{port}"), 200),
        ("LOCALHOST".to_owned(), 200),
        (format!("[::1]:{port}"), 200),
        // Through `ssh -L` the port is another.
        ("localhost:9999".to_owned(), 200),
    ] {
        let reply = curl(&["-H", &token, "-H", &format!("Host: {host}"), &site.url("/api/v1/me")], b"");
        assert_eq!(reply.code, code, "{host}: {}", reply.text());
    }
    site.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_response_says_what_a_browser_may_do_with_it() {
    let site = Web::usual().await;
    let cookie = site.cookie();
    for path in ["/", "/api/v1/me", "/nothing", "/worksheet", "/healthz"] {
        let reply = site.browse(&cookie, path, &[]);
        let policy = reply.header("content-security-policy").unwrap();
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"]
        {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(reply.header(name), Some(value), "{path}: {name}");
        }
    }
    site.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_or_not_understood_is_refused_and_the_server_goes_on() {
    let site = Web::usual().await;
    let bomb = vec![b' '; 2 << 20];
    assert_eq!(site.send("/api/v1/sql", "application/sql", &bomb).code, 413);
    let token = format!("Authorization: Bearer {}", site.token);
    let packed = ["-H", &token, "-H", "Content-Encoding: gzip", "--data-binary", "x", &site.url("/api/v1/sql")];
    assert_eq!(curl(&packed, b"").code, 415);
    for (sql, format, code, part) in [
        ("SELECT 1", "pdf", 400, "no format"),
        ("", "json", 400, "no statement"),
        ("SELECT nothing_of_this_name FROM ier", "json", 400, "nothing_of_this_name"),
        ("SELECT * FROM no_such_table", "json", 404, "there is no table no_such_table"),
        ("DELETE FROM ier", "json", 400, ""),
        ("CREATE TABLE a (b int)", "json", 400, ""),
        ("COPY (SELECT 1) TO '/tmp/out.csv'", "json", 400, ""),
        ("SET datafusion.execution.batch_size = 1", "json", 400, ""),
        ("SELECT 1; SELECT 2", "json", 400, ""),
        ("SELEC 1", "xlsx", 400, ""),
        ("SELECT 'a' AS a", "svg", 400, "no column of numbers"),
    ] {
        let reply = site.sql(sql, format);
        assert_eq!(reply.code, code, "{sql}: {}", reply.text());
        let problem = reply.json();
        assert!(problem["detail"].as_str().unwrap().contains(part), "{problem}");
        assert_eq!((problem["status"].as_u64(), problem["id"].as_str().unwrap().len()), (Some(u64::from(code)), 36));
    }
    for body in
        ["{", "[]", "{\"sql\": 1}", "{\"sql\": \"SELECT 1\", \"unknown\": 1}", "{\"sql\": \"SELECT $1\", \"parameters\": [[1]]}"]
    {
        let reply = site.send("/api/v1/sql", "application/json", body.as_bytes());
        assert_eq!(reply.code, 400, "{body}: {}", reply.text());
    }
    let deep = format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000));
    assert_eq!(site.sql(&deep, "json").code, 400);
    let back = site.bytes(format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "a".repeat(64 << 10)).as_bytes());
    assert!(back.starts_with("HTTP/1.1 431"), "{back}");
    assert!(site.bytes(b"no http\r\n\r\n").starts_with("HTTP/1.1 400"));
    assert_eq!(site.get("/api/v1/me").code, 200);
    site.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_is_fetched_by_who_made_it_alone() {
    let site = Web::usual().await;
    let cookie = site.cookie();
    let fields = [("id", ANA), ("what", "deadline reminder")];
    let page = site.browse(&cookie, "/evidence", &fields).text();
    let name = page.split("name=\"pack\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(name.len(), 64);
    let pack = site.browse(&cookie, "/evidence/file", &[("pack", &name)]);
    assert_eq!((pack.code, pack.header("content-type")), (200, Some("application/zip")), "{}", pack.text());
    assert_eq!(site.browse(&cookie, "/evidence/file", &[("pack", &"0".repeat(64))]).code, 404);
    assert_eq!(
        curl(&["-H", "Sec-Fetch-Site: same-origin", "--data", &format!("pack={name}"), &site.url("/evidence/file")], b"").code,
        303
    );
    site.fixture.clock.tick(chrono::Duration::minutes(11));
    assert_eq!(site.browse(&cookie, "/evidence/file", &[("pack", &name)]).code, 404, "not for long");
    site.stops().await;
}
