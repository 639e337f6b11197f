//! Connections: one for each query that runs, kept for the next when it ended well.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, RowStream};
use tollgate_catalog::{Error, ErrorKind};

use super::Options;
use super::error::{lost, planning, public, refused, unreachable};
use super::tls::Rustls;
use crate::connections::{Connections, Use, Uses};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a request to cancel may take.
const CANCEL: Duration = Duration::from_secs(5);
/// How often it is made, and how long is waited for the query's end in between.
const CANCELS: usize = 600;
const PAUSE: Duration = Duration::from_millis(500);
/// Connections that wait for a query. How many there are in all, admission bounds.
const IDLE: usize = 64;

/// The connections to one server.
pub(super) struct Pool {
    options: Options,
    tls: Rustls,
    idle: Mutex<Vec<Client>>,
    uses: Uses,
}

impl Pool {
    pub(super) fn new(mut options: Options) -> Result<Self, Error> {
        let encrypted = options.tls.is_some();
        let local = options.server.get_hosts().iter().all(is_here)
            && options.server.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback);
        if !encrypted && !local {
            return Err(Error::new(
                ErrorKind::InvalidParameterValue,
                "a warehouse on another machine needs TLS",
            )
            .with_hint("set warehouse.tls_ca to the certificate of the authority to trust"));
        }
        let mode = if encrypted { SslMode::Require } else { SslMode::Disable };
        options.server.ssl_mode(mode).connect_timeout(CONNECT).application_name("tollgate");
        let tls = Rustls::new(options.tls.clone());
        Ok(Self { options, tls, idle: Mutex::default(), uses: Uses::default() })
    }

    /// How many there are.
    pub(super) fn connections(&self) -> Connections {
        Connections { idle: self.idle.lock().len(), used: self.uses.count() }
    }

    /// A connection of one's own, in a transaction that `begin` begins.
    pub(super) async fn lease(self: &Arc<Self>, begin: &str) -> Result<Lease, Error> {
        loop {
            let (mut lease, kept) = self.next().await?;
            match lease.client()?.batch_execute(begin).await {
                Ok(()) => return Ok(lease),
                Err(error) if kept && is_gone(&error) => lease.client = None,
                Err(error) => return Err(public(error)),
            }
        }
    }

    /// The rows of a query in such a transaction. Both are sent at once: where the transaction doesn't
    /// begin, nobody reads the rows.
    pub(super) async fn query(
        self: &Arc<Self>,
        begin: &str,
        text: &str,
        values: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<(Lease, RowStream), Error> {
        loop {
            let (mut lease, kept) = self.next().await?;
            let client = lease.client()?;
            let rows = client.query_typed_raw(text, values.iter().cloned());
            match join(client.batch_execute(begin), rows).await {
                (Ok(()), Ok(rows)) => return Ok((lease, rows)),
                (Err(error), _) if kept && is_gone(&error) => lease.client = None,
                (Err(error), _) => return Err(public(error)),
                (Ok(()), Err(error)) => {
                    if !is_gone(&error) {
                        lease.finish();
                    }
                    return Err(planning(error));
                }
            }
        }
    }

    /// A connection that was kept, or a new one. One that was kept may have been lost while nobody looked:
    /// then the next one is tried, and last a new one.
    async fn next(self: &Arc<Self>) -> Result<(Lease, bool), Error> {
        loop {
            let next = self.idle.lock().pop();
            match next {
                Some(client) if client.is_closed() => {}
                Some(client) => return Ok((self.leased(client), true)),
                None => return Ok((self.leased(self.connect().await?), false)),
            }
        }
    }

    fn leased(self: &Arc<Self>, client: Client) -> Lease {
        let used = Some(self.uses.one());
        Lease { pool: Arc::clone(self), client: Some(client), used, runtime: Handle::current() }
    }

    async fn connect(&self) -> Result<Client, Error> {
        let connecting = self.options.server.connect(self.tls.clone());
        let (client, connection) = match timeout(CONNECT, connecting).await {
            Ok(connected) => connected.map_err(refused)?,
            Err(elapsed) => return Err(unreachable(elapsed)),
        };
        // It ends when its client is dropped.
        tokio::spawn(async move {
            // Whoever waits for an answer is told what went wrong.
            let _ = connection.await;
        });
        Ok(client)
    }
}

/// Whether the connection was lost, or the server has ended it.
fn is_gone(error: &tokio_postgres::Error) -> bool {
    error.code().is_none() || lost(error)
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost"
                || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

/// A connection in use; dropped before its query ended, it cancels that and is gone.
pub(super) struct Lease {
    pool: Arc<Pool>,
    client: Option<Client>,
    used: Option<Use>,
    runtime: Handle,
}

impl Lease {
    pub(super) fn client(&mut self) -> Result<&Client, Error> {
        self.client.as_ref().ok_or_else(|| Error::internal("a connection was given back"))
    }

    /// Whether it was given back.
    pub(super) fn is_done(&self) -> bool {
        self.client.is_none()
    }

    /// Ends the transaction and gives the connection back: what ends it is on its way, before all that is
    /// asked next.
    pub(super) fn finish(&mut self) {
        let Some(client) = self.client.take() else { return };
        // Sent by the first poll. Whether the connection is lost, the next one who asks finds out.
        let _ = client.batch_execute("ROLLBACK").now_or_never();
        self.used = None;
        let mut idle = self.pool.idle.lock();
        if idle.len() < IDLE {
            idle.push(client);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        let (cancel, tls) = (client.cancel_token(), self.pool.tls.clone());
        let used = self.used.take();
        self.runtime.spawn(async move {
            // In use until it is gone.
            let _used = used;
            // Answered once the server has ended what stands before it. A request that comes before
            // the server has begun that is lost, so it is made until then.
            let mut ended = pin!(client.batch_execute("ROLLBACK"));
            for _ in 0..CANCELS {
                let _ = timeout(CANCEL, cancel.cancel_query(tls.clone())).await;
                if timeout(PAUSE, &mut ended).await.is_ok() {
                    break;
                }
            }
        });
    }
}
