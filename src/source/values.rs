//! Parses the values of an export's text: words for null, checkboxes, whole numbers, keys in scientific notation.
//!
//! It is written by hand over bytes, because this is the hot path of loading. Nothing allocates, and nothing is guessed.

/// Is this how an export of delimited text writes "nothing"?
///
/// No field of Salesforce is empty and not null, so an empty text is nothing; so is `\N`, which databases write, and `#N/A`, which
/// spreadsheets do. A word is nothing only in a column in which it can be nothing else (`typed`: ids, keys, numbers, times): as a
/// text, `Null` is somebody's name and `NA` a place.
#[inline]
pub fn is_null(text: &str, typed: bool) -> bool {
    const WORDS: [&str; 10] = ["null", "none", "na", "n/a", "nan", "nat", "nil", "<na>", "(null)", "<null>"];
    match text.len() {
        0 => true,
        2..=6 => matches!(text, "\\N" | "#N/A" | "#n/a") || (typed && WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))),
        _ => false,
    }
}

/// A checkbox: as Salesforce, databases, data frames and the spreadsheets of some countries write it.
pub fn boolean(text: &str) -> Option<bool> {
    const TRUE: [&str; 17] = [
        "true",
        "1",
        "yes",
        "t",
        "y",
        "checked",
        "1.0",
        "wahr",
        "vrai",
        "verdadero",
        "vero",
        "on",
        "ja",
        "oui",
        "si",
        "sí",
        "sim",
    ];
    const FALSE: [&str; 17] = [
        "false",
        "0",
        "no",
        "f",
        "n",
        "unchecked",
        "0.0",
        "falsch",
        "faux",
        "falso",
        "onwaar",
        "off",
        "nein",
        "non",
        "nee",
        "não",
        "nao",
    ];
    if TRUE.iter().any(|word| word.eq_ignore_ascii_case(text)) || text.eq_ignore_ascii_case("waar") {
        Some(true)
    } else if FALSE.iter().any(|word| word.eq_ignore_ascii_case(text)) {
        Some(false)
    } else {
        None
    }
}

/// A key as a spreadsheet or a data frame shows a long number: `1.23457E+11`. The number, if all its digits are there; else nothing can
/// tell which it was. `None` where a text is no such thing.
pub fn scientific(text: &str) -> Option<Option<String>> {
    let (mantissa, exponent) = text.split_once("E+").or_else(|| text.split_once("e+"))?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() != 1 || ![whole, fraction, exponent].into_iter().all(are_digits) {
        return None;
    }
    let exponent: usize = exponent.parse().ok()?;
    Some((fraction.len() >= exponent && are_zeros(&fraction[exponent..])).then(|| format!("{whole}{}", &fraction[..exponent])))
}

fn are_zeros(digits: &str) -> bool {
    digits.bytes().all(|digit| digit == b'0')
}

/// A whole number: `12`, `12.0`, `1.0E5`, `1,234`. A fraction, or what does not fit, is none.
pub fn integer(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    if (1..=9).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_digit) {
        return Some(bytes.iter().fold(0, |number, digit| number * 10 + i32::from(digit - b'0')));
    }
    // Words such as `inf`, which the number parser knows, are no numbers here.
    if !bytes.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b',' | b'e' | b'E')) {
        return None;
    }
    if text.contains(',') { whole(ungroup(text)?.parse().ok()?) } else { whole(text.parse().ok()?) }
}

/// A number without a fraction that fits.
pub fn whole(number: f64) -> Option<i32> {
    let fits = number.fract() == 0.0 && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number);
    fits.then_some(number as i32)
}

/// Takes the commas out of `1,234,567.0`; they must stand between groups of three.
fn ungroup(text: &str) -> Option<String> {
    let (number, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut groups = number.split(',');
    let first = groups.next()?.trim_start_matches(['+', '-']);
    let well_grouped = (1..=3).contains(&first.len()) && groups.all(|group| group.len() == 3) && !fraction.contains(',');
    well_grouped.then(|| text.replace(',', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_and_checkboxes() {
        for text in ["", "#N/A", "\\N"] {
            assert!(is_null(text, false) && is_null(text, true), "{text}");
        }
        for text in ["null", "NULL", "Null", "N/A", "none", "NaN", "<NA>"] {
            assert!(is_null(text, true), "{text} is no number");
            assert!(!is_null(text, false), "{text} may be a name");
        }
        for text in [" ", "0", "nulls", "no"] {
            assert!(!is_null(text, true), "{text}");
        }
        for text in ["true", "TRUE", "1", "yes", "Y", "t", "Checked", "WAHR"] {
            assert_eq!(boolean(text), Some(true), "{text}");
        }
        for text in ["false", "False", "0", "no", "N", "f", "Unchecked", "FALSCH"] {
            assert_eq!(boolean(text), Some(false), "{text}");
        }
        for text in ["2", "maybe", "-1", "x"] {
            assert_eq!(boolean(text), None, "{text}");
        }
    }

    #[test]
    fn a_number_in_scientific_form_is_whole_or_not_to_be_told() {
        let number = |text: &str| scientific(text).map(|number| number.unwrap_or_else(|| "?".to_owned()));
        for (text, expected) in [("9.013E+03", "9013"), ("1.5e+1", "15"), ("1.50E+1", "15"), ("1.23457E+11", "?"), ("4E+08", "?")]
        {
            assert_eq!(number(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["12E4", "1.5E5", "E+1", "12.5E+3", "m-1E+2", "1+2", ""] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn whole_numbers_of_every_form() {
        for (text, number) in [
            ("0", 0),
            ("0.0", 0),
            ("1.0E5", 100_000),
            ("1e3", 1000),
            ("-7", -7),
            ("1,234", 1234),
            ("1,234,567.00", 1_234_567),
            ("2147483647", i32::MAX),
        ] {
            assert_eq!(integer(text), Some(number), "{text}");
        }
        for text in ["0.5", "2147483648", "1e10", "12a", "inf", "NaN", "1,2", "1,2345", ",123", "", "-", "1 2"] {
            assert_eq!(integer(text), None, "{text}");
        }
    }
}
