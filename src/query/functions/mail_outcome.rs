//! `mail_outcome(…)`: whether and how an e-mail arrived, by the rule that audits use ([`crate::record::outcome`]).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use crate::record::fields::Kind;
use crate::record::outcome::{Marks, MaybeMicros, outcome};

/// `mail_outcome(hard_bounce, soft_bounce, date_bounced, opened, date_opened, clicked, last_clicked, date_unsubscribed)`.
#[derive(Debug, Eq, Hash, PartialEq)]
pub(super) struct MailOutcome {
    signature: Signature,
}

impl MailOutcome {
    pub(super) fn new() -> Self {
        let (flag, moment) = (DataType::Boolean, Kind::Time.sql_type());
        let types = [&flag, &flag, &moment, &flag, &moment, &flag, &moment, &moment].map(DataType::clone);
        Self { signature: Signature::exact(types.to_vec(), Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for MailOutcome {
    fn name(&self) -> &str {
        "mail_outcome"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[DataType]) -> DfResult<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let all_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let moments = [2, 4, 6, 7].map(|at| cast(&arrays[at], &Kind::Time.sql_type()));
        let [bounced, opened_at, clicked_at, unsubscribed] = moments;
        let moments = [bounced?, opened_at?, clicked_at?, unsubscribed?];
        let [bounced, opened_at, clicked_at, unsubscribed] =
            [0, 1, 2, 3].map(|at| moments[at].as_primitive::<TimestampMicrosecondType>());
        let flags = [0, 1, 3, 5].map(|at| arrays[at].as_boolean());
        let is = |flag: usize, row: usize| flags[flag].is_valid(row) && flags[flag].value(row);
        let at = |moments: &arrow::array::TimestampMicrosecondArray, row: usize| -> MaybeMicros {
            moments.is_valid(row).then(|| moments.value(row))
        };
        let outcomes = (0..arrays[0].len()).map(|row| {
            let used = |flag: bool, at: MaybeMicros| (flag || at.is_some()).then_some(at);
            let marks = Marks {
                hard_bounce: is(0, row),
                soft_bounce: is(1, row),
                bounced_at: at(bounced, row),
                used: [
                    used(is(2, row), at(opened_at, row)),
                    used(is(3, row), at(clicked_at, row)),
                    used(false, at(unsubscribed, row)),
                ],
            };
            Some(outcome(&marks).name())
        });
        let outcomes: ArrayRef = Arc::new(outcomes.collect::<StringViewArray>());
        if all_scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&outcomes, 0)?));
        }
        Ok(ColumnarValue::Array(outcomes))
    }
}
