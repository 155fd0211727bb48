//! The digest of an input file: its size and hash, by which the same file is recognised under any name.
//!
//! Most inputs are read from one end to the other and hashed on the way. A zip or Parquet file on disk is read at random
//! positions; it is read once more at the end, from the system's cache.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use blake3::Hasher;

use super::stream::Stream;
use crate::error::{Context, Result};

/// Size and hash of an input's bytes as they are on disk or came through a pipe, packed as they are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fingerprint {
    /// How many.
    pub bytes: u64,
    /// Their blake3 hash, in hexadecimal.
    pub blake3: String,
}

impl Fingerprint {
    fn of(hasher: &Hasher) -> Self {
        Self { bytes: hasher.count(), blake3: hasher.finalize().to_hex().to_string() }
    }
}

/// Computes a fingerprint while the file is read.
pub enum Digest {
    /// Of nothing yet.
    Unread,
    /// Of a stream that is hashed as it passes.
    Passing(Arc<Mutex<Hasher>>),
    /// Of a file that is read in pieces.
    File(PathBuf),
}

impl Digest {
    /// A stream that is hashed as it passes, and its digest.
    pub(super) fn passing(inner: impl Read + Send + 'static) -> (Self, Stream) {
        let hasher = Arc::new(Mutex::new(Hasher::new()));
        (Self::Passing(hasher.clone()), Box::new(Hashed { inner, hasher }))
    }

    /// The fingerprint; of a stream, of what was read of it: to be asked when it is at its end.
    ///
    /// # Errors
    /// Unavailable when the file cannot be read again.
    pub fn finish(&self) -> Result<Fingerprint> {
        match self {
            Self::Unread => Ok(Fingerprint::of(&Hasher::new())),
            Self::Passing(hasher) => Ok(Fingerprint::of(&hasher.lock().unwrap_or_else(PoisonError::into_inner))),
            Self::File(path) => {
                let mut hasher = Hasher::new();
                File::open(path)
                    .and_then(|file| hasher.update_reader(file).map(|hasher| Fingerprint::of(hasher)))
                    .context(|| phrase!("reading {} again", path.display()))
            }
        }
    }
}

struct Hashed<R> {
    inner: R,
    hasher: Arc<Mutex<Hasher>>,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.hasher.lock().unwrap_or_else(PoisonError::into_inner).update(&buffer[..length]);
        Ok(length)
    }
}
