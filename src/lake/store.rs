//! Where the warehouse's bytes live: a store chosen by URL, made durable on a local disk.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions,
    PutPayload, PutResult, RenameOptions, Result as StoreResult, UploadPart,
};
use url::Url;

use crate::error::{Context, Error, Result};

/// A store and the folder in it that holds the warehouse.
#[derive(Clone, Debug)]
pub struct Root {
    /// The warehouse's folder, ending in a slash.
    pub url: Url,
    /// The whole store (a bucket, a file system), not the warehouse's folder.
    pub store: Arc<dyn ObjectStore>,
    /// The warehouse's folder in the store.
    pub base: Path,
}

impl Root {
    /// Opens the store of a URL (`file://`, `memory://`, `s3://`, `az://`, `gs://`) or of a local folder, which is made.
    ///
    /// `options` go to the store as they are (`aws_endpoint`, `azure_storage_account_key`, …).
    ///
    /// # Errors
    /// Invalid when the URL names no store we know; unavailable when the folder cannot be made.
    pub fn open(location: &str, options: &BTreeMap<String, String>) -> Result<Self> {
        let mut url = parse(location)?;
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        let (store, base) = object_store::parse_url_opts(&url, options)
            .map_err(|error| Error::invalid(format!("cannot open warehouse {location}: {error}")))?;
        let store: Arc<dyn ObjectStore> =
            if url.scheme() == "file" { Arc::new(DurableLocal::new(store)) } else { Arc::from(store) };
        Ok(Self { url, store, base })
    }

    /// The same root over another store, so that tests can count and fail its calls.
    pub fn with_store(mut self, store: Arc<dyn ObjectStore>) -> Self {
        self.store = store;
        self
    }
}

fn parse(location: &str) -> Result<Url> {
    if location.contains("://") {
        let url = Url::parse(location).map_err(|error| Error::invalid(format!("warehouse {location} is not a URL: {error}")))?;
        if url.scheme() == "file" {
            let path = url.to_file_path().map_err(|()| Error::invalid(format!("warehouse {location} is not a local path")))?;
            return folder(path);
        }
        return Ok(url);
    }
    folder(PathBuf::from(location))
}

fn folder(path: PathBuf) -> Result<Url> {
    std::fs::create_dir_all(&path).context(|| format!("cannot make warehouse folder {}", path.display()))?;
    let path = path.canonicalize().context(|| format!("cannot open warehouse folder {}", path.display()))?;
    Url::from_directory_path(&path).map_err(|()| Error::invalid(format!("{} is not an absolute path", path.display())))
}

/// A local file system that has written what it says it has: each file and the folder that names it are synced before
/// the call returns. `LocalFileSystem` alone never syncs, so a commit could survive a power cut that its data did not.
#[derive(Debug)]
pub struct DurableLocal {
    inner: Arc<dyn ObjectStore>,
}

impl DurableLocal {
    /// Wraps a local file system rooted at `/`.
    pub fn new(inner: Box<dyn ObjectStore>) -> Self {
        Self { inner: Arc::from(inner) }
    }
}

impl fmt::Display for DurableLocal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "durable {}", self.inner)
    }
}

/// Syncs a file just written and the folder it stands in.
async fn sync(location: Path) -> StoreResult<()> {
    let generic = |error: std::io::Error, path: &Path| object_store::Error::Generic {
        store: "durable",
        source: format!("cannot sync {path}: {error}").into(),
    };
    let named = location.clone();
    let path = PathBuf::from(format!("/{location}"));
    tokio::task::spawn_blocking(move || -> std::io::Result<()> {
        std::fs::File::open(&path)?.sync_all()?;
        // A new file's own folder may be new as well: two levels cover a table's first partition.
        for folder in path.ancestors().skip(1).take(2) {
            std::fs::File::open(folder)?.sync_all()?;
        }
        Ok(())
    })
    .await
    .map_err(|error| object_store::Error::Generic { store: "durable", source: Box::new(error) })?
    .map_err(|error| generic(error, &named))
}

#[async_trait]
impl ObjectStore for DurableLocal {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> StoreResult<PutResult> {
        let result = self.inner.put_opts(location, payload, opts).await?;
        sync(location.clone()).await?;
        Ok(result)
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> StoreResult<Box<dyn MultipartUpload>> {
        let inner = self.inner.put_multipart_opts(location, opts).await?;
        Ok(Box::new(DurableUpload { inner, location: location.clone() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[std::ops::Range<u64>]) -> StoreResult<Vec<bytes::Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, StoreResult<Path>>) -> BoxStream<'static, StoreResult<Path>> {
        self.inner.delete_stream(locations)
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
        self.inner.copy_opts(from, to, options).await?;
        sync(to.clone()).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> StoreResult<()> {
        self.inner.rename_opts(from, to, options).await?;
        sync(to.clone()).await
    }
}

#[derive(Debug)]
struct DurableUpload {
    inner: Box<dyn MultipartUpload>,
    location: Path,
}

#[async_trait]
impl MultipartUpload for DurableUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> StoreResult<PutResult> {
        let result = self.inner.complete().await?;
        sync(self.location.clone()).await?;
        Ok(result)
    }

    async fn abort(&mut self) -> StoreResult<()> {
        self.inner.abort().await
    }
}
