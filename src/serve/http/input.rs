//! What a request brings: its query, its body within limits, its fields.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::BytesMut;
use futures::StreamExt;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use url::form_urlencoded;

use super::problem::Problem;

/// Bytes of a statement, or of a form.
const BODY: usize = 1 << 20;

/// Bytes of a pack of evidence.
pub(crate) const PACK: usize = 64 << 20;

/// Of a body that is too long, so much more is read, so that who sends it hears why it is refused.
const HEARD_OUT: usize = 8 << 20;

/// A body comes within so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// The body of a request, and what it says it is.
pub(crate) struct Body<const BYTES: usize = BODY> {
    pub(crate) media: String,
    pub(crate) bytes: Bytes,
}

impl<S: Send + Sync, const BYTES: usize> FromRequest<S> for Body<BYTES> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let headers = request.headers();
        let coded = text(headers, header::CONTENT_ENCODING);
        if !coded.is_empty() && coded != "identity" {
            // What is small may unpack to anything.
            let detail = "a body that is packed is not taken; send it as it is";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported media type", detail));
        }
        let media = text(headers, header::CONTENT_TYPE);
        let too_long = || {
            let detail = format!("the body is longer than {} bytes", crate::human::count(BYTES as u64));
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too large", detail)
        };
        let reading = async {
            let mut pieces = request.into_body().into_data_stream();
            let (mut bytes, mut seen) = (BytesMut::new(), 0);
            while let Some(piece) = pieces.next().await {
                let piece = piece.map_err(|_| Problem::invalid("the body broke off"))?;
                seen += piece.len();
                match seen {
                    seen if seen <= BYTES => bytes.extend_from_slice(&piece),
                    // Who still sends does not hear the answer.
                    seen if seen <= BYTES + HEARD_OUT => bytes.clear(),
                    _ => return Err(too_long()),
                }
            }
            if seen > BYTES { Err(too_long()) } else { Ok(bytes.freeze()) }
        };
        let late = |_| Problem::new(StatusCode::REQUEST_TIMEOUT, "too slow", "the body took too long to come");
        let bytes = timeout(PATIENCE, reading).await.map_err(late)??;
        Ok(Self { media, bytes })
    }
}

impl<const BYTES: usize> Body<BYTES> {
    /// Is it of this media type, whatever parameters that has?
    pub(crate) fn is(&self, media: &str) -> bool {
        self.media.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media)
    }

    /// What it says in JSON.
    ///
    /// # Errors
    /// Invalid for what is none, or says what nobody asked.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_json::from_slice(&self.bytes)
            .map_err(|error| Problem::invalid(format!("the body is not what it should be: {error}")))
    }

    /// As text.
    pub(crate) fn text(&self) -> Result<&str, Problem> {
        std::str::from_utf8(&self.bytes).map_err(|_| Problem::invalid("the body is not UTF-8"))
    }

    /// The fields of a form; of several of one name the last.
    pub(crate) fn fields(&self) -> Fields {
        Fields(form_urlencoded::parse(&self.bytes).into_owned().collect())
    }
}

/// The fields of a form, or of a query.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(pub(crate) BTreeMap<String, String>);

impl Fields {
    /// A field's text without blanks around it, where it is there and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())
    }

    /// The same, or nothing.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// A day: `2026-08-06`.
    ///
    /// # Errors
    /// Invalid for what is none.
    pub(crate) fn day(&self, name: &str) -> Result<Option<chrono::NaiveDate>, Problem> {
        let read =
            |text: &str| text.parse().map_err(|_| Problem::invalid(format!("{name} is no day; give one such as 2026-08-06")));
        self.get(name).map(read).transpose()
    }
}

/// What stands behind the question mark.
pub(crate) struct Query(pub(crate) Fields);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self(Fields(form_urlencoded::parse(query.as_bytes()).into_owned().collect())))
    }
}

/// The text of a header; nothing where it is not there, or is no text.
pub(crate) fn text(headers: &HeaderMap, name: header::HeaderName) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().trim().to_owned()
}
