//! The words of `ier user`.

use std::path::PathBuf;

use clap::{Subcommand, ValueHint};

use super::length::days;
use super::path::path;
use crate::query::policy::masks::Mask;
use crate::serve::access::Role;
use crate::serve::access::users;

/// Who may come in at `ier serve`: people with their roles, tokens and passwords
///
/// All of it stands in one file, which this writes and `ier serve` reads again when it changes. A role says what somebody is there for:
/// analyst (statements about many, with names and addresses masked), auditor (one person at a time, with a reason), operator (files and
/// jobs), privacy-officer (everything about people, and who looked at whom).
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ier user add ana --role analyst --unit \"Law School\"
  ier user token ana                          a password for psql, DBeaver, Python; shown once
  ier user list
  ier user disable ana")]
pub struct User {
    /// What to do.
    #[command(subcommand)]
    pub verb: UserVerb,

    /// The file of users (else the setting serve.users, else ier-users.toml beside the settings)
    #[arg(value_parser = path(), long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub users: Option<PathBuf>,
}

/// What to do with users.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "a verb's help is the documentation of its arguments")]
pub enum UserVerb {
    Add(UserAdd),
    List(UserList),
    Token(UserToken),
    Password(UserPassword),
    Disable(UserDisable),
    Remove(UserRemove),
}

/// Add somebody, who comes in once they have a token or a password
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ier user add ana --role analyst
  ier user add ana --role analyst --unit \"Law School\" --mask email=hash --mask staff.campus=shown
  ier user add aud --role auditor")]
pub struct UserAdd {
    /// As whom they sign in
    #[arg(value_name = "NAME")]
    pub name: String,

    /// What they are there for: analyst, auditor, operator or privacy-officer
    #[arg(long, value_name = "ROLE", value_parser = role)]
    pub role: Role,

    /// An analyst sees the sends of this business unit only, by its name, id or MID; several times for several
    #[arg(long = "unit", value_name = "NAME|ID|MID")]
    pub units: Vec<String>,

    /// How a column is masked for them: shown, null, domain, hash or text:…; of one table (contact.email=hash) or all (email=hash)
    #[arg(long = "mask", value_name = "COLUMN=MASK", value_parser = mask)]
    pub masks: Vec<(String, Mask)>,
}

/// List users, their roles and their tokens
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  ier user list\n  ier user list --json")]
pub struct UserList {}

/// Make a token, by which a program comes in; it is shown once
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ier user token ana
  ier user token ana --id laptop --expires 30d
  ier user token ana --revoke laptop")]
pub struct UserToken {
    /// Whose it is
    #[arg(value_name = "NAME")]
    pub name: String,

    /// What it is called (else the user's name and a number)
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,

    /// It lets nobody in after this long
    #[arg(long, value_name = "AGE", value_parser = days, default_value = "365d")]
    pub expires: u32,

    /// Take this token away instead
    #[arg(long, value_name = "ID", conflicts_with_all = ["id", "expires"])]
    pub revoke: Option<String>,
}

/// Set somebody's password for the page, read from standard input
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  ier user password ana < password.txt")]
pub struct UserPassword {
    /// Whose it is
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// Keep somebody out, also out of what they have open, until they are let in again
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  ier user disable ana\n  ier user disable ana --undo")]
pub struct UserDisable {
    /// Whom
    #[arg(value_name = "NAME")]
    pub name: String,

    /// Let them in again
    #[arg(long)]
    pub undo: bool,
}

/// Take somebody out of the file, with their tokens and their password
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  ier user remove ana\n  ier user remove ana --confirm")]
pub struct UserRemove {
    /// Whom
    #[arg(value_name = "NAME")]
    pub name: String,

    /// Yes: without this it is only said what would be gone
    #[arg(long)]
    pub confirm: bool,
}

fn role(text: &str) -> Result<Role, String> {
    users::role(text).map_err(|error| error.to_string())
}

fn mask(text: &str) -> Result<(String, Mask), String> {
    let right =
        || format!("`{text}` is no mask; give a column and shown, null, domain, hash or text:…, such as contact.email=hash");
    let (column, mask) = text.split_once('=').ok_or_else(right)?;
    let is_column = !column.is_empty() && column.chars().all(|char| char == '_' || char == '.' || char.is_alphanumeric());
    let mask = Mask::parse(mask).filter(|_| is_column).ok_or_else(right)?;
    Ok((column.to_owned(), mask))
}
