//! The listener of the Flight SQL front end: TLS, limits and drain; all else is in its room.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tollgate_flight::{Flight, Peer};
use tollgate_identity::ClientCertificates;

use crate::corked::corked;
use crate::listener::{self, TlsSettings, stopping};
use crate::lobby::{self, Lobby, Seat};

/// What connections of Flight clients share.
pub struct Front {
    /// Who answers.
    pub flight: Flight,
    /// TLS; where it is there, nothing else is spoken.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Connections at the same time, beside some that haven't authenticated; more wait.
    pub max_connections: usize,
    /// Connections that are open.
    pub connections: AtomicUsize,
    /// How long a connection may take to authenticate a first call.
    pub startup_timeout: Duration,
    /// How long calls may go on after the shutdown signal.
    pub drain: Duration,
}

/// The settings of the PostgreSQL side's certificate for HTTP/2.
pub fn tls(settings: &TlsSettings) -> Arc<rustls::ServerConfig> {
    let mut config = settings.config.as_ref().clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// Accepts connections until the shutdown signal, then drains them.
pub async fn serve(listener: TcpListener, front: Arc<Front>, mut shutdown: watch::Receiver<bool>) {
    let most = front.max_connections.saturating_add(lobby::SEATS);
    let lobby = Lobby::default();
    let mut connections = JoinSet::new();
    loop {
        front.connections.store(connections.len(), Ordering::Relaxed);
        tokio::select! {
            biased;
            () = stopping(&mut shutdown) => break,
            Some(ended) = connections.join_next() => listener::note(ended),
            // At the bound, new connections wait in the kernel's queue.
            accepted = listener.accept(), if connections.len() < most => {
                match accepted {
                    Ok((stream, peer)) => {
                        let seat = Arc::new(lobby.enter(peer.ip()));
                        let (front, shutdown) = (Arc::clone(&front), shutdown.clone());
                        connections.spawn(async move {
                            tokio::select! {
                                () = serve_one(stream, peer, &front, Arc::clone(&seat), shutdown) => {}
                                () = seat.shown_out(front.startup_timeout) => {
                                    tracing::debug!(%peer, "no call was authenticated in time");
                                }
                            }
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "could not accept a connection");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(front.drain, listener::all(&mut connections)).await.is_err() {
        tracing::warn!(connections = connections.len(), "canceling what still runs");
        connections.shutdown().await;
    }
}

async fn serve_one(
    stream: TcpStream,
    peer: SocketAddr,
    front: &Front,
    seat: Arc<Seat>,
    mut shutdown: watch::Receiver<bool>,
) {
    if let Err(error) = listener::prepare(&stream) {
        tracing::debug!(%error, %peer, "could not set socket options");
    }
    let caller = Peer {
        address: peer.ip().to_canonical(),
        on_authenticated: Arc::new(move || seat.settle()),
        over_tls: front.tls.is_some(),
        certificates: None,
    };
    let flight = front.flight.clone();
    let stop = async move { stopping(&mut shutdown).await };
    let (stream, turns) = corked(stream);
    let Some(config) = &front.tls else {
        turns.of(tollgate_flight::connection(stream, caller, flight, stop)).await;
        return;
    };
    match turns.of(TlsAcceptor::from(Arc::clone(config)).accept(stream)).await {
        Ok(stream) => {
            let certificates = ClientCertificates::of(stream.get_ref().1);
            let caller = Peer { certificates, ..caller };
            turns.of(tollgate_flight::connection(stream, caller, flight, stop)).await;
        }
        Err(error) => tracing::debug!(%error, %peer, "the TLS handshake failed"),
    }
}
