//! An answer in a file: whole or not at all.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use datafusion::execution::SendableRecordBatchStream;

use crate::error::{Context, Error, Result};

use super::{Format, Options, write};

/// Writes the answer to `path` and returns its number of rows. The file appears under its name when it is whole; until then,
/// and after an error or an interruption, what stood there before stands there still. What is no regular file (a named pipe,
/// `/dev/stdout`) is written directly.
pub async fn write_file(stream: SendableRecordBatchStream, format: Format, path: &Path, options: &Options) -> Result<u64> {
    let path = real(path)?;
    let writing = || format!("cannot write {}", path.display());
    if path.is_dir() {
        return Err(Error::invalid(format!("{} is a folder; name a file in it", path.display())));
    }
    if path.exists() && !path.is_file() {
        let mut special = std::fs::OpenOptions::new().write(true).open(&path).context(writing)?;
        return write(stream, format, &mut special, options).await;
    }
    let mut beside = Beside::create(&path).context(writing)?;
    let rows = write(stream, format, &mut beside.file, options).await?;
    beside.keep(&path).context(writing)?;
    Ok(rows)
}

/// A file under a temporary name in the folder of the one it will be; gone again unless kept.
struct Beside {
    file: BufWriter<tempfile::NamedTempFile>,
}

impl Beside {
    fn create(path: &Path) -> Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = path.file_name().ok_or_else(|| Error::invalid("this names no file"))?;
        let prefix = format!(".{}.", name.to_string_lossy());
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(".part");
        // As any new file of the user's; temporary files are for their owner alone otherwise.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        Ok(Self { file: BufWriter::with_capacity(1 << 18, builder.tempfile_in(folder)?) })
    }

    fn keep(self, path: &Path) -> Result<()> {
        let mut file = self.file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.flush()?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }
}

/// A link's target: renaming over a link would replace the link.
fn real(path: &Path) -> Result<PathBuf> {
    if path.is_symlink() && path.exists() {
        return std::fs::canonicalize(path).context(|| format!("cannot follow {}", path.display()));
    }
    Ok(path.to_owned())
}
