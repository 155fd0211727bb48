//! Style and scripts. Their address has a hash of all of them in it: what a browser keeps is never old.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::serve::http::problem::Problem;

const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// All files: name, media type, content.
const FILES: &[(&str, &str, &str)] = &[
    ("page.css", STYLE, include_str!("page.css")),
    ("worksheet.js", SCRIPT, include_str!("worksheet.js")),
    ("editor.js", SCRIPT, include_str!("editor.js")),
    ("grid.js", SCRIPT, include_str!("grid.js")),
    ("icon.svg", "image/svg+xml", include_str!("icon.svg")),
];

/// Hexadecimal digits of the hash.
const DIGITS: usize = 20;

static HASH: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = blake3::Hasher::new();
    for (name, _, content) in FILES {
        hasher.update(name.as_bytes()).update(&[0]).update(content.as_bytes()).update(&[0]);
    }
    hasher.finalize().to_hex()[..DIGITS].to_owned()
});

/// The address of a file.
pub(super) fn at(name: &str) -> String {
    format!("/assets/{}/{name}", *HASH)
}

/// A file.
pub(crate) async fn show(Path((hash, name)): Path<(String, String)>) -> Result<Response, Problem> {
    let file = FILES.iter().find(|(known, ..)| *known == name && hash == *HASH);
    let (_, media, content) = file.ok_or_else(|| Problem::not_found("there is no such file, or no longer"))?;
    let mut response = (*content).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_is_little_and_nothing_comes_from_elsewhere() {
        let bytes: usize = FILES.iter().map(|(.., content)| content.len()).sum();
        assert!(bytes < 80_000, "{bytes}");
        for (name, _, content) in FILES {
            let addresses = content.replace("http://www.w3.org/2000/svg", "");
            assert!(!addresses.contains("http://") && !addresses.contains("https://"), "{name}");
            assert!(!content.contains("innerHTML"), "{name}");
        }
    }
}
