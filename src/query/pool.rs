//! Memory of all statements, shared fairly, from which streams between threads always get what they need.
//!
//! DataFusion 55.2 lets a stream that is dealt out to threads (`RepartitionExec`) wait on disk when memory is short. Where two threads
//! do so at once, the reader waits for one file while the next row is in the other, and nothing ever goes on: a statement with a
//! limit below what it would like stood still until its time was over. Upstream has mended it since (pull request 24891). What such
//! streams hold is little, because they are read as they are filled; it is counted, and the operators that may need much spill the sooner.

use std::fmt;

use datafusion::common::Result;
use datafusion::execution::memory_pool::{FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};

/// How the consumers are named that are streams between threads.
const BETWEEN_THREADS: &str = "RepartitionExec";

/// The pool.
#[derive(Debug)]
pub struct Pool(FairSpillPool);

impl Pool {
    /// Of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(FairSpillPool::new(bytes))
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl MemoryPool for Pool {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.0.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.0.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.0.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.0.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        if reservation.consumer().name().starts_with(BETWEEN_THREADS) {
            self.0.grow(reservation, additional);
            return Ok(());
        }
        self.0.try_grow(reservation, additional)
    }

    fn reserved(&self) -> usize {
        self.0.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.0.memory_limit()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn streams_between_threads_get_more_than_there_is_and_nobody_else_does() {
        let pool: Arc<dyn MemoryPool> = Arc::new(Pool::new(1000));
        let of = |name: &str| MemoryConsumer::new(name).with_can_spill(true).register(&pool);
        let (between, sorting) = (of("RepartitionExec[1]"), of("ExternalSorter[1]"));
        between.try_grow(1200).unwrap();
        assert_eq!(pool.reserved(), 1200);
        assert!(sorting.try_grow(1200).is_err());
        drop(between);
        assert_eq!(pool.reserved(), 0);
        sorting.try_grow(900).unwrap();
    }
}
