//! One error type for the whole engine: the kind tells the operator what to do, the message what happened and where.
//!
//! Modules build errors with the constructors below; foreign errors are folded in with `From` (see [`foreign`]). Nothing here prints.
//!
//! # Decisions
//! - 2026-11-28 **An object that the log names and that is not there is damage (6), not something that was not found (3).**
//!   Nobody asks for objects by name; whoever read from an older snapshot looks for a newer one first.

use std::fmt;
use std::time::Duration;

#[macro_use]
// An error's message in parts: words of our source, and values from anywhere.
pub(crate) mod message;

// Rewords errors of DataFusion and arrow about a statement for the user who typed it.
pub(crate) mod sql_errors;

// Maps errors of other libraries to kinds that tell the operator what to do.
mod foreign;

pub use message::{Message, Part};

impl From<Error> for Message {
    fn from(error: Error) -> Self {
        error.message
    }
}

/// What every fallible function of the engine returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the operator can do about an error. One table maps kinds to exit codes; HTTP statuses and SQLSTATEs will join it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// The request, a file or a setting is wrong: mend it and try again.
    Invalid,
    /// What was named does not exist.
    NotFound,
    /// Somebody else changed the same thing first: try again.
    Conflict,
    /// The store or a limit (time, memory) stood in the way: wait, or raise the limit.
    Unavailable,
    /// Stored bytes are not what was written: restore or repair.
    Corrupt,
    /// A fault of the engine: report it.
    Internal,
    /// The user stopped the run; nothing was left half done.
    Interrupted,
}

impl Kind {
    /// Every kind with its name, its exit code and what to do about it, in one place. The manual prints this table.
    pub const TABLE: [(Kind, &'static str, u8, &'static str); 7] = [
        (Kind::Invalid, "invalid", 2, "the request, a file, a right or a setting is wrong; the message says what to change"),
        (Kind::NotFound, "not found", 3, "a file, folder, bucket or name is not there, or there is no warehouse at this place"),
        (Kind::Conflict, "conflict", 4, "others changed the same thing all the time; run the command again"),
        (
            Kind::Unavailable,
            "unavailable",
            5,
            "the store, a full disk, a time limit or a memory limit; wait, make room, or raise the limit",
        ),
        (
            Kind::Corrupt,
            "corrupt",
            6,
            "stored bytes or an input are not what was written, or a file that the log names is gone; restore it, or export again",
        ),
        (Kind::Internal, "internal", 70, "a fault of ier; report it with the command and the message"),
        (Kind::Interrupted, "interrupted", 130, "Ctrl-C or SIGTERM stopped it; nothing was left half done"),
    ];

    /// The kind's name as printed.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The process exit code.
    pub fn exit_code(self) -> u8 {
        self.row().2
    }

    fn row(self) -> (Kind, &'static str, u8, &'static str) {
        // TABLE lists every kind once, in the order of the enum.
        Self::TABLE[self as usize]
    }
}

/// An error with its kind, a message for people, and the error beneath it.
///
/// A literal message is ours, of one that was formatted nobody knows what is in it; `phrase!` formats and keeps the two apart.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: Message,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
    /// An object of the store that should be there is not.
    missing: bool,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $kind:ident),* $(,)?) => {
        impl Error {
            $($(#[$doc])* pub fn $name(message: impl Into<Message>) -> Self {
                Self { kind: Kind::$kind, message: message.into(), source: None, missing: false }
            })*
        }
    };
}

constructors! {
    /// The request, a file or a setting is wrong.
    invalid => Invalid,
    /// What was named does not exist.
    not_found => NotFound,
    /// Somebody else changed the same thing first.
    conflict => Conflict,
    /// The store or a limit stood in the way.
    unavailable => Unavailable,
    /// Stored bytes are not what was written.
    corrupt => Corrupt,
    /// A fault of the engine.
    internal => Internal,
    /// The user stopped the run.
    interrupted => Interrupted,
}

impl Error {
    /// What is left of something that panicked.
    pub fn panicked(panic: &(dyn std::any::Any + Send)) -> Self {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        Self::internal(phrase!("it panicked: {}", text.unwrap_or("without a word")))
    }

    /// Of a statement that took too long.
    pub fn timed_out(limit: Duration) -> Self {
        Self::unavailable(format!(
            "the statement ran longer than {} s and was stopped: narrow it (by date_sent, say) or raise query.timeout_secs",
            limit.as_secs_f64()
        ))
    }

    /// What the operator can do about it.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Is it that an object of the store is not there? Whoever read from a snapshot looks whether there is a newer one; where
    /// there is none, what the log names is lost.
    pub fn is_missing(&self) -> bool {
        self.missing
    }

    /// Is it one of a file or stream, as it came from the system, of which the message does not say which?
    pub fn is_of_io(&self) -> bool {
        self.source.as_ref().is_some_and(|source| source.is::<std::io::Error>())
    }

    /// What it says, in parts.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// The same error, with what was being done (and to which path, key or version) in front.
    pub fn context(mut self, doing: impl Into<Message>) -> Self {
        self.message = self.message.after(doing.into());
        self
    }

    /// The same error, with what else went wrong behind it.
    pub fn also(mut self, what: impl Into<Message>) -> Self {
        self.message = self.message.also(what.into());
        self
    }

    /// The same error, each value in its message as `shown` tells it.
    pub fn with_values(mut self, shown: impl Fn(&str) -> String) -> Self {
        self.message = self.message.with_values(shown);
        self
    }

    /// The same error with another below it.
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message.fmt(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as _)
    }
}

/// Adds "what was being done" to the error of a result.
pub trait Context<T> {
    /// Puts `doing()` before the message; it is only evaluated on error.
    fn context<D: Into<Message>>(self, doing: impl FnOnce() -> D) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for std::result::Result<T, E> {
    fn context<D: Into<Message>>(self, doing: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|error| error.into().context(doing()))
    }
}
