//! Cursors: DECLARE, FETCH, MOVE and CLOSE, over the portals of the protocol, with which they share their names.
//!
//! Rows are given as they come, so they are read forwards only, and a cursor `WITH HOLD` goes on as it is after
//! its transaction: nothing is kept but what the query itself holds. A paused query holds no place.

use std::time::Instant;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use tollgate_catalog::{Error, ErrorKind};
use tollgate_gateway::{Outcome, OutputColumn, Statement, TransactionState};
use tollgate_rewriter::command::Command;
use tollgate_rewriter::delivery::{Declared, Delivery, Fetch, Reach};

use super::encode::Format;
use super::error::{Stop, violation};
use super::extended::{ENTRY, fixed};
use super::portal::{self, Portal, Rows, State};
use super::session::Connection;

/// The most results of one session that wait for the client to fetch more.
const MOST_WAITING: usize = 64;

/// What is a cursor of SQL beside a portal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor {
    /// Whether FETCH of the simple protocol gives values in binary.
    binary: bool,
    life: Life,
}

/// How long a cursor lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// As long as its transaction.
    Transaction,
    /// Longer, if that is committed.
    Hold,
    /// It is: until it is closed, or the session ends.
    Held,
}

/// How a statement was asked for.
pub(super) enum Asked<'a> {
    /// By the simple protocol, in a text of several statements or by itself.
    Simple { several: bool },
    /// By the extended one.
    Extended {
        hints: &'a [Option<DataType>],
        values: Vec<ScalarValue>,
        formats: &'a [Format],
        limit: Option<u64>,
        /// What the client was told of the columns.
        told: Option<&'a [OutputColumn]>,
    },
}

impl Connection {
    /// Runs what the session leaves to this protocol, cursors and COPY; false if the statement is something else.
    pub(super) async fn delivered(
        &mut self,
        statement: &Statement,
        asked: Asked<'_>,
    ) -> Result<bool, Stop> {
        if let Some((delivery, query)) = statement.delivered() {
            self.session.refuse_in_failed_block(statement)?;
            match delivery {
                Delivery::Cursor(declared) => self.declare(declared, query, asked).await?,
                Delivery::Copy(format) => self.copy_out(&query, format).await?,
            }
            return Ok(true);
        }
        match statement.command() {
            Some(Command::Fetch(fetch)) => {
                self.session.refuse_in_failed_block(statement)?;
                self.fetch(fetch, asked).await?;
            }
            Some(Command::Close(name)) => {
                self.session.refuse_in_failed_block(statement)?;
                self.close_cursor(name.as_deref())?;
            }
            Some(_) | None => return Ok(false),
        }
        Ok(true)
    }

    async fn declare(
        &mut self,
        declared: &Declared,
        query: Statement,
        asked: Asked<'_>,
    ) -> Result<(), Stop> {
        let Declared { name, binary, hold } = declared.clone();
        let (hints, values, several) = match asked {
            Asked::Simple { several } => (&[][..], Vec::new(), several),
            Asked::Extended { hints, values, .. } => (hints, values, false),
        };
        if !hold && !several && self.session.transaction() == TransactionState::Idle {
            return Err(Error::new(
                ErrorKind::NoActiveTransaction,
                "DECLARE CURSOR can only be used in transaction blocks",
            )
            .with_hint("begin a transaction, or declare the cursor WITH HOLD")
            .into());
        }
        if self.portals.contains(&name) {
            return Err(Error::new(
                ErrorKind::DuplicateCursor,
                format!("cursor \"{name}\" already exists"),
            )
            .into());
        }
        // Refuses at once what its first FETCH would refuse.
        let description = self.described_query(&query, hints).await?;
        if description.parameters.len() != values.len() {
            return Err(violation(format!(
                "the cursor's query needs {} parameters, but {} were given",
                description.parameters.len(),
                values.len()
            ))
            .into());
        }
        let bytes = query.sql().len() + values.iter().map(ScalarValue::size).sum::<usize>() + ENTRY;
        let life = if hold { Life::Hold } else { Life::Transaction };
        let cursor = Portal {
            statement: Some(query),
            values,
            formats: Vec::new(),
            description,
            described: self.cycle,
            state: State::Bound,
            cursor: Some(Cursor { binary, life }),
            passed: 0,
            savepoints: self.session.savepoints(),
            left: None,
        };
        self.portals.set(name, cursor, bytes)?;
        self.complete("DECLARE CURSOR".to_owned())
    }

    async fn fetch(&mut self, fetch: &Fetch, asked: Asked<'_>) -> Result<(), Stop> {
        let name = &fetch.cursor;
        let portal = self.portals.get_mut(name).ok_or_else(|| no_cursor(name))?;
        if portal.statement.as_ref().is_none_or(Statement::is_of_the_protocol) {
            return Err(no_cursor(name).into());
        }
        let (skip, take) = match fetch.reach {
            // The row at which it stands, which nobody gets.
            Reach::Next(0) | Reach::Relative(0) if fetch.moves => {
                let count = u64::from(portal.is_at_row());
                return self.complete(format!("MOVE {count}"));
            }
            reach => portal.steps(reach)?,
        };
        let columns = portal.description.columns.clone();
        let columns = columns.ok_or_else(|| no_cursor(name))?;
        let binary = portal.cursor.is_some_and(|cursor| cursor.binary);
        let (simple, formats) = match asked {
            Asked::Simple { .. } if binary => (true, vec![Format::Binary]),
            Asked::Simple { .. } => (true, Vec::new()),
            Asked::Extended { limit: Some(limit), .. }
                if !fetch.moves && take.is_none_or(|take| take > limit) =>
            {
                return Err(Error::not_supported("a number of rows for a FETCH of more rows")
                    .with_hint("fetch so many rows with FETCH itself")
                    .into());
            }
            Asked::Extended { formats, told, .. } => {
                if !fetch.moves {
                    portal::same_types(told.unwrap_or_default(), &columns)?;
                }
                (false, formats.to_vec())
            }
        };
        if simple && !fetch.moves {
            self.wire.put(&portal::describe(&columns, &formats)?)?;
        }
        // Out of the map while it runs: an error drops it, and with it what it holds.
        let Some((mut portal, bytes)) = self.portals.remove(name) else {
            return Err(no_cursor(name).into());
        };
        let formats = if fetch.moves { portal.formats.clone() } else { formats };
        let count = self.step(name, &mut portal, &formats, (skip, take), fetch.moves).await?;
        self.portals.set(name.clone(), portal, bytes)?;
        self.complete(format!("{} {count}", if fetch.moves { "MOVE" } else { "FETCH" }))
    }

    /// Passes by some rows and gives some, or passes them by as well; how many of these there were.
    async fn step(
        &mut self,
        name: &str,
        portal: &mut Portal,
        formats: &[Format],
        (skip, take): (u64, Option<u64>),
        moves: bool,
    ) -> Result<u64, Stop> {
        if take == Some(0) {
            return Ok(0);
        }
        portal.left = None;
        let mut rows = match std::mem::replace(&mut portal.state, State::Done) {
            State::Bound => {
                self.portals_may_start()?;
                Box::new(self.begin(portal, formats).await?)
            }
            State::Rows(mut rows) => {
                rows.resume(formats, &self.session)?;
                rows
            }
            State::Exhausted(tag) => {
                portal.state = State::Exhausted(tag);
                return Ok(0);
            }
            State::Done => return Err(no_cursor(name).into()),
        };
        let mut pumped = rows.pass(&mut self.wire, Some(skip)).await?;
        portal.passed += pumped.rows;
        let mut count = 0;
        if !pumped.ended {
            pumped = match moves {
                true => rows.pass(&mut self.wire, take).await?,
                false => rows.pump(&mut self.wire, take, &self.cancel).await?,
            };
            count = pumped.rows;
            portal.passed += count;
        }
        if pumped.ended {
            self.notice(&mut rows)?;
            portal.state = State::Exhausted(rows.tag(0));
        } else {
            portal.leave(rows);
        }
        Ok(count)
    }

    /// Runs a portal's query up to its first row.
    async fn begin(&mut self, portal: &mut Portal, formats: &[Format]) -> Result<Rows, Stop> {
        let statement = portal.statement.clone();
        let statement = statement.ok_or_else(|| Error::internal("a cursor without a query"))?;
        let (hints, values) = (fixed(&portal.description), std::mem::take(&mut portal.values));
        let Outcome::Rows(stream) = self.execute(&statement, &hints, values).await? else {
            return Err(Error::internal("a cursor of what gives no rows").into());
        };
        let told = portal.description.columns.as_deref().unwrap_or_default();
        portal::same_types(told, stream.columns())?;
        Ok(Rows::new(stream, formats, self.session.time_zone())?)
    }

    fn close_cursor(&mut self, name: Option<&str>) -> Result<(), Stop> {
        let Some(name) = name else {
            self.portals.clear();
            return self.complete("CLOSE CURSOR ALL".to_owned());
        };
        if self.portals.remove(name).is_none() {
            return Err(no_cursor(name).into());
        }
        self.complete("CLOSE CURSOR".to_owned())
    }

    /// The columns that FETCH gives, if its cursor is there.
    pub(super) fn fetched(
        &mut self,
        fetch: &Fetch,
    ) -> Option<std::sync::Arc<[tollgate_gateway::OutputColumn]>> {
        let portal = self.portals.get_mut(&fetch.cursor).filter(|_| !fetch.moves)?;
        portal.description.columns.clone()
    }

    /// A transaction has ended, or a statement outside of one: what lives no longer goes.
    pub(super) fn settle(&mut self, committed: bool) {
        self.portals.retain(|portal| match &mut portal.cursor {
            Some(cursor) if committed && cursor.life == Life::Hold => {
                cursor.life = Life::Held;
                true
            }
            Some(cursor) => cursor.life == Life::Held,
            None => false,
        });
    }

    /// A statement has failed, or its block goes back to a savepoint: what was made since the last one goes.
    pub(super) fn unwind(&mut self) {
        let depth = self.session.savepoints();
        self.portals.retain(|portal| {
            let held = portal.cursor.is_some_and(|cursor| cursor.life == Life::Held);
            held || portal.savepoints < depth
        });
    }

    /// A savepoint is released: what was made after it belongs to the one before.
    pub(super) fn released(&mut self) {
        let depth = self.session.savepoints();
        self.portals.retain(|portal| {
            portal.savepoints = portal.savepoints.min(depth);
            true
        });
    }

    /// When the first of the results that wait for the client has waited too long.
    pub(super) fn unread_until(&self) -> Option<Instant> {
        self.portals.values().filter_map(|portal| portal.left).min().map(|left| left + self.unread)
    }

    /// Gives up results that the client has left unread for too long.
    pub(super) fn give_up_unread(&mut self) {
        let unread = self.unread;
        self.portals.retain(|portal| portal.left.is_none_or(|left| left.elapsed() < unread));
    }

    /// Whether one more query may begin whose rows the client takes bit by bit.
    pub(super) fn portals_may_start(&self) -> Result<(), Error> {
        let waiting = self.portals.values().filter(|portal| portal.left.is_some()).count();
        if waiting < MOST_WAITING {
            return Ok(());
        }
        Err(Error::new(ErrorKind::ProgramLimit, "too many results wait to be fetched")
            .with_hint("close cursors and portals that are no longer read"))
    }
}

impl Portal {
    /// Whether it stands at a row: it has given one, and the rows haven't ended.
    fn is_at_row(&self) -> bool {
        self.passed > 0 && !matches!(self.state, State::Exhausted(_))
    }

    /// How many rows to pass by, and how many to give then; `None` is all.
    fn steps(&self, reach: Reach) -> Result<(u64, Option<u64>), Error> {
        match reach {
            // The row at which it stands would be given again.
            Reach::Next(0) | Reach::Relative(0) if self.is_at_row() => Err(forwards()),
            Reach::Next(0) | Reach::Relative(0) => Ok((0, Some(0))),
            Reach::Absolute(0) if self.passed == 0 => Ok((0, Some(0))),
            Reach::Next(count) => Ok((0, Some(count))),
            Reach::All => Ok((0, None)),
            Reach::Relative(count) => Ok((count.saturating_sub(1), Some(1))),
            Reach::Absolute(number) if number > self.passed => {
                Ok((number - self.passed - 1, Some(1)))
            }
            Reach::Absolute(_) | Reach::Back => Err(forwards()),
        }
    }
}

fn no_cursor(name: &str) -> Error {
    Error::new(ErrorKind::InvalidCursorName, format!("cursor \"{name}\" does not exist"))
}

fn forwards() -> Error {
    Error::new(ErrorKind::NotInPrerequisiteState, "cursor can only scan forward")
        .with_hint("read its rows in order: those that were read are not kept")
}
