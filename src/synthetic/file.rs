//! Files that appear whole or not at all: written under a temporary name, renamed at the end, removed when given up. And the CSV files
//! made with them, in the encodings that exports have.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::cell::{Cell, ExportStyle};
use super::recipe::MadeFile;
use crate::error::{Context, Result};

/// A file under its temporary name.
pub struct Part {
    out: Option<BufWriter<File>>,
    temporary: PathBuf,
    path: PathBuf,
    table: &'static str,
}

impl Part {
    /// Begins the file `name` in `folder`.
    pub fn create(folder: &Path, name: &str, table: &'static str) -> Result<Self> {
        let (path, temporary) = (folder.join(name), folder.join(format!(".{name}.part")));
        let file = File::create(&temporary).context(|| phrase!("{}: cannot be created", temporary.display()))?;
        Ok(Self { out: Some(BufWriter::with_capacity(1 << 18, file)), temporary, path, table })
    }

    /// Flushes the file and gives it its name.
    pub fn finish(mut self, rows: u64) -> Result<MadeFile> {
        self.flush().context(|| phrase!("{}: cannot be written", self.temporary.display()))?;
        self.out = None;
        std::fs::rename(&self.temporary, &self.path).context(|| phrase!("{}: cannot be named", self.path.display()))?;
        let bytes = std::fs::metadata(&self.path).context(|| self.path.display().to_string())?.len();
        Ok(MadeFile { path: std::mem::take(&mut self.path), table: self.table, rows, bytes })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Given up: what is left would only be in the way. That it cannot be removed is no news beside the first error.
        if self.out.take().is_some() {
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.as_mut().map_or(Err(io::ErrorKind::BrokenPipe.into()), |out| out.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.as_mut().map_or(Ok(()), Write::flush)
    }
}

/// What the bytes of a CSV pass through.
enum Bytes {
    Gzip(Box<GzEncoder<Part>>),
    Utf16(Part),
    Plain(Part),
}

impl Bytes {
    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(out) => out.write_all(text),
            Self::Plain(out) => out.write_all(text),
            Self::Utf16(out) => {
                // Only whole rows of valid text come here.
                let units = String::from_utf8_lossy(text).encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
                out.write_all(&units)
            }
        }
    }
}

/// Encoding of a CSV.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wrap {
    /// Compressed; no time in the header, so that equal rows are equal bytes.
    Gzip,
    /// UTF-16, little endian, with a byte order mark.
    Utf16,
    /// UTF-8 with a byte order mark.
    Plain,
}

/// A CSV file, every field quoted as the vendor's tools do.
pub struct Csv {
    path: PathBuf,
    bytes: Bytes,
    style: ExportStyle,
    row: Vec<u8>,
    field: Vec<u8>,
    fields: usize,
    rows: u64,
}

impl Csv {
    /// Begins a file with a header.
    pub fn create(
        folder: &Path,
        name: &str,
        table: &'static str,
        style: ExportStyle,
        wrap: Wrap,
        headers: &[String],
    ) -> Result<Self> {
        let part = Part::create(folder, name, table)?;
        let bytes = match wrap {
            Wrap::Gzip => Bytes::Gzip(Box::new(GzEncoder::new(part, Compression::fast()))),
            Wrap::Utf16 => Bytes::Utf16(part),
            Wrap::Plain => Bytes::Plain(part),
        };
        let mut csv = Self { path: folder.join(name), bytes, style, row: Vec::new(), field: Vec::new(), fields: 0, rows: 0 };
        if wrap != Wrap::Gzip {
            csv.row.extend_from_slice("\u{feff}".as_bytes());
        }
        for header in headers {
            csv.cell(Cell::Text(header))?;
        }
        csv.end_row()?;
        csv.rows = 0;
        Ok(csv)
    }

    /// Adds a field to the row.
    pub fn cell(&mut self, cell: Cell<'_>) -> Result<()> {
        if self.fields > 0 {
            self.row.push(b',');
        }
        self.fields += 1;
        self.row.push(b'"');
        if let Cell::Text(_) = cell {
            self.field.clear();
            self.style.write(cell, &mut self.field)?;
            for &byte in &self.field {
                if byte == b'"' {
                    self.row.push(b'"');
                }
                self.row.push(byte);
            }
        } else {
            self.style.write(cell, &mut self.row)?;
        }
        self.row.push(b'"');
        Ok(())
    }

    /// Ends the row.
    pub fn end_row(&mut self) -> Result<()> {
        self.row.extend_from_slice(if self.style == ExportStyle::Report { b"\r\n" } else { b"\n" });
        self.bytes.write(&self.row).context(|| phrase!("{}: cannot be written", self.path.display()))?;
        self.row.clear();
        self.fields = 0;
        self.rows += 1;
        Ok(())
    }

    /// Gives the file its name; a file without rows is given up, because loading refuses such exports.
    pub fn finish(self) -> Result<Option<MadeFile>> {
        if self.rows == 0 {
            return Ok(None);
        }
        let file = match self.bytes {
            Bytes::Gzip(out) => out.finish().context(|| phrase!("{}: cannot be written", self.path.display()))?.finish(self.rows),
            Bytes::Utf16(out) | Bytes::Plain(out) => out.finish(self.rows),
        };
        file.map(Some)
    }
}
