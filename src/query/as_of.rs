//! `ier_as_of(TIMESTAMP)`: the records as they were known at a moment.
//!
//! Each row carries its earlier versions ([`crate::record::observed`]), and this goes back through them. Not shown are versions
//! that were not known yet, and rows for which the time of learning was not kept. No filter of the statement is pushed below this node,
//! because it would test the row's present values. The few conditions that are meant of the present are given to [`AsOf::new`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{cast, interleave, take};
use arrow::datatypes::{DataType, SchemaRef, TimestampMillisecondType};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use datafusion::catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{ParamValues, Result as DfResult, ScalarValue};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties};
use futures::StreamExt;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::query::planner::provider::TableView;
use crate::record::fields::hidden;
use crate::record::observed::{PastState, then};

/// The name of the function.
pub const IER_AS_OF: &str = "ier_as_of";

/// The table function.
#[derive(Debug)]
pub struct IerAsOf {
    /// IERs with their observations.
    pub observed: Arc<TableView>,
    /// The values of the statement's parameters.
    pub parameters: ParamValues,
}

impl TableFunctionImpl for IerAsOf {
    fn call_with_args(&self, args: TableFunctionArgs) -> DfResult<Arc<dyn TableProvider>> {
        let moment = match args.exprs() {
            [Expr::Literal(value, _)] => moment(value),
            [Expr::Placeholder(parameter)] => moment(&self.parameters.get_placeholders_with_values(&parameter.id)?.value),
            _ => None,
        };
        let at = moment.ok_or_else(|| {
            Error::invalid(phrase!(
                "{IER_AS_OF} takes one moment as a literal, such as {IER_AS_OF}(TIMESTAMP '2026-03-01 12:00:00')"
            ))
        })?;
        Ok(Arc::new(AsOf::new(self.observed.clone(), at, Vec::new())))
    }
}

/// A literal as a moment: a timestamp, a day (its beginning, in UTC), or a text that reads as one.
fn moment(value: &ScalarValue) -> Option<DateTime<Utc>> {
    let array = value.to_array().ok()?;
    let millis = cast(&array, &DataType::Timestamp(arrow::datatypes::TimeUnit::Millisecond, None)).ok()?;
    let millis = millis.as_primitive_opt::<TimestampMillisecondType>()?;
    millis.is_valid(0).then(|| DateTime::from_timestamp_millis(millis.value(0))).flatten()
}

/// The records as they were known at a moment.
#[derive(Debug)]
pub struct AsOf {
    observed: Arc<TableView>,
    at: DateTime<Utc>,
    /// Conditions on what rows are **now**.
    now: Vec<Expr>,
    schema: SchemaRef,
}

impl AsOf {
    /// As of a moment; of the rows for which `now` holds today.
    pub fn new(observed: Arc<TableView>, at: DateTime<Utc>, now: Vec<Expr>) -> Self {
        let all = observed.schema();
        let shown: Vec<_> = all.fields().iter().filter(|field| field.name() != hidden::OBSERVED).cloned().collect();
        Self { observed, at, now, schema: Arc::new(arrow::datatypes::Schema::new(shown)) }
    }
}

#[async_trait]
impl TableProvider for AsOf {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let mut columns = projection.unwrap_or(&all).clone();
        let schema = Arc::new(self.schema.project(&columns)?);
        columns.push(self.observed.schema().index_of(hidden::OBSERVED)?);
        // Conditions on what rows are now are the inner scan's own, all of them: it may return more, so they are asked again.
        let input = self.observed.scan(state, Some(&columns), &self.now, None).await?;
        Ok(Arc::new(AsOfExec::new(input, self.at, schema)))
    }
}

/// Undoes what was learned later. Its input's last column is the observations.
struct AsOfExec {
    input: Arc<dyn ExecutionPlan>,
    at: DateTime<Utc>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl AsOfExec {
    fn new(input: Arc<dyn ExecutionPlan>, at: DateTime<Utc>, schema: SchemaRef) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema.clone()),
            input.output_partitioning().clone(),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self { input, at, schema, properties: Arc::new(properties) }
    }
}

impl fmt::Debug for AsOfExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as(DisplayFormatType::Verbose, f)
    }
}

impl DisplayAs for AsOfExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AsOfExec: at={}", self.at.format("%Y-%m-%dT%H:%M:%S%.3fZ"))
    }
}

impl ExecutionPlan for AsOfExec {
    fn name(&self) -> &str {
        "AsOfExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> DfResult<Arc<dyn ExecutionPlan>> {
        let input = children.into_iter().next().ok_or_else(|| Error::internal("as of what?"))?;
        Ok(Arc::new(Self::new(input, self.at, self.schema.clone())))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let (schema, at_millis) = (self.schema.clone(), self.at.timestamp_millis());
        let rows = self.input.execute(partition, context)?;
        let rows = rows.map(move |batch| Ok(undone(&batch?, at_millis, &schema)?));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), rows)))
    }
}

/// The rows that were known at a moment, as they were. The batch's last column is the observations.
fn undone(batch: &RecordBatch, at_millis: i64, schema: &SchemaRef) -> Result<RecordBatch> {
    let observed = cast(batch.column(batch.num_columns() - 1), &DataType::Utf8View)?;
    let observed = observed.as_string_view();
    let mut known: Vec<u32> = Vec::with_capacity(batch.num_rows());
    // By column: the rows (of those known) whose value was another, and that value.
    let mut changed: BTreeMap<usize, Vec<(usize, Value)>> = BTreeMap::new();
    for row in 0..batch.num_rows() {
        let PastState::Known(values) = then(observed.is_valid(row).then(|| observed.value(row)), at_millis)? else { continue };
        for (name, value) in values {
            // Columns that are not asked for need not be undone.
            if let Ok(column) = schema.index_of(&name) {
                changed.entry(column).or_default().push((known.len(), value));
            }
        }
        known.push(row as u32);
    }
    let rows = known.len();
    let known = UInt32Array::from(known);
    let columns: Vec<ArrayRef> = (0..schema.fields().len())
        .map(|at| {
            let now = take(batch.column(at), &known, None)?;
            match changed.remove(&at) {
                None => Ok(now),
                Some(values) => replaced(&now, values),
            }
        })
        .collect::<Result<_>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}

/// The column with other values in some rows, which ascend.
fn replaced(column: &ArrayRef, values: Vec<(usize, Value)>) -> Result<ArrayRef> {
    let mut picks: Vec<(usize, usize)> = (0..column.len()).map(|row| (0, row)).collect();
    let mut scalars = Vec::with_capacity(values.len());
    for (place, (row, value)) in values.into_iter().enumerate() {
        picks[row] = (1, place);
        scalars.push(scalar(&value, column.data_type())?);
    }
    let was = ScalarValue::iter_to_array(scalars)?;
    Ok(interleave(&[column.as_ref(), was.as_ref()], &picks)?)
}

/// A value as observations keep it, in the column's type.
fn scalar(value: &Value, data_type: &DataType) -> Result<ScalarValue> {
    let corrupt = || Error::corrupt(phrase!("observed value {value} is no {data_type}"));
    let plain = match value {
        Value::Null => return Ok(ScalarValue::try_from(data_type)?),
        Value::Bool(value) => ScalarValue::Boolean(Some(*value)),
        Value::Number(value) => ScalarValue::Int64(Some(value.as_i64().ok_or_else(corrupt)?)),
        Value::String(value) => ScalarValue::Utf8View(Some(value.clone())),
        _ => return Err(corrupt()),
    };
    // Days are 32 bits wide, and only numbers of their own width become dates.
    let plain = if *data_type == DataType::Date32 { plain.cast_to(&DataType::Int32)? } else { plain };
    plain.cast_to(data_type).map_err(|error| corrupt().with_source(error))
}
