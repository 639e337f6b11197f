//! The loop of one session: a message comes, its answer goes.

use std::time::{Duration, Instant};

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use pgwire::messages::response::{CommandComplete, ReadyForQuery, TransactionStatus};
use pgwire::messages::startup::ParameterStatus;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tollgate_catalog::{Error, ErrorKind};
use tollgate_gateway::{CancelToken, Outcome, Session, Statement, TransactionState, revocation};

use super::cancel::Registration;
use super::error::{self, Stop};
use super::message::{self, Message};
use super::portal::{Named, Portal, Prepared, Rows};
use super::startup::Welcome;
use super::wire::{FULL, Wire};
use crate::listener::{Limits, stopping};

/// A session's end of the conversation.
pub(crate) struct Connection {
    pub(super) wire: Wire,
    pub(super) session: Session,
    pub(super) cancel: CancelToken,
    pub(super) statements: Named<Prepared>,
    pub(super) portals: Named<Portal>,
    /// Counts the stretches from Sync to Sync.
    pub(super) cycle: u64,
    /// An error in the extended protocol: all is skipped until Sync.
    skipping: bool,
    /// The last thing that the client read is that we are ready.
    at_rest: bool,
    /// How long results may wait for the client to fetch more.
    pub(super) unread: Duration,
    _registration: Registration,
    _slot: OwnedSemaphorePermit,
}

impl Connection {
    pub(crate) fn new(wire: Wire, welcome: Welcome, limits: &Limits) -> Self {
        let Welcome { session, cancel, registration, slot } = welcome;
        let most_bytes = limits.max_message.saturating_mul(4);
        Self {
            wire,
            session,
            cancel,
            statements: Named::new(limits.statements, most_bytes),
            portals: Named::new(limits.statements, most_bytes),
            cycle: 0,
            skipping: false,
            at_rest: false,
            unread: limits.stall,
            _registration: registration,
            _slot: slot,
        }
    }

    /// Serves the client until one side ends it.
    pub(crate) async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let ended = self.session.ended().clone();
        let stop = tokio::select! {
            biased;
            // Whatever runs is dropped here. The output holds whole messages at every await.
            () = ended.cancelled() => Stop::Fatal(revocation::ended()),
            stop = self.converse(&mut shutdown) => stop,
        };
        // Whatever still runs ends before the farewell, which may have to wait for the client.
        let wire = self.into_wire();
        match stop {
            Stop::Error(error) | Stop::Fatal(error) => wire.last_words(&error).await,
            Stop::Gone => wire.close().await,
        }
    }

    fn into_wire(self) -> Wire {
        self.wire
    }

    async fn converse(&mut self, shutdown: &mut watch::Receiver<bool>) -> Stop {
        if let Err(stop) = self.ready().await {
            return stop;
        }
        loop {
            let (idle, unread) = (self.session.idle_limit(), self.unread_until());
            let frame = tokio::select! {
                biased;
                () = stopping(shutdown), if self.at_rest => {
                    return Stop::Fatal(Error::new(
                        ErrorKind::AdminShutdown,
                        "terminating connection due to administrator command",
                    ));
                }
                () = until(unread) => {
                    self.give_up_unread();
                    continue;
                }
                () = silence(idle), if self.at_rest => {
                    return Stop::Fatal(Error::new(
                        ErrorKind::IdleInTransaction,
                        "terminating connection due to idle-in-transaction timeout",
                    ));
                }
                frame = self.wire.frame() => match frame {
                    Ok(frame) => frame,
                    Err(stop) => return stop,
                },
            };
            self.at_rest = false;
            let kind = frame.kind;
            if self.skipping && kind != b'S' && kind != b'X' {
                continue;
            }
            let answered = match message::parse(kind, frame.body) {
                Ok(Message::Terminate) => return Stop::Gone,
                Ok(message) => match self.answer(message).await {
                    Ok(()) => self.relieve().await,
                    stop => stop,
                },
                Err(error) => Err(Stop::Error(error)),
            };
            let reported = match answered {
                Ok(()) => Ok(()),
                Err(Stop::Error(error)) => self.report(kind, &error).await,
                Err(stop @ (Stop::Fatal(_) | Stop::Gone)) => Err(stop),
            };
            if let Err(stop) = reported {
                return stop;
            }
        }
    }

    /// Sends what has been written if that is much: a small message may have a large answer.
    pub(super) async fn relieve(&mut self) -> Result<(), Stop> {
        if self.wire.output.len() >= FULL {
            self.wire.flush().await?;
        }
        Ok(())
    }

    async fn answer(&mut self, message: Message) -> Result<(), Stop> {
        match message {
            Message::Query(sql) => self.query(&sql).await,
            Message::Parse { name, sql, types } => self.prepare(name, &sql, &types).await,
            Message::Bind(bind) => self.bind(bind),
            Message::Describe(target) => self.describe(target).await,
            Message::Close(target) => self.close(target),
            Message::Execute { portal, max_rows } => self.execute_portal(portal, max_rows).await,
            Message::Flush => self.wire.flush().await,
            Message::Sync => {
                self.skipping = false;
                self.ready().await
            }
            Message::FunctionCall => Err(Error::not_supported("the function call protocol")
                .with_hint("call the function in a SELECT statement")
                .into()),
            Message::Copy | Message::Terminate => Ok(()),
        }
    }

    /// Tells the client of an error, and skips or goes on as the kind of message asks for.
    async fn report(&mut self, kind: u8, error: &Error) -> Result<(), Stop> {
        self.session.fail();
        self.unwind();
        self.notices()?;
        self.wire.put(&error::response("ERROR", error))?;
        if message::is_extended(kind) {
            self.skipping = true;
            self.wire.flush().await
        } else {
            self.skipping = false;
            self.ready().await
        }
    }

    /// Ends a cycle: the client may send the next statement.
    pub(super) async fn ready(&mut self) -> Result<(), Stop> {
        for (name, value) in self.session.take_parameter_status() {
            self.wire.put(&ParameterStatus::new(name, value))?;
        }
        let status = match self.session.transaction() {
            TransactionState::Idle => {
                self.settle(true);
                TransactionStatus::Idle
            }
            TransactionState::Open => TransactionStatus::Transaction,
            TransactionState::Failed => TransactionStatus::Error,
        };
        self.cycle = self.cycle.wrapping_add(1);
        self.wire.put(&ReadyForQuery::new(status))?;
        self.wire.flush().await?;
        self.at_rest = true;
        Ok(())
    }

    /// Ends a statement.
    pub(super) fn complete(&mut self, tag: String) -> Result<(), Stop> {
        self.notices()?;
        self.wire.put(&CommandComplete::new(tag))
    }

    /// Ends a statement after its rows.
    pub(super) fn complete_rows(&mut self, rows: &mut Rows, tag: String) -> Result<(), Stop> {
        self.notice(rows)?;
        self.complete(tag)
    }

    /// Says what is to be said of rows that have ended.
    pub(super) fn notice(&mut self, rows: &mut Rows) -> Result<(), Stop> {
        match rows.take_notice() {
            Some(notice) => self.wire.put(&error::notice(&notice)),
            None => Ok(()),
        }
    }

    pub(super) fn notices(&mut self) -> Result<(), Stop> {
        for notice in self.session.take_notices() {
            self.wire.put(&error::notice(&notice))?;
        }
        Ok(())
    }

    /// Runs a statement up to its outcome, unless the client goes.
    pub(super) async fn execute(
        &mut self,
        statement: &Statement,
        hints: &[Option<DataType>],
        values: Vec<ScalarValue>,
    ) -> Result<Outcome, Stop> {
        let outcome = tokio::select! {
            biased;
            outcome = self.session.execute(statement, hints, values, &self.cancel) => outcome?,
            () = self.wire.gone() => return Err(Stop::Gone),
        };
        // Portals live as long as their transaction, or the savepoint before them.
        if let Outcome::Command { tag } = &outcome {
            match tag.as_str() {
                "COMMIT" => self.settle(true),
                // Of a block, or of the statements before it in one text.
                "ROLLBACK" if self.session.transaction() == TransactionState::Idle => {
                    self.settle(false);
                }
                "ROLLBACK" => self.unwind(),
                "RELEASE" => self.released(),
                "DISCARD ALL" => self.portals.clear(),
                _ => {}
            }
        }
        // SQL and protocol share the names of prepared statements.
        for name in self.session.take_deallocated() {
            match name {
                Some(name) => drop(self.statements.remove(&name)),
                None => self.statements.clear(),
            }
        }
        Ok(outcome)
    }
}

/// Returns at a time; never without one.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

/// Returns when nothing was heard for that long; never without a limit.
async fn silence(limit: Option<Duration>) {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
}
