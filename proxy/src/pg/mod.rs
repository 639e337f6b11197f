//! The Postgres front end: wire facts in, wire bytes out; it decides nothing.
//!
//! A connection goes through `handshake` (encryption), `startup` (parameters, authentication) and
//! `session` (the loop), which hands statements to `simple` and `extended`; `cursor` and `copy` are other ways for
//! rows to go.

mod binding;
mod cancel;
mod copy;
mod cursor;
mod error;
mod extended;
mod handshake;
mod message;
mod portal;
mod session;
mod simple;
mod startup;
mod wire;

pub mod encode;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod param;

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use crate::listener::{Shared, stopping};

pub(crate) use binding::end_point_hash;
pub use cancel::Cancels;

/// Serves one connection from its first byte to its end.
pub async fn connection<S>(
    stream: S,
    peer: SocketAddr,
    shared: &Shared,
    mut shutdown: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let seat = shared.lobby.enter(peer.ip());
    let started = tokio::select! {
        started = startup::start(Box::new(stream), peer, shared) => started,
        () = seat.shown_out(shared.limits.startup_timeout) => {
            tracing::debug!(%peer, "start-up took too long");
            None
        }
        () = stopping(&mut shutdown) => None,
    };
    drop(seat);
    if let Some(connection) = started {
        connection.run(shutdown).await;
    }
}
