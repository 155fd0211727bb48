//! The org's own fields: one JSON text a row, and one register for each field in it.
//!
//! A version without a field erases nothing; a version with it wins by its stamp, as in any column. A row whose fields all come
//! from one version keeps that version's text, letter by letter; a row that mixes versions has its fields in the order of their
//! names. A field that is present and empty is a JSON null in the text: it empties the field as of the version's stamp. (Texts of
//! older builds omit empty fields like absent ones; an omitted field changes nothing.)

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::record::fields::CUSTOM;
use crate::record::kept::{Kept, Notes, own_field};
use crate::record::stamp::{Stamp, ValueStamp};

/// The own fields of one version.
pub struct Version<'a> {
    /// Which row it is.
    pub row: u32,
    /// The stamp of the row.
    pub stamp: Stamp,
    /// The fields, as JSON.
    pub text: &'a str,
}

/// The resolved own fields of some versions.
#[derive(Debug, Eq, PartialEq)]
pub enum Resolved {
    /// The text of this row.
    Row(u32),
    /// None of the texts there are.
    Text(String),
}

/// Do these fields hold all that those have? Texts that are no JSON objects hold nothing but themselves.
pub fn holds_all(fields: &str, others: &str) -> bool {
    fields == others
        || match (parse(fields), parse(others)) {
            (Some(fields), Some(others)) => others.keys().all(|name| fields.contains_key(name)),
            // Of what cannot be read apart the newer goes.
            _ => true,
        }
}

fn parse(text: &str) -> Option<BTreeMap<String, Value>> {
    Some(serde_json::from_str::<Map<String, Value>>(text).ok()?.into_iter().collect())
}

/// Does this text say nothing but what that one does? Of fields it lacks it says nothing.
pub fn says_nothing_else(text: &str, stands: Option<&str>) -> bool {
    stands.is_some_and(|stands| text == stands)
        || match (parse(text), stands.map_or_else(|| Some(BTreeMap::new()), parse)) {
            (Some(fields), Some(stands)) => {
                fields.iter().all(|(name, value)| stands.get(name).map_or(value.is_null(), |other| other == value))
            }
            _ => false,
        }
}

/// Resolves the fields of versions (with their notes), and notes where they come from; `own` is the stamp of the resolved row, and
/// `first` the version whose text is preferred among equal ones. `None` when one of the texts is no JSON object.
pub fn resolve(versions: &[(Version<'_>, &Kept<'_>)], own: Stamp, first: u32, notes: &mut Notes) -> Option<Resolved> {
    let whole = |version: &Version<'_>, kept: &Kept<'_>| kept.stamps.get(CUSTOM).copied().unwrap_or(Some(version.stamp));
    // Among equal stamps any value goes before none, as in any column.
    let mut best: BTreeMap<String, ((ValueStamp, bool, String), Value)> = BTreeMap::new();
    let mut parsed = Vec::with_capacity(versions.len());
    for (version, kept) in versions {
        let fields = parse(version.text)?;
        for (name, value) in &fields {
            let own = kept.stamps.get(own_field(name).as_str()).copied();
            let register = own.unwrap_or_else(|| whole(version, kept));
            let candidate = ((register, !value.is_null(), value.to_string()), value.clone());
            match best.get_mut(name) {
                Some(there) if there.0 >= candidate.0 => {}
                Some(there) => *there = candidate,
                None => drop(best.insert(name.clone(), candidate)),
            }
        }
        parsed.push(fields);
    }
    let newest = best.values().map(|((register, ..), _)| *register).max().flatten();
    if newest.is_some_and(|newest| newest != own) {
        notes.register(CUSTOM, newest);
    }
    for (name, ((register, ..), _)) in best.iter().filter(|(_, ((register, ..), _))| *register != newest) {
        notes.register(&own_field(name), *register);
    }
    let fields: BTreeMap<String, Value> = best.iter().map(|(name, (_, value))| (name.clone(), value.clone())).collect();
    // One version has all of them, and no other of its age is spelled otherwise: then its text stays.
    let mut of_newest = versions.iter().zip(&parsed).filter(|((version, kept), _)| whole(version, kept) == newest);
    let is_one_age = best.values().all(|((register, ..), _)| *register == newest);
    let row_of = |text: &str| {
        let same = versions.iter().map(|(version, _)| version).filter(|version| version.text == text);
        same.map(|version| version.row).min_by_key(|row| (*row != first, *row))
    };
    if let Some(((alone, _), held)) = of_newest.next()
        && is_one_age
        && *held == fields
        && of_newest.all(|((version, _), _)| version.text == alone.text)
        && let Some(row) = row_of(alone.text)
    {
        return Some(Resolved::Row(row));
    }
    let text = Value::Object(fields.into_iter().collect()).to_string();
    Some(row_of(&text).map_or(Resolved::Text(text), Resolved::Row))
}
