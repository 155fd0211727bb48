//! `ier hold add|list|release`: legal holds, which protect records from retention and erasure.
//!
//! It adds rows to the ledger of holds and changes no record. Safe to run twice: an identical hold that is in force is left as it
//! is, and a released hold keeps its first release. When `add` reports, no removal can miss the hold any more.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::human;
use crate::ledgers::holds::{self, Hold, HoldEvent, Holds, Scope};
use crate::ledgers::runs::Report;
use crate::ledgers::sends::Sends;
use crate::record::id::SfId;
use crate::tiers::warehouse::Warehouse;

/// The request of a user.
#[derive(Clone, Debug)]
pub struct HoldRequest {
    /// What is to be held, as typed.
    pub scope: Scope,
    /// Why.
    pub reason: String,
    /// Who says so.
    pub author: String,
}

/// The plan: which records would be held.
#[derive(Clone, Debug, Serialize)]
pub struct HoldPlan {
    /// In its stored form.
    pub scope: Scope,
}

/// The result of the request.
#[derive(Clone, Debug, Serialize)]
pub struct HoldReport {
    /// The hold as it stands.
    #[serde(flatten)]
    pub hold: Hold,
    /// Was the ledger changed? Otherwise it said so already.
    pub changed: bool,
}

/// The holds there are.
#[derive(Clone, Debug, Serialize)]
pub struct HoldList {
    /// Oldest first.
    pub holds: Vec<Hold>,
}

impl Report for HoldReport {
    /// It removes and writes none.
    fn rows(&self) -> u64 {
        0
    }

    fn changed(&self) -> bool {
        self.changed
    }
}

impl fmt::Display for HoldPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a hold would cover {}", self.scope.words())
    }
}

impl fmt::Display for HoldReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Hold { hold_id, scope, released, .. } = &self.hold;
        match (released, self.changed) {
            (None, true) => write!(f, "{hold_id} holds {}; retention and erasure leave it alone", scope.words()),
            (None, false) => write!(f, "nothing changed: {hold_id} holds {} already", scope.words()),
            (Some(_), true) => write!(f, "{hold_id} is released: {}", scope.words()),
            (Some(released), false) => write!(f, "nothing changed: {hold_id} was released already, {}", act(released)),
        }
    }
}

impl fmt::Display for HoldList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.holds.is_empty() {
            return f.write_str("nothing is held");
        }
        for (number, hold) in self.holds.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            write!(f, "{}: {}\n  placed {}", hold.hold_id, hold.scope.words(), act(&hold.placed))?;
            if let Some(released) = &hold.released {
                write!(f, "\n  released {}", act(released))?;
            }
        }
        Ok(())
    }
}

fn act(act: &HoldEvent) -> String {
    format!("{} by {}: {}", human::moment(act.at), act.author, act.reason)
}

/// Looks what a hold would cover.
///
/// # Errors
/// Invalid for no reason, for what names nothing, is no person's id, or whose days are in the wrong order. Not found where
/// nothing is stored, and for a unit that neither the table of units nor any send knows: misspelt, it would hold nothing.
pub async fn plan(warehouse: &Arc<Warehouse>, request: &HoldRequest) -> Result<HoldPlan> {
    let scope = checked(&request.scope)?;
    required_reason(&request.reason, "a hold needs a reason: say with --reason what it is for")?;
    warehouse.must_exist().await?;
    if let Some(unit) = &scope.unit {
        let sends = Sends::read(warehouse).await?;
        if !sends.knows_unit(&sends.unit(unit)) {
            let right = "give its name, id or MID as in business_unit, or load the units first";
            return Err(Error::not_found(phrase!("no unit \"{unit}\" is known here; {right}")));
        }
    }
    Ok(HoldPlan { scope })
}

/// Places a hold.
///
/// # Errors
/// Those of [`plan`].
pub async fn add(warehouse: &Arc<Warehouse>, request: &HoldRequest) -> Result<HoldReport> {
    let HoldPlan { scope } = plan(warehouse, request).await?;
    let placed = holds::place(warehouse, scope, request.reason.trim(), &request.author).await?;
    Ok(HoldReport { hold: placed.hold, changed: placed.now })
}

/// The scope with each of its names checked and in its stored form.
fn checked(scope: &Scope) -> Result<Scope> {
    let text = |value: &Option<String>| value.as_deref().map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned);
    let person = text(&scope.person_id).map(|id| SfId::of_person(&id)).transpose()?;
    // An id is stored as ids are, a job's number as it is typed.
    let send = text(&scope.send).map(|send| SfId::parse(&send).map_or(send, |id| id.to_string()));
    let person_id = person.map(|id| id.to_string());
    let scope = Scope { person_id, send, unit: text(&scope.unit), ..scope.clone() };
    if scope == Scope::default() {
        return Err(Error::invalid("the hold names nothing; give --person, --send, --unit, --from or --until"));
    }
    match (scope.from_date, scope.until_date) {
        (Some(from), Some(until)) if from > until => Err(Error::invalid(phrase!("there are no days from {from} to {until}"))),
        _ => Ok(scope),
    }
}

fn required_reason<'a>(reason: &'a str, wanted: &'static str) -> Result<&'a str> {
    match reason.trim() {
        "" => Err(Error::invalid(wanted)),
        reason => Ok(reason),
    }
}

/// Looks whether a hold can be released.
///
/// # Errors
/// Invalid for no reason, not found where there is no such hold.
pub async fn plan_release(warehouse: &Arc<Warehouse>, hold_id: &str, reason: &str) -> Result<()> {
    required_reason(reason, WHY_RELEASE)?;
    holds::find(warehouse, hold_id.trim()).await.map(drop)
}

const WHY_RELEASE: &str = "releasing a hold needs a reason: say with --reason why it may end";

/// Releases a hold.
///
/// # Errors
/// Those of [`plan_release`].
pub async fn release(warehouse: &Arc<Warehouse>, hold_id: &str, reason: &str, author: &str) -> Result<HoldReport> {
    let reason = required_reason(reason, WHY_RELEASE)?;
    let released = holds::release(warehouse, hold_id.trim(), reason, author).await?;
    Ok(HoldReport { hold: released.hold, changed: released.now })
}

/// The holds that stand; all ever placed with `all`.
pub async fn list(warehouse: &Arc<Warehouse>, all: bool) -> Result<HoldList> {
    let holds = Holds::open(warehouse).await?;
    let holds = if all { holds.all().to_vec() } else { holds.active().cloned().collect() };
    Ok(HoldList { holds })
}
