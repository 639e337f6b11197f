//! One client connection: its principal, settings and transaction state.

mod command;
mod rehearsal;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use tollgate_catalog::{Error, ErrorKind};
use tollgate_identity::Principal;
use tollgate_rewriter::command::Command;
use tollgate_rewriter::statement::Body;
use tollgate_rewriter::{SessionFacts, SqlDialect};

use crate::access::access_columns;
use crate::audit::Meter;
use crate::cancel::CancelToken;
use crate::introspect::View;
use crate::pipeline::{Caller, Description, Gateway, Statement};
use crate::progress::Progress;
use crate::revocation::Entry;
use crate::settings::{SERVER_VERSION, Settings};
use crate::state::circumstances;
use crate::stream::{RowStream, Tag};

use command::{show_columns, text_batch, text_columns};

/// The most statements that one session may PREPARE.
const MAX_PREPARED: usize = 1024;

/// What a connection asks for when it starts.
#[derive(Debug, Clone, Default)]
pub struct StartupSettings {
    /// What the client calls itself.
    pub application_name: String,
    /// The database; empty means the user's name was taken, which PostgreSQL clients do.
    pub database: String,
    /// Settings, from start-up parameters and `options`.
    pub options: Vec<(String, String)>,
    /// The connection's number, as `pg_backend_pid()` gives it.
    pub backend_pid: i32,
}

/// Whether a session is inside a transaction block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionState {
    /// No block.
    Idle,
    /// Inside a block.
    Open,
    /// Inside a block in which a statement failed.
    Failed,
}

/// A message to the client that isn't an error.
#[derive(Debug, Clone)]
pub struct Notice {
    /// `NOTICE` or `WARNING`.
    pub severity: &'static str,
    /// The SQLSTATE.
    pub code: &'static str,
    /// The text.
    pub message: String,
}

/// What a statement led to.
#[expect(clippy::large_enum_variant, reason = "made once per statement, and taken apart at once")]
pub enum Outcome {
    /// The statement was empty.
    Empty,
    /// A command ended, with its tag.
    Command {
        /// The command tag.
        tag: String,
    },
    /// Rows follow.
    Rows(RowStream),
}

/// The state to which a failed or rolled back block returns.
#[derive(Debug, Clone)]
struct Savepoint {
    name: String,
    settings: Settings,
}

/// One client connection.
pub struct Session {
    gateway: Arc<Gateway>,
    principal: Arc<Principal>,
    entry: Entry,
    settings: Settings,
    /// Changes whenever a setting does, so that kept plans are left behind.
    generation: u64,
    facts: SessionFacts,
    transaction: TransactionState,
    /// The settings at BEGIN, and those that SET LOCAL replaced.
    at_begin: Option<Settings>,
    local: HashMap<String, String>,
    savepoints: Vec<Savepoint>,
    prepared: HashMap<String, Statement>,
    deallocated: Vec<Option<String>>,
    notices: Vec<Notice>,
    changed: Vec<(String, String)>,
    progress: Option<Progress>,
}

impl Session {
    /// Starts a session for an authenticated principal; also gives the first ParameterStatus list.
    ///
    /// # Errors
    /// Access rules that leave the principal no role, an unknown database, or a start-up setting that doesn't exist or has a wrong value.
    pub fn new(
        gateway: Arc<Gateway>,
        principal: impl Into<Arc<Principal>>,
        startup: StartupSettings,
    ) -> Result<(Session, Vec<(String, String)>), Error> {
        let principal = principal.into();
        // Who didn't authenticate gets no session where clients are served, nor the other way round.
        if principal.is_rehearsed() != gateway.audit.is_rehearsal() {
            return Err(Error::internal("a rehearsal and a gateway that serves don't mix"));
        }
        gateway.state().standing(&principal, &circumstances(&principal)?)?;
        let database = gateway.settings.database.clone();
        if startup.database != database {
            return Err(Error::new(
                ErrorKind::InvalidCatalogName,
                format!("database \"{}\" does not exist", startup.database),
            )
            .with_hint(format!("connect to the database \"{database}\"")));
        }
        let mut settings = Settings::new(principal.name(), gateway.settings.statement_timeout);
        if !startup.application_name.is_empty() {
            settings.set("application_name", Some(&startup.application_name))?;
        }
        for (name, value) in &startup.options {
            settings.set(&name.to_ascii_lowercase(), Some(value))?;
        }
        settings.keep_as_default();
        let facts = SessionFacts {
            user: principal.name().to_owned(),
            database,
            search_path: settings.search_path(),
            version: format!(
                "PostgreSQL {SERVER_VERSION} (Tollgate {})",
                env!("CARGO_PKG_VERSION")
            ),
            backend_pid: startup.backend_pid,
            settings: Arc::new(settings.values().clone()),
        };
        let reported = settings.reported();
        let entry = gateway.open.session(&principal);
        let session = Session {
            entry,
            gateway,
            principal,
            settings,
            generation: 0,
            facts,
            transaction: TransactionState::Idle,
            at_begin: None,
            local: HashMap::new(),
            savepoints: Vec::new(),
            prepared: HashMap::new(),
            deallocated: Vec::new(),
            notices: Vec::new(),
            changed: Vec::new(),
            progress: None,
        };
        Ok((session, reported))
    }

    /// Splits and parses a text into its statements; none if it is empty.
    ///
    /// # Errors
    /// Syntax errors and statements that are never possible. Inside a failed block, 25P02.
    pub fn parse(&self, sql: &str) -> Result<Vec<Statement>, Error> {
        let parsed = self.gateway.parse(self.dialect(), sql);
        if self.transaction == TransactionState::Failed && parsed.is_err() {
            return Err(failed_block());
        }
        Ok(parsed?.iter().cloned().map(Statement::new).collect())
    }

    /// What a statement takes and gives. Decides like an execution does.
    ///
    /// # Errors
    /// Those of an execution before any row.
    pub async fn describe(
        &mut self,
        statement: &Statement,
        hints: &[Option<DataType>],
    ) -> Result<Description, Error> {
        self.refuse_in_failed_block(statement)?;
        match statement.parsed().body() {
            Body::Query(_) => {
                let prepared = self.gateway.look(&self.caller(), statement, hints).await?;
                Ok(Description {
                    parameters: prepared.parameters().to_vec(),
                    columns: Some(Arc::clone(prepared.output())),
                })
            }
            Body::Explain(_) => {
                let prepared = self.gateway.look(&self.caller(), statement, hints).await?;
                Ok(Description {
                    parameters: prepared.parameters().to_vec(),
                    columns: Some(text_columns(&["QUERY PLAN"])),
                })
            }
            Body::ExplainAccess(_) => {
                let prepared = self.gateway.look(&self.caller(), statement, hints).await?;
                Ok(Description {
                    parameters: prepared.parameters().to_vec(),
                    columns: Some(access_columns()),
                })
            }
            Body::Command(Command::Show(name)) => {
                Ok(Description { parameters: Vec::new(), columns: Some(show_columns(name)) })
            }
            Body::Delivered { query, .. } => {
                let target = Statement::new(tollgate_rewriter::Parsed::clone(query));
                let prepared = self.gateway.look(&self.caller(), &target, hints).await?;
                Ok(Description { parameters: prepared.parameters().to_vec(), columns: None })
            }
            Body::Command(_) | Body::Prepare { .. } => {
                Ok(Description { parameters: Vec::new(), columns: None })
            }
            Body::Execute { name, .. } => {
                let target = self.prepared_statement(name)?;
                let prepared = self.gateway.look(&self.caller(), &target, &[]).await?;
                Ok(Description {
                    parameters: Vec::new(),
                    columns: Some(Arc::clone(prepared.output())),
                })
            }
        }
    }

    /// Runs a statement. Decides anew each time. Inside a block, a failure fails the block.
    ///
    /// # Errors
    /// Refusals, and failures before the first row.
    pub async fn execute(
        &mut self,
        statement: &Statement,
        hints: &[Option<DataType>],
        values: Vec<ScalarValue>,
        cancel: &CancelToken,
    ) -> Result<Outcome, Error> {
        let result = self.dispatch(statement, hints, values, cancel).await;
        if result.is_err() {
            self.fail();
        }
        result
    }

    async fn dispatch(
        &mut self,
        statement: &Statement,
        hints: &[Option<DataType>],
        values: Vec<ScalarValue>,
        cancel: &CancelToken,
    ) -> Result<Outcome, Error> {
        self.refuse_in_failed_block(statement)?;
        match statement.parsed().body() {
            Body::Query(_) => {
                let gateway = Arc::clone(&self.gateway);
                let stream = gateway.run(&self.caller(), statement, hints, values, cancel).await?;
                Ok(Outcome::Rows(stream))
            }
            Body::Explain(_) => {
                let explained = self.gateway.explain(&self.caller(), statement, hints).await?;
                let plan = explained.prepared.explain();
                let columns = text_columns(&["QUERY PLAN"]);
                let batch = text_batch(&columns, &[plan.lines().collect()])?;
                Ok(Outcome::Rows(RowStream::fixed(columns, batch, Tag::Explain)))
            }
            Body::ExplainAccess(_) => {
                let batch = self.gateway.access(&self.caller(), statement, hints).await?;
                Ok(Outcome::Rows(RowStream::fixed(access_columns(), batch, Tag::Explain)))
            }
            Body::Command(command) => self.command(command),
            // Front ends that can do so run its query.
            Body::Delivered { .. } => Err(command::elsewhere("cursors and COPY")),
            Body::Prepare { name, query } => {
                if self.prepared.contains_key(name) {
                    return Err(Error::new(
                        ErrorKind::DuplicateStatement,
                        format!("prepared statement \"{name}\" already exists"),
                    ));
                }
                if self.prepared.len() >= MAX_PREPARED {
                    return Err(Error::new(
                        ErrorKind::ProgramLimit,
                        "the session has too many prepared statements",
                    )
                    .with_hint("use DEALLOCATE"));
                }
                let target = Statement::new(tollgate_rewriter::Parsed::clone(query));
                // Refuses at once what the execution would refuse.
                self.gateway.look(&self.caller(), &target, &[]).await?;
                self.prepared.insert(name.clone(), target);
                Ok(Outcome::Command { tag: "PREPARE".to_owned() })
            }
            Body::Execute { name, values } => {
                let target = self.prepared_statement(name)?;
                let gateway = Arc::clone(&self.gateway);
                let prepared = gateway.look(&self.caller(), &target, &[]).await?;
                let values = typed(values, prepared.parameters())?;
                let stream = gateway.run(&self.caller(), &target, &[], values, cancel).await?;
                Ok(Outcome::Rows(stream))
            }
        }
    }

    fn prepared_statement(&self, name: &str) -> Result<Statement, Error> {
        self.prepared.get(name).cloned().ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidStatementName,
                format!("prepared statement \"{name}\" does not exist"),
            )
        })
    }

    /// Inside a failed block only its end is understood.
    ///
    /// # Errors
    /// The block has failed, and this is something else.
    pub fn refuse_in_failed_block(&self, statement: &Statement) -> Result<(), Error> {
        let ends = matches!(
            statement.parsed().body(),
            Body::Command(Command::Commit | Command::Rollback | Command::RollbackTo(_))
        );
        if self.transaction == TransactionState::Failed && !ends {
            return Err(failed_block());
        }
        Ok(())
    }

    /// Tells the client and the planner of changed settings.
    fn settings_changed(&mut self) {
        if self.transaction == TransactionState::Idle
            && let Ok(level) = self.settings.get(command::DEFAULT_ISOLATION).map(str::to_owned)
        {
            // The next transaction has the default again, which is a good value.
            let _ = self.settings.set(command::ISOLATION, Some(&level));
        }
        let old =
            std::mem::replace(&mut self.facts.settings, Arc::new(self.settings.values().clone()));
        if *old == *self.facts.settings {
            return;
        }
        self.generation += 1;
        self.facts.search_path = self.settings.search_path();
        for (name, value) in self.settings.reported() {
            if old.get(&name.to_ascii_lowercase()) != Some(&value) {
                self.changed.push((name, value));
            }
        }
    }

    fn caller(&self) -> Caller<'_> {
        Caller {
            principal: &self.principal,
            facts: &self.facts,
            generation: self.generation,
            application: self.settings.get("application_name").unwrap_or(""),
            timeout: self.settings.statement_timeout(),
            ended: self.ended(),
            progress: self.progress.as_ref(),
        }
    }

    /// Has it noted from now on how far queries are. An embedded engine is asked for an estimate for that.
    pub fn follow(&mut self, progress: &Progress) {
        self.progress = Some(progress.clone());
    }

    /// What the principal may see of the catalog now, for a front end that answers from it by itself. It is
    /// recorded, with what was `asked` in words of the protocol, and the meter counts what is sent.
    ///
    /// # Errors
    /// It can't be recorded, or the principal may see nothing.
    pub async fn introspect(&self, asked: &str) -> Result<(View, Meter), Error> {
        self.gateway.introspect(&self.caller(), asked).await
    }

    /// Whether a transaction block is open.
    pub fn transaction(&self) -> TransactionState {
        self.transaction
    }

    /// Whether rows that were left waiting may be asked for again.
    ///
    /// # Errors
    /// Other policies are in force than those that decided, or a role that they rest on isn't active any more.
    pub fn may_resume(&self, rows: &RowStream) -> Result<(), Error> {
        rows.may_be_resumed(&self.gateway.state())
    }

    /// How many savepoints the open block has.
    pub fn savepoints(&self) -> usize {
        self.savepoints.len()
    }

    /// Fails the open block: the front end, or a stream, met an error.
    pub fn fail(&mut self) {
        if self.transaction == TransactionState::Open {
            self.transaction = TransactionState::Failed;
        }
    }

    /// The session's time zone, a name of the IANA database.
    pub fn time_zone(&self) -> &str {
        self.settings.get("timezone").unwrap_or("UTC")
    }

    /// What texts are written in that the session parses from now on.
    fn dialect(&self) -> SqlDialect {
        let name = self.settings.get(crate::settings::DIALECT).unwrap_or_default();
        SqlDialect::from_name(name).unwrap_or_default()
    }

    /// Who is connected.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// On once the user is gone or has other attributes: the session must end, whatever it does.
    pub fn ended(&self) -> &CancelToken {
        self.entry.token()
    }

    /// How long the client may be silent now, with a transaction open.
    pub fn idle_limit(&self) -> Option<std::time::Duration> {
        match self.transaction {
            TransactionState::Idle => None,
            TransactionState::Open | TransactionState::Failed => {
                self.settings.idle_in_transaction()
            }
        }
    }

    /// The notices since the last call.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// The reported settings that changed since the last call.
    pub fn take_parameter_status(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.changed)
    }

    /// The prepared statements of the protocol that SQL deallocated since the last call: a name, or
    /// all. The two share their names in PostgreSQL.
    pub fn take_deallocated(&mut self) -> Vec<Option<String>> {
        std::mem::take(&mut self.deallocated)
    }
}

fn failed_block() -> Error {
    Error::new(
        ErrorKind::InFailedTransaction,
        "current transaction is aborted, commands ignored until end of transaction block",
    )
}

/// The literals of EXECUTE in the types of the parameters.
fn typed(values: &[Option<String>], types: &[DataType]) -> Result<Vec<ScalarValue>, Error> {
    values
        .iter()
        .zip(types)
        .map(|(value, data_type)| match value {
            None => ScalarValue::try_from(data_type).map_err(Error::internal),
            Some(text) => ScalarValue::try_from_string(text.clone(), data_type).map_err(|cause| {
                Error::new(
                    ErrorKind::InvalidText,
                    "a value of EXECUTE doesn't fit its parameter's type",
                )
                .with_cause(cause)
            }),
        })
        .chain(
            // A surplus of values is counted by `bind`, which refuses it.
            values.iter().skip(types.len()).map(|_| Ok(ScalarValue::Null)),
        )
        .collect()
}
