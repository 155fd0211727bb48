//! Opens the store of a URL: made durable on a local disk, and counted.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, PathBuf};
use std::sync::Arc;

use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreScheme};
use url::Url;

use super::durable::{DurableLocal, LocalDisk};
use super::probe::ProbedStore;
use super::remote;
use super::traffic::{Counted, Traffic};
use crate::error::{Context, Error, Result};

/// An open store, and the folder in it that was asked for.
pub struct Opened {
    /// The folder, ending in a slash.
    pub url: Url,
    /// The whole store.
    pub store: Arc<dyn ObjectStore>,
    /// The folder in the store.
    pub base: Path,
    /// What is asked of the store.
    pub traffic: Arc<Traffic>,
}

/// Opens the store of a URL (`file://`, `memory://`, `s3://`, `az://`, `gs://`) or of a local folder, which the first write makes.
///
/// `options` go to the store as they are (`aws_endpoint`, `azure_storage_account_key`, …).
///
/// # Errors
/// Invalid when the URL names no store we know; or a file.
pub fn open(location: &str, options: &BTreeMap<String, String>) -> Result<Opened> {
    let mut url = parse(location)?;
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    let opening = || format!("cannot open warehouse {location}");
    let unknown = |error: &dyn std::fmt::Display| Error::invalid(error.to_string());
    let (scheme, base) = ObjectStoreScheme::parse(&url).map_err(|error| unknown(&error)).context(opening)?;
    if let Some(name) = base.parts().find(|name| is_misread(name.as_ref())) {
        let name = name.as_ref();
        return Err(Error::invalid(phrase!(
            "cannot open warehouse {location}: the name {name} would be read as another; rename it"
        )));
    }
    let traffic: Arc<Traffic> = Arc::default();
    let store: Arc<dyn ObjectStore> = match scheme {
        ObjectStoreScheme::Local => {
            let own = url.to_file_path().map_err(|()| unknown(&format!("{url} is no local path")))?;
            let disk = DurableLocal::new(Arc::new(LocalFileSystem::new()), Arc::new(LocalDisk::new(own)));
            Arc::new(Counted::new(Arc::new(disk), traffic.clone(), true))
        }
        ObjectStoreScheme::Memory => Arc::new(Counted::new(Arc::new(InMemory::new()), traffic.clone(), false)),
        distant => {
            let store = remote::open(&url, &distant, options).context(opening)?;
            let counted = Counted::new(store, traffic.clone(), false);
            Arc::new(ProbedStore::new(Arc::new(counted), &base, &server_identity(&url, options)))
        }
    };
    Ok(Opened { url, store, base, traffic })
}

/// Would the Delta log's reader look for it in another place? It decodes names once too often (`a%20b` becomes `a b`), and takes
/// a backslash for a slash.
fn is_misread(name: &str) -> bool {
    let hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = name.as_bytes();
    let encoded = |at: usize| bytes[at] == b'%' && hex(bytes.get(at + 1)) && hex(bytes.get(at + 2));
    name.contains('\\') || (0..bytes.len()).any(encoded)
}

/// All that decides to which server requests go, and how it is asked to keep its promises.
fn server_identity(url: &Url, options: &BTreeMap<String, String>) -> String {
    let decides =
        |key: &String| ["endpoint", "base_url", "conditional", "emulator", "account_name"].iter().any(|part| key.contains(part));
    let options = options.iter().filter(|(key, _)| decides(key)).map(|(key, value)| format!("\n{key}={value}"));
    format!("1\n{url}{}", options.collect::<String>())
}

fn parse(location: &str) -> Result<Url> {
    if location.contains("://") {
        let url = Url::parse(location).map_err(|error| Error::invalid(phrase!("warehouse {location} is not a URL: {error}")))?;
        if url.scheme() == "file" {
            let path = url.to_file_path().map_err(|()| Error::invalid(phrase!("warehouse {location} is not a local path")))?;
            return folder(path);
        }
        return Ok(url);
    }
    folder(PathBuf::from(location))
}

fn folder(path: PathBuf) -> Result<Url> {
    let path = resolved(&path).context(|| phrase!("cannot find warehouse folder {}", path.display()))?;
    if path.exists() && !path.is_dir() {
        return Err(Error::invalid(phrase!("warehouse {} is a file: name a folder", path.display())));
    }
    Url::from_directory_path(&path).map_err(|()| Error::invalid(phrase!("{} is not an absolute path", path.display())))
}

/// The path without `.` and `..`. As everywhere, the folder above a link is the one above what it leads to.
fn resolved(path: &std::path::Path) -> io::Result<PathBuf> {
    let mut resolved = PathBuf::new();
    for part in std::path::absolute(path)?.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                match std::fs::canonicalize(&resolved) {
                    Ok(real) => resolved = real,
                    // What is not there yet is no link.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
                resolved.pop();
            }
            part => resolved.push(part),
        }
    }
    Ok(resolved)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn the_folder_above_a_link_is_the_one_above_what_it_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(here.join("a/b")).unwrap();
        std::os::unix::fs::symlink(here.join("a/b"), here.join("link")).unwrap();
        for (path, meant) in
            [("link/../wh", "a/wh"), ("a/../wh", "wh"), ("new/../wh", "wh"), ("./a/./b/..", "a"), ("link/wh", "link/wh")]
        {
            assert_eq!(resolved(&here.join(path)).unwrap(), here.join(meant), "{path}");
        }
    }
}
