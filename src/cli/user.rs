//! `ier user`: who may come in at `ier serve`.

use std::fmt;
use std::io::{IsTerminal, Read};
use std::path::Path;

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;

use crate::error::{Context, Error, Result};
use crate::human;
use crate::query::policy::masks::Masks;
use crate::serve::access::users::{User, Users};

use super::args::{self, UserToken, UserVerb};
use super::print;
use super::served::users_file;
use super::session::Session;

/// Bytes of a password that are read.
const PASSWORD_BYTES: u64 = 4096;

/// Somebody, as a list shows them.
#[derive(Serialize)]
struct Listed {
    name: String,
    role: &'static str,
    units: Vec<String>,
    masks: Vec<String>,
    disabled: bool,
    password: bool,
    tokens: Vec<ListedToken>,
}

#[derive(Serialize)]
struct ListedToken {
    id: String,
    made: DateTime<Utc>,
    expires: Option<DateTime<Utc>>,
    expired: bool,
}

#[derive(Serialize)]
#[serde(transparent)]
struct List(Vec<Listed>);

/// A token that was made.
#[derive(Serialize)]
struct Made {
    user: String,
    id: String,
    expires: Option<DateTime<Utc>>,
    /// The secret: shown here, and nowhere else.
    token: String,
}

/// What was done.
#[derive(Serialize)]
struct Done {
    user: String,
    done: &'static str,
    #[serde(skip)]
    told: String,
}

impl Listed {
    fn of(user: &User, now: DateTime<Utc>) -> Self {
        let token = |token: &crate::serve::access::users::KeptToken| ListedToken {
            id: token.id.clone(),
            made: token.made,
            expires: token.expires,
            expired: !token.holds(now),
        };
        Self {
            name: user.name.clone(),
            role: user.role.name(),
            units: user.units.clone(),
            masks: user.masks.0.iter().map(|(column, mask)| format!("{column}={mask}")).collect(),
            disabled: user.disabled,
            password: user.has_password(),
            tokens: user.tokens.iter().map(token).collect(),
        }
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("there is nobody; `ier user add NAME --role ROLE` adds somebody");
        }
        let row = |user: &Listed| {
            let state = if user.disabled { "disabled" } else { "" };
            let units = if user.units.is_empty() { "all".to_owned() } else { user.units.join(", ") };
            let password = if user.password { "yes" } else { "no" };
            let held = user.tokens.iter().filter(|token| !token.expired).map(|token| token.id.as_str());
            let tokens: Vec<&str> = held.collect();
            [&user.name, user.role, &units, password, &tokens.join(", "), state].map(str::to_owned).to_vec()
        };
        let rows: Vec<Vec<String>> = self.0.iter().map(row).collect();
        f.write_str(print::columns(&["name", "role", "units", "password", "tokens", ""], &rows).trim_end())
    }
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, id, expires, token } = self;
        writeln!(f, "{token}")?;
        writeln!(f)?;
        write!(f, "This is the token {id} of {user}, and it is shown this once. It is the password in psql, DBeaver and Python")?;
        match expires {
            Some(expires) => write!(f, "; it ends on {}.", human::moment(*expires)),
            None => f.write_str("."),
        }
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told)
    }
}

/// Does what is asked with the file of users.
pub fn run(session: &Session, args: &args::User) -> Result<()> {
    let (path, _) = users_file(session, args.users.as_deref());
    let exists = path.try_exists().context(|| phrase!("cannot read the users file {}", path.display()))?;
    let before = if exists { Some(Users::read(&path)?) } else { None };
    let mut users = before.clone().unwrap_or_default();
    let now = session.clock.now();
    let (user, done, told) = match &args.verb {
        UserVerb::List(_) => {
            return session.answer(&List(users.all().iter().map(|user| Listed::of(user, now)).collect()));
        }
        UserVerb::Add(add) => {
            let masks = Masks(add.masks.iter().cloned().collect());
            users.add(&add.name, add.role, add.units.clone(), masks)?;
            let how = format!("`ier user token {}` makes a token for them", add.name);
            (&add.name, "added", format!("{} was added as {} in {}; {how}", add.name, add.role.name(), path.display()))
        }
        UserVerb::Token(UserToken { name, revoke: Some(id), .. }) => {
            let user = users.known(name)?;
            let tokens = user.tokens.len();
            user.tokens.retain(|token| token.id != *id);
            if user.tokens.len() == tokens {
                return Err(Error::not_found(phrase!("{name} has no token {id}; `ier user list` lists them")));
            }
            (name, "revoked", format!("the token {id} of {name} lets nobody in any more"))
        }
        UserVerb::Token(token) => return new_token(session, &path, before.as_ref(), users, token),
        UserVerb::Password(args) => {
            users.known(&args.name)?;
            users.set_password(&args.name, &typed_password()?)?;
            (&args.name, "password", format!("{} has a new password", args.name))
        }
        UserVerb::Disable(args) => {
            users.known(&args.name)?.disabled = !args.undo;
            match args.undo {
                true => (&args.name, "enabled", format!("{} may come in again", args.name)),
                false => (&args.name, "disabled", format!("{} is kept out, also of what is open", args.name)),
            }
        }
        UserVerb::Remove(args) => {
            let gone = Listed::of(users.known(&args.name)?, now);
            if !args.confirm {
                let what_now = "nobody was taken out; add --confirm to take them out, or keep them out: ier user disable";
                return session.unconfirmed(&List(vec![gone]), what_now);
            }
            users.remove(&args.name)?;
            (&args.name, "removed", format!("{} was taken out", args.name))
        }
    };
    users.write(&path, before.as_ref())?;
    session.report(&Done { user: user.clone(), done, told }, ToString::to_string)
}

fn new_token(session: &Session, path: &Path, before: Option<&Users>, mut users: Users, args: &UserToken) -> Result<()> {
    let now = session.clock.now();
    let expires = now + Duration::days(args.expires.into());
    let (id, token) = users.new_token(&args.name, args.id.as_deref(), now, Some(expires))?;
    users.write(path, before)?;
    session.answer(&Made { user: args.name.clone(), id, expires: Some(expires), token: token.shown().to_owned() })
}

/// A password: the first line of standard input.
fn typed_password() -> Result<String> {
    if std::io::stdin().is_terminal() {
        print::to_stderr("type the password and press Enter; it is shown")?;
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    let mut text = String::new();
    std::io::stdin().take(PASSWORD_BYTES).read_to_string(&mut text).context(|| "cannot read the password")?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
