//! A GROUP BY in the form that runs need: its expressions and its aggregate functions.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::Result as DfResult;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::Column;

/// The role of a GROUP BY expression in the aggregate.
#[derive(Clone, Debug)]
pub(super) enum Key {
    /// It is compared, and returned as it is.
    Plain,
    /// A person's id: compared as it is, returned as its number.
    Person,
    /// A function of a person's id, a number as well. The id is compared; only that of a run's first row goes through the function,
    /// which is that of the one column of this schema.
    OfPerson { id: Arc<dyn PhysicalExpr>, function: Arc<dyn PhysicalExpr>, ids: SchemaRef },
}

impl Key {
    /// The function of a person's id, which is its only argument.
    pub fn of_person(function: &Arc<dyn PhysicalExpr>, id: &Arc<dyn PhysicalExpr>) -> DfResult<Self> {
        let ids = Arc::new(Schema::new(vec![Field::new("id", DataType::Utf8View, true)]));
        let function = function.clone().with_new_children(vec![Arc::new(Column::new("id", 0))])?;
        Ok(Self::OfPerson { id: id.clone(), function, ids })
    }

    pub fn is_number(&self) -> bool {
        !matches!(self, Self::Plain)
    }
}

/// One expression of a GROUP BY.
#[derive(Clone, Debug)]
pub(super) struct GroupExpr {
    pub expr: Arc<dyn PhysicalExpr>,
    pub name: String,
    pub key: Key,
}

/// An aggregate function and its FILTER.
#[derive(Clone, Debug)]
pub(super) struct Aggregate {
    pub function: Arc<AggregateFunctionExpr>,
    pub filter: Option<Arc<dyn PhysicalExpr>>,
}
