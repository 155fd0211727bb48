//! How many columns of a terminal a text takes, and how to shorten one to fit.
//!
//! The ranges follow Unicode's East Asian Width (wide and fullwidth) and its emoji. They need not be perfect: a wrong one shifts a
//! column by one character.

/// Characters that take no place of their own: combining marks, joiners, variation selectors, skin tones.
const NARROWEST: [(u32, u32); 18] = [
    (0x0300, 0x036F),
    (0x0483, 0x0489),
    (0x0591, 0x05BD),
    (0x0610, 0x061A),
    (0x064B, 0x065F),
    (0x093C, 0x093C),
    (0x0941, 0x0948),
    (0x0E34, 0x0E3A),
    (0x0E47, 0x0E4E),
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x200B, 0x200F),
    (0x2060, 0x2064),
    (0x20D0, 0x20FF),
    (0xFE00, 0xFE0F),
    (0xFE20, 0xFE2F),
    (0x1F3FB, 0x1F3FF),
    (0xE0020, 0xE01EF),
];

/// Characters that take two places: scripts of East Asia, emoji.
const WIDE: [(u32, u32); 39] = [
    (0x1100, 0x115F),
    (0x231A, 0x231B),
    (0x23E9, 0x23EC),
    (0x23F0, 0x23F0),
    (0x23F3, 0x23F3),
    (0x25FD, 0x25FE),
    (0x2614, 0x2615),
    (0x2648, 0x2653),
    (0x267F, 0x267F),
    (0x2693, 0x2693),
    (0x26A1, 0x26A1),
    (0x26AA, 0x26AB),
    (0x26BD, 0x26BE),
    (0x26C4, 0x26C5),
    (0x26D4, 0x26D4),
    (0x26EA, 0x26EA),
    (0x26F2, 0x26F5),
    (0x26FA, 0x26FD),
    (0x2705, 0x2705),
    (0x270A, 0x270B),
    (0x2728, 0x2728),
    (0x274C, 0x274E),
    (0x2753, 0x2757),
    (0x2795, 0x2797),
    (0x27B0, 0x27BF),
    (0x2B1B, 0x2B1C),
    (0x2B50, 0x2B55),
    (0x2E80, 0x303E),
    (0x3041, 0x4DBF),
    (0x4E00, 0xA4CF),
    (0xA960, 0xA97F),
    (0xAC00, 0xD7A3),
    (0xF900, 0xFAFF),
    (0xFE30, 0xFE6F),
    (0xFF00, 0xFF60),
    (0xFFE0, 0xFFE6),
    (0x1F300, 0x1F64F),
    (0x1F680, 0x1FAFF),
    (0x20000, 0x3FFFD),
];

/// The number of places `text` takes.
pub(super) fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { places(text).map(|(_, places)| places).sum() }
}

/// `text`, or its beginning and `…` in at most `most` places.
pub(super) fn cut(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let mut taken = 0;
    let within = places(text).take_while(|(_, places)| {
        taken += places;
        taken < most
    });
    let mut short: String = within.map(|(character, _)| character).collect();
    short.push('…');
    short
}

/// Each character with the places it adds.
fn places(text: &str) -> impl Iterator<Item = (char, usize)> + '_ {
    const JOINER: char = '\u{200D}';
    const AS_EMOJI: char = '\u{FE0F}';
    let mut before: Option<(char, usize)> = None;
    text.chars().map(move |character| {
        let added = match before {
            // A joined emoji melts into the one before it.
            Some((JOINER, _)) => 0,
            // A sign that is asked to be an emoji takes an emoji's two places.
            Some((_, 1)) if character == AS_EMOJI => 1,
            _ if character.is_ascii() => 1,
            _ if within(&NARROWEST, character) => 0,
            _ if within(&WIDE, character) => 2,
            _ => 1,
        };
        before = Some((character, added));
        (character, added)
    })
}

fn within(ranges: &[(u32, u32)], character: char) -> bool {
    let code = u32::from(character);
    let after = ranges.partition_point(|&(first, _)| first <= code);
    after > 0 && code <= ranges[after - 1].1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_of_what_subject_lines_hold() {
        for (text, wide) in
            [("plain", 5), ("Émile", 5), ("e\u{301}", 1), ("日本語", 6), ("🎓 Go", 5), ("👩‍🎓", 2), ("❤\u{FE0F}", 2), ("—…", 2)]
        {
            assert_eq!(width(text), wide, "{text}");
        }
    }

    #[test]
    fn ranges_are_in_order() {
        for ranges in [&NARROWEST[..], &WIDE[..]] {
            assert!(ranges.windows(2).all(|pair| pair[0].1 < pair[1].0));
        }
    }

    #[test]
    fn a_cut_text_keeps_within_its_places() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
        assert_eq!(cut("日本語日本語", 6), "日本…");
    }
}
