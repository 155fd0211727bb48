//! Cursors: DECLARE, FETCH, MOVE, CLOSE. They go forward only.
//!
//! A cursor holds its statement between two fetches: rows that were not fetched yet wait where they are made. The statement's time
//! limit runs, and its place among the running statements is taken, only while rows are fetched.

use pgwire::messages::PgWireBackendMessage as Out;

use super::command::{Command, Rows};
use super::failure::Failure;
use super::held::Cursor;
use super::obey::Way;
use super::rows::{Sink, description, forms};
use super::session::{Session, Transaction};
use super::socket::Broken;

/// Cursors of one session: each holds memory of its own.
const CURSORS: usize = 100;

impl Session {
    pub(super) async fn cursor(&mut self, command: &Command, way: &Way<'_>) -> Result<(), Broken> {
        match command {
            Command::Declare { .. } => self.declare(command, way).await,
            Command::Fetch { name, rows, moves } => self.fetch(name, *rows, *moves, way).await,
            Command::Close(Some(name)) => {
                self.cursors.remove(name).ok_or_else(|| unknown(name))?;
                self.done("CLOSE CURSOR");
                Ok(())
            }
            _ => {
                self.cursors.clear();
                self.done("CLOSE CURSOR ALL");
                Ok(())
            }
        }
    }

    async fn declare(&mut self, command: &Command, way: &Way<'_>) -> Result<(), Broken> {
        let Command::Declare { name, hold, is_binary, query, .. } = command else { return Ok(()) };
        let is_outside = matches!(self.transaction, Transaction::None);
        if is_outside && !hold && !way.is_together {
            return Err(Failure::new("25P01", "DECLARE CURSOR can only be used in transaction blocks").into());
        }
        if self.cursors.contains_key(name) {
            return Err(Failure::new("42P03", format!("cursor \"{name}\" already exists")).into());
        }
        if self.cursors.len() >= CURSORS {
            return Err(Failure::new("53000", format!("there are {CURSORS} cursors open; close one first")).into());
        }
        let mut running = self.begin().await?;
        let answer = self.ask(&mut running, query, way.values.to_vec()).await?;
        self.cursors.insert(name.clone(), Cursor { answer, is_binary: *is_binary, hold: *hold, is_new: !is_outside });
        self.done("DECLARE CURSOR");
        Ok(())
    }

    async fn fetch(&mut self, name: &str, rows: Rows, moves: bool, way: &Way<'_>) -> Result<(), Broken> {
        // While it is read it is nobody's; one that fails is gone.
        let mut cursor = self.cursors.remove(name).ok_or_else(|| unknown(name))?;
        let mut running = self.begin().await?;
        let formats = if way.formats.is_empty() && cursor.is_binary { &[1] } else { way.formats };
        let forms = forms(formats, cursor.answer.schema().fields().len())?;
        if way.describes && !moves {
            self.socket.put(&Out::RowDescription(description(cursor.answer.schema(), &forms)));
        }
        let most = match rows {
            Rows::All => None,
            Rows::Some(rows) => Some(rows),
        };
        let sink = if moves { Sink::Nowhere } else { Sink::Rows(&forms) };
        let zone = self.entered.settings.zone();
        let sent = cursor.answer.send((&mut self.socket, &mut running), most, &sink, zone).await?;
        self.cursors.insert(name.to_owned(), cursor);
        self.done(format!("{} {sent}", if moves { "MOVE" } else { "FETCH" }));
        Ok(())
    }

    /// A cursor that is there.
    pub(super) fn known_cursor(&self, name: &str) -> Result<&Cursor, Failure> {
        self.cursors.get(name).ok_or_else(|| unknown(name))
    }
}

fn unknown(name: &str) -> Failure {
    Failure::new("34000", format!("cursor \"{name}\" does not exist"))
}
