//! The simple protocol: one string, any number of statements, text results.

use pgwire::messages::response::EmptyQueryResponse;
use tollgate_gateway::Outcome;

use super::cursor::Asked;
use super::error::Stop;
use super::portal::{self, Rows};
use super::session::Connection;

impl Connection {
    /// Runs the statements of one Query in order; the first error ends it.
    pub(super) async fn query(&mut self, sql: &str) -> Result<(), Stop> {
        // As in PostgreSQL, the unnamed ones end here.
        self.statements.remove("");
        self.portals.remove("");
        self.cancel.reset();
        let statements = self.session.parse(sql)?;
        if statements.is_empty() {
            self.wire.put(&EmptyQueryResponse::new())?;
        }
        for statement in &statements {
            self.relieve().await?;
            if self.delivered(statement, Asked::Simple { several: statements.len() > 1 }).await? {
                continue;
            }
            match self.execute(statement, &[], Vec::new()).await? {
                Outcome::Empty => self.wire.put(&EmptyQueryResponse::new())?,
                Outcome::Command { tag } => self.complete(tag)?,
                Outcome::Rows(stream) => {
                    self.wire.put(&portal::describe(stream.columns(), &[])?)?;
                    let mut rows = Rows::new(stream, &[], self.session.time_zone())?;
                    let pumped = rows.pump(&mut self.wire, None, &self.cancel).await?;
                    let tag = rows.tag(pumped.rows);
                    self.complete_rows(&mut rows, tag)?;
                }
            }
        }
        self.ready().await
    }
}
