//! What gateways that share a PostgreSQL call out to each other. Nothing of it is kept: who isn't there
//! doesn't hear it, and it stands in no transaction (`NOTIFY`, PostgreSQL's manual, chapter "NOTIFY").

use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::store::Place;

const CHANNEL: &str = "tollgate";
/// Calls that wait to be sent; more are dropped.
const WAITING: usize = 48;
/// The same of calls that strangers cause: they have places of their own, so that they take nobody else's.
const STRANGERS: usize = 16;
/// A text of so many bytes isn't called out: `NOTIFY` takes less than 8000.
const LONGEST: usize = 7_900;
/// The shortest time between two calls, so that strangers can't keep the server busy.
const PACE: Duration = Duration::from_millis(10);
/// How long is waited before a lost connection is made anew.
const PAUSE: Duration = Duration::from_secs(2);
/// For how long a call counts: whoever waits for what it does has given up then.
const STALE: Duration = Duration::from_secs(2);
/// How long one call may take; others wait behind it.
const SENDING: Duration = Duration::from_secs(2);
/// After how long without a call it is asked whether the connection still is one: a firewall that forgets
/// it tells neither end.
const QUIET: Duration = Duration::from_secs(60);
/// How long the answer to that may take.
const ANSWER: Duration = Duration::from_secs(5);

/// A text, and since when it waits.
type Call = (Instant, String);

/// The calls of one gateway, as long as it is there.
#[derive(Debug)]
pub struct Bus {
    out: mpsc::Sender<Call>,
    strangers: mpsc::Sender<Call>,
    _tasks: JoinSet<()>,
}

impl Bus {
    /// Joins the others; nothing if the ledger is nobody else's, or this isn't a server's runtime.
    /// `heard` gets their calls, and one's own.
    pub fn join(place: &Place, heard: impl Fn(&str) + Send + Sync + 'static) -> Option<Self> {
        let Place::Postgres(url) = place else { return None };
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        let options: PgConnectOptions = url.parse().ok()?;
        let (out, calls) = mpsc::channel(WAITING);
        let (strangers, strange) = mpsc::channel(STRANGERS);
        let mut tasks = JoinSet::new();
        tasks.spawn_on(listen(options.clone(), heard), &runtime);
        tasks.spawn_on(call(options, calls, strange), &runtime);
        Some(Self { out, strangers, _tasks: tasks })
    }

    /// Calls out a text of less than 7900 bytes; whether it could be passed on.
    pub fn call(&self, text: String) -> bool {
        put(&self.out, text)
    }

    /// The same for somebody who hasn't authenticated: of few at once, and after all others.
    pub fn call_for_stranger(&self, text: String) -> bool {
        put(&self.strangers, text)
    }
}

fn put(out: &mpsc::Sender<Call>, text: String) -> bool {
    text.len() < LONGEST && out.try_send((Instant::now(), text)).is_ok()
}

/// Few connections: one is in use, and another may be about to close. A pool waits for one that hangs as
/// long as TCP does, so that whoever gives one up makes another pool.
fn pool(options: &PgConnectOptions) -> PgPool {
    let pool = PgPoolOptions::new().max_connections(2).min_connections(0);
    pool.connect_lazy_with(options.clone())
}

async fn listen(options: PgConnectOptions, heard: impl Fn(&str) + Send + Sync) {
    loop {
        if let Err(error) = hear(&pool(&options), &heard).await {
            tracing::warn!(%error, "what other gateways call out isn't heard");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn hear(pool: &PgPool, heard: &(impl Fn(&str) + Send + Sync)) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    // Nothing is said of a connection that was lost and made again in between.
    loop {
        let called = timeout(QUIET, listener.recv()).await;
        match called {
            Ok(called) => heard(called?.payload()),
            Err(_) => {
                let asked = sqlx::query("SELECT 1").execute(&mut listener);
                timeout(ANSWER, asked).await.map_err(|_| late())??;
            }
        }
    }
}

fn late() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}

async fn call(
    options: PgConnectOptions,
    mut calls: mpsc::Receiver<Call>,
    mut strange: mpsc::Receiver<Call>,
) {
    let mut sending = pool(&options);
    loop {
        let next = tokio::select! {
            biased;
            next = calls.recv() => next,
            next = strange.recv() => next,
        };
        let Some((since, text)) = next else { return };
        if since.elapsed() > STALE {
            continue;
        }
        let query = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(text);
        let sent = timeout(SENDING, query.execute(&sending)).await;
        if sent.is_err() {
            sending = pool(&options);
        }
        if let Err(error) = sent.unwrap_or_else(|_| Err(late())) {
            tracing::warn!(%error, "other gateways weren't called");
        }
        tokio::time::sleep(PACE).await;
    }
}
