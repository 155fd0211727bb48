//! Reads rows of JSON: objects on lines, in a list, or in answers of Salesforce's APIs.
//!
//! A record may lack fields that others have, in any order. So the whole file is scanned first, and its headers are all keys that
//! occur. Then the order of dates and the encoding are detected from the values, and the records are read like rows of delimited
//! text. An object that stands for another record becomes headers (`et4ae5__Contact__r.Id`). `attributes`, which holds the record's
//! object and address, is not data. Any other object or list is kept as JSON.

use std::collections::{HashMap, HashSet};

use super::decode::{Content, Found, Opening};
use super::detect::{CharsetEvidence, ReadingEvidence, unreadable};
use super::headers::table_called;
use super::layout::{COLUMNS_MAX, Layout};
use super::objects::{Objects, Shape};
use super::reading::{Encoding, Reading};
use super::records::{ReadRecords, Record, RecordError};
use super::rows::ReadOptions;
use super::stream::Stream;
use super::text::{Text, TextRows};
use super::tokens::{JsonError, Kind, Tokens, has_member};
use crate::error::{Error, Result};
use crate::record::fields::{Kind as FieldKind, known};

/// Bytes of a key with those above it.
const KEY_BYTES: usize = 1_000;
/// Rows that tell by their ids whose they are, and how much is kept of their values.
const SAMPLE_ROWS: usize = 50;
const SAMPLE_BYTES: usize = 40;
/// The member with a record's metadata.
const ATTRIBUTES: &[u8] = b"attributes";
/// Where Airbyte puts the record among its bookkeeping.
const AIRBYTE_DATA: &[u8] = b"_airbyte_data";

/// Makes the layout from headers, first rows, and the object that the records say they are of.
pub(super) type MakeNamedLayout<'a> = dyn Fn(Vec<String>, &[Vec<String>], Option<&str>) -> Result<Option<Layout>> + 'a;

/// Opens a JSON text: it is surveyed, its keys are mapped to the columns of its table, and how it is to be read is detected.
pub(super) fn open(
    found: &Found,
    (mut stream, mut encoding): (Stream, Encoding),
    how: &mut Opening,
    make_layout: &MakeNamedLayout<'_>,
    options: &ReadOptions,
) -> Result<Text> {
    let name = &found.name;
    let json = |how: &mut Opening| match found.open(how)? {
        Content::Json(stream, encoding) => Ok((stream, encoding)),
        _ => Err(Error::internal(phrase!("{name} is no JSON any more"))),
    };
    let anew = |is_windows| -> Result<Objects> {
        let (stream, _) = json(&mut Opening { windows: is_windows, ..Opening::default() })?;
        Ok(Objects::of(stream, options.record_bytes))
    };
    let survey = |is_windows| Survey::of(anew(is_windows)?).map_err(|broken| unreadable(name, broken));
    let mut surveyed = survey(encoding == Encoding::Windows1252)?;
    if surveyed.charset.are_windows() && encoding == Encoding::Utf8 {
        how.windows = true;
        (stream, encoding) = json(how)?;
        surveyed = survey(true)?;
    }
    if surveyed.records == 0 {
        return Ok(Text::NothingFound);
    }
    if surveyed.of_several {
        return Err(Error::invalid(phrase!("{name}: records of several objects stand together: export and load each by itself")));
    }
    if let Some(error) = surveyed.error_answer() {
        return Err(error.context(name.clone()));
    }
    let (headers, places) = surveyed.headers();
    let called = surveyed.called.as_deref().filter(|called| table_called(called).is_some());
    let layout = match make_layout(headers.clone(), &surveyed.sample(&places, headers.len()), called) {
        Ok(Some(layout)) => layout,
        Ok(None) => return Ok(Text::Unknown(headers)),
        Err(error) => return Err(error.context(name.clone())),
    };
    let shape = surveyed.shape;
    let format = if shape == Shape::Lines { "JSON lines" } else { "JSON" };
    let mut reading = Reading::of(format, &options.asked);
    surveyed.refuse_nested(name, reading.place(), &layout, &places)?;
    let keys: Keys = surveyed.seen.into_iter().map(|(key, at)| (key, places[at])).collect();
    let mut records = JsonRecords::of(anew(encoding == Encoding::Windows1252)?, keys.clone(), headers.len());
    let (mut evidence, mut record) = (ReadingEvidence::of(&layout, &options.asked), Record::default());
    while records.read(&mut record).map_err(|broken| unreadable(name, broken))? {
        evidence.look(&record);
    }
    reading.dates = evidence.settle(name, reading.place(), &layout, &options.asked)?;
    let records = JsonRecords::of(Objects::of(stream, options.record_bytes), keys, headers.len());
    let rows = TextRows::new(name, Box::new(records), reading, layout, options);
    Ok(Text::Rows(Box::new(rows.with_own_nulls(surveyed.has_more))))
}

/// A consumer of a record's values.
trait Sink {
    /// A value by its whole key.
    fn value(&mut self, key: &[u8], kind: Kind, text: &[u8]) -> Result<(), JsonError>;

    /// An object under this key became values of its own.
    fn opened(&mut self, _key: &[u8]) {}

    /// The record is of this object.
    fn called(&mut self, _object: &[u8]) {}
}

/// Walks through the members of an object; `key` is what stands before theirs.
fn walk(tokens: &mut Tokens<'_>, key: &mut Vec<u8>, text: &mut Vec<u8>, sink: &mut impl Sink) -> Result<(), JsonError> {
    tokens.expect(b'{')?;
    if tokens.takes(b'}') {
        return Ok(());
    }
    let length = key.len();
    loop {
        tokens.string(key)?;
        tokens.expect(b':')?;
        if key.len() > KEY_BYTES {
            return Err(JsonError("a key is too long"));
        }
        let name = &key[length..];
        match tokens.peek() {
            Some(b'{') => {
                let object = tokens.raw()?;
                let is_outermost = length == 0;
                if name == ATTRIBUTES {
                    if is_outermost {
                        sink.called(&object_of(object));
                    }
                } else if is_outermost && name == AIRBYTE_DATA {
                    walk(&mut Tokens::of(object), &mut Vec::new(), text, sink)?;
                } else if is_record(name, object) {
                    sink.opened(key);
                    key.push(b'.');
                    walk(&mut Tokens::of(object), key, text, sink)?;
                } else {
                    nested(&mut Tokens::of(object), key, text, sink)?;
                }
            }
            Some(b'[') => nested(tokens, key, text, sink)?,
            _ => {
                text.clear();
                let kind = tokens.scalar(text)?;
                sink.value(key, kind, text)?;
            }
        }
        key.truncate(length);
        if !tokens.takes(b',') {
            return tokens.expect(b'}');
        }
    }
}

fn nested(tokens: &mut Tokens<'_>, key: &[u8], text: &mut Vec<u8>, sink: &mut impl Sink) -> Result<(), JsonError> {
    text.clear();
    tokens.compact(text)?;
    sink.value(key, Kind::Nested, text)
}

/// Does an object stand for another record? Records of a relation to many stand in an answer of their own, and are a list.
fn is_record(name: &[u8], object: &[u8]) -> bool {
    let is_relation = name.len() > 3 && name[name.len() - 3..].eq_ignore_ascii_case(b"__r");
    let tells = |member: &[u8]| member == ATTRIBUTES || member.eq_ignore_ascii_case(b"id");
    (is_relation || has_member(object, tells)) && !has_member(object, |member| member == b"records")
}

/// The object that attributes tell: their `type`.
fn object_of(attributes: &[u8]) -> Vec<u8> {
    struct Type(Vec<u8>);
    impl Sink for Type {
        fn value(&mut self, key: &[u8], kind: Kind, text: &[u8]) -> Result<(), JsonError> {
            if key == b"type" && kind == Kind::Text {
                self.0 = text.to_vec();
            }
            Ok(())
        }
    }
    let mut found = Type(Vec::new());
    match walk(&mut Tokens::of(attributes), &mut Vec::new(), &mut Vec::new(), &mut found) {
        Ok(()) => found.0,
        Err(_) => Vec::new(),
    }
}

/// The header of each key; none where all that was under it has keys of its own.
type Keys = HashMap<Vec<u8>, Option<usize>>;

/// The result of scanning a whole file.
struct Survey {
    /// Keys in the order in which they came, by their places among `keys`.
    seen: HashMap<Vec<u8>, usize>,
    keys: Vec<Key>,
    /// Keys whose objects have become keys of their own.
    opened: HashSet<Vec<u8>>,
    /// The object the records say they are of.
    called: Option<String>,
    /// Two records that say different ones.
    of_several: bool,
    first: Vec<Vec<(usize, String)>>,
    charset: CharsetEvidence,
    records: u64,
    /// Of the record in turn.
    place: u64,
    shape: Shape,
    has_more: bool,
}

struct Key {
    name: String,
    /// The record it was seen in last.
    last: u64,
    /// Had it ever a value?
    is_filled: bool,
    /// Where it was a list or an object first.
    nested: Option<u64>,
}

impl Survey {
    fn of(mut objects: Objects) -> Result<Self, RecordError> {
        let mut survey = Self {
            seen: HashMap::new(),
            keys: Vec::new(),
            opened: HashSet::new(),
            called: None,
            of_several: false,
            first: Vec::new(),
            charset: CharsetEvidence::default(),
            records: 0,
            place: 0,
            shape: Shape::Lines,
            has_more: false,
        };
        let (mut key, mut text) = (Vec::new(), Vec::new());
        while objects.read()? {
            survey.records = objects.number();
            survey.place = objects.place();
            if survey.first.len() < SAMPLE_ROWS {
                survey.first.push(Vec::new());
            }
            survey.charset.look(objects.text());
            key.clear();
            let mut tokens = Tokens::of(objects.text());
            walk(&mut tokens, &mut key, &mut text, &mut survey).map_err(|bad| objects.broken(bad.0))?;
        }
        survey.shape = objects.shape();
        survey.has_more = objects.has_more();
        Ok(survey)
    }

    /// The headers, and for each key which of them it is.
    fn headers(&self) -> (Vec<String>, Vec<Option<usize>>) {
        let (mut headers, mut places) = (Vec::new(), Vec::new());
        for key in &self.keys {
            // A lookup of nobody, where it is somebody in other records: it has no value of its own.
            let was_opened = self.opened.contains(key.name.as_bytes()) || key.name.to_ascii_lowercase().ends_with("__r");
            let has_own = key.is_filled || !was_opened;
            places.push(has_own.then_some(headers.len()));
            if has_own {
                headers.push(key.name.clone());
            }
        }
        (headers, places)
    }

    /// The first rows, as texts.
    fn sample(&self, places: &[Option<usize>], width: usize) -> Vec<Vec<String>> {
        let row = |values: &Vec<(usize, String)>| {
            let mut row = vec![String::new(); width];
            for (key, value) in values {
                if let Some(place) = places[*key] {
                    row[place].clone_from(value);
                }
            }
            row
        };
        self.first.iter().map(row).collect()
    }

    /// What Salesforce, or its command line, answered instead of records.
    fn error_answer(&self) -> Option<Error> {
        let has = |key: &str| self.seen.contains_key(key.as_bytes());
        let is_error =
            has("message") && (has("errorCode") || has("exitCode") && has("name")) || has("error") && has("error_description");
        // The code is a word of Salesforce's; the message may name anybody.
        let code = self.seen.get(b"errorCode".as_slice()).and_then(|key| {
            let values = self.first.iter().flatten();
            values.filter(|(at, _)| at == key).map(|(_, value)| value.as_str()).next()
        });
        let is_word = |code: &&str| code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        let code = code.filter(is_word).map_or_else(String::new, |code| format!(" ({code})"));
        is_error.then(|| {
            Error::invalid(phrase!("holds no records but what went wrong when they were asked for{code}: export it again"))
        })
    }

    /// A list is no value of a column that is known.
    fn refuse_nested(&self, name: &str, place: &str, layout: &Layout, places: &[Option<usize>]) -> Result<()> {
        let is_known = known(&layout.table.name).is_some();
        for filled in
            layout.columns.iter().filter(|filled| is_known || !matches!(filled.field.kind, FieldKind::Text | FieldKind::Label))
        {
            for (key, _) in
                self.keys.iter().zip(places).filter(|(_, at)| at.is_some_and(|at| filled.from.iter().any(|from| from.at == at)))
            {
                if let Some(number) = key.nested {
                    return Err(Error::invalid(phrase!(
                        "{name}: {} is a list or an object in {place} {number}, where {} wants one value",
                        key.name,
                        filled.field.name
                    )));
                }
            }
        }
        Ok(())
    }
}

impl Sink for Survey {
    fn value(&mut self, key: &[u8], kind: Kind, text: &[u8]) -> Result<(), JsonError> {
        let at = match self.seen.get(key) {
            Some(at) => *at,
            None if self.keys.len() == COLUMNS_MAX => {
                return Err(JsonError("the file has more different keys than any object has fields"));
            }
            None => {
                let at = self.keys.len();
                self.seen.insert(key.to_vec(), at);
                let name = String::from_utf8_lossy(key).into_owned();
                self.keys.push(Key { name, last: 0, is_filled: false, nested: None });
                at
            }
        };
        let seen = &mut self.keys[at];
        if std::mem::replace(&mut seen.last, self.records) == self.records {
            return Err(JsonError("a key is there twice"));
        }
        seen.is_filled |= kind != Kind::Null;
        if kind == Kind::Nested {
            seen.nested = seen.nested.or(Some(self.place));
        }
        if self.records <= SAMPLE_ROWS as u64
            && text.len() <= SAMPLE_BYTES
            && let Some(row) = self.first.last_mut()
        {
            row.push((at, String::from_utf8_lossy(text).into_owned()));
        }
        Ok(())
    }

    fn opened(&mut self, key: &[u8]) {
        if self.opened.len() < COLUMNS_MAX && !self.opened.contains(key) {
            self.opened.insert(key.to_vec());
        }
    }

    fn called(&mut self, object: &[u8]) {
        let object = String::from_utf8_lossy(object);
        match &self.called {
            Some(called) => self.of_several |= *called != object,
            None => self.called = Some(object.into_owned()),
        }
    }
}

/// The objects of a stream as records: a field for each header.
struct JsonRecords {
    objects: Objects,
    fields: Fields,
    key: Vec<u8>,
    text: Vec<u8>,
}

/// The fields of the record in turn.
struct Fields {
    keys: Keys,
    bytes: Vec<u8>,
    /// Where in the bytes each header's value is.
    ranges: Vec<(usize, usize)>,
}

impl JsonRecords {
    fn of(objects: Objects, keys: Keys, width: usize) -> Self {
        let fields = Fields { keys, bytes: Vec::new(), ranges: vec![(0, 0); width] };
        Self { objects, fields, key: Vec::new(), text: Vec::new() }
    }
}

impl ReadRecords for JsonRecords {
    fn read(&mut self, record: &mut Record) -> Result<bool, RecordError> {
        if !self.objects.read()? {
            return Ok(false);
        }
        self.fields.bytes.clear();
        self.fields.ranges.fill((0, 0));
        self.key.clear();
        let mut tokens = Tokens::of(self.objects.text());
        walk(&mut tokens, &mut self.key, &mut self.text, &mut self.fields).map_err(|bad| self.objects.broken(bad.0))?;
        let Fields { bytes, ranges, .. } = &self.fields;
        record.fill(self.objects.place(), ranges.iter().map(|(start, end)| &bytes[*start..*end]));
        Ok(true)
    }
}

impl Sink for Fields {
    fn value(&mut self, key: &[u8], _: Kind, text: &[u8]) -> Result<(), JsonError> {
        match self.keys.get(key) {
            Some(Some(at)) => {
                let start = self.bytes.len();
                self.bytes.extend_from_slice(text);
                self.ranges[*at] = (start, self.bytes.len());
                Ok(())
            }
            Some(None) => Ok(()),
            None => Err(JsonError("the file has changed while it was read")),
        }
    }
}
