//! The extended protocol: statements are prepared, bound and executed step by step.
//!
//! What is prepared is a parsed statement, never a plan: each execution is planned over the data of its time. The columns of the
//! answer are computed when a client asks for them. If it asks for those of a portal, the statement begins there, and is planned
//! once.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use pgwire::messages::PgWireBackendMessage as Out;
use pgwire::messages::data::{NoData, ParameterDescription};
use pgwire::messages::extendedquery::{BindComplete, CloseComplete, ParseComplete, PortalSuspended};
use pgwire::messages::response::EmptyQueryResponse;
use tokio::sync::OnceCell;

use super::casts;
use super::command::{self, Command};
use super::encode::Form;
use super::failure::Failure;
use super::frontend::{Bind, Message};
use super::held::{Portal, Prepared, Promised};
use super::obey::{Way, tag};
use super::rows::{Sink, description, forms};
use super::running::Running;
use super::session::Session;
use super::socket::Broken;
use super::{parameters, pieces};
use crate::query::parsed::Parsed;

/// Prepared statements of one session.
const STATEMENTS: usize = 1000;

/// Portals of one session: each may hold a statement where it stands.
const PORTALS: usize = 100;

impl Session {
    /// Does one step.
    pub(super) async fn extended(&mut self, message: Message) -> Result<(), Broken> {
        match message {
            Message::Parse { name, text, types } => self.parse(name, &text, types),
            Message::Bind(bind) => self.bind(bind).await,
            Message::Describe { is_statement: true, name } => self.describe_statement(&name).await,
            Message::Describe { is_statement: false, name } => self.describe_portal(&name).await,
            Message::Execute { portal, most } => self.execute(&portal, most).await,
            Message::Close { is_statement, name } => {
                if is_statement {
                    self.statements.remove(&name);
                } else {
                    self.portals.remove(&name);
                }
                self.socket.put(&Out::CloseComplete(CloseComplete::new()));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn parse(&mut self, name: String, text: &str, declared: Vec<u32>) -> Result<(), Broken> {
        let pieces = pieces::split(text)?;
        let command = match pieces.as_slice() {
            [] => None,
            [one] => Some(command::read(one)?),
            _ => return Err(Failure::new("42601", "cannot insert multiple commands into a prepared statement").into()),
        };
        if let Some(command) = &command {
            self.check(command)?;
        }
        self.prepare(name, command, declared)?;
        self.socket.put(&Out::ParseComplete(ParseComplete::new()));
        Ok(())
    }

    fn prepare(&mut self, name: String, command: Option<Command>, declared: Vec<u32>) -> Result<(), Failure> {
        let prepared = Prepared { command, declared, promise: OnceCell::new() };
        // A message has room for no more.
        if prepared.parameters() > usize::from(u16::MAX) {
            return Err(Failure::new("54000", format!("a statement has at most {} parameters", u16::MAX)));
        }
        if !name.is_empty() {
            if self.statements.contains_key(&name) {
                return Err(Failure::new("42P05", format!("prepared statement \"{name}\" already exists")));
            }
            if self.statements.len() >= STATEMENTS {
                return Err(Failure::new("53000", format!("there are {STATEMENTS} prepared statements; deallocate one first")));
            }
        }
        self.statements.insert(name, Arc::new(prepared));
        Ok(())
    }

    fn prepared(&self, name: &str) -> Result<Arc<Prepared>, Failure> {
        let unknown = || Failure::new("26000", format!("prepared statement \"{name}\" does not exist"));
        self.statements.get(name).cloned().ok_or_else(unknown)
    }

    async fn bind(&mut self, bind: Bind) -> Result<(), Broken> {
        let prepared = self.prepared(&bind.statement)?;
        if let Some(command) = &prepared.command {
            self.check(command)?;
        }
        if !bind.portal.is_empty() && self.portals.contains_key(&bind.portal) {
            return Err(Failure::new("42P03", format!("cursor \"{}\" already exists", bind.portal)).into());
        }
        if self.portals.len() >= PORTALS {
            return Err(Failure::new("53000", format!("there are {PORTALS} portals open; close one first")).into());
        }
        let (wanted, given) = (prepared.parameters(), bind.values.len());
        if given != wanted {
            let message = format!("bind message supplies {given} parameters, but prepared statement requires {wanted}");
            return Err(Failure::new("08P01", message).into());
        }
        let forms = forms(&bind.formats, given)?;
        let values = self.values(&prepared, bind.values, &forms).await?;
        let portal = Portal { prepared, values, formats: bind.columns, answer: None, is_done: false };
        self.portals.insert(bind.portal, portal);
        self.socket.put(&Out::BindComplete(BindComplete::new()));
        Ok(())
    }

    /// Values by their types: declared, or found out.
    async fn values(
        &mut self,
        prepared: &Prepared,
        values: Vec<Option<bytes::Bytes>>,
        forms: &[Form],
    ) -> Result<Vec<ScalarValue>, Broken> {
        let types = prepared.declared_types();
        let found: Vec<Option<DataType>> = match types.iter().all(Option::is_some) {
            true => Vec::new(),
            false => self.promise(prepared).await?.map(|promised| promised.parameters.clone()).unwrap_or_default(),
        };
        let zone = self.entered.settings.zone();
        let value = |(at, (bytes, form)): (usize, (Option<bytes::Bytes>, &Form))| {
            let data_type = parameters::data_type(prepared.declared(at), found.get(at).and_then(Option::as_ref));
            let (bytes, form) = parameters::as_text(prepared.declared(at), bytes, *form);
            parameters::value(at + 1, bytes, form, &data_type, zone)
        };
        Ok(values.into_iter().zip(forms).enumerate().map(value).collect::<Result<_, _>>()?)
    }

    /// What a question will answer, found out once; `None` where it is no question.
    async fn promise<'a>(&mut self, prepared: &'a Prepared) -> Result<Option<&'a Promised>, Broken> {
        let Some(question) = prepared.asked() else { return Ok(None) };
        if prepared.promise.get().is_none() {
            let mut running = self.begin().await?;
            let promised = self.promised(&mut running, question, prepared).await?;
            // Nobody else can have found it out meanwhile.
            drop(prepared.promise.set(promised));
        }
        Ok(prepared.promise.get())
    }

    async fn promised(&mut self, running: &mut Running, question: &Parsed, prepared: &Prepared) -> Result<Promised, Broken> {
        let catalog = self.catalog_for(running, question).await?;
        let engine = self.engine();
        let declared = prepared.declared_types();
        let asked = async {
            match (catalog, question.statement()) {
                (Some(catalog), Some(statement)) => {
                    let described = catalog.describe(statement, &declared).await;
                    let (parameters, schema) = described.map_err(Failure::of_catalog)?;
                    Ok(Promised { parameters: parameters.into_iter().map(Some).collect(), schema })
                }
                _ => {
                    let declared = casts::with_casts(question.statement(), declared);
                    let promise = engine.promise(question, &declared).await?;
                    Ok(Promised { parameters: promise.parameters, schema: promise.schema })
                }
            }
        };
        running.wait(&mut self.socket, asked).await?.map_err(|failure: Failure| failure.into())
    }

    async fn describe_statement(&mut self, name: &str) -> Result<(), Broken> {
        let prepared = self.prepared(name)?;
        let promised = self.promise(&prepared).await?;
        let found = |at: usize| promised.and_then(|promised| promised.parameters.get(at)?.as_ref());
        let oids = (0..prepared.parameters()).map(|at| parameters::oid(prepared.declared(at), found(at))).collect();
        let columns = match promised.filter(|_| prepared.question().is_some()) {
            Some(promised) => Some(promised.schema.clone()),
            None => self.columns(&prepared)?,
        };
        self.socket.put(&Out::ParameterDescription(ParameterDescription::new(oids)));
        self.describe(columns, &[])?;
        Ok(())
    }

    async fn describe_portal(&mut self, name: &str) -> Result<(), Broken> {
        // A cursor is a portal by another way, and may be asked for as one.
        if let (Some(cursor), false) = (self.cursors.get(name), self.portals.contains_key(name)) {
            let (schema, formats): (_, &[i16]) = (cursor.answer.schema().clone(), if cursor.is_binary { &[1] } else { &[] });
            return Ok(self.describe(Some(schema), formats)?);
        }
        let mut portal = self.portals.remove(name).ok_or_else(|| unknown(name))?;
        let prepared = portal.prepared.clone();
        if let (Some(question), true) = (prepared.question(), portal.answer.is_none() && prepared.promise.get().is_none()) {
            let mut running = self.begin().await?;
            portal.answer = Some(self.ask(&mut running, question, portal.values.clone()).await?);
        }
        let promised = prepared.promise.get().filter(|_| prepared.question().is_some());
        let columns = match (&portal.answer, promised) {
            (Some(answer), _) => Some(answer.schema().clone()),
            (None, Some(promised)) => Some(promised.schema.clone()),
            (None, None) => self.columns(&portal.prepared)?,
        };
        let described = self.describe(columns, &portal.formats);
        self.portals.insert(name.to_owned(), portal);
        Ok(described?)
    }

    /// The columns of what is no question, and answers with rows.
    fn columns(&self, prepared: &Prepared) -> Result<Option<SchemaRef>, Failure> {
        match &prepared.command {
            Some(command @ (Command::Show(_) | Command::ShowAll)) => {
                self.shown(command).map(|answer| Some(answer.schema().clone()))
            }
            Some(Command::Fetch { name, moves: false, .. }) => Ok(Some(self.known_cursor(name)?.answer.schema().clone())),
            _ => Ok(None),
        }
    }

    fn describe(&mut self, columns: Option<SchemaRef>, formats: &[i16]) -> Result<(), Failure> {
        match columns {
            Some(schema) => {
                let forms = forms(formats, schema.fields().len())?;
                self.socket.put(&Out::RowDescription(description(&schema, &forms)));
            }
            None => self.socket.put(&Out::NoData(NoData::new())),
        }
        Ok(())
    }

    async fn execute(&mut self, name: &str, most: i32) -> Result<(), Broken> {
        // While it is executed it is nobody's; one that fails is gone.
        let mut portal = self.portals.remove(name).ok_or_else(|| unknown(name))?;
        let prepared = portal.prepared.clone();
        let Some(command) = &prepared.command else {
            self.socket.put(&Out::EmptyQueryResponse(EmptyQueryResponse::new()));
            return Ok(());
        };
        self.check(command)?;
        match prepared.question() {
            Some(question) => {
                let most = usize::try_from(most).ok().filter(|most| *most > 0);
                self.rows(&mut portal, question, most).await?;
            }
            None if portal.is_done => {
                return Err(Failure::new("55000", format!("portal \"{name}\" cannot be run")).into());
            }
            None => {
                let (formats, values) = (std::mem::take(&mut portal.formats), std::mem::take(&mut portal.values));
                let way = Way { describes: false, formats: &formats, values: &values, is_together: false };
                Box::pin(self.obey(command, &way)).await?;
                portal.is_done = true;
            }
        }
        // Where a transaction was left, its portals are gone.
        if !matches!(command, Command::Commit | Command::Rollback | Command::Discard(_)) {
            self.portals.insert(name.to_owned(), portal);
        }
        Ok(())
    }

    /// Sends the next rows of a portal.
    async fn rows(&mut self, portal: &mut Portal, question: &Parsed, most: Option<usize>) -> Result<(), Broken> {
        let mut running = self.begin().await?;
        let answer = match &mut portal.answer {
            Some(answer) => answer,
            None => {
                let values = std::mem::take(&mut portal.values);
                let answer = self.ask(&mut running, question, values).await?;
                let promised = portal.prepared.promise.get().map(|promised| &promised.schema);
                portal.answer.insert(answer.promised(promised)?)
            }
        };
        let forms = forms(&portal.formats, answer.schema().fields().len())?;
        let zone = self.entered.settings.zone();
        let sent = answer.send((&mut self.socket, &mut running), most, &Sink::Rows(&forms), zone).await?;
        if most == Some(sent) && !answer.is_done() {
            self.socket.put(&Out::PortalSuspended(PortalSuspended::new()));
        } else {
            let tag = tag(question);
            self.done(if tag == "SELECT" { format!("SELECT {sent}") } else { tag.to_owned() });
        }
        Ok(())
    }

    /// Forgets a prepared statement, or all.
    pub(super) fn deallocate(&mut self, name: Option<&str>) -> Result<(), Failure> {
        match name {
            Some(name) => {
                self.prepared(name)?;
                self.statements.remove(name);
                self.done("DEALLOCATE");
            }
            None => {
                self.statements.clear();
                self.done("DEALLOCATE ALL");
            }
        }
        Ok(())
    }

    /// PREPARE and EXECUTE, as statements.
    pub(super) async fn by_name(&mut self, command: &Command, way: &Way<'_>) -> Result<(), Broken> {
        match command {
            Command::Prepare(name, question, parameters) => {
                self.prepare(name.clone(), Some(Command::Ask(question.copied(), *parameters)), Vec::new())?;
                self.done("PREPARE");
            }
            Command::Execute(name, values) => {
                let prepared = self.prepared(name)?;
                let Some(question) = prepared.question() else {
                    return Err(Failure::unsupported("EXECUTE runs statements that were prepared as questions").into());
                };
                let (wanted, given) = (prepared.parameters(), values.len());
                if wanted != given {
                    let message = format!("wrong number of parameters for prepared statement \"{name}\": {given}, not {wanted}");
                    return Err(Failure::new("42601", message).into());
                }
                let bytes =
                    values.iter().map(|value| value.as_ref().map(|value| bytes::Bytes::copy_from_slice(value.as_bytes())));
                let values = self.values(&prepared, bytes.collect(), &vec![Form::Text; given]).await?;
                let mut running = self.begin().await?;
                let answer = self.ask(&mut running, question, values).await?;
                self.whole(running, answer, tag(question), way).await?;
            }
            _ => {}
        }
        Ok(())
    }
}

fn unknown(name: &str) -> Failure {
    Failure::new("34000", format!("portal \"{name}\" does not exist"))
}
