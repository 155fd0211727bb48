//! Pages, as a browser without scripts gets them: the whole way of somebody who looks a person up, and what may stand on a page.

use std::path::Path;

use super::{ANA, Web, limits};
use crate::fixture::Fixture;

/// The text of a page, and that its tags are balanced: what is not is markup that came from somewhere.
fn read(page: &str) -> String {
    const VOID: [&str; 5] = ["meta", "link", "input", "img", "br"];
    let (mut open, mut text, mut rest) = (Vec::new(), String::new(), page);
    while let Some(at) = rest.find('<') {
        text += &rest[..at];
        let end = rest[at..].find('>').map(|end| at + end).unwrap();
        let tag = &rest[at + 1..end];
        assert!(!tag.contains('<'), "{tag}");
        let name = tag.trim_start_matches('/').split([' ', '\n']).next().unwrap();
        match tag.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop(), Some(closed), "closed in order"),
            None if tag.starts_with('!') || VOID.contains(&name) => {}
            None => open.push(name),
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "{open:?}");
    let text = text + rest;
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
        .iter()
        .fold(text, |text, (coded, sign)| text.replace(coded, sign))
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_name_to_a_verdict_and_its_evidence_without_a_script() {
    let site = Web::over(Fixture::filled().await, limits(), true).await;
    let cookie = site.cookie();
    let home = read(&site.browse(&cookie, "/", &[]).text());
    assert!(home.contains("This look-up is logged") && home.contains("Name, address, or any id"), "{home}");
    let refused = site.browse(&cookie, "/people", &[("text", "ortiz")]);
    assert_eq!(refused.code, 400);
    assert!(read(&refused.text()).contains("say why you look"), "a page, not JSON");

    let person = site.browse(&cookie, "/people", &[("text", "ortiz"), ("reason", "ticket 4711")]);
    assert_eq!(person.code, 200);
    let (page, text) = (person.text(), read(&person.text()));
    for part in [
        "Ana Ortiz",
        "ana.ortiz@example.edu",
        "6 mails, newest first",
        "003f40000000002AAA was merged into 003f40000000001AAA",
        "00Qf40000000001EAA was converted into 003f40000000001AAA",
        "OE 2026 – deadline reminder",
        "unsubscribed",
        "clicked 3 times",
        "deleted in Salesforce since",
        // 16:00 UTC is ten in the morning in Denver.
        "2026-10-20 10:00:00 MDT",
        "What was loaded here comes from 2 files",
        "America/Denver",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(page.contains("title=\"2026-10-20 16:00:00 UTC\""), "UTC stands behind it");
    assert!(
        page.contains("<img class=\"wide\" src=\"data:image/svg+xml,") && page.contains("alt=\"From 2025-11-30 to "),
        "{page}"
    );
    assert!(page.contains("<caption>") && page.contains("scope=\"col\""));

    let narrowed = [("id", ANA), ("reason", "r"), ("outcome", "clicked")];
    assert!(read(&site.browse(&cookie, "/person", &narrowed).text()).contains("2 of 6 mails"));
    let narrowed = [("id", ANA), ("reason", "r"), ("words", "deadline"), ("from", "2026-10-20"), ("to", "2026-10-20")];
    assert!(read(&site.browse(&cookie, "/person", &narrowed).text()).contains("1 of 6 mails"));
    let then = [("id", ANA), ("reason", "r"), ("as_of", "2026-08-05")];
    let text = read(&site.browse(&cookie, "/person", &then).text());
    assert!(text.contains("left out, being learned later"), "{text}");

    let asked = [("id", ANA), ("reason", "r"), ("what", "deadline reminder"), ("by", "about")];
    let text = read(&site.browse(&cookie, "/audit", &asked).text());
    for part in [
        "Was Ana Ortiz told?",
        "Ana Ortiz was sent \"OE 2026 – deadline reminder\" of 2026-10-20.",
        "SENT",
        "an unsubscription was recorded",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let asked = [("id", "003f4000000000AAAQ"), ("reason", "r"), ("what", "deadline reminder"), ("by", "about")];
    let text = read(&site.browse(&cookie, "/audit", &asked).text());
    assert!(text.contains("NOT SENT") && text.contains("Subscriber unsubscribed"), "{text}");
    let asked = [("id", ANA), ("reason", "r"), ("what", "survey"), ("by", "about")];
    let text = read(&site.browse(&cookie, "/audit", &asked).text());
    assert!(text.contains("NO EVIDENCE") && text.contains("tracking was switched off"), "{text}");

    let asked = [("id", ANA), ("reason", "r"), ("what", "deadline reminder"), ("by", "about")];
    let page = site.browse(&cookie, "/evidence", &asked).text();
    read(&page);
    let value = |name: &str| page.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap().split('"').next().unwrap();
    let pack = site.browse(&cookie, "/evidence/file", &[("pack", value("pack")), ("reason", "r")]);
    assert_eq!(pack.header("content-type"), Some("application/zip"));
    let file = site.fixture.file("pack.zip", &pack.body);
    let given = |path: &Path| format!("pack=@{}", path.display());
    let url = site.url("/verify");
    let header = format!("Cookie: {cookie}");
    let pack_part = given(&file);
    let seal = page.split("readonly value=\"").nth(1).unwrap().split('"').next().unwrap();
    let seal_part = format!("seal={seal}");
    let form = ["-H", &header, "-H", "Sec-Fetch-Site: same-origin", "-F", "reason=r", "-F", &pack_part, "-F", &seal_part, &url];
    let text = read(&super::curl(&form, b"").text());
    assert!(text.contains("VERIFIED"), "{text}");
    let mut changed = pack.body.clone();
    let at = changed.windows(4).position(|four| four == b"open").unwrap();
    changed[at] = b'0';
    let pack_part = given(&site.fixture.file("changed.zip", changed));
    let form = ["-H", &header, "-H", "Sec-Fetch-Site: same-origin", "-F", "reason=r", "-F", &pack_part, &url];
    assert!(read(&super::curl(&form, b"").text()).contains("ALTERED"));

    let log = read(&site.browse(&cookie, "/look-ups", &[]).text());
    assert!(log.contains("ticket 4711") && log.contains("audit verify") && !log.contains("Ortiz") && !log.contains(ANA), "{log}");
    site.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_forms_and_answers_are_tables_and_files() {
    let site = Web::usual().await;
    let cookie = site.cookie();
    let list = site.browse(&cookie, "/questions", &[]).text();
    assert_eq!(read(&list).matches('?').count(), 17, "each is a question");
    let form = site.browse(&cookie, "/questions/hard_bounced", &[]);
    let text = read(&form.text());
    assert!(text.contains("Show its SQL") && text.contains("SELECT") && text.contains("with names and addresses"), "{text}");
    let text = read(&site.browse(&cookie, "/questions/hard_bounced", &[("from", "2020-01-01"), (".names", "yes")]).text());
    assert!(text.contains("Ben Reed") && text.contains("1 row"), "{text}");
    let file = site.browse(&cookie, "/questions/hard_bounced", &[("from", "2020-01-01"), (".format", "csv")]);
    assert_eq!(file.header("content-disposition"), Some("attachment; filename=\"hard_bounced-2026-11-15.csv\""));
    assert_eq!(csv::Reader::from_reader(&*file.body).records().count(), 1);
    let none = site.browse(&cookie, "/questions/told", &[("id", ANA), ("about", "no words of any e-mail")]);
    assert!(read(&none.text()).contains("No send on record has the words"), "{}", none.text());
    let wrong = site.browse(&cookie, "/questions/hard_bounced", &[("from", "soon")]);
    assert_eq!(wrong.code, 400);
    assert!(read(&wrong.text()).contains("from is \"soon\""), "{}", wrong.text());
    let text = read(&site.browse(&cookie, "/status", &[]).text());
    assert!(text.contains("individual_email_result") && text.contains("Nothing is held") && text.contains("0.8"), "{text}");
    let sheet = site.browse(&cookie, "/worksheet", &[]).text();
    assert!(read(&sheet).contains("The worksheet needs scripts"));
    let file = site.browse(&cookie, "/worksheet/file", &[("sql", "SELECT 1 AS a"), ("format", "csv")]);
    assert_eq!(file.text(), "a\n1\n");
    site.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_pages_are_made_of_is_little_comes_from_here_and_is_kept() {
    let site = Web::usual().await;
    let cookie = site.cookie();
    let page = site.browse(&cookie, "/worksheet", &[]).text();
    let mut bytes = page.len();
    let addresses = page.split('"').filter(|part| part.starts_with("/assets/"));
    let mut addresses: Vec<String> = addresses.map(str::to_owned).collect();
    let folder = addresses[0].rsplit_once('/').unwrap().0.to_owned();
    addresses.extend(["editor.js", "grid.js"].map(|name| format!("{folder}/{name}")));
    for address in &addresses {
        let file = super::curl(&[&site.url(address)], b"");
        assert_eq!(file.code, 200, "{address}");
        assert_eq!(file.header("cache-control"), Some("public, max-age=31536000, immutable"));
        bytes += file.body.len();
    }
    assert!(bytes < 100_000, "{bytes} bytes in all");
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("style="), "{page}");
    site.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_whose_name_is_a_script_is_shown_by_that_name() {
    const NAME: &str = "<script>alert(1)</script>";
    const SUBJECT: &str = "\"><img src=x onerror=alert(2)>&amp;\u{202E}";
    const TYPED: &str = "\"><img src=x onerror=alert(2)>";
    let fixture = Fixture::empty().await;
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let contact =
        format!("Id,Name,Email,SystemModstamp,IsDeleted\n{ANA},{},a@example.edu,2026-08-01T00:00:00.000Z,false\n", quoted(NAME));
    let file = fixture.file("contact.csv", contact);
    fixture.load_as([file], Some("contact")).await.unwrap();
    let given = std::fs::read_to_string(crate::fixture::data().join("individual_email_result.csv")).unwrap();
    let (head, rest) = given.split_once('\n').unwrap();
    let names: Vec<&str> = head.trim().trim_start_matches('\u{FEFF}').split(',').map(|name| name.trim_matches('"')).collect();
    assert!(rest.contains("CU Connections - August 6, 2026 #31"), "{names:?}");
    let hostile = given.replace("CU Connections - August 6, 2026 #31", &SUBJECT.replace('"', "\"\""));
    let file = fixture.file("individual_email_result.csv", hostile);
    fixture.load([file]).await.unwrap();
    let site = Web::over(fixture, limits(), false).await;
    let cookie = site.cookie();
    let pages = [
        ("/people", vec![("text", "script")]),
        ("/person", vec![("id", ANA)]),
        ("/audit", vec![("id", ANA), ("what", "onerror"), ("by", "about")]),
        ("/evidence", vec![("id", ANA), ("what", "onerror"), ("by", "about")]),
        ("/people", vec![("text", NAME)]),
        ("/questions/told", vec![("id", ANA), ("about", TYPED)]),
        ("/audit", vec![("id", ANA), ("what", TYPED), ("by", "about")]),
        ("/people", vec![("text", "</title><script>")]),
    ];
    for (path, fields) in pages {
        let page = site.browse(&cookie, path, &fields).text();
        read(&page);
        assert!(!page.contains("<script>") && !page.contains("<img src=x") && !page.contains('\u{202E}'), "{path}: {page}");
    }
    let page = site.browse(&cookie, "/person", &[("id", ANA)]).text();
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{page}");
    assert!(page.contains("&lt;img src=x onerror=alert(2)&gt;"), "{page}");
    site.stops().await;
}
