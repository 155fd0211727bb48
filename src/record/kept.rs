//! The notes of a row, stored as text in its column [`hidden::KEPT`]. They say what the row has that is not from its newest
//! version: the stamps of values that come from older versions, values that formulas had before, and former names of the record.
//!
//! Entries are separated by semicolons. Nearly every row has none.
//!
//! ```text
//! contact_id=1700000000000000,1700000000000000   the column's value is of the version with these stamps
//! opened=never                                   no version ever provided the column
//! custom.Region__c=1700000000000000,             one of the org's own fields, where it is not as old as the others
//! current_email@1786000000000.0123456789abcdef=never   a value of a formula, by its hash, and when it was first seen
//! *0123456789abcdef0123456789abcdef=never        a name the record had, by its hash: see [`crate::record::names`]
//! ```
//!
//! Builds that do not know the last three take them for columns that they do not have, and skip them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::fields::{CUSTOM, Field, hidden};
use super::stamp::{Stamp, ValueStamp};
use crate::error::{Error, Result};

/// The stamp of a value that no version ever provided.
pub(super) const NEVER: &str = "never";

/// A column that is computed from another where that is provided, and the other: the two are one register, because a
/// computed click must not outlive the number it was computed from.
pub(super) const COMPUTED: (&str, &str) = ("clicked", "number_of_unique_clicks");

/// The note of a version whose export lacked these columns; `None` when none is needed.
pub fn never_provided(absent: &[&Field]) -> Option<String> {
    let computed = |field: &Field| field.name == COMPUTED.0 && !absent.iter().any(|other| other.name == COMPUTED.1);
    let noted = absent.iter().filter(|field| !field.sticky && !is_stamp(field) && !computed(field));
    let noted: Vec<String> = noted.map(|field| format!("{}={NEVER}", field.name)).collect();
    (!noted.is_empty()).then(|| noted.join(";"))
}

/// The stamps themselves are no registers: they say which version is newer.
pub(super) fn is_stamp(field: &Field) -> bool {
    field.name == "system_modstamp" || field.name == "last_modified_date"
}

/// Names a record had, as they are noted with its row.
///
/// # Errors
/// Corrupt when the text is none of notes.
pub fn former_names(kept: &str) -> Result<Vec<String>> {
    Ok(Kept::parse(kept)?.names.into_iter().map(str::to_owned).collect())
}

/// The mark of a name the record had. It sorts before every column's name, so that a file's statistics tell whether there is one.
const NAME: char = '*';

/// What sorts behind all marks of names, and before every column's name.
pub const BEHIND_NAMES: &str = "+";

/// Separates a formula's column from the moment when a value of it was first seen.
const SEEN: char = '@';

/// Separates [`CUSTOM`] from the name of an own field.
const OWN: char = '.';

/// When each value of a formula was first seen, by its hash.
pub type SeenValues<'a> = BTreeMap<&'a str, i64>;

/// A row's notes.
#[derive(Debug, Default)]
pub struct Kept<'a> {
    /// By column, and by own field as [`own_field`] names it.
    pub stamps: BTreeMap<&'a str, ValueStamp>,
    /// By column.
    pub seen: BTreeMap<&'a str, SeenValues<'a>>,
    /// Names the record had.
    pub names: BTreeSet<&'a str>,
}

impl<'a> Kept<'a> {
    /// Reads a row's notes.
    ///
    /// # Errors
    /// Corrupt when the text is not as [this module](self) describes.
    pub fn parse(kept: &'a str) -> Result<Self> {
        let bad = || Error::corrupt(phrase!("unreadable {}: {kept:?}", hidden::KEPT));
        let mut notes = Self::default();
        for entry in kept.split(';') {
            let (subject, stamp) = entry.split_once('=').ok_or_else(bad)?;
            if let Some(name) = subject.strip_prefix(NAME) {
                notes.names.insert(name);
            } else if let Some((column, seen)) = subject.split_once(SEEN) {
                let (at, hash) = seen.split_once('.').ok_or_else(bad)?;
                notes.seen.entry(column).or_default().insert(hash, at.parse().map_err(|_| bad())?);
            } else if stamp == NEVER {
                notes.stamps.insert(subject, None);
            } else {
                let (modstamp, modified) = stamp.split_once(',').ok_or_else(bad)?;
                let parse = |text: &str| if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|_| bad()) };
                notes.stamps.insert(subject, Some(Stamp { modstamp: parse(modstamp)?, modified: parse(modified)? }));
            }
        }
        Ok(notes)
    }
}

/// Notes on their way into a row.
#[derive(Debug, Default)]
pub struct Notes(String);

impl Notes {
    fn entry(&mut self) -> &mut String {
        if !self.0.is_empty() {
            self.0.push(';');
        }
        &mut self.0
    }

    /// Names the record had; these go first.
    pub fn name(&mut self, noted: &str) {
        // Writing to a text cannot fail.
        let _ = write!(self.entry(), "{NAME}{noted}={NEVER}");
    }

    /// Where a column's value comes from.
    pub fn register(&mut self, column: &str, register: ValueStamp) {
        let text = |stamp: Option<i64>| stamp.map_or_else(String::new, |micros| micros.to_string());
        let _ = match register {
            None => write!(self.entry(), "{column}={NEVER}"),
            Some(Stamp { modstamp, modified }) => write!(self.entry(), "{column}={},{}", text(modstamp), text(modified)),
        };
    }

    /// A value of a formula, and when it was first seen.
    pub fn seen(&mut self, column: &str, hash: &str, at_millis: i64) {
        let _ = write!(self.entry(), "{column}{SEEN}{at_millis}.{hash}={NEVER}");
    }

    /// All of them; `None` where there are none.
    pub fn finish(self) -> Option<String> {
        (!self.0.is_empty()).then_some(self.0)
    }
}

/// An own field as notes name it.
pub fn own_field(name: &str) -> String {
    let mut escaped = format!("{CUSTOM}{OWN}");
    for c in name.chars() {
        match c {
            '%' | ';' | '=' | SEEN | '\0'..'\u{20}' => drop(write!(escaped, "%{:02x}", u32::from(c))),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_read_again() {
        let mut notes = Notes::default();
        notes.name("0123");
        notes.register("contact_id", Some(Stamp { modstamp: Some(1), modified: None }));
        notes.register("opened", None);
        notes.register(&own_field("a;b=c@d%"), None);
        notes.seen("current_email", "ab", 7);
        let text = notes.finish().unwrap();
        assert_eq!(text, "*0123=never;contact_id=1,;opened=never;custom.a%3bb%3dc%40d%25=never;current_email@7.ab=never");
        assert!(text.as_str() < BEHIND_NAMES && "contact_id=1," > BEHIND_NAMES);
        let kept = Kept::parse(&text).unwrap();
        assert_eq!(kept.names, BTreeSet::from(["0123"]));
        assert_eq!(kept.stamps["contact_id"], Some(Stamp { modstamp: Some(1), modified: None }));
        assert_eq!((kept.stamps["opened"], kept.stamps["custom.a%3bb%3dc%40d%25"]), (None, None));
        assert_eq!(kept.seen["current_email"], BTreeMap::from([("ab", 7)]));
        assert!(Kept::parse("opened").is_err() && Kept::parse("opened=1").is_err() && Kept::parse("a@b=never").is_err());
        assert_eq!(Notes::default().finish(), None);
    }
}
