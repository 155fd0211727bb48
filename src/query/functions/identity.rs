//! SQL functions that use the ledger of aliases: which ids are one person.
//!
//! `person_ids('003…')` lists a person's ids, `contact_history('003…')` their e-mails under all of them,
//! `contact_observed('003…')` these with their observed versions, `contact_links('003…')` the links they clicked, and
//! `canonical_person(id)` is the one id by which a person is counted. A statement that uses one of them is planned with the
//! ledger as it stands when the statement begins, and with its parameters, which table functions would not see otherwise.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringViewArray, StringViewBuilder, TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::{MemTable, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{ParamValues, Result as DfResult, ScalarValue};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::context::SessionContext;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, LogicalPlan, LogicalPlanBuilder, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility, col, lit,
};

use crate::error::{Error, Result};
use crate::query::functions::looked_up::LookedUp;
use crate::query::look_ups::AskedAbout;
use crate::record::fields::Kind;
use crate::record::id::SfId;
use crate::record::identity::{Edge, Identities};

/// The SQL of a person's history, newest first; its parameter is one of their ids.
pub const HISTORY: &str = include_str!("../../../sql/history.sql");

/// The functions of this file.
pub const NAMES: [&str; 5] = ["person_ids", "contact_history", "canonical_person", "contact_observed", "contact_links"];

/// The tables a person's rows are in.
#[derive(Clone)]
pub(in crate::query) struct TablesOfPerson {
    /// IERs.
    pub ier: Arc<dyn TableProvider>,
    /// IERs with their observations.
    pub observed: Arc<dyn TableProvider>,
    /// Links that were clicked.
    pub links: Arc<dyn TableProvider>,
    /// Rows of somebody who was looked up are told apart from others: a policy is asked about both.
    pub is_told_apart: bool,
}

/// Does a statement name any of them? One that does not need not look into the ledger.
pub fn names_people(sql: &str) -> bool {
    let sql = sql.to_ascii_lowercase();
    NAMES.iter().any(|name| sql.contains(name))
}

/// Does a statement name a function that shows one person?
pub fn names_somebody(sql: &str) -> bool {
    let sql = sql.to_ascii_lowercase();
    NAMES.iter().filter(|name| **name != NAMES[2]).any(|name| sql.contains(&format!("{name}(")))
}

/// Gives a statement the functions: who is one person, the table of IERs, and the values of its parameters.
pub(in crate::query) fn register(
    state: &mut SessionState,
    identities: &Arc<Identities>,
    tables: &TablesOfPerson,
    parameters: &ParamValues,
    asked: &AskedAbout,
) -> DfResult<()> {
    for answer in [Answer::Ids, Answer::History, Answer::Observed, Answer::Links] {
        let (identities, tables, parameters, asked) = (identities.clone(), tables.clone(), parameters.clone(), asked.clone());
        state.register_udtf(answer.name(), Arc::new(PersonFunction { answer, identities, tables, parameters, asked }));
    }
    let signature = Signature::string(1, Volatility::Stable);
    let canonical = CanonicalPerson { identities: identities.clone(), signature };
    state.register_udf(Arc::new(ScalarUDF::from(canonical)))?;
    Ok(())
}

/// An id that stands for whoever is asked about.
const SOMEBODY: &str = "003000000000000AAA";

/// The plan of [`HISTORY`] for somebody. Reading a history takes so little that planning each anew would be a fifth of it.
pub(in crate::query) async fn history_of_somebody(context: &SessionContext, tables: &TablesOfPerson) -> Result<LogicalPlan> {
    let mut state = context.state();
    let parameters = ParamValues::from(vec![ScalarValue::Utf8View(Some(SOMEBODY.to_owned()))]);
    register(&mut state, &Arc::new(Identities::new(Vec::new())), tables, &parameters, &AskedAbout::default())?;
    let plan = state.create_logical_plan(HISTORY).await?.with_param_values(parameters)?;
    Ok(state.optimize(&plan)?)
}

/// The plan of [`history_of_somebody`] for the person who has these ids.
pub fn history_of(plan: &LogicalPlan, ids: &[SfId]) -> Result<LogicalPlan> {
    let ids: Vec<Expr> = ids.iter().map(|id| lit(ScalarValue::Utf8View(Some(id.to_string())))).collect();
    let of_somebody = |expression: &Expr| match expression {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => match right.as_ref() {
            Expr::Literal(value, _) if value.try_as_str().flatten() == Some(SOMEBODY) => Some(left.as_ref().clone()),
            _ => None,
        },
        _ => None,
    };
    let mut replaced = 0;
    let plan = plan.clone().transform_up(|node| {
        node.map_expressions(|expression| {
            expression.transform_up(|expression| match of_somebody(&expression) {
                Some(person) => {
                    replaced += 1;
                    Ok(Transformed::yes(person.in_list(ids.clone(), false)))
                }
                None => Ok(Transformed::no(expression)),
            })
        })
    })?;
    if replaced == 0 {
        return Err(Error::internal("the plan of a history asks for nobody"));
    }
    Ok(plan.data)
}

/// The order of a history.
const NEWEST_FIRST: [(&str, bool); 2] = [("date_sent", false), ("ier_id", true)];

/// The question about a person.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Ids,
    History,
    Observed,
    Links,
}

impl Answer {
    fn name(self) -> &'static str {
        match self {
            Self::Ids => NAMES[0],
            Self::History => NAMES[1],
            Self::Observed => NAMES[3],
            Self::Links => NAMES[4],
        }
    }
}

/// `person_ids('003…')` and `contact_history('003…')`.
struct PersonFunction {
    answer: Answer,
    identities: Arc<Identities>,
    tables: TablesOfPerson,
    parameters: ParamValues,
    /// Who is asked about, for the log of look-ups.
    asked: AskedAbout,
}

impl fmt::Debug for PersonFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.answer.name())
    }
}

impl TableFunctionImpl for PersonFunction {
    fn call_with_args(&self, args: TableFunctionArgs) -> DfResult<Arc<dyn TableProvider>> {
        let id = self.person(args.exprs())?;
        self.asked.note(self.answer.name(), id);
        match self.answer {
            Answer::Ids => self.ids(id),
            Answer::History => self.rows(id, &self.tables.ier, Some(NEWEST_FIRST)),
            Answer::Observed => self.rows(id, &self.tables.observed, None),
            Answer::Links => self.rows(id, &self.tables.links, None),
        }
    }
}

impl PersonFunction {
    /// The one argument: the id of a contact or lead, in either form.
    fn person(&self, args: &[Expr]) -> Result<SfId> {
        let name = self.answer.name();
        let value = match args {
            [Expr::Literal(value, _)] => value.clone(),
            [Expr::Placeholder(parameter)] => self.parameters.get_placeholders_with_values(&parameter.id)?.value,
            [_] => {
                return Err(Error::invalid(phrase!(
                    "{name} takes an id as a literal, such as {name}('003f400000JJbuPAAT'); for the ids of a column there is \
                     canonical_person(id)"
                )));
            }
            _ => return Err(Error::invalid(phrase!("{name} takes one id, such as {name}('003f400000JJbuPAAT')"))),
        };
        match value.try_as_str() {
            Some(Some(text)) => SfId::of_person(text),
            _ => Err(Error::invalid(phrase!("{name} takes an id as text, not {value}"))),
        }
    }

    /// Every id of the person, and what it became.
    fn ids(&self, id: SfId) -> DfResult<Arc<dyn TableProvider>> {
        let ids = self.identities.ids_of(id.as_str());
        let canonical = self.identities.canonical(id.as_str());
        let edges = self.identities.edges_of(id.as_str());
        // Of an id that became several, what was learned first.
        let became: Vec<Option<&Edge>> = ids.iter().map(|id| edges.iter().find(|edge| edge.alias.as_str() == *id)).collect();
        let text = |of: &dyn Fn(&Edge) -> Option<String>| -> ArrayRef {
            Arc::new(became.iter().map(|edge| edge.and_then(of)).collect::<StringViewArray>())
        };
        let learned_at: TimestampMicrosecondArray =
            became.iter().map(|edge| edge.map(|edge| edge.learned_at.timestamp_micros())).collect();
        let columns: [(&str, ArrayRef); 7] = [
            ("id", Arc::new(ids.iter().map(Some).collect::<StringViewArray>())),
            ("is_canonical", Arc::new(ids.iter().map(|id| Some(*id == canonical)).collect::<BooleanArray>())),
            ("became_id", text(&|edge| Some(edge.person.to_string()))),
            ("how", text(&|edge| Some(edge.how.name().to_owned()))),
            ("learned_at", cast(&learned_at, &Kind::Time.sql_type())?),
            ("reason", text(&|edge| edge.reason.as_deref().map(str::to_owned))),
            ("author", text(&|edge| edge.author.as_deref().map(str::to_owned))),
        ];
        let fields = columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let batch = RecordBatch::try_new(schema.clone(), columns.map(|(_, column)| column).to_vec())?;
        Ok(Arc::new(LookedUp(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))))
    }

    /// The person's rows of a table, e-mails newest first. Its filter names the people outright, which leads to the shortest way there is.
    fn rows(
        &self,
        id: SfId,
        table: &Arc<dyn TableProvider>,
        order: Option<[(&str, bool); 2]>,
    ) -> DfResult<Arc<dyn TableProvider>> {
        let ids = self.identities.ids_of(id.as_str());
        let ids = ids.iter().map(|id| lit(ScalarValue::Utf8View(Some((*id).to_owned())))).collect();
        let table: Arc<dyn TableProvider> = match self.tables.is_told_apart {
            true => Arc::new(LookedUp(table.clone())),
            false => table.clone(),
        };
        let mut plan =
            LogicalPlanBuilder::scan("ier", provider_as_source(table), None)?.filter(col("person_id").in_list(ids, false))?;
        if let Some(order) = order {
            let order = order.map(|(column, ascending)| col(column).sort(ascending, false));
            // A limit of nothing: below one, the planner leaves the order of a subquery alone.
            plan = plan.sort(order)?.limit(0, None)?;
        }
        Ok(Arc::new(ViewTable::new(plan.build()?, None)))
    }
}

/// `canonical_person(id)`: the one id by which the person who has this id is counted; null for what is no id.
#[derive(Debug)]
struct CanonicalPerson {
    identities: Arc<Identities>,
    signature: Signature,
}

impl PartialEq for CanonicalPerson {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.identities, &other.identities)
    }
}

impl Eq for CanonicalPerson {}

impl Hash for CanonicalPerson {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.identities).hash(state);
    }
}

impl ScalarUDFImpl for CanonicalPerson {
    fn name(&self) -> &str {
        NAMES[2]
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[DataType]) -> DfResult<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let is_scalar = matches!(args.args.as_slice(), [ColumnarValue::Scalar(_)]);
        let ids = cast(&ColumnarValue::values_to_arrays(&args.args)?[0], &DataType::Utf8View)?;
        // Nearly everybody has one id: then there is nothing to write.
        let mut out: Option<StringViewBuilder> = None;
        // Files are sorted by person: most rows ask for the same one as the row before.
        let mut last: (Option<&str>, Option<String>) = (None, None);
        for (row, id) in ids.as_string_view().iter().enumerate() {
            if id != last.0 {
                let canonical = id.and_then(|id| SfId::parse(id).ok());
                last = (id, canonical.map(|id| self.identities.canonical(id.as_str()).to_owned()));
            }
            if out.is_none() && last.1.as_deref() != id {
                let mut begun = StringViewBuilder::with_capacity(ids.len());
                begun.append_array(ids.slice(0, row).as_string_view());
                out = Some(begun);
            }
            if let Some(out) = &mut out {
                out.append_option(last.1.as_deref());
            }
        }
        let canonical: ArrayRef = out.map_or_else(|| ids.clone(), |mut out| Arc::new(out.finish()));
        if is_scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&canonical, 0)?));
        }
        Ok(ColumnarValue::Array(canonical))
    }
}
