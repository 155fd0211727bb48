//! Where the warehouse's bytes live: a store chosen by URL, made durable on a local disk.

// Stores that are reached over a network: how long they are asked again.
mod remote;

// Tests before the first write that a store keeps its promises.
pub mod probe;

// Bytes of local files that the operating system has in memory, read without waiting.
mod warm;

// A local file system whose commits survive a power cut.
pub mod durable;

// What is asked of the store, counted: requests, bytes, and how many of them had to wait for one another.
pub mod traffic;

// A store that hides some objects, to read a table as it was before them.
pub mod masked;

// The store of a URL.
pub mod open;
