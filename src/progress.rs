//! How a long job says how far it is, without knowing whether anybody looks.
//!
//! A job takes an `Arc<dyn Progress>`; the command line passes a bar, tests and servers pass [`Silent`].

/// Where a job reports how far it is. Units (bytes, rows) are the job's own; it says once how many there are in all.
pub trait Progress: Send + Sync {
    /// There are this many units in all; called again when more turn up.
    fn total(&self, total: u64);

    /// This many more units are done.
    fn advance(&self, by: u64);

    /// What is being done now, in a few words.
    fn say(&self, what: &str);
}

/// Nobody looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn total(&self, _total: u64) {}

    fn advance(&self, _by: u64) {}

    fn say(&self, _what: &str) {}
}
