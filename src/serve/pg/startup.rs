//! How a client logs in. A login that fails is answered by a FATAL error, and the connection ends: only a right proof makes an
//! [`Entered`], without which nothing goes on from here.
//!
//! - TLS is answered with no, because without users the server is reachable from this machine only. Bytes that a client sends ahead
//!   of that answer are refused in any case: with TLS they could be taken for encrypted ones.
//! - Before login a client may send only a little, and takes at most [`LOGIN`]. It takes no session's place before it has proved
//!   who it is.

use std::sync::Arc;
use std::time::Duration;

use pgwire::api::auth::sasl::SCRAM_SHA_256_METHOD;
use pgwire::api::auth::sasl::scram::ScramServerAuth;
use pgwire::messages::PgWireBackendMessage as Out;
use pgwire::messages::response::{ReadyForQuery, SslResponse, TransactionStatus};
use pgwire::messages::startup::{Authentication, BackendKeyData, NegotiateProtocolVersion, ParameterStatus, SecretKey};
use tokio::sync::OwnedSemaphorePermit;

use super::backends::{Backend, Backends};
use super::failure::Failure;
use super::frontend::{self, Message, Start};
use super::settings::{Settings, Values};
use super::socket::{Broken, Socket};
use crate::query::catalog::CATALOG;
use crate::serve::shared::{Phase, Shared};

/// How long a login may take.
const LOGIN: Duration = Duration::from_secs(10);

/// Version 3.0 of the protocol, as a number of the wire.
const VERSION: i32 = 3 << 16;

/// What a client says of itself that is no setting.
const NO_SETTINGS: &[&str] = &["user", "database", "options", "replication"];

/// Somebody who came in.
pub(super) struct Entered {
    pub(super) user: String,
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
    let (minor, parameters) = loop {
        match socket.start().await? {
            Start::Tls | Start::Gss => {
                if socket.has_input() {
                    return Err(Failure::protocol("received unencrypted data after SSL request").into());
                }
                socket.put(&Out::SslResponse(SslResponse::Refuse));
                socket.flush().await?;
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
    negotiate(socket, minor, &parameters);
    authenticate(socket, shared, user).await?;
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
    Ok(Some(Entered { user: user.to_owned(), backend, settings, first, _seat: seat }))
}

/// Tells who wants a newer protocol, or options of one, that this is 3.0.
fn negotiate(socket: &mut Socket, minor: u16, parameters: &[(String, String)]) {
    let unknown: Vec<String> =
        parameters.iter().map(|(name, _)| name).filter(|name| name.starts_with("_pq_.")).cloned().collect();
    if minor > 0 || !unknown.is_empty() {
        socket.put(&Out::NegotiateProtocolVersion(NegotiateProtocolVersion::new(VERSION, unknown)));
    }
}

/// SCRAM-SHA-256. Whoever is not known goes through the same steps, and fails at the last.
async fn authenticate(socket: &mut Socket, shared: &Shared, user: &str) -> Result<(), Broken> {
    let failed = || Failure::fatal("28P01", format!("password authentication failed for user \"{user}\""));
    socket.put(&Out::Authentication(Authentication::SASL(vec![SCRAM_SHA_256_METHOD.to_owned()])));
    socket.flush().await?;
    let (mechanism, said) = frontend::sasl(password(socket).await?)?;
    if mechanism != SCRAM_SHA_256_METHOD {
        return Err(Failure::protocol("client selected an invalid SASL authentication mechanism").into());
    }
    let scram = ScramServerAuth::new().on_client_first_message_with_secret(&said, shared.access.secret(user));
    let (challenge, scram) = scram.map_err(|_| Failure::protocol("malformed SCRAM message"))?;
    socket.put(&Out::Authentication(Authentication::SASLContinue(challenge.into())));
    socket.flush().await?;
    let said = password(socket).await?;
    let proved = scram.on_client_final_message(&said).map_err(|_| failed())?;
    if user != shared.access.user() {
        return Err(failed().into());
    }
    socket.put(&Out::Authentication(Authentication::SASLFinal(proved.into())));
    Ok(())
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
