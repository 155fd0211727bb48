//! Finds keys that occur more than once in a table. It needs eight bytes a row, most of them on disk.
//!
//! Each key is hashed to 64 bits. The hashes are distributed over buckets; when memory is full, the buckets go to temporary files.
//! At the end each bucket is sorted by itself, and equal neighbours are returned. Two equal hashes are only a suspicion: the caller
//! compares the keys themselves.

use std::collections::HashSet;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Seek, SeekFrom, Write};

use crate::error::{Context, Error, Result};
use crate::human::temporary_folder;

/// Buckets: a billion keys make buckets of 125 MB.
const BUCKETS: usize = 64;

/// Numbers held before buckets go to disk: 64 MB.
const HELD_MAX: usize = 8 << 20;

/// The number of a key.
pub(super) fn fingerprint(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// The keys of a table, as numbers.
#[derive(Debug)]
pub(super) struct Fingerprints {
    buckets: Vec<Bucket>,
    held: usize,
}

#[derive(Debug, Default)]
struct Bucket {
    held: Vec<u64>,
    spilled: Option<File>,
}

impl Default for Fingerprints {
    fn default() -> Self {
        Self { buckets: (0..BUCKETS).map(|_| Bucket::default()).collect(), held: 0 }
    }
}

impl Fingerprints {
    /// Takes keys in.
    pub fn add(&mut self, numbers: impl IntoIterator<Item = u64>) -> Result<()> {
        for number in numbers {
            self.buckets[(number >> 58) as usize].held.push(number);
            self.held += 1;
        }
        if self.held >= HELD_MAX {
            self.spill().context(|| "cannot write to the temporary folder")?;
        }
        Ok(())
    }

    fn spill(&mut self) -> Result<()> {
        for bucket in &mut self.buckets {
            let bytes: Vec<u8> = bucket.held.drain(..).flat_map(u64::to_le_bytes).collect();
            let file = match &mut bucket.spilled {
                Some(file) => file,
                none => none.insert(tempfile::tempfile().context(|| phrase!("cannot make a file in {}", temporary_folder()))?),
            };
            file.write_all(&bytes)?;
        }
        self.held = 0;
        Ok(())
    }

    /// Numbers taken in more than once.
    pub fn twice(self) -> Result<HashSet<u64>> {
        let mut twice = HashSet::new();
        for bucket in self.buckets {
            let mut numbers = bucket.read().context(|| "cannot read from the temporary folder")?;
            numbers.sort_unstable();
            twice.extend(numbers.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]));
        }
        Ok(twice)
    }
}

impl Bucket {
    fn read(self) -> Result<Vec<u64>> {
        let mut numbers = self.held;
        let Some(mut file) = self.spilled else { return Ok(numbers) };
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        file.read_to_end(&mut bytes)?;
        let (whole, rest) = bytes.as_chunks::<8>();
        if !rest.is_empty() {
            return Err(Error::unavailable("a temporary file was cut short: is the disk full?"));
        }
        numbers.extend(whole.iter().map(|bytes| u64::from_le_bytes(*bytes)));
        Ok(numbers)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_twice_is_found_in_memory_and_on_disk() {
        for spilled in [false, true] {
            let mut keys = Fingerprints::default();
            keys.add((0..20_000).map(|n| fingerprint(&format!("m-{n}")))).unwrap();
            if spilled {
                keys.spill().unwrap();
            }
            keys.add([fingerprint("m-77"), fingerprint("other")]).unwrap();
            assert_eq!(keys.twice().unwrap(), HashSet::from([fingerprint("m-77")]));
        }
    }
}
