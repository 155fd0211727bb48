//! Over HTTP: what programs get, what browsers get, what nobody gets. The client is curl, and where that says too little, bytes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use ier::error::Result;
use ier::query::look_ups::Requester;
use ier::serve::Server;
use ier::serve::access::Access;
use ier::serve::http::Site;
use ier::serve::shared::ServeLimits;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::fixture::Fixture;

/// Right answers, in every form.
mod answers;

/// People: search, history, audits, evidence.
mod people;

/// What is refused.
mod refused;

/// What ends a statement, and what a broken answer looks like.
mod stops;

/// Pages, as a browser without scripts gets them.
mod pages;

/// Other people, over TLS: what each role gets.
mod roles;

pub const ANA: &str = "003f40000000001AAA";

/// A server of `data/`, and how to come in.
pub struct Web {
    pub fixture: Fixture,
    pub address: SocketAddr,
    pub token: String,
    pub link: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<()>>,
}

/// What curl says of an answer.
#[derive(Debug)]
pub struct Reply {
    pub code: u16,
    pub head: String,
    pub body: Vec<u8>,
    /// 0 where the answer was whole.
    pub exit: i32,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.head, self.text()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let fits = |line: &&str| line.split_once(':').is_some_and(|(known, _)| known.eq_ignore_ascii_case(name));
        self.head.lines().find(fits).and_then(|line| line.split_once(':')).map(|(_, value)| value.trim())
    }
}

/// Runs curl; the server is in this process, on other threads.
pub fn curl(arguments: &[&str], input: &[u8]) -> Reply {
    let mut command = Command::new("curl");
    command.args(["-sS", "-i", "--max-time", "60", "-H", "Expect:"]).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("curl is here");
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    // A server may answer before all was sent.
    let sending = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    sending.join().unwrap();
    let at = output.stdout.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(output.stdout.len());
    let head = String::from_utf8_lossy(&output.stdout[..at]).into_owned();
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let body = output.stdout.get(at + 4..).unwrap_or_default().to_vec();
    Reply { code, head, body, exit: output.status.code().unwrap_or(-1) }
}

pub fn limits() -> ServeLimits {
    ServeLimits { connections: 40, statements: 8, statement: Some(Duration::from_secs(60)) }
}

impl Web {
    /// Over `data/`, as it was loaded.
    pub async fn usual() -> Self {
        Self::over(Fixture::filled().await, limits(), false).await
    }

    pub async fn over(fixture: Fixture, limits: ServeLimits, reason_required: bool) -> Self {
        let requester = Requester { who: "ana".into(), key: None, reason: None, reason_required };
        let engine = fixture.engine.clone().shown_to(requester);
        let (access, token) = Access::of("ana");
        let who = access.bearer(token.shown()).unwrap();
        let site = Site { zone: chrono_tz::America::Denver, questions: None, org_url: None, spill_folder: None };
        let server = Server::new(engine, access, limits).with_http("127.0.0.1:0", site).await.unwrap();
        let link = server.link(who).unwrap();
        let (stop, stopped) = oneshot::channel();
        let address = server.http_address().unwrap();
        let task = tokio::spawn(server.run(async { drop(stopped.await) }));
        Self { fixture, address, token: token.shown().to_owned(), link, stop, task }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A program asks, with its token.
    pub fn get(&self, path: &str) -> Reply {
        curl(&["-H", &format!("Authorization: Bearer {}", self.token), &self.url(path)], b"")
    }

    /// A program sends something.
    pub fn send(&self, path: &str, media: &str, body: &[u8]) -> Reply {
        let (token, media) = (format!("Authorization: Bearer {}", self.token), format!("Content-Type: {media}"));
        curl(&["-H", &token, "-H", &media, "--data-binary", "@-", &self.url(path)], body)
    }

    pub fn post(&self, path: &str, body: serde_json::Value) -> Reply {
        self.send(path, "application/json", body.to_string().as_bytes())
    }

    pub fn sql(&self, sql: &str, format: &str) -> Reply {
        self.send(&format!("/api/v1/sql?format={format}"), "application/sql", sql.as_bytes())
    }

    /// A browser signs in by the link: its cookie.
    pub fn cookie(&self) -> String {
        let reply = curl(&[&self.link], b"");
        assert_eq!((reply.code, reply.header("location")), (303, Some("/")), "{}", reply.head);
        let cookie = reply.header("set-cookie").unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        cookie.split(';').next().unwrap().to_owned()
    }

    /// A browser sends a form, or asks for a page where there are no fields.
    pub fn browse(&self, cookie: &str, path: &str, fields: &[(&str, &str)]) -> Reply {
        let cookie = format!("Cookie: {cookie}");
        let url = self.url(path);
        let mut arguments = vec!["-H", &cookie, "-H", "Accept: text/html", "-H", "Sec-Fetch-Site: same-origin"];
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        fields.iter().for_each(|field| arguments.extend(["--data-urlencode", field]));
        arguments.push(&url);
        curl(&arguments, b"")
    }

    /// Bytes, as they are; what comes back until the connection ends.
    pub fn bytes(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(bytes).unwrap();
        let mut back = Vec::new();
        drop(stream.read_to_end(&mut back));
        String::from_utf8_lossy(&back).into_owned()
    }

    /// Tells it to stop, and waits until it has.
    pub async fn stops(self) -> Fixture {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
        self.fixture
    }
}
