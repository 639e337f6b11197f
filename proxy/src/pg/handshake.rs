//! The first packets: encryption is agreed on, and the client says what it wants.
//!
//! Reads are exact: not a byte beyond the packet at hand is taken from the socket, so nothing that
//! came in plain text can be taken for something that came encrypted.

use std::io::Cursor;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tollgate_catalog::{Error, ErrorKind};
use tollgate_identity::ClientCertificates;

use super::error::{Stop, violation};
use super::message::Reader;
use super::wire::{Socket, Wire};
use crate::listener::{Limits, TlsMode, TlsSettings};

const CANCEL_REQUEST: i32 = 80_877_102;
const SSL_REQUEST: i32 = 80_877_103;
const GSSENC_REQUEST: i32 = 80_877_104;

/// The longest first packet (PostgreSQL's bound).
const LONGEST: usize = 10_000;

/// The first byte of a TLS handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// The protocol's name in TLS, which a client that starts with TLS has to give.
const ALPN: &[u8] = b"postgresql";

/// On what terms connections come in.
pub(crate) struct Door<'a> {
    pub(crate) tls: Option<&'a TlsSettings>,
    pub(crate) tls_mode: TlsMode,
    pub(crate) limits: &'a Limits,
}

/// What a client wants.
pub(crate) enum Opening {
    /// A session.
    Startup {
        wire: Wire,
        /// Whether the socket is encrypted.
        encrypted: bool,
        /// The certificates that the client has shown.
        certificates: Option<ClientCertificates>,
        /// The version as the client sent it: major in the upper half, minor in the lower.
        version: i32,
        /// The body of the start-up packet after the version.
        body: Bytes,
    },
    /// The end of a statement of another session.
    Cancel {
        pid: i32,
        secret: Bytes,
        /// Clients wait for its end before they go on: closed once the request is carried out, or it would
        /// meet their next statement.
        socket: Box<dyn Socket>,
    },
    /// Nothing: it has gone, was refused, or is none of ours.
    Nothing,
}

/// Agrees on encryption and reads the start-up packet. Errors are told the client here.
pub(crate) async fn open(mut socket: Box<dyn Socket>, door: &Door<'_>) -> Opening {
    match negotiate(&mut socket, door).await {
        Ok(Negotiated::Plain(packet)) => opening(socket, packet, None, door).await,
        Ok(Negotiated::Tls(first, settings)) => tls(socket, first, settings, door).await,
        Err(stop) => refuse(socket, stop, door).await,
    }
}

enum Negotiated<'a> {
    /// The client goes on in plain text.
    Plain(Packet),
    /// The client starts TLS; the byte, if any, is the first of it.
    Tls(Option<u8>, &'a TlsSettings),
}

struct Packet {
    code: i32,
    body: Bytes,
}

async fn negotiate<'a>(
    socket: &mut Box<dyn Socket>,
    door: &Door<'a>,
) -> Result<Negotiated<'a>, Stop> {
    let first = socket.read_u8().await?;
    if first == TLS_HANDSHAKE {
        return match door.tls {
            Some(settings) => Ok(Negotiated::Tls(Some(first), settings)),
            None => Err(Stop::Gone),
        };
    }
    let mut packet = packet(socket, Some(first)).await?;
    // Each may be asked once, in either order.
    let (mut ssl_asked, mut gss_asked) = (false, false);
    loop {
        match packet.code {
            SSL_REQUEST if !ssl_asked => {
                ssl_asked = true;
                if let Some(settings) = door.tls {
                    socket.write_all(b"S").await?;
                    socket.flush().await?;
                    return Ok(Negotiated::Tls(None, settings));
                }
            }
            GSSENC_REQUEST if !gss_asked => gss_asked = true,
            _ => return Ok(Negotiated::Plain(packet)),
        }
        socket.write_all(b"N").await?;
        socket.flush().await?;
        packet = self::packet(socket, None).await?;
    }
}

/// What is known of the client on a socket with TLS.
struct Encrypted {
    certificates: Option<ClientCertificates>,
}

/// Reads one packet of the form that has no kind; `first` was read already.
async fn packet(socket: &mut Box<dyn Socket>, first: Option<u8>) -> Result<Packet, Stop> {
    let mut length = [0; 4];
    match (first, &mut length) {
        (Some(first), [start, rest @ ..]) => {
            *start = first;
            socket.read_exact(rest).await?;
        }
        (None, all) => {
            socket.read_exact(all).await?;
        }
    }
    let length = usize::try_from(u32::from_be_bytes(length))
        .ok()
        .and_then(|length| length.checked_sub(8))
        .filter(|length| *length <= LONGEST)
        .ok_or_else(|| Stop::Fatal(violation("invalid length of startup packet")))?;
    let code = socket.read_i32().await?;
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await?;
    Ok(Packet { code, body: body.into() })
}

/// Shakes hands, then reads the start-up packet inside.
async fn tls(
    socket: Box<dyn Socket>,
    first: Option<u8>,
    settings: &TlsSettings,
    door: &Door<'_>,
) -> Opening {
    let acceptor = TlsAcceptor::from(std::sync::Arc::clone(&settings.config));
    let socket: Box<dyn Socket> = match first {
        None => socket,
        Some(first) => {
            let (read, write) = tokio::io::split(socket);
            Box::new(tokio::io::join(Cursor::new([first]).chain(read), write))
        }
    };
    let stream = match acceptor.accept(socket).await {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, "the TLS handshake failed");
            return Opening::Nothing;
        }
    };
    if first.is_some() && stream.get_ref().1.alpn_protocol() != Some(ALPN) {
        tracing::debug!("direct TLS without the protocol name in ALPN");
        return Opening::Nothing;
    }
    let encrypted = Encrypted { certificates: ClientCertificates::of(stream.get_ref().1) };
    let mut socket: Box<dyn Socket> = Box::new(stream);
    match packet(&mut socket, None).await {
        Ok(packet) => opening(socket, packet, Some(encrypted), door).await,
        Err(stop) => refuse(socket, stop, door).await,
    }
}

async fn opening(
    socket: Box<dyn Socket>,
    packet: Packet,
    encrypted: Option<Encrypted>,
    door: &Door<'_>,
) -> Opening {
    let Packet { code, body } = packet;
    if code == CANCEL_REQUEST {
        // Older libpq cancels in plain text always; the key is the only proof needed.
        let mut reader = Reader::new(body);
        return match reader.i32() {
            Ok(pid) => Opening::Cancel { pid, secret: reader.rest(), socket },
            Err(_) => Opening::Nothing,
        };
    }
    let major = code >> 16;
    if major != 3 {
        let error = Error::new(
            ErrorKind::NotSupported,
            format!(
                "unsupported frontend protocol {major}.{}: server supports 3.0 to 3.2",
                code & 0xffff
            ),
        );
        return refuse(socket, Stop::Fatal(error), door).await;
    }
    let refused = match door.tls_mode {
        TlsMode::Required => encrypted.is_none(),
        TlsMode::Optional => false,
    };
    if refused {
        let error = Error::new(
            ErrorKind::InvalidAuthorization,
            "the connection is not encrypted, and this server requires encryption",
        )
        .with_hint("connect with sslmode=require, or better with sslmode=verify-full");
        return refuse(socket, Stop::Fatal(error), door).await;
    }
    let wire = wire(socket, door);
    let (encrypted, certificates) = match encrypted {
        Some(Encrypted { certificates }) => (true, certificates),
        None => (false, None),
    };
    Opening::Startup { wire, encrypted, certificates, version: code, body }
}

async fn refuse(socket: Box<dyn Socket>, stop: Stop, door: &Door<'_>) -> Opening {
    match stop {
        Stop::Error(error) | Stop::Fatal(error) => wire(socket, door).last_words(&error).await,
        Stop::Gone => {}
    }
    Opening::Nothing
}

fn wire(socket: Box<dyn Socket>, door: &Door<'_>) -> Wire {
    Wire::new(socket, door.limits.max_message, door.limits.stall)
}

#[cfg(test)]
mod tests;
