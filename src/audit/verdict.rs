//! The rules of the verdict: what the records prove about one send, and what they do not.
//!
//! A pure function of the facts. It never claims more than a record shows. A record of an e-mail proves that it was sent; a record
//! that it was withheld proves that it was not. Without either nothing is proved, and the verdict says why.
//!
//! # Decisions
//! - 2026-11-22 **A soft bounce followed by an open, click or unsubscription counts as delivered, a hard bounce does not.**
//!   Only a mail that arrived can be used; but machines open too, and a hard bounce is the address's own word.
//! - 2026-11-22 **No verdict says "not sent" for want of a record,** even where as many mails are on record as were sent:
//!   the counters are Marketing Cloud's, and mails may be recorded under a key that is no Salesforce id.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use super::facts::{Click, Erasure, Expired, Loaded, PersonFacts, Record, Send, SendKind, Withheld};
use crate::error::Result;
use crate::record::observed::{SeenVersion, parse};
pub use crate::record::outcome::Outcome;
use crate::record::outcome::{Marks, outcome};

/// The verdict: what is proved.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// At least one mail of this send went to the person.
    Sent {
        /// Each of them.
        mails: Vec<Mail>,
    },
    /// It was withheld, and that is on record.
    NotSent {
        /// The records that say so.
        withheld: Vec<Withheld>,
    },
    /// Neither is on record.
    NoEvidence {
        /// Why that proves nothing.
        reason: Reason,
    },
}

/// One mail that was sent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mail {
    /// What became of it.
    pub outcome: Outcome,
    /// What was recorded about it, in order of time.
    pub events: Vec<Event>,
    /// The record.
    pub record: Record,
    /// The links clicked in it.
    pub clicks: Vec<Click>,
}

/// A recorded event of a mail.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Event {
    /// What.
    pub what: EventKind,
    /// When it happened; null where that was not recorded.
    pub at: Option<DateTime<Utc>>,
    /// When the engine learned it; null where that is not kept.
    pub learned_at: Option<DateTime<Utc>>,
}

/// The kinds of events of a mail.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "their names say it")]
pub enum EventKind {
    Sent,
    HardBounce,
    SoftBounce,
    Bounce,
    Opened,
    Clicked,
    Unsubscribed,
}

/// Why the lack of a record proves nothing.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// The person was erased on request: whatever was on record is gone.
    Erased(Erasure),
    /// The recording of individual results was switched off for the send.
    TrackingOff,
    /// A triggered send: nobody counts whom it should have reached.
    Triggered,
    /// No record of the send was ever loaded, whoever it belongs to.
    NeverLoaded(Loaded),
    /// Fewer records are here than mails were sent.
    Incomplete {
        /// Records here.
        seen: i64,
        /// Mails sent.
        number_sent: i64,
    },
    /// It is not known how many mails were sent.
    ExtentUnknown {
        /// Records here.
        seen: i64,
    },
    /// No mail of any send is on record for any id of the person: their subscriber key may be no Salesforce id.
    NeverASubscriber {
        /// Records of the send here.
        seen: i64,
    },
    /// As many records are here as mails were sent, and none is the person's.
    NotAmongAll {
        /// Records here.
        seen: i64,
        /// Mails sent.
        number_sent: i64,
    },
    /// As many records are here as mails were sent; none is under an id of the person's, but some stand under an address of theirs.
    UnderAddress {
        /// Those records.
        records: i64,
        /// An id under which they stand; null where they name none.
        person_id: Option<String>,
    },
    /// Records of the send were removed when they had been kept long enough.
    Expired(Expired),
}

impl Verdict {
    /// Is it that all who were written to are on record, and the person is not among them?
    pub fn is_not_among(&self) -> bool {
        matches!(self, Self::NoEvidence { reason: Reason::NotAmongAll { .. } })
    }

    /// Its place in an answer: what answers the question comes first.
    pub fn place(&self) -> u8 {
        match self {
            Self::Sent { .. } => 0,
            Self::NotSent { .. } => 1,
            Self::NoEvidence { .. } if self.is_not_among() => 2,
            Self::NoEvidence { .. } => 3,
        }
    }
}

/// What is proved about a send by the person's records of it and the mails of it that were withheld; `None` when nothing
/// is, and it takes [`reason`] to say why.
pub fn proved(records: Vec<Record>, withheld: Vec<Withheld>, person_facts: &PersonFacts) -> Result<Option<Verdict>> {
    if !records.is_empty() {
        let mails = records.into_iter().map(|record| mail(record, person_facts)).collect::<Result<_>>()?;
        return Ok(Some(Verdict::Sent { mails }));
    }
    Ok((!withheld.is_empty()).then_some(Verdict::NotSent { withheld }))
}

/// Why nothing is proved about a send that was tracked and of which `seen` records are here.
pub fn reason(send: &Send, seen: i64, loaded: Loaded, person_has_records: bool) -> Reason {
    match send.number_sent {
        _ if seen == 0 => Reason::NeverLoaded(loaded),
        _ if send.kind == SendKind::TriggeredSend => Reason::Triggered,
        Some(number_sent) if seen < number_sent => Reason::Incomplete { seen, number_sent },
        _ if !person_has_records => Reason::NeverASubscriber { seen },
        Some(number_sent) => Reason::NotAmongAll { seen, number_sent },
        None => Reason::ExtentUnknown { seen },
    }
}

fn mail(record: Record, person_facts: &PersonFacts) -> Result<Mail> {
    let clicks = record.ier_id.as_ref().and_then(|ier| person_facts.clicks.get(ier)).cloned().unwrap_or_default();
    let events = events(&record, &clicks)?;
    let used = |what: EventKind| {
        let mut recorded = events.iter().filter(|event| event.what == what);
        recorded.next().map(|event| event.at.map(|at| at.timestamp_micros()))
    };
    let marks = Marks {
        hard_bounce: record.hard_bounce == Some(true),
        soft_bounce: record.soft_bounce == Some(true),
        bounced_at: record.date_bounced.map(|at| at.timestamp_micros()),
        used: [used(EventKind::Opened), used(EventKind::Clicked), used(EventKind::Unsubscribed)],
    };
    Ok(Mail { outcome: outcome(&marks), events, record, clicks })
}

/// The events that a record shows, in order of time; events without a time come last.
fn events(record: &Record, clicks: &[Click]) -> Result<Vec<Event>> {
    let yes = |flag: Option<bool>| flag == Some(true);
    let bounce = match (yes(record.hard_bounce), yes(record.soft_bounce)) {
        (true, true) => Some((EventKind::Bounce, "hard_bounce")),
        (true, false) => Some((EventKind::HardBounce, "hard_bounce")),
        (false, true) => Some((EventKind::SoftBounce, "soft_bounce")),
        (false, false) => record.date_bounced.map(|_| (EventKind::Bounce, "date_bounced")),
    };
    let last_click = clicks.iter().filter_map(|click| click.last_clicked).max();
    let opened = yes(record.opened) || record.date_opened.is_some();
    let happened = [
        Some((EventKind::Sent, "", record.date_sent)),
        bounce.map(|(what, column)| (what, column, record.date_bounced)),
        opened.then_some((EventKind::Opened, if yes(record.opened) { "opened" } else { "date_opened" }, record.date_opened)),
        (yes(record.clicked) || !clicks.is_empty()).then_some((EventKind::Clicked, "clicked", last_click)),
        record.date_unsubscribed.map(|at| (EventKind::Unsubscribed, "date_unsubscribed", Some(at))),
    ];
    let seen = record.observed.as_deref().map(parse).transpose()?.unwrap_or_default();
    let recorded = happened.into_iter().flatten();
    let mut events: Vec<Event> =
        recorded.map(|(what, column, at)| Event { what, at, learned_at: learned_at(&seen, column) }).collect();
    events.sort_by_key(|event| (event.what != EventKind::Sent, event.at.is_none(), event.at, event.what));
    Ok(events)
}

/// When a column's present value was learned: with the version that replaced the last empty one, else with the first version.
fn learned_at(seen: &[SeenVersion], column: &str) -> Option<DateTime<Utc>> {
    let recorded_nothing =
        |was: &Map<String, Value>| was.get(column).is_some_and(|was| matches!(was, Value::Null | Value::Bool(false)));
    let later = seen.iter().rev().find(|seen| seen.was.as_ref().is_some_and(recorded_nothing));
    later.or(seen.first())?.at_millis.and_then(DateTime::from_timestamp_millis)
}
