//! The engine: runs SQL over a warehouse. `Engine::sql` is the only way to read records.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, SchemaProvider};
use datafusion::common::{ParamValues, ScalarValue, TableReference};
use datafusion::dataframe::DataFrame;
use datafusion::error::DataFusionError;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::context::{SQLOptions, SessionContext};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use datafusion::logical_expr::{Documentation, LogicalPlan, TableType};
use datafusion::physical_plan::execute_stream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement;
use futures::TryStreamExt;
use tokio::sync::OnceCell;
use url::Url;

use super::as_of::{IER_AS_OF, IerAsOf};
use super::ask::Ask;
use super::catalog::{CATALOG, PUBLIC, PublicSchema, SALESFORCE, SalesforceSchema, VIEWS};
use super::described::{described_as, explained_as, type_name};
use super::limits::{Limits, Timed};
use super::look_ups::{AskedAbout, Logs, LookUps, Requester};
use super::memory::{Shares, merge_bytes};
use super::missing::missing_table;
use super::parsed::Parsed;
use super::people::{People, Person};
use super::policy::barrier::Planner;
use super::policy::errors::{redacted, without_values};
use super::policy::{Policy, Seen};
use super::rules::{analyzer_rules, optimizer_rules, physical_rules};
use super::workers::{WorkerStream, Workers};
use super::{depth, functions, named, statement};
use crate::calendar::days::Today;
use crate::calendar::local::Calendar;
use crate::error::{Context, Error, Result};
use crate::lake::read::scan::STORE;
use crate::query::functions::identity::TablesOfPerson;
use crate::query::functions::macros::Macros;
use crate::query::functions::{distinct, identity, local_time};
use crate::query::planner::literals::BoolLiterals;
use crate::record::id::SfId;
use crate::record::identity::Identities;
use crate::tiers::aliases::Aliases;
use crate::tiers::links;
use crate::tiers::pin::pin;
use crate::tiers::warehouse::{Tiers, Warehouse};

/// The SQL of the ledger of aliases; its parameter is an id of the person it shall concern, or null.
const ALIASES: &str = include_str!("../../sql/aliases.sql");

/// Answers SQL over a warehouse. Made once; for others to ask it is [handed on](Engine::asked_by), and a copy shares all that is open.
#[derive(Clone)]
pub struct Engine {
    core: Arc<Core>,
    look_ups: Option<LookUps>,
    /// What may be seen, where that is not everything.
    policy: Option<Arc<Policy>>,
}

/// What all have of an engine, for whomever it answers.
pub struct Core {
    warehouse: Arc<Warehouse>,
    context: SessionContext,
    public: Arc<PublicSchema>,
    of_whom: TablesOfPerson,
    tiers: Tiers,
    /// The plan of somebody's history, made when it is first asked for.
    history: OnceCell<LogicalPlan>,
    aliases: Aliases,
    calendar: Arc<Calendar>,
    macros: Macros,
    limits: Limits,
    workers: Workers,
    logs: Logs,
}

impl Deref for Engine {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}

/// A statement as it comes: a text, or parsed already.
#[derive(Clone, Copy)]
pub(super) enum Query<'a> {
    Text(&'a str),
    Parsed(&'a Parsed),
}

impl<'a> Query<'a> {
    fn text(self) -> &'a str {
        match self {
            Self::Text(text) => text,
            Self::Parsed(parsed) => parsed.text(),
        }
    }
}

/// A statement that is ready to be planned.
pub(super) struct Prepared {
    state: SessionState,
    statement: Statement,
    public: Arc<PublicSchema>,
    /// Which ids are one person's, where it names people.
    identities: Option<Arc<Identities>>,
    seen: Seen,
}

impl Prepared {
    /// Is not everything of its answer seen?
    pub(super) fn is_partial(&self) -> bool {
        self.seen.as_ref().is_some_and(|(policy, _)| !policy.is_raw)
    }

    /// Its plan, which reads and changes nothing.
    pub(super) async fn plan(self) -> Result<(SessionState, LogicalPlan)> {
        let Self { state, statement, public, identities: _, seen } = self;
        let plan = match state.statement_to_plan(statement.clone()).await {
            // A function that is missing is told as such.
            Err(error) if error.to_string().contains("table function") => return Err(error.into()),
            Err(error) => return Err(missing_table(&state, &statement, &public).await.unwrap_or_else(|| error.into())),
            Ok(plan) => plan,
        };
        read_only().verify_plan(&plan)?;
        let Some((policy, units)) = seen else { return Ok((state, plan)) };
        let seen = policy.laid_over(plan.clone(), units.as_ref())?;
        // What is explained to them is what they asked, not how it is answered.
        let plan = if matches!(plan, LogicalPlan::Explain(_)) && !policy.is_raw { plan } else { seen };
        Ok((state, plan))
    }
}

impl Engine {
    /// An engine over a warehouse, for people who live by the default calendar.
    pub async fn open(warehouse: Arc<Warehouse>, limits: Limits) -> Result<Self> {
        Self::open_in(warehouse, limits, Calendar::default()).await
    }

    /// An engine over a warehouse, for people who live by a calendar.
    ///
    /// # Errors
    /// Not found where there is no warehouse: nothing that is asked there would be answered as a person expects.
    pub async fn open_in(warehouse: Arc<Warehouse>, limits: Limits, calendar: Calendar) -> Result<Self> {
        let mut runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(Shares::new(limits.memory_bytes)));
        warehouse.root().footers.set_budget_bytes(limits.metadata_cache_bytes);
        if let Some(folder) = &limits.spill_folder {
            runtime = runtime.with_temp_file_path(folder.clone());
        }
        let runtime = runtime.build_arc()?;
        let store: Url = Url::parse(STORE).map_err(|error| Error::internal(phrase!("{STORE}: {error}")))?;
        runtime.register_object_store(&store, warehouse.root().store.clone());
        let config = SessionConfig::new()
            .with_default_catalog_and_schema(CATALOG, PUBLIC)
            .with_information_schema(true)
            .with_create_default_catalog_and_schema(false)
            .with_target_partitions(limits.threads.max(1))
            .with_option_extension(limits.shortcuts.clone())
            .with_sort_spill_reservation_bytes(merge_bytes(limits.memory_bytes))
            // DataFusion 55.2 calls `x IS NOT TRUE` nullable where it is carried out and not where it is planned, and refuses a grouping
            // that has it twice. Nothing else of what is computed depends on it. Upstream has mended it (pull request 24244).
            .set_bool("datafusion.execution.skip_physical_aggregate_schema_check", true)
            // Batches that wait on disk between threads are a file each. DataFusion 55.2 reads one file after the other, and where two
            // are being written waits for the wrong one for ever. Upstream has mended it (pull request 24891).
            .set_usize("datafusion.execution.max_spill_file_size_bytes", 1);
        let state = SessionStateBuilder::new().with_config(config).with_runtime_env(runtime).with_default_features();
        let state = state.with_analyzer_rules(analyzer_rules());
        let state =
            state.with_optimizer_rules(optimizer_rules()).with_physical_optimizer_rules(physical_rules(limits.memory_bytes));
        let state = state.with_query_planner(Arc::new(Planner));
        let mut state = state.build();
        state.register_expr_planner(Arc::new(BoolLiterals))?;
        let context = SessionContext::new_with_state(state);
        functions::register(&context)?;
        distinct::register(&context)?;
        let calendar = Arc::new(calendar);
        local_time::register(&context, &calendar);
        let macros = Macros::built_in()?;
        let aliases = Aliases::open(&warehouse).await?;
        // Nearly every statement needs these logs: on a distant store they are read at once. What fails is told when it is needed.
        let tiers = warehouse.tiers(links::ier_table()?).await?;
        let (there, public, ..) = tokio::join!(
            warehouse.must_exist(),
            PublicSchema::new(warehouse.clone()),
            tiers.hot.snapshot(),
            tiers.archive.snapshot(),
            aliases.identities()
        );
        there?;
        let public = Arc::new(public?);
        let table = async |name: &str| {
            public.table(name).await?.ok_or_else(|| Error::internal(phrase!("there is no table {}", name.to_owned())))
        };
        let (ier, links) = (table("ier").await?, table("individual_link").await?);
        let of_whom = TablesOfPerson { ier, observed: public.observed.clone(), links, is_told_apart: false };
        let catalog = Arc::new(MemoryCatalogProvider::new());
        catalog.register_schema(PUBLIC, public.clone())?;
        catalog.register_schema(SALESFORCE, Arc::new(SalesforceSchema::new(&public)?))?;
        context.register_catalog(CATALOG, catalog);
        for (name, sql) in VIEWS {
            let (state, given) = (context.state(), BTreeMap::new());
            let read = statement::read(&state, &macros, sql, &given, Today::at(warehouse.clock().now(), calendar.zone));
            let plan = state.statement_to_plan(read.context(|| phrase!("view {name}"))?).await;
            let view = DataFrame::new(state, plan.context(|| phrase!("view {name}"))?);
            public.add_view(name, view.into_view());
        }
        let workers = Workers::start(limits.threads)?;
        let history = OnceCell::new();
        let core = Core {
            warehouse,
            context,
            public,
            of_whom,
            tiers,
            history,
            aliases,
            calendar,
            macros,
            limits,
            workers,
            logs: Logs::default(),
        };
        Ok(Self { core: Arc::new(core), look_ups: None, policy: None })
    }

    /// The same, entering in the log of look-ups whom it shows to this requester.
    #[must_use]
    pub fn shown_to(self, requester: Requester) -> Self {
        Self { look_ups: Some(self.core.logs.of(requester)), ..self }
    }

    /// The same engine for somebody who asks it: what they look up is entered under their name, and they see what their policy lets them
    /// (`None`: everything).
    #[must_use]
    pub fn asked_by(&self, who: &str, reason: Option<String>, is_reason_required: bool, policy: Option<Arc<Policy>>) -> Self {
        let own = self.look_ups.as_ref().map(|look_ups| look_ups.requester.clone()).unwrap_or_default();
        let reason_required = own.reason_required || is_reason_required;
        let requester = Requester { who: who.to_owned(), key: own.key, reason, reason_required };
        // An engine that keeps no log keeps none for whoever started it; others are not shown anybody without one.
        let look_ups = (self.look_ups.is_some() || policy.is_some() || is_reason_required).then(|| self.core.logs.of(requester));
        Self { core: self.core.clone(), look_ups, policy }
    }

    /// The same engine for itself: it sees everything, and looks nobody up.
    pub(super) fn unrestricted(&self) -> Self {
        Self { core: self.core.clone(), look_ups: None, policy: None }
    }

    pub(super) fn policy(&self) -> Option<&Arc<Policy>> {
        self.policy.as_ref()
    }

    /// Under whose name look-ups are entered, and why they are made, where they are.
    pub fn requester(&self) -> Option<&Requester> {
        self.look_ups.as_ref().map(|look_ups| &look_ups.requester)
    }

    pub(super) fn look_ups(&self) -> Option<&LookUps> {
        self.look_ups.as_ref()
    }

    /// What it answers from.
    pub fn warehouse(&self) -> &Arc<Warehouse> {
        &self.warehouse
    }

    /// Runs one read-only statement; named parameters that its head declares have their defaults. Rows come as they are found;
    /// the statement's time runs from now on.
    ///
    /// # Errors
    /// Invalid for what is no SQL, names no column that exists, or would change anything; not found for a table that does not exist;
    /// unavailable when a limit is reached.
    pub async fn sql(&self, query: &str) -> Result<SendableRecordBatchStream> {
        self.sql_given(query, &BTreeMap::new()).await
    }

    /// [`Engine::sql`] with values for the named parameters that the statement's head declares (see [`super::question`]).
    pub async fn sql_given(&self, query: &str, given: &BTreeMap<String, String>) -> Result<SendableRecordBatchStream> {
        Box::pin(self.run(Query::Text(query), given, ParamValues::List(Vec::new()), true)).await
    }

    /// [`Engine::sql`] with values for `$1`, `$2` …: values are bound, never pasted.
    pub async fn sql_with(&self, query: &str, parameters: ParamValues) -> Result<SendableRecordBatchStream> {
        Box::pin(self.run(Query::Text(query), &BTreeMap::new(), parameters, true)).await
    }

    /// [`Engine::sql_with`] for what enters in the log of look-ups by itself whom it shows: people that the statement's conditions name are
    /// not entered once more.
    pub(crate) async fn sql_within(&self, query: &str, parameters: ParamValues) -> Result<SendableRecordBatchStream> {
        Box::pin(self.run(Query::Text(query), &BTreeMap::new(), parameters, false)).await
    }

    /// The statement that is planned for a question: its parameters bound, its macros replaced. Other engines can run it, if they
    /// have our functions.
    ///
    /// # Errors
    /// Invalid, as [`Engine::sql_given`].
    pub fn expanded(&self, query: &str, given: &BTreeMap<String, String>) -> Result<String> {
        Ok(self.read(&self.context.state(), Query::Text(query), given, self.warehouse.clock().now())?.to_string())
    }

    fn read(
        &self,
        state: &SessionState,
        query: Query<'_>,
        given: &BTreeMap<String, String>,
        now: DateTime<Utc>,
    ) -> Result<Statement> {
        let today = Today::at(now, self.calendar.zone);
        match query {
            Query::Text(text) => statement::read(state, &self.macros, text, given, today),
            Query::Parsed(parsed) => statement::complete(parsed.planned()?, &self.macros, parsed.text(), given, today),
        }
    }

    /// Makes a statement ready to be planned. Who is asked about is noted in `asked`; `moments` are the parameters as
    /// `ier_as_of` sees them.
    pub(super) async fn prepared(
        &self,
        query: Query<'_>,
        given: &BTreeMap<String, String>,
        (parameters, moments): (ParamValues, ParamValues),
        (asked, is_asked): (&AskedAbout, bool),
    ) -> Result<Prepared> {
        let given = &*self.looked_at(query.text(), given).await?;
        let mut state = self.context.state();
        let now = self.warehouse.clock().now();
        state.execution_props_mut().query_execution_start_time = Some(now);
        // A statement may be deep, and the caller's stack be small.
        let (statement, names_people) = stacker::maybe_grow(depth::STACK_BYTES / 4, depth::STACK_BYTES, || {
            let statement = self.read(&state, query, given, now).map_err(Error::of_statement)?;
            let names_people = identity::names_people(&statement.to_string());
            Ok::<_, Error>((statement, names_people))
        })?;
        let people = match names_people {
            true => Some(self.people().await?),
            false => None,
        };
        if identity::names_somebody(&statement.to_string()) {
            self.may_look_up()?;
        }
        let as_of = IerAsOf { observed: self.public.observed.clone(), parameters: moments };
        state.register_udtf(IER_AS_OF, Arc::new(as_of));
        let identities = people.as_ref().map(|people| people.identities.clone());
        if let Some(people) = people {
            let of_whom = TablesOfPerson { is_told_apart: self.policy.is_some(), ..self.of_whom.clone() };
            identity::register(&mut state, &people.identities, &of_whom, &parameters, asked)?;
            people.pin(&mut state)?;
        }
        Ok(Prepared { state, statement, public: self.public.clone(), identities, seen: self.seen(is_asked).await? })
    }

    pub(super) async fn run(
        &self,
        query: Query<'_>,
        given: &BTreeMap<String, String>,
        parameters: ParamValues,
        is_asked: bool,
    ) -> Result<SendableRecordBatchStream> {
        let asked = AskedAbout::default();
        let prepared = self.prepared(query, given, (parameters.clone(), parameters.clone()), (&asked, is_asked)).await?;
        // Whom it names, and whether somebody may be looked up: asked only where there is a log.
        let named = (is_asked && self.look_ups().is_some()).then(|| (asked.clone(), self.may_look_up()));
        let is_partial = prepared.is_partial();
        let identities = prepared.identities.clone();
        let answer = self.work(async move {
            let (state, plan) = prepared.plan().await?;
            match &plan {
                LogicalPlan::DescribeTable(described) => return described_as(described.schema.fields()),
                LogicalPlan::Explain(explain) if is_partial => return explained_as(explain, &explain.plan),
                _ => {}
            }
            let frame = DataFrame::new(state, plan);
            let bound = match &parameters {
                ParamValues::List(values) if values.is_empty() => frame,
                _ => frame.with_param_values(parameters)?,
            };
            if let Some((asked, may_look_up)) = named {
                let mut people = named::people(bound.logical_plan())?;
                // Functions have noted whom they are of: another id of that person is no other person.
                let is_one = |one: &SfId, other: &SfId| {
                    let canonical = |id: &SfId| identities.as_ref().map(|known| known.canonical(id.as_str()).to_owned());
                    one == other || identities.is_some() && canonical(one) == canonical(other)
                };
                people.retain(|person| !asked.has(|known| is_one(known, person)));
                if !people.is_empty() {
                    may_look_up?;
                }
                people.into_iter().for_each(|person| asked.note("sql", person));
            }
            Ok(bound.execute_stream().await?)
        });
        let answer = answer.await.map_err(Error::of_statement);
        let answer = match is_partial {
            true => without_values(answer.map_err(redacted)?),
            false => answer?,
        };
        self.after_entry(&asked, answer).await
    }

    /// Plans and runs a statement on the engine's threads, for as long as one may take.
    pub(super) async fn work(
        &self,
        statement: impl Future<Output = Result<SendableRecordBatchStream>> + Send + 'static,
    ) -> Result<SendableRecordBatchStream> {
        let running = self.workers.run(statement);
        let Some(limit) = self.limits.statement else { return Ok(self.explained(running.await?)) };
        let deadline = Box::pin(tokio::time::sleep(limit));
        let stream = tokio::time::timeout(limit, running).await.map_err(|_| Error::timed_out(limit))??;
        Ok(Box::pin(Timed::new(self.explained(stream), deadline, limit)))
    }

    /// Says of an error on the way what a person can do about it.
    fn explained(&self, answer: WorkerStream) -> SendableRecordBatchStream {
        let spill_folder = self.limits.spill_folder.clone();
        let explain = move |error: DataFusionError| {
            let error = Error::from(error).of_statement();
            match &spill_folder {
                Some(folder) if error.is_of_full_disk() => error.context(phrase!("the spill folder {}", folder.display())).into(),
                _ => error.into(),
            }
        };
        Box::pin(RecordBatchStreamAdapter::new(answer.schema(), answer.map_err(explain)))
    }

    /// What its statements may use.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Who is one person, as the ledger of aliases says now.
    pub async fn identities(&self) -> Result<Arc<Identities>> {
        self.aliases.identities().await
    }

    /// Who is one person, and their IERs, as they are now: asked for at once.
    pub(super) async fn people(&self) -> Result<People> {
        let (identities, pinned) = tokio::try_join!(self.identities(), pin(&self.tiers))?;
        Ok(People { identities, pinned })
    }

    /// A person's e-mails under all their ids, newest first, after the look-up was entered in its log.
    pub async fn history_of(&self, person: &Person) -> Result<SendableRecordBatchStream> {
        let plan = self.history.get_or_try_init(|| identity::history_of_somebody(&self.context, &self.of_whom)).await?;
        let plan = identity::history_of(plan, person.ids())?;
        let (mut state, people) = (self.context.state(), person.people().clone());
        self.may_look_up()?;
        let answer = self.work(async move {
            people.pin(&mut state)?;
            let plan = state.query_planner().create_physical_plan(&plan, &state).await?;
            Ok(execute_stream(plan, state.task_ctx())?)
        });
        let asked = AskedAbout::default();
        asked.note("history", *person.id());
        self.after_entry(&asked, answer.await?).await
    }

    /// The ledger of aliases, oldest first: all of it, or what concerns the person who has an id.
    ///
    /// # Errors
    /// Invalid when the text is no person's id, and where a reason is wanted and none was given.
    pub async fn alias_ledger(&self, of: Option<&str>) -> Result<SendableRecordBatchStream> {
        let person = of.map(SfId::of_person).transpose()?;
        let asked = AskedAbout::default();
        if let Some(person) = person {
            self.may_look_up()?;
            asked.note("alias", person);
        }
        let id = person.map(|person| person.to_string());
        let answer = self.sql_within(ALIASES, ParamValues::from(vec![ScalarValue::Utf8View(id)])).await?;
        self.after_entry(&asked, answer).await
    }

    /// All tables and views with their columns, by one look at each: what a shell completes.
    pub async fn names(&self) -> Result<Vec<(String, Vec<String>)>> {
        self.public.refresh().await?;
        let mut listed = Vec::new();
        for name in self.public.table_names() {
            if let Some(table) = self.public.table(&name).await? {
                let columns = table.schema().fields().iter().map(|field| field.name().clone()).collect();
                listed.push((name, columns));
            }
        }
        Ok(listed)
    }

    pub(super) fn public(&self) -> &Arc<PublicSchema> {
        &self.public
    }

    /// The catalog, for those who plan around it (tests compare plans).
    pub fn context(&self) -> &SessionContext {
        &self.context
    }
}

/// Nothing that changes data, schema or options.
fn read_only() -> SQLOptions {
    SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false)
}

#[async_trait]
impl Ask for Engine {
    async fn ask_given(&self, sql: &str, given: &BTreeMap<String, String>) -> Result<SendableRecordBatchStream> {
        self.public.refresh().await?;
        self.sql_given(sql, given).await
    }

    async fn tables(&self) -> Result<Vec<(String, String, String)>> {
        self.public.refresh().await?;
        let views = self.public.view_names();
        let mut listed = Vec::new();
        for name in self.public.table_names() {
            let kind = if views.contains(&name) { "view" } else { "table" };
            // A table that was dropped has its folder still.
            if kind == "view" || self.public.table(&name).await?.is_some() {
                listed.push((PUBLIC.to_owned(), name, kind.to_owned()));
            }
        }
        Ok(listed)
    }

    fn functions(&self) -> Vec<(String, String)> {
        let state = self.context.state();
        let called = |name: &str, documented: Option<&Documentation>| {
            let call = documented.map_or_else(|| format!("{name}(…)"), |documented| documented.syntax_example.clone());
            (name.to_owned(), call)
        };
        let scalar = state.scalar_functions().values().map(|function| called(function.name(), function.documentation()));
        let aggregate = state.aggregate_functions().values().map(|function| called(function.name(), function.documentation()));
        let window = state.window_functions().values().map(|function| called(function.name(), function.documentation()));
        let table = state.table_functions().keys().map(|name| called(name, None));
        let mut listed: Vec<_> = scalar.chain(aggregate).chain(window).chain(table).chain(self.macros.calls()).collect();
        listed.sort();
        listed.dedup_by(|one, other| one.0 == other.0);
        listed
    }

    async fn columns(&self, table: &str) -> Result<Vec<(String, String)>> {
        let reference = TableReference::parse_str(table);
        let provider = self
            .context
            .table_provider(reference)
            .await
            .map_err(|_| Error::not_found(phrase!("there is no table {table:?}; \\dt lists them")))?;
        debug_assert!(matches!(provider.table_type(), TableType::Base | TableType::View));
        Ok(provider.schema().fields().iter().map(|field| (field.name().clone(), type_name(field.data_type()))).collect())
    }
}
