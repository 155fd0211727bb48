//! Where the warehouse's bytes live: a store chosen by URL, made durable on a local disk.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path;
use url::Url;

use super::durable::{DurableLocal, LocalDisk};
use super::footers::Footers;
use super::marker::Markers;
use super::rare;
use super::rollup;
use super::traffic::{Counted, Traffic};
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
    /// What the warehouse says of itself.
    pub markers: Arc<Markers>,
    /// Footers of its files.
    pub footers: Arc<Footers>,
    /// Files are written with a rollup when each of its rows stands for so many of theirs or more, on average.
    pub rollup_rows_each: usize,
    /// Files are written with their rare rows together when there is at most one among so many.
    pub rare_rows_each: usize,
    /// What was asked of the store.
    pub traffic: Arc<Traffic>,
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
        let local = url.scheme() == "file";
        let store: Arc<dyn ObjectStore> = match local {
            true => Arc::new(DurableLocal::new(Arc::from(store), Arc::new(LocalDisk))),
            false => Arc::from(store),
        };
        let traffic: Arc<Traffic> = Arc::default();
        let store: Arc<dyn ObjectStore> = Arc::new(Counted::new(store, traffic.clone(), local));
        let markers = Markers::new(store.clone(), base.clone());
        let (rollup_rows_each, rare_rows_each) = (rollup::ROWS_EACH, rare::ROWS_EACH);
        Ok(Self { url, store, base, markers, footers: Arc::default(), rollup_rows_each, rare_rows_each, traffic })
    }

    /// Where the warehouse is, as a person names it: a local folder's path, or a URL.
    pub fn location(&self) -> String {
        self.location_of(&self.base)
    }

    /// Another folder of the same store, as a person names it.
    pub fn location_of(&self, folder: &Path) -> String {
        if self.url.scheme() == "file" {
            return format!("/{folder}");
        }
        let at = self.url.as_str().trim_end_matches('/');
        let bucket = at.strip_suffix(self.base.as_ref()).unwrap_or(at).trim_end_matches('/');
        format!("{bucket}/{folder}")
    }

    /// The same root over another store, so that tests can count and fail its calls.
    pub fn with_store(mut self, store: Arc<dyn ObjectStore>) -> Self {
        self.markers = Markers::new(store.clone(), self.base.clone());
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
