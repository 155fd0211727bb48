//! An audit in words, for people: each sentence says what a record shows, and no more.

use std::fmt;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::facts::{Erasure, Expired, Loaded, Send, SendKind, Withheld};
use super::nearest::SimilarSend;
use super::verdict::{Event, EventKind, Mail, Outcome, Reason, Verdict};
use super::{About, Alias, Audit, SendAudit};
use crate::human::count;

/// The settings of an answer's wording.
#[derive(Clone, Copy, Debug)]
pub struct Wording {
    /// The zone of its times.
    pub zone: Tz,
    /// When it was asked: what comes later is to come.
    pub asked_at: DateTime<Utc>,
    /// The moment of which it tells, where that is not now.
    pub as_of: Option<DateTime<Utc>>,
}

/// What it proves that somebody is not among those a send went to, and what it does not: said once.
pub const NOT_AMONG: &str = "tracking was on, as many mails are on record as were sent, and none stands under an id or address of this \
    person's. So these sends are not known to have gone to them. It cannot prove that they never saw one: it may have been forwarded, \
    or sent to an address that is not known here as theirs";

/// Above mails of which only the job's number is known.
pub const WITHHELD_UNNAMED: &str = "WITHHELD, of sends that are not known here by name, so that they may be of another matter";

/// What every answer leaves open.
pub const CAVEAT: &str =
    "An open or click that was recorded may have been a machine's; one that was not recorded may have happened.";

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wording = self.wording();
        writeln!(f, "{}", self.headline())?;
        writeln!(f, "{}", self.summary())?;
        writeln!(f, "person: {}", self.who_it_is())?;
        writeln!(f, "  ids: {}", self.person_ids.join(", "))?;
        for alias in &self.aliases {
            writeln!(f, "  {}", alias.sentence(wording.zone))?;
        }
        if let Some(sentence) = self.left_out() {
            writeln!(f, "{sentence}")?;
        }
        let (not_among, listed): (Vec<_>, Vec<_>) = self.sends.iter().partition(|send| send.verdict.is_not_among());
        let proved = listed.iter().take_while(|send| send.verdict.place() < 2).count();
        for send in &listed[..proved] {
            writeln!(f)?;
            send.write(f, wording)?;
        }
        if !not_among.is_empty() {
            writeln!(f, "\n{}: {NOT_AMONG}", self.not_among_title())?;
            for send in not_among {
                writeln!(f, "  {}", send.line(wording.zone))?;
            }
        }
        for send in &listed[proved..] {
            writeln!(f)?;
            send.write(f, wording)?;
        }
        if !self.withheld_unnamed.is_empty() {
            writeln!(f, "\n{WITHHELD_UNNAMED}:")?;
            for withheld in &self.withheld_unnamed {
                writeln!(f, "  {}", withheld.line(wording.zone))?;
            }
        }
        if self.sends.is_empty() {
            writeln!(f, "\n{}", self.nothing_known())?;
            for near in &self.nearest {
                writeln!(f, "  {}", near.line(wording.zone))?;
            }
        }
        write!(f, "\n{CAVEAT}")
    }
}

impl Audit {
    /// By what it is worded.
    pub fn wording(&self) -> Wording {
        Wording { zone: self.question.zone, asked_at: self.asked_at, as_of: self.question.as_of }
    }

    /// What was asked about.
    pub fn asked(&self) -> String {
        match &self.question.about {
            About::Text(text) => format!("\"{}\"", text.trim()),
            About::EmailId(id) => format!("e-mail {}", id.trim()),
            About::Send(id) => format!("send {}", id.trim()),
        }
    }

    /// Who it is: the name and address, as far as they are on record.
    pub fn who_it_is(&self) -> String {
        match (&self.name, &self.email) {
            (Some(name), Some(email)) => format!("{name} <{email}>"),
            (Some(one), None) | (None, Some(one)) => one.clone(),
            (None, None) => "no name or address on record".to_owned(),
        }
    }

    fn of(&self, is: impl Fn(&Verdict) -> bool) -> Vec<&SendAudit> {
        self.sends.iter().filter(|send| is(&send.verdict)).collect()
    }

    /// The answer in one line.
    pub fn headline(&self) -> String {
        if self.sends.is_empty() {
            return format!("{}: no such send is known", self.asked());
        }
        let numbers = [
            ("sent", self.of(|verdict| matches!(verdict, Verdict::Sent { .. })).len()),
            ("not sent", self.of(|verdict| matches!(verdict, Verdict::NotSent { .. })).len()),
            ("not among the recipients", self.of(Verdict::is_not_among).len()),
            ("no evidence", self.of(|verdict| verdict.place() == 3).len()),
        ];
        let listed =
            numbers.iter().filter(|(_, number)| *number > 0).map(|(what, number)| format!("{what} {}", count(*number as u64)));
        let sends = crate::human::counted(self.sends.len() as u64, "send");
        format!("{}: {sends} - {}", self.asked(), listed.collect::<Vec<_>>().join(", "))
    }

    /// The answer in a sentence that anybody understands.
    pub fn summary(&self) -> String {
        let name = self.name.as_deref().unwrap_or("This person");
        let sent = self.of(|verdict| matches!(verdict, Verdict::Sent { .. }));
        let withheld = self.of(|verdict| matches!(verdict, Verdict::NotSent { .. }));
        let others = self.sends.len() - sent.len() - withheld.len();
        let dated = |send: &SendAudit| {
            let at = send.sent_at().map_or(String::new(), |at| format!(" of {}", day(at, self.question.zone)));
            format!("\"{}\"{at}", send.send.title())
        };
        let e_mails = |number: usize| crate::human::counted(number as u64, "e-mail");
        match (sent.as_slice(), withheld.as_slice(), others) {
            ([], [], 0) => format!("Nothing here tells whether {} was told.", self.name.as_deref().unwrap_or("this person")),
            ([one], [], 0) => format!("{name} was sent {}.", dated(one)),
            ([], [one], 0) => format!("{} was withheld from {}.", dated(one), self.name.as_deref().unwrap_or("this person")),
            ([], [], _) => format!(
                "No record shows that {} was sent {}.",
                self.name.as_deref().unwrap_or("this person"),
                match others {
                    1 => dated(&self.sends[0]),
                    _ => format!("any of the {} that match", e_mails(others)),
                }
            ),
            (sent, withheld, _) => {
                let mut parts = vec![format!("{name} was sent {} of the {} that match", sent.len(), e_mails(self.sends.len()))];
                if !withheld.is_empty() {
                    parts.push(format!(
                        "{} withheld from them",
                        match withheld.len() {
                            1 => "one was".to_owned(),
                            more => format!("{more} were"),
                        }
                    ));
                }
                if others > 0 {
                    parts.push(format!("no record shows that they were sent the other {}", count(others as u64)));
                }
                format!("{}.", parts.join("; "))
            }
        }
    }

    /// The title of the sends to which the person does not belong.
    pub fn not_among_title(&self) -> String {
        format!("NOT AMONG THE RECIPIENTS of {}", crate::human::counted(self.of(Verdict::is_not_among).len() as u64, "send"))
    }

    /// What was left out of an answer about another moment, being learned later.
    pub fn left_out(&self) -> Option<String> {
        let at = both(self.question.as_of?, self.question.zone);
        let since = count(self.learned_since as u64);
        let ids = match self.ids_learned_since.is_empty() {
            true => String::new(),
            false => format!(", and the ids {}, which are known to be theirs since", self.ids_learned_since.join(", ")),
        };
        Some(format!("as known here at {at}; left out, being learned later: {since} of the person's records{ids}"))
    }

    /// What there being no such send proves.
    pub fn nothing_known(&self) -> String {
        if let Some(erasure) = &self.erased {
            return format!("NO EVIDENCE: {}", erasure.sentence(self.question.zone));
        }
        let records = crate::human::counted(self.records_of_person as u64, "mail");
        let like = match self.nearest.is_empty() {
            true => "",
            false => " Names that are like it, which is no verdict; ask again with one of them:",
        };
        format!(
            "NO EVIDENCE: no such send is known here, among all sends loaded and the {records} on record for this person. \
             It may have another name, may not have been loaded, may not have been tracked, or may be older than records are kept.{like}"
        )
    }
}

impl SimilarSend {
    /// Its day and name.
    pub fn line(&self, zone: Tz) -> String {
        format!("{}  {}", self.date_sent.map_or_else(|| "(no date) ".to_owned(), |at| day(at, zone)), self.name)
    }
}

impl Erasure {
    /// When it was, and what it means.
    pub fn sentence(&self, zone: Tz) -> String {
        let day = self.at.with_timezone(&zone).format("%Y-%m-%d");
        let id = &self.erasure_id;
        format!("erased on request on {day} (erasure {id}): what was on record for this person was removed")
    }
}

impl Alias {
    /// How one id became another.
    pub fn sentence(&self, zone: Tz) -> String {
        let became = match self.how {
            "merge" => "was merged into",
            "conversion" => "was converted into",
            _ => "is the same person as",
        };
        let author = self.author.as_ref().map_or(String::new(), |author| format!(", says {author}"));
        let reason = self.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
        let learned = both(self.learned_at, zone);
        format!("{} {became} {}{author}{reason}; known here since {learned}", self.alias_id, self.person_id)
    }
}

impl Send {
    /// How people would name it.
    pub fn title(&self) -> &str {
        let named = [&self.email_name, &self.subject, &self.id, &self.job_id].into_iter().find_map(Option::as_deref);
        named.unwrap_or("(a send without name)")
    }

    /// What it is, for whom, and to how many.
    pub fn about(&self) -> String {
        let mut parts = vec![match self.kind {
            SendKind::EmailSend => "e-mail send".to_owned(),
            SendKind::TriggeredSend => "triggered send".to_owned(),
            SendKind::RecordsOnly => "known from the person's records only".to_owned(),
        }];
        parts.extend(self.id.clone());
        parts.extend(self.job_id.as_ref().map(|job| format!("job {job}")));
        parts.extend(self.email_id.as_ref().map(|email| format!("e-mail id {email}")));
        parts.extend(self.from_name.as_ref().map(|from| format!("from {from}")));
        parts.extend(self.business_unit.clone());
        parts.extend(self.number_sent.map(|sent| format!("sent to {}", count(sent.max(0) as u64))));
        parts.join(", ")
    }
}

impl SendAudit {
    fn write(&self, f: &mut fmt::Formatter<'_>, wording: Wording) -> fmt::Result {
        writeln!(f, "{}: {}", self.verdict.name(), self.send.title())?;
        writeln!(f, "  {}", self.send.about())?;
        writeln!(f, "  matched: {}", self.matched())?;
        for sentence in self.sentences(wording) {
            writeln!(f, "  {sentence}")?;
        }
        Ok(())
    }

    /// What of the send is what was asked for.
    pub fn matched(&self) -> String {
        let name = |field: &'static str| match field {
            "email_name" => "name",
            "from_name" => "sender",
            "email_id" => "e-mail id",
            "job_id" => "job",
            other => other,
        };
        let matched: Vec<String> =
            self.matched.iter().map(|found| format!("{} \"{}\"", name(found.field), found.value)).collect();
        matched.join(", ")
    }

    /// The send in one line: when, what, to how many, and how many of those are on record.
    pub fn line(&self, zone: Tz) -> String {
        let when = self.sent_at().map_or_else(|| "(no date) ".to_owned(), |at| day(at, zone));
        let job = self.send.job_id.as_ref().map_or(String::new(), |job| format!(" (job {job})"));
        let numbers = match &self.verdict {
            Verdict::NoEvidence { reason: Reason::NotAmongAll { seen, number_sent } } => {
                format!(": {} sent, {} on record", count((*number_sent).max(0) as u64), count((*seen).max(0) as u64))
            }
            _ => String::new(),
        };
        format!("{when}  {}{job}{numbers}", self.send.title())
    }

    /// What is proved, sentence by sentence.
    pub fn sentences(&self, wording: Wording) -> Vec<String> {
        match &self.verdict {
            Verdict::Sent { mails } => mails.iter().flat_map(|mail| mail.sentences(&self.send, wording)).collect(),
            Verdict::NotSent { withheld } => withheld.iter().map(|withheld| withheld.sentence(wording.zone)).collect(),
            Verdict::NoEvidence { reason } => vec![reason.sentence(wording)],
        }
    }
}

impl Verdict {
    /// Its name as people read it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sent { .. } => "SENT",
            Self::NotSent { .. } => "NOT SENT",
            Self::NoEvidence { .. } if self.is_not_among() => "NOT AMONG THE RECIPIENTS",
            Self::NoEvidence { .. } => "NO EVIDENCE",
        }
    }
}

impl Mail {
    /// What is on record about it, sentence by sentence.
    pub fn sentences(&self, send: &Send, wording: Wording) -> Vec<String> {
        let zone = wording.zone;
        let mut sentences: Vec<String> = self.events.iter().map(|event| event.sentence(zone)).collect();
        for click in &self.clicks {
            let name = click.link_name.as_deref().or(click.link_url.as_deref()).unwrap_or("a link without name");
            let last = click.last_clicked.map_or(String::new(), |at| format!(", last {}", local(at, zone)));
            let times = crate::human::counted(click.clicks.unwrap_or(1).max(0) as u64, "time");
            sentences.push(format!("clicked link: {name}, {times}{last}"));
        }
        sentences.push(self.outcome_sentence());
        let has = |what: EventKind| self.events.iter().any(|event| event.what == what);
        if has(EventKind::Clicked) && !has(EventKind::Opened) {
            sentences.push("no open was recorded beside the click: its images may have been blocked".to_owned());
        }
        if let Some(day) = send.tracking_expires {
            let answered_at = wording.as_of.unwrap_or(wording.asked_at);
            let tense = if day < answered_at.with_timezone(&zone).date_naive() { "were not" } else { "will not be" };
            sentences.push(format!("opens and clicks after {day} {tense} tracked"));
        }
        let record = &self.record;
        let id = record.ier_id.as_deref().unwrap_or("without id");
        let person = record.person_id.as_deref().unwrap_or("nobody");
        let sent = record.date_sent.map_or(String::new(), |at| format!(", sent {}", utc(at)));
        let stamp = record.system_modstamp.map_or(String::new(), |at| format!(", as it stood in Salesforce at {}", utc(at)));
        let deleted = if record.is_deleted == Some(true) { ", deleted in Salesforce since" } else { "" };
        sentences.push(format!("record {id} of {person}{sent}{stamp}{deleted}"));
        sentences
    }

    fn outcome_sentence(&self) -> String {
        let bounced = |what| self.events.iter().any(|event| event.what == what);
        match self.outcome {
            Outcome::Delivered if bounced(EventKind::SoftBounce) => {
                "delivered: what was recorded after the soft bounce needs a mail that arrived"
            }
            Outcome::Delivered => "delivered, as far as is recorded: no bounce was",
            Outcome::BouncedHard => "not delivered: the address refused it for good",
            Outcome::BouncedSoft => "not delivered, as far as is recorded: the address refused it for a time",
            Outcome::Bounced => "whether it was delivered is unclear: a bounce was recorded, of no clear kind",
        }
        .to_owned()
    }
}

impl Event {
    /// What was recorded, and when it happened.
    pub fn sentence(&self, zone: Tz) -> String {
        let when = self.at.map_or_else(|| "at a time that was not recorded".to_owned(), |at| local(at, zone));
        let learned = self.learned_at.map_or(String::new(), |at| format!("; known here since {}", local(at, zone)));
        format!("{} {when}{learned}", self.what.words())
    }
}

impl EventKind {
    /// As a sentence begins.
    pub fn words(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::HardBounce => "a hard bounce was recorded",
            Self::SoftBounce => "a soft bounce was recorded",
            Self::Bounce => "a bounce was recorded",
            Self::Opened => "an open was recorded",
            Self::Clicked => "a click was recorded",
            Self::Unsubscribed => "an unsubscription was recorded",
        }
    }
}

impl Withheld {
    /// The record, with the job it names.
    pub fn line(&self, zone: Tz) -> String {
        format!("job {}: {}", self.job_id.as_deref().unwrap_or("without number"), self.sentence(zone))
    }

    /// What the record says.
    pub fn sentence(&self, zone: Tz) -> String {
        let when = self.event_date.map_or_else(|| "at a time that was not recorded".to_owned(), |at| local(at, zone));
        let key = self.subscriber_key.as_deref().unwrap_or("nobody");
        let reason = self.reason.as_deref().unwrap_or("none");
        format!("withheld {when}, as Marketing Cloud recorded for subscriber {key}; reason given: {reason}")
    }
}

impl Reason {
    /// Why nothing is proved.
    pub fn sentence(&self, wording: Wording) -> String {
        let zone = wording.zone;
        let loaded = if wording.as_of.is_some() { "had been loaded by then" } else { "was ever loaded" };
        let n = |number: &i64| count((*number).max(0) as u64);
        match self {
            Self::Erased(erasure) => erasure.sentence(zone),
            Self::TrackingOff => "individual tracking was switched off for this send: no record of anybody was made".to_owned(),
            Self::Triggered => {
                "a triggered send goes out when something happens; no record says that it did for this person".to_owned()
            }
            Self::NeverLoaded(Loaded { first_sent: Some(first), last_sent: Some(last) }) => {
                let span = (local(*first, zone), local(*last, zone));
                format!("no record of this send {loaded}; what was loaded was sent from {} to {}", span.0, span.1)
            }
            Self::NeverLoaded(_) => format!("no record of this send {loaded}"),
            Self::Incomplete { seen, number_sent } => {
                format!("the records are incomplete: {} of {} mails are on record", n(seen), n(number_sent))
            }
            Self::ExtentUnknown { seen } => {
                format!("{} mails are on record, and it is not known how many were sent", n(seen))
            }
            Self::NeverASubscriber { seen } => format!(
                "{} mails of this send are on record, but none of any send for this person: their subscriber key in Marketing Cloud \
                 may not be a Salesforce id, and then nothing is recorded under it",
                n(seen)
            ),
            Self::NotAmongAll { seen, number_sent } => {
                format!("{} mails were sent and {} are on record; none of them is this person's", n(number_sent), n(seen))
            }
            Self::UnderAddress { records, person_id } => {
                let id = person_id.as_ref().map_or_else(|| "no id".to_owned(), |id| format!("the id {id}"));
                format!(
                    "{} of this send {} under an address of this person's, but under {id}: it may be another who shares it, or they \
                     themselves under an id that is not known here as theirs",
                    crate::human::counted((*records).max(0) as u64, "record"),
                    if *records == 1 { "stands" } else { "stand" }
                )
            }
            Self::Expired(expired) => expired.sentence(zone),
        }
    }
}

impl Expired {
    /// What was removed, and what that leaves open.
    fn sentence(&self, zone: Tz) -> String {
        let removed = crate::human::counted(self.removed.max(0) as u64, "record");
        let months = match (self.first_month, self.last_month) {
            (Some(first), Some(last)) if first == last => format!(" of mails sent in {}", first.format("%Y-%m")),
            (Some(first), Some(last)) => format!(" of mails sent from {} to {}", first.format("%Y-%m"), last.format("%Y-%m")),
            _ => String::new(),
        };
        let last = self.removed_at.map_or(String::new(), |at| format!(", last at {}", both(at, zone)));
        format!(
            "removed by retention: {removed} of this send{months} had been kept as long as records are and were removed{last}; \
             whether one of them was this person's is not known any more"
        )
    }
}

/// The day of a moment in the zone.
fn day(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone).format("%Y-%m-%d").to_string()
}

/// A moment in the zone, as the text of an answer has it.
pub fn local(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// A moment in UTC, as records have it.
pub fn utc(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A moment in the zone and in UTC.
pub fn both(at: DateTime<Utc>, zone: Tz) -> String {
    let local = at.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S %Z");
    if zone == Tz::UTC { local.to_string() } else { format!("{local} ({})", at.format("%Y-%m-%d %H:%M:%S UTC")) }
}
