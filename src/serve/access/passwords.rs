//! Passwords of people who sign in at a page, stretched by argon2id.
//!
//! Each check takes 19 MiB and some 20 ms of a core. So only a few are made at once, however many ask: the place among them goes into the
//! work, and is given back when the work is done, not when whoever asked has gone.

use std::sync::{Arc, OnceLock};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Argon2, Params};
use tokio::sync::Semaphore;

use crate::error::{Error, Result};

/// Checks at once.
const AT_ONCE: usize = 2;

/// Checks that wait for their turn.
const WAITING: usize = 32;

/// Bytes of the longest password.
const LONGEST: usize = 1024;

/// Characters of the shortest that can be set.
const SHORTEST: usize = 10;

/// The costliest hash that is ever computed: KiB, rounds, lanes.
const CEILING: (u32, u32, u32) = (64 << 10, 10, 4);

/// Where passwords are checked.
#[derive(Debug)]
pub(super) struct Checks {
    working: Arc<Semaphore>,
    waiting: Semaphore,
}

impl Default for Checks {
    fn default() -> Self {
        Self { working: Arc::new(Semaphore::new(AT_ONCE)), waiting: Semaphore::new(WAITING) }
    }
}

impl Checks {
    /// Is this the password of which this is the hash? Without a hash it takes as long, and is not. `None` where too many are being
    /// checked.
    pub(super) async fn is_right(&self, password: &str, hash: Option<String>) -> Option<bool> {
        if password.len() > LONGEST {
            return Some(false);
        }
        let _waiting = self.waiting.try_acquire().ok()?;
        let place = self.working.clone().acquire_owned().await.ok()?;
        let password = password.to_owned();
        let checked = tokio::task::spawn_blocking(move || {
            let _place = place;
            let is_somebodys = hash.is_some();
            let hash = hash.or_else(|| nobodys().map(str::to_owned)).unwrap_or_default();
            let checked: argon2::password_hash::Result<()> =
                PasswordVerifier::<str>::verify_password(&Argon2::default(), password.as_bytes(), &hash);
            is_somebodys && checked.is_ok()
        });
        Some(checked.await.unwrap_or(false))
    }
}

/// The hash of a password that nobody has.
fn nobodys() -> Option<&'static str> {
    static HASH: OnceLock<Option<String>> = OnceLock::new();
    HASH.get_or_init(|| hashed(&super::tokens::hex(&super::tokens::random())).ok()).as_deref()
}

/// The hash of a password.
///
/// # Errors
/// Invalid for one that is too short or too long.
pub(super) fn hashed(password: &str) -> Result<String> {
    if password.chars().count() < SHORTEST || password.len() > LONGEST {
        return Err(Error::invalid(phrase!("a password has at least {SHORTEST} characters, and at most {LONGEST} bytes")));
    }
    let hash: argon2::password_hash::Result<PasswordHash> = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| Error::internal(phrase!("cannot hash a password: {error}")))
}

/// Refuses what is no hash of argon2id, and one that would take more than is given.
///
/// # Errors
/// Invalid for these.
pub(super) fn check_hash(text: &str) -> Result<()> {
    let wrong = || Error::invalid("no hash of argon2id");
    let hash = PasswordHash::new(text).map_err(|_| wrong())?;
    let params = Params::try_from(&hash).map_err(|_| wrong())?;
    let (memory, rounds, lanes) = CEILING;
    let is_within = params.m_cost() <= memory && params.t_cost() <= rounds && params.p_cost() <= lanes;
    let is_whole = hash.algorithm.as_str() == "argon2id" && hash.salt.is_some() && hash.hash.is_some();
    if is_within && is_whole { Ok(()) } else { Err(wrong()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_is_right() {
        let hash = hashed("correct horse").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let checks = Checks::default();
        assert_eq!(checks.is_right("correct horse", Some(hash.clone())).await, Some(true));
        assert_eq!(checks.is_right("correct horsf", Some(hash.clone())).await, Some(false));
        assert_eq!(checks.is_right("correct horse", None).await, Some(false));
        assert_eq!(checks.is_right(&"x".repeat(2000), Some(hash)).await, Some(false));
        assert!(hashed("short").is_err() && hashed(&"x".repeat(2000)).is_err());
    }

    #[test]
    fn hashes_that_would_take_too_much_are_refused() {
        let hash = hashed("correct horse").unwrap();
        check_hash(&hash).unwrap();
        for (from, to) in [("m=19456", "m=4194304"), ("t=2", "t=1000"), ("argon2id", "argon2i"), ("argon2id", "scrypt")] {
            assert!(check_hash(&hash.replace(from, to)).is_err(), "{to}");
        }
        assert!(check_hash("").is_err() && check_hash("$argon2id$v=19$m=19456,t=2,p=1").is_err());
    }

    #[tokio::test]
    async fn a_crowd_is_told_to_come_back() {
        let checks = Checks::default();
        let mut all: Vec<_> = (0..40).map(|_| Box::pin(checks.is_right("correct horse", None))).collect();
        let mut sent_away = 0;
        for one in &mut all {
            sent_away += usize::from(futures::poll!(one.as_mut()) == std::task::Poll::Ready(None));
        }
        assert_eq!(sent_away, 40 - WAITING);
    }
}
