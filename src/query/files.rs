//! The table `data_file`: all data files of all tables, with rows and bytes by table, tier and period.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::common::Result as DfResult;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

use crate::error::Result;
use crate::lake::paths::{Partition, Role, date_of};
use crate::tiers::warehouse::Warehouse;

/// The table's name.
pub const NAME: &str = "data_file";

/// The table's columns.
pub fn schema() -> SchemaRef {
    let text = |name| Field::new(name, DataType::Utf8View, true);
    let number = |name| Field::new(name, DataType::Int64, true);
    let fields = vec![text("table_name"), text("tier"), text("period"), text("path"), number("rows"), number("bytes")];
    Arc::new(Schema::new(fields))
}

/// The files of a warehouse, as they are when a statement begins to read.
#[derive(Debug)]
pub struct DataFiles {
    warehouse: Arc<Warehouse>,
    schema: SchemaRef,
}

impl DataFiles {
    /// Of all tables of a warehouse.
    pub fn new(warehouse: Arc<Warehouse>) -> Self {
        Self { warehouse, schema: schema() }
    }

    async fn rows(&self) -> Result<RecordBatch> {
        let (mut tables, mut tiers, mut periods, mut paths) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut rows, mut bytes) = (Vec::new(), Vec::new());
        for lake in self.warehouse.existing().await? {
            for file in lake.snapshot().await?.files() {
                tables.push(Some(lake.table.name.to_string()));
                tiers.push(Some(lake.role.folder()));
                periods.push(period(lake.role, file.partition));
                paths.push(Some(file.path(&lake.folder).to_string()));
                rows.push(Some(file.rows as i64));
                bytes.push(Some(file.bytes() as i64));
            }
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringViewArray::from_iter(tables)),
            Arc::new(StringViewArray::from_iter(tiers)),
            Arc::new(StringViewArray::from_iter(periods)),
            Arc::new(StringViewArray::from_iter(paths)),
            Arc::new(Int64Array::from_iter(rows)),
            Arc::new(Int64Array::from_iter(bytes)),
        ];
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}

/// The day, or in the archive the month, of a partition's rows.
fn period(role: Role, partition: Partition) -> Option<String> {
    let first = date_of(partition.0?);
    Some(match role {
        Role::Archive => first.format("%Y-%m").to_string(),
        _ => first.to_string(),
    })
}

#[async_trait]
impl TableProvider for DataFiles {
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
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let rows = self.rows().await.map_err(DataFusionError::from)?;
        MemTable::try_new(self.schema.clone(), vec![vec![rows]])?.scan(state, projection, filters, limit).await
    }
}
