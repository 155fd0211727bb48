//! Tests, before the first write, that a store keeps the promises that commits rely on.
//!
//! **Why.** Commits rest on one promise: creating an object only where there is none fails where there is one. A store that
//! ignores the condition loses the records of one of two writers, silently. So a process tests a store that is not a local disk
//! on an object of its own, before it first writes to a warehouse there:
//!
//! - created twice, the second time is refused;
//! - overwritten, it holds the new bytes, and a part of it can be read alone;
//! - a listing returns it after the names before it and not after the names behind it.
//!
//! Once all of that held, the object records it. Later processes ask two things at once: to create the object, which must be
//! refused, and the part of it that records the test. So a server that was replaced by a worse one is found, too.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result as StoreResult,
};
use tokio::sync::OnceCell;

use crate::error::Error;
use crate::lake::paths;

/// What the object says when it is made, and when all has been tried. One is as long as the other.
const ASKED: &[u8] = b"ier: of this store is asked\n";
const KEPT: &[u8] = b"ier: of this store is known\n";

/// The part of it that says which.
const WORD: Range<u64> = 22..27;

/// A store that is tried before it is first written to.
#[derive(Clone, Debug)]
pub struct ProbedStore {
    inner: Arc<dyn ObjectStore>,
    /// Where the warehouse's probes are.
    folder: Path,
    /// The object it is tried on.
    place: Path,
    /// Tried, and found to keep its promises.
    kept: Arc<OnceCell<()>>,
}

impl ProbedStore {
    /// The store of the warehouse in the folder `base`; `way` is all that decides to which server requests go, and how.
    pub fn new(inner: Arc<dyn ObjectStore>, base: &Path, way: &str) -> Self {
        let folder = base.clone().join(paths::PROBES);
        let place = folder.clone().join(blake3::hash(way.as_bytes()).to_hex().as_str());
        Self { inner, folder, place, kept: Arc::default() }
    }

    /// Tries the store unless this process has.
    async fn kept(&self) -> StoreResult<()> {
        self.kept.get_or_try_init(|| self.tried()).await.map(drop)
    }

    async fn tried(&self) -> StoreResult<()> {
        let (created, known) = futures::join!(self.create(), self.read());
        if created? {
            // Nobody else creates it meanwhile with other bytes: refused or not, what stands there is the same.
            if self.create().await? {
                // If it stays, it is in nobody's way.
                drop(self.inner.delete(&self.place).await);
                return Err(broken("an object that may only be created where there is none was created twice"));
            }
        } else if known? {
            return Ok(());
        }
        self.inner.put(&self.place, KEPT.into()).await?;
        if !self.read().await? {
            return Err(broken("an object was written over, and of a part of it other bytes came"));
        }
        let (low, high) = (self.folder.clone().join("-"), self.folder.clone().join("z"));
        let (behind_low, behind_high) = futures::try_join!(self.lists(&low), self.lists(&high))?;
        match (behind_low, behind_high) {
            (true, false) => Ok(()),
            (false, _) => Err(broken("an object that was written is not listed")),
            (true, true) => Err(broken("objects are listed although their names come before the one to begin at")),
        }
    }

    /// Was it created? `false` where it was there.
    async fn create(&self) -> StoreResult<bool> {
        match self.inner.put_opts(&self.place, ASKED.into(), PutMode::Create.into()).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => Ok(false),
            Err(object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. }) => {
                Err(broken("conditional puts are switched off, or not there (leave aws_conditional_put alone)"))
            }
            Err(error) if error.to_string().contains(" 405 ") => Err(broken("it does not know conditional puts")),
            Err(error) => Err(error),
        }
    }

    /// Does it say that all has been tried?
    async fn read(&self) -> StoreResult<bool> {
        match self.inner.get_range(&self.place, WORD).await {
            Ok(word) => Ok(word.as_ref() == &KEPT[WORD.start as usize..WORD.end as usize]),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            // The client's own words; it has no kind for it.
            Err(error) if error.to_string().contains("non-partial") => {
                Err(broken("a part of an object was asked for, and the whole came"))
            }
            Err(error) => Err(error),
        }
    }

    /// Does a listing of the names behind this one return the object?
    async fn lists(&self, offset: &Path) -> StoreResult<bool> {
        let mut listed = self.inner.list_with_offset(Some(&self.folder), offset);
        while let Some(object) = listed.try_next().await? {
            if object.location == self.place {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn broken(what: &str) -> object_store::Error {
    let error = Error::invalid(phrase!(
        "the store does not keep its promises: {what}. Records could be lost on it, so nothing is stored; take a store with \
         conditional puts, ranges and listings (for Azurite, set azure_storage_use_emulator to true)"
    ));
    object_store::Error::Generic { store: "promise", source: Box::new(error) }
}

impl fmt::Display for ProbedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for ProbedStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> StoreResult<PutResult> {
        self.kept().await?;
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> StoreResult<Box<dyn MultipartUpload>> {
        self.kept().await?;
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> StoreResult<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, StoreResult<Path>>) -> BoxStream<'static, StoreResult<Path>> {
        let this = self.clone();
        let deleted = async move {
            match this.kept().await {
                Ok(()) => this.inner.delete_stream(locations),
                Err(error) => futures::stream::iter([Err(error)]).boxed(),
            }
        };
        futures::stream::once(deleted).flatten().boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.kept().await?;
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> StoreResult<()> {
        self.kept().await?;
        self.inner.rename_opts(from, to, options).await
    }
}
