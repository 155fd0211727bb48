//! Ids as numbers: sixteen bytes that hash and compare like an integer, in place of eighteen characters elsewhere.
//!
//! The first fifteen characters of an id are a number to base 62, with digits in the order of their characters. So ids and their
//! numbers have the same order. The last three characters follow from the others. Text that is not an id in its stored form gets
//! a number above all of these: its index in a list that the statement keeps ([`UnknownTexts`]). So no value is refused, and no
//! two values are confused, whatever a file holds.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, AsArray, Decimal128Builder, RecordBatch, StringViewArray, StringViewBuilder};
use arrow::datatypes::{DataType, Decimal128Type, FieldRef, Schema};
use datafusion::common::{Result as DfResult, internal_datafusion_err, internal_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;

use crate::record::id;

/// The type of numbers: of those with more than 64 bits, the one that is grouped by without a detour.
pub const NUMBER: DataType = DataType::Decimal128(38, 0);

/// The digits, in the order of their characters.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What each character is worth.
const VALUES: [u8; 256] = values();

/// No digit is worth so much.
const NO_DIGIT: u8 = 64;

/// As many digits as a 64-bit number holds are read at once, then the rest.
const HIGH_DIGITS: usize = 10;
const LOW_DIGITS: usize = 5;
const DIGITS_OF_ID: usize = HIGH_DIGITS + LOW_DIGITS;
const LOW_END: u64 = 62u64.pow(LOW_DIGITS as u32);

/// No id has so high a number.
const IDS_END: i128 = 62i128.pow(DIGITS_OF_ID as u32);

const fn values() -> [u8; 256] {
    let mut values = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < DIGITS.len() {
        values[DIGITS[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
}

/// The number of an id in its stored form; `None` for any other text.
fn number_of_id(text: &str) -> Option<i128> {
    let id: &[u8; 18] = text.as_bytes().try_into().ok()?;
    let (digits, checksum) = id.split_at(DIGITS_OF_ID);
    let mut seen = 0;
    let mut read = |digits: &[u8]| {
        digits.iter().fold(0u64, |number, character| {
            let value = VALUES[usize::from(*character)];
            seen |= value;
            number * 62 + u64::from(value)
        })
    };
    let (high, low) = (read(&digits[..HIGH_DIGITS]), read(&digits[HIGH_DIGITS..]));
    (seen < NO_DIGIT && checksum == id::suffix(digits)).then(|| i128::from(high) * i128::from(LOW_END) + i128::from(low))
}

/// The id that has a number.
fn id_of_number(number: i128) -> [u8; 18] {
    let mut id = [0; 18];
    let mut write = |places: std::ops::Range<usize>, mut number: u64| {
        for place in places.rev() {
            id[place] = DIGITS[(number % 62) as usize];
            number /= 62;
        }
    };
    let (high, low) = (number / i128::from(LOW_END), number % i128::from(LOW_END));
    write(0..HIGH_DIGITS, high as u64);
    write(HIGH_DIGITS..DIGITS_OF_ID, low as u64);
    let checksum = id::suffix(&id[..DIGITS_OF_ID]);
    id[DIGITS_OF_ID..].copy_from_slice(&checksum);
    id
}

/// Texts that are not ids, in the order of their first occurrence. All threads of a statement share the list; it is empty unless
/// a file is damaged or foreign.
#[derive(Debug, Default)]
pub struct UnknownTexts {
    met: Mutex<UnknownTextIndex>,
}

#[derive(Debug, Default)]
struct UnknownTextIndex {
    texts: Vec<Arc<str>>,
    places: HashMap<Arc<str>, usize>,
}

impl UnknownTexts {
    fn number_of(&self, text: &str) -> i128 {
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        let place = met.places.get(text).copied().unwrap_or_else(|| {
            let (place, text) = (met.texts.len(), Arc::<str>::from(text));
            met.texts.push(text.clone());
            met.places.insert(text, place);
            place
        });
        IDS_END + place as i128
    }

    fn text_of(&self, number: i128) -> DfResult<Arc<str>> {
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        let text = usize::try_from(number - IDS_END).ok().and_then(|place| met.texts.get(place));
        text.cloned().ok_or_else(|| internal_datafusion_err!("{number} is no id's number"))
    }

    /// Appends the numbers of texts.
    pub fn append_numbers(&self, texts: &StringViewArray, numbers: &mut Decimal128Builder) {
        for text in texts {
            numbers.append_option(text.map(|text| number_of_id(text).unwrap_or_else(|| self.number_of(text))));
        }
    }
}

/// A number's text.
#[derive(Clone, Debug)]
pub struct IdOfNumber {
    number: Arc<dyn PhysicalExpr>,
    unknown_texts: Arc<UnknownTexts>,
}

impl IdOfNumber {
    /// Of the numbers of a column.
    pub fn new(number: Arc<dyn PhysicalExpr>, unknown_texts: Arc<UnknownTexts>) -> Self {
        Self { number, unknown_texts }
    }

    /// The column.
    pub fn number(&self) -> &Arc<dyn PhysicalExpr> {
        &self.number
    }
}

impl fmt::Display for IdOfNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "id_of_number({})", self.number)
    }
}

impl PartialEq for IdOfNumber {
    fn eq(&self, other: &Self) -> bool {
        self.number.eq(&other.number) && Arc::ptr_eq(&self.unknown_texts, &other.unknown_texts)
    }
}

impl Eq for IdOfNumber {}

impl Hash for IdOfNumber {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
        Arc::as_ptr(&self.unknown_texts).hash(state);
    }
}

impl PhysicalExpr for IdOfNumber {
    fn data_type(&self, _: &Schema) -> DfResult<DataType> {
        Ok(DataType::Utf8View)
    }

    fn nullable(&self, input: &Schema) -> DfResult<bool> {
        self.number.nullable(input)
    }

    fn return_field(&self, input: &Schema) -> DfResult<FieldRef> {
        Ok(Arc::new(self.number.return_field(input)?.as_ref().clone().with_data_type(DataType::Utf8View)))
    }

    fn evaluate(&self, batch: &RecordBatch) -> DfResult<ColumnarValue> {
        let numbers = self.number.evaluate(batch)?.into_array(batch.num_rows())?;
        let Some(numbers) = numbers.as_primitive_opt::<Decimal128Type>() else {
            return internal_err!("ids have numbers, not {}", numbers.data_type());
        };
        let mut texts = StringViewBuilder::with_capacity(numbers.len());
        for number in numbers {
            match number {
                None => texts.append_null(),
                // Digits are ASCII.
                Some(number @ 0..IDS_END) => texts.append_value(str::from_utf8(&id_of_number(number)).unwrap_or_default()),
                Some(number) => texts.append_value(self.unknown_texts.text_of(number)?),
            }
        }
        Ok(ColumnarValue::Array(Arc::new(texts.finish())))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.number]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn PhysicalExpr>>) -> DfResult<Arc<dyn PhysicalExpr>> {
        match children.pop() {
            Some(number) => Ok(Arc::new(Self { number, unknown_texts: self.unknown_texts.clone() })),
            None => internal_err!("id_of_number needs its number"),
        }
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;
    use crate::record::id::SfId;

    fn id_of(text15: &str) -> String {
        SfId::parse(text15).expect("an id").to_string()
    }

    proptest! {
        #[test]
        fn numbers_stand_in_the_order_of_ids_and_lead_back_to_them(one in "[0-9A-Za-z]{15}", other in "[0-9A-Za-z]{15}") {
            let (one, other) = (id_of(&one), id_of(&other));
            let numbers = [&one, &other].map(|id| number_of_id(id).expect("a number"));
            prop_assert_eq!(numbers[0].cmp(&numbers[1]), one.cmp(&other));
            prop_assert_eq!(numbers.map(id_of_number).map(|id| id.to_vec()), [one.into_bytes(), other.into_bytes()]);
        }

        #[test]
        fn only_an_id_in_its_stored_form_has_an_ids_number(text in "[0-9A-Za-z é-]{0,4}[0-9A-Za-z]{14,18}") {
            let is_stored = SfId::parse(&text).is_ok_and(|id| id.as_str() == text);
            prop_assert_eq!(number_of_id(&text).is_some(), is_stored);
        }
    }

    #[test]
    fn the_first_and_the_last_id_have_the_first_and_the_last_number() {
        assert_eq!(number_of_id(&id_of("000000000000000")), Some(0));
        assert_eq!(number_of_id(&id_of("zzzzzzzzzzzzzzz")), Some(IDS_END - 1));
    }

    #[test]
    fn any_text_has_a_number_that_leads_back_to_it() {
        let unknown_texts = Arc::new(UnknownTexts::default());
        // A checksum that does not fit, the short form, the right letters in another case, and no id at all.
        let texts = ["003f40000000001AAA", "003f40000000001AAB", "003f40000000001", "003F40000000001AAA", "", "ana@example.edu"];
        let texts: StringViewArray = texts.into_iter().map(Some).chain([None, Some("")]).collect();
        let mut numbers = Decimal128Builder::new().with_data_type(NUMBER);
        unknown_texts.append_numbers(&texts, &mut numbers);
        let numbers = numbers.finish();
        assert_eq!(numbers.value(4), numbers.value(7), "one text, one number");
        let schema = Arc::new(Schema::new(vec![arrow::datatypes::Field::new("n", NUMBER, true)]));
        let batch = RecordBatch::try_new(schema, vec![Arc::new(numbers)]).expect("a batch");
        let column = Arc::new(datafusion::physical_expr::expressions::Column::new("n", 0));
        let back = IdOfNumber::new(column, unknown_texts).evaluate(&batch).expect("texts").into_array(8).expect("an array");
        assert_eq!(back.as_string_view(), &texts);
    }
}
