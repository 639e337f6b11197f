//! Connections: one for each query that runs, kept for the next when it ended well.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_postgres::config::{Host, SslMode};
use tollgate_catalog::{Error, ErrorKind};

use super::Options;
use super::error::{lost, public, refused, unreachable};
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
const IDLE: usize = 16;

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

    /// A connection of one's own, in a transaction that `begin` begins. One that was kept may have been
    /// lost while nobody looked: then the next one is tried, and last a new one.
    pub(super) async fn lease(self: &Arc<Self>, begin: &str) -> Result<Lease, Error> {
        loop {
            let next = self.idle.lock().pop();
            let Some(client) = next else { break };
            if client.is_closed() {
                continue;
            }
            let mut lease = self.leased(client);
            match lease.client()?.batch_execute(begin).await {
                Ok(()) => return Ok(lease),
                // It was lost, or the server has ended it; nothing was asked of it yet.
                Err(error) if error.code().is_none() || lost(&error) => lease.client = None,
                Err(error) => return Err(public(error)),
            }
        }
        let mut lease = self.leased(self.connect().await?);
        lease.client()?.batch_execute(begin).await.map_err(public)?;
        Ok(lease)
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

    /// Ends the transaction and gives the connection back.
    pub(super) async fn finish(&mut self) -> Result<(), Error> {
        self.client()?.batch_execute("ROLLBACK").await.map_err(public)?;
        if let Some(client) = self.client.take() {
            self.used = None;
            let mut idle = self.pool.idle.lock();
            if idle.len() < IDLE {
                idle.push(client);
            }
        }
        Ok(())
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
