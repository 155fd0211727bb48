//! The short ways of the planner that are the engine's own: each may be switched off, and answers are the same without.

use datafusion::common::config::ConfigExtension;
use datafusion::common::extensions_options;
use datafusion::config::ConfigOptions;

extensions_options! {
    /// Which short ways are taken.
    pub struct Shortcuts {
        /// Questions over all people are answered from the rollups of files (see `lake::rollup`).
        pub rollups: bool, default = true
        /// Files of whose rows the rollup says that none is wanted are left out, and where few are wanted, other columns are
        /// decoded only for these.
        pub selection: bool, default = true
        /// Groups of one person are made by the order of the files, without a look at each row's id.
        pub person_runs: bool, default = true
    }
}

impl ConfigExtension for Shortcuts {
    const PREFIX: &'static str = "ier";
}

impl Shortcuts {
    /// Those of a statement; all where it has none of its own.
    pub fn of(options: &ConfigOptions) -> Self {
        options.extensions.get::<Self>().cloned().unwrap_or_default()
    }
}
