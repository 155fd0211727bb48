//! What a server needs of the engine: it runs statements that are already parsed, describes an answer before the statement runs,
//! and lists the tables.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::catalog::SchemaProvider;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{ParamValues, Result as DfResult, ScalarValue};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{Expr, LogicalPlan, TableType};
use datafusion::physical_plan::EmptyRecordBatchStream;

use super::described::described_as;
use super::engine::{Engine, Query};
use super::look_ups::AskedAbout;
use super::parsed::Parsed;
use super::policy::errors::redacted;
use crate::error::{Error, Result};

/// An id that stands for whoever will be asked about.
const SOMEBODY: &str = "003000000000000AAA";

/// Parameters a statement may have.
const PARAMETERS: usize = 65_535;

/// What a statement will answer.
#[derive(Clone, Debug)]
pub struct Promise {
    /// The types its parameters `$1`, `$2` … take; `None` where that is open.
    pub parameters: Vec<Option<DataType>>,
    /// Its columns.
    pub schema: SchemaRef,
}

impl Engine {
    /// Runs a statement that is parsed already, over what there is now, with values for the parameters that its head declares, and
    /// for `$1`, `$2` …
    ///
    /// # Errors
    /// As [`Engine::sql`].
    pub async fn sql_parsed(
        &self,
        parsed: &Parsed,
        given: &BTreeMap<String, String>,
        parameters: Vec<ScalarValue>,
    ) -> Result<SendableRecordBatchStream> {
        self.public().refresh().await?;
        Box::pin(self.run(Query::Parsed(parsed), given, ParamValues::from(parameters), true)).await
    }

    /// What a statement will answer; `declared` are the types of its parameters, as far as they are known. Nothing is run, and nobody
    /// looked up.
    ///
    /// # Errors
    /// As [`Engine::sql`], without those of values.
    pub async fn promise(&self, parsed: &Parsed, declared: &[Option<DataType>]) -> Result<Promise> {
        let parameters = declared.len();
        if parameters > PARAMETERS {
            return Err(Error::invalid(phrase!("a statement has at most {PARAMETERS} parameters")));
        }
        self.public().refresh().await?;
        // Functions that show somebody want to know whom while they are planned, and `ier_as_of` a moment.
        let all = |value: ScalarValue| ParamValues::from(vec![value; parameters]);
        let anybody = all(ScalarValue::Utf8View(Some(SOMEBODY.to_owned())));
        let any_moment = all(ScalarValue::TimestampMicrosecond(Some(0), None));
        let prepared =
            self.prepared(Query::Parsed(parsed), &BTreeMap::new(), (anybody, any_moment), (&AskedAbout::default(), true)).await?;
        let types = Arc::new(Mutex::new(declared.to_vec()));
        let found = types.clone();
        let is_partial = prepared.is_partial();
        let stream = self.work(async move {
            let (_, plan) = prepared.plan().await?;
            let mut known = plan.get_parameter_types()?;
            // What stands behind LIMIT is given no type.
            plan.apply_with_subqueries(|node| {
                if let LogicalPlan::Limit(limit) = node {
                    for place in [&limit.fetch, &limit.skip].into_iter().flatten() {
                        if let Expr::Placeholder(place) = place.as_ref() {
                            known.insert(place.id.clone(), Some(DataType::Int64));
                        }
                    }
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
            let types: Vec<Option<DataType>> = {
                let mut types = found.lock().unwrap_or_else(PoisonError::into_inner);
                for (at, declared) in types.iter_mut().enumerate() {
                    let wanted = known.remove(&format!("${}", at + 1)).flatten();
                    *declared = declared.take().or(wanted);
                }
                types.clone()
            };
            // What the columns are may depend on what the parameters are.
            let typed = types.iter().map(|found| ScalarValue::try_from(found.as_ref().unwrap_or(&DataType::Utf8View)));
            let plan = match types.is_empty() {
                true => plan,
                false => plan.with_param_values(typed.collect::<DfResult<Vec<_>>>()?)?,
            };
            let schema: Schema = match &plan {
                LogicalPlan::DescribeTable(described) => described_as(described.schema.fields())?.schema().as_ref().clone(),
                plan => plan.schema().as_arrow().clone(),
            };
            Ok(Box::pin(EmptyRecordBatchStream::new(Arc::new(schema))) as SendableRecordBatchStream)
        });
        let stream = stream.await.map_err(Error::of_statement);
        let schema = stream.map_err(|error| if is_partial { redacted(error) } else { error })?.schema();
        let parameters = std::mem::take(&mut *types.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Promise { parameters, schema })
    }

    /// The names of all tables and views of the public schema, as they are now, in order.
    pub async fn table_names(&self) -> Result<Vec<String>> {
        self.public().refresh().await?;
        Ok(self.public().table_names())
    }

    /// A table's columns, and whether it is a view; `None` where it has gone.
    pub async fn table_shape(&self, name: &str) -> Result<Option<(SchemaRef, bool)>> {
        let table = self.public().table(name).await?;
        Ok(table.map(|table| (table.schema(), table.table_type() == TableType::View)))
    }
}
