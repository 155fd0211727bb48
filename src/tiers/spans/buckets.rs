//! Facts in buckets that are processed one after the other. Facts for which memory has no room wait on disk.
//!
//! Facts that must be compared with each other (of one identity, of one person, of neighbouring rows) get the same number, and the
//! number chooses the bucket. There are so many buckets that each fits into memory.

use super::facts::Fact;
use crate::error::Result;
use crate::lake::fold::scratch::{Place, Scratch};

/// A fact in memory, with its places in the maps that are made of a bucket, takes about so many bytes.
const FACT_BYTES: usize = 2 * size_of::<Fact>();

/// There are no more buckets than pieces of this size have room in memory, so that what is put on disk at once is not tiny.
const WRITE_BYTES: usize = 64 << 10;

/// Facts by bucket.
pub(super) struct Buckets {
    buckets: Vec<Bucket>,
    scratch: Scratch,
    held: usize,
    most_held: usize,
    count: u64,
}

#[derive(Default)]
struct Bucket {
    held: Vec<Fact>,
    written: Vec<Place>,
}

impl Buckets {
    /// Buckets for at most about this many facts: those that wait in memory may take `bytes`, and so may a bucket that is taken.
    pub fn new(facts: u64, bytes: usize) -> Self {
        let number = (facts as usize).saturating_mul(FACT_BYTES).div_ceil(bytes.max(1)).clamp(1, (bytes / WRITE_BYTES).max(1));
        let buckets = std::iter::repeat_with(Bucket::default).take(number).collect();
        Self { buckets, scratch: Scratch::default(), held: 0, most_held: bytes / FACT_BYTES, count: 0 }
    }

    /// Number of buckets.
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Facts in all.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Puts a fact into the bucket of a number; hashes are spread evenly.
    pub fn put(&mut self, number: u128, fact: Fact) -> Result<()> {
        let at = (number % self.buckets.len() as u128) as usize;
        self.put_at(at, fact)
    }

    /// Puts a fact into a bucket by its place.
    pub fn put_at(&mut self, at: usize, fact: Fact) -> Result<()> {
        self.buckets[at].held.push(fact);
        self.held += 1;
        self.count += 1;
        if self.held > self.most_held {
            self.spill_to_disk()?;
        }
        Ok(())
    }

    fn spill_to_disk(&mut self) -> Result<()> {
        let mut bytes = Vec::new();
        for bucket in &mut self.buckets {
            bytes.clear();
            bucket.held.drain(..).for_each(|fact| fact.put(&mut bytes));
            if !bytes.is_empty() {
                bucket.written.push(self.scratch.put(&bytes)?);
            }
        }
        self.held = 0;
        Ok(())
    }

    /// Takes a bucket, in the order in which its facts were put there.
    pub fn take(&mut self, at: usize) -> Result<Vec<Fact>> {
        let Bucket { held, written } = std::mem::take(&mut self.buckets[at]);
        self.held -= held.len();
        let mut facts = Vec::with_capacity(held.len() + written.iter().map(|place| place.bytes() / Fact::BYTES).sum::<usize>());
        for place in written {
            let mut bytes = vec![0; place.bytes()];
            self.scratch.get(place, 0, &mut bytes)?;
            for fact in bytes.chunks(Fact::BYTES) {
                facts.push(Fact::get(fact)?);
            }
        }
        facts.extend(held);
        Ok(facts)
    }
}

/// Facts of rows, taken in the order of their rows.
pub(super) struct ByRow {
    buckets: Buckets,
    rows_a_bucket: u64,
    next: usize,
    /// The rest of the bucket that was taken last, the first row last.
    taken: Vec<Fact>,
}

impl ByRow {
    /// None so far, of a table or load with so many rows.
    pub fn new(rows: u64, bytes: usize) -> Self {
        let buckets = Buckets::new(rows, bytes);
        let rows_a_bucket = rows.div_ceil(buckets.len() as u64).max(1);
        Self { buckets, rows_a_bucket, next: 0, taken: Vec::new() }
    }

    /// Facts in all.
    pub fn count(&self) -> u64 {
        self.buckets.count()
    }

    /// Puts the fact of a row down.
    pub fn put(&mut self, fact: Fact) -> Result<()> {
        let at = (fact.row / self.rows_a_bucket) as usize;
        self.buckets.put_at(at, fact)
    }

    /// Takes those of the rows before `row` that were not taken yet, ascending.
    pub fn take_before(&mut self, row: u64) -> Result<Vec<Fact>> {
        let mut before = Vec::new();
        loop {
            while let Some(fact) = self.taken.pop_if(|fact| fact.row < row) {
                before.push(fact);
            }
            if !self.taken.is_empty() || self.next == self.buckets.len() || self.next as u64 * self.rows_a_bucket >= row {
                return Ok(before);
            }
            self.taken = self.buckets.take(self.next)?;
            self.taken.sort_unstable_by_key(|fact| std::cmp::Reverse(fact.row));
            self.next += 1;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::facts::Kind;
    use super::*;

    fn fact(row: u64) -> Fact {
        let hash = u128::from(row).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
        let moment = |every: u64| (!row.is_multiple_of(every)).then_some(row as i64 - 7);
        Fact {
            kind: [Kind::Loaded, Kind::MayEnd, Kind::Replaced][row as usize % 3],
            row,
            identity: hash,
            person: (!row.is_multiple_of(5)).then_some(hash ^ 1),
            values: !hash,
            start: moment(2),
            end: moment(3),
            from: moment(5),
            until: moment(7),
        }
    }

    #[test]
    fn facts_that_waited_on_disk_come_back_as_they_were_and_in_their_order() {
        for bytes in [usize::MAX, 4 << 20, 512 << 10] {
            let mut buckets = Buckets::new(100_000, bytes);
            (0..100_000).for_each(|row| buckets.put(fact(row).identity, fact(row)).unwrap());
            assert_eq!(buckets.count(), 100_000);
            assert_eq!(buckets.len() == 1, bytes == usize::MAX);
            let mut seen = 0;
            for at in 0..buckets.len() {
                let bucket = buckets.take(at).unwrap();
                assert!(bucket.iter().is_sorted_by_key(|fact| fact.row), "as they were put");
                assert!(bucket.iter().all(|read| *read == fact(read.row)));
                seen += bucket.len();
            }
            assert_eq!(seen, 100_000);
        }
    }

    #[test]
    fn rows_are_taken_in_order_however_they_were_put_and_asked_for() {
        for bytes in [usize::MAX, 512 << 10] {
            let mut rows = ByRow::new(50_000, bytes);
            (0..50_000).rev().filter(|row| row % 3 == 1).for_each(|row| rows.put(fact(row)).unwrap());
            let mut taken = Vec::new();
            for end in (0..50_000).step_by(777).chain([50_000]) {
                let before = rows.take_before(end).unwrap();
                assert!(before.iter().all(|fact| fact.row < end));
                taken.extend(before.iter().map(|fact| fact.row));
            }
            let wanted: Vec<u64> = (0..50_000).filter(|row| row % 3 == 1).collect();
            assert_eq!(taken, wanted);
        }
    }
}
