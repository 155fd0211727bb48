//! The members of a zip, each as a stream of its own: nothing is unpacked to disk.
//!
//! A member is opened when it is its turn to be read, so that a zip of thousands takes no more memory and no more open files
//! than a zip of one.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ::zip::{CompressionMethod, ZipArchive};
use flate2::Crc;
use flate2::read::DeflateDecoder;

use super::inputs::{has_known_ending, is_hidden};
use super::stream::{Counted, Progress, Stream};
use crate::error::{Context, Error, Result};

/// The zip file; a temporary copy is deleted when its last member is read.
pub(super) enum Archive {
    Path(PathBuf),
    Temporary(Arc<tempfile::TempPath>),
}

impl Archive {
    fn path(&self) -> &Path {
        match self {
            Self::Path(path) => path,
            Self::Temporary(path) => path,
        }
    }
}

/// A zip that is open; its members share the one handle, and each knows where in it it is.
struct Zip {
    file: Mutex<File>,
    /// Keeps a temporary copy in place while it is read.
    _archive: Archive,
    /// Is it one of the zips that Salesforce writes each week, of all objects of the org?
    is_weekly: bool,
}

/// A member, with its full name and its file's.
pub(super) type Named = (String, String, Member);

/// How the names of the weekly export's zips begin: then comes the org's id, and a number.
const WEEKLY: &str = "WE_00D";

/// The exports in a zip, none of them opened yet: the members with a known ending, or, where none has one, all of them. And the
/// names of the others.
pub(super) fn members(name: &str, archive: Archive) -> Result<(Vec<Named>, Vec<String>)> {
    let opening = || format!("opening {name}");
    let damaged = |error: ::zip::result::ZipError| Error::corrupt(phrase!("{name}: not a whole zip: {error}")).with_source(error);
    let file = File::open(archive.path()).context(opening)?;
    let mut index = ZipArchive::new(file.try_clone().context(opening)?).map_err(damaged)?;
    let mut entries = Vec::new();
    for at in 0..index.len() {
        let file = index.by_index_raw(at).map_err(damaged)?;
        let member = file.name().map_err(damaged)?.into_owned();
        if member == "[Content_Types].xml" {
            return Err(Error::invalid(phrase!("{name} is an Excel workbook: save it as CSV UTF-8 and load that")));
        }
        if file.is_file() && !member.split('/').any(is_hidden) {
            let start = file.data_start().ok_or_else(|| Error::corrupt(phrase!("{name}: {member} has no data")))?;
            let (method, encrypted) = (file.compression(), file.encrypted());
            let sizes = (file.compressed_size(), file.size(), file.crc32());
            entries.push(Entry { member, start, method, encrypted, sizes });
        }
    }
    let mut others = Vec::new();
    if entries.iter().any(|entry| has_known_ending(&entry.member)) {
        others.extend(
            entries.extract_if(.., |entry| !has_known_ending(&entry.member)).map(|entry| format!("{name}!{}", entry.member)),
        );
    }
    if entries.is_empty() {
        return Err(Error::invalid(phrase!("{name} holds no files")));
    }
    entries.sort_by(|one, other| one.member.cmp(&other.member));
    let is_weekly = name.rsplit(['/', '\\', '!']).next().is_some_and(|name| name.starts_with(WEEKLY));
    let zip = Arc::new(Zip { file: Mutex::new(file), _archive: archive, is_weekly });
    let found = |entry: Entry| {
        let full = format!("{name}!{}", entry.member);
        // What cannot be read is reported before anything is read.
        entry.check().context(|| &full)?;
        let file_name = entry.member.rsplit('/').next().unwrap_or_default().to_owned();
        Ok((full, file_name, Member { entry: Arc::new(entry), zip: zip.clone() }))
    };
    Ok((entries.into_iter().map(found).collect::<Result<_>>()?, others))
}

/// A place in a zip. Handles that are cloned have one position between them, and a member is examined while it waits to be read.
struct Place {
    zip: Arc<Zip>,
    at: u64,
}

impl Read for Place {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut file = self.zip.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.at))?;
        let length = file.read(buffer)?;
        self.at += length as u64;
        Ok(length)
    }
}

/// A member, which can be opened more than once.
#[derive(Clone)]
pub(super) struct Member {
    entry: Arc<Entry>,
    zip: Arc<Zip>,
}

impl Member {
    /// Does it stand among all objects of an org?
    pub fn is_of_weekly_export(&self) -> bool {
        self.zip.is_weekly
    }

    /// Bytes of it as it is packed.
    pub fn packed_bytes(&self) -> u64 {
        self.entry.sizes.0
    }

    /// Its bytes, unpacked.
    pub fn open(&self, progress: Progress) -> Result<Stream> {
        self.entry.open(self.zip.clone(), progress)
    }
}

struct Entry {
    member: String,
    start: u64,
    method: CompressionMethod,
    encrypted: bool,
    /// Packed size, unpacked size, checksum.
    sizes: (u64, u64, u32),
}

impl Entry {
    /// Can it be read at all?
    fn check(&self) -> Result<()> {
        if self.encrypted {
            return Err(Error::invalid("protected by a password: unpack it first"));
        }
        match self.method {
            CompressionMethod::Stored | CompressionMethod::Deflated => Ok(()),
            other => Err(Error::invalid(phrase!("packed with {other}, which is not read: unpack it first"))),
        }
    }

    fn open(&self, zip: Arc<Zip>, progress: Progress) -> Result<Stream> {
        let (packed, size, crc32) = self.sizes;
        let raw = Counted { inner: Place { zip, at: self.start }, progress }.take(packed);
        let inner: Stream = match self.method {
            CompressionMethod::Stored => Box::new(raw),
            _ => Box::new(DeflateDecoder::new(raw)),
        };
        Ok(Box::new(Checked { inner, crc: Crc::new(), size, crc32, read: 0 }))
    }
}

/// A member that says at its end whether it was all there.
struct Checked {
    inner: Stream,
    crc: Crc,
    size: u64,
    crc32: u32,
    read: u64,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.crc.update(&buffer[..length]);
        self.read += length as u64;
        if length == 0 && !buffer.is_empty() && (self.read != self.size || self.crc.sum() != self.crc32) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the zip member's size or checksum does not fit"));
        }
        Ok(length)
    }
}
