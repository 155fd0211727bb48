//! The simple protocol: statements in one message of text, `a; b; c`. All are parsed before the first runs, and an error ends them
//! all.

use pgwire::messages::PgWireBackendMessage as Out;
use pgwire::messages::response::EmptyQueryResponse;

use super::command::{self, Command};
use super::obey::Way;
use super::pieces;
use super::session::Session;
use super::socket::Broken;

impl Session {
    pub(super) async fn simple(&mut self, text: &str) -> Result<(), Broken> {
        let pieces = pieces::split(text)?;
        if pieces.is_empty() {
            self.socket.put(&Out::EmptyQueryResponse(EmptyQueryResponse::new()));
            return Ok(());
        }
        let commands: Vec<Command> = pieces.iter().map(command::read).collect::<Result<_, _>>()?;
        let way = Way { describes: true, formats: &[], values: &[], is_together: commands.len() > 1 };
        for command in &commands {
            if let Command::Ask(_, parameters @ 1..) | Command::Declare { parameters: parameters @ 1.., .. } = command {
                let message = format!("there is no parameter ${parameters}");
                return Err(super::failure::Failure::new("42P02", message).into());
            }
            self.obey(command, &way).await?;
        }
        Ok(())
    }
}
