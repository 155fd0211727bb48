//! Opens a file as plain UTF-8 text or as Parquet. The content decides about compression and encoding, never the name, because
//! exports are renamed, unpacked halfway and mailed about.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
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
use super::stream::{BUFFER_BYTES, Counted, Progress, Stream, UNPACKED_MAX, fill, unpacked, unreadable};
use super::zip;
use crate::error::{Context, Error, Result};

/// Bytes that are looked at to tell what a stream holds.
const HEAD_BYTES: usize = 512;
/// Compressed inside compressed inside …: an export is packed once or twice, anything deeper is an attack or a mistake.
const DEPTH_MAX: usize = 3;
/// So much may be unpacked to disk however little it was.
const UNPACKED_ANYWAY: u64 = 16 << 20;

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
    /// Of a weekly export, which has all objects of the org.
    pub is_of_all: bool,
}

/// Where its bytes are. Each can be read more than once, because a file is examined before its rows are believed.
#[derive(Clone)]
enum Origin {
    Path(PathBuf),
    /// What came through a pipe, or was packed inside something else, until the last of it is read.
    Copy(Arc<TempPath>),
    Member(zip::Member),
}

/// The content of an opened file.
pub(super) enum Content {
    /// UTF-8 (as far as the file keeps its promise), without byte order mark.
    Text(Stream, Encoding),
    /// The same of JSON.
    Json(Stream, Encoding),
    Parquet(Chunks),
    /// A zip's members, and the names of those that are not read.
    Members((Vec<Found>, Vec<String>)),
}

/// The settings for opening a file.
#[derive(Default)]
pub(super) struct Opening {
    /// Told what is read.
    pub progress: Progress,
    /// The text is Windows-1252, not UTF-8.
    pub windows: bool,
    /// The digest of the bytes, where they are read from one end to the other.
    pub digest: Option<Digest>,
}

/// What an input holds, and the digest of its bytes.
pub(super) fn find(input: &Input) -> Result<(Found, Digest)> {
    let found = |origin, file_name| Found {
        name: input.name.clone(),
        file_name,
        is_outright: input.is_outright,
        origin,
        depth: 0,
        is_of_all: false,
    };
    let file_name = input.path.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let (origin, path) = match (&input.copy, &input.path) {
        (Some(copy), _) => (Origin::Copy(copy.clone()), copy.to_path_buf()),
        (None, Some(path)) => (Origin::Path(path.clone()), path.clone()),
        (None, None) => return Err(Error::internal(phrase!("{} was not kept", input.name))),
    };
    Ok((found(origin, file_name.unwrap_or_default()), Digest::File(path)))
}

impl Found {
    /// A member of a zip.
    fn member((name, file_name, member): zip::Named, depth: usize) -> Self {
        let is_of_all = member.is_of_weekly_export();
        Self { name, file_name, is_outright: false, origin: Origin::Member(member), depth, is_of_all }
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
            let (members, others) = zip::members(&self.name, archive)?;
            let members = members.into_iter().map(|member| Self::member(member, self.depth + 1)).collect();
            return Ok(Content::Members((members, others)));
        }
        if is_parquet(&head[..length]) {
            return Ok(Content::Parquet(Chunks { file: Arc::new(file), progress: how.progress.clone() }));
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

    /// Bytes of it as it lies there.
    fn packed_bytes(&self) -> Result<u64> {
        let path: &Path = match &self.origin {
            Origin::Member(member) => return Ok(member.packed_bytes()),
            Origin::Path(path) => path,
            Origin::Copy(path) => path,
        };
        Ok(path.metadata().context(|| phrase!("opening {}", self.name))?.len())
    }

    /// Unpacks and decodes until text or Parquet appears.
    fn sniff(&self, mut stream: Stream, windows: bool, depth: usize) -> Result<Content> {
        let name = &self.name;
        let mut head = vec![0u8; HEAD_BYTES];
        let length = fill(&mut stream, &mut head).map_err(|error| unreadable(name, "at its start", error))?;
        head.truncate(length);
        if head.is_empty() {
            return Err(Error::invalid(phrase!("{name} is empty")));
        }
        if depth > DEPTH_MAX {
            return Err(Error::invalid(phrase!("{name} is packed more than {DEPTH_MAX} times over: unpack it first")));
        }
        let packed = |head: Vec<u8>, stream| BufReader::with_capacity(BUFFER_BYTES, Cursor::new(head).chain(stream));
        if head.starts_with(&[0x1F, 0x8B]) {
            return self.sniff(Box::new(MultiGzDecoder::new(packed(head, stream))), windows, depth + 1);
        }
        if head.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]) {
            let decoder =
                ::zstd::stream::read::Decoder::with_buffer(packed(head, stream)).context(|| phrase!("unpacking {name}"))?;
            return self.sniff(Box::new(decoder), windows, depth + 1);
        }
        if head.starts_with(b"PARE") {
            return Err(Error::invalid(phrase!("{name} is Parquet, encrypted: write it without encryption")));
        }
        if is_parquet(&head) || is_zip(&head) {
            // Both are read from the end, so what was packed or is a member becomes a file of its own.
            let most = self.packed_bytes()?.saturating_mul(UNPACKED_MAX).max(UNPACKED_ANYWAY);
            let copy = Arc::new(unpacked(name, &mut Cursor::new(head).chain(stream), most)?);
            let inner = Self {
                name: name.clone(),
                file_name: self.file_name.clone(),
                is_outright: self.is_outright,
                origin: Origin::Copy(copy),
                depth: depth + 1,
                is_of_all: self.is_of_all,
            };
            return inner.open(&mut Opening::default());
        }
        let (utf16, mark) = encoding(&head);
        let content = if is_json(&head[mark..]) { Content::Json } else { Content::Text };
        let rest = Cursor::new(head.split_off(mark)).chain(stream);
        let (from, encoding) = match (utf16, windows) {
            (Some(utf16), _) => (utf16, Encoding::Utf16),
            (None, true) => (WINDOWS_1252, Encoding::Windows1252),
            (None, false) => return Ok(content(Box::new(rest), Encoding::Utf8)),
        };
        let mut decoder = DecodeReaderBytesBuilder::new();
        let decoder = decoder.encoding(Some(from)).bom_sniffing(false);
        let decoder = decoder.build_with_buffer(rest, vec![0; BUFFER_BYTES]).context(|| phrase!("decoding {name}"))?;
        Ok(content(Box::new(decoder), encoding))
    }
}

fn is_parquet(head: &[u8]) -> bool {
    head.starts_with(b"PAR1")
}

fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")
}

/// Does a text, in whatever encoding, begin as objects or a list of them do?
fn is_json(head: &[u8]) -> bool {
    let mut marks = head.iter().filter(|byte| **byte != 0 && !byte.is_ascii_whitespace());
    let (first, second) = (marks.next(), marks.next());
    match first {
        Some(b'{') => matches!(second, Some(b'"' | b'}')),
        Some(b'[') => matches!(second, Some(b'{' | b'[' | b']' | b'"')),
        _ => false,
    }
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

/// A Parquet file, read piece by piece.
pub(super) struct Chunks {
    file: Arc<File>,
    progress: Progress,
}

impl Chunks {
    /// The same file, read without progress reports.
    pub fn without_progress(&self) -> Self {
        Self { file: self.file.clone(), progress: None }
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        Length::len(self.file.as_ref())
    }
}

impl ChunkReader for Chunks {
    type T = BufReader<File>;

    /// Not counted: pages' headers are read through here, with far more read ahead than they hold.
    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        ChunkReader::get_read(self.file.as_ref(), start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let bytes = ChunkReader::get_bytes(self.file.as_ref(), start, length)?;
        if let Some(progress) = &self.progress {
            progress(length as u64);
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::super::stream::copied;
    use super::*;

    fn content(bytes: Vec<u8>) -> Result<Content> {
        let origin = Origin::Copy(Arc::new(copied("x", &mut Cursor::new(bytes))?));
        let found =
            Found { name: "x".to_owned(), file_name: String::new(), is_outright: true, origin, depth: 0, is_of_all: false };
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

    #[test]
    fn what_says_it_is_parquet_and_unpacks_without_end_takes_no_disk() {
        let endless = Cursor::new(b"PAR1").chain(io::repeat(0).take(1 << 30));
        let mut bytes = Vec::new();
        let mut packed = flate2::read::GzEncoder::new(endless, flate2::Compression::fast());
        packed.read_to_end(&mut bytes).expect("packed");
        let error = content(bytes).map(|_| ()).expect_err("refused").to_string();
        assert!(error.contains("would unpack to more than") && error.contains("over 100 times its size"), "{error}");
    }
}
