//! `[serve]`: how many `ier serve` serves at once, and for how long.

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
}

impl Default for Serve {
    fn default() -> Self {
        Self { connections: 100, statements: 8, timeout_secs: 300 }
    }
}

/// The section of a file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ServeLayer {
    connections: Option<u64>,
    statements: Option<u64>,
    timeout_secs: Option<u64>,
}

impl ServeLayer {
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
        Ok(())
    }
}
