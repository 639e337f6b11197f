//! The protocol by hand: what a client library would never send.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::gateway::{DATABASE, PASSWORD};

/// How long an answer may take, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(120);

/// A message of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub kind: u8,
    pub body: Vec<u8>,
}

impl Reply {
    /// A field of an ErrorResponse or NoticeResponse.
    pub fn field(&self, name: u8) -> Option<String> {
        self.body.split(|byte| *byte == 0).find_map(|field| match field.split_first() {
            Some((first, rest)) if *first == name => Some(String::from_utf8(rest.into()).unwrap()),
            Some(_) | None => None,
        })
    }
}

/// A connection without a library.
pub struct Raw {
    pub stream: TcpStream,
    /// Process number and secret, for a CancelRequest.
    pub key: Vec<u8>,
}

impl Raw {
    /// Opens a socket and says nothing.
    pub async fn open(address: SocketAddr) -> Raw {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Raw { stream, key: Vec::new() }
    }

    /// Opens a session, authenticated by SCRAM.
    pub async fn session(address: SocketAddr, user: &str) -> Raw {
        let mut raw = Raw::open(address).await;
        raw.send(&startup(0x0003_0000, &[("user", user), ("database", DATABASE)])).await;
        raw.authenticate(PASSWORD).await;
        loop {
            let reply = raw.reply().await.expect("the server closed the connection");
            match reply.kind {
                b'K' => raw.key = reply.body,
                b'Z' => break,
                b'S' | b'N' | b'R' => {}
                other => panic!("unexpected {:?} in {reply:?}", other as char),
            }
        }
        raw
    }

    /// Runs SCRAM up to AuthenticationOk, which it leaves unread.
    pub async fn authenticate(&mut self, password: &str) {
        let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        self.wait(b'R').await;
        let first = scram.message().to_vec();
        let mut body = b"SCRAM-SHA-256\0".to_vec();
        body.extend(u32::try_from(first.len()).unwrap().to_be_bytes());
        body.extend(first);
        self.send(&message(b'p', &body)).await;
        let challenge = self.wait(b'R').await;
        scram.update(&challenge.body[4..]).unwrap();
        let last = scram.message().to_vec();
        self.send(&message(b'p', &last)).await;
        let end = self.wait(b'R').await;
        scram.finish(&end.body[4..]).unwrap();
    }

    /// Sends bytes.
    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Sends bytes to a server that may close first.
    pub async fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match tokio::time::timeout(PATIENCE, self.stream.write_all(bytes)).await {
            Ok(result) => result,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// The next message; `None` once the server has closed the connection.
    pub async fn reply(&mut self) -> Option<Reply> {
        let read = async {
            let kind = self.stream.read_u8().await?;
            let length = usize::try_from(self.stream.read_u32().await?).unwrap();
            let mut body = vec![0; length - 4];
            self.stream.read_exact(&mut body).await?;
            Ok(Reply { kind, body })
        };
        let read: Result<io::Result<Reply>, _> = tokio::time::timeout(PATIENCE, read).await;
        match read.expect("the server doesn't answer") {
            Ok(reply) => Some(reply),
            Err(error) => {
                let closed = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
                assert!(closed.contains(&error.kind()), "{error}");
                None
            }
        }
    }

    /// The next message of a kind; others before it must be harmless.
    pub async fn wait(&mut self, kind: u8) -> Reply {
        loop {
            let reply = self.reply().await.expect("the server closed the connection");
            if reply.kind == kind {
                return reply;
            }
            assert!(
                matches!(reply.kind, b'S' | b'N' | b'T' | b'D' | b'C' | b'1' | b'2' | b'n' | b't'),
                "waiting for {:?}, got {:?} {}",
                kind as char,
                reply.kind as char,
                String::from_utf8_lossy(&reply.body)
            );
        }
    }

    /// Everything up to ReadyForQuery, or up to the end of the connection.
    pub async fn until_ready(&mut self) -> Vec<Reply> {
        let mut replies = Vec::new();
        while let Some(reply) = self.reply().await {
            let ready = reply.kind == b'Z';
            replies.push(reply);
            if ready {
                break;
            }
        }
        replies
    }

    /// Everything up to the end of the connection.
    pub async fn until_closed(&mut self) -> Vec<Reply> {
        let mut replies = Vec::new();
        while let Some(reply) = self.reply().await {
            replies.push(reply);
        }
        replies
    }

    /// Runs a text by the simple protocol; the kinds of the answers.
    pub async fn query(&mut self, sql: &str) -> Vec<Reply> {
        self.send(&message(b'Q', &zero(sql))).await;
        self.until_ready().await
    }

    /// Asserts that the session answers as if nothing had happened.
    pub async fn works(&mut self) {
        let replies = self.query("SELECT 1").await;
        assert_eq!(kinds(&replies), "TDCZ", "{replies:?}");
    }
}

/// Asks for a cancel by a session's key; it is carried out, or refused, when this returns.
pub async fn cancel(address: SocketAddr, key: &[u8]) {
    let mut raw = Raw::open(address).await;
    let length = u32::try_from(key.len() + 8).unwrap().to_be_bytes();
    raw.send(&[&length[..], &80_877_102_u32.to_be_bytes(), key].concat()).await;
    assert_eq!(raw.until_closed().await, []);
}

/// The kinds of messages, as one text.
pub fn kinds(replies: &[Reply]) -> String {
    replies.iter().map(|reply| reply.kind as char).collect()
}

/// A message with its length.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    bytes.extend(body);
    bytes
}

/// A start-up packet.
pub fn startup(version: u32, parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    for (name, value) in parameters {
        body.extend(zero(name));
        body.extend(zero(value));
    }
    body.push(0);
    let mut bytes = u32::try_from(body.len() + 4).unwrap().to_be_bytes().to_vec();
    bytes.extend(body);
    bytes
}

/// A text with the zero byte that ends it.
pub fn zero(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// Parse of a statement without parameter types.
pub fn parse(name: &str, sql: &str) -> Vec<u8> {
    message(b'P', &[zero(name), zero(sql), vec![0, 0]].concat())
}

/// Bind of a statement without parameters, with result formats.
pub fn bind(portal: &str, statement: &str, formats: &[i16]) -> Vec<u8> {
    let mut body = [zero(portal), zero(statement), vec![0, 0, 0, 0]].concat();
    body.extend(u16::try_from(formats.len()).unwrap().to_be_bytes());
    formats.iter().for_each(|format| body.extend(format.to_be_bytes()));
    message(b'B', &body)
}

/// Execute of a portal.
pub fn execute(portal: &str, rows: i32) -> Vec<u8> {
    message(b'E', &[zero(portal), rows.to_be_bytes().to_vec()].concat())
}

/// Sync.
pub fn sync() -> Vec<u8> {
    message(b'S', &[])
}
