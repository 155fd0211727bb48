//! One error type for the whole engine: the kind tells the operator what to do, the message what happened and where.
//!
//! Modules build errors with the constructors below; foreign errors are folded in with `From`. Nothing here prints.

use std::fmt;

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
    /// Every kind with its name and exit code, in one place.
    pub const TABLE: [(Kind, &'static str, u8); 7] = [
        (Kind::Invalid, "invalid", 2),
        (Kind::NotFound, "not found", 3),
        (Kind::Conflict, "conflict", 4),
        (Kind::Unavailable, "unavailable", 5),
        (Kind::Corrupt, "corrupt", 6),
        (Kind::Internal, "internal", 70),
        (Kind::Interrupted, "interrupted", 130),
    ];

    /// The kind's name as printed.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The process exit code.
    pub fn exit_code(self) -> u8 {
        self.row().2
    }

    fn row(self) -> (Kind, &'static str, u8) {
        // TABLE lists every kind once, in the order of the enum.
        Self::TABLE[self as usize]
    }
}

/// An error with its kind, a message for people, and the error beneath it.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $kind:ident),* $(,)?) => {
        impl Error {
            $($(#[$doc])* pub fn $name(message: impl Into<String>) -> Self {
                Self { kind: Kind::$kind, message: message.into(), source: None }
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
        Self::internal(format!("it panicked: {}", text.unwrap_or("without a word")))
    }

    /// What the operator can do about it.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The same error, with what was being done (and to which path, key or version) in front.
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }

    /// The same error, with what else went wrong behind it.
    pub fn also(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{}; {what}", self.message);
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
        f.write_str(&self.message)
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
    fn context<D: fmt::Display>(self, doing: impl FnOnce() -> D) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for std::result::Result<T, E> {
    fn context<D: fmt::Display>(self, doing: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|error| error.into().context(doing()))
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => Kind::NotFound,
            std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof => Kind::Corrupt,
            _ => Kind::Unavailable,
        };
        Self { kind, message: error.to_string(), source: Some(Box::new(error)) }
    }
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        let error = match error {
            object_store::Error::Generic { source, .. } if source.is::<Error>() => return unwrap_external(source),
            error => error,
        };
        let kind = match &error {
            object_store::Error::NotFound { .. } => Kind::NotFound,
            object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. } => Kind::Conflict,
            // Not the store: a thread of ours has died.
            object_store::Error::JoinError { .. } => Kind::Internal,
            _ => Kind::Unavailable,
        };
        Self { kind, message: error.to_string(), source: Some(Box::new(error)) }
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Self {
        match error {
            arrow::error::ArrowError::ExternalError(inner) => unwrap_external(inner),
            error => Self { kind: Kind::Internal, message: error.to_string(), source: Some(Box::new(error)) },
        }
    }
}

impl From<parquet::errors::ParquetError> for Error {
    fn from(error: parquet::errors::ParquetError) -> Self {
        match error {
            parquet::errors::ParquetError::External(inner) => unwrap_external(inner),
            error => Self { kind: Kind::Corrupt, message: error.to_string(), source: Some(Box::new(error)) },
        }
    }
}

impl From<deltalake_core::DeltaTableError> for Error {
    fn from(error: deltalake_core::DeltaTableError) -> Self {
        use deltalake_core::DeltaTableError as Delta;
        match error {
            Delta::ObjectStore { source } => source.into(),
            error => {
                let kind = match &error {
                    Delta::NotATable(_) => Kind::NotFound,
                    // It tells a task of its own that died by its text alone.
                    Delta::Generic(text) if text.contains(" panicked") => Kind::Internal,
                    _ => Kind::Unavailable,
                };
                Self { kind, message: error.to_string(), source: Some(Box::new(error)) }
            }
        }
    }
}

impl From<datafusion::error::DataFusionError> for Error {
    fn from(error: datafusion::error::DataFusionError) -> Self {
        use datafusion::error::DataFusionError as Df;
        match error {
            Df::External(inner) => unwrap_external(inner),
            Df::Context(doing, inner) => Self::from(*inner).context(doing),
            Df::ObjectStore(inner) => (*inner).into(),
            Df::ParquetError(inner) => (*inner).into(),
            Df::ArrowError(inner, _) if matches!(*inner, arrow::error::ArrowError::ExternalError(_)) => (*inner).into(),
            Df::Shared(inner) => {
                let kind = Self::kind_of(&inner);
                Self { kind, message: inner.strip_backtrace(), source: Some(Box::new(inner)) }
            }
            Df::ResourcesExhausted(what) => {
                let message = format!("too little memory for the statement: narrow it, or raise query.memory_mb ({what})");
                Self { kind: Kind::Unavailable, message, source: None }
            }
            error => {
                let kind = Self::kind_of(&error);
                Self { kind, message: error.strip_backtrace(), source: Some(Box::new(error)) }
            }
        }
    }
}

impl From<Error> for datafusion::error::DataFusionError {
    fn from(error: Error) -> Self {
        Self::External(Box::new(error))
    }
}

impl From<tokio::task::JoinError> for Error {
    fn from(error: tokio::task::JoinError) -> Self {
        Self { kind: Kind::Internal, message: format!("a task stopped: {error}"), source: Some(Box::new(error)) }
    }
}

impl Error {
    fn kind_of(error: &datafusion::error::DataFusionError) -> Kind {
        use datafusion::error::DataFusionError as Df;
        match error.find_root() {
            Df::SQL(..) | Df::Plan(_) | Df::SchemaError(..) | Df::NotImplemented(_) | Df::Execution(_) | Df::Configuration(_) => {
                Kind::Invalid
            }
            Df::ArrowError(inner, _) => match inner.as_ref() {
                arrow::error::ArrowError::ExternalError(inner) => Self::kind_within(inner.as_ref()),
                _ => Kind::Invalid,
            },
            Df::ResourcesExhausted(_) | Df::IoError(_) | Df::ObjectStore(_) => Kind::Unavailable,
            Df::ParquetError(inner) => match inner.as_ref() {
                parquet::errors::ParquetError::External(inner) => Self::kind_within(inner.as_ref()),
                _ => Kind::Corrupt,
            },
            Df::External(inner) => Self::kind_within(inner.as_ref()),
            _ => Kind::Internal,
        }
    }
}

impl Error {
    /// The kind of an error that travels within a foreign one, and cannot be taken out.
    fn kind_within(inner: &(dyn std::error::Error + Send + Sync + 'static)) -> Kind {
        inner.downcast_ref::<Self>().map_or(Kind::Internal, Self::kind)
    }
}

/// An engine error that travelled through a foreign one comes out as it went in.
fn unwrap_external(inner: Box<dyn std::error::Error + Send + Sync>) -> Error {
    match inner.downcast::<Error>() {
        Ok(own) => *own,
        Err(inner) => match inner.downcast::<object_store::Error>() {
            Ok(store) => (*store).into(),
            Err(inner) => match inner.downcast::<std::io::Error>() {
                Ok(io) => (*io).into(),
                Err(inner) => Error { kind: Kind::Unavailable, message: inner.to_string(), source: Some(inner) },
            },
        },
    }
}
