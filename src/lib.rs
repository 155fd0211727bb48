//! `ier`: a columnar analytics engine over archived e-mail engagement.
#![allow(missing_docs)]

pub mod error;

pub mod clock;

pub mod settings;

pub mod human;

pub mod progress;

pub mod record;

pub mod source;

pub mod query;

pub mod cli;
