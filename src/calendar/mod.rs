//! Schedules such as `daily at 02:00`, in the organisation's time zone.
//!
//! Clock changes do not change how often something happens: each day (week, month) has exactly one moment. A time that does not
//! exist on the day of the change moves by as much as the clocks were put forward. If a time exists twice, the first is meant.
//! `every 15m` counts in UTC.

use std::fmt;
use std::str::FromStr;

use chrono::{
    DateTime, Datelike, Days, Duration, LocalResult, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc, Weekday,
};
use chrono_tz::Tz;

// Parses days as people type them: `2026-08-01`, `today`, `90 days ago`.
pub mod days;

// The organisation's time zone, and the terms of its academic year.
pub mod local;

/// When a job runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Schedule {
    /// Never.
    Off,
    /// At every whole multiple of so many minutes, counted in UTC.
    Every(u32),
    /// Each day at this time.
    Daily(NaiveTime),
    /// Each week.
    Weekly(Weekday, NaiveTime),
    /// Each month on this day, or on its last where it has fewer.
    Monthly(u32, NaiveTime),
}

/// What a schedule looks like, for errors.
const RIGHT: &str = "give off, every 15m (or 6h), daily at 02:00, weekly on sunday at 03:00, or monthly on 1 at 04:00";

impl FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_lowercase();
        let words: Vec<&str> = lower.split_whitespace().collect();
        let schedule = match words[..] {
            ["off"] => Some(Self::Off),
            ["every", span] => minutes(span).map(Self::Every),
            ["daily", "at", at] => time(at).map(Self::Daily),
            ["weekly", "on", day, "at", at] => day.parse().ok().zip(time(at)).map(|(day, at)| Self::Weekly(day, at)),
            ["monthly", "on", day, "at", at] => {
                let day = day.parse().ok().filter(|day| (1..=31).contains(day));
                day.zip(time(at)).map(|(day, at)| Self::Monthly(day, at))
            }
            _ => None,
        };
        schedule.ok_or_else(|| RIGHT.to_owned())
    }
}

fn time(text: &str) -> Option<NaiveTime> {
    NaiveTime::parse_from_str(text, "%H:%M").ok()
}

/// `15m` or `6h`, a day at most.
fn minutes(text: &str) -> Option<u32> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let per_unit = match unit {
        "m" | "min" => 1,
        "h" => 60,
        _ => return None,
    };
    number.parse::<u32>().ok()?.checked_mul(per_unit).filter(|minutes| (1..=24 * 60).contains(minutes))
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Every(minutes) if minutes % 60 == 0 => write!(f, "every {}h", minutes / 60),
            Self::Every(minutes) => write!(f, "every {minutes}m"),
            Self::Daily(at) => write!(f, "daily at {}", at.format("%H:%M")),
            Self::Weekly(day, at) => {
                let monday = NaiveDate::from_isoywd_opt(2026, 1, *day);
                let day = monday.map(|date| date.format("%A").to_string().to_lowercase()).unwrap_or_default();
                write!(f, "weekly on {day} at {}", at.format("%H:%M"))
            }
            Self::Monthly(day, at) => write!(f, "monthly on {day} at {}", at.format("%H:%M")),
        }
    }
}

impl Schedule {
    /// The first moment of the schedule after another; none when it is off, or the calendar ends.
    pub fn next_after(&self, after: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        let here = after.with_timezone(&zone).date_naive();
        // A moment put off by skipped hours may belong to the day before.
        let mut days = (0..).map_while(|n| here.checked_sub_days(Days::new(2))?.checked_add_days(Days::new(n)));
        let first = |at: &NaiveTime, day: NaiveDate| Some(moment(day.and_time(*at), zone)?).filter(|moment| *moment > after);
        match self {
            Self::Off => None,
            Self::Every(minutes) => {
                let step = i64::from(*minutes) * 60;
                DateTime::from_timestamp((after.timestamp().div_euclid(step) + 1) * step, 0)
            }
            Self::Daily(at) => days.find_map(|day| first(at, day)),
            Self::Weekly(weekday, at) => days.filter(|day| day.weekday() == *weekday).find_map(|day| first(at, day)),
            Self::Monthly(wanted, at) => {
                let months = (0..).map_while(|n| {
                    let month = here.with_day(1)?.checked_sub_months(Months::new(1))?.checked_add_months(Months::new(n))?;
                    let last = month.checked_add_months(Months::new(1))?.pred_opt()?;
                    month.with_day((*wanted).min(last.day()))
                });
                months.into_iter().find_map(|day| first(at, day))
            }
        }
    }
}

/// The one moment that a time on the wall of a zone stands for.
fn moment(wall: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    // Where the time was skipped: by the clock as it went before. Zones have skipped a whole day.
    (0..=48).find_map(|hours| {
        let earlier = wall.checked_sub_signed(Duration::hours(hours))?;
        match zone.from_local_datetime(&earlier) {
            LocalResult::Single(moment) | LocalResult::Ambiguous(moment, _) => {
                moment.with_timezone(&Utc).checked_add_signed(Duration::hours(hours))
            }
            LocalResult::None => None,
        }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const DENVER: Tz = Tz::America__Denver;

    fn utc(text: &str) -> DateTime<Utc> {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap().and_utc()
    }

    /// The next moments after one, in the zone's time.
    fn following(schedule: &str, after: &str, zone: Tz, count: usize) -> Vec<String> {
        let schedule: Schedule = schedule.parse().unwrap();
        let next = |at: &DateTime<Utc>| schedule.next_after(*at, zone);
        let moments = std::iter::successors(next(&utc(after)), next);
        moments.take(count).map(|at| at.with_timezone(&zone).format("%m-%d %H:%M %Z").to_string()).collect()
    }

    #[test]
    fn schedules_are_parsed_and_printed() {
        for text in ["off", "every 15m", "every 6h", "daily at 02:00", "weekly on sunday at 03:05", "monthly on 31 at 23:59"] {
            assert_eq!(text.parse::<Schedule>().unwrap().to_string(), text);
        }
        assert_eq!("Weekly  on Sun at 3:00".parse::<Schedule>().unwrap().to_string(), "weekly on sunday at 03:00");
        assert_eq!("every 120min".parse::<Schedule>().unwrap().to_string(), "every 2h");
        for text in [
            "",
            "dayly at 02:00",
            "daily",
            "daily at 24:00",
            "daily at 2",
            "every 0m",
            "every 25h",
            "every m",
            "every 5s",
            "weekly on 1 at 02:00",
            "monthly on 0 at 02:00",
            "monthly on 32 at 02:00",
            "off at 02:00",
        ] {
            assert_eq!(text.parse::<Schedule>().unwrap_err(), RIGHT, "{text}");
        }
    }

    #[test]
    fn a_time_that_is_skipped_comes_once_and_later() {
        // 2026-03-08: 02:00 MST becomes 03:00 MDT.
        let shown = following("daily at 02:30", "2026-03-07 00:00", DENVER, 4);
        assert_eq!(shown, ["03-07 02:30 MST", "03-08 03:30 MDT", "03-09 02:30 MDT", "03-10 02:30 MDT"]);
        assert_eq!(following("weekly on sunday at 02:00", "2026-03-02 00:00", DENVER, 2), ["03-08 03:00 MDT", "03-15 02:00 MDT"]);
        // Samoa had no 30 December 2011 at all.
        let apia = following("daily at 12:00", "2011-12-29 00:00", Tz::Pacific__Apia, 3);
        assert_eq!(apia, ["12-29 12:00 -10", "12-31 12:00 +14", "01-01 12:00 +14"]);
    }

    #[test]
    fn a_time_that_comes_twice_is_meant_once() {
        // 2026-11-01: 02:00 MDT becomes 01:00 MST.
        let shown = following("daily at 01:30", "2026-10-31 00:00", DENVER, 4);
        assert_eq!(shown, ["10-31 01:30 MDT", "11-01 01:30 MDT", "11-02 01:30 MST", "11-03 01:30 MST"]);
        // Also asked between the two.
        assert_eq!(following("daily at 01:30", "2026-11-01 07:45", DENVER, 1), ["11-02 01:30 MST"]);
    }

    #[test]
    fn weeks_months_and_steps() {
        assert_eq!(following("weekly on sunday at 03:00", "2026-11-22 10:00", DENVER, 2), ["11-29 03:00 MST", "12-06 03:00 MST"]);
        assert_eq!(following("weekly on sunday at 03:00", "2026-11-22 09:59", DENVER, 1), ["11-22 03:00 MST"]);
        let last = following("monthly on 31 at 04:00", "2026-01-31 11:00", DENVER, 4);
        assert_eq!(last, ["02-28 04:00 MST", "03-31 04:00 MDT", "04-30 04:00 MDT", "05-31 04:00 MDT"]);
        assert_eq!(following("every 15m", "2026-11-22 10:00", Tz::UTC, 2), ["11-22 10:15 UTC", "11-22 10:30 UTC"]);
        assert!(following("off", "2026-11-22 10:00", DENVER, 1).is_empty());
        let schedule: Schedule = "daily at 02:00".parse().unwrap();
        assert_eq!(schedule.next_after(DateTime::<Utc>::MAX_UTC, DENVER), None, "the calendar ends");
    }
}
