//! Parses a path given as an argument, with `~` for the home folder.

use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};

use crate::settings;

/// Takes a path as it is, but for `~`, which a shell leaves alone behind `--flag=`.
pub(super) fn path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| settings::paths::expanded(path, settings::home(&settings::environment()).as_deref()))
}
