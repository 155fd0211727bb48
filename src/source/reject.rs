//! Rows that could not be taken: where they stood, and why.
//!
//! A row is never skipped in silence: whoever reads an export hands each refused row to a [`RejectSink`].

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Result};

/// One refused row.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reject {
    /// The file, or `file!member`.
    pub file: String,
    /// The physical line on which the row starts, from 1; in a Parquet file the number of the row.
    pub line: u64,
    /// Why: column, value, and what would have been understood.
    pub reason: String,
    /// The row as comma-separated text.
    pub row: String,
}

/// Takes refused rows.
pub trait RejectSink {
    /// Keeps one; an error stops the load, because a reject that is not kept would be lost.
    fn reject(&mut self, reject: Reject) -> Result<()>;
}

impl RejectSink for Vec<Reject> {
    fn reject(&mut self, reject: Reject) -> Result<()> {
        self.push(reject);
        Ok(())
    }
}

/// A CSV file of rejects (file, line, reason, row), created when the first one comes.
#[derive(Debug)]
pub struct RejectFile {
    path: PathBuf,
    writer: Option<::csv::Writer<BufWriter<File>>>,
    count: u64,
}

impl RejectFile {
    /// Nothing is written yet; an existing file stays until the first reject replaces it.
    pub fn create(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), writer: None, count: 0 }
    }

    /// How many were kept.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Where they are kept.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes out what is still buffered; returns how many were kept.
    pub fn finish(&mut self) -> Result<u64> {
        if let Some(writer) = &mut self.writer {
            writer.flush().context(|| format!("writing rejects to {}", self.path.display()))?;
        }
        Ok(self.count)
    }

    fn write(&mut self, fields: [&str; 4]) -> Result<()> {
        if self.writer.is_none() {
            let file = File::create(&self.path).context(|| format!("creating {}", self.path.display()))?;
            let mut writer = ::csv::Writer::from_writer(BufWriter::new(file));
            writer.write_record(["file", "line", "reason", "row"]).map_err(|error| self.failed(error))?;
            self.writer = Some(writer);
        }
        match &mut self.writer {
            Some(writer) => writer.write_record(fields).map_err(|error| self.failed(error)),
            None => Err(Error::internal("no rejects file")),
        }
    }

    fn failed(&self, error: ::csv::Error) -> Error {
        Error::unavailable(format!("writing rejects to {}: {error}", self.path.display())).with_source(error)
    }
}

impl RejectSink for RejectFile {
    fn reject(&mut self, reject: Reject) -> Result<()> {
        self.write([&reject.file, &reject.line.to_string(), &reject.reason, &reject.row])?;
        self.count += 1;
        Ok(())
    }
}

/// The fields of a row as comma-separated text, for a reject; what is not UTF-8 is shown with replacement characters.
pub(super) fn row_text(fields: impl IntoIterator<Item = impl AsRef<[u8]>>) -> String {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    // Writing to memory cannot fail; a row that could not be shown is shown empty.
    let bytes = writer.write_record(fields).ok().and_then(|()| writer.into_inner().ok()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_appears_with_the_first_reject() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("rejects.csv");
        let mut none = RejectFile::create(&path);
        assert_eq!(none.finish().expect("finish"), 0);
        assert!(!path.exists());

        let mut some = RejectFile::create(&path);
        let row = row_text(["a,b", "c\nd", "e\"f"]);
        some.reject(Reject { file: "x.csv".into(), line: 7, reason: "bad".into(), row }).expect("kept");
        assert_eq!(some.count(), 1);
        assert_eq!(some.finish().expect("finish"), 1);
        let text = std::fs::read_to_string(&path).expect("text");
        assert_eq!(text, "file,line,reason,row\nx.csv,7,bad,\"\"\"a,b\"\",\"\"c\nd\"\",\"\"e\"\"\"\"f\"\"\"\n");
    }

    #[test]
    fn a_rejects_file_that_cannot_be_made_stops_the_load() {
        let folder = tempfile::tempdir().expect("folder");
        let mut file = RejectFile::create(folder.path().join("missing/rejects.csv"));
        let reject = Reject { file: "x".into(), line: 1, reason: "r".into(), row: String::new() };
        assert!(file.reject(reject).is_err());
        assert_eq!(file.count(), 0);
    }
}
