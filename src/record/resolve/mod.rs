//! Which version wins (Rule 2): resolves many versions of a row into one, whatever the order in which they arrive.
//!
//! Each column is a last-writer-wins register. It holds the value of the newest version that *provides* it, where newer means a
//! greater [`Stamp`] (SystemModstamp, or LastModifiedDate where there is none), and for equal stamps a greater value. A version
//! does not provide a column if its export had no such column, or if the value is null and the column is sticky (person, send,
//! parent, the record's names). To take a maximum is commutative, associative and idempotent. So the same versions give the same
//! row, in any order and however often they come. Each of the org's own fields is a register of its own ([`own`]).
//!
//! **Formulas** are computed when a record is read: their values change while the record's stamp does not. So for equal stamps the
//! value that was *first seen later* wins, where the moment of the load is the only evidence. A value that has lost once stays
//! lost, so an older file that is loaded again changes nothing. To make this a pure function too, a version counts with the moment
//! at which it was first seen. Two versions of one load have the same moment, and the greater value wins. A null never wins.
//! (`clicked` is computed here where the number of clicks is provided, and only grows where it is not.)
//!
//! A row has the stamp of its newest version. Its notes ([`hidden::KEPT`], see [`crate::record::kept`]) say where a value came from an older
//! version, where formulas had other values, and which other names the record had. Nearly every row has no notes; then the newer
//! version wins as a whole, and this path is the fast one.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, DynComparator, PrimitiveArray, RecordBatch, StringArray, UInt32Array, make_comparator,
};
use arrow::compute::{SortOptions, cast, is_not_null, take};
use arrow::datatypes::{DataType, TimestampMicrosecondType};

use super::fields::{CUSTOM, KeyRule, Source, Table, hidden, is_span};
pub use super::kept::BEHIND_NAMES;
use super::kept::{COMPUTED, Kept, Notes, is_stamp};
use super::key::{derive, label_array};
use super::names::{PARTS, id_key, noted, own_column, parts_key};
use super::stamp;
use crate::error::{Error, Result};

pub use self::groups::{ByKey, group_by_key};
pub use super::stamp::{Stamp, ValueStamp};

// Groups the rows of a batch by key.
mod groups;

// The org's own fields: one JSON text a row, and one register for each field in it.
mod own;

// Compares loaded versions with the resolved rows: which say nothing new, and which have lost.
pub mod comparison;

/// Formulas over other objects: see [the module](self).
const FORMULAS: [&str; 2] = ["current_email", "triggered_send_definition_name"];

/// Values of formulas that were seen before it was noted when.
const SEEN_BEFORE: i64 = 0;

/// The outcome of resolving a key's versions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The resolved row is this version, column for column.
    Version(u32),
    /// The resolved row mixes versions, or differs from each in its bookkeeping.
    Mixed,
}

/// The rows of [`resolve`], one per group.
pub struct Resolved {
    /// One row per group, in the groups' order, derived columns recomputed where versions were mixed.
    pub batch: RecordBatch,
    /// Per group, which version it is.
    pub outcomes: Vec<Outcome>,
}

/// The incoming versions: the rows from this one on, and the moment at which they are seen.
#[derive(Clone, Copy, Debug)]
pub struct Incoming {
    /// The first of them.
    pub from: u32,
    /// When, in milliseconds.
    pub at_millis: i64,
}

/// Resolves groups of versions of `versions`; each group lists the rows of one key. All of them are stored.
///
/// # Errors
/// Only when the batch does not have the table's columns, or its notes cannot be read.
pub fn resolve(table: &Table, versions: &RecordBatch, groups: &[&[u32]]) -> Result<Resolved> {
    resolve_incoming(table, versions, groups, None)
}

/// [`resolve`], where some of the versions come with this load.
pub fn resolve_incoming(
    table: &Table,
    versions: &RecordBatch,
    groups: &[&[u32]],
    incoming: Option<Incoming>,
) -> Result<Resolved> {
    if table.ledger {
        // What is stored comes first in its group: a ledger's row stays as it was first written.
        let first: Vec<u32> = groups.iter().map(|group| group[0]).collect();
        let outcomes = first.iter().map(|row| Outcome::Version(*row)).collect();
        return Ok(Resolved { batch: take_rows(versions, first)?, outcomes });
    }
    let resolver = Resolver::new(table, versions, incoming)?;
    let mut base: Vec<u32> = Vec::with_capacity(groups.len());
    let mut outcomes: Vec<Outcome> = Vec::with_capacity(groups.len());
    let mut patches: Vec<Patch> = Vec::new();
    for (place, group) in groups.iter().enumerate() {
        let winner = resolver.newest(group);
        base.push(winner);
        match resolver.patch(place, winner, group)? {
            None => outcomes.push(Outcome::Version(winner)),
            Some(patch) => {
                outcomes.push(Outcome::Mixed);
                patches.push(patch);
            }
        }
    }
    let batch = if patches.is_empty() {
        take_rows(versions, base)?
    } else {
        derive(table, resolver.assemble(versions, &base, &patches)?)?
    };
    Ok(Resolved { batch, outcomes })
}

/// A resolved row that has values of more than one version.
struct Patch {
    place: usize,
    /// (column, version) where the value comes from another version than the winner.
    values: Vec<(usize, u32)>,
    /// Own fields of which no version has this text.
    own_fields: Option<String>,
    kept: Option<String>,
}

struct Resolver<'a> {
    versions: &'a RecordBatch,
    incoming: Option<Incoming>,
    modstamps: &'a PrimitiveArray<TimestampMicrosecondType>,
    modified: &'a PrimitiveArray<TimestampMicrosecondType>,
    kept: StringArray,
    /// Columns that take part, with their place in the batch.
    columns: Vec<Column<'a>>,
    /// Columns that are no registers but travel with the row: see [`Resolver::carried`].
    carried: Vec<Carried>,
    /// Places (among the columns) of what names a record beside its key: its id, and job, list, batch and subscriber.
    id: Option<usize>,
    parts: Vec<usize>,
    /// Place of the org's own fields.
    own_fields: Option<usize>,
    kept_at: usize,
}

/// Columns whose value is the first, or the last, in the group that is not null.
struct Carried {
    columns: Vec<usize>,
    values: ArrayRef,
    last: bool,
}

struct Column<'a> {
    name: &'a str,
    at: usize,
    sticky: bool,
    /// The column (by place among the registers) this one is computed from, see [`COMPUTED`].
    leader: Option<usize>,
    values: ArrayRef,
    compare: DynComparator,
}

impl Column<'_> {
    fn text(&self, row: u32) -> Option<String> {
        let one = cast(&self.values.slice(row as usize, 1), &DataType::Utf8).ok()?;
        let one = one.as_string::<i32>();
        one.is_valid(0).then(|| one.value(0).to_owned())
    }
}

impl<'a> Resolver<'a> {
    fn new(table: &'a Table, versions: &'a RecordBatch, incoming: Option<Incoming>) -> Result<Self> {
        let schema = versions.schema();
        let stamp = |name: &str| -> Result<&'a PrimitiveArray<TimestampMicrosecondType>> {
            let at = schema.index_of(name)?;
            versions.column(at).as_primitive_opt().ok_or_else(|| Error::internal(phrase!("{name} is not a moment")))
        };
        let kept_at = schema.index_of(hidden::KEPT)?;
        let mut columns = Vec::new();
        for field in &table.fields {
            let is_provided = field.source == Source::Export || field.name == CUSTOM || is_span(&field.name);
            if !is_provided || is_stamp(field) {
                continue;
            }
            let at = schema.index_of(&field.name)?;
            let values = versions.column(at).clone();
            let compare = make_comparator(&values, &values, SortOptions { descending: false, nulls_first: true })?;
            columns.push(Column { name: &field.name, at, sticky: field.sticky, leader: None, values, compare });
        }
        let place = |columns: &[Column<'_>], name: &str| columns.iter().position(|column| column.name == name);
        if let (Some(computed), leader) = (place(&columns, COMPUTED.0), place(&columns, COMPUTED.1)) {
            columns[computed].leader = leader;
        }
        let named = own_column(table).is_some();
        let id = place(&columns, table.id).filter(|_| named);
        let parts: Vec<usize> =
            PARTS.iter().filter(|_| table.key == KeyRule::Ier).filter_map(|name| place(&columns, name)).collect();
        Ok(Self {
            versions,
            incoming,
            id,
            parts,
            own_fields: place(&columns, CUSTOM),
            modstamps: stamp::or_missing(table, "system_modstamp", &stamp)?,
            modified: stamp::or_missing(table, "last_modified_date", &stamp)?,
            kept: cast(versions.column(kept_at), &DataType::Utf8)?.as_string::<i32>().clone(),
            columns,
            carried: Self::carried(table, versions)?,
            kept_at,
        })
    }

    /// The mark of a late row stays whichever version wins. A link's person and date come from its IER, not from the link's
    /// own versions: the last in the group is the one looked up last.
    fn carried(table: &Table, versions: &RecordBatch) -> Result<Vec<Carried>> {
        let schema = versions.schema();
        let mut carried = Vec::new();
        if table.tiered {
            let at = schema.index_of(hidden::LATE)?;
            carried.push(Carried { columns: vec![at], values: versions.column(at).clone(), last: false });
            if table.key != KeyRule::Ier {
                let derived = table.fields.iter().filter(|field| field.source == Source::Derived && field.name != CUSTOM);
                let columns = derived.map(|field| schema.index_of(&field.name)).collect::<Result<_, _>>()?;
                // Of a link whose IER is unknown both are null. (An IER may have a person and no day, or a day and no person.)
                let placement = ["person_id", "sent_date"].map(|name| schema.index_of(name).map(|at| versions.column(at)));
                let [person, day] = placement;
                let known = arrow::compute::or(&is_not_null(person?)?, &is_not_null(day?)?)?;
                let values: BooleanArray = known.iter().map(|known| known.filter(|known| *known)).collect();
                carried.push(Carried { columns, values: Arc::new(values), last: true });
            }
        }
        Ok(carried)
    }

    /// The version each carried column comes from, where that is not the winner.
    fn carry(&self, winner: u32, group: &[u32]) -> impl Iterator<Item = (usize, u32)> {
        let picks: Vec<(usize, u32)> = self
            .carried
            .iter()
            .flat_map(|carried| {
                let mut known = group.iter().copied().filter(|row| carried.values.is_valid(*row as usize));
                let from = if carried.last { known.next_back() } else { known.next() };
                let from = from.filter(|from| *from != winner);
                carried.columns.iter().filter_map(move |column| from.map(|from| (*column, from)))
            })
            .collect();
        picks.into_iter()
    }

    fn stamp(&self, row: u32) -> Stamp {
        let get = |column: &PrimitiveArray<TimestampMicrosecondType>| {
            let row = row as usize;
            (row < column.len() && column.is_valid(row)).then(|| column.value(row))
        };
        Stamp { modstamp: get(self.modstamps), modified: get(self.modified) }
    }

    /// The version with the greatest stamp; among equal stamps any, because their columns are then compared one by one.
    fn newest(&self, group: &[u32]) -> u32 {
        let mut newest = group[0];
        for &row in &group[1..] {
            if self.stamp(row) > self.stamp(newest) {
                newest = row;
            }
        }
        newest
    }

    fn kept(&self, row: u32) -> Option<&str> {
        self.kept.is_valid(row as usize).then(|| self.kept.value(row as usize))
    }

    /// The values in which the result differs from the winner; `None` when the winner provides all of them.
    fn patch(&self, place: usize, winner: u32, group: &[u32]) -> Result<Option<Patch>> {
        if group.len() == 1 || self.stands_whole(winner, group) {
            return Ok(None);
        }
        let own = self.stamp(winner);
        let kept: Vec<Kept<'_>> =
            group.iter().map(|&row| self.kept(row).map_or_else(|| Ok(Kept::default()), Kept::parse)).collect::<Result<_>>()?;
        let mut values: Vec<(usize, u32)> =
            self.carry(winner, group).filter(|(at, from)| self.differ(*at, *from, winner)).collect();
        let mut notes = Notes::default();
        let mut own_fields = None;
        let picks: Vec<(ValueStamp, u32)> =
            self.columns.iter().map(|column| self.newest_of(column, winner, group, &kept)).collect();
        self.names_before(&picks, group, &kept).iter().for_each(|name| notes.name(name));
        for (column, (register, pick)) in self.columns.iter().zip(picks) {
            let mut pick = pick;
            if column.name == CUSTOM {
                match self.own_fields(column, winner, group, &kept, &mut notes)? {
                    Some(own::Resolved::Text(text)) => own_fields = Some(text),
                    Some(own::Resolved::Row(row)) if row != winner => values.push((column.at, row)),
                    Some(own::Resolved::Row(_)) => {}
                    // Texts that cannot be read apart, or none at all: one register, as any column.
                    None => self.settle(column, register, pick, (winner, own), &mut values, &mut notes),
                }
                continue;
            }
            let mut seen = BTreeMap::new();
            if FORMULAS.contains(&column.name) {
                (pick, seen) = self.last_seen(column, register, (pick, winner), group, &kept);
            }
            self.settle(column, register, pick, (winner, own), &mut values, &mut notes);
            seen.iter().for_each(|(hash, at)| notes.seen(column.name, hash, *at));
        }
        let kept_now = notes.finish();
        if values.is_empty() && own_fields.is_none() && kept_now.as_deref() == self.kept(winner) {
            return Ok(None);
        }
        Ok(Some(Patch { place, values, own_fields, kept: kept_now }))
    }

    /// The newest version that provides a column, and the stamp of its value.
    fn newest_of(&self, column: &Column<'_>, winner: u32, group: &[u32], kept: &[Kept<'_>]) -> (ValueStamp, u32) {
        let leader = column.leader.map(|at| &self.columns[at]);
        let mut best: ((bool, ValueStamp), u32) = ((false, None), winner);
        let mut first = true;
        for (&row, kept) in group.iter().zip(kept) {
            // A value computed from a provided one goes before one that was only provided.
            let lead = leader.and_then(|leader| self.register(leader, row, kept));
            let register = if lead.is_some() { (true, lead) } else { (false, self.register(column, row, kept)) };
            let (a, b) = (row as usize, best.1 as usize);
            let better = register
                .cmp(&best.0)
                .then_with(|| leader.filter(|_| register.0).map_or(Ordering::Equal, |leader| (leader.compare)(a, b)))
                .then_with(|| (column.compare)(a, b));
            // Prefer the winner's own copy of an equal value, so that an unchanged row is recognised as such.
            if first || better == Ordering::Greater || (better == Ordering::Equal && row == winner) {
                best = (register, row);
                first = false;
            }
        }
        (best.0.1, best.1)
    }

    /// Puts down whose value a column has, and since when where that is not the row's own stamp.
    fn settle(
        &self,
        column: &Column<'_>,
        register: ValueStamp,
        pick: u32,
        (winner, own): (u32, Stamp),
        values: &mut Vec<(usize, u32)>,
        notes: &mut Notes,
    ) {
        if pick != winner && (column.compare)(pick as usize, winner as usize) != Ordering::Equal {
            values.push((column.at, pick));
        }
        // A sticky column that nobody ever provided needs no note: its null says so.
        let silent = register == Some(own) || (register.is_none() && column.sticky);
        if !silent {
            notes.register(column.name, register);
        }
    }

    /// Of the values of a formula with one stamp, the row that has the one first seen last; and when each was first seen, where
    /// there is more than one.
    fn last_seen(
        &self,
        column: &Column<'_>,
        newest: ValueStamp,
        (pick, winner): (u32, u32),
        group: &[u32],
        kept: &[Kept<'_>],
    ) -> (u32, BTreeMap<String, i64>) {
        // A null is no later value: it may as well be one that was not shown. The greatest value is none only where all are.
        let is_rival = |row: u32, kept: &Kept<'_>| {
            self.register(column, row, kept) == newest
                && column.values.is_valid(row as usize) == column.values.is_valid(pick as usize)
        };
        let rivals: Vec<(u32, &Kept<'_>)> = group.iter().copied().zip(kept).filter(|(row, kept)| is_rival(*row, kept)).collect();
        let is_one = rivals.iter().all(|(row, kept)| {
            !kept.seen.contains_key(column.name) && (column.compare)(*row as usize, pick as usize) == Ordering::Equal
        });
        if is_one {
            return (pick, BTreeMap::new());
        }
        let mut seen: BTreeMap<String, i64> = BTreeMap::new();
        let mut note = |hash: &str, at: i64| {
            let first = seen.entry(hash.to_owned()).or_insert(at);
            *first = at.min(*first);
        };
        let mut hashes = Vec::with_capacity(rivals.len());
        for (row, kept) in &rivals {
            let hash = column.text(*row).map_or_else(|| "-".to_owned(), |text| noted(&text)[..16].to_owned());
            let noted = kept.seen.get(column.name);
            noted.into_iter().flatten().for_each(|(hash, at)| note(hash, *at));
            if noted.is_none_or(|noted| !noted.contains_key(hash.as_str())) {
                let incoming = self.incoming.filter(|incoming| *row >= incoming.from);
                note(&hash, incoming.map_or(SEEN_BEFORE, |incoming| incoming.at_millis));
            }
            hashes.push(hash);
        }
        let mut best = (pick, i64::MIN);
        for ((row, _), hash) in rivals.iter().zip(&hashes) {
            let at = seen.get(hash).copied().unwrap_or(SEEN_BEFORE);
            let later = at.cmp(&best.1).then_with(|| (column.compare)(*row as usize, best.0 as usize));
            if later == Ordering::Greater || later == Ordering::Equal && *row == winner {
                best = (*row, at);
            }
        }
        if seen.len() < 2 {
            seen.clear();
        }
        (best.0, seen)
    }

    /// The org's own fields of some versions; `None` where these need not, or cannot, be read apart.
    fn own_fields(
        &self,
        column: &Column<'_>,
        winner: u32,
        group: &[u32],
        kept: &[Kept<'_>],
        notes: &mut Notes,
    ) -> Result<Option<own::Resolved>> {
        let incoming = group.iter().zip(kept).filter(|(row, _)| column.values.is_valid(**row as usize));
        let texts: Vec<(u32, &Kept<'_>, String)> =
            incoming.filter_map(|(row, kept)| Some((*row, kept, column.text(*row)?))).collect();
        let is_own = |kept: &Kept<'_>| kept.stamps.keys().any(|name| name.starts_with(CUSTOM) && *name != CUSTOM);
        let Some((_, _, first)) = texts.first() else { return Ok(None) };
        if texts.iter().all(|(_, kept, text)| text == first && !is_own(kept)) {
            return Ok(None);
        }
        let versions: Vec<(own::Version<'_>, &Kept<'_>)> =
            texts.iter().map(|(row, kept, text)| (own::Version { row: *row, stamp: self.stamp(*row), text }, *kept)).collect();
        Ok(own::resolve(&versions, self.stamp(winner), winner, notes))
    }

    /// Names by which the record went, and which its columns do not hold any more, as they are noted.
    fn names_before(&self, picks: &[(ValueStamp, u32)], group: &[u32], kept: &[Kept<'_>]) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = kept.iter().flat_map(|kept| &kept.names).map(|name| (*name).to_owned()).collect();
        let Some(id) = self.id else { return names };
        // By which a row goes whose columns are of these rows.
        let names_of = |of: &dyn Fn(usize) -> u32| -> Vec<String> {
            let text = |at: usize| self.columns[at].text(of(at));
            let parts: Option<Vec<String>> = self.parts.iter().map(|at| text(*at)).collect();
            let parts = parts.and_then(|parts| <[String; 4]>::try_from(parts).ok());
            let parts = parts.map(|parts| parts_key(parts.each_ref().map(String::as_str)));
            parts.into_iter().chain(text(id).map(|id| id_key(&id))).collect()
        };
        if names.is_empty() && group.iter().all(|row| self.has_names_of(*row, &|at| picks[at].1)) {
            return names;
        }
        names.extend(group.iter().flat_map(|row| names_of(&|_| *row)).map(|name| noted(&name)));
        for name in names_of(&|at| picks[at].1) {
            names.remove(&noted(&name));
        }
        names
    }

    /// Are a row's names, as far as it has some, those of a row with columns of these rows?
    fn has_names_of(&self, row: u32, of: &dyn Fn(usize) -> u32) -> bool {
        self.id.iter().chain(&self.parts).all(|at| {
            let column = &self.columns[*at];
            column.values.is_null(row as usize) || (column.compare)(row as usize, of(*at) as usize) == Ordering::Equal
        })
    }

    /// The stamp of a column's value in a row.
    fn register(&self, column: &Column<'_>, row: u32, kept: &Kept<'_>) -> ValueStamp {
        match kept.stamps.get(column.name) {
            Some(register) => *register,
            None if column.sticky && column.values.is_null(row as usize) => None,
            None => Some(self.stamp(row)),
        }
    }

    fn differ(&self, column: usize, a: u32, b: u32) -> bool {
        let value = |row: u32| self.versions.column(column).slice(row as usize, 1);
        value(a).to_data() != value(b).to_data()
    }

    /// The fast path: the winner provides every column and nobody else has its stamp.
    fn stands_whole(&self, winner: u32, group: &[u32]) -> bool {
        let own = self.stamp(winner);
        self.kept(winner).is_none()
            && group.iter().all(|&row| row == winner || self.stamp(row) < own && self.has_names_of(row, &|_| winner))
            && self.carry(winner, group).next().is_none()
            && self
                .columns
                .iter()
                .all(|column| !column.sticky || column.values.is_valid(winner as usize) || self.all_null(column, group))
            && self.holds_own_fields(winner, group)
    }

    /// Has the winner all of the org's own fields that others have?
    fn holds_own_fields(&self, winner: u32, group: &[u32]) -> bool {
        let Some(column) = self.own_fields.map(|at| &self.columns[at]) else { return true };
        let differs =
            |row: u32| column.values.is_valid(row as usize) && (column.compare)(row as usize, winner as usize) != Ordering::Equal;
        let mut others = group.iter().copied().filter(|row| differs(*row)).peekable();
        if others.peek().is_none() {
            return true;
        }
        let Some(text) = column.text(winner) else { return false };
        others.all(|row| column.text(row).is_none_or(|other| own::holds_all(&text, &other)))
    }

    fn all_null(&self, column: &Column<'_>, group: &[u32]) -> bool {
        group.iter().all(|&row| column.values.is_null(row as usize))
    }

    fn assemble(&self, versions: &RecordBatch, base: &[u32], patches: &[Patch]) -> Result<RecordBatch> {
        let mut columns = Vec::with_capacity(versions.num_columns());
        for at in 0..versions.num_columns() {
            if at == self.kept_at {
                let mut kept: Vec<Option<&str>> = base.iter().map(|&row| self.kept(row)).collect();
                for patch in patches {
                    kept[patch.place] = patch.kept.as_deref();
                }
                columns.push(label_array(kept.into_iter()));
                continue;
            }
            let own_fields = || patches.iter().filter_map(|patch| Some((patch.place, patch.own_fields.as_deref()?)));
            if versions.schema().field(at).name() == CUSTOM && own_fields().next().is_some() {
                columns.push(self.with_own_fields(versions.column(at), base, patches, own_fields())?);
                continue;
            }
            columns.push(take(versions.column(at), &picks(at, base, patches), None)?);
        }
        Ok(RecordBatch::try_new(versions.schema(), columns)?)
    }

    /// The column of own fields, with texts that no version has.
    fn with_own_fields<'t>(
        &self,
        column: &ArrayRef,
        base: &[u32],
        patches: &[Patch],
        new: impl Iterator<Item = (usize, &'t str)>,
    ) -> Result<ArrayRef> {
        let at = self.own_fields.map_or(usize::MAX, |at| self.columns[at].at);
        let texts = cast(&take(column, &picks(at, base, patches), None)?, &DataType::Utf8)?;
        let mut texts: Vec<Option<&str>> = texts.as_string::<i32>().iter().collect();
        new.for_each(|(place, text)| texts[place] = Some(text));
        Ok(label_array(texts.into_iter()))
    }
}

/// Of which version each row's value of a column is.
fn picks(column: usize, base: &[u32], patches: &[Patch]) -> UInt32Array {
    let mut picks = base.to_vec();
    for patch in patches {
        for &(of, row) in &patch.values {
            if of == column {
                picks[patch.place] = row;
            }
        }
    }
    UInt32Array::from(picks)
}

fn take_rows(versions: &RecordBatch, rows: Vec<u32>) -> Result<RecordBatch> {
    Ok(arrow::compute::take_record_batch(versions, &UInt32Array::from(rows))?)
}

/// Resolves all versions of a batch: one row per key, in order of first appearance.
pub fn resolve_all(table: &Table, versions: &RecordBatch) -> Result<RecordBatch> {
    resolve_all_incoming(table, versions, None)
}

/// [`resolve_all`], for versions that are seen at this moment, in milliseconds.
pub fn resolve_all_incoming(table: &Table, versions: &RecordBatch, at_millis: Option<i64>) -> Result<RecordBatch> {
    let by_key = group_by_key(versions)?;
    let groups = by_key.groups();
    if groups.len() == versions.num_rows() {
        return Ok(versions.clone());
    }
    let incoming = at_millis.map(|at_millis| Incoming { from: 0, at_millis });
    Ok(resolve_incoming(table, versions, &groups, incoming)?.batch)
}
