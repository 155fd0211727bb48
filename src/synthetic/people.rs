//! The invented people: contacts and leads, their names and addresses, and whether they are merged, deleted or converted.
//!
//! A person is a number: contacts first, leads after them.

use super::calendar::{DAY, HOUR, day, midnight};
use super::dice::{Dice, On};
use super::ids;
use super::wording::{DOMAINS, FIRST_NAMES, LAST_NAMES};
use crate::error::Result;
use crate::record::id::{CONTACT_PREFIX, LEAD_PREFIX, SfId};

/// Leads per contact.
const LEADS: f64 = 0.05;
/// Leads that were converted.
const CONVERTED: f64 = 0.2;
/// Contacts that were merged into another.
const MERGED: f64 = 0.003;
/// Merges into a contact that is itself merged later.
const CHAINED: f64 = 0.2;
/// Contacts that were deleted.
const DELETED: f64 = 0.002;
/// People whose address is dead: they open nothing and bounce hard two times of three, which makes 0.5 % of the unopened.
const DEAD: f64 = 0.005;
/// Opens by people with a living address make up for the dead ones, so that 35 % is the average over all.
const OPENED: f64 = 0.35 / (1.0 - DEAD);
/// Users who own records.
const OWNERS: u64 = 40;

/// What became of a contact.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Gone {
    /// Deleted: its IERs lose their contact.
    Deleted,
    /// Merged into this contact.
    Merged(u32),
}

/// Everybody of a recipe.
#[derive(Clone, Debug)]
pub struct People {
    dice: Dice,
    contacts: u32,
    leads: u32,
    start: i64,
    end: i64,
    troubled: bool,
}

impl People {
    /// The people of a period.
    pub fn new(dice: Dice, contacts: u32, start: i64, end: i64, troubled: bool) -> Self {
        let leads = (f64::from(contacts) * LEADS) as u32;
        Self { dice, contacts, leads, start, end, troubled }
    }

    /// Number of contacts.
    pub fn contacts(&self) -> u32 {
        self.contacts
    }

    /// Contacts and leads.
    pub fn all(&self) -> u32 {
        self.contacts + self.leads
    }

    /// Is this person a lead?
    pub fn is_lead(&self, person: u32) -> bool {
        person >= self.contacts
    }

    /// Rolls about one person.
    pub fn dice(&self, person: u32) -> Dice {
        self.dice.of(On::Person, u64::from(person))
    }

    /// The person's Salesforce id. Counters leave gaps, as counters do.
    pub fn id(&self, person: u32) -> Result<SfId> {
        if self.is_lead(person) {
            ids::id(LEAD_PREFIX, 3_100_000 + 3 * u64::from(person - self.contacts))
        } else {
            ids::id(CONTACT_PREFIX, 14_900_000 + 3 * u64::from(person))
        }
    }

    /// Marketing Cloud's number for the person.
    pub fn subscriber_id(&self, person: u32) -> u64 {
        410_000_000 + 7 * u64::from(person)
    }

    /// First and last name.
    pub fn name(&self, person: u32) -> (&'static str, &'static str) {
        let dice = self.dice(person);
        (dice.pick::<&str>(On::FirstName, FIRST_NAMES), dice.pick::<&str>(On::LastName, LAST_NAMES))
    }

    /// The person's address now; reserved domains only.
    pub fn email(&self, person: u32) -> String {
        let (first, last) = self.name(person);
        let domain = self.dice(person).pick(On::Tail, DOMAINS);
        let mut email = format!("{first}.{last}{person}@{domain}");
        email.make_ascii_lowercase();
        email
    }

    /// The user who owns the person's record.
    pub fn owner(&self, person: u32) -> Result<SfId> {
        self.user(self.dice(person).below(On::Owner, OWNERS))
    }

    /// A user.
    pub fn user(&self, number: u64) -> Result<SfId> {
        ids::id(ids::USER, 880_000 + 11 * (number % OWNERS))
    }

    /// Does nothing ever reach this person's address?
    pub fn is_dead(&self, person: u32) -> bool {
        self.dice(person).chance(On::Dead, DEAD)
    }

    /// The share of e-mails the person opens: few open nearly all, many nearly none.
    pub fn propensity(&self, person: u32) -> f64 {
        // The mean of u^k is 1/(k+1).
        self.dice(person).share(On::Propensity).powf(1.0 / OPENED - 1.0)
    }

    /// When the record was created: before the period.
    pub fn created(&self, person: u32) -> i64 {
        let age = 30 * DAY + self.dice(person).below(On::Start, 3_000) as i64 * DAY;
        self.start - age + self.dice(person).below(On::Hour, 86_400) as i64 * (DAY / 86_400)
    }

    /// What became of a contact and when; `None` for nearly everybody, for leads, and in a recipe without misbehaviour.
    pub fn gone(&self, person: u32) -> Option<(Gone, i64)> {
        if !self.troubled || self.is_lead(person) {
            return None;
        }
        let roll = self.dice(person).share(On::Gone);
        if roll < MERGED && person > 0 {
            // Winners have lower numbers and are merged later, so that a chain is in order and has no ring.
            let later = 1.0 - 0.9 * f64::from(person) / f64::from(self.contacts);
            let at = self.start + ((self.end - self.start) as f64 * later) as i64;
            return Some((Gone::Merged(self.winner(person)), at.min(self.end - DAY) / HOUR * HOUR));
        }
        if roll < MERGED + DELETED {
            let at = self.start + ((self.end - self.start) as f64 * (0.3 + 0.69 * self.dice(person).share(On::Deleted))) as i64;
            return Some((Gone::Deleted, at / HOUR * HOUR));
        }
        None
    }

    fn winner(&self, loser: u32) -> u32 {
        let dice = self.dice(loser);
        if dice.chance(On::Step, CHAINED) {
            let merged = |person: &u32| *person > 0 && self.dice(*person).share(On::Gone) < MERGED;
            if let Some(next) = (0..loser).rev().take(2_000).find(merged) {
                return next;
            }
        }
        dice.below(On::Merged, u64::from(loser)) as u32
    }

    /// Into which contact a lead was converted, and when.
    pub fn converted(&self, person: u32) -> Option<(u32, i64)> {
        if !self.is_lead(person) || !self.dice(person).chance(On::Lead, CONVERTED) {
            return None;
        }
        let contact = self.dice(person).below(On::Merged, u64::from(self.contacts)) as u32;
        let at = self.start + self.dice(person).below(On::Day, (self.end - self.start).max(1) as u64) as i64;
        Some((contact, midnight(day(at)) + 17 * HOUR))
    }

    /// Since when nobody writes to this person any more.
    pub fn left_at(&self, person: u32) -> Option<i64> {
        match self.is_lead(person) {
            true => self.converted(person).map(|(_, at)| at),
            false => self.gone(person).map(|(_, at)| at),
        }
    }
}
