//! The socket with its two bounded buffers: frames in, messages out.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use pgwire::messages::Message as Encode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tollgate_catalog::{Error, ErrorKind};
use tollgate_gateway::CancelToken;

use super::error::{self, Stop, violation};
use super::message;

/// What a connection runs on: TCP, TLS, or a pipe in tests.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// Output is written once it is as long as this.
pub(crate) const FULL: usize = 64 * 1024;

/// How much is read ahead while a statement runs, and at once of a long message.
const AHEAD: usize = 64 * 1024;

/// Room for reading while nothing or little is known to come: an idle connection holds no more.
const ROOM: usize = 8 * 1024;

/// How long the last words of a connection may take.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How long a client that was told to go may still send: closing a socket with unread input would
/// reset it, and the client might never read why.
const LINGER: Duration = Duration::from_millis(500);

/// A message of the client: its kind and its body.
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) body: Bytes,
}

/// How a flush that a cancel request may interrupt ended.
pub(crate) enum Flushed {
    /// All is written.
    All,
    /// A cancel request came first; what is left stays in the buffer.
    Canceled,
}

/// The socket with its buffers.
pub(crate) struct Wire {
    socket: Box<dyn Socket>,
    input: BytesMut,
    /// What is to be written; encoders append whole messages.
    pub(crate) output: BytesMut,
    max_message: usize,
    stall: Duration,
}

impl Wire {
    pub(crate) fn new(socket: Box<dyn Socket>, max_message: usize, stall: Duration) -> Self {
        Self { socket, input: BytesMut::new(), output: BytesMut::new(), max_message, stall }
    }

    /// The next message after authentication. May be dropped and called again.
    pub(crate) async fn frame(&mut self) -> Result<Frame, Stop> {
        let max_message = self.max_message;
        self.bounded(|kind| {
            message::bound(kind, max_message)
                .ok_or_else(|| violation(format!("invalid frontend message type {kind}")))
        })
        .await
    }

    /// The body of the next message during authentication.
    pub(crate) async fn password(&mut self) -> Result<Bytes, Stop> {
        let frame = self
            .bounded(|kind| match kind {
                b'p' => Ok(message::PASSWORD),
                other => {
                    Err(violation(format!("expected a SASL response, got message type {other}")))
                }
            })
            .await?;
        Ok(frame.body)
    }

    async fn bounded(&mut self, bound: impl Fn(u8) -> Result<usize, Error>) -> Result<Frame, Stop> {
        let (kind, length) = loop {
            let kind = self.input.first().copied();
            // The kind is judged as soon as it is here: garbage need not be long.
            let bound = kind.map(&bound).transpose().map_err(Stop::Fatal)?;
            if let (Some(kind), Some(bound), Some(length)) = (kind, bound, self.length()) {
                break (kind, check(length, bound).map_err(Stop::Fatal)?);
            }
            self.read(ROOM).await?;
        };
        while self.input.len() < length.saturating_add(5) {
            // Memory follows what has come, not what the length promises.
            self.read(AHEAD).await?;
        }
        self.input.advance(5);
        let body = self.input.split_to(length).freeze();
        if self.input.is_empty() {
            // One large message must not hold its memory for the life of the connection.
            self.input = BytesMut::new();
        }
        Ok(Frame { kind, body })
    }

    fn length(&self) -> Option<i32> {
        let bytes = self.input.get(1..5)?;
        Some(i32::from_be_bytes(bytes.try_into().ok()?))
    }

    async fn read(&mut self, room: usize) -> io::Result<()> {
        self.input.reserve(room);
        match self.socket.read_buf(&mut self.input).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Reads ahead while a statement runs, and returns when the client has gone.
    ///
    /// May be dropped at any time. Once the buffer is full it waits forever: then the client finds
    /// its own writes blocked, and its going shows in ours.
    pub(crate) async fn gone(&mut self) {
        while self.input.len() < AHEAD {
            if self.read(ROOM).await.is_err() {
                return;
            }
        }
        std::future::pending().await
    }

    /// Appends a message.
    pub(crate) fn put(&mut self, message: &impl Encode) -> Result<(), Stop> {
        let before = self.output.len();
        message.encode(&mut self.output).map_err(|error| {
            self.output.truncate(before);
            Stop::Fatal(Error::internal(error))
        })
    }

    /// Writes all output. May be dropped and called again: no byte is lost or repeated.
    pub(crate) async fn flush(&mut self) -> Result<(), Stop> {
        while self.output.has_remaining() {
            let write = self.socket.write_buf(&mut self.output);
            match tokio::time::timeout(self.stall, write).await {
                Ok(Ok(0) | Err(_)) | Err(_) => return Err(Stop::Gone),
                Ok(Ok(_)) => {}
            }
        }
        if self.output.capacity() > 4 * FULL {
            self.output = BytesMut::new();
        }
        match tokio::time::timeout(self.stall, self.socket.flush()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Stop::Gone),
        }
    }

    /// Writes all output unless a cancel request comes first.
    pub(crate) async fn flush_unless(&mut self, cancel: &CancelToken) -> Result<Flushed, Stop> {
        tokio::select! {
            biased;
            () = cancel.cancelled() => Ok(Flushed::Canceled),
            written = self.flush() => written.map(|()| Flushed::All),
        }
    }

    /// Says why the connection ends, and ends it. The client may not listen any more.
    pub(crate) async fn last_words(mut self, error: &Error) {
        let said = self.put(&error::response("FATAL", error));
        if said.is_ok() && self.output.len() <= 4 * FULL {
            let _ = tokio::time::timeout(LAST_WORDS, async {
                let _ = self.flush().await;
                let _ = self.socket.shutdown().await;
            })
            .await;
            let _ = tokio::time::timeout(LINGER, async {
                self.input.clear();
                while self.read(ROOM).await.is_ok() {
                    self.input.clear();
                }
            })
            .await;
        }
    }

    /// Ends the connection without a word.
    pub(crate) async fn close(mut self) {
        let _ = tokio::time::timeout(LAST_WORDS, self.socket.shutdown()).await;
    }
}

/// The length of the body, if it is one and is not beyond the bound.
fn check(length: i32, bound: usize) -> Result<usize, Error> {
    let body = usize::try_from(length)
        .ok()
        .and_then(|length| length.checked_sub(4))
        .ok_or_else(|| violation("invalid message length"))?;
    if body > bound {
        return Err(Error::new(
            ErrorKind::ProgramLimit,
            format!("message of {body} bytes is longer than the limit of {bound} bytes"),
        )
        .with_hint(
            "send shorter statements and parameters, or ask the operator for a higher limit",
        ));
    }
    Ok(body)
}

#[cfg(test)]
mod tests;
