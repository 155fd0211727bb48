//! Rows that somebody asks for. There is no other way from a request to rows of the warehouse than [`rows`]: what somebody may not
//! see is to be kept back there.

use std::collections::BTreeMap;

use datafusion::common::ScalarValue;
use datafusion::execution::SendableRecordBatchStream;
use serde_json::Value;

use super::app::App;
use super::problem::Problem;
use crate::error::Result;
use crate::query::ask::Ask as _;
use crate::query::engine::Engine;
use crate::query::parsed::Parsed;
use crate::serve::access::Who;

/// What is asked.
pub(crate) enum Asked {
    /// A statement, with values for the parameters its head names, and for `$1`, `$2` ….
    Statement { parsed: Box<Parsed>, given: BTreeMap<String, String>, parameters: Vec<ScalarValue> },
    /// A question of the library: its SQL, its values, and whether people's names are to stand beside their ids.
    Question { sql: String, given: BTreeMap<String, String>, with_names: bool },
    /// Somebody's mails.
    History { person: String },
    /// The ledger of aliases that concern somebody.
    Aliases { person: String },
}

/// Asks, for somebody and their reason.
pub(crate) async fn rows(app: &App, (who, reason): (&Who, Option<&str>), asked: Asked) -> Result<SendableRecordBatchStream> {
    let engine: Engine = match &asked {
        Asked::Statement { .. } | Asked::Question { .. } => app.engine(who, reason),
        Asked::History { .. } | Asked::Aliases { .. } => app.shared.engine_to_look(who, reason),
    };
    match asked {
        Asked::Statement { parsed, given, parameters } => engine.sql_parsed(&parsed, &given, parameters).await,
        Asked::Question { sql, given, with_names } => {
            let answer = engine.ask_given(&sql, &given).await?;
            match with_names {
                true => engine.with_names(answer, app.site.org_url.as_deref()).await,
                false => Ok(answer),
            }
        }
        Asked::History { person } => {
            let person = engine.person(&person).await?;
            engine.must_be_known(&person).await?;
            engine.history_of(&person).await
        }
        Asked::Aliases { person } => engine.alias_ledger(Some(&person)).await,
    }
}

/// Values as JSON gives them: an object for parameters with names, a list for `$1`, `$2` ….
///
/// # Errors
/// Invalid for what is neither, and for values that are no single ones.
pub(crate) fn parameters(given: Option<Value>) -> Result<(BTreeMap<String, String>, Vec<ScalarValue>), Problem> {
    let odd = |value: &Value| {
        Problem::invalid(format!("{value} is no value of a parameter; give a text, a number, true, false or null"))
    };
    match given {
        None | Some(Value::Null) => Ok(Default::default()),
        Some(Value::Object(named)) => {
            let mut values = BTreeMap::new();
            for (name, value) in named {
                let text = match &value {
                    Value::String(text) => text.clone(),
                    Value::Number(_) | Value::Bool(_) => value.to_string(),
                    // The default of the head.
                    Value::Null => continue,
                    _ => return Err(odd(&value)),
                };
                values.insert(name, text);
            }
            Ok((values, Vec::new()))
        }
        Some(Value::Array(listed)) => {
            let scalar = |value: Value| match &value {
                Value::String(text) => Ok(ScalarValue::Utf8View(Some(text.clone()))),
                Value::Bool(bool) => Ok(ScalarValue::Boolean(Some(*bool))),
                Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                    (Some(whole), _) => Ok(ScalarValue::Int64(Some(whole))),
                    (None, Some(float)) => Ok(ScalarValue::Float64(Some(float))),
                    (None, None) => Err(odd(&value)),
                },
                Value::Null => Ok(ScalarValue::Null),
                _ => Err(odd(&value)),
            };
            Ok((BTreeMap::new(), listed.into_iter().map(scalar).collect::<Result<_, _>>()?))
        }
        Some(other) => Err(Problem::invalid(format!("{other} are no parameters; give an object by names, or a list"))),
    }
}
