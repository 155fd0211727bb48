//! Checks that an export can be of the table named by `--as`. A wrong `--as` would store meaningless rows: links that count as
//! e-mails, contacts as links.

use super::headers::{column_of, is_api};
use super::layout::is_connectors;
use super::recognise::{Hints, by_header, by_ids, known_headers, own_headers};
use crate::error::{Error, Result};
use crate::record::fields::{Table, known};
use crate::record::id::{CONTACT_PREFIX, LEAD_PREFIX, SfId};

/// The beginnings of the ids of Salesforce's own objects. A record of the package has none of them.
const STANDARD: [(&str, &str); 8] = [
    ("001", "accounts"),
    (CONTACT_PREFIX, "contacts"),
    ("005", "users"),
    ("006", "opportunities"),
    (LEAD_PREFIX, "leads"),
    ("00v", "members of campaigns"),
    ("500", "cases"),
    ("701", "campaigns"),
];

/// Refuses the table named by `--as` where the export is of another.
///
/// # Errors
/// Invalid, naming what the export looks like.
pub(super) fn check(requested: &Table, hints: &Hints<'_>) -> Result<()> {
    match known(&requested.name) {
        Some(requested) => of_known(requested, hints),
        // Attributes may be called as columns of ours are; most of them are not.
        None => match looks_like(hints).filter(|other| known_headers(other, hints.headers) * 2 > hints.headers.len()) {
            Some(other) => Err(not_of(requested, hints, &other.name)),
            None => Ok(()),
        },
    }
}

/// A known table: refused where another knows more of the columns, where none of them means anything there, or where the ids are those of
/// something else.
fn of_known(requested: &Table, hints: &Hints<'_>) -> Result<()> {
    let headers = hints.headers;
    let ours = known_headers(requested, headers);
    if let Some(other) = looks_like(hints)
        && known_headers(other, headers) > ours
    {
        return Err(not_of(requested, hints, &other.name));
    }
    let means_nothing = |header: &&String| column_of(requested, header).is_none() && !is_api(header) && !is_connectors(header);
    let strange = headers.iter().filter(means_nothing).count();
    // Of its own, and not the id: a file of attributes names a contact by a header that is a contact's id.
    let is_own = |header: &&String| own_headers(requested, std::slice::from_ref(*header)) > 0 && !is_id(requested, header);
    if !headers.iter().any(|header| is_own(&header)) && strange > 0 {
        return Err(insist(phrase!(
            "no column of this file is one of {}, but for what every record has: {strange} of {} are unknown there",
            requested.name,
            headers.len()
        )));
    }
    if let Some((prefix, what)) = foreign_ids(requested, hints) {
        let its = requested.name.clone();
        return Err(insist(phrase!("these are no rows of {its}: their ids begin with {prefix}, as those of {what} do")));
    }
    Ok(())
}

/// The known table that the export's contents look like, without regard to `--as`.
fn looks_like(hints: &Hints<'_>) -> Option<&'static Table> {
    by_header(hints.headers).or_else(|| by_ids(hints)).map(AsRef::as_ref)
}

fn not_of(requested: &Table, hints: &Hints<'_>, other: &str) -> Error {
    let columns = hints.headers.len();
    insist(phrase!("this looks like an export of {other}, which knows more of its {columns} columns than {}", requested.name))
}

fn insist(what: crate::error::Message) -> Error {
    Error::invalid(what).also("leave --as out, or insist with --force")
}

/// Is it the header of the record's own id?
fn is_id(requested: &Table, header: &str) -> bool {
    column_of(requested, header).is_some_and(|at| requested.fields[at].name == requested.id)
}

/// The beginning that all ids have, and whose it is, where it is none of this table's.
fn foreign_ids(requested: &Table, hints: &Hints<'_>) -> Option<(&'static str, &'static str)> {
    let at = hints.headers.iter().position(|header| is_id(requested, header))?;
    let own = match requested.name.as_ref() {
        "contact" => Some(CONTACT_PREFIX),
        "lead" => Some(LEAD_PREFIX),
        _ => None,
    };
    let ids = || hints.rows.iter().filter_map(|row| SfId::parse(row.get(at)?).ok());
    ids().next()?;
    STANDARD.into_iter().find(|(prefix, _)| Some(*prefix) != own && ids().all(|id| id.has_prefix(prefix)))
}
