//! From an export's text to values: checkboxes, whole numbers, moments and days, in every form seen in the wild.
//!
//! Everything is read by hand from bytes, because this is the hot path of loading; nothing allocates, nothing guesses.

use chrono::{NaiveDateTime, TimeZone};
use chrono_tz::Tz;

use crate::record::key::DAY_MICROS;

const SECOND_MICROS: i64 = 1_000_000;
const QUARTER_SECONDS: i64 = 900;

/// The ways an export writes "nothing": empty, `#N/A`, `null` in any case.
pub fn is_null(text: &str) -> bool {
    match text.len() {
        0 => true,
        4 => text == "#N/A" || text.eq_ignore_ascii_case("null") || text == "#n/a",
        _ => false,
    }
}

/// A checkbox.
pub fn boolean(text: &str) -> Option<bool> {
    const TRUE: [&str; 7] = ["true", "1", "yes", "t", "y", "checked", "1.0"];
    const FALSE: [&str; 7] = ["false", "0", "no", "f", "n", "unchecked", "0.0"];
    if TRUE.iter().any(|word| word.eq_ignore_ascii_case(text)) {
        Some(true)
    } else if FALSE.iter().any(|word| word.eq_ignore_ascii_case(text)) {
        Some(false)
    } else {
        None
    }
}

/// A whole number: `12`, `12.0`, `1.0E5`, `1,234`. A fraction, or what does not fit, is none.
pub fn integer(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    if (1..=9).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_digit) {
        return Some(bytes.iter().fold(0, |number, digit| number * 10 + i32::from(digit - b'0')));
    }
    // Words such as `inf`, which the number parser knows, are no numbers here.
    if !bytes.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b',' | b'e' | b'E')) {
        return None;
    }
    if text.contains(',') { whole(ungroup(text)?.parse().ok()?) } else { whole(text.parse().ok()?) }
}

/// A number without a fraction that fits.
pub fn whole(number: f64) -> Option<i32> {
    let fits = number.fract() == 0.0 && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number);
    fits.then_some(number as i32)
}

/// Takes the commas out of `1,234,567.0`; they must stand between groups of three.
fn ungroup(text: &str) -> Option<String> {
    let (number, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut groups = number.split(',');
    let first = groups.next()?.trim_start_matches(['+', '-']);
    let well_grouped = (1..=3).contains(&first.len()) && groups.all(|group| group.len() == 3) && !fraction.contains(',');
    well_grouped.then(|| text.replace(',', ""))
}

/// A day: `2026-08-06`, `8/6/2026`, or the date part of a moment, as written; days since 1970.
pub fn day(text: &str) -> Option<i32> {
    let (days, rest) = date(text.as_bytes())?;
    clock(rest)?;
    i32::try_from(days).ok()
}

/// Reads moments; those without a zone of their own are in the zone given.
#[derive(Clone, Debug)]
pub struct Moments {
    zone: Tz,
    /// The quarter of an hour (local) last looked up, and its distance to UTC: a look-up costs ten times the parsing.
    quarter: i64,
    offset_seconds: i64,
}

impl Moments {
    /// Moments without a zone are in this one.
    pub fn new(zone: Tz) -> Self {
        Self { zone, quarter: i64::MIN, offset_seconds: 0 }
    }

    /// `2026-08-06T12:13:00.000Z`, `+0000`, `-06:00`, a blank for the T, `8/6/2026, 12:13 PM`, a date alone; as UTC
    /// microseconds.
    pub fn parse(&mut self, text: &str) -> Option<i64> {
        let (days, rest) = date(text.as_bytes())?;
        let (micros, offset_seconds) = clock(rest)?;
        let local = days * DAY_MICROS + micros;
        match offset_seconds {
            Some(offset) => Some(local - offset * SECOND_MICROS),
            None => self.in_zone(local),
        }
    }

    /// Midnight of a day in the zone.
    pub fn midnight(&mut self, days: i32) -> Option<i64> {
        self.in_zone(i64::from(days) * DAY_MICROS)
    }

    /// A local moment in UTC: of two the earlier, and for one that daylight saving skips the first after the gap.
    fn in_zone(&mut self, local: i64) -> Option<i64> {
        let seconds = local.div_euclid(SECOND_MICROS);
        let quarter = seconds.div_euclid(QUARTER_SECONDS);
        if quarter != self.quarter {
            let start = quarter * QUARTER_SECONDS;
            match (self.single_offset(start), self.single_offset(start + QUARTER_SECONDS - 1)) {
                (Some(first), Some(last)) if first == last => {
                    self.quarter = quarter;
                    self.offset_seconds = first;
                }
                _ => return self.around_a_change(local, seconds),
            }
        }
        Some(local - self.offset_seconds * SECOND_MICROS)
    }

    fn single_offset(&self, local_seconds: i64) -> Option<i64> {
        let utc = self.zone.from_local_datetime(&naive(local_seconds)?).single()?;
        Some(local_seconds - utc.timestamp())
    }

    fn around_a_change(&self, local: i64, seconds: i64) -> Option<i64> {
        // No gap is longer than a day (Samoa skipped one).
        (seconds..=seconds + 90_000).find_map(|later| {
            let utc = self.zone.from_local_datetime(&naive(later)?).earliest()?;
            let within = if later == seconds { local.rem_euclid(SECOND_MICROS) } else { 0 };
            Some(utc.timestamp() * SECOND_MICROS + within)
        })
    }
}

fn naive(seconds: i64) -> Option<NaiveDateTime> {
    chrono::DateTime::from_timestamp(seconds, 0).map(|moment| moment.naive_utc())
}

/// The date at the start of a text, as days since 1970, and what follows.
fn date(text: &[u8]) -> Option<(i64, &[u8])> {
    if text.len() >= 10 && text[4] == b'-' && text[7] == b'-' {
        let days = days(i64::from(digits(&text[..4])?), digits(&text[5..7])?, digits(&text[8..10])?)?;
        return Some((days, &text[10..]));
    }
    let (month, rest) = number(text)?;
    let (day, rest) = number(rest.strip_prefix(b"/")?)?;
    let rest = rest.strip_prefix(b"/")?;
    let year = digits(rest.get(..4)?)?;
    let rest = &rest[4..];
    Some((days(i64::from(year), month, day)?, rest))
}

/// One or two digits, and what follows.
fn number(text: &[u8]) -> Option<(u32, &[u8])> {
    let length = text.iter().take(2).take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(length);
    Some((digits(number)?, rest))
}

fn digits(text: &[u8]) -> Option<u32> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0')))
}

/// Days since 1970 of a date of the Gregorian calendar; none where there is no such day.
fn days(year: i64, month: u32, day: u32) -> Option<i64> {
    const LENGTHS: [u32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = *LENGTHS.get((month as usize).checked_sub(1)?)? + u32::from(leap && month == 2);
    if day == 0 || day > length {
        return None;
    }
    // Years begin in March here, so that the leap day is the last.
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let shifted_month = i64::from((month + 9) % 12);
    let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// What follows a date: nothing, or a time of day, perhaps with a zone; microseconds since midnight, and seconds east of UTC.
fn clock(text: &[u8]) -> Option<(i64, Option<i64>)> {
    if text.is_empty() {
        return Some((0, None));
    }
    let rest = match text[0] {
        b'T' | b't' => &text[1..],
        b',' => blanks(&text[1..]),
        _ if blanks(text).len() < text.len() => blanks(text),
        _ => return None,
    };
    let (mut hour, rest) = number(rest)?;
    let (minute, mut rest) = two_digits(rest.strip_prefix(b":")?)?;
    let mut second = 0;
    let mut fraction = 0;
    if let Some(after) = rest.strip_prefix(b":") {
        (second, rest) = two_digits(after)?;
        if let [b'.' | b',', after @ ..] = rest {
            let length = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if !(1..=9).contains(&length) {
                return None;
            }
            fraction = (0..6).fold(0, |micros, at| micros * 10 + if at < length { i64::from(after[at] - b'0') } else { 0 });
            rest = &after[length..];
        }
    }
    let after = blanks(rest);
    if let [half @ (b'A' | b'a' | b'P' | b'p'), b'M' | b'm', after @ ..] = after {
        if !(1..=12).contains(&hour) {
            return None;
        }
        hour = hour % 12 + if half.eq_ignore_ascii_case(&b'p') { 12 } else { 0 };
        rest = after;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let micros = i64::from(hour * 3600 + minute * 60 + second) * SECOND_MICROS + fraction;
    Some((micros, offset_seconds(blanks(rest))?))
}

fn two_digits(text: &[u8]) -> Option<(u32, &[u8])> {
    Some((digits(text.get(..2)?)?, &text[2..]))
}

/// Without leading blanks: also the unbreakable ones that newer systems put before AM and PM.
fn blanks(mut text: &[u8]) -> &[u8] {
    loop {
        text = match text {
            [b' ', rest @ ..] | [0xC2, 0xA0, rest @ ..] | [0xE2, 0x80, 0xAF, rest @ ..] => rest,
            _ => return text,
        };
    }
}

/// `Z`, `UTC`, `+0000`, `-06:00`, `+00`, or nothing (`Some(None)`); none where it is something else.
fn offset_seconds(text: &[u8]) -> Option<Option<i64>> {
    let sign = match text {
        [] => return Some(None),
        b"Z" | b"z" | b"UTC" | b"GMT" => return Some(Some(0)),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return None,
    };
    let (hours, rest) = two_digits(&text[1..])?;
    let minutes = match rest {
        [] => 0,
        [b':', rest @ ..] | rest => match two_digits(rest)? {
            (minutes, []) => minutes,
            _ => return None,
        },
    };
    (hours <= 18 && minutes <= 59).then(|| Some(sign * i64::from(hours * 3600 + minutes * 60)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(rfc3339: &str) -> i64 {
        chrono::DateTime::parse_from_rfc3339(rfc3339).expect("moment").timestamp_micros()
    }

    #[test]
    fn nulls_and_checkboxes() {
        for text in ["", "#N/A", "null", "NULL", "Null"] {
            assert!(is_null(text), "{text}");
        }
        for text in [" ", "N/A", "none", "0", "nulls"] {
            assert!(!is_null(text), "{text}");
        }
        for text in ["true", "TRUE", "1", "yes", "Y", "t", "Checked"] {
            assert_eq!(boolean(text), Some(true), "{text}");
        }
        for text in ["false", "False", "0", "no", "N", "f", "Unchecked"] {
            assert_eq!(boolean(text), Some(false), "{text}");
        }
        for text in ["2", "maybe", "-1", "on"] {
            assert_eq!(boolean(text), None, "{text}");
        }
    }

    #[test]
    fn whole_numbers_of_every_form() {
        for (text, number) in [
            ("0", 0),
            ("0.0", 0),
            ("1.0E5", 100_000),
            ("1e3", 1000),
            ("-7", -7),
            ("1,234", 1234),
            ("1,234,567.00", 1_234_567),
            ("2147483647", i32::MAX),
        ] {
            assert_eq!(integer(text), Some(number), "{text}");
        }
        for text in ["0.5", "2147483648", "1e10", "12a", "inf", "NaN", "1,2", "1,2345", ",123", "", "-", "1 2"] {
            assert_eq!(integer(text), None, "{text}");
        }
    }

    #[test]
    fn moments_of_every_form() {
        let mut denver = Moments::new(chrono_tz::America::Denver);
        let noon = micros("2026-08-06T12:13:00Z");
        for text in [
            "2026-08-06T12:13:00.000Z",
            "2026-08-06T12:13:00Z",
            "2026-08-06T12:13Z",
            "2026-08-06T12:13:00.000+0000",
            "2026-08-06T12:13:00+00:00",
            "2026-08-06 12:13:00+00",
            "2026-08-06 12:13:00 UTC",
            "2026-08-06T06:13:00-06:00",
            "2026-08-06T17:43:00.000+0530",
            "2026-08-06 06:13:00",
            "2026-08-06T06:13",
            "08/06/2026 06:13:00 AM",
            "8/6/2026 6:13 AM",
            "8/6/2026, 6:13 am",
            "8/6/2026, 6:13\u{202f}AM",
            "8/6/2026 6:13",
            "8/6/2026 06:13:00.0",
        ] {
            assert_eq!(denver.parse(text), Some(noon), "{text}");
        }
        assert_eq!(denver.parse("2026-08-06T12:13:00.123456789Z"), Some(noon + 123_456));
        assert_eq!(denver.parse("2026-08-06"), Some(micros("2026-08-06T06:00:00Z")), "midnight in Denver");
        assert_eq!(denver.parse("1/6/2026"), Some(micros("2026-01-06T07:00:00Z")), "winter");
        assert_eq!(denver.parse("1/6/2026 12:00 AM"), Some(micros("2026-01-06T07:00:00Z")));
        assert_eq!(denver.parse("1/6/2026 12:00 PM"), Some(micros("2026-01-06T19:00:00Z")));
        assert_eq!(denver.parse("1969-12-31T23:59:59.5Z"), Some(-500_000));
        for text in [
            "yesterday",
            "2026-02-30",
            "2026-13-01",
            "2026-08-06T24:00:00Z",
            "2026-08-06T12:60Z",
            "2026-08-06T12",
            "2026-08-06T12:13:00X",
            "2026-08-06T12:13:00+99:00",
            "13/6/2026",
            "8/6/26",
            "8/6/2026 13:00 PM",
            "8/6/2026 0:00 AM",
            "1786018380000",
        ] {
            assert_eq!(denver.parse(text), None, "{text}");
        }
    }

    #[test]
    fn daylight_saving_takes_the_earliest_valid_moment() {
        let mut denver = Moments::new(chrono_tz::America::Denver);
        for _ in 0..2 {
            assert_eq!(denver.parse("2026-03-08 01:59:59"), Some(micros("2026-03-08T08:59:59Z")));
            assert_eq!(denver.parse("2026-03-08 02:30:00"), Some(micros("2026-03-08T09:00:00Z")), "in the gap");
            assert_eq!(denver.parse("2026-03-08 03:00:00"), Some(micros("2026-03-08T09:00:00Z")));
            assert_eq!(denver.parse("2026-11-01 01:30:00.25"), Some(micros("2026-11-01T07:30:00.25Z")), "twice that night");
            assert_eq!(denver.parse("2026-11-01 02:00:00"), Some(micros("2026-11-01T09:00:00Z")));
        }
    }

    #[test]
    fn days_of_every_form() {
        let day_of = |y, m, d| days(y, m, d).map(|days| days as i32);
        for text in ["2026-08-06", "8/6/2026", "08/06/2026", "2026-08-06T23:30:00-06:00", "8/6/2026 11:30 PM"] {
            assert_eq!(day(text), day_of(2026, 8, 6), "{text}");
        }
        assert_eq!(days(1970, 1, 1), Some(0));
        assert_eq!(days(2000, 2, 29), Some(11_016));
        assert_eq!(days(1900, 2, 29), None);
        assert_eq!(day("2026-08-06x"), None);
    }
}
