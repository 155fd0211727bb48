//! Errors of a statement whose rows or values are not all to be seen: what happened, and never with which value.
//!
//! Conditions and masks stand in the right order, so that no error should come from a row that is hidden: this is a second wall.

use std::error::Error as StdError;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::TryStreamExt;

use crate::error::{Error, Kind};

/// What is told of a value that does not fit.
const CONVERTED: &str = "a value could not be converted";

/// Errors within each other that are looked through.
const LAYERS: usize = 32;

/// Something is not for this role.
#[derive(Debug)]
pub struct Denied;

impl std::fmt::Display for Denied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("denied")
    }
}

impl StdError for Denied {}

impl Denied {
    /// An error that says what is not allowed; what it is, servers tell by its source.
    pub fn error(message: impl Into<crate::error::Message>) -> Error {
        Error::invalid(message).with_source(Self)
    }

    /// Is this why an error came?
    pub fn is_why(error: &Error) -> bool {
        let mut next = error.source();
        for _ in 0..LAYERS {
            match next {
                Some(layer) if layer.is::<Self>() => return true,
                Some(layer) => next = layer.source(),
                None => return false,
            }
        }
        false
    }
}

/// An error without any value in it. What was planned wrong has none but those that were typed, and is told as it is.
pub(in crate::query) fn redacted(error: Error) -> Error {
    let (mut next, mut is_of_values) = (error.source(), false);
    for _ in 0..LAYERS {
        let Some(layer) = next else { break };
        if layer.is::<Denied>() {
            return error;
        }
        if let Some(planned) = layer.downcast_ref::<DataFusionError>()
            && matches!(planned, DataFusionError::SQL(..) | DataFusionError::SchemaError(..) | DataFusionError::Plan(_))
        {
            return error;
        }
        let carried_out =
            |layer: &DataFusionError| matches!(layer, DataFusionError::Execution(_) | DataFusionError::ArrowError(..));
        is_of_values |= layer.is::<ArrowError>() || layer.downcast_ref().is_some_and(carried_out);
        next = layer.source();
    }
    match error.kind() {
        // Limits of time and memory, and an interruption, are about no value.
        Kind::Unavailable | Kind::Interrupted | Kind::NotFound => error,
        kind => {
            let (text, source) = told(&error);
            let plain = match kind {
                Kind::Corrupt => Error::corrupt("something that is stored is damaged; ask who keeps the server running"),
                Kind::Internal if !is_of_values => Error::internal("a fault of ier; ask who keeps the server running"),
                _ => Error::invalid(text),
            };
            plain.with_source(source)
        }
    }
}

/// An answer whose errors tell no value.
pub(in crate::query) fn without_values(answer: SendableRecordBatchStream) -> SendableRecordBatchStream {
    let redact = |error: DataFusionError| redacted(Error::from(error).of_statement()).into();
    Box::pin(RecordBatchStreamAdapter::new(answer.schema(), answer.map_err(redact)))
}

/// What happened, and the same as an error that a server knows the kind of.
fn told(error: &Error) -> (&'static str, DataFusionError) {
    let message = error.to_string();
    let of_arrow = |error| DataFusionError::ArrowError(Box::new(error), None);
    if message.contains("ivide by zero") || message.contains("ivision by zero") {
        return ("division by zero", of_arrow(ArrowError::DivideByZero));
    }
    if message.contains("verflow") {
        let text = "a number is out of range";
        return (text, of_arrow(ArrowError::ArithmeticOverflow(text.to_owned())));
    }
    (CONVERTED, of_arrow(ArrowError::CastError(CONVERTED.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_tells_what_happened_and_no_value() {
        let of = |error: ArrowError| redacted(Error::from(DataFusionError::from(error)).of_statement());
        let cast = of(ArrowError::CastError("Cannot cast string 'secret@example.edu' to value of Int64 type".to_owned()));
        assert_eq!(cast.to_string(), CONVERTED);
        assert!(!format!("{cast:?}").contains("secret"));
        let divided = of(ArrowError::DivideByZero);
        assert!(divided.to_string().contains("zero"), "{divided}");
        let planned = redacted(Error::from(DataFusionError::Plan("No function matches f".to_owned())).of_statement());
        assert!(planned.to_string().contains('f'));
        let late = redacted(Error::timed_out(std::time::Duration::from_secs(1)));
        assert!(late.to_string().contains("ran longer"));
    }
}
