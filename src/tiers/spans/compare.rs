//! Compares a load of attributes with the stored rows: which rows begin, which end, and when.
//!
//! Facts are compared by identity first, which decides most of them. Then they are compared by person: whom the load names, and
//! which of two rows follows the other although their identities differ. Facts that belong together are in one bucket, so memory
//! holds one bucket.

use std::collections::{HashMap, HashSet};

use super::buckets::{Buckets, ByRow};
use super::facts::{Fact, Kind};
use crate::error::Result;

/// What a load says of rows it does not have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Missing {
    /// Nothing: some of its rows were refused, and they may be among those.
    Unknown,
    /// Those of people it names hold no longer.
    OfPeopleNamed,
    /// All hold no longer: the load is complete. Where that is more than half of them, only when `confirmed`.
    All {
        /// Somebody looked.
        confirmed: bool,
    },
}

/// Options of a comparison.
#[derive(Clone, Copy, Debug)]
pub(super) struct CompareOptions {
    pub missing: Missing,
    /// The moment of the load, in microseconds.
    pub now: i64,
    /// Is it the table's first?
    pub is_first: bool,
    /// What a bucket may take in memory.
    pub bytes: usize,
}

/// The outcome of the comparison by identity; what is left is compared by person.
pub(super) struct ByPerson {
    pub buckets: Buckets,
    /// Rows that begin although their id was there, with other values.
    pub changed: u64,
    /// Rows that end for certain.
    pub ends: u64,
    /// Rows of the table that hold.
    pub holding: u64,
}

/// Which rows of a load begin, and which of the table end; with the spans they get.
pub(super) struct Changes {
    pub begins: ByRow,
    pub ends: ByRow,
}

impl CompareOptions {
    /// Compares the facts of the load and of the table that have the same identity.
    pub fn by_identity(self, mut facts: Buckets) -> Result<ByPerson> {
        let buckets = Buckets::new(facts.count(), self.bytes);
        let mut found = ByPerson { buckets, changed: 0, ends: 0, holding: 0 };
        for at in 0..facts.len() {
            let bucket = facts.take(at)?;
            let (loaded, stored): (Vec<&Fact>, Vec<&Fact>) = bucket.iter().partition(|fact| fact.kind == Kind::Loaded);
            self.identities(&loaded, &stored, &mut found)?;
        }
        Ok(found)
    }

    fn identities(self, loaded: &[&Fact], stored: &[&Fact], found: &mut ByPerson) -> Result<()> {
        let incoming: HashMap<u128, &Fact> = loaded.iter().map(|fact| (fact.identity, *fact)).collect();
        let held: HashMap<u128, &Fact> =
            stored.iter().filter(|fact| fact.holds(self.now)).map(|fact| (fact.identity, *fact)).collect();
        let mut floors: HashMap<u128, i64> = HashMap::new();
        for fact in stored.iter().filter(|fact| incoming.contains_key(&fact.identity)) {
            raise(&mut floors, fact.identity, fact.until);
        }
        for fact in held.values() {
            found.holding += u64::from(!fact.is_past(self.now));
            let kind = match incoming.get(&fact.identity) {
                Some(next) if next.values == fact.values => continue,
                Some(_) => Kind::Replaced,
                // What is past its own end has ended already.
                None if fact.is_past(self.now) => continue,
                None => match (self.missing, fact.person) {
                    (Missing::Unknown, _) | (Missing::OfPeopleNamed, None) => continue,
                    (Missing::OfPeopleNamed, Some(_)) => Kind::MayEnd,
                    (Missing::All { .. }, _) => Kind::Ends,
                },
            };
            let next = incoming.get(&fact.identity);
            if next.is_some() {
                raise(&mut floors, fact.identity, Some(self.new_end(fact, next.and_then(|next| next.end))));
            }
            found.ends += u64::from(kind != Kind::MayEnd);
            found.put(Fact { kind, end: next.and_then(|next| next.end), ..**fact })?;
        }
        for fact in loaded {
            let before = held.get(&fact.identity);
            if before.is_some_and(|before| before.values == fact.values) {
                // It goes on; whom it names it names.
                found.put(**fact)?;
                continue;
            }
            found.changed += u64::from(before.is_some());
            found.put(Fact { kind: Kind::Begins, from: floors.get(&fact.identity).copied(), ..**fact })?;
        }
        Ok(())
    }

    /// Decides what is left by whose the rows are, and gives each that begins or ends its span.
    pub fn by_person(self, found: ByPerson, (loaded, stored): (u64, u64)) -> Result<Changes> {
        let mut changes = Changes { begins: ByRow::new(loaded, self.bytes), ends: ByRow::new(stored, self.bytes) };
        let mut buckets = found.buckets;
        for at in 0..buckets.len() {
            self.people(&buckets.take(at)?, &mut changes)?;
        }
        Ok(changes)
    }

    fn people(self, bucket: &[Fact], changes: &mut Changes) -> Result<()> {
        let is_loaded = |fact: &Fact| matches!(fact.kind, Kind::Loaded | Kind::Begins);
        let named: HashSet<u128> = bucket.iter().filter(|fact| is_loaded(fact)).filter_map(|fact| fact.person).collect();
        let is_over = |fact: &&Fact| match fact.kind {
            Kind::Ends | Kind::Replaced => true,
            Kind::MayEnd => fact.person.is_some_and(|person| named.contains(&person)),
            _ => false,
        };
        let ends: Vec<&Fact> = bucket.iter().filter(is_over).collect();
        let begins: Vec<&Fact> = bucket.iter().filter(|fact| fact.kind == Kind::Begins).collect();
        let (ends_at, begins_at) = (by_place(&ends), by_place(&begins));
        let mut floors: HashMap<(u128, i64), i64> = HashMap::new();
        for fact in &ends {
            let place = fact.place();
            // Of rows with other ids one follows the other where both are alone under one start of one person.
            let alone = |at: &HashMap<_, Vec<&Fact>>| match at.get(&place?)?.as_slice() {
                [alone] => Some(**alone),
                _ => None,
            };
            let next = match fact.kind {
                Kind::Replaced => fact.end,
                _ => alone(&ends_at).and(alone(&begins_at)).and_then(|next| next.end),
            };
            let until = self.new_end(fact, next);
            if let Some(place) = place {
                raise(&mut floors, place, Some(until));
            }
            changes.ends.put(Fact { until: Some(until), ..**fact })?;
        }
        for fact in begins {
            let start = fact.start.or((!self.is_first).then_some(self.now));
            let floor = fact.place().and_then(|place| floors.get(&place).copied());
            // No two spans of one row overlap, nor those of rows of which one follows the other.
            changes.begins.put(Fact { from: fact.from.max(floor).max(start), until: fact.end, ..*fact })?;
        }
        Ok(())
    }

    /// When a row ends: now, or before where what follows it ends before, or its own end came; not before it began.
    fn new_end(self, fact: &Fact, next: Option<i64>) -> i64 {
        let end = [next, fact.until].into_iter().flatten().fold(self.now, i64::min);
        fact.from.map_or(end, |from| end.max(from))
    }
}

impl ByPerson {
    fn put(&mut self, fact: Fact) -> Result<()> {
        self.buckets.put(fact.person.unwrap_or(fact.identity), fact)
    }
}

fn raise<K: Eq + std::hash::Hash>(floors: &mut HashMap<K, i64>, key: K, to: Option<i64>) {
    if let Some(to) = to {
        let floor = floors.entry(key).or_insert(to);
        *floor = to.max(*floor);
    }
}

fn by_place<'a>(facts: &[&'a Fact]) -> HashMap<(u128, i64), Vec<&'a Fact>> {
    let mut by_place: HashMap<_, Vec<&Fact>> = HashMap::new();
    for fact in facts {
        if let Some(place) = fact.place() {
            by_place.entry(place).or_default().push(fact);
        }
    }
    by_place
}
