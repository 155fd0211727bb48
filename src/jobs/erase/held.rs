//! Does a legal hold stand against an erasure? Holds beat it, whatever they hold: the person, a send, a unit or a span of time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type};
use futures::TryStreamExt;

use super::find::Letters;
use crate::error::{Error, Result};
use crate::lake::paths::{Role, date_of};
use crate::lake::read;
use crate::record::fields::known;
use crate::record::id::SfId;
use crate::tiers::warehouse::Warehouse;

/// A hold as the ledger has it.
#[derive(Clone, Debug, Default)]
struct Hold {
    id: String,
    kind: String,
    person_id: Option<String>,
    send: Option<String>,
    unit: Option<String>,
    from: Option<i32>,
    until: Option<i32>,
    reason: Option<String>,
}

/// Refuses when a hold that was placed and not released covers any of these ids or of these records.
///
/// # Errors
/// Invalid, naming the hold and its reason.
pub async fn held(warehouse: &Arc<Warehouse>, ids: &[String], letters: &Letters) -> Result<()> {
    let holds = standing(warehouse).await?;
    if holds.is_empty() {
        return Ok(());
    }
    let units = match holds.iter().any(|hold| hold.unit.is_some()) {
        true => units(warehouse, &letters.sends).await?,
        false => BTreeSet::new(),
    };
    for hold in holds {
        let what = match hold.kind.as_str() {
            "person" => hold.person_id.as_ref().filter(|id| ids.contains(id)).map(|_| "the person".to_owned()),
            "send" => hold.send.as_ref().filter(|send| is_among(send, &letters.sends)).map(|send| format!("send {send}")),
            "unit" => hold.unit.as_ref().filter(|unit| is_among(unit, &units)).map(|unit| format!("unit {unit}")),
            _ => Some("all that was sent then".to_owned()),
        };
        let in_span = |day: &i32| hold.from.is_none_or(|from| from <= *day) && hold.until.is_none_or(|until| *day <= until);
        let spanned = hold.from.is_none() && hold.until.is_none() || letters.days.iter().any(in_span);
        if let Some(what) = what.filter(|_| spanned) {
            let span = match (hold.from, hold.until) {
                (None, None) => String::new(),
                (from, until) => {
                    let day = |day: Option<i32>| day.map_or_else(|| "ever".to_owned(), |day| date_of(day).to_string());
                    format!(", from {} until {}", day(from), day(until))
                }
            };
            let reason = hold.reason.as_deref().unwrap_or("none was given");
            return Err(Error::invalid(format!(
                "nothing was erased: hold {} keeps {what}{span} (reason: {reason}); release it first",
                hold.id
            )));
        }
    }
    Ok(())
}

fn is_among(text: &str, known: &BTreeSet<String>) -> bool {
    let id = SfId::parse(text).ok();
    known.iter().any(|known| known.eq_ignore_ascii_case(text) || id.is_some_and(|id| id.as_str() == known))
}

/// Holds placed and not released.
async fn standing(warehouse: &Arc<Warehouse>) -> Result<Vec<Hold>> {
    let mut placed: BTreeMap<String, Hold> = BTreeMap::new();
    let mut released: BTreeSet<String> = BTreeSet::new();
    let columns = ["hold_id", "action", "kind", "person_id", "send", "unit", "reason", "from_date", "until_date"];
    for batch in rows(warehouse, "legal_hold", &columns).await? {
        let texts: Vec<_> = (0..7).map(|at| cast(batch.column(at), &DataType::Utf8)).collect::<Result<_, _>>()?;
        for row in 0..batch.num_rows() {
            let text = |at: usize| {
                let column = texts[at].as_string::<i32>();
                column.is_valid(row).then(|| column.value(row).to_owned())
            };
            let day = |at: usize| {
                let column = batch.column(at).as_primitive::<Date32Type>();
                column.is_valid(row).then(|| column.value(row))
            };
            let id = text(0).unwrap_or_default();
            if text(1).as_deref() == Some("released") {
                released.insert(id);
                continue;
            }
            let hold = Hold {
                id: id.clone(),
                kind: text(2).unwrap_or_default(),
                person_id: text(3),
                send: text(4),
                unit: text(5),
                reason: text(6),
                from: day(7),
                until: day(8),
            };
            placed.insert(id, hold);
        }
    }
    Ok(placed.into_values().filter(|hold| !released.contains(&hold.id)).collect())
}

/// What the units of these sends are called.
async fn units(warehouse: &Arc<Warehouse>, sends: &BTreeSet<String>) -> Result<BTreeSet<String>> {
    let mut units = BTreeSet::new();
    for (table, columns) in [
        ("email_send", ["id", "job_id", "business_unit_id", "business_unit_saved", "member_id"]),
        ("triggered_send", ["id", "id", "business_unit_id", "business_unit_id", "member_id"]),
    ] {
        let distinct: BTreeSet<&str> = columns.into_iter().collect();
        let distinct: Vec<&str> = distinct.into_iter().collect();
        for batch in rows(warehouse, table, &distinct).await? {
            each(&batch, &columns[..2], &columns[2..], |names| names.iter().any(|name| sends.contains(*name)), &mut units)?;
        }
    }
    let columns = ["id", "name", "business_unit_id"];
    let of_sends = units.clone();
    for batch in rows(warehouse, "business_unit", &columns).await? {
        each(&batch, &columns[..1], &columns[1..], |names| names.iter().any(|name| of_sends.contains(*name)), &mut units)?;
    }
    Ok(units)
}

/// Collects columns of the rows whose names are wanted.
fn each(
    batch: &RecordBatch,
    names: &[&str],
    told: &[&str],
    wanted: impl Fn(&[&str]) -> bool,
    into: &mut BTreeSet<String>,
) -> Result<()> {
    let column = |name: &&str| -> Result<_> {
        let column = batch.column_by_name(name).ok_or_else(|| Error::internal(format!("no column {name}")))?;
        Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone())
    };
    let names: Vec<_> = names.iter().map(column).collect::<Result<_>>()?;
    let told: Vec<_> = told.iter().map(column).collect::<Result<_>>()?;
    for row in 0..batch.num_rows() {
        let of = |column: &arrow::array::StringArray| column.is_valid(row).then(|| column.value(row).to_owned());
        let own: Vec<String> = names.iter().filter_map(of).collect();
        if wanted(&own.iter().map(String::as_str).collect::<Vec<_>>()) {
            into.extend(told.iter().filter_map(of));
        }
    }
    Ok(())
}

async fn rows(warehouse: &Arc<Warehouse>, table: &str, columns: &[&str]) -> Result<Vec<RecordBatch>> {
    let table = known(table).ok_or_else(|| Error::internal(format!("no table {table}")))?;
    let lake = warehouse.table(Role::Reference, table).await?;
    let mut batches = Vec::new();
    for file in lake.snapshot().await?.files() {
        batches.extend(read::open(&lake, file).await?.stream(Some(columns), None)?.try_collect::<Vec<_>>().await?);
    }
    Ok(batches)
}
