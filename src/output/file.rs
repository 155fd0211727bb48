//! Writes an answer to a file, whole or not at all: to a temporary file first, which is renamed at the end.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use datafusion::execution::SendableRecordBatchStream;
use tempfile::TempPath;

use crate::error::{Context, Error, Result};

use super::format::{Format, Options};
use super::thread::write;

/// Writes the answer to `path` and returns its number of rows. The file appears under its name when it is whole; until then,
/// and after an error or an interruption, what stood there before stands there still. What is no regular file (a named pipe,
/// `/dev/stdout`) is written directly. A new file is for its owner alone, since answers name people (a chart does not); one that is
/// written over keeps its rights.
///
/// # Errors
/// Invalid for a folder, and for a file that is there already, unless it `may_replace` it.
pub async fn write_file(stream: SendableRecordBatchStream, format: Format, path: &Path, options: &Options) -> Result<u64> {
    let path = real(path)?;
    let writing = || format!("cannot write {}", path.display());
    if path.is_dir() {
        return Err(Error::invalid(phrase!("{} is a folder; name a file in it", path.display())));
    }
    refuse_to_replace(&path, options.may_replace)?;
    if path.exists() && !path.is_file() {
        return write(stream, format, Special::Named(path.clone()), options).await.map_err(|error| with_path(error, &path));
    }
    let temporary = TemporaryFile::create(&path, format).context(writing)?;
    let sink = BufWriter::with_capacity(BUFFER_BYTES, temporary.file.try_clone().context(writing)?);
    let rows = write(stream, format, sink, options).await.map_err(|error| with_path(error, &path))?;
    temporary.keep(&path).context(writing)?;
    Ok(rows)
}

/// Refuses a file that is there already, before anything is computed for it.
///
/// # Errors
/// Invalid unless it may be replaced. What is no regular file is written to, not replaced.
pub fn refuse_to_replace(path: &Path, may_replace: bool) -> Result<()> {
    match path.is_file() && !may_replace {
        false => Ok(()),
        true => {
            Err(Error::invalid(phrase!("{} exists already: name another file, or add --force to replace it", path.display())))
        }
    }
}

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 1 << 18;

/// An error of the file's own names the file; one of the statement has nothing to do with it.
fn with_path(error: Error, path: &Path) -> Error {
    match error.is_of_io() {
        true => error.context(phrase!("cannot write {}", path.display())),
        false => error,
    }
}

/// A named pipe or the like, opened when it is first written to, by whoever writes: a pipe opens when it has a reader.
enum Special {
    Named(PathBuf),
    Open(File),
}

impl Special {
    fn open(&mut self) -> io::Result<&mut File> {
        if let Self::Named(path) = self {
            *self = Self::Open(File::options().write(true).open(path)?);
        }
        match self {
            Self::Open(file) => Ok(file),
            Self::Named(_) => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Write for Special {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.open()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.open()?.flush()
    }
}

/// A file under a temporary name in the folder of the one it will be; gone again unless kept, whoever still writes to it.
struct TemporaryFile {
    file: File,
    name: TempPath,
}

impl TemporaryFile {
    fn create(path: &Path, format: Format) -> Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = path.file_name().ok_or_else(|| Error::invalid("this names no file"))?;
        let prefix = format!(".{}.", name.to_string_lossy());
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(".part");
        // Pictures name nobody, and are made to be shown.
        #[cfg(unix)]
        if format.is_chart() {
            builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        }
        let (file, name) = builder.tempfile_in(folder)?.into_parts();
        if let Ok(there) = std::fs::metadata(path) {
            file.set_permissions(there.permissions())?;
        }
        Ok(Self { file, name })
    }

    fn keep(self, path: &Path) -> Result<()> {
        self.file.sync_all()?;
        self.name.persist(path).map_err(|error| error.error)?;
        Ok(())
    }
}

/// A link's target: renaming over a link would replace the link.
fn real(path: &Path) -> Result<PathBuf> {
    match (path.is_symlink(), path.exists()) {
        (true, true) => std::fs::canonicalize(path).context(|| phrase!("cannot follow {}", path.display())),
        (true, false) => {
            Err(Error::invalid(phrase!("{} is a link to a file that is not there; name the file itself", path.display())))
        }
        (false, _) => Ok(path.to_owned()),
    }
}
