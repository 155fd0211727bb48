//! Parses days as people type them: `2026-08-01`, `8/1/2026`, `today`, `90 days ago`.

use chrono::{DateTime, Days, Months, NaiveDate, Utc};
use chrono_tz::Tz;

/// The right form of a day, for errors.
pub const RIGHT: &str = "a day, such as 2026-08-01, today or 90 days ago";

/// Which day it is, and where.
#[derive(Clone, Copy, Debug)]
pub struct Today {
    /// The day there.
    pub day: NaiveDate,
    /// The zone of those who ask.
    pub zone: Tz,
}

impl Today {
    /// The day it is there at a moment.
    pub fn at(now: DateTime<Utc>, zone: Tz) -> Self {
        Self { day: now.with_timezone(&zone).date_naive(), zone }
    }

    /// A day as they write it: `2026-08-01`, `today`, `yesterday`, `3 years ago`; and where people write the month first, `8/1/2026`.
    /// Elsewhere that is read where its order shows (`31/8/2026`), and is no day where it does not.
    pub fn day(&self, text: &str) -> Option<NaiveDate> {
        match text.split_whitespace().collect::<Vec<_>>()[..] {
            ["today"] => Some(self.day),
            ["yesterday"] => self.day.pred_opt(),
            [number, unit, "ago"] => {
                let number: u32 = number.parse().ok()?;
                match unit.trim_end_matches('s') {
                    "day" => self.day.checked_sub_days(Days::new(number.into())),
                    "week" => self.day.checked_sub_days(Days::new(u64::from(number) * 7)),
                    "month" => self.day.checked_sub_months(Months::new(number)),
                    "year" => self.day.checked_sub_months(Months::new(number.checked_mul(12)?)),
                    _ => None,
                }
            }
            [text] if text.contains('/') => slashed(text, self.zone),
            [text] => text.parse().ok(),
            _ => None,
        }
    }
}

fn slashed(text: &str, zone: Tz) -> Option<NaiveDate> {
    let mut parts = text.split('/');
    let (one, other, year) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 {
        return None;
    }
    let (one, other, year): (u32, u32, i32) = (one.parse().ok()?, other.parse().ok()?, year.parse().ok()?);
    match (is_month_first(zone), NaiveDate::from_ymd_opt(year, one, other), NaiveDate::from_ymd_opt(year, other, one)) {
        (true, month_first, _) => month_first,
        (false, Some(month_first), Some(day_first)) => (month_first == day_first).then_some(month_first),
        (false, month_first, day_first) => month_first.or(day_first),
    }
}

/// Do people there write the month before the day? Those of the United States do.
fn is_month_first(zone: Tz) -> bool {
    const AMERICAN: [&str; 16] = [
        "America/Adak",
        "America/Anchorage",
        "America/Boise",
        "America/Chicago",
        "America/Denver",
        "America/Detroit",
        "America/Juneau",
        "America/Los_Angeles",
        "America/Menominee",
        "America/Metlakatla",
        "America/New_York",
        "America/Nome",
        "America/Phoenix",
        "America/Sitka",
        "America/Yakutat",
        "Pacific/Honolulu",
    ];
    let name = zone.name();
    let parts = ["US/", "America/Indiana/", "America/Kentucky/", "America/North_Dakota/"];
    AMERICAN.contains(&name) || parts.iter().any(|part| name.starts_with(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_as_its_people_write_it() {
        let on = |year, month, day| NaiveDate::from_ymd_opt(year, month, day);
        let today = on(2026, 11, 28).expect("a day");
        for (text, zone, meant) in [
            ("2026-08-01", Tz::UTC, on(2026, 8, 1)),
            (" today ", Tz::UTC, on(2026, 11, 28)),
            ("yesterday", Tz::UTC, on(2026, 11, 27)),
            ("90 days ago", Tz::UTC, on(2026, 8, 30)),
            ("1 year ago", Tz::UTC, on(2025, 11, 28)),
            ("8/1/2026", Tz::America__Denver, on(2026, 8, 1)),
            ("13/1/2026", Tz::America__Denver, None),
            ("8/1/2026", Tz::Europe__London, None),
            ("8/8/2026", Tz::Europe__London, on(2026, 8, 8)),
            ("31/8/2026", Tz::Europe__London, on(2026, 8, 31)),
            ("8/1/26", Tz::America__Denver, None),
            ("in August", Tz::UTC, None),
        ] {
            assert_eq!(Today { day: today, zone }.day(text), meant, "{text} {zone}");
        }
    }
}
