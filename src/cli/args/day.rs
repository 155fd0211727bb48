//! A day given as an argument. Which day is meant depends on the user's zone and on today, so it is resolved later.

use std::convert::Infallible;
use std::str::FromStr;

use chrono::NaiveDate;

use crate::calendar::days::{RIGHT, Today};
use crate::error::{Error, Result};

/// A day as it was typed. Which it is depends on the zone of who typed it, and on today.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Day(String);

impl FromStr for Day {
    type Err = Infallible;

    fn from_str(text: &str) -> std::result::Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl Day {
    /// The day that is meant.
    ///
    /// # Errors
    /// Invalid, naming the flag, for what is none.
    pub fn on(&self, flag: &str, today: Today) -> Result<NaiveDate> {
        today.day(&self.0).ok_or_else(|| Error::invalid(phrase!("{flag} is \"{}\"; give {RIGHT}", self.0)))
    }
}
