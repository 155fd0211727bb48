//! A form with a file in it (`multipart/form-data`, RFC 7578): as much of it as browsers send.

use super::input::Body;
use super::problem::Problem;

/// Parts that a form has, at most.
const MOST: usize = 16;

/// A form's parts: the name of each, and what is in it.
pub(crate) struct Parts<'a>(Vec<(String, &'a [u8])>);

impl<'a> Parts<'a> {
    /// The parts of a body.
    ///
    /// # Errors
    /// Invalid for what is no such form.
    pub(crate) fn of<const BYTES: usize>(body: &'a Body<BYTES>) -> Result<Self, Problem> {
        let wrong = || Problem::invalid("this is no form with a file in it");
        let parameters = body.media.split(';').map(str::trim);
        let boundary = parameters.clone().find_map(|parameter| parameter.strip_prefix("boundary="));
        let boundary = boundary.map(|text| text.trim_matches('"')).filter(|text| !text.is_empty() && text.len() <= 70);
        let boundary = boundary.filter(|_| body.is("multipart/form-data")).ok_or_else(wrong)?;
        Self::read(&body.bytes, boundary).ok_or_else(wrong)
    }

    fn read(bytes: &'a [u8], boundary: &str) -> Option<Self> {
        let first = format!("--{boundary}");
        let between = format!("\r\n--{boundary}");
        let mut rest = bytes.strip_prefix(first.as_bytes())?;
        let mut parts = Vec::new();
        loop {
            if rest.starts_with(b"--") {
                return Some(Self(parts));
            }
            rest = rest.strip_prefix(b"\r\n")?;
            let head_end = memchr::memmem::find(rest, b"\r\n\r\n")?;
            let head = std::str::from_utf8(&rest[..head_end]).ok()?;
            rest = &rest[head_end + 4..];
            let end = memchr::memmem::find(rest, between.as_bytes())?;
            let disposition = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
            let name = disposition.split(';').find_map(|part| part.trim().strip_prefix("name="))?.trim_matches('"');
            parts.push((name.to_owned(), &rest[..end]));
            if parts.len() > MOST {
                return None;
            }
            rest = &rest[end + between.len()..];
        }
    }

    /// What is in a part.
    pub(crate) fn bytes(&self, name: &str) -> Option<&'a [u8]> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, bytes)| *bytes)
    }

    /// The text in a part, if there is any.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let text = String::from_utf8_lossy(self.bytes(name)?).trim().to_owned();
        (!text.is_empty()).then_some(text)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const FORM: &[u8] = b"--xYz\r\nContent-Disposition: form-data; name=\"reason\"\r\n\r\n ticket 1 \r\n\
        --xYz\r\nContent-Disposition: form-data; name=\"pack\"; filename=\"a.zip\"\r\nContent-Type: application/zip\r\n\r\nP\r\n--xY\0\xFF\r\n--xYz--\r\n";

    #[test]
    fn a_file_may_hold_nearly_what_ends_it() {
        let parts = Parts::read(FORM, "xYz").unwrap();
        assert_eq!(parts.text("reason").unwrap(), "ticket 1");
        assert_eq!(parts.bytes("pack").unwrap(), b"P\r\n--xY\0\xFF");
        assert_eq!(parts.bytes("seal"), None);
    }

    #[test]
    fn what_breaks_off_anywhere_is_no_form() {
        for length in 0..FORM.len() - 4 {
            assert!(Parts::read(&FORM[..length], "xYz").is_none(), "{length}");
        }
        let many = "\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n--x".repeat(MOST + 1);
        assert!(Parts::read(format!("--x{many}--").as_bytes(), "x").is_none());
    }
}
