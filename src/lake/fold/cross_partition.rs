//! Finds the keys of a load that occur in more than one partition, without keeping the keys.
//!
//! Each row is represented by eight bytes: 48 bits of its key's hash and 16 of its partition's ordinal. These are collected in
//! memory up to a limit, then sorted and written to disk, and merged at the end. So the memory is the same for any number of
//! rows.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::HashSet;
use std::collections::binary_heap::PeekMut;
use std::hash::BuildHasher;

use super::scratch::{Place, Scratch};
use crate::error::Result;

/// Numbers of one run that are in memory while runs are merged.
const MERGED: usize = 8 << 10;

const BYTES: usize = size_of::<u64>();

/// The numbers of the rows seen so far.
pub struct Fingerprints {
    held: Vec<u64>,
    most: usize,
    scratch: Scratch,
    /// Sorted runs on disk, with how many numbers each has.
    runs: Vec<(Place, usize)>,
    hasher: hashbrown::DefaultHashBuilder,
}

fn fingerprint(hasher: &hashbrown::DefaultHashBuilder, key: &str, ordinal: u16) -> u64 {
    (hasher.hash_one(key) & !0xFFFF) | u64::from(ordinal)
}

fn key_of(fingerprint: u64) -> u64 {
    fingerprint >> 16
}

impl Fingerprints {
    /// None so far; at most `bytes` of them are kept in memory.
    pub fn new(bytes: usize) -> Self {
        let most = (bytes / BYTES).max(MERGED);
        Self {
            held: Vec::new(),
            most,
            scratch: Scratch::default(),
            runs: Vec::new(),
            hasher: hashbrown::DefaultHashBuilder::default(),
        }
    }

    /// Notes a row's key and its partition.
    pub fn note(&mut self, key: &str, ordinal: u16) -> Result<()> {
        if self.held.len() == self.most {
            self.put()?;
        }
        self.held.push(fingerprint(&self.hasher, key, ordinal));
        Ok(())
    }

    fn put(&mut self) -> Result<()> {
        self.held.sort_unstable();
        self.held.dedup();
        let bytes: Vec<u8> = self.held.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.runs.push((self.scratch.put(&bytes)?, self.held.len()));
        self.held.clear();
        Ok(())
    }

    /// The keys that occur, or seem to, in more than one partition.
    pub fn cross_partition(mut self) -> Result<CrossPartitionKeys> {
        let mut hashes = HashSet::new();
        let mut before = None;
        let mut next = |number: u64| {
            if before.is_some_and(|before| key_of(before) == key_of(number) && before != number) {
                hashes.insert(key_of(number));
            }
            before = Some(number);
        };
        if self.runs.is_empty() {
            self.held.sort_unstable();
            self.held.iter().copied().for_each(&mut next);
        } else {
            self.put()?;
            self.held = Vec::new();
            self.merge(&mut next)?;
        }
        Ok(CrossPartitionKeys { hashes, hasher: self.hasher })
    }

    /// Passes on the numbers of all runs, ascending.
    fn merge(&self, next: &mut impl FnMut(u64)) -> Result<()> {
        let mut runs: Vec<Merged<'_>> =
            self.runs.iter().map(|(place, numbers)| Merged::new(&self.scratch, *place, *numbers)).collect();
        let mut least = BinaryHeap::with_capacity(runs.len());
        for (at, run) in runs.iter_mut().enumerate() {
            least.extend(run.next()?.map(|number| Reverse((number, at))));
        }
        while let Some(mut top) = least.peek_mut() {
            let Reverse((number, at)) = *top;
            next(number);
            match runs[at].next()? {
                Some(number) => *top = Reverse((number, at)),
                None => drop(PeekMut::pop(top)),
            }
        }
        Ok(())
    }
}

/// One run, read piece by piece.
struct Merged<'a> {
    scratch: &'a Scratch,
    place: Place,
    /// How many numbers it has, and how many of them were read.
    numbers: usize,
    read: usize,
    piece: Vec<u8>,
    /// The next number of the piece.
    at: usize,
}

impl<'a> Merged<'a> {
    fn new(scratch: &'a Scratch, place: Place, numbers: usize) -> Self {
        Self { scratch, place, numbers, read: 0, piece: Vec::new(), at: 0 }
    }

    fn next(&mut self) -> Result<Option<u64>> {
        if self.at * BYTES == self.piece.len() {
            let more = MERGED.min(self.numbers - self.read);
            self.piece.resize(more * BYTES, 0);
            self.scratch.get(self.place, self.read * BYTES, &mut self.piece)?;
            (self.read, self.at) = (self.read + more, 0);
        }
        let number = self.piece[self.at * BYTES..].first_chunk().copied().map(u64::from_le_bytes);
        self.at += usize::from(number.is_some());
        Ok(number)
    }
}

/// Keys that occur in more than one partition of a load.
pub struct CrossPartitionKeys {
    hashes: HashSet<u64>,
    hasher: hashbrown::DefaultHashBuilder,
}

impl CrossPartitionKeys {
    /// May this key be one?
    pub fn may_hold(&self, key: &str) -> bool {
        !self.hashes.is_empty() && self.hashes.contains(&key_of(fingerprint(&self.hasher, key, 0)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_two_partitions_are_found_whatever_fits_in_memory() {
        let crosses = |number: usize| number.is_multiple_of(1_001);
        for bytes in [0, MERGED * BYTES * 3, 64 << 20] {
            let mut fingerprints = Fingerprints::new(bytes);
            for number in 0..60_000 {
                fingerprints.note(&format!("key {number}"), (number % 7) as u16).unwrap();
                // Once more where it was, or elsewhere.
                let again = if crosses(number) { (number + 1) % 7 } else { number % 7 };
                fingerprints.note(&format!("key {number}"), again as u16).unwrap();
            }
            assert!(fingerprints.held.capacity() * BYTES <= bytes.max(MERGED * BYTES) * 2, "{}", fingerprints.held.capacity());
            assert_eq!(fingerprints.runs.is_empty(), bytes == 64 << 20);
            let cross_partition = fingerprints.cross_partition().unwrap();
            let found: Vec<usize> = (0..60_000).filter(|number| cross_partition.may_hold(&format!("key {number}"))).collect();
            assert_eq!(found, (0..60_000).filter(|number| crosses(*number)).collect::<Vec<_>>());
        }
    }
}
