//! What a session keeps between messages: prepared statements, portals, cursors.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use tokio::sync::OnceCell;

use super::command::Command;
use super::rows::Answer;
use super::types;
use crate::query::parsed::Parsed;

/// A prepared statement.
pub(super) struct Prepared {
    /// `None` where there was nothing but blanks.
    pub(super) command: Option<Command>,
    /// The types of parameters, as the client declared them; 0 where it did not.
    pub(super) declared: Vec<u32>,
    /// What it will answer, once that was asked.
    pub(super) promise: OnceCell<Promised>,
}

/// What a statement will answer: what its parameters may be, and its columns.
pub(super) struct Promised {
    pub(super) parameters: Vec<Option<DataType>>,
    pub(super) schema: SchemaRef,
}

/// A prepared statement with values, and how far its answer was read.
pub(super) struct Portal {
    pub(super) prepared: Arc<Prepared>,
    pub(super) values: Vec<ScalarValue>,
    pub(super) formats: Vec<i16>,
    pub(super) answer: Option<Answer>,
    /// It is at its end: there is nothing more to execute.
    pub(super) is_done: bool,
}

impl Prepared {
    pub(super) fn question(&self) -> Option<&Parsed> {
        match &self.command {
            Some(Command::Ask(question, _)) => Some(question),
            _ => None,
        }
    }

    /// The question whose parameters are bound: it is asked at once, or by a cursor.
    pub(super) fn asked(&self) -> Option<&Parsed> {
        match &self.command {
            Some(Command::Ask(question, _) | Command::Declare { query: question, .. }) => Some(question),
            _ => None,
        }
    }

    pub(super) fn parameters(&self) -> usize {
        match &self.command {
            Some(Command::Ask(_, parameters) | Command::Declare { parameters, .. }) => *parameters,
            _ => 0,
        }
    }

    pub(super) fn declared(&self, at: usize) -> u32 {
        self.declared.get(at).copied().unwrap_or_default()
    }

    /// Of the types of all parameters, those that were declared.
    pub(super) fn declared_types(&self) -> Vec<Option<DataType>> {
        (0..self.parameters()).map(|at| types::of_oid(self.declared(at))).collect()
    }
}

/// An answer that is read in parts.
pub(super) struct Cursor {
    pub(super) answer: Answer,
    pub(super) is_binary: bool,
    pub(super) hold: bool,
    /// The transaction in which it was made has not ended yet.
    pub(super) is_new: bool,
}

impl Cursor {
    /// A transaction ends: does the cursor stay? One to be held does, unless it was made in what is rolled back.
    pub(super) fn outlives(&mut self, is_kept: bool) -> bool {
        let stays = self.hold && (is_kept || !self.is_new);
        self.is_new = false;
        stays
    }
}
