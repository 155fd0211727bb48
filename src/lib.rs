//! `ier`: a columnar analytics engine over archived e-mail engagement.
//!
//! **One record's life.** An export's line is read ([`source`]), its ids made canonical, its key found and its columns typed
//! ([`record`]). It is upserted into the hot tier: resolved with the version already there, wherever that is, and
//! written to the sorted file of its day by a fold and one commit ([`lake`], [`tiers`]). Later versions come and are folded
//! in the same way. When it is 90 days old, the archive job moves it to the file of its month, sets the boundary in the same
//! commit, reads back what it wrote, and only then lets hot forget it ([`jobs`]). A version that comes still later waits in
//! hot as a late row, overriding the archived one, until the next run folds it in. All the while one SQL table shows it
//! exactly once, with the same values ([`query`]).
//!
//! **Invariants.** Never two live rows of one key, over all partitions and both tiers. Which version wins does not depend
//! on the order of arrival. The archive commits before hot forgets. A reader pins hot before the archive. A table
//! changes by one function only. Nothing is dropped uncounted.
//!
//! Dependencies point up this list only; the command line alone sees all.

#[macro_use]
pub mod error;

pub mod clock;

pub mod calendar;

pub mod settings;

pub mod human;

pub mod progress;

pub mod record;

pub mod source;

pub mod lake;

pub mod tiers;

pub mod query;

pub mod jobs;

pub mod cli;
