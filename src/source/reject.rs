//! Rejects: rows that could not be loaded, with their position and the reason.
//!
//! **Invariant**: no row is skipped silently. Every reader of exports hands each refused row to a [`RejectSink`].

use std::fs::{File, OpenOptions};
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

/// The first line of a rejects file.
pub const HEADER: &str = "file,line,reason,row\n";

/// A CSV file of rejects (file, line, reason, row), created when the first one comes.
#[derive(Debug)]
pub struct RejectFile {
    path: PathBuf,
    writer: Option<::csv::Writer<BufWriter<File>>>,
    count: u64,
}

impl RejectFile {
    /// A rejects file at this path. Nothing is written yet. The path may be an existing device or pipe, but not an existing file.
    ///
    /// # Errors
    /// Invalid when there is something of that name: it may hold rejects that somebody still needs. Not found when there is no
    /// folder to put it in.
    pub fn at(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !is_device(&path) && path.symlink_metadata().is_ok() {
            let what = format!("{} is there already: name another file for rejected rows, or move that one", path.display());
            return Err(Error::invalid(what));
        }
        if !folder.is_dir() {
            return Err(Error::not_found(phrase!("{}: no such folder to put rejected rows in", folder.display())));
        }
        Ok(Self { path, writer: None, count: 0 })
    }

    /// Opens the file, readable by its owner alone, because rejected rows are personal data.
    fn open(&self) -> Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(!is_device(&self.path));
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&self.path).map_err(|error| {
            let error = Error::from(error).context(phrase!("creating {}", self.path.display()));
            error.also("rows were rejected: say with --rejects FILE where they shall go")
        })
    }

    /// How many were kept.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Where they are kept.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Discards the rejects kept so far, because their files are read again.
    ///
    /// # Errors
    /// Unavailable when what was written cannot be taken back.
    pub fn start_over(&mut self) -> Result<()> {
        if self.writer.take().is_some() && !is_device(&self.path) {
            std::fs::remove_file(&self.path).context(|| phrase!("writing rejects to {} anew", self.path.display()))?;
        }
        self.count = 0;
        Ok(())
    }

    /// Writes the buffered rejects; returns how many there are.
    pub fn finish(&mut self) -> Result<u64> {
        if let Some(writer) = &mut self.writer {
            writer.flush().context(|| phrase!("writing rejects to {}", self.path.display()))?;
        }
        Ok(self.count)
    }

    fn write(&mut self, fields: [&str; 4]) -> Result<()> {
        if self.writer.is_none() {
            let mut writer = ::csv::Writer::from_writer(BufWriter::new(self.open()?));
            writer.write_record(["file", "line", "reason", "row"]).map_err(|error| self.failed(error))?;
            self.writer = Some(writer);
        }
        match &mut self.writer {
            Some(writer) => writer.write_record(fields).map_err(|error| self.failed(error)),
            None => Err(Error::internal("no rejects file")),
        }
    }

    fn failed(&self, error: ::csv::Error) -> Error {
        Error::unavailable(phrase!("writing rejects to {}: {error}", self.path.display())).with_source(error)
    }
}

/// Is this something that takes bytes and keeps none, such as `/dev/stderr`?
fn is_device(path: &Path) -> bool {
    path.metadata().is_ok_and(|there| !there.is_file() && !there.is_dir())
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
        let mut none = RejectFile::at(&path).expect("nothing is there");
        assert_eq!(none.finish().expect("finish"), 0);
        assert!(!path.exists());

        let mut some = RejectFile::at(&path).expect("nothing is there");
        let row = row_text(["a,b", "c\nd", "e\"f"]);
        some.reject(Reject { file: "x.csv".into(), line: 7, reason: "bad".into(), row }).expect("kept");
        assert_eq!(some.count(), 1);
        assert_eq!(some.finish().expect("finish"), 1);
        let text = std::fs::read_to_string(&path).expect("text");
        assert_eq!(text, "file,line,reason,row\nx.csv,7,bad,\"\"\"a,b\"\",\"\"c\nd\"\",\"\"e\"\"\"\"f\"\"\"\n");
    }

    #[test]
    fn a_rejects_file_replaces_nothing() {
        let folder = tempfile::tempdir().expect("folder");
        let reject = || Reject { file: "x".into(), line: 1, reason: "r".into(), row: String::new() };
        let path = folder.path().join("rejects.csv");
        let mut first = RejectFile::at(&path).expect("nothing is there");
        let mut second = RejectFile::at(&path).expect("nothing is there yet");
        first.reject(reject()).expect("kept");
        first.finish().expect("finish");
        let text = std::fs::read(&path).expect("text");
        let error = second.reject(reject()).expect_err("somebody else was first");
        assert!(error.to_string().contains("--rejects"), "{error}");
        assert_eq!(second.count(), 0);
        assert_eq!(RejectFile::at(&path).expect_err("it is there").kind(), crate::error::Kind::Invalid);
        assert_eq!(std::fs::read(&path).expect("text"), text);
        assert_eq!(RejectFile::at(folder.path()).expect_err("a folder").kind(), crate::error::Kind::Invalid);
        let missing = RejectFile::at(folder.path().join("missing/rejects.csv"));
        assert_eq!(missing.expect_err("no such folder").kind(), crate::error::Kind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn rejected_rows_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("folder");
        let mut file = RejectFile::at(folder.path().join("rejects.csv")).expect("nothing is there");
        file.reject(Reject { file: "x".into(), line: 1, reason: "r".into(), row: String::new() }).expect("kept");
        assert_eq!(std::fs::metadata(file.path()).expect("a file").permissions().mode() & 0o777, 0o600);
        let mut device = RejectFile::at("/dev/null").expect("a device");
        device.reject(Reject { file: "x".into(), line: 1, reason: "r".into(), row: String::new() }).expect("taken");
    }
}
