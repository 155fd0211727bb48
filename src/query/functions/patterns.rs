//! Translates Postgres' patterns, of `to_char` and of `SIMILAR TO`, into those that the engine knows.

use crate::error::{Error, Result};

/// A pattern of `to_char`, as the engine has it.
#[derive(Debug, Eq, PartialEq)]
pub struct Pattern {
    /// With `%`.
    pub pattern: String,
    /// What is to be made of the text: `upper` or `lower`, for names in capitals or small letters.
    pub case: Option<&'static str>,
}

/// What letters mean, the longest first: Postgres' pattern, ours, and with `FM` before it, without leading zeros.
const LETTERS: [(&str, &str, &str); 27] = [
    ("HH24", "%H", "%-H"),
    ("HH12", "%I", "%-I"),
    ("YYYY", "%Y", "%Y"),
    ("IYYY", "%G", "%G"),
    ("MONTH", "%B", "%B"),
    ("A.M.", "%p", "%p"),
    ("P.M.", "%p", "%p"),
    ("DDD", "%j", "%-j"),
    ("DAY", "%A", "%A"),
    ("MON", "%b", "%b"),
    ("TZH", "%z", "%z"),
    ("HH", "%I", "%-I"),
    ("MI", "%M", "%-M"),
    ("SS", "%S", "%-S"),
    ("MS", "%3f", "%3f"),
    ("US", "%6f", "%6f"),
    ("YY", "%y", "%y"),
    ("IW", "%V", "%-V"),
    ("IY", "%g", "%g"),
    ("ID", "%u", "%u"),
    ("MM", "%m", "%-m"),
    ("DD", "%d", "%-d"),
    ("DY", "%a", "%a"),
    ("AM", "%p", "%p"),
    ("PM", "%p", "%p"),
    ("TZ", "%Z", "%Z"),
    ("Q", "%q", "%q"),
];

/// Patterns that are words: their letters' case is that of the text.
const WORDS: [&str; 8] = ["MONTH", "MON", "DAY", "DY", "AM", "PM", "A.M.", "P.M."];

/// A pattern of `to_char` in Postgres' letters; one with `%` is the engine's own already. Names of months and days are not filled up
/// with blanks, as Postgres does with `Month` and `Day`.
///
/// # Errors
/// Invalid for letters that mean nothing, and for patterns of numbers.
pub fn to_char(typed: &str) -> Result<Pattern> {
    if typed.contains('%') {
        return Ok(Pattern { pattern: typed.to_owned(), case: None });
    }
    let (mut pattern, mut cases) = (String::new(), Vec::new());
    let mut rest = typed;
    let mut plain = false;
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let (inner, after) = rest[1..].split_once('"').unwrap_or((&rest[1..], ""));
            pattern += inner;
            rest = after;
            continue;
        }
        if rest.len() >= 2 && rest.is_char_boundary(2) && rest[..2].eq_ignore_ascii_case("FM") {
            (plain, rest) = (true, &rest[2..]);
            continue;
        }
        let known = LETTERS.iter().find(|(letters, ..)| {
            rest.len() >= letters.len()
                && rest.is_char_boundary(letters.len())
                && rest[..letters.len()].eq_ignore_ascii_case(letters)
        });
        if let Some((letters, padded, bare)) = known {
            let written = &rest[..letters.len()];
            if WORDS.contains(letters) {
                cases.extend(case_of(written));
            }
            pattern += if plain { bare } else { padded };
            plain = false;
            rest = &rest[letters.len()..];
            // An ordinal's ending is not made.
            if rest.len() >= 2 && rest.is_char_boundary(2) && rest[..2].eq_ignore_ascii_case("TH") {
                return Err(unknown(typed, "TH"));
            }
            continue;
        }
        if first.is_alphanumeric() {
            let word: String = rest.chars().take_while(|char| char.is_alphanumeric()).collect();
            return Err(unknown(typed, &word));
        }
        pattern.push(first);
        rest = &rest[first.len_utf8()..];
    }
    cases.dedup();
    let case = match cases.as_slice() {
        [Some(case)] => Some(*case),
        _ if cases.iter().all(Option::is_none) => None,
        _ => {
            return Err(Error::invalid(
                "to_char: names in capitals and in small letters in one pattern are not made; write Mon or Day, and upper(…) around it",
            ));
        }
    };
    Ok(Pattern { pattern, case })
}

/// `MON` is JAN, `mon` is jan, `Mon` is Jan; AM is in capitals by itself, and says nothing.
fn case_of(written: &str) -> Option<Option<&'static str>> {
    let letters: Vec<char> = written.chars().filter(|char| char.is_alphabetic()).collect();
    let half_day = matches!(letters.last(), Some('m' | 'M')) && letters.len() == 2;
    match letters.iter().all(|char| char.is_uppercase()) {
        true if half_day => None,
        true => Some(Some("upper")),
        false if letters.iter().all(|char| char.is_lowercase()) => Some(Some("lower")),
        false => Some(None),
    }
}

fn unknown(typed: &str, word: &str) -> Error {
    if word.starts_with(['9', '0']) {
        return Error::invalid("to_char makes texts of moments; of numbers: CAST(x AS TEXT), round(x, 2)");
    }
    Error::invalid(format!(
        "to_char does not know {word:?} in {typed:?}; YYYY-MM-DD HH24:MI:SS, Mon, Day, Dy, Q, IW and %-formats such as %Y-%m are known, \
         other text stands in \"double quotes\""
    ))
}

/// The regular expression that a pattern of `SIMILAR TO` means: it is of the whole text; `%` is any, `_` is one character.
pub fn similar_to(pattern: &str) -> String {
    let (mut regex, mut in_brackets) = ("^(?s:".to_owned(), false);
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => {
                if let Some(next) = chars.next() {
                    if !next.is_alphanumeric() {
                        regex.push('\\');
                    }
                    regex.push(next);
                }
            }
            '[' if !in_brackets => {
                in_brackets = true;
                regex.push('[');
            }
            ']' => {
                in_brackets = false;
                regex.push(']');
            }
            char if in_brackets => regex.push(char),
            '%' => regex += ".*",
            '_' => regex.push('.'),
            '.' | '^' | '$' => regex.extend(['\\', char]),
            char => regex.push(char),
        }
    }
    regex + ")$"
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_postgres_mean_what_they_mean_there() {
        for (typed, pattern, case) in [
            ("YYYY-MM", "%Y-%m", None),
            ("MM/DD/YYYY", "%m/%d/%Y", None),
            ("HH24:MI:SS", "%H:%M:%S", None),
            ("FMDD Mon YYYY", "%-d %b %Y", None),
            ("DD MON", "%d %b", Some("upper")),
            ("dy", "%a", Some("lower")),
            ("\"week\" IW, Q", "week %V, %q", None),
            ("HH12:MI AM", "%I:%M %p", None),
            ("%Y-%m", "%Y-%m", None),
            ("Day, DD. Month", "%A, %d. %B", None),
        ] {
            assert_eq!(to_char(typed).unwrap(), Pattern { pattern: pattern.to_owned(), case }, "{typed}");
        }
        for (typed, part) in
            [("YYYY-XX", "\"XX\""), ("999,990.00", "CAST(x AS TEXT)"), ("DDth", "TH"), ("month of YYYY", "\"of\"")]
        {
            let error = to_char(typed).unwrap_err().to_string();
            assert!(error.contains(part), "{typed}: {error}");
        }
    }

    #[test]
    fn a_pattern_is_of_the_whole_text() {
        for (pattern, regex) in [
            ("%Giving%", "^(?s:.*Giving.*)$"),
            ("a|b_", "^(?s:a|b.)$"),
            ("(News|CU) 1.0", "^(?s:(News|CU) 1\\.0)$"),
            ("[a-c%]+", "^(?s:[a-c%]+)$"),
            ("50\\%", "^(?s:50\\%)$"),
        ] {
            assert_eq!(similar_to(pattern), regex);
        }
    }
}
