//! What went wrong, as a program is told: a status, and a body after RFC 9457.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use datafusion::error::DataFusionError;
use serde::Serialize;
use uuid::Uuid;

use crate::error::{Error, Kind};
use crate::query::policy::errors::Denied;

/// The media type of a problem.
pub(crate) const MEDIA: &str = "application/problem+json";

/// Something that went wrong.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Problem {
    /// What kind of problem it is, as an address that leads nowhere.
    #[serde(rename = "type")]
    kind: String,
    /// The kind in words.
    pub(crate) title: &'static str,
    /// The status of HTTP.
    pub(crate) status: u16,
    /// What happened, and what to do about it.
    pub(crate) detail: String,
    /// A number nobody else has, to ask about it by.
    id: String,
    /// After how many seconds it may be tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u32>,
}

impl Problem {
    /// A problem of a kind that is named in words.
    pub(crate) fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        let kind = format!("urn:ier:problem:{}", title.replace(' ', "-"));
        Self { kind, title, status: status.as_u16(), detail: detail.into(), id: Uuid::new_v4().to_string(), retry_after: None }
    }

    /// The request is wrong.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Kind::Invalid.name(), detail)
    }

    /// What was named is not there.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, Kind::NotFound.name(), detail)
    }

    /// Whoever it is has not the right, or comes from where nobody may.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// Nobody knows who it is.
    pub(crate) fn stranger() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "not signed in", "sign in, or send a token: Authorization: Bearer TOKEN")
    }

    /// All places are taken.
    pub(crate) fn busy() -> Self {
        let detail = "too many statements run at once; try again (serve.statements says how many there may be)";
        Self { retry_after: Some(1), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too many statements", detail) }
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// As JSON, in one line.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        if Denied::is_why(&error) {
            return Self::forbidden(error.to_string());
        }
        let status = match error.kind() {
            Kind::Invalid => StatusCode::BAD_REQUEST,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Conflict => StatusCode::CONFLICT,
            Kind::Unavailable | Kind::Interrupted => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Corrupt | Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.kind().name(), error.to_string())
    }
}

impl From<DataFusionError> for Problem {
    fn from(error: DataFusionError) -> Self {
        Error::from(error).of_statement().into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status(), self.json()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA));
        if self.status() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
