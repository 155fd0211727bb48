//! What a reader sees, and how it may lie between what was before a job and what is after it.

use std::collections::BTreeMap;

use crate::world::{Rows, World};

/// What a reader sees: IERs, links and the rows of the small tables by key, without the tier; then where each row lives.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Seen {
    pub iers: BTreeMap<String, Rows>,
    pub links: BTreeMap<String, Rows>,
    pub others: BTreeMap<String, Rows>,
    pub tiers: Rows,
}

const IERS: &str = "SELECT merge_id, ier_id, person_id, contact_id, date_sent, sent_date, opened, number_of_unique_clicks, clicked, \
    is_deleted, system_modstamp, tier FROM ier";
const LINKS: &str = "SELECT unique_link_id, ier_id, person_id, date_sent, sent_date, number_of_total_clicks, system_modstamp, tier \
    FROM individual_link";
/// People, what became of their ids, and what was loaded.
const OTHERS: &str = "SELECT 'contact ' || id AS key, master_record_id AS a, CAST(is_deleted AS VARCHAR) AS b FROM contact \
    UNION ALL SELECT 'lead ' || id, converted_contact_id, master_record_id FROM lead \
    UNION ALL SELECT 'alias ' || alias_id || person_id, how, CAST(learned_at AS VARCHAR) FROM person_alias \
    UNION ALL SELECT 'loaded ' || source || object, CAST(rows_read AS VARCHAR), file_blake3 FROM load_coverage";

fn by_key(rows: Rows) -> BTreeMap<String, Rows> {
    let mut keyed: BTreeMap<String, Rows> = BTreeMap::new();
    for row in rows {
        keyed.entry(row[0].to_lowercase()).or_default().push(row);
    }
    keyed
}

impl Seen {
    /// What a reader of this world sees, each key once.
    pub async fn by(world: &World) -> Self {
        let mut tiers = Vec::new();
        let mut tiered = |rows: Rows| {
            let parted = rows.into_iter().map(|mut row| {
                let tier = row.pop().expect("the tier is the last column");
                tiers.push(vec![row[0].clone(), tier]);
                row
            });
            by_key(parted.collect())
        };
        let iers = tiered(world.ask(IERS).await);
        let links = tiered(world.ask(LINKS).await);
        let others = by_key(world.ask(OTHERS).await);
        tiers.sort();
        let seen = Self { iers, links, others, tiers };
        for (key, rows) in seen.iers.iter().chain(&seen.links).chain(&seen.others) {
            assert_eq!(rows.len(), 1, "{key} is shown more than once: {rows:?}");
        }
        seen
    }

    /// The same rows, wherever they live.
    pub fn same_rows(&self, other: &Self) -> bool {
        self.iers == other.iers && self.links == other.links && self.others == other.others
    }

    /// Is this a moment on the way through these states: is every row as in one of them, and here what is in all of them?
    pub fn is_one_of(&self, states: &[&Self]) {
        for (key, rows) in self.rows() {
            let reported: Vec<_> = states.iter().map(|state| state.row(key)).collect();
            assert!(reported.contains(&Some(rows)), "{key} is {rows:?}, none of {reported:?}");
        }
        for (key, _) in states[0].rows().filter(|(key, _)| states.iter().all(|state| state.row(key).is_some())) {
            assert!(self.row(key).is_some(), "{key} is gone");
        }
    }

    /// Are the IERs all as in one of these states?
    pub fn iers_are_one_of(&self, states: &[&Self]) {
        if states.iter().all(|state| self.iers != state.iers) {
            let odd = self.iers.iter().filter(|(key, rows)| states.iter().any(|state| state.iers.get(*key) != Some(*rows)));
            let gone = states[0].missing_in(self);
            panic!("IERs are as in none of {} states: {:?}, gone {gone:?}", states.len(), odd.collect::<Vec<_>>());
        }
    }

    fn rows(&self) -> impl Iterator<Item = (&String, &Rows)> {
        self.iers.iter().chain(&self.links).chain(&self.others)
    }

    /// A row by its key; keys of different tables differ.
    fn row(&self, key: &str) -> Option<&Rows> {
        [&self.iers, &self.links, &self.others].into_iter().find_map(|table| table.get(key))
    }

    fn missing_in(&self, seen: &Self) -> Vec<String> {
        self.iers.keys().filter(|key| !seen.iers.contains_key(*key)).cloned().collect()
    }

    /// What distinguishes this from the other, in words.
    pub fn difference(&self, other: &Self) -> String {
        let rows = |seen: &Self| -> Vec<String> {
            let keyed = seen.iers.values().chain(seen.links.values()).chain(seen.others.values());
            keyed.flatten().chain(&seen.tiers).map(|row| row.join(" ")).collect()
        };
        let (seen, other) = (rows(self), rows(other));
        let extra: Vec<&String> = seen.iter().filter(|row| !other.contains(row)).collect();
        let missing: Vec<&String> = other.iter().filter(|row| !seen.contains(row)).collect();
        format!("has {extra:#?}, lacks {missing:#?}")
    }
}
