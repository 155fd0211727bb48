//! An S3 server in the test's own process, which may answer requests badly, or not at all.
//!
//! It does one request to a bucket at a time, so that a conditional put is decided and done before the next is looked at:
//! the file system below checks first and writes later.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path as FilePath;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::{HttpClient, HttpConnector, ReqwestConnector};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use s3s::Body;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

const ACCESS_KEY: &str = "tester";
const SECRET_KEY: &str = "a-key-for-tests";

/// How a request goes wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HttpFault {
    /// 500, and nothing is done.
    Error,
    /// 503 SlowDown, and nothing is done.
    SlowDown,
    /// The connection closes, and nothing is done.
    Dropped,
    /// It is done, and answered 500: the client tries again what it has done already.
    ErrorAfter,
    /// It is done, and the connection closes before the answer.
    DroppedAfter,
}

impl HttpFault {
    pub const ALL: [HttpFault; 5] =
        [HttpFault::Error, HttpFault::SlowDown, HttpFault::Dropped, HttpFault::ErrorAfter, HttpFault::DroppedAfter];
}

/// A bucket's requests.
#[derive(Default)]
struct Bucket {
    one_at_a_time: Arc<tokio::sync::Mutex<()>>,
    requests: Vec<Method>,
    fault: Option<(usize, HttpFault)>,
    /// So many more requests are answered 503.
    away: usize,
    /// It does not know how to delete many objects at once.
    deletes_singly: bool,
}

type Buckets = Arc<Mutex<HashMap<String, Bucket>>>;

/// The server; it stops when it is dropped.
pub struct S3Server {
    address: SocketAddr,
    connector: OneClient,
    folder: TempDir,
    buckets: Buckets,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl S3Server {
    /// Starts a server without buckets on a free port.
    pub fn start() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let mut service = S3ServiceBuilder::new(FileSystem::new(folder.path()).expect("a file system"));
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let (service, buckets) = (service.build(), Buckets::default());
        let (stop, stopped) = oneshot::channel();
        let (started, address) = std::sync::mpsc::channel();
        let serving = buckets.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                started.send(listener.local_addr().expect("an address")).expect("somebody waits");
                tokio::select! {
                    _ = stopped => {}
                    () = serve(listener, service, serving) => {}
                }
            });
            runtime.shutdown_timeout(Duration::from_secs(1));
        });
        let address = address.recv().expect("the server starts");
        Self { address, connector: OneClient::new(), folder, buckets, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes a bucket of objects: paths and bytes.
    pub fn fill(&self, bucket: &str, objects: &[(String, bytes::Bytes)]) {
        let folder = self.folder.path().join(bucket);
        std::fs::create_dir(&folder).expect("a new bucket");
        for (path, bytes) in objects {
            let file = folder.join(path);
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            std::fs::write(file, bytes).expect("an object");
        }
    }

    /// Removes a bucket that is needed no more.
    pub fn empty(&self, bucket: &str) {
        let folder: &FilePath = self.folder.path();
        std::fs::remove_dir_all(folder.join(bucket)).expect("a bucket");
    }

    /// A client of a bucket, which tries again what failed as often as in production, but without waiting for long.
    pub fn client(&self, bucket: &str) -> AmazonS3 {
        let backoff = BackoffConfig { init_backoff: Duration::from_millis(1), max_backoff: Duration::from_millis(4), base: 2.0 };
        let retry = RetryConfig { backoff, max_retries: 10, retry_timeout: Duration::from_secs(20) };
        let builder = AmazonS3Builder::new().with_endpoint(self.endpoint()).with_allow_http(true).with_region("us-east-1");
        let builder = builder.with_bucket_name(bucket).with_access_key_id(ACCESS_KEY).with_secret_access_key(SECRET_KEY);
        builder
            .with_unsigned_payload(true)
            .with_retry(retry)
            .with_http_connector(self.connector.clone())
            .build()
            .expect("a client")
    }

    /// The settings with which a warehouse finds the server.
    pub fn options(&self) -> std::collections::BTreeMap<String, String> {
        let options = [
            ("aws_endpoint", self.endpoint()),
            ("aws_allow_http", "true".to_owned()),
            ("aws_region", "us-east-1".to_owned()),
            ("aws_access_key_id", ACCESS_KEY.to_owned()),
            ("aws_secret_access_key", SECRET_KEY.to_owned()),
        ];
        options.map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// Request `fault.0` to the bucket, counted from 1 and from now on, goes wrong.
    pub fn fail(&self, bucket: &str, fault: (usize, HttpFault)) {
        let mut buckets = self.buckets.lock().expect("no test panics with the lock");
        let bucket = buckets.entry(bucket.to_owned()).or_default();
        bucket.requests.clear();
        bucket.fault = Some(fault);
    }

    /// The next requests to the bucket are answered that the server is away.
    pub fn away(&self, bucket: &str, requests: usize) {
        self.buckets.lock().expect("no test panics with the lock").entry(bucket.to_owned()).or_default().away = requests;
    }

    /// The bucket does not know how to delete many objects at once.
    pub fn deletes_singly(&self, bucket: &str) {
        self.buckets.lock().expect("no test panics with the lock").entry(bucket.to_owned()).or_default().deletes_singly = true;
    }

    /// The requests made to a bucket.
    pub fn requests(&self, bucket: &str) -> Vec<Method> {
        let buckets = self.buckets.lock().expect("no test panics with the lock");
        buckets.get(bucket).map(|bucket| bucket.requests.clone()).unwrap_or_default()
    }
}

/// The client of all clients: to make one costs more than most jobs here, for it reads all certificates there are.
///
/// It connects anew for each request, because a connection ends with the runtime in which it was made.
#[derive(Clone, Debug)]
struct OneClient(HttpClient);

impl OneClient {
    fn new() -> Self {
        let options = ClientOptions::new().with_allow_http(true).with_pool_max_idle_per_host(0);
        Self(ReqwestConnector::default().connect(&options).expect("a client"))
    }
}

impl HttpConnector for OneClient {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.0.clone())
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

async fn serve(listener: TcpListener, service: S3Service, buckets: Buckets) {
    loop {
        // A client that went away before it was let in.
        let Ok((socket, _)) = listener.accept().await else { continue };
        drop(socket.set_nodelay(true));
        let (service, buckets) = (service.clone(), buckets.clone());
        tokio::spawn(async move {
            let answers = service_fn(move |request| answer(service.clone(), buckets.clone(), request));
            // A connection that is dropped on purpose ends in an error.
            drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), answers).await);
        });
    }
}

async fn answer(
    service: S3Service,
    buckets: Buckets,
    request: Request<Incoming>,
) -> Result<Response<Body>, Box<dyn std::error::Error + Send + Sync>> {
    let name = request.uri().path().split('/').nth(1).unwrap_or_default().to_owned();
    let many = request.method() == Method::POST && request.uri().query().is_some_and(|query| query.starts_with("delete"));
    let (turn, fault, refused) = {
        let mut buckets = buckets.lock().expect("no test panics with the lock");
        let bucket = buckets.entry(name).or_default();
        bucket.requests.push(request.method().clone());
        let number = bucket.requests.len();
        let refused = match (bucket.away, bucket.deletes_singly && many) {
            (1.., _) => Some((StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable")),
            (_, true) => Some((StatusCode::NOT_IMPLEMENTED, "NotImplemented")),
            _ => None,
        };
        bucket.away = bucket.away.saturating_sub(1);
        let fault = bucket.fault.filter(|(at, _)| *at == number).map(|(_, fault)| fault);
        (bucket.one_at_a_time.clone(), fault, refused)
    };
    if let Some((status, code)) = refused {
        return Ok(error(status, code)?);
    }
    let _turn = turn.lock().await;
    match fault {
        Some(HttpFault::Error) => return Ok(error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError")?),
        Some(HttpFault::SlowDown) => return Ok(error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown")?),
        Some(HttpFault::Dropped) => return Err("dropped before it was done".into()),
        Some(HttpFault::ErrorAfter | HttpFault::DroppedAfter) | None => {}
    }
    let done = service.call(request.map(Body::from)).await.map_err(|error| format!("{error:?}"))?;
    match fault {
        Some(HttpFault::ErrorAfter) => Ok(error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError")?),
        Some(HttpFault::DroppedAfter) => Err("dropped when it was done".into()),
        _ => Ok(done),
    }
}

fn error(status: StatusCode, code: &str) -> Result<Response<Body>, hyper::http::Error> {
    let text = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>made to fail</Message></Error>");
    Response::builder().status(status).body(Body::from(text))
}
