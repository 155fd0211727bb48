//! Formats numbers for people: thousands separated, bytes in KiB and MiB, durations in words. And makes texts harmless for a
//! terminal: names and subjects come from strangers, and a terminal obeys some characters in them.
//!
//! Reports for machines have the bare numbers and texts.
//!
//! # Decisions
//! - 2026-11-28 **A report writes moments in UTC, and whoever prints it for people shows them in their zone.** A report knows no
//!   settings; to hand each a zone would put one into every job. What is meant to stay in UTC, as records in audits, is printed
//!   without that step.

use chrono::{DateTime, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;

use crate::error::sql_errors::is_slip;

/// Of some words the one that was meant by a word with a slip in it: the likest, if any is.
pub fn meant<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known.filter(|known| is_slip(word, known)).min_by_key(|known| strsim::osa_distance(word, known))
}

/// `1234567` as `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun: `1 row`, `2,000 rows`. The noun's plural takes an s.
pub fn counted(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(n), if n == 1 { "" } else { "s" })
}

/// `1536` as `1.5 KiB`. Steps of 1024, one decimal below ten of a unit.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    let mut value = n as f64 / 1024.0;
    let mut unit = 0;
    // 1023.95 and more would be printed as "1024".
    while value >= 1023.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if value < 9.95 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

/// `72.4` as `1 min 12 s`. Two units at most; below a second, milliseconds.
pub fn seconds(seconds: f64) -> String {
    // A clock set back may make a difference negative; no time has passed then.
    let seconds = seconds.max(0.0);
    if seconds < 0.9995 {
        return format!("{:.0} ms", seconds * 1000.0);
    }
    if seconds < 59.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    let (days, hours, minutes, rest) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} min {rest} s"),
        (0, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// `168` hours as `7 days`, `36` as `36 hours`.
pub fn hours(hours: i64) -> String {
    let hours = u64::try_from(hours).unwrap_or(0);
    match hours % 24 == 0 && hours > 0 {
        true => counted(hours / 24, "day"),
        false => counted(hours, "hour"),
    }
}

/// How many a second, as `12,345/s`; a dash where no time passed.
pub fn rate(n: u64, seconds: f64) -> String {
    if seconds > 0.0 { format!("{}/s", count((n as f64 / seconds).round() as u64)) } else { "-".to_owned() }
}

/// Bytes per row beside another figure: `61.3` for 61.3 bytes; a dash where there are no rows.
pub fn per_row(bytes: u64, rows: u64) -> String {
    if rows == 0 { "-".to_owned() } else { format!("{:.1} bytes a row", bytes as f64 / rows as f64) }
}

/// A moment in a report: `2026-11-28 20:14:28 UTC`. [`local_times`] shows it in a zone once it is known who reads it.
pub fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `text` with every moment that is written as [`moment`] does, with or without seconds, as the clock of a zone shows it, which is named:
/// `2026-11-28 13:14:28 MST`. One that begins a parenthesis stands beside its local time, and is left.
pub fn local_times(text: &str, zone: Tz) -> String {
    let mut written = String::with_capacity(text.len());
    let mut done = 0;
    for (at, word) in text.match_indices(" UTC") {
        let is_word = !text[at + word.len()..].starts_with(char::is_alphanumeric);
        let Some((start, moment)) = is_word
            .then(|| ended_moment(text, at))
            .flatten()
            .filter(|(start, _)| *start >= done && !text[..*start].ends_with('('))
        else {
            continue;
        };
        let pattern = if at - start == MINUTES_CHARS { "%Y-%m-%d %H:%M %Z" } else { "%Y-%m-%d %H:%M:%S %Z" };
        written.push_str(&text[done..start]);
        written.push_str(&zone.from_utc_datetime(&moment).format(pattern).to_string());
        done = at + word.len();
    }
    written.push_str(&text[done..]);
    written
}

/// Characters of a moment to the minute.
const MINUTES_CHARS: usize = 16;

/// The moment that ends before a byte of a text, and where it begins.
fn ended_moment(text: &str, end: usize) -> Option<(usize, NaiveDateTime)> {
    // To the minute, to the second, and with up to nine digits of a fraction.
    let lengths = std::iter::once(MINUTES_CHARS).chain(MINUTES_CHARS + 3..=MINUTES_CHARS + 13);
    lengths.filter_map(|length| end.checked_sub(length)).find_map(|start| {
        let written = text.get(start..end).filter(|written| written.bytes().take(4).all(|byte| byte.is_ascii_digit()))?;
        let pattern = if written.len() == MINUTES_CHARS { "%Y-%m-%d %H:%M" } else { "%Y-%m-%d %H:%M:%S%.f" };
        Some((start, NaiveDateTime::parse_from_str(written, pattern).ok()?))
    })
}

/// `text` with its lines, without anything a terminal would obey or that would turn a line's direction round.
pub fn harmless(text: &str) -> String {
    let shown = |character| if matches!(character, '\n' | '\t') { character } else { shown(character) };
    text.replace("\r\n", "\n").chars().map(shown).collect()
}

/// `text` on one line, as harmless.
pub fn printable(text: &str) -> String {
    let shown = |character| if matches!(character, '\n' | '\r' | '\t') { ' ' } else { shown(character) };
    text.chars().map(shown).collect()
}

/// A character, or what is shown in its place.
pub fn shown(character: char) -> char {
    match character {
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        character if character.is_control() => char::REPLACEMENT_CHARACTER,
        character => character,
    }
}

/// The system's temporary folder, by its name: the operator has to make room in it.
pub fn temporary_folder() -> String {
    format!("the temporary folder {}", std::env::temp_dir().display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_that_it_would_obey() {
        let text = "a\r\nb\tc\u{1b}[2Jd\u{202e}e\u{9b}m\rf";
        assert_eq!(printable(text), "a  b c\u{FFFD}[2Jd\u{FFFD}e\u{FFFD}m f");
        assert_eq!(harmless(text), "a\nb\tc\u{FFFD}[2Jd\u{FFFD}e\u{FFFD}m\u{FFFD}f");
    }

    #[test]
    fn moments_in_a_text_are_shown_by_the_clock_of_a_zone() {
        let written = |text| local_times(text, chrono_tz::America::Denver);
        assert_eq!(written("placed 2026-11-28 20:14:28 UTC by ann"), "placed 2026-11-28 13:14:28 MST by ann");
        assert_eq!(written("2026-07-01 02:00 UTC"), "2026-06-30 20:00 MDT");
        assert_eq!(
            written("a 2026-07-01 02:00:01.250 UTC, 2026-01-01 00:00 UTC"),
            "a 2026-06-30 20:00:01 MDT, 2025-12-31 17:00 MST"
        );
        for as_it_was in [
            "12:00 UTC",
            "2026-07-01 UTC",
            "ü2026-13-01 02:00 UTC",
            " UTC",
            "2026-07-01 02:00 UTCX",
            "2026-07-01 02:00 MDT",
            "a (2026-07-01 02:00 UTC)",
        ] {
            assert_eq!(written(as_it_was), as_it_was);
        }
    }

    #[test]
    fn counts_are_grouped_by_thousands() {
        let written = [0, 7, 999, 1000, 12_345, 1_234_567, u64::MAX].map(count);
        assert_eq!(written, ["0", "7", "999", "1,000", "12,345", "1,234,567", "18,446,744,073,709,551,615"]);
        assert_eq!([0, 1, 2000].map(|n| counted(n, "row")), ["0 rows", "1 row", "2,000 rows"]);
    }

    #[test]
    fn bytes_step_by_1024_and_never_show_1024_of_a_unit() {
        let written = [0, 1023, 1024, 1536, 10_240, 1024 * 1024 - 1, 1024 * 1024, 5 << 30, u64::MAX].map(bytes);
        assert_eq!(written, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "10 KiB", "1.0 MiB", "1.0 MiB", "5.0 GiB", "16 EiB"]);
    }

    #[test]
    fn durations_name_two_units_at_most() {
        let written = [-1.0, 0.0123, 0.9999, 59.94, 59.96, 72.4, 3725.0, 200_000.0].map(seconds);
        assert_eq!(written, ["0 ms", "12 ms", "1.0 s", "59.9 s", "1 min 0 s", "1 min 12 s", "1 h 2 min", "2 d 7 h"]);
    }

    #[test]
    fn rates_and_ratios_survive_zero() {
        assert_eq!((rate(10, 0.0), rate(10, 4.0)), ("-".to_owned(), "3/s".to_owned()));
        assert_eq!((per_row(10, 0), per_row(613, 10)), ("-".to_owned(), "61.3 bytes a row".to_owned()));
    }
}
