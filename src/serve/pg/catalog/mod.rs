//! What clients ask of a server about itself: who is asked, which version, whose session this is.
//!
//! Statements that ask this and nothing of the warehouse are answered here, in a context of their own; the engine never sees them.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{ParamValues, Result as DfResult, ScalarValue};
use datafusion::dataframe::DataFrame;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement as Planned;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, Ident, ObjectName, SelectItem, SetExpr, Statement, VisitMut, VisitorMut, visit_expressions, visit_relations,
};

use super::settings::{SERVER_VERSION, Settings};
use crate::error::Result;

/// Functions that tell something of the server or the session.
const FUNCTIONS: &[&str] = &[
    "version",
    "current_schema",
    "current_database",
    "current_catalog",
    "current_user",
    "session_user",
    "user",
    "pg_backend_pid",
    "current_setting",
];

/// A table or view of the warehouse.
#[derive(Clone, Debug)]
#[expect(dead_code, reason = "the tables of pg_catalog are made of it")]
pub(crate) struct TableFacts {
    pub(crate) name: String,
    pub(crate) is_view: bool,
    pub(crate) comment: Option<String>,
    pub(crate) columns: Vec<ColumnFacts>,
}

/// One of its columns.
#[derive(Clone, Debug)]
#[expect(dead_code, reason = "the tables of pg_catalog are made of it")]
pub(crate) struct ColumnFacts {
    pub(crate) name: String,
    pub(crate) data_type: DataType,
    pub(crate) nullable: bool,
    pub(crate) comment: Option<String>,
}

/// Whose session it is.
#[derive(Clone, Debug)]
pub(crate) struct SessionFacts {
    pub(crate) user: String,
    pub(crate) database: String,
    pub(crate) backend_pid: i32,
    pub(crate) settings: Arc<Settings>,
}

/// What a statement is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Concern {
    /// The server and the session.
    Catalog,
    /// The warehouse.
    Data,
    /// Both.
    Mixed,
}

/// What a session can ask about the server.
pub(crate) struct Catalog {
    context: SessionContext,
}

impl Catalog {
    /// For a session over these tables.
    pub(crate) fn new(_tables: Vec<TableFacts>, session: SessionFacts) -> Result<Self> {
        let config = SessionConfig::new().with_target_partitions(1);
        let state = SessionStateBuilder::new().with_config(config).with_default_features().build();
        let context = SessionContext::new_with_state(state);
        let text = |text: String| ScalarValue::Utf8(Some(text));
        let version = format!("PostgreSQL {SERVER_VERSION} (ier {})", env!("CARGO_PKG_VERSION"));
        let facts = [
            ("version", text(version)),
            ("current_schema", text("public".to_owned())),
            ("current_database", text(session.database.clone())),
            ("current_catalog", text(session.database)),
            ("current_user", text(session.user.clone())),
            ("session_user", text(session.user.clone())),
            ("user", text(session.user)),
            ("pg_backend_pid", ScalarValue::Int32(Some(session.backend_pid))),
        ];
        for (name, value) in facts {
            let data_type = value.data_type();
            let told = move |_: &[ColumnarValue]| Ok(ColumnarValue::Scalar(value.clone()));
            context.register_udf(create_udf(name, Vec::new(), data_type, Volatility::Stable, Arc::new(told)));
        }
        let settings = session.settings;
        let current = move |args: &[ColumnarValue]| current_setting(&settings, args);
        let texts = vec![DataType::Utf8];
        context.register_udf(create_udf("current_setting", texts, DataType::Utf8, Volatility::Volatile, Arc::new(current)));
        Ok(Self { context })
    }

    /// What a statement is about.
    pub(crate) fn concerns(&self, statement: &Statement) -> Concern {
        let (mut ours, mut others) = (false, false);
        let _: ControlFlow<()> = visit_relations(statement, |relation| {
            if is_of_catalog(relation) {
                ours = true
            } else {
                others = true
            }
            ControlFlow::Continue(())
        });
        if others {
            return if ours { Concern::Mixed } else { Concern::Data };
        }
        let asks: ControlFlow<()> = visit_expressions(statement, |expression| match expression {
            Expr::Function(function) if is_ours(function) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        if ours || asks.is_break() { Concern::Catalog } else { Concern::Data }
    }

    /// Answers a statement that is about the server and the session.
    pub(crate) async fn answer(
        &self,
        statement: &Statement,
        parameters: &[ScalarValue],
    ) -> Result<(SchemaRef, Vec<RecordBatch>)> {
        let frame = self.frame(statement).await?;
        let bound = match parameters {
            [] => frame,
            values => frame.with_param_values(ParamValues::from(values.to_vec()))?,
        };
        let schema = Arc::new(bound.schema().as_arrow().clone());
        Ok((schema, bound.collect().await?))
    }

    /// The types of a statement's parameters, and its columns. What of the types was declared stays.
    pub(crate) async fn describe(
        &self,
        statement: &Statement,
        declared: &[Option<DataType>],
    ) -> Result<(Vec<DataType>, SchemaRef)> {
        let frame = self.frame(statement).await?;
        let mut known = frame.logical_plan().get_parameter_types()?;
        let of = |(at, declared): (usize, &Option<DataType>)| {
            let inferred = known.remove(&format!("${}", at + 1)).flatten();
            declared.clone().or(inferred).unwrap_or(DataType::Utf8View)
        };
        let types = declared.iter().enumerate().map(of).collect();
        Ok((types, Arc::new(frame.schema().as_arrow().clone())))
    }

    async fn frame(&self, statement: &Statement) -> Result<DataFrame> {
        let mut statement = statement.clone();
        if visit_relations(&statement, |_| ControlFlow::Break(())).is_break() {
            let told = "pg_catalog is not served yet; SHOW TABLES and DESCRIBE tell what there is";
            return Err(DataFusionError::NotImplemented(told.to_owned()).into());
        }
        let _: ControlFlow<()> = statement.visit(&mut Unqualified);
        let state = self.context.state();
        let plan = state.statement_to_plan(Planned::Statement(Box::new(statement))).await?;
        Ok(DataFrame::new(state, plan))
    }
}

/// `current_setting('name')`.
fn current_setting(settings: &Settings, args: &[ColumnarValue]) -> DfResult<ColumnarValue> {
    let Some(ColumnarValue::Scalar(name)) = args.first() else {
        return Err(DataFusionError::NotImplemented("current_setting takes the name of a setting as a literal".to_owned()));
    };
    let name = name.try_as_str().flatten().unwrap_or_default();
    let wrong = || DataFusionError::Plan(format!("unrecognized configuration parameter \"{name}\""));
    settings.current(name).map(|value| ColumnarValue::Scalar(ScalarValue::Utf8(Some(value)))).ok_or_else(wrong)
}

fn parts(name: &ObjectName) -> Vec<String> {
    name.0.iter().filter_map(|part| part.as_ident()).map(|part| part.value.to_lowercase()).collect()
}

fn is_of_catalog(relation: &ObjectName) -> bool {
    match parts(relation).as_slice() {
        [.., schema, _] if schema == "pg_catalog" => true,
        [name] => name.starts_with("pg_"),
        _ => false,
    }
}

fn is_ours(function: &Function) -> bool {
    match parts(&function.name).as_slice() {
        [schema, name] if schema == "pg_catalog" => FUNCTIONS.contains(&name.as_str()),
        [name] => FUNCTIONS.contains(&name.as_str()),
        _ => false,
    }
}

/// Calls functions by their last name, and names columns after them as Postgres does.
struct Unqualified;

impl VisitorMut for Unqualified {
    type Break = ();

    fn post_visit_query(&mut self, query: &mut datafusion::sql::sqlparser::ast::Query) -> ControlFlow<()> {
        let SetExpr::Select(select) = query.body.as_mut() else { return ControlFlow::Continue(()) };
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(Expr::Function(function)) = item {
                let name = parts(&function.name).pop().unwrap_or_default();
                let expr = Expr::Function(function.clone());
                *item = SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', name) };
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expression
            && is_ours(function)
            && function.name.0.len() > 1
        {
            function.name.0.drain(..1);
        }
        ControlFlow::Continue(())
    }
}
