//! The answer as a page for people: one HTML file without scripts or outside references, to be read, printed and filed.
//!
//! The page says what the answer says, and no more. All texts from records are escaped.

use std::fmt::{Display, Write};

use serde_json::{Map, Value};

use super::manifest::Manifest;
use super::timeline;
use crate::audit::verdict::{Mail, Verdict};
use crate::audit::wording::{CAVEAT, NOT_AMONG, WITHHELD_UNNAMED, Wording, both};
use crate::audit::{About, Audit, SendAudit};
use crate::human::{count, counted};
use crate::output::markup::escaped;
use crate::record::fields::hidden;

const STYLE: &str = include_str!("page.css");

/// Rows of records by table.
type Records = [(String, Vec<Map<String, Value>>)];

/// The page. The manifest is that of the pack as far as it is known before its files are.
///
/// It begins with the person, the question and one sentence; what answers comes before what proves nothing. Records have a line each:
/// all their columns stand in `records.csv`, which is made to be searched, while a page is made to be read.
pub fn html(answer: &Audit, manifest: &Manifest, records: &Records) -> String {
    let mut page = Page { text: String::new(), wording: answer.wording() };
    page.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n");
    page.raw("<meta name=\"referrer\" content=\"no-referrer\">\n");
    page.element("title", format!("Evidence: {}", answer.headline()));
    page.raw("<style>\n").raw(STYLE).raw("</style>\n</head>\n<body>\n");
    page.head(answer, manifest);
    page.answers(answer);
    page.records(manifest, records);
    page.sources(manifest);
    page.raw("</body>\n</html>\n");
    page.text
}

/// Columns of a record that the page shows, beside its key and its place.
const SHOWN: [(&str, &[&str]); 3] = [
    (
        "individual_email_result",
        &["person_id", "date_sent", "date_opened", "date_bounced", "date_unsubscribed", "system_modstamp"],
    ),
    ("individual_link", &["link_name", "last_clicked"]),
    ("not_sent", &["subscriber_key", "event_date", "reason"]),
];

struct Page {
    text: String,
    wording: Wording,
}

impl Page {
    /// Text that is HTML already.
    fn raw(&mut self, html: &str) -> &mut Self {
        self.text += html;
        self
    }

    /// An element that holds a text.
    fn element(&mut self, tag: &str, text: impl Display) -> &mut Self {
        // Writing to a text cannot fail.
        let _ = writeln!(self.text, "<{tag}>{}</{tag}>", escaped(&text.to_string()));
        self
    }

    /// A row of a table of facts.
    fn fact(&mut self, name: &str, value: impl Display) -> &mut Self {
        let _ = writeln!(self.text, "<tr><th>{}</th><td>{}</td></tr>", escaped(name), escaped(&value.to_string()));
        self
    }

    /// A table with these headings.
    fn table<const N: usize>(&mut self, headings: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> &mut Self {
        self.raw("<table>\n<thead><tr>");
        for heading in headings {
            let _ = write!(self.text, "<th>{}</th>", escaped(heading));
        }
        self.raw("</tr></thead>\n<tbody>\n");
        for row in rows {
            let cells: Vec<String> = row.iter().map(|cell| format!("<td>{}</td>", escaped(cell))).collect();
            let _ = writeln!(self.text, "<tr>{}</tr>", cells.concat());
        }
        self.raw("</tbody>\n</table>\n")
    }

    fn head(&mut self, answer: &Audit, manifest: &Manifest) {
        let zone = self.wording.zone;
        let who = answer.name.clone().unwrap_or_else(|| manifest.person.id.clone());
        self.element("h1", format!("Was {who} told?"));
        let _ = writeln!(self.text, "<p class=\"answer\">{}</p>", escaped(&answer.summary()));
        self.raw("<table class=\"facts\">\n");
        let question = &answer.question;
        match &question.about {
            About::Text(text) => {
                self.fact("Asked about e-mails whose name, subject or sender has", format!("\"{}\"", text.trim()))
            }
            About::EmailId(id) => self.fact("Asked about the e-mail of id", id.trim()),
            About::Send(id) => self.fact("Asked about the send or job", id.trim()),
        };
        if let Some(from) = question.from {
            self.fact("Sent on or after", from);
        }
        if let Some(to) = question.to {
            self.fact("Sent on or before", to);
        }
        if let Some(at) = question.as_of {
            self.fact("As it was known here at", both(at, zone));
        }
        let person = &manifest.person;
        self.fact("Person", answer.who_it_is()).fact("Asked for by", &person.asked).fact("Looked under", person.ids.join(", "));
        for alias in &answer.aliases {
            self.fact("Known to be one person", alias.sentence(zone));
        }
        if let Some(left_out) = answer.left_out() {
            self.fact("Left out", left_out);
        }
        let mails = counted(answer.records_of_person as u64, "mail");
        self.fact("Found", answer.headline()).fact("On record for the person in all", mails);
        self.fact("Asked by", &manifest.asked_by).fact("Asked at", both(manifest.made_at, zone));
        self.fact("Answered by", &manifest.engine);
        self.fact("Times", format!("in the text those of {}, in the records UTC", zone.name()));
        self.raw("</table>\n");
        let note = format!("{CAVEAT} NO EVIDENCE does not mean that nothing was sent.");
        self.raw("<div class=\"note\">").element("p", note).raw("</div>\n");
    }

    /// What answers the question, then what proves nothing.
    fn answers(&mut self, answer: &Audit) {
        let (not_among, listed): (Vec<_>, Vec<_>) = answer.sends.iter().partition(|send| send.verdict.is_not_among());
        let (proved, open): (Vec<_>, Vec<_>) = listed.into_iter().partition(|send| send.verdict.place() < 2);
        for send in proved {
            self.send(send);
        }
        if !not_among.is_empty() {
            self.verdict("NOT AMONG THE RECIPIENTS", &counted(not_among.len() as u64, "send"), true);
            self.element("p", format!("Of each of these {NOT_AMONG}."));
            self.lines(not_among.iter().map(|send| send.line(self.wording.zone)).collect());
        }
        if !open.is_empty() {
            self.verdict("NO EVIDENCE", &counted(open.len() as u64, "send"), true);
            let lines = open.iter().map(|send| {
                let reason = send.sentences(self.wording).join("; ");
                format!("{}; {}: {reason}", send.line(self.wording.zone), send.send.about())
            });
            self.lines(lines.collect());
        }
        if !answer.withheld_unnamed.is_empty() {
            self.element("h2", WITHHELD_UNNAMED);
            self.lines(answer.withheld_unnamed.iter().map(|withheld| withheld.line(self.wording.zone)).collect());
        }
        if answer.sends.is_empty() {
            self.verdict("NO EVIDENCE", "", true).element("p", answer.nothing_known());
            self.lines(answer.nearest.iter().map(|near| near.line(self.wording.zone)).collect());
        }
    }

    /// A heading that says what is proved.
    fn verdict(&mut self, name: &str, title: &str, is_open: bool) -> &mut Self {
        let class = if is_open { "verdict no_evidence" } else { "verdict" };
        let _ = writeln!(self.text, "<h2><span class=\"{class}\">{}</span>{}</h2>", escaped(name), escaped(title));
        self
    }

    fn send(&mut self, audit: &SendAudit) {
        self.verdict(audit.verdict.name(), audit.send.title(), false);
        self.element("p", format!("{}. Matched: {}", audit.send.about(), audit.matched()));
        match &audit.verdict {
            Verdict::Sent { mails } => mails.iter().for_each(|mail| self.mail(audit, mail)),
            _ => self.lines(audit.sentences(self.wording)),
        }
    }

    fn mail(&mut self, audit: &SendAudit, mail: &Mail) {
        if let Some(picture) = timeline::svg(mail, self.wording.zone) {
            self.raw(&picture).raw("\n");
        }
        self.lines(mail.sentences(&audit.send, self.wording));
    }

    fn lines(&mut self, lines: Vec<String>) {
        if lines.is_empty() {
            return;
        }
        self.raw("<ul>\n");
        for sentence in lines {
            self.element("li", sentence);
        }
        self.raw("</ul>\n");
    }

    /// Every record, with the place where it stands.
    fn records(&mut self, manifest: &Manifest, records: &Records) {
        self.element("h2", "The records");
        match records.is_empty() {
            true => self.element("p", "There are none."),
            false => self.element("p", "All their columns stand in records.csv and records.json. Times are UTC."),
        };
        self.raw("<div class=\"record\">\n");
        for (table, rows) in records {
            let shown = SHOWN.iter().find(|(name, _)| name == table).map_or(&[][..], |(_, columns)| *columns);
            let mut cells = Vec::with_capacity(rows.len());
            for row in rows {
                let key = row.get(hidden::KEY).and_then(Value::as_str).unwrap_or_default();
                let id = ["ier_id", "link_id", "id"].iter().find_map(|id| row.get(*id)?.as_str()).unwrap_or_default();
                let place = manifest.rows().find(|(read, _, place)| read.table == *table && place.key == key);
                let place = place.map_or(String::new(), |(read, file, place)| {
                    format!("row {} of {}/{table}/{}", place.position, read.tier, file.path)
                });
                let listed = shown.iter().filter_map(|column| Some(format!("{column} {}", cell(row.get(*column)?)?)));
                cells.push([id.to_owned(), listed.collect::<Vec<_>>().join("; "), format!("key {key}; {place}")]);
            }
            self.table([table.as_str(), "what it says", "where it stands"], cells);
        }
        self.raw("</div>\n");
    }

    /// What was read, and what was ever loaded.
    fn sources(&mut self, manifest: &Manifest) {
        self.element("h2", "Where this comes from");
        let used = || manifest.tables.iter().filter(|read| !read.files.is_empty());
        self.element(
            "p",
            "The versions of the tables that hold the records, and their files; manifest.json has all that were asked.",
        );
        let tables = used().map(|read| {
            let rows: usize = read.files.iter().map(|file| file.rows.len()).sum();
            let version = read.version.map_or("nothing was ever written".to_owned(), |version| version.to_string());
            [read.table.clone(), read.tier.clone(), version, count(rows as u64)]
        });
        self.table(["table", "tier", "version read", "rows used"], tables);
        self.raw("<div class=\"hash\">\n");
        let files = used().flat_map(|read| {
            read.files.iter().map(move |file| {
                let path = format!("{}/{}/{}", read.tier, read.table, file.path);
                [path, count(file.bytes), file.blake3.clone().unwrap_or("not known".to_owned())]
            })
        });
        self.table(["file", "bytes", "blake3"], files).raw("</div>\n");

        self.element("h2", "What was loaded");
        let loads = counted(manifest.coverage.len() as u64, "load");
        self.element(
            "p",
            format!("{loads} on record bear on these sends, by their span of sending or because they have none. Each is in manifest.json."),
        );
        let mut objects: Vec<&str> = Vec::new();
        for row in &manifest.coverage {
            let object = row.get("object").and_then(Value::as_str).unwrap_or_default();
            if !objects.contains(&object) {
                objects.push(object);
            }
        }
        let of = |object: &str| -> [String; 6] {
            let rows = || manifest.coverage.iter().filter(|row| row.get("object").and_then(Value::as_str) == Some(object));
            let sum = |column: &str| rows().filter_map(|row| row.get(column)?.as_u64()).sum::<u64>();
            let text = |column: &'static str| rows().filter_map(move |row| cell(row.get(column)?));
            let (first, last) = (text("first_sent").min().unwrap_or_default(), text("last_sent").max().unwrap_or_default());
            [object.to_owned(), count(rows().count() as u64), count(sum("rows_read")), count(sum("rows_rejected")), first, last]
        };
        let headings = ["object", "loads", "rows read", "rejected", "first sent (UTC)", "last sent (UTC)"];
        self.table(headings, objects.into_iter().map(of).collect::<Vec<_>>());

        self.element("h2", "How to check this");
        let how = "manifest.json names the hash of every file of this pack and the place of every record; its seal covers both. \
                   `ier audit verify PACK` finds any byte that was changed, and holds the records against the archive.";
        self.element("p", how);
    }
}

/// A value as the page shows it; none where there is none.
fn cell(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
