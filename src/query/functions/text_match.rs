//! SQL functions that match texts as people compare them, with the matching of audits ([`crate::record::text_match`]).
//!
//! `has_words(text, 'giving day')`: are all of these words or beginnings of words of the text? `has_part(text,
//! 'example.org/give')`: is this a part of it, as of an address? `same_text(text, 'Alumni')`: is it this text? Case, accents,
//! dashes, quotes, blanks and punctuation do not count; the result for null is null.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use crate::record::text_match::{Words, plain};

/// Registers all of them with a session.
pub(super) fn register(context: &SessionContext) {
    for how in [MatchKind::Words, MatchKind::Part, MatchKind::Same] {
        let signature = Signature::one_of(vec![TypeSignature::String(2)], Volatility::Immutable);
        context.register_udf(ScalarUDF::from(TextMatch { how, signature }));
    }
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum MatchKind {
    Words,
    Part,
    Same,
}

/// One of the functions.
#[derive(Debug, Eq, Hash, PartialEq)]
struct TextMatch {
    how: MatchKind,
    signature: Signature,
}

/// The text asked for, prepared for matching.
enum Asked {
    Words(Words),
    Part(String),
    Same(String),
}

impl Asked {
    fn of(how: MatchKind, text: &str) -> Self {
        match how {
            MatchKind::Words => Self::Words(Words::of(text)),
            MatchKind::Part => Self::Part(plain(text)),
            MatchKind::Same => Self::Same(plain(text)),
        }
    }

    fn is_in(&self, text: &str) -> bool {
        let text = plain(text);
        match self {
            Self::Words(words) => words.occur_in(&text),
            Self::Part(part) => !part.is_empty() && text.contains(part.as_str()),
            Self::Same(same) => text == *same,
        }
    }
}

impl ScalarUDFImpl for TextMatch {
    fn name(&self) -> &str {
        match self.how {
            MatchKind::Words => "has_words",
            MatchKind::Part => "has_part",
            MatchKind::Same => "same_text",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[DataType]) -> DfResult<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let all_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [texts, asked] = [&arrays[0], &arrays[1]].map(|array| cast(array, &DataType::Utf8View));
        let (texts, asked) = (texts?, asked?);
        let asked = asked.as_string_view();
        // One question for all rows, as a rule; and rows beside each other often have one text.
        let mut ready: (Option<&str>, Option<Asked>) = (None, None);
        let mut last: (Option<&str>, Option<bool>) = (None, None);
        let mut found = Vec::with_capacity(texts.len());
        for (row, text) in texts.as_string_view().iter().enumerate() {
            let question = asked.is_valid(row).then(|| asked.value(row));
            if question != ready.0 {
                ready = (question, question.map(|question| Asked::of(self.how, question)));
                last = (None, None);
            }
            if text != last.0 || last.1.is_none() {
                last = (text, ready.1.as_ref().zip(text).map(|(asked, text)| asked.is_in(text)));
            }
            found.push(last.1);
        }
        let found: ArrayRef = Arc::new(BooleanArray::from(found));
        if all_scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&found, 0)?));
        }
        Ok(ColumnarValue::Array(found))
    }
}
