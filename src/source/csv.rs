//! Rows of delimited text: comma, tab, semicolon or bar, quoted or not, with the line each row starts on.

use std::collections::HashMap;
use std::io::{Cursor, Read};

use ::csv::{ByteRecord, Reader, ReaderBuilder, StringRecord};
use arrow::array::RecordBatch;

use super::columns::{Column, Custom, Unfit, reason};
use super::decode::{Stream, fill, unreadable};
use super::export::{ReadOptions, complete_rows, no_rows};
use super::layout::{Filled, Layout};
use super::recognise::key_columns;
use super::reject::{Reject, RejectSink, row_text};
use crate::error::{Error, Result};

/// Read ahead to judge the delimiter: more than any header.
const HEAD_BYTES: usize = 64 << 10;
const BUFFER_BYTES: usize = 256 << 10;
/// Ends a batch early, so that no column outgrows its 32-bit offsets and memory stays bounded, whatever the rows hold.
const BATCH_BYTES: usize = 256 << 20;
/// Rows that columns have room for at first; they grow with what they hold. Room for a whole batch in each would be megabytes a
/// file, and a load may be of thousands of small ones.
const FIRST_ROWS: usize = 1024;
/// In order of preference where a header has as many of one as of the other.
const DELIMITERS: [u8; 4] = [b',', b'\t', b';', b'|'];

/// The rows of a delimited file.
pub(super) struct CsvRows {
    name: String,
    lines: Lines,
    layout: Layout,
    columns: Vec<Column>,
    custom: Option<Custom>,
    /// Lists of columns, any of which, whole, gives a row its key.
    key_columns: Vec<Vec<usize>>,
    batch_rows: usize,
    batch_bytes: usize,
    rows_read: u64,
}

impl CsvRows {
    pub fn open(
        name: &str,
        mut stream: Stream,
        lay: impl FnOnce(Vec<String>) -> Result<Layout>,
        options: &ReadOptions,
    ) -> Result<Self> {
        let mut head = vec![0; HEAD_BYTES];
        let length = fill(&mut stream, &mut head).map_err(|error| unreadable(name, "at its start", error))?;
        head.truncate(length);
        let (delimiter, crlf) = judge(&head);
        let breaks = || head.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
        let lines_at_most = if length < HEAD_BYTES { breaks() } else { usize::MAX };
        let stream: Stream = Box::new(Cursor::new(head).chain(stream));
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .buffer_capacity(BUFFER_BYTES)
            .from_reader(stream);
        let mut lines = Lines { reader, crlf };
        let mut header = ByteRecord::new();
        if lines.read(name, &mut header)?.is_none() {
            return Err(Error::invalid(format!("{name} is empty")));
        }
        let header = StringRecord::from_byte_record(header)
            .map_err(|_| Error::invalid(format!("{name}: the header is not valid UTF-8: save the file as UTF-8")))?;
        if header.iter().any(|header| header.contains('\0')) {
            return Err(Error::invalid(format!("{name} is not text, nor any packed form that is read")));
        }
        let layout = lay(header.iter().map(str::to_owned).collect())?;
        let rows = options.batch_rows.max(1);
        let room = rows.min(FIRST_ROWS).min(lines_at_most);
        let columns = layout.columns.iter().map(|filled| Column::new(filled, options.zone, room)).collect();
        let unknown = layout.unknown.iter().map(|(_, header)| header);
        let custom = (!layout.unknown.is_empty()).then(|| Custom::new(unknown, room));
        let place = |name: &str| layout.columns.iter().position(|filled| filled.field.name == name);
        let mut key_columns: Vec<Vec<usize>> = key_columns(&layout.table)
            .iter()
            .filter_map(|columns| columns.iter().map(|column| place(column)).collect())
            .collect();
        if key_columns.is_empty() {
            // A table without ids: the whole row is the key.
            key_columns.push(Vec::new());
        }
        Ok(Self {
            name: name.to_owned(),
            lines,
            layout,
            columns,
            custom,
            key_columns,
            batch_rows: rows,
            batch_bytes: BATCH_BYTES,
            rows_read: 0,
        })
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    pub fn rows_read(&self) -> u64 {
        self.rows_read
    }

    pub fn next(&mut self, rejects: &mut dyn RejectSink) -> Result<Option<RecordBatch>> {
        loop {
            let Some(rows) = self.read_rows(rejects)? else {
                return if self.rows_read == 0 { Err(no_rows(&self.name)) } else { Ok(None) };
            };
            let mut arrays = self.columns.iter_mut().map(Column::finish).collect::<Result<Vec<_>>>()?;
            if let Some(custom) = &mut self.custom {
                arrays.push(custom.finish()?);
            }
            let told = RecordBatch::try_new(self.layout.schema.clone(), arrays)?;
            let Rows { starts, refused, mut suspects } = rows;
            let batch = complete_rows(&self.layout.table, &told, &refused, |row, reason| {
                let text = suspects.remove(&row).unwrap_or_default();
                rejects.reject(Reject { file: self.name.clone(), line: starts[row], reason, row: text })
            })?;
            if batch.num_rows() > 0 {
                return Ok(Some(batch));
            }
        }
    }

    /// Reads a batch of rows into the columns, perhaps an empty one where all were rejected; `None` when there are no more.
    fn read_rows(&mut self, rejects: &mut dyn RejectSink) -> Result<Option<Rows>> {
        let mut rows = Rows::default();
        let mut bytes = 0;
        let mut ended = false;
        let mut present = vec![false; self.columns.len()];
        let mut record = ByteRecord::new();
        while rows.starts.len() < self.batch_rows && bytes < self.batch_bytes {
            let Some(line) = self.lines.read(&self.name, &mut record)? else {
                ended = true;
                break;
            };
            self.rows_read += 1;
            bytes += record.as_slice().len();
            let reject = |reason: String, record: &ByteRecord| Reject {
                file: self.name.clone(),
                line,
                reason,
                row: row_text(record.iter()),
            };
            if record.len() != self.layout.headers.len() {
                let reason = format!("{} fields where the header has {}", record.len(), self.layout.headers.len());
                rejects.reject(reject(reason, &record))?;
                continue;
            }
            if record.as_slice().contains(&0) {
                rejects.reject(reject("a NUL byte in the text".to_owned(), &record))?;
                continue;
            }
            // Checked once a row, so that its fields are texts without further ado; the record moves, it is not copied.
            let texts = match StringRecord::from_byte_record(record) {
                Ok(texts) => texts,
                Err(error) => {
                    let field = self.layout.headers.get(error.utf8_error().field()).map_or("", |header| header.trim());
                    let reason = format!("{field}: not valid UTF-8");
                    record = error.into_byte_record();
                    rejects.reject(reject(reason, &record))?;
                    continue;
                }
            };
            let mut misfit = None;
            for ((column, filled), present) in self.columns.iter_mut().zip(&self.layout.columns).zip(&mut present) {
                *present = false;
                if misfit.is_some() {
                    column.push_null();
                    continue;
                }
                match push(column, filled, &texts) {
                    Ok(value) => *present = value,
                    Err((at, unfit)) => misfit = Some(reason(&self.layout.headers[at], &texts[at], unfit)),
                }
            }
            if let Some(custom) = &mut self.custom {
                if misfit.is_some() {
                    custom.push_null();
                } else {
                    custom.push(self.layout.unknown.iter().map(|&(at, _)| &texts[at]));
                }
            }
            record = texts.into_byte_record();
            let row = rows.starts.len();
            rows.starts.push(line);
            if let Some(misfit) = misfit {
                rejects.reject(reject(misfit, &record))?;
                rows.refused.push(row);
            } else if !self.key_columns.iter().any(|columns| columns.iter().all(|&column| present[column])) {
                // Whether it really has no key is decided where keys are made; by then the text is gone.
                rows.suspects.insert(row, row_text(record.iter()));
            }
        }
        Ok((!ended || !rows.starts.is_empty()).then_some(rows))
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

/// Fills a column from the first place that has a value; says whether there was one, or whose value did not fit.
#[inline]
fn push(column: &mut Column, filled: &Filled, texts: &StringRecord) -> Result<bool, (usize, Unfit)> {
    let mut misfit = None;
    for place in &filled.from {
        match column.push(&texts[place.at]) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(unfit) => {
                misfit = misfit.or(Some((place.at, unfit)));
                // Under a label a lookup may show a name; the id may stand under another.
                if place.strict || !filled.field.kind.is_id() {
                    break;
                }
            }
        }
    }
    column.push_null();
    misfit.map_or(Ok(false), Err)
}

/// A reader that knows on which physical line a record starts.
struct Lines {
    reader: Reader<Stream>,
    crlf: bool,
}

impl Lines {
    /// Reads a record and returns the line it starts on, from 1; `None` at the end.
    fn read(&mut self, name: &str, record: &mut ByteRecord) -> Result<Option<u64>> {
        let before = self.reader.position().line();
        match self.reader.read_byte_record(record) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => {
                let place = format!("near line {before}");
                return Err(match error.into_kind() {
                    ::csv::ErrorKind::Io(error) => unreadable(name, place, error),
                    other => Error::invalid(format!("{name}: {place}: {other:?}")),
                });
            }
        }
        let after = self.reader.position().line();
        // The reader counts line feeds as it passes them: after a row that ends in CR LF it still stands before the LF, and
        // blank lines between rows are passed with the next row. One line feed passed is the common case.
        let start = match (self.crlf, after - before) {
            (true, 1) => after,
            (false, 1) => before,
            (crlf, _) => {
                let inside = record.as_slice().iter().filter(|&&byte| byte == b'\n').count() as u64;
                before.max(after.saturating_sub(inside + u64::from(!crlf)))
            }
        };
        Ok(Some(start))
    }
}

/// The delimiter, and whether lines end in CR LF, from the header.
fn judge(head: &[u8]) -> (u8, bool) {
    let start = head.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(head.len());
    let mut counts = [0usize; DELIMITERS.len()];
    let mut quoted = false;
    let mut crlf = false;
    for (at, &byte) in head.iter().enumerate().skip(start) {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => {
                crlf = byte == b'\r' && head.get(at + 1) == Some(&b'\n');
                break;
            }
            _ if !quoted => {
                if let Some(kind) = DELIMITERS.iter().position(|&delimiter| delimiter == byte) {
                    counts[kind] += 1;
                }
            }
            _ => {}
        }
    }
    let most = counts.iter().copied().max().unwrap_or_default();
    let kind = counts.iter().position(|&count| count == most).unwrap_or_default();
    (DELIMITERS[kind], crlf)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::recognise::recognise;

    #[test]
    fn delimiters_are_judged_from_the_header() {
        for (head, expected) in [
            ("Id,Name\n1;2;3;4", (b',', false)),
            ("Id\tName, First\tX\r\n", (b'\t', true)),
            ("\"a,b,c\";d;e\n", (b';', false)),
            ("\r\n\r\nId|Name\r\n", (b'|', true)),
            ("Id", (b',', false)),
        ] {
            assert_eq!(judge(head.as_bytes()), expected, "{head:?}");
        }
    }

    #[test]
    fn a_stretch_of_rejects_is_not_the_end() {
        let text = format!("MergeId,Name\n{}m1,a\nm2,b\n", "too,many,fields\n".repeat(50));
        let options = ReadOptions::new(chrono_tz::UTC);
        let lay = |headers: Vec<String>| Ok(Layout::new(recognise(&headers, None, "")?, headers));
        let mut rows = CsvRows::open("x", Box::new(Cursor::new(text.into_bytes())), lay, &options).expect("open");
        rows.batch_bytes = 1;
        let mut rejects = Vec::new();
        let mut taken = 0;
        while let Some(batch) = rows.next(&mut rejects).expect("read") {
            taken += batch.num_rows();
        }
        assert_eq!((taken, rejects.len(), rows.rows_read()), (2, 50, 52));
    }

    #[test]
    fn rows_know_their_lines() {
        let starts = |text: &str| -> Vec<u64> {
            let stream: Stream = Box::new(Cursor::new(text.as_bytes().to_vec()));
            let reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(stream);
            let mut lines = Lines { reader, crlf: judge(text.as_bytes()).1 };
            let mut record = ByteRecord::new();
            std::iter::from_fn(|| lines.read("x", &mut record).expect("read")).collect()
        };
        let text = "h,i\n1,2\n\"a\nb\",2\n3,4\n\n\n5,\"x\ny\n\"\n6,7";
        assert_eq!(starts(text), [1, 2, 3, 5, 8, 11]);
        assert_eq!(starts(&text.replace('\n', "\r\n")), [1, 2, 3, 5, 8, 11]);
        assert_eq!(starts(&format!("{text}\n")), [1, 2, 3, 5, 8, 11]);
    }
}
