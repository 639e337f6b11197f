//! What gateways that share a PostgreSQL call out to each other. Nothing of it is kept: who isn't there
//! doesn't hear it, and it stands in no transaction (`NOTIFY`, PostgreSQL's manual, chapter "NOTIFY").

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPool, PgPoolOptions};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::store::Place;

const CHANNEL: &str = "tollgate";
/// Calls that wait to be sent; strangers can cause them, so that more are dropped.
const WAITING: usize = 64;
/// The shortest time between two calls, for the same reason.
const PACE: Duration = Duration::from_millis(10);
/// How long is waited before a lost connection is made anew.
const PAUSE: Duration = Duration::from_secs(2);

/// The calls of one gateway, as long as it is there.
#[derive(Debug)]
pub struct Bus {
    out: mpsc::Sender<String>,
    _tasks: JoinSet<()>,
}

impl Bus {
    /// Joins the others; nothing if the ledger is nobody else's, or this isn't a server's runtime.
    /// `heard` gets their calls, and one's own.
    pub fn join(place: &Place, heard: impl Fn(&str) + Send + Sync + 'static) -> Option<Self> {
        let Place::Postgres(url) = place else { return None };
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        let options = url.parse().ok()?;
        // One that listens, and one that calls while there is something to say.
        let pool = PgPoolOptions::new().max_connections(2).min_connections(0);
        let pool = pool.connect_lazy_with(options);
        let (out, calls) = mpsc::channel(WAITING);
        let mut tasks = JoinSet::new();
        tasks.spawn_on(listen(pool.clone(), heard), &runtime);
        tasks.spawn_on(call(pool, calls), &runtime);
        Some(Self { out, _tasks: tasks })
    }

    /// Calls out a text of less than 8000 bytes; whether it could be passed on.
    pub fn call(&self, text: String) -> bool {
        self.out.try_send(text).is_ok()
    }
}

async fn listen(pool: PgPool, heard: impl Fn(&str) + Send + Sync) {
    loop {
        if let Err(error) = hear(&pool, &heard).await {
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
        heard(listener.recv().await?.payload());
    }
}

async fn call(pool: PgPool, mut calls: mpsc::Receiver<String>) {
    while let Some(text) = calls.recv().await {
        let query = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(text);
        if let Err(error) = query.execute(&pool).await {
            tracing::warn!(%error, "other gateways weren't called");
        }
        tokio::time::sleep(PACE).await;
    }
}
