//! Salesforce ids. They have 15 characters in which case matters, or 18: the same with a checksum of the cases.
//!
//! The engine stores the form with 18 characters everywhere. It can be compared without regard to case, and Salesforce accepts it.
//! A text that cannot be a valid id is refused with the reason; nothing is guessed.

use std::borrow::Borrow;
use std::fmt;

use crate::error::{Error, Result};

/// Checksum digits: the suffix character of a chunk is `DIGITS[bits]`.
const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

/// Key prefix of contacts.
pub const CONTACT_PREFIX: &str = "003";
/// Key prefix of leads.
pub const LEAD_PREFIX: &str = "00Q";

/// A valid id in its one stored form: 18 ASCII characters with a right checksum.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SfId([u8; 18]);

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IdError {
    /// Neither 15 nor 18 characters long.
    Length(usize),
    /// A character other than A-Z, a-z, 0-9, at this place (from 1).
    Character(usize),
    /// The last three characters do not fit the first fifteen, whatever their case.
    Checksum,
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(n) => write!(f, "an id has 15 or 18 characters, this has {n}"),
            Self::Character(at) => write!(f, "an id has only letters and digits, character {at} is neither"),
            Self::Checksum => f.write_str("the last three characters do not fit the first fifteen"),
        }
    }
}

impl std::error::Error for IdError {}

impl SfId {
    /// Reads an id as people paste it: 15 or 18 characters, blanks around it allowed. An 18-character id whose case was
    /// destroyed (by a spreadsheet, say) is repaired from its suffix.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        Self::parse_bytes(text.trim().as_bytes())
    }

    /// Reads the id of a person, a contact's or a lead's, as people paste it.
    ///
    /// # Errors
    /// Invalid, with a sentence that says what the text is instead: an e-mail address, no id at all, another object's.
    pub fn of_person(text: &str) -> Result<Self> {
        if text.contains('@') {
            return Err(Error::invalid(phrase!("{text:?} is an e-mail address, no id; `ier who` finds the ids of people by it")));
        }
        let id = Self::parse(text).map_err(|error| {
            if !text.trim().is_empty() && !text.contains(|c: char| c.is_ascii_digit()) {
                return Error::invalid(phrase!("{text:?} is no Salesforce id; `ier who` finds the ids of people by their names"));
            }
            Error::invalid(phrase!("{text:?} is no Salesforce id: {error}; a contact's id looks like 003f400000JJbuPAAT"))
        })?;
        if id.is_person() {
            return Ok(id);
        }
        let prefix = &id.as_str()[..3];
        let what = match prefix {
            "001" => ", an account's",
            "005" => ", a user's",
            "00D" => ", an organisation's",
            "00v" => ", a campaign member's",
            "701" => ", a campaign's",
            // Packages number their objects anew in every org, so which of them it is cannot be known.
            custom if custom.starts_with('a') => ", as the ids of sends, business units and IERs do",
            _ => "",
        };
        Err(Error::invalid(phrase!(
            "{id} is neither a contact's id ({CONTACT_PREFIX}…) nor a lead's ({LEAD_PREFIX}…): it begins with {prefix}{what}"
        )))
    }

    /// [`SfId::parse`] on bytes without blanks.
    pub fn parse_bytes(text: &[u8]) -> Result<Self, IdError> {
        if text.len() != 15 && text.len() != 18 {
            return Err(IdError::Length(String::from_utf8_lossy(text).chars().count()));
        }
        if let Some(at) = text.iter().position(|byte| !byte.is_ascii_alphanumeric()) {
            return Err(IdError::Character(at + 1));
        }
        let mut id = [0u8; 18];
        id[..15].copy_from_slice(&text[..15]);
        let suffix = suffix(&text[..15]);
        if text.len() == 15 || text[15..] == suffix {
            id[15..].copy_from_slice(&suffix);
            return Ok(Self(id));
        }
        repair(text).map(Self).ok_or(IdError::Checksum)
    }

    /// The stored form.
    pub fn as_str(&self) -> &str {
        // Only ASCII letters and digits get in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The short form, for systems that want it.
    pub fn as_str15(&self) -> &str {
        &self.as_str()[..15]
    }

    /// Is it a contact's or a lead's?
    pub fn is_person(&self) -> bool {
        self.has_prefix(CONTACT_PREFIX) || self.has_prefix(LEAD_PREFIX)
    }

    /// Does it begin with this object's key prefix?
    pub fn has_prefix(&self, prefix: &str) -> bool {
        self.0.starts_with(prefix.as_bytes())
    }
}

/// So that a map by id can be asked with a stored text.
impl Borrow<[u8]> for SfId {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SfId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for SfId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The three checksum characters of a 15-character id: for each chunk of five, bit i is set when character i is A-Z.
pub fn suffix(id15: &[u8]) -> [u8; 3] {
    let mut suffix = [0u8; 3];
    for (chunk, out) in id15.chunks(5).zip(&mut suffix) {
        let bits = chunk.iter().enumerate().fold(0, |bits, (i, byte)| bits | usize::from(byte.is_ascii_uppercase()) << i);
        *out = DIGITS[bits];
    }
    suffix
}

/// Sets the case of the first fifteen characters as the suffix says; `None` when the suffix marks a digit as a capital
/// or has a character that is no checksum digit.
fn repair(text: &[u8]) -> Option<[u8; 18]> {
    let mut id = [0u8; 18];
    for chunk in 0..3 {
        let digit = text[15 + chunk].to_ascii_uppercase();
        let bits = DIGITS.iter().position(|&d| d == digit)?;
        id[15 + chunk] = digit;
        for i in 0..5 {
            let byte = text[chunk * 5 + i];
            let capital = bits >> i & 1 == 1;
            if capital && !byte.is_ascii_alphabetic() {
                return None;
            }
            id[chunk * 5 + i] = if capital { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() };
        }
    }
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_pairs() {
        for (id15, suffix) in [
            ("a01M00000062mPg", "IAI"),
            ("001M000000qfPyS", "IAU"),
            ("a0FE000000D6r3F", "MAR"),
            ("0F9E000000092w2", "KAA"),
            ("aaaaaaaaaaaaaaa", "AAA"),
            ("AbCdEfGhIjKlMnO", "VKV"),
            ("a0RE000000IJmcN", "MAT"),
            ("a0pf400000JJbuP", "AAT"),
            ("a0sf4000007zk8K", "AAQ"),
        ] {
            let id = SfId::parse(id15).expect("valid");
            assert_eq!(id.as_str(), format!("{id15}{suffix}"));
            assert_eq!(SfId::parse(id.as_str()), Ok(id));
            assert_eq!(SfId::parse(&id.as_str().to_lowercase()), Ok(id), "case destroyed downwards");
            assert_eq!(SfId::parse(&id.as_str().to_uppercase()), Ok(id), "case destroyed upwards");
            assert_eq!(id.as_str15(), id15);
        }
    }

    #[test]
    fn the_error_names_the_object_of_an_id_that_is_no_persons() {
        for (text, says) in [
            ("003f40000000001AA", "this has 17"),
            ("003f40000000001AAB", "the last three characters do not fit"),
            ("ana.ortiz@example.edu", "is an e-mail address, no id"),
            ("Ana Ortiz", "is no Salesforce id"),
            ("a0Bf40000000001", "begins with a0B, as the ids of sends, business units and IERs do"),
            ("005f40000000001", "begins with 005, a user's"),
            ("500f40000000001", "begins with 500"),
        ] {
            let error = SfId::of_person(text).expect_err(text);
            assert!(error.kind() == crate::error::Kind::Invalid && error.to_string().contains(says), "{error}");
        }
        for text in ["003f40000000001", " 00Qf40000000001EAA\n", "003F40000000001AAA"] {
            assert!(SfId::of_person(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn bad_ids_are_flagged_never_guessed() {
        assert_eq!(SfId::parse("a0sf4000007zk8KAA"), Err(IdError::Length(17)));
        assert_eq!(SfId::parse("a0sf4000007zk8-"), Err(IdError::Character(15)));
        assert_eq!(SfId::parse("000000000000000AAB"), Err(IdError::Checksum));
        assert_eq!(SfId::parse("a0sf4000007zk8KAA6"), Err(IdError::Checksum), "6 is no checksum digit");
        assert_eq!(SfId::parse(""), Err(IdError::Length(0)));
    }
}
