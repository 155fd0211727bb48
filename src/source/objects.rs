//! Splits a JSON text into its objects, one after the other: of lines, of a list, or of answers of Salesforce's APIs.
//!
//! A list is never held whole, only the current object, which has a limit of bytes and of nesting. A text that stops before its
//! end, or goes on behind it, is refused, because its meaning is unknown.

use memchr::{memchr_iter, memchr2};

use super::records::RecordError;
use super::stream::{Stream, fill};
use super::tokens::{Tokens, is_blank};
use crate::error::Error;

const BUFFER_BYTES: usize = 256 << 10;
/// Within these an answer has come to its records.
const HEAD_BYTES: usize = 16 << 10;
/// Lists within objects within lists …: no record is nested so deeply, and reading one takes a step of the stack each.
const NESTING_MAX: usize = 64;
/// Members of an answer, beside which its records stand.
const OF_ANSWERS: [&[u8]; 10] = [
    b"status",
    b"result",
    b"records",
    b"totalSize",
    b"done",
    b"nextRecordsUrl",
    b"queryLocator",
    b"size",
    b"entityTypeName",
    b"warnings",
];
/// Of these, those that lead to the records.
const TO_RECORDS: [&[u8]; 2] = [b"result", b"records"];

/// The container of the objects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    /// One after the other.
    Lines,
    List,
    /// `{"records": […]}`, or `{"status": 0, "result": {"records": […]}}`.
    Answer,
}

/// Between which tokens the next one stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Outside of everything.
    Top,
    /// In a list, at its beginning or behind one of its objects.
    List { is_first: bool },
    /// Between the members of an answer.
    Answer { is_first: bool },
}

/// The objects of a stream.
pub(super) struct Objects {
    stream: Stream,
    /// The bytes read and not passed are `buffer[start..end]`; the object in turn has the first `length` of them.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    length: usize,
    is_at_end: bool,
    /// The line of `start`.
    line: u64,
    record_bytes: usize,
    shape: Option<Shape>,
    state: State,
    /// How many answers stand within each other here.
    depth: usize,
    /// Objects so far.
    number: u64,
    /// What the last answer says of itself.
    is_done: bool,
    total: Option<u64>,
}

impl Objects {
    pub fn of(stream: Stream, record_bytes: usize) -> Self {
        Self {
            stream,
            buffer: vec![0; BUFFER_BYTES],
            start: 0,
            end: 0,
            length: 0,
            is_at_end: false,
            line: 1,
            record_bytes,
            shape: None,
            state: State::Top,
            depth: 0,
            number: 0,
            is_done: true,
            total: None,
        }
    }

    /// Goes on to the next object; says whether there is one.
    pub fn read(&mut self) -> Result<bool, RecordError> {
        self.pass(self.length);
        self.length = 0;
        loop {
            let next = self.peek()?;
            match (self.state, next) {
                (State::Top, None) => return Ok(false),
                (State::Top, Some(b'{')) => {
                    let shape = match self.shape {
                        None if self.is_answer() => Shape::Answer,
                        None => Shape::Lines,
                        Some(shape) => shape,
                    };
                    self.shape = Some(shape);
                    match shape {
                        Shape::Lines => return self.object(),
                        Shape::Answer if self.is_answer() => self.enter_answer(),
                        Shape::Answer | Shape::List => return Err(self.unexpected()),
                    }
                }
                (State::Top, Some(b'[')) if matches!(self.shape, None | Some(Shape::List)) => {
                    self.shape = Some(Shape::List);
                    self.pass(1);
                    self.state = State::List { is_first: true };
                }
                (State::Top, Some(_)) => return Err(self.unexpected()),
                (State::List { .. } | State::Answer { .. }, None) => return Err(self.cut_off()),
                (State::List { .. }, Some(b']')) => {
                    self.pass(1);
                    self.state = if self.depth > 0 { State::Answer { is_first: false } } else { State::Top };
                }
                (State::List { is_first }, Some(mark)) => {
                    if !is_first {
                        self.expect(b',', mark)?;
                    }
                    match self.peek()? {
                        Some(b'{') => {
                            self.state = State::List { is_first: false };
                            return self.object();
                        }
                        None => return Err(self.cut_off()),
                        Some(_) => return Err(self.broken("something that is no object stands among the records")),
                    }
                }
                (State::Answer { .. }, Some(b'}')) => {
                    self.pass(1);
                    self.depth -= 1;
                    self.state = if self.depth > 0 { State::Answer { is_first: false } } else { State::Top };
                }
                (State::Answer { is_first }, Some(mark)) => {
                    if !is_first {
                        self.expect(b',', mark)?;
                    }
                    self.state = State::Answer { is_first: false };
                    self.member_of_answer()?;
                }
            }
        }
    }

    /// The object in turn.
    pub fn text(&self) -> &[u8] {
        &self.buffer[self.start..self.start + self.length]
    }

    /// Its line, or where lines tell nothing its number.
    pub fn place(&self) -> u64 {
        if self.shape == Some(Shape::Lines) { self.line } else { self.number }
    }

    /// How many there were so far.
    pub fn number(&self) -> u64 {
        self.number
    }

    pub fn shape(&self) -> Shape {
        self.shape.unwrap_or(Shape::Lines)
    }

    /// Does an answer say, when it is read, that it is not all?
    pub fn has_more(&self) -> bool {
        !self.is_done || self.total.is_some_and(|total| total > self.number)
    }

    /// Something is wrong in the object in turn.
    pub fn broken(&self, what: &str) -> RecordError {
        RecordError::Refused(Error::invalid(phrase!("{} is not JSON as it should be: {what}", self.named())))
    }

    fn named(&self) -> String {
        match self.shape {
            Some(Shape::Lines) | None => format!("line {}", self.line),
            Some(_) if self.length > 0 => format!("record {}", self.number),
            Some(_) => format!("what stands behind record {}, on line {},", self.number, self.line),
        }
    }

    fn unexpected(&self) -> RecordError {
        RecordError::Refused(Error::invalid(phrase!(
            "on line {}, behind record {}, stands something else: load what was put together each by itself",
            self.line,
            self.number
        )))
    }

    fn cut_off(&self) -> RecordError {
        RecordError::Refused(Error::corrupt(phrase!(
            "cut off in record {}, on line {}: the file ends within it; export or download it again",
            self.number + 1,
            self.line
        )))
    }

    /// The object that begins here comes next.
    fn object(&mut self) -> Result<bool, RecordError> {
        self.length = self.extent()?;
        self.number += 1;
        Ok(true)
    }

    fn enter_answer(&mut self) {
        self.pass(1);
        self.depth += 1;
        self.state = State::Answer { is_first: true };
    }

    /// A member of an answer: its records are entered, of all else it is read what it says.
    fn member_of_answer(&mut self) -> Result<(), RecordError> {
        let name = self.value()?;
        let name = name.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\"")).unwrap_or_default().to_vec();
        if self.peek()? != Some(b':') {
            return Err(self.broken("a colon is missing"));
        }
        self.pass(1);
        match self.peek()? {
            None => Err(self.cut_off()),
            Some(b'[') if TO_RECORDS.contains(&name.as_slice()) => {
                self.pass(1);
                self.state = State::List { is_first: true };
                Ok(())
            }
            Some(b'{') if name == b"result" => {
                self.enter_answer();
                Ok(())
            }
            Some(_) => {
                let value = self.value()?;
                match name.as_slice() {
                    b"done" => self.is_done = value != b"false",
                    b"totalSize" => self.total = std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok()),
                    _ => {}
                }
                Ok(())
            }
        }
    }

    /// Takes a value that is no record.
    fn value(&mut self) -> Result<Vec<u8>, RecordError> {
        if matches!(self.peek()?, Some(b',' | b':' | b']' | b'}')) {
            return Err(self.broken("a value is missing"));
        }
        let length = self.extent()?;
        let value = self.buffer[self.start..self.start + length].to_vec();
        self.pass(length);
        Tokens::of(&value).compact(&mut Vec::new()).map_err(|bad| self.broken(bad.0))?;
        Ok(value)
    }

    fn expect(&mut self, wanted: u8, found: u8) -> Result<(), RecordError> {
        if found != wanted {
            return Err(self.broken("a comma or a closing bracket is missing"));
        }
        self.pass(1);
        Ok(())
    }

    /// Does the object that begins here hold records, rather than being one?
    fn is_answer(&self) -> bool {
        leads_to_records(&self.buffer[self.start..self.end])
    }

    /// The next byte that is not blank; nothing at the end.
    fn peek(&mut self) -> Result<Option<u8>, RecordError> {
        loop {
            let blanks = self.buffer[self.start..self.end].iter().take_while(|byte| is_blank(**byte)).count();
            self.pass(blanks);
            if self.start < self.end {
                // Enough to see what an object is.
                let may_be_answer = self.state == State::Top && matches!(self.shape, None | Some(Shape::Answer));
                if may_be_answer && self.end - self.start < HEAD_BYTES && !self.is_at_end {
                    self.more()?;
                }
                return Ok(Some(self.buffer[self.start]));
            }
            if self.is_at_end {
                return Ok(None);
            }
            self.more()?;
        }
    }

    /// Bytes of the value that begins here.
    fn extent(&mut self) -> Result<usize, RecordError> {
        let mut scan = Scan::default();
        loop {
            let is_within = scan.on(&self.buffer[self.start..self.end]);
            if scan.depth > NESTING_MAX {
                return Err(self.broken("it is nested too deeply"));
            }
            if !is_within || self.is_at_end && scan.is_word() {
                return Ok(scan.at);
            }
            if self.is_at_end {
                return Err(self.cut_off());
            }
            self.more()?;
        }
    }

    fn pass(&mut self, bytes: usize) {
        self.line += memchr_iter(b'\n', &self.buffer[self.start..self.start + bytes]).count() as u64;
        self.start += bytes;
    }

    /// Reads more bytes into the buffer.
    fn more(&mut self) -> Result<(), RecordError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.buffer.len() {
            if self.end > self.record_bytes {
                return Err(RecordError::Refused(Error::invalid(phrase!(
                    "record {}, on line {}, is longer than load.record_mb allows: set it higher",
                    self.number + 1,
                    self.line
                ))));
            }
            self.buffer.resize(self.end * 2, 0);
        }
        let length = fill(&mut self.stream, &mut self.buffer[self.end..]).map_err(RecordError::Stream)?;
        self.is_at_end = self.end + length < self.buffer.len();
        self.end += length;
        Ok(())
    }
}

/// Does an object, of which this is the beginning, hold records beside nothing but what answers hold?
fn leads_to_records(head: &[u8]) -> bool {
    let mut tokens = Tokens::of(head);
    let mut name = Vec::new();
    let mut inward = true;
    loop {
        if std::mem::take(&mut inward) {
            if !tokens.takes(b'{') {
                return false;
            }
        } else if !tokens.takes(b',') {
            return false;
        }
        name.clear();
        if tokens.string(&mut name).is_err() || tokens.expect(b':').is_err() || !OF_ANSWERS.contains(&name.as_slice()) {
            return false;
        }
        match tokens.peek() {
            Some(b'[') if TO_RECORDS.contains(&name.as_slice()) => return true,
            Some(b'{') if name == b"result" => inward = true,
            _ if tokens.raw().is_err() => return false,
            _ => {}
        }
    }
}

/// The state of scanning a value.
#[derive(Default)]
struct Scan {
    at: usize,
    depth: usize,
    is_in_text: bool,
}

impl Scan {
    /// Scans further; returns whether the value continues beyond the buffered bytes.
    fn on(&mut self, text: &[u8]) -> bool {
        while self.at < text.len() {
            if self.is_in_text {
                let Some(found) = memchr2(b'"', b'\\', &text[self.at..]) else {
                    self.at = text.len();
                    return true;
                };
                self.at += found;
                if text[self.at] == b'\\' {
                    if self.at + 1 == text.len() {
                        return true;
                    }
                    self.at += 2;
                    continue;
                }
                self.is_in_text = false;
                self.at += 1;
                if self.depth == 0 {
                    return false;
                }
                continue;
            }
            match text[self.at] {
                b'"' => self.is_in_text = true,
                b'{' | b'[' => {
                    self.depth += 1;
                    if self.depth > NESTING_MAX {
                        return false;
                    }
                }
                b'}' | b']' if self.depth > 0 => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        self.at += 1;
                        return false;
                    }
                }
                byte if self.depth == 0 && (is_blank(byte) || matches!(byte, b',' | b':' | b']' | b'}')) => return false,
                _ => {}
            }
            self.at += 1;
        }
        true
    }

    /// A number or a word ends where the text does.
    fn is_word(&self) -> bool {
        self.depth == 0 && !self.is_in_text && self.at > 0
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// Places and texts, what they stand in, and whether there is more.
    type Found = (Vec<(u64, String)>, Shape, bool);

    fn objects(text: &str) -> Result<Found, String> {
        let mut objects = Objects::of(Box::new(Cursor::new(text.as_bytes().to_vec())), 1 << 20);
        let mut found = Vec::new();
        loop {
            match objects.read() {
                Ok(true) => found.push((objects.place(), String::from_utf8_lossy(objects.text()).into_owned())),
                Ok(false) => return Ok((found, objects.shape(), objects.has_more())),
                Err(RecordError::Refused(error)) => return Err(error.to_string()),
                Err(_) => return Err("stream".to_owned()),
            }
        }
    }

    #[test]
    fn lines_lists_and_answers() {
        let one = |place| (place, "{\"a\":\"}\\\"{\"}".to_owned());
        let two = |place| (place, "{\n}".to_owned());
        for (text, places, shape, more) in [
            ("\n{\"a\":\"}\\\"{\"}\n\n{\n}", (2, 4), Shape::Lines, false),
            ("{\"a\":\"}\\\"{\"}{\n}\n", (1, 1), Shape::Lines, false),
            (" [ {\"a\":\"}\\\"{\"}\n , {\n} ]\n", (1, 2), Shape::List, false),
            ("[{\"a\":\"}\\\"{\"}]\n[]\n[{\n}]", (1, 2), Shape::List, false),
            ("{\"totalSize\":2,\"done\":true,\"records\":[{\"a\":\"}\\\"{\"},{\n}]}", (1, 2), Shape::Answer, false),
            ("{\"records\":[{\"a\":\"}\\\"{\"},{\n}],\"done\":false}", (1, 2), Shape::Answer, true),
            ("{\"totalSize\":3,\"records\":[{\"a\":\"}\\\"{\"},{\n}],\"done\":true}", (1, 2), Shape::Answer, true),
            (
                "{\"status\":0,\"result\":{\"records\":[{\"a\":\"}\\\"{\"},{\n}],\"totalSize\":2},\"warnings\":[]}",
                (1, 2),
                Shape::Answer,
                false,
            ),
            (
                "{\"done\":false,\"nextRecordsUrl\":\"/x\",\"records\":[{\"a\":\"}\\\"{\"}]}\n{\"done\":true,\"records\":[{\n}]}",
                (1, 2),
                Shape::Answer,
                false,
            ),
        ] {
            assert_eq!(objects(text), Ok((vec![one(places.0), two(places.1)], shape, more)), "{text}");
        }
        assert_eq!(objects("[]").expect("nothing").0, []);
        assert_eq!(objects("{\"totalSize\":0,\"done\":true,\"records\":[]}").expect("nothing").0, []);
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        for (text, says) in [
            ("{\"a\":1}\n{\"a\"", "cut off in record 2, on line 2"),
            ("[{\"a\":1}", "cut off in record 2"),
            ("[{\"a\":1},", "cut off in record 2"),
            ("[{\"a\":\"", "cut off in record 1"),
            ("{\"records\":[{}]", "cut off in record 2"),
            ("{\"records\":[{}],\"done\":", "cut off in record 2"),
            ("[{}]\nx", "on line 2, behind record 1, stands something else"),
            ("[{}]\n{}", "stands something else"),
            ("{}\n[{}]", "stands something else"),
            ("{}\n,{}", "stands something else"),
            ("{\"records\":[]}\n{\"a\":1}", "stands something else"),
            ("[{} {}]", "a comma or a closing bracket is missing"),
            ("[{},]", "no object stands among the records"),
            ("[1]", "no object stands among the records"),
            ("{\"records\":[],1}", "a colon is missing"),
            ("{\"records\":[],\"done\":}", "a value is missing"),
            (&format!("{{\"a\":{}", "[".repeat(100)), "nested too deeply"),
            (&format!("[{{\"a\":\"{}", "x".repeat(4 << 20)), "record 1, on line 1, is longer than load.record_mb allows"),
        ] {
            let error = objects(text).expect_err(says);
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn objects_pass_the_buffers_end() {
        let long = format!("{{\"a\":\"{}\\\\\"}}", "y".repeat(BUFFER_BYTES + 7));
        let (found, ..) = objects(&format!("[{long},{long},{{}}]")).expect("three");
        assert_eq!(found.iter().map(|object| object.1.len()).collect::<Vec<_>>(), [long.len(), long.len(), 2]);
    }
}
