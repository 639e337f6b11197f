//! What the audit trail is told of a decision.

use tollgate_catalog::Error;
use tollgate_rewriter::{Secured, SqlDialect};

use crate::audit::{Decision, Meter, Pending};
use crate::pipeline::{Caller, Gateway, Statement};

/// The name of a dialect, unless it is PostgreSQL's.
fn named(dialect: SqlDialect) -> Option<&'static str> {
    (dialect != SqlDialect::PostgreSql).then(|| dialect.name())
}

impl Gateway {
    pub(crate) fn permitted(
        &self,
        (id, meter): (&str, &mut Meter),
        caller: &Caller<'_>,
        statement: &Statement,
        secured: &Secured,
    ) -> Pending {
        let decision = self.audit.decide(Decision {
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
        });
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
        let decision = self.audit.decide(Decision {
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
        });
        meter.decided(&decision);
        decision
    }
}
