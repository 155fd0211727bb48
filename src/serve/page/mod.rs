//! Pages for people: made here, without anything from elsewhere, and whole without scripts but for the worksheet.
//!
//! They say what the verbs of the command line say, by the same functions and in the same words. What comes from records is escaped
//! where it is put in ([`maud`] does), and shown without characters that would be obeyed ([`words`]).
//!
//! # Decisions
//! - 2026-11-29 **Pages are written on the server, plain forms and links.** They work without scripts, print, are read aloud, and can be
//!   tested by a program that fetches them. The worksheet alone needs scripts: plain modules, as they stand here, without a library
//!   or a build.
//! - 2026-11-29 **Pictures are those of the command line, as images.** A table with the same facts stands beside each.

// Style and scripts, under an address that changes with them.
pub(super) mod assets;

// Moments, texts and tables as pages show them.
mod words;

// What all pages have around them.
mod layout;

// What went wrong, as people are told.
pub(super) mod oops;

// To come in and go.
pub(super) mod entry;

// What several pages have: why somebody looks, and what was loaded.
mod parts;

// A person's mails over time, as a picture.
mod picture;

// Somebody is looked for.
pub(super) mod search;

// A person: who they are, and what they were sent.
pub(super) mod person;

// Was this person told?
pub(super) mod audit;

// Evidence to keep, and evidence to check.
pub(super) mod evidence;

// Who looked up whom.
pub(super) mod log;

// The questions people bring, as forms.
pub(super) mod questions;

// Statements, typed.
pub(super) mod worksheet;

// How the warehouse is.
pub(super) mod status;
