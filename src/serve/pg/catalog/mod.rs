//! The catalogs that clients read before a user asks for data: `pg_catalog` and `information_schema`.
//!
//! They have a DataFusion context of their own, apart from the engine. Its relations are made from the names and types of our
//! tables when a statement names them. Its numbers (OIDs) are the same for everybody and after each start. Its statements are
//! rewritten as trees ([`rewrite`]) into what DataFusion can plan. A statement about our data never comes here; one about both data
//! and catalogs is refused.
//!
//! # Decisions
//! - 2026-11-28 **What joins a relation that is always empty is answered without being planned** ([`empty`]): names and types are read
//!   from its text. There are no indexes, keys, policies or triggers here, and three quarters of what clients ask are about those, in
//!   the words DataFusion knows least. Refused: to teach DataFusion sets in SELECT lists and fields of composite values for no rows.
//! - 2026-11-28 **Numbers of things are held in 64 bits, and casts to `regclass` and its like are calls**: a name where it is shown, a
//!   number where it is compared. Refused: a type of its own, which DataFusion would have to carry through every expression.
//! - 2026-11-28 **The shapes of all 200 relations are Postgres' own, in four lists of text**, so that no client meets one that is not
//!   there; 36 have rows. Sizes and row counts are null: who asks may not see all rows.
//! - 2026-11-28 **The owner of everything is the role `ier`, which nobody is**; privileges are told as they are: to read, no more.
//! - 2026-11-28 **A scalar subquery is wrapped in `max`**, as DataFusion wants an aggregate where it looks at the row around it. All such
//!   subqueries of clients ask for one row by its number; one that had several would be told the greatest, not refused.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemoryCatalogProviderList};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::execution::context::{SessionConfig, SessionContext};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast::{Expr, Query, SelectItem, Statement};
use futures::StreamExt;

pub use concern::Concern;
use known::Known;
pub use known::{ColumnFacts, SessionFacts, TableFacts};
use shapes::{INFORMATION_SCHEMA, PG_CATALOG};
use tables::Catalogs;

use crate::error::{Error, Result};

// What Postgres has before anybody makes a table: shapes, types, functions, words.
mod shapes;

// What tables and columns are, in a line each.
pub(crate) mod meanings;

// The engine's tables with their numbers, who is connected, and the settings.
mod known;

// Rows of a relation, put together column by name.
mod cells;

// What the relations of `pg_catalog` hold.
mod contents;

// What the views of `information_schema` hold.
mod information;

// What a function of Postgres is here.
mod signature;

// The functions of Postgres, as DataFusion takes them.
mod functions;

// What each function answers.
mod calls;

// Small pieces of statements: taken apart and put together.
mod pieces;

// Which statements the catalogs answer.
mod concern;

// Parameters: which there are, of what types, and their values in their places.
mod given;

// What has no rows whatever it asks.
mod empty;

// Names of columns that a statement does not name.
mod names;

// The columns a query answers with, read from its text.
mod columns;

// `*` written out, where two columns of one name have to be told apart.
mod stars;

// The relations, made when a statement names them.
mod tables;

// A statement in words that DataFusion knows.
mod rewrite;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

/// Memory for the statements of all sessions at once, and for one answer: whole catalogs have a tenth of it.
const MEMORY_BYTES: usize = 64 << 20;

/// How many statements nobody answered since the process began.
static UNANSWERED: AtomicU64 = AtomicU64::new(0);

/// What all sessions share: the functions and rules of DataFusion.
static BASE: LazyLock<DfResult<SessionState>> = LazyLock::new(|| {
    let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    let pool = Arc::new(GreedyMemoryPool::new(MEMORY_BYTES));
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).with_disk_manager_builder(disk).build_arc()?;
    let mut config = SessionConfig::new()
        .with_target_partitions(1)
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(false);
    config.options_mut().sql_parser.map_string_types_to_utf8view = false;
    Ok(SessionStateBuilder::new().with_config(config).with_runtime_env(runtime).with_default_features().build())
});

/// How many catalog statements were not answered since the process began: the next client's needs.
pub fn unanswered() -> u64 {
    UNANSWERED.load(Ordering::Relaxed)
}

/// The catalogs as one session sees them.
pub struct Catalog {
    known: Arc<Known>,
    context: SessionContext,
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "catalogs of {} relations", self.known.relations.len())
    }
}

impl Catalog {
    /// The catalogs of a session that may see these tables. Nothing is computed before a statement asks for it.
    ///
    /// # Errors
    /// Internal, where DataFusion does not start.
    pub fn new(engine_tables: Vec<TableFacts>, session: SessionFacts) -> Result<Self> {
        let known = Arc::new(Known::new(engine_tables, session));
        let base = BASE.as_ref().map_err(|error| Error::internal(phrase!("no catalogs: {error}")))?;
        let database = known.session.database.clone();
        let catalog = MemoryCatalogProvider::new();
        for schema in [PG_CATALOG, INFORMATION_SCHEMA] {
            catalog.register_schema(schema, Arc::new(Catalogs { schema, known: known.clone() }))?;
        }
        let config = base.config().clone().with_default_catalog_and_schema(database.clone(), PG_CATALOG);
        let state = SessionStateBuilder::new_from_existing(base.clone())
            .with_config(config)
            .with_catalog_list(Arc::new(MemoryCatalogProviderList::new()))
            .build();
        let context = SessionContext::new_with_state(state);
        context.register_catalog(database, Arc::new(catalog));
        functions::register(&context, &known);
        Ok(Self { known, context })
    }

    /// Is a statement for the catalogs, for the engine, or for both at once?
    pub fn concerns(statement: &Statement) -> Concern {
        concern::of(statement)
    }

    /// The answer to a statement that concerns the catalogs, with the names and types that [`describe`](Self::describe) tells.
    ///
    /// # Errors
    /// Invalid, where it is not answered; it is counted then ([`unanswered`]).
    pub async fn answer(&self, statement: &Statement, parameters: &[ScalarValue]) -> Result<(SchemaRef, Vec<RecordBatch>)> {
        let answer = self.answered(statement, parameters).await;
        if answer.is_err() {
            UNANSWERED.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    /// The types of a statement's parameters and the columns of its answer. What of the types was declared stays.
    ///
    /// # Errors
    /// Invalid, where it would not be answered.
    pub async fn describe(&self, statement: &Statement, declared: &[Option<DataType>]) -> Result<(Vec<DataType>, SchemaRef)> {
        let inferred = given::types(statement);
        let count = inferred.len().max(declared.len());
        let of = |at: usize| declared.get(at).cloned().flatten().or_else(|| inferred.get(at).cloned()).unwrap_or(DataType::Utf8);
        let types: Vec<DataType> = (0..count).map(of).collect();
        let values = types.iter().map(|data_type| Ok(ScalarValue::try_from(data_type)?)).collect::<Result<Vec<_>>>()?;
        let schema = match self.prepared(statement, &values).await? {
            Prepared::Empty(schema) | Prepared::Planned(schema, _) => schema,
        };
        Ok((types, schema))
    }

    /// From now on `current_setting` and `pg_settings` tell these, in place of those the session began with.
    pub fn know_settings(&self, settings: BTreeMap<String, String>) {
        self.known.know(settings);
    }

    /// The settings that statements changed by `set_config`, with their values: those of display that change no data.
    pub fn changed_settings(&self) -> BTreeMap<String, String> {
        self.known.changed()
    }

    async fn answered(&self, statement: &Statement, parameters: &[ScalarValue]) -> Result<(SchemaRef, Vec<RecordBatch>)> {
        if let Some(length) = nap(statement) {
            tokio::time::sleep(length).await;
        }
        let (schema, plan) = match self.prepared(statement, parameters).await? {
            Prepared::Empty(schema) => return Ok((schema.clone(), vec![RecordBatch::new_empty(schema)])),
            Prepared::Planned(schema, plan) => (schema, plan),
        };
        let frame = self.context.execute_logical_plan(*plan).await.map_err(not_answered)?;
        let mut stream = frame.execute_stream().await.map_err(not_answered)?;
        let (mut batches, mut bytes) = (Vec::new(), 0);
        while let Some(batch) = stream.next().await {
            let batch = as_told(&batch.map_err(not_answered)?, &schema).map_err(not_answered)?;
            bytes += batch.get_array_memory_size();
            if bytes > MEMORY_BYTES {
                return Err(Error::invalid("the catalogs' answer to this statement is too large"));
            }
            batches.push(batch);
        }
        Ok((schema, batches))
    }

    async fn prepared(&self, statement: &Statement, parameters: &[ScalarValue]) -> Result<Prepared> {
        let mut statement = statement.clone();
        given::put(&mut statement, parameters);
        let Statement::Query(query) = &mut statement else {
            return Err(Error::invalid("the catalogs are only read here"));
        };
        if empty::query(query, &empty::EmptyNames::new())
            && let Some(columns) = columns::of(query)
        {
            let fields: Vec<Field> = columns.into_iter().map(|(name, data_type)| Field::new(name, data_type, true)).collect();
            return Ok(Prepared::Empty(Arc::new(Schema::new(fields))));
        }
        stars::write_out(query);
        let named = columns::of(query);
        rewritten(query);
        let plan = self.plan(statement).await.map_err(not_answered)?;
        let fields = plan.schema().fields();
        let named = named.filter(|columns| columns.len() == fields.len());
        let name =
            |at: usize, field: &FieldRef| named.as_ref().map_or_else(|| field.name().clone(), |columns| columns[at].0.clone());
        let field = |(at, field): (usize, &FieldRef)| Field::new(name(at, field), sent_as(field.data_type()), true);
        let schema = Arc::new(Schema::new(fields.iter().enumerate().map(field).collect::<Vec<_>>()));
        Ok(Prepared::Planned(schema, Box::new(plan)))
    }

    /// The plan, with the types it will have.
    async fn plan(&self, statement: Statement) -> DfResult<LogicalPlan> {
        let state = self.context.state();
        let plan = state.statement_to_plan(Parsed::Statement(Box::new(statement))).await?;
        state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {})
    }
}

/// A statement made ready.
enum Prepared {
    /// It has no rows, and these columns.
    Empty(SchemaRef),
    /// It has to be carried out, and will have these columns.
    Planned(SchemaRef, Box<LogicalPlan>),
}

/// The query in words that DataFusion knows.
fn rewritten(query: &mut Query) {
    empty::fold(query);
    rewrite::statement(query);
    names::give(query);
}

/// How long `SELECT pg_sleep(3)` waits, by which clients try whether they can cancel; an hour at most.
fn nap(statement: &Statement) -> Option<Duration> {
    let Statement::Query(query) = statement else { return None };
    let select = pieces::select_of(query).filter(|select| select.from.is_empty())?;
    let [SelectItem::UnnamedExpr(Expr::Function(function))] = select.projection.as_slice() else { return None };
    let Expr::Value(value) = pieces::only_argument(function).filter(|_| pieces::last(&function.name) == "pg_sleep")? else {
        return None;
    };
    let seconds: f64 = value.to_string().trim_matches('\'').parse().ok()?;
    Duration::try_from_secs_f64(seconds.clamp(0.0, 3600.0)).ok()
}

fn not_answered(error: datafusion::error::DataFusionError) -> Error {
    Error::invalid(phrase!("the catalogs do not answer this statement: {}", error.strip_backtrace()))
}

/// The type in which values of a type go out.
fn sent_as(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Null | DataType::Utf8View | DataType::LargeUtf8 | DataType::Dictionary(..) => DataType::Utf8,
        DataType::UInt8 | DataType::Int8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::List(item) | DataType::LargeList(item) => {
            DataType::List(Arc::new(Field::new_list_field(sent_as(item.data_type()), true)))
        }
        other => other.clone(),
    }
}

/// A batch with the names and types that were told.
fn as_told(batch: &RecordBatch, schema: &SchemaRef) -> DfResult<RecordBatch> {
    let pairs = batch.columns().iter().zip(schema.fields());
    let column = |(array, field): (&ArrayRef, &FieldRef)| match array.data_type() == field.data_type() {
        true => Ok(array.clone()),
        false => cast(array, field.data_type()),
    };
    let columns = pairs.map(column).collect::<std::result::Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}
