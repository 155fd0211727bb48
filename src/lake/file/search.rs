//! Searches the bytes of one object for texts, through its encodings and compression.
//!
//! A Parquet file is searched four times: its raw bytes (footer, statistics, indexes), its dictionaries (which may hold values
//! that no row has), the decoded values of each column, and its rare rows. Of any other object the raw bytes are searched.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::column::page::{Page, PageReader};
use parquet::file::serialized_reader::SerializedPageReader;

use super::rare::{self, RareRows};
use crate::error::{Error, Result};
use crate::record::id::SfId;
use crate::record::mention::{is_whole_address, is_whole_id, places};

/// Shorter texts are everywhere.
const SHORTEST: usize = 4;

/// What every Parquet file begins and ends with.
const MAGIC: &[u8] = b"PAR1";

/// A text to look for.
#[derive(Clone, Debug)]
pub struct Needle {
    /// As it was given.
    pub text: String,
    /// The forms in which it may stand.
    forms: Vec<Vec<u8>>,
    what: TextKind,
}

/// The kind of a text: whether its case matters, and whether it must match whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum TextKind {
    Id,
    Address,
    /// A name, or anything else: as a part of a word, too.
    Text,
}

/// How a text must match within some bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum MatchMode {
    /// Anywhere: for a first look.
    Anywhere,
    /// Ids and addresses whole, as [`crate::record::mention`] has it.
    Whole,
    /// The same, or behind their length, as binary forms write values next to one another.
    WholeOrMeasured,
}

impl Needle {
    /// An id is looked for by its first fifteen characters, which both its forms have; anything else without regard to case. Ids and
    /// addresses have to stand whole: `jan@x.edu` is not `an@x.edu`.
    ///
    /// # Errors
    /// Invalid for a text of fewer than four characters.
    pub fn new(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.len() < SHORTEST {
            return Err(Error::invalid(phrase!("{text:?} is too short to look for: give four characters or more")));
        }
        if let Ok(id) = SfId::parse(text) {
            return Ok(Self { text: text.to_owned(), forms: vec![id.as_str15().into()], what: TextKind::Id });
        }
        // Letters beyond ASCII stand as they were given, in lower or upper case.
        let forms: BTreeSet<Vec<u8>> = [text.to_owned(), text.to_lowercase(), text.to_uppercase()]
            .into_iter()
            .map(|form| form.into_bytes().to_ascii_lowercase())
            .collect();
        let is_address = text.contains('@') && !text.contains(char::is_whitespace);
        let what = if is_address { TextKind::Address } else { TextKind::Text };
        Ok(Self { text: text.to_owned(), forms: forms.into_iter().collect(), what })
    }

    /// Does it stand in some bytes? Where case does not matter they are in lower case.
    fn stands_in(&self, bytes: &[u8], look: MatchMode) -> bool {
        self.forms.iter().any(|form| places(bytes, form).any(|at| self.stands_at(bytes, at, form.len(), look)))
    }

    fn stands_at(&self, bytes: &[u8], at: usize, length: usize, look: MatchMode) -> bool {
        let whole = match self.what {
            TextKind::Id => is_whole_id,
            TextKind::Address => is_whole_address,
            TextKind::Text => return true,
        };
        let escaped = || is_escape(&bytes[..at]) && whole(&bytes[at..], 0, length);
        look == MatchMode::Anywhere
            || whole(bytes, at, length)
            || escaped()
            || look == MatchMode::WholeOrMeasured && self.is_measured(bytes, at, length)
    }

    /// Does its length stand before it, in one byte or in four? So it is a whole value, whatever follows.
    fn is_measured(&self, bytes: &[u8], at: usize, length: usize) -> bool {
        let lengths = if self.what == TextKind::Id { [SHORT_ID, LONG_ID] } else { [length, length] };
        let is_length =
            |bytes: Option<&[u8]>| bytes.is_some_and(|bytes| lengths.iter().any(|length| bytes[0] as usize == *length));
        let four = at.checked_sub(4).map(|from| &bytes[from..at]).filter(|four| four[1..] == [0; 3]);
        is_length(at.checked_sub(1).map(|from| &bytes[from..at])) || is_length(four)
    }
}

/// Do these bytes end with a line break or the like, as JSON writes it? A doubled backslash is one of the text's own.
fn is_escape(before: &[u8]) -> bool {
    let [rest @ .., b'n' | b'r' | b't' | b'b' | b'f'] = before else { return false };
    rest.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// Characters of an id.
const SHORT_ID: usize = 15;
const LONG_ID: usize = 18;

impl Needle {
    /// Is case of no matter?
    fn any_case(&self) -> bool {
        self.what != TextKind::Id
    }
}

/// The matches in an object: the index of the needle, and the part of the object that held it.
pub type Found = BTreeSet<(usize, String)>;

/// Searches an object.
///
/// # Errors
/// Corrupt when it is Parquet and cannot be decoded.
pub fn search(bytes: &Bytes, needles: &[Needle]) -> Result<Found> {
    let mut found = Found::new();
    let is_parquet = bytes.starts_with(MAGIC) && bytes.ends_with(MAGIC) && bytes.len() > 2 * MAGIC.len();
    let look = if is_parquet { MatchMode::WholeOrMeasured } else { MatchMode::Whole };
    in_bytes(bytes, needles, look, |needle| {
        found.insert((needle, "its bytes".to_owned()));
    });
    if is_parquet {
        in_parquet(bytes, needles, &mut found)?;
    }
    Ok(found)
}

fn in_parquet(bytes: &Bytes, needles: &[Needle], found: &mut Found) -> Result<()> {
    let metadata = ArrowReaderMetadata::load(bytes, ArrowReaderOptions::new())?;
    let schema = metadata.parquet_schema();
    for group in 0..metadata.metadata().num_row_groups() {
        let row_group = metadata.metadata().row_group(group);
        for column in row_group.columns() {
            if column.dictionary_page_offset().is_none() {
                continue;
            }
            let name = column.column_path().string();
            let mut pages =
                SerializedPageReader::new(Arc::new(bytes.clone()), column, row_group.num_rows().max(0) as usize, None)?;
            if let Some(Page::DictionaryPage { buf, .. }) = pages.get_next_page()? {
                // Values stand next to one another, each behind its length.
                in_bytes(&buf, needles, MatchMode::WholeOrMeasured, |needle| {
                    found.insert((needle, format!("the dictionary of {name}")));
                });
            }
        }
        for (root, field) in metadata.schema().fields().iter().enumerate() {
            let rows = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes.clone(), metadata.clone())
                .with_row_groups(vec![group])
                .with_projection(ProjectionMask::roots(schema, [root]))
                .build()?;
            for batch in rows {
                for column in batch?.columns() {
                    in_values(column, needles, &mut |needle| {
                        found.insert((needle, format!("column {}", field.name())));
                    })?;
                }
            }
        }
    }
    if let Some(place) = rare::place(metadata.metadata()) {
        let rare = RareRows::decode(place.within(bytes), &place)?.batch()?;
        for (field, column) in rare.schema().fields().iter().zip(rare.columns()) {
            in_values(column, needles, &mut |needle| {
                found.insert((needle, format!("column {} of its rare rows", field.name())));
            })?;
        }
    }
    Ok(())
}

/// Searches all texts in an array, at any depth of nesting.
fn in_values(array: &ArrayRef, needles: &[Needle], on_hit: &mut dyn FnMut(usize)) -> Result<()> {
    match array.data_type() {
        DataType::Utf8 => {
            let texts = array.as_string::<i32>();
            // A match that spans two adjacent values is a false positive, so each hit is checked against single values.
            let mut hits = BTreeSet::new();
            in_bytes(texts.values(), needles, MatchMode::Anywhere, |needle| {
                hits.insert(needle);
            });
            for needle in hits {
                let one = std::slice::from_ref(&needles[needle]);
                let mut is_there = false;
                for text in texts.iter().flatten() {
                    in_bytes(text.as_bytes(), one, MatchMode::Whole, |_| is_there = true);
                }
                if is_there {
                    on_hit(needle);
                }
            }
        }
        DataType::LargeUtf8 | DataType::Utf8View => in_values(&cast(array, &DataType::Utf8)?, needles, on_hit)?,
        DataType::Binary => {
            array.as_binary::<i32>().iter().flatten().for_each(|value| in_bytes(value, needles, MatchMode::Whole, &mut *on_hit))
        }
        DataType::LargeBinary => {
            array.as_binary::<i64>().iter().flatten().for_each(|value| in_bytes(value, needles, MatchMode::Whole, &mut *on_hit))
        }
        DataType::Dictionary(..) => {
            if let Some(labels) = array.as_dictionary_opt::<Int32Type>() {
                in_values(labels.values(), needles, on_hit)?;
            }
        }
        DataType::Struct(_) => {
            for column in array.as_struct().columns() {
                in_values(column, needles, on_hit)?;
            }
        }
        DataType::List(_) => in_values(array.as_list::<i32>().values(), needles, on_hit)?,
        DataType::Map(..) => {
            for column in array.as_map().entries().columns() {
                in_values(column, needles, on_hit)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Reports the needles that occur in some bytes.
fn in_bytes(bytes: &[u8], needles: &[Needle], look: MatchMode, mut on_hit: impl FnMut(usize)) {
    let small = needles.iter().any(Needle::any_case).then(|| bytes.to_ascii_lowercase());
    for (at, needle) in needles.iter().enumerate() {
        let haystack = if needle.any_case() { small.as_deref().unwrap_or(bytes) } else { bytes };
        if needle.stands_in(haystack, look) {
            on_hit(at);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_where_they_are_and_nowhere_else() {
        let bytes = b"aaaaabaaab-003f40000000001-xx Ana ORTIZ";
        for (needle, there) in [("aaab", true), ("abaaab", true), ("baab", false), ("ana ortiz", true), ("ana ortizz", false)] {
            assert_eq!(
                !search(&Bytes::from_static(bytes), &[Needle::new(needle).unwrap()]).unwrap().is_empty(),
                there,
                "{needle}"
            );
        }
        for id in ["003f40000000001", "003f40000000001AAA"] {
            assert_eq!(search(&Bytes::from_static(bytes), &[Needle::new(id).unwrap()]).unwrap().len(), 1);
        }
        assert!(Needle::new("abc").is_err());
        let upper = "NÚÑEZ, José".as_bytes().to_vec();
        assert_eq!(search(&Bytes::from(upper), &[Needle::new("Núñez").unwrap()]).unwrap().len(), 1);
    }

    #[test]
    fn somebody_elses_address_is_not_the_one_looked_for() {
        let found = |text: &str, needle: &str| {
            !search(&Bytes::copy_from_slice(text.as_bytes()), &[Needle::new(needle).unwrap()]).unwrap().is_empty()
        };
        for (text, there) in [
            (r#"{"to":"AN@x.edu"}"#, true),
            (r#"{"note":"hello\nan@x.edu"}"#, true),
            (r#"{"note":"CORP\\nan@x.edu"}"#, false),
            (r#"{"to":"jan@x.edu, dan+an@x.edu, an@x.education"}"#, false),
        ] {
            assert_eq!(found(text, "an@x.edu"), there, "{text}");
        }
        assert!(!found("x003f40000000001", "003f40000000001AAA"));
        assert!(found("annette", "anne"), "a name is found as a part, too");
    }

    #[test]
    fn a_value_behind_its_length_is_whole_whatever_follows() {
        let id = Needle::new("003f40000000001AAA").unwrap();
        let address = Needle::new("an@x.edu").unwrap();
        let look = |needle: &Needle, bytes: &[u8]| needle.stands_in(bytes, MatchMode::WholeOrMeasured);
        assert!(look(&address, b"\x08an@x.edu8\x01"), "a field of a footer, and the next");
        assert!(look(&address, b"\x08\0\0\0an@x.edu0\0\0\0somebody"), "a value of a dictionary, and the next");
        assert!(!look(&address, b"\x09\0\0\0jan@x.edu0\0\0\0somebody"));
        assert!(look(&id, b"\x12003f40000000001AAA8\x01") && look(&id, b"\x0f003f400000000018"));
    }
}
