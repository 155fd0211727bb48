//! Pages read straight from their bytes, beside the parquet crate: what a look-up of a few people's rows is made of.
//!
//! **Why.** A look-up wants two or three rows of each of some six hundred pages. The crate's readers are made for many rows: setting
//! them up cost more than all else.
//!
//! **What it knows.** Files that this engine wrote (`created_by`), with an offset index; columns that are not nested; data pages of
//! version 2, of the encodings PLAIN, RLE, RLE_DICTIONARY, DELTA_BINARY_PACKED and DELTA_BYTE_ARRAY; compressed by zstd, or as they are.
//! [`point::is_ours`] decides by the footer, for a whole file. Page headers are read with [`thrift`].
//!
//! **What it leaves to the crate.** Footers and page indexes, which are decoded by the crate alone ([`super::footers`] keeps them); every
//! file of which any of the above does not hold; more than a few people at once; every other reading: folds, verifying, scans.
//!
//! **How it is proven equal.** Its pages are proved by their checksums before they are looked at ([`super::checksums`]). Its rows are those
//! the crate reads, over columns, pages and nulls made by chance; and with any bytes changed it ends, in an error or in values. Whole
//! statements have the same answers with it and without (`tests/it/shortcuts.rs`, and the random SQL with every kind of statement).
//!
//! **How it is turned off.** `query.without = "raw_pages"`: the crate reads all files, and whole footers. For the day when a new
//! version of it and this disagree.

// Values of Thrift's compact protocol, as many as page headers have.
pub(super) mod thrift;

// Column chunks of which only the wanted pages were fetched.
pub mod fetched;

// Parquet's encodings, read where few of a page's values are wanted.
mod encodings;

// Chosen rows of a column, straight from the bytes of their pages.
pub(in crate::lake) mod point;
