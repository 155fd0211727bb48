//! The type that describes a Postgres function here: its name, the type of its result, and the Rust function that computes it.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::{DataFusionError, Result as DfResult, ScalarValue};

use super::known::Known;

/// What a call answers for one row.
pub(super) type Call = fn(&Known, &[ScalarValue]) -> DfResult<ScalarValue>;

/// One function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Function {
    /// Its name, without a schema.
    pub name: &'static str,
    /// What it answers with.
    pub returns: Returns,
    /// How it answers.
    pub call: Call,
}

/// The type of an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Returns {
    /// A text.
    Text,
    /// A truth.
    Bool,
    /// A number.
    Int,
    /// A small number.
    SmallInt,
    /// Texts.
    Texts,
}

impl Returns {
    /// As Arrow has it.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Bool => DataType::Boolean,
            Self::Int => DataType::Int64,
            Self::SmallInt => DataType::Int32,
            Self::Texts => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
        }
    }
}

/// The error of a call that Postgres would refuse, too.
pub(super) fn refused<T>(why: String) -> DfResult<T> {
    Err(DataFusionError::Execution(why))
}
