//! Registers the functions of Postgres that catalog statements call with a DataFusion session.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::new_empty_array;
use arrow::datatypes::DataType;
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use super::calls;
use super::known::Known;
use super::signature::Function;

/// Makes all of them known to a session.
pub(super) fn register(context: &SessionContext, known: &Arc<Known>) {
    for function in calls::ALL {
        context.register_udf(ScalarUDF::from(CatalogFunction::new(*function, known.clone())));
    }
}

/// A function by its name.
pub(super) fn named(name: &str) -> Option<&'static Function> {
    calls::ALL.iter().find(|function| function.name == name)
}

struct CatalogFunction {
    function: Function,
    known: Arc<Known>,
    signature: Signature,
}

impl CatalogFunction {
    fn new(function: Function, known: Arc<Known>) -> Self {
        // A setting is changed when the statement runs, not when it is planned.
        let volatility = if function.name == "set_config" { Volatility::Volatile } else { Volatility::Immutable };
        let signature = Signature::one_of(vec![TypeSignature::Nullary, TypeSignature::VariadicAny], volatility);
        Self { function, known, signature }
    }
}

impl fmt::Debug for CatalogFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.function.name)
    }
}

impl PartialEq for CatalogFunction {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name && Arc::ptr_eq(&self.known, &other.known)
    }
}

impl Eq for CatalogFunction {}

impl Hash for CatalogFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

impl ScalarUDFImpl for CatalogFunction {
    fn name(&self) -> &str {
        self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DfResult<DataType> {
        Ok(self.function.returns.data_type())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        if let Some(values) = args.args.iter().map(as_scalar).collect::<Option<Vec<ScalarValue>>>() {
            let rows_differ = self.signature.volatility == Volatility::Volatile;
            if !rows_differ || args.number_rows == 1 {
                return (self.function.call)(&self.known, &values).map(ColumnarValue::Scalar);
            }
        }
        let rows = args.number_rows;
        let arrays = args.args.iter().map(|value| value.to_array(rows)).collect::<DfResult<Vec<_>>>()?;
        let answer = |row: usize| -> DfResult<ScalarValue> {
            let values = arrays.iter().map(|array| ScalarValue::try_from_array(array, row)).collect::<DfResult<Vec<_>>>()?;
            (self.function.call)(&self.known, &values)
        };
        let answers = (0..rows).map(answer).collect::<DfResult<Vec<_>>>()?;
        if answers.is_empty() {
            return Ok(ColumnarValue::Array(new_empty_array(&self.function.returns.data_type())));
        }
        ScalarValue::iter_to_array(answers).map(ColumnarValue::Array)
    }
}

fn as_scalar(value: &ColumnarValue) -> Option<ScalarValue> {
    match value {
        ColumnarValue::Scalar(value) => Some(value.clone()),
        ColumnarValue::Array(_) => None,
    }
}
