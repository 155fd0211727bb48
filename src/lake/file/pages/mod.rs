//! HEAD

// Values of Thrift's compact protocol, as many as page headers have.
pub(super) mod thrift;

// Column chunks of which only the wanted pages were fetched.
pub mod fetched;

// Parquet's encodings, read where few of a page's values are wanted.
mod encodings;

// Chosen rows of a column, straight from the bytes of their pages.
pub(in crate::lake) mod point;
