//! The store of a warehouse, and what its tables share: the marker, and a cache of footers.

use std::collections::BTreeMap;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path;
use url::Url;

use super::marker::Markers;
use crate::error::Result;
use crate::lake::file::footers::Footers;
use crate::lake::file::{rare, rollup};
use crate::lake::store::open::{self, Opened};
use crate::lake::store::traffic::Traffic;

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
        let Opened { url, store, base, traffic } = open::open(location, options)?;
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
        let bucket = at.strip_suffix(self.base.as_ref()).unwrap_or(at);
        format!("{}/{folder}", bucket.strip_suffix('/').unwrap_or(bucket))
    }

    /// The text, each object that it names by its place in the store named as a person finds it: by a path, or a URL.
    pub fn in_full(&self, text: &str) -> String {
        let base = self.base.as_ref();
        let (mut full, mut rest) = (String::with_capacity(text.len()), text);
        while let Some(start) = rest.find(base).filter(|_| !base.is_empty()) {
            let (before, after) = (&rest[..start], &rest[start + base.len()..]);
            full.push_str(before);
            // In the midst of another path it is something else, or is named in full already.
            let begins = !full.ends_with(|c: char| c.is_alphanumeric() || "/_-.~".contains(c));
            match begins && after.starts_with('/') {
                true => full.push_str(&self.location()),
                false => full.push_str(base),
            }
            rest = after;
        }
        full + rest
    }

    /// The same root over another store, so that tests can count and fail its calls.
    pub fn with_store(mut self, store: Arc<dyn ObjectStore>) -> Self {
        self.markers = Markers::new(store.clone(), self.base.clone());
        self.store = store;
        self
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn objects_are_named_in_full() {
        let at = |location: &str| Root::open(location, &BTreeMap::new()).unwrap();
        let here = std::env::temp_dir().canonicalize().unwrap().join("wh").display().to_string();
        let inside = format!("{here}/hot/a.parquet");
        let bare = inside.trim_start_matches('/');
        for (text, full) in [
            (format!("DAMAGED {bare}: no"), format!("DAMAGED {inside}: no")),
            (format!("({bare}, {bare})"), format!("({inside}, {inside})")),
            (format!("{inside} is {bare}"), format!("{inside} is {inside}")),
            (format!("other/{bare}"), format!("other/{bare}")),
            (here.trim_start_matches('/').to_owned(), here.trim_start_matches('/').to_owned()),
        ] {
            assert_eq!(at(&here).in_full(&text), full);
        }
        assert_eq!(at("memory:///records/ier").in_full("records/ier/hot/a"), "memory:///records/ier/hot/a");
        assert_eq!(at("memory:///").in_full("records/ier/hot/a"), "records/ier/hot/a");
    }
}
