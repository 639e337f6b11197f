//! Connections: one for each query that runs, kept for the next when it ended well.

use std::error::Error as StdError;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_postgres::RowStream;
use tokio_postgres::config::{Host, SslMode};
use tollgate_catalog::{Error, ErrorKind};

use super::Options;
use super::error::{lost, planning, public, refused, unreachable};
use super::link::{Link, Query, Refused};
use super::tls::Rustls;
use crate::connections::{Connections, Use, Uses};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a request to cancel may take.
const CANCEL: Duration = Duration::from_secs(5);
/// How often it is made, and how long is waited for the query's end in between.
const CANCELS: usize = 600;
const PAUSE: Duration = Duration::from_millis(500);
/// What the operator reads who said that nothing stands in between.
const POOLED: &str = "what answers has not the settings that the connection began with, as a pooler of transactions hasn't, \
                      but \"pooled\" is false: connect to the server itself, or take \"pooled\" out";
/// Connections that wait for a query. How many there are in all, admission bounds.
const IDLE: usize = 64;

/// The connections to one server.
pub(super) struct Pool {
    options: Options,
    tls: Rustls,
    #[expect(clippy::vec_box, reason = "moved from hand to hand")]
    idle: Mutex<Vec<Box<Link>>>,
    uses: Uses,
    /// Whether something gives connections to others, as the operator says or as was found out.
    lent: AtomicBool,
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
        let lent = AtomicBool::new(options.pooled == Some(true));
        Ok(Self { options, tls, idle: Mutex::default(), uses: Uses::default(), lent })
    }

    /// How many there are.
    pub(super) fn connections(&self) -> Connections {
        Connections { idle: self.idle.lock().len(), used: self.uses.count() }
    }

    /// A connection of one's own, in a transaction that only reads.
    pub(super) async fn lease(self: &Arc<Self>, timeout: Option<Duration>) -> Result<Lease, Error> {
        loop {
            let (mut lease, kept) = self.next().await?;
            match lease.link()?.begin(timeout).await {
                Ok(()) => return Ok(lease),
                Err(error) if kept && is_gone(&error) => lease.link = None,
                Err(error) => return Err(public(error)),
            }
        }
    }

    /// The rows of a query in a transaction of its own.
    pub(super) async fn query(
        self: &Arc<Self>,
        timeout: Option<Duration>,
        query: &Query<'_>,
    ) -> Result<(Lease, RowStream), Error> {
        loop {
            let (mut lease, kept) = self.next().await?;
            match lease.link()?.query(timeout, query).await {
                Ok(rows) => return Ok((lease, rows)),
                Err(Refused::Begin(error) | Refused::Query(error)) if kept && is_gone(&error) => {
                    lease.link = None;
                }
                Err(Refused::Begin(error)) => return Err(public(error)),
                Err(Refused::Query(error)) => {
                    if is_told(&error) {
                        lease.give_back();
                    }
                    return Err(planning(error));
                }
            }
        }
    }

    /// A connection that was kept, or a new one. Says whether it was kept: it may have been lost while nobody
    /// looked, then the next one is tried, and last a new one.
    async fn next(self: &Arc<Self>) -> Result<(Lease, bool), Error> {
        let next = self.idle.lock().pop();
        match next {
            Some(link) => Ok((self.leased(link), true)),
            None => Ok((self.leased(self.connect().await?), false)),
        }
    }

    fn leased(self: &Arc<Self>, link: Box<Link>) -> Lease {
        let (link, used) = (Some(link), Some(self.uses.one()));
        Lease { pool: Arc::clone(self), link, used, runtime: Handle::current() }
    }

    async fn connect(&self) -> Result<Box<Link>, Error> {
        let server = &self.options.server;
        let connecting = async {
            if self.lent.load(Ordering::Relaxed) {
                return Link::lent(server, &self.tls).await.map_err(refused);
            }
            if let Some(link) = Link::own(server, &self.tls).await.map_err(refused)? {
                return Ok(link);
            }
            if self.options.pooled == Some(false) {
                return Err(unreachable(POOLED));
            }
            if !self.lent.swap(true, Ordering::Relaxed) {
                tracing::info!(
                    "what answers for the warehouse's server may give connections to others: each query brings its settings"
                );
            }
            Link::lent(server, &self.tls).await.map_err(refused)
        };
        match timeout(CONNECT, connecting).await {
            Ok(connected) => connected.map(Box::new),
            Err(elapsed) => Err(unreachable(elapsed)),
        }
    }
}

/// Whether the server tells of an error, and goes on.
pub(super) fn is_told(error: &tokio_postgres::Error) -> bool {
    error.code().is_some() && !lost(error)
}

/// Whether the connection was lost, or the server has ended it.
fn is_gone(error: &tokio_postgres::Error) -> bool {
    let io = error.source().is_some_and(<dyn StdError>::is::<std::io::Error>);
    error.is_closed() || io || lost(error)
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
    link: Option<Box<Link>>,
    used: Option<Use>,
    runtime: Handle,
}

impl Lease {
    pub(super) fn link(&mut self) -> Result<&mut Link, Error> {
        self.link.as_deref_mut().ok_or_else(|| Error::internal("a connection was given back"))
    }

    /// Whether it was given back.
    pub(super) fn is_done(&self) -> bool {
        self.link.is_none()
    }

    /// Ends the transaction and gives the connection back.
    pub(super) async fn finish(mut self) -> Result<(), Error> {
        self.link()?.end().await.map_err(public)?;
        self.give_back();
        Ok(())
    }

    /// Gives the connection back: what ends its transaction is on its way, before all that is asked next.
    pub(super) fn give_back(&mut self) {
        let Some(link) = self.link.take() else { return };
        self.used = None;
        let mut idle = self.pool.idle.lock();
        if idle.len() < IDLE {
            return idle.push(link);
        }
        drop(idle);
        self.runtime.spawn(timeout(CANCEL, link.close()));
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut link) = self.link.take() else { return };
        let (cancel, tls) = (link.cancel_token(), self.pool.tls.clone());
        let used = self.used.take();
        self.runtime.spawn(async move {
            // In use until it is gone.
            let _used = used;
            // Answered once the server has ended what stands before it. A request that comes before
            // the server has begun that is lost, so it is made until then.
            {
                let mut ended = pin!(link.settled());
                for _ in 0..CANCELS {
                    let _ = timeout(CANCEL, cancel.cancel_query(tls.clone())).await;
                    if timeout(PAUSE, &mut ended).await.is_ok() {
                        break;
                    }
                }
            }
            let _ = timeout(CANCEL, link.close()).await;
        });
    }
}
