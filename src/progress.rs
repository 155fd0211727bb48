//! How a job reports its progress, without knowing whether anybody watches.
//!
//! A job takes an `Arc<dyn Progress>`. The command line passes a progress bar; tests and servers pass [`Silent`].

/// What is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// Bytes read.
    Bytes,
    /// Files.
    Files,
    /// Rows read or written.
    Rows,
    /// Tables.
    Tables,
}

/// Where a job reports how far it is: a job counts one thing after the other, each in its unit and from 0.
pub trait Progress: Send + Sync {
    /// A new count begins, of this many units in all; 0 where that is not known.
    fn count(&self, unit: Unit, total: u64);

    /// This many more units of the count are done.
    fn advance(&self, by: u64);

    /// What is being done now, in a few words.
    fn say(&self, what: &str);
}

/// Progress that nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn count(&self, _unit: Unit, _total: u64) {}

    fn advance(&self, _by: u64) {}

    fn say(&self, _what: &str) {}
}
