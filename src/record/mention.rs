//! Decides whether a text names a person: an id or address counts only where it stands whole. `jan@x.edu`, `dan+an@x.edu` and
//! `an@x.education` do not name `an@x.edu`.
//!
//! Around a name may stand what texts have there: quotes, brackets, commas, `mailto:`, a full stop at the end of a sentence.
//! Texts are bytes, because they are also searched for in binary data.

/// What may go on before an address and be part of it.
const ADDRESS_GOES_ON: &str = "._%+-";

/// The suffix of addresses in sandbox copies of an org, so that no mail is delivered; no real domain ends so.
const MASKED: &[u8] = b".invalid";

/// The places at which a text occurs in some bytes, ascending. Looks at every nth byte only (Horspool), n being the text's length.
pub fn places<'a>(haystack: &'a [u8], needle: &'a [u8]) -> impl Iterator<Item = usize> + use<'a> {
    let mut skip = [needle.len(); 256];
    let (last, rest) = needle.split_last().map_or((0, needle), |(last, rest)| (*last, rest));
    for (at, byte) in rest.iter().enumerate() {
        skip[*byte as usize] = rest.len() - at;
    }
    let mut end = rest.len();
    std::iter::from_fn(move || {
        while let Some(byte) = haystack.get(end).filter(|_| !needle.is_empty()) {
            let found = *byte == last && haystack[end - rest.len()..end] == *rest;
            let start = end - rest.len();
            end += skip[*byte as usize];
            if found {
                return Some(start);
            }
        }
        None
    })
}

/// Does an address stand whole in a text? Both in lower case.
pub fn names_address(text: &[u8], address: &[u8]) -> bool {
    places(text, address).any(|at| is_whole_address(text, at, address.len()))
}

/// Does an id stand whole in a text, by its first fifteen characters? Up to three more may follow: those of the long form, or what is
/// left of them.
pub fn names_id(text: &[u8], short: &[u8]) -> bool {
    places(text, short).any(|at| is_whole_id(text, at, short.len()))
}

/// Are these bytes a whole address, and not a part of one?
pub fn is_whole_address(text: &[u8], at: usize, length: usize) -> bool {
    let (before, after) = (&text[..at], &text[at + length..]);
    let begins = match last(before) {
        None => true,
        // A quote, unless it is one of a name: `o'an@x.edu` is somebody else's.
        Some(('\'', rest)) => !last(rest).is_some_and(|(letter, _)| letter.is_alphanumeric()),
        Some((sign, _)) => !sign.is_alphanumeric() && !ADDRESS_GOES_ON.contains(sign),
    };
    begins && (address_ends(after) || after.strip_prefix(MASKED).is_some_and(address_ends))
}

fn address_ends(after: &[u8]) -> bool {
    match first(after) {
        None => true,
        // The end of a sentence, unless the domain goes on.
        Some(('.' | '-', rest)) => !first(rest).is_some_and(|(letter, _)| letter.is_alphanumeric()),
        Some((sign, _)) => !sign.is_alphanumeric(),
    }
}

/// Are these bytes the beginning of an id, and not a part of a longer word?
pub fn is_whole_id(text: &[u8], at: usize, length: usize) -> bool {
    let begins = last(&text[..at]).is_none_or(|(sign, _)| !sign.is_ascii_alphanumeric());
    begins && text[at + length..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count() <= SUFFIX
}

/// Characters of the long form of an id that the short one has not.
const SUFFIX: usize = 3;

/// The last sign of a text and what is before it; what links write as `%3D` is the sign it stands for, and a byte that is no text is
/// none.
fn last(text: &[u8]) -> Option<(char, &[u8])> {
    if let [rest @ .., b'%', high, low] = text
        && let (Some(high), Some(low)) = (char::from(*high).to_digit(16), char::from(*low).to_digit(16))
    {
        return Some((char::from_u32(high * 16 + low).unwrap_or(char::REPLACEMENT_CHARACTER), rest));
    }
    let (rest, _) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let sign = |length: usize| {
        let (rest, sign) = text.split_at_checked(text.len().checked_sub(length)?)?;
        let mut signs = std::str::from_utf8(sign).ok()?.chars();
        Some((signs.next()?, rest))
    };
    (1..=4).find_map(sign).or(Some((char::REPLACEMENT_CHARACTER, rest)))
}

/// The first sign of a text and what is after it.
fn first(text: &[u8]) -> Option<(char, &[u8])> {
    let (_, rest) = text.split_first()?;
    let sign = |length: usize| {
        let (sign, rest) = text.split_at_checked(length)?;
        let mut signs = std::str::from_utf8(sign).ok()?.chars();
        Some((signs.next()?, rest))
    };
    (1..=4).find_map(sign).or(Some((char::REPLACEMENT_CHARACTER, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_counts_where_it_stands_whole() {
        let own = [
            "an@x.edu",
            "\"an@x.edu\"",
            "'an@x.edu'",
            "''an@x.edu''",
            "“an@x.edu”",
            "Ann <an@x.edu>, Dan",
            "a,an@x.edu,b",
            "an@x.edu;bo@x.edu",
            "mailto:an@x.edu?subject=x",
            "to=an@x.edu&cc=",
            "to%3Dan@x.edu%26cc",
            "Ask an@x.edu.",
            "an@x.edu - gone",
            "(an@x.edu)",
            "x\tan@x.edu\n",
            "an@x.edu.invalid",
            "an@x.edu...",
            "jan@x.edu and an@x.edu",
        ];
        for text in own {
            assert!(names_address(text.as_bytes(), b"an@x.edu"), "{text}");
        }
        let others = [
            "jan@x.edu",
            "dan+an@x.edu",
            "dan%2Ban@x.edu",
            "dan.an@x.edu",
            "dan-an@x.edu",
            "d_an@x.edu",
            "o'an@x.edu",
            "éan@x.edu",
            "an@x.education",
            "an@x.edu.au",
            "an@x.edu-mail.org",
            "an@x.edu.invalid.org",
            "an@x.eduü.de",
            "an@y.edu",
            "",
        ];
        for text in others {
            assert!(!names_address(text.as_bytes(), b"an@x.edu"), "{text}");
        }
        assert!(names_address(b"\xFF\xFEan@x.edu\xC3", b"an@x.edu"), "what is no text is around it");
    }

    #[test]
    fn an_id_counts_where_it_stands_whole() {
        let id = b"003f40000000001";
        let own = [
            "003f40000000001",
            "003f40000000001AAA",
            "003f40000000001AA,x",
            "\"003f40000000001\"",
            "/003f40000000001AAA/view",
            "id%3D003f40000000001",
            "x_003f40000000001_y",
        ];
        for text in own {
            assert!(names_id(text.as_bytes(), id), "{text}");
        }
        for text in ["a003f40000000001", "003f40000000001AAAA", "0003f400000000012", "003f40000000002", "003F40000000001"] {
            assert!(!names_id(text.as_bytes(), id), "{text}");
        }
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
                for upto in [from, from + length - 1, from + length, bytes.len()] {
                    let plain = bytes[..upto].windows(length).enumerate().filter(|(_, window)| *window == needle);
                    let plain: Vec<usize> = plain.map(|(at, _)| at).collect();
                    assert_eq!(places(&bytes[..upto], needle).collect::<Vec<_>>(), plain);
                }
            }
        }
        assert_eq!(places(b"abc", b"").count(), 0);
    }
}
