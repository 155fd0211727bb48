//! Removes rows that name an erased person from the rejects files on this machine; all other rows stay byte for byte.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Result};
use crate::record::id::SfId;
use crate::record::mention::{names_address, names_id};

/// The header of a rejects file.
const HEADER: [&[u8]; 4] = [b"file", b"line", b"reason", b"row"];

/// The ids and addresses by which a row names a person.
#[derive(Clone, Debug, Default)]
pub struct Identifiers {
    /// All ids of the people.
    pub ids: BTreeSet<SfId>,
    /// Their addresses, in lower case.
    pub addresses: BTreeSet<String>,
}

impl Identifiers {
    /// Does a text name any of them, whole? Ids count in either form, cut off after the fifteenth character, and with their case
    /// destroyed; addresses also as links write them.
    pub fn occur_in(&self, text: &str) -> bool {
        if self.ids.iter().any(|id| names_id(text.as_bytes(), id.as_str15().as_bytes())) {
            return true;
        }
        let words = text.split(|c: char| !c.is_ascii_alphanumeric());
        if words.filter_map(|word| SfId::parse(word).ok()).any(|id| self.ids.contains(&id)) {
            return true;
        }
        let small = text.to_lowercase();
        let names = |address: &str| names_address(small.as_bytes(), address.as_bytes());
        self.addresses.iter().any(|address| names(address) || names(&address.replace('@', "%40")))
    }
}

/// The rejects files that paths name: a file outright, of a folder those among its CSV files that are rejects files.
///
/// # Errors
/// Not found when a path names nothing; invalid when a file named outright is no rejects file.
pub fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        let about = std::fs::metadata(path).context(|| phrase!("cannot read {}", path.display()))?;
        if !about.is_dir() {
            if !is_rejects(path)? {
                return Err(Error::invalid(phrase!(
                    "{} is no rejects file: its columns are not file, line, reason, row",
                    path.display()
                )));
            }
            files.push(path.clone());
            continue;
        }
        let doing = || format!("cannot list {}", path.display());
        for entry in std::fs::read_dir(path).context(doing)? {
            let file = entry.context(doing)?.path();
            if file.extension().is_some_and(|extension| extension == "csv") && file.is_file() && is_rejects(&file)? {
                files.push(file);
            }
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

fn is_rejects(path: &Path) -> Result<bool> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(path).map_err(|error| unreadable(path, error))?;
    Ok(reader.byte_headers().map_err(|error| unreadable(path, error))?.iter().eq(HEADER))
}

/// How many rows of a rejects file name any of the people; with `remove`, they go, and the file takes its new form at one moment.
pub fn filter_rejects(path: &Path, identifiers: &Identifiers, remove: bool) -> Result<u64> {
    let bytes = std::fs::read(path).context(|| phrase!("cannot read {}", path.display()))?;
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes.as_slice());
    reader.byte_headers().map_err(|error| unreadable(path, error))?;
    let mut starts = Vec::new();
    let mut removed = Vec::new();
    for record in reader.byte_records() {
        let record = record.map_err(|error| unreadable(path, error))?;
        let start = record.position().map(csv::Position::byte);
        let start = start.ok_or_else(|| Error::internal("a record without position"))? as usize;
        // Of a CR LF the reader takes the second half for the next record's.
        let breaks = bytes[start..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        starts.push(start + breaks);
        removed.push(record.iter().any(|field| identifiers.occur_in(&String::from_utf8_lossy(field))));
    }
    let gone = removed.iter().filter(|removed| **removed).count() as u64;
    if gone == 0 || !remove {
        return Ok(gone);
    }
    let mut kept = bytes[..starts[0]].to_vec();
    for (at, start) in starts.iter().enumerate().filter(|(at, _)| !removed[*at]) {
        kept.extend_from_slice(&bytes[*start..starts.get(at + 1).copied().unwrap_or(bytes.len())]);
    }
    replace(path, &kept).context(|| phrase!("cannot write {}", path.display()))?;
    Ok(gone)
}

fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(bytes)?;
    new.as_file().set_permissions(std::fs::metadata(path)?.permissions())?;
    new.as_file().sync_all()?;
    new.persist(path).map_err(|error| Error::from(error.error))?;
    Ok(std::fs::File::open(folder)?.sync_all()?)
}

fn unreadable(path: &Path, error: csv::Error) -> Error {
    Error::corrupt(phrase!("cannot read {}: {error}", path.display())).with_source(error)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_name_somebody_go_and_others_stay_byte_for_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rejects.csv");
        let id = SfId::parse("003f40000000001").unwrap();
        let identifiers = Identifiers { ids: BTreeSet::from([id]), addresses: BTreeSet::from(["ana@example.edu".to_owned()]) };
        let lines = [
            "file,line,reason,row\n",
            "a.csv,1,bad id,\"003f40000000001AA,x\"\n",
            "a.csv,2,bad date,\"1,\"\"003f40000000001AAA\"\",x\n2\"\r\n",
            "a.csv,3,bad date,ANA@Example.edu\n",
            "a.csv,4,\"two\nlines\",\"003f40000000002AAA\"\r\n",
            "a.csv,5,upper,003F40000000001AAA\n",
            "a.csv,6,other,003f4000000000\n",
            "a.csv,7,other,\"jan@x.edu,ana@example.education\"\n",
            "a.csv,8,other,dan+ana@example.edu\n",
            "a.csv,9,other,1003f40000000001\n",
            "a.csv,10,link,https://x.edu/?to=ana%40example.edu\n",
            "a.csv,11,quoted,Ana <'ana@example.edu'>",
        ];
        std::fs::write(&path, lines.concat()).unwrap();
        assert_eq!(files(&[folder.path().to_owned()]).unwrap(), std::slice::from_ref(&path));
        assert_eq!(filter_rejects(&path, &identifiers, false).unwrap(), 6);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), lines.concat(), "looking changes nothing");
        assert_eq!(filter_rejects(&path, &identifiers, true).unwrap(), 6);
        let others = [lines[0], lines[4], lines[6], lines[7], lines[8], lines[9]];
        assert_eq!(std::fs::read_to_string(&path).unwrap(), others.concat());
        assert_eq!(filter_rejects(&path, &identifiers, true).unwrap(), 0);
        std::fs::write(&path, "id,name\n1,x\n").unwrap();
        assert!(files(&[folder.path().to_owned()]).unwrap().is_empty(), "others in a folder are passed over");
        assert!(files(&[path]).unwrap_err().to_string().contains("no rejects file"));
    }
}
