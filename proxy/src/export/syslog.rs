//! Syslog messages (RFC 5424) over TCP with counted octets (RFC 6587) or TLS (RFC 5425).
//!
//! A receiver of syslog acknowledges nothing, and what is written to a socket isn't received yet. So each
//! parcel has a connection of its own: the gateway ends its side, and what a receiver has read to that
//! end it answers with an end of its side. One that dies with unread bytes resets the connection, and
//! gets the parcel again. What it does with messages that it has read is its own.

use std::fmt::Write;
use std::io::ErrorKind;

use chrono::{DateTime, SecondsFormat};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tollgate_ledger::export::Event;

use super::connect::{ANSWER, Peer, Stream};

/// The facility "log audit".
const FACILITY: u8 = 13;
const NOTICE: u8 = 5;
const INFORMATIONAL: u8 = 6;

/// The most bytes that a receiver may send, which has nothing to say.
const CHATTER: usize = 64 << 10;

/// Sends events, and waits until they were read.
///
/// # Errors
/// Why that isn't known, for the log.
pub(super) async fn send(peer: &Peer, events: &[Event]) -> Result<(), String> {
    let mut frames = String::new();
    for event in events {
        let message = message(event);
        // Writing to a String can't fail.
        let _ = write!(frames, "{} {message}", message.len());
    }
    let stream = peer.connect().await?;
    let sent = timeout(ANSWER, hand_over(stream, frames.as_bytes())).await;
    sent.unwrap_or_else(|_| Err("the receiver did not end the connection in time".to_owned()))
}

async fn hand_over(mut stream: Box<dyn Stream>, frames: &[u8]) -> Result<(), String> {
    let said = |error: std::io::Error| format!("the receiver has gone away: {error}");
    stream.write_all(frames).await.map_err(said)?;
    stream.shutdown().await.map_err(said)?;
    let (mut rest, mut read) = ([0; 1024], 0);
    loop {
        match stream.read(&mut rest).await {
            Ok(0) => return Ok(()),
            Ok(count) => read += count,
            // Some end the connection without the last word of TLS.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(said(error)),
        }
        if read > CHATTER {
            return Err("the receiver does not speak syslog".to_owned());
        }
    }
}

/// One message. The replica stands for the host: whichever one sends.
fn message(event: &Event) -> String {
    let severity = if event.succeeded { INFORMATIONAL } else { NOTICE };
    let priority = FACILITY * 8 + severity;
    let time = DateTime::from_timestamp_micros(event.at).unwrap_or_default();
    let time = time.to_rfc3339_opts(SecondsFormat::Micros, true);
    // A replica's name has letters, digits, "-", "_" and ".".
    let host = event.chain.get(..255).unwrap_or(&event.chain);
    format!("<{priority}>1 {time} {host} tollgate - query - {}", event.json)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use tollgate_ledger::export::Event;

    #[test]
    fn a_message_has_the_parts_of_the_standard() {
        let event = Event {
            chain: "eu-1".to_owned(),
            at: 1_700_000_000_000_001,
            succeeded: false,
            json: "{\"a\":\"ü\"}".to_owned(),
        };
        let message = super::message(&event);
        let expected = "<109>1 2023-11-14T22:13:20.000001Z eu-1 tollgate - query - {\"a\":\"ü\"}";
        assert_eq!(message, expected);
    }
}
