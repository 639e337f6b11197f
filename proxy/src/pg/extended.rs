//! The extended protocol: Parse, Bind, Describe, Execute and Close.

use std::sync::Arc;

use arrow::datatypes::DataType;
use pgwire::messages::data::{NoData, ParameterDescription};
use pgwire::messages::extendedquery::{
    BindComplete, CloseComplete, ParseComplete, PortalSuspended,
};
use pgwire::messages::response::EmptyQueryResponse;
use tollgate_catalog::{Error, ErrorKind, pg_type};
use tollgate_gateway::{Description, Outcome, Statement, TransactionState};
use tollgate_rewriter::command::Command;

use super::cursor::Asked;
use super::encode::Format;
use super::error::{Stop, violation};
use super::message::{Bind, Target};
use super::param::{data_type_of_oid, decode_param_as};
use super::portal::{self, Portal, Prepared, Rows, State};
use super::session::Connection;

/// What a prepared statement or a portal weighs beside its text or values.
pub(super) const ENTRY: usize = 1024;

/// The types of the parameters on the wire: as declared, else as the statement asks for.
fn parameter_oids(declared: &[u32], description: &Description) -> Vec<u32> {
    let declared = declared.iter().copied().chain(std::iter::repeat(0));
    let types = description.parameters.iter().zip(declared);
    types.map(|(of, oid)| if oid == 0 { pg_type::of(of).oid } else { oid }).collect()
}

impl Connection {
    /// Parse.
    pub(super) async fn prepare(
        &mut self,
        name: String,
        sql: &str,
        types: &[u32],
    ) -> Result<(), Stop> {
        if name.is_empty() {
            self.statements.remove("");
        } else if self.statements.contains(&name) {
            return Err(Error::new(
                ErrorKind::DuplicateStatement,
                format!("prepared statement \"{name}\" already exists"),
            )
            .into());
        }
        let mut statements = self.session.parse(sql)?;
        let statement = statements.pop();
        if !statements.is_empty() {
            return Err(Error::new(
                ErrorKind::Syntax,
                "cannot insert multiple commands into a prepared statement",
            )
            .with_hint("prepare each statement on its own")
            .into());
        }
        let hints = types.iter().map(|oid| hint(*oid)).collect::<Result<Vec<_>, _>>()?;
        let description = self.description(statement.as_ref(), &hints).await?;
        let bytes = sql.len().saturating_add(ENTRY);
        let declared = types.to_vec();
        let prepared = Prepared { statement, hints, declared, description, described: self.cycle };
        self.statements.set(name, prepared, bytes)?;
        self.wire.put(&ParseComplete::new())
    }

    async fn description(
        &mut self,
        statement: Option<&Statement>,
        hints: &[Option<DataType>],
    ) -> Result<Arc<Description>, Stop> {
        let Some(statement) = statement else {
            return Ok(Arc::new(Description { parameters: Vec::new(), columns: None }));
        };
        if let Some(Command::Fetch(fetch)) = statement.command() {
            let columns = self.fetched(fetch);
            return Ok(Arc::new(Description { parameters: Vec::new(), columns }));
        }
        self.described_query(statement, hints).await
    }

    pub(super) async fn described_query(
        &mut self,
        statement: &Statement,
        hints: &[Option<DataType>],
    ) -> Result<Arc<Description>, Stop> {
        tokio::select! {
            biased;
            description = self.session.describe(statement, hints) => Ok(Arc::new(description?)),
            () = self.wire.gone() => Err(Stop::Gone),
        }
    }

    fn prepared(&mut self, name: &str) -> Result<&mut Prepared, Error> {
        self.statements.get_mut(name).ok_or_else(|| {
            let message = if name.is_empty() {
                "unnamed prepared statement does not exist".to_owned()
            } else {
                format!("prepared statement \"{name}\" does not exist")
            };
            Error::new(ErrorKind::InvalidStatementName, message)
        })
    }

    /// Bind.
    pub(super) fn bind(&mut self, bind: Bind) -> Result<(), Stop> {
        let Bind { portal, statement, formats, values, result_formats } = bind;
        if !portal.is_empty() && self.portals.contains(&portal) {
            return Err(Error::new(
                ErrorKind::DuplicateCursor,
                format!("portal \"{portal}\" already exists"),
            )
            .into());
        }
        let prepared = self.prepared(&statement)?;
        let mut description = Arc::clone(&prepared.description);
        let (inner, described) = (prepared.statement.clone(), prepared.described);
        let declared = prepared.declared.clone();
        if let Some(Command::Fetch(fetch)) = inner.as_ref().and_then(Statement::command) {
            // Of the cursor as it is now.
            let columns = self.fetched(fetch);
            description = Arc::new(Description { parameters: Vec::new(), columns });
        }
        let oids = parameter_oids(&declared, &description);
        let types = &description.parameters;
        if types.len() != values.len() {
            return Err(violation(format!(
                "bind message supplies {} parameters, but prepared statement \"{statement}\" \
                 requires {}",
                values.len(),
                types.len()
            ))
            .into());
        }
        let formats = match portal::formats(&formats)?.as_slice() {
            [] => vec![Format::Text; values.len()],
            [one] => vec![*one; values.len()],
            many if many.len() == values.len() => many.to_vec(),
            many => {
                return Err(violation(format!(
                    "bind message has {} parameter formats but {} parameters",
                    many.len(),
                    values.len()
                ))
                .into());
            }
        };
        let result_formats = portal::formats(&result_formats)?;
        if let Some(columns) = &description.columns {
            portal::each(&result_formats, columns.len())?;
        }
        let bytes = values.iter().flatten().map(|value| value.len()).sum::<usize>() + ENTRY;
        let time_zone = self.session.time_zone();
        let values = values
            .iter()
            .zip(formats)
            .zip(types)
            .zip(oids)
            .map(|(((value, format), data_type), oid)| {
                decode_param_as(oid, value.as_deref(), format, data_type, time_zone)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let bound = Portal {
            statement: inner,
            values,
            formats: result_formats,
            description,
            described,
            state: State::Bound,
            cursor: None,
            passed: 0,
            savepoints: self.session.savepoints(),
            left: None,
        };
        self.portals.set(portal, bound, bytes)?;
        self.wire.put(&BindComplete::new())
    }

    /// Describe. Tables and policies may have changed since Parse, so a description is used only
    /// in the cycle in which it was made.
    pub(super) async fn describe(&mut self, target: Target) -> Result<(), Stop> {
        let cycle = self.cycle;
        let (description, formats) = match target {
            Target::Statement(name) => {
                let prepared = self.prepared(&name)?;
                let mut description = Arc::clone(&prepared.description);
                if prepared.described != cycle {
                    let (statement, hints) = (prepared.statement.clone(), prepared.hints.clone());
                    description = self.description(statement.as_ref(), &hints).await?;
                    let prepared = self.prepared(&name)?;
                    prepared.description = Arc::clone(&description);
                    prepared.described = cycle;
                }
                let types = parameter_oids(&self.prepared(&name)?.declared, &description);
                self.wire.put(&ParameterDescription::new(types))?;
                (description, Vec::new())
            }
            Target::Portal(name) => {
                let portal = self.portal(&name)?;
                let formats = portal.formats.clone();
                let mut description = Arc::clone(&portal.description);
                if portal.described != cycle && matches!(portal.state, State::Bound) {
                    let statement = portal.statement.clone();
                    let hints = fixed(&description);
                    description = self.description(statement.as_ref(), &hints).await?;
                    let portal = self.portal(&name)?;
                    portal.description = Arc::clone(&description);
                    portal.described = cycle;
                }
                (description, formats)
            }
        };
        match &description.columns {
            Some(columns) => self.wire.put(&portal::describe(columns, &formats)?),
            None => self.wire.put(&NoData::new()),
        }
    }

    fn portal(&mut self, name: &str) -> Result<&mut Portal, Error> {
        self.portals.get_mut(name).ok_or_else(|| no_portal(name))
    }

    /// Close: no error if there is nothing of that name.
    pub(super) fn close(&mut self, target: Target) -> Result<(), Stop> {
        match target {
            Target::Statement(name) => drop(self.statements.remove(&name)),
            Target::Portal(name) => drop(self.portals.remove(&name)),
        }
        self.wire.put(&CloseComplete::new())
    }

    /// Execute: a limit of zero or less means all rows.
    pub(super) async fn execute_portal(&mut self, name: String, max_rows: i32) -> Result<(), Stop> {
        let limit = u64::try_from(max_rows).ok().filter(|rows| *rows > 0);
        let waits = |portal: &Portal| matches!(portal.state, State::Rows(_) | State::Exhausted(_));
        if self.session.transaction() == TransactionState::Failed
            && self.portals.get_mut(&name).is_some_and(|portal| waits(portal))
        {
            return Err(failed_transaction().into());
        }
        // Out of the map while it runs: an error drops it, and with it what it holds.
        let (mut portal, bytes) = self.portals.remove(&name).ok_or_else(|| no_portal(&name))?;
        self.cancel.reset();
        self.advance(&name, &mut portal, limit).await?;
        // Its name may be that of the cursor which it has declared.
        if !self.portals.contains(&name) {
            self.portals.set(name, portal, bytes)?;
        }
        Ok(())
    }

    async fn advance(
        &mut self,
        name: &str,
        portal: &mut Portal,
        limit: Option<u64>,
    ) -> Result<(), Stop> {
        portal.left = None;
        let rows = match std::mem::replace(&mut portal.state, State::Done) {
            State::Bound => {
                let Some(statement) = portal.statement.clone() else {
                    portal.state = State::Bound;
                    return self.wire.put(&EmptyQueryResponse::new());
                };
                let hints = fixed(&portal.description);
                let values = std::mem::take(&mut portal.values);
                if statement.is_of_the_protocol() {
                    let formats = &portal.formats;
                    let told = portal.description.columns.as_deref();
                    let asked = Asked::Extended { hints: &hints, values, formats, limit, told };
                    return self.delivered(&statement, asked).await.map(drop);
                }
                if limit.is_some() {
                    self.portals_may_start()?;
                }
                match self.execute(&statement, &hints, values).await? {
                    Outcome::Empty => return self.wire.put(&EmptyQueryResponse::new()),
                    Outcome::Command { tag } => return self.complete(tag),
                    Outcome::Rows(stream) => {
                        let told = portal.description.columns.as_deref().unwrap_or_default();
                        portal::same_types(told, stream.columns())?;
                        Rows::new(stream, &portal.formats, self.session.time_zone())?
                    }
                }
            }
            State::Rows(mut rows) => {
                rows.resume(&portal.formats, &self.session)?;
                *rows
            }
            State::Exhausted(tag) => {
                portal.state = State::Exhausted(tag.clone());
                return self.complete(tag);
            }
            State::Done => {
                return Err(Error::new(
                    ErrorKind::InvalidCursorName,
                    format!("portal \"{name}\" cannot be run"),
                )
                .into());
            }
        };
        let mut rows = Box::new(rows);
        let pumped = rows.pump(&mut self.wire, limit, &self.cancel).await?;
        portal.passed += pumped.rows;
        if pumped.ended {
            portal.state = State::Exhausted(rows.tag(0));
            let tag = rows.tag(pumped.rows);
            self.complete_rows(&mut rows, tag)
        } else {
            portal.leave(rows);
            self.notices()?;
            self.wire.put(&PortalSuspended::new())
        }
    }
}

/// The type that a parameter's OID says; 0 and `unknown` leave it to the statement.
fn hint(oid: u32) -> Result<Option<DataType>, Error> {
    if oid == 0 || oid == pg_type::UNKNOWN.oid {
        return Ok(None);
    }
    match data_type_of_oid(oid) {
        Some(data_type) => Ok(Some(data_type)),
        None => Err(Error::new(
            ErrorKind::UndefinedObject,
            format!("type with OID {oid} does not exist"),
        )
        .with_hint("leave the type of the parameter unspecified, or cast it in the statement")),
    }
}

/// The types with which values were decoded are those with which the statement has to run.
pub(super) fn fixed(description: &Description) -> Vec<Option<DataType>> {
    description.parameters.iter().cloned().map(Some).collect()
}

fn no_portal(name: &str) -> Error {
    Error::new(ErrorKind::InvalidCursorName, format!("portal \"{name}\" does not exist"))
}

fn failed_transaction() -> Error {
    Error::new(
        ErrorKind::InFailedTransaction,
        "current transaction is aborted, commands ignored until end of transaction block",
    )
    .with_hint("end the transaction with ROLLBACK")
}
