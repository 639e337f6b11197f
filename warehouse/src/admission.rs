//! How many queries may run at once: in all, of one user, and of those whom a limit is for.

mod line;

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tollgate_catalog::{Error, ErrorKind};
use tollgate_policy::limits::Limit;
use tollgate_rewriter::{Engine, Secured};

use crate::estimate::Usage;
use crate::limits;

use line::{Line, Place};

/// Users, or limits, noted before those without queries are forgotten.
const NOTED: usize = 1024;

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
    /// By the limit's name: a reload of the same limit keeps its line.
    lines: Mutex<HashMap<String, Weak<Line>>>,
}

/// A slot; dropping it gives it back.
#[derive(Debug)]
struct Slot {
    _slot: OwnedSemaphorePermit,
    _user: OwnedSemaphorePermit,
    _places: Vec<Place>,
}

impl Admission {
    /// At most `max_concurrent` queries at once, and at least one. One user's queries take three
    /// quarters of the slots at most, so that nobody shuts the others out.
    pub fn new(max_concurrent: usize) -> Self {
        let count = max_concurrent.clamp(1, Semaphore::MAX_PERMITS);
        let slots = Arc::new(Semaphore::new(count));
        let share = (count - count / 4).max(1);
        let (users, lines) = (Mutex::default(), Mutex::default());
        Self { shared: Arc::new(Shared { slots, share, users, lines }) }
    }

    /// Waits for a slot, in order of arrival. The caller bounds the wait by the statement's timeout.
    ///
    /// # Errors
    /// The gateway is stopping, or too many wait already for what a limit allows.
    pub async fn admit(&self, secured: Secured) -> Result<Admitted, Error> {
        let slot = self.shared.slot(&secured, false).await?;
        let shared = Arc::clone(&self.shared);
        Ok(Admitted { secured, slot: Some(slot), shared, usage: Arc::default() })
    }

    /// Refuses everyone who waits and everyone who comes; queries that run are not touched.
    pub fn close(&self) {
        self.shared.slots.close();
    }

    /// How many places of a limit are taken now.
    pub fn taken(&self, limit: &Limit) -> u64 {
        let line = self.shared.lines.lock().get(limit.name()).and_then(Weak::upgrade);
        line.map_or(0, |line| u64::try_from(line.taken()).unwrap_or(u64::MAX))
    }

    /// The slots that are free now.
    pub fn free(&self) -> usize {
        self.shared.slots.available_permits()
    }
}

impl Shared {
    /// `returns` says whether the query had a slot before.
    async fn slot(&self, secured: &Secured, returns: bool) -> Result<Slot, Error> {
        let user = secured.principal().name();
        let mut limited = Vec::new();
        if secured.engine() == Engine::Warehouse {
            let bound = secured.limits().bound().iter();
            limited.extend(bound.filter_map(|bound| Some((&bound.limit, bound.limit.concurrent?))));
        }
        // In one order for all, so that nobody waits for whom waits for them.
        limited.sort_by_key(|(limit, _)| limit.name());
        let mut places = Vec::with_capacity(limited.len());
        for (limit, most) in limited {
            let place = self.line(limit, most).place(user, returns).await;
            places.push(place.map_err(|line::Full| limits::busy(limit, most))?);
        }
        // The user's own bound first: whoever waits for it holds up nobody else.
        let own = self.user(user);
        let user = own.acquire_owned().await.map_err(stopping)?;
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(stopping)?;
        Ok(Slot { _slot: slot, _user: user, _places: places })
    }

    fn line(&self, limit: &Limit, most: u32) -> Arc<Line> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut lines = self.lines.lock();
        if let Some(known) = lines.get(limit.name()).and_then(Weak::upgrade) {
            known.resize(most);
            return known;
        }
        if lines.len() >= NOTED {
            lines.retain(|_, line| line.strong_count() > 0);
        }
        let line = Arc::new(Line::new(most));
        lines.insert(limit.name().to_owned(), Arc::downgrade(&line));
        line
    }

    fn user(&self, name: &str) -> Arc<Semaphore> {
        let mut users = self.users.lock();
        if let Some(known) = users.get(name).and_then(Weak::upgrade) {
            return known;
        }
        if users.len() >= NOTED {
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
    usage: Arc<Usage>,
}

impl Admitted {
    /// The query.
    pub fn secured(&self) -> &Secured {
        &self.secured
    }

    /// What the warehouse says that it has used.
    pub fn usage(&self) -> &Arc<Usage> {
        &self.usage
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
            self.slot = Some(self.shared.slot(&self.secured, true).await?);
        }
        Ok(())
    }
}
