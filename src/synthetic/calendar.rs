//! The months of a recipe, in UTC microseconds.

use chrono::{Datelike, Days, Months, NaiveDate};

use super::recipe::Recipe;
use crate::error::{Error, Result};

/// Microseconds in a second.
pub const SECOND: i64 = 1_000_000;
/// Microseconds in a minute.
pub const MINUTE: i64 = 60 * SECOND;
/// Microseconds in an hour.
pub const HOUR: i64 = 60 * MINUTE;
/// Microseconds in a day.
pub const DAY: i64 = 24 * HOUR;

/// Tracking is written to Salesforce in cycles of this length.
const SYNC_CYCLE: i64 = 15 * MINUTE;
/// A cycle's rows are stamped this long after it begins, all with the same stamp.
const SYNC_STAMP: i64 = 40 * SECOND;

/// One calendar month of the period; the last one may be cut short by the recipe's end.
#[derive(Clone, Debug)]
pub struct Month {
    /// Place in the period, from 0.
    pub index: u32,
    /// First day.
    pub first: NaiveDate,
    /// Days in the period.
    pub days: u32,
    /// Days of the whole calendar month.
    pub calendar_days: u32,
    /// First moment.
    pub start: i64,
    /// First moment after it.
    pub end: i64,
}

impl Month {
    /// `2025-03`.
    pub fn label(&self) -> String {
        self.first.format("%Y-%m").to_string()
    }
}

/// Midnight UTC of a day.
pub fn midnight(day: NaiveDate) -> i64 {
    day.signed_duration_since(NaiveDate::default()).num_days() * DAY
}

/// The day of a moment; beyond the calendar, its last.
pub fn day(moment: i64) -> NaiveDate {
    let days = chrono::Duration::try_days(moment.div_euclid(DAY));
    days.and_then(|days| NaiveDate::default().checked_add_signed(days)).unwrap_or(NaiveDate::MAX)
}

/// When Salesforce hears of something that happened at `moment`: the stamp of the next cycle.
pub fn synced(moment: i64) -> i64 {
    (moment.div_euclid(SYNC_CYCLE) + 1) * SYNC_CYCLE + SYNC_STAMP
}

/// The months of a recipe, oldest first: whole calendar months, the last one up to the recipe's end.
///
/// # Errors
/// Refuses no months, and periods that leave the calendar.
pub fn months(recipe: &Recipe) -> Result<Vec<Month>> {
    if recipe.months == 0 || recipe.months > 1_200 {
        return Err(Error::invalid(phrase!("{} months: give a number from 1 to 1200", recipe.months)));
    }
    let outside = || Error::invalid(phrase!("a period of {} months up to {} leaves the calendar", recipe.months, recipe.end));
    let last = recipe.end.checked_sub_days(Days::new(1)).and_then(|day| day.with_day(1)).ok_or_else(outside)?;
    (0..recipe.months)
        .map(|index| {
            let first = last.checked_sub_months(Months::new(recipe.months - 1 - index)).ok_or_else(outside)?;
            let next = first.checked_add_months(Months::new(1)).ok_or_else(outside)?;
            let end = next.min(recipe.end);
            let length = |until: NaiveDate| until.signed_duration_since(first).num_days() as u32;
            let (start, days, calendar_days) = (midnight(first), length(end), length(next));
            Ok(Month { index, first, days, calendar_days, start, end: midnight(end) })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_month_may_be_cut() {
        let end = NaiveDate::from_ymd_opt(2026, 3, 11).expect("a day");
        let months = months(&Recipe { months: 3, end, ..Recipe::default() }).expect("months");
        assert_eq!(months.iter().map(Month::label).collect::<Vec<_>>(), ["2026-01", "2026-02", "2026-03"]);
        assert_eq!(months.iter().map(|month| month.days).collect::<Vec<_>>(), [31, 28, 10]);
        assert_eq!(months[1].end, months[2].start);
    }
}
