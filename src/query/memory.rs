//! The memory pool of an engine's statements: who may hold how much.
//!
//! **Why.** DataFusion's own pool lets one sort take the memory that another, begun a moment later, needs to merge. So whether a
//! statement succeeded depended on which thread came first. Here shares depend on the number of consumers, not on their order:
//!
//! - Consumers that can spill hold half of the memory, in equal parts. Spilling copies the spilled rows, which nobody counts, so
//!   the other half is not idle. Most consumers hold little at any moment, so one may exceed its part as long as all together
//!   hold less than a quarter.
//! - Sorts merge their runs in a quarter that is reserved for them, each in an equal part; with less they merge fewer runs from
//!   disk at a time. A sort merges its rows in memory all at once, and that takes one byte for every two bytes of rows. So a sort
//!   that needs more than its part may use all of that quarter while there is room.
//! - Batches on their way between threads take an eighth, and wait on disk beyond that.
//! - Consumers that cannot spill (for example the smaller side of a join) take what the others leave, first come, first served.
//!
//! **Invariant**: every consumer may take a [`LEAST`] share, however little is left. A statement that has spilled always goes on.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use datafusion::common::{Result as DfResult, resources_datafusion_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation, human_readable_size};

/// The part of the memory that is one over this which anybody may take, come what may.
const LEAST: usize = 32;

/// The most that a sort sets aside for a merge.
const MERGE_BYTES: usize = 10 << 20;

/// What a sort sets aside before it takes rows in, so that it can merge them when it spills, in bytes.
pub fn merge_bytes(memory_bytes: usize) -> usize {
    (memory_bytes / LEAST).min(MERGE_BYTES)
}

/// The memory of all statements of an engine.
pub struct Shares {
    bytes: usize,
    state: Mutex<[Part; PARTS]>,
}

/// The consumers of one use, and the bytes they hold together.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    consumers: usize,
    bytes: usize,
}

/// The uses of memory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Use {
    /// Rows that can be spilled.
    Spills,
    /// A sort's merge of its runs.
    Merges,
    /// Batches between threads, which can be spilled.
    Passes,
    /// Anything else.
    Holds,
}

const PARTS: usize = 4;

impl Use {
    fn of(consumer: &MemoryConsumer) -> Self {
        match consumer.can_spill() {
            true if consumer.name().starts_with("RepartitionExec") => Self::Passes,
            true => Self::Spills,
            false if consumer.name().starts_with("ExternalSorterMerge") => Self::Merges,
            false => Self::Holds,
        }
    }
}

impl Shares {
    /// A pool of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { bytes, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, [Part; PARTS]> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What one reservation may hold in all.
    fn share(&self, of: Use, parts: &[Part; PARTS], own: usize) -> usize {
        let held = parts[Use::Holds as usize].bytes;
        let equal = |all: usize| all / parts[of as usize].consumers.max(1);
        let used: usize = parts.iter().map(|part| part.bytes).sum();
        let left = own + self.bytes.saturating_sub(used);
        let share = match of {
            Use::Spills => {
                let common = own + (self.bytes / 4).saturating_sub(parts[of as usize].bytes);
                equal((self.bytes / 2).min(self.bytes.saturating_sub(held))).max(common).min(left)
            }
            Use::Merges => equal(self.bytes / 4).max((self.bytes / 4).min(left)),
            Use::Passes => equal(self.bytes / 8).min(left),
            Use::Holds => left,
        };
        share.max(self.bytes / LEAST)
    }
}

impl MemoryPool for Shares {
    fn name(&self) -> &str {
        "shares"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.state()[Use::of(consumer) as usize].consumers += 1;
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        let part = &mut self.state()[Use::of(consumer) as usize];
        part.consumers = part.consumers.saturating_sub(1);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.state()[Use::of(reservation.consumer()) as usize].bytes += additional;
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        let part = &mut self.state()[Use::of(reservation.consumer()) as usize];
        part.bytes = part.bytes.saturating_sub(shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> DfResult<()> {
        let (of, own) = (Use::of(reservation.consumer()), reservation.size());
        let mut parts = self.state();
        let share = self.share(of, &parts, own);
        if own + additional > share {
            return Err(resources_datafusion_err!(
                "{} has {}, wants {} more and may have {} of {}",
                reservation.consumer().name(),
                human_readable_size(own),
                human_readable_size(additional),
                human_readable_size(share),
                human_readable_size(self.bytes)
            ));
        }
        parts[of as usize].bytes += additional;
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.state().iter().map(|part| part.bytes).sum()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.bytes)
    }
}

impl fmt::Debug for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shares").field("bytes", &self.bytes).field("parts", &*self.state()).finish()
    }
}

impl fmt::Display for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({} of {})", self.name(), human_readable_size(self.reserved()), human_readable_size(self.bytes))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const MIB: usize = 1 << 20;

    fn pool(mib: usize) -> Arc<dyn MemoryPool> {
        Arc::new(Shares::new(mib * MIB))
    }

    fn sort(pool: &Arc<dyn MemoryPool>, number: usize) -> (MemoryReservation, MemoryReservation) {
        let rows = MemoryConsumer::new(format!("ExternalSorter[{number}]")).with_can_spill(true).register(pool);
        (rows, MemoryConsumer::new(format!("ExternalSorterMerge[{number}]")).register(pool))
    }

    #[test]
    fn a_sort_that_is_early_leaves_another_what_it_needs_to_merge() {
        let pool = pool(24);
        let (early, early_merge) = sort(&pool, 0);
        let (late, late_merge) = sort(&pool, 1);
        while early.try_grow(MIB / 4).is_ok() {}
        assert_eq!(early.size(), 6 * MIB, "half of the half that can spill");
        while early_merge.try_grow(MIB / 4).is_ok() {}
        assert_eq!(early_merge.size(), 6 * MIB, "what the rows of one sort take to be merged, were they all that can spill");
        late_merge.try_grow(merge_bytes(24 * MIB)).unwrap();
        while late.try_grow(MIB / 4).is_ok() {}
        assert_eq!(late.size(), 6 * MIB);
        drop((early, early_merge));
        while late.try_grow(MIB / 4).is_ok() {}
        assert_eq!(late.size(), 12 * MIB, "what is given back is another's");
        drop((late, late_merge));
        assert_eq!(pool.reserved(), 0);
    }

    #[test]
    fn who_has_nothing_may_begin() {
        let pool = pool(64);
        let join = MemoryConsumer::new("HashJoinInput").register(&pool);
        join.try_grow(64 * MIB).unwrap();
        assert!(join.try_grow(1).is_err(), "what cannot spill is refused");
        let (rows, merge) = sort(&pool, 0);
        rows.try_grow(2 * MIB).unwrap();
        merge.try_grow(merge_bytes(64 * MIB)).unwrap();
        let error = rows.try_grow(1).unwrap_err().strip_backtrace();
        assert!(error.contains("ExternalSorter[0] has 2.0 MB, wants 1.0 B more and may have 2.0 MB of 64.0 MB"), "{error}");
    }

    #[test]
    fn who_works_alone_has_more_than_an_equal_part() {
        let pool = pool(64);
        let sorts: Vec<_> = (0..8).map(|number| sort(&pool, number)).collect();
        for (rows, _) in &sorts {
            while rows.try_grow(MIB / 4).is_ok() {}
        }
        let held: Vec<usize> = sorts.iter().map(|(rows, _)| rows.size() / MIB).collect();
        assert_eq!(held, [16, 4, 4, 4, 4, 4, 4, 4], "the first finds nobody at work, and leaves the others their part");
    }

    #[test]
    fn batches_between_threads_take_nothing_from_what_is_sorted() {
        let pool = pool(64);
        let passing: Vec<_> = (0..4)
            .map(|number| MemoryConsumer::new(format!("RepartitionExec[{number}]")).with_can_spill(true).register(&pool))
            .collect();
        let (rows, _merge) = sort(&pool, 0);
        for passing in &passing {
            while passing.try_grow(MIB / 4).is_ok() {}
            assert_eq!(passing.size(), 2 * MIB);
        }
        while rows.try_grow(MIB / 4).is_ok() {}
        assert_eq!(rows.size(), 32 * MIB);
    }
}
