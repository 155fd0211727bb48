//! Evidence that was made and waits to be fetched: in memory, for who asked for it, and not for long.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::sessions::secret;

/// How long a pack waits.
const WAITS: TimeDelta = TimeDelta::minutes(10);

/// Packs that wait at once, and their bytes; the oldest give way.
const MOST: usize = 32;
const BYTES: usize = 64 << 20;

/// A pack that waits.
#[derive(Clone)]
pub(crate) struct Waiting {
    who: String,
    /// About whom it is.
    pub(crate) person: String,
    made: DateTime<Utc>,
    /// Its file.
    pub(crate) zip: Arc<Vec<u8>>,
    /// Its seal.
    pub(crate) seal: String,
}

/// All that wait.
#[derive(Default)]
pub(crate) struct Packs(Mutex<HashMap<String, Waiting>>);

impl Packs {
    /// Keeps a pack for somebody, under a name nobody guesses.
    pub(crate) fn keep(&self, (who, person): (&str, &str), zip: Vec<u8>, seal: String, now: DateTime<Utc>) -> String {
        let mut waiting = self.locked();
        waiting.retain(|_, pack| now - pack.made < WAITS);
        let held = |waiting: &HashMap<String, Waiting>| waiting.values().map(|pack| pack.zip.len()).sum::<usize>();
        while !waiting.is_empty() && (waiting.len() >= MOST || held(&waiting) + zip.len() > BYTES) {
            let oldest = waiting.iter().min_by_key(|(_, pack)| pack.made).map(|(name, _)| name.clone());
            oldest.and_then(|name| waiting.remove(&name));
        }
        let name = secret();
        waiting.insert(
            name.clone(),
            Waiting { who: who.to_owned(), person: person.to_owned(), made: now, zip: Arc::new(zip), seal },
        );
        name
    }

    /// A pack of somebody's.
    pub(crate) fn get(&self, name: &str, who: &str, now: DateTime<Utc>) -> Option<Waiting> {
        self.locked().get(name).filter(|pack| pack.who == who && now - pack.made < WAITS).cloned()
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<String, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_waits_for_who_asked_for_it_and_not_for_long() {
        let (packs, now) = (Packs::default(), DateTime::UNIX_EPOCH);
        let name = packs.keep(("ana", "003"), vec![1], "seal".to_owned(), now);
        assert!(packs.get(&name, "ana", now).is_some());
        assert!(packs.get(&name, "bob", now).is_none() && packs.get("", "ana", now).is_none());
        assert!(packs.get(&name, "ana", now + WAITS).is_none());
        (0..MOST).for_each(|later| {
            drop(packs.keep(("ana", "003"), vec![1], String::new(), now + TimeDelta::seconds(later as i64 + 1)))
        });
        assert!(packs.get(&name, "ana", now).is_none(), "the oldest gives way");
    }
}
