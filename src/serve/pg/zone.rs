//! The zone in which a session reads and shows moments: a name of the tz database, or an offset.

use std::fmt;

use chrono::{DateTime, FixedOffset, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;

const HOUR: f64 = 3600.0;

/// Farther from UTC is nobody.
const FARTHEST_HOURS: f64 = 18.0;

/// A zone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Zone {
    Named(Tz),
    Fixed(FixedOffset),
}

impl Zone {
    /// What Postgres understands as a zone: `America/Denver`, `UTC`, `-7`, `+05:30`, `UTC-7` (which POSIX means the other way round).
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(offset) = offset(text) {
            return Some(Self::Fixed(offset));
        }
        let posix = ["UTC", "GMT"].iter().find_map(|name| {
            let rest = text.get(..name.len()).filter(|start| start.eq_ignore_ascii_case(name)).map(|_| &text[name.len()..])?;
            offset(rest).map(|offset| FixedOffset::east_opt(-offset.local_minus_utc()))
        });
        if let Some(Some(offset)) = posix {
            return Some(Self::Fixed(offset));
        }
        match text.to_ascii_lowercase().as_str() {
            "z" | "zulu" => Some(Self::Named(Tz::UTC)),
            _ => chrono_tz::TZ_VARIANTS.iter().find(|zone| zone.name().eq_ignore_ascii_case(text)).copied().map(Self::Named),
        }
    }

    /// Seconds that clocks there are ahead of UTC at a moment.
    pub(super) fn ahead(&self, at: DateTime<Utc>) -> i32 {
        match self {
            Self::Named(zone) => zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc(),
            Self::Fixed(offset) => offset.local_minus_utc(),
        }
    }

    /// The moment at which clocks there show this. Where they do twice, the first; where they never do, as if they had not been put on.
    pub(super) fn moment(&self, local: NaiveDateTime) -> DateTime<Utc> {
        match self {
            Self::Named(zone) => {
                let found = zone.from_local_datetime(&local);
                found.earliest().map_or_else(
                    || {
                        let before = self.ahead(behind(local, DAY));
                        behind(local, before)
                    },
                    |moment| moment.with_timezone(&Utc),
                )
            }
            Self::Fixed(offset) => behind(local, offset.local_minus_utc()),
        }
    }
}

/// Seconds in a day.
const DAY: i32 = 86_400;

/// So many seconds before this; at the ends of the calendar, the end.
fn behind(local: NaiveDateTime, seconds: i32) -> DateTime<Utc> {
    let moment = local.checked_sub_signed(chrono::Duration::seconds(seconds.into()));
    moment.unwrap_or(local).and_utc()
}

/// `-7`, `+05:30`, `-7.5`.
fn offset(text: &str) -> Option<FixedOffset> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|char: char| char.is_ascii_digit()) {
        return None;
    }
    let hours = match digits.split_once(':') {
        Some((hours, minutes)) => {
            f64::from(hours.parse::<u8>().ok()?) + f64::from(minutes.parse::<u8>().ok().filter(|m| *m < 60)?) / 60.0
        }
        None => digits.parse().ok()?,
    };
    if hours > FARTHEST_HOURS {
        return None;
    }
    FixedOffset::east_opt((sign * hours * HOUR).round() as i32)
}

impl fmt::Display for Zone {
    /// As `SHOW TimeZone` tells it: clients look the name up.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(zone) => f.write_str(zone.name()),
            Self::Fixed(offset) => {
                let seconds = offset.local_minus_utc();
                let sign = if seconds < 0 { '-' } else { '+' };
                let (hours, minutes) = (seconds.abs() / 3600, seconds.abs() / 60 % 60);
                // POSIX counts to the west.
                let other = if seconds < 0 { '+' } else { '-' };
                match minutes {
                    0 => write!(f, "<{sign}{hours:02}>{other}{hours:02}"),
                    _ => write!(f, "<{sign}{hours:02}:{minutes:02}>{other}{hours:02}:{minutes:02}"),
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn zones_have_names_and_offsets() {
        for (text, shown, ahead) in [
            ("america/denver", "America/Denver", -6 * 3600),
            ("UTC", "UTC", 0),
            ("-7", "<-07>+07", -7 * 3600),
            ("+05:30", "<+05:30>-05:30", 19_800),
            ("UTC-2", "<+02>-02", 7200),
            ("Z", "UTC", 0),
        ] {
            let zone = Zone::parse(text).unwrap();
            let summer = DateTime::from_timestamp(1_783_000_000, 0).unwrap();
            assert_eq!((zone.to_string().as_str(), zone.ahead(summer)), (shown, ahead), "{text}");
        }
        for wrong in ["", "Denver", "+99", "7:99", "UTC+", "é"] {
            assert_eq!(Zone::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn clocks_that_were_put_on_skip_an_hour() {
        let zone = Zone::parse("America/Denver").unwrap();
        let at = |text: &str| zone.moment(text.parse().unwrap()).to_rfc3339();
        assert_eq!(at("2026-03-08T01:30:00"), "2026-03-08T08:30:00+00:00");
        assert_eq!(at("2026-03-08T02:30:00"), "2026-03-08T09:30:00+00:00");
        assert_eq!(at("2026-11-01T01:30:00"), "2026-11-01T07:30:00+00:00");
    }
}
