//! A file on its way to the store: row groups go out as they are complete, hashed, their pages summed; at the end the checksums go
//! out before the footer ([`super::sums`]), and with them the rollup ([`super::rollup`]).

use std::sync::Arc;

use bytes::Bytes;
use object_store::ObjectStore;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use parquet::file::metadata::RowGroupMetaData;
use tokio::io::AsyncWriteExt;

use super::rollup::{Place, Rollup};
use super::sums::{Summing, Tail};
use crate::error::{Error, Result};

/// Bytes collected before a part is sent.
const PART_BYTES: usize = 8 << 20;

/// The file.
pub(super) struct Sink {
    inner: BufWriter,
    hasher: blake3::Hasher,
    bytes: u64,
    summing: Summing,
    rollup: Option<Place>,
}

/// What the log says of a file's bytes.
#[derive(Clone, Debug)]
pub(super) struct Digest {
    /// blake3 hash of all of them, in hexadecimal.
    pub blake3: String,
    /// How many.
    pub bytes: u64,
    /// What proves the end.
    pub tail: Tail,
    /// Where its rollup is, if it has one.
    pub rollup: Option<Place>,
}

impl Sink {
    /// A new file.
    pub fn new(store: Arc<dyn ObjectStore>, location: Path) -> Self {
        Self {
            inner: BufWriter::with_capacity(store, location, PART_BYTES),
            hasher: blake3::Hasher::new(),
            bytes: 0,
            summing: Summing::default(),
            rollup: None,
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

    /// What the encoder has to write between the last row group and the footer: checksums, and the rollup.
    pub fn between(&mut self, rollup: Option<&Rollup>) -> Result<Vec<u8>> {
        let mut bytes = self.summing.sums().to_vec();
        if let Some(rollup) = rollup {
            let encoded = rollup.encode()?;
            self.rollup = Some(Place::of(self.bytes + bytes.len() as u64, &encoded));
            bytes.extend(encoded);
        }
        Ok(bytes)
    }

    /// Sends the end, which begins with [`Sink::between`]. When this returns, the file is there.
    ///
    /// # Errors
    /// Internal when the file could not be read again: such a one is never committed.
    pub async fn end(mut self, end: Vec<u8>) -> Result<Digest> {
        let end = Bytes::from(end);
        let tail = Tail::of(&end);
        self.put(end.clone()).await?;
        tail.read(end, self.bytes).map_err(|error| Error::internal(format!("it was written wrong: {error}")))?;
        self.inner.shutdown().await?;
        Ok(Digest { blake3: self.hasher.finalize().to_hex().to_string(), bytes: self.bytes, tail, rollup: self.rollup })
    }

    async fn put(&mut self, part: Bytes) -> Result<()> {
        self.hasher.update(&part);
        self.bytes += part.len() as u64;
        Ok(self.inner.put(part).await?)
    }
}
