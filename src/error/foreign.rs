//! Maps errors of other libraries to kinds that tell the operator what to do.
//!
//! Such errors are wrapped in many layers. The innermost layer that is known decides: "no space left on device" means the same
//! whether it comes from a CSV writer, a sort that spills or a store. Our own errors within them are returned unchanged.

use std::error::Error as StdError;
use std::io;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError as Df;
use deltalake_core::DeltaTableError as Delta;
use parquet::errors::ParquetError;

use super::{Error, Kind, Message, sql_errors};

type Boxed = Box<dyn StdError + Send + Sync>;

/// Layers looked through; more would be a circle.
const LAYERS: usize = 32;

impl Error {
    /// A foreign error of this kind, in its own words.
    fn foreign(kind: Kind, error: impl StdError + Send + Sync + 'static) -> Self {
        Self { kind, message: error.to_string().into(), missing: is_missing(&error), source: Some(Box::new(error)) }
    }
}

impl Error {
    /// The error of a statement that somebody typed: of values, DataFusion complains while it carries out.
    pub fn of_statement(mut self) -> Self {
        if self.kind == Kind::Internal && layers(&self).any(|layer| matches!(layer.downcast_ref(), Some(Df::Execution(_)))) {
            self.kind = Kind::Invalid;
        }
        if matches!(self.source.as_deref().map(|source| source.is::<Df>() || source.is::<ArrowError>()), Some(true)) {
            self.message = sql_errors::plain(&self.message.to_string()).into();
        }
        self
    }

    /// Is it that a disk is full?
    pub fn is_of_full_disk(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        within::<io::Error>(self).is_some_and(|error| [StorageFull, QuotaExceeded].contains(&error.kind()))
    }

    /// Is it that a store did not answer, or badly? That an object is not there is an answer.
    pub fn is_of_store(&self) -> bool {
        use object_store::Error as Store;
        let failed =
            |error: &Store| !matches!(error, Store::NotFound { .. } | Store::AlreadyExists { .. } | Store::Precondition { .. });
        layers(self).any(|layer| {
            // The kernel keeps the words alone.
            let kernel = layer.downcast_ref::<Delta>().is_some_and(|error| error.to_string().contains(KERNEL_FAILED));
            kernel || layer.downcast_ref::<Store>().is_some_and(failed)
        })
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        if error.get_ref().is_some_and(|inner| known(inner).is_some()) {
            let kind = error.kind();
            return error.into_inner().map_or_else(|| Self::foreign(Kind::Unavailable, io::Error::from(kind)), unwrap_external);
        }
        let error = of_system(error);
        let message = io_words(&error);
        Self { message, ..Self::foreign(of_io(&error), error) }
    }
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::Generic { source, .. } if source.is::<Error>() => unwrap_external(source),
            error => {
                let kind = of_store(&error);
                let missing = is_missing(&error);
                let message = match within::<Error>(&error) {
                    Some(own) => own.message.clone(),
                    None => store_words(&error),
                };
                Self { kind, message, missing, source: Some(Box::new(error)) }
            }
        }
    }
}

impl From<ArrowError> for Error {
    fn from(error: ArrowError) -> Self {
        match error {
            ArrowError::ExternalError(inner) => unwrap_external(inner),
            ArrowError::IoError(_, inner) => inner.into(),
            error => Self::foreign(Kind::Internal, error),
        }
    }
}

impl From<ParquetError> for Error {
    fn from(error: ParquetError) -> Self {
        match error {
            ParquetError::External(inner) => unwrap_external(inner),
            error => Self::foreign(Kind::Corrupt, error),
        }
    }
}

impl From<Delta> for Error {
    fn from(error: Delta) -> Self {
        match error {
            Delta::ObjectStore { source } => source.into(),
            error => Self::foreign(of_delta(&error).unwrap_or(Kind::Unavailable), error),
        }
    }
}

impl From<Df> for Error {
    fn from(error: Df) -> Self {
        match error {
            Df::External(inner) => unwrap_external(inner),
            // What rule it was doing tells nobody anything.
            Df::Context(_, inner) => (*inner).into(),
            Df::ObjectStore(inner) => (*inner).into(),
            Df::ParquetError(inner) => (*inner).into(),
            Df::IoError(inner) => inner.into(),
            Df::ArrowError(inner, _) if matches!(*inner, ArrowError::ExternalError(_) | ArrowError::IoError(..)) => {
                (*inner).into()
            }
            Df::ResourcesExhausted(what) => {
                Self::unavailable(phrase!("too little memory for the statement: narrow it, or raise query.memory_mb ({what})"))
            }
            error => {
                let (kind, missing) = (of_datafusion(&error), is_missing(&error));
                let message = within(&error).map_or_else(|| error.strip_backtrace().into(), store_words);
                Self { kind, message, missing, source: Some(Box::new(error)) }
            }
        }
    }
}

impl From<Error> for Df {
    fn from(error: Error) -> Self {
        Self::External(Box::new(error))
    }
}

impl From<tokio::task::JoinError> for Error {
    fn from(error: tokio::task::JoinError) -> Self {
        let message = phrase!("a task stopped: {error}");
        Self { kind: Kind::Internal, message, missing: false, source: Some(Box::new(error)) }
    }
}

/// An engine error that travelled through a foreign one comes out as it went in.
fn unwrap_external(inner: Boxed) -> Error {
    let inner = match inner.downcast::<Error>() {
        Ok(own) => return *own,
        Err(inner) => inner,
    };
    let inner = match inner.downcast::<object_store::Error>() {
        Ok(store) => return (*store).into(),
        Err(inner) => inner,
    };
    let inner = match inner.downcast::<io::Error>() {
        Ok(io) => return (*io).into(),
        Err(inner) => inner,
    };
    let inner = match inner.downcast::<Df>() {
        Ok(error) => return (*error).into(),
        Err(inner) => inner,
    };
    let inner = match inner.downcast::<ParquetError>() {
        Ok(error) => return (*error).into(),
        Err(inner) => inner,
    };
    match inner.downcast::<ArrowError>() {
        Ok(error) => (*error).into(),
        Err(inner) => {
            let (kind, missing) = (known(inner.as_ref()).unwrap_or(Kind::Unavailable), is_missing(inner.as_ref()));
            Error { kind, message: inner.to_string().into(), missing, source: Some(inner) }
        }
    }
}

/// The system's error, where tempfile has put the name of a temporary file behind it, which tells nobody anything. What
/// it was put around cannot be asked for.
fn of_system(error: io::Error) -> io::Error {
    let code = |reported: &str| {
        let (system, _path) = reported.split_once(" at path \"")?;
        system.rsplit_once("(os error ")?.1.strip_suffix(')')?.parse().ok()
    };
    error.get_ref().and_then(|inner| code(&inner.to_string())).map_or(error, io::Error::from_raw_os_error)
}

/// What the system says is nobody's data; what a library has put in its mouth may be.
fn io_words(error: &io::Error) -> Message {
    match error.get_ref() {
        None => Message::words(error.to_string()),
        Some(inner) => inner.to_string().into(),
    }
}

fn of_io(error: &io::Error) -> Kind {
    use io::ErrorKind as Io;
    match error.kind() {
        Io::NotFound => Kind::NotFound,
        Io::InvalidData | Io::UnexpectedEof => Kind::Corrupt,
        // Waiting changes nothing about rights and names.
        Io::PermissionDenied | Io::ReadOnlyFilesystem | Io::IsADirectory | Io::NotADirectory | Io::InvalidFilename => {
            Kind::Invalid
        }
        _ => error.get_ref().and_then(|inner| known(inner)).unwrap_or(Kind::Unavailable),
    }
}

fn of_store(error: &object_store::Error) -> Kind {
    use object_store::Error as Store;
    match error {
        error if is_about_bucket(error) => Kind::NotFound,
        // Nobody asks a store for an object by a name of their own: what is asked for is named by something that is there.
        Store::NotFound { .. } => Kind::Corrupt,
        Store::AlreadyExists { .. } | Store::Precondition { .. } => Kind::Conflict,
        Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => Kind::Invalid,
        Store::NotImplemented { .. } | Store::NotSupported { .. } | Store::UnknownConfigurationKey { .. } => Kind::Invalid,
        error if is_about_keys(error) => Kind::Invalid,
        Store::JoinError { .. } => Kind::Internal,
        error => beneath(error).unwrap_or(Kind::Unavailable),
    }
}

fn of_delta(error: &Delta) -> Option<Kind> {
    match error {
        Delta::ObjectStore { source } => Some(of_store(source)),
        Delta::NotATable(_) => Some(Kind::NotFound),
        // It tells a task of its own that died by its text alone.
        Delta::Generic(text) if text.contains(" panicked") => Some(Kind::Internal),
        Delta::KernelError(_) if is_missing(error) => Some(Kind::Corrupt),
        Delta::KernelError(inner) if BROKEN_LOG.iter().any(|words| inner.to_string().contains(words)) => Some(Kind::Corrupt),
        error => beneath(error),
    }
}

fn of_datafusion(error: &Df) -> Kind {
    match error {
        Df::SQL(..) | Df::Plan(_) | Df::SchemaError(..) | Df::NotImplemented(_) | Df::Configuration(_) => Kind::Invalid,
        Df::ArrowError(inner, _) => of_arrow(inner),
        Df::ResourcesExhausted(_) => Kind::Unavailable,
        Df::ObjectStore(inner) => of_store(inner),
        Df::IoError(inner) => of_io(inner),
        Df::ParquetError(inner) => of_parquet(inner),
        Df::Collection(errors) => errors.first().map_or(Kind::Internal, of_datafusion),
        Df::Shared(inner) => of_datafusion(inner),
        Df::Context(_, inner) | Df::Diagnostic(_, inner) => of_datafusion(inner),
        Df::External(inner) => known(inner.as_ref()).unwrap_or(Kind::Internal),
        // Of what a person asked for, the door through which statements come says so itself.
        _ => Kind::Internal,
    }
}

/// An error of arrow while a statement runs is about values, so the statement is invalid.
fn of_arrow(error: &ArrowError) -> Kind {
    match error {
        ArrowError::ExternalError(inner) => known(inner.as_ref()).unwrap_or(Kind::Internal),
        ArrowError::IoError(_, inner) => of_io(inner),
        _ => Kind::Invalid,
    }
}

fn of_parquet(error: &ParquetError) -> Kind {
    match error {
        ParquetError::External(inner) => known(inner.as_ref()).unwrap_or(Kind::Internal),
        _ => Kind::Corrupt,
    }
}

/// The kind of an error if it, or what is beneath it, is one we know.
fn known(error: &(dyn StdError + 'static)) -> Option<Kind> {
    if let Some(own) = error.downcast_ref::<Error>() {
        return Some(own.kind);
    }
    if let Some(error) = error.downcast_ref::<object_store::Error>() {
        return Some(of_store(error));
    }
    if let Some(error) = error.downcast_ref::<Df>() {
        return Some(of_datafusion(error));
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return Some(of_io(error));
    }
    if let Some(error) = error.downcast_ref::<ArrowError>() {
        return Some(of_arrow(error));
    }
    if let Some(error) = error.downcast_ref::<ParquetError>() {
        return Some(of_parquet(error));
    }
    if let Some(error) = error.downcast_ref::<Delta>() {
        return of_delta(error);
    }
    beneath(error)
}

fn beneath(error: &(dyn StdError + 'static)) -> Option<Kind> {
    error.source().and_then(known)
}

/// An error and what is beneath it, from the outermost in.
fn layers<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut layers = Vec::new();
    let mut next = Some(error);
    while let Some(layer) = next.filter(|_| layers.len() < LAYERS) {
        layers.push(layer);
        next = layer.source();
    }
    layers.into_iter()
}

/// The first error of a type, from the outermost in.
fn within<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    layers(error).find_map(|error| error.downcast_ref::<E>())
}

/// Does it say that an object of the store is not there?
fn is_missing(error: &(dyn StdError + 'static)) -> bool {
    use object_store::Error as Store;
    layers(error).any(|layer| {
        let store =
            layer.downcast_ref::<Store>().is_some_and(|error| matches!(error, Store::NotFound { .. }) && !is_about_bucket(error));
        // The kernel keeps the name alone.
        let kernel = layer.downcast_ref::<Delta>().is_some_and(|error| match error {
            Delta::KernelError(inner) => inner.to_string().starts_with(KERNEL_MISSES),
            _ => false,
        });
        store || kernel || layer.downcast_ref::<Error>().is_some_and(Error::is_missing)
    })
}

/// How the kernel says that a log has not all it should have.
const BROKEN_LOG: [&str; 3] = [KERNEL_MISSES, "No table metadata or protocol found", "contiguous"];

/// How the kernel says that the store failed.
const KERNEL_FAILED: &str = "Error interacting with object store";

/// How the kernel says that an object is not there.
const KERNEL_MISSES: &str = "File not found";

/// Is it the bucket (or container) that is not there?
fn is_about_bucket(error: &object_store::Error) -> bool {
    answer(&error.to_string()).is_some_and(|(_, code, _)| ["NoSuchBucket", "ContainerNotFound"].contains(&code))
}

/// Are the keys wrong, or may they not do that? Of a listing the client tells the answer alone.
fn is_about_keys(error: &object_store::Error) -> bool {
    use object_store::Error as Store;
    let text = error.to_string();
    let refused = || text.contains(" 403 Forbidden") || text.contains(" 401 Unauthorized");
    matches!(error, Store::PermissionDenied { .. } | Store::Unauthenticated { .. }) || refused()
}

/// What a store says, in words: its answer without the XML around it, and what to do where that is known.
fn store_words(error: &object_store::Error) -> Message {
    use object_store::Error as Store;
    let text = error.to_string();
    let reported = match answer(&text) {
        Some((before, code, message)) => format!("{}{code}: {message}", before.trim_start_matches('\u{FEFF}')),
        None => text.trim().to_owned(),
    };
    match error {
        error if is_about_bucket(error) => phrase!("the bucket is not there: make it first ({reported})"),
        Store::NotFound { path, .. } => phrase!("{path} is not there: it was removed, or is lost"),
        error if is_about_keys(error) => phrase!("the store refuses: look at its keys, and at what they may do ({reported})"),
        _ => reported.into(),
    }
}

/// An answer of a store in XML, within a text: what stands before it, its code and its message.
fn answer(text: &str) -> Option<(&str, &str, &str)> {
    let between = |tag: &str| Some(text.split_once(&format!("<{tag}>"))?.1.split_once(&format!("</{tag}>"))?.0.trim());
    let (code, message) = (between("Code")?, between("Message").unwrap_or_default());
    let before = text.split_once("<?xml").or_else(|| text.split_once("<Error>"))?.0;
    Some((before, code, message.lines().next().unwrap_or_default()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn no_space() -> io::Error {
        io::Error::from(io::ErrorKind::StorageFull)
    }

    fn not_found(body: &str) -> object_store::Error {
        object_store::Error::NotFound { path: "records/hot".into(), source: body.into() }
    }

    #[test]
    fn a_full_disk_is_one_trouble_through_whatever_it_is_met() {
        let store = |source: Boxed| object_store::Error::Generic { store: "LocalFileSystem", source };
        let wrapped: Vec<Error> = vec![
            no_space().into(),
            store(Box::new(no_space())).into(),
            ArrowError::IoError("writing".into(), no_space()).into(),
            ParquetError::External(Box::new(no_space())).into(),
            Df::IoError(no_space()).into(),
            Df::ArrowError(Box::new(ArrowError::IoError("spilling".into(), no_space())), None).into(),
            Df::Shared(Arc::new(Df::ArrowError(Box::new(ArrowError::IoError("spilling".into(), no_space())), None))).into(),
            Df::Shared(Arc::new(Df::ParquetError(Box::new(ParquetError::External(Box::new(store(Box::new(no_space()))))))))
                .into(),
            Df::External(Box::new(Df::External(Box::new(no_space())))).into(),
        ];
        for error in wrapped {
            assert_eq!(error.kind(), Kind::Unavailable, "{error:?}");
        }
    }

    #[test]
    fn a_temporary_files_name_tells_nobody_anything() {
        let refused = tempfile::Builder::new().prefix(".a.csv.").suffix(".part").tempfile_in("no/such/folder");
        let reported = Error::from(refused.err().unwrap()).context("cannot write a.csv").to_string();
        assert_eq!(reported, "cannot write a.csv: No such file or directory (os error 2)");
    }

    #[test]
    fn rights_are_for_the_operator_to_mend() {
        let refused = || io::Error::from(io::ErrorKind::PermissionDenied);
        let store = object_store::Error::Generic { store: "LocalFileSystem", source: Box::new(refused()) };
        assert_eq!(Error::from(refused()).kind(), Kind::Invalid);
        assert_eq!(Error::from(store).kind(), Kind::Invalid);
        let reported = Error::from(object_store::Error::PermissionDenied {
            path: "records".into(),
            source: "403 Forbidden: <?xml version=\"1.0\"?><Error><Code>InvalidAccessKeyId</Code><Message>No such key.</Message></Error>".into(),
        });
        assert_eq!(reported.kind(), Kind::Invalid);
        assert!(
            reported.to_string().contains("look at its keys")
                && reported.to_string().contains("InvalidAccessKeyId: No such key.")
        );
        assert!(!reported.to_string().contains('<'), "{reported}");
    }

    #[test]
    fn an_object_that_should_be_there_is_missing_and_a_bucket_is_not_found() {
        let shared =
            |error| Error::from(Df::Shared(Arc::new(Df::ParquetError(Box::new(ParquetError::External(Box::new(error)))))));
        for missing in [not_found("404").into(), shared(not_found("404")), shared(not_found("404")).context("reading")] {
            assert!(missing.is_missing() && missing.kind() == Kind::Corrupt, "{missing:?}");
        }
        let body = "404: <?xml version=\"1.0\"?><Error><Code>NoSuchBucket</Code><Message>It does not exist</Message></Error>";
        let bucket = Error::from(not_found(body));
        assert!(!bucket.is_missing() && bucket.kind() == Kind::NotFound, "{bucket:?}");
        assert!(bucket.to_string().contains("make it first"), "{bucket}");
        // A listing tells it in another way.
        let listed = Error::from(object_store::Error::Generic { store: "S3", source: body.into() });
        assert_eq!((listed.kind(), listed.to_string().contains("make it first")), (Kind::NotFound, true), "{listed}");
    }

    #[test]
    fn what_a_store_answers_badly_is_no_fault_of_the_engine() {
        let bad = || object_store::Error::Generic { store: "S3", source: "received non-partial response".into() };
        let nested = Df::Shared(Arc::new(Df::ParquetError(Box::new(ParquetError::External(Box::new(bad()))))));
        assert_eq!(Error::from(nested).kind(), Kind::Unavailable);
        assert_eq!(Error::from(Df::Execution("a plan of ours does not fit".into())).kind(), Kind::Internal);
    }

    #[test]
    fn an_error_of_ours_comes_out_as_it_went_in() {
        let own = || Error::corrupt("file a is damaged");
        let through: Vec<Error> = vec![
            Df::from(own()).into(),
            ArrowError::ExternalError(Box::new(own())).into(),
            ParquetError::External(Box::new(own())).into(),
            io::Error::other(own()).into(),
            io::Error::other(object_store::Error::Generic { store: "S3", source: Box::new(own()) }).into(),
            object_store::Error::Generic { store: "durable", source: Box::new(own()) }.into(),
        ];
        for error in through {
            assert_eq!((error.kind(), error.to_string().as_str()), (Kind::Corrupt, "file a is damaged"));
        }
    }
}
