//! The homes of IERs by their ids: where the links of each belong.
//!
//! Links come by the million, and each names an IER. So ids are read ahead, as many as the memory for them allows
//! ([`with_homes`]), and looked up together: in each stored file once. What is known of an id takes some hundred bytes
//! ([`ID_BYTES`]), in columns rather than in texts of its own.

use std::hash::BuildHasher;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayBuilder, ArrayRef, AsArray, Date32Array, Date32Builder, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondArray, TimestampMicrosecondBuilder,
};
use futures::{Stream, TryStreamExt};
use hashbrown::{DefaultHashBuilder, HashTable};

use super::pin::pin;
use super::settle::{Home, Moved};
use super::warehouse::Warehouse;
use crate::error::{Error, Result};
use crate::lake::read;
use crate::record::fields::{UTC, known};

/// What an id takes while it is looked up, about: its text twice, its places in two lists, and its home.
const ID_BYTES: usize = 128;

/// No home was found.
const NONE: u32 = u32::MAX;

/// The homes of some IERs.
pub struct Homes {
    /// Ascending, each once.
    ids: StringArray,
    /// Numbers of `ids`.
    by_id: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// For each id the number of its home, or [`NONE`].
    homes: Vec<u32>,
    people: StringBuilder,
    dates: TimestampMicrosecondBuilder,
    days: Date32Builder,
}

impl Homes {
    /// Of no IER yet; these ids may be given homes.
    fn wanted(ids: &StringArray) -> Self {
        let mut sorted: Vec<&str> = ids.iter().flatten().collect();
        sorted.sort_unstable();
        sorted.dedup();
        let ids = StringArray::from_iter_values(&sorted);
        drop(sorted);
        let hasher = DefaultHashBuilder::default();
        let mut by_id = HashTable::with_capacity(ids.len());
        for number in 0..ids.len() as u32 {
            let hash = |number: &u32| hasher.hash_one(ids.value(*number as usize));
            by_id.insert_unique(hash(&number), number, hash);
        }
        let homes = vec![NONE; ids.len()];
        let dates = TimestampMicrosecondBuilder::new().with_timezone(UTC.clone());
        Self { ids, by_id, hasher, homes, people: StringBuilder::new(), dates, days: Date32Builder::new() }
    }

    /// Looks IERs up by id: hot ones first, which override archived ones. Ids ascend with creation, so the log's ranges leave few
    /// files to read.
    pub(super) async fn of(warehouse: &Arc<Warehouse>, ids: &StringArray) -> Result<Self> {
        let mut homes = Self::wanted(ids);
        let iers = known("individual_email_result").ok_or_else(|| Error::internal("no table of IERs"))?;
        let tiers = warehouse.tiers(iers).await?;
        let pinned = pin(&tiers).await?;
        let ids = homes.ids.clone();
        let wanted: Vec<&str> = ids.iter().flatten().collect();
        for (lake, snapshot) in [(&tiers.hot, &pinned.hot), (&tiers.archive, &pinned.archive)] {
            for file in snapshot.files().filter(|file| file.may_hold("ier_id", &wanted)) {
                let mut rows =
                    read::open(lake, file).await?.stream(Some(&["ier_id", "person_id", "date_sent", "sent_date"]), None)?;
                while let Some(batch) = rows.try_next().await? {
                    let ids = batch.column(0).as_string::<i32>();
                    for row in (0..batch.num_rows()).filter(|row| ids.is_valid(*row)) {
                        if let Some(number) = homes.number(ids.value(row))
                            && homes.homes[number] == NONE
                        {
                            homes.put(number, &Home::of(&batch, row)?);
                        }
                    }
                }
            }
        }
        Ok(homes)
    }

    /// Of IERs that have just moved.
    pub(super) fn moved(moved: &[Moved]) -> Self {
        let ids: StringArray = moved.iter().map(|moved| Some(&moved.ier_id)).collect();
        let mut homes = Self::wanted(&ids);
        for moved in moved {
            // Named twice, the last one holds.
            if let Some(number) = homes.number(&moved.ier_id) {
                homes.put(number, &moved.home);
            }
        }
        homes
    }

    fn number(&self, id: &str) -> Option<usize> {
        let is_it = |number: &u32| self.ids.value(*number as usize) == id;
        self.by_id.find(self.hasher.hash_one(id), is_it).map(|number| *number as usize)
    }

    fn put(&mut self, number: usize, home: &Home) {
        self.homes[number] = self.days.len() as u32;
        self.people.append_option(home.person_id.as_deref());
        self.dates.append_option(home.date_sent);
        self.days.append_option(home.sent_date);
    }

    /// The ids whose homes are known, ascending.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.homes.iter().enumerate().filter(|(_, home)| **home != NONE).map(|(number, _)| self.ids.value(number))
    }

    /// Is an IER's home known?
    pub(super) fn is_known(&self, id: &str) -> bool {
        self.number(id).is_some_and(|number| self.homes[number] != NONE)
    }

    /// An IER's home, if it is known.
    pub(super) fn get(&self, id: &str) -> Option<Home> {
        let home = self.homes[self.number(id)?];
        if home == NONE {
            return None;
        }
        let home = home as usize;
        let person = std::str::from_utf8(self.text(home)).unwrap_or_default();
        let valid = |slice: Option<&[u8]>| slice.is_none_or(|bits| arrow::util::bit_util::get_bit(bits, home));
        Some(Home {
            person_id: valid(self.people.validity_slice()).then(|| person.to_owned()),
            date_sent: valid(self.dates.validity_slice()).then(|| self.dates.values_slice()[home]),
            sent_date: valid(self.days.validity_slice()).then(|| self.days.values_slice()[home]),
        })
    }

    fn text(&self, home: usize) -> &[u8] {
        let offsets = self.people.offsets_slice();
        &self.people.values_slice()[offsets[home] as usize..offsets[home + 1] as usize]
    }

    /// The links with the homes that are known; others stay as they are.
    pub(super) fn give(&self, links: &RecordBatch) -> Result<RecordBatch> {
        let ids = ier_ids(links)?;
        let homes: Vec<Home> = (0..links.num_rows())
            .map(|row| match ids.is_valid(row).then(|| self.get(ids.value(row))).flatten() {
                Some(home) => Ok(home),
                None => Home::of(links, row),
            })
            .collect::<Result<_>>()?;
        let people: StringArray = homes.iter().map(|home| home.person_id.as_deref()).collect();
        let dates: TimestampMicrosecondArray = homes.iter().map(|home| home.date_sent).collect();
        let days: Date32Array = homes.iter().map(|home| home.sent_date).collect();
        let mut columns = links.columns().to_vec();
        let settled: [(&str, ArrayRef); 3] = [
            ("person_id", Arc::new(people)),
            ("date_sent", Arc::new(dates.with_timezone(UTC.clone()))),
            ("sent_date", Arc::new(days)),
        ];
        for (name, column) in settled {
            columns[links.schema().index_of(name)?] = column;
        }
        Ok(RecordBatch::try_new(links.schema(), columns)?)
    }
}

/// The IERs that links name.
pub fn ier_ids(links: &RecordBatch) -> Result<&StringArray> {
    let column = links.column_by_name("ier_id").ok_or_else(|| Error::internal("links without ier_id"))?;
    Ok(column.as_string::<i32>())
}

/// Gives batches of links, one by one, to `take`, each with homes in which those of its IERs are, as far as they are known.
///
/// `ahead` and `behind` are the same batches twice: the first is read for its ids only, up to as many as fit into `bytes`.
pub(super) async fn with_homes<S>(
    warehouse: &Arc<Warehouse>,
    (mut ahead, mut behind): (S, S),
    bytes: usize,
    mut take: impl FnMut(&RecordBatch, &Homes) -> Result<()>,
) -> Result<()>
where
    S: Stream<Item = Result<RecordBatch>> + Unpin,
{
    loop {
        let (mut ids, mut batches) = (StringBuilder::new(), 0_usize);
        while ids.len() * ID_BYTES <= bytes
            && let Some(links) = ahead.try_next().await?
        {
            ier_ids(&links)?.iter().flatten().for_each(|id| ids.append_value(id));
            batches += 1;
        }
        if batches == 0 {
            return Ok(());
        }
        let homes = Homes::of(warehouse, &ids.finish()).await?;
        for _ in 0..batches {
            let links = behind.try_next().await?;
            take(&links.ok_or_else(|| Error::internal("links were read once and are gone"))?, &homes)?;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_ier_that_moved_twice_is_where_it_moved_last_and_nobody_else_is_anywhere() {
        let home = |person: Option<&str>, day| Home { person_id: person.map(str::to_owned), date_sent: day, sent_date: None };
        let moved = |id: &str, home: &Home| Moved { ier_id: id.to_owned(), home: home.clone() };
        let (first, last, nobodys) = (home(Some("003"), None), home(Some("004"), Some(7)), home(None, Some(9)));
        let homes = Homes::moved(&[moved("b", &first), moved("a", &nobodys), moved("b", &last)]);
        assert_eq!(homes.get("b"), Some(last));
        assert_eq!(homes.get("a"), Some(nobodys));
        assert_eq!(homes.get("c"), None);
        assert_eq!(homes.ids().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(Homes::wanted(&StringArray::from(vec!["a", "b"])).get("a"), None, "wanted is not found");
    }
}
