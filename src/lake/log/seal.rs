//! Seals: the hash of an object that the object carries in itself, and its statement of where it belongs.
//!
//! A log entry, the marker and a few small objects have a field `ier.seal`: the blake3 hash of the object's bytes with sixty-four
//! zeros in that place. To other engines it is one more field of free text. They also have a field `ier.belongs` under the same
//! seal: the warehouse's id and the object's path. So an object that stands in another's place, of whatever table, version or
//! warehouse, is found when it is read ([`super::marker`]). [`super::sealed`] seals logs while they are written.

use std::fmt;
use std::ops::Range;

use object_store::path::Path;

use crate::error::Error;

/// The field of a log entry that holds its seal.
pub(crate) const FIELD: &str = "ier.seal";

/// The field of a sealed object that says where it belongs: the warehouse's id, a blank, and its path below the warehouse's folder.
pub(crate) const BELONGS: &str = "ier.belongs";

/// Hexadecimal digits of a hash.
pub(super) const DIGITS: usize = 64;

/// What a commit's info says in place of the seal, until the seal is known.
pub(crate) fn place() -> (String, serde_json::Value) {
    (FIELD.to_owned(), "0".repeat(DIGITS).into())
}

/// Where a sealed object belongs. It is written into the object, and covered by its seal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// The warehouse's id.
    pub warehouse: String,
    /// The object's path below the warehouse's folder.
    pub object: String,
}

impl Place {
    /// The text of the place, as written in the object.
    pub(crate) fn text(&self) -> String {
        format!("{} {}", self.warehouse, self.object)
    }
}

/// Why an object of the log does not pass the check of its seal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SealError {
    /// It has none.
    Unsealed,
    /// Its bytes are not those that were sealed.
    Altered,
    /// It was sealed as the object of this path.
    Displaced(String),
    /// It was sealed in another warehouse.
    Foreign,
    /// It does not say where it belongs, in a warehouse where all objects do.
    Unplaced,
    /// It says to which warehouse it belongs, and the warehouse has no marker.
    Unmarked,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsealed => "has no seal: it is damaged, or was not written by ier",
            Self::Altered => "is damaged: its bytes are not those that were sealed",
            Self::Displaced(object) => return write!(f, "is {object}, in another's place"),
            Self::Foreign => "belongs to another warehouse",
            Self::Unplaced => "does not say where it belongs: it was put there, or written by an older ier beside this one",
            Self::Unmarked => "belongs to a warehouse whose marker, warehouse.json, is gone",
        })
    }
}

/// Where the digits of the seal stand.
fn digits(bytes: &[u8]) -> Option<Range<usize>> {
    let field = format!("\"{FIELD}\":\"");
    let start = bytes.windows(field.len()).position(|window| window == field.as_bytes())? + field.len();
    (bytes.get(start + DIGITS) == Some(&b'"')).then_some(start..start + DIGITS)
}

fn hash_without(bytes: &[u8], digits: &Range<usize>) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bytes[..digits.start]).update(&[b'0'; DIGITS]).update(&bytes[digits.end..]);
    hasher.finalize().to_hex().to_string()
}

/// The bytes with the seal in its place; none when there is no place for it.
pub(crate) fn sealed(bytes: &[u8]) -> Option<Vec<u8>> {
    let digits = digits(bytes)?;
    let seal = hash_without(bytes, &digits);
    let mut sealed = bytes.to_vec();
    sealed[digits].copy_from_slice(seal.as_bytes());
    Some(sealed)
}

/// Checks the seal that an object carries in itself.
pub fn check(bytes: &[u8]) -> Result<(), SealError> {
    let digits = digits(bytes).ok_or(SealError::Unsealed)?;
    if bytes[digits.clone()] == *hash_without(bytes, &digits).as_bytes() { Ok(()) } else { Err(SealError::Altered) }
}

/// The seal that an object carries, right or wrong.
pub(crate) fn stated(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(&bytes[digits(bytes)?]).ok()
}

/// Where a sealed object says it belongs; none for objects sealed before that was recorded.
pub(crate) fn stated_place(bytes: &[u8]) -> Option<Place> {
    let field = format!("\"{BELONGS}\":\"");
    let start = bytes.windows(field.len()).position(|window| window == field.as_bytes())? + field.len();
    let text = bytes[start..].split(|byte| *byte == b'"').next()?;
    let (warehouse, object) = std::str::from_utf8(text).ok()?.split_once(' ')?;
    Some(Place { warehouse: warehouse.to_owned(), object: object.to_owned() })
}

/// The error for a broken seal.
pub(crate) fn damage(location: &Path, broken: &SealError) -> Error {
    Error::corrupt(phrase!(
        "{location} {broken}; restore it from a copy of the warehouse, and run `ier verify`, which names all that is damaged"
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_an_entry_is_under_its_seal() {
        let (field, zeros) = place();
        let entry = format!("{{\"commitInfo\":{{\"{field}\":{zeros},\"x\":1}}}}\n{{\"add\":{{\"path\":\"a\"}}}}\n");
        let good = sealed(entry.as_bytes()).unwrap();
        assert_eq!(check(&good), Ok(()));
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                assert!(check(&bad).is_err(), "bit {bit} of byte {at}");
            }
            assert!(check(&good[..at]).is_err(), "cut at {at}");
        }
        assert_eq!(check(entry.as_bytes()), Err(SealError::Altered), "zeros are no seal");
        assert_eq!(check(b"{}"), Err(SealError::Unsealed));
        assert!(sealed(b"{}").is_none());
    }
}
