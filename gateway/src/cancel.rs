//! Cancelling what a connection runs now.
//!
//! A statement can be stopped from two sides: its client cancels it, or its access is revoked.

use std::sync::Arc;

use tokio::sync::watch;

/// A switch that a CancelRequest turns on and the next statement turns off. Clones share it.
#[derive(Debug, Clone)]
pub struct CancelToken {
    switch: Arc<watch::Sender<bool>>,
}

impl Default for CancelToken {
    fn default() -> Self {
        Self::new()
    }
}

impl CancelToken {
    /// A token that is not cancelled.
    pub fn new() -> Self {
        Self { switch: Arc::new(watch::Sender::new(false)) }
    }

    /// Cancels whatever runs under this token.
    pub fn cancel(&self) {
        self.switch.send_replace(true);
    }

    /// Forgets an earlier cancel, before a new statement starts.
    pub fn reset(&self) {
        self.switch.send_replace(false);
    }

    /// Whether it is cancelled.
    pub fn is_cancelled(&self) -> bool {
        *self.switch.borrow()
    }

    /// Waits until it is cancelled.
    pub async fn cancelled(&self) {
        let mut switch = self.switch.subscribe();
        // The sender lives in `self`, so this ends only by a cancel.
        let _ = switch.wait_for(|cancelled| *cancelled).await;
    }
}
