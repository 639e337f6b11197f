//! Composition: from what was loaded to a server that runs, reloads and stops.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use futures::future::OptionFuture;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tollgate_flight::Flight;
use tollgate_gateway::config::{self, Config};
use tollgate_gateway::{Gateway, GatewayParts, GatewaySettings};

use crate::admin::{self, Counts};
use crate::attribution;
use crate::export;
use crate::flight::{self, Front};
use crate::ledger;
use crate::listener::{self, Limits, Shared, TlsMode};
use crate::load::{Believed, Loaded};
use crate::place;
use crate::refresh;
use crate::renew::{self, Live, Renewal, fetching};
use crate::retention::Retention;
use crate::watch::Watch;

/// A server that listens.
pub struct Server {
    pg: SocketAddr,
    flight: Option<SocketAddr>,
    admin: Option<SocketAddr>,
    shutdown: watch::Sender<bool>,
    tasks: JoinSet<()>,
    renewal: Arc<Renewal>,
    watch: Watch,
}

/// The signals that a server hears, from before it listens: one that comes early would end the process.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// From now on they are heard.
    pub fn hear() -> Result<Self, String> {
        let on = |kind| signal(kind).map_err(|error| format!("error: no signals: {error}"));
        Ok(Self {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
            hangup: on(SignalKind::hangup())?,
        })
    }
}

/// Starts a server: once this returns, clients can connect.
pub async fn start(loaded: Loaded) -> Result<Server, String> {
    let Loaded {
        config,
        users,
        snapshot,
        bundle,
        registry,
        tls,
        keys,
        believed,
        path,
        watch,
        secret,
        found,
        sources,
    } = loaded;
    let config = Arc::new(config);
    let opened = renew::opened(&config);
    let warehouses = Arc::new(place::open_all(&config)?);
    let audit = ledger::audit(&config)?;
    let gateway = Gateway::new(GatewayParts {
        snapshot,
        bundle,
        registry: Arc::clone(&registry),
        warehouses,
        audit: Arc::new(audit),
        purse: ledger::purse(&config)?,
        settings: GatewaySettings {
            database: config.database.clone(),
            max_concurrent: config.max_concurrent(),
            statement_timeout: config.pg.statement_timeout,
            plan_cache: config.cache.plans,
            result_cache: config.cache.results,
            policy_readers: config.policy_readers.clone(),
        },
    })
    .map_err(said)?;
    let mode = match config.pg.tls {
        config::TlsMode::Required => TlsMode::Required,
        config::TlsMode::Optional => TlsMode::Optional,
    };
    let front = config.flight.as_ref().map(|flight| Front {
        flight: Flight::new(
            Arc::clone(&gateway),
            Arc::clone(&users),
            keys,
            tollgate_flight::Settings {
                token_lifetime: flight.token_lifetime,
                ticket_lifetime: flight.ticket_lifetime,
                memory: usize::try_from(flight.memory).unwrap_or(usize::MAX),
                ..tollgate_flight::Settings::default()
            },
        ),
        tls: tls.as_ref().map(flight::tls),
        max_connections: flight.max_connections,
        connections: AtomicUsize::new(0),
        startup_timeout: config.pg.authentication_timeout,
        drain: config.drain,
    });
    let shared = Arc::new(Shared::new(gateway, users, tls, mode, limits(&config)));
    if let Some(Believed { issuer, source: Some(source) }) = believed {
        shared.gateway.replace_keys(Some(fetching(&shared, issuer, source)?));
    }

    let (pg_listener, pg) = bind(&config, "pg.listen", config.pg.listen).await?;
    let flight_listener = match &config.flight {
        Some(flight) => Some(bind(&config, "flight.listen", flight.listen).await?),
        None => None,
    };
    let admin_listener = match config.admin {
        Some(address) => Some(bind(&config, "admin.listen", address).await?),
        None => None,
    };
    let exports = export::exports(&config)?;
    if let Err(error) = export::warn_of_forgotten(&config).await {
        return Err(ledger::refused(&config, &error));
    }
    let retention = Retention::of(&config)?;
    let (shutdown, signal) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let counts = Counts {
        exports: exports.iter().map(|export| export.counts()).collect(),
        retention: retention.as_ref().map(Retention::counts),
    };
    for export in exports {
        tasks.spawn(export.serve(signal.clone()));
    }
    if let Some(retention) = retention {
        tasks.spawn(retention.serve(signal.clone()));
    }
    tasks.spawn(listener::serve(pg_listener, Arc::clone(&shared), signal.clone()));
    let mut flight_at = None;
    let front = front.map(Arc::new);
    if let (Some((listener, address)), Some(front)) = (flight_listener, &front) {
        tasks.spawn(flight::serve(listener, Arc::clone(front), signal.clone()));
        flight_at = Some(address);
    }
    let mut admin = None;
    if let Some((listener, address)) = admin_listener {
        let (shared, front) = (Arc::clone(&shared), front.clone());
        tasks.spawn(admin::serve(listener, shared, front, counts, signal.clone()));
        admin = Some(address);
    }
    let live = Live { config, found, sources, opened };
    let renewal = Arc::new(Renewal::new((path, registry, secret), shared, front, live));
    tasks.spawn(refresh::serve(Arc::clone(&renewal), signal.clone()));
    tasks.spawn(attribution::serve(Arc::clone(&renewal), signal));
    Ok(Server { pg, flight: flight_at, admin, shutdown, tasks, renewal, watch })
}

impl Server {
    /// Where PostgreSQL clients connect.
    pub fn pg(&self) -> SocketAddr {
        self.pg
    }

    /// Where Flight SQL clients connect.
    pub fn flight(&self) -> Option<SocketAddr> {
        self.flight
    }

    /// Where health and metrics are.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Runs until SIGINT or SIGTERM, then drains. SIGHUP reloads, and so does
    /// a change of the files.
    pub async fn until_signal(mut self, signals: Signals) -> Result<(), String> {
        let Signals { mut interrupt, mut terminate, mut hangup } = signals;
        // A warehouse may take long to say what it has: a reload is a task of its own, one at a time.
        let (mut wanted, mut reloading) = (false, None::<JoinHandle<Option<Watch>>>);
        loop {
            if wanted && reloading.is_none() {
                wanted = false;
                let renewal = Arc::clone(&self.renewal);
                reloading = Some(tokio::task::spawn_blocking(move || renewal.reload()));
            }
            let reloaded = OptionFuture::from(reloading.as_mut());
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                _ = hangup.recv() => wanted = true,
                () = self.watch.changed() => wanted = true,
                Some(reloaded) = reloaded => {
                    reloading = None;
                    match reloaded {
                        // The configuration may name other files than before.
                        Ok(Some(watch)) => self.watch = watch,
                        Ok(None) => {}
                        Err(error) => tracing::error!(%error, "a reload failed, the old state stays in force"),
                    }
                }
                _ = self.tasks.join_next() => return Err("error: a listener ended".to_owned()),
            }
        }
        tracing::info!("stopping: running queries may end, a second signal doesn't wait for them");
        tokio::select! {
            () = self.stop() => {}
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    }

    /// Reads users, tables, policies and warehouses again. All of it is valid and goes live, or nothing does.
    ///
    /// A session whose user is gone or has other attributes ends. A query whose access was revoked is
    /// cut; others finish where they are, and the next statement is decided anew.
    pub fn reload(&self) {
        tokio::task::block_in_place(|| self.renewal.reload());
    }

    /// Drains and ends the server.
    pub async fn stop(mut self) {
        let _ = self.shutdown.send(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

fn limits(config: &Config) -> Limits {
    Limits {
        max_connections: config.pg.max_connections,
        startup_timeout: config.pg.authentication_timeout,
        drain: config.drain,
        ..Limits::default()
    }
}

async fn bind(
    config: &Config,
    key: &str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), String> {
    let bound = match TcpListener::bind(address).await {
        Ok(listener) => listener.local_addr().map(|address| (listener, address)),
        Err(error) => Err(error),
    };
    bound.map_err(|error| {
        let message = format!("could not listen at {address}: {error}");
        config.error(key, message, "end what listens there, or use another port").to_string()
    })
}

/// The operator reads the cause too.
pub(crate) fn said(error: tollgate_catalog::Error) -> String {
    match error.cause() {
        Some(cause) => format!("error: {error}: {cause}"),
        None => format!("error: {error}"),
    }
}
