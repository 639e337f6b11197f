//! One connection, driven by the task that waits for its answers: no other one has to be woken.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::FutureExt;
use futures::future::join;
use futures::task::AtomicWaker;
use ring::rand::{SecureRandom, SystemRandom};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{
    CancelToken, Client, Config, Connection, Error, RowStream, SimpleQueryMessage, Socket,
    Statement,
};

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
    fn typed(&self) -> impl ExactSizeIterator<Item = (&Value<'a>, Type)> {
        self.values.iter().zip(self.types.iter().cloned())
    }
}

/// Whose the settings are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Session {
    /// The connection's, which has a server process to itself. So many milliseconds may a statement take.
    Own { timeout: u64 },
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

/// Begins a transaction that only reads and has our settings, whoever's connection it is.
fn begin(timeout: Option<Duration>) -> String {
    let local = |(name, value): &(&str, &str)| format!("SET LOCAL {name} = {value}; ");
    let settings: String = SETTINGS.iter().map(local).collect();
    let (name, value) = ALIVE;
    format!(
        "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; {settings}\
         SET LOCAL statement_timeout = {}; \
         SELECT pg_catalog.set_config('{name}', '{value}', true) \
         WHERE pg_catalog.version() ~~ '%linux%'",
        millis(timeout)
    )
}

impl Link {
    /// Connects. The settings go with the first message, which something that stands in between refuses,
    /// or drops, if it may give the connection to others.
    pub(super) async fn connect(server: &Config, tls: &Rustls) -> Result<Self, Error> {
        let mut name = [0; 16];
        // Without a name the server can't confirm it, and each transaction brings its settings.
        let named = SystemRandom::new().fill(&mut name).is_ok();
        let name = u128::from_le_bytes(name).to_string();
        let settings = SETTINGS.iter().chain([&READ_ONLY]).copied();
        let settings: Vec<_> = settings.chain([(NAME, name.as_str())]).collect();
        let mut own = server.clone();
        own.options(settings.iter().fold(String::new(), |all, (name, value)| {
            all + "-c " + name + "=" + &value.replace(' ', "\\ ") + " "
        }));
        let (client, connection) = match own.connect(tls.clone()).await {
            Ok(connected) => connected,
            Err(error) if refuses_settings(&error) => server.connect(tls.clone()).await?,
            Err(error) => return Err(error),
        };
        let (known, session) = (Vec::new(), Session::Lent);
        let mut link = Self { client, wire: Some(connection), session, known };
        if named && link.has(&settings).await? {
            link.session = Session::Own { timeout: 0 };
        }
        Ok(link)
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

    /// The client, for a transaction that it was told to begin.
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

    /// Asks for the rows of a query, by itself in a transaction that only reads. What comes before it is
    /// sent with it: where that fails, nobody reads the rows.
    pub(super) async fn query(
        &mut self,
        timeout: Option<Duration>,
        query: &Query<'_>,
    ) -> Result<RowStream, Error> {
        let set = match self.session {
            Session::Own { timeout: known } if known == millis(timeout) => {
                return self.rows(query).await;
            }
            Session::Own { .. } => format!("SET statement_timeout = {}", millis(timeout)),
            Session::Lent => begin(timeout),
        };
        let rows = self.client.query_typed_raw(query.text, query.typed());
        let both = join(self.client.batch_execute(&set), rows);
        let (set, rows) = drive(&mut self.wire, both).await;
        set?;
        if let Session::Own { timeout: known } = &mut self.session {
            *known = millis(timeout);
        }
        rows
    }

    /// The rows of a text; one that was asked before has a name at the server, and a plan.
    async fn rows(&mut self, query: &Query<'_>) -> Result<RowStream, Error> {
        if let Some(statement) = self.statement(query).await? {
            let rows = self.client.query_raw(&statement, query.values.iter());
            match drive(&mut self.wire, rows).await {
                // It doesn't know the name any more, or the plan can't be had again.
                Err(error) if is_stale(&error) => self.known.clear(),
                rows => return rows,
            }
        }
        let rows = self.client.query_typed_raw(query.text, query.typed());
        drive(&mut self.wire, rows).await
    }

    async fn statement(&mut self, query: &Query<'_>) -> Result<Option<Statement>, Error> {
        if query.text.len() > LONG {
            return Ok(None);
        }
        let is_this = |known: &Known| known.text == *query.text && known.types == query.types;
        let known = match self.known.iter().rposition(is_this) {
            Some(place) => {
                let mut known = self.known.remove(place);
                if known.statement.is_none() {
                    let prepared = self.client.prepare_typed(query.text, &query.types);
                    known.statement = Some(drive(&mut self.wire, prepared).await?);
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

    /// Makes it fit for the next: what ends a transaction is on its way before all that is asked next.
    /// Whether the connection is lost, the next one who asks finds out.
    pub(super) fn finish(&mut self, began: bool) {
        if began || self.session == Session::Lent {
            let _ = drive(&mut self.wire, self.client.batch_execute("ROLLBACK")).now_or_never();
        }
    }

    /// Waits until the server has ended what was asked before.
    pub(super) async fn ended(&mut self) {
        let _ = drive(&mut self.wire, self.client.batch_execute("ROLLBACK")).await;
    }

    pub(super) fn cancel_token(&self) -> CancelToken {
        self.client.cancel_token()
    }
}

/// Whether the other side takes no settings with the first message.
fn refuses_settings(error: &Error) -> bool {
    let code = error.code();
    code.is_some_and(|code| {
        *code == SqlState::PROTOCOL_VIOLATION || matches!(&code.code()[..2], "0A" | "22" | "42")
    })
}

/// Whether a name at the server is of no use any more.
fn is_stale(error: &Error) -> bool {
    error.code().is_some_and(|code| {
        *code == SqlState::INVALID_SQL_STATEMENT_NAME || *code == SqlState::FEATURE_NOT_SUPPORTED
    })
}
