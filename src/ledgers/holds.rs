//! Legal holds: which records must not be removed, who said so and why. A hold takes precedence over retention and erasure.
//!
//! A hold names a person, a send, a business unit or a span of days, or several of these. It covers the records for which **all**
//! of them are true. A person means all ids that the ledger of aliases connects when the hold is checked, so a merge that is
//! learned later widens the hold. If the unit of a record is not known, because its send is not stored here, a hold on a unit
//! covers the record: in doubt it is kept.
//!
//! **For jobs that remove rows**: pin the tables, call [`Holds::open`], decide, and commit on the pinned versions.
//!
//! **Why this is safe.** [`place`] first writes the hold to the ledger. Then it commits a [`fence`], a change of nothing, to every
//! table that holds apply to, and only then reports that the hold stands. A removal that commits before the fence came before the
//! hold. A removal that commits later loses its compare-and-swap, pins again and reads the hold. So what the hold covers when
//! `place` returns is not removed. [`Holds::still_stand`] looks right before a commit whether the ledgers of holds and aliases have
//! changed, which is cheaper than a lost commit. It also finds a hold whose process was killed between the ledger and the fence.
//!
//! # Decisions
//! - 2026-11-22 **A hold is placed in two steps, ledger then an empty commit to each table.** A removal prepared before
//!   reads no hold, and loses its race; one prepared after reads it. So nothing is left to the instant in between.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::TimestampMicrosecondArray;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Date32Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Int64Type, TimestampMicrosecondType};
use chrono::{DateTime, NaiveDate, Utc};
use futures::TryStreamExt;
use serde::Serialize;

use super::sends::{Mailing, Mailings, Match, Named, Sends, Unit};
use crate::error::{Error, Result};
use crate::lake::log::commit::{self, ATTEMPTS, lost_race};
use crate::lake::log::table::LakeTable;
use crate::lake::paths::{Role, date_of};
use crate::lake::read;
use crate::progress::{Progress, Silent};
use crate::record::fields::{TABLES, Table, UTC, known};
use crate::record::identity::Identities;
use crate::record::key::day_of;
use crate::tiers::aliases::Aliases;
use crate::tiers::upsert::Upsert;
use crate::tiers::warehouse::Warehouse;

/// Rows on their way into the ledger, in memory.
const BUFFER_BYTES: usize = 4 << 20;

/// Columns that name a record's person.
pub const PEOPLE_COLUMNS: [&str; 3] = ["person_id", "contact_id", "lead_id"];

/// The scope of a hold: all named conditions must be true of a record.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Scope {
    /// An id of the person.
    pub person_id: Option<String>,
    /// The send's id, or its job's number.
    pub send: Option<String>,
    /// The unit's name, id or MID.
    pub unit: Option<String>,
    /// Sent on this day (UTC) or later.
    pub from_date: Option<NaiveDate>,
    /// Sent on this day (UTC) or earlier.
    pub until_date: Option<NaiveDate>,
}

impl Scope {
    /// The kind of the hold, in a word: the narrowest condition it names.
    pub fn kind(&self) -> &'static str {
        match self {
            Self { person_id: Some(_), .. } => "person",
            Self { send: Some(_), .. } => "send",
            Self { unit: Some(_), .. } => "unit",
            _ => "span",
        }
    }

    /// The scope in words.
    pub fn words(&self) -> String {
        let named = |what: &str, value: &Option<String>| value.as_ref().map(|value| format!("{what} {value}"));
        let mut words: Vec<String> = [named("person", &self.person_id), named("send", &self.send), named("unit", &self.unit)]
            .into_iter()
            .flatten()
            .collect();
        match (self.from_date, self.until_date) {
            (Some(from), Some(until)) => words.push(format!("sent {from} to {until}")),
            (Some(from), None) => words.push(format!("sent {from} or later")),
            (None, Some(until)) => words.push(format!("sent {until} or earlier")),
            (None, None) => {}
        }
        words.join(", ")
    }
}

/// An event of a hold: who placed or released it, when and why.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct HoldEvent {
    /// When.
    pub at: DateTime<Utc>,
    /// Why.
    pub reason: String,
    /// Who.
    pub author: String,
}

/// A hold.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Hold {
    /// By which it is named.
    pub hold_id: String,
    /// What it covers.
    #[serde(flatten)]
    pub scope: Scope,
    /// Its beginning.
    pub placed: HoldEvent,
    /// Its end; none while it stands.
    pub released: Option<HoldEvent>,
}

/// An active hold with its names resolved.
#[derive(Debug)]
struct ResolvedHold {
    /// Its place among all holds.
    at: usize,
    people: Option<HashSet<String>>,
    send: Option<Named>,
    unit: Option<Unit>,
    from: Option<i32>,
    until: Option<i32>,
}

/// All holds of a warehouse, as they stood when they were read, with what their names meant then.
#[derive(Debug)]
pub struct Holds {
    /// Versions of the ledgers of holds and of aliases.
    versions: [Option<u64>; 2],
    all: Vec<Hold>,
    reach: Vec<ResolvedHold>,
    sends: Arc<Sends>,
}

/// The held rows of a batch, and their holds.
#[derive(Debug)]
pub struct HeldRows {
    /// Rows that at least one hold covers.
    pub mask: BooleanArray,
    /// Each hold (its id) that covers some, with the rows it covers; a row may be covered by several.
    pub by_hold: Vec<(String, BooleanArray)>,
}

impl HeldRows {
    /// How many of some rows each hold keeps.
    pub fn count(&self, of: &BooleanArray) -> Vec<(String, u64)> {
        let both = |held: &BooleanArray| (0..held.len()).filter(|row| held.value(*row) && of.value(*row)).count() as u64;
        self.by_hold.iter().map(|(hold, held)| (hold.clone(), both(held))).filter(|(_, rows)| *rows > 0).collect()
    }
}

impl Holds {
    /// Reads the ledger, and what the names in it mean now: people by the ledger of aliases, units by their sends.
    pub async fn open(warehouse: &Warehouse) -> Result<Self> {
        Self::with_sends(warehouse, Arc::new(Sends::read(warehouse).await?)).await
    }

    /// [`Holds::open`] with sends that were read already.
    pub async fn with_sends(warehouse: &Warehouse, sends: Arc<Sends>) -> Result<Self> {
        let versions = versions(warehouse).await?;
        let all = ledger(warehouse).await?;
        let identities = Aliases::open(warehouse).await?.identities().await?;
        let active = all.iter().enumerate().filter(|(_, hold)| hold.released.is_none());
        let reach = active.map(|(at, hold)| ResolvedHold::new(at, &hold.scope, &identities, &sends)).collect();
        Ok(Self { versions, all, reach, sends })
    }

    /// Every hold ever placed, oldest first.
    pub fn all(&self) -> &[Hold] {
        &self.all
    }

    /// The holds that stand, oldest first.
    pub fn active(&self) -> impl Iterator<Item = &Hold> {
        self.reach.iter().filter_map(|reach| self.all.get(reach.at))
    }

    /// The nth of those that stand.
    pub fn nth_active(&self, number: usize) -> Option<&Hold> {
        self.all.get(self.reach.get(number)?.at)
    }

    /// The holds that name somebody who has one of these ids. Holds on sends, units and spans may cover some of their records
    /// all the same: [`Holds::cover`] says which.
    pub fn covering_people<S: AsRef<str>>(&self, ids: &[S]) -> Vec<&Hold> {
        let names =
            |reach: &&ResolvedHold| reach.people.as_ref().is_some_and(|people| ids.iter().any(|id| people.contains(id.as_ref())));
        self.reach.iter().filter(names).filter_map(|reach| self.all.get(reach.at)).collect()
    }

    /// Which rows of IERs, links or withheld mails are held. Asks `person_id`, `contact_id`, `lead_id`, `send_definition_id`,
    /// `triggered_send_definition_id`, `job_id` and the day (`sent_date`, else that of `event_date`), in any types of the
    /// lake or of SQL. A row without a day may have been sent on any; of links, which say neither send nor unit, give the
    /// columns of their IERs.
    pub fn cover(&self, batch: &RecordBatch) -> Result<HeldRows> {
        let mut mailings = Mailings::default();
        let numbers = if MAILING_OF_RECORDS.iter().any(|name| batch.column_by_name(name).is_some()) {
            mailings.of(batch)?
        } else {
            vec![Mailings::UNKNOWN; batch.num_rows()]
        };
        let days = days(batch)?;
        let people = people(batch)?;
        let of_mailing: Vec<Vec<usize>> = mailings.all().iter().map(|mailing| self.of_mailing(mailing)).collect();
        let mut held: Vec<Vec<bool>> = vec![vec![false; batch.num_rows()]; self.reach.len()];
        for row in 0..batch.num_rows() {
            for &hold in &of_mailing[numbers[row] as usize] {
                let own = people.iter().map(|column| column.is_valid(row).then(|| column.value(row)));
                held[hold][row] = self.covers(hold, days.is_valid(row).then(|| days.value(row)), own);
            }
        }
        let any = (0..batch.num_rows()).map(|row| Some(held.iter().any(|held| held[row]))).collect();
        let by_hold = held.into_iter().zip(self.active()).filter(|(held, _)| held.contains(&true));
        Ok(HeldRows { mask: any, by_hold: by_hold.map(|(held, hold)| (hold.hold_id.clone(), held.into())).collect() })
    }

    /// The holds (by their number among those that stand) that cover rows of a mailing, as far as send and unit say.
    pub fn of_mailing(&self, mailing: &Mailing) -> Vec<usize> {
        let covers = |reach: &ResolvedHold| {
            reach.send.as_ref().is_none_or(|send| self.sends.is_of(mailing, send) != Match::No)
                && reach.unit.as_ref().is_none_or(|unit| self.sends.is_for(mailing, unit) != Match::No)
        };
        (0..self.reach.len()).filter(|at| covers(&self.reach[*at])).collect()
    }

    /// Does one of the holds of a row's mailing cover the row, as far as day and person say?
    pub fn covers<'a>(&self, hold: usize, day: Option<i32>, mut people: impl Iterator<Item = Option<&'a str>>) -> bool {
        let Some(reach) = self.reach.get(hold) else { return false };
        reach.spans(day, day) && reach.people.as_ref().is_none_or(|held| people.any(|id| id.is_some_and(|id| held.contains(id))))
    }

    /// May any hold cover a row sent between two days? Open where they are not known. `may_be` says whether a person whose ids
    /// these are (ascending) may be among them.
    pub fn may_cover(&self, first: Option<i32>, last: Option<i32>, may_be: impl Fn(&[&str]) -> bool) -> bool {
        self.reach.iter().any(|reach| {
            let may_be = |people: &HashSet<String>| {
                let mut sorted: Vec<&str> = people.iter().map(String::as_str).collect();
                sorted.sort_unstable();
                may_be(&sorted)
            };
            reach.spans(first, last) && reach.people.as_ref().is_none_or(may_be)
        })
    }

    /// Do any of them name people?
    pub fn name_people(&self) -> bool {
        self.reach.iter().any(|reach| reach.people.is_some())
    }

    /// Do any of them name sends or units?
    pub fn name_sends(&self) -> bool {
        self.reach.iter().any(|reach| reach.send.is_some() || reach.unit.is_some())
    }

    /// Has nothing been added to the ledgers of holds and aliases since they were read?
    pub async fn still_stand(&self, warehouse: &Warehouse) -> Result<bool> {
        Ok(versions(warehouse).await? == self.versions)
    }
}

/// The columns of records that say which send they are of.
const MAILING_OF_RECORDS: [&str; 3] = ["send_definition_id", "triggered_send_definition_id", "job_id"];

impl ResolvedHold {
    fn new(at: usize, scope: &Scope, identities: &Identities, sends: &Sends) -> Self {
        let ids = |id: &String| identities.ids_of(id).into_iter().map(str::to_owned).collect();
        Self {
            at,
            people: scope.person_id.as_ref().map(ids),
            send: scope.send.as_ref().map(|send| sends.send(send)),
            unit: scope.unit.as_ref().map(|unit| sends.unit(unit)),
            from: scope.from_date.map(|day| day.to_epoch_days()),
            until: scope.until_date.map(|day| day.to_epoch_days()),
        }
    }

    /// Do its days meet these, from the first to the last? What is not known may be any day.
    fn spans(&self, first: Option<i32>, last: Option<i32>) -> bool {
        let before = self.from.zip(last).is_some_and(|(from, last)| last < from);
        let after = self.until.zip(first).is_some_and(|(until, first)| first > until);
        !before && !after
    }
}

/// The day of each row.
pub fn days(batch: &RecordBatch) -> Result<Date32Array> {
    if let Some(days) = batch.column_by_name("sent_date") {
        return Ok(days.as_primitive::<Date32Type>().clone());
    }
    let moments = batch.column_by_name("event_date").ok_or_else(|| Error::internal("rows without a day"))?;
    let micros = cast(&cast(moments, &crate::record::fields::Kind::Time.lake_type())?, &DataType::Int64)?;
    let micros: &Int64Array = micros.as_primitive::<Int64Type>();
    Ok(micros.iter().map(|micros| micros.map(day_of)).collect())
}

/// The columns that name each row's person, as far as the batch has them.
pub fn people(batch: &RecordBatch) -> Result<Vec<StringArray>> {
    let columns = PEOPLE_COLUMNS.iter().filter_map(|name| batch.column_by_name(name));
    columns.map(|column| Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone())).collect()
}

fn table() -> Result<&'static Arc<Table>> {
    known("legal_hold").ok_or_else(|| Error::internal("no ledger of holds"))
}

async fn versions(warehouse: &Warehouse) -> Result<[Option<u64>; 2]> {
    let aliases = known("person_alias").ok_or_else(|| Error::internal("no ledger of aliases"))?;
    let mut versions = [None; 2];
    for (version, table) in versions.iter_mut().zip([table()?, aliases]) {
        *version = warehouse.table(Role::Reference, table).await?.snapshot().await?.version;
    }
    Ok(versions)
}

/// The tables whose rows can be held.
async fn held_tables(warehouse: &Warehouse) -> Result<Vec<Arc<LakeTable>>> {
    let mut lakes = Vec::new();
    for table in TABLES.iter().filter(|table| table.tiered) {
        let tiers = warehouse.tiers(table).await?;
        lakes.extend([tiers.archive, tiers.hot]);
    }
    let withheld = known("not_sent").ok_or_else(|| Error::internal("no table not_sent"))?;
    lakes.push(warehouse.table(Role::Reference, withheld).await?);
    Ok(lakes)
}

/// Makes removals that were prepared before now lose their race.
pub async fn fence(warehouse: &Warehouse) -> Result<()> {
    for lake in held_tables(warehouse).await? {
        commit::fence(&lake, "hold", warehouse.clock().as_ref()).await?;
    }
    Ok(())
}

/// A hold that was placed or released.
#[derive(Clone, Debug, Serialize)]
pub struct Changed {
    /// The hold as it stands now.
    pub hold: Hold,
    /// Was it done now? Otherwise it had been done before, and the ledger was not changed.
    pub now: bool,
}

/// Places a hold; done when no removal can miss it any more. A hold that says the very same and stands already is left as it
/// is, so that who was interrupted may place it again.
pub async fn place(warehouse: &Arc<Warehouse>, scope: Scope, reason: &str, author: &str) -> Result<Changed> {
    for _ in 0..ATTEMPTS {
        let all = ledger(warehouse).await?;
        let same = |hold: &&Hold| {
            hold.released.is_none() && hold.scope == scope && hold.placed.reason == reason && hold.placed.author == author
        };
        if let Some(hold) = all.iter().find(same) {
            fence(warehouse).await?;
            return Ok(Changed { hold: hold.clone(), now: false });
        }
        let at = warehouse.clock().now();
        let day = format!("hold-{}-", at.date_naive());
        let taken = all.iter().filter_map(|hold| hold.hold_id.strip_prefix(&day)?.parse::<u64>().ok()).max();
        let hold = Hold {
            hold_id: format!("{day}{}", taken.unwrap_or(0) + 1),
            scope: scope.clone(),
            placed: HoldEvent { at, reason: reason.to_owned(), author: author.to_owned() },
            released: None,
        };
        if write(warehouse, &hold.hold_id, "placed", &hold.scope, &hold.placed).await? {
            fence(warehouse).await?;
            return Ok(Changed { hold, now: true });
        }
    }
    Err(Error::conflict("others write to the ledger of holds all the time: try again"))
}

/// The current state of a hold.
///
/// # Errors
/// Not found when there is no such hold.
pub async fn find(warehouse: &Arc<Warehouse>, hold_id: &str) -> Result<Hold> {
    let known = ledger(warehouse).await?.into_iter().find(|hold| hold.hold_id == hold_id);
    known.ok_or_else(|| Error::not_found(phrase!("there is no hold {hold_id}; `ier hold list --all` names them")))
}

/// Releases a hold.
///
/// # Errors
/// Not found when there is no such hold.
pub async fn release(warehouse: &Arc<Warehouse>, hold_id: &str, reason: &str, author: &str) -> Result<Changed> {
    for _ in 0..ATTEMPTS {
        let mut hold = find(warehouse, hold_id).await?;
        if hold.released.is_some() {
            return Ok(Changed { hold, now: false });
        }
        let act = HoldEvent { at: warehouse.clock().now(), reason: reason.to_owned(), author: author.to_owned() };
        if write(warehouse, hold_id, "released", &hold.scope, &act).await? {
            hold.released = Some(act);
            return Ok(Changed { hold, now: true });
        }
    }
    Err(Error::conflict("others write to the ledger of holds all the time: try again"))
}

/// Adds a row to the ledger; `false` when another has taken its place meanwhile.
async fn write(warehouse: &Arc<Warehouse>, hold_id: &str, action: &str, scope: &Scope, act: &HoldEvent) -> Result<bool> {
    let text = |value: Option<&str>| -> ArrayRef { Arc::new(StringArray::from(vec![value])) };
    let date = |day: Option<NaiveDate>| -> ArrayRef { Arc::new(Date32Array::from(vec![day.map(|day| day.to_epoch_days())])) };
    let at = TimestampMicrosecondArray::from(vec![act.at.timestamp_micros()]).with_timezone(UTC.clone());
    let row = RecordBatch::try_from_iter_with_nullable([
        ("hold_id", text(Some(hold_id)), true),
        ("action", text(Some(action)), true),
        ("at", Arc::new(at) as ArrayRef, true),
        ("kind", text(Some(scope.kind())), true),
        ("person_id", text(scope.person_id.as_deref()), true),
        ("send", text(scope.send.as_deref()), true),
        ("unit", text(scope.unit.as_deref()), true),
        ("from_date", date(scope.from_date), true),
        ("until_date", date(scope.until_date), true),
        ("reason", text(Some(&act.reason)), true),
        ("author", text(Some(&act.author)), true),
    ])?;
    let mut upsert = Upsert::new(warehouse, table()?, BUFFER_BYTES).await?;
    upsert.push(&row)?;
    let silent: Arc<dyn Progress> = Arc::new(Silent);
    let prepared = upsert.prepare(&silent).await?;
    // A row stays as it was first written: one of this key is somebody else's.
    if prepared.counts.inserted != 1 {
        return Ok(false);
    }
    match upsert.commit(prepared).await {
        Err(error) if lost_race(&error) => Ok(false),
        done => done.map(|_| true),
    }
}

/// Every hold of the ledger, oldest first.
async fn ledger(warehouse: &Warehouse) -> Result<Vec<Hold>> {
    let lake = warehouse.table(Role::Reference, table()?).await?;
    let mut holds: Vec<Hold> = Vec::new();
    let mut releases: Vec<(String, HoldEvent)> = Vec::new();
    for file in lake.snapshot().await?.files() {
        let texts = ["hold_id", "action", "person_id", "send", "unit", "reason", "author"];
        let columns: Vec<&str> = texts.into_iter().chain(["at", "from_date", "until_date"]).collect();
        let mut rows = read::open(&lake, file).await?.stream(Some(&columns), None)?;
        while let Some(batch) = rows.try_next().await? {
            let texts: Vec<StringArray> = (batch.columns()[..texts.len()].iter())
                .map(|column| Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone()))
                .collect::<Result<_>>()?;
            let at = batch.column(7).as_primitive::<TimestampMicrosecondType>();
            let [from, until] = [8, 9].map(|at| batch.column(at).as_primitive::<Date32Type>());
            for row in 0..batch.num_rows() {
                let text = |at: usize| texts[at].is_valid(row).then(|| texts[at].value(row).to_owned());
                let day = |column: &Date32Array| column.is_valid(row).then(|| date_of(column.value(row)));
                let moment = at.is_valid(row).then(|| DateTime::from_timestamp_micros(at.value(row))).flatten();
                let (Some(hold_id), Some(action), Some(at)) = (text(0), text(1), moment) else {
                    // A hold that cannot be read must not be taken for none.
                    return Err(Error::corrupt(phrase!("{}, row {row} of {}: unreadable", lake.name(), file.path(&lake.folder))));
                };
                let act = HoldEvent { at, reason: text(5).unwrap_or_default(), author: text(6).unwrap_or_default() };
                match action.as_str() {
                    "placed" => {
                        let scope = Scope {
                            person_id: text(2),
                            send: text(3),
                            unit: text(4),
                            from_date: day(from),
                            until_date: day(until),
                        };
                        holds.push(Hold { hold_id, scope, placed: act, released: None });
                    }
                    _ => releases.push((hold_id, act)),
                }
            }
        }
    }
    for (hold_id, act) in releases {
        if let Some(hold) = holds.iter_mut().find(|hold| hold.hold_id == hold_id) {
            hold.released = Some(act);
        }
    }
    // By day, then by number.
    let rank = |hold: &Hold| (hold.placed.at, hold.hold_id.len(), hold.hold_id.clone());
    holds.sort_by_key(rank);
    Ok(holds)
}
