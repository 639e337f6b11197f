//! HTTP requests with bounds: connections that are kept, TLS, and bodies of a known size at most.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tollgate_catalog::{Error, ErrorKind};
use url::Url;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the head of an answer may take: the service answers long queries after 45 s.
const HEAD: Duration = Duration::from_secs(120);
/// How long nothing may come of a body.
const STALLED: Duration = Duration::from_secs(60);
/// Connections that wait for a request, for each server.
const IDLE: usize = 32;

type Cause = Box<dyn StdError + Send + Sync>;
type Sender = SendRequest<Full<Bytes>>;

/// A connection's other end: whether it is encrypted, its name and its port.
type Origin = (bool, String, u16);

/// The client.
pub(super) struct Http {
    tls: Option<Arc<ClientConfig>>,
    idle: Mutex<HashMap<Origin, Vec<Sender>>>,
}

/// An answer, read to its end.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

impl Http {
    pub(super) fn new(tls: Option<Arc<ClientConfig>>) -> Self {
        Self { tls, idle: Mutex::default() }
    }

    /// Sends a request and reads the answer, of `limit` bytes at most. The error is the cause for the
    /// log: whether it is worth another try, the caller knows.
    pub(super) async fn send(
        &self,
        url: &Url,
        request: Request<Full<Bytes>>,
        limit: usize,
    ) -> Result<Answer, Cause> {
        let origin = origin(url)?;
        let mut sender = self.connection(&origin).await?;
        let response = timeout(HEAD, sender.send_request(request)).await??;
        let answer = read(response, limit).await?;
        self.keep(origin, sender);
        Ok(answer)
    }

    async fn connection(&self, origin: &Origin) -> Result<Sender, Cause> {
        loop {
            let kept = self.idle.lock().get_mut(origin).and_then(Vec::pop);
            let Some(mut sender) = kept else { return self.connect(origin).await };
            if sender.ready().await.is_ok() {
                return Ok(sender);
            }
        }
    }

    fn keep(&self, origin: Origin, sender: Sender) {
        let mut idle = self.idle.lock();
        let kept = idle.entry(origin).or_default();
        if kept.len() < IDLE && !sender.is_closed() {
            kept.push(sender);
        }
    }

    async fn connect(&self, origin: &Origin) -> Result<Sender, Cause> {
        let (encrypted, host, port) = origin;
        let socket = timeout(CONNECT, TcpStream::connect((host.as_str(), *port))).await??;
        socket.set_nodelay(true)?;
        if !*encrypted {
            let (sender, connection) = handshake(TokioIo::new(socket)).await?;
            // It ends when its sender is dropped; whoever waits for an answer is told what went wrong.
            tokio::spawn(async move {
                let _ = connection.await;
            });
            return Ok(sender);
        }
        let Some(tls) = &self.tls else { return Err("there is no TLS".into()) };
        let name = ServerName::try_from(host.clone())?;
        let connecting = TlsConnector::from(Arc::clone(tls)).connect(name, socket);
        let stream = timeout(CONNECT, connecting).await??;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(sender)
    }
}

async fn read(response: Response<Incoming>, limit: usize) -> Result<Answer, Cause> {
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let mut bytes = BytesMut::new();
    while let Some(frame) = timeout(STALLED, body.frame()).await? {
        if let Ok(data) = frame?.into_data() {
            if bytes.len() + data.len() > limit {
                return Err("the answer is too long".into());
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(Answer { status, body: bytes.freeze() })
}

fn origin(url: &Url) -> Result<Origin, Cause> {
    let encrypted = match url.scheme() {
        "https" => true,
        "http" => false,
        _ => return Err("the address is none of HTTP".into()),
    };
    let host = url.host_str().ok_or("the address has no host")?;
    if !encrypted && !is_here(host) {
        return Err("a server on another machine needs TLS".into());
    }
    let port = url.port_or_known_default().ok_or("the address has no port")?;
    Ok((encrypted, host.trim_matches(['[', ']']).to_owned(), port))
}

/// Whether a host is this machine.
fn is_here(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The address of a service.
///
/// # Errors
/// It isn't one, or would send credentials without TLS to another machine.
pub(super) fn service(address: &str) -> Result<Url, Error> {
    let invalid = |what: &str| {
        Error::new(ErrorKind::InvalidParameterValue, what.to_owned())
            .with_hint("name the account's address as \"https://xy12345.snowflakecomputing.com\"")
    };
    let url =
        Url::parse(address).map_err(|_| invalid("the address of the service is not valid"))?;
    let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !plain || !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("the address of the service is not valid"));
    }
    origin(&url).map_err(|cause| invalid(&cause.to_string()))?;
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::service;

    #[test]
    fn credentials_go_to_other_machines_with_tls_only() {
        for address in ["https://xy.snowflakecomputing.com", "http://127.0.0.1:9", "http://[::1]:9"]
        {
            assert!(service(address).is_ok(), "{address}");
        }
        for address in [
            "http://xy.snowflakecomputing.com",
            "ftp://127.0.0.1",
            "https://user:password@host",
            "https://host/path",
            "xy12345",
        ] {
            assert!(service(address).is_err(), "{address}");
        }
    }
}
