//! A store that hides some objects: through it a table is read as it was before these objects were written.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::{BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions,
    PutPayload, PutResult, RenameOptions, Result as StoreResult,
};

/// A store without some of its objects. It is for looking only: nobody writes through it.
#[derive(Clone, Debug)]
pub(crate) struct MaskedStore {
    inner: Arc<dyn ObjectStore>,
    hidden: Arc<HashSet<Path>>,
}

impl MaskedStore {
    /// The store without these.
    pub fn new(inner: Arc<dyn ObjectStore>, hidden: HashSet<Path>) -> Self {
        Self { inner, hidden: Arc::new(hidden) }
    }

    fn shown(&self, listed: BoxStream<'static, StoreResult<ObjectMeta>>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        let hidden = self.hidden.clone();
        listed.try_filter(move |object| futures::future::ready(!hidden.contains(&object.location))).boxed()
    }

    fn seen(&self, location: &Path) -> StoreResult<()> {
        match self.hidden.contains(location) {
            true => Err(object_store::Error::NotFound { path: location.to_string(), source: "it is hidden".into() }),
            false => Ok(()),
        }
    }
}

fn looks_only() -> object_store::Error {
    object_store::Error::Generic { store: "hiding", source: "nobody writes through a store that hides objects".into() }
}

impl fmt::Display for MaskedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} without {} objects", self.inner, self.hidden.len())
    }
}

#[async_trait]
impl ObjectStore for MaskedStore {
    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> StoreResult<PutResult> {
        Err(looks_only())
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> StoreResult<Box<dyn MultipartUpload>> {
        Err(looks_only())
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.seen(location)?;
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> StoreResult<Vec<Bytes>> {
        self.seen(location)?;
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, StoreResult<Path>>) -> BoxStream<'static, StoreResult<Path>> {
        locations.map(|_| Err(looks_only())).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.shown(self.inner.list(prefix))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.shown(self.inner.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        let mut listed = self.inner.list_with_delimiter(prefix).await?;
        listed.objects.retain(|object| !self.hidden.contains(&object.location));
        Ok(listed)
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> StoreResult<()> {
        Err(looks_only())
    }

    async fn rename_opts(&self, _: &Path, _: &Path, _: RenameOptions) -> StoreResult<()> {
        Err(looks_only())
    }
}
