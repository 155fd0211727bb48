//! Parses moments and days, in every form seen in real exports.
//!
//! It is written by hand over bytes, because loading spends most of its time here; nothing is allocated. Nothing is guessed either.
//! What a text alone does not say (which of two numbers is the month, the zone, the unit of a whole number) is given by
//! [`Moments`]. A text that contradicts this gives another error than a text that is no moment at all ([`MomentError`]), so that
//! the file is read in another way instead of the row being rejected.

use chrono::{NaiveDateTime, TimeZone};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::record::key::DAY_MICROS;

const SECOND_MICROS: i64 = 1_000_000;
const QUARTER_SECONDS: i64 = 900;
/// 1 January 1999 in UTC microseconds: Salesforce and Marketing Cloud's forerunner are younger.
pub const EARLIEST: i64 = 915_148_800 * SECOND_MICROS;

/// Which comes first in a date such as 06/08/2026.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum DateOrder {
    /// 8/6/2026 is the sixth of August.
    MonthFirst,
    /// 6/8/2026 is the sixth of August.
    DayFirst,
}

/// How a date is written.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Spelling {
    /// `2026-08-06`, `2026/08/06`: nobody can misread it.
    YearFirst,
    /// `8/6/2026` or `8-6-2026`: which is the month, another line may tell.
    Ordered(DateOrder),
    /// `06.08.2026`: the day first, wherever dates are written with dots.
    Dotted,
    /// `31-AUG-2026`, `Aug 31, 2026`.
    Named,
    /// `20260831`.
    Compact,
    /// A whole number of this unit.
    Counted(Unit),
}

/// What a whole number that is a moment counts since 1970.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Ten digits today.
    Seconds,
    /// Thirteen.
    Milliseconds,
    /// Sixteen.
    Microseconds,
    /// Nineteen.
    Nanoseconds,
}

impl Unit {
    const ALL: [Self; 4] = [Self::Seconds, Self::Milliseconds, Self::Microseconds, Self::Nanoseconds];

    /// So many of it, in microseconds; none where that does not fit.
    pub fn micros(self, number: i64) -> Option<i64> {
        match self {
            Self::Seconds => number.checked_mul(SECOND_MICROS),
            Self::Milliseconds => number.checked_mul(1_000),
            Self::Microseconds => Some(number),
            Self::Nanoseconds => Some(number.div_euclid(1_000)),
        }
    }

    /// The one unit in which a number is a plausible moment.
    pub fn of(number: i64, plausible: Plausible) -> Option<Self> {
        let mut fitting = Self::ALL.into_iter().filter(|unit| unit.micros(number).is_some_and(|micros| plausible.has(micros)));
        match (fitting.next(), fitting.next()) {
            (unit, None) => unit,
            _ => None,
        }
    }
}

/// The span in which a record's moments can lie, in UTC microseconds: nothing was sent before there was e-mail marketing, and
/// nothing has happened that is still to come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Plausible {
    /// The first moment.
    pub earliest: i64,
    /// The last.
    pub latest: i64,
}

impl Plausible {
    /// Any moment.
    pub const ANY: Self = Self { earliest: i64::MIN, latest: i64::MAX };

    /// Is it within?
    pub fn has(self, micros: i64) -> bool {
        (self.earliest..=self.latest).contains(&micros)
    }
}

/// Why a text is not the moment that was expected.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum MomentError {
    /// It is no moment.
    None,
    /// It is one only if the other of two numbers is the month: the file is not as it was taken for.
    Order,
    /// A whole number of another unit than those before it.
    Unit,
    /// A moment that cannot be, before or after everything that is plausible.
    Implausible,
    /// A stamp that must carry seconds and a zone, and does not.
    Bare,
}

/// A day: `2026-08-06`, `8/6/2026`, or the date part of a moment, as written; days since 1970.
pub fn day(text: &str, order: DateOrder) -> Result<(i32, Spelling), MomentError> {
    let Date { days, spelling, rest } = date(text.as_bytes(), order)?;
    clock(rest).ok_or(MomentError::None)?;
    Ok((i32::try_from(days).map_err(|_| MomentError::None)?, spelling))
}

/// A day as `2026-08-06`.
pub fn iso(days: i32) -> String {
    naive(i64::from(days) * 86_400).map_or_else(String::new, |day| day.date().to_string())
}

/// A moment as it was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Moment {
    /// UTC microseconds.
    pub micros: i64,
    /// How its date is written.
    pub spelling: Spelling,
    /// Did the text say its zone?
    pub zoned: bool,
    /// Did it say seconds?
    pub seconds: bool,
}

/// Reads moments; those without a zone of their own are in the zone given.
#[derive(Clone, Debug)]
pub struct Moments {
    zone: Tz,
    /// Which number is the month.
    pub order: DateOrder,
    /// Where whole numbers are moments, and others are reported as implausible.
    pub plausible: Plausible,
    /// The unit of the whole numbers read so far.
    unit: Option<Unit>,
    /// Moments that the zone's clocks skip: see [`Moments::skipped`].
    skipped: u64,
    /// The quarter of an hour (local) last looked up, and its distance to UTC: a look-up costs ten times the parsing.
    quarter: i64,
    offset_seconds: i64,
}

impl Moments {
    /// Moments without a zone are in this one.
    pub fn new(zone: Tz) -> Self {
        Self {
            zone,
            order: DateOrder::MonthFirst,
            plausible: Plausible::ANY,
            unit: None,
            skipped: 0,
            quarter: i64::MIN,
            offset_seconds: 0,
        }
    }

    /// `2026-08-06T12:13:00.000Z`, `+0000`, `-06:00`, a blank for the T, `8/6/2026, 12:13 PM`, a date alone, a whole number; as
    /// UTC microseconds.
    pub fn parse(&mut self, text: &str) -> Result<i64, MomentError> {
        self.read(text).map(|moment| moment.micros)
    }

    /// A moment, with how it was written.
    pub fn read(&mut self, text: &str) -> Result<Moment, MomentError> {
        let found = match date(text.as_bytes(), self.order) {
            Ok(found) => found,
            Err(MomentError::None) => return self.counted(text),
            Err(doubt) => return Err(doubt),
        };
        let Time { micros, seconds, offset } = clock(found.rest).ok_or(MomentError::None)?;
        let local = found.days * DAY_MICROS + micros;
        let micros = match offset {
            Some(offset) => local - offset * SECOND_MICROS,
            None => self.in_zone(local).ok_or(MomentError::None)?,
        };
        if !self.plausible.has(micros) {
            return Err(MomentError::Implausible);
        }
        Ok(Moment { micros, spelling: found.spelling, zoned: offset.is_some(), seconds })
    }

    /// A whole number of the unit that fits, the same for all of a column.
    fn counted(&mut self, text: &str) -> Result<Moment, MomentError> {
        let number = whole_number(text).ok_or(MomentError::None)?;
        let unit = Unit::of(number, self.plausible).ok_or(MomentError::Implausible)?;
        if self.unit.is_some_and(|before| before != unit) {
            return Err(MomentError::Unit);
        }
        self.unit = Some(unit);
        let micros = unit.micros(number).ok_or(MomentError::None)?;
        Ok(Moment { micros, spelling: Spelling::Counted(unit), zoned: true, seconds: true })
    }

    /// How many moments read so far do not exist in the zone, because its clocks were put forward over them: a sign that it is not
    /// the file's zone.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Midnight of a day in the zone.
    pub fn midnight(&mut self, days: i32) -> Option<i64> {
        self.in_zone(i64::from(days) * DAY_MICROS)
    }

    /// What a clock of the zone showed so many microseconds after its 1970 began, in UTC.
    pub fn local(&mut self, micros: i64) -> Option<i64> {
        self.in_zone(micros)
    }

    /// A local moment in UTC: of two the earlier. One that daylight saving skips is read by the clock before the change, so that two
    /// of them stay two.
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

    fn around_a_change(&mut self, local: i64, seconds: i64) -> Option<i64> {
        let earliest = |seconds: i64| Some(self.zone.from_local_datetime(&naive(seconds)?).earliest()?.timestamp());
        if let Some(utc) = earliest(seconds) {
            return Some(utc * SECOND_MICROS + local.rem_euclid(SECOND_MICROS));
        }
        // No gap is longer than a day (Samoa skipped one).
        let (before, utc) = (1..=90_000).find_map(|back| Some((seconds - back, earliest(seconds - back)?)))?;
        self.skipped += 1;
        Some((utc - before) * SECOND_MICROS + local)
    }
}

fn naive(seconds: i64) -> Option<NaiveDateTime> {
    chrono::DateTime::from_timestamp(seconds, 0).map(|moment| moment.naive_utc())
}

struct Date<'a> {
    /// Since 1970.
    days: i64,
    spelling: Spelling,
    /// What follows.
    rest: &'a [u8],
}

/// The date at the start of a text.
fn date(text: &[u8], order: DateOrder) -> Result<Date<'_>, MomentError> {
    if text.len() >= 10 && matches!(text[4], b'-' | b'/') && text[7] == text[4] {
        let parts = || Some((i64::from(digits(&text[..4])?), digits(&text[5..7])?, digits(&text[8..10])?));
        if let Some((year, month, day)) = parts() {
            let days = days(year, month, day).ok_or(MomentError::None)?;
            return Ok(Date { days, spelling: Spelling::YearFirst, rest: &text[10..] });
        }
    }
    numbered(text, order).or_else(|doubt| match doubt {
        MomentError::None => compact(text).or_else(|| named(text)).ok_or(MomentError::None),
        doubt => Err(doubt),
    })
}

/// `8/6/2026`, `8-6-2026`, `06.08.2026`.
fn numbered(text: &[u8], order: DateOrder) -> Result<Date<'_>, MomentError> {
    let parts = || {
        let (first, rest) = number(text)?;
        let (&mark, rest) = rest.split_first().filter(|(mark, _)| matches!(mark, b'/' | b'-' | b'.'))?;
        let (second, rest) = number(rest)?;
        let year = digits(rest.strip_prefix(&[mark])?.get(..4)?)?;
        Some((first, second, i64::from(year), mark, &rest[5..]))
    };
    let (first, second, year, mark, rest) = parts().ok_or(MomentError::None)?;
    let as_read = |order| match order {
        DateOrder::MonthFirst => days(year, first, second),
        DateOrder::DayFirst => days(year, second, first),
    };
    if mark == b'.' {
        let days = as_read(DateOrder::DayFirst).ok_or(MomentError::None)?;
        return Ok(Date { days, spelling: Spelling::Dotted, rest });
    }
    let other = if order == DateOrder::MonthFirst { DateOrder::DayFirst } else { DateOrder::MonthFirst };
    match (as_read(order), as_read(other)) {
        (Some(days), _) => Ok(Date { days, spelling: Spelling::Ordered(order), rest }),
        (None, Some(_)) => Err(MomentError::Order),
        (None, None) => Err(MomentError::None),
    }
}

/// What a text shows about the order of day and month.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OrderEvidence {
    /// It can be read in this order only.
    Only(DateOrder),
    /// It is a different day in each order.
    Either,
    /// Nothing: it is no such date, or the same day in both.
    Nothing,
}

/// Does a text of the kind of 8/6/2026 tell which number is the month?
pub fn order_shown(text: &str) -> OrderEvidence {
    if !text.as_bytes().iter().take(3).any(|byte| matches!(byte, b'/' | b'-')) {
        return OrderEvidence::Nothing;
    }
    let of = |order| numbered(text.as_bytes(), order).ok().map(|date| date.days);
    match (of(DateOrder::MonthFirst), of(DateOrder::DayFirst)) {
        (Some(_), None) => OrderEvidence::Only(DateOrder::MonthFirst),
        (None, Some(_)) => OrderEvidence::Only(DateOrder::DayFirst),
        (Some(one), Some(other)) if one != other => OrderEvidence::Either,
        _ => OrderEvidence::Nothing,
    }
}

/// `20260831`, and nothing but a time of day behind it.
fn compact(text: &[u8]) -> Option<Date<'_>> {
    let eight = text.get(..8)?;
    if text.get(8).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let year = digits(&eight[..4]).filter(|year| (1900..=9999).contains(year))?;
    let days = days(i64::from(year), digits(&eight[4..6])?, digits(&eight[6..])?)?;
    Some(Date { days, spelling: Spelling::Compact, rest: &text[8..] })
}

/// `31-AUG-2026`, `31 August 2026`, `Aug 31, 2026`.
fn named(text: &[u8]) -> Option<Date<'_>> {
    let (day, month, rest) = match text.first()? {
        byte if byte.is_ascii_digit() => {
            let (day, rest) = number(text)?;
            let (month, rest) = month(apart(rest)?)?;
            (day, month, apart(rest)?)
        }
        _ => {
            let (month, rest) = month(text)?;
            let (day, rest) = number(apart(rest)?)?;
            (day, month, apart(rest)?)
        }
    };
    let year = digits(rest.get(..4)?)?;
    let rest = &rest[4..];
    // A time behind a comma, as behind other dates.
    Some(Date { days: days(i64::from(year), month, day)?, spelling: Spelling::Named, rest })
}

/// What stands behind the marks between a day, a month's name and a year.
fn apart(text: &[u8]) -> Option<&[u8]> {
    let marks = text.iter().take_while(|byte| matches!(byte, b' ' | b'-' | b'/' | b'.' | b',')).count();
    (1..=2).contains(&marks).then(|| &text[marks..])
}

/// A month by its English name or its first three letters.
fn month(text: &[u8]) -> Option<(u32, &[u8])> {
    const MONTHS: [&[u8]; 12] = [
        b"january",
        b"february",
        b"march",
        b"april",
        b"may",
        b"june",
        b"july",
        b"august",
        b"september",
        b"october",
        b"november",
        b"december",
    ];
    let length = text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let (name, rest) = text.split_at(length);
    let is_named = |month: &&[u8]| name.eq_ignore_ascii_case(month) || name.eq_ignore_ascii_case(&month[..3]);
    let at = MONTHS.iter().position(is_named).or_else(|| name.eq_ignore_ascii_case(b"sept").then_some(8))?;
    Some((at as u32 + 1, rest))
}

/// One or two digits, and what follows.
fn number(text: &[u8]) -> Option<(u32, &[u8])> {
    let length = text.iter().take(2).take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(length);
    Some((digits(number)?, rest))
}

/// A whole number of nine digits or more, perhaps with a fraction of nothing, as data frames write them.
fn whole_number(text: &str) -> Option<i64> {
    let (number, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_whole = !fraction.is_empty() && fraction.bytes().all(|byte| byte == b'0');
    let is_number = (9..=19).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    (is_whole && is_number).then(|| number.parse().ok()).flatten()
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

struct Time {
    /// Since midnight.
    micros: i64,
    /// Were there seconds?
    seconds: bool,
    /// Seconds east of UTC.
    offset: Option<i64>,
}

/// What follows a date: nothing, or a time of day, perhaps with a zone.
fn clock(text: &[u8]) -> Option<Time> {
    if text.is_empty() {
        return Some(Time { micros: 0, seconds: false, offset: None });
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
    let mut seconds = false;
    if let Some(after) = rest.strip_prefix(b":") {
        (second, rest) = two_digits(after)?;
        seconds = true;
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
    Some(Time { micros, seconds, offset: offset_seconds(blanks(rest))? })
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
mod tests;
