//! What only rehearsals may ask: why, with policies and with names that are hidden from the user. It
//! is for an operator's own terminal; a gateway that serves clients refuses it.

use std::sync::Arc;

use tollgate_catalog::{Error, TableName};
use tollgate_identity::Principal;
use tollgate_policy::explain::{CallerExplanation, Explanation, Rights, explain, explain_caller};
use tollgate_rewriter::Prepared;
use tollgate_rewriter::statement::Body;

use super::Session;
use crate::pipeline::{Gateway, Statement};
use crate::state::circumstances;

impl Gateway {
    fn is_for_operators(&self) -> Result<(), Error> {
        if self.audit.is_rehearsal() {
            Ok(())
        } else {
            Err(Error::internal("a gateway that serves doesn't show its policies"))
        }
    }

    /// Why a principal sees what it sees of a table or a view; `None` if there is none of that name.
    ///
    /// # Errors
    /// The gateway serves clients.
    pub fn why(
        &self,
        principal: &Principal,
        table: &TableName,
        rights: Rights,
    ) -> Result<Option<Explanation>, Error> {
        self.is_for_operators()?;
        let (state, circumstances) = (self.state(), circumstances(principal)?);
        let table = state.snapshot.table(table);
        Ok(table.map(|table| explain(&state.bundle, principal, &circumstances, table, rights)))
    }

    /// Which roles a principal has, and why not others.
    ///
    /// # Errors
    /// The gateway serves clients.
    pub fn who(&self, principal: &Principal) -> Result<CallerExplanation, Error> {
        self.is_for_operators()?;
        Ok(explain_caller(&self.state().bundle, principal, &circumstances(principal)?))
    }
}

impl Session {
    /// What would run instead of a query: its text and plan name what policies do.
    ///
    /// # Errors
    /// Those of an execution before any row, and the gateway serves clients.
    pub async fn secured(&mut self, statement: &Statement) -> Result<Arc<Prepared>, Error> {
        self.gateway.is_for_operators()?;
        self.refuse_in_failed_block(statement)?;
        match statement.parsed().body() {
            Body::Query(_) => self.gateway.look(&self.caller(), statement, &[]).await,
            Body::Explain(_)
            | Body::ExplainAccess(_)
            | Body::Command(_)
            | Body::Delivered { .. }
            | Body::Prepare { .. }
            | Body::Execute { .. } => {
                Err(Error::not_supported("an explanation of anything but a query"))
            }
        }
    }
}
