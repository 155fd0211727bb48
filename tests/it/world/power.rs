//! A machine whose power may be cut: a file system that forgets what was not synced.
//!
//! It is as forgetful as POSIX allows. A file's bytes are durable when the file was synced; its name when the folder was
//! synced after the name was given; a folder likewise in the one above. What is not durable may be there or not: a name
//! without bytes, with half of them, or the name as it was before.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use ier::lake::store::durable::Disk;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, RenameTargetMode, Result, UploadPart,
};

use super::turns::Dice;

#[derive(Clone)]
struct File {
    bytes: Bytes,
    synced: bool,
}

/// A name in a folder: the file it names now, and the one it names on the disk.
#[derive(Clone, Copy, Default)]
struct Name {
    now: Option<usize>,
    on_disk: Option<usize>,
}

/// All files and names, with what is durable of each.
#[derive(Clone, Default)]
struct Disks {
    files: Vec<File>,
    names: BTreeMap<String, Name>,
    /// Folders, and whether their own names are durable.
    folders: BTreeMap<String, bool>,
}

/// The machine at a moment, and what it had promised by then.
#[derive(Clone)]
pub struct Moment {
    disks: Disks,
    /// Log entries somebody was told are there.
    pub promised: Vec<Path>,
}

type ProbedStore = Box<dyn Fn() -> Vec<Path> + Send + Sync>;

/// The machine.
#[derive(Clone)]
pub struct Machine {
    /// What everybody sees while the power is on.
    cache: Arc<InMemory>,
    history: Arc<History>,
}

struct History {
    disks: Mutex<Disks>,
    moments: Mutex<Vec<Moment>>,
    promised: Mutex<Option<ProbedStore>>,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a machine")
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a machine")
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

impl Disks {
    fn name(&mut self, path: &str, file: Option<usize>) {
        self.names.entry(path.to_owned()).or_default().now = file;
        let mut folder = folder_of(path);
        while !folder.is_empty() {
            self.folders.entry(folder.to_owned()).or_insert(false);
            folder = folder_of(folder);
        }
    }

    fn write(&mut self, path: &str, bytes: Bytes) {
        self.files.push(File { bytes, synced: false });
        self.name(path, Some(self.files.len() - 1));
    }

    fn file_of(&self, path: &str) -> Option<usize> {
        self.names.get(path)?.now
    }

    fn sync(&mut self, path: &str) {
        if let Some(file) = self.file_of(path) {
            self.files[file].synced = true;
        }
        for (_, name) in self.names.iter_mut().filter(|(named, _)| folder_of(named) == path) {
            name.on_disk = name.now;
        }
        for (_, durable) in self.folders.iter_mut().filter(|(named, _)| folder_of(named) == path) {
            *durable = true;
        }
    }
}

impl Moment {
    /// What is on the disk when the power comes back. Seed 0: nothing that was not synced; 1: the names, without bytes; 2: the
    /// names with half their bytes; any other: each as it may be.
    pub fn survivors(&self, seed: u64) -> Vec<(String, Bytes)> {
        let mut dice = Dice::new(seed);
        let mut coin = |worst: usize, of: usize| if seed < 3 { worst } else { dice.below(of) };
        let kept = usize::from(seed > 0);
        let lost: Vec<&String> = self.disks.folders.iter().filter(|(_, durable)| !**durable).map(|(folder, _)| folder).collect();
        let lost: Vec<&String> = lost.into_iter().filter(|_| coin(kept, 2) == 0).collect();
        let mut survivors = Vec::new();
        for (path, name) in &self.disks.names {
            let named = if name.now == name.on_disk || coin(kept, 2) == 1 { name.now } else { name.on_disk };
            let Some(file) = named.map(|file| &self.disks.files[file]) else { continue };
            let bytes = match file.synced {
                true => file.bytes.clone(),
                false => [Bytes::new(), file.bytes.slice(..file.bytes.len() / 2), file.bytes.clone()]
                    [coin(usize::from(seed == 2), 3)]
                .clone(),
            };
            if !lost.iter().any(|folder| path.strip_prefix(folder.as_str()).is_some_and(|rest| rest.starts_with('/'))) {
                survivors.push((path.clone(), bytes));
            }
        }
        survivors
    }

    /// The bytes every name should have, if it is there.
    pub fn whole(&self) -> BTreeMap<&str, Vec<&Bytes>> {
        let bytes = |file: Option<usize>| file.map(|file| &self.disks.files[file].bytes);
        let names = self.disks.names.iter();
        names
            .map(|(path, name)| (path.as_str(), [bytes(name.now), bytes(name.on_disk)].into_iter().flatten().collect()))
            .collect()
    }
}

impl Machine {
    /// A machine whose disk holds these objects, and this folder besides.
    pub async fn with(objects: &[(String, Bytes)], folder: &str) -> Self {
        let (cache, mut disks) = (InMemory::new(), Disks::default());
        for (path, bytes) in objects {
            cache.put(&Path::from(path.as_str()), bytes.clone().into()).await.expect("memory");
            disks.write(path, bytes.clone());
        }
        disks.folders.insert(folder.to_owned(), true);
        disks.files.iter_mut().for_each(|file| file.synced = true);
        disks.names.values_mut().for_each(|name| name.on_disk = name.now);
        disks.folders.values_mut().for_each(|durable| *durable = true);
        let first = Moment { disks: disks.clone(), promised: Vec::new() };
        let history = History { disks: Mutex::new(disks), moments: Mutex::new(vec![first]), promised: Mutex::default() };
        Self { cache: Arc::new(cache), history: Arc::new(history) }
    }

    /// From now on, what has been promised is asked here.
    pub fn promises(&self, promised: impl Fn() -> Vec<Path> + Send + Sync + 'static) {
        *self.history.promised.lock().expect("no test panics with the lock") = Some(Box::new(promised));
    }

    /// How it stood after each write and each sync.
    pub fn moments(&self) -> Vec<Moment> {
        self.history.moments.lock().expect("no test panics with the lock").clone()
    }

    /// Something has changed on the disk, or is safe there.
    fn passes(&self, change: impl FnOnce(&mut Disks)) {
        let promised = self.history.promised.lock().expect("no test panics with the lock");
        let promised = promised.as_ref().map(|promised| promised()).unwrap_or_default();
        let mut disks = self.history.disks.lock().expect("no test panics with the lock");
        change(&mut disks);
        let mut moments = self.history.moments.lock().expect("no test panics with the lock");
        moments.push(Moment { disks: disks.clone(), promised });
    }
}

impl Disk for Machine {
    fn sync(&self, path: &FilePath) -> std::io::Result<()> {
        let path = path.to_string_lossy().trim_start_matches('/').to_owned();
        self.passes(|disks| disks.sync(&path));
        Ok(())
    }
}

#[async_trait]
impl ObjectStore for Machine {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let done = self.cache.put_opts(location, payload.clone(), opts).await?;
        self.passes(|disks| disks.write(location.as_ref(), payload.into()));
        Ok(done)
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let options = PutOptions { attributes: opts.attributes, tags: opts.tags, ..PutOptions::default() };
        Ok(Box::new(Upload { machine: self.clone(), location: location.clone(), options, parts: Vec::new() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.cache.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.cache.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let machine = self.clone();
        locations
            .then(move |location| {
                let machine = machine.clone();
                async move {
                    let location = location?;
                    machine.cache.delete(&location).await?;
                    machine.passes(|disks| disks.name(location.as_ref(), None));
                    Ok(location)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.cache.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.cache.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.cache.copy_opts(from, to, options).await?;
        self.passes(|disks| {
            let file = disks.file_of(from.as_ref());
            disks.name(to.as_ref(), file);
        });
        Ok(())
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let mode = match options.target_mode {
            RenameTargetMode::Create => CopyMode::Create,
            RenameTargetMode::Overwrite => CopyMode::Overwrite,
        };
        self.copy_opts(from, to, CopyOptions::new().with_mode(mode)).await?;
        self.delete(from).await
    }
}

/// A file sent in parts, which lie elsewhere until it is complete: to the machine it is one write.
#[derive(Debug)]
struct Upload {
    machine: Machine,
    location: Path,
    options: PutOptions,
    parts: Vec<Bytes>,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.parts.push(data.into());
        Box::pin(std::future::ready(Ok(())))
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.machine.put_opts(&self.location, Bytes::from(self.parts.concat()).into(), self.options.clone()).await
    }

    async fn abort(&mut self) -> Result<()> {
        Ok(())
    }
}
