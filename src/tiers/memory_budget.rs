//! Divides the memory of a load: how many partitions are worked on at once, and how many rows of each.

/// How often rows are in memory while they are worked on: read, resolved, sorted, and a copy of each on its way.
const COPIES: usize = 5;

/// Room for less than this, of one partition, is rather left to another.
const PART_BYTES: usize = 4 << 20;

/// The memory for rows that are worked on: as much as the waiting rows may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct MemoryBudget {
    /// In all.
    pub bytes: usize,
    /// Partitions worked on at once.
    pub at_once: usize,
}

impl MemoryBudget {
    /// Room of so many bytes.
    pub fn new(bytes: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self { bytes, at_once: (bytes / (PART_BYTES * COPIES)).clamp(1, cores) }
    }

    /// Bytes of the rows that one of them works on at once.
    pub fn part_bytes(self) -> usize {
        self.bytes / self.at_once / COPIES
    }
}
