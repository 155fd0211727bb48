//! Resolves the inputs that the user names to a list of files, in one fixed order.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempPath;

use super::reject;
use super::stream::{Stream, copied, fill};
use crate::error::{Context, Error, Result};

/// How standard input is called in messages.
pub const STANDARD_INPUT: &str = "standard input";

/// Endings of the names that are read from a folder or an archive of files.
const ENDINGS: [&str; 11] = [".csv", ".gz", ".zip", ".parquet", ".txt", ".tsv", ".tab", ".json", ".jsonl", ".ndjson", ".zst"];

/// How many names an error lists.
const NAMES_LISTED: usize = 5;

/// One file to read, or standard input.
#[derive(Clone, Debug)]
pub struct Input {
    /// The name for messages: the path as found.
    pub name: String,
    /// Where it is; `None` is standard input.
    pub path: Option<PathBuf>,
    /// Its size, where that is known.
    pub bytes: Option<u64>,
    /// Named outright or by a pattern, rather than found in a folder: then it must be understood.
    pub is_outright: bool,
    /// What came through a pipe, once it was read: see [`Input::keep`].
    pub(super) copy: Option<Arc<TempPath>>,
}

impl PartialEq for Input {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.path, self.bytes) == (&other.name, &other.path, other.bytes)
    }
}

impl Eq for Input {}

impl Input {
    /// Reads what can be read once only, standard input or a pipe, into a file of its own: a file is examined before its rows are
    /// believed, and may have to be read twice.
    ///
    /// # Errors
    /// Unavailable when it cannot be read, or there is no room.
    pub fn keep(&mut self) -> Result<()> {
        if self.bytes.is_none() && self.copy.is_none() {
            let stream: Stream = match &self.path {
                None => Box::new(std::io::stdin()),
                Some(path) => Box::new(fs::File::open(path).context(|| phrase!("opening {}", self.name))?),
            };
            self.copy = Some(Arc::new(copied(&self.name, &mut { stream })?));
        }
        Ok(())
    }

    fn file(path: &Path, is_outright: bool) -> Result<Self> {
        let metadata = fs::metadata(path).context(|| path.display())?;
        let bytes = metadata.is_file().then_some(metadata.len());
        Ok(Self { name: path.display().to_string(), path: Some(path.to_owned()), bytes, is_outright, copy: None })
    }
}

/// Files, folders (with all below them), patterns, and `-` for standard input become a list of files without repetition.
///
/// From a folder only names with a known ending are taken; hidden names, those that begin with `_`, and rejects files of earlier
/// loads are not.
/// A file that is named outright is taken whatever it is called.
///
/// # Errors
/// Not found: a name without file, a pattern without match. Invalid: no name at all, or a folder without anything to read.
pub fn expand(args: &[String]) -> Result<Vec<Input>> {
    if args.is_empty() {
        return Err(Error::invalid("nothing to read: name files, folders or patterns, or - for standard input"));
    }
    let mut inputs = Vec::new();
    let mut seen: BTreeSet<Option<PathBuf>> = BTreeSet::new();
    let mut take = |input: Input| {
        if seen.insert(input.path.clone()) {
            inputs.push(input);
        }
    };
    for arg in args {
        if arg == "-" {
            take(Input { name: STANDARD_INPUT.to_owned(), path: None, bytes: None, is_outright: true, copy: None });
            continue;
        }
        // A file whose name happens to look like a pattern is still a file.
        let paths = if Path::new(arg).exists() { vec![PathBuf::from(arg)] } else { matches(arg)? };
        for path in paths {
            if path.is_dir() {
                for file in folder(&path)? {
                    take(Input::file(&file, false)?);
                }
            } else {
                take(Input::file(&path, true)?);
            }
        }
    }
    Ok(inputs)
}

fn matches(pattern: &str) -> Result<Vec<PathBuf>> {
    if !pattern.contains(['*', '?', '[']) {
        return Err(Error::not_found(phrase!("{pattern}: no such file or folder")));
    }
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::default() };
    let found = glob::glob_with(pattern, options).map_err(|error| Error::invalid(phrase!("{pattern}: {error}")))?;
    let mut paths = found
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|error| Error::unavailable(phrase!("{pattern}: {error}")).with_source(error))?;
    paths.sort();
    if paths.is_empty() {
        return Err(Error::not_found(phrase!("{pattern}: no file matches")));
    }
    Ok(paths)
}

/// The readable files of a folder and the folders below it, sorted.
fn folder(path: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut others = Vec::new();
    walk(path, &mut files, &mut others)?;
    if files.is_empty() {
        let there = if others.is_empty() { "it is empty".to_owned() } else { format!("it holds {}", listed(&others)) };
        return Err(Error::invalid(phrase!(
            "{}: nothing to read, {there}; read are names ending {}",
            path.display(),
            ENDINGS.join(" ")
        )));
    }
    Ok(files)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>, others: &mut Vec<String>) -> Result<()> {
    let doing = || format!("listing {}", folder.display());
    let mut entries = fs::read_dir(folder).context(doing)?.collect::<std::io::Result<Vec<_>>>().context(doing)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_hidden(&name) {
            continue;
        }
        // A link to a folder is not followed: it may lead back up.
        if entry.file_type().context(|| entry.path().display().to_string())?.is_dir() {
            walk(&entry.path(), files, others)?;
        } else if has_known_ending(&name) && entry.path().is_file() && !is_rejects(&entry.path())? {
            files.push(entry.path());
        } else {
            others.push(name);
        }
    }
    Ok(())
}

/// Is this what an earlier load has refused? Such files are made beside exports, and are none.
fn is_rejects(path: &Path) -> Result<bool> {
    let mut head = [0; reject::HEADER.len()];
    let read = fs::File::open(path).and_then(|mut file| fill(&mut file, &mut head)).context(|| path.display())?;
    Ok(head[..read] == *reject::HEADER.as_bytes())
}

/// Hidden names, and those that tools set aside (`_delta_log`, `_SUCCESS`, `__MACOSX`).
pub(super) fn is_hidden(name: &str) -> bool {
    name.starts_with(['.', '_'])
}

pub(super) fn has_known_ending(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Some names for an error message.
pub(super) fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMES_LISTED);
    let first = names[..names.len() - more].join(", ");
    if more == 0 { first } else { format!("{first} and {more} more") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn files_folders_patterns_and_standard_input() {
        let folder = tempfile::tempdir().expect("folder");
        let root = folder.path();
        fs::create_dir_all(root.join("deep/er")).expect("folders");
        fs::create_dir_all(root.join("_delta_log")).expect("folders");
        fs::create_dir_all(root.join("docs")).expect("folders");
        for name in ["b.csv", "a.CSV.gz", ".hidden.csv", "_aside.csv", "readme.md", "deep/er/c.parquet", "_delta_log/0.csv"] {
            fs::write(root.join(name), "x").expect("file");
        }
        fs::write(root.join("docs/notes.md"), "x").expect("file");
        let at = |name: &str| root.join(name).display().to_string();
        let names = |args: &[String]| -> Vec<String> {
            let inputs = expand(args).expect("inputs");
            inputs.iter().map(|input| input.name.strip_prefix(&at("")).unwrap_or(&input.name).to_owned()).collect()
        };
        assert_eq!(names(&[at("")]), ["a.CSV.gz", "b.csv", "deep/er/c.parquet"]);
        assert_eq!(names(&[at("readme.md"), "-".into(), at("readme.md")]), ["readme.md", STANDARD_INPUT], "named outright, once");
        assert_eq!(names(&[at("*.csv")]), ["_aside.csv", "b.csv"], "a pattern names outright, too");
        assert_eq!(names(&[at("**/*.parquet")]), ["deep/er/c.parquet"]);
        assert_eq!(expand(&[at("b.csv")]).expect("one")[0].bytes, Some(1));

        let kind = |arg: &str| expand(&[arg.to_owned()]).expect_err("refused").kind();
        assert_eq!(kind(&at("none.csv")), Kind::NotFound);
        assert_eq!(kind(&at("none*")), Kind::NotFound);
        assert_eq!(expand(&[]).expect_err("refused").kind(), Kind::Invalid);
        let error = expand(&[at("docs")]).expect_err("refused");
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(error.to_string().contains("notes.md"), "{error}");
    }
}
