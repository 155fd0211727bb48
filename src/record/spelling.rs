//! Normalises keys: keys without the blanks around them, numbers of Marketing Cloud without a fraction.
//!
//! **Why.** A column of fixed width pads keys with blanks, and a data frame writes the whole number 9013 as `9013.0` as soon as
//! one row has none. A spreadsheet that shows numbers in groups writes `9,013`. Salesforce trims its text fields, and job, list,
//! batch, subscriber and e-mail ids are whole numbers in Marketing Cloud. So all of these can only mean the plain form, which is
//! stored and used for keys. Anything else is kept as it is: `9013.5`, `1E9` and `9.013` are no spellings of anything known.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};

use super::fields::{Table, known};
use crate::error::Result;

/// Texts that Salesforce trims and that are keys.
const KEYS: [&str; 2] = ["merge_id", "unique_link_id"];

/// Texts that are whole numbers of Marketing Cloud's.
const NUMBERS: [&str; 9] = [
    "job_id",
    "batch_id",
    "list_id",
    "subscriber_id",
    "email_id",
    "email_asset_id",
    "member_id",
    "client_id",
    "exact_target_link_id",
];

/// The batch with keys and numbers in their plain form; nothing is copied where they are in it.
pub fn plain<'a>(table: &Table, provided: &'a RecordBatch) -> Result<Cow<'a, RecordBatch>> {
    // What attribute files call a job is their own.
    if table.ledger || known(&table.name).is_none() {
        return Ok(Cow::Borrowed(provided));
    }
    let mut columns: Option<Vec<ArrayRef>> = None;
    for (at, field) in provided.schema().fields().iter().enumerate() {
        let is_number = NUMBERS.contains(&field.name().as_str());
        if !is_number && !KEYS.contains(&field.name().as_str()) {
            continue;
        }
        if let Some(column) = plain_column(provided.column(at), is_number)? {
            columns.get_or_insert_with(|| provided.columns().to_vec())[at] = column;
        }
    }
    match columns {
        None => Ok(Cow::Borrowed(provided)),
        Some(columns) => Ok(Cow::Owned(RecordBatch::try_new(provided.schema(), columns)?)),
    }
}

/// A column in its plain form; `None` where it is.
fn plain_column(column: &ArrayRef, is_number: bool) -> Result<Option<ArrayRef>> {
    let is_plain = |text: &str| is_plain(text, is_number);
    let clean = match column.as_dictionary_opt::<Int32Type>().and_then(|labels| labels.values().as_string_opt::<i32>()) {
        Some(labels) => labels.iter().flatten().all(is_plain),
        None => match column.as_string_opt::<i32>() {
            Some(texts) => texts.iter().flatten().all(is_plain),
            None => false,
        },
    };
    if clean {
        return Ok(None);
    }
    let texts = cast(column, &DataType::Utf8)?;
    let texts = texts.as_string::<i32>().iter();
    let plain: StringArray =
        texts.map(|text| text.map(|text| plain_text(text, is_number)).filter(|text| !text.is_empty())).collect();
    let plain: ArrayRef = Arc::new(plain);
    Ok(Some(if plain.data_type() == column.data_type() { plain } else { cast(&plain, column.data_type())? }))
}

/// Is a text surely in its plain form? Nearly all are, and their first and last byte tell.
#[inline]
fn is_plain(text: &str, is_number: bool) -> bool {
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    let is_inner = |byte: &u8| byte.is_ascii_graphic();
    is_inner(first) && is_inner(last) && !(is_number && (*last == b'0' && bytes.contains(&b'.') || bytes.contains(&b',')))
}

/// A text without the blanks around it and, of a whole number, without its fraction and the commas between its thousands.
fn plain_text(text: &str, is_number: bool) -> Cow<'_, str> {
    let text = text.trim();
    let mut groups = text.split(',');
    let is_group = |group: &str, digits: std::ops::RangeInclusive<usize>| {
        digits.contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_digit())
    };
    if is_number
        && text.contains(',')
        && groups.next().is_some_and(|first| is_group(first, 1..=3))
        && groups.all(|group| is_group(group, 3..=3))
    {
        return Cow::Owned(text.replace(',', ""));
    }
    let whole = text.split_once('.').filter(|(whole, fraction)| {
        is_number
            && !whole.is_empty()
            && whole.bytes().all(|byte| byte.is_ascii_digit())
            && !fraction.is_empty()
            && fraction.bytes().all(|byte| byte == b'0')
    });
    Cow::Borrowed(whole.map_or(text, |(whole, _)| whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_9013_0_is_job_9013() {
        for (provided, plain) in [
            ("9013.0", "9013"),
            ("410001301.00", "410001301"),
            (" 9013 ", "9013"),
            ("9013", "9013"),
            ("10", "10"),
            ("9013.5", "9013.5"),
            ("9013.05", "9013.05"),
            ("1.0E5", "1.0E5"),
            (".0", ".0"),
            ("a.0", "a.0"),
            ("1.2.0", "1.2.0"),
            ("9,013", "9013"),
            ("410,001,301 ", "410001301"),
            ("9,13", "9,13"),
            ("9013,013", "9013,013"),
            (",013", ",013"),
            ("9,013.0", "9,013.0"),
            ("9.013", "9.013"),
        ] {
            assert_eq!(plain_text(provided, true), plain, "{provided}");
            assert!(!is_plain(provided, true) || plain == provided, "{provided}");
        }
        assert_eq!(plain_text("m-1.0  ", false), "m-1.0", "a key is no number");
        assert_eq!(plain_text("9,013", false), "9,013", "a key is no number");
        assert!(is_plain("m-1.0", false) && is_plain("9013", true) && is_plain("10", true));
        assert!(!is_plain("", true) && !is_plain("\u{a0}x", true));
    }
}
