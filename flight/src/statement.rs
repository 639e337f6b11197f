//! A statement between its text and its rows: described, sealed into handles, redeemed from them.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use bytes::Bytes;
use rand::RngCore;
use tollgate_catalog::{Error, ErrorKind};
use tollgate_gateway::{Session, SqlDialect, Statement};

use crate::auth::{Caller, Shared, now};
use crate::handle::{Handle, Kind, invalid};
use crate::options::Options;
use crate::parameters::Parameters;
use crate::schema;
use crate::status::{Answer, status};

/// A statement that returns rows, and what it takes and gives.
pub(crate) struct Described {
    pub(crate) session: Session,
    pub(crate) statement: Statement,
    /// The schema of its rows.
    pub(crate) schema: SchemaRef,
    /// The types of its parameters.
    pub(crate) parameters: Vec<DataType>,
    /// Hash of what was decided.
    decision: Bytes,
}

/// Describes a statement under a session's options; `hints` are types of parameters.
pub(crate) async fn describe(
    shared: &Shared,
    caller: &Caller,
    sql: &str,
    options: &Options,
    hints: &[Option<DataType>],
) -> Answer<Described> {
    let mut session = shared.session(caller, options)?;
    describe_in(&mut session, sql, hints).await.map_err(|error| status(&error)).map(
        |(statement, schema, parameters)| {
            let decision = decision(&statement);
            Described { session, statement, schema, parameters, decision }
        },
    )
}

fn decision(statement: &Statement) -> Bytes {
    statement.decision().map(|hash| Bytes::copy_from_slice(&hash)).unwrap_or_default()
}

async fn describe_in(
    session: &mut Session,
    sql: &str,
    hints: &[Option<DataType>],
) -> Result<(Statement, SchemaRef, Vec<DataType>), Error> {
    encoded(sql)?;
    let mut statements = session.parse(sql)?;
    let statement =
        statements.pop().ok_or_else(|| Error::new(ErrorKind::Syntax, "the statement is empty"))?;
    if !statements.is_empty() {
        return Err(Error::new(
            ErrorKind::Syntax,
            "cannot insert multiple commands into a prepared statement",
        )
        .with_hint("send each statement on its own"));
    }
    let description = session.describe(&statement, hints).await?;
    let columns = description.columns.ok_or_else(no_commands)?;
    Ok((statement, schema::of(&columns), description.parameters))
}

/// Refuses zero bytes in a text that is recorded: no text of PostgreSQL holds one, and its protocol couldn't send
/// the record.
pub(crate) fn encoded(text: &str) -> Result<(), Error> {
    if text.contains('\0') {
        let text = "invalid byte sequence for encoding \"UTF8\": 0x00";
        return Err(Error::new(ErrorKind::InvalidEncoding, text));
    }
    Ok(())
}

fn no_commands() -> Error {
    Error::not_supported("a command that returns no rows over Flight SQL").with_hint(
        "calls share no session: use the session options \"catalog\", \"schema\" and \"dialect\"",
    )
}

/// What happens to a statement that a client takes for an update: it is refused, as everywhere.
pub(crate) async fn update(shared: &Shared, caller: &Caller, sql: &str) -> Error {
    let described = match shared.session(caller, &caller.options) {
        Ok(mut session) => describe_in(&mut session, sql, &[]).await,
        Err(_) => return Error::internal("no session"),
    };
    match described {
        Err(error) => error,
        Ok(_) => Error::new(ErrorKind::InvalidParameterValue, "the statement returns rows")
            .with_hint("run it as a query"),
    }
}

impl Described {
    /// Seals the statement for its caller, with bound parameters if there are any.
    pub(crate) fn seal(
        &self,
        shared: &Shared,
        caller: &Caller,
        options: &Options,
        parameters: Bytes,
        kind: Kind,
    ) -> Answer<Bytes> {
        let lifetime = match kind {
            Kind::Prepared => shared.settings.token_lifetime,
            Kind::Ticket | Kind::Polled => shared.settings.ticket_lifetime,
        };
        let mut id = [0; 16];
        rand::rng().fill_bytes(&mut id);
        let handle = Handle {
            id: Bytes::copy_from_slice(&id),
            principal: caller.principal.name().to_owned(),
            sql: self.statement.sql().to_owned(),
            schema: options.schema.clone(),
            dialect: match options.dialect {
                SqlDialect::PostgreSql => String::new(),
                other => other.name().to_owned(),
            },
            decision: self.decision.clone(),
            expires: now().saturating_add(lifetime.as_secs()),
            parameters,
            polled: kind == Kind::Polled,
        };
        handle.seal(&shared.keys(), kind)
    }

    /// Refuses a statement whose parameters have no values yet.
    pub(crate) fn all_bound(&self, handle: Option<&Handle>) -> Answer<()> {
        let bound = handle.is_some_and(|handle| !handle.parameters.is_empty());
        if self.parameters.is_empty() || bound {
            return Ok(());
        }
        let count = self.parameters.len();
        Err(status(
            &Error::new(
                ErrorKind::InvalidParameterValue,
                format!("the statement needs {count} parameters, but none were given"),
            )
            .with_hint("prepare the statement and bind values to its parameters"),
        ))
    }

    /// Whether what is decided now is what a handle was made under.
    pub(crate) fn is_as_decided(&self, handle: &Handle) -> bool {
        decision(&self.statement) == handle.decision
    }
}

/// Opens a handle and decides its statement anew.
pub(crate) async fn redeem(
    shared: &Shared,
    caller: &Caller,
    sealed: &[u8],
    kind: Kind,
) -> Answer<(Handle, Described, Option<Parameters>)> {
    let handle = Handle::open(&shared.keys(), kind, sealed, &caller.principal, now())?;
    let parameters = Parameters::from_handle(&handle)?;
    let hints = parameters.as_ref().map(Parameters::hints).unwrap_or_default();
    let options = handle.options()?;
    let described = describe(shared, caller, &handle.sql, &options, &hints).await;
    // Refused now, or permitted otherwise than before: the handle is out of date either way.
    let described = described.map_err(|_| invalid("its statement is refused now"))?;
    if !described.is_as_decided(&handle) {
        return Err(invalid("another decision is in force"));
    }
    Ok((handle, described, parameters))
}

/// The schema of a prepared statement's result, for whoever may redeem it.
pub(crate) async fn prepared_schema(
    shared: &Shared,
    caller: &Caller,
    sealed: &[u8],
) -> Answer<SchemaRef> {
    let (_, described, _) = redeem(shared, caller, sealed, Kind::Prepared).await?;
    Ok(Arc::clone(&described.schema))
}
