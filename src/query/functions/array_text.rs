//! Writes arrays as text in Postgres' form: `{a,"b c",NULL}`.

use datafusion::sql::sqlparser::ast::{Array, Expr, Value, ValueWithSpan};

use crate::error::{Error, Result};

/// Makes an array of a text that is cast to one: the planner would make it an array of this one text.
pub fn read(expr: &mut Expr) -> Result<()> {
    let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) = expr else { return Ok(()) };
    let items = items(text).ok_or_else(|| Error::invalid("an array in this form is not known here; write ARRAY['a', 'b']"))?;
    let item = |item: Option<String>| Expr::value(item.map_or(Value::Null, Value::SingleQuotedString));
    *expr = Expr::Array(Array { elem: items.into_iter().map(item).collect(), named: true });
    Ok(())
}

/// What stands between the braces of `{a,"b c",NULL}`; one dimension.
pub fn items(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    let mut items = Vec::new();
    if inner.trim().is_empty() {
        return Some(items);
    }
    let (mut item, mut is_quoted, mut within) = (String::new(), false, false);
    let mut chars = inner.chars();
    loop {
        match chars.next() {
            Some('\\') => item.push(chars.next()?),
            Some('"') => {
                if !within && !is_quoted {
                    item.clear();
                }
                (within, is_quoted) = (!within, true);
            }
            // Blanks around quotes are none of the text.
            Some(blank) if is_quoted && !within && blank.is_whitespace() => {}
            Some('{' | '}') if !within => return None,
            next @ (Some(',') | None) if !within || next.is_none() => {
                if within {
                    return None;
                }
                let done = std::mem::take(&mut item);
                let plain = if is_quoted { done } else { done.trim().to_owned() };
                if plain.is_empty() && !is_quoted {
                    return None;
                }
                items.push((is_quoted || !plain.eq_ignore_ascii_case("null")).then_some(plain));
                is_quoted = false;
                if next.is_none() {
                    return Some(items);
                }
            }
            Some(char) => item.push(char),
            None => return None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_braces() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(items("{}").unwrap(), []);
        assert_eq!(
            items(r#"{hot, "a,b" ,null,"NULL","\""}"#).unwrap(),
            [some("hot"), some("a,b"), None, some("NULL"), some("\"")]
        );
        assert!(["", "hot", "{a", "{a,}", "{{a}}", "{\"a}"].iter().all(|text| items(text).is_none()));
    }
}
