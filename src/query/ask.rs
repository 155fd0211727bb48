//! The trait by which the shell and other front ends use the engine, so that they can be tested without one.

use std::collections::BTreeMap;

use async_trait::async_trait;
use datafusion::execution::SendableRecordBatchStream;

use crate::error::Result;

/// A service that answers SQL.
#[async_trait]
pub trait Ask: Send + Sync {
    /// Runs one statement. Refuses what is not valid SQL or not allowed; later trouble comes through the stream.
    async fn ask(&self, sql: &str) -> Result<SendableRecordBatchStream> {
        self.ask_given(sql, &BTreeMap::new()).await
    }

    /// The same, with values for the named parameters that the statement's head declares.
    async fn ask_given(&self, sql: &str, given: &BTreeMap<String, String>) -> Result<SendableRecordBatchStream>;

    /// Every table and view: schema, name, kind (`table` or `view`), in the order to be shown.
    async fn tables(&self) -> Result<Vec<(String, String, String)>>;

    /// Every function and measure: its name, and how it is called.
    fn functions(&self) -> Vec<(String, String)>;

    /// The columns of a table (`name` or `schema.name`) with their types. Refuses a table that is not there.
    async fn columns(&self, table: &str) -> Result<Vec<(String, String)>>;
}
