//! Writes lists of ids for Data Loader: under hidden names first, synced, and only then renamed to their own.
//!
//! A list has a header and one row a line. A file has at most five million rows, because one of Data Loader's jobs takes no more.
//! With an id of 18 characters a line, that is below the 100 MB that the Bulk API allows for an upload.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{Context, Error, Result};
use crate::record::id::SfId;

/// Rows of a list.
const LIST_ROWS: u64 = 5_000_000;

/// The header of a list of ids.
pub const IDS: &str = "Id";

/// Lists being written.
pub struct Lists {
    out: PathBuf,
    header: String,
    parts: Vec<Part>,
    rows_per_list: u64,
    rows: u64,
}

struct Part {
    file: BufWriter<NamedTempFile>,
    rows: u64,
}

/// Refuses to write over what is there: an earlier list may not have been used yet.
pub fn refuse_existing(out: &Path) -> Result<()> {
    if out.is_dir() {
        return Err(Error::invalid(phrase!("{} is a folder; name a file in it", out.display())));
    }
    for path in [out.to_owned(), numbered(out, 1)?] {
        if path.exists() {
            return Err(Error::invalid(phrase!("{} is there already: name a new file, an earlier list stays", path.display())));
        }
    }
    Ok(())
}

/// `ids.csv` as `ids-2.csv`.
fn numbered(out: &Path, number: usize) -> Result<PathBuf> {
    let stem = out.file_stem().ok_or_else(|| Error::invalid(phrase!("{} names no file", out.display())))?;
    let mut name = format!("{}-{number}", stem.to_string_lossy());
    if let Some(ending) = out.extension() {
        name = format!("{name}.{}", ending.to_string_lossy());
    }
    Ok(out.with_file_name(name))
}

fn folder_of(out: &Path) -> &Path {
    out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Lists {
    /// Lists under this header, which will be at `out` or, where they are several, beside it.
    ///
    /// # Errors
    /// Invalid when there is one already.
    pub fn create(out: &Path, header: &str) -> Result<Self> {
        refuse_existing(out)?;
        let (out, header) = (out.to_owned(), header.to_owned());
        Ok(Self { out, header, parts: Vec::new(), rows_per_list: LIST_ROWS, rows: 0 })
    }

    /// Rows in all lists.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    fn writing(&self) -> String {
        format!("cannot write {}", self.out.display())
    }

    fn begin(&self) -> Result<Part> {
        let name = self.out.file_name().unwrap_or_default().to_string_lossy();
        let prefix = format!(".{name}.");
        let mut builder = tempfile::Builder::new();
        // It names people, and stays what a temporary file is: for its owner alone.
        builder.prefix(&prefix).suffix(".part");
        let file = builder.tempfile_in(folder_of(&self.out)).context(|| self.writing())?;
        let mut file = BufWriter::with_capacity(1 << 18, file);
        writeln!(file, "{}", self.header).context(|| self.writing())?;
        Ok(Part { file, rows: 0 })
    }

    /// Writes ids behind those there are.
    pub fn write(&mut self, ids: &[SfId]) -> Result<()> {
        ids.iter().try_for_each(|id| self.write_row(id.as_str()))
    }

    /// Writes a row behind those there are; a list's row has no line break.
    pub fn write_row(&mut self, row: &str) -> Result<()> {
        if self.parts.last().is_none_or(|part| part.rows == self.rows_per_list) {
            let part = self.begin()?;
            self.parts.push(part);
        }
        let writing = self.writing();
        let part = self.parts.last_mut().ok_or_else(|| Error::internal("a list just begun is missing"))?;
        part.file.write_all(row.as_bytes()).and_then(|()| part.file.write_all(b"\n")).context(|| writing)?;
        part.rows += 1;
        self.rows += 1;
        Ok(())
    }

    /// Makes sure that what was written is on the disk.
    pub fn sync(&mut self) -> Result<()> {
        let writing = self.writing();
        for part in &mut self.parts {
            part.file.flush().and_then(|()| part.file.get_ref().as_file().sync_all()).context(|| writing.clone())?;
        }
        Ok(())
    }

    /// The ids as they were written, some at a time.
    pub fn chunks(&self, at_once: usize) -> Result<impl Iterator<Item = Result<Vec<SfId>>> + use<>> {
        let files = self.parts.iter().map(|part| Ok(part.file.get_ref().reopen()?)).collect::<Result<Vec<File>>>();
        let files = files.context(|| phrase!("cannot read back the list for {}", self.out.display()))?;
        let lines = files.into_iter().flat_map(|file| BufReader::with_capacity(1 << 18, file).lines().skip(1));
        let mut ids = lines.map(|line| {
            let line = line?;
            SfId::parse(&line).map_err(|error| Error::corrupt(phrase!("the list does not hold what was written: {error}")))
        });
        Ok(std::iter::from_fn(move || {
            let chunk: Result<Vec<SfId>> = ids.by_ref().take(at_once).collect();
            (!matches!(&chunk, Ok(chunk) if chunk.is_empty())).then_some(chunk)
        }))
    }

    /// Writes the lists anew with only the ids marked.
    pub fn keep_only(&mut self, marked: &[bool]) -> Result<()> {
        let (out, header) = (self.out.clone(), self.header.clone());
        let mut kept = Self { out, header, parts: Vec::new(), rows_per_list: self.rows_per_list, rows: 0 };
        let mut marks = marked.iter();
        for chunk in self.chunks(64 * 1024)? {
            let chunk: Vec<SfId> = chunk?.into_iter().zip(marks.by_ref()).filter(|(_, mark)| **mark).map(|(id, _)| id).collect();
            kept.write(&chunk)?;
        }
        kept.sync()?;
        *self = kept;
        Ok(())
    }

    /// Gives the lists their names: the one asked for, or that with numbers where there are several. Nothing is written over.
    pub fn hand_out(self) -> Result<Vec<PathBuf>> {
        let several = self.parts.len() > 1;
        let mut handed = Vec::with_capacity(self.parts.len());
        for (at, part) in self.parts.into_iter().enumerate() {
            let path = if several { numbered(&self.out, at + 1)? } else { self.out.clone() };
            let writing = || format!("cannot write {}", path.display());
            let file = part.file.into_inner().map_err(std::io::IntoInnerError::into_error).context(writing)?;
            file.persist_noclobber(&path).map_err(|error| error.error).context(writing)?;
            handed.push(path);
        }
        if !handed.is_empty() {
            let folder = folder_of(&self.out);
            File::open(folder).and_then(|folder| folder.sync_all()).context(|| phrase!("cannot sync {}", folder.display()))?;
        }
        Ok(handed)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn ids(numbers: std::ops::Range<u32>) -> Vec<SfId> {
        numbers.map(|number| SfId::parse(&format!("a0Df4{number:010}")).unwrap()).collect()
    }

    fn lines(path: &Path) -> Vec<String> {
        std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn long_lists_are_split_and_numbered() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("ids.csv");
        let mut lists = Lists { rows_per_list: 4, ..Lists::create(&out, IDS).unwrap() };
        lists.write(&ids(0..3)).unwrap();
        lists.write(&ids(3..10)).unwrap();
        lists.sync().unwrap();
        let read: Vec<Vec<SfId>> = lists.chunks(7).unwrap().map(Result::unwrap).collect();
        assert_eq!(read, [ids(0..7), ids(7..10)]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3, "under hidden names");
        assert!(!out.exists());
        lists.keep_only(&[true, true, false, true, true, true, false, true, true, true]).unwrap();
        assert_eq!(lists.rows(), 8);
        let handed = lists.hand_out().unwrap();
        assert_eq!(handed, [1, 2].map(|number| folder.path().join(format!("ids-{number}.csv"))));
        assert_eq!(lines(&handed[0])[..2], ["Id".to_owned(), ids(0..1)[0].to_string()]);
        assert_eq!((lines(&handed[0]).len(), lines(&handed[1]).len()), (5, 5));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing hidden is left");
        assert!(Lists::create(&out, IDS).is_err(), "an earlier list stays");
        assert!(Lists::create(&handed[1], IDS).is_err() && Lists::create(folder.path(), IDS).is_err());
    }

    #[test]
    fn a_list_without_ids_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut lists = Lists::create(&folder.path().join("ids"), IDS).unwrap();
        lists.sync().unwrap();
        assert_eq!(lists.hand_out().unwrap(), Vec::<PathBuf>::new());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let two = Lists { rows_per_list: 1, ..Lists::create(&folder.path().join("ids"), IDS).unwrap() };
        assert_eq!(numbered(&two.out, 2).unwrap(), folder.path().join("ids-2"));
    }
}
