//! The accept loop: limits, socket options, and the drain at shutdown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use rustls_pki_types::CertificateDer;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tollgate_gateway::Gateway;
use tollgate_identity::UserStore;

use crate::clients::Clients;
use crate::lobby::{self, Lobby};
use crate::pg::{self, Cancels};

/// Connections beyond the sessions: those that start up, cancel, get a refusal, or are about to end.
const BESIDE_SESSIONS: usize = 2 * lobby::SEATS;

/// How long sessions may take to end once their statements are canceled.
const LAST_GRACE: Duration = Duration::from_secs(5);

/// Whether connections must be encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// Plain text is refused.
    Required,
    /// The client decides.
    Optional,
}

/// The server's side of TLS.
#[derive(Clone)]
pub struct TlsSettings {
    /// Certificate, key, and the protocol names in ALPN.
    pub config: Arc<rustls::ServerConfig>,
    /// What SCRAM binds to; empty if the certificate has no defined hash.
    pub end_point_hash: Vec<u8>,
    /// What asks for certificates of clients, if `config` has it do so.
    pub clients: Arc<Clients>,
}

impl TlsSettings {
    /// Settings for Postgres connections: `leaf` is the certificate that `config` shows.
    pub fn new(mut config: rustls::ServerConfig, leaf: &CertificateDer<'_>) -> Self {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        let end_point_hash = pg::end_point_hash(leaf).unwrap_or_default();
        Self { config: Arc::new(config), end_point_hash, clients: Arc::default() }
    }
}

/// The bounds of connections.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Sessions at the same time.
    pub max_connections: usize,
    /// From the first byte to the session.
    pub startup_timeout: Duration,
    /// Bytes of one message after authentication.
    pub max_message: usize,
    /// Prepared statements of one session, and portals.
    pub statements: usize,
    /// How long a client may leave its results unread before the connection ends.
    pub stall: Duration,
    /// How long statements may go on after the shutdown signal.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 500,
            startup_timeout: Duration::from_secs(30),
            max_message: 16 * 1024 * 1024,
            statements: 4096,
            stall: Duration::from_secs(15 * 60),
            drain: Duration::from_secs(30),
        }
    }
}

/// What all connections share.
pub struct Shared {
    /// The road of a query.
    pub gateway: Arc<Gateway>,
    /// Who may connect; replaced as a whole when the user file changes.
    pub users: RwLock<Arc<UserStore>>,
    /// TLS, if there is a certificate.
    pub tls: Option<TlsSettings>,
    /// Whether connections must be encrypted.
    pub tls_mode: TlsMode,
    /// The bounds.
    pub limits: Limits,
    pub(crate) cancels: Arc<Cancels>,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) lobby: Lobby,
}

impl Shared {
    /// What all connections of a server share.
    pub fn new(
        gateway: Arc<Gateway>,
        users: Arc<UserStore>,
        tls: Option<TlsSettings>,
        tls_mode: TlsMode,
        limits: Limits,
    ) -> Self {
        let slots = Arc::new(Semaphore::new(limits.max_connections.min(Semaphore::MAX_PERMITS)));
        let users = RwLock::new(users);
        let (cancels, lobby): (Arc<Cancels>, _) = (Arc::default(), Lobby::default());
        let heard = Arc::clone(&cancels);
        gateway.peers().listen(move |cancel| heard.hear(cancel));
        Self { gateway, users, tls, tls_mode, limits, cancels, slots, lobby }
    }
}

/// Returns once the shutdown signal is given, or its giver is gone.
pub(crate) async fn stopping(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// Accepts connections until the shutdown signal, then drains them.
///
/// Idle sessions end at once, statements may go on until the drain deadline and are then canceled.
pub async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    mut shutdown: watch::Receiver<bool>,
) {
    let most = shared.limits.max_connections.saturating_add(BESIDE_SESSIONS);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stopping(&mut shutdown) => break,
            Some(ended) = connections.join_next() => note(ended),
            // At the bound, new connections wait in the kernel's queue.
            accepted = listener.accept(), if connections.len() < most => match accepted {
                Ok((stream, peer)) => {
                    let (shared, shutdown) = (Arc::clone(&shared), shutdown.clone());
                    connections.spawn(serve_one(stream, peer, shared, shutdown));
                }
                Err(error) => {
                    // Out of file descriptors, say: trying again at once would only burn time.
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    drop(listener);
    drain(connections, &shared).await;
}

async fn serve_one(
    stream: TcpStream,
    peer: SocketAddr,
    shared: Arc<Shared>,
    shutdown: watch::Receiver<bool>,
) {
    if let Err(error) = prepare(&stream) {
        tracing::debug!(%error, %peer, "could not set socket options");
    }
    pg::connection(stream, peer, &shared, shutdown).await;
}

pub(crate) fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(15));
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

async fn drain(mut connections: JoinSet<()>, shared: &Shared) {
    if tokio::time::timeout(shared.limits.drain, all(&mut connections)).await.is_ok() {
        return;
    }
    tracing::warn!(connections = connections.len(), "canceling what still runs");
    shared.cancels.cancel_all();
    if tokio::time::timeout(LAST_GRACE, all(&mut connections)).await.is_err() {
        connections.shutdown().await;
    }
}

pub(crate) async fn all(connections: &mut JoinSet<()>) {
    while let Some(ended) = connections.join_next().await {
        note(ended);
    }
}

pub(crate) fn note(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection ended in a defect");
    }
}
