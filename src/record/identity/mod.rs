//! Which ids are one person: ids that were merged, converted or declared to be the same.
//!
//! Salesforce gives a person a new id when a lead is converted, and leaves old ids behind when contacts are merged. Their e-mails
//! stay under the old ids for ever. Each such step is an edge, *alias became person*, and a person is the set of all ids that edges
//! connect. The sets do not depend on the order in which edges arrive, nor on repeated edges or loops. Edges are only ever added,
//! so ids that were known to be one person's stay so: an undelete in Salesforce does not undo a merge.

use std::collections::HashMap;
use std::ops::Range;

use chrono::{DateTime, Utc};

use super::id::{CONTACT_PREFIX, SfId};

/// The source of an alias.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum AliasSource {
    /// Two contacts, or two leads, were merged.
    Merge,
    /// A lead was converted into a contact.
    Conversion,
    /// Somebody said so, and why.
    Hand,
}

impl AliasSource {
    /// Every way with its name as stored and shown.
    const NAMES: [(AliasSource, &'static str); 3] =
        [(AliasSource::Merge, "merge"), (AliasSource::Conversion, "conversion"), (AliasSource::Hand, "hand")];

    /// Its name as stored and shown.
    pub fn name(self) -> &'static str {
        // NAMES lists every way once, in the order of the enum.
        Self::NAMES[self as usize].1
    }

    /// The way of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(how, _)| *how)
    }
}

/// One id became another. Edges are ordered by when they were learned.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Edge {
    /// When the engine first learned it.
    pub learned_at: DateTime<Utc>,
    /// The id that was given up.
    pub alias: SfId,
    /// The id it became.
    pub person: SfId,
    /// How that is known.
    pub how: AliasSource,
    /// Why, where somebody said so.
    pub reason: Option<Box<str>>,
    /// Who said so.
    pub author: Option<Box<str>>,
}

impl Edge {
    /// The identity of an edge, whenever and by whom it was declared.
    pub fn key(&self) -> (SfId, SfId, AliasSource) {
        (self.alias, self.person, self.how)
    }
}

/// All people with more than one id. Made once, shared, never changed; anybody not in it has one id.
#[derive(Clone, Debug, Default)]
pub struct Identities {
    /// Each id's person, by place in `people`.
    person_of: hashbrown::HashMap<SfId, u32>,
    people: Vec<Person>,
    /// By person, ascending.
    ids: Vec<SfId>,
    /// By person, in the order in which they were learned.
    edges: Vec<Edge>,
}

/// One person's part of what all share.
#[derive(Clone, Debug)]
struct Person {
    canonical: SfId,
    ids: Range<u32>,
    edges: Range<u32>,
}

impl Identities {
    /// The people that these edges connect. Of equal edges the one learned first stays; an edge from an id to itself is ignored.
    pub fn new(edges: impl IntoIterator<Item = Edge>) -> Self {
        let mut edges: Vec<Edge> = edges.into_iter().filter(|edge| edge.alias != edge.person).collect();
        edges.sort_unstable_by(|a, b| a.key().cmp(&b.key()).then_with(|| a.cmp(b)));
        edges.dedup_by(|later, first| later.key() == first.key());
        let mut ids: Vec<SfId> = edges.iter().flat_map(|edge| [edge.alias, edge.person]).collect();
        ids.sort_unstable();
        ids.dedup();
        let place = |id: &SfId| ids.partition_point(|other| other < id);
        let mut union = Union::of(ids.len());
        let mut given_up = vec![false; ids.len()];
        for edge in &edges {
            let alias = place(&edge.alias);
            given_up[alias] = true;
            union.join(alias, place(&edge.person));
        }

        // By person (named by the place of their least id), ids ascending.
        let mut by_person: Vec<(usize, usize)> = (0..ids.len()).map(|id| (union.root(id), id)).collect();
        by_person.sort_unstable();
        let mut edges: Vec<(usize, Edge)> = edges.into_iter().map(|edge| (union.root(place(&edge.alias)), edge)).collect();
        edges.sort_unstable();

        let mut people = Vec::new();
        let mut person_of = hashbrown::HashMap::with_capacity(ids.len());
        let (mut first_id, mut first_edge) = (0, 0);
        for of_person in by_person.chunk_by(|(a, _), (b, _)| a == b) {
            let number = people.len() as u32;
            person_of.extend(of_person.iter().map(|(_, id)| (ids[*id], number)));
            let rank = |id: &SfId| (!id.has_prefix(CONTACT_PREFIX), given_up[place(id)], *id);
            let least = ids[of_person[0].1];
            let canonical = of_person.iter().map(|(_, id)| ids[*id]).min_by_key(rank).unwrap_or(least);
            let own_edges = edges[first_edge..].iter().take_while(|(person, _)| *person == of_person[0].0).count();
            let (last_id, last_edge) = (first_id + of_person.len(), first_edge + own_edges);
            let (ids, edges) = (first_id as u32..last_id as u32, first_edge as u32..last_edge as u32);
            people.push(Person { canonical, ids, edges });
            (first_id, first_edge) = (last_id, last_edge);
        }
        let ids = by_person.iter().map(|(_, id)| ids[*id]).collect();
        Self { person_of, people, ids, edges: edges.into_iter().map(|(_, edge)| edge).collect() }
    }

    fn person(&self, id: &str) -> Option<&Person> {
        self.person_of.get(id.as_bytes()).and_then(|person| self.people.get(*person as usize))
    }

    /// All ids (in their stored form) of the person who has this one, ascending; the id alone where no other is known.
    pub fn ids_of<'a>(&'a self, id: &'a str) -> Vec<&'a str> {
        match self.person(id) {
            None => vec![id],
            Some(person) => self.ids[range(&person.ids)].iter().map(SfId::as_str).collect(),
        }
    }

    /// [`Identities::ids_of`] as ids.
    pub fn all_of(&self, id: &SfId) -> Vec<SfId> {
        self.person(id.as_str()).map_or_else(|| vec![*id], |person| self.ids[range(&person.ids)].to_vec())
    }

    /// The one id by which a person is counted: of their ids a contact's before a lead's, one that never became another
    /// before one that did (in a loop all did), then the least.
    pub fn canonical<'a>(&'a self, id: &'a str) -> &'a str {
        self.person(id).map_or(id, |person| person.canonical.as_str())
    }

    /// Has the person who has this id others, too?
    pub fn has_others(&self, id: &str) -> bool {
        self.person(id).is_some()
    }

    /// The edges of the person with this id: which id became which, how, and when it was learned, the earliest first.
    pub fn edges_of(&self, id: &str) -> &[Edge] {
        self.person(id).map_or(&[], |person| &self.edges[range(&person.edges)])
    }

    /// Is this edge known?
    pub fn find(&self, alias: &SfId, person: &SfId, how: AliasSource) -> Option<&Edge> {
        self.edges_of(alias.as_str()).iter().find(|edge| edge.key() == (*alias, *person, how))
    }

    /// The way from an id to one it became, edge by edge; nothing where it never did.
    pub fn alias_path(&self, from: &SfId, to: &SfId) -> Vec<&Edge> {
        let mut became: HashMap<SfId, Vec<&Edge>> = HashMap::new();
        for edge in self.edges_of(from.as_str()) {
            became.entry(edge.alias).or_default().push(edge);
        }
        // Nearest first, remembering by which edge each id was reached.
        let mut reached_by: HashMap<SfId, &Edge> = HashMap::new();
        let mut reached = vec![*from];
        let mut next = 0;
        while let Some(id) = reached.get(next).copied() {
            next += 1;
            for edge in became.get(&id).into_iter().flatten() {
                if edge.person != *from && !reached_by.contains_key(&edge.person) {
                    reached_by.insert(edge.person, edge);
                    reached.push(edge.person);
                }
            }
        }
        let mut alias_path: Vec<&Edge> =
            std::iter::successors(reached_by.get(to), |edge| reached_by.get(&edge.alias)).copied().collect();
        alias_path.reverse();
        alias_path
    }

    /// All edges.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }
}

fn range(of: &Range<u32>) -> Range<usize> {
    of.start as usize..of.end as usize
}

/// Disjoint sets; a set's root is its least member.
struct Union(Vec<u32>);

impl Union {
    fn of(members: usize) -> Self {
        Self((0..members as u32).collect())
    }

    fn root(&mut self, mut member: usize) -> usize {
        while self.0[member] as usize != member {
            let parent = self.0[member] as usize;
            self.0[member] = self.0[parent];
            member = parent;
        }
        member
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b) as u32;
    }
}

#[cfg(test)]
mod tests;
