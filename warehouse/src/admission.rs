//! How many queries may run at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tollgate_catalog::{Error, ErrorKind};
use tollgate_rewriter::Secured;

/// Hands out a bounded number of slots. Clones share them.
#[derive(Debug, Clone)]
pub struct Admission {
    slots: Arc<Semaphore>,
}

impl Admission {
    /// At most `max_concurrent` queries at once, and at least one.
    pub fn new(max_concurrent: usize) -> Self {
        let slots = max_concurrent.clamp(1, Semaphore::MAX_PERMITS);
        Self { slots: Arc::new(Semaphore::new(slots)) }
    }

    /// Waits for a slot, in order of arrival. The caller bounds the wait by the statement's timeout.
    pub async fn admit(&self, secured: Secured) -> Result<Admitted, Error> {
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|closed| {
            Error::new(ErrorKind::AdminShutdown, "the gateway is shutting down").with_cause(closed)
        })?;
        Ok(Admitted { secured, _slot: slot })
    }

    /// Refuses everyone who waits and everyone who comes; queries that run are not touched.
    pub fn close(&self) {
        self.slots.close();
    }

    /// The slots that are free now.
    pub fn free(&self) -> usize {
        self.slots.available_permits()
    }
}

/// A secured query that holds a slot; dropping it gives the slot back.
#[derive(Debug)]
pub struct Admitted {
    secured: Secured,
    _slot: OwnedSemaphorePermit,
}

impl Admitted {
    /// The query.
    pub fn secured(&self) -> &Secured {
        &self.secured
    }
}
