//! Reads the rows of delimited text in the way that was detected ([`super::detect`]), with the line on which each row starts.
//!
//! The rows confirm what was detected. If that came from the file's beginning only, a row that contradicts it ends the reading
//! ([`Next::Otherwise`]); the whole file is then examined, and read again. If it came from the whole file, such a row is rejected
//! like any other.

use std::collections::HashMap;
use std::io::{Cursor, Read};

use arrow::array::RecordBatch;
use bytes::Bytes;

use super::columns::{Column, Custom, ValueError, reason};
use super::decode::{Content, Found, Opening};
use super::detect::{Frame, Scope, detect, is_header, skipping, unreadable};
use super::ending::Ending;
use super::layout::{Filled, Layout, MakeLayout, refuse_many};
use super::reading::{Encoding, Reading, TextReading, Times};
use super::recognise::key_columns;
use super::records::{Dialect, QuoteError, Quoting, ReadRecords, Record, Records, Texts};
use super::reject::{Reject, RejectSink, row_text};
use super::rows::{Irregularities, Next, ReadOptions, complete_rows};
use super::stream::{Stream, fill};
use crate::error::{Error, Result};

/// Read ahead to examine the file: more than any header, and the whole of most small files.
const HEAD_BYTES: usize = 256 << 10;
/// Of these at least some are no characters in a file that is no text.
const FIRST_BYTES: usize = 64;
/// Rows that tell by their ids whose they are.
const SAMPLE_ROWS: usize = 50;
/// Ends a batch early, so that no column outgrows its 32-bit offsets and memory stays bounded, whatever the rows hold.
const BATCH_BYTES: usize = 256 << 20;
/// Rows that columns have room for at first; they grow with what they hold. Room for a whole batch in each would be megabytes a
/// file, and a load may be of thousands of small ones.
const FIRST_ROWS: usize = 1024;
/// What the older bulk interface answers where there is nothing, instead of a file.
const NOTHING_FOUND: &str = "records not found for this query";

/// A text, opened.
pub(super) enum Text {
    Rows(Box<TextRows>),
    /// Its header is of no known table.
    Unknown(Vec<String>),
    /// Where a file could be there is a sentence: the query found nothing.
    NothingFound,
}

/// The rows of a delimited file.
pub(super) struct TextRows {
    name: String,
    records: Box<dyn ReadRecords>,
    record: Record,
    layout: Layout,
    reading: Reading,
    /// Was the way to read it detected from the whole file?
    is_proven: bool,
    columns: Vec<Column>,
    custom: Option<Custom>,
    /// Lists of columns, any of which, whole, gives a row its key.
    key_columns: Vec<Vec<usize>>,
    ending: Ending,
    batch_rows: usize,
    batch_bytes: usize,
    rows_read: u64,
    irregularities: Irregularities,
    /// Rows taken so far: a misfit at the very end of a file that had some was torn off.
    whole_rows: u64,
    is_otherwise: bool,
}

/// Opens a text: its header is mapped to the columns of its table, and how it is to be read is detected.
pub(super) fn open(
    found: &Found,
    (mut stream, mut encoding): (Stream, Encoding),
    how: &mut Opening,
    make_layout: &MakeLayout<'_>,
    options: &ReadOptions,
) -> Result<Text> {
    let name = &found.name;
    loop {
        let mut head = vec![0; HEAD_BYTES];
        let length = fill(&mut stream, &mut head).map_err(|error| super::stream::unreadable(name, "at its start", error))?;
        head.truncate(length);
        let is_whole = length < HEAD_BYTES;
        // As spreadsheets of old Macs end lines.
        let has_returns = !head.contains(&b'\n') && head.trim_ascii_end().contains(&b'\r');
        if has_returns {
            LineEnds::put_into(&mut head);
            stream = Box::new(LineEnds(stream));
        }
        // Read more than once, and copied never.
        let head = Bytes::from(head);
        let frame = Frame::of(&head);
        let Some((headers, rows)) = beginning(name, &head, frame, options.record_bytes)? else {
            return Err(Error::invalid(phrase!("{name} is empty")));
        };
        if let [only] = headers.as_slice()
            && rows.is_empty()
            && only.trim().trim_end_matches('.').eq_ignore_ascii_case(NOTHING_FOUND)
        {
            return Ok(Text::NothingFound);
        }
        if headers.iter().any(|header| header.contains('\0')) {
            return Err(Error::invalid(phrase!("{name} is not text, nor any packed form that is read")));
        }
        let layout = match make_layout(headers.clone(), &rows) {
            Ok(Some(layout)) => layout,
            Ok(None) => return Ok(Text::Unknown(headers)),
            Err(error) => return Err(error.context(name)),
        };
        let is_windows = encoding == Encoding::Windows1252;
        let of_head = || -> Result<Stream> { Ok(Box::new(Cursor::new(head.clone()))) };
        let anew = || -> Result<Stream> {
            let mut again = Opening { windows: is_windows, ..Opening::default() };
            match found.open(&mut again)? {
                Content::Text(stream, _) if has_returns => Ok(Box::new(LineEnds(stream))),
                Content::Text(stream, _) => Ok(stream),
                _ => Err(Error::internal(phrase!("{name} is no text any more"))),
            }
        };
        let is_proven = is_whole || options.whole;
        let source: &dyn Fn() -> Result<Stream> = if options.whole && !is_whole { &anew } else { &of_head };
        let scope = if is_proven { Scope::Whole } else { Scope::Beginning };
        let detected = detect(name, source, (frame, scope), &layout, &options.asked, options.record_bytes)?;
        if detected.windows && encoding == Encoding::Utf8 && is_proven {
            // It is Windows-1252: read once more, as this.
            how.windows = true;
            let Content::Text(again, of) = found.open(how)? else {
                return Err(Error::internal(phrase!("{name} is no text any more")));
            };
            (stream, encoding) = (again, of);
            continue;
        }
        let text = skipping(Box::new(Cursor::new(head).chain(stream)), frame.skipped)?;
        let mut records = Records::new(text, detected.dialect, frame.line, options.record_bytes);
        let mut header = Record::default();
        records.read(&mut header).map_err(|broken| unreadable(name, broken))?;
        let reading = Reading {
            text: Some(TextReading::new(encoding, detected.dialect, header.line)),
            dates: detected.dates,
            ..Reading::of("delimited text", &options.asked)
        };
        let rows = TextRows::new(name, Box::new(records), reading, layout, options);
        return Ok(Text::Rows(Box::new(TextRows { is_proven, ..rows })));
    }
}

/// A text whose lines end in CR alone, with LF in its place.
struct LineEnds(Stream);

impl LineEnds {
    fn put_into(text: &mut [u8]) {
        text.iter_mut().filter(|byte| **byte == b'\r').for_each(|byte| *byte = b'\n');
    }
}

impl Read for LineEnds {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.0.read(buffer)?;
        Self::put_into(&mut buffer[..length]);
        Ok(length)
    }
}

/// A header and first rows, as texts.
type Beginning = (Vec<String>, Vec<Vec<String>>);

/// The header and the first rows, as texts; nothing where there is no line.
fn beginning(name: &str, head: &Bytes, frame: Frame, record_bytes: usize) -> Result<Option<Beginning>> {
    let dialect = Dialect { delimiter: frame.delimiter, quoting: Quoting::Doubled };
    let text: Stream = Box::new(Cursor::new(head.slice(frame.skipped..)));
    let mut records = Records::new(text, dialect, frame.line, record_bytes);
    let mut record = Record::default();
    if !records.read(&mut record).map_err(|broken| unreadable(name, broken))? {
        return Ok(None);
    }
    if record.flaw.is_some() {
        return Err(Error::invalid(phrase!(
            "{name}: the quotes of the header, on line {}, are not as they should be: one is missing, or one too many",
            record.line
        )));
    }
    let texts = |record: &Record| record.iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect::<Vec<_>>();
    let is_no_letter = |byte: &u8| *byte < b'\t';
    if std::str::from_utf8(record.bytes()).is_err() && head.iter().take(FIRST_BYTES).any(is_no_letter) {
        return Err(Error::invalid(phrase!("{name} is not text, nor any packed form that is read")));
    }
    refuse_many(name, record.len())?;
    let header = texts(&record);
    let mut rows = Vec::new();
    while rows.len() < SAMPLE_ROWS && records.read(&mut record).map_err(|broken| unreadable(name, broken))? {
        rows.push(texts(&record));
    }
    Ok(Some((header, rows)))
}

impl TextRows {
    /// The rows of a file that was examined as a whole.
    pub fn new(name: &str, records: Box<dyn ReadRecords>, reading: Reading, layout: Layout, options: &ReadOptions) -> Self {
        let times = Times::of(&options.asked, reading.dates);
        let rows = options.batch_rows.max(1);
        let room = rows.min(FIRST_ROWS);
        let columns = layout.columns.iter().map(|filled| Column::new(filled, &times, room)).collect();
        let custom = (!layout.unknown.is_empty()).then(|| Custom::new(&layout.unknown, room));
        Self {
            name: name.to_owned(),
            records,
            record: Record::default(),
            ending: Ending::of(layout.headers.len()),
            key_columns: key_places(&layout),
            layout,
            reading,
            is_proven: true,
            columns,
            custom,
            batch_rows: rows,
            batch_bytes: BATCH_BYTES,
            rows_read: 0,
            irregularities: Irregularities::default(),
            whole_rows: 0,
            is_otherwise: false,
        }
    }

    /// Of a file whose format has nulls of its own; does it say that it is not all there is?
    pub fn with_own_nulls(self, has_more: bool) -> Self {
        let columns = self.columns.into_iter().map(Column::with_own_nulls).collect();
        let irregularities = Irregularities { more: has_more, ..self.irregularities };
        Self { columns, custom: self.custom.map(Custom::with_own_nulls), irregularities, ..self }
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    pub fn reading(&self) -> &Reading {
        &self.reading
    }

    pub fn rows_read(&self) -> u64 {
        self.rows_read
    }

    pub fn irregularities(&self) -> Irregularities {
        let skipped = self.columns.iter().map(Column::skipped).sum();
        Irregularities { trailing: self.ending.passed(), skipped, ..self.irregularities }
    }

    pub fn next(&mut self, rejects: &mut dyn RejectSink) -> Result<Next> {
        loop {
            let rows = self.read_rows(rejects)?;
            if self.is_otherwise {
                return Ok(Next::Otherwise);
            }
            let Some(rows) = rows else { return Ok(Next::End) };
            let mut arrays = self.columns.iter_mut().map(Column::finish).collect::<Result<Vec<_>>>()?;
            if let Some(custom) = &mut self.custom {
                arrays.push(custom.finish()?);
            }
            let provided = RecordBatch::try_new(self.layout.schema.clone(), arrays)?;
            let Rows { starts, refused, mut suspects } = rows;
            let batch = complete_rows(&self.layout.table, &provided, &refused, |row, reason| {
                let text = suspects.remove(&row).unwrap_or_default();
                rejects.reject(Reject { file: self.name.clone(), line: starts[row], reason, row: text })
            })?;
            if batch.num_rows() > 0 {
                return Ok(Next::Rows(batch));
            }
        }
    }

    /// Reads a batch of rows into the columns, perhaps an empty one where all were rejected; `None` when there are no more.
    fn read_rows(&mut self, rejects: &mut dyn RejectSink) -> Result<Option<Rows>> {
        let mut rows = Rows::default();
        let mut bytes = 0;
        let mut ended = false;
        let mut present = vec![false; self.columns.len()];
        while rows.starts.len() < self.batch_rows && bytes < self.batch_bytes && !self.is_otherwise {
            if !self.records.read(&mut self.record).map_err(|broken| unreadable(&self.name, broken))? {
                ended = true;
                break;
            }
            if self.ending.takes(&self.record) {
                continue;
            }
            // What looked like the end of the table was not: these are rows, of another width.
            for (line, row) in self.ending.give_back() {
                self.rows_read += 1;
                let reason = "it looks like a line behind a report's rows, and more rows follow it".to_owned();
                rejects.reject(Reject { file: self.name.clone(), line, reason, row })?;
            }
            if is_header(&self.record, &self.layout) {
                self.irregularities.headers += 1;
                continue;
            }
            self.rows_read += 1;
            bytes += self.record.bytes().len();
            if let Some(refusal) = self.mend()? {
                self.refuse(refusal, rejects)?;
            } else if !self.is_otherwise {
                self.push(&mut rows, &mut present, rejects)?;
            }
        }
        Ok((!ended || !rows.starts.is_empty()).then_some(rows))
    }

    /// Returns the problem of the current record's shape, if any; replaces invalid characters.
    fn mend(&mut self) -> Result<Option<String>> {
        let wanted = self.layout.headers.len();
        let is_cut = !self.record.is_ended && self.rows_read > 1;
        match self.record.flaw {
            None if self.record.len() == wanted => {}
            // The last line, without an end: what the file went on to say is not known.
            _ if is_cut => return Err(self.cut_off()),
            None => {
                self.is_otherwise |= !self.is_proven;
                return Ok(Some(format!("{} fields where the header has {wanted}", self.record.len())));
            }
            Some(flaw) => {
                self.is_otherwise |= !self.is_proven;
                let line = match flaw {
                    QuoteError::Behind { closed, .. } => closed,
                    QuoteError::Unclosed { opened } => opened,
                };
                return Ok(Some(format!(
                    "the quotes are not as they should be (line {line}): text behind a closing one, or none"
                )));
            }
        }
        let bytes = self.record.bytes();
        let has_nul = memchr::memchr(0, bytes).is_some();
        if !has_nul && bytes.is_ascii() {
            return Ok(None);
        }
        // A character that is cut at the end of a field may look whole with the beginning of the next.
        let is_cut = |field: &[u8]| field.first().is_some_and(|byte| (0x80..0xC0).contains(byte));
        let is_text = std::str::from_utf8(bytes).is_ok() && !self.record.iter().any(is_cut);
        if !has_nul && is_text {
            return Ok(None);
        }
        if !self.is_proven && !is_text {
            // The whole file tells which encoding it is.
            self.is_otherwise = true;
            return Ok(None);
        }
        for filled in self.layout.columns.iter().filter(|filled| filled.holds != super::layout::Holds::Text) {
            for place in &filled.from {
                let field = self.record.field(place.at);
                if field.contains(&0) || std::str::from_utf8(field).is_err() {
                    let header = self.layout.headers[place.at].trim();
                    return Ok(Some(format!("{header}: bytes that are no letters")));
                }
            }
        }
        let mended: Vec<String> = self.record.iter().map(|field| String::from_utf8_lossy(field).replace('\0', "")).collect();
        self.record.set(mended.iter());
        self.irregularities.repaired += 1;
        Ok(None)
    }

    fn cut_off(&self) -> Error {
        Error::corrupt(phrase!(
            "{}: cut off in line {}: the last row is not whole, and no line end stands behind it; export or download it again",
            self.name,
            self.record.last_line
        ))
    }

    fn refuse(&self, reason: String, rejects: &mut dyn RejectSink) -> Result<()> {
        let row = row_text(self.record.iter());
        rejects.reject(Reject { file: self.name.clone(), line: self.record.line, reason, row })
    }

    /// The record's values into the columns.
    #[inline]
    fn push(&mut self, rows: &mut Rows, present: &mut [bool], rejects: &mut dyn RejectSink) -> Result<()> {
        let Some(texts) = self.record.take_texts() else { return Err(Error::internal(phrase!("{}: not mended", self.name))) };
        let mut misfit = None;
        for ((column, filled), present) in self.columns.iter_mut().zip(&self.layout.columns).zip(present.iter_mut()) {
            *present = false;
            if misfit.is_some() {
                column.push_null();
                continue;
            }
            match push(column, filled, &texts) {
                Ok(value) => *present = value,
                Err(unfit) => misfit = Some(unfit),
            }
        }
        if let Some(custom) = &mut self.custom {
            if misfit.is_some() {
                custom.push_null();
            } else {
                custom.push(self.layout.unknown.iter().map(|unknown| unknown.kept(texts.get(unknown.at))));
            }
        }
        let row = rows.starts.len();
        rows.starts.push(self.record.line);
        let misfit = misfit.map(|(at, unfit)| (at, unfit, reason(&self.layout.headers[at], texts.get(at), unfit)));
        self.record.put_back(texts);
        if let Some((at, unfit, reason)) = misfit {
            let is_last = !self.record.is_ended && at + 1 == self.layout.headers.len();
            if is_last && self.whole_rows > 0 {
                return Err(self.cut_off());
            }
            self.is_otherwise |= !self.is_proven && unfit.needs_another_reading();
            self.refuse(reason, rejects)?;
            rows.refused.push(row);
            return Ok(());
        }
        self.whole_rows += 1;
        self.irregularities.quotes += u64::from(self.record.has_stray_quote);
        if !self.record.is_ended && self.layout.may_be_short(self.record.field(self.record.len() - 1)) {
            self.irregularities.unended = self.record.line;
        }
        if !self.key_columns.iter().any(|columns| columns.iter().all(|&column| present[column])) {
            // Whether it really has no key is decided where keys are made; by then the text is gone.
            rows.suspects.insert(row, row_text(self.record.iter()));
        }
        Ok(())
    }
}

/// The rows of a batch, besides their columns.
#[derive(Default)]
struct Rows {
    /// The line each row starts on.
    starts: Vec<u64>,
    /// Rows that were rejected but have their place in the columns.
    refused: Vec<usize>,
    /// Texts of the rows that seem to have no key.
    suspects: HashMap<usize, String>,
}

/// The places, among the columns, of those that give a row its key.
fn key_places(layout: &Layout) -> Vec<Vec<usize>> {
    let place = |name: &str| layout.columns.iter().position(|filled| filled.field.name == name);
    let mut places: Vec<Vec<usize>> =
        key_columns(&layout.table).iter().filter_map(|columns| columns.iter().map(|column| place(column)).collect()).collect();
    if places.is_empty() {
        // A table without ids: the whole row is the key.
        places.push(Vec::new());
    }
    places
}

/// Fills a column from the first place that has a value; says whether there was one, or whose value did not fit.
#[inline]
fn push(column: &mut Column, filled: &Filled, texts: &Texts) -> Result<bool, (usize, ValueError)> {
    let mut misfit = None;
    for place in &filled.from {
        let text = texts.get(place.at);
        match column.push(text) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            // Under its label a lookup may show a name, which is kept as such; the id may stand under another.
            Err(ValueError::Id(_)) if filled.shows_name(place, text) => {}
            Err(unfit) => {
                misfit = misfit.or(Some((place.at, unfit)));
                if place.strict || !filled.field.kind.is_id() {
                    break;
                }
            }
        }
    }
    column.push_null();
    misfit.map_or(Ok(false), Err)
}
