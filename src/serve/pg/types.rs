//! The types of columns in Postgres: their OIDs, names and sizes; and the types of parameters by their OIDs.

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use std::sync::Arc;

/// Postgres' types that we have, by OID: the type itself, its array, its name and its size (-1: it varies).
const TYPES: &[(u32, u32, &str, i16)] = &[
    (BOOL, 1000, "bool", 1),
    (BYTEA, 1001, "bytea", -1),
    (INT8, 1016, "int8", 8),
    (INT2, 1005, "int2", 2),
    (INT4, 1007, "int4", 4),
    (TEXT, 1009, "text", -1),
    (FLOAT4, 1021, "float4", 4),
    (FLOAT8, 1022, "float8", 8),
    (DATE, 1182, "date", 4),
    (TIME, 1183, "time", 8),
    (TIMESTAMP, 1115, "timestamp", 8),
    (TIMESTAMPTZ, 1185, "timestamptz", 8),
    (INTERVAL, 1187, "interval", 16),
    (NUMERIC, 1231, "numeric", -1),
];

pub(crate) const BOOL: u32 = 16;
pub(crate) const BYTEA: u32 = 17;
pub(crate) const INT8: u32 = 20;
pub(crate) const INT2: u32 = 21;
pub(crate) const INT4: u32 = 23;
pub(crate) const TEXT: u32 = 25;
pub(crate) const FLOAT4: u32 = 700;
pub(crate) const FLOAT8: u32 = 701;
pub(crate) const DATE: u32 = 1082;
pub(crate) const TIME: u32 = 1083;
pub(crate) const TIMESTAMP: u32 = 1114;
pub(crate) const TIMESTAMPTZ: u32 = 1184;
pub(crate) const INTERVAL: u32 = 1186;
pub(crate) const NUMERIC: u32 = 1700;

/// Names, keys and texts of other kinds: `name`, `oid`, `unknown`, `bpchar`, `varchar`, `json`, `uuid`, `jsonb`.
const TEXTS: &[u32] = &[18, 19, 114, 1042, 1043, UUID, JSONB];
pub(crate) const UUID: u32 = 2950;
pub(crate) const JSONB: u32 = 3802;
const OID: u32 = 26;

/// What numbers with a declared scale have in front of it.
const NUMERIC_HEADER: i32 = 4;

/// The type as it goes out: each Arrow type that Postgres does not have becomes the narrowest that holds its values. What is made of
/// parts (structures, maps) goes out as a text.
pub(crate) fn outgoing(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Boolean | DataType::Int16 | DataType::Int32 | DataType::Int64 => data_type.clone(),
        DataType::Float32 | DataType::Float64 | DataType::Date32 => data_type.clone(),
        DataType::Int8 | DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => DataType::Decimal128(*precision, *scale),
        DataType::Decimal128(..) | DataType::Decimal256(..) => data_type.clone(),
        DataType::Date64 => DataType::Date32,
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.as_ref().map(|_| "UTC".into())),
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Interval(_) => DataType::Interval(IntervalUnit::MonthDayNano),
        DataType::Duration(_) => DataType::Duration(TimeUnit::Microsecond),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Dictionary(_, values) => outgoing(values),
        DataType::RunEndEncoded(_, values) => outgoing(values.data_type()),
        DataType::List(of)
        | DataType::LargeList(of)
        | DataType::FixedSizeList(of, _)
        | DataType::ListView(of)
        | DataType::LargeListView(of)
            if !of.data_type().is_nested() =>
        {
            DataType::List(Arc::new(Field::new_list_field(outgoing(of.data_type()), true)))
        }
        _ => DataType::Utf8View,
    }
}

/// The OID of a column's type.
pub(crate) fn oid(data_type: &DataType) -> u32 {
    match outgoing(data_type) {
        DataType::Boolean => BOOL,
        DataType::Int16 => INT2,
        DataType::Int32 => INT4,
        DataType::Int64 => INT8,
        DataType::Float32 => FLOAT4,
        DataType::Float64 => FLOAT8,
        DataType::Decimal128(..) | DataType::Decimal256(..) => NUMERIC,
        DataType::Date32 => DATE,
        DataType::Timestamp(_, None) => TIMESTAMP,
        DataType::Timestamp(_, Some(_)) => TIMESTAMPTZ,
        DataType::Time64(_) => TIME,
        DataType::Interval(_) | DataType::Duration(_) => INTERVAL,
        DataType::Binary => BYTEA,
        DataType::List(of) => array_of(oid(of.data_type())),
        _ => TEXT,
    }
}

fn array_of(element: u32) -> u32 {
    TYPES.iter().find(|(oid, ..)| *oid == element).map_or(1009, |(_, array, ..)| *array)
}

/// The name of a column's type in `pg_type`: `text`, `timestamptz`, `_int8`.
pub(crate) fn type_name(data_type: &DataType) -> String {
    let wanted = oid(data_type);
    let own = TYPES.iter().find(|(oid, ..)| *oid == wanted).map(|(.., name, _)| (*name).to_owned());
    own.or_else(|| TYPES.iter().find(|(_, array, ..)| *array == wanted).map(|(.., name, _)| format!("_{name}")))
        .unwrap_or_default()
}

/// The size of a column's values in bytes; -1 where it varies.
pub(crate) fn size(data_type: &DataType) -> i16 {
    let wanted = oid(data_type);
    TYPES.iter().find(|(oid, ..)| *oid == wanted).map_or(-1, |(.., size)| *size)
}

/// What is told of a type besides: digits and scale of a number; -1 where there is nothing.
pub(crate) fn modifier(data_type: &DataType) -> i32 {
    match outgoing(data_type) {
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) if scale >= 0 => {
            (i32::from(precision) << 16 | i32::from(scale)) + NUMERIC_HEADER
        }
        _ => -1,
    }
}

/// The type of a parameter that was declared by its OID; `None` where that says nothing, or nothing we have.
pub(crate) fn of_oid(oid: u32) -> Option<DataType> {
    Some(match oid {
        BOOL => DataType::Boolean,
        BYTEA => DataType::Binary,
        INT8 | OID => DataType::Int64,
        INT2 => DataType::Int16,
        INT4 => DataType::Int32,
        FLOAT4 => DataType::Float32,
        FLOAT8 => DataType::Float64,
        DATE => DataType::Date32,
        TIME => DataType::Time64(TimeUnit::Microsecond),
        TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        INTERVAL => DataType::Interval(IntervalUnit::MonthDayNano),
        NUMERIC => DataType::Decimal128(38, 10),
        TEXT => DataType::Utf8View,
        oid if TEXTS.contains(&oid) => DataType::Utf8View,
        oid => {
            let (element, ..) = TYPES.iter().find(|(_, array, ..)| *array == oid)?;
            DataType::List(Arc::new(Field::new_list_field(of_oid(*element)?, true)))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_oids_and_names() {
        let list = |of| DataType::List(Arc::new(Field::new_list_field(of, true)));
        for (data_type, expected) in [
            (DataType::Utf8View, (25, "text", -1, -1)),
            (DataType::UInt64, (20, "int8", 8, -1)),
            (DataType::Decimal128(10, 2), (1700, "numeric", -1, (10 << 16 | 2) + 4)),
            (DataType::Timestamp(TimeUnit::Nanosecond, Some("+00:00".into())), (1184, "timestamptz", 8, -1)),
            (DataType::Duration(TimeUnit::Second), (1186, "interval", 16, -1)),
            (list(DataType::UInt8), (1005, "_int2", -1, -1)),
            (list(list(DataType::Int64)), (25, "text", -1, -1)),
            (DataType::Null, (25, "text", -1, -1)),
        ] {
            assert_eq!((oid(&data_type), type_name(&data_type).as_str(), size(&data_type), modifier(&data_type)), expected);
            if data_type != DataType::Null && !matches!(data_type, DataType::Duration(_) | DataType::Decimal128(..)) {
                assert_eq!(of_oid(oid(&data_type)).map(|back| oid(&back)), Some(oid(&data_type)));
            }
        }
    }
}
