//! The list of the engine's own planner shortcuts. Each may be switched off, and answers are the same without it.

use datafusion::common::config::{ConfigExtension, ExtensionOptions};
use datafusion::common::extensions_options;
use datafusion::config::ConfigOptions;

use crate::error::{Error, Result};

extensions_options! {
    /// The shortcuts that are switched on.
    pub struct Shortcuts {
        /// Questions over all people are answered from the rollups of files (see `lake::rollup`).
        pub rollups: bool, default = true
        /// Files of whose rows the rollup says that none is wanted are left out, and where few are wanted, other columns are
        /// decoded only for these.
        pub selection: bool, default = true
        /// Who bounced hard or unsubscribed is read where files keep these rows together (see `lake::rare`).
        pub rare_rows: bool, default = true
        /// Groups of one person are made by the order of the files, without a look at each row's id.
        pub person_runs: bool, default = true
        /// Conditions on a text are tested once for each different text.
        pub texts_once: bool, default = true
        /// The rows of a few people are read straight from the bytes of their pages (see `lake::file::pages`).
        pub raw_pages: bool, default = true
    }
}

impl ConfigExtension for Shortcuts {
    const PREFIX: &'static str = "ier";
}

impl Shortcuts {
    /// All but those named, with commas between.
    ///
    /// # Errors
    /// Invalid when there is none of a name.
    pub fn without(names: &str) -> Result<Self> {
        let mut shortcuts = Self::default();
        for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            shortcuts.set(name, "false").map_err(|_| {
                let known: Vec<String> = shortcuts.entries().into_iter().map(|entry| entry.key).collect();
                Error::invalid(phrase!("query.without names {name:?}; there are {}", known.join(", ")))
            })?;
        }
        Ok(shortcuts)
    }

    /// Those of a statement; all where it has none of its own.
    pub fn of(options: &ConfigOptions) -> Self {
        options.extensions.get::<Self>().cloned().unwrap_or_default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn short_ways_are_left_out_by_name() {
        let all = Shortcuts::without("").unwrap();
        assert!(all.rollups && all.selection && all.rare_rows && all.person_runs && all.texts_once && all.raw_pages);
        let some = Shortcuts::without(" rollups, person_runs").unwrap();
        assert!(!some.rollups && some.selection && !some.person_runs);
        let error = Shortcuts::without("rollup").unwrap_err().to_string();
        assert!(
            error.contains("\"rollup\"") && error.contains("rollups, selection, rare_rows, person_runs, texts_once, raw_pages"),
            "{error}"
        );
    }
}
