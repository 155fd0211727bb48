//! `observed_versions(observed)`: a row's versions as the engine saw them, as a list that `unnest` makes rows of.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int32Builder, ListArray, StringViewBuilder, StructArray, TimestampMicrosecondBuilder,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, TimeUnit};
use datafusion::common::Result as DfResult;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use crate::error::Error;
use crate::record::fields::UTC;
use crate::record::observed::parse;

/// The function.
#[derive(Debug, Eq, Hash, PartialEq)]
pub struct ObservedVersions {
    signature: Signature,
}

impl ObservedVersions {
    /// The function.
    pub fn new() -> Self {
        Self { signature: Signature::string(1, Volatility::Immutable) }
    }

    /// `version` counts from 1; `seen_at` is null for a first version from before observing began; `was` holds, as a JSON
    /// object, what the version before had in the columns that changed.
    fn fields() -> Fields {
        Fields::from(vec![
            Field::new("version", DataType::Int32, false),
            Field::new("seen_at", DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.clone())), true),
            Field::new("was", DataType::Utf8View, true),
        ])
    }

    fn item() -> FieldRef {
        Arc::new(Field::new_list_field(DataType::Struct(Self::fields()), false))
    }
}

impl ScalarUDFImpl for ObservedVersions {
    fn name(&self) -> &str {
        "observed_versions"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DfResult<DataType> {
        Ok(DataType::List(Self::item()))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let texts = cast(&ColumnarValue::values_to_arrays(&args.args)?[0], &DataType::Utf8View)?;
        let texts = texts.as_string_view();
        let (mut version, mut seen_at, mut was) =
            (Int32Builder::new(), TimestampMicrosecondBuilder::new().with_timezone(UTC.clone()), StringViewBuilder::new());
        let mut lengths = Vec::with_capacity(texts.len());
        for text in texts {
            let seen = text.map(parse).transpose()?.unwrap_or_default();
            lengths.push(seen.len());
            for (at, seen) in seen.into_iter().enumerate() {
                version.append_value(at as i32 + 1);
                seen_at.append_option(seen.at_millis.map(|millis| millis * 1000));
                let json = seen.was.map(|was| serde_json::to_string(&was)).transpose();
                was.append_option(json.map_err(|error| Error::internal(phrase!("observations: {error}")))?);
            }
        }
        let columns: Vec<ArrayRef> = vec![Arc::new(version.finish()), Arc::new(seen_at.finish()), Arc::new(was.finish())];
        let versions = StructArray::try_new(Self::fields(), columns, None)?;
        let nulls: Option<NullBuffer> = texts.nulls().cloned();
        let list = ListArray::try_new(Self::item(), OffsetBuffer::from_lengths(lengths), Arc::new(versions), nulls)?;
        Ok(ColumnarValue::Array(Arc::new(list)))
    }
}
