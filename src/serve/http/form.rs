//! In what form an answer leaves: by `?format=`, else by what a client says it accepts, else JSON.

use axum::http::{HeaderMap, StatusCode, header};

use super::input::text;
use super::problem::Problem;
use crate::output::Format;

/// A form of answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Form {
    /// As it is written to a file.
    File(Format),
    /// For the worksheet: a line with the columns, a line a row, and a line that says that it is whole, with the number of all rows.
    Rows,
}

/// Every form: its name, its media type, the end of a file's name.
const FORMS: &[(&str, &str, &str, Form)] = &[
    ("json", "application/json", "json", Form::File(Format::Json)),
    ("ndjson", "application/x-ndjson", "ndjson", Form::File(Format::Ndjson)),
    ("csv", "text/csv; charset=utf-8", "csv", Form::File(Format::Csv)),
    ("arrow", "application/vnd.apache.arrow.stream", "arrows", Form::File(Format::ArrowStream)),
    ("parquet", "application/vnd.apache.parquet", "parquet", Form::File(Format::Parquet)),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx", Form::File(Format::Xlsx)),
    ("svg", "image/svg+xml", "svg", Form::File(Format::Svg)),
    ("png", "image/png", "png", Form::File(Format::Png)),
    ("rows", "application/vnd.ier.rows", "ndjson", Form::Rows),
];

impl Form {
    /// The form of a name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        FORMS.iter().find(|(known, ..)| *known == name).map(|(.., form)| *form)
    }

    /// The form a request asks for.
    ///
    /// # Errors
    /// Invalid for a name that is none; 406 where a client accepts none of them.
    pub(crate) fn wanted(name: Option<&str>, headers: &HeaderMap) -> Result<Self, Problem> {
        let names = || FORMS.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ");
        if let Some(name) = name {
            let unknown = || Problem::invalid(format!("there is no format \"{name}\"; there are {}", names()));
            return Self::named(name).ok_or_else(unknown);
        }
        let accepted = text(headers, header::ACCEPT);
        let mut media: Vec<(&str, f32)> = accepted.split(',').map(range).filter(|(media, _)| !media.is_empty()).collect();
        if media.is_empty() {
            return Ok(Self::File(Format::Json));
        }
        media.sort_by(|a, b| b.1.total_cmp(&a.1));
        for (wanted, _) in media.iter().filter(|(_, quality)| *quality > 0.0) {
            let fits = |media: &str| {
                let media = media.split(';').next().unwrap_or_default();
                let whole_kind =
                    wanted.strip_suffix("/*").is_some_and(|kind| kind == "*" || media.split('/').next() == Some(kind));
                whole_kind || media.eq_ignore_ascii_case(wanted)
            };
            if let Some((.., form)) = FORMS.iter().find(|(_, media, ..)| fits(media)) {
                return Ok(*form);
            }
        }
        let detail = format!("none of the forms of answers is accepted; ask for one by ?format=: {}", names());
        Err(Problem::new(StatusCode::NOT_ACCEPTABLE, "not acceptable", detail))
    }

    fn row(self) -> (&'static str, &'static str) {
        let row = FORMS.iter().find(|(.., form)| *form == self);
        row.map_or(("application/octet-stream", "bin"), |(_, media, ending, _)| (media, ending))
    }

    /// Its media type.
    pub(crate) fn media(self) -> &'static str {
        self.row().0
    }

    /// How the name of such a file ends.
    pub(crate) fn ending(self) -> &'static str {
        self.row().1
    }

    /// How it is written.
    pub(crate) fn format(self) -> Format {
        match self {
            Self::File(format) => format,
            Self::Rows => Format::Ndjson,
        }
    }
}

/// A media range and how much it is wanted.
fn range(text: &str) -> (&str, f32) {
    let mut parts = text.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |text| text.parse().unwrap_or(0.0));
    (media, quality)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_name_decides_then_what_is_accepted() {
        let wanted = |name: Option<&str>, accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            Form::wanted(name, &headers).map(Form::ending).map_err(|problem| problem.status().as_u16())
        };
        for (name, accept, form) in [
            (Some("csv"), "application/json", Ok("csv")),
            (Some("rows"), "", Ok("ndjson")),
            (Some("pdf"), "*/*", Err(400)),
            (None, "", Ok("json")),
            (None, "*/*", Ok("json")),
            (None, "text/*", Ok("csv")),
            (None, "text/csv;q=0.5, application/vnd.apache.parquet", Ok("parquet")),
            (None, "text/html, application/vnd.apache.arrow.stream;q=0.1", Ok("arrows")),
            (None, "text/html", Err(406)),
            (None, "application/json;q=0", Err(406)),
        ] {
            assert_eq!(wanted(name, accept), form, "{name:?} {accept}");
        }
    }
}
