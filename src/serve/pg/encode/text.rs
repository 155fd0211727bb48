//! Writes values in Postgres' text format: `2026-03-01 09:30:00-07`, `t`, `{a,b}`, `1 mon 2 days 03:04:05`.

use std::fmt::Write;

use bytes::{BufMut, BytesMut};
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Timelike};

use super::column::{Column, Values};

const MICROS: i64 = 1_000_000;

/// Writes the value of a row that has one.
pub(super) fn write(column: &Column, row: usize, out: &mut BytesMut) {
    // Writing to memory does not fail.
    let _: std::fmt::Result = match &column.values {
        Values::Bool(values) => {
            out.put_u8(if values.value(row) { b't' } else { b'f' });
            Ok(())
        }
        Values::Int2(values) => write!(out, "{}", values.value(row)),
        Values::Int4(values) => write!(out, "{}", values.value(row)),
        Values::Int8(values) => write!(out, "{}", values.value(row)),
        Values::Float4(values) => float(values.value(row), out),
        Values::Float8(values) => float(values.value(row), out),
        Values::Numeric(values) | Values::Text(values) => {
            out.put_slice(values.value(row).as_bytes());
            Ok(())
        }
        Values::Date(values) => match NaiveDate::from_epoch_days(values.value(row)) {
            Some(date) => {
                day(date, out);
                era(date, out)
            }
            None => outside(i64::from(values.value(row)), out),
        },
        Values::Time(values) => time(values.value(row), out),
        Values::Timestamp(values) => match DateTime::from_timestamp_micros(values.value(row)) {
            Some(at) => {
                clock(at.naive_utc(), out);
                era(at.date_naive(), out)
            }
            None => outside(values.value(row), out),
        },
        Values::Moment(values, zone) => match DateTime::from_timestamp_micros(values.value(row)) {
            Some(at) => {
                let ahead = zone.ahead(at);
                let there = at.naive_utc().checked_add_signed(chrono::Duration::seconds(ahead.into())).unwrap_or(at.naive_utc());
                clock(there, out);
                offset(ahead, out);
                era(there.date(), out)
            }
            None => outside(values.value(row), out),
        },
        Values::Interval(values) => {
            let value = values.value(row);
            interval(value.months, value.days, value.nanoseconds.div_euclid(1000), out)
        }
        Values::Span(values) => interval(0, 0, values.value(row), out),
        Values::Bytes(values) => {
            out.put_slice(b"\\x");
            values.value(row).iter().try_for_each(|byte| write!(out, "{byte:02x}"))
        }
        Values::List(lists, inner, _) => {
            let offsets = lists.value_offsets();
            list(inner, offsets[row] as usize, offsets[row + 1] as usize, out);
            Ok(())
        }
    };
}

/// A number with the fewest digits that read as the same number, and an exponent where it is far from one.
fn float<F: std::fmt::Display + std::fmt::LowerExp + Into<f64> + Copy>(value: F, out: &mut BytesMut) -> std::fmt::Result {
    let wide: f64 = value.into();
    if wide.is_nan() {
        return write!(out, "NaN");
    }
    if wide.is_infinite() {
        return write!(out, "{}", if wide > 0.0 { "Infinity" } else { "-Infinity" });
    }
    if wide == 0.0 || (1e-4..1e15).contains(&wide.abs()) {
        return write!(out, "{value}");
    }
    // `1e-7` is written `1e-07`, and `1e20` `1e+20`.
    let short = format!("{value:e}");
    match short.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
            write!(out, "{digits}e{sign}{exponent:0>2}")
        }
        None => write!(out, "{short}"),
    }
}

fn day(date: NaiveDate, out: &mut BytesMut) {
    let (_, year) = date.year_ce();
    let _: std::fmt::Result = write!(out, "{year:04}-{:02}-{:02}", date.month(), date.day());
}

/// What comes behind everything where the year is before our era.
fn era(date: NaiveDate, out: &mut BytesMut) -> std::fmt::Result {
    if date.year_ce().0 { Ok(()) } else { write!(out, " BC") }
}

fn clock(at: NaiveDateTime, out: &mut BytesMut) {
    day(at.date(), out);
    let _: std::fmt::Result = write!(out, " {:02}:{:02}:{:02}", at.hour(), at.minute(), at.second());
    fraction(i64::from(at.nanosecond() / 1000), out);
}

/// A fraction of a second, without zeros at its end.
fn fraction(micros: i64, out: &mut BytesMut) {
    if micros != 0 {
        let digits = format!(".{micros:06}");
        out.put_slice(digits.trim_end_matches('0').as_bytes());
    }
}

fn time(value: i64, out: &mut BytesMut) -> std::fmt::Result {
    let seconds = value.div_euclid(MICROS);
    write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
    fraction(value.rem_euclid(MICROS), out);
    Ok(())
}

fn offset(ahead: i32, out: &mut BytesMut) {
    let (sign, ahead) = if ahead < 0 { ('-', -ahead) } else { ('+', ahead) };
    let _: std::fmt::Result = write!(out, "{sign}{:02}", ahead / 3600);
    if ahead % 3600 != 0 {
        let _: std::fmt::Result = write!(out, ":{:02}", ahead / 60 % 60);
    }
    if ahead % 60 != 0 {
        let _: std::fmt::Result = write!(out, ":{:02}", ahead % 60);
    }
}

/// A day or moment that no calendar reaches.
fn outside(value: i64, out: &mut BytesMut) -> std::fmt::Result {
    write!(out, "{}", if value > 0 { "infinity" } else { "-infinity" })
}

/// `1 year 2 mons 3 days 04:05:06.7`: each part with its own sign.
fn interval(months: i32, days: i32, micros: i64, out: &mut BytesMut) -> std::fmt::Result {
    let mut is_first = true;
    // Behind a negative part a positive one says so.
    let mut was_negative = false;
    for (number, one, many) in [(months / 12, "year", "years"), (months % 12, "mon", "mons"), (days, "day", "days")] {
        if number == 0 {
            continue;
        }
        let blank = if is_first { "" } else { " " };
        let plus = if was_negative && number > 0 { "+" } else { "" };
        write!(out, "{blank}{plus}{number} {}", if number == 1 { one } else { many })?;
        (is_first, was_negative) = (false, number < 0);
    }
    if micros == 0 && !is_first {
        return Ok(());
    }
    let sign = match (micros < 0, was_negative) {
        (true, _) => "-",
        (false, true) => "+",
        (false, false) => "",
    };
    write!(out, "{}{sign}", if is_first { "" } else { " " })?;
    let all = micros.unsigned_abs();
    let seconds = all / MICROS.unsigned_abs();
    write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
    fraction((all % MICROS.unsigned_abs()).cast_signed(), out);
    Ok(())
}

/// `{a,"b c",NULL}`.
fn list(inner: &Column, from: usize, to: usize, out: &mut BytesMut) {
    out.put_u8(b'{');
    for row in from..to {
        if row > from {
            out.put_u8(b',');
        }
        if inner.is_null(row) {
            out.put_slice(b"NULL");
            continue;
        }
        let mut value = BytesMut::new();
        write(inner, row, &mut value);
        let is_special = |byte: &u8| b"{},\"\\ \t\n\r\x0b\x0c".contains(byte);
        if value.is_empty() || value.eq_ignore_ascii_case(b"null") || value.iter().any(is_special) {
            out.put_u8(b'"');
            for byte in value {
                if byte == b'"' || byte == b'\\' {
                    out.put_u8(b'\\');
                }
                out.put_u8(byte);
            }
            out.put_u8(b'"');
        } else {
            out.put_slice(&value);
        }
    }
    out.put_u8(b'}');
}
