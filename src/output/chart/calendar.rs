//! Chooses the marks of a time axis: whole minutes, hours, days, months or years, in local time.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, TimeDelta, TimeZone};

use super::axis::Time;

/// Days from the first day of the common era to a Monday.
const A_MONDAY: i64 = 1;

/// What stands between two marks, the shorter first.
const STEPS: [Step; 25] = [
    Step::Seconds(1),
    Step::Seconds(5),
    Step::Seconds(15),
    Step::Seconds(30),
    Step::Seconds(60),
    Step::Seconds(5 * 60),
    Step::Seconds(15 * 60),
    Step::Seconds(30 * 60),
    Step::Seconds(3600),
    Step::Seconds(3 * 3600),
    Step::Seconds(6 * 3600),
    Step::Seconds(12 * 3600),
    Step::Days(1),
    Step::Days(2),
    Step::Days(7),
    Step::Days(14),
    Step::Months(1),
    Step::Months(3),
    Step::Months(6),
    Step::Months(12),
    Step::Months(24),
    Step::Months(60),
    Step::Months(120),
    Step::Months(600),
    Step::Months(1200),
];

#[derive(Clone, Copy)]
enum Step {
    Seconds(i64),
    Days(i64),
    Months(i32),
}

/// A mark: where, in milliseconds, and its label.
pub(super) type Mark = (f64, String);

/// At most `most` marks between two moments, both in milliseconds.
pub(super) fn marks(low: f64, high: f64, time: Time, most: usize) -> Vec<Mark> {
    let (Some(first), Some(last)) = (time.wall(low as i64), time.wall(high as i64)) else { return Vec::new() };
    let fits = |step: &&Step| {
        let parts = match step {
            Step::Seconds(seconds) if !time.days => (last - first).num_seconds() / seconds,
            Step::Seconds(_) => i64::MAX,
            Step::Days(days) => (last - first).num_days() / days,
            Step::Months(months) => (last - first).num_days() / (i64::from(*months) * 30),
        };
        parts < most as i64
    };
    let step = STEPS.iter().find(fits).copied().unwrap_or(Step::Months(12_000));
    let pattern = match step {
        Step::Seconds(seconds) if first.date() == last.date() => {
            if seconds < 60 {
                "%H:%M:%S"
            } else {
                "%H:%M"
            }
        }
        Step::Seconds(_) => "%m-%d %H:%M",
        Step::Days(_) => "%Y-%m-%d",
        Step::Months(months) if months < 12 => "%Y-%m",
        Step::Months(_) => "%Y",
    };
    let mut found = Vec::new();
    let mut at = begin(first, step);
    while let Some(wall) = at.filter(|wall| *wall <= last) {
        // An hour the clock leaves out has no mark.
        if let Some(millis) = millis(wall, time).filter(|_| wall >= first) {
            found.push((millis, wall.format(pattern).to_string()));
        }
        at = next(wall, step);
    }
    found
}

/// From when to when, where the marks do not say the day.
pub(super) fn span(low: f64, high: f64, time: Time) -> Option<String> {
    let (first, last) = (time.wall(low as i64)?.date(), time.wall(high as i64)?.date());
    match (last - first).num_days() {
        _ if time.days => None,
        0 => Some(first.to_string()),
        1..=5 => Some(format!("{first} to {last}")),
        _ => None,
    }
}

fn millis(wall: NaiveDateTime, time: Time) -> Option<f64> {
    let utc: DateTime<chrono::Utc> = match time.zone {
        Some(zone) => zone.from_local_datetime(&wall).earliest()?.to_utc(),
        None => wall.and_utc(),
    };
    Some(utc.timestamp_millis() as f64)
}

/// The last mark that is not after `first`.
fn begin(first: NaiveDateTime, step: Step) -> Option<NaiveDateTime> {
    let day = first.date();
    match step {
        Step::Seconds(seconds) => {
            let midnight = day.and_hms_opt(0, 0, 0)?;
            midnight.checked_add_signed(TimeDelta::seconds((first - midnight).num_seconds() / seconds * seconds))
        }
        Step::Days(days) => {
            let past = (i64::from(day.num_days_from_ce()) - A_MONDAY).rem_euclid(days);
            day.checked_sub_days(Days::new(past.unsigned_abs()))?.and_hms_opt(0, 0, 0)
        }
        Step::Months(months) => {
            let count = (day.year() * 12 + day.month0() as i32).div_euclid(months) * months;
            NaiveDate::from_ymd_opt(count.div_euclid(12), count.rem_euclid(12).unsigned_abs() + 1, 1)?.and_hms_opt(0, 0, 0)
        }
    }
}

fn next(wall: NaiveDateTime, step: Step) -> Option<NaiveDateTime> {
    match step {
        Step::Seconds(seconds) => wall.checked_add_signed(TimeDelta::seconds(seconds)),
        Step::Days(days) => wall.checked_add_days(Days::new(days.unsigned_abs())),
        Step::Months(months) => wall.checked_add_months(Months::new(months.unsigned_abs())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn labels(low: &str, high: &str, zone: Option<&str>, days: bool) -> Vec<String> {
        let millis = |text: &str| text.parse::<DateTime<chrono::Utc>>().unwrap().timestamp_millis() as f64;
        let time = Time { zone: zone.map(|zone| zone.parse().unwrap()), days };
        marks(millis(low), millis(high), time, 6).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn marks_are_whole_months_days_or_hours() {
        let months = labels("2026-01-15T00:00:00Z", "2026-06-20T00:00:00Z", None, true);
        assert_eq!(months, ["2026-02", "2026-03", "2026-04", "2026-05", "2026-06"]);
        let weeks = labels("2026-08-01T00:00:00Z", "2026-08-31T00:00:00Z", None, true);
        assert_eq!(weeks, ["2026-08-03", "2026-08-10", "2026-08-17", "2026-08-24", "2026-08-31"], "Mondays");
        assert_eq!(labels("2020-03-01T00:00:00Z", "2026-03-01T00:00:00Z", None, true), ["2022", "2024", "2026"]);
        let hours = labels("2026-08-06T11:30:00Z", "2026-08-06T15:00:00Z", Some("UTC"), false);
        assert_eq!(hours, ["12:00", "13:00", "14:00", "15:00"]);
    }

    #[test]
    fn hours_are_those_of_the_zone_and_days_have_none() {
        let hours = labels("2026-08-06T12:00:00Z", "2026-08-07T12:00:00Z", Some("America/Denver"), false);
        assert_eq!(hours, ["08-06 06:00", "08-06 12:00", "08-06 18:00", "08-07 00:00", "08-07 06:00"]);
        assert_eq!(labels("2026-08-06T00:00:00Z", "2026-08-07T00:00:00Z", None, true), ["2026-08-06", "2026-08-07"]);
    }

    #[test]
    fn an_hour_the_clock_leaves_out_has_no_mark() {
        let hours = labels("2026-03-08T08:00:00Z", "2026-03-08T11:00:00Z", Some("America/Denver"), false);
        assert_eq!(hours, ["01:00", "03:00", "04:00", "05:00"]);
    }
}
