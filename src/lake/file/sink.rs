//! Writes a file to the store while it is being made: complete row groups are uploaded, hashed and checksummed. At the end the
//! checksums ([`super::checksums`]) and the appendix ([`super::appendix`]) are written before the footer.

use std::sync::Arc;

use bytes::Bytes;
use object_store::ObjectStore;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use parquet::file::metadata::{KeyValue, RowGroupMetaData};
use tokio::io::AsyncWriteExt;

use super::appendix::Place;
use super::checksums::{ChecksumsBuilder, Tail};
use super::rare::RareRows;
use super::rollup::Rollup;
use super::tags;
use crate::error::{Error, Result};

/// Bytes collected before a part is sent.
const PART_BYTES: usize = 8 << 20;

/// The file.
pub(crate) struct Sink {
    inner: BufWriter,
    hasher: blake3::Hasher,
    bytes: u64,
    summing: ChecksumsBuilder,
    rollup: Option<Place>,
    rare: Option<Place>,
}

/// The appendix of a file: its rollup and its rare rows.
#[derive(Debug)]
pub(crate) struct FileExtras {
    pub rollup: Option<Rollup>,
    pub rare: Option<RareRows>,
}

/// The size and the hashes of a file, for its log entry.
#[derive(Clone, Debug)]
pub(crate) struct Digest {
    /// blake3 hash of all of them, in hexadecimal.
    pub blake3: String,
    /// How many.
    pub bytes: u64,
    /// What proves the end.
    pub tail: Tail,
    /// Where its rollup is, if it has one.
    pub rollup: Option<Place>,
    /// Where its rare rows are, if any are kept.
    pub rare: Option<Place>,
}

impl Sink {
    /// A new file.
    pub fn new(store: Arc<dyn ObjectStore>, location: Path) -> Self {
        Self {
            inner: BufWriter::with_capacity(store, location, PART_BYTES),
            hasher: blake3::Hasher::new(),
            bytes: 0,
            summing: ChecksumsBuilder::default(),
            rollup: None,
            rare: None,
        }
    }

    /// How many row groups were sent.
    pub fn groups(&self) -> usize {
        self.summing.groups()
    }

    /// Sends what an encoder wrote since the last call. `groups` are all row groups it has completed, `bytes` end with the last.
    pub async fn send(&mut self, groups: &[RowGroupMetaData], bytes: Vec<u8>) -> Result<()> {
        self.summing.add(groups, self.bytes, &bytes)?;
        self.put(bytes.into()).await
    }

    /// What the encoder has to write between the last row group and the footer: rare rows, checksums, and the rollup.
    pub fn between(&mut self, extras: &FileExtras) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let start = self.bytes;
        let append = |bytes: &mut Vec<u8>, encoded: Vec<u8>| {
            let place = Place::of(start + bytes.len() as u64, &encoded);
            bytes.extend(encoded);
            place
        };
        if let Some(rare) = &extras.rare {
            self.rare = Some(append(&mut bytes, rare.encode()?));
        }
        bytes.extend(self.summing.sums());
        if let Some(rollup) = &extras.rollup {
            self.rollup = Some(append(&mut bytes, rollup.encode()?));
        }
        Ok(bytes)
    }

    /// What the footer has to say of it.
    pub fn notes(&self) -> impl Iterator<Item = KeyValue> {
        self.rare.iter().map(|place| KeyValue::new(tags::RARE.to_owned(), place.to_string()))
    }

    /// Sends the end, which begins with [`Sink::between`]. When this returns, the file is there.
    ///
    /// # Errors
    /// Internal when the file could not be read again: such a one is never committed.
    pub async fn end(mut self, end: Vec<u8>) -> Result<Digest> {
        let end = Bytes::from(end);
        let begins = self.rare.as_ref().map_or(0, |rare| (rare.bytes.end - self.bytes) as usize);
        let last = end.slice(begins.min(end.len())..);
        let tail = Tail::of(&last);
        self.put(end).await?;
        tail.read(last, self.bytes).map_err(|error| Error::internal(phrase!("it was written wrong: {error}")))?;
        self.inner.shutdown().await?;
        let blake3 = self.hasher.finalize().to_hex().to_string();
        Ok(Digest { blake3, bytes: self.bytes, tail, rollup: self.rollup, rare: self.rare })
    }

    async fn put(&mut self, part: Bytes) -> Result<()> {
        self.hasher.update(&part);
        self.bytes += part.len() as u64;
        Ok(self.inner.put(part).await?)
    }
}
