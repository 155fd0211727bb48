//! An export file as batches of its table: opened, recognised, examined and read to the end. Every row is returned or rejected.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use super::decode::{self, Content, Found, Opening};
use super::digest::Digest;
use super::headers::nearly;
use super::inputs::Input;
use super::json;
use super::layout::Layout;
use super::parquet::ParquetRows;
use super::reading::{Asked, Basis, Encoding, Reading, TextReading};
use super::recognise::{Hints, recognise, recognise_known, unknown};
use super::reject::RejectSink;
use super::requested;
use super::rows::Irregularities;
use super::text::{self, Text, TextRows};
use crate::error::Result;
use crate::human;
use crate::record::fields::Table;

pub use super::rows::{BATCH_ROWS, Next, RECORD_BYTES, ReadOptions};
pub use super::stream::Progress;

/// How the values under a header are used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum HeaderUse {
    /// A column of the table.
    Column(String),
    /// They are kept by the header's name, among the org's own fields.
    Custom,
    /// They are a connector's bookkeeping, and are left out.
    Nothing,
}

/// One export: its table, and its rows batch by batch.
pub struct Export {
    /// The file, or `file!member` of a zip.
    pub name: String,
    /// The table it belongs to.
    pub table: Arc<Table>,
    /// What shows that it is this table.
    pub why: &'static str,
    /// Its headers, and what becomes of each.
    pub headers: Vec<(String, HeaderUse)>,
    rows: Rows,
}

enum Rows {
    /// Of delimited text, or of JSON.
    Text(Box<TextRows>),
    Parquet(Box<ParquetRows>),
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Export").field("name", &self.name).field("table", &self.table.name).finish_non_exhaustive()
    }
}

impl Export {
    fn new(name: &str, rows: Rows) -> Self {
        let layout = match &rows {
            Rows::Text(rows) => rows.layout(),
            Rows::Parquet(rows) => rows.layout(),
        };
        let header_use = |at: usize| match layout.columns.iter().find(|filled| filled.from.iter().any(|place| place.at == at)) {
            Some(filled) => HeaderUse::Column(filled.field.name.to_string()),
            None if layout.left_out.contains(&at) => HeaderUse::Nothing,
            None => HeaderUse::Custom,
        };
        let headers = layout.headers.iter().enumerate().map(|(at, header)| (header.clone(), header_use(at))).collect();
        Self { name: name.to_owned(), table: layout.table.clone(), why: layout.why, headers, rows }
    }

    /// Reads the next rows. Rows that cannot be loaded go to `rejects`.
    ///
    /// # Errors
    /// Corrupt when the file ends or breaks in the middle, invalid when a record is too long, and what `rejects`
    /// returns. After an error the export is not to be read on.
    pub fn next(&mut self, rejects: &mut dyn RejectSink) -> Result<Next> {
        match &mut self.rows {
            Rows::Text(rows) => rows.next(rejects),
            Rows::Parquet(rows) => rows.next(rejects),
        }
    }

    /// Data rows seen so far, with those rejected.
    pub fn rows_read(&self) -> u64 {
        match &self.rows {
            Rows::Text(rows) => rows.rows_read(),
            Rows::Parquet(rows) => rows.rows_read(),
        }
    }

    /// How it is read.
    pub fn reading(&self) -> &Reading {
        match &self.rows {
            Rows::Text(rows) => rows.reading(),
            Rows::Parquet(rows) => rows.reading(),
        }
    }

    /// The assumptions made about the export, and signs that something is wrong: a sentence each, without the export's name.
    pub fn notes(&self) -> Vec<String> {
        let (reading, irregularities) = (self.reading(), self.irregularities());
        let mut notes = Vec::new();
        if let Some((_, Basis::Assumed)) = reading.dates {
            notes.push(
                "dates such as 8/6/2026 were read month first, which no date of the file shows; say otherwise with --dates"
                    .to_owned(),
            );
        }
        if let Some(TextReading { encoding: Encoding::Windows1252, .. }) = reading.text {
            notes.push("its letters are no UTF-8, and were read as Windows-1252".to_owned());
        }
        for (header, header_use) in &self.headers {
            if let (HeaderUse::Custom, Some(column)) = (header_use, nearly(&self.table, header)) {
                notes.push(format!("the column {header:?} is not known, and is nearly {column}; it is kept in custom"));
            }
        }
        if irregularities.quotes > 0 {
            let rows = human::counted(irregularities.quotes, "row");
            notes.push(format!("quotes stand within texts that are in no quotes, in {rows}; they were kept as letters"));
        }
        if irregularities.unended > 0 {
            notes.push(format!(
                "no line end stands behind the last row (line {}): if the file was cut off there, its last value may be short",
                irregularities.unended
            ));
        }
        if irregularities.more {
            notes.push(
                "the answer says that there is more than it holds: load the other pages, too, to the one whose done is true"
                    .to_owned(),
            );
        }
        if irregularities.skipped > 0 {
            let (times, zone) = (human::counted(irregularities.skipped, "time"), &reading.zone);
            notes.push(format!(
                "{times} that do not exist in {zone}, because its clocks are put forward over them: is it the file's zone? \
                 Marketing Cloud's is Etc/GMT+6; say it with --zone"
            ));
        }
        notes
    }

    /// The irregularities of the rows read so far.
    pub fn irregularities(&self) -> Irregularities {
        match &self.rows {
            Rows::Text(rows) => rows.irregularities(),
            Rows::Parquet(rows) => rows.irregularities(),
        }
    }
}

/// A finding in an input.
#[derive(Debug)]
pub enum Piece {
    /// An export of a known table or of people's attributes.
    Export(Export),
    /// A member of a zip, or a file of a folder, that is not understood: its name, and why. It is not read.
    LeftOut(String, String),
    /// A file in whose place the source wrote that there is nothing.
    Nothing(String),
}

/// An input, opened: one export, or one for each member of a zip.
pub struct Opened {
    /// What has not been read, in order.
    found: VecDeque<Found>,
    left_out: VecDeque<(String, String)>,
    options: ReadOptions,
    /// Its size and hash, to be asked when the exports are read.
    pub digest: Digest,
}

impl Opened {
    /// Opens the next piece and recognises it; `None` when there are no more. Only one is to be open at a time: the one before
    /// has been read to its end.
    ///
    /// # Errors
    /// Invalid when it is empty, contradicts itself or, named outright, is of no known table; corrupt when it is damaged.
    pub fn next_piece(&mut self) -> Result<Option<Piece>> {
        loop {
            if let Some((name, why)) = self.left_out.pop_front() {
                return Ok(Some(Piece::LeftOut(name, why)));
            }
            let Some(found) = self.found.pop_front() else { return Ok(None) };
            let (asked, names) = self.options.asked.of_file(&found.file_name);
            let options = ReadOptions { asked, ..self.options.clone() };
            let make_named_layout = |headers: Vec<String>, rows: &[Vec<String>], called: Option<&str>| {
                let file_name = called.unwrap_or(&found.file_name);
                make_layout((file_name, found.is_of_all), &options.asked, names, headers, rows)
            };
            let make_layout = |headers: Vec<String>, rows: &[Vec<String>]| make_named_layout(headers, rows, None);
            let mut how = Opening { progress: self.options.progress.clone(), ..Opening::default() };
            how.digest = Some(Digest::Unread);
            let rows = match found.open(&mut how)? {
                Content::Members(members) => {
                    let (members, others) = members;
                    self.left_out.extend(others.into_iter().map(|name| (name, "not a name of a file that is read".to_owned())));
                    members.into_iter().rev().for_each(|found| self.found.push_front(found));
                    continue;
                }
                Content::Parquet(chunks) => ParquetRows::open(&found.name, chunks, &make_layout, &options)?
                    .map(|rows| Rows::Parquet(Box::new(rows)))
                    .map_err(Some),
                Content::Text(stream, encoding) => {
                    rows(text::open(&found, (stream, encoding), &mut how, &make_layout, &options)?)
                }
                Content::Json(stream, encoding) => {
                    rows(json::open(&found, (stream, encoding), &mut how, &make_named_layout, &options)?)
                }
            };
            let rows = match rows {
                Ok(rows) => rows,
                Err(Some(headers)) => return unknown_piece(&found, &options, &headers).map(Some),
                Err(None) => return Ok(Some(Piece::Nothing(found.name))),
            };
            if let (Digest::File(_), Some(digest @ Digest::Passing(_))) = (&self.digest, how.digest) {
                self.digest = digest;
            }
            return Ok(Some(Piece::Export(Export::new(&found.name, rows))));
        }
    }
}

/// The rows of a text; else the headers that no table has, or nothing where there are none.
fn rows(text: Text) -> Result<Rows, Option<Vec<String>>> {
    match text {
        Text::Rows(rows) => Ok(Rows::Text(rows)),
        Text::Unknown(headers) => Err(Some(headers)),
        Text::NothingFound => Err(None),
    }
}

fn make_layout(
    (file_name, is_of_all): (&str, bool),
    asked: &Asked,
    names: Option<&BTreeMap<String, String>>,
    headers: Vec<String>,
    rows: &[Vec<String>],
) -> Result<Option<Layout>> {
    let named = |header: String| names.and_then(|names| names.get(header.trim())).cloned().unwrap_or(header);
    let headers: Vec<String> = headers.into_iter().map(named).collect();
    let as_table = asked.as_table.as_deref();
    let hints = Hints { headers: &headers, as_table, file_name, rows };
    let recognised = if is_of_all { recognise_known(&hints)? } else { recognise(&hints)? };
    if let (Some((table, _)), true) = (&recognised, as_table.is_some() && !asked.is_forced) {
        requested::check(table, &hints)?;
    }
    Ok(recognised.map(|(table, why)| Layout { why, ..Layout::new(table, headers) }))
}

/// A header of no known table: refused where the file was named, left out where it stood among others.
fn unknown_piece(found: &Found, options: &ReadOptions, headers: &[String]) -> Result<Piece> {
    let error = unknown(headers);
    if found.is_outright || options.asked.strict {
        return Err(error.context(&found.name));
    }
    Ok(Piece::LeftOut(found.name.clone(), super::recognise::skip_reason(&found.file_name).to_owned()))
}

/// Opens an input.
///
/// # Errors
/// Not found or unavailable when it cannot be read.
pub fn open(input: &Input, options: &ReadOptions) -> Result<Opened> {
    let (found, digest) = decode::find(input)?;
    Ok(Opened { found: [found].into(), left_out: VecDeque::new(), options: options.clone(), digest })
}

#[cfg(test)]
mod tests;
