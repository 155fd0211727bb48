//! Finds the types that a statement itself gives its parameters: `$1::int4`, `CAST($2 AS text[])`.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, DataType as SqlType, Expr, Statement, TimezoneInfo, Value, ValueWithSpan, Visit, Visitor,
};

/// The types of parameters: as declared, else as they are cast.
pub(super) fn with_casts(statement: Option<&Statement>, declared: Vec<Option<DataType>>) -> Vec<Option<DataType>> {
    let mut casts = Casts { declared };
    if let Some(statement) = statement {
        let _ = statement.visit(&mut casts);
    }
    casts.declared
}

struct Casts {
    declared: Vec<Option<DataType>>,
}

impl Visitor for Casts {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Cast { expr, data_type, .. } = expr
            && let Expr::Value(ValueWithSpan { value: Value::Placeholder(name), .. }) = expr.as_ref()
            && let Some(at) = name.strip_prefix('$').and_then(|number| number.parse::<usize>().ok()?.checked_sub(1))
            && let Some(place @ None) = self.declared.get_mut(at)
        {
            *place = of_sql(data_type);
        }
        ControlFlow::Continue(())
    }
}

/// The type that SQL calls so, of those that parameters are read as.
fn of_sql(data_type: &SqlType) -> Option<DataType> {
    Some(match data_type {
        SqlType::Bool | SqlType::Boolean => DataType::Boolean,
        SqlType::SmallInt(_) | SqlType::Int2(_) => DataType::Int16,
        SqlType::Int(_) | SqlType::Integer(_) | SqlType::Int4(_) => DataType::Int32,
        SqlType::BigInt(_) | SqlType::Int8(_) => DataType::Int64,
        SqlType::Real | SqlType::Float4 => DataType::Float32,
        SqlType::Double(_) | SqlType::DoublePrecision | SqlType::Float8 => DataType::Float64,
        SqlType::Text | SqlType::Varchar(_) | SqlType::CharacterVarying(_) => DataType::Utf8View,
        SqlType::Bytea => DataType::Binary,
        SqlType::Date => DataType::Date32,
        SqlType::Time(..) => DataType::Time64(TimeUnit::Microsecond),
        SqlType::Timestamp(_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => {
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        }
        SqlType::Timestamp(..) => DataType::Timestamp(TimeUnit::Microsecond, None),
        SqlType::Interval { .. } => DataType::Interval(IntervalUnit::MonthDayNano),
        SqlType::Array(ArrayElemTypeDef::SquareBracket(of, _) | ArrayElemTypeDef::AngleBracket(of)) => {
            DataType::List(Arc::new(Field::new_list_field(of_sql(of)?, true)))
        }
        _ => return None,
    })
}
