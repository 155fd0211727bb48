//! The trait of a source of lines, which a terminal, a pipe and a test implement.

use async_trait::async_trait;

use crate::error::Result;

/// One thing somebody typed.
#[derive(Debug, Eq, PartialEq)]
pub enum Line {
    /// A line, without its end; several, where they were pasted.
    Text(String),
    /// Ctrl-C: forget what was typed so far.
    Interrupted,
    /// Nothing more will come.
    End,
}

/// A source of lines.
#[async_trait(?Send)]
pub trait Lines {
    /// The next line; `prompt` is shown where somebody types.
    async fn next(&mut self, prompt: &str) -> Result<Line>;

    /// Keeps a statement for the arrow keys and the next session.
    fn remember(&mut self, statement: &str) -> Result<()>;
}
