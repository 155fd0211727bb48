//! Parameters of catalog statements: finds their types, and puts their values into the statement.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{Array, Expr, LimitClause, Query, Statement, Value, Visit, VisitMut, Visitor, VisitorMut};

use super::pieces::{column, null, number, placeholder, text, truth, type_name};
use super::shapes::{SHAPES, held_as};

static COLUMNS: LazyLock<BTreeMap<&'static str, DataType>> =
    LazyLock::new(|| SHAPES.iter().rev().flat_map(super::shapes::Shape::columns).collect());

/// The types of a statement's parameters: as they are cast, or as what they are compared with; text where nothing says.
pub(super) fn types(statement: &Statement) -> Vec<DataType> {
    let mut declared = DeclaredTypes::default();
    let _ = statement.visit(&mut declared);
    (1..=declared.count).map(|at| declared.types.get(&at).cloned().unwrap_or(DataType::Utf8)).collect()
}

#[derive(Default)]
struct DeclaredTypes {
    count: usize,
    types: BTreeMap<usize, DataType>,
}

impl DeclaredTypes {
    fn tell(&mut self, parameter: &Expr, data_type: DataType) {
        if let Some(at) = placeholder(parameter) {
            self.types.entry(at).or_insert(data_type);
        }
    }

    fn like(&mut self, one: &Expr, other: &Expr) {
        if let Some(data_type) = column(other).and_then(|name| COLUMNS.get(name.as_str())) {
            self.tell(one, data_type.clone());
        }
    }
}

impl Visitor for DeclaredTypes {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if let Some(LimitClause::LimitOffset { limit, offset, .. }) = &query.limit_clause {
            let numbers = limit.iter().chain(offset.as_ref().map(|offset| &offset.value));
            numbers.for_each(|number| self.tell(number, DataType::Int64));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        if let Some(at) = placeholder(expression) {
            self.count = self.count.max(at);
        }
        match expression {
            // A name cast to what it names is a text.
            Expr::Cast { expr, data_type, .. } if !type_name(data_type).starts_with("reg") => {
                self.tell(expr, held_as(&type_name(data_type)));
            }
            Expr::Cast { expr, .. } => self.tell(expr, DataType::Utf8),
            Expr::BinaryOp { left, right, .. } => {
                self.like(left, right);
                self.like(right, left);
            }
            Expr::InList { expr, list, .. } => list.iter().for_each(|item| self.like(item, expr)),
            Expr::AnyOp { left, right, .. } | Expr::AllOp { left, right, .. } => {
                let item = column(left).and_then(|name| COLUMNS.get(name.as_str()).cloned()).unwrap_or(DataType::Utf8);
                self.tell(right, DataType::List(Arc::new(Field::new_list_field(item, true))));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Puts values in the places of parameters; where there are too few, null.
pub(super) fn put(statement: &mut Statement, values: &[ScalarValue]) {
    let _ = VisitMut::visit(statement, &mut Put(values));
}

struct Put<'a>(&'a [ScalarValue]);

impl VisitorMut for Put<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        if let Expr::Value(value) = expression
            && let Value::Placeholder(name) = &value.value
        {
            let at: Option<usize> = name.strip_prefix('$').and_then(|number| number.parse().ok());
            let value = at.and_then(|at| self.0.get(at.wrapping_sub(1)));
            *expression = value.map_or_else(null, literal);
        }
        ControlFlow::Continue(())
    }
}

fn literal(value: &ScalarValue) -> Expr {
    match value {
        value if value.is_null() => null(),
        ScalarValue::Boolean(Some(value)) => truth(*value),
        ScalarValue::Utf8(Some(value)) | ScalarValue::LargeUtf8(Some(value)) | ScalarValue::Utf8View(Some(value)) => text(value),
        ScalarValue::List(items) => {
            let items = items.value(0);
            let values = (0..items.len()).filter_map(|at| ScalarValue::try_from_array(&items, at).ok());
            Expr::Array(Array { elem: values.map(|value| literal(&value)).collect(), named: true })
        }
        value if value.data_type().is_integer() || value.data_type().is_floating() => number(value),
        other => text(other.to_string()),
    }
}

/// Does a column of this name hold numbers?
pub(super) fn is_number(column: &str) -> bool {
    COLUMNS.get(column).is_some_and(DataType::is_integer)
}
