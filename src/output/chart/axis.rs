//! How the values of an axis are written: moments in a zone, counts, shares in percent.

use arrow::array::timezone::Tz as ArrowTz;
use chrono::{DateTime, TimeZone};

/// How moments are shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time {
    /// The zone of a clock on the wall; none where the moments themselves have none.
    pub(super) zone: Option<ArrowTz>,
    /// Days, without a time of day.
    pub(super) days: bool,
}

impl Time {
    /// A moment as the clock on the wall shows it.
    pub(super) fn wall(self, millis: i64) -> Option<chrono::NaiveDateTime> {
        let utc = DateTime::from_timestamp_millis(millis)?.naive_utc();
        Some(self.zone.map_or(utc, |zone| zone.from_utc_datetime(&utc).naive_local()))
    }
}

/// The unit of values.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unit {
    /// Whole numbers.
    Count,
    /// Shares of 1, written in percent.
    Share,
    Number,
}
