//! `[serve]`: whom `ier serve` serves, how many at once, and for how long.

use std::path::PathBuf;

use serde::Deserialize;

use crate::error::Result;

/// What a server allows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Serve {
    /// Sessions at once.
    pub connections: usize,
    /// Statements at once, of all sessions.
    pub statements: usize,
    /// A statement is stopped after this long; 0 = never.
    pub timeout_secs: u64,
    /// The file of users; `None` for the one beside the settings, if there is one.
    pub users: Option<PathBuf>,
    /// The certificate for TLS; `None` for none.
    pub tls_certificate: Option<PathBuf>,
    /// Its key.
    pub tls_key: Option<PathBuf>,
}

impl Default for Serve {
    fn default() -> Self {
        Self { connections: 100, statements: 8, timeout_secs: 300, users: None, tls_certificate: None, tls_key: None }
    }
}

/// The section of a file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ServeLayer {
    connections: Option<u64>,
    statements: Option<u64>,
    timeout_secs: Option<u64>,
    users: Option<PathBuf>,
    tls_certificate: Option<PathBuf>,
    tls_key: Option<PathBuf>,
}

impl ServeLayer {
    /// The paths in it, which are meant from where its file is.
    pub(super) fn paths(&mut self) -> [&mut Option<PathBuf>; 3] {
        [&mut self.users, &mut self.tls_certificate, &mut self.tls_key]
    }

    /// Takes a variable's path; `None` where the variable is none of these.
    pub(super) fn set_path(&mut self, variable: &str, path: &str) -> Option<()> {
        let place = match variable {
            "SERVE_USERS" => &mut self.users,
            "SERVE_TLS_CERTIFICATE" => &mut self.tls_certificate,
            "SERVE_TLS_KEY" => &mut self.tls_key,
            _ => return None,
        };
        *place = Some(PathBuf::from(path));
        Some(())
    }

    /// Takes a variable's number; `None` where the variable is none of these.
    pub(super) fn set(&mut self, variable: &str, number: impl FnOnce() -> Result<Option<u64>>) -> Result<Option<()>> {
        let place = match variable {
            "SERVE_CONNECTIONS" => &mut self.connections,
            "SERVE_STATEMENTS" => &mut self.statements,
            "SERVE_TIMEOUT_SECS" => &mut self.timeout_secs,
            _ => return Ok(None),
        };
        *place = number()?;
        Ok(Some(()))
    }
}

impl Serve {
    /// Lays a source over what is known; `number` checks what is in range.
    pub(super) fn apply(&mut self, layer: ServeLayer, number: &dyn Fn(&str, u64, u64, u64) -> Result<u64>) -> Result<()> {
        if let Some(connections) = layer.connections {
            self.connections = number("serve.connections", connections, 1, 10_000)? as usize;
        }
        if let Some(statements) = layer.statements {
            self.statements = number("serve.statements", statements, 1, 1_000)? as usize;
        }
        if let Some(secs) = layer.timeout_secs {
            self.timeout_secs = number("serve.timeout_secs", secs, 0, 7 * 86_400)?;
        }
        let named = |path: Option<PathBuf>| path.filter(|path| !path.as_os_str().is_empty());
        for (place, path) in [
            (&mut self.users, layer.users),
            (&mut self.tls_certificate, layer.tls_certificate),
            (&mut self.tls_key, layer.tls_key),
        ] {
            if let Some(path) = named(path) {
                *place = Some(path);
            }
        }
        Ok(())
    }
}
