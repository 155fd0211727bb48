//! How often somebody may try to come in: so many failures at once, and one more every so often. Counted for each name and for each
//! address, before anything costly is computed.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

/// Failures of one name in a row.
const OF_A_NAME: f64 = 10.0;

/// Failures from one address in a row: many may sit behind it.
const OF_AN_ADDRESS: f64 = 50.0;

/// After so many seconds one more failure is forgiven.
const FORGIVEN_AFTER_SECS: f64 = 6.0;

/// Names and addresses that are remembered. Who would make it forget one by trying many others runs out of tries at their address.
const REMEMBERED: usize = 100_000;

/// Failures of late.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<Failures>);

#[derive(Debug, Default)]
struct Failures {
    of_names: HashMap<blake3::Hash, Failed>,
    from_addresses: HashMap<IpAddr, Failed>,
}

/// So many failures, as of a moment.
#[derive(Clone, Copy, Debug)]
struct Failed {
    times: f64,
    at: DateTime<Utc>,
}

impl Failed {
    fn now(self, now: DateTime<Utc>) -> f64 {
        let seconds = (now - self.at).num_milliseconds().max(0) as f64 / 1000.0;
        (self.times - seconds / FORGIVEN_AFTER_SECS).max(0.0)
    }
}

impl Attempts {
    fn all(&self) -> MutexGuard<'_, Failures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// May somebody of this name try, from this address?
    pub(super) fn may_try(&self, name: &str, from: Option<IpAddr>, now: DateTime<Utc>) -> bool {
        let all = self.all();
        let is_below = |failed: Option<&Failed>, most: f64| failed.is_none_or(|failed| failed.now(now) < most);
        is_below(all.of_names.get(&key(name)), OF_A_NAME)
            && from.is_none_or(|from| is_below(all.from_addresses.get(&from), OF_AN_ADDRESS))
    }

    /// They have failed.
    pub(super) fn failed(&self, name: &str, from: Option<IpAddr>, now: DateTime<Utc>) {
        let mut all = self.all();
        count(&mut all.of_names, key(name), now);
        if let Some(from) = from {
            count(&mut all.from_addresses, from, now);
        }
    }

    /// They came in: what they mistyped before counts no more.
    pub(super) fn came_in(&self, name: &str) {
        self.all().of_names.remove(&key(name));
    }
}

fn key(name: &str) -> blake3::Hash {
    blake3::hash(name.as_bytes())
}

fn count<K: Eq + Hash>(failures: &mut HashMap<K, Failed>, key: K, now: DateTime<Utc>) {
    if failures.len() >= REMEMBERED {
        failures.retain(|_, failed| failed.now(now) > 0.0);
    }
    if failures.len() >= REMEMBERED {
        failures.clear();
    }
    let failed = failures.entry(key).or_insert(Failed { times: 0.0, at: now });
    *failed = Failed { times: failed.now(now) + 1.0, at: now };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_often_waits_and_others_do_not() {
        let (attempts, began) = (Attempts::default(), DateTime::UNIX_EPOCH);
        let here = Some(IpAddr::from([10, 0, 0, 1]));
        for _ in 0..10 {
            assert!(attempts.may_try("ana", here, began));
            attempts.failed("ana", here, began);
        }
        assert!(!attempts.may_try("ana", here, began) && !attempts.may_try("ana", None, began));
        assert!(attempts.may_try("bob", here, began));
        let later = began + chrono::Duration::seconds(7);
        assert!(attempts.may_try("ana", here, later));
        attempts.came_in("ana");
        for at in 0..60 {
            attempts.failed(&format!("somebody {at}"), here, later);
        }
        let elsewhere = Some(IpAddr::from([10, 0, 0, 2]));
        assert!(!attempts.may_try("cid", here, later) && attempts.may_try("cid", elsewhere, later));
    }
}
