//! Makes ids like those of one org: a key prefix, the org's own three characters, and a counter that ascends with creation.

use crate::error::{Error, Result};
use crate::record::id::SfId;

/// Users.
pub const USER: &str = "005";
/// Accounts.
pub const ACCOUNT: &str = "001";
/// Campaigns.
pub const CAMPAIGN: &str = "701";
/// Business units.
pub const BUSINESS_UNIT: &str = "a0A";
/// Sends.
pub const EMAIL_SEND: &str = "a0B";
/// Triggered sends.
pub const TRIGGERED_SEND: &str = "a0C";
/// Individual Email Results.
pub const IER: &str = "a0D";
/// Link details.
pub const LINK: &str = "a0E";
/// Link totals.
pub const AGGREGATE_LINK: &str = "a0F";

/// What every id of this org has after the key prefix.
const ORG: &[u8; 3] = b"f40";
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The id of the object with this prefix and number.
///
/// # Errors
/// Refuses a prefix that is not three letters or digits.
pub fn id(prefix: &str, number: u64) -> Result<SfId> {
    let mut text = [b'0'; 15];
    if prefix.len() != 3 {
        return Err(Error::internal(phrase!("{prefix:?} is no key prefix")));
    }
    text[..3].copy_from_slice(prefix.as_bytes());
    text[3..6].copy_from_slice(ORG);
    let mut rest = number;
    for place in text[6..].iter_mut().rev() {
        *place = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    SfId::parse_bytes(&text).map_err(|why| Error::internal(phrase!("made a bad id: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_ascend_with_their_number() {
        let ids: Vec<String> = [0, 9, 10, 61, 62, 3_843, 3_844, 13_537_086_546_263_551]
            .map(|number| id(IER, number).expect("an id").as_str15().to_owned())
            .into();
        assert!(ids.is_sorted(), "{ids:?}");
        assert_eq!(ids[0], "a0Df40000000000");
        assert_eq!(ids[7], "a0Df40zzzzzzzzz");
    }
}
