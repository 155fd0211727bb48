//! What one run of `ier` knows: its settings, its clock, and whom it talks to.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use crate::clock::{Clock, SystemClock};
use crate::error::Result;
use crate::progress::Progress;
use crate::settings::Settings;

use super::args::{Args, Global};
use super::print;
use super::progress::{self, Unit};

/// One run.
#[derive(Clone, Debug)]
pub struct Session {
    /// Checked settings.
    pub settings: Settings,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The flags every verb has.
    pub global: Global,
}

impl Session {
    /// Reads the settings the flags and the environment ask for.
    pub fn new(args: &Args, env: Vec<(String, String)>) -> Result<Self> {
        let file = Settings::locate(args.global.config.as_deref(), &env, Path::new(""));
        let settings = Settings::resolve(file.as_deref(), env.into_iter(), args.overrides())?;
        Ok(Self { settings, clock: Arc::new(SystemClock), global: args.global.clone() })
    }

    /// A bar for a job, when somebody is there to see it.
    pub fn progress(&self, unit: Unit) -> Result<Arc<dyn Progress>> {
        progress::start(unit, self.global.quiet || self.global.json)
    }

    /// Prints what was asked for, even when told to be quiet.
    pub fn answer<T: Serialize + Display>(&self, value: &T) -> Result<()> {
        print::report(self.global.json, value, T::to_string)
    }

    /// Prints what was done, unless told to be quiet.
    pub fn report<T: Serialize>(&self, value: &T, human: impl FnOnce(&T) -> String) -> Result<()> {
        if self.global.quiet && !self.global.json {
            return Ok(());
        }
        print::report(self.global.json, value, human)
    }
}
