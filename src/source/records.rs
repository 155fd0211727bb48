//! Splits delimited text into records and fields, and checks the quotes.
//!
//! The rules are RFC 4180's, with LF or CR LF, any delimiter, and two other styles of quoting. Errors are not smoothed over: a
//! record says what is wrong with it ([`QuoteError`]), because a stray quote can silently swallow half a file. Blank lines are
//! skipped and counted. A record has a limit of bytes, so that memory does not depend on a file's contents.

use std::io;

use memchr::{memchr, memchr_iter, memchr2};

use super::stream::{Stream, fill};
use crate::error::Error;

/// How much is read at once.
const BUFFER_BYTES: usize = 256 << 10;

/// How quotes are used.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Quoting {
    /// A quote inside quotes is written twice: RFC 4180, all of Salesforce's tools, spreadsheets.
    Doubled,
    /// A quote, and whatever else, may be written with `\` before it: MySQL, Hive, some warehouses.
    Escaped,
    /// Quotes are characters like others.
    None,
}

/// How a file's text is split.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Dialect {
    pub delimiter: u8,
    pub quoting: Quoting,
}

/// What is wrong with a record's quotes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum QuoteError {
    /// Text stands behind a closing quote. The lines on which the quotes were opened and closed.
    Behind { opened: u64, closed: u64 },
    /// The file ends within quotes that were opened on this line.
    Unclosed { opened: u64 },
}

/// One record. Fields stand one after the other, without quotes.
#[derive(Default)]
pub(super) struct Record {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// The line it begins on, from 1.
    pub line: u64,
    /// The line it ends on.
    pub last_line: u64,
    /// Did a blank line stand before it?
    pub after_blank: bool,
    /// Did a line end stand behind it?
    pub is_ended: bool,
    pub flaw: Option<QuoteError>,
    /// Does a quote stand within a text that is in no quotes? It is a character then.
    pub has_stray_quote: bool,
}

impl Record {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// All fields without anything between them.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn field(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[at]]
    }

    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|at| self.field(at))
    }

    /// Replaces all fields, where their bytes had to be mended.
    pub fn set(&mut self, fields: impl Iterator<Item = impl AsRef<[u8]>>) {
        let (mut bytes, mut ends) = (Vec::with_capacity(self.bytes.len()), Vec::with_capacity(self.ends.len()));
        for field in fields {
            bytes.extend_from_slice(field.as_ref());
            ends.push(bytes.len());
        }
        (self.bytes, self.ends) = (bytes, ends);
    }

    /// Its fields as texts, which are put back with [`Record::put_back`]; nothing where they are none.
    pub fn take_texts(&mut self) -> Option<Texts> {
        match String::from_utf8(std::mem::take(&mut self.bytes)) {
            Ok(text) => Some(Texts { text, ends: std::mem::take(&mut self.ends) }),
            Err(error) => {
                self.bytes = error.into_bytes();
                None
            }
        }
    }

    pub fn put_back(&mut self, texts: Texts) {
        (self.bytes, self.ends) = (texts.text.into_bytes(), texts.ends);
    }

    /// Takes the fields of a record that needs no cutting.
    pub fn fill<'a>(&mut self, line: u64, fields: impl Iterator<Item = &'a [u8]>) {
        self.clear();
        (self.line, self.last_line, self.is_ended) = (line, line, true);
        for field in fields {
            self.bytes.extend_from_slice(field);
            self.end_field();
        }
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.flaw = None;
        self.has_stray_quote = false;
        self.after_blank = false;
    }

    fn end_field(&mut self) {
        self.ends.push(self.bytes.len());
    }
}

/// A record's fields as texts.
pub(super) struct Texts {
    text: String,
    ends: Vec<usize>,
}

impl Texts {
    #[inline]
    pub fn get(&self, at: usize) -> &str {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.text.get(start..self.ends[at]).unwrap_or_default()
    }
}

/// Why the next record cannot be read.
#[derive(Debug)]
pub(super) enum RecordError {
    /// The stream failed.
    Stream(io::Error),
    /// The record on this line is longer than allowed.
    TooLong(u64),
    /// What the file holds is no records.
    Refused(Error),
}

/// Records one after the other, wherever they come from.
pub(super) trait ReadRecords: Send {
    /// Reads the next record; says whether there was one.
    fn read(&mut self, record: &mut Record) -> Result<bool, RecordError>;
}

/// The records of a stream.
pub(super) struct Records {
    stream: Stream,
    dialect: Dialect,
    /// The bytes read and not passed are `buffer[start..end]`.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    is_at_end: bool,
    /// The line that begins at `start`.
    line: u64,
    record_bytes: usize,
}

impl Records {
    /// `line` is that of the stream's first.
    pub fn new(stream: Stream, dialect: Dialect, line: u64, record_bytes: usize) -> Self {
        Self { stream, dialect, buffer: vec![0; BUFFER_BYTES], start: 0, end: 0, is_at_end: false, line, record_bytes }
    }

    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    fn may_escape(&self, text: &[u8]) -> bool {
        self.dialect.quoting == Quoting::Escaped && memchr(b'\\', text).is_some()
    }

    /// Bytes of the line at `start`, with its end; `None` at the end of the stream.
    fn line_length(&mut self) -> Result<Option<usize>, RecordError> {
        let mut looked_at = 0;
        loop {
            let there = &self.buffer[self.start..self.end];
            if let Some(at) = memchr(b'\n', &there[looked_at..]) {
                return Ok(Some(looked_at + at + 1));
            }
            looked_at = there.len();
            if self.is_at_end {
                return Ok((looked_at > 0).then_some(looked_at));
            }
            self.more()?;
        }
    }

    /// Reads more bytes into the buffer.
    fn more(&mut self) -> Result<(), RecordError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.buffer.len() {
            if self.end > self.record_bytes {
                return Err(RecordError::TooLong(self.line));
            }
            self.buffer.resize(self.end * 2, 0);
        }
        let length = fill(&mut self.stream, &mut self.buffer[self.end..]).map_err(RecordError::Stream)?;
        self.is_at_end = self.end + length < self.buffer.len();
        self.end += length;
        Ok(())
    }

    /// Reads a record with quotes, of which `length` bytes are buffered; returns its length.
    fn read_quoted(&mut self, record: &mut Record, mut length: usize) -> Result<usize, RecordError> {
        loop {
            let there = &self.buffer[self.start..self.start + length];
            let is_last = self.is_at_end && self.start + length == self.end;
            record.clear();
            if let Some(passed) = parse(there, self.dialect, is_last, self.line, record) {
                record.is_ended = there[..passed].ends_with(b"\n");
                record.last_line = self.line + memchr_iter(b'\n', &there[..passed]).count() as u64 - u64::from(record.is_ended);
                self.line = record.last_line + 1;
                return Ok(passed);
            }
            // The quotes go on behind what was looked at: twice as much next time, so that long ones are not read again and again.
            let wanted = length * 2;
            while self.end - self.start < wanted && !self.is_at_end {
                self.more()?;
            }
            length = wanted.min(self.end - self.start);
        }
    }
}

impl ReadRecords for Records {
    fn read(&mut self, record: &mut Record) -> Result<bool, RecordError> {
        record.clear();
        loop {
            let Some(length) = self.line_length()? else { return Ok(false) };
            let line = &self.buffer[self.start..self.start + length];
            let text = without_end(line);
            if text.is_empty() {
                self.start += length;
                self.line += 1;
                record.after_blank = true;
                continue;
            }
            record.line = self.line;
            if self.dialect.quoting == Quoting::None || memchr(b'"', text).is_none() && !self.may_escape(text) {
                let mut from = 0;
                record.bytes.reserve(text.len());
                for at in memchr_iter(self.dialect.delimiter, text) {
                    record.bytes.extend_from_slice(&text[from..at]);
                    record.end_field();
                    from = at + 1;
                }
                record.bytes.extend_from_slice(&text[from..]);
                record.end_field();
                record.is_ended = length > text.len();
                record.last_line = self.line;
                self.line += 1;
                self.start += length;
                return Ok(true);
            }
            let is_blank_before = record.after_blank;
            let length = self.read_quoted(record, length)?;
            record.after_blank = is_blank_before;
            self.start += length;
            return Ok(true);
        }
    }
}

/// Cuts one record. Returns its number of bytes with the line end, or `None` where it continues beyond the buffered bytes.
fn parse(text: &[u8], dialect: Dialect, is_last: bool, line: u64, record: &mut Record) -> Option<usize> {
    let Dialect { delimiter, quoting } = dialect;
    let escaped = quoting == Quoting::Escaped;
    let lines_to = |at: usize| line + memchr_iter(b'\n', &text[..at]).count() as u64;
    let mut at = 0;
    loop {
        if text.get(at) == Some(&b'"') {
            let opened = at;
            at += 1;
            loop {
                let rest = &text[at..];
                let found = if escaped { memchr2(b'"', b'\\', rest) } else { memchr(b'"', rest) };
                let Some(found) = found else {
                    if !is_last {
                        return None;
                    }
                    record.bytes.extend_from_slice(without_end(rest));
                    record.end_field();
                    record.flaw = Some(QuoteError::Unclosed { opened: lines_to(opened) });
                    return Some(text.len());
                };
                record.bytes.extend_from_slice(&rest[..found]);
                at += found + 1;
                if text[at - 1] == b'\\' {
                    at = unescape(text, at, is_last, record)?;
                } else if text.get(at) == Some(&b'"') {
                    record.bytes.push(b'"');
                    at += 1;
                } else if at == text.len() && !is_last {
                    return None;
                } else {
                    break;
                }
            }
            if !ends_field(&text[at..], delimiter) {
                record.flaw = record.flaw.or(Some(QuoteError::Behind { opened: lines_to(opened), closed: lines_to(at) }));
            }
        }
        // Unquoted text, or what stands behind a closing quote.
        let field_starts = record.bytes.len();
        loop {
            let rest = &text[at..];
            let end = if escaped { memchr::memchr3(delimiter, b'\n', b'\\', rest) } else { memchr2(delimiter, b'\n', rest) };
            let Some(end) = end else {
                if !is_last {
                    return None;
                }
                record.bytes.extend_from_slice(without_end(rest));
                record.has_stray_quote |= memchr(b'"', &record.bytes[field_starts..]).is_some();
                record.end_field();
                return Some(text.len());
            };
            match rest[end] {
                b'\n' => {
                    record.bytes.extend_from_slice(without_end(&rest[..=end]));
                    record.has_stray_quote |= memchr(b'"', &record.bytes[field_starts..]).is_some();
                    record.end_field();
                    return Some(at + end + 1);
                }
                b'\\' if escaped => {
                    record.bytes.extend_from_slice(&rest[..end]);
                    at = unescape(text, at + end + 1, is_last, record)?;
                }
                _ => {
                    record.bytes.extend_from_slice(&rest[..end]);
                    record.has_stray_quote |= memchr(b'"', &record.bytes[field_starts..]).is_some();
                    record.end_field();
                    at += end + 1;
                    break;
                }
            }
        }
    }
}

/// Reads the escape behind a backslash; returns where to go on. `\N` is kept, because it is a notation for null.
fn unescape(text: &[u8], at: usize, is_last: bool, record: &mut Record) -> Option<usize> {
    let Some(&byte) = text.get(at) else {
        record.bytes.push(b'\\');
        return is_last.then_some(at);
    };
    match byte {
        b'N' => record.bytes.extend_from_slice(b"\\N"),
        b'n' => record.bytes.push(b'\n'),
        b'r' => record.bytes.push(b'\r'),
        b't' => record.bytes.push(b'\t'),
        other => record.bytes.push(other),
    }
    Some(at + 1)
}

fn ends_field(rest: &[u8], delimiter: u8) -> bool {
    match rest.first() {
        None => true,
        Some(&byte) => byte == delimiter || without_end(&rest[..=memchr(b'\n', rest).unwrap_or(rest.len() - 1)]).is_empty(),
    }
}

/// A line without its end: LF, CR LF, or the CR CR LF of a text written twice over.
fn without_end(line: &[u8]) -> &[u8] {
    let mut text = line.strip_suffix(b"\n").unwrap_or(line);
    if text.len() < line.len() || text.ends_with(b"\r") {
        while let Some(shorter) = text.strip_suffix(b"\r") {
            text = shorter;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const COMMA: Dialect = Dialect { delimiter: b',', quoting: Quoting::Doubled };

    fn records(text: &str, dialect: Dialect) -> Vec<(u64, Vec<String>, Option<QuoteError>)> {
        let mut records = Records::new(Box::new(Cursor::new(text.as_bytes().to_vec())), dialect, 1, 1 << 20);
        let mut record = Record::default();
        let mut found = Vec::new();
        while records.read(&mut record).expect("read") {
            let fields = record.iter().map(|field| String::from_utf8(field.to_vec()).expect("text")).collect();
            found.push((record.line, fields, record.flaw));
        }
        found
    }

    #[test]
    fn records_know_their_lines() {
        let starts = |text: &str| records(text, COMMA).iter().map(|record| record.0).collect::<Vec<_>>();
        let text = "h,i\n1,2\n\"a\nb\",2\n3,4\n\n\n5,\"x\ny\n\"\n6,7";
        for text in [text.to_owned(), text.replace('\n', "\r\n"), format!("{text}\n")] {
            assert_eq!(starts(&text), [1, 2, 3, 5, 8, 11], "{text:?}");
        }
        let fields = |text: &str| records(text, COMMA).into_iter().map(|record| record.1).collect::<Vec<_>>();
        assert_eq!(
            fields(text),
            fields(&format!("{}\r\n", text.replace('\n', "\r\n").replace("a\r\n", "a\n").replace("x\r\ny\r\n", "x\ny\n")))
        );
    }

    #[test]
    fn what_is_wrong_with_quotes_is_said() {
        let flaws = |text: &str| records(text, COMMA).iter().map(|record| record.2).collect::<Vec<_>>();
        assert_eq!(flaws("a,\"b\"\"c\",d\n"), [None]);
        assert_eq!(flaws("a,\"b\"c,d\ne\n"), [Some(QuoteError::Behind { opened: 1, closed: 1 }), None]);
        assert_eq!(flaws("a,\"b\nc,\"d\"\n"), [Some(QuoteError::Behind { opened: 1, closed: 2 })]);
        assert_eq!(flaws("a,b\nc,\"d\ne,f\n"), [None, Some(QuoteError::Unclosed { opened: 2 })]);
        assert_eq!(flaws("a,5\" pipe,b\n"), [None], "a quote within a text is a letter");
    }

    #[test]
    fn three_habits_of_quoting() {
        let fields = |text: &str, quoting| records(text, Dialect { delimiter: b';', quoting })[0].1.clone();
        assert_eq!(fields("a;\"b;\"\"c\"\"\";d", Quoting::Doubled), ["a", "b;\"c\"", "d"]);
        assert_eq!(fields("a;\"b;\\\"c\\\"\";\\N;x\\;y", Quoting::Escaped), ["a", "b;\"c\"", "\\N", "x;y"]);
        assert_eq!(fields("a;\"b;c\\", Quoting::None), ["a", "\"b", "c\\"]);
    }

    #[test]
    fn memory_does_not_hang_on_the_file() {
        let text = format!("a,\"{}", "x\n".repeat(3 << 20));
        let mut records = Records::new(Box::new(Cursor::new(text.into_bytes())), COMMA, 1, 1 << 20);
        assert!(matches!(records.read(&mut Record::default()), Err(RecordError::TooLong(1))));
    }

    #[test]
    fn long_records_pass_the_buffers_end() {
        let long = "y".repeat(BUFFER_BYTES + 7);
        let text = format!("a,{long}\n\"{long}\n\",b\nc,d\n");
        let found = records(&text, COMMA);
        assert_eq!(found.iter().map(|record| (record.0, record.1.len())).collect::<Vec<_>>(), [(1, 2), (2, 2), (4, 2)]);
        assert_eq!(found[1].1[0].len(), long.len() + 1);
    }
}
