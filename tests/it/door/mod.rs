//! Loading: records as other tools hand them over, in JSON, in Parquet, in the zips of the weekly export. The same records are
//! the same table, whatever they come in; what is not whole, or speaks against itself, changes nothing.
#![allow(clippy::unwrap_used)]

mod counts;
mod json;
mod own_fields;
mod parquet;
mod texts;
mod zips;
