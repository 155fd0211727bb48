//! A tokenizer for JSON records that are complete in memory.
//!
//! It is written by hand because numbers must keep their digits, where a parser would convert them to floats. `NaN`, which data
//! frames write and JSON does not have, is null. Invalid UTF-8 passes; the rows are checked for it later, as they are in other
//! texts. [`super::objects`] limits the nesting.

use memchr::memchr2;

/// An error in a JSON record.
#[derive(Debug)]
pub(super) struct JsonError(pub &'static str);

/// The kind of a JSON value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Null,
    Text,
    /// A number, or `true` and `false`.
    Plain,
    /// A list or an object, as JSON.
    Nested,
}

/// A place in a text.
pub(super) struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    pub fn of(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// The next byte that is not blank.
    pub fn peek(&mut self) -> Option<u8> {
        let blanks = self.text[self.at..].iter().take_while(|byte| is_blank(**byte)).count();
        self.at += blanks;
        self.text.get(self.at).copied()
    }

    /// Takes this byte if it is the next.
    pub fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    pub fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.takes(byte) { Ok(()) } else { Err(JsonError("a comma, a colon or a bracket is missing or misplaced")) }
    }

    /// Appends a string without its quotes and escapes.
    pub fn string(&mut self, out: &mut Vec<u8>) -> Result<(), JsonError> {
        if !self.takes(b'"') {
            return Err(JsonError("something stands where a text in quotes should"));
        }
        loop {
            let rest = &self.text[self.at..];
            let Some(found) = memchr2(b'"', b'\\', rest) else { return Err(JsonError("a text has no closing quote")) };
            if rest[..found].iter().any(|byte| *byte < 0x20) {
                return Err(JsonError("a text holds a line break or another control character that is not escaped"));
            }
            out.extend_from_slice(&rest[..found]);
            self.at += found + 1;
            if rest[found] == b'"' {
                return Ok(());
            }
            self.escaped(out)?;
        }
    }

    /// Reads the escape behind a backslash.
    fn escaped(&mut self, out: &mut Vec<u8>) -> Result<(), JsonError> {
        let letter = self.text.get(self.at).copied();
        self.at += 1;
        out.push(match letter {
            Some(same @ (b'"' | b'\\' | b'/')) => same,
            Some(b'b') => 0x08,
            Some(b'f') => 0x0C,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => return self.unicode(out),
            _ => return Err(JsonError("a text has an escape that JSON does not know")),
        });
        Ok(())
    }

    /// `\u00e9`, or the two halves of a letter beyond those that four digits can name.
    fn unicode(&mut self, out: &mut Vec<u8>) -> Result<(), JsonError> {
        let first = self.four_digits()?;
        let mut code = first;
        if (0xD800..0xDC00).contains(&first) && self.text[self.at..].starts_with(b"\\u") {
            let before = self.at;
            self.at += 2;
            match self.four_digits()? {
                second @ 0xDC00..0xE000 => code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00),
                _ => self.at = before,
            }
        }
        match char::from_u32(code) {
            Some(letter) => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
            // Half a letter is none: a byte that is no letter either.
            None => out.push(0xFF),
        }
        Ok(())
    }

    fn four_digits(&mut self) -> Result<u32, JsonError> {
        let digits = self.text.get(self.at..self.at + 4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let number = digits.and_then(|digits| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        self.at += 4;
        number.ok_or(JsonError("a text has an escape that JSON does not know"))
    }

    /// Appends a value that is neither list nor object; says of what kind it is.
    pub fn scalar(&mut self, out: &mut Vec<u8>) -> Result<Kind, JsonError> {
        if self.peek() == Some(b'"') {
            self.string(out)?;
            return Ok(Kind::Text);
        }
        match self.word() {
            b"null" | b"NaN" => Ok(Kind::Null),
            word @ (b"true" | b"false") => {
                out.extend_from_slice(word);
                Ok(Kind::Plain)
            }
            word if is_number(word) => {
                push_number(word, out);
                Ok(Kind::Plain)
            }
            _ => Err(JsonError("something stands where a value should")),
        }
    }

    /// A number or a word.
    fn word(&mut self) -> &'a [u8] {
        let rest = &self.text[self.at..];
        let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')).count();
        self.at += length;
        &rest[..length]
    }

    /// Appends any value as JSON without blanks around its tokens.
    pub fn compact(&mut self, out: &mut Vec<u8>) -> Result<(), JsonError> {
        match self.peek() {
            Some(open @ (b'{' | b'[')) => {
                let close = if open == b'{' { b'}' } else { b']' };
                self.at += 1;
                out.push(open);
                if !self.takes(close) {
                    loop {
                        if open == b'{' {
                            self.quoted(out)?;
                            self.expect(b':')?;
                            out.push(b':');
                        }
                        self.compact(out)?;
                        if self.takes(b',') {
                            out.push(b',');
                            continue;
                        }
                        self.expect(close)?;
                        break;
                    }
                }
                out.push(close);
                Ok(())
            }
            Some(b'"') => self.quoted(out),
            _ => match self.word() {
                b"NaN" => {
                    out.extend_from_slice(b"null");
                    Ok(())
                }
                word if matches!(word, b"null" | b"true" | b"false") || is_number(word) => {
                    out.extend_from_slice(word);
                    Ok(())
                }
                _ => Err(JsonError("something stands where a value should")),
            },
        }
    }

    /// Appends a string unchanged.
    fn quoted(&mut self, out: &mut Vec<u8>) -> Result<(), JsonError> {
        self.peek();
        let start = self.at;
        let mut text = Vec::new();
        self.string(&mut text)?;
        out.extend_from_slice(&self.text[start..self.at]);
        Ok(())
    }

    /// Returns the bytes of the next value unchanged, and moves behind it.
    pub fn raw(&mut self) -> Result<&'a [u8], JsonError> {
        self.peek();
        let start = self.at;
        self.compact(&mut Vec::new())?;
        Ok(&self.text[start..self.at])
    }
}

/// Has an object a member whose name is `wanted`?
pub(super) fn has_member(object: &[u8], wanted: impl Fn(&[u8]) -> bool) -> bool {
    let mut tokens = Tokens::of(object);
    let mut name = Vec::new();
    let mut member = || -> Result<bool, JsonError> {
        name.clear();
        tokens.at += 1;
        tokens.string(&mut name)?;
        tokens.expect(b':')?;
        tokens.raw()?;
        tokens.peek();
        Ok(wanted(&name))
    };
    // From the bracket, or the comma, before it.
    while let Ok(is_wanted) = member() {
        if is_wanted {
            return true;
        }
    }
    false
}

pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`
fn is_number(word: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut rest = word.strip_prefix(b"-").unwrap_or(word);
    let whole = digits(rest);
    if whole == 0 || whole > 1 && rest[0] == b'0' {
        return false;
    }
    rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = digits(fraction);
        if length == 0 {
            return false;
        }
        rest = &fraction[length..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-")).unwrap_or(exponent);
        return !exponent.is_empty() && digits(exponent) == exponent.len();
    }
    rest.is_empty()
}

/// A number with the digits it has: one without a fraction is written without (`9013` for `9013.0` and `9.013e3`), because JSON's
/// writers make floats of whole numbers.
fn push_number(word: &[u8], out: &mut Vec<u8>) {
    /// More than any id has.
    const DIGITS_MAX: i64 = 40;
    let (mantissa, exponent) = match word.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&word[..at], std::str::from_utf8(&word[at + 1..]).ok().and_then(|text| text.parse::<i64>().ok())),
        None => (word, Some(0)),
    };
    let (whole, fraction) = match mantissa.iter().position(|byte| *byte == b'.') {
        Some(at) => (&mantissa[..at], &mantissa[at + 1..]),
        None => (mantissa, &[][..]),
    };
    let fraction = &fraction[..fraction.iter().rposition(|byte| *byte != b'0').map_or(0, |last| last + 1)];
    let zeros = exponent.map(|exponent| exponent - fraction.len() as i64);
    match zeros {
        Some(zeros @ 0..DIGITS_MAX) => {
            let start = out.len();
            out.extend_from_slice(whole);
            out.extend_from_slice(fraction);
            out.extend(std::iter::repeat_n(b'0', zeros as usize));
            // `0.5e1` is 5, not 05.
            let sign = usize::from(out[start..].starts_with(b"-"));
            let leading = out[start + sign..].iter().take_while(|byte| **byte == b'0').count();
            let digits = out.len() - start - sign;
            out.drain(start + sign..start + sign + leading.min(digits - 1));
        }
        _ => out.extend_from_slice(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(text: &str) -> Option<(Kind, String)> {
        let mut out = Vec::new();
        let mut tokens = Tokens::of(text.as_bytes());
        let kind = tokens.scalar(&mut out).ok()?;
        tokens.peek().is_none().then(|| (kind, String::from_utf8_lossy(&out).into_owned()))
    }

    #[test]
    fn texts_without_their_escapes() {
        for (text, value) in [
            (r#""""#, ""),
            (r#""a\"b"#, "-"),
            (r#""naïve 🎓""#, "naïve 🎓"),
            (r#""\"\\\/\b\f\n\r\t\u00e9\ud83c\udf93""#, "\"\\/\u{8}\u{c}\n\r\té🎓"),
            (r#""\ud83c!""#, "\u{fffd}!"),
            (r#""\ud83c\u0041""#, "\u{fffd}A"),
        ] {
            assert_eq!(scalar(text).map(|(_, text)| text).unwrap_or("-".to_owned()), value, "{text}");
        }
        for text in [r#""a"#, r#""\x""#, r#""\u12"#, r#""\u12g4""#, "\"a\nb\"", "'a'"] {
            assert_eq!(scalar(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_keep_their_digits() {
        for (text, value) in [
            ("0", "0"),
            ("-7", "-7"),
            ("123456789012345678", "123456789012345678"),
            ("9013.0", "9013"),
            ("9013.50", "9013.50"),
            ("1e5", "100000"),
            ("1.0E+5", "100000"),
            ("0.5e1", "5"),
            ("-0.0", "-0"),
            ("1.25e1", "1.25e1"),
            ("1e-3", "1e-3"),
            ("1e999999999999999999999", "1e999999999999999999999"),
        ] {
            assert_eq!(scalar(text), Some((Kind::Plain, value.to_owned())), "{text}");
        }
        for text in ["01", "1.", ".5", "+1", "1e", "0x1", "Infinity", "--1", "tru", "nul"] {
            assert_eq!(scalar(text), None, "{text}");
        }
        assert_eq!(scalar("NaN"), Some((Kind::Null, String::new())), "as data frames write nothing");
    }

    #[test]
    fn nested_values_are_kept_without_blanks() {
        let compact = |text: &str| {
            let mut out = Vec::new();
            let mut tokens = Tokens::of(text.as_bytes());
            tokens.compact(&mut out).ok()?;
            tokens.peek().is_none().then(|| String::from_utf8_lossy(&out).into_owned())
        };
        let text = "{ \"a b\" : [ 1.0 , \"x \\\" y\" , { } , [ ] ] ,\n \"c\" : NaN }";
        assert_eq!(compact(text).as_deref(), Some(r#"{"a b":[1.0,"x \" y",{},[]],"c":null}"#));
        for text in ["[1,]", "{\"a\" 1}", "{\"a\":}", "[1 2]", "{a:1}", "[1}"] {
            assert_eq!(compact(text), None, "{text}");
        }
        let has = |name: &str| has_member(br#"{ "a": {"Id": 1}, "type" : [2] }"#, |member| member == name.as_bytes());
        assert!(has("a") && has("type") && !has("Id") && !has_member(b"{}", |_| true));
    }
}
