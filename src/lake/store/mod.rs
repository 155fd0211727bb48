//! Where the warehouse's bytes live: a store chosen by URL, made durable on a local disk.

// Stores that are reached over a network: how long requests are retried.
mod remote;

// Tests, before the first write, that a store keeps the promises that commits rely on.
pub mod probe;

// Reads bytes of local files that are in the operating system's page cache.
mod warm;

// A local file system whose commits survive a power cut.
pub mod durable;

// Counts the requests to a store: their number, their bytes, and the longest chain of waiting ones.
pub mod traffic;

// A store that hides some objects, to read a table as it was before them.
pub mod masked;

// Opens the store of a URL: made durable on a local disk, and counted.
pub mod open;
