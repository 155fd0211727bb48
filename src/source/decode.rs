//! From a file to plain UTF-8 text or to a Parquet file: compression and encoding are told by the content, never by the
//! name, because exports are renamed, unpacked halfway and mailed about.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::sync::Arc;

use ::parquet::errors::ParquetError;
use ::parquet::file::reader::{ChunkReader, Length};
use bytes::Bytes;
use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};
use encoding_rs_io::DecodeReaderBytesBuilder;
use flate2::bufread::MultiGzDecoder;

use super::digest::Digest;
use super::inputs::Input;
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

/// One export as found.
pub(super) struct Found {
    /// The file, or `file!member`, for messages.
    pub name: String,
    /// The name that may tell the table; empty for standard input.
    pub file_name: String,
    pub content: Content,
}

pub(super) enum Content {
    /// UTF-8 (as far as the file keeps its promise), without byte order mark.
    Text(Stream),
    Parquet(Chunks),
    /// A member of a zip that is opened when it is its turn.
    Packed(zip::Member),
}

/// What an input holds (one export, or one for each member of a zip), and the digest of its bytes.
pub(super) fn find(input: &Input, progress: &Progress) -> Result<(Vec<Found>, Digest)> {
    let Some(path) = &input.path else {
        let (digest, stream) = Digest::passing(io::stdin());
        return Ok((read(&input.name, stream, progress)?, digest));
    };
    let file = File::open(path).context(|| format!("opening {}", input.name))?;
    let file_name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // Parquet and zip are read from the end: a real file need not be copied for that, a pipe must.
    if input.bytes.is_some() {
        let mut head = [0u8; 4];
        let mut file = &file;
        let length = fill(&mut file, &mut head).context(|| format!("reading {}", input.name))?;
        file.seek(SeekFrom::Start(0)).context(|| format!("reading {}", input.name))?;
        if is_zip(&head[..length]) {
            let members = zip::members(&input.name, zip::Archive::Path(path.clone()), progress, 0)?;
            return Ok((members, Digest::File(path.clone())));
        }
        if is_parquet(&head[..length]) {
            let chunks =
                Chunks { file: file.try_clone().context(|| format!("opening {}", input.name))?, progress: progress.clone() };
            let found = Found { name: input.name.clone(), file_name, content: Content::Parquet(chunks) };
            return Ok((vec![found], Digest::File(path.clone())));
        }
    }
    let (digest, stream) = Digest::passing(Counted { inner: file, progress: progress.clone() });
    Ok((sniff(&input.name, &file_name, stream, 0)?, digest))
}

/// What a stream without a name holds, such as standard input.
pub(super) fn read(name: &str, stream: Stream, progress: &Progress) -> Result<Vec<Found>> {
    sniff(name, "", Box::new(Counted { inner: stream, progress: progress.clone() }), 0)
}

/// Unpacks and decodes until text or Parquet appears.
pub(super) fn sniff(name: &str, file_name: &str, mut stream: Stream, depth: usize) -> Result<Vec<Found>> {
    let mut head = vec![0u8; HEAD_BYTES];
    let length = fill(&mut stream, &mut head).map_err(|error| unreadable(name, "at its start", error))?;
    head.truncate(length);
    if head.is_empty() {
        return Err(Error::invalid(format!("{name} is empty")));
    }
    if depth > DEPTH_MAX {
        return Err(Error::invalid(format!("{name} is packed more than {DEPTH_MAX} times over: unpack it first")));
    }
    if head.starts_with(&[0x1F, 0x8B]) {
        let packed = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(head).chain(stream));
        return sniff(name, file_name, Box::new(MultiGzDecoder::new(packed)), depth + 1);
    }
    let found = |content| vec![Found { name: name.to_owned(), file_name: file_name.to_owned(), content }];
    if is_parquet(&head) {
        let mut file = tempfile::tempfile().context(|| format!("making room for {name}"))?;
        copy(name, &mut Cursor::new(head).chain(stream), &mut file)?;
        return Ok(found(Content::Parquet(Chunks { file, progress: None })));
    }
    if is_zip(&head) {
        let mut file = tempfile::NamedTempFile::new().context(|| format!("making room for {name}"))?;
        copy(name, &mut Cursor::new(head).chain(stream), &mut file)?;
        return zip::members(name, zip::Archive::Temporary(file.into_temp_path()), &None, depth + 1);
    }
    let (encoding, mark) = encoding(&head);
    let rest = Cursor::new(head.split_off(mark)).chain(stream);
    Ok(found(Content::Text(match encoding {
        None => Box::new(rest),
        Some(encoding) => {
            let mut decoder = DecodeReaderBytesBuilder::new();
            let decoder = decoder.encoding(Some(encoding)).bom_sniffing(false);
            Box::new(decoder.build_with_buffer(rest, vec![0; BUFFER_BYTES]).context(|| format!("decoding {name}"))?)
        }
    })))
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

/// The encoding (`None` is UTF-8) and the length of the byte order mark.
fn encoding(head: &[u8]) -> (Option<&'static Encoding>, usize) {
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

    fn text(bytes: Vec<u8>) -> String {
        let mut found = read("test", Box::new(Cursor::new(bytes)), &None).expect("found");
        let Content::Text(mut stream) = found.remove(0).content else { panic!("not text") };
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
        let error = |bytes: Vec<u8>| read("x", Box::new(Cursor::new(bytes)), &None).map(|_| ()).expect_err("refused").to_string();
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
