//! Parses COPY … TO, and writes rows in its formats.

use bytes::{BufMut, BytesMut};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::encode::{Column, Form, message, with_length, write};
use super::failure::Failure;
use super::pieces::{Words, at};
use super::reads::question;
use crate::query::parsed::Parsed;

/// What a file in binary begins with: a mark, flags, and the length of nothing more.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// How rows are written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum CopyForm {
    Binary,
    Text { delimiter: u8, null: String, header: bool },
    Csv { delimiter: u8, null: String, header: bool, quote: u8, escape: u8, force: Force },
}

/// Which columns are quoted, needful or not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Force {
    None,
    All,
    Columns(Vec<String>),
}

/// Reads what comes after COPY.
///
/// # Errors
/// 25006 for what would write here, 0A000 for files and programs.
pub(super) fn read(mut words: Words<'_>) -> Result<(Parsed, CopyForm), Failure> {
    let source = match words.in_parentheses()? {
        Some(query) => query,
        None => table(&mut words)?,
    };
    if words.takes("FROM") {
        return Err(Failure::read_only("COPY FROM"));
    }
    if !words.takes("TO") {
        return Err(at(words.peek()));
    }
    if !words.takes("STDOUT") {
        return Err(Failure::new(
            "42501",
            "COPY to a file or program is not possible here; COPY … TO STDOUT sends the rows to you",
        ));
    }
    let options = options(&mut words)?;
    words.ends()?;
    let parsed = Parsed::read(source, "")?;
    question(parsed.statement())?;
    Ok((parsed, options))
}

/// `ier`, `public.ier (ier_id, sent_date)`: as a question.
fn table(words: &mut Words<'_>) -> Result<Vec<TokenWithSpan>, Failure> {
    let plain = |token: &Token| TokenWithSpan::wrap(token.clone());
    let mut name = Vec::new();
    loop {
        match words.next() {
            Some(word @ Token::Word(_)) => name.push(plain(word)),
            other => return Err(at(other)),
        }
        if !words.takes_sign(&Token::Period) {
            break;
        }
        name.push(plain(&Token::Period));
    }
    let columns = words.in_parentheses()?.unwrap_or_else(|| vec![plain(&Token::Mul)]);
    let (select, from) = (Token::make_keyword("SELECT"), Token::make_keyword("FROM"));
    Ok([vec![plain(&select)], columns, vec![plain(&from)], name].concat())
}

/// `WITH (FORMAT csv, HEADER)`, and as it was said before 2010: `WITH BINARY`, `CSV HEADER`.
fn options(words: &mut Words<'_>) -> Result<CopyForm, Failure> {
    let (mut format, mut delimiter, mut null, mut header) = ("text".to_owned(), None, None, false);
    let (mut quote, mut escape, mut force) = (b'"', None, Force::None);
    words.takes("WITH");
    let is_listed = words.takes_sign(&Token::LParen);
    loop {
        if is_listed && words.takes_sign(&Token::RParen) || words.peek().is_none() {
            break;
        }
        let name = words.name()?;
        match name.as_str() {
            "format" => format = words.value()?.to_lowercase(),
            "binary" | "csv" => format = name,
            "delimiter" | "delimiters" | "null" | "quote" | "escape" | "encoding" | "header" | "force_quote" | "force" => {
                words.takes("AS");
                match name.as_str() {
                    "delimiter" | "delimiters" => delimiter = Some(one_byte("delimiter", &words.value()?)?),
                    "null" => null = Some(words.value()?),
                    "quote" => quote = one_byte("quote", &words.value()?)?,
                    "escape" => escape = Some(one_byte("escape", &words.value()?)?),
                    "encoding" => encoding(&words.value()?)?,
                    "header" => {
                        header = !words.takes_any(&["false", "off"]) && {
                            words.takes_any(&["true", "on"]);
                            true
                        }
                    }
                    _ => {
                        words.takes("QUOTE");
                        force = forced(words, is_listed)?;
                    }
                }
            }
            other => return Err(Failure::new("42601", format!("option \"{other}\" not recognized"))),
        }
        if is_listed && !words.takes_sign(&Token::Comma) && words.peek() != Some(&Token::RParen) {
            return Err(at(words.peek()));
        }
    }
    match format.as_str() {
        "binary" => Ok(CopyForm::Binary),
        "text" => {
            Ok(CopyForm::Text { delimiter: delimiter.unwrap_or(b'\t'), null: null.unwrap_or_else(|| "\\N".to_owned()), header })
        }
        "csv" => Ok(CopyForm::Csv {
            delimiter: delimiter.unwrap_or(b','),
            null: null.unwrap_or_default(),
            header,
            quote,
            escape: escape.unwrap_or(quote),
            force,
        }),
        other => Err(Failure::new("22023", format!("COPY format \"{other}\" not recognized"))),
    }
}

fn forced(words: &mut Words<'_>, is_listed: bool) -> Result<Force, Failure> {
    if words.takes_sign(&Token::Mul) {
        return Ok(Force::All);
    }
    let mut columns = Vec::new();
    let is_open = words.takes_sign(&Token::LParen);
    loop {
        columns.push(words.name()?);
        if !words.takes_sign(&Token::Comma) {
            break;
        }
    }
    if is_open != is_listed || is_open && !words.takes_sign(&Token::RParen) {
        return Err(at(words.peek()));
    }
    Ok(Force::Columns(columns))
}

fn one_byte(what: &str, text: &str) -> Result<u8, Failure> {
    match text.as_bytes() {
        [byte] if !b"\r\n".contains(byte) => Ok(*byte),
        _ => Err(Failure::new("22023", format!("COPY {what} must be a single one-byte character"))),
    }
}

fn encoding(text: &str) -> Result<(), Failure> {
    match text.to_ascii_lowercase().as_str() {
        "utf8" | "utf-8" | "unicode" => Ok(()),
        other => Err(Failure::unsupported(format!("COPY encoding \"{other}\": rows are sent in UTF-8 only"))),
    }
}

impl CopyForm {
    /// How values are written in it.
    pub(super) fn form(&self) -> Form {
        if *self == Self::Binary { Form::Binary } else { Form::Text }
    }

    /// What stands before the first row, in a message of its own. Readers of the binary form want its head in the first row's.
    pub(super) fn head(&self, columns: &[String], out: &mut BytesMut) {
        match self {
            Self::Text { header: true, delimiter, .. } => data(out, |out| {
                for (number, column) in columns.iter().enumerate() {
                    between(number, *delimiter, out);
                    escaped(column.as_bytes(), *delimiter, out);
                }
                out.put_u8(b'\n');
            }),
            Self::Csv { header: true, delimiter, null, quote, escape, .. } => data(out, |out| {
                for (number, column) in columns.iter().enumerate() {
                    between(number, *delimiter, out);
                    quoted(column.as_bytes(), (*delimiter, null, *quote, *escape), (columns.len() == 1, false), out);
                }
                out.put_u8(b'\n');
            }),
            _ => {}
        }
    }

    /// One row; is it the first?
    pub(super) fn row(
        &self,
        (names, columns): (&[String], &[Column]),
        (row, is_first): (usize, bool),
        scratch: &mut BytesMut,
        out: &mut BytesMut,
    ) {
        data(out, |out| match self {
            Self::Binary => {
                if is_first {
                    out.put_slice(SIGNATURE);
                }
                out.put_u16(columns.len() as u16);
                columns.iter().for_each(|column| with_length(column, row, Form::Binary, out));
            }
            Self::Text { delimiter, null, .. } => {
                for (number, column) in columns.iter().enumerate() {
                    between(number, *delimiter, out);
                    if column.is_null(row) {
                        out.put_slice(null.as_bytes());
                        continue;
                    }
                    scratch.clear();
                    write(column, row, Form::Text, scratch);
                    escaped(scratch, *delimiter, out);
                }
                out.put_u8(b'\n');
            }
            Self::Csv { delimiter, null, quote, escape, force, .. } => {
                for (number, column) in columns.iter().enumerate() {
                    between(number, *delimiter, out);
                    if column.is_null(row) {
                        out.put_slice(null.as_bytes());
                        continue;
                    }
                    scratch.clear();
                    write(column, row, Form::Text, scratch);
                    let is_forced = match force {
                        Force::None => false,
                        Force::All => true,
                        Force::Columns(forced) => forced.contains(&names[number]),
                    };
                    quoted(scratch, (*delimiter, null, *quote, *escape), (columns.len() == 1, is_forced), out);
                }
                out.put_u8(b'\n');
            }
        });
    }

    /// What stands behind the last of so many rows.
    pub(super) fn end(&self, rows: usize, out: &mut BytesMut) {
        if *self == Self::Binary {
            data(out, |out| {
                if rows == 0 {
                    out.put_slice(SIGNATURE);
                }
                out.put_i16(-1);
            });
        }
    }
}

/// A message of COPY's with what is written by `write`.
fn data(out: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
    message(b'd', out, write);
}

fn between(number: usize, delimiter: u8, out: &mut BytesMut) {
    if number > 0 {
        out.put_u8(delimiter);
    }
}

/// A value of a text: what would end it, or begin an escape, is escaped.
fn escaped(value: &[u8], delimiter: u8, out: &mut BytesMut) {
    for byte in value {
        let letter = match byte {
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0b => b'v',
            0x0c => b'f',
            byte if *byte == delimiter => *byte,
            byte => {
                out.put_u8(*byte);
                continue;
            }
        };
        out.put_slice(&[b'\\', letter]);
    }
}

/// A value of CSV: in quotes where it would be taken for something else, or where it shall be.
fn quoted(value: &[u8], signs: (u8, &str, u8, u8), (is_alone, is_forced): (bool, bool), out: &mut BytesMut) {
    let (delimiter, null, quote, escape) = signs;
    let is_special = |byte: &u8| [delimiter, quote, b'\n', b'\r'].contains(byte);
    // Alone in its line it would end the rows.
    let ends = is_alone && value == b"\\.";
    if !is_forced && !ends && value != null.as_bytes() && !value.iter().any(is_special) {
        out.put_slice(value);
        return;
    }
    out.put_u8(quote);
    for byte in value {
        if *byte == quote || *byte == escape {
            out.put_u8(escape);
        }
        out.put_u8(*byte);
    }
    out.put_u8(quote);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::serve::pg::pieces::split;

    fn of(text: &str) -> Result<(String, CopyForm), Failure> {
        let pieces = split(text)?;
        let mut words = pieces[0].words();
        words.takes("COPY");
        read(words).map(|(parsed, form)| (parsed.statement().unwrap().to_string(), form))
    }

    #[test]
    fn options_of_both_times_are_understood() {
        let csv = |header, delimiter, null: &str, force| CopyForm::Csv {
            delimiter,
            null: null.to_owned(),
            header,
            quote: b'"',
            escape: b'"',
            force,
        };
        let text = CopyForm::Text { delimiter: b'\t', null: "\\N".to_owned(), header: false };
        for (statement, question, form) in [
            ("COPY (SELECT f((1)) FROM t) TO STDOUT", "SELECT f((1)) FROM t", text),
            ("copy public.\"T\" (a, b) to stdout with binary", "SELECT a, b FROM public.\"T\"", CopyForm::Binary),
            ("COPY t TO STDOUT (FORMAT binary)", "SELECT * FROM t", CopyForm::Binary),
            ("COPY t TO STDOUT WITH CSV HEADER", "SELECT * FROM t", csv(true, b',', "", Force::None)),
            (
                "COPY t TO STDOUT WITH (FORMAT CSV, HEADER false, DELIMITER ';', NULL 'x', FORCE_QUOTE *)",
                "SELECT * FROM t",
                csv(false, b';', "x", Force::All),
            ),
        ] {
            assert_eq!(of(statement).unwrap(), (question.to_owned(), form), "{statement}");
        }
        for (statement, code) in [
            ("COPY t FROM STDIN", "25006"),
            ("COPY t TO '/tmp/x'", "42501"),
            ("COPY (SELECT 1) TO PROGRAM 'sh'", "42501"),
            ("COPY t TO STDOUT (FORMAT xml)", "22023"),
            ("COPY t TO STDOUT (DELIMITER 'ab')", "22023"),
            ("COPY t TO STDOUT (FORMAT csv", "42601"),
            ("COPY t TO STDOUT (LUCK)", "42601"),
        ] {
            assert_eq!(of(statement).unwrap_err().code, code, "{statement}");
        }
    }

    #[test]
    fn values_are_escaped_and_quoted_where_they_must_be() {
        let mut out = BytesMut::new();
        escaped(b"a\tb\\c\nd|", b'|', &mut out);
        assert_eq!(&out[..], b"a\\tb\\\\c\\nd\\|");
        let csv = |value: &[u8], is_alone, is_forced| {
            let mut out = BytesMut::new();
            quoted(value, (b',', "", b'"', b'"'), (is_alone, is_forced), &mut out);
            String::from_utf8(out.to_vec()).unwrap()
        };
        assert_eq!(csv(b"a", false, false), "a");
        assert_eq!(csv(b"a", false, true), "\"a\"");
        assert_eq!(csv(b"", false, false), "\"\"");
        assert_eq!(csv(b"a,\"b\"", false, false), "\"a,\"\"b\"\"\"");
        assert_eq!(csv(b"\\.", true, false), "\"\\.\"");
    }
}
