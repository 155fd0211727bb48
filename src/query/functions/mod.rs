//! SQL functions of our own, and DataFusion's calendar functions made fast for UTC.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringViewBuilder, TimestampMicrosecondArray};
use arrow::compute::{cast, max, min};
use arrow::datatypes::{DataType, FieldRef, Int32Type, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{Result as DfResult, ScalarValue, exec_datafusion_err};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::preimage::PreimageResult;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};

pub use self::macros::MACROS;
pub use self::reference::OURS;
use self::versions::ObservedVersions;
use crate::record::fields::UTC;
use crate::record::id::SfId;

// `observed_versions(observed)`: a row's versions as the engine saw them.
mod versions;

// Calendar functions in local time: `local_day(date_sent)` and others.
pub mod local_time;

// The rows of one person who was looked up, told apart from the table they are of.
pub(super) mod looked_up;

// SQL functions that use the ledger of aliases: which ids are one person.
pub mod identity;

// SQL functions that match texts as people compare them: `has_words(email_name, 'giving day')`.
mod text_match;

// `mail_outcome(…)`: whether and how an e-mail arrived.
mod mail_outcome;

// Macros: measures and other short expressions, defined in `sql/macros.sql`.
pub(super) mod macros;

// The reference of all functions of this engine, which the manual prints.
mod reference;

// Translates Postgres' patterns of `to_char` and `SIMILAR TO`.
mod patterns;

// Writes arrays as Postgres does: `{a,"b c",NULL}`.
pub mod array_text;

// Translates functions and notations of other databases.
pub(super) mod idioms;

// `count(DISTINCT x)` by group, with one hash table for all groups.
pub(super) mod distinct;

/// Registers all of them with a session.
pub fn register(context: &SessionContext) -> DfResult<()> {
    for what in [IdFunction::Id15, IdFunction::Id18, IdFunction::Valid] {
        context.register_udf(ScalarUDF::from(SfIdFunction::new(what)));
    }
    context.register_udf(ScalarUDF::from(CustomField::new()));
    context.register_udf(ScalarUDF::from(ObservedVersions::new()));
    context.register_udf(ScalarUDF::from(mail_outcome::MailOutcome::new()));
    text_match::register(context);
    for name in ["date_trunc", "date_part"] {
        let inner = FunctionRegistry::udf(context, name)?;
        context.register_udf(ScalarUDF::from(InUtc { inner }));
    }
    Ok(())
}

const HOUR_MICROS: i64 = 3_600_000_000;

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum IdFunction {
    Id15,
    Id18,
    Valid,
}

/// `sf_id15(text)`, `sf_id18(text)`: the short and long form of a Salesforce id, null when it is none;
/// `sf_id_valid(text)`: is it one?
#[derive(Debug, Eq, Hash, PartialEq)]
struct SfIdFunction {
    what: IdFunction,
    signature: Signature,
}

impl SfIdFunction {
    fn new(what: IdFunction) -> Self {
        Self { what, signature: Signature::string(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for SfIdFunction {
    fn name(&self) -> &str {
        match self.what {
            IdFunction::Id15 => "sf_id15",
            IdFunction::Id18 => "sf_id18",
            IdFunction::Valid => "sf_id_valid",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[DataType]) -> DfResult<DataType> {
        Ok(if self.what == IdFunction::Valid { DataType::Boolean } else { DataType::Utf8View })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let texts = cast(&ColumnarValue::values_to_arrays(&args.args)?[0], &DataType::Utf8View)?;
        let ids = texts.as_string_view().iter().map(|text| text.map(SfId::parse));
        let result: ArrayRef = match self.what {
            IdFunction::Valid => Arc::new(ids.map(|id| id.map(|id| id.is_ok())).collect::<BooleanArray>()),
            form => {
                let mut out = StringViewBuilder::with_capacity(texts.len());
                for id in ids {
                    let id = id.and_then(Result::ok);
                    out.append_option(id.as_ref().map(|id| if form == IdFunction::Id15 { id.as_str15() } else { id.as_str() }));
                }
                Arc::new(out.finish())
            }
        };
        let all_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        if all_scalar {
            Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?))
        } else {
            Ok(ColumnarValue::Array(result))
        }
    }
}

/// `custom_field(custom, 'Region__c')`: the value of one of the org's own fields, null where a row has none.
#[derive(Debug, Eq, Hash, PartialEq)]
struct CustomField {
    signature: Signature,
}

impl CustomField {
    fn new() -> Self {
        Self { signature: Signature::one_of(vec![TypeSignature::String(2)], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for CustomField {
    fn name(&self) -> &str {
        "custom_field"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[DataType]) -> DfResult<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let custom = cast(&arrays[0], &DataType::Utf8View)?;
        let names = cast(&arrays[1], &DataType::Utf8View)?;
        let mut out = StringViewBuilder::with_capacity(custom.len());
        for (custom, name) in custom.as_string_view().iter().zip(names.as_string_view()) {
            let (Some(custom), Some(name)) = (custom, name) else {
                out.append_null();
                continue;
            };
            let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(custom)
                .map_err(|error| exec_datafusion_err!("custom_field: the first argument is no JSON object: {error}"))?;
            match fields.get(name) {
                None | Some(serde_json::Value::Null) => out.append_null(),
                Some(serde_json::Value::String(text)) => out.append_value(text),
                Some(other) => out.append_value(other.to_string()),
            }
        }
        Ok(ColumnarValue::Array(Arc::new(out.finish())))
    }
}

/// A calendar function that is fast on moments in UTC: those need no zone arithmetic, so the inner function is given
/// them without a zone, which is several times faster and gives the same numbers. `date_trunc` of a batch whose least
/// and greatest moment fall into the same period (any batch of an archived month, truncated to months) is one value.
#[derive(Debug, Eq, Hash, PartialEq)]
struct InUtc {
    inner: Arc<ScalarUDF>,
}

impl InUtc {
    fn truncates(&self) -> bool {
        self.inner.name() == "date_trunc"
    }

    /// `date_part('hour', …)`: in UTC a division.
    fn hours(&self, args: &ScalarFunctionArgs, moments: &TimestampMicrosecondArray) -> Option<ArrayRef> {
        let ColumnarValue::Scalar(part) = &args.args[0] else { return None };
        let is_hour = !self.truncates() && part.try_as_str().flatten().is_some_and(|part| part.eq_ignore_ascii_case("hour"));
        let hours = || moments.unary::<_, Int32Type>(|micros| micros.div_euclid(HOUR_MICROS).rem_euclid(24) as i32);
        is_hour.then(|| Arc::new(hours()) as ArrayRef)
    }

    /// The one period all moments fall into, if they do.
    fn single_period(&self, args: &ScalarFunctionArgs, moments: &TimestampMicrosecondArray) -> DfResult<Option<i64>> {
        if !self.truncates() || moments.null_count() > 0 {
            return Ok(None);
        }
        let (Some(least), Some(greatest)) = (min(moments), max(moments)) else { return Ok(None) };
        let ends = TimestampMicrosecondArray::from(vec![least, greatest]);
        let ends = ScalarFunctionArgs { number_rows: 2, ..with_moments(args, Arc::new(ends)) };
        let ColumnarValue::Array(periods) = self.inner.invoke_with_args(ends)? else { return Ok(None) };
        let periods = periods.as_primitive::<TimestampMicrosecondType>();
        Ok((periods.value(0) == periods.value(1)).then(|| periods.value(0)))
    }
}

fn with_moments(args: &ScalarFunctionArgs, moments: ArrayRef) -> ScalarFunctionArgs {
    let naive = DataType::Timestamp(TimeUnit::Microsecond, None);
    let mut inner = args.clone();
    inner.args[1] = ColumnarValue::Array(moments);
    inner.arg_fields[1] = Arc::new(inner.arg_fields[1].as_ref().clone().with_data_type(naive.clone()));
    if matches!(inner.return_field.data_type(), DataType::Timestamp(..)) {
        inner.return_field = Arc::new(inner.return_field.as_ref().clone().with_data_type(naive));
    }
    inner
}

impl ScalarUDFImpl for InUtc {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> DfResult<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DfResult<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn preimage(&self, args: &[Expr], literal: &Expr, info: &SimplifyContext) -> DfResult<PreimageResult> {
        // `date_part('year', date_sent) = 2025` becomes a range of moments, by which files are left out.
        self.inner.preimage(args, literal, info)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn output_ordering(
        &self,
        inputs: &[datafusion::logical_expr::sort_properties::ExprProperties],
    ) -> DfResult<datafusion::logical_expr::sort_properties::SortProperties> {
        self.inner.output_ordering(inputs)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.clone()));
        let moments = match args.args.get(1) {
            Some(ColumnarValue::Array(moments)) if *moments.data_type() == utc => moments.clone(),
            _ => return self.inner.invoke_with_args(args),
        };
        let moments = moments.as_primitive::<TimestampMicrosecondType>().clone().with_timezone_opt(None::<Arc<str>>);
        if let Some(hours) = self.hours(&args, &moments) {
            return Ok(ColumnarValue::Array(hours));
        }
        if let Some(period) = self.single_period(&args, &moments)? {
            return Ok(ColumnarValue::Scalar(ScalarValue::TimestampMicrosecond(Some(period), Some(UTC.clone()))));
        }
        let result = self.inner.invoke_with_args(with_moments(&args, Arc::new(moments)))?;
        match result {
            ColumnarValue::Array(array) if self.truncates() => Ok(ColumnarValue::Array(Arc::new(
                array.as_primitive::<TimestampMicrosecondType>().clone().with_timezone(UTC.clone()),
            ))),
            other => Ok(other),
        }
    }
}
