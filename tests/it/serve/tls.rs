//! TLS: nobody reads along, nobody slips anything in, and a proof is good for one certificate only.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::task::{Context, Poll};

use ier::serve::Server;
use ier::serve::access::Access;
use ier::serve::tls::Tls;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_postgres::config::{ChannelBinding as Binding, SslMode, SslNegotiation};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres::{Client, Config};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use super::access::{People, filled};
use super::{Served, client, limits, rows};

/// A certificate of this machine, in files.
pub struct Certificate {
    folder: TempDir,
    pem: String,
}

impl Certificate {
    pub fn new() -> Self {
        let certificate = Self { folder: tempfile::tempdir().unwrap(), pem: String::new() };
        let pem = certificate.renewed();
        Self { pem, ..certificate }
    }

    /// Writes a new one in the old one's place.
    fn renewed(&self) -> String {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let [certificate, key] = self.paths();
        for (path, text) in [(key, made.signing_key.serialize_pem()), (certificate, made.cert.pem())] {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        }
        made.cert.pem()
    }

    pub fn paths(&self) -> [PathBuf; 2] {
        ["cert.pem", "key.pem"].map(|name| self.folder.path().join(name))
    }

    pub fn tls(&self) -> Tls {
        let [certificate, key] = self.paths();
        Tls::load(&certificate, &key, Arc::new(|_| {})).unwrap()
    }

    fn connect(&self) -> Connect {
        Connect::trusting(&self.pem)
    }
}

/// A client's TLS, which trusts one certificate.
#[derive(Clone)]
struct Connect {
    config: Arc<ClientConfig>,
    /// What it believes to be the server's certificate when it proves who it is.
    end_point: Vec<u8>,
}

impl Connect {
    fn trusting(pem: &str) -> Self {
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        // rcgen signs by ECDSA with SHA-256.
        let suite = crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256.tls13().unwrap();
        let end_point = suite.common.hash_provider.hash(&certificate).as_ref().to_vec();
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(crypto::aws_lc_rs::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        let mut config = config.with_no_client_auth();
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Self { config: Arc::new(config), end_point }
    }
}

struct Secured<S> {
    stream: tokio_rustls::client::TlsStream<S>,
    end_point: Vec<u8>,
}

/// What a connection goes through.
trait Carrier: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Carrier for S {}

impl<S: Carrier> AsyncRead for Secured<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: Carrier> AsyncWrite for Secured<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: Carrier> TlsStream for Secured<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::tls_server_end_point(self.end_point.clone())
    }
}

impl<S: Carrier> TlsConnect<S> for Connect {
    type Stream = Secured<S>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = std::io::Result<Secured<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let name = ServerName::try_from("localhost").unwrap();
            let stream = TlsConnector::from(self.config).connect(name, stream).await?;
            Ok(Secured { stream, end_point: self.end_point })
        })
    }
}

impl<S: Carrier> MakeTlsConnect<S> for Connect {
    type Stream = Secured<S>;
    type TlsConnect = Self;
    type Error = std::io::Error;

    fn make_tls_connect(&mut self, _: &str) -> std::io::Result<Self> {
        Ok(self.clone())
    }
}

async fn secured(config: &Config, connect: Connect) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(connect).await?;
    tokio::spawn(async { drop(connection.await) });
    Ok(client)
}

async fn serve(people: &People, certificate: &Certificate) -> Served {
    let access = people.access().behind(certificate.tls());
    Served::to_those(Served::engine(&filled().await).await, access, people.token("ana"), limits()).await
}

fn config(served: &Served, mode: SslMode, negotiation: SslNegotiation, binding: Binding) -> Config {
    let mut config = served.config();
    config.ssl_mode(mode).ssl_negotiation(negotiation).channel_binding(binding);
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn under_tls_people_come_in_asked_or_outright_and_bound_to_the_certificate() {
    let (people, certificate) = (People::of_each_role(), Certificate::new());
    let served = serve(&people, &certificate).await;
    for negotiation in [SslNegotiation::Postgres, SslNegotiation::Direct] {
        for binding in [Binding::Require, Binding::Prefer, Binding::Disable] {
            let config = config(&served, SslMode::Require, negotiation, binding);
            let client = secured(&config, certificate.connect()).await.unwrap_or_else(|error| panic!("{error:?}"));
            assert_eq!(rows(&client, "SELECT count(*) FROM ier").await, ["3"]);
        }
    }
    // On this machine alone it goes without, too.
    assert_eq!(rows(&client(&served.config()).await.unwrap(), "SELECT 1").await, ["1"]);
    served.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_was_made_for_another_certificate_lets_nobody_in() {
    let (people, certificate) = (People::of_each_role(), Certificate::new());
    let served = serve(&people, &certificate).await;
    let somebody_in_the_middle = Connect { end_point: vec![7; 32], ..certificate.connect() };
    let config = config(&served, SslMode::Require, SslNegotiation::Postgres, Binding::Require);
    let error = secured(&config, somebody_in_the_middle).await.err().unwrap();
    assert_eq!(error.code().unwrap().code(), "28P01");
    assert!(secured(&config, Connect::trusting(&Certificate::new().pem)).await.is_err(), "a certificate it does not know");
    served.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_serves_the_next_connection_and_a_broken_one_does_not() {
    let (people, certificate) = (People::of_each_role(), Certificate::new());
    let served = serve(&people, &certificate).await;
    let config = config(&served, SslMode::Require, SslNegotiation::Postgres, Binding::Require);
    let first = secured(&config, certificate.connect()).await.unwrap();
    let pem = certificate.renewed();
    assert_eq!(rows(&secured(&config, Connect::trusting(&pem)).await.unwrap(), "SELECT 1").await, ["1"]);
    assert!(secured(&config, certificate.connect()).await.is_err(), "the old one is gone");
    std::fs::write(&certificate.paths()[0], "nothing").unwrap();
    assert_eq!(rows(&secured(&config, Connect::trusting(&pem)).await.unwrap(), "SELECT 1").await, ["1"]);
    assert_eq!(rows(&first, "SELECT 1").await, ["1"], "who is in stays in");
    served.stops().await;
}

const SSL: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

fn startup(user: &str) -> Vec<u8> {
    let body = format!("user\0{user}\0database\0ier\0\0");
    [&(body.len() as u32 + 8).to_be_bytes()[..], &196_608_u32.to_be_bytes(), body.as_bytes()].concat()
}

/// All that comes back for some bytes.
async fn reported(address: SocketAddr, sent: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(sent).await.unwrap();
    let mut all = Vec::new();
    tokio::time::timeout(std::time::Duration::from_secs(20), stream.read_to_end(&mut all)).await.expect("it ends").unwrap_or(0);
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_sent_in_plain_is_taken_for_what_is_said_under_tls() {
    let (people, certificate) = (People::of_each_role(), Certificate::new());
    let served = serve(&people, &certificate).await;
    let told = reported(served.address, &[&SSL[..], &startup("ana")].concat()).await;
    assert!(
        told.contains("C08P01") && told.contains("received unencrypted data after SSL request") && !told.contains('R'),
        "{told:?}"
    );
    // Asked twice, the second time under TLS: there is no TLS within TLS.
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(&SSL).await.unwrap();
    let mut answer = [0; 1];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"S");
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(certificate.connect().config).connect(name, stream).await.unwrap();
    stream.write_all(&SSL).await.unwrap();
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"N");
    // Outright, but for another protocol: what is meant for a browser is not taken for ours.
    for protocols in [Vec::new(), vec![b"http/1.1".to_vec()]] {
        let mut config = (*certificate.connect().config).clone();
        config.alpn_protocols = protocols;
        let stream = TcpStream::connect(served.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let Ok(mut stream) = TlsConnector::from(Arc::new(config)).connect(name, stream).await else { continue };
        let mut all = Vec::new();
        stream.write_all(&startup("ana")).await.unwrap();
        drop(stream.read_to_end(&mut all).await);
        let told = String::from_utf8_lossy(&all);
        assert!(told.contains("FATAL") && !told.contains("SCRAM"), "{told:?}");
    }
    served.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_others_reach_needs_users_and_tls_and_lets_nobody_in_in_plain() {
    let (people, certificate) = (People::of_each_role(), Certificate::new());
    let world = filled().await;
    for access in [Access::of("ana").0, people.access(), Access::of("ana").0.behind(certificate.tls())] {
        let error = Server::bind("0.0.0.0:0", Served::engine(&world).await, access, limits()).await.err().unwrap().to_string();
        assert!(error.contains("reached from other machines"), "{error}");
    }
    // Whatever other address this machine has; a sandbox may have none.
    let probe = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    let other = probe.connect("192.0.2.1:9").and_then(|()| probe.local_addr()).map(|address| address.ip());
    let Some(other) = other.ok().filter(|ip| !ip.is_loopback() && !ip.is_unspecified()) else { return };
    let access = people.access().behind(certificate.tls());
    let server = Server::bind(&format!("{other}:0"), Served::engine(&world).await, access, limits()).await.unwrap();
    let address = server.address().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let task = tokio::spawn(server.run(async { drop(stopped.await) }));
    let told = reported(address, &startup("ana")).await;
    assert!(told.contains("FATAL") && told.contains("C28000") && told.contains("TLS") && !told.contains("SCRAM"), "{told:?}");
    let mut config = Config::new();
    config.host(other.to_string()).port(address.port()).user("ana").password(people.token("ana")).dbname("ier");
    config.ssl_mode(SslMode::Require);
    assert_eq!(rows(&secured(&config, certificate.connect()).await.unwrap(), "SELECT count(*) FROM ier").await, ["3"]);
    stop.send(()).unwrap();
    task.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_verifies_the_server_and_binds_its_proof() {
    let (people, certificate) = (People::of_each_role(), Certificate::new());
    let served = serve(&people, &certificate).await;
    let (port, root) = (served.address.port(), certificate.paths()[0].clone());
    let token = people.token("ana").to_owned();
    let psql = async |more: &str| {
        let mut command = std::process::Command::new("psql");
        let place = format!("host=localhost hostaddr=127.0.0.1 port={port} user=ana dbname=ier {more}");
        command
            .args(["-X", "-A", "-t", "-c", "SELECT count(*) FROM ier"])
            .arg(place)
            .env("PGPASSWORD", &token)
            .stdin(Stdio::null());
        tokio::task::spawn_blocking(move || command.output()).await.unwrap()
    };
    let verified = format!("sslmode=verify-full sslrootcert={} channel_binding=require", root.display());
    match psql(&verified).await {
        Ok(output) => assert_eq!(String::from_utf8_lossy(&output.stdout), "3\n", "{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => eprintln!("skipped: there is no psql here ({error})"),
    }
    served.stops().await;
}
