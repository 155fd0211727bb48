//! The file of users: who may come in, what they are there for, and what checks that it is they.
//!
//! It holds no secret that lets anybody in: of tokens a verifier and a hash, of passwords a hash. It is its owner's alone all the same, and
//! refused where others can read it. Whatever is not understood in it is refused as well: a line that was meant to keep somebody out
//! must not be passed over.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;

use super::passwords;
use super::roles::{ROLES, Role, Who};
use super::tokens::{Salts, Token, Verifier};
use crate::error::{Context, Error, Result};
use crate::query::policy::masks::{Mask, Masks};

/// A longer file is none of users.
const MOST_BYTES: u64 = 16 << 20;

/// A longer name is nobody's.
const NAME_BYTES: usize = 63;

/// How the file begins.
const HEAD: &str = "\
# People who may use `ier serve`. `ier user` writes this file anew whenever it changes something: remarks are lost.
# It must be readable by its owner only. From `salts` follow the verifiers of all tokens: never change it.
";

/// Everybody who may come in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Users {
    pub(super) salts: Salts,
    users: Vec<User>,
}

/// Somebody who may come in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct User {
    /// As whom they sign in.
    pub name: String,
    /// What they are there for.
    pub role: Role,
    /// The business units whose sends they see; empty for all.
    pub units: Vec<String>,
    /// How columns are masked for them, where that is not as usual.
    pub masks: Masks,
    /// They may not come in for now.
    pub disabled: bool,
    /// The hash of their password.
    pub(super) password: Option<String>,
    /// Their tokens.
    pub tokens: Vec<KeptToken>,
}

/// What is kept of a token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeptToken {
    /// Its name.
    pub id: String,
    /// When it was made.
    pub made: DateTime<Utc>,
    /// From when on it lets nobody in; `None` for never.
    pub expires: Option<DateTime<Utc>>,
    pub(super) verifier: Verifier,
    pub(super) hash: blake3::Hash,
}

impl KeptToken {
    /// Does it let somebody in at this moment?
    pub fn holds(&self, now: DateTime<Utc>) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

impl User {
    /// Has a password been set?
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Them, who came in by a token, or by their password.
    pub(super) fn who(&self, token: Option<&str>) -> Who {
        Who {
            name: self.name.clone(),
            role: self.role,
            units: self.units.clone(),
            masks: self.masks.clone(),
            token: token.map(str::to_owned),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRow {
    salts: String,
    #[serde(default)]
    user: Vec<UserRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserRow {
    name: String,
    role: String,
    #[serde(default)]
    units: Vec<String>,
    #[serde(default)]
    masks: Masks,
    #[serde(default)]
    disabled: bool,
    password: Option<String>,
    #[serde(default)]
    token: Vec<TokenRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenRow {
    id: String,
    made: DateTime<Utc>,
    expires: Option<DateTime<Utc>>,
    verifier: String,
    blake3: String,
}

impl Users {
    /// Nobody yet.
    pub fn new() -> Self {
        Self { salts: Salts::new(), users: Vec::new() }
    }

    /// One person with one token: whoever started the server.
    pub(super) fn of_owner(name: &str, token: &Token) -> Self {
        let mut users = Self::new();
        let kept = users.kept(name, token, "start".to_owned(), DateTime::UNIX_EPOCH, None);
        let (units, masks) = (Vec::new(), Masks::default());
        let tokens = vec![kept];
        users.users.push(User {
            name: name.to_owned(),
            role: Role::Owner,
            units,
            masks,
            disabled: false,
            password: None,
            tokens,
        });
        users
    }

    /// All of them, in the file's order.
    pub fn all(&self) -> &[User] {
        &self.users
    }

    /// Somebody by name.
    pub fn find(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// Not found where there is none; invalid where others can read it, and for whatever is wrong in it.
    pub fn read(path: &Path) -> Result<Self> {
        let reading = || phrase!("cannot read the users file {}", path.display());
        let about = std::fs::metadata(path).context(reading)?;
        is_owners_alone(path, &about)?;
        if about.len() > MOST_BYTES {
            return Err(Error::invalid(phrase!("the users file {} is too long to be one", path.display())));
        }
        Self::from_text(&std::fs::read_to_string(path).context(reading)?, &path.display().to_string())
    }

    /// Reads a file's text; `place` names it in errors.
    ///
    /// # Errors
    /// Invalid for whatever is wrong in it.
    pub fn from_text(text: &str, place: &str) -> Result<Self> {
        // The parser's own words show the line, and what is in it is nobody's business.
        let file: FileRow = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let (line, told) = (before.matches('\n').count() + 1, error.message().trim().replace('\n', ", "));
            Error::invalid(phrase!("{place} line {line}: {told}"))
        })?;
        let salts = Salts::from_hex(&file.salts);
        let salts = salts.ok_or_else(|| Error::invalid(phrase!("{place}: salts is no key of 64 hexadecimal digits")))?;
        let mut users = Self { salts, users: Vec::with_capacity(file.user.len()) };
        for row in file.user {
            let user = users.user(row, place)?;
            if users.find(&user.name).is_some() {
                return Err(Error::invalid(phrase!("{place}: user {} is there twice", user.name)));
            }
            users.users.push(user);
        }
        let mut ids = BTreeSet::new();
        for (user, token) in users.users.iter().flat_map(|user| user.tokens.iter().map(move |token| (user, token))) {
            if !ids.insert(&token.id) {
                return Err(Error::invalid(phrase!("{place}: token {} of {} is there twice", token.id, user.name)));
            }
        }
        Ok(users)
    }

    fn user(&self, row: UserRow, place: &str) -> Result<User> {
        check_name(&row.name)?;
        let wrong = |what: &str| Error::invalid(phrase!("{place}: user {}: {what}", row.name));
        let role = role(&row.role).map_err(|_| wrong("its role is none of analyst, auditor, operator, privacy-officer"))?;
        check_units(role, &row.units).map_err(|_| wrong("only an analyst has units"))?;
        if let Some(hash) = &row.password {
            passwords::check_hash(hash).map_err(|_| wrong("its password is no hash of argon2id within limits"))?;
        }
        let salt = self.salts.of(&row.name);
        let mut tokens = Vec::with_capacity(row.token.len());
        for token in row.token {
            let verifier = Verifier::read(&token.verifier, &salt);
            let hash = blake3::Hash::from_hex(&token.blake3).ok();
            let (Some(verifier), Some(hash)) = (verifier, hash) else {
                return Err(wrong(&format!("token {} was not made for this user in this file; make a new one", token.id)));
            };
            tokens.push(KeptToken { id: token.id, made: token.made, expires: token.expires, verifier, hash });
        }
        let UserRow { name, units, masks, disabled, password, .. } = row;
        Ok(User { name, role, units, masks, disabled, password, tokens })
    }

    /// What stands in the file.
    pub fn written(&self) -> String {
        let mut text = format!("{HEAD}salts = {}\n", quoted(&self.salts.to_hex()));
        for user in &self.users {
            // Writing to a text does not fail.
            let written = user_written(user, &self.salts.of(&user.name), &mut text);
            debug_assert!(written.is_ok());
        }
        text
    }

    /// Writes the file, its owner's alone, in one step: whoever reads it meanwhile sees the old one or the new one. `before` is what it
    /// was made from; where somebody else has changed it since, theirs stays.
    ///
    /// # Errors
    /// Conflict when it has changed since; unavailable when it cannot be written.
    pub fn write(&self, path: &Path, before: Option<&Self>) -> Result<()> {
        let writing = || phrase!("cannot write the users file {}", path.display());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // A temporary file is its owner's alone from the beginning.
        let mut file = tempfile::Builder::new().prefix(".ier-users").tempfile_in(folder).context(writing)?;
        std::io::Write::write_all(&mut file, self.written().as_bytes()).context(writing)?;
        file.as_file().sync_all().context(writing)?;
        let there = match path.try_exists().context(writing)? {
            true => Some(Self::read(path)?),
            false => None,
        };
        if there.as_ref() != before {
            return Err(Error::conflict(phrase!("somebody else has changed {} meanwhile", path.display())));
        }
        file.persist(path).map_err(|error| error.error).context(writing)?;
        Ok(())
    }

    /// Adds somebody, who cannot come in before they have a token or a password.
    ///
    /// # Errors
    /// Invalid for a name or units that cannot be; conflict where there is somebody of this name.
    pub fn add(&mut self, name: &str, role: Role, units: Vec<String>, masks: Masks) -> Result<()> {
        check_name(name)?;
        check_units(role, &units)?;
        if self.find(name).is_some() {
            return Err(Error::invalid(phrase!("there is a user {name} already; `ier user remove {name}` takes them away")));
        }
        self.users.push(User { name: name.to_owned(), role, units, masks, disabled: false, password: None, tokens: Vec::new() });
        Ok(())
    }

    /// Somebody who is there.
    ///
    /// # Errors
    /// Not found where there is nobody of this name.
    pub fn known(&mut self, name: &str) -> Result<&mut User> {
        let names: Vec<String> = self.users.iter().map(|user| user.name.clone()).collect();
        let meant = crate::human::meant(name, names.iter().map(String::as_str)).map(str::to_owned);
        self.users.iter_mut().find(|user| user.name == name).ok_or_else(|| match meant {
            Some(meant) => Error::not_found(phrase!("there is no user {name}; did you mean {meant}?")),
            None => Error::not_found(phrase!("there is no user {name}; `ier user list` lists them")),
        })
    }

    /// Takes somebody away, with all that lets them in.
    ///
    /// # Errors
    /// Not found where there is nobody of this name.
    pub fn remove(&mut self, name: &str) -> Result<()> {
        self.known(name)?;
        self.users.retain(|user| user.name != name);
        Ok(())
    }

    /// Makes a token for somebody; its name is theirs and a number unless it is said.
    ///
    /// # Errors
    /// Not found where there is nobody of this name; invalid for a name that another token has.
    pub fn new_token(
        &mut self,
        name: &str,
        id: Option<&str>,
        made: DateTime<Utc>,
        expires: Option<DateTime<Utc>>,
    ) -> Result<(String, Token)> {
        self.known(name)?;
        let is_taken = |id: &str| self.users.iter().any(|user| user.tokens.iter().any(|token| token.id == id));
        let id = match id {
            Some(id) if is_taken(id) => return Err(Error::invalid(phrase!("there is a token {id} already"))),
            Some(id) => {
                check_name(id)?;
                id.to_owned()
            }
            None => (1..).map(|number| format!("{name}-{number}")).find(|id| !is_taken(id)).unwrap_or_default(),
        };
        let token = Token::new();
        let kept = self.kept(name, &token, id.clone(), made, expires);
        self.known(name)?.tokens.push(kept);
        Ok((id, token))
    }

    fn kept(&self, name: &str, token: &Token, id: String, made: DateTime<Utc>, expires: Option<DateTime<Utc>>) -> KeptToken {
        let verifier = Verifier::of(token, self.salts.of(name));
        KeptToken { id, made, expires, verifier, hash: Token::hash(token.shown()) }
    }

    /// Sets somebody's password.
    ///
    /// # Errors
    /// Not found where there is nobody of this name; invalid for a password that is too short or too long.
    pub fn set_password(&mut self, name: &str, password: &str) -> Result<()> {
        let hash = passwords::hashed(password)?;
        self.known(name)?.password = Some(hash);
        Ok(())
    }
}

impl Default for Users {
    fn default() -> Self {
        Self::new()
    }
}

/// A role by its name.
///
/// # Errors
/// Invalid for any other text.
pub fn role(text: &str) -> Result<Role> {
    let found = ROLES.iter().find(|(name, _)| *name == text);
    let names = ROLES.map(|(name, _)| name).join(", ");
    found.map(|(_, role)| *role).ok_or_else(|| Error::invalid(phrase!("{text} is no role; give one of {names}")))
}

fn check_name(name: &str) -> Result<()> {
    let is_right = !name.is_empty() && name.len() <= NAME_BYTES && name.trim() == name && !name.chars().any(char::is_control);
    let right = "give 1 to 63 bytes without control characters, and no blanks around them";
    if is_right { Ok(()) } else { Err(Error::invalid(phrase!("{name:?} can be no name; {right}"))) }
}

/// Rows by unit are for those who see many: a person is looked up as a whole.
fn check_units(role: Role, units: &[String]) -> Result<()> {
    if !units.is_empty() && role != Role::Analyst {
        let role = role.name();
        return Err(Error::invalid(phrase!("units limit what an analyst sees; for the role {role} they would limit nothing")));
    }
    Ok(())
}

#[cfg(unix)]
fn is_owners_alone(path: &Path, about: &std::fs::Metadata) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if about.permissions().mode() & 0o077 != 0 {
        let shown = path.display();
        return Err(Error::invalid(phrase!("others can read the users file {shown}; make it yours alone: chmod 600 {shown}")));
    }
    Ok(())
}

#[cfg(not(unix))]
fn is_owners_alone(_: &Path, _: &std::fs::Metadata) -> Result<()> {
    Ok(())
}

fn user_written(user: &User, salt: &[u8], text: &mut String) -> std::fmt::Result {
    writeln!(text, "\n[[user]]\nname = {}\nrole = {}", quoted(&user.name), quoted(user.role.name()))?;
    if !user.units.is_empty() {
        let units: Vec<String> = user.units.iter().map(|unit| quoted(unit)).collect();
        writeln!(text, "units = [{}]", units.join(", "))?;
    }
    if user.disabled {
        writeln!(text, "disabled = true")?;
    }
    if let Some(hash) = &user.password {
        writeln!(text, "password = {}", quoted(hash))?;
    }
    if !user.masks.0.is_empty() {
        let mask = |(column, mask): (&String, &Mask)| format!("{} = {}", quoted(column), quoted(&mask.to_string()));
        let masks: Vec<String> = user.masks.0.iter().map(mask).collect();
        writeln!(text, "masks = {{ {} }}", masks.join(", "))?;
    }
    let moment = |at: DateTime<Utc>| quoted(&at.to_rfc3339_opts(SecondsFormat::Micros, true));
    for token in &user.tokens {
        writeln!(text, "\n[[user.token]]\nid = {}\nmade = {}", quoted(&token.id), moment(token.made))?;
        if let Some(expires) = token.expires {
            writeln!(text, "expires = {}", moment(expires))?;
        }
        let (verifier, hash) = (token.verifier.written(salt), token.hash.to_hex());
        writeln!(text, "verifier = {}\nblake3 = {}", quoted(&verifier), quoted(&hash))?;
    }
    Ok(())
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            char if char.is_control() => drop(write!(quoted, "\\u{:04X}", u32::from(char))),
            char => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn some() -> Users {
        let mut users = Users::new();
        let masks =
            Masks([("contact.email".to_owned(), Mask::Hash), ("name".to_owned(), Mask::Text("n. \"n\"".to_owned()))].into());
        users.add("ana o'neil \"a\"\\", Role::Analyst, vec!["Law School".to_owned(), "7201\\".to_owned()], masks).unwrap();
        users.add("aud", Role::Auditor, Vec::new(), Masks::default()).unwrap();
        let later = Some(DateTime::UNIX_EPOCH + chrono::Duration::days(20_000));
        users.new_token("aud", None, DateTime::UNIX_EPOCH, later).unwrap();
        users.new_token("aud", Some("laptop"), DateTime::UNIX_EPOCH, None).unwrap();
        users.set_password("aud", "a long password").unwrap();
        users.known("aud").unwrap().disabled = true;
        users
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let users = some();
        assert_eq!(Users::from_text(&users.written(), "users.toml").unwrap(), users);
        assert_eq!(users.find("aud").unwrap().tokens[0].id, "aud-1");
    }

    #[test]
    fn whatever_is_not_understood_is_refused() {
        let good = some().written();
        for (from, to, says) in [
            ("role = \"auditor\"", "role = \"owner\"", "its role is none of"),
            ("disabled = true", "disable = true", "line"),
            ("disabled = true", "disabled = \"yes\"", "line"),
            ("salts = \"", "salts = \"x", "salts"),
            ("name = \"aud\"", "name = \" aud\"", "can be no name"),
            ("name = \"aud\"", "name = \"eve\"", "was not made for this user"),
            ("\nid = \"laptop\"", "\nid = \"aud-1\"", "twice"),
            ("role = \"auditor\"", "role = \"auditor\"\nunits = [\"Law\"]", "only an analyst has units"),
            ("m=19456", "m=9999999", "no hash of argon2id within limits"),
            ("= \"hash\"", "= \"hush\"", "line"),
        ] {
            assert!(good.contains(from), "{from}");
            let error = Users::from_text(&good.replacen(from, to, 1), "users.toml").unwrap_err().to_string();
            assert!(error.contains(says), "{to}: {error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_refused_and_one_of_ours_is_nobody_elses() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.toml");
        let users = some();
        users.write(&path, None).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Users::read(&path).unwrap(), users);
        // Who has not seen the newest does not write over it.
        assert!(Users::new().write(&path, None).unwrap_err().to_string().contains("somebody else"));
        assert!(Users::new().write(&path, Some(&Users::new())).is_err());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Users::read(&path).unwrap_err().to_string().contains("chmod 600"));
    }
}
