//! Each type as Postgres writes it.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, DurationMicrosecondArray,
    Float32Array, Float64Array, Int64Array, Int64Builder, IntervalMonthDayNanoArray, ListBuilder, StringViewBuilder, StructArray,
    Time64MicrosecondArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Int32Type, IntervalMonthDayNano};

use super::*;
use crate::serve::pg::zone::Zone;

fn column(array: impl Array + 'static, zone: &str) -> Column {
    let array: ArrayRef = Arc::new(array);
    Column::new(&array, array.data_type(), Zone::parse(zone).unwrap()).unwrap()
}

fn text(array: impl Array + 'static) -> Vec<String> {
    texts(array, "UTC")
}

fn texts(array: impl Array + 'static, zone: &str) -> Vec<String> {
    let rows = array.len();
    let column = column(array, zone);
    let written = |row| {
        let mut out = BytesMut::new();
        if column.is_null(row) {
            return "null".to_owned();
        }
        write(&column, row, Form::Text, &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    };
    (0..rows).map(written).collect()
}

fn binary(array: impl Array + 'static) -> String {
    let mut out = BytesMut::new();
    write(&column(array, "UTC"), 0, Form::Binary, &mut out);
    out.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn numbers() {
    let floats = Float64Array::from(vec![0.5, 1e20, 1e-7, -123_456.75, f64::NAN, f64::NEG_INFINITY, 1e14, 0.0, 1.0]);
    let expected = ["0.5", "1e+20", "1e-07", "-123456.75", "NaN", "-Infinity", "100000000000000", "0", "1"];
    assert_eq!(text(floats), expected);
    assert_eq!(text(Float32Array::from(vec![0.1, 1e10])), ["0.1", "10000000000"]);
    let decimals = Decimal128Array::from(vec![Some(12_345_678), Some(-5), None]).with_precision_and_scale(20, 4).unwrap();
    assert_eq!(text(decimals), ["1234.5678", "-0.0005", "null"]);
    for (value, scale, expected) in [
        (12_345_678, 4, "000200000000000404d2162e"),
        (-5, 4, "0001ffff400000040005"),
        (0, 2, "0000000000000002"),
        (100_000_000, 0, "00010002000000000001"),
        (12_345, 2, "0002000000000002007b1194"),
    ] {
        let decimal = Decimal128Array::from(vec![value]).with_precision_and_scale(20, scale).unwrap();
        assert_eq!(binary(decimal), expected, "{value} {scale}");
    }
    let large: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
    assert!(Column::new(&large, &DataType::UInt64, Zone::parse("UTC").unwrap()).is_err_and(|error| error.code == "22003"));
    assert_eq!(binary(UInt64Array::from(vec![258])), "0000000000000102");
    assert_eq!(binary(BooleanArray::from(vec![true])), "01");
}

#[test]
fn days_and_moments() {
    let days = Date32Array::from(vec![0, 20_513, -719_163]);
    assert_eq!(text(days), ["1970-01-01", "2026-03-01", "0001-12-31 BC"]);
    assert_eq!(binary(Date32Array::from(vec![20_513])), "00002554");
    let moments = || TimestampMicrosecondArray::from(vec![1_772_382_600_123_400, 1_783_000_000_000_000]);
    assert_eq!(text(moments()), ["2026-03-01 16:30:00.1234", "2026-07-02 13:46:40"]);
    let zoned = || moments().with_timezone("UTC");
    assert_eq!(texts(zoned(), "America/Denver"), ["2026-03-01 09:30:00.1234-07", "2026-07-02 07:46:40-06"]);
    assert_eq!(texts(zoned(), "Asia/Kolkata")[0], "2026-03-01 22:00:00.1234+05:30");
    assert_eq!(binary(zoned()), format!("{:016x}", 1_772_382_600_123_400_i64 - 946_684_800_000_000));
    assert_eq!(text(Time64MicrosecondArray::from(vec![3_723_000_001])), ["01:02:03.000001"]);
}

#[test]
fn intervals() {
    let value = |months, days, nanoseconds| IntervalMonthDayNano::new(months, days, nanoseconds);
    let all = vec![
        value(14, 3, 14_706_700_000_000),
        value(0, 0, 0),
        value(-1, 2, 0),
        value(0, -1, 3_600_000_000_000),
        value(0, 1, -1_000_000_000),
    ];
    assert_eq!(
        text(IntervalMonthDayNanoArray::from(all)),
        ["1 year 2 mons 3 days 04:05:06.7", "00:00:00", "-1 mons +2 days", "-1 days +01:00:00", "1 day -00:00:01"]
    );
    assert_eq!(text(DurationMicrosecondArray::from(vec![90_000_000_000])), ["25:00:00"]);
    let one = IntervalMonthDayNanoArray::from(vec![value(1, 2, 3_000)]);
    assert_eq!(binary(one), "00000000000000030000000200000001");
}

#[test]
fn texts_bytes_and_lists() {
    let dictionary: DictionaryArray<Int32Type> = vec![Some("a"), None, Some("b")].into_iter().collect();
    assert_eq!(text(dictionary), ["a", "null", "b"]);
    assert_eq!(text(BinaryArray::from(vec![&b"\x00\xff"[..]])), ["\\x00ff"]);
    let mut list = ListBuilder::new(StringViewBuilder::new());
    for value in [Some("a"), Some("b c"), None, Some(""), Some("NULL"), Some("q\"\\"), Some("{}")] {
        list.values().append_option(value);
    }
    list.append(true);
    list.append(true);
    list.append(false);
    assert_eq!(text(list.finish()), [r#"{a,"b c",NULL,"","NULL","q\"\\","{}"}"#, "{}", "null"]);
    let mut numbers = ListBuilder::new(Int64Builder::new());
    numbers.append_value([Some(7), None]);
    assert_eq!(
        binary(numbers.finish()),
        "000000010000000100000014000000020000000100000008\
                                          0000000000000007ffffffff"
    );
    let part: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let made = StructArray::from(vec![(Arc::new(Field::new("n", DataType::Int64, true)), part)]);
    assert_eq!(text(made), ["{n: 1}"]);
    assert_eq!(text(arrow::array::NullArray::new(1)), ["null"]);
}
