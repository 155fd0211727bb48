//! Audits: "was this person told?" For each send in question: what is proved, and if nothing is, why.
//!
//! An audit must find the person under every id they ever had. It must never say *not sent* when the truth is *we cannot know*.

// Queries the facts that an audit needs: sends, records, clicks, withheld e-mails, erasures.
pub mod facts;

// The rules of the verdict: what the records prove about one send, and what they do not.
pub mod verdict;

// Suggests sends with a similar name when no send has the words that were asked for.
pub mod nearest;

// The sentences of an audit: each says what a record shows, and no more.
pub mod wording;

// The evidence pack: an audit with the records it rests on, and what proves both.
pub mod evidence;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use self::facts::{Erasure, PersonFacts, Record, Send, SendKind, Withheld};
use self::nearest::SimilarSend;
use self::verdict::{Reason, Verdict};
use crate::error::{Error, Result};
use crate::query::engine::Engine;
use crate::query::people::Person;
use crate::query::who::PersonLabel;
use crate::record::id::SfId;
use crate::record::identity::{Edge, Identities};
use crate::record::text_match::{Words, plain};

/// Which sends are asked about.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "by", content = "value", rename_all = "snake_case")]
pub enum About {
    /// All words of this text are words of the e-mail's name, its subject or its sender.
    Text(String),
    /// Marketing Cloud's id of the e-mail.
    EmailId(String),
    /// The send's id, or its job's number.
    Send(String),
}

/// A question.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Question {
    /// Which sends.
    pub about: About,
    /// Sent on this day or later, in `zone`.
    pub from: Option<NaiveDate>,
    /// Sent on this day or earlier, in `zone`.
    pub to: Option<NaiveDate>,
    /// Answer from what was known at this moment.
    pub as_of: Option<DateTime<Utc>>,
    /// The zone of days and of local times.
    #[serde(serialize_with = "zone_name", deserialize_with = "zone_named")]
    pub zone: Tz,
}

fn zone_name<S: Serializer>(zone: &Tz, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(zone.name())
}

fn zone_named<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Tz, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

/// The answer.
#[derive(Clone, Debug, Serialize)]
pub struct Audit {
    /// What was asked.
    pub question: Question,
    /// When it was asked, for words about what is to come.
    #[serde(skip)]
    pub asked_at: DateTime<Utc>,
    /// The id asked by.
    pub person: String,
    /// The person's name, as their contact's or lead's record has it.
    pub name: Option<String>,
    /// Their address, as it has it.
    pub email: Option<String>,
    /// Every id of the person; the one asked by among them. Those only that were known at the moment asked about.
    pub person_ids: Vec<String>,
    /// How it is known that these ids are one person's.
    pub aliases: Vec<Alias>,
    /// Ids that are known to be the person's since the moment asked about only: nothing was looked for under them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids_learned_since: Vec<String>,
    /// Was the person erased on request, and when?
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erased: Option<Erasure>,
    /// Each matching send with its verdict: first what answers (sent, not sent, not among the recipients), then what proves nothing;
    /// of each, sends of exactly the name asked for first, then the newest. None: no such send is known.
    pub sends: Vec<SendAudit>,
    /// Mails withheld from the person of sends that are not known here by name: they may be of what was asked about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withheld_unnamed: Vec<Withheld>,
    /// Where no such send is known: those whose names are most like what was asked for. They are no verdict.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nearest: Vec<SimilarSend>,
    /// Mails on record for the person in all, whatever their send.
    pub records_of_person: usize,
    /// Mails on record for the person that were not known yet at the moment asked about.
    pub learned_since: usize,
}

/// An id of the person that became another.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Alias {
    /// The id that was given up.
    pub alias_id: String,
    /// What it became.
    pub person_id: String,
    /// How that is known: `merge`, `conversion` or `hand`.
    pub how: &'static str,
    /// When it was learned.
    pub learned_at: DateTime<Utc>,
    /// Why, where somebody said so.
    pub reason: Option<String>,
    /// Who said so.
    pub author: Option<String>,
}

impl Alias {
    /// What the ledger says of one.
    pub fn of(edge: &Edge) -> Self {
        Self {
            alias_id: edge.alias.to_string(),
            person_id: edge.person.to_string(),
            how: edge.how.name(),
            learned_at: edge.learned_at,
            reason: edge.reason.as_deref().map(str::to_owned),
            author: edge.author.as_deref().map(str::to_owned),
        }
    }
}

/// A send and what is proved about it.
#[derive(Clone, Debug, Serialize)]
pub struct SendAudit {
    /// The send.
    pub send: Send,
    /// What of it matched the question.
    pub matched: Vec<Match>,
    /// Is its name or subject exactly what was asked for?
    #[serde(skip)]
    pub is_exact: bool,
    /// What is proved.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// The part of a send that matched.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Match {
    /// Which of its fields.
    pub field: &'static str,
    /// What stands there.
    pub value: String,
}

/// Asks about a person, and enters the look-up in its log.
///
/// # Errors
/// Invalid for a question that names nothing, or whose days are in the wrong order; not found for an id that nobody has.
pub async fn audit(engine: &Engine, person: &Person, question: Question) -> Result<Audit> {
    let answer = answered(engine, person, question).await?;
    engine.looked_up("audit", person.id(), answer.sends.len() as u64).await?;
    Ok(answer)
}

/// [`audit`] for who enters the look-up otherwise.
async fn answered(engine: &Engine, person: &Person, question: Question) -> Result<Audit> {
    question.check()?;
    let ids = match question.as_of {
        None => person.ids().to_vec(),
        Some(at) => then(person, at).all_of(person.id()),
    };
    let person_facts = facts::person_facts(engine, &ids, question.as_of);
    let (person_facts, erased, label) =
        tokio::try_join!(person_facts, facts::erasure(engine, person.ids()), engine.label(person))?;
    // Where records were removed by retention, nobody can say any more whose they were.
    if person_facts.is_empty() && erased.is_none() && !facts::has_expired(engine).await? {
        engine.must_be_known(person).await?;
    }
    let (send, email_id) = match &question.about {
        About::Text(_) => (None, None),
        About::EmailId(id) => (None, Some(id.trim())),
        About::Send(id) => (Some(id.trim()), None),
    };
    let known = facts::sends(engine, send, email_id).await?;
    let mut found = Vec::new();
    for send in known.iter().cloned().chain(unlisted(&person_facts, &known)) {
        let own: Vec<Record> = person_facts.records.iter().filter(|record| send.has(record)).cloned().collect();
        // A record keeps the names that its send had.
        let named = || own.iter().find_map(|record| question.matches(&Send::of(record)));
        let Some(matched) = question.matches(&send).or_else(named) else { continue };
        let own: Vec<Record> = match send.kind {
            // Mails of a triggered send go out one by one, over years.
            SendKind::TriggeredSend => own.into_iter().filter(|record| question.covers(record.date_sent)).collect(),
            _ => own,
        };
        let sent = send.date_sent.or_else(|| own.iter().filter_map(|record| record.date_sent).min());
        if send.kind != SendKind::TriggeredSend && !question.covers(sent) {
            continue;
        }
        let withheld: Vec<Withheld> = person_facts.withheld.iter().filter(|withheld| send.withheld(withheld)).cloned().collect();
        let verdict = match verdict::proved(own, withheld, &person_facts)? {
            Some(verdict) => Some(verdict),
            None if let Some(erasure) = &erased => Some(Verdict::NoEvidence { reason: Reason::Erased(erasure.clone()) }),
            None if send.tracking_disabled == Some(true) => Some(Verdict::NoEvidence { reason: Reason::TrackingOff }),
            None => None,
        };
        found.push((send, matched, verdict));
    }
    let nearest = match (&question.about, found.is_empty()) {
        (About::Text(text), true) => nearest::nearest(text, known.iter().cloned().chain(unlisted(&person_facts, &known))),
        _ => Vec::new(),
    };
    let withheld_unnamed = match &question.about {
        About::Text(_) => person_facts
            .withheld
            .iter()
            .filter(|withheld| question.may_be_about(withheld, &person_facts, &known))
            .cloned()
            .collect(),
        _ => Vec::new(),
    };
    let open: Vec<&Send> = found.iter().filter(|(.., verdict)| verdict.is_none()).map(|(send, ..)| send).collect();
    let mut reasons = reasons(engine, &open, question.as_of, !person_facts.records.is_empty(), &ids).await?.into_iter();
    let mut sends = Vec::with_capacity(found.len());
    for (send, matched, verdict) in found {
        let verdict = verdict.or_else(|| Some(Verdict::NoEvidence { reason: reasons.next()? }));
        let verdict = verdict.ok_or_else(|| Error::internal("a send has no verdict"))?;
        let is_exact = question.is_exactly(&send);
        sends.push(SendAudit { send, matched, is_exact, verdict });
    }
    sends.sort_by_key(|audit| (audit.verdict.place(), !audit.is_exact, std::cmp::Reverse(audit.sent_at())));
    let is_then = |edge: &&Edge| question.as_of.is_none_or(|at| edge.learned_at <= at);
    let aliases = person.edges().iter().filter(is_then).map(Alias::of).collect();
    let PersonLabel { name, email, .. } = label;
    Ok(Audit {
        asked_at: engine.warehouse().clock().now(),
        person: person.id().to_string(),
        name,
        email,
        ids_learned_since: person.ids().iter().filter(|id| !ids.contains(id)).map(SfId::to_string).collect(),
        person_ids: ids.iter().map(SfId::to_string).collect(),
        aliases,
        question,
        erased,
        sends,
        withheld_unnamed,
        nearest,
        records_of_person: person_facts.records.len(),
        learned_since: person_facts.learned_since,
    })
}

/// Why nothing is proved about these tracked sends, in their order.
async fn reasons(
    engine: &Engine,
    sends: &[&Send],
    as_of: Option<DateTime<Utc>>,
    has_records: bool,
    ids: &[SfId],
) -> Result<Vec<Reason>> {
    if sends.is_empty() {
        return Ok(Vec::new());
    }
    let expired = facts::expired(engine, sends);
    let (expired, seen, loaded) = tokio::try_join!(expired, facts::seen(engine, sends, as_of), facts::loaded(engine, as_of))?;
    let reason = |((send, expired), seen): ((&&Send, facts::Expired), i64)| match expired.removed {
        0 => verdict::reason(send, seen, loaded, has_records),
        _ => Reason::Expired(expired),
    };
    let mut reasons: Vec<Reason> = sends.iter().zip(expired).zip(seen).map(reason).collect();
    let is_not_among = |reason: &Reason| matches!(reason, Reason::NotAmongAll { .. });
    let whole: Vec<&Send> =
        sends.iter().zip(&reasons).filter(|(_, reason)| is_not_among(reason)).map(|(send, _)| *send).collect();
    let mut under_address = facts::under_address(engine, &whole, ids).await?.into_iter();
    for reason in reasons.iter_mut().filter(|reason| is_not_among(reason)) {
        if let Some((records, person_id)) = under_address.next().flatten() {
            *reason = Reason::UnderAddress { records, person_id };
        }
    }
    Ok(reasons)
}

/// Which ids were known to be one person at a moment.
fn then(person: &Person, at: DateTime<Utc>) -> Identities {
    Identities::new(person.edges().iter().filter(|edge| edge.learned_at <= at).cloned())
}

/// Sends the person's records name and no table of sends does: deleted since, or never loaded.
fn unlisted(person_facts: &PersonFacts, known: &[Send]) -> Vec<Send> {
    let mut unlisted: Vec<Send> = Vec::new();
    for record in &person_facts.records {
        if known.iter().chain(&unlisted).any(|send| send.has(record)) {
            continue;
        }
        unlisted.push(Send::of(record));
    }
    unlisted
}

impl Question {
    fn check(&self) -> Result<()> {
        let (About::Text(text) | About::EmailId(text) | About::Send(text)) = &self.about;
        let is_empty = match &self.about {
            About::Text(text) => Words::of(text).is_empty(),
            _ => text.trim().is_empty(),
        };
        if is_empty {
            return Err(Error::invalid("the question names nothing; give some words of the e-mail's name, subject or sender"));
        }
        match (self.from, self.to) {
            (Some(from), Some(to)) if from > to => Err(Error::invalid(phrase!("there are no days from {from} to {to}"))),
            _ => Ok(()),
        }
    }

    /// Was this moment on one of the days asked for? What has no date may have been.
    fn covers(&self, at: Option<DateTime<Utc>>) -> bool {
        let Some(day) = at.map(|at| at.with_timezone(&self.zone).date_naive()) else { return true };
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day <= to)
    }

    /// What of a send matches, if it does.
    fn matches(&self, send: &Send) -> Option<Vec<Match>> {
        let matched = |field, value: &Option<String>| value.iter().map(|value| Match { field, value: value.clone() }).collect();
        match &self.about {
            About::Text(text) => {
                let words = Words::of(text);
                let fields = [("email_name", &send.email_name), ("subject", &send.subject), ("from_name", &send.from_name)];
                let found: Vec<Match> = fields
                    .into_iter()
                    .filter_map(|(field, value)| Some(Match { field, value: value.clone()? }))
                    .filter(|found| words.occur_in(&plain(&found.value)))
                    .collect();
                (!found.is_empty()).then_some(found)
            }
            About::EmailId(id) => (send.email_id.as_deref() == Some(id.trim())).then(|| matched("email_id", &send.email_id)),
            About::Send(id) => {
                if send.id.is_some() && send.id == SfId::parse(id).ok().map(|id| id.to_string()) {
                    Some(matched("id", &send.id))
                } else {
                    (send.job_id.as_deref() == Some(id.trim())).then(|| matched("job_id", &send.job_id))
                }
            }
        }
    }
}

impl Question {
    /// Was it withheld on a day asked for, and is its send known by nothing but the number of its job?
    fn may_be_about(&self, withheld: &Withheld, person_facts: &PersonFacts, known: &[Send]) -> bool {
        let is_named = known.iter().any(|send| send.withheld(withheld))
            || person_facts.records.iter().any(|record| Send::of(record).withheld(withheld));
        !is_named && self.covers(withheld.event_date)
    }

    /// Is a name of the send, or its subject, exactly what was asked for?
    fn is_exactly(&self, send: &Send) -> bool {
        let About::Text(text) = &self.about else { return true };
        let words = Words::of(text);
        [&send.email_name, &send.subject].into_iter().flatten().any(|name| words.are_all_of(&plain(name)))
    }
}

impl Send {
    /// What a record tells of its send.
    fn of(record: &Record) -> Self {
        Self {
            kind: SendKind::RecordsOnly,
            id: record.send_definition_id.clone().or_else(|| record.triggered_send_definition_id.clone()),
            job_id: record.job_id.clone(),
            email_id: record.email_id.clone(),
            email_name: record.email_name.clone(),
            subject: record.subject_line.clone(),
            from_name: record.from_name.clone(),
            business_unit: None,
            date_sent: record.date_sent,
            number_sent: None,
            tracking_disabled: None,
            tracking_expires: None,
        }
    }

    /// Is this a record of a mail of this send?
    fn has(&self, record: &Record) -> bool {
        let named = [&record.send_definition_id, &record.triggered_send_definition_id];
        if named.iter().any(|id| id.is_some()) {
            return self.id.is_some() && named.contains(&&self.id);
        }
        match (&self.job_id, &record.job_id) {
            (Some(job), Some(of)) => job == of,
            // Nothing but what it says tells which send a record without send and job belongs to.
            _ => {
                self.kind == SendKind::RecordsOnly && (&self.email_name, self.date_sent) == (&record.email_name, record.date_sent)
            }
        }
    }

    /// Was a mail of this send withheld?
    fn withheld(&self, withheld: &Withheld) -> bool {
        self.job_id.is_some() && self.job_id == withheld.job_id
    }
}

impl SendAudit {
    /// When the send began, or its first mail to the person went out.
    pub fn sent_at(&self) -> Option<DateTime<Utc>> {
        let mails: &[verdict::Mail] = if let Verdict::Sent { mails } = &self.verdict { mails } else { &[] };
        self.send.date_sent.or_else(|| mails.iter().filter_map(|mail| mail.record.date_sent).min())
    }
}
