//! An error as a client gets it: severity, SQLSTATE, message.

use std::error::Error as StdError;

use arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;
use pgwire::messages::response::{ErrorResponse, NoticeResponse};

use crate::error::{Error, Kind};
use crate::query::policy::errors::Denied;

/// Longer words are cut: a message has its limits.
const LONGEST: usize = 8_000;

/// Errors within each other that are looked through.
const LAYERS: usize = 32;

/// Something that went wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Failure {
    /// The connection ends with it.
    pub(crate) is_fatal: bool,
    /// The SQLSTATE.
    pub(crate) code: &'static str,
    /// What happened.
    pub(crate) message: String,
    /// What can be done about it.
    pub(crate) hint: Option<&'static str>,
}

impl Failure {
    /// An error after which the session goes on.
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { is_fatal: false, code, message: message.into(), hint: None }
    }

    /// An error with which the connection ends.
    pub(crate) fn fatal(code: &'static str, message: impl Into<String>) -> Self {
        Self { is_fatal: true, ..Self::new(code, message) }
    }

    /// With what can be done about it.
    pub(crate) fn hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }

    /// The client does not keep to the protocol.
    pub(crate) fn protocol(message: impl Into<String>) -> Self {
        Self::fatal("08P01", message)
    }

    /// Postgres has this, and this server has not.
    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::new("0A000", what)
    }

    /// Nothing is changed here.
    pub(crate) fn read_only(verb: &str) -> Self {
        Self::new("25006", format!("cannot execute {verb} in a read-only transaction"))
            .hint("ier serve answers questions; what changes the warehouse are the verbs of ier at its own machine.")
    }

    /// Why the catalogs do not answer: what they do not know is not supported, whatever the planner calls it.
    pub(crate) fn of_catalog(error: Error) -> Self {
        let failure = Self::from(error);
        match failure.code {
            "57014" | "53200" | "42P01" | "XX000" => failure,
            _ => Self { code: "0A000", ..failure },
        }
    }

    /// The message for the client.
    pub(crate) fn response(&self) -> ErrorResponse {
        let severity = if self.is_fatal { "FATAL" } else { "ERROR" };
        ErrorResponse::new(self.fields(severity))
    }

    /// The same as a warning, after which all goes on.
    pub(crate) fn warning(&self) -> NoticeResponse {
        NoticeResponse::new(self.fields("WARNING"))
    }

    fn fields(&self, severity: &str) -> Vec<(u8, String)> {
        // A text of the protocol ends at the first null.
        let mut message = self.message.replace('\0', "\u{FFFD}");
        if message.len() > LONGEST {
            let end = (0..=LONGEST).rev().find(|at| message.is_char_boundary(*at)).unwrap_or_default();
            message.truncate(end);
            message.push('…');
        }
        let mut fields =
            vec![(b'S', severity.to_owned()), (b'V', severity.to_owned()), (b'C', self.code.to_owned()), (b'M', message)];
        fields.extend(self.hint.map(|hint| (b'H', hint.to_owned())));
        fields
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(code(&error), error.to_string())
    }
}

impl From<DataFusionError> for Failure {
    fn from(error: DataFusionError) -> Self {
        Error::from(error).of_statement().into()
    }
}

impl From<ArrowError> for Failure {
    fn from(error: ArrowError) -> Self {
        DataFusionError::from(error).into()
    }
}

/// The SQLSTATE of an error of the engine: by what it is deep down, else by its kind.
fn code(error: &Error) -> &'static str {
    let message = error.to_string();
    if message.contains("there is no table ") {
        return "42P01";
    }
    let mut next = error.source();
    for _ in 0..LAYERS {
        let Some(layer) = next else { break };
        if let Some(code) = of_layer(layer, &message) {
            return code;
        }
        next = layer.source();
    }
    match error.kind() {
        Kind::Invalid => "22023",
        Kind::NotFound => "42704",
        Kind::Conflict => "40001",
        Kind::Unavailable if message.contains("ran longer than") => "57014",
        Kind::Unavailable if message.contains("too little memory") => "53200",
        Kind::Unavailable if error.is_of_full_disk() => "53100",
        Kind::Unavailable => "58030",
        Kind::Corrupt => "XX001",
        Kind::Internal => "XX000",
        Kind::Interrupted => "57014",
    }
}

fn of_layer(layer: &(dyn StdError + 'static), message: &str) -> Option<&'static str> {
    if layer.is::<Denied>() {
        return Some("42501");
    }
    if layer.is::<ParserError>() {
        return Some("42601");
    }
    if let Some(error) = layer.downcast_ref::<SchemaError>() {
        return Some(of_schema(error));
    }
    if let Some(error) = layer.downcast_ref::<ArrowError>() {
        return of_arrow(error);
    }
    match layer.downcast_ref::<DataFusionError>()? {
        DataFusionError::SQL(..) => Some("42601"),
        DataFusionError::SchemaError(error, _) => Some(of_schema(error)),
        DataFusionError::NotImplemented(_) => Some("0A000"),
        DataFusionError::ArrowError(error, _) => of_arrow(error),
        DataFusionError::Plan(text) => Some(of_plan(text)),
        DataFusionError::Execution(_) if message.contains("ivide by zero") => Some("22012"),
        DataFusionError::Execution(text) if text.contains("verflow") => Some("22003"),
        DataFusionError::Execution(_) => Some("22000"),
        _ => None,
    }
}

fn of_schema(error: &SchemaError) -> &'static str {
    match error {
        SchemaError::AmbiguousReference { .. } => "42702",
        SchemaError::FieldNotFound { .. } => "42703",
        SchemaError::DuplicateQualifiedField { .. } | SchemaError::DuplicateUnqualifiedField { .. } => "42701",
    }
}

fn of_arrow(error: &ArrowError) -> Option<&'static str> {
    match error {
        ArrowError::DivideByZero => Some("22012"),
        ArrowError::ArithmeticOverflow(_) => Some("22003"),
        ArrowError::CastError(_) | ArrowError::ParseError(_) => Some("22P02"),
        ArrowError::InvalidArgumentError(_) | ArrowError::ComputeError(_) => Some("22000"),
        ArrowError::NotYetImplemented(_) => Some("0A000"),
        _ => None,
    }
}

/// What a planner refuses, by its words.
fn of_plan(text: &str) -> &'static str {
    let says = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    if says(&["DDL not supported", "DML not supported", "Statement not supported"]) {
        "25006"
    } else if says(&[
        "Invalid function",
        "No function matches",
        "table function",
        "does not support",
        "failed to match any signature",
    ]) {
        "42883"
    } else if says(&["GROUP BY", "aggregate"]) {
        "42803"
    } else if says(&["not found", "No field named"]) {
        "42703"
    } else if says(&["Cannot coerce", "Cannot infer common", "coercion"]) {
        "42804"
    } else {
        "42601"
    }
}
