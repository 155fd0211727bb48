//! Where the warehouse's bytes live: a store chosen by URL, made durable on a local disk.

// Stores that are reached over a network: how long they are asked again.
mod remote;

// What a store has to promise, and the test of it before the first write.
pub mod probe;

// Bytes of local files that the operating system has in memory, read without waiting.
mod warm;

// A local file system whose commits survive a power cut.
pub mod durable;

// What is asked of the store, counted: requests, bytes, and how many of them had to wait for one another.
pub mod traffic;

// A store in which some objects are not there: what a table was before they came can be read through it.
pub mod masked;

// The store of a URL.
pub mod open;
