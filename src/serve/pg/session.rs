//! The state of a session: its transaction, its cursors and prepared statements, and whether it skips messages after an error.
//!
//! Nothing is ever written, so a transaction has no effect: each statement in it sees the newest data, and COMMIT and ROLLBACK do
//! the same. The form is kept all the same, because clients rely on it: after an error nothing is answered until the transaction
//! ends, and cursors without HOLD end with it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use pgwire::messages::PgWireBackendMessage as Out;
use pgwire::messages::response::{CommandComplete, ReadyForQuery, TransactionStatus};
use pgwire::messages::startup::ParameterStatus;

use super::catalog::{Catalog, ColumnFacts, Concern, SessionFacts, TableFacts};
use super::failure::Failure;
use super::frontend::Message;
use super::held::{Cursor, Portal, Prepared};
use super::rows::Answer;
use super::running::Running;
use super::settings::Values;
use super::socket::{Broken, Socket};
use super::startup::Entered;
use crate::error::Error;
use crate::query::catalog::CATALOG;
use crate::query::engine::Engine;
use crate::query::parsed::Parsed;
use crate::serve::shared::{Phase, Shared};

/// A table or view: its name, its columns, and whether it is a view.
type Shape = (String, SchemaRef, bool);

/// Somebody's session.
pub(super) struct Session {
    pub(super) socket: Socket,
    pub(super) shared: Arc<Shared>,
    pub(super) entered: Entered,
    pub(super) transaction: Transaction,
    pub(super) statements: HashMap<String, Arc<Prepared>>,
    pub(super) portals: HashMap<String, Portal>,
    pub(super) cursors: HashMap<String, Cursor>,
    /// The catalog, and the tables it was made of.
    catalog: Option<(Vec<Shape>, Arc<Catalog>)>,
    /// After an error messages are passed over until the client has noticed.
    skips: bool,
    /// The settings as the client last heard them.
    reported: Values,
    /// The engine as this person may ask it, and why they look people up, which it was made for.
    engine: Option<(String, Arc<Engine>)>,
}

/// A transaction, if there is one.
#[derive(Debug, Default)]
pub(super) enum Transaction {
    #[default]
    None,
    Open(Begun),
    /// There was an error in it.
    Failed(Begun),
}

/// What a transaction takes back at its end.
#[derive(Debug, Default)]
pub(super) struct Begun {
    pub(super) savepoints: Vec<String>,
    /// The settings as they were.
    pub(super) before: Values,
    /// Settings that were set for the transaction alone.
    pub(super) locals: Vec<String>,
}

impl Session {
    pub(super) fn new(socket: Socket, shared: Arc<Shared>, entered: Entered) -> Self {
        let reported = entered.first.clone();
        Self {
            socket,
            shared,
            entered,
            transaction: Transaction::None,
            statements: HashMap::new(),
            portals: HashMap::new(),
            cursors: HashMap::new(),
            catalog: None,
            skips: false,
            reported,
            engine: None,
        }
    }

    /// The engine as this person may ask it now.
    pub(super) fn engine(&mut self) -> Arc<Engine> {
        let reason = self.entered.settings.reason();
        match &self.engine {
            Some((for_reason, engine)) if *for_reason == reason => engine.clone(),
            _ => {
                let engine = Arc::new(self.shared.engine_for(&self.entered.who, Some(&reason)));
                self.engine = Some((reason, engine.clone()));
                engine
            }
        }
    }

    /// Serves until the client goes, or has to.
    pub(super) async fn run(mut self) {
        if let Err(Broken::Failed(failure)) = self.serve().await {
            self.socket.put(&Out::ErrorResponse(Failure { is_fatal: true, ..failure }.response()));
        }
        // What it held is let go before the last words are said.
        let Self { mut socket, statements, portals, cursors, .. } = self;
        drop((statements, portals, cursors));
        socket.close().await;
    }

    async fn serve(&mut self) -> Result<(), Broken> {
        let mut phase = self.shared.phase.clone();
        loop {
            let message = tokio::select! {
                message = self.socket.message() => message?,
                _ = phase.wait_for(|phase| *phase != Phase::Open) => {
                    return Err(Failure::fatal("57P01", "terminating connection due to administrator command").into());
                }
            };
            if !self.heard(message).await? {
                return Ok(());
            }
        }
    }

    /// Does what a message asks; `false` when it was a farewell.
    async fn heard(&mut self, message: Message) -> Result<bool, Broken> {
        match message {
            Message::Terminate => return Ok(false),
            Message::Sync => {
                self.skips = false;
                if matches!(self.transaction, Transaction::None) {
                    self.portals.clear();
                }
                self.ready().await?;
            }
            // Data behind a COPY that was refused.
            Message::Copy => {}
            _ if self.skips => {}
            Message::Query(text) => {
                self.portals.remove("");
                if let Err(broken) = Box::pin(self.simple(&text)).await {
                    self.failed(broken)?;
                }
                // Several statements in one message are a transaction of their own.
                if matches!(self.transaction, Transaction::None) {
                    self.left(true);
                }
                self.ready().await?;
            }
            Message::Flush => self.socket.flush().await?,
            Message::FunctionCall => {
                self.failed(Failure::unsupported("function calls of the protocol are not answered here").into())?;
                self.ready().await?;
            }
            Message::Password(_) => return Err(Failure::protocol("there is nothing to prove any more").into()),
            message => {
                if let Err(broken) = Box::pin(self.extended(message)).await {
                    self.failed(broken)?;
                    self.skips = true;
                    // Who waits for an answer before going on hears of it.
                    self.socket.flush().await?;
                }
            }
        }
        Ok(true)
    }

    /// Tells an error; the transaction has failed with it.
    fn failed(&mut self, broken: Broken) -> Result<(), Broken> {
        let Broken::Failed(failure) = broken else { return Err(broken) };
        if failure.is_fatal {
            return Err(failure.into());
        }
        self.socket.put(&Out::ErrorResponse(failure.response()));
        self.transaction = match std::mem::take(&mut self.transaction) {
            Transaction::Open(begun) | Transaction::Failed(begun) => Transaction::Failed(begun),
            Transaction::None => Transaction::None,
        };
        Ok(())
    }

    /// Says that the next may be asked, and where the transaction stands.
    async fn ready(&mut self) -> Result<(), Broken> {
        let status = match &self.transaction {
            Transaction::None => TransactionStatus::Idle,
            Transaction::Open(_) => TransactionStatus::Transaction,
            Transaction::Failed(_) => TransactionStatus::Error,
        };
        self.socket.put(&Out::ReadyForQuery(ReadyForQuery::new(status)));
        self.socket.flush().await
    }

    /// Says that a command was done.
    pub(super) fn done(&mut self, tag: impl Into<String>) {
        self.socket.put(&Out::CommandComplete(CommandComplete::new(tag.into())));
    }

    /// Tells the client of settings that have changed.
    pub(super) fn tell_settings(&mut self) {
        for (name, value) in self.entered.settings.reported(Some(&self.reported)) {
            self.socket.put(&Out::ParameterStatus(ParameterStatus::new(name, value)));
        }
        self.reported = self.entered.settings.kept();
    }

    /// A statement begins, when there is a place for it, and when its person may still be here.
    pub(super) async fn begin(&mut self) -> Result<Running, Failure> {
        if !self.shared.access.may_stay(&self.entered.who) {
            return Err(Failure::fatal("57P01", "your access has changed or has ended; log in again"));
        }
        Running::begin(&self.shared, &self.entered.backend, &self.entered.settings).await
    }

    /// Asks a question: of the catalog or the engine, by what it is about.
    pub(super) async fn ask(
        &mut self,
        running: &mut Running,
        question: &Parsed,
        values: Vec<ScalarValue>,
    ) -> Result<Answer, Broken> {
        let catalog = self.catalog_for(running, question).await?;
        let engine = self.engine();
        let (Some(catalog), Some(statement)) = (catalog, question.statement()) else {
            let given = BTreeMap::new();
            let asked = engine.sql_parsed(question, &given, values);
            let answer = running.wait(&mut self.socket, asked).await?.map_err(Failure::from)?;
            return Ok(Answer::new(answer));
        };
        // The catalog outlives what SET says, and `set_config` is said to it alone.
        catalog.know_settings(self.settings_for_catalog());
        let answer = running.wait(&mut self.socket, catalog.answer(statement, &values)).await?;
        let (schema, batches) = answer.map_err(Failure::of_catalog)?;
        for (name, value) in catalog.changed_settings() {
            self.entered.settings.set(&name, Some(&value), &self.entered.first)?;
        }
        self.tell_settings();
        Ok(Answer::of(schema, batches))
    }

    /// The catalog, where a question is about it.
    ///
    /// # Errors
    /// 0A000 for a question about both the catalog and the warehouse.
    pub(super) async fn catalog_for(&mut self, running: &mut Running, question: &Parsed) -> Result<Option<Arc<Catalog>>, Broken> {
        let Some(statement) = question.statement() else { return Ok(None) };
        match Catalog::concerns(statement) {
            Concern::Data => Ok(None),
            // Tables come and go while a session stays.
            Concern::Catalog => self.new_catalog(running).await.map(Some),
            Concern::Mixed => {
                Err(Failure::unsupported("one statement cannot ask both pg_catalog and the warehouse; ask each by itself").into())
            }
        }
    }

    /// All settings as the catalogs name them: in lower case.
    fn settings_for_catalog(&self) -> BTreeMap<String, String> {
        self.entered.settings.all().into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect()
    }

    /// The catalog of the tables there are now; the one there is, if they are the same.
    async fn new_catalog(&mut self, running: &mut Running) -> Result<Arc<Catalog>, Broken> {
        let shared = self.shared.clone();
        let shapes = async {
            let mut shapes = Vec::new();
            for name in shared.own_engine().table_names().await? {
                if let Some((schema, is_view)) = shared.own_engine().table_shape(&name).await? {
                    shapes.push((name, schema, is_view));
                }
            }
            Ok::<_, Error>(shapes)
        };
        let shapes = running.wait(&mut self.socket, shapes).await?.map_err(Failure::from)?;
        // Tables of attributes get columns while a session stays.
        if let Some((known, catalog)) = &self.catalog
            && *known == shapes
        {
            return Ok(catalog.clone());
        }
        let column = |field: &Arc<arrow::datatypes::Field>| ColumnFacts {
            name: field.name().clone(),
            data_type: field.data_type().clone(),
            nullable: field.is_nullable(),
            comment: None,
        };
        let table = |(name, schema, is_view): &Shape| {
            let columns = schema.fields().iter().map(column).collect();
            TableFacts { name: name.clone(), is_view: *is_view, comment: None, columns }
        };
        let tables = shapes.iter().map(table).collect();
        let session = SessionFacts {
            user: self.entered.who.name.clone(),
            database: CATALOG.to_owned(),
            backend_pid: self.entered.backend.number(),
            settings: self.settings_for_catalog(),
        };
        let catalog = Arc::new(Catalog::new(tables, session).map_err(Failure::from)?);
        self.catalog = Some((shapes, catalog.clone()));
        Ok(catalog)
    }
}
