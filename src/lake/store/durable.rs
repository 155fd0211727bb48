//! A local file system whose commits survive a power cut. `LocalFileSystem` alone never syncs.
//!
//! **Order.**
//! 1. The data files of a table, and the folders that name them, are synced before a log entry of the table is written.
//! 2. The entry is written under another name, synced, and only then given its final name: nobody finds half an entry under that
//!    name, not even after a power cut.
//! 3. The folder of the entry is synced.
//! 4. Only then does the caller learn that the commit is done.
//!
//! The same holds for everything else in the log (a half checkpoint would make the table unreadable) and for objects that no commit
//! names: entries of the look-up log and of the schedulers' lease, keys, and totals that are stored before their rows are removed.
//!
//! Data files are not synced one by one as they are written: a load writes a file a day, and syncing many at once lets the file
//! system share the work. Deletions are not synced: vacuum finds a file that comes back.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, RenameTargetMode, Result as StoreResult, UploadPart,
};

use super::warm;
use crate::error::Error;
use crate::lake::paths::{self, is_log};

/// Operations that `object_store` does not offer: fsync of files and folders, and three optional fast paths.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Called before anything is written.
    fn prepare(&self) -> std::io::Result<()> {
        Ok(())
    }

    /// Returns when the file or folder is durable.
    fn sync(&self, path: &FilePath) -> std::io::Result<()>;

    /// Parts of a file, if they are in memory (see [`warm`]). Optional: an implementation may always return `None`.
    fn read_warm(&self, _: &FilePath, _: &[Range<u64>]) -> Option<Vec<Bytes>> {
        None
    }

    /// Writes a new file that only its owner can read, and returns `true`. Optional: an implementation that returns `false`
    /// leaves the write to the store.
    fn write_private(&self, _: &FilePath, _: &[u8]) -> std::io::Result<bool> {
        Ok(false)
    }

    /// Is there certainly no such file? Optional: an implementation may always return `false`.
    fn is_absent(&self, _: &FilePath) -> bool {
        false
    }
}

/// The machine's own file system.
#[derive(Debug)]
pub struct LocalDisk {
    /// The warehouse's folder, until it is known to be there.
    warehouse: Mutex<Option<PathBuf>>,
}

impl LocalDisk {
    /// For the warehouse in a folder. The first write makes the folder for its owner alone, because its contents are personal; to
    /// share it, change the folder's rights.
    pub fn new(warehouse: PathBuf) -> Self {
        Self { warehouse: Mutex::new(Some(warehouse)) }
    }
}

impl Disk for LocalDisk {
    fn prepare(&self) -> std::io::Result<()> {
        let mut warehouse = self.warehouse.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = warehouse.as_ref().filter(|folder| !folder.is_dir()) {
            let mut builder = std::fs::DirBuilder::new();
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.recursive(true).create(folder)?;
        }
        *warehouse = None;
        Ok(())
    }

    fn sync(&self, path: &FilePath) -> std::io::Result<()> {
        match std::fs::File::open(path).and_then(|file| file.sync_all()) {
            // A file written by a commit that was given up may have been swept since.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            // Folders above the warehouse may belong to others.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied && path.is_dir() => Ok(()),
            done => done,
        }
    }

    fn read_warm(&self, path: &FilePath, ranges: &[Range<u64>]) -> Option<Vec<Bytes>> {
        warm::read(path, ranges)
    }

    #[cfg(unix)]
    fn write_private(&self, path: &FilePath, bytes: &[u8]) -> std::io::Result<bool> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes).map(|()| true)
    }

    fn is_absent(&self, path: &FilePath) -> bool {
        warm::is_absent(path)
    }
}

/// A local file system rooted at `/` that syncs what a commit needs; see above for what, and when.
#[derive(Clone, Debug)]
pub struct DurableLocal {
    inner: Arc<dyn ObjectStore>,
    disk: Arc<dyn Disk>,
    /// Written and not yet synced.
    unsynced: Arc<Mutex<HashSet<Path>>>,
    /// Folders whose own names, up to the root, were synced when something was first written into them.
    reached: Arc<Mutex<HashSet<PathBuf>>>,
}

/// Files synced at once.
const SYNCS: usize = 32;

/// Folders above a file that a commit may have made: partition, table, role, warehouse, and the one that names it. Those
/// above are looked at once.
const FOLDERS: usize = 5;

/// How often a file is written again under its temporary name when a clean-up deletes it before it has its final name.
const TRIES: usize = 5;

impl DurableLocal {
    /// Wraps a local file system rooted at `/`, whose files lie on `disk`.
    pub fn new(inner: Arc<dyn ObjectStore>, disk: Arc<dyn Disk>) -> Self {
        Self { inner, disk, unsynced: Arc::default(), reached: Arc::default() }
    }

    fn prepare(&self) -> StoreResult<()> {
        self.disk.prepare().map_err(|error| object_store::Error::Generic { store: STORE, source: Box::new(error) })
    }

    /// Syncs the data files of the table whose log is about to change.
    async fn before_log_entry(&self, location: &Path) -> StoreResult<()> {
        let Some(table) = paths::table_of_log(location) else { return Ok(()) };
        let files: Vec<Path> = {
            let unsynced = self.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
            unsynced.iter().filter(|file| file.prefix_matches(&table)).cloned().collect()
        };
        self.sync_contents(&files).await?;
        self.sync_names(&files).await?;
        let mut unsynced = self.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
        files.iter().for_each(|file| {
            unsynced.remove(file);
        });
        Ok(())
    }

    /// Writes a file that must never be found before it is whole.
    async fn put_whole(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
        target_mode: RenameTargetMode,
    ) -> StoreResult<PutResult> {
        let mut last = None;
        for _ in 0..TRIES {
            let aside = paths::aside(location);
            let opts = PutOptions { mode: PutMode::Overwrite, ..opts.clone() };
            // A rename keeps who may read a file.
            if !(paths::is_key(location) && self.put_private(&aside, payload.clone())?) {
                self.inner.put_opts(&aside, payload.clone(), opts).await?;
            }
            match self.publish(&aside, location, target_mode).await {
                // A purge swept what had no name yet.
                Err(error @ object_store::Error::NotFound { .. }) => last = Some(error),
                done => return done,
            }
        }
        Err(last.unwrap_or_else(|| generic(format!("{location} was not tried"))))
    }

    fn put_private(&self, aside: &Path, payload: PutPayload) -> StoreResult<bool> {
        let written = self.disk.write_private(&on_disk(aside), &Bytes::from(payload));
        written.map_err(|error| generic(format!("cannot write {aside}: {error}")))
    }

    /// Gives a file its final name, so that a reader who finds the name finds the whole file, and syncs the name.
    async fn publish(&self, aside: &Path, location: &Path, target_mode: RenameTargetMode) -> StoreResult<PutResult> {
        let renamed = async {
            self.sync_contents(std::slice::from_ref(aside)).await?;
            self.inner.rename_opts(aside, location, RenameOptions::new().with_target_mode(target_mode)).await
        };
        if let Err(error) = renamed.await {
            return match self.inner.delete(aside).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Err(error),
                Err(also) => Err(generic(format!("{error}; and {aside} stays behind: {also}"))),
            };
        }
        self.sync_names(std::slice::from_ref(location)).await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn sync_contents(&self, files: &[Path]) -> StoreResult<()> {
        self.sync_all(files.iter().map(on_disk).collect()).await
    }

    /// Syncs the folders that name these files, up to the root: any of them may be new.
    async fn sync_names(&self, files: &[Path]) -> StoreResult<()> {
        let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
        let mut new = Vec::new();
        for file in files.iter().map(on_disk) {
            let Some(folder) = file.parent().map(FilePath::to_path_buf) else { continue };
            let known = self.reached.lock().unwrap_or_else(PoisonError::into_inner).contains(&folder);
            folders.extend(file.ancestors().skip(1).take(if known { FOLDERS } else { usize::MAX }).map(PathBuf::from));
            new.push(folder);
        }
        self.sync_all(folders.into_iter().collect()).await?;
        self.reached.lock().unwrap_or_else(PoisonError::into_inner).extend(new);
        Ok(())
    }

    async fn sync_all(&self, places: Vec<PathBuf>) -> StoreResult<()> {
        let mut syncs = futures::stream::iter(places.into_iter().map(|place| {
            let disk = self.disk.clone();
            tokio::task::spawn_blocking(move || {
                disk.sync(&place).map_err(|error| object_store::Error::Generic {
                    store: STORE,
                    source: Box::new(Error::from(error).context(phrase!("cannot sync {}", place.display()))),
                })
            })
            .map(|done| {
                done.map_err(|error| object_store::Error::Generic {
                    store: STORE,
                    source: Box::new(crate::error::Error::from(error)),
                })?
            })
        }))
        .buffer_unordered(SYNCS);
        while let Some(done) = syncs.next().await {
            done?;
        }
        Ok(())
    }

    /// Notes a file that a commit will name; all else is synced at once.
    async fn written(&self, location: &Path) -> StoreResult<()> {
        if stands_alone(location) {
            self.sync_contents(std::slice::from_ref(location)).await?;
            return self.sync_names(std::slice::from_ref(location)).await;
        }
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).insert(location.clone());
        Ok(())
    }
}

const STORE: &str = "durable";

fn generic(what: String) -> object_store::Error {
    object_store::Error::Generic { store: STORE, source: what.into() }
}

/// Is it found by its name alone, without a log entry that says it is whole? All is that no commit will name.
fn stands_alone(location: &Path) -> bool {
    is_log(location) || !paths::is_named_by_commits(location)
}

fn on_disk(location: &Path) -> PathBuf {
    PathBuf::from(format!("/{location}"))
}

impl fmt::Display for DurableLocal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "durable {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for DurableLocal {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> StoreResult<PutResult> {
        self.prepare()?;
        if is_log(location) {
            self.before_log_entry(location).await?;
        }
        let target_mode = match opts.mode {
            PutMode::Create => RenameTargetMode::Create,
            PutMode::Overwrite => RenameTargetMode::Overwrite,
            // Refused by a local file system.
            PutMode::Update(_) => return self.inner.put_opts(location, payload, opts).await,
        };
        if stands_alone(location) {
            return self.put_whole(location, payload, opts, target_mode).await;
        }
        let result = self.inner.put_opts(location, payload, opts).await?;
        self.written(location).await?;
        Ok(result)
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> StoreResult<Box<dyn MultipartUpload>> {
        self.prepare()?;
        let aside = stands_alone(location).then(|| paths::aside(location));
        let inner = self.inner.put_multipart_opts(aside.as_ref().unwrap_or(location), opts).await?;
        Ok(Box::new(DurableUpload { inner, store: self.clone(), location: location.clone(), aside }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> StoreResult<GetResult> {
        if options.head && self.disk.is_absent(&on_disk(location)) {
            return Err(object_store::Error::NotFound { path: location.to_string(), source: "there is no such file".into() });
        }
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> StoreResult<Vec<Bytes>> {
        match self.disk.read_warm(&on_disk(location), ranges) {
            Some(parts) => Ok(parts),
            None => self.inner.get_ranges(location, ranges).await,
        }
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
    /// Where it is written when it must not be found before it is whole.
    aside: Option<Path>,
}

#[async_trait]
impl MultipartUpload for DurableUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> StoreResult<PutResult> {
        if is_log(&self.location) {
            self.store.before_log_entry(&self.location).await?;
        }
        let result = self.inner.complete().await?;
        match &self.aside {
            Some(aside) => self.store.publish(aside, &self.location, RenameTargetMode::Overwrite).await,
            None => {
                self.store.written(&self.location).await?;
                Ok(result)
            }
        }
    }

    async fn abort(&mut self) -> StoreResult<()> {
        self.inner.abort().await
    }
}
