//! Reads lines from a pipe or a file.

use std::io::{self, BufRead};

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::error::{Error, Result};

use super::lines::{Line, Lines};

/// Lines of a pipe read before they are needed.
const LINES_AHEAD: usize = 256;

/// Lines of a pipe or a file, read on a thread of their own so that a signal is heard while none come.
pub struct Piped {
    lines: mpsc::Receiver<Result<Line>>,
    /// The thread has said that there are no more.
    ended: bool,
}

impl Piped {
    /// Begins to read; a few lines ahead at most.
    pub fn new(mut reader: impl BufRead + Send + 'static) -> Self {
        let (sender, receiver) = mpsc::channel(LINES_AHEAD);
        std::thread::spawn(move || {
            loop {
                let line = read_line(&mut reader);
                let last = !matches!(line, Ok(Line::Text(_)));
                // Nobody listens any more when the shell has left.
                if sender.blocking_send(line).is_err() || last {
                    return;
                }
            }
        });
        Self { lines: receiver, ended: false }
    }
}

#[async_trait(?Send)]
impl Lines for Piped {
    async fn next(&mut self, _prompt: &str) -> Result<Line> {
        match self.lines.recv().await {
            Some(line) => {
                self.ended |= !matches!(line, Ok(Line::Text(_)));
                line
            }
            None if self.ended => Ok(Line::End),
            // Whoever dies says nothing: that is no end of the statements.
            None => Err(Error::internal("the statements broke off: what reads standard input has died")),
        }
    }

    fn remember(&mut self, _statement: &str) -> Result<()> {
        Ok(())
    }
}

fn read_line(reader: &mut impl BufRead) -> Result<Line> {
    let mut line = String::new();
    match reader.read_line(&mut line) {
        Ok(0) => Ok(Line::End),
        Ok(_) => Ok(Line::Text(line.trim_end_matches(['\n', '\r']).trim_start_matches('\u{FEFF}').to_owned())),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(Error::invalid("the statements on standard input are not utf-8; convert them first").with_source(error))
        }
        Err(error) => Err(Error::from(error).context("cannot read standard input")),
    }
}
