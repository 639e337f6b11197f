//! The Postgres front end: wire facts in, wire bytes out; it decides nothing.
//!
//! A connection goes through `handshake` (encryption), `startup` (parameters, authentication) and
//! `session` (the loop), which hands statements to `simple` and `extended`.

mod binding;
mod cancel;
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
    let start = startup::start(Box::new(stream), peer, shared);
    let started = tokio::select! {
        started = tokio::time::timeout(shared.limits.startup_timeout, start) => started,
        () = stopping(&mut shutdown) => return,
    };
    match started {
        Ok(Some(connection)) => connection.run(shutdown).await,
        Ok(None) => {}
        Err(_) => tracing::debug!(%peer, "start-up took too long"),
    }
}
