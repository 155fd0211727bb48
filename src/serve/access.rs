//! Who may connect, and what they may do: the token, the verifier that checks it, and the rights of a role.
//!
//! A token has 160 random bits and is shown once, where it is made. What is kept is a verifier of SCRAM-SHA-256: it can check a
//! token, but nobody can log in with it. With so many bits a token cannot be guessed. So the fewest rounds that the standard allows
//! are enough ([`SCRAM_ITERATIONS`]), and a connection costs little.

use std::fmt;

use pgwire::api::auth::sasl::scram::{SCRAM_ITERATIONS, ScramSecret, gen_salted_password, random_nonce};

/// Bytes of a token: 160 bits.
const TOKEN_BYTES: usize = 20;

/// Bytes of a salt.
const SALT_BYTES: usize = 16;

/// A secret that lets somebody in. Shown where it is made, and kept nowhere.
pub struct Token(String);

impl Token {
    fn new() -> Self {
        Self(hex(&random()[..TOKEN_BYTES]))
    }

    /// The secret itself, to be shown once.
    pub fn shown(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// What somebody may do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Right {
    /// Ask any statement.
    Sql,
    /// Look at a person: their history, an audit, a pack of evidence.
    People,
    /// See files, jobs and failures.
    Operations,
    /// See who looked at whom.
    LookUps,
}

/// What somebody is there for; it says what they may do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// Whoever started the server, and can read every file of it anyway.
    Owner,
}

impl Role {
    /// Whether this is among what the role is for.
    pub fn may(self, right: Right) -> bool {
        match (self, right) {
            (Self::Owner, Right::Sql | Right::People | Right::Operations | Right::LookUps) => true,
        }
    }
}

/// Somebody who came in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Who {
    /// As whom they signed in: what the log of look-ups says.
    pub name: String,
    /// What they are there for.
    pub role: Role,
}

/// Those who may come in: one person.
pub struct Access {
    user: String,
    /// The token's hash, for those who send the token itself.
    token: blake3::Hash,
    salt: Vec<u8>,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
    /// From which the salts of those are made whom nobody knows: each always has the same one, like somebody who is there.
    strangers: [u8; 32],
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Access {
    /// For this user, with a token made now.
    pub fn of(user: &str) -> (Self, Token) {
        let token = Token::new();
        let salt = random()[..SALT_BYTES].to_vec();
        let salted = gen_salted_password(token.shown(), &salt, SCRAM_ITERATIONS);
        let (stored_key, server_key) = match ScramSecret::verifier_from_salted_password(salt.clone(), salted, SCRAM_ITERATIONS) {
            ScramSecret::Verifier { stored_key, server_key, .. } => (stored_key, server_key),
            // Keys that no proof fits.
            ScramSecret::SaltedPassword { .. } => (random().to_vec(), random().to_vec()),
        };
        let hash = blake3::hash(token.shown().as_bytes());
        (Self { user: user.to_owned(), token: hash, salt, stored_key, server_key, strangers: random() }, token)
    }

    /// Whose token this is; `None` where it is nobody's.
    pub fn bearer(&self, token: &str) -> Option<Who> {
        // Hashes compare in constant time.
        (blake3::hash(token.as_bytes()) == self.token).then(|| Who { name: self.user.clone(), role: Role::Owner })
    }

    /// Who may come in.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// What checks somebody's proof. Of strangers nothing does, and they cannot tell.
    pub(super) fn secret(&self, user: &str) -> ScramSecret {
        let is_known = user == self.user;
        let salt = match is_known {
            true => self.salt.clone(),
            false => blake3::keyed_hash(&self.strangers, user.as_bytes()).as_bytes()[..SALT_BYTES].to_vec(),
        };
        let key = |known: &[u8]| if is_known { known.to_vec() } else { random().to_vec() };
        let (stored_key, server_key) = (key(&self.stored_key), key(&self.server_key));
        ScramSecret::Verifier { salt, iterations: SCRAM_ITERATIONS, stored_key, server_key }
    }
}

/// Random bytes: two nonces of 144 bits each, mixed.
pub(super) fn random() -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(random_nonce().as_bytes());
    hasher.update(random_nonce().as_bytes());
    *hasher.finalize().as_bytes()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_long_and_new_and_never_told_by_accident() {
        let (access, token) = Access::of("ana");
        assert_eq!(token.shown().len(), 40);
        assert_ne!(token.shown(), Access::of("ana").1.shown());
        assert_eq!(access.bearer(token.shown()), Some(Who { name: "ana".to_owned(), role: Role::Owner }));
        assert_eq!(access.bearer(&token.shown()[1..]), None);
        assert!(!format!("{token:?} {access:?}").contains(token.shown()));
    }

    #[test]
    fn a_stranger_looks_like_somebody() {
        let (access, _) = Access::of("ana");
        let salt = |user: &str| match access.secret(user) {
            ScramSecret::Verifier { salt, iterations, .. } => (salt, iterations),
            ScramSecret::SaltedPassword { .. } => unreachable!("a verifier is kept"),
        };
        assert_eq!(salt("bob"), salt("bob"));
        assert_ne!(salt("bob").0, salt("cid").0);
        assert_eq!(salt("bob").1, salt("ana").1);
        assert_eq!(salt("bob").0.len(), salt("ana").0.len());
    }
}
