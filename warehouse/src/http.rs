//! HTTP requests with bounds: connections that are kept, TLS, and bodies of a known size at most.
//!
//! For the warehouses that are asked so, and for whoever left of them fetches something.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use url::Url;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the head of an answer may take: the service answers long queries after 45 s.
const HEAD: Duration = Duration::from_secs(120);
/// How long nothing may come of a body.
const STALLED: Duration = Duration::from_secs(60);
/// What this program calls itself.
pub(crate) const AGENT: &str = concat!("tollgate/", env!("CARGO_PKG_VERSION"));
/// Connections that wait for a request, for each server.
const IDLE: usize = 32;

/// Why there is no answer, for the log.
pub type Cause = Box<dyn StdError + Send + Sync>;
type Sender = SendRequest<Full<Bytes>>;

/// A connection's other end: whether it is encrypted, its name and its port.
pub(crate) type Origin = (bool, String, u16);

/// The client.
pub struct Http {
    tls: Option<Arc<ClientConfig>>,
    idle: Mutex<HashMap<Origin, Vec<Sender>>>,
}

/// An answer, read to its end.
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// All of the body.
    pub body: Bytes,
}

impl Http {
    /// A client; without TLS it connects to this machine only.
    pub fn new(tls: Option<Arc<ClientConfig>>) -> Self {
        Self { tls, idle: Mutex::default() }
    }

    /// Sends a request and reads the answer, of `limit` bytes at most. The error is the cause for the
    /// log: whether it is worth another try, the caller knows.
    pub(crate) async fn send(
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

    /// Asks for what is at an address, of `limit` bytes at most. It goes nowhere else: an answer that leads on
    /// is an answer.
    ///
    /// # Errors
    /// There is no whole answer.
    pub async fn get(&self, address: &Address, limit: usize) -> Result<Answer, Cause> {
        let request = head(&Method::GET, &address.0)
            .header("Accept", "application/json")
            .header("User-Agent", AGENT)
            .body(Full::default())?;
        self.send(&address.0, request, limit).await
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

/// Where a service is: at an `https` address, or at an `http` one of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(Url);

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong with it, for an operator.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|_| "it is not a valid address")?;
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err("it is more than an address".to_owned());
        }
        origin(&url).map_err(|cause| cause.to_string())?;
        Ok(Self(url))
    }

    /// Whether TLS is spoken there.
    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// The head of a request to an address.
pub(crate) fn head(method: &Method, url: &Url) -> hyper::http::request::Builder {
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let host = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => String::new(),
    };
    Request::builder().method(method.clone()).uri(path).header("Host", host)
}

pub(crate) fn origin(url: &Url) -> Result<Origin, Cause> {
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

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn addresses_of_other_machines_are_encrypted() {
        for address in
            ["https://id.example.com/keys?v=1", "http://127.0.0.1:9/keys", "http://localhost/keys"]
        {
            assert!(Address::parse(address).is_ok(), "{address}");
        }
        for address in [
            "http://id.example.com/keys",
            "http://127.0.0.1.example.com/keys",
            "ftp://127.0.0.1/keys",
            "https://user@host/keys",
            "https://host/keys#part",
            "file:///keys",
            "keys.json",
        ] {
            assert!(Address::parse(address).is_err(), "{address}");
        }
    }
}
