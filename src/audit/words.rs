//! An audit in words, for people: each sentence says what a record shows, and no more.

use std::fmt;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::facts::{Erasure, Expired, Loaded, Send, SendKind, Withheld};
use super::verdict::{Event, Mail, Outcome, Reason, Verdict, What};
use super::{About, Alias, Audit, SendAudit};
use crate::human::count;

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.headline())?;
        writeln!(f, "person: {}", self.person_ids.join(", "))?;
        for alias in &self.aliases {
            writeln!(f, "  {}", alias.sentence(self.question.zone))?;
        }
        if let Some(at) = self.question.as_of {
            let since = count(self.learned_since as u64);
            writeln!(
                f,
                "as known here at {}; left out, being learned later: {since} of the person's records",
                both(at, self.question.zone)
            )?;
        }
        for send in &self.sends {
            writeln!(f)?;
            send.write(f, self.question.zone)?;
        }
        if self.sends.is_empty() {
            writeln!(f, "\n{}", self.nothing_known())?;
        }
        write!(f, "\nAn open or click that was recorded may have been a machine's; one that was not recorded may have happened.")
    }
}

impl Audit {
    /// The answer in one line.
    pub fn headline(&self) -> String {
        let of = |wanted: fn(&Verdict) -> bool| self.sends.iter().filter(|send| wanted(&send.verdict)).count() as u64;
        let (sent, not_sent) =
            (of(|verdict| matches!(verdict, Verdict::Sent { .. })), of(|verdict| matches!(verdict, Verdict::NotSent { .. })));
        let no_evidence = of(|verdict| matches!(verdict, Verdict::NoEvidence { .. }));
        let asked = match &self.question.about {
            About::Text(text) => format!("\"{}\"", text.trim()),
            About::EmailId(id) => format!("e-mail {}", id.trim()),
            About::Send(id) => format!("send {}", id.trim()),
        };
        let sends = crate::human::counted(self.sends.len() as u64, "send");
        format!("{asked}: {sends} - sent {}, not sent {}, no evidence {}", count(sent), count(not_sent), count(no_evidence))
    }

    /// What there being no such send proves.
    pub fn nothing_known(&self) -> String {
        if let Some(erasure) = &self.erased {
            return format!("NO EVIDENCE: {}", erasure.sentence(self.question.zone));
        }
        let records = count(self.records_of_person as u64);
        format!(
            "NO EVIDENCE: no such send is known here, among all sends loaded and the {records} mails on record for this person. \
             It may have another name, may not have been loaded, may not have been tracked, or may be older than records are kept."
        )
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
    fn write(&self, f: &mut fmt::Formatter<'_>, zone: Tz) -> fmt::Result {
        writeln!(f, "{}: {}", self.verdict.name(), self.send.title())?;
        writeln!(f, "  {}", self.send.about())?;
        let matched: Vec<String> = self.matched.iter().map(|found| format!("{} \"{}\"", found.field, found.value)).collect();
        writeln!(f, "  matched: {}", matched.join(", "))?;
        for sentence in self.sentences(zone) {
            writeln!(f, "  {sentence}")?;
        }
        Ok(())
    }

    /// What is proved, sentence by sentence.
    pub fn sentences(&self, zone: Tz) -> Vec<String> {
        match &self.verdict {
            Verdict::Sent { mails } => mails.iter().flat_map(|mail| mail.sentences(&self.send, zone)).collect(),
            Verdict::NotSent { withheld } => withheld.iter().map(|withheld| withheld.sentence(zone)).collect(),
            Verdict::NoEvidence { reason } => vec![reason.sentence(zone)],
        }
    }
}

impl Verdict {
    /// Its name as people read it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sent { .. } => "SENT",
            Self::NotSent { .. } => "NOT SENT",
            Self::NoEvidence { .. } => "NO EVIDENCE",
        }
    }
}

impl Mail {
    /// What is on record about it, sentence by sentence.
    pub fn sentences(&self, send: &Send, zone: Tz) -> Vec<String> {
        let mut sentences: Vec<String> = self.events.iter().map(|event| event.sentence(zone)).collect();
        for click in &self.clicks {
            let name = click.link_name.as_deref().or(click.link_url.as_deref()).unwrap_or("a link without name");
            let last = click.last_clicked.map_or(String::new(), |at| format!(", last {}", both(at, zone)));
            let times = crate::human::counted(click.clicks.unwrap_or(1).max(0) as u64, "time");
            sentences.push(format!("clicked link: {name}, {times}{last}"));
        }
        sentences.push(self.outcome_sentence());
        let has = |what: What| self.events.iter().any(|event| event.what == what);
        if has(What::Clicked) && !has(What::Opened) {
            sentences.push("no open was recorded beside the click: its images may have been blocked".to_owned());
        }
        if let Some(day) = send.tracking_expires {
            sentences.push(format!("opens and clicks after {day} were not tracked"));
        }
        let record = &self.record;
        let id = record.ier_id.as_deref().unwrap_or("without id");
        let person = record.person_id.as_deref().unwrap_or("nobody");
        let stamp =
            record.system_modstamp.map_or(String::new(), |at| format!(", as it stood in Salesforce at {}", both(at, zone)));
        let deleted = if record.is_deleted == Some(true) { ", deleted in Salesforce since" } else { "" };
        sentences.push(format!("record {id} of {person}{stamp}{deleted}"));
        sentences
    }

    fn outcome_sentence(&self) -> String {
        let bounced = |what| self.events.iter().any(|event| event.what == what);
        match self.outcome {
            Outcome::Delivered if bounced(What::SoftBounce) => {
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
        let when = self.at.map_or_else(|| "at a time that was not recorded".to_owned(), |at| both(at, zone));
        let learned = self.learned_at.map_or(String::new(), |at| format!("; known here since {}", both(at, zone)));
        format!("{} {when}{learned}", self.what.words())
    }
}

impl What {
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
    /// What the record says.
    pub fn sentence(&self, zone: Tz) -> String {
        let when = self.event_date.map_or_else(|| "at a time that was not recorded".to_owned(), |at| both(at, zone));
        let key = self.subscriber_key.as_deref().unwrap_or("nobody");
        let reason = self.reason.as_deref().unwrap_or("none");
        format!("withheld {when}, as Marketing Cloud recorded for subscriber {key}; reason given: {reason}")
    }
}

impl Reason {
    /// Why nothing is proved.
    pub fn sentence(&self, zone: Tz) -> String {
        let n = |number: &i64| count((*number).max(0) as u64);
        match self {
            Self::Erased(erasure) => erasure.sentence(zone),
            Self::TrackingOff => "individual tracking was switched off for this send: no record of anybody was made".to_owned(),
            Self::Triggered => {
                "a triggered send goes out when something happens; no record says that it did for this person".to_owned()
            }
            Self::NeverLoaded(Loaded { first_sent: Some(first), last_sent: Some(last) }) => {
                let span = (both(*first, zone), both(*last, zone));
                format!("no record of this send was ever loaded; what was loaded was sent from {} to {}", span.0, span.1)
            }
            Self::NeverLoaded(_) => "no record of this send was ever loaded".to_owned(),
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

/// A moment in people's time and in UTC.
pub fn both(at: DateTime<Utc>, zone: Tz) -> String {
    let local = at.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S %Z");
    if zone == Tz::UTC { local.to_string() } else { format!("{local} ({})", at.format("%Y-%m-%d %H:%M:%S UTC")) }
}
