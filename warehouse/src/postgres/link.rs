//! One connection, driven by the task that waits for its answers: no other one has to be woken.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{join, join3};
use futures::task::AtomicWaker;
use ring::rand::{SecureRandom, SystemRandom};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{
    CancelToken, Client, Config, Connection, Error, RowStream, SimpleQueryMessage, Socket,
    Statement,
};

use super::pool::is_told;
use super::tls::{Encrypted, Rustls};
use super::value::Value;

/// Every setting that changes what a text means is ours.
const SETTINGS: [(&str, &str); 10] = [
    ("search_path", "pg_catalog, pg_temp"),
    ("TimeZone", "UTC"),
    ("DateStyle", "ISO, YMD"),
    ("IntervalStyle", "postgres"),
    ("standard_conforming_strings", "on"),
    ("transform_null_equals", "off"),
    ("extra_float_digits", "1"),
    ("bytea_output", "hex"),
    ("array_nulls", "on"),
    ("row_security", "on"),
];
/// What a connection of one's own has besides.
const READ_ONLY: (&str, &str) = ("default_transaction_read_only", "on");
/// Names a connection, so that it can be told whether the server has its settings.
const NAME: &str = "tollgate.connection";
/// A server that can tell looks every few seconds whether we are still there: what ran for a lost
/// connection ends.
const ALIVE: (&str, &str) = ("client_connection_check_interval", "5s");

/// Texts that a connection knows, and how long one may be, in bytes.
const TEXTS: usize = 64;
const LONG: usize = 32 << 10;

/// A statement with its values, as the client library takes them.
pub(super) struct Query<'a> {
    pub(super) text: &'a Arc<str>,
    pub(super) types: Vec<Type>,
    pub(super) values: Vec<Value<'a>>,
}

impl<'a> Query<'a> {
    pub(super) fn typed(&self) -> impl ExactSizeIterator<Item = (&Value<'a>, Type)> {
        self.values.iter().zip(self.types.iter().cloned())
    }
}

/// Whose the settings are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Session {
    /// The connection's, which has a server process to itself. So many milliseconds may a statement take, once
    /// that was said.
    Own { timeout: Option<u64> },
    /// Each transaction's: what stands in between may give each of them to another process.
    Lent,
}

/// A connection.
pub(super) struct Link {
    client: Client,
    /// Nothing once it has ended.
    wire: Wire,
    session: Session,
    /// Those that were asked last, the latest at the end, and their names at the server.
    known: Vec<Known>,
}

type Wire = Option<Connection<Socket, Encrypted<Socket>>>;

struct Known {
    text: Arc<str>,
    types: Vec<Type>,
    statement: Option<Statement>,
}

/// Waits for an answer, and meanwhile reads and writes what the connection has to.
///
/// The two sides wake each other through channels. As both are looked at here until neither has
/// anything to do, that needn't reach the runtime, which would wake another thread for it.
async fn drive<T>(wire: &mut Wire, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let gate = Arc::new(Gate::default());
    let waker = Waker::from(Arc::clone(&gate));
    std::future::poll_fn(|outer| {
        gate.outer.register(outer.waker());
        let mut context = Context::from_waker(&waker);
        for _ in 0..ROUNDS {
            gate.state.store(LOOKING, Ordering::SeqCst);
            if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
                return Poll::Ready(done);
            }
            if wire.as_mut().is_some_and(|wire| wire.poll_unpin(&mut context).is_ready()) {
                // Whoever waits for an answer is told by that.
                *wire = None;
            }
            let left =
                gate.state.compare_exchange(LOOKING, AWAY, Ordering::SeqCst, Ordering::SeqCst);
            if left.is_ok() {
                return Poll::Pending;
            }
        }
        gate.state.store(AWAY, Ordering::SeqCst);
        outer.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

/// How often both are looked at before others have their turn.
const ROUNDS: usize = 4;

/// Who is woken: the loop of [`drive`] if it is at it, otherwise its task.
#[derive(Default)]
struct Gate {
    state: AtomicU8,
    outer: AtomicWaker,
}

/// Nobody looks: the task has to be woken.
const AWAY: u8 = 0;
/// Both sides are being looked at.
const LOOKING: u8 = 1;
/// One was woken meanwhile.
const WOKEN: u8 = 2;

impl Wake for Gate {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(WOKEN, Ordering::SeqCst) == AWAY {
            self.outer.wake();
        }
    }
}

/// Milliseconds as the server counts them; 0 is no limit.
fn millis(timeout: Option<Duration>) -> u64 {
    let millis = timeout.map_or(0, |timeout| timeout.as_millis().clamp(1, 1 << 30));
    u64::try_from(millis).unwrap_or(1 << 30)
}

/// What begins a transaction that only reads. It is always rolled back: what a function of the server's sets
/// in it, for the session too, ends with it.
const BEGIN: &str = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The same with our settings, whoever's connection it is.
fn begin(timeout: Option<Duration>) -> String {
    let local = |(name, value): &(&str, &str)| format!("SET LOCAL {name} = {value}; ");
    let settings: String = SETTINGS.iter().map(local).collect();
    let (name, value) = ALIVE;
    format!(
        "{BEGIN}; {settings}SET LOCAL statement_timeout = {}; \
         SELECT pg_catalog.set_config('{name}', '{value}', true) \
         WHERE pg_catalog.version() ~~ '%linux%'",
        millis(timeout)
    )
}

/// Says it, if there is something to say.
async fn say(client: &Client, set: Option<&str>) -> Result<(), Error> {
    match set {
        Some(set) => client.batch_execute(set).await,
        None => Ok(()),
    }
}

impl Link {
    /// Connects, if the settings are the connection's: they go with the first message, which something that
    /// stands in between refuses, or drops, if it may give the connection to others.
    pub(super) async fn own(server: &Config, tls: &Rustls) -> Result<Option<Self>, Error> {
        let mut name = [0; 16];
        // Without a name the server can't confirm it.
        if SystemRandom::new().fill(&mut name).is_err() {
            return Ok(None);
        }
        let name = u128::from_le_bytes(name).to_string();
        let settings = SETTINGS.iter().chain([&READ_ONLY]).copied();
        let settings: Vec<_> = settings.chain([(NAME, name.as_str())]).collect();
        let mut own = server.clone();
        own.options(settings.iter().fold(String::new(), |all, (name, value)| {
            all + "-c " + name + "=" + &value.replace(' ', "\\ ") + " "
        }));
        match own.connect(tls.clone()).await {
            Ok((client, connection)) => {
                let session = Session::Own { timeout: None };
                let mut link = Self::new(client, connection, session);
                match link.has(&settings).await {
                    Ok(true) => Ok(Some(link)),
                    Ok(false) => Ok(None),
                    // What stands in between can't be asked that.
                    Err(error) if is_told(&error) => Ok(None),
                    Err(error) => Err(error),
                }
            }
            Err(error) if refuses_settings(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Connects to what may give the connection to others.
    pub(super) async fn lent(server: &Config, tls: &Rustls) -> Result<Self, Error> {
        let (client, connection) = server.connect(tls.clone()).await?;
        Ok(Self::new(client, connection, Session::Lent))
    }

    fn new(
        client: Client,
        connection: Connection<Socket, Encrypted<Socket>>,
        session: Session,
    ) -> Self {
        Self { client, wire: Some(connection), session, known: Vec::new() }
    }

    /// Whether the server has these settings, after it was told to look whether we are there.
    async fn has(&mut self, settings: &[(&str, &str)]) -> Result<bool, Error> {
        let alive = |(name, value)| {
            format!(
                "SELECT pg_catalog.set_config('{name}', '{value}', false) \
                 WHERE pg_catalog.version() OPERATOR(pg_catalog.~~) '%linux%'; "
            )
        };
        let test = |(name, value): &(&str, &str)| {
            format!("pg_catalog.current_setting('{name}', true) OPERATOR(pg_catalog.=) '{value}'")
        };
        let tests: Vec<_> = settings.iter().map(test).collect();
        let text = format!("SELECT coalesce({}, false)", tests.join(" AND "));
        let answers = drive(&mut self.wire, self.client.simple_query(&text)).await?;
        let is = answers.iter().any(
            |answer| matches!(answer, SimpleQueryMessage::Row(row) if row.get(0) == Some("t")),
        );
        if is {
            drive(&mut self.wire, self.client.batch_execute(&alive(ALIVE))).await?;
        }
        Ok(is)
    }

    /// Begins a transaction for several questions.
    pub(super) async fn begin(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        drive(&mut self.wire, self.client.batch_execute(&begin(timeout))).await
    }

    /// What the client is asked for, driven.
    pub(super) async fn ask<'a, T, F>(
        &'a mut self,
        work: impl FnOnce(&'a Client) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        drive(&mut self.wire, work(&self.client)).await
    }

    /// Waits for what it was asked for before.
    pub(super) async fn driven<T>(&mut self, work: impl Future<Output = T>) -> T {
        drive(&mut self.wire, work).await
    }

    /// Asks for the rows of a query in a transaction of its own. All of it is sent at once.
    pub(super) async fn query(
        &mut self,
        timeout: Option<Duration>,
        query: &Query<'_>,
    ) -> Result<RowStream, Refused> {
        if self.session == Session::Lent {
            return self.rows(&begin(timeout), None, None, query).await;
        }
        let timeout = Some(millis(timeout));
        // One that was asked before has a name at the server, and a plan.
        let named = self.statement(timeout, query).await?;
        match self.rows(BEGIN, timeout, named.as_ref(), query).await {
            // It doesn't know the name any more, or the plan can't be had again.
            Err(Refused::Query(error)) if named.is_some() && is_stale(&error) => {
                self.known.clear();
                self.rows(BEGIN, timeout, None, query).await
            }
            rows => rows,
        }
    }

    /// What says to the server how long a statement may take, unless that was said. Not in a transaction, whose
    /// settings end with it.
    fn unsaid(&mut self, timeout: Option<u64>) -> Option<String> {
        let set = timeout.filter(|_| self.session != Session::Own { timeout });
        set.map(|timeout| {
            // Until the server has answered.
            self.session = Session::Own { timeout: None };
            format!("SET statement_timeout = {timeout}")
        })
    }

    async fn rows(
        &mut self,
        begin: &str,
        timeout: Option<u64>,
        named: Option<&Statement>,
        query: &Query<'_>,
    ) -> Result<RowStream, Refused> {
        let set = self.unsaid(timeout);
        let client = &self.client;
        let asked = async {
            match named {
                Some(statement) => client.query_raw(statement, query.values.iter()).await,
                None => client.query_typed_raw(query.text, query.typed()).await,
            }
        };
        let all = async {
            let begun = client.batch_execute(begin);
            let mut all = pin!(join3(say(client, set.as_deref()), begun, asked));
            // What is looked at first is sent first; what ends the transaction, last.
            let at_once = all.as_mut().now_or_never();
            let _ = client.batch_execute("ROLLBACK").now_or_never();
            match at_once {
                Some(done) => done,
                None => all.await,
            }
        };
        let (said, began, rows) = drive(&mut self.wire, all).await;
        said.map_err(Refused::Begin)?;
        if set.is_some() {
            self.session = Session::Own { timeout };
        }
        began.map_err(Refused::Begin)?;
        rows.map_err(Refused::Query)
    }

    async fn statement(
        &mut self,
        timeout: Option<u64>,
        query: &Query<'_>,
    ) -> Result<Option<Statement>, Refused> {
        if query.text.len() > LONG {
            return Ok(None);
        }
        let is_this = |known: &Known| known.text == *query.text && known.types == query.types;
        let known = match self.known.iter().rposition(is_this) {
            Some(place) => {
                let mut known = self.known.remove(place);
                if known.statement.is_none() {
                    let set = self.unsaid(timeout);
                    let prepared = self.client.prepare_typed(query.text, &query.types);
                    let both = join(say(&self.client, set.as_deref()), prepared);
                    let (said, prepared) = drive(&mut self.wire, both).await;
                    said.map_err(Refused::Begin)?;
                    if set.is_some() {
                        self.session = Session::Own { timeout };
                    }
                    known.statement = Some(prepared.map_err(Refused::Query)?);
                }
                known
            }
            None => {
                if self.known.len() >= TEXTS {
                    self.known.remove(0);
                }
                let (text, types) = (Arc::clone(query.text), query.types.clone());
                Known { text, types, statement: None }
            }
        };
        let statement = known.statement.clone();
        self.known.push(known);
        Ok(statement)
    }

    /// Ends a transaction that was begun by itself.
    pub(super) async fn end(&mut self) -> Result<(), Error> {
        drive(&mut self.wire, self.client.batch_execute("ROLLBACK")).await
    }

    /// Waits until the server has ended all that was asked before.
    pub(super) async fn settled(&mut self) {
        // Nothing is asked here.
        let _ = drive(&mut self.wire, self.client.batch_execute("")).await;
    }

    /// Takes leave of the server.
    pub(super) async fn close(self) {
        let Self { client, wire, known, .. } = self;
        drop((client, known));
        if let Some(wire) = wire {
            let _ = wire.await;
        }
    }

    pub(super) fn cancel_token(&self) -> CancelToken {
        self.client.cancel_token()
    }
}

/// Where a query was refused.
pub(super) enum Refused {
    /// Before it: it may run, without what it needs.
    Begin(Error),
    Query(Error),
}

/// Whether the other side takes no settings with the first message.
fn refuses_settings(error: &Error) -> bool {
    let code = error.code();
    code.is_some_and(|code| {
        *code == SqlState::PROTOCOL_VIOLATION
            || matches!(code.code().get(..2), Some("0A" | "22" | "42"))
    })
}

/// Whether a name at the server is of no use any more.
fn is_stale(error: &Error) -> bool {
    error.code().is_some_and(|code| {
        *code == SqlState::INVALID_SQL_STATEMENT_NAME || *code == SqlState::FEATURE_NOT_SUPPORTED
    })
}
