//! How a column is masked, and the names people have for that.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// What stands in the place of a value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mask {
    /// The value itself: no mask.
    Shown,
    /// Null.
    Null,
    /// The same text for each value; where there is none, null.
    Text(String),
    /// Of an address what is behind the `@`, of a link its host; null for anything else.
    Domain,
    /// A hash under a key of the list of users: the same for the same text, and nobody can find the text by trying.
    Hash,
}

/// The longest fixed text.
const TEXT_BYTES: usize = 200;

impl Mask {
    /// A mask by its name: `shown`, `null`, `domain`, `hash`, or `text:…`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "shown" => Some(Self::Shown),
            "null" => Some(Self::Null),
            "domain" => Some(Self::Domain),
            "hash" => Some(Self::Hash),
            text => {
                let fixed = text.strip_prefix("text:")?;
                (fixed.len() <= TEXT_BYTES).then(|| Self::Text(fixed.to_owned()))
            }
        }
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shown => f.write_str("shown"),
            Self::Null => f.write_str("null"),
            Self::Domain => f.write_str("domain"),
            Self::Hash => f.write_str("hash"),
            Self::Text(text) => write!(f, "text:{text}"),
        }
    }
}

impl<'de> Deserialize<'de> for Mask {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("a mask is shown, null, domain, hash or text:…"))
    }
}

/// Masks by column: `contact.email`, or `email` for the columns of this name in all tables.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(transparent)]
pub struct Masks(pub BTreeMap<String, Mask>);

impl Masks {
    /// The mask that is said for a column, if one is.
    pub fn of(&self, table: &str, column: &str) -> Option<&Mask> {
        self.0.get(&format!("{table}.{column}")).or_else(|| self.0.get(column))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_read_as_it_is_shown_and_the_nearer_name_counts() {
        for mask in [Mask::Shown, Mask::Null, Mask::Domain, Mask::Hash, Mask::Text("n/a".to_owned())] {
            assert_eq!(Mask::parse(&mask.to_string()), Some(mask));
        }
        assert_eq!(Mask::parse("none"), None);
        let masks = Masks([("email".to_owned(), Mask::Hash), ("lead.email".to_owned(), Mask::Null)].into());
        assert_eq!(masks.of("contact", "email"), Some(&Mask::Hash));
        assert_eq!(masks.of("lead", "email"), Some(&Mask::Null));
        assert_eq!(masks.of("lead", "name"), None);
    }
}
