//! How many queries may run at once, in all and of one user.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tollgate_catalog::{Error, ErrorKind};
use tollgate_rewriter::Secured;

/// Users noted before those without queries are forgotten.
const USERS: usize = 1024;

/// Hands out a bounded number of slots. Clones share them.
#[derive(Debug, Clone)]
pub struct Admission {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    slots: Arc<Semaphore>,
    /// Slots that one user may hold.
    share: usize,
    users: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// A slot; dropping it gives it back.
#[derive(Debug)]
struct Slot {
    _user: OwnedSemaphorePermit,
    _slot: OwnedSemaphorePermit,
}

impl Admission {
    /// At most `max_concurrent` queries at once, and at least one. One user's queries take three
    /// quarters of the slots at most, so that nobody shuts the others out.
    pub fn new(max_concurrent: usize) -> Self {
        let count = max_concurrent.clamp(1, Semaphore::MAX_PERMITS);
        let slots = Arc::new(Semaphore::new(count));
        let share = (count - count / 4).max(1);
        Self { shared: Arc::new(Shared { slots, share, users: Mutex::default() }) }
    }

    /// Waits for a slot, in order of arrival. The caller bounds the wait by the statement's timeout.
    ///
    /// # Errors
    /// The gateway is stopping.
    pub async fn admit(&self, secured: Secured) -> Result<Admitted, Error> {
        let slot = self.shared.slot(secured.principal().name()).await?;
        Ok(Admitted { secured, slot: Some(slot), shared: Arc::clone(&self.shared) })
    }

    /// Refuses everyone who waits and everyone who comes; queries that run are not touched.
    pub fn close(&self) {
        self.shared.slots.close();
    }

    /// The slots that are free now.
    pub fn free(&self) -> usize {
        self.shared.slots.available_permits()
    }
}

impl Shared {
    async fn slot(&self, user: &str) -> Result<Slot, Error> {
        // The user's own bound first: whoever waits for it holds up nobody else.
        let own = self.user(user);
        let user = own.acquire_owned().await.map_err(stopping)?;
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(stopping)?;
        Ok(Slot { _user: user, _slot: slot })
    }

    fn user(&self, name: &str) -> Arc<Semaphore> {
        let mut users = self.users.lock();
        if let Some(known) = users.get(name).and_then(Weak::upgrade) {
            return known;
        }
        if users.len() >= USERS {
            users.retain(|_, slots| slots.strong_count() > 0);
        }
        let slots = Arc::new(Semaphore::new(self.share));
        users.insert(name.to_owned(), Arc::downgrade(&slots));
        slots
    }
}

fn stopping(closed: tokio::sync::AcquireError) -> Error {
    Error::new(ErrorKind::AdminShutdown, "the gateway is shutting down").with_cause(closed)
}

/// A secured query that holds a slot; dropping it gives the slot back.
#[derive(Debug)]
pub struct Admitted {
    secured: Secured,
    slot: Option<Slot>,
    shared: Arc<Shared>,
}

impl Admitted {
    /// The query.
    pub fn secured(&self) -> &Secured {
        &self.secured
    }

    /// Gives the slot back while nobody asks for rows.
    pub fn pause(&mut self) {
        self.slot = None;
    }

    /// Waits for a slot again, if it was given back. May be dropped and called again.
    ///
    /// # Errors
    /// The gateway is stopping.
    pub async fn resume(&mut self) -> Result<(), Error> {
        if self.slot.is_none() {
            self.slot = Some(self.shared.slot(self.secured.principal().name()).await?);
        }
        Ok(())
    }
}
