//! Searching the bytes of one object for texts, whatever encodes or compresses them.
//!
//! A Parquet file is searched four times: as it is (footer, statistics, indexes), in its dictionaries (which may hold values no
//! row has), in the values of each column, decoded, and in its rare rows. Anything else is searched as it is.

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
    /// Is case of no matter?
    any_case: bool,
}

impl Needle {
    /// An id is looked for by its first fifteen characters, which both its forms have; anything else without regard to case.
    ///
    /// # Errors
    /// Invalid for a text of fewer than four characters.
    pub fn new(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.len() < SHORTEST {
            return Err(Error::invalid(format!("{text:?} is too short to look for: give four characters or more")));
        }
        if let Ok(id) = SfId::parse(text) {
            return Ok(Self { text: text.to_owned(), forms: vec![id.as_str15().into()], any_case: false });
        }
        // Letters beyond ASCII stand as they were given, in small or in capital letters.
        let forms: BTreeSet<Vec<u8>> = [text.to_owned(), text.to_lowercase(), text.to_uppercase()]
            .into_iter()
            .map(|form| form.into_bytes().to_ascii_lowercase())
            .collect();
        Ok(Self { text: text.to_owned(), forms: forms.into_iter().collect(), any_case: true })
    }
}

/// Where in an object texts were found: the text's place among the needles, and what held it.
pub type Found = BTreeSet<(usize, String)>;

/// Searches an object.
///
/// # Errors
/// Corrupt when it is Parquet and cannot be decoded.
pub fn search(bytes: &Bytes, needles: &[Needle]) -> Result<Found> {
    let mut found = Found::new();
    in_bytes(bytes, needles, |needle| {
        found.insert((needle, "its bytes".to_owned()));
    });
    if bytes.starts_with(MAGIC) && bytes.ends_with(MAGIC) && bytes.len() > 2 * MAGIC.len() {
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
                in_bytes(&buf, needles, |needle| {
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

/// Searches all texts in an array, however deep they stand.
fn in_values(array: &ArrayRef, needles: &[Needle], told: &mut dyn FnMut(usize)) -> Result<()> {
    match array.data_type() {
        DataType::Utf8 => {
            let texts = array.as_string::<i32>();
            // A hit across the border of two values is none, so it takes a second look.
            let mut hits = BTreeSet::new();
            in_bytes(texts.values(), needles, |needle| {
                hits.insert(needle);
            });
            for needle in hits {
                let one = std::slice::from_ref(&needles[needle]);
                let mut is_there = false;
                for text in texts.iter().flatten() {
                    in_bytes(text.as_bytes(), one, |_| is_there = true);
                }
                if is_there {
                    told(needle);
                }
            }
        }
        DataType::LargeUtf8 | DataType::Utf8View => in_values(&cast(array, &DataType::Utf8)?, needles, told)?,
        DataType::Binary => array.as_binary::<i32>().iter().flatten().for_each(|value| in_bytes(value, needles, &mut *told)),
        DataType::LargeBinary => array.as_binary::<i64>().iter().flatten().for_each(|value| in_bytes(value, needles, &mut *told)),
        DataType::Dictionary(..) => {
            if let Some(labels) = array.as_dictionary_opt::<Int32Type>() {
                in_values(labels.values(), needles, told)?;
            }
        }
        DataType::Struct(_) => {
            for column in array.as_struct().columns() {
                in_values(column, needles, told)?;
            }
        }
        DataType::List(_) => in_values(array.as_list::<i32>().values(), needles, told)?,
        DataType::Map(..) => {
            for column in array.as_map().entries().columns() {
                in_values(column, needles, told)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Tells the needles that occur in some bytes.
fn in_bytes(bytes: &[u8], needles: &[Needle], mut told: impl FnMut(usize)) {
    let small = needles.iter().any(|needle| needle.any_case).then(|| bytes.to_ascii_lowercase());
    for (at, needle) in needles.iter().enumerate() {
        let haystack = if needle.any_case { small.as_deref().unwrap_or(bytes) } else { bytes };
        if needle.forms.iter().any(|form| occurs(haystack, form)) {
            told(at);
        }
    }
}

/// Does a text occur in some bytes? Looks at every nth byte only (Horspool), n being the text's length.
fn occurs(haystack: &[u8], needle: &[u8]) -> bool {
    let Some((last, rest)) = needle.split_last() else { return true };
    let mut skip = [needle.len(); 256];
    for (at, byte) in rest.iter().enumerate() {
        skip[*byte as usize] = rest.len() - at;
    }
    let mut end = rest.len();
    while let Some(byte) = haystack.get(end) {
        if byte == last && haystack[end - rest.len()..end] == *rest {
            return true;
        }
        end += skip[*byte as usize];
    }
    false
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
    fn every_place_of_a_text_in_random_bytes_is_found() {
        let mut state = 7u32;
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b'a' + (state >> 24) as u8 % 3
        })
        .take(400)
        .collect();
        for length in 1..7 {
            for from in 0..bytes.len() - length {
                let needle = &bytes[from..from + length];
                let plain = |upto: usize| bytes[..upto].windows(length).any(|window| window == needle);
                for upto in [from, from + length - 1, from + length, bytes.len()] {
                    assert_eq!(occurs(&bytes[..upto], needle), plain(upto));
                }
            }
        }
    }
}
