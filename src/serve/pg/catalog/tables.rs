//! The catalog relations as DataFusion tables, made when a statement names them.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use async_trait::async_trait;
use datafusion::catalog::{MemTable, SchemaProvider, TableProvider};
use datafusion::common::Result as DfResult;

use super::known::Known;
use super::shapes::{self, INFORMATION_SCHEMA, SHAPES, shape_named};
use super::{cells, contents, information};

/// The function that answers with the words of the language.
const KEYWORDS: &str = "pg_get_keywords";

/// Is it a function that answers with a table, and a table here?
pub(super) fn is_function(name: &str) -> bool {
    name == KEYWORDS
}

/// One of the two schemas.
pub(super) struct Catalogs {
    /// Its name.
    pub schema: &'static str,
    /// What its relations tell.
    pub known: Arc<Known>,
}

impl fmt::Debug for Catalogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.schema)
    }
}

#[async_trait]
impl SchemaProvider for Catalogs {
    fn table_names(&self) -> Vec<String> {
        SHAPES.iter().filter(|shape| shape.schema == self.schema).map(|shape| shape.name.to_owned()).collect()
    }

    async fn table(&self, name: &str) -> DfResult<Option<Arc<dyn TableProvider>>> {
        if name == KEYWORDS {
            return keywords().map(Some);
        }
        let Some(shape) = shape_named(name).filter(|shape| shape.schema == self.schema) else { return Ok(None) };
        let rows = match self.schema {
            INFORMATION_SCHEMA => information::rows(&self.known, name),
            _ => contents::rows(&self.known, name),
        };
        provider(cells::batch(shape, rows)?).map(Some)
    }

    fn table_exist(&self, name: &str) -> bool {
        name == KEYWORDS || shape_named(name).is_some_and(|shape| shape.schema == self.schema)
    }
}

fn provider(batch: RecordBatch) -> DfResult<Arc<dyn TableProvider>> {
    Ok(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?))
}

fn keywords() -> DfResult<Arc<dyn TableProvider>> {
    let groups = shapes::keywords().flat_map(|(code, meaning, words)| words.map(move |word| [word, code, meaning]));
    let mut rows: Vec<[&str; 3]> = groups.collect();
    rows.sort_unstable();
    let fields = ["word", "catcode", "catdesc"].map(|name| Field::new(name, DataType::Utf8, true));
    let column = |at: usize| Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row[at]))) as ArrayRef;
    provider(RecordBatch::try_new(Arc::new(Schema::new(fields.to_vec())), vec![column(0), column(1), column(2)])?)
}
