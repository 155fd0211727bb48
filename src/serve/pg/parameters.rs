//! Parses values of parameters: in text or binary format, of the type that the client declared or that the statement needs.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, IntervalMonthDayNano};
use bytes::{Buf, Bytes};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use datafusion::common::ScalarValue;

use super::encode::{EPOCH_DAYS, EPOCH_MICROS, Form};
use super::failure::Failure;
use super::types;
use super::zone::Zone;
use crate::query::functions::array_text;

/// Digits of a numeric go four by four.
const GROUP: u32 = 4;

/// The most digits of a number of ours.
const DIGITS: u8 = 38;

/// The type of a parameter: as it was declared, else as the statement wants it, else a text.
pub(super) fn data_type(declared: u32, wanted: Option<&DataType>) -> DataType {
    types::of_oid(declared).or_else(|| wanted.map(types::outgoing)).unwrap_or(DataType::Utf8View)
}

/// The OID of a parameter's type, as a client is told: what it declared, else what the statement wants.
pub(super) fn oid(declared: u32, wanted: Option<&DataType>) -> u32 {
    match declared {
        // Neither nothing nor "unknown" is a type.
        0 | 705 => types::oid(&data_type(0, wanted)),
        declared => declared,
    }
}

/// A value that has a binary form of its own, as the text it is here.
pub(super) fn as_text(oid: u32, bytes: Option<Bytes>, form: Form) -> (Option<Bytes>, Form) {
    match (oid, form, &bytes) {
        (types::UUID, Form::Binary, Some(given)) => match uuid::Uuid::from_slice(given) {
            Ok(id) => (Some(id.to_string().into()), Form::Text),
            Err(_) => (bytes, form),
        },
        // Its first byte is the version of the form.
        (types::JSONB, Form::Binary, Some(given)) if given.first() == Some(&1) => (Some(given.slice(1..)), Form::Text),
        _ => (bytes, form),
    }
}

/// Reads the value of parameter `number`.
///
/// # Errors
/// 22P02 for a text that is no value of the type, 22P03 for bytes that are none.
pub(super) fn value(
    number: usize,
    bytes: Option<Bytes>,
    form: Form,
    data_type: &DataType,
    zone: Zone,
) -> Result<ScalarValue, Failure> {
    let Some(bytes) = bytes else {
        return ScalarValue::try_from(data_type).map_err(Failure::from);
    };
    match form {
        Form::Text => {
            let text = std::str::from_utf8(&bytes);
            let text = text.map_err(|_| Failure::new("22021", "invalid byte sequence for encoding \"UTF8\""))?;
            of_text(text, data_type, zone).ok_or_else(|| {
                Failure::new("22P02", format!("invalid input for parameter ${number} of type {}", name(data_type)))
            })
        }
        Form::Binary => of_bytes(bytes, data_type).ok_or_else(|| {
            Failure::new("22P03", format!("incorrect binary data for parameter ${number} of type {}", name(data_type)))
        }),
    }
}

fn name(data_type: &DataType) -> String {
    types::type_name(data_type)
}

fn of_text(text: &str, data_type: &DataType, zone: Zone) -> Option<ScalarValue> {
    let plain = text.trim();
    Some(match data_type {
        DataType::Utf8View => ScalarValue::Utf8View(Some(text.to_owned())),
        DataType::Boolean => ScalarValue::Boolean(Some(match plain.to_ascii_lowercase().as_str() {
            "t" | "true" | "y" | "yes" | "on" | "1" => true,
            "f" | "false" | "n" | "no" | "off" | "0" => false,
            _ => return None,
        })),
        DataType::Int16 => ScalarValue::Int16(Some(plain.parse().ok()?)),
        DataType::Int32 => ScalarValue::Int32(Some(plain.parse().ok()?)),
        DataType::Int64 => ScalarValue::Int64(Some(plain.parse().ok()?)),
        DataType::Float32 => ScalarValue::Float32(Some(plain.parse().ok()?)),
        DataType::Float64 => ScalarValue::Float64(Some(plain.parse().ok()?)),
        DataType::Decimal128(..) => decimal_of_text(plain)?,
        DataType::Date32 => {
            let date = plain.split([' ', 'T']).next()?.parse::<NaiveDate>().ok()?;
            ScalarValue::Date32(Some(date.to_epoch_days()))
        }
        DataType::Time64(_) => {
            let time: NaiveTime = plain.parse().ok()?;
            ScalarValue::Time64Microsecond(Some(time.signed_duration_since(NaiveTime::MIN).num_microseconds()?))
        }
        DataType::Timestamp(_, None) => {
            let local = local_of_text(plain).or_else(|| Some(moment_of_text(plain)?.naive_utc()))?;
            ScalarValue::TimestampMicrosecond(Some(local.and_utc().timestamp_micros()), None)
        }
        DataType::Timestamp(_, Some(_)) => {
            let at = moment_of_text(plain).or_else(|| Some(zone.moment(local_of_text(plain)?)))?;
            ScalarValue::TimestampMicrosecond(Some(at.timestamp_micros()), Some("UTC".into()))
        }
        DataType::Binary => ScalarValue::Binary(Some(bytes_of_hex(plain.strip_prefix("\\x")?)?)),
        DataType::List(of) => {
            let items = array_text::items(plain)?;
            let values = items.into_iter().map(|item| match item {
                Some(item) => of_text(&item, of.data_type(), zone),
                None => ScalarValue::try_from(of.data_type()).ok(),
            });
            list(values.collect::<Option<_>>()?, of)?
        }
        // Intervals and what else there is, as the planner reads them.
        other => ScalarValue::Utf8(Some(plain.to_owned())).cast_to(other).ok()?,
    })
}

/// A moment with its offset.
fn moment_of_text(text: &str) -> Option<DateTime<chrono::Utc>> {
    // Postgres writes `+00` for what is `+00:00` elsewhere.
    let padded = match text.rfind(['+', '-']).filter(|at| *at > 10 && text.len() - at == 3) {
        Some(_) => format!("{text}:00"),
        None => text.to_owned(),
    };
    let formats = ["%Y-%m-%d %H:%M:%S%.f%:z", "%Y-%m-%dT%H:%M:%S%.f%:z", "%Y-%m-%d %H:%M:%S%.f %:z", "%Y-%m-%d %H:%M:%S%.f%z"];
    let parsed = formats.iter().find_map(|format| DateTime::parse_from_str(&padded, format).ok());
    let parsed = parsed.or_else(|| DateTime::parse_from_rfc3339(text).ok());
    parsed.map(|at| at.to_utc()).or_else(|| Some(local_of_text(text.strip_suffix('Z')?.trim())?.and_utc()))
}

/// What clocks show, without a word about where they hang.
fn local_of_text(text: &str) -> Option<NaiveDateTime> {
    let formats = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"];
    let parsed = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    parsed.or_else(|| text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0))
}

/// No number of a column has an exponent beyond this.
const EXPONENT_MAX: i32 = 1000;

/// `-12.5e3` with just as many digits behind the point as it has.
fn decimal_of_text(text: &str) -> Option<ScalarValue> {
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok().filter(|power| power.abs() <= EXPONENT_MAX)?),
        None => (text, 0),
    };
    let (whole, behind) = digits.split_once('.').unwrap_or((digits, ""));
    let mut value: i128 = format!("{whole}{behind}").parse().ok()?;
    let mut scale = i32::try_from(behind.len()).ok()? - exponent;
    while scale < 0 {
        value = value.checked_mul(10)?;
        scale += 1;
    }
    decimal(value, u32::try_from(scale).ok()?)
}

fn decimal(value: i128, scale: u32) -> Option<ScalarValue> {
    let scale = i8::try_from(scale).ok().filter(|scale| scale.cast_unsigned() <= DIGITS)?;
    (value.unsigned_abs() < 10_u128.pow(DIGITS.into())).then_some(ScalarValue::Decimal128(Some(value), DIGITS, scale))
}

fn bytes_of_hex(hex: &str) -> Option<Vec<u8>> {
    if !hex.len().is_multiple_of(2) || !hex.is_ascii() {
        return None;
    }
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).ok()).collect()
}

fn list(values: Vec<ScalarValue>, of: &Arc<Field>) -> Option<ScalarValue> {
    let array: ArrayRef = match values.is_empty() {
        true => arrow::array::new_empty_array(of.data_type()),
        // Each has the scale it was written with, and an array has one.
        false => {
            let alike = values.into_iter().map(|value| value.cast_to(of.data_type()));
            ScalarValue::iter_to_array(alike.collect::<Result<Vec<_>, _>>().ok()?).ok()?
        }
    };
    let offsets = OffsetBuffer::from_lengths([array.len()]);
    ListArray::try_new(of.clone(), offsets, array, None).ok().map(|list| ScalarValue::List(Arc::new(list)))
}

fn of_bytes(mut bytes: Bytes, data_type: &DataType) -> Option<ScalarValue> {
    let read = &mut bytes;
    let value = match data_type {
        DataType::Boolean => ScalarValue::Boolean(Some(read.try_get_u8().ok()? != 0)),
        DataType::Int16 => ScalarValue::Int16(Some(read.try_get_i16().ok()?)),
        DataType::Int32 => ScalarValue::Int32(Some(read.try_get_i32().ok()?)),
        // An OID has four bytes only.
        DataType::Int64 if read.remaining() == 4 => ScalarValue::Int64(Some(read.try_get_u32().ok()?.into())),
        DataType::Int64 => ScalarValue::Int64(Some(read.try_get_i64().ok()?)),
        DataType::Float32 => ScalarValue::Float32(Some(read.try_get_f32().ok()?)),
        DataType::Float64 => ScalarValue::Float64(Some(read.try_get_f64().ok()?)),
        DataType::Decimal128(..) => decimal_of_bytes(read)?,
        DataType::Date32 => ScalarValue::Date32(Some(read.try_get_i32().ok()?.checked_add(EPOCH_DAYS)?)),
        DataType::Time64(_) => ScalarValue::Time64Microsecond(Some(read.try_get_i64().ok()?)),
        DataType::Timestamp(_, zone) => {
            ScalarValue::TimestampMicrosecond(Some(read.try_get_i64().ok()?.checked_add(EPOCH_MICROS)?), zone.clone())
        }
        DataType::Interval(_) => {
            let (micros, days, months) = (read.try_get_i64().ok()?, read.try_get_i32().ok()?, read.try_get_i32().ok()?);
            ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(months, days, micros.checked_mul(1000)?)))
        }
        DataType::Binary => return Some(ScalarValue::Binary(Some(bytes.to_vec()))),
        DataType::List(of) => list_of_bytes(read, of)?,
        _ => return String::from_utf8(bytes.into()).ok().map(|text| ScalarValue::Utf8View(Some(text))),
    };
    (!bytes.has_remaining()).then_some(value)
}

fn list_of_bytes(read: &mut Bytes, of: &Arc<Field>) -> Option<ScalarValue> {
    let (dimensions, _has_nulls, _element) = (read.try_get_u32().ok()?, read.try_get_u32().ok()?, read.try_get_u32().ok()?);
    if dimensions == 0 {
        return list(Vec::new(), of);
    }
    let (count, _first) = (read.try_get_u32().ok()?, read.try_get_u32().ok()?);
    if dimensions != 1 {
        return None;
    }
    let mut values = Vec::new();
    for _ in 0..count {
        let length = read.try_get_u32().ok()?;
        values.push(match length {
            u32::MAX => ScalarValue::try_from(of.data_type()).ok()?,
            length if length as usize > read.remaining() => return None,
            length => of_bytes(read.split_to(length as usize), of.data_type())?,
        });
    }
    list(values, of)
}

fn decimal_of_bytes(read: &mut Bytes) -> Option<ScalarValue> {
    let (groups, weight) = (read.try_get_u16().ok()?, read.try_get_i16().ok()?);
    let (sign, behind) = (read.try_get_u16().ok()?, u32::from(read.try_get_u16().ok()?));
    let mut value: i128 = 0;
    for _ in 0..groups {
        let group = read.try_get_u16().ok().filter(|group| *group < 10_000)?;
        value = value.checked_mul(10_000)?.checked_add(group.into())?;
    }
    // The last group read ends so many digits behind the point.
    let mut scale = (i32::from(groups) - 1 - i32::from(weight)) * GROUP as i32;
    let wanted = i32::try_from(behind).ok()?;
    while scale > wanted {
        (value, scale) = (value / 10, scale - 1);
    }
    while scale < wanted {
        (value, scale) = (value.checked_mul(10)?, scale + 1);
    }
    match sign {
        0 => decimal(value, behind),
        0x4000 => decimal(-value, behind),
        // Not a number, and infinity.
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow::datatypes::TimeUnit;

    use super::*;

    fn moments() -> DataType {
        DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
    }

    fn denver() -> Zone {
        Zone::parse("America/Denver").unwrap()
    }

    fn read(text: &str, data_type: &DataType) -> Option<String> {
        of_text(text, data_type, denver()).map(|value| value.to_string())
    }

    #[test]
    fn texts_are_read_by_their_type() {
        let at = |text: &str| match of_text(text, &moments(), denver()) {
            Some(ScalarValue::TimestampMicrosecond(Some(at), _)) => DateTime::from_timestamp_micros(at).map(|at| at.to_rfc3339()),
            _ => None,
        };
        let noon = Some("2026-03-01T12:00:00+00:00".to_owned());
        for text in [
            "2026-03-01 12:00:00+00",
            "2026-03-01T12:00:00Z",
            "2026-03-01 05:00:00",
            "2026-03-01 05:00",
            "2026-03-01 17:30:00+05:30",
        ] {
            assert_eq!(at(text), noon, "{text}");
        }
        assert_eq!(at("2026-03-01"), Some("2026-03-01T07:00:00+00:00".to_owned()));
        assert_eq!(at("soon"), None);
        assert_eq!(read("off", &DataType::Boolean).as_deref(), Some("false"));
        assert_eq!(read("2", &DataType::Boolean), None);
        assert_eq!(read("40000", &DataType::Int16), None);
        for (text, value, scale) in [("12.50", 1250, 2), ("-1e3", -1000, 0), ("1.5e-2", 15, 3)] {
            assert_eq!(decimal_of_text(text), Some(ScalarValue::Decimal128(Some(value), 38, scale)), "{text}");
        }
        assert_eq!(decimal_of_text("1e99"), None);
        let texts = types::of_oid(1009).unwrap();
        assert_eq!(read(r#"{a,"b,\"c",NULL,"NULL"}"#, &texts).as_deref(), Some("[a, b,\"c, , NULL]"));
        for wrong in ["a", "{a", "{a,}", "{\"a}", "{{a}}"] {
            assert_eq!(read(wrong, &texts), None, "{wrong}");
        }
        assert_eq!(of_text("\\x0aff", &DataType::Binary, denver()), Some(ScalarValue::Binary(Some(vec![10, 255]))));
    }

    #[test]
    fn bytes_are_read_by_their_type_and_to_their_end() {
        let numeric = [0_u8, 2, 0, 0, 0x40, 0, 0, 2, 0, 0x7b, 0x11, 0x94];
        let read = |bytes: &[u8], data_type: &DataType| of_bytes(Bytes::copy_from_slice(bytes), data_type);
        assert_eq!(read(&numeric, &DataType::Decimal128(38, 10)), Some(ScalarValue::Decimal128(Some(-12_345), 38, 2)));
        assert_eq!(read(&[0, 0, 0, 1], &DataType::Int16), None);
        assert_eq!(read(&[0, 0, 0, 1], &DataType::Int64), Some(ScalarValue::Int64(Some(1))));
        assert_eq!(read(&[0, 0], &DataType::Int32), None);
        assert_eq!(read(&[0, 0, 0, 0], &DataType::Date32), Some(ScalarValue::Date32(Some(10_957))));
        assert_eq!(read(&[0xff], &DataType::Utf8View), None);
        let list = types::of_oid(1007).unwrap();
        let two = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 9];
        assert_eq!(read(&two, &list).map(|value| value.to_string()), Some("[9]".to_owned()));
        for end in 0..two.len() {
            assert_eq!(read(&two[..end], &list), None, "cut at {end}");
        }
    }
}
