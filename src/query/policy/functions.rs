//! The functions by which values are masked and rows told apart. Nobody can call them: they are put into plans.
//!
//! None of them fails, whatever it is given: an error would tell of a value.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit, when,
};

use super::masks::Mask;

/// Letters of a masked text: 128 bits.
const HASH_LETTERS: usize = 32;

/// A column under a mask, of the same type. What has no text under it becomes null.
pub(super) fn masked(column: Expr, data_type: &DataType, mask: &Mask, key: &[u8; 32]) -> DfResult<Expr> {
    let null = || Ok(lit(ScalarValue::try_from(data_type)?));
    if *data_type != DataType::Utf8View {
        return if *mask == Mask::Shown { Ok(column) } else { null() };
    }
    match mask {
        Mask::Shown => Ok(column),
        Mask::Null => null(),
        Mask::Text(text) => {
            let fixed = lit(ScalarValue::Utf8View(Some(text.clone())));
            when(column.is_not_null(), fixed).end()
        }
        Mask::Domain => Ok(ScalarUDF::from(Masked::new(Way::Domain)).call(vec![column])),
        Mask::Hash => Ok(ScalarUDF::from(Masked::new(Way::Hash(*key))).call(vec![column])),
    }
}

/// Is the text of a column among these?
pub(super) fn is_among(column: Expr, texts: &Arc<HashSet<String>>) -> Expr {
    let among = Among { texts: texts.clone(), signature: Signature::exact(vec![DataType::Utf8View], Volatility::Immutable) };
    ScalarUDF::from(among).call(vec![column])
}

/// What a mask makes of a text.
#[derive(Clone, Eq, Hash, PartialEq)]
enum Way {
    Domain,
    Hash([u8; 32]),
}

impl Way {
    fn of(&self, text: &str) -> Option<String> {
        match self {
            Self::Domain => domain(text),
            Self::Hash(key) => {
                let hash = blake3::keyed_hash(key, text.as_bytes()).to_hex();
                Some(hash[..HASH_LETTERS].to_owned())
            }
        }
    }
}

/// Of an address what is behind the last `@`, of a link its host.
fn domain(text: &str) -> Option<String> {
    let host = match text.split_once("://") {
        Some((_, rest)) => {
            let authority = rest.split(['/', '?', '#', '\\']).next()?;
            // Before an @ stands who asks.
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            host.split_once(':').map_or(host, |(host, _)| host)
        }
        None => text.rsplit_once('@')?.1.trim(),
    };
    let is_domain = host.contains('.') && host.chars().all(|char| char.is_ascii_alphanumeric() || ".-".contains(char));
    is_domain.then(|| host.to_ascii_lowercase())
}

#[derive(Eq, Hash, PartialEq)]
struct Masked {
    way: Way,
    signature: Signature,
}

impl Masked {
    fn new(way: Way) -> Self {
        Self { way, signature: Signature::exact(vec![DataType::Utf8View], Volatility::Immutable) }
    }
}

impl std::fmt::Debug for Masked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("masked")
    }
}

impl ScalarUDFImpl for Masked {
    fn name(&self) -> &str {
        "masked"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DfResult<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let texts = texts(&args)?;
        // Rows of one person are together: most ask for the same one as the row before.
        let mut last: (Option<&str>, Option<String>) = (None, None);
        let masked: StringViewArray = texts
            .as_string_view()
            .iter()
            .map(|text| {
                if text != last.0 {
                    last = (text, text.and_then(|text| self.way.of(text)));
                }
                last.1.clone()
            })
            .collect();
        returned(&args, Arc::new(masked))
    }
}

/// Whether texts are among some.
struct Among {
    texts: Arc<HashSet<String>>,
    signature: Signature,
}

impl PartialEq for Among {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.texts, &other.texts)
    }
}

impl Eq for Among {}

impl Hash for Among {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.texts).hash(state);
    }
}

impl std::fmt::Debug for Among {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("of_units")
    }
}

impl ScalarUDFImpl for Among {
    fn name(&self) -> &str {
        "of_units"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DfResult<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let texts = texts(&args)?;
        let is_among = |text: Option<&str>| Some(text.is_some_and(|text| self.texts.contains(text)));
        let among: BooleanArray = texts.as_string_view().iter().map(is_among).collect();
        returned(&args, Arc::new(among))
    }
}

/// The one argument, as texts.
fn texts(args: &ScalarFunctionArgs) -> DfResult<ArrayRef> {
    Ok(cast(&ColumnarValue::values_to_arrays(&args.args)?[0], &DataType::Utf8View)?)
}

/// An answer for each row, or one for all where the argument was one for all.
fn returned(args: &ScalarFunctionArgs, array: ArrayRef) -> DfResult<ColumnarValue> {
    match args.args.as_slice() {
        [ColumnarValue::Scalar(_)] if array.len() == 1 => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)),
        _ => Ok(ColumnarValue::Array(array)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_and_a_link_only_the_domain_is_left() {
        for (text, left) in [
            ("Ana.Ortiz@Example.EDU", Some("example.edu")),
            ("\"a@b\"@example.edu ", Some("example.edu")),
            ("https://example.edu/u?e=ana@example.org", Some("example.edu")),
            ("https://ana:secret@example.edu:8443/x", Some("example.edu")),
            ("https://ana@example.org@example.edu", Some("example.edu")),
            ("https://example.edu\\@ana.example.org/", Some("example.edu")),
            ("ana", None),
            ("ana@ortiz", None),
            ("ana@example.edu, bob smith", None),
            ("", None),
        ] {
            assert_eq!(domain(text).as_deref(), left, "{text}");
        }
    }

    #[test]
    fn a_hash_needs_its_key_and_shows_nothing() {
        let (one, other) = (Way::Hash([1; 32]), Way::Hash([2; 32]));
        assert_eq!(one.of("ana@example.edu"), one.of("ana@example.edu"));
        assert_ne!(one.of("ana@example.edu"), other.of("ana@example.edu"));
        assert_eq!(one.of("ana@example.edu").map(|hash| hash.len()), Some(HASH_LETTERS));
        assert_eq!(format!("{:?}", Masked::new(one)), "masked");
    }
}
