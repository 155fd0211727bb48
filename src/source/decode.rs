//! From a file to plain UTF-8 text or to a Parquet file: compression and encoding are told by the content, never by the
//! name, because exports are renamed, unpacked halfway and mailed about.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::errors::ParquetError;
use ::parquet::file::reader::{ChunkReader, Length};
use bytes::Bytes;
use encoding_rs::{UTF_16BE, UTF_16LE, WINDOWS_1252};
use encoding_rs_io::DecodeReaderBytesBuilder;
use flate2::bufread::MultiGzDecoder;
use tempfile::TempPath;

use super::digest::Digest;
use super::inputs::Input;
use super::reading::Encoding;
use super::zip;
use crate::error::{Context, Error, Result};

/// A stream that may move to another thread.
pub(super) type Stream = Box<dyn Read + Send>;

/// Told the number of raw bytes read since the last call.
pub type Progress = Option<Arc<dyn Fn(u64) + Send + Sync>>;

/// Bytes that are looked at to tell what a stream holds.
const HEAD_BYTES: usize = 512;
const BUFFER_BYTES: usize = 128 << 10;
/// Compressed inside compressed inside …: an export is packed once or twice, anything deeper is an attack or a mistake.
const DEPTH_MAX: usize = 3;

/// One export as found, not opened yet.
pub(super) struct Found {
    /// The file, or `file!member`, for messages.
    pub name: String,
    /// The name that may tell the table; empty for standard input.
    pub file_name: String,
    /// Named outright, rather than found in a folder or zip.
    pub is_outright: bool,
    origin: Origin,
    /// How often it is packed.
    depth: usize,
}

/// Where its bytes are. Each can be read more than once, because a file is judged before its rows are believed.
#[derive(Clone)]
enum Origin {
    Path(PathBuf),
    /// What came through a pipe, or was packed inside something else, until the last of it is read.
    Copy(Arc<TempPath>),
    Member(zip::Member),
}

/// What is in it.
pub(super) enum Content {
    /// UTF-8 (as far as the file keeps its promise), without byte order mark.
    Text(Stream, Encoding),
    Parquet(Chunks),
    /// A zip's members, and the names of those that are not read.
    Members((Vec<Found>, Vec<String>)),
}

/// How something is opened.
#[derive(Default)]
pub(super) struct Opening {
    /// Told what is read.
    pub progress: Progress,
    /// The letters are Windows's, not UTF-8.
    pub windows: bool,
    /// The digest of the bytes, where they are read from one end to the other.
    pub digest: Option<Digest>,
}

/// What an input holds, and the digest of its bytes.
pub(super) fn find(input: &Input) -> Result<(Found, Digest)> {
    let found =
        |origin, file_name| Found { name: input.name.clone(), file_name, is_outright: input.is_outright, origin, depth: 0 };
    let file_name = input.path.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let (origin, path) = match (&input.copy, &input.path) {
        (Some(copy), _) => (Origin::Copy(copy.clone()), copy.to_path_buf()),
        (None, Some(path)) => (Origin::Path(path.clone()), path.clone()),
        (None, None) => return Err(Error::internal(format!("{} was not kept", input.name))),
    };
    Ok((found(origin, file_name.unwrap_or_default()), Digest::File(path)))
}

impl Found {
    /// A member of a zip.
    pub fn member(name: String, file_name: String, member: zip::Member, depth: usize) -> Self {
        Self { name, file_name, is_outright: false, origin: Origin::Member(member), depth }
    }

    /// Opens it, and looks what it holds.
    ///
    /// # Errors
    /// Invalid when it is empty, corrupt when it is damaged.
    pub fn open(&self, how: &mut Opening) -> Result<Content> {
        let opening = || format!("opening {}", self.name);
        let path: &Path = match &self.origin {
            Origin::Member(member) => {
                let stream = member.open(how.progress.clone()).context(|| &self.name)?;
                return self.sniff(stream, how.windows, self.depth);
            }
            Origin::Path(path) => path,
            Origin::Copy(path) => path,
        };
        let mut file = File::open(path).context(opening)?;
        // Parquet and zip are read from the end.
        let mut head = [0u8; 4];
        let length = fill(&mut file, &mut head).context(opening)?;
        file.seek(SeekFrom::Start(0)).context(opening)?;
        if is_zip(&head[..length]) {
            let archive = match &self.origin {
                Origin::Copy(path) => zip::Archive::Temporary(path.clone()),
                _ => zip::Archive::Path(path.to_owned()),
            };
            return zip::members(&self.name, archive, self.depth + 1).map(Content::Members);
        }
        if is_parquet(&head[..length]) {
            return Ok(Content::Parquet(Chunks { file, progress: how.progress.clone() }));
        }
        let counted = Counted { inner: file, progress: how.progress.clone() };
        let stream: Stream = match how.digest {
            Some(_) => {
                let (digest, stream) = Digest::passing(counted);
                how.digest = Some(digest);
                stream
            }
            None => Box::new(counted),
        };
        self.sniff(stream, how.windows, self.depth)
    }

    /// Unpacks and decodes until text or Parquet appears.
    fn sniff(&self, mut stream: Stream, windows: bool, depth: usize) -> Result<Content> {
        let name = &self.name;
        let mut head = vec![0u8; HEAD_BYTES];
        let length = fill(&mut stream, &mut head).map_err(|error| unreadable(name, "at its start", error))?;
        head.truncate(length);
        if head.is_empty() {
            return Err(Error::invalid(format!("{name} is empty")));
        }
        if depth > DEPTH_MAX {
            return Err(Error::invalid(format!("{name} is packed more than {DEPTH_MAX} times over: unpack it first")));
        }
        let packed = |head: Vec<u8>, stream| BufReader::with_capacity(BUFFER_BYTES, Cursor::new(head).chain(stream));
        if head.starts_with(&[0x1F, 0x8B]) {
            return self.sniff(Box::new(MultiGzDecoder::new(packed(head, stream))), windows, depth + 1);
        }
        if head.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]) {
            let decoder =
                ::zstd::stream::read::Decoder::with_buffer(packed(head, stream)).context(|| format!("unpacking {name}"))?;
            return self.sniff(Box::new(decoder), windows, depth + 1);
        }
        if is_parquet(&head) || is_zip(&head) {
            // Both are read from the end, so what was packed or is a member becomes a file of its own.
            let copy = Arc::new(copied(name, &mut Cursor::new(head).chain(stream))?);
            let unpacked = Self {
                name: name.clone(),
                file_name: self.file_name.clone(),
                is_outright: self.is_outright,
                origin: Origin::Copy(copy),
                depth: depth + 1,
            };
            return unpacked.open(&mut Opening::default());
        }
        let (utf16, mark) = encoding(&head);
        let rest = Cursor::new(head.split_off(mark)).chain(stream);
        let (from, encoding) = match (utf16, windows) {
            (Some(utf16), _) => (utf16, Encoding::Utf16),
            (None, true) => (WINDOWS_1252, Encoding::Windows1252),
            (None, false) => return Ok(Content::Text(Box::new(rest), Encoding::Utf8)),
        };
        let mut decoder = DecodeReaderBytesBuilder::new();
        let decoder = decoder.encoding(Some(from)).bom_sniffing(false);
        let decoder = decoder.build_with_buffer(rest, vec![0; BUFFER_BYTES]).context(|| format!("decoding {name}"))?;
        Ok(Content::Text(Box::new(decoder), encoding))
    }
}

/// What a stream holds, as a file of its own.
pub(super) fn copied(name: &str, stream: &mut dyn Read) -> Result<TempPath> {
    let mut file = tempfile::NamedTempFile::new().context(|| format!("making room for {name}"))?;
    copy(name, stream, &mut file)?;
    Ok(file.into_temp_path())
}

fn copy(name: &str, from: &mut dyn Read, to: &mut dyn io::Write) -> Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut position = 0u64;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return to.flush().context(|| format!("making room for {name}")),
            Ok(length) => {
                to.write_all(&buffer[..length]).context(|| format!("making room for {name}"))?;
                position += length as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(name, format_args!("after {position} bytes"), error)),
        }
    }
}

/// A stream that fails: damaged when the unpacking says so, else out of reach.
pub(super) fn unreadable(name: &str, place: impl std::fmt::Display, error: io::Error) -> Error {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    let damaged = matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof);
    let message = format!("{name}: {} {place}: {error}", if damaged { "cut off or damaged" } else { "cannot be read" });
    let error_of = if damaged { Error::corrupt } else { Error::unavailable };
    error_of(message).with_source(error)
}

fn is_parquet(head: &[u8]) -> bool {
    head.starts_with(b"PAR1")
}

fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")
}

/// UTF-16, if it is, and the length of the byte order mark.
fn encoding(head: &[u8]) -> (Option<&'static encoding_rs::Encoding>, usize) {
    match head {
        [0xEF, 0xBB, 0xBF, ..] => (None, 3),
        [0xFF, 0xFE, ..] => (Some(UTF_16LE), 2),
        [0xFE, 0xFF, ..] => (Some(UTF_16BE), 2),
        _ => {
            let header = &head[..head.iter().position(|&byte| byte == b'\n').unwrap_or(head.len())];
            let encoding = if mostly_zero(header, 1) {
                Some(UTF_16LE)
            } else if mostly_zero(header, 0) {
                Some(UTF_16BE)
            } else {
                None
            };
            (encoding, 0)
        }
    }
}

/// UTF-16 without a mark gives itself away: a header is Latin letters, so nearly every second byte of it is zero.
fn mostly_zero(head: &[u8], first: usize) -> bool {
    let zeros = |first: usize| head.iter().skip(first).step_by(2).filter(|&&byte| byte == 0).count();
    let pairs = head.len() / 2;
    pairs >= 2 && zeros(first) * 10 >= pairs * 9 && zeros(1 - first) * 10 < pairs
}

/// Reads until the buffer is full or the stream ends.
pub(super) fn fill(stream: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match stream.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// A reader that reports how much was read.
pub(super) struct Counted<R> {
    pub inner: R,
    pub progress: Progress,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        if let Some(progress) = &self.progress {
            progress(length as u64);
        }
        Ok(length)
    }
}

/// A Parquet file, read piece by piece.
pub(super) struct Chunks {
    file: File,
    progress: Progress,
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        Length::len(&self.file)
    }
}

impl ChunkReader for Chunks {
    type T = BufReader<File>;

    /// Not counted: pages' headers are read through here, with far more read ahead than they hold.
    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        ChunkReader::get_read(&self.file, start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let bytes = ChunkReader::get_bytes(&self.file, start, length)?;
        if let Some(progress) = &self.progress {
            progress(length as u64);
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(bytes: Vec<u8>) -> Result<Content> {
        let origin = Origin::Copy(Arc::new(copied("x", &mut Cursor::new(bytes))?));
        let found = Found { name: "x".to_owned(), file_name: String::new(), is_outright: true, origin, depth: 0 };
        found.open(&mut Opening::default())
    }

    fn text(bytes: Vec<u8>) -> String {
        let Content::Text(mut stream, _) = content(bytes).expect("found") else { panic!("not text") };
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("text");
        text
    }

    #[test]
    fn every_encoding() {
        let words = "Id,Name\n1,naïve 🎓\n";
        let utf16 = |order: fn(u16) -> [u8; 2]| words.encode_utf16().flat_map(order).collect::<Vec<u8>>();
        let (little, big) = (utf16(u16::to_le_bytes), utf16(u16::to_be_bytes));
        assert_eq!(text(words.into()), words);
        assert_eq!(text([b"\xEF\xBB\xBF", words.as_bytes()].concat()), words);
        assert_eq!(text([b"\xFF\xFE".as_slice(), &little].concat()), words);
        assert_eq!(text([b"\xFE\xFF".as_slice(), &big].concat()), words);
        assert_eq!(text(little), words, "without a mark");
        assert_eq!(text(big), words, "without a mark");
    }

    #[test]
    fn empty_and_overpacked() {
        let error = |bytes: Vec<u8>| content(bytes).map(|_| ()).expect_err("refused").to_string();
        assert_eq!(error(Vec::new()), "x is empty");
        let mut bytes = b"Id\n1\n".to_vec();
        for _ in 0..5 {
            let mut packed = flate2::read::GzEncoder::new(Cursor::new(bytes), flate2::Compression::fast());
            bytes = Vec::new();
            packed.read_to_end(&mut bytes).expect("packed");
        }
        assert!(error(bytes).contains("unpack it first"));
    }
}
