//! Writes values in Postgres' binary format: numbers with the most significant byte first, moments as microseconds since 2000.

use bytes::{BufMut, BytesMut};

use super::column::{Column, Values};

/// Days from 1970 to 2000.
pub const EPOCH_DAYS: i32 = 10_957;

/// Microseconds from 1970 to 2000.
pub const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;

/// Digits of a numeric go four by four.
const GROUP: usize = 4;

const NEGATIVE: u16 = 0x4000;

/// Writes the value of a row that has one.
pub(super) fn write(column: &Column, row: usize, out: &mut BytesMut) {
    match &column.values {
        Values::Bool(values) => out.put_u8(values.value(row).into()),
        Values::Int2(values) => out.put_i16(values.value(row)),
        Values::Int4(values) => out.put_i32(values.value(row)),
        Values::Int8(values) => out.put_i64(values.value(row)),
        Values::Float4(values) => out.put_f32(values.value(row)),
        Values::Float8(values) => out.put_f64(values.value(row)),
        Values::Numeric(values) => numeric(values.value(row), out),
        // What is farther away than can be said is infinitely far.
        Values::Date(values) => out.put_i32(values.value(row).saturating_sub(EPOCH_DAYS)),
        Values::Time(values) => out.put_i64(values.value(row)),
        Values::Timestamp(values) | Values::Moment(values, _) => out.put_i64(values.value(row).saturating_sub(EPOCH_MICROS)),
        Values::Interval(values) => {
            let value = values.value(row);
            out.put_i64(value.nanoseconds.div_euclid(1000));
            out.put_i32(value.days);
            out.put_i32(value.months);
        }
        Values::Span(values) => {
            out.put_i64(values.value(row));
            out.put_i32(0);
            out.put_i32(0);
        }
        Values::Bytes(values) => out.put_slice(values.value(row)),
        Values::Text(values) => out.put_slice(values.value(row).as_bytes()),
        Values::List(lists, inner, element) => {
            let offsets = lists.value_offsets();
            list(inner, offsets[row] as usize, offsets[row + 1] as usize, *element, out);
        }
    }
}

/// Puts a value's length before it, or -1 where there is none.
pub(super) fn with_length(column: &Column, row: usize, out: &mut BytesMut) {
    if column.is_null(row) {
        out.put_i32(-1);
        return;
    }
    let at = out.len();
    out.put_i32(0);
    write(column, row, out);
    // No value of more than two gigabytes is made: a batch holds less.
    let length = i32::try_from(out.len() - at - 4).unwrap_or(i32::MAX);
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

fn list(inner: &Column, from: usize, to: usize, element: u32, out: &mut BytesMut) {
    let is_empty = from == to;
    out.put_i32(i32::from(!is_empty));
    out.put_i32(i32::from((from..to).any(|row| inner.is_null(row))));
    out.put_u32(element);
    if is_empty {
        return;
    }
    out.put_i32(i32::try_from(to - from).unwrap_or(i32::MAX));
    // The first has the number one.
    out.put_i32(1);
    for row in from..to {
        with_length(inner, row, out);
    }
}

/// A number of digits, in groups of four from the point on: how many groups, the power of the first, sign, digits behind the point.
fn numeric(text: &str, out: &mut BytesMut) {
    let (sign, digits) = text.strip_prefix('-').map_or((0, text), |digits| (NEGATIVE, digits));
    let (whole, behind) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = whole.trim_start_matches('0');
    let groups_before = whole.len().div_ceil(GROUP);
    let padded = format!(
        "{whole:0>before$}{behind:0<after$}",
        before = groups_before * GROUP,
        after = behind.len().div_ceil(GROUP) * GROUP
    );
    let all: Vec<u16> =
        (0..padded.len() / GROUP).map(|at| padded[at * GROUP..(at + 1) * GROUP].parse().unwrap_or_default()).collect();
    let first = all.iter().position(|group| *group != 0).unwrap_or(all.len());
    let last = all.iter().rposition(|group| *group != 0).map_or(first, |at| at + 1);
    let groups = &all[first..last];
    let weight = if groups.is_empty() { 0 } else { groups_before as i32 - 1 - first as i32 };
    out.put_u16(groups.len() as u16);
    out.put_i16(weight as i16);
    out.put_u16(if groups.is_empty() { 0 } else { sign });
    out.put_u16(behind.len() as u16);
    for group in groups {
        out.put_u16(*group);
    }
}
