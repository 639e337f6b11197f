//! What the audit trail is told of a decision.

use std::collections::BTreeSet;

use tollgate_catalog::Error;
use tollgate_rewriter::{Secured, SqlDialect};

use crate::audit::{Decision, Ending, Meter, Pending, Reads, Statements};
use crate::introspect::View;
use crate::pipeline::{Caller, Gateway, Statement};
use crate::revocation::revoked;
use crate::state::{State, circumstances};

/// What a call of a front end is written in that asks for the catalog without a statement.
pub(crate) const CALLS: &str = "flight sql";

/// The name of a dialect, unless it is PostgreSQL's.
fn named(dialect: SqlDialect) -> Option<&'static str> {
    (dialect != SqlDialect::PostgreSql).then(|| dialect.name())
}

impl Gateway {
    /// How much of a statement's text is recorded. Roles that are switched off count, too.
    fn kept(&self, caller: &Caller<'_>, active: &BTreeSet<String>, reads: Reads<'_>) -> Statements {
        let rules = self.audit.rules();
        if rules.rules.is_empty() {
            return rules.all;
        }
        let held = self.state().bundle.roles_of(caller.principal);
        rules.of(&held.union(active).cloned().collect(), reads)
    }

    pub(crate) fn permitted(
        &self,
        (id, meter): (&str, &mut Meter),
        caller: &Caller<'_>,
        statement: &Statement,
        secured: &Secured,
    ) -> Pending {
        let decision = Decision {
            id,
            principal: caller.principal.name(),
            tenant: self.audit.tenant(caller.principal),
            roles: secured.roles().iter().map(String::as_str).collect(),
            address: caller.principal.address().to_string(),
            application: caller.application,
            dialect: named(statement.parsed().dialect()),
            sql: secured.sql(),
            secured_sql: Some(secured.secured_sql()),
            bundle: secured.bundle_hash(),
            snapshot: secured.snapshot_version(),
            tables: secured.tables().iter().map(ToString::to_string).collect(),
            policies: secured
                .policies()
                .iter()
                .chain(secured.limits().bound().iter().map(|bound| &bound.limit.policy))
                .map(|policy| {
                    format!("{} {} at {}:{}", policy.kind, policy.name, policy.file, policy.line)
                })
                .collect(),
            outcome: "permitted",
            error: None,
        };
        let kept = self.kept(caller, secured.roles(), Reads::Tables(secured.named()));
        let decision = self.audit.decide(decision, kept);
        meter.decided(&decision);
        decision
    }

    pub(crate) fn refused(
        &self,
        (id, meter): (&str, &mut Meter),
        caller: &Caller<'_>,
        statement: &Statement,
        error: &Error,
    ) -> Pending {
        let state = self.state();
        let roles = state.bundle.roles_of(caller.principal);
        let decision = Decision {
            id,
            principal: caller.principal.name(),
            tenant: self.audit.tenant(caller.principal),
            roles: roles.iter().map(String::as_str).collect(),
            address: caller.principal.address().to_string(),
            application: caller.application,
            dialect: named(statement.parsed().dialect()),
            sql: statement.sql(),
            secured_sql: None,
            bundle: state.bundle.hash(),
            snapshot: state.snapshot.version(),
            tables: Vec::new(),
            policies: Vec::new(),
            outcome: "denied",
            error: Some(error.kind().label()),
        };
        let kept = self.kept(caller, &roles, Reads::Unknown);
        let decision = self.audit.decide(decision, kept);
        meter.decided(&decision);
        decision
    }

    /// What a caller may see of the catalog, for a front end that answers from it by itself. It is recorded as
    /// a statement that queries the system catalogs is; whoever answers counts what is sent.
    pub(crate) async fn introspect(
        &self,
        caller: &Caller<'_>,
        asked: &str,
    ) -> Result<(View, Meter), Error> {
        let (id, mut meter) = self.meter(caller);
        let state = self.state();
        let active = circumstances(caller.principal).and_then(|circumstances| {
            Ok(state.standing(caller.principal, &circumstances)?.active().clone())
        });
        let asked = (state.as_ref(), asked);
        self.introspected((&id, &mut meter), caller, asked, active.as_ref()).durable().await?;
        if let Err(error) = active {
            meter.end(Ending::Denied(error.kind()));
            return Err(error);
        }
        // Access may have been revoked while the record was written: what is seen is what is in force now.
        let view = match caller.ended.is_cancelled() {
            true => Err(revoked()),
            false => self.view(caller),
        };
        match view {
            Ok(view) => Ok((view, meter)),
            Err(error) => {
                meter.end(Ending::Failed(error.kind()));
                Err(error)
            }
        }
    }

    fn introspected(
        &self,
        (id, meter): (&str, &mut Meter),
        caller: &Caller<'_>,
        (state, asked): (&State, &str),
        active: Result<&BTreeSet<String>, &Error>,
    ) -> Pending {
        let error = active.err();
        let roles = match active {
            Ok(active) => active.clone(),
            Err(_) => state.bundle.roles_of(caller.principal),
        };
        meter.under(&roles);
        let decision = Decision {
            id,
            principal: caller.principal.name(),
            tenant: self.audit.tenant(caller.principal),
            roles: roles.iter().map(String::as_str).collect(),
            address: caller.principal.address().to_string(),
            application: caller.application,
            dialect: Some(CALLS),
            sql: asked,
            secured_sql: None,
            bundle: state.bundle.hash(),
            snapshot: state.snapshot.version(),
            tables: Vec::new(),
            policies: Vec::new(),
            outcome: if error.is_some() { "denied" } else { "permitted" },
            error: error.map(|error| error.kind().label()),
        };
        let kept = self.kept(caller, &roles, Reads::Unknown);
        let pending = self.audit.decide(decision, kept);
        meter.decided(&pending);
        pending
    }
}
