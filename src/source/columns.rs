//! Converts texts to one column of a batch: nulls, parsing, ids in canonical form, dictionaries. All values of CSV pass through
//! here, and those of Parquet whose type does not already fit.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, DictionaryArray, Int32Builder, Int64Builder, StringArray, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use hashbrown::{DefaultHashBuilder, HashTable};

use super::layout::{Filled, Holds, Unknown};
use super::moments::{self, MomentError, Moments, Spelling};
use super::reading::Times;
use super::values;
use crate::error::{Error, Result};
use crate::record::fields::{Kind, UTC};
use crate::record::id::{IdError, SfId};

/// How much of a value a message shows.
const SHOWN_CHARS: usize = 80;

/// Why a text is not a value of the column.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ValueError {
    Id(IdError),
    /// A valid id of another object.
    Prefix(&'static [&'static str]),
    Bool,
    Int,
    Long,
    /// A number of which a spreadsheet has dropped digits.
    Digits,
    Time(MomentError),
    Date(MomentError),
    /// Bytes of no text.
    Encoding,
}

impl ValueError {
    /// Does it speak against the reading of the file rather than against the row?
    pub fn needs_another_reading(self) -> bool {
        matches!(
            self,
            Self::Time(MomentError::Order | MomentError::Unit | MomentError::Bare)
                | Self::Date(MomentError::Order | MomentError::Unit)
        )
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(error) => error.fmt(f),
            Self::Prefix(prefixes) => write!(f, "the id is of another object, ids here begin with {}", prefixes.join(" or ")),
            Self::Bool => f.write_str("not a checkbox; understood are true, false, 1, 0, yes, no"),
            Self::Int => f.write_str("not a whole number of 32 bits; understood are 12, 12.0, 1.2E1, 1,200"),
            Self::Long => f.write_str("not a whole number; understood is 12"),
            Self::Digits => {
                f.write_str("a spreadsheet has dropped digits of this number: export it again, or keep the column as text there")
            }
            Self::Encoding => f.write_str("bytes that are no letters"),
            Self::Time(MomentError::None) => f.write_str(
                "not a moment; understood are 2026-08-06T12:13:00.000Z, 2026-08-06 06:13:00, 08/06/2026 06:13:00 AM, 2026-08-06",
            ),
            Self::Date(MomentError::None) => f.write_str("not a day; understood are 2026-08-06, 08/06/2026 and 06-AUG-2026"),
            Self::Time(MomentError::Order) | Self::Date(MomentError::Order) => {
                f.write_str("day and month stand the other way round in the file")
            }
            Self::Time(MomentError::Unit) | Self::Date(MomentError::Unit) => {
                f.write_str("a number of another unit than those before it")
            }
            Self::Time(MomentError::Implausible) | Self::Date(MomentError::Implausible) => {
                f.write_str("no record can be of that time: it is before load.earliest, or still to come")
            }
            Self::Time(MomentError::Bare) | Self::Date(MomentError::Bare) => {
                f.write_str("a stamp has seconds and a zone, as in 2026-08-06T12:13:00.000Z, and this has not: is the row torn?")
            }
        }
    }
}

/// The reason of a reject: column, value, and what is wrong with it.
pub(super) fn reason(header: &str, value: &str, unfit: impl fmt::Display) -> String {
    let shown: String = value.chars().take(SHOWN_CHARS).collect();
    let more = if shown.len() < value.len() { "…" } else { "" };
    format!("{} {shown:?}{more}: {unfit}", header.trim())
}

/// A column being built.
pub(super) struct Column {
    store: Store,
    prefixes: &'static [&'static str],
    /// Can a word in it be nothing but nothing?
    is_typed: bool,
    /// Has the file's format a null of its own? Then only an empty text is one, too.
    has_own_nulls: bool,
}

enum Store {
    Text(StringBuilder),
    Id(StringBuilder),
    Label(Labels),
    LabelId(Labels),
    /// A day of a table of attributes, which is kept as text.
    DayText(Labels, Moments),
    Bool(BooleanBuilder),
    Int(Int32Builder),
    Long(Int64Builder),
    Time(TimestampMicrosecondBuilder, Moments),
    /// A stamp, which must carry seconds and a zone.
    Stamp(TimestampMicrosecondBuilder, Moments),
    Date(Date32Builder, Moments),
}

impl Column {
    pub fn new(filled: &Filled, times: &Times, rows: usize) -> Self {
        let moments = || TimestampMicrosecondBuilder::with_capacity(rows);
        let store = match (filled.field.kind, filled.holds) {
            (_, Holds::Day) => Store::DayText(Labels::new(rows), times.days()),
            (Kind::Text, _) => Store::Text(StringBuilder::with_capacity(rows, rows * 24)),
            (Kind::Id, _) => Store::Id(StringBuilder::with_capacity(rows, rows * 18)),
            (Kind::Label, _) => Store::Label(Labels::new(rows)),
            (Kind::LabelId, _) => Store::LabelId(Labels::new(rows)),
            (Kind::Bool, _) => Store::Bool(BooleanBuilder::with_capacity(rows)),
            (Kind::Int, _) => Store::Int(Int32Builder::with_capacity(rows)),
            (Kind::Long, _) => Store::Long(Int64Builder::with_capacity(rows)),
            (Kind::Time, Holds::Stamp) if !times.zone_is_given => Store::Stamp(moments(), times.moments()),
            (Kind::Time, _) => Store::Time(moments(), times.moments()),
            (Kind::Date, _) => Store::Date(Date32Builder::with_capacity(rows), times.days()),
        };
        let is_typed = !matches!(filled.holds, Holds::Text);
        Self { store, prefixes: filled.prefixes, is_typed, has_own_nulls: false }
    }

    /// Of a file whose format has nulls.
    pub fn with_own_nulls(self) -> Self {
        Self { has_own_nulls: true, ..self }
    }

    /// Appends the value of a text and says so; for a null, or a text that does not fit, nothing is appended.
    #[inline]
    pub fn push(&mut self, text: &str) -> Result<bool, ValueError> {
        // Text is kept as it is; of everything else blanks around it mean nothing.
        let text = if self.is_typed { text.trim_ascii() } else { text };
        let is_null = if self.has_own_nulls && !self.is_typed { text.is_empty() } else { values::is_null(text, self.is_typed) };
        if is_null {
            return Ok(false);
        }
        if self.is_typed && matches!(self.store, Store::Text(_) | Store::Label(_)) && text.contains('+') {
            match values::scientific(text) {
                None => {}
                Some(None) => return Err(ValueError::Digits),
                Some(Some(number)) => {
                    self.push_key(&number);
                    return Ok(true);
                }
            }
        }
        match &mut self.store {
            Store::Text(builder) => builder.append_value(text),
            Store::Id(builder) => builder.append_value(id(text, self.prefixes)?.as_str()),
            Store::Label(labels) => labels.push(text, text),
            Store::LabelId(labels) => {
                if !labels.push_again(text) {
                    labels.push(text, id(text, self.prefixes)?.as_str());
                }
            }
            Store::DayText(labels, moments) => {
                if !labels.push_again(text) {
                    let (days, spelling) = moments::day(text, moments.order).map_err(ValueError::Date)?;
                    match spelling {
                        // As it has always been kept: the text is part of the row's key.
                        Spelling::YearFirst | Spelling::Ordered(moments::DateOrder::MonthFirst) => labels.push(text, text),
                        _ => labels.push(text, &moments::iso(days)),
                    }
                }
            }
            Store::Bool(builder) => builder.append_value(values::boolean(text).ok_or(ValueError::Bool)?),
            Store::Int(builder) => builder.append_value(values::integer(text).ok_or(ValueError::Int)?),
            Store::Long(builder) => builder.append_value(text.parse().map_err(|_| ValueError::Long)?),
            Store::Time(builder, moments) => builder.append_value(moments.parse(text).map_err(ValueError::Time)?),
            Store::Stamp(builder, moments) => {
                let moment = moments.read(text).map_err(ValueError::Time)?;
                if !(moment.zoned && moment.seconds) {
                    return Err(ValueError::Time(MomentError::Bare));
                }
                builder.append_value(moment.micros);
            }
            Store::Date(builder, moments) => builder.append_value(moments::day(text, moments.order).map_err(ValueError::Date)?.0),
        }
        Ok(true)
    }

    fn push_key(&mut self, number: &str) {
        match &mut self.store {
            Store::Text(builder) => builder.append_value(number),
            Store::Label(labels) => labels.push(number, number),
            _ => {}
        }
    }

    /// How many of its moments do not exist in the zone: see [`Moments::skipped`].
    pub fn skipped(&self) -> u64 {
        match &self.store {
            Store::Time(_, moments) | Store::Stamp(_, moments) => moments.skipped(),
            _ => 0,
        }
    }

    /// Appends "nothing".
    #[inline]
    pub fn push_null(&mut self) {
        match &mut self.store {
            Store::Text(builder) | Store::Id(builder) => builder.append_null(),
            Store::Label(labels) | Store::LabelId(labels) | Store::DayText(labels, _) => labels.push_null(),
            Store::Bool(builder) => builder.append_null(),
            Store::Int(builder) => builder.append_null(),
            Store::Long(builder) => builder.append_null(),
            Store::Time(builder, _) | Store::Stamp(builder, _) => builder.append_null(),
            Store::Date(builder, _) => builder.append_null(),
        }
    }

    /// The column, in its lake type; the builder starts anew.
    pub fn finish(&mut self) -> Result<ArrayRef> {
        Ok(match &mut self.store {
            Store::Text(builder) | Store::Id(builder) => Arc::new(builder.finish()),
            Store::Label(labels) | Store::LabelId(labels) | Store::DayText(labels, _) => labels.finish()?,
            Store::Bool(builder) => Arc::new(builder.finish()),
            Store::Int(builder) => Arc::new(builder.finish()),
            Store::Long(builder) => Arc::new(builder.finish()),
            Store::Time(builder, _) | Store::Stamp(builder, _) => Arc::new(builder.finish().with_timezone(UTC.clone())),
            Store::Date(builder, _) => Arc::new(builder.finish()),
        })
    }
}

/// A valid id with one of the beginnings.
#[inline]
pub(super) fn id(text: &str, prefixes: &'static [&'static str]) -> Result<SfId, ValueError> {
    let id = SfId::parse_bytes(text.as_bytes()).map_err(ValueError::Id)?;
    if prefixes.is_empty() || prefixes.iter().any(|prefix| id.has_prefix(prefix)) {
        Ok(id)
    } else {
        Err(ValueError::Prefix(prefixes))
    }
}

/// Texts that repeat, as a dictionary in order of appearance.
pub(super) struct Labels {
    keys: Int32Builder,
    /// The distinct values one after the other, and where each ends (with a 0 in front).
    values: String,
    ends: Vec<i32>,
    places: HashTable<i32>,
    hasher: DefaultHashBuilder,
    /// The last text as the file has it, and its key: neighbours mostly agree.
    last: String,
    last_key: Option<i32>,
    /// Were there more bytes than offsets can tell? Then nothing was added any more, and the batch is refused.
    is_full: bool,
}

impl Labels {
    pub fn new(rows: usize) -> Self {
        Self {
            keys: Int32Builder::with_capacity(rows),
            values: String::new(),
            ends: vec![0],
            places: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            last: String::new(),
            last_key: None,
            is_full: false,
        }
    }

    /// Appends the last value once more if this is its text.
    #[inline]
    fn push_again(&mut self, text: &str) -> bool {
        match self.last_key {
            Some(key) if self.last == text => {
                self.keys.append_value(key);
                true
            }
            _ => false,
        }
    }

    /// Appends a value that stood in the file as `text`.
    #[inline]
    pub fn push(&mut self, text: &str, value: &str) {
        if self.push_again(text) {
            return;
        }
        let key = self.key(value);
        self.keys.append_value(key);
        self.last.clear();
        self.last.push_str(text);
        self.last_key = Some(key);
    }

    pub fn push_null(&mut self) {
        self.keys.append_null();
    }

    fn key(&mut self, value: &str) -> i32 {
        let Self { values, ends, places, hasher, .. } = self;
        let at = |key: i32| &values[ends[key as usize] as usize..ends[key as usize + 1] as usize];
        let hash = hasher.hash_one(value);
        if let Some(&key) = places.find(hash, |&key| at(key) == value) {
            return key;
        }
        let (Ok(key), Ok(end)) = (i32::try_from(ends.len() - 1), i32::try_from(values.len() + value.len())) else {
            self.is_full = true;
            return 0;
        };
        places.insert_unique(hash, key, |&key| hasher.hash_one(at(key)));
        values.push_str(value);
        ends.push(end);
        key
    }

    /// # Errors
    /// Invalid when the different texts of one batch have more than 2 GiB.
    pub fn finish(&mut self) -> Result<ArrayRef> {
        if std::mem::take(&mut self.is_full) {
            return Err(Error::invalid(
                "the texts of a column have more than 2 GiB within one batch of rows: cut the file in smaller ones",
            ));
        }
        let ends = std::mem::replace(&mut self.ends, vec![0]);
        let values = std::mem::take(&mut self.values).into_bytes();
        self.places.clear();
        self.last_key = None;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
        let values = StringArray::try_new(offsets, Buffer::from_vec(values), None)?;
        Ok(Arc::new(DictionaryArray::try_new(self.keys.finish(), Arc::new(values))?))
    }
}

/// The org's own fields of a row, as one JSON object by header. One that is empty is null there: the record has nothing in it, which
/// is another thing than a file that does not have the field.
pub(super) struct Custom {
    labels: Labels,
    /// The headers as JSON texts, and whether an empty value says nothing: see [`Unknown::is_of_another`].
    keys: Vec<(String, bool)>,
    object: String,
    /// As of a [`Column`].
    has_own_nulls: bool,
}

impl Custom {
    pub fn new(unknown: &[Unknown], rows: usize) -> Self {
        let key = |unknown: &Unknown| (serde_json::Value::from(unknown.name.as_str()).to_string(), unknown.is_of_another());
        let keys = unknown.iter().map(key).collect();
        Self { labels: Labels::new(rows), keys, object: String::new(), has_own_nulls: false }
    }

    /// Of a file whose format has nulls.
    pub fn with_own_nulls(self) -> Self {
        Self { has_own_nulls: true, ..self }
    }

    /// Appends the object of a row from its values, one for each header.
    pub fn push<'a>(&mut self, values: impl Iterator<Item = &'a str>) {
        self.object.clear();
        for ((key, is_of_another), value) in self.keys.iter().zip(values) {
            let is_null = value.is_empty() || !self.has_own_nulls && values::is_null(value, false);
            if is_null && *is_of_another {
                continue;
            }
            self.object.push(if self.object.is_empty() { '{' } else { ',' });
            self.object.push_str(key);
            self.object.push(':');
            match is_null {
                true => self.object.push_str("null"),
                false => push_json(&mut self.object, value),
            }
        }
        if self.object.is_empty() {
            self.labels.push_null();
        } else {
            self.object.push('}');
            self.labels.push(&self.object, &self.object);
        }
    }

    pub fn push_null(&mut self) {
        self.labels.push_null();
    }

    pub fn finish(&mut self) -> Result<ArrayRef> {
        self.labels.finish()
    }
}

/// A text as JSON; the many that need no escape are copied as they are.
fn push_json(out: &mut String, text: &str) {
    if text.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        out.push_str(&serde_json::Value::from(text).to_string());
    } else {
        out.push('"');
        out.push_str(text);
        out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::Int32Type;

    use super::*;

    #[test]
    fn labels_repeat_without_repeating() {
        let mut labels = Labels::new(4);
        for text in ["b", "b", "a", "b"] {
            labels.push(text, text);
        }
        labels.push_null();
        let array = labels.finish().expect("array");
        let dictionary = array.as_dictionary::<Int32Type>();
        assert_eq!(dictionary.keys().iter().collect::<Vec<_>>(), [Some(0), Some(0), Some(1), Some(0), None]);
        assert_eq!(dictionary.values().len(), 2);
        labels.push("b", "b");
        assert_eq!(labels.finish().expect("array").as_dictionary::<Int32Type>().values().len(), 1, "starts anew");
    }

    #[test]
    fn custom_is_json_in_the_order_of_the_header() {
        let header = |at, name: &str, names_only| Unknown { at, name: name.to_owned(), names_only };
        let mut custom = Custom::new(&[header(0, "B__c", false), header(1, "a \"q\"", false), header(2, "Contact", true)], 2);
        custom.push(["x\n\\", "Ünï", "Ada"].into_iter());
        custom.push(["", "#N/A", ""].into_iter());
        custom.push(["", "1", ""].into_iter());
        let array = custom.finish().expect("array");
        let texts = arrow::compute::cast(&array, &arrow::datatypes::DataType::Utf8).expect("texts");
        let texts = texts.as_string::<i32>();
        assert_eq!(texts.value(0), r#"{"B__c":"x\n\\","a \"q\"":"Ünï","Contact":"Ada"}"#);
        assert_eq!(texts.value(1), r#"{"B__c":null,"a \"q\"":null}"#);
        assert_eq!(texts.value(2), r#"{"B__c":null,"a \"q\"":"1"}"#);
    }
}
