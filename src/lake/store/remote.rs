//! Stores that are reached over a network: how long requests are retried, and how a store is emptied that cannot delete many
//! objects at once.
//!
//! A server that restarts is waited for: a load should not fail because a store was unavailable for half a minute.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpService,
    ReqwestConnector,
};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{
    BackoffConfig, ClientConfigKey, ClientOptions, CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreScheme, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result as StoreResult,
    RetryConfig,
};
use url::Url;

use crate::error::{Error, Result};
use crate::settings::store::RETRY_SECS;

/// How long requests are retried by default: a server that restarts takes less.
const RETRY_SECS_DEFAULT: u64 = 60;

/// What is sent again is not signed again, and signatures last for some minutes.
const RETRY_SECS_MAX: u64 = 240;

/// The first wait before a request is sent again, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(4));

/// More retries than the time allows, so that the time decides.
const RETRIES: usize = 10_000;

/// The addresses of clouds' metadata services, which give a machine its credentials. Elsewhere no server answers there.
const METADATA: [&str; 3] = ["169.254.169.254", "169.254.170.2", "metadata.google.internal"];

/// Objects that a store is asked to delete at once.
const MANY: usize = 1000;

/// Objects deleted at the same time where a store deletes them one by one.
const SINGLY: usize = 16;

/// The store of a URL, which is no local disk, and what of the URL is a path in it.
///
/// # Errors
/// Invalid when the URL names no store we know, or the options do not do for it.
pub(crate) fn open(url: &Url, scheme: &ObjectStoreScheme, options: &BTreeMap<String, String>) -> Result<Arc<dyn ObjectStore>> {
    let retry = retry(options)?;
    let older_way = options.keys().any(|key| key.ends_with("imdsv1_fallback"));
    let network = Network(Arc::new(Watched { older_way, ..Watched::default() }));
    macro_rules! builder {
        ($builder:ty) => {
            options
                .iter()
                .filter_map(|(key, value)| Some((key.parse().ok()?, value)))
                .fold(<$builder>::new().with_url(url.as_str()), |builder, (key, value)| builder.with_config(key, value))
                .with_retry(retry.clone())
                .with_http_connector(network.clone())
        };
    }
    let refused = |error: object_store::Error| Error::invalid(error.to_string());
    Ok(match scheme {
        ObjectStoreScheme::AmazonS3 => {
            let builder = builder!(AmazonS3Builder);
            let of = |key| builder.get_config_value(&key);
            let endpoint = of(AmazonS3ConfigKey::S3Endpoint).or_else(|| of(AmazonS3ConfigKey::Endpoint));
            encrypted(endpoint, of(AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp)), "aws_allow_http")?;
            let s3 = Arc::new(builder.build().map_err(refused)?);
            Arc::new(OneByOne { inner: s3.clone(), s3, network, patience: retry.retry_timeout })
        }
        ObjectStoreScheme::MicrosoftAzure => {
            let builder = builder!(MicrosoftAzureBuilder);
            let of = |key| builder.get_config_value(&key);
            if of(AzureConfigKey::UseEmulator).as_deref() != Some("true") {
                let allowed = of(AzureConfigKey::Client(ClientConfigKey::AllowHttp));
                encrypted(of(AzureConfigKey::Endpoint), allowed, "azure_allow_http")?;
            }
            Arc::new(builder.build().map_err(refused)?)
        }
        ObjectStoreScheme::GoogleCloudStorage => Arc::new(builder!(GoogleCloudStorageBuilder).build().map_err(refused)?),
        _ => return Err(Error::invalid("there is no such kind of store: give s3://, az:// or gs://, or a folder")),
    })
}

/// Without leave the client refuses, but says neither what nor why.
fn encrypted(endpoint: Option<String>, allowed: Option<String>, option: &str) -> Result<()> {
    match endpoint {
        Some(endpoint) if endpoint.starts_with("http://") && allowed.as_deref() != Some("true") => Err(Error::invalid(phrase!(
            "{endpoint} is not encrypted: give https://, or allow it with {option} = \"true\" in [store]"
        ))),
        _ => Ok(()),
    }
}

fn retry(options: &BTreeMap<String, String>) -> Result<RetryConfig> {
    let seconds = match options.get(RETRY_SECS) {
        None => RETRY_SECS_DEFAULT,
        Some(text) => text.trim().parse().ok().filter(|seconds| *seconds <= RETRY_SECS_MAX).ok_or_else(|| {
            Error::invalid(phrase!("store.{RETRY_SECS} is \"{text}\"; give a number of seconds from 0 to {RETRY_SECS_MAX}"))
        })?,
    };
    let (init_backoff, max_backoff) = BACKOFF;
    let max_retries = if seconds == 0 { 0 } else { RETRIES };
    let backoff = BackoffConfig { init_backoff, max_backoff, base: 2.0 };
    Ok(RetryConfig { backoff, max_retries, retry_timeout: Duration::from_secs(seconds) })
}

/// The way to the store, watched: some answers are not what the client takes them for.
#[derive(Clone, Debug, Default)]
struct Network(Arc<Watched>);

#[derive(Debug, Default)]
struct Watched {
    /// The store's own client; those for credentials are made before it.
    client: Mutex<Option<HttpClient>>,
    /// The store has said that it cannot delete many objects at once.
    only_singly: AtomicBool,
    /// Credentials of a machine are to be asked for in the older way, too, where the newer is refused.
    older_way: bool,
}

impl HttpConnector for Network {
    fn connect(&self, options: &ClientOptions) -> StoreResult<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        let client = HttpClient::new(Line { inner, watched: self.0.clone() });
        *self.0.client.lock().unwrap_or_else(PoisonError::into_inner) = Some(client.clone());
        Ok(client)
    }
}

#[derive(Debug)]
struct Line {
    inner: HttpClient,
    watched: Arc<Watched>,
}

#[async_trait]
impl HttpService for Line {
    async fn call(&self, request: HttpRequest) -> std::result::Result<HttpResponse, HttpError> {
        let metadata = request.uri().host().is_some_and(|host| METADATA.contains(&host));
        let many = request.method().as_str() == "POST" && request.uri().query().is_some_and(|query| query.starts_with("delete"));
        let mut response = match self.inner.execute(request).await {
            Ok(response) => response,
            // Who is not in that cloud would wait in vain.
            Err(error) if metadata => return Err(HttpError::new(HttpErrorKind::Unknown, no_credentials(&error))),
            Err(error) => return Err(error),
        };
        // 403 has a meaning of its own for those who ask for the older way.
        if metadata && !response.status().is_success() && !(self.watched.older_way && response.status().as_u16() == 403) {
            return Err(HttpError::new(HttpErrorKind::Unknown, no_credentials(&response.status())));
        }
        // "Not implemented" is 501, which the client tries again like any 5xx; "method not allowed" it does not.
        if response.status().as_u16() == 501
            && let Ok(status) = 405_u16.try_into()
        {
            *response.status_mut() = status;
        }
        if many && response.status().as_u16() == 405 {
            self.watched.only_singly.store(true, Ordering::Relaxed);
        }
        Ok(response)
    }
}

fn no_credentials(error: &dyn fmt::Display) -> Error {
    Error::invalid(phrase!(
        "there are no credentials for the store: set them (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AZURE_STORAGE_ACCOUNT_KEY, \
         or GOOGLE_SERVICE_ACCOUNT); this machine has none of its own ({error})"
    ))
}

/// S3 whose objects are deleted one by one where the server cannot delete many at once.
#[derive(Clone, Debug)]
struct OneByOne {
    inner: Arc<dyn ObjectStore>,
    s3: Arc<AmazonS3>,
    network: Network,
    /// How long one deletion is tried.
    patience: Duration,
}

impl OneByOne {
    async fn delete_many(&self, places: Vec<Path>) -> Vec<StoreResult<Path>> {
        let singly = || self.network.0.only_singly.load(Ordering::Relaxed);
        if !singly() {
            let these = futures::stream::iter(places.clone().into_iter().map(Ok)).boxed();
            let done: Vec<_> = self.inner.delete_stream(these).collect().await;
            if !singly() || done.iter().all(Result::is_ok) {
                return done;
            }
        }
        let deletions = places.into_iter().map(|place| async { self.delete_one(&place).await.map(|()| place) });
        futures::stream::iter(deletions.collect::<VecDeque<_>>()).buffered(SINGLY).collect().await
    }

    /// The client has no request for this; but it can sign one.
    async fn delete_one(&self, place: &Path) -> StoreResult<()> {
        let (mut wait, longest) = BACKOFF;
        let mut waited = Duration::ZERO;
        loop {
            let answer = match self.request(place).await? {
                Ok(response) => match response.status().as_u16() {
                    200..=299 | 404 => return Ok(()),
                    401 | 403 => {
                        let source = format!("it may not be deleted: {}", response.status()).into();
                        return Err(object_store::Error::PermissionDenied { path: place.to_string(), source });
                    }
                    429 | 500..=599 => response.status().to_string(),
                    _ => return Err(generic(format!("cannot delete {place}: {}", response.status()))),
                },
                Err(error) => error.to_string(),
            };
            if waited >= self.patience {
                return Err(generic(format!("cannot delete {place}: {answer}")));
            }
            tokio::time::sleep(wait).await;
            waited += wait;
            wait = (wait * 2).min(longest);
        }
    }

    async fn request(&self, place: &Path) -> StoreResult<std::result::Result<HttpResponse, HttpError>> {
        let wrong = |error: &dyn fmt::Display| generic(format!("cannot ask to delete {place}: {error}"));
        let url = self.s3.signed_url("DELETE".parse().map_err(|error| wrong(&error))?, place, Duration::from_secs(60)).await?;
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.method_mut() = "DELETE".parse().map_err(|error| wrong(&error))?;
        *request.uri_mut() = url.as_str().parse().map_err(|error| wrong(&error))?;
        let client = self.network.0.client.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let client = client.ok_or_else(|| generic("the store has no client".to_owned()))?;
        Ok(client.execute(request).await)
    }
}

fn generic(what: String) -> object_store::Error {
    object_store::Error::Generic { store: "S3", source: what.into() }
}

impl fmt::Display for OneByOne {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for OneByOne {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> StoreResult<PutResult> {
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> StoreResult<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> StoreResult<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, StoreResult<Path>>) -> BoxStream<'static, StoreResult<Path>> {
        let this = self.clone();
        let chunks = locations.try_chunks(MANY).then(move |places| {
            let this = this.clone();
            async move {
                match places {
                    Ok(places) => this.delete_many(places).await,
                    Err(error) => vec![Err(error.1)],
                }
            }
        });
        chunks.map(futures::stream::iter).flatten().boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> StoreResult<()> {
        self.inner.rename_opts(from, to, options).await
    }
}
