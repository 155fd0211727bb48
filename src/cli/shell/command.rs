//! Parses the shell's commands that begin with a backslash, such as `\d`. They are those of `psql`, as far as they have a meaning
//! here.

use std::path::PathBuf;

use crate::error::{Error, Result};

/// What `\?` says.
pub const HELP: &str = r"
A statement may take several lines and ends with a semicolon.
  \d              tables and views
  \d NAME         columns of a table
  \dt \dv [NAME]  tables, views; with NAME those with it in their names
  \df [NAME]      functions
  \l              which warehouse this is
  \x [on|off|auto]  rows as records: always, never, where a table is wider than the terminal
  \format [NAME]  how answers are written: table, record, chart, csv, json, ndjson
  \o [FILE]       answers go to a new file; without FILE, back to the terminal
  \i FILE         run the statements in a file
  \e              write the statement in your editor
  \g \gx          end the statement as a semicolon does; \gx shows this answer as records
  \p \r           show, forget the lines typed so far
  \pager [on|off]  show long answers with $PAGER
  \timing [on|off]  how long statements take
  \echo TEXT      write a text
  \?              this help
  \q              leave (also Ctrl-D)
Ctrl-C stops the running statement, or forgets the lines typed. Tab completes words, tables and columns.
";

/// A command typed after a backslash.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Command {
    Leave,
    Help,
    /// `exit`, `quit` and `help` are words of SQL nobody means.
    Hint,
    Tables {
        tables: bool,
        views: bool,
        like: Option<String>,
    },
    Columns(String),
    Functions(Option<String>),
    Place,
    Records(Option<Records>),
    Format(Option<String>),
    Output(Option<PathBuf>),
    Include(PathBuf),
    Edit,
    Go {
        records: bool,
    },
    Print,
    Reset,
    Pager(Option<bool>),
    Timing(Option<bool>),
    Echo(String),
}

/// When rows are shown as records.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Records {
    On,
    Off,
    Auto,
}

/// Words of `psql` that mean nothing here, and what does.
const ELSEWHERE: [(&str, &str); 14] = [
    ("\\copy", "answers go to a file with \\o FILE, or with ier sql -o FILE \"SELECT …\"; files come in with ier load"),
    ("\\c", "a shell is on one warehouse; leave it, and start another with ier -w PLACE sql"),
    ("\\connect", "a shell is on one warehouse; leave it, and start another with ier -w PLACE sql"),
    ("\\w", "\\e opens your editor, which can save"),
    ("\\s", "the arrow keys go through what was typed; the setting shell.history says where it is kept"),
    ("\\du", "there are no users: whoever may read the warehouse's folder or bucket may ask"),
    ("\\dn", "there are two schemas: public, and salesforce with the API names; \\dt lists tables"),
    ("\\di", "there are no indexes: files are sorted, and their statistics leave most of them out; EXPLAIN shows which are read"),
    ("\\!", "leave with \\q, or use another terminal"),
    ("\\set", "parameters are for files: ier sql -f FILE --param NAME=VALUE"),
    ("\\pset", "\\x, \\format and \\pager say how answers are shown"),
    ("\\a", "\\format csv writes answers unaligned"),
    ("\\t", "\\format csv writes answers without a frame"),
    ("\\watch", "use the system's: watch -n 60 ier sql \"SELECT …\""),
];

impl Command {
    /// Reads a line; none where it is no command. The words `exit`, `quit` and `help` are.
    ///
    /// # Errors
    /// Invalid for what begins with a backslash and means nothing here, with what to do instead.
    pub fn read(line: &str) -> Result<Option<Self>> {
        let line = line.trim().trim_end_matches(';').trim_end();
        match line.to_ascii_lowercase().as_str() {
            "exit" | "quit" => return Ok(Some(Self::Leave)),
            "help" => return Ok(Some(Self::Hint)),
            _ => {}
        }
        if !line.starts_with('\\') {
            return Ok(None);
        }
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        // psql's `+` asks for more of the same; there is no more.
        let (word, rest) = (word.trim_end_matches('+'), rest.trim());
        let argument = (!rest.is_empty()).then(|| rest.to_owned());
        let listed = |tables, views| Self::Tables { tables, views, like: argument.clone() };
        Ok(Some(match word {
            "\\q" | "\\quit" => Self::Leave,
            "\\?" | "\\h" | "\\help" => Self::Help,
            "\\d" => argument.clone().map_or_else(|| listed(true, true), Self::Columns),
            "\\dt" => listed(true, false),
            "\\dv" => listed(false, true),
            "\\df" | "\\da" => Self::Functions(argument),
            "\\l" | "\\conninfo" => Self::Place,
            "\\x" => Self::Records(match rest {
                "" => None,
                "on" => Some(Records::On),
                "off" => Some(Records::Off),
                "auto" => Some(Records::Auto),
                other => return Err(Error::invalid(phrase!("\\x is on, off or auto, not {other}"))),
            }),
            "\\format" => Self::Format(argument),
            "\\o" | "\\out" => Self::Output(argument.map(PathBuf::from)),
            "\\i" | "\\ir" | "\\include" => match argument {
                Some(file) => Self::Include(PathBuf::from(file)),
                None => return Err(Error::invalid("\\i wants a file: \\i FILE runs the statements in it")),
            },
            "\\e" | "\\edit" => Self::Edit,
            "\\g" => Self::Go { records: false },
            "\\gx" => Self::Go { records: true },
            "\\p" | "\\print" => Self::Print,
            "\\r" | "\\reset" => Self::Reset,
            "\\pager" => Self::Pager(switch("\\pager", rest)?),
            "\\timing" => Self::Timing(switch("\\timing", rest)?),
            "\\echo" => Self::Echo(rest.to_owned()),
            other => {
                let instead = ELSEWHERE.iter().find(|(theirs, _)| *theirs == other);
                return Err(match instead {
                    Some((_, instead)) => Error::invalid(phrase!("{other} means nothing here: {instead}")),
                    None => Error::invalid(phrase!("no command {other}; \\? lists them")),
                });
            }
        }))
    }
}

fn switch(word: &str, argument: &str) -> Result<Option<bool>> {
    match argument {
        "" => Ok(None),
        "on" => Ok(Some(true)),
        "off" => Ok(Some(false)),
        other => Err(Error::invalid(phrase!("{word} is on or off, not {other}"))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn words_of_psql_are_understood_or_answered() {
        let read = |line| Command::read(line).map(Option::unwrap);
        assert_eq!(Command::read("SELECT 1").unwrap(), None);
        assert_eq!(read("\\d ier;").unwrap(), Command::Columns("ier".into()));
        assert_eq!(read(" \\dt+ ").unwrap(), Command::Tables { tables: true, views: false, like: None });
        assert_eq!(read("\\x auto").unwrap(), Command::Records(Some(Records::Auto)));
        assert_eq!(read("\\o my answer.csv").unwrap(), Command::Output(Some("my answer.csv".into())));
        assert_eq!(read("QUIT;").unwrap(), Command::Leave);
        for (word, _) in ELSEWHERE {
            assert!(read(word).unwrap_err().to_string().contains("means nothing here: "), "{word}");
        }
        assert!(read("\\nosuch").unwrap_err().to_string().contains("\\? lists them"));
    }
}
