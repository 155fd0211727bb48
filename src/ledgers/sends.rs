//! What the send of a record says: business unit, e-mail name, job. Rules of retention and holds select records by it.
//!
//! The columns that name a record's mailing have the same values in very many records. So they are read once as a [`Mailing`], and
//! each mailing is matched once. A send may not be stored here, or its unit may not be known. So there are three results
//! ([`Match`]), and the caller decides what [`Match::Maybe`] means: rules and holds keep such records.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, DictionaryArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};
use futures::TryStreamExt;

use crate::error::{Error, Result};
use crate::lake::paths::Role;
use crate::lake::read;
use crate::record::fields::known;
use crate::record::id::SfId;
use crate::record::text_match::{Pattern, folded};
use crate::tiers::warehouse::Warehouse;

/// Whether a record's mailing matches a condition.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Match {
    /// It does not.
    No,
    /// It is not known.
    Maybe,
    /// It does.
    Yes,
}

impl From<bool> for Match {
    fn from(is: bool) -> Self {
        if is { Self::Yes } else { Self::No }
    }
}

/// The columns of a record that name its mailing.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Mailing {
    /// Is anything known? Of a link nothing is where its IER is not here.
    pub known: bool,
    /// The e-mail send's id.
    pub send: Option<String>,
    /// The triggered send's id.
    pub triggered: Option<String>,
    /// The job's number.
    pub job: Option<String>,
    /// The e-mail's name.
    pub email_name: Option<String>,
}

/// The columns of IERs that make a [`Mailing`].
pub const MAILING_COLUMNS: [&str; 4] = ["send_definition_id", "triggered_send_definition_id", "job_id", "email_name"];

/// Mailings met so far, by number. The first is that of which nothing is known.
#[derive(Debug)]
pub struct Mailings {
    numbers: HashMap<Mailing, u32>,
    all: Vec<Mailing>,
}

impl Default for Mailings {
    fn default() -> Self {
        let unknown = Mailing::default();
        Self { numbers: HashMap::from([(unknown.clone(), Self::UNKNOWN)]), all: vec![unknown] }
    }
}

impl Mailings {
    /// The number of the mailing of which nothing is known.
    pub const UNKNOWN: u32 = 0;

    /// All of them, by number.
    pub fn all(&self) -> &[Mailing] {
        &self.all
    }

    /// The mailing of each row, by number. Columns the batch lacks say nothing.
    pub fn of(&mut self, batch: &RecordBatch) -> Result<Vec<u32>> {
        let columns: Vec<Option<DictionaryArray<Int32Type>>> =
            MAILING_COLUMNS.iter().map(|name| batch.column_by_name(name).map(dictionary).transpose()).collect::<Result<_>>()?;
        let texts: Vec<Option<&StringArray>> =
            columns.iter().map(|column| column.as_ref().map(|column| column.values().as_string::<i32>())).collect();
        // In one batch equal texts nearly always have equal places in the dictionary.
        let mut met: HashMap<[i32; 4], u32> = HashMap::new();
        let mut numbers = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            let mut places = [-1; 4];
            for (place, column) in places.iter_mut().zip(&columns) {
                *place = column.as_ref().and_then(|column| column.key(row)).map_or(-1, |key| key as i32);
            }
            let number = match met.get(&places) {
                Some(number) => *number,
                None => {
                    let text = |at: usize| -> Option<String> {
                        let place = usize::try_from(places[at]).ok()?;
                        texts[at].filter(|texts| texts.is_valid(place)).map(|texts| texts.value(place).to_owned())
                    };
                    let mailing = Mailing { known: true, send: text(0), triggered: text(1), job: text(2), email_name: text(3) };
                    *met.entry(places).or_insert(self.number(mailing))
                }
            };
            numbers.push(number);
        }
        Ok(numbers)
    }

    fn number(&mut self, mailing: Mailing) -> u32 {
        if let Some(number) = self.numbers.get(&mailing) {
            return *number;
        }
        let number = self.all.len() as u32;
        self.all.push(mailing.clone());
        self.numbers.insert(mailing, number);
        number
    }
}

fn dictionary(column: &arrow::array::ArrayRef) -> Result<DictionaryArray<Int32Type>> {
    let wanted = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    if *column.data_type() == wanted {
        return Ok(column.as_dictionary::<Int32Type>().clone());
    }
    Ok(cast(&cast(column, &DataType::Utf8)?, &wanted)?.as_dictionary::<Int32Type>().clone())
}

/// Names of a business unit: ids, names as they are compared, MIDs. Of a send's unit or of one somebody names.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Unit {
    ids: HashSet<String>,
    names: HashSet<String>,
    mids: HashSet<String>,
}

impl Unit {
    fn kinds(&self) -> [&HashSet<String>; 3] {
        [&self.ids, &self.names, &self.mids]
    }

    /// Are they one unit? Unknown where they have no kind of name in common.
    fn is(&self, other: &Self) -> Match {
        let both = || self.kinds().into_iter().zip(other.kinds());
        if both().any(|(own, others)| !own.is_disjoint(others)) {
            Match::Yes
        } else if both().any(|(own, others)| !own.is_empty() && !others.is_empty()) {
            Match::No
        } else {
            Match::Maybe
        }
    }

    fn take_in(&mut self, other: &Self) {
        self.ids.extend(other.ids.iter().cloned());
        self.names.extend(other.names.iter().cloned());
        self.mids.extend(other.mids.iter().cloned());
    }
}

/// The known attributes of one send.
#[derive(Clone, Debug, Default, PartialEq)]
struct Send {
    job: Option<String>,
    email_name: Option<String>,
    unit: Unit,
}

/// A send as somebody names it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Named {
    ids: HashSet<String>,
    jobs: HashSet<String>,
}

/// All sends and business units that are known here.
#[derive(Debug, Default)]
pub struct Sends {
    by_id: HashMap<String, Arc<Send>>,
    by_job: HashMap<String, Vec<Arc<Send>>>,
    units: Vec<Unit>,
}

impl Sends {
    /// Reads them. They are a row a send, and few beside the records.
    pub async fn read(warehouse: &Warehouse) -> Result<Self> {
        let mut sends = Self::default();
        let mut unit_of: HashMap<String, Unit> = HashMap::new();
        for [id, name, mid] in rows(warehouse, "business_unit", ["id", "name", "business_unit_id"]).await? {
            let unit = Unit {
                ids: id.iter().cloned().collect(),
                names: name.iter().map(|name| folded(name.trim())).collect(),
                mids: mid.into_iter().collect(),
            };
            sends.units.push(unit.clone());
            if let Some(id) = id {
                unit_of.entry(id).or_default().take_in(&unit);
            }
        }
        let columns = ["id", "job_id", "email_name", "name", "business_unit_id", "business_unit_saved", "member_id"];
        for [id, job, email_name, name, unit_id, saved, mid] in rows(warehouse, "email_send", columns).await? {
            sends.add(id, job, email_name.or(name), &unit_of, [unit_id, saved, mid]);
        }
        let columns = ["id", "email_name", "name", "business_unit_id", "member_id"];
        for [id, email_name, name, unit_id, mid] in rows(warehouse, "triggered_send", columns).await? {
            sends.add(id, None, email_name.or(name), &unit_of, [unit_id, None, mid]);
        }
        Ok(sends)
    }

    fn add(
        &mut self,
        id: Option<String>,
        job: Option<String>,
        email_name: Option<String>,
        unit_of: &HashMap<String, Unit>,
        [unit_id, saved, mid]: [Option<String>; 3],
    ) {
        let mut unit = Unit {
            names: saved.iter().map(|name| folded(name.trim())).collect(),
            mids: mid.into_iter().collect(),
            ids: unit_id.iter().cloned().collect(),
        };
        if let Some(known) = unit_id.as_ref().and_then(|id| unit_of.get(id)) {
            unit.take_in(known);
        }
        let send = Arc::new(Send { job: job.clone(), email_name, unit });
        if let Some(job) = job {
            self.by_job.entry(job).or_default().push(send.clone());
        }
        if let Some(id) = id {
            self.by_id.insert(id, send);
        }
    }

    /// The sends a mailing is of: those it names, else those of its job.
    fn of(&self, mailing: &Mailing) -> Vec<&Send> {
        let named = [&mailing.send, &mailing.triggered].into_iter().flatten();
        let mut found: Vec<&Send> = named.filter_map(|id| self.by_id.get(id)).map(AsRef::as_ref).collect();
        if found.is_empty()
            && let Some(of_job) = mailing.job.as_ref().and_then(|job| self.by_job.get(job))
        {
            found.extend(of_job.iter().map(AsRef::as_ref));
        }
        found
    }

    /// The unit with this name, id or MID, with all names known for it.
    pub fn unit(&self, text: &str) -> Unit {
        let text = text.trim();
        let mut unit = Unit::default();
        match SfId::parse(text) {
            Ok(id) => unit.ids.insert(id.to_string()),
            Err(_) if text.bytes().all(|byte| byte.is_ascii_digit()) => unit.mids.insert(text.to_owned()),
            Err(_) => unit.names.insert(folded(text)),
        };
        let named = unit.clone();
        for known in self.units.iter().filter(|known| known.is(&named) == Match::Yes) {
            unit.take_in(known);
        }
        unit
    }

    /// Is a unit of this name known here, from the table of units or from a send?
    pub fn knows_unit(&self, unit: &Unit) -> bool {
        let of_sends = self.by_id.values().chain(self.by_job.values().flatten()).map(|send| &send.unit);
        self.units.iter().chain(of_sends).any(|known| known.is(unit) == Match::Yes)
    }

    /// The send with this id or job number.
    pub fn send(&self, text: &str) -> Named {
        let text = text.trim();
        match SfId::parse(text) {
            Ok(id) => {
                let job = self.by_id.get(id.as_str()).and_then(|send| send.job.clone());
                Named { ids: HashSet::from([id.to_string()]), jobs: job.into_iter().collect() }
            }
            Err(_) => {
                let of_job = self.by_id.iter().filter(|(_, send)| send.job.as_deref() == Some(text));
                Named { ids: of_job.map(|(id, _)| id.clone()).collect(), jobs: HashSet::from([text.to_owned()]) }
            }
        }
    }

    /// Is a mailing of this send?
    pub fn is_of(&self, mailing: &Mailing, send: &Named) -> Match {
        if !mailing.known {
            return Match::Maybe;
        }
        let named = [&mailing.send, &mailing.triggered].into_iter().flatten().any(|id| send.ids.contains(id));
        Match::from(named || mailing.job.as_ref().is_some_and(|job| send.jobs.contains(job)))
    }

    /// Was a mailing sent for this unit? Unknown where its send, or its send's unit, is not known.
    pub fn is_for(&self, mailing: &Mailing, unit: &Unit) -> Match {
        self.of(mailing).into_iter().map(|send| send.unit.is(unit)).max().unwrap_or(Match::Maybe)
    }

    /// Is the e-mail's name of a pattern? A record that has none goes by its send's.
    pub fn is_named(&self, mailing: &Mailing, pattern: &Pattern) -> Match {
        if let Some(name) = &mailing.email_name {
            return pattern.matches(name).into();
        }
        let name_of = |send: &Send| send.email_name.as_ref().map_or(Match::Maybe, |name| pattern.matches(name).into());
        self.of(mailing).into_iter().map(name_of).max().unwrap_or(Match::Maybe)
    }
}

/// Some columns of a reference table, as text.
async fn rows<const N: usize>(warehouse: &Warehouse, name: &str, columns: [&str; N]) -> Result<Vec<[Option<String>; N]>> {
    let table = known(name).ok_or_else(|| Error::internal(phrase!("no table {name}")))?;
    let lake = warehouse.table(Role::Reference, table).await?;
    let mut found = Vec::new();
    for file in lake.snapshot().await?.files() {
        let mut batches = read::open(&lake, file).await?.stream(Some(&columns), None)?;
        while let Some(batch) = batches.try_next().await? {
            let texts: Vec<StringArray> = (batch.columns().iter())
                .map(|column| Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone()))
                .collect::<Result<_>>()?;
            found.extend(
                (0..batch.num_rows())
                    .map(|row| std::array::from_fn(|at| texts[at].is_valid(row).then(|| texts[at].value(row).to_owned()))),
            );
        }
    }
    Ok(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn unit(id: &str, name: &str, mid: &str) -> Unit {
        let set = |text: &str| (!text.is_empty()).then(|| text.to_owned()).into_iter().collect();
        Unit { ids: set(id), names: set(name), mids: set(mid) }
    }

    #[test]
    fn units_match_by_any_name_that_both_have() {
        let law = unit("a0x000000000001AAA", "law", "100");
        assert_eq!(law.is(&unit("", "law", "")), Match::Yes);
        assert_eq!(law.is(&unit("", "", "100")), Match::Yes);
        assert_eq!(law.is(&unit("", "art", "")), Match::No);
        assert_eq!(unit("a0x000000000001AAA", "", "").is(&unit("", "law", "")), Match::Maybe);
        assert_eq!(Unit::default().is(&law), Match::Maybe);
    }

    #[test]
    fn a_named_unit_has_all_its_names() {
        let sends = Sends { units: vec![unit("a0x000000000001AAA", "law", "100")], ..Sends::default() };
        for text in ["LAW ", "a0x000000000001", "100"] {
            assert_eq!(sends.unit(text), unit("a0x000000000001AAA", "law", "100"), "{text}");
        }
        assert_eq!(sends.unit("7"), unit("", "", "7"));
        assert!(!sends.knows_unit(&sends.unit("art")));
    }

    #[test]
    fn mailings_are_numbered_once() {
        let texts = |values: [Option<&str>; 3]| -> arrow::array::ArrayRef { Arc::new(StringArray::from(values.to_vec())) };
        let batch = RecordBatch::try_from_iter([
            ("job_id", texts([Some("1"), None, Some("1")])),
            ("email_name", texts([Some("a"), Some("a"), Some("a")])),
        ]);
        let mut mailings = Mailings::default();
        assert_eq!(mailings.of(&batch.unwrap()).unwrap(), [1, 2, 1]);
        let first = Mailing { known: true, job: Some("1".to_owned()), email_name: Some("a".to_owned()), ..Mailing::default() };
        assert_eq!(mailings.all()[1], first);
    }
}
