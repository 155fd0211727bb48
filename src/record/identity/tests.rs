use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn contact(number: u32) -> SfId {
    SfId::parse(&format!("003f4{number:010}")).expect("an id")
}

fn lead(number: u32) -> SfId {
    SfId::parse(&format!("00Qf4{number:010}")).expect("an id")
}

fn edge(alias: SfId, person: SfId, how: AliasSource, day: i64) -> Edge {
    let learned_at = DateTime::from_timestamp(1_750_000_000 + day * 86_400, 0).expect("a day");
    Edge { learned_at, alias, person, how, reason: None, author: None }
}

fn ids(identities: &Identities, id: SfId) -> Vec<String> {
    identities.ids_of(id.as_str()).into_iter().map(str::to_owned).collect()
}

/// Everything an `Identities` says of these ids.
fn said(identities: &Identities, of: &[SfId]) -> Vec<(Vec<String>, String, Vec<Edge>)> {
    let say = |id: &SfId| {
        let edges = identities.edges_of(id.as_str()).to_vec();
        (ids(identities, *id), identities.canonical(id.as_str()).to_owned(), edges)
    };
    of.iter().map(say).collect()
}

#[test]
fn merged_twice_and_converted_before() {
    let (a, b, c) = (contact(3), contact(2), contact(1));
    let edges =
        [edge(lead(1), b, AliasSource::Conversion, 0), edge(a, b, AliasSource::Merge, 1), edge(b, c, AliasSource::Merge, 2)];
    let identities = Identities::new(edges.clone());
    for id in [a, b, c, lead(1)] {
        assert_eq!(ids(&identities, id), [c, b, a, lead(1)].map(|id| id.to_string()), "{id}");
        assert_eq!(identities.canonical(id.as_str()), c.as_str(), "{id}");
        assert_eq!(identities.edges_of(id.as_str()), edges, "{id}");
    }
    assert_eq!(identities.alias_path(&a, &c), [&edges[1], &edges[2]]);
    assert!(identities.alias_path(&c, &a).is_empty() && identities.alias_path(&a, &a).is_empty());
}

#[test]
fn somebody_with_one_id() {
    let identities = Identities::new([
        edge(contact(1), contact(1), AliasSource::Hand, 0),
        edge(contact(2), contact(3), AliasSource::Merge, 0),
    ]);
    for id in [contact(1).as_str(), contact(9).as_str(), "no id at all"] {
        assert_eq!((identities.ids_of(id), identities.canonical(id)), (vec![id], id));
        assert!(identities.edges_of(id).is_empty() && !identities.has_others(id));
    }
}

#[test]
fn the_canonical_id() {
    let hand = |a, b| edge(a, b, AliasSource::Hand, 0);
    for (edges, canonical) in [
        // The winner, though its id is greater.
        (vec![edge(contact(1), contact(2), AliasSource::Merge, 0)], contact(2)),
        // A contact, though it is said to be an alias of a lead.
        (vec![hand(contact(1), lead(1))], contact(1)),
        // Two winners: the least.
        (
            vec![edge(contact(5), contact(4), AliasSource::Merge, 0), edge(contact(5), contact(3), AliasSource::Merge, 1)],
            contact(3),
        ),
        // A loop: all are aliases.
        (vec![hand(contact(3), contact(2)), hand(contact(2), contact(1)), hand(contact(1), contact(3))], contact(1)),
        // A loop with a way out.
        (vec![hand(contact(1), contact(2)), hand(contact(2), contact(1)), hand(contact(2), contact(7))], contact(7)),
        // Leads only.
        (vec![edge(lead(1), lead(2), AliasSource::Merge, 0)], lead(2)),
    ] {
        let identities = Identities::new(edges.clone());
        for id in edges.iter().flat_map(|edge| [edge.alias, edge.person]) {
            assert_eq!(identities.canonical(id.as_str()), canonical.as_str(), "{edges:?}");
        }
    }
}

#[test]
fn of_an_edge_learned_twice_the_first_stays() {
    let mut first = edge(contact(1), contact(2), AliasSource::Hand, 1);
    first.reason = Some("same badge".into());
    let later = edge(contact(1), contact(2), AliasSource::Hand, 2);
    let merged = edge(contact(1), contact(2), AliasSource::Merge, 3);
    let identities = Identities::new([later, merged.clone(), first.clone()]);
    assert_eq!(identities.edges_of(contact(2).as_str()), [first.clone(), merged]);
    assert_eq!(identities.find(&contact(1), &contact(2), AliasSource::Hand), Some(&first));
    assert_eq!(identities.find(&contact(2), &contact(1), AliasSource::Hand), None);
}

/// Edges between a few ids, as they come: loops, repeats and edges to oneself among them.
fn any_edges() -> impl Strategy<Value = Vec<Edge>> {
    let id = (0u32..9, any::<bool>()).prop_map(|(number, is_lead)| if is_lead { lead(number) } else { contact(number) });
    let how = prop_oneof![Just(AliasSource::Merge), Just(AliasSource::Conversion), Just(AliasSource::Hand)];
    let any_edge = (id.clone(), id, how, 0i64..5).prop_map(|(alias, person, how, day)| edge(alias, person, how, day));
    prop::collection::vec(any_edge, 0..14)
}

fn all_ids() -> Vec<SfId> {
    (0..10).flat_map(|number| [contact(number), lead(number)]).collect()
}

proptest! {
    #[test]
    fn arrival_does_not_matter(
        (edges, shuffled) in any_edges().prop_flat_map(|edges| (Just(edges.clone()), Just(edges).prop_shuffle())),
        cut in 0usize..14,
        repeat in 0usize..14,
    ) {
        let expected = said(&Identities::new(edges.clone()), &all_ids());
        let twice = shuffled.iter().chain(edges.iter().take(repeat)).cloned();
        prop_assert_eq!(&said(&Identities::new(twice), &all_ids()), &expected);
        // Some first, the rest later, on top of what was made of the first.
        let (some, rest) = shuffled.split_at(cut.min(shuffled.len()));
        let earlier = Identities::new(some.iter().cloned());
        let later = Identities::new(earlier.edges().iter().chain(rest).cloned());
        prop_assert_eq!(&said(&later, &all_ids()), &expected);
    }

    #[test]
    fn a_person_is_what_edges_connect(edges in any_edges()) {
        let identities = Identities::new(edges.clone());
        for id in all_ids() {
            // Reached from the id along edges in either direction, however long it takes.
            let mut reached = BTreeSet::from([id]);
            while let Some(more) = edges.iter().find_map(|edge| match (reached.contains(&edge.alias), reached.contains(&edge.person)) {
                (true, false) => Some(edge.person),
                (false, true) => Some(edge.alias),
                _ => None,
            }) {
                reached.insert(more);
            }
            let expected: Vec<String> = reached.iter().map(ToString::to_string).collect();
            prop_assert_eq!(ids(&identities, id), expected);
            let canonical = identities.canonical(id.as_str());
            prop_assert!(reached.iter().any(|id| id.as_str() == canonical));
        }
    }

    #[test]
    fn a_forest_of_merges_conversions_and_undeletes(
        steps in prop::collection::vec((0usize..12, 0usize..12, 0u8..3), 0..30),
        order in any::<prop::sample::Index>(),
    ) {
        // Who owns which ids: everybody begins with one, a contact's or a lead's, not yet given up.
        let people: Vec<SfId> = (0..12).map(|number| if number % 3 == 0 { lead(number) } else { contact(number) }).collect();
        let mut owner: BTreeMap<SfId, SfId> = people.iter().map(|id| (*id, *id)).collect();
        let mut edges = Vec::new();
        for (day, (a, b, undelete)) in steps.into_iter().enumerate() {
            let (loser, winner) = (people[a], people[b]);
            let (from, to) = (owner[&loser], owner[&winner]);
            // Contacts do not become leads; who is merged is merged into whoever the winner is by now. An undeleted loser
            // is merged again under the id it had before.
            let is_contact = |id: SfId| id.has_prefix(CONTACT_PREFIX);
            let alias = if undelete == 0 { loser } else { from };
            if from == to || alias == to || (is_contact(alias) && !is_contact(to)) || (is_contact(from) && !is_contact(to)) {
                continue;
            }
            let how = if is_contact(alias) == is_contact(to) { AliasSource::Merge } else { AliasSource::Conversion };
            edges.push(edge(alias, to, how, day as i64));
            for id in owner.values_mut().filter(|id| **id == from) {
                *id = to;
            }
        }
        let start = if edges.is_empty() { 0 } else { order.index(edges.len()) };
        edges.rotate_left(start);
        let identities = Identities::new(edges);
        for id in &people {
            let expected: Vec<String> = owner.iter().filter(|(_, owns)| *owns == &owner[id]).map(|(id, _)| id.to_string()).collect();
            prop_assert_eq!(ids(&identities, *id), expected);
            // Whichever id is asked by, the same person answers.
            prop_assert_eq!(identities.canonical(id.as_str()), identities.canonical(owner[id].as_str()));
            prop_assert!(!is_lead(identities.canonical(id.as_str())) || is_lead(owner[id].as_str()));
        }
    }
}

fn is_lead(id: &str) -> bool {
    id.starts_with(crate::record::id::LEAD_PREFIX)
}

#[test]
fn a_hundred_thousand_edges_are_made_in_no_time() {
    // Long chains, which a careless union would walk again and again.
    let edges = (0..100_000).map(|number| edge(contact(number), contact(number + 1), AliasSource::Merge, 0));
    let identities = Identities::new(edges);
    assert_eq!(identities.ids_of(contact(77).as_str()).len(), 100_001);
    assert_eq!(identities.canonical(contact(0).as_str()), contact(100_000).as_str());
    assert_eq!(identities.alias_path(&contact(0), &contact(100_000)).len(), 100_000);
}
