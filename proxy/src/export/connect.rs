//! Connections to receivers: with TLS, or on this machine.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tollgate_gateway::config::Receiver;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// How long a receiver may take for a parcel.
pub(super) const ANSWER: Duration = Duration::from_secs(30);

/// A connection.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Whom to connect to.
pub(super) struct Peer {
    host: String,
    port: u16,
    tls: Option<TlsConnector>,
}

impl Peer {
    pub(super) fn new(to: &Receiver, tls: Option<Arc<ClientConfig>>) -> Self {
        Self { host: to.host.clone(), port: to.port, tls: tls.map(TlsConnector::from) }
    }

    /// Connects anew.
    ///
    /// # Errors
    /// Why not, for the log.
    pub(super) async fn connect(&self) -> Result<Box<dyn Stream>, String> {
        let connected = timeout(CONNECT, self.connected()).await;
        connected.unwrap_or_else(|_| Err("the receiver can't be reached in time".to_owned()))
    }

    async fn connected(&self) -> Result<Box<dyn Stream>, String> {
        let said = |error: std::io::Error| format!("the receiver can't be reached: {error}");
        let socket = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(said)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(socket)) };
        let name = ServerName::try_from(self.host.clone())
            .map_err(|error| format!("the receiver's name is not one: {error}"))?;
        Ok(Box::new(tls.connect(name, socket).await.map_err(said)?))
    }
}
