//! How a client logs in. A login that fails is answered by a FATAL error, and the connection ends: only a right proof makes an
//! [`Entered`], without which nothing goes on from here.
//!
//! - A client asks for TLS, or begins it outright if it names the protocol (`postgresql`). Bytes that a client sends ahead of the answer
//!   are refused: they could be taken for encrypted ones. At an address that others can reach, nobody logs in without TLS.
//! - Before login a client may send only a little, and takes at most [`LOGIN`]. It takes no session's place before it has proved
//!   who it is.

use std::sync::Arc;
use std::time::Duration;

use pgwire::api::auth::sasl::{SCRAM_SHA_256_METHOD, SCRAM_SHA_256_PLUS_METHOD};
use pgwire::messages::PgWireBackendMessage as Out;
use pgwire::messages::response::{ReadyForQuery, SslResponse, TransactionStatus};
use pgwire::messages::startup::{Authentication, BackendKeyData, NegotiateProtocolVersion, ParameterStatus, SecretKey};
use tokio::sync::OwnedSemaphorePermit;

use super::backends::{Backend, Backends};
use super::failure::Failure;
use super::frontend::{self, Message, Start};
use super::settings::{Settings, Values};
use super::socket::{Broken, Socket};
use super::stream::PROTOCOL;
use crate::query::catalog::CATALOG;
use crate::serve::access::scram::{self, Exchange};
use crate::serve::access::{Refused, Who};
use crate::serve::shared::{Phase, Shared};

/// How long a login may take.
const LOGIN: Duration = Duration::from_secs(10);

/// Version 3.0 of the protocol, as a number of the wire.
const VERSION: i32 = 3 << 16;

/// What a client says of itself that is no setting.
const NO_SETTINGS: &[&str] = &["user", "database", "options", "replication"];

/// Somebody who came in.
pub(super) struct Entered {
    pub(super) who: Who,
    pub(super) backend: Backend,
    pub(super) settings: Settings,
    /// What settings go back to.
    pub(super) first: Values,
    /// Their place among the sessions.
    _seat: OwnedSemaphorePermit,
}

/// Lets somebody in, or tells them why not and sends them away.
pub(super) async fn enter(socket: &mut Socket, shared: &Shared, backends: &Arc<Backends>) -> Option<Entered> {
    let entering = tokio::time::timeout(LOGIN, came_in(socket, shared, backends));
    let broken = match entering.await {
        Ok(Ok(entered)) => return entered,
        Ok(Err(broken)) => broken,
        Err(_late) => Failure::fatal("08006", "canceling authentication due to timeout").into(),
    };
    if let Broken::Failed(failure) = broken {
        // Whatever it was, it ends here.
        socket.put(&Out::ErrorResponse(Failure { is_fatal: true, ..failure }.response()));
    }
    socket.close().await;
    None
}

/// `None`: whoever it was did not want to stay.
async fn came_in(socket: &mut Socket, shared: &Shared, backends: &Arc<Backends>) -> Result<Option<Entered>, Broken> {
    let mut certificate = None;
    if shared.access.tls().is_some() && socket.stream().greets().await {
        certificate = secured(socket, shared).await?;
        // Who begins like this names the protocol, or speaks another one that happens to be served under the same certificate.
        if !socket.stream().has_named() {
            return Err(
                Failure::protocol("received direct SSL connection request without ALPN protocol negotiation extension").into()
            );
        }
    }
    let (minor, parameters) = loop {
        match socket.start().await? {
            asked @ (Start::Tls | Start::Gss) => {
                if socket.has_input() {
                    return Err(Failure::protocol("received unencrypted data after SSL request").into());
                }
                let is_offered = asked == Start::Tls && shared.access.tls().is_some() && !socket.stream().is_secured();
                socket.put(&Out::SslResponse(if is_offered { SslResponse::Accept } else { SslResponse::Refuse }));
                socket.flush().await?;
                if is_offered {
                    certificate = secured(socket, shared).await?;
                }
            }
            Start::Cancel(number, key) => {
                backends.cancel(number, &key).await;
                return Ok(None);
            }
            Start::Startup(minor, parameters) => break (minor, parameters),
        }
    };
    let given = |name: &str| parameters.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str());
    let user = given("user").ok_or_else(|| Failure::fatal("28000", "no user name specified in startup packet"))?;
    let (_, ours) = socket.stream().ends();
    if !socket.stream().is_secured() && ours.is_none_or(|ours| !ours.is_loopback()) {
        let message = "no encryption: connections from other machines must use TLS";
        return Err(Failure::fatal("28000", message).hint("Set sslmode=require in the client, or more.").into());
    }
    negotiate(socket, minor, &parameters);
    let who = authenticate(socket, shared, user, certificate.as_deref()).await?;
    if *shared.phase.borrow() != Phase::Open {
        return Err(Failure::fatal("57P03", "the server is shutting down").into());
    }
    let database = given("database").unwrap_or(user);
    if database != CATALOG {
        let message = format!("database \"{database}\" does not exist");
        return Err(Failure::fatal("3D000", message).hint("There is one database: ier.").into());
    }
    if given("replication").is_some_and(|wanted| !["false", "off", "no", "0"].contains(&wanted)) {
        return Err(Failure::fatal("0A000", "there is no replication here").into());
    }
    let settings = Settings::of(user);
    let first = settings.kept();
    for (name, value) in options(given("options").unwrap_or_default())? {
        settings.set(&name, Some(&value), &first)?;
    }
    let is_setting = |name: &str| !NO_SETTINGS.contains(&name) && !name.starts_with("_pq_.");
    for (name, value) in parameters.iter().filter(|(name, _)| is_setting(name)) {
        settings.set(name, Some(value), &first)?;
    }
    let full =
        || Failure::fatal("53300", "sorry, too many clients already").hint("serve.connections says how many there may be.");
    let seat = shared.seat().ok_or_else(full)?;
    let backend = backends.enter();
    socket.trust();
    socket.put(&Out::Authentication(Authentication::Ok));
    for (name, value) in settings.reported(None) {
        socket.put(&Out::ParameterStatus(ParameterStatus::new(name, value)));
    }
    socket.put(&Out::BackendKeyData(BackendKeyData::new(backend.number(), SecretKey::I32(backend.key()))));
    socket.put(&Out::ReadyForQuery(ReadyForQuery::new(TransactionStatus::Idle)));
    socket.flush().await?;
    let first = settings.kept();
    Ok(Some(Entered { who, backend, settings, first, _seat: seat }))
}

/// Tells who wants a newer protocol, or options of one, that this is 3.0.
fn negotiate(socket: &mut Socket, minor: u16, parameters: &[(String, String)]) {
    let unknown: Vec<String> =
        parameters.iter().map(|(name, _)| name).filter(|name| name.starts_with("_pq_.")).cloned().collect();
    if minor > 0 || !unknown.is_empty() {
        socket.put(&Out::NegotiateProtocolVersion(NegotiateProtocolVersion::new(VERSION, unknown)));
    }
}

/// Goes on under TLS; the hash of the certificate that was shown, where there is one that a proof can be bound to.
async fn secured(socket: &mut Socket, shared: &Shared) -> Result<Option<Vec<u8>>, Broken> {
    let Some(tls) = shared.access.tls() else { return Ok(None) };
    let (acceptor, end_point) = tls.acceptor(&[PROTOCOL]).map_err(|_| Broken::Gone)?;
    socket.secure(&acceptor).await?;
    Ok(end_point)
}

/// SCRAM-SHA-256. Whoever is not known goes through the same steps, and fails at the last.
async fn authenticate(socket: &mut Socket, shared: &Shared, user: &str, certificate: Option<&[u8]>) -> Result<Who, Broken> {
    let failed = || Broken::from(Failure::fatal("28P01", format!("password authentication failed for user \"{user}\"")));
    let (from, _) = socket.stream().ends();
    let login = shared.access.login(user, from).map_err(|refused| match refused {
        Refused::TooOften | Refused::Busy => {
            Failure::fatal("28000", "too many failed attempts to log in").hint("Wait a minute, and try again.")
        }
        Refused::Unproved => Failure::fatal("28P01", format!("password authentication failed for user \"{user}\"")),
    })?;
    // The first is the one a client takes that can.
    let mut offered = vec![SCRAM_SHA_256_METHOD.to_owned()];
    if certificate.is_some() {
        offered.insert(0, SCRAM_SHA_256_PLUS_METHOD.to_owned());
    }
    socket.put(&Out::Authentication(Authentication::SASL(offered.clone())));
    socket.flush().await?;
    let (mechanism, said) = frontend::sasl(password(socket).await?)?;
    if !offered.contains(&mechanism) {
        return Err(Failure::protocol("client selected an invalid SASL authentication mechanism").into());
    }
    let is_bound = mechanism == SCRAM_SHA_256_PLUS_METHOD;
    let malformed = |_| Broken::from(Failure::protocol("malformed SCRAM message"));
    let (secrets, login) = login.begun();
    let (challenge, exchange) = Exchange::begin(&said, secrets, certificate, is_bound).map_err(malformed)?;
    socket.put(&Out::Authentication(Authentication::SASLContinue(challenge.into())));
    socket.flush().await?;
    let proved = match password(socket).await {
        Ok(said) => exchange.end(&said),
        Err(broken) => {
            // Who goes away now has found out whether a guess was worth it.
            shared.access.ended(&login, None, from);
            return Err(broken);
        }
    };
    let who = shared.access.ended(&login, proved.as_ref().ok().map(|(which, _)| *which), from);
    match (proved, who) {
        (Ok((_, last)), Some(who)) => {
            socket.put(&Out::Authentication(Authentication::SASLFinal(last.into())));
            Ok(who)
        }
        (Err(scram::Broken::Malformed), _) => Err(Failure::protocol("malformed SCRAM message").into()),
        _ => Err(failed()),
    }
}

/// What comes next, which must be an answer about who it is.
async fn password(socket: &mut Socket) -> Result<bytes::Bytes, Broken> {
    match socket.message().await? {
        Message::Password(said) => Ok(said),
        Message::Terminate => Err(Broken::Gone),
        _ => Err(Failure::protocol("expected SASL response").into()),
    }
}

/// `-c name=value --other-name=value`, with blanks in values behind backslashes.
fn options(text: &str) -> Result<Vec<(String, String)>, Failure> {
    let (mut words, mut word, mut chars) = (Vec::new(), String::new(), text.chars());
    while let Some(char) = chars.next() {
        match char {
            '\\' => word.extend(chars.next()),
            char if char.is_whitespace() => words.push(std::mem::take(&mut word)),
            char => word.push(char),
        }
    }
    words.push(word);
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("-c").or_else(|| word.strip_prefix("--")) {
            Some("") => words.next(),
            Some(setting) => Some(setting.to_owned()),
            None => None,
        };
        let pair = setting.as_deref().and_then(|setting| setting.split_once('='));
        let wrong = || Failure::fatal("42601", "options are settings, such as -c statement_timeout=5s");
        let (name, value) = pair.ok_or_else(wrong)?;
        found.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn options_are_settings() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let read = options(r"-c search_path=a,\ b -cjit=off --statement-timeout=5s").unwrap();
        assert_eq!(read, [pair("search_path", "a, b"), pair("jit", "off"), pair("statement_timeout", "5s")]);
        assert!(options("-c").is_err() && options("-d 5").is_err());
    }
}
