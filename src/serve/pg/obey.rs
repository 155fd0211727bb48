//! Executes commands about the session: transactions, settings, questions by name, COPY. None changes data.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::Statement;
use pgwire::messages::PgWireBackendMessage as Out;
use pgwire::messages::copy::{CopyDone, CopyOutResponse};

use super::command::Command;
use super::copy::CopyForm;
use super::encode::Form;
use super::failure::Failure;
use super::rows::{Answer, Sink, description, forms};
use super::running::Running;
use super::session::{Begun, Session, Transaction};
use super::socket::Broken;
use crate::query::parsed::Parsed;

/// How rows are wanted.
pub(super) struct Way<'a> {
    /// Columns are described first: nobody has asked for that before.
    pub(super) describes: bool,
    /// Their forms, as they were asked for.
    pub(super) formats: &'a [i16],
    /// Values for the parameters of a cursor's question.
    pub(super) values: &'a [ScalarValue],
    /// Several statements came in one message, which are one transaction.
    pub(super) is_together: bool,
}

impl Session {
    /// Refuses what cannot be done where the transaction stands.
    pub(super) fn check(&self, command: &Command) -> Result<(), Failure> {
        match (&self.transaction, command) {
            (Transaction::Failed(_), Command::Commit | Command::Rollback | Command::RollbackTo(_)) => Ok(()),
            (Transaction::Failed(_), _) => {
                Err(Failure::new("25P02", "current transaction is aborted, commands ignored until end of transaction block"))
            }
            _ => Ok(()),
        }
    }

    /// Does what a command says, and says that it is done.
    pub(super) async fn obey(&mut self, command: &Command, way: &Way<'_>) -> Result<(), Broken> {
        self.check(command)?;
        match command {
            Command::Ask(question, _) => {
                let mut running = self.begin().await?;
                let answer = self.ask(&mut running, question, Vec::new()).await?;
                self.whole(running, answer, tag(question), way).await?;
            }
            Command::Copy(question, form) => self.copy(question, form).await?,
            Command::Show(_) | Command::ShowAll => {
                let answer = self.shown(command)?;
                let running = self.begin().await?;
                self.whole(running, answer, "SHOW", way).await?;
            }
            Command::Set { name, value, is_local } => self.set(name, value.as_deref(), *is_local)?,
            Command::ResetAll => {
                self.entered.settings.take_back(&self.entered.first);
                self.done("RESET");
            }
            Command::Discard(tag) => self.discard(tag)?,
            Command::Deallocate(name) => self.deallocate(name.as_deref())?,
            Command::Prepare(..) | Command::Execute(..) => self.by_name(command, way).await?,
            Command::Declare { .. } | Command::Fetch { .. } | Command::Close(_) => self.cursor(command, way).await?,
            Command::Nothing(tag) => self.done(*tag),
            _ => self.transact(command)?,
        }
        self.tell_settings();
        Ok(())
    }

    /// Sends an answer, all of it.
    pub(super) async fn whole(
        &mut self,
        mut running: Running,
        mut answer: Answer,
        tag: &str,
        way: &Way<'_>,
    ) -> Result<(), Broken> {
        let forms = forms(way.formats, answer.schema().fields().len())?;
        if way.describes {
            self.socket.put(&Out::RowDescription(description(answer.schema(), &forms)));
        }
        let zone = self.entered.settings.zone();
        let rows = answer.send((&mut self.socket, &mut running), None, &Sink::Rows(&forms), zone).await?;
        self.done(if tag == "SELECT" { format!("SELECT {rows}") } else { tag.to_owned() });
        Ok(())
    }

    async fn copy(&mut self, question: &Parsed, form: &CopyForm) -> Result<(), Broken> {
        let mut running = self.begin().await?;
        let mut answer = self.ask(&mut running, question, Vec::new()).await?;
        let code: i8 = if form.form() == Form::Binary { 1 } else { 0 };
        let names: Vec<String> = answer.schema().fields().iter().map(|field| field.name().clone()).collect();
        let columns = i16::try_from(names.len()).map_err(|_| Failure::new("54011", "too many columns"))?;
        let codes = vec![i16::from(code); names.len()];
        self.socket.put(&Out::CopyOutResponse(CopyOutResponse::new(code, columns, codes)));
        form.head(&names, self.socket.output());
        let zone = self.entered.settings.zone();
        let rows = answer.send((&mut self.socket, &mut running), None, &Sink::Copy(form), zone).await?;
        form.end(rows, self.socket.output());
        self.socket.put(&Out::CopyDone(CopyDone::new()));
        self.done(format!("COPY {rows}"));
        Ok(())
    }

    /// What SHOW shows.
    pub(super) fn shown(&self, command: &Command) -> Result<Answer, Failure> {
        let settings = &self.entered.settings;
        let Command::Show(name) = command else {
            let all = settings.all();
            let names = all.iter().map(|(name, _)| Some(name.as_str())).collect();
            let values = all.iter().map(|(_, value)| Some(value.as_str())).collect();
            let texts = vec![names, values, vec![Some(""); all.len()]];
            return texts_of(&["name", "setting", "description"], texts);
        };
        let unknown = || Failure::new("42704", format!("unrecognized configuration parameter \"{name}\""));
        let value = if name == "role" { Some("none".to_owned()) } else { settings.current(name) }.ok_or_else(unknown)?;
        texts_of(&[name], vec![vec![Some(&value)]])
    }

    fn set(&mut self, name: &str, value: Option<&str>, is_local: bool) -> Result<(), Failure> {
        match &mut self.transaction {
            Transaction::Open(begun) if is_local => begun.locals.push(name.to_owned()),
            // For a transaction there is none of, it would be taken back at once.
            Transaction::None if is_local => {
                let warning = Failure::new("25P01", "SET LOCAL can only be used in transaction blocks").warning();
                self.socket.put(&Out::NoticeResponse(warning));
                self.done("SET");
                return Ok(());
            }
            _ => {}
        }
        self.entered.settings.set(name, value, &self.entered.first)?;
        self.done(if value.is_some() { "SET" } else { "RESET" });
        Ok(())
    }

    fn discard(&mut self, tag: &'static str) -> Result<(), Failure> {
        if tag == "DISCARD ALL" {
            if !matches!(self.transaction, Transaction::None) {
                return Err(Failure::new("25001", "DISCARD ALL cannot run inside a transaction block"));
            }
            self.statements.clear();
            self.portals.clear();
            self.cursors.clear();
            self.entered.settings.take_back(&self.entered.first);
        }
        self.done(tag);
        Ok(())
    }

    /// Transactions, in form.
    fn transact(&mut self, command: &Command) -> Result<(), Failure> {
        match command {
            Command::Begin(tag) => {
                match self.transaction {
                    Transaction::None => {
                        let before = self.entered.settings.kept();
                        self.transaction = Transaction::Open(Begun { before, ..Begun::default() });
                    }
                    _ => self.warn("25001", "there is already a transaction in progress"),
                }
                self.done(*tag);
            }
            Command::Commit => {
                let is_kept = match std::mem::take(&mut self.transaction) {
                    Transaction::Failed(begun) => {
                        self.entered.settings.take_back(&begun.before);
                        false
                    }
                    Transaction::Open(begun) => {
                        for name in &begun.locals {
                            let before = self.entered.settings.set(name, None, &begun.before);
                            drop(before);
                        }
                        true
                    }
                    Transaction::None => {
                        self.warn("25P01", "there is no transaction in progress");
                        true
                    }
                };
                self.left(is_kept);
                self.done(if is_kept { "COMMIT" } else { "ROLLBACK" });
            }
            Command::Rollback => {
                match std::mem::take(&mut self.transaction) {
                    Transaction::Open(begun) | Transaction::Failed(begun) => self.entered.settings.take_back(&begun.before),
                    Transaction::None => self.warn("25P01", "there is no transaction in progress"),
                }
                self.left(false);
                self.done("ROLLBACK");
            }
            Command::Savepoint(name) => {
                self.open("SAVEPOINT")?.savepoints.push(name.clone());
                self.done("SAVEPOINT");
            }
            Command::Release(name) => {
                let begun = self.open("RELEASE SAVEPOINT")?;
                let at = savepoint(begun, name)?;
                begun.savepoints.truncate(at);
                self.done("RELEASE");
            }
            Command::RollbackTo(name) => {
                let begun = self.open("ROLLBACK TO SAVEPOINT")?;
                let at = savepoint(begun, name)?;
                begun.savepoints.truncate(at + 1);
                self.transaction = match std::mem::take(&mut self.transaction) {
                    Transaction::Open(begun) | Transaction::Failed(begun) => Transaction::Open(begun),
                    Transaction::None => Transaction::None,
                };
                self.done("ROLLBACK");
            }
            _ => {}
        }
        Ok(())
    }

    /// The transaction, which there has to be.
    fn open(&mut self, command: &str) -> Result<&mut Begun, Failure> {
        match &mut self.transaction {
            Transaction::Open(begun) | Transaction::Failed(begun) => Ok(begun),
            Transaction::None => Err(Failure::new("25P01", format!("{command} can only be used in transaction blocks"))),
        }
    }

    /// A transaction was left: portals go with it, and cursors, but those that were to stay.
    pub(super) fn left(&mut self, is_kept: bool) {
        self.portals.clear();
        self.cursors.retain(|_, cursor| cursor.outlives(is_kept));
    }

    fn warn(&mut self, code: &'static str, message: &str) {
        self.socket.put(&Out::NoticeResponse(Failure::new(code, message).warning()));
    }
}

fn savepoint(begun: &Begun, name: &str) -> Result<usize, Failure> {
    let found = begun.savepoints.iter().rposition(|known| known == name);
    found.ok_or_else(|| Failure::new("3B001", format!("savepoint \"{name}\" does not exist")))
}

/// What is said of a question that was answered.
pub(super) fn tag(question: &Parsed) -> &'static str {
    match question.statement() {
        Some(Statement::Query(_)) | None => "SELECT",
        Some(Statement::Explain { .. }) => "EXPLAIN",
        Some(_) => "SHOW",
    }
}

/// An answer of texts, a list of them for each column.
fn texts_of(names: &[&str], texts: Vec<Vec<Option<&str>>>) -> Result<Answer, Failure> {
    let fields: Vec<Field> = names.iter().map(|name| Field::new(*name, DataType::Utf8View, true)).collect();
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let columns = texts.into_iter().map(|texts| Arc::new(texts.into_iter().collect::<StringViewArray>()) as ArrayRef);
    let batch = RecordBatch::try_new(schema.clone(), columns.collect())?;
    Ok(Answer::of(schema, vec![batch]))
}
