//! Where the warehouse's bytes live: a store chosen by URL, made durable on a local disk.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions,
    PutPayload, PutResult, RenameOptions, Result as StoreResult, UploadPart,
};
use url::Url;

use super::footers::Footers;
use super::paths::{is_erased_key, is_lease, is_lookup, sealed_checkpoint};
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
    /// Footers of its files.
    pub footers: Arc<Footers>,
}

impl Root {
    /// Opens the store of a URL (`file://`, `memory://`, `s3://`, `az://`, `gs://`) or of a local folder, which the first write makes.
    ///
    /// `options` go to the store as they are (`aws_endpoint`, `azure_storage_account_key`, …).
    ///
    /// # Errors
    /// Invalid when the URL names no store we know; or a file.
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
        Ok(Self { url, store, base, footers: Arc::default() })
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
    let path = std::path::absolute(&path).context(|| format!("cannot find warehouse folder {}", path.display()))?;
    if path.exists() && !path.is_dir() {
        return Err(Error::invalid(format!("warehouse {} is a file: name a folder", path.display())));
    }
    Url::from_directory_path(&path).map_err(|()| Error::invalid(format!("{} is not an absolute path", path.display())))
}

/// A local file system whose commits survive a power cut: before a log entry is written, all data files it may name are
/// synced, with their folders; after it, the entry and its folder. `LocalFileSystem` alone never syncs, so a commit
/// could survive that its data did not. Entries of the look-up log, and seals of checkpoints, are synced when they are written.
///
/// Data files are not synced one by one as they are written: a load writes a file a day, and syncing many at once lets the
/// file system share the work.
#[derive(Debug)]
pub struct DurableLocal {
    inner: Arc<dyn ObjectStore>,
    /// Written and not yet synced.
    unsynced: Arc<Mutex<HashSet<Path>>>,
}

/// Files synced at once.
const SYNCS: usize = 32;

impl DurableLocal {
    /// Wraps a local file system rooted at `/`.
    pub fn new(inner: Box<dyn ObjectStore>) -> Self {
        Self { inner: Arc::from(inner), unsynced: Arc::default() }
    }

    /// Notes a file just written; an entry of a table's log or of the look-up log is synced at once, and so are a seal and a key
    /// that no log names.
    async fn written(&self, location: &Path) -> StoreResult<()> {
        let at_once = is_log(location) || is_lookup(location) || is_erased_key(location) || sealed_checkpoint(location).is_some();
        if at_once {
            return sync(vec![location.clone()]).await;
        }
        // A lease need not survive a power cut: nobody does who held it.
        if is_lease(location) {
            return Ok(());
        }
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).insert(location.clone());
        Ok(())
    }

    /// Syncs the data files of the table whose log is about to change.
    async fn before_log_entry(&self, location: &Path) -> StoreResult<()> {
        let Some((table, _)) = location.as_ref().split_once(LOG) else { return Ok(()) };
        let files: Vec<Path> = {
            let unsynced = self.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
            unsynced.iter().filter(|file| file.as_ref().starts_with(table)).cloned().collect()
        };
        sync(files.clone()).await?;
        let mut unsynced = self.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
        files.iter().for_each(|file| {
            unsynced.remove(file);
        });
        Ok(())
    }
}

/// The folder of a table's log.
const LOG: &str = "/_delta_log/";

fn is_log(location: &Path) -> bool {
    location.as_ref().contains(LOG)
}

impl fmt::Display for DurableLocal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "durable {}", self.inner)
    }
}

/// Syncs files, and the folders that name them up to the root: any of these may be new.
async fn sync(files: Vec<Path>) -> StoreResult<()> {
    let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
    let files: Vec<PathBuf> = files.iter().map(|file| PathBuf::from(format!("/{file}"))).collect();
    for file in &files {
        folders.extend(file.ancestors().skip(1).take(FOLDERS).map(PathBuf::from));
    }
    for paths in [files, folders.into_iter().collect()] {
        let mut syncs = futures::stream::iter(paths.into_iter().map(sync_one)).buffer_unordered(SYNCS);
        while let Some(done) = syncs.next().await {
            done?;
        }
    }
    Ok(())
}

/// Folders above a file that a first commit may have made: partition, table, role, warehouse, and the one that names it.
const FOLDERS: usize = 5;

async fn sync_one(path: PathBuf) -> StoreResult<()> {
    tokio::task::spawn_blocking(move || match std::fs::File::open(&path).and_then(|file| file.sync_all()) {
        Ok(()) => Ok(()),
        // A file written by a commit that was given up may have been swept since.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        // Folders above the warehouse may belong to others.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied && path.is_dir() => Ok(()),
        Err(error) => Err(object_store::Error::Generic {
            store: "durable",
            source: format!("cannot sync {}: {error}", path.display()).into(),
        }),
    })
    .await
    .map_err(|error| object_store::Error::Generic { store: "durable", source: Box::new(error) })?
}

#[async_trait]
impl ObjectStore for DurableLocal {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> StoreResult<PutResult> {
        if is_log(location) {
            self.before_log_entry(location).await?;
        }
        let result = self.inner.put_opts(location, payload, opts).await?;
        self.written(location).await?;
        Ok(result)
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> StoreResult<Box<dyn MultipartUpload>> {
        let inner = self.inner.put_multipart_opts(location, opts).await?;
        let store = Self { inner: self.inner.clone(), unsynced: self.unsynced.clone() };
        Ok(Box::new(DurableUpload { inner, store, location: location.clone() }))
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
        self.written(to).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> StoreResult<()> {
        self.inner.rename_opts(from, to, options).await?;
        self.written(to).await
    }
}

#[derive(Debug)]
struct DurableUpload {
    inner: Box<dyn MultipartUpload>,
    store: DurableLocal,
    location: Path,
}

#[async_trait]
impl MultipartUpload for DurableUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> StoreResult<PutResult> {
        let result = self.inner.complete().await?;
        self.store.written(&self.location).await?;
        Ok(result)
    }

    async fn abort(&mut self) -> StoreResult<()> {
        self.inner.abort().await
    }
}
