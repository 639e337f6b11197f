//! Composition: from what was loaded to a server that runs, reloads and stops.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tollgate_flight::Flight;
use tollgate_gateway::config::{self, Config};
use tollgate_gateway::{Gateway, GatewayParts, GatewaySettings, KeySource, RemoteKeys, State};
use tollgate_identity::Issuer;
use tollgate_policy::MaskSecret;
use tollgate_rewriter::Registry;
use tollgate_warehouse::embedded::Options;

use crate::admin;
use crate::export;
use crate::flight::{self, Front};
use crate::ledger;
use crate::listener::{self, Limits, Shared, TlsMode};
use crate::load::{self, Believed, Loaded};
use crate::place;
use crate::watch::Watch;

/// A server that listens.
pub struct Server {
    pg: SocketAddr,
    flight: Option<SocketAddr>,
    admin: Option<SocketAddr>,
    shared: Arc<Shared>,
    front: Option<Arc<Front>>,
    shutdown: watch::Sender<bool>,
    tasks: JoinSet<()>,
    again: Again,
    watch: Watch,
}

/// What a reload needs.
struct Again {
    path: PathBuf,
    registry: Arc<Registry>,
    secret: Arc<MaskSecret>,
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
    } = loaded;
    let warehouse = place::open(&config)?;
    let audit = ledger::audit(&config)?;
    let gateway = Gateway::new(GatewayParts {
        snapshot,
        bundle,
        registry: Arc::clone(&registry),
        warehouse,
        audit: Arc::new(audit),
        purse: ledger::purse(&config)?,
        settings: GatewaySettings {
            database: config.database.clone(),
            max_concurrent: config.warehouse.max_concurrent,
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
                ..tollgate_flight::Settings::default()
            },
        ),
        tls: tls.as_ref().map(flight::tls),
        max_connections: flight.max_connections,
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
    let (shutdown, signal) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let counts = exports.iter().map(|export| export.counts()).collect();
    for export in exports {
        tasks.spawn(export.serve(signal.clone()));
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
        tasks.spawn(admin::serve(listener, Arc::clone(&shared), counts, signal));
        admin = Some(address);
    }
    let again = Again { path, registry, secret };
    Ok(Server { pg, flight: flight_at, admin, shared, front, shutdown, tasks, again, watch })
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
    pub async fn until_signal(mut self) -> Result<(), String> {
        let on = |kind| signal(kind).map_err(|error| format!("error: no signals: {error}"));
        let (mut interrupt, mut terminate, mut hangup) =
            (on(SignalKind::interrupt())?, on(SignalKind::terminate())?, on(SignalKind::hangup())?);
        loop {
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                _ = hangup.recv() => self.reload_and_watch(),
                () = self.watch.changed() => self.reload_and_watch(),
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

    /// Reads users, tables and policies again. All of it is valid and goes live, or nothing does.
    ///
    /// A session whose user is gone or has other attributes ends. A query whose access was revoked is
    /// cut; others finish, and the next statement is decided anew.
    pub fn reload(&self) {
        self.renew();
    }

    /// The configuration may name other files than before.
    fn reload_and_watch(&mut self) {
        if let Some(watch) = self.renew() {
            self.watch = watch;
        }
    }

    /// Reloads, and gives the files to watch from then on if that went well.
    fn renew(&self) -> Option<Watch> {
        let gateway = &self.shared.gateway;
        let version = gateway.state().snapshot.version() + 1;
        let Again { path, registry, secret } = &self.again;
        let loaded = tokio::task::block_in_place(|| load::reload(path, version, registry, secret));
        let reloaded = match loaded {
            Ok(reloaded) => reloaded,
            Err(errors) => {
                tracing::error!("reload refused, the old state stays in force\n{errors}");
                return None;
            }
        };
        let users = self.shared.users.read().reload(&reloaded.users);
        let (Ok(users), Ok((issuer, fetched))) = (users, self.issuer(reloaded.believed)) else {
            tracing::error!("reload refused, the old state stays in force");
            return None;
        };
        let users = users.with_issuer(issuer).with_authority(reloaded.authority.clone());
        match fetched {
            Fetched::AsBefore => {}
            Fetched::Other(keys) => gateway.replace_keys(keys),
        }
        let bundle = Arc::clone(&reloaded.bundle);
        let users = Arc::new(users);
        if let Some(front) = &self.front {
            front.flight.replace_users(Arc::clone(&users));
            if let Some(keys) = reloaded.keys {
                front.flight.replace_keys(keys);
            }
        }
        *self.shared.users.write() = Arc::clone(&users);
        if let Some(tls) = &self.shared.tls {
            tls.clients.replace(reloaded.authority);
        }
        let queries =
            gateway.replace(State { snapshot: reloaded.snapshot, bundle: reloaded.bundle });
        let sessions = gateway.end_sessions(|principal| users.is_current(principal));
        tracing::info!(
            bundle = bundle.hash(),
            version,
            queries,
            sessions,
            "reloaded; access was revoked of that many"
        );
        Some(reloaded.watch)
    }

    /// The issuer to believe from now on. One whose keys are fetched stays with the keys that it has.
    fn issuer(&self, believed: Option<Believed>) -> Result<(Option<Arc<Issuer>>, Fetched), String> {
        let Some(Believed { issuer, source }) = believed else {
            return Ok((None, Fetched::Other(None)));
        };
        let Some(source) = source else { return Ok((Some(issuer), Fetched::Other(None))) };
        let known = self.shared.gateway.keys().filter(|keys| keys.are(&issuer, &source));
        if let Some(keys) = known {
            return Ok((Some(Arc::clone(keys.issuer())), Fetched::AsBefore));
        }
        let keys = fetching(&self.shared, Arc::clone(&issuer), source)?;
        Ok((Some(issuer), Fetched::Other(Some(keys))))
    }

    /// Drains and ends the server.
    pub async fn stop(mut self) {
        let _ = self.shutdown.send(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// What a reload does to keys that are fetched.
enum Fetched {
    /// They are the same issuer's, from the same place.
    AsBefore,
    /// Others take their place, or none.
    Other(Option<RemoteKeys>),
}

/// Begins to fetch an issuer's keys. Sessions end when theirs is withdrawn.
fn fetching(
    shared: &Arc<Shared>,
    issuer: Arc<Issuer>,
    source: KeySource,
) -> Result<RemoteKeys, String> {
    let shared = Arc::downgrade(shared);
    let withdrawn = move || {
        let Some(shared) = shared.upgrade() else { return };
        let users = Arc::clone(&shared.users.read());
        let sessions = shared.gateway.end_sessions(|principal| users.is_current(principal));
        tracing::info!(sessions, "keys of tokens were withdrawn; that many sessions ended");
    };
    RemoteKeys::start(issuer, source, withdrawn).map_err(said)
}

fn limits(config: &Config) -> Limits {
    Limits {
        max_connections: config.pg.max_connections,
        startup_timeout: config.pg.authentication_timeout,
        drain: config.drain,
        ..Limits::default()
    }
}

/// What the engine may use.
pub(crate) fn engine(config: &Config) -> Options {
    let default = Options::default();
    let memory =
        config.warehouse.memory_limit.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    Options {
        memory: memory.unwrap_or(default.memory),
        spill_folder: config.warehouse.temp.clone(),
        partitions: config.warehouse.target_partitions,
        ..default
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
fn said(error: tollgate_catalog::Error) -> String {
    match error.cause() {
        Some(cause) => format!("error: {error}: {cause}"),
        None => format!("error: {error}"),
    }
}
