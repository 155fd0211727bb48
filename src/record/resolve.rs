//! Which version wins (Rule 2): many versions of a row become one, whatever the order in which they arrive.
//!
//! Each column is a register that holds the value of the newest version that *provides* it, where newer means a greater
//! (SystemModstamp, LastModifiedDate), and among equal stamps the greater value. A version does not provide a column when
//! its export had no such column, or when the column is sticky (person, send, parent) and the value is null. Joining
//! registers by their maximum is commutative, associative and idempotent, so any interleaving and any duplication of the
//! same versions gives the same row.
//!
//! A row carries the stamp of its newest version. Where a column's value came from an older one, the column
//! [`hidden::KEPT`] says from which: `contact_id=1700000000000000,1700000000000000;opened=never`. Nearly every row has
//! none, and then the newer version wins whole, which is the path that must be fast.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, DynComparator, PrimitiveArray, RecordBatch, StringArray, UInt32Array, make_comparator,
};
use arrow::compute::{SortOptions, cast, is_not_null, take};
use arrow::datatypes::{DataType, TimestampMicrosecondType};

use super::fields::{CUSTOM, KeyRule, Source, Table, hidden, is_span};
use super::kept::{COMPUTED, NEVER, is_stamp};
use super::key::{derive, label_array};
use crate::error::{Error, Result};

/// (SystemModstamp, LastModifiedDate) in microseconds; an absent one is older than any.
pub type Stamp = (Option<i64>, Option<i64>);

/// The stamp of a value: `None` when no version ever provided it.
type Register = Option<Stamp>;

/// What became of a key's versions.
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

/// Resolves groups of versions of `versions`; each group lists the rows of one key.
///
/// # Errors
/// Only when the batch does not have the table's columns.
pub fn resolve(table: &Table, versions: &RecordBatch, groups: &[&[u32]]) -> Result<Resolved> {
    if table.ledger {
        // What is stored comes first in its group: a ledger's row stays as it was first written.
        let first: Vec<u32> = groups.iter().map(|group| group[0]).collect();
        let outcomes = first.iter().map(|row| Outcome::Version(*row)).collect();
        return Ok(Resolved { batch: take_rows(versions, first)?, outcomes });
    }
    let registers = Registers::new(table, versions)?;
    let mut base: Vec<u32> = Vec::with_capacity(groups.len());
    let mut outcomes: Vec<Outcome> = Vec::with_capacity(groups.len());
    let mut patches: Vec<Patch> = Vec::new();
    for (place, group) in groups.iter().enumerate() {
        let winner = registers.newest(group);
        base.push(winner);
        match registers.patch(place, winner, group)? {
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
        derive(table, registers.assemble(versions, &base, &patches)?)?
    };
    Ok(Resolved { batch, outcomes })
}

/// A group whose row is not one version whole.
struct Patch {
    place: usize,
    /// (column, version) where the value comes from another version than the winner.
    values: Vec<(usize, u32)>,
    kept: Option<String>,
}

struct Registers<'a> {
    versions: &'a RecordBatch,
    modstamps: &'a PrimitiveArray<TimestampMicrosecondType>,
    modified: &'a PrimitiveArray<TimestampMicrosecondType>,
    kept: StringArray,
    /// Columns that take part, with their place in the batch.
    columns: Vec<Column<'a>>,
    /// Columns that are no registers but travel with the row: see [`Registers::carried`].
    carried: Vec<Carried>,
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

impl<'a> Registers<'a> {
    fn new(table: &'a Table, versions: &'a RecordBatch) -> Result<Self> {
        let schema = versions.schema();
        let stamp = |name: &str| -> Result<&'a PrimitiveArray<TimestampMicrosecondType>> {
            let at = schema.index_of(name)?;
            versions.column(at).as_primitive_opt().ok_or_else(|| Error::internal(phrase!("{name} is not a moment")))
        };
        let kept_at = schema.index_of(hidden::KEPT)?;
        let mut columns = Vec::new();
        for field in &table.fields {
            let told = field.source == Source::Export || field.name == CUSTOM || is_span(&field.name);
            if !told || is_stamp(field) {
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
        Ok(Self {
            versions,
            modstamps: stamp_or_missing(table, "system_modstamp", &stamp)?,
            modified: stamp_or_missing(table, "last_modified_date", &stamp)?,
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
                let home = ["person_id", "sent_date"].map(|name| schema.index_of(name).map(|at| versions.column(at)));
                let [person, day] = home;
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
        (get(self.modstamps), get(self.modified))
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

    /// `None` when the winner stands whole.
    fn patch(&self, place: usize, winner: u32, group: &[u32]) -> Result<Option<Patch>> {
        if group.len() == 1 || self.stands_whole(winner, group) {
            return Ok(None);
        }
        let own = self.stamp(winner);
        let kept: Vec<BTreeMap<&str, Register>> =
            group.iter().map(|&row| self.kept(row).map_or_else(|| Ok(BTreeMap::new()), parse_kept)).collect::<Result<_>>()?;
        let mut values: Vec<(usize, u32)> =
            self.carry(winner, group).filter(|(at, from)| self.differ(*at, *from, winner)).collect();
        let mut kept_now: Vec<String> = Vec::new();
        for column in &self.columns {
            let leader = column.leader.map(|at| &self.columns[at]);
            let mut best: ((bool, Register), u32) = ((false, None), winner);
            let mut first = true;
            for (&row, kept) in group.iter().zip(&kept) {
                // A value computed from a provided one goes before one that was only told.
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
            if best.1 != winner && (column.compare)(best.1 as usize, winner as usize) != Ordering::Equal {
                values.push((column.at, best.1));
            }
            // A sticky column that nobody ever provided needs no note: its null says so.
            let register = best.0.1;
            let silent = register == Some(own) || (register.is_none() && column.sticky);
            if !silent {
                kept_now.push(match register {
                    None => format!("{}={NEVER}", column.name),
                    Some((modstamp, modified)) => format!("{}={},{}", column.name, text(modstamp), text(modified)),
                });
            }
        }
        let kept_now = (!kept_now.is_empty()).then(|| kept_now.join(";"));
        if values.is_empty() && kept_now.as_deref() == self.kept(winner) {
            return Ok(None);
        }
        Ok(Some(Patch { place, values, kept: kept_now }))
    }

    /// The stamp of a column's value in a row.
    fn register(&self, column: &Column<'_>, row: u32, kept: &BTreeMap<&str, Register>) -> Register {
        match kept.get(column.name) {
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
            && group.iter().all(|&row| row == winner || self.stamp(row) < own)
            && self.carry(winner, group).next().is_none()
            && self
                .columns
                .iter()
                .all(|column| !column.sticky || column.values.is_valid(winner as usize) || self.all_null(column, group))
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
            let mut picks = base.to_vec();
            for patch in patches {
                for &(column, row) in &patch.values {
                    if column == at {
                        picks[patch.place] = row;
                    }
                }
            }
            columns.push(take(versions.column(at), &UInt32Array::from(picks), None)?);
        }
        Ok(RecordBatch::try_new(versions.schema(), columns)?)
    }
}

/// A table without the column (an attribute table, say) has no stamps: all its versions are equally old.
fn stamp_or_missing<'a>(
    table: &Table,
    name: &str,
    stamp: &dyn Fn(&str) -> Result<&'a PrimitiveArray<TimestampMicrosecondType>>,
) -> Result<&'a PrimitiveArray<TimestampMicrosecondType>> {
    if table.field(name).is_some() { stamp(name) } else { Ok(&NO_STAMP) }
}

static NO_STAMP: std::sync::LazyLock<PrimitiveArray<TimestampMicrosecondType>> =
    std::sync::LazyLock::new(|| PrimitiveArray::from_iter([None::<i64>]));

fn take_rows(versions: &RecordBatch, rows: Vec<u32>) -> Result<RecordBatch> {
    Ok(arrow::compute::take_record_batch(versions, &UInt32Array::from(rows))?)
}

fn text(stamp: Option<i64>) -> String {
    stamp.map_or_else(String::new, |micros| micros.to_string())
}

fn parse_kept(kept: &str) -> Result<BTreeMap<&str, Register>> {
    let bad = || Error::corrupt(phrase!("unreadable {}: {kept:?}", hidden::KEPT));
    kept.split(';')
        .map(|entry| {
            let (column, stamp) = entry.split_once('=').ok_or_else(bad)?;
            if stamp == NEVER {
                return Ok((column, None));
            }
            let (modstamp, modified) = stamp.split_once(',').ok_or_else(bad)?;
            let parse = |text: &str| if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|_| bad()) };
            Ok((column, Some((parse(modstamp)?, parse(modified)?))))
        })
        .collect()
}

/// The rows of a batch by key. One allocation holds them all: most keys come once.
pub struct ByKey {
    /// All rows, those of a key together.
    order: Vec<u32>,
    /// Where each key's rows end in `order`.
    ends: Vec<usize>,
}

impl ByKey {
    /// Each key's rows, in order of first appearance.
    pub fn groups(&self) -> Vec<&[u32]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.order[start..end]).collect()
    }
}

/// Groups the rows of a batch by key.
pub fn group_by_key(batch: &RecordBatch) -> Result<ByKey> {
    let keys = batch.column_by_name(hidden::KEY).ok_or_else(|| Error::internal("batch without keys"))?.as_string::<i32>();
    let mut seen: hashbrown::HashMap<&str, u32> = hashbrown::HashMap::with_capacity(keys.len());
    // Chains the rows of one key through `next`, so that no per-key list is allocated for the many keys that come once.
    let mut next: Vec<u32> = vec![u32::MAX; keys.len()];
    let mut heads: Vec<u32> = Vec::with_capacity(keys.len());
    let mut tails: Vec<u32> = Vec::with_capacity(keys.len());
    for row in 0..keys.len() as u32 {
        let group = *seen.entry(keys.value(row as usize)).or_insert_with(|| {
            heads.push(row);
            tails.push(row);
            heads.len() as u32 - 1
        });
        let tail = &mut tails[group as usize];
        if *tail != row {
            next[*tail as usize] = row;
            *tail = row;
        }
    }
    let mut order = Vec::with_capacity(keys.len());
    let mut ends = Vec::with_capacity(heads.len());
    for head in heads {
        let mut row = head;
        while row != u32::MAX {
            order.push(row);
            row = next[row as usize];
        }
        ends.push(order.len());
    }
    Ok(ByKey { order, ends })
}

/// Resolves all versions of a batch: one row per key, in order of first appearance.
pub fn resolve_all(table: &Table, versions: &RecordBatch) -> Result<RecordBatch> {
    let by_key = group_by_key(versions)?;
    let groups = by_key.groups();
    if groups.len() == versions.num_rows() {
        return Ok(versions.clone());
    }
    Ok(resolve(table, versions, &groups)?.batch)
}
