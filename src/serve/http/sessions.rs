//! Who is signed in: codes that are good once, and sessions.
//!
//! Of both only the hash is kept, so that nobody who reads memory or a dump comes in by it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::serve::access::{Who, random};

/// How long a code is good.
const CODE: TimeDelta = TimeDelta::minutes(10);

/// A session ends after so long without a request.
pub(crate) const IDLE: TimeDelta = TimeDelta::minutes(30);

/// A session ends after so long in any case.
pub(crate) const LONGEST: TimeDelta = TimeDelta::hours(12);

/// Sessions at once; the one that was idle longest gives way.
const SESSIONS: usize = 1_000;

type Hash = [u8; 32];

/// A session.
#[derive(Clone, Debug)]
struct Open {
    who: Who,
    since: DateTime<Utc>,
    seen: DateTime<Utc>,
}

impl Open {
    fn is_over(&self, now: DateTime<Utc>) -> bool {
        now - self.seen >= IDLE || now - self.since >= LONGEST
    }
}

/// All that is open.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    codes: Mutex<HashMap<Hash, (Who, DateTime<Utc>)>>,
    open: Mutex<HashMap<Hash, Open>>,
}

impl Sessions {
    /// A code by which somebody may sign in once.
    pub(crate) fn code(&self, who: Who, now: DateTime<Utc>) -> String {
        let secret = secret();
        let mut codes = locked(&self.codes);
        codes.retain(|_, (_, made)| now - *made < CODE);
        codes.insert(hash(&secret), (who, now));
        secret
    }

    /// Whose code it is. It is used up by this.
    pub(crate) fn redeem(&self, code: &str, now: DateTime<Utc>) -> Option<Who> {
        let (who, made) = locked(&self.codes).remove(&hash(code))?;
        (now - made < CODE).then_some(who)
    }

    /// Begins a session: the secret by which its requests are known.
    pub(crate) fn begin(&self, who: Who, now: DateTime<Utc>) -> String {
        let secret = secret();
        let mut open = locked(&self.open);
        open.retain(|_, session| !session.is_over(now));
        if open.len() >= SESSIONS
            && let Some(idle) = open.iter().min_by_key(|(_, session)| session.seen).map(|(key, _)| *key)
        {
            open.remove(&idle);
        }
        open.insert(hash(&secret), Open { who, since: now, seen: now });
        secret
    }

    /// Whose session it is, which goes on by this.
    pub(crate) fn find(&self, secret: &str, now: DateTime<Utc>) -> Option<Who> {
        let (mut open, key) = (locked(&self.open), hash(secret));
        let session = open.get_mut(&key)?;
        if session.is_over(now) {
            open.remove(&key);
            return None;
        }
        session.seen = now;
        Some(session.who.clone())
    }

    /// Ends a session.
    pub(crate) fn end(&self, secret: &str) {
        locked(&self.open).remove(&hash(secret));
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        locked(&self.open).len()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// 256 bits, as hexadecimal digits.
pub(super) fn secret() -> String {
    blake3::Hash::from(random()).to_hex().to_string()
}

fn hash(secret: &str) -> Hash {
    *blake3::hash(secret.as_bytes()).as_bytes()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::serve::access::Role;

    fn ana() -> Who {
        Who::of("ana", Role::Owner)
    }

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    #[test]
    fn a_code_is_good_once_and_not_for_long() {
        let sessions = Sessions::default();
        let (one, other) = (sessions.code(ana(), at(0)), sessions.code(ana(), at(0)));
        assert_eq!(one.len(), 64);
        assert_eq!(sessions.redeem(&one, at(9)), Some(ana()));
        assert_eq!(sessions.redeem(&one, at(9)), None);
        assert_eq!(sessions.redeem(&other, at(10)), None);
        assert_eq!(sessions.redeem("", at(1)), None);
    }

    #[test]
    fn a_session_ends_when_it_is_idle_when_it_is_old_and_when_it_is_ended() {
        let sessions = Sessions::default();
        let idle = sessions.begin(ana(), at(0));
        assert_eq!(sessions.find(&idle, at(29)), Some(ana()));
        assert_eq!(sessions.find(&idle, at(59)), None);
        assert_eq!(sessions.find(&idle, at(58)), None, "it is gone");
        let busy = sessions.begin(ana(), at(0));
        for minute in (0..12 * 60).step_by(20) {
            assert!(sessions.find(&busy, at(minute)).is_some(), "{minute}");
        }
        assert_eq!(sessions.find(&busy, at(12 * 60)), None);
        let ended = sessions.begin(ana(), at(0));
        sessions.end(&ended);
        assert_eq!(sessions.find(&ended, at(0)), None);
        assert!(!format!("{sessions:?}").contains(&sessions.begin(ana(), at(0))));
    }

    #[test]
    fn who_was_idle_longest_gives_way() {
        let sessions = Sessions::default();
        let first = sessions.begin(ana(), at(0));
        let second = sessions.begin(ana(), at(1));
        (2..=SESSIONS).for_each(|_| drop(sessions.begin(ana(), at(2))));
        assert_eq!(sessions.count(), SESSIONS);
        assert_eq!(sessions.find(&first, at(3)), None);
        assert_eq!(sessions.find(&second, at(3)), Some(ana()));
    }
}
