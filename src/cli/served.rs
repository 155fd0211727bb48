//! Whom `ier serve` serves, by its flags and the settings.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::serve::access::{Access, Token};
use crate::serve::tell::Tell;
use crate::serve::tls::Tls;

use super::args::Serve;
use super::print;
use super::session::Session;

/// The file of users beside the settings.
const USERS: &str = "ier-users.toml";

/// The file of users: the flag's, else the settings', else the one beside the settings; and whether somebody named it.
pub(super) fn users_file(session: &Session, flag: Option<&Path>) -> (PathBuf, bool) {
    match flag.or(session.settings.serve.users.as_deref()) {
        Some(path) => (path.to_owned(), true),
        None => (session.folder.join(USERS), false),
    }
}

/// Those who may come in; and the token of whoever starts the server, where it serves them alone.
///
/// # Errors
/// Those of the files.
pub(super) fn access(session: &Session, args: &Serve) -> Result<(Access, Option<Token>)> {
    let quiet = session.global.quiet;
    let tell: Tell = Arc::new(move |text: &str| {
        if !quiet {
            drop(print::warning(text));
        }
    });
    let (users, is_named) = users_file(session, args.users.as_deref());
    let (access, token) = match is_named || users.exists() {
        true => (Access::listed(&users, session.clock.clone(), tell.clone())?, None),
        false => {
            let (access, token) = Access::of(&session.settings.audit.who);
            (access, Some(token))
        }
    };
    let settings = &session.settings.serve;
    let certificate = args.tls_certificate.as_ref().or(settings.tls_certificate.as_ref());
    let key = args.tls_key.as_ref().or(settings.tls_key.as_ref());
    let access = match (certificate, key) {
        (Some(certificate), Some(key)) => access.behind(Tls::load(certificate, key, tell)?),
        (None, None) => access,
        (Some(_), None) => return Err(Error::invalid("a certificate needs its key: --tls-key, or serve.tls_key")),
        (None, Some(_)) => {
            return Err(Error::invalid("a key needs its certificate: --tls-certificate, or serve.tls_certificate"));
        }
    };
    Ok((access, token))
}
