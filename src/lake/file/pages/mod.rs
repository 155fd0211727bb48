//! A reader of single pages, beside the parquet crate: it serves look-ups of the rows of a few people.
//!
//! **Why.** A look-up wants two or three rows of each of some six hundred pages. The crate's readers are made for many rows:
//! setting them up cost more than all else.
//!
//! **What it knows.** Files that this engine wrote (`created_by`), with an offset index; columns that are not nested; data pages
//! of version 2, in the encodings PLAIN, RLE, RLE_DICTIONARY, DELTA_BINARY_PACKED and DELTA_BYTE_ARRAY; zstd, or no compression.
//! [`point::is_ours`] decides by the footer, for a whole file. [`thrift`] reads the page headers.
//!
//! **What it leaves to the crate.** Footers and page indexes, which only the crate decodes ([`super::footers`] caches them);
//! every file of which any of the above does not hold; look-ups of more than a few people; every other reading: folds, verifying,
//! scans.
//!
//! **How it is proven equal.** The checksums of its pages are verified first ([`super::checksums`]). Tests compare its rows with
//! those the crate reads, over random columns, pages and nulls; with any bytes changed it ends, in an error or in values. Whole
//! statements give the same answers with it and without it (`tests/it/shortcuts.rs`, and the random SQL with every kind of
//! statement).
//!
//! **How it is turned off.** `query.without = "raw_pages"`: the crate then reads all files, and whole footers. This is for the
//! day when a new version of the crate and this reader disagree.

// Decodes Thrift's compact protocol, as far as page headers need it.
pub(super) mod thrift;

// Column chunks of which only the wanted pages were fetched.
pub mod fetched;

// Decodes Parquet's encodings for readers that want few of a page's values.
mod encodings;

// Reads chosen rows of a column from the bytes of their pages.
pub(in crate::lake) mod point;
