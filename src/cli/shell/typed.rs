//! Reads lines that are typed at a terminal, with a line editor.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor};

use crate::error::{Context, Error, Result};

use super::completion::CompletionWords;
use super::lines::{Line, Lines};

/// Lines of history kept.
const HISTORY_LINES: usize = 10_000;

/// An editor of lines, with a history and words to complete.
pub struct Typed {
    editor: Editor<CompletionWords, FileHistory>,
    history: Option<PathBuf>,
}

impl Typed {
    /// An editor whose history is kept in `history` (for its owner alone), if anywhere.
    pub fn new(history: Option<PathBuf>, words: CompletionWords) -> Result<Self> {
        let config = Config::builder().max_history_size(HISTORY_LINES).map_err(readline)?.history_ignore_space(true);
        let config = config.completion_type(CompletionType::List).build();
        let mut editor = Editor::with_config(config).map_err(readline)?;
        editor.set_helper(Some(words));
        if let Some(path) = &history {
            let keeping = || format!("cannot keep the shell's history in {}", path.display());
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).context(keeping)?;
            }
            if path.exists() {
                editor.load_history(path).map_err(readline).context(keeping)?;
            }
        }
        Ok(Self { editor, history })
    }
}

#[async_trait(?Send)]
impl Lines for Typed {
    /// Waits on the spot: the terminal hands Ctrl-C over as a key, and nothing else is going on.
    async fn next(&mut self, prompt: &str) -> Result<Line> {
        match self.editor.readline(prompt) {
            Ok(line) => Ok(Line::Text(line)),
            Err(ReadlineError::Interrupted) => Ok(Line::Interrupted),
            Err(ReadlineError::Eof) => Ok(Line::End),
            Err(error) => Err(readline(error)),
        }
    }

    fn remember(&mut self, statement: &str) -> Result<()> {
        self.editor.add_history_entry(statement).map_err(readline)?;
        let Some(path) = &self.history else { return Ok(()) };
        // At once, not when leaving: a shell may be killed.
        self.editor.append_history(path as &Path).map_err(readline)
    }
}

fn readline(error: ReadlineError) -> Error {
    match error {
        ReadlineError::Io(error) => error.into(),
        error => Error::unavailable("the terminal cannot be read").with_source(error),
    }
}
