//! Computes until which day of sending a record has expired, from the terms of the rules that cover it.
//!
//! The longest covering term decides; where no rule covers the record, the term for all. A rule that may cover it (its unit or
//! name is unknown) counts only where it keeps the record longer. A link has its IER's attributes: the rules for links and for
//! every object cover it, and where none of these does, it is kept as long as its IER.

use chrono::NaiveDate;

use crate::ledgers::sends::{Mailing, Match, Sends, Unit};
use crate::record::text_match::Pattern;
use crate::settings::retain::{Object, Retain};

/// Rows sent before this day (since 1970) have expired; the least where none ever do.
pub type Cutoff = i32;

/// The rules, with what their names mean now.
#[derive(Debug)]
pub struct Terms {
    default: Cutoff,
    rules: Vec<Covering>,
}

#[derive(Debug)]
struct Covering {
    object: Option<Object>,
    unit: Option<Unit>,
    pattern: Option<Pattern>,
    cutoff: Cutoff,
}

/// A term's cutoff today.
pub fn cutoff(term: crate::settings::retain::Term, today: NaiveDate) -> Cutoff {
    term.cutoff(today).map_or(Cutoff::MIN, |day| day.to_epoch_days())
}

impl Terms {
    /// The rules of the settings as they stand today.
    pub fn new(retain: &Retain, today: NaiveDate, sends: &Sends) -> Self {
        let rules = retain.rules.iter().map(|rule| Covering {
            object: rule.object,
            unit: rule.unit.as_deref().map(|unit| sends.unit(unit)),
            pattern: rule.pattern(),
            cutoff: cutoff(rule.term, today),
        });
        Self { default: cutoff(retain.term, today), rules: rules.collect() }
    }

    /// Rules that may decide about an object.
    fn about(&self, object: Object) -> impl Iterator<Item = &Covering> {
        self.rules.iter().filter(move |rule| {
            let of_ier = object == Object::IndividualLink && rule.object == Some(Object::IndividualEmailResult);
            of_ier || rule.object.is_none_or(|only| only == object)
        })
    }

    /// The earliest and the latest cutoff any row of an object can have.
    pub fn bounds(&self, object: Object) -> (Cutoff, Cutoff) {
        let all = || self.about(object).map(|rule| rule.cutoff).chain([self.default]);
        (all().min().unwrap_or(self.default), all().max().unwrap_or(self.default))
    }

    /// Does any rule about an object ask for unit or name?
    pub fn ask_for_mailings(&self, object: Object) -> bool {
        self.about(object).any(|rule| rule.unit.is_some() || rule.pattern.is_some())
    }

    /// The cutoff of an object's rows of a mailing.
    pub fn cutoff(&self, object: Object, mailing: &Mailing, sends: &Sends) -> Cutoff {
        let mut surely: Option<Cutoff> = None;
        let mut perhaps: Option<Cutoff> = None;
        for rule in self.rules.iter().filter(|rule| rule.object.is_none_or(|only| only == object)) {
            let slot = match rule.covers(mailing, sends) {
                Match::No => continue,
                Match::Maybe => &mut perhaps,
                Match::Yes => &mut surely,
            };
            *slot = Some(slot.map_or(rule.cutoff, |other| other.min(rule.cutoff)));
        }
        let sure = surely.unwrap_or_else(|| match object {
            Object::IndividualLink => self.cutoff(Object::IndividualEmailResult, mailing, sends),
            _ => self.default,
        });
        perhaps.map_or(sure, |perhaps| perhaps.min(sure))
    }
}

impl Covering {
    fn covers(&self, mailing: &Mailing, sends: &Sends) -> Match {
        let unit = self.unit.as_ref().map_or(Match::Yes, |unit| sends.is_for(mailing, unit));
        let name = self.pattern.as_ref().map_or(Match::Yes, |pattern| sends.is_named(mailing, pattern));
        unit.min(name)
    }
}
