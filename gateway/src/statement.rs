//! What kind a statement is of.

use tollgate_rewriter::Parsed;
use tollgate_rewriter::command::Command;
use tollgate_rewriter::delivery::Delivery;
use tollgate_rewriter::statement::Body;

use crate::pipeline::Statement;

impl Statement {
    /// The query in it and how its rows are to be delivered, if it says so.
    pub fn delivered(&self) -> Option<(&Delivery, Statement)> {
        match self.parsed().body() {
            Body::Delivered { delivery, query } => {
                Some((delivery, Statement::new(Parsed::clone(query))))
            }
            _ => None,
        }
    }

    /// The session command that it is.
    pub fn command(&self) -> Option<&Command> {
        match self.parsed().body() {
            Body::Command(command) => Some(command),
            _ => None,
        }
    }

    /// Whether the session leaves it to the PostgreSQL front end: a cursor's, or a COPY.
    pub fn is_of_the_protocol(&self) -> bool {
        let command = |command: &Command| matches!(command, Command::Fetch(_) | Command::Close(_));
        matches!(self.parsed().body(), Body::Delivered { .. })
            || self.command().is_some_and(command)
    }

    /// Whether it returns rows, as far as its text tells.
    pub fn returns_rows_hint(&self) -> bool {
        match self.parsed().body() {
            Body::Query(_) | Body::Explain(_) | Body::ExplainAccess(_) | Body::Execute { .. } => {
                true
            }
            Body::Command(command) => {
                matches!(command, Command::Show(_))
            }
            Body::Prepare { .. } | Body::Delivered { .. } => false,
        }
    }
}
