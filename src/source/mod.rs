//! Where records come from.

pub mod inputs;

mod decode;

pub mod digest;

mod zip;

pub mod recognise;

mod layout;

pub mod values;

mod columns;

mod convert;

mod csv;

mod parquet;

pub mod export;

pub mod reject;
