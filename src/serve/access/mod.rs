//! Who may come in, what they may do, and what checks that it is they.
//!
//! Without a file of users it is one person: whoever started the server, by a token that was made then. With one it is those in the file,
//! as the file is at the moment: it is read again when it has changed. One that is broken lets nobody new in by what is wrong in it; what
//! held before holds, and that is said.
//!
//! # Decisions
//! - 2026-11-29 **Everybody's salt is made from their name and a key of the file**, whoever they are. Somebody who is known, disabled,
//!   expired or not there answers alike, today and after a restart; and all tokens of one person have one salt, so that a login need
//!   not say by which of them it comes. Refused: the token's name as part of the user's name.
//! - 2026-11-29 **A session asks at each statement whether its person may still come in.** Somebody who was disabled is out at their
//!   next statement, not at their next login.
//! - 2026-11-29 **Business units limit analysts alone.** Somebody is looked up as a whole, or an audit would say NO EVIDENCE for what
//!   another unit has sent. A file that gives units to others is refused, since they would limit nothing.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use chrono::{DateTime, Utc};

use self::attempts::Attempts;
use self::passwords::Checks;
pub use self::roles::{ROLES, Right, Role, Who};
use self::scram::Secrets;
pub use self::tokens::Token;
use self::tokens::Verifier;
pub(super) use self::tokens::random;
use self::users::{User, Users};
use super::tell::Tell;
use super::tls::Tls;
use crate::clock::{Clock, SystemClock};
use crate::error::Result;

// Base64, as SCRAM writes bytes.
mod base64;

// What each role is for: the one table of rights.
mod roles;

// Tokens: secrets that let programs in, and what is kept of them.
mod tokens;

// Passwords of people who sign in at a page.
mod passwords;

// The file of users.
pub mod users;

// How often somebody may try to come in.
mod attempts;

// A login by SCRAM-SHA-256.
pub(super) mod scram;

/// Why somebody does not come in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// There is nobody of this name, they may not come in, or it is not they.
    Unproved,
    /// Too many tries have failed of late.
    TooOften,
    /// Too many are being checked.
    Busy,
}

/// A file, as it was when it was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stamp(SystemTime, u64);

/// Those who may come in.
pub struct Access {
    users: RwLock<Arc<Users>>,
    /// Where they stand, and the file as it was seen last; `None` for whoever started the server.
    file: Option<(PathBuf, Mutex<Option<Stamp>>)>,
    clock: Arc<dyn Clock>,
    tell: Tell,
    attempts: Attempts,
    checks: Checks,
    tls: Option<Tls>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("file", &self.file.as_ref().map(|(path, _)| path)).finish_non_exhaustive()
    }
}

/// A login that has begun: what can be proved, and who that would be.
pub(super) struct Login {
    secrets: Secrets,
    claim: Claim,
}

/// Who somebody would be, by each of the tokens they may have.
pub(super) struct Claim {
    name: String,
    whos: Vec<Who>,
}

impl Login {
    /// What the exchange needs, and what is asked for at its end.
    pub(super) fn begun(self) -> (Secrets, Claim) {
        (self.secrets, self.claim)
    }
}

impl Access {
    /// For this user alone, with a token made now.
    pub fn of(user: &str) -> (Self, Token) {
        let token = Token::new();
        let users = Users::of_owner(user, &token);
        (Self::new(users, None, Arc::new(SystemClock), Arc::new(|_| {})), token)
    }

    /// For those in a file; `tell` hears when it is broken later.
    ///
    /// # Errors
    /// As [`Users::read`]: who cannot read it serves nobody.
    pub fn listed(path: &Path, clock: Arc<dyn Clock>, tell: Tell) -> Result<Self> {
        let stamp = stamp(path);
        let users = Users::read(path)?;
        Ok(Self::new(users, Some((path.to_owned(), Mutex::new(stamp))), clock, tell))
    }

    fn new(users: Users, file: Option<(PathBuf, Mutex<Option<Stamp>>)>, clock: Arc<dyn Clock>, tell: Tell) -> Self {
        let (attempts, checks) = (Attempts::default(), Checks::default());
        Self { users: RwLock::new(Arc::new(users)), file, clock, tell, attempts, checks, tls: None }
    }

    /// The same behind TLS: what they say to each other nobody else reads.
    #[must_use]
    pub fn behind(self, tls: Tls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// What a listener needs for TLS, where there is a certificate.
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// May others than this machine's come? Where each of them proves who they are, and nobody reads along.
    pub fn is_for_others(&self) -> bool {
        self.is_listed() && self.tls.is_some()
    }

    /// Is there a list of users?
    pub fn is_listed(&self) -> bool {
        self.file.is_some()
    }

    /// Reads the file again, whether or not it looks changed; `false` where what held before still holds, because it is broken.
    pub fn reread(&self) -> bool {
        let Some((path, seen)) = &self.file else { return true };
        self.read(path, &mut seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the file. Whoever holds `seen` meanwhile keeps others from taking the users of before for those of now.
    fn read(&self, path: &Path, seen: &mut Option<Stamp>) -> bool {
        *seen = stamp(path);
        match Users::read(path) {
            Ok(users) => {
                *self.users.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(users);
                true
            }
            Err(error) => {
                (self.tell)(&format!("the users of before are served on: {error}"));
                false
            }
        }
    }

    /// The users there are now.
    fn users(&self) -> Arc<Users> {
        if let Some((path, seen)) = &self.file {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen != stamp(path) {
                self.read(path, &mut seen);
            }
        }
        self.users.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Whose token this is; `None` where it is nobody's.
    pub fn bearer(&self, token: &str) -> Option<Who> {
        let (users, hash, now) = (self.users(), Token::hash(token), self.now());
        let mut found = None;
        for user in users.all().iter().filter(|user| !user.disabled) {
            // Hashes compare in constant time.
            if let Some(token) = user.tokens.iter().find(|token| token.hash == hash && token.holds(now)) {
                found = Some(user.who(Some(&token.id)));
            }
        }
        found
    }

    /// Who has this name and this password; `None` where nobody has.
    pub async fn password(&self, name: &str, password: &str) -> Option<Who> {
        self.password_from(name, password, None).await.ok()
    }

    /// The same, and why not; `from` is the address they come from.
    ///
    /// # Errors
    /// Why they do not come in.
    pub async fn password_from(&self, name: &str, password: &str, from: Option<IpAddr>) -> Result<Who, Refused> {
        if !self.attempts.may_try(name, from, self.now()) {
            return Err(Refused::TooOften);
        }
        let users = self.users();
        let user = users.find(name).filter(|user| !user.disabled);
        let hash = user.and_then(|user| user.password.clone());
        match (self.checks.is_right(password, hash).await, user) {
            (Some(true), Some(user)) => {
                self.attempts.came_in(name);
                Ok(user.who(None))
            }
            (None, _) => Err(Refused::Busy),
            _ => {
                self.attempts.failed(name, from, self.now());
                Err(Refused::Unproved)
            }
        }
    }

    /// What somebody of this name has to prove. Of strangers nobody can prove anything, and they cannot tell.
    ///
    /// # Errors
    /// Too often, where too many have failed of late.
    pub(super) fn login(&self, name: &str, from: Option<IpAddr>) -> Result<Login, Refused> {
        if !self.attempts.may_try(name, from, self.now()) {
            return Err(Refused::TooOften);
        }
        let (users, now) = (self.users(), self.now());
        let user = users.find(name).filter(|user| !user.disabled);
        let tokens: Vec<_> = user.iter().flat_map(|user| user.tokens.iter()).filter(|token| token.holds(now)).collect();
        let whos = user.iter().flat_map(|user| tokens.iter().map(|token| user.who(Some(&token.id)))).collect();
        let mut verifiers: Vec<Verifier> = tokens.iter().map(|token| token.verifier.clone()).collect();
        if verifiers.is_empty() {
            verifiers.push(Verifier::of_nobody());
        }
        let secrets = Secrets { salt: users.salts.of(name), verifiers };
        Ok(Login { secrets, claim: Claim { name: name.to_owned(), whos } })
    }

    /// What became of a login: which of the tokens was proved, if any was.
    pub(super) fn ended(&self, claim: &Claim, proved: Option<usize>, from: Option<IpAddr>) -> Option<Who> {
        match proved.and_then(|which| claim.whos.get(which)) {
            Some(who) => {
                self.attempts.came_in(&claim.name);
                Some(who.clone())
            }
            None => {
                self.attempts.failed(&claim.name, from, self.now());
                None
            }
        }
    }

    /// May somebody who came in before stay, as who they are?
    pub fn may_stay(&self, who: &Who) -> bool {
        let (users, now) = (self.users(), self.now());
        let is_same = |user: &&User| {
            let came_by = match &who.token {
                Some(id) => user.tokens.iter().any(|token| token.id == *id && token.holds(now)),
                None => user.has_password(),
            };
            came_by && !user.disabled && user.who(who.token.as_deref()) == *who
        };
        users.find(&who.name).filter(is_same).is_some()
    }

    /// A key for masks: the same for everybody, for as long as the list of users is kept.
    pub(super) fn mask_key(&self) -> [u8; 32] {
        self.users().salts.key_for("ier 2026-11-29 masks of columns")
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let about = std::fs::metadata(path).ok()?;
    Some(Stamp(about.modified().ok()?, about.len()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::query::policy::masks::Masks;

    #[test]
    fn a_token_is_long_and_new_and_never_told_by_accident() {
        let (access, token) = Access::of("ana");
        assert_eq!(token.shown().len(), 40);
        assert_ne!(token.shown(), Access::of("ana").1.shown());
        let who = access.bearer(token.shown()).unwrap();
        assert_eq!((who.name.as_str(), who.role), ("ana", Role::Owner));
        assert!(access.may_stay(&who));
        assert_eq!(access.bearer(&token.shown()[1..]), None);
        assert!(!format!("{token:?} {access:?}").contains(token.shown()));
    }

    #[test]
    fn a_stranger_looks_like_somebody() {
        let (access, _) = Access::of("ana");
        let salt = |user: &str| access.login(user, None).unwrap().secrets.salt;
        assert_eq!(salt("bob"), salt("bob"));
        assert_ne!(salt("bob"), salt("cid"));
        assert_eq!(salt("bob").len(), salt("ana").len());
    }

    #[tokio::test]
    async fn the_file_is_read_again_when_it_changes_and_a_broken_one_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.toml");
        let now = DateTime::UNIX_EPOCH + chrono::Duration::days(20_000);
        let clock = ManualClock::at(now);
        let mut users = Users::new();
        users.add("ana", Role::Analyst, Vec::new(), Masks::default()).unwrap();
        let (_, token) = users.new_token("ana", None, now, Some(now + chrono::Duration::days(1))).unwrap();
        users.set_password("ana", "correct horse").unwrap();
        users.write(&path, None).unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = told.clone();
        let tell: Tell = Arc::new(move |text| heard.lock().unwrap().push(text.to_owned()));
        let access = Access::listed(&path, Arc::new(clock.clone()), tell).unwrap();
        let who = access.bearer(token.shown()).unwrap();
        assert_eq!((who.role, who.token.as_deref()), (Role::Analyst, Some("ana-1")));
        assert_eq!(access.password("ana", "correct horse").await.map(|who| who.token), Some(None));
        assert_eq!(access.password("ana", "wrong horse").await, None);
        assert_eq!(access.password("bob", "correct horse").await, None);
        // Disabled: nobody new, and not those who are in.
        let before = users.clone();
        users.known("ana").unwrap().disabled = true;
        users.write(&path, Some(&before)).unwrap();
        assert!(access.bearer(token.shown()).is_none() && !access.may_stay(&who));
        assert_eq!(access.password("ana", "correct horse").await, None);
        // Broken: as before, and said once.
        let disabled = users.written();
        std::fs::write(&path, "salts = 1").unwrap();
        assert!(access.bearer(token.shown()).is_none() && access.bearer(token.shown()).is_none());
        assert_eq!(told.lock().unwrap().len(), 1, "{told:?}");
        std::fs::write(&path, disabled.replace("disabled = true\n", "")).unwrap();
        assert!(access.may_stay(&who));
        clock.tick(chrono::Duration::days(2));
        assert!(access.bearer(token.shown()).is_none() && !access.may_stay(&who), "expired");
        assert!(access.login("ana", None).unwrap().claim.whos.is_empty());
    }
}
