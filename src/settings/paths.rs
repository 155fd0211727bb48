//! Expands paths and addresses from settings and flags: `~` for the home folder, URLs of stores, the address of the org.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Names of stores that stand before `://`; a warehouse that begins with one and a single colon is a slip.
const SCHEMES: [&str; 11] = ["file", "memory", "s3", "s3a", "gs", "az", "adl", "azure", "abfs", "abfss", "https"];

/// `~` and what is below it, from the user's own folder. A shell does that, but not in a file, nor behind `--flag=`.
///
/// # Errors
/// Invalid when nobody says which folder that is.
pub fn expanded(path: PathBuf, home: Option<&Path>) -> Result<PathBuf> {
    let Ok(below) = path.strip_prefix("~") else { return Ok(path) };
    let home = home.ok_or_else(|| Error::invalid(phrase!("{}: HOME is not set; write the folder in full", path.display())))?;
    Ok(if below.as_os_str().is_empty() { home.to_owned() } else { home.join(below) })
}

/// Where a warehouse is: a URL as it is, or a folder; the latter from `from`, where the words stand.
///
/// # Errors
/// Invalid when it is neither, or as [`expanded`].
pub fn warehouse(words: &str, from: &Path, home: Option<&Path>) -> Result<String> {
    if words.contains("://") {
        return Ok(words.to_owned());
    }
    if let Some((scheme, rest)) = words.split_once(':')
        && SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme))
    {
        let meant = rest.trim_start_matches('/');
        return Err(Error::invalid(phrase!(
            "warehouse {words} would be a folder called {scheme}: give {scheme}://{meant}, or ./{words} for the folder"
        )));
    }
    let folder = from.join(expanded(PathBuf::from(words), home)?);
    folder.into_os_string().into_string().map_err(|folder| {
        Error::invalid(phrase!("warehouse {} is not utf-8: name a folder that is", Path::new(&folder).display()))
    })
}

/// The address of an org, as links to its records begin; none where it is empty.
///
/// # Errors
/// Invalid for what is no address of a page.
pub fn org(words: &str) -> Result<Option<String>> {
    let url = words.trim().trim_end_matches('/');
    let host = url.strip_prefix("https://").unwrap_or("");
    match url.is_empty() {
        true => Ok(None),
        false if host.contains('.') && !host.contains(|c: char| c == '/' || c.is_whitespace()) => Ok(Some(url.to_owned())),
        false => Err(Error::invalid(phrase!(
            "ask.org_url is \"{words}\"; give the address of the org without a path, such as https://example.lightning.force.com"
        ))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_is_the_users_folder_and_a_name_that_begins_with_one_is_a_name() {
        let home = Some(Path::new("/home/ann"));
        for (written, meant) in [("~", "/home/ann"), ("~/wh", "/home/ann/wh"), ("~bob", "~bob"), ("a/~", "a/~"), ("./~", "./~")] {
            assert_eq!(expanded(PathBuf::from(written), home).unwrap(), Path::new(meant), "{written}");
        }
        assert!(expanded(PathBuf::from("~/wh"), None).unwrap_err().to_string().contains("HOME is not set"));
    }

    #[test]
    fn an_org_is_the_address_before_any_path() {
        assert_eq!(org(" ").unwrap(), None);
        assert_eq!(org("https://a.lightning.force.com/").unwrap().as_deref(), Some("https://a.lightning.force.com"));
        for wrong in
            ["a.lightning.force.com", "http://a.force.com", "https://a.force.com/lightning", "https://a", "https://a .com"]
        {
            assert!(org(wrong).unwrap_err().to_string().contains("without a path"), "{wrong}");
        }
    }

    #[test]
    fn a_warehouse_is_a_url_or_a_folder_from_where_the_words_stand() {
        let home = Some(Path::new("/home/ann"));
        let meant = |words: &str| warehouse(words, Path::new("/etc"), home);
        assert_eq!(meant("s3://bucket/a").unwrap(), "s3://bucket/a");
        assert_eq!(meant("../wh").unwrap(), "/etc/../wh");
        assert_eq!(meant("~/wh").unwrap(), "/home/ann/wh");
        assert_eq!(meant("./s3:/bucket").unwrap(), "/etc/./s3:/bucket");
        assert_eq!(meant("a:b").unwrap(), "/etc/a:b");
        for slip in ["s3:/bucket", "s3:bucket", "GS:/x/y", "file:/srv/ier"] {
            assert!(meant(slip).unwrap_err().to_string().contains("://"), "{slip}");
        }
    }
}
