//! A statement that was parsed before it reaches the engine: by a server, which first has to know what kind of statement it is.
//!
//! It may be nested as deeply as [`super::depth`] allows, so it is copied and dropped on a stack of its own.

use datafusion::sql::parser::Statement as Planned;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::depth;
use crate::error::{Error, Result};

/// A statement, and the text it was read from.
pub struct Parsed {
    statement: Option<Statement>,
    text: String,
}

impl Parsed {
    /// Parses a text that is one statement, by the grammar of Postgres.
    ///
    /// # Errors
    /// Invalid for what is none.
    pub fn of(text: &str) -> Result<Self> {
        let tokens = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize_with_location();
        let mut tokens = tokens.map_err(|error| of_syntax(error.into()))?;
        if let Some(at) =
            tokens.iter().rposition(|token| !matches!(token.token, Token::Whitespace(_) | Token::SemiColon | Token::EOF))
        {
            tokens.truncate(at + 1);
        }
        Self::read(tokens, text)
    }

    /// Parses the tokens of one statement by the grammar of Postgres. `text` is what they stand in; of it nothing is read but its
    /// head, where parameters have their names.
    ///
    /// # Errors
    /// Invalid for what is no statement, or one too deep.
    pub fn read(tokens: Vec<TokenWithSpan>, text: &str) -> Result<Self> {
        depth::check_tokens(tokens.iter().map(|token| &token.token))?;
        on_a_stack(|| {
            let mut parser = Parser::new(&PostgreSqlDialect {}).with_tokens_with_locations(tokens);
            let statement = parser.parse_statement().map_err(of_syntax)?;
            parser.expect_token(&Token::EOF).map_err(of_syntax)?;
            Ok(Self { statement: Some(statement), text: text.to_owned() })
        })
    }

    /// The statement, as it was parsed.
    pub fn statement(&self) -> Option<&Statement> {
        self.statement.as_ref()
    }

    /// What it was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same statement once more.
    #[must_use]
    pub fn copied(&self) -> Self {
        Self { statement: on_a_stack(|| self.statement.clone()), text: self.text.clone() }
    }

    /// A copy for the planner.
    pub(super) fn planned(&self) -> Result<Planned> {
        let copy = on_a_stack(|| self.statement.clone()).ok_or_else(|| Error::internal("a statement is gone"))?;
        Ok(Planned::Statement(Box::new(copy)))
    }
}

impl Drop for Parsed {
    fn drop(&mut self) {
        on_a_stack(|| drop(self.statement.take()));
    }
}

/// Runs work that recurses as deeply as a statement, on a stack that is large enough.
fn on_a_stack<T>(work: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(depth::STACK_BYTES / 4, depth::STACK_BYTES, work)
}

fn of_syntax(error: datafusion::sql::sqlparser::parser::ParserError) -> Error {
    Error::from(datafusion::error::DataFusionError::SQL(Box::new(error), None)).of_statement()
}
