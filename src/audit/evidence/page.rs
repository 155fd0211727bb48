//! The answer as a page for people: one file without scripts or outside references, to be read, printed and filed.
//!
//! It says what the answer's own words say, no more; every text from the records is escaped.

use std::fmt::{Display, Write};

use chrono_tz::Tz;
use serde_json::{Map, Value};

use super::manifest::Manifest;
use super::timeline;
use crate::audit::verdict::{Mail, Verdict};
use crate::audit::words::both;
use crate::audit::{About, Audit, SendAudit};
use crate::human::{count, counted};
use crate::output::markup::escaped;
use crate::record::fields::hidden;

const STYLE: &str = include_str!("page.css");

/// Rows of records by table.
type Records = [(String, Vec<Map<String, Value>>)];

/// The page. The manifest is that of the pack as far as it is known before its files are.
pub fn html(answer: &Audit, manifest: &Manifest, records: &Records) -> String {
    let mut page = Page { text: String::new(), zone: answer.question.zone };
    page.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n");
    page.raw("<meta name=\"referrer\" content=\"no-referrer\">\n");
    page.element("title", format!("Evidence: {}", answer.headline()));
    page.raw("<style>\n").raw(STYLE).raw("</style>\n</head>\n<body>\n");
    page.head(answer, manifest);
    for send in &answer.sends {
        page.send(send);
    }
    if answer.sends.is_empty() {
        page.element("h2", "NO EVIDENCE").element("p", answer.nothing_known());
    }
    page.records(manifest, records);
    page.sources(manifest);
    page.raw("</body>\n</html>\n");
    page.text
}

struct Page {
    text: String,
    zone: Tz,
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
        self.element("h1", "Was this person told?").element("p", answer.headline());
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
            self.fact("As it was known here at", both(at, answer.question.zone));
        }
        let person = &manifest.person;
        self.fact("Person asked about", &person.asked).fact("Looked under", person.ids.join(", "));
        let zone = self.zone;
        for alias in &answer.aliases {
            self.fact("Known to be one person", alias.sentence(zone));
        }
        let mails = counted(answer.records_of_person as u64, "mail");
        self.fact("On record for the person in all", mails);
        self.fact("Asked by", &manifest.asked_by).fact("Asked at", both(manifest.made_at, zone));
        self.fact("Answered by", &manifest.engine).fact("Time zone of local times", zone.name());
        self.raw("</table>\n");
        let note = "An open or click that was recorded may have been a machine's; one that was not recorded may have happened. \
                    NO EVIDENCE does not mean that nothing was sent.";
        self.raw("<div class=\"note\">").element("p", note).raw("</div>\n");
    }

    fn send(&mut self, audit: &SendAudit) {
        let class = if matches!(audit.verdict, Verdict::NoEvidence { .. }) { "verdict no_evidence" } else { "verdict" };
        let (name, title) = (escaped(audit.verdict.name()), escaped(audit.send.title()));
        let _ = writeln!(self.text, "<h2><span class=\"{class}\">{name}</span>{title}</h2>");
        self.element("p", audit.send.about());
        let matched: Vec<String> = audit.matched.iter().map(|found| format!("{} \"{}\"", found.field, found.value)).collect();
        self.element("p", format!("Matched: {}", matched.join(", ")));
        match &audit.verdict {
            Verdict::Sent { mails } => mails.iter().for_each(|mail| self.mail(audit, mail)),
            _ => self.sentences(audit.sentences(self.zone)),
        }
    }

    fn mail(&mut self, audit: &SendAudit, mail: &Mail) {
        if let Some(picture) = timeline::svg(mail, self.zone) {
            self.raw(&picture).raw("\n");
        }
        self.sentences(mail.sentences(&audit.send, self.zone));
    }

    fn sentences(&mut self, sentences: Vec<String>) {
        self.raw("<ul>\n");
        for sentence in sentences {
            self.element("li", sentence);
        }
        self.raw("</ul>\n");
    }

    /// Every record in full, with the place where it stands.
    fn records(&mut self, manifest: &Manifest, records: &Records) {
        self.element("h2", "The records");
        if records.is_empty() {
            self.element("p", "There are none.");
        }
        for (table, rows) in records {
            for row in rows {
                let key = row.get(hidden::KEY).and_then(Value::as_str).unwrap_or_default();
                self.element("h3", format!("{table}: {key}"));
                let place = manifest.rows().find(|(read, _, place)| read.table == *table && place.key == key);
                if let Some((read, file, place)) = place {
                    let version = read.version.map_or("none".to_owned(), |version| version.to_string());
                    self.element(
                        "p",
                        format!("row {} of {}/{table}/{}, table version {version}", place.position, read.tier, file.path),
                    );
                }
                self.raw("<table class=\"facts\">\n");
                for (column, value) in row.iter().filter(|(column, value)| *column != hidden::KEY && !value.is_null()) {
                    match value {
                        Value::String(text) => self.fact(column, text),
                        other => self.fact(column, other),
                    };
                }
                self.raw("</table>\n");
            }
        }
    }

    /// What was read, and what was ever loaded.
    fn sources(&mut self, manifest: &Manifest) {
        self.element("h2", "Where this comes from");
        let tables = manifest.tables.iter().map(|read| {
            let rows: usize = read.files.iter().map(|file| file.rows.len()).sum();
            let version = read.version.map_or("nothing was ever written".to_owned(), |version| version.to_string());
            [read.table.clone(), read.tier.clone(), version, count(rows as u64)]
        });
        self.table(["table", "tier", "version read", "rows used"], tables);
        self.raw("<div class=\"hash\">\n");
        let files = manifest.tables.iter().flat_map(|read| {
            read.files.iter().map(move |file| {
                let path = format!("{}/{}/{}", read.tier, read.table, file.path);
                [path, count(file.bytes), file.blake3.clone().unwrap_or("not known".to_owned())]
            })
        });
        self.table(["file", "bytes", "blake3"], files).raw("</div>\n");

        self.element("h2", "What was loaded");
        self.element("p", "Loads on record that bear on these sends: by their span of sending, or because they have none.");
        let cell = |row: &Map<String, Value>, column: &str| match row.get(column) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        let columns = ["source", "object", "loaded_at", "rows_read", "rows_rejected", "first_sent", "last_sent"];
        let headings = ["source", "object", "loaded (UTC)", "rows read", "rejected", "first sent (UTC)", "last sent (UTC)"];
        self.table(headings, manifest.coverage.iter().map(|row| columns.map(|column| cell(row, column))));

        self.element("h2", "How to check this");
        let how = "manifest.json names the hash of every file of this pack and the place of every record; its seal covers both. \
                   `ier audit verify PACK` finds any byte that was changed, and holds the records against the archive.";
        self.element("p", how);
    }
}
