//! Tokens: secrets that let programs in, and what is kept of them.
//!
//! A token has 160 random bits and is shown once, where it is made. What is kept is a verifier of SCRAM-SHA-256 and a hash: they can
//! check a token, and nobody can come in by them. With so many bits no guess is worth stretching, so the fewest rounds that the standard
//! allows do ([`SCRAM_ITERATIONS`]), and a connection costs little.

use std::fmt;

use pgwire::api::auth::sasl::scram::{SCRAM_ITERATIONS, ScramSecret, gen_salted_password, random_nonce};

use super::base64;

/// Bytes of a token: 160 bits.
const TOKEN_BYTES: usize = 20;

/// Bytes of a salt.
const SALT_BYTES: usize = 16;

/// How a verifier begins, as Postgres writes it: the rounds follow.
const SCHEME: &str = "SCRAM-SHA-256";

/// A secret that lets somebody in. Shown where it is made, and kept nowhere.
pub struct Token(String);

impl Token {
    /// A new one.
    pub fn new() -> Self {
        Self(hex(&random()[..TOKEN_BYTES]))
    }

    /// The secret itself, to be shown once.
    pub fn shown(&self) -> &str {
        &self.0
    }

    /// What is kept of it to find whose it is, where the token itself is sent.
    pub(super) fn hash(text: &str) -> blake3::Hash {
        blake3::hash(text.as_bytes())
    }
}

impl Default for Token {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// From this everybody's salt is made, known or not: each always has the same one, and nobody can tell who is there.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Salts([u8; 32]);

impl Salts {
    pub(super) fn new() -> Self {
        Self(random())
    }

    pub(super) fn from_hex(text: &str) -> Option<Self> {
        Some(Self(*blake3::Hash::from_hex(text).ok()?.as_bytes()))
    }

    pub(super) fn to_hex(&self) -> String {
        hex(&self.0)
    }

    /// Somebody's salt.
    pub(super) fn of(&self, user: &str) -> Vec<u8> {
        blake3::keyed_hash(&self.0, user.as_bytes()).as_bytes()[..SALT_BYTES].to_vec()
    }

    /// A key for something else, from which this one cannot be found.
    pub(super) fn key_for(&self, purpose: &str) -> [u8; 32] {
        blake3::derive_key(purpose, &self.0)
    }
}

impl fmt::Debug for Salts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salts(…)")
    }
}

/// What checks a proof that somebody has a token.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Verifier {
    pub(super) stored_key: Vec<u8>,
    pub(super) server_key: Vec<u8>,
}

impl Verifier {
    /// Of a token, with a salt.
    pub(super) fn of(token: &Token, salt: Vec<u8>) -> Self {
        let salted = gen_salted_password(token.shown(), &salt, SCRAM_ITERATIONS);
        match ScramSecret::verifier_from_salted_password(salt, salted, SCRAM_ITERATIONS) {
            ScramSecret::Verifier { stored_key, server_key, .. } => Self { stored_key, server_key },
            ScramSecret::SaltedPassword { .. } => Self::of_nobody(),
        }
    }

    /// Keys that no proof fits.
    pub(super) fn of_nobody() -> Self {
        Self { stored_key: random().to_vec(), server_key: random().to_vec() }
    }

    /// As Postgres writes it.
    pub(super) fn written(&self, salt: &[u8]) -> String {
        let [salt, stored, server] = [salt, &self.stored_key, &self.server_key].map(base64::encoded);
        format!("{SCHEME}${SCRAM_ITERATIONS}:{salt}${stored}:{server}")
    }

    /// Reads what [`Verifier::written`] wrote; `None` for anything else, or one that was made with another salt.
    pub(super) fn read(text: &str, salt: &[u8]) -> Option<Self> {
        let (rounds, keys) = text.strip_prefix(SCHEME)?.strip_prefix('$')?.split_once('$')?;
        let (iterations, its_salt) = rounds.split_once(':')?;
        if iterations.parse() != Ok(SCRAM_ITERATIONS) || base64::decoded(its_salt)? != salt {
            return None;
        }
        let (stored, server) = keys.split_once(':')?;
        let (stored_key, server_key) = (base64::decoded(stored)?, base64::decoded(server)?);
        (stored_key.len() == 32 && server_key.len() == 32).then_some(Self { stored_key, server_key })
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(…)")
    }
}

/// Random bytes: two nonces of 144 bits each, mixed.
pub fn random() -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(random_nonce().as_bytes());
    hasher.update(random_nonce().as_bytes());
    *hasher.finalize().as_bytes()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_is_read_as_it_was_written_and_with_its_own_salt_only() {
        let (salts, token) = (Salts::new(), Token::new());
        let salt = salts.of("ana");
        let verifier = Verifier::of(&token, salt.clone());
        let written = verifier.written(&salt);
        assert!(written.starts_with("SCRAM-SHA-256$4096:") && !written.contains(token.shown()));
        assert_eq!(Verifier::read(&written, &salt), Some(verifier.clone()));
        assert_eq!(Verifier::read(&written, &salts.of("bob")), None);
        for wrong in ["", "md5abc", &written[..40], &written.replace("4096", "1")] {
            assert_eq!(Verifier::read(wrong, &salt), None, "{wrong}");
        }
        assert_eq!(Salts::from_hex(&salts.to_hex()), Some(salts.clone()));
        assert!(!format!("{salts:?} {verifier:?}").contains(&salts.to_hex()[..8]));
    }

    #[test]
    fn the_verifier_of_a_known_token_is_the_one_postgres_would_keep() {
        // The example of RFC 7677: user "user", password "pencil".
        let salt = base64::decoded("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = Verifier::of(&Token("pencil".to_owned()), salt);
        assert_eq!(base64::encoded(&verifier.stored_key), "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=");
        assert_eq!(base64::encoded(&verifier.server_key), "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
    }
}
