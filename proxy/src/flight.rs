//! The listener of the Flight SQL front end: TLS, limits and drain; all else is in its room.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tollgate_flight::Flight;

use crate::listener::{self, TlsSettings, stopping};

/// What connections of Flight clients share.
pub struct Front {
    /// Who answers.
    pub flight: Flight,
    /// TLS; where it is there, nothing else is spoken.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Connections at the same time; more wait.
    pub max_connections: usize,
    /// How long the TLS handshake may take.
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
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stopping(&mut shutdown) => break,
            Some(ended) = connections.join_next() => listener::note(ended),
            // At the bound, new connections wait in the kernel's queue.
            accepted = listener.accept(), if connections.len() < front.max_connections => {
                match accepted {
                    Ok((stream, peer)) => {
                        let (front, shutdown) = (Arc::clone(&front), shutdown.clone());
                        connections.spawn(serve_one(stream, peer, front, shutdown));
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
    front: Arc<Front>,
    mut shutdown: watch::Receiver<bool>,
) {
    if let Err(error) = listener::prepare(&stream) {
        tracing::debug!(%error, %peer, "could not set socket options");
    }
    let address = peer.ip().to_canonical();
    let flight = front.flight.clone();
    let Some(config) = &front.tls else {
        let stop = async move { stopping(&mut shutdown).await };
        tollgate_flight::connection(stream, address, flight, stop).await;
        return;
    };
    let handshake = TlsAcceptor::from(Arc::clone(config)).accept(stream);
    match tokio::time::timeout(front.startup_timeout, handshake).await {
        Ok(Ok(stream)) => {
            let stop = async move { stopping(&mut shutdown).await };
            tollgate_flight::connection(stream, address, flight, stop).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, %peer, "the TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "the TLS handshake took too long"),
    }
}
