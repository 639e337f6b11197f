//! How many queries may run at once: at each warehouse, of one user there, and of those whom a limit is for.

mod line;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tollgate_catalog::{Error, ErrorKind, WarehouseName};
use tollgate_policy::limits::Limit;
use tollgate_rewriter::Secured;

use crate::estimate::Usage;
use crate::limits;

use line::{Line, Place};

/// Users, or limits, noted before those without queries are forgotten.
const NOTED: usize = 1024;

/// Hands out a bounded number of slots for each warehouse, and as well for what the gateway runs itself.
/// Clones share them.
#[derive(Debug, Clone)]
pub struct Admission {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    rooms: Mutex<Rooms>,
    /// By the limit's name: a reload of the same limit keeps its line. A limit is one for all warehouses.
    lines: Mutex<HashMap<String, Weak<Line>>>,
}

/// The slots by warehouse; under no name those of the gateway itself. What hangs at one warehouse takes
/// none of another's.
#[derive(Debug)]
struct Rooms {
    /// How many slots there are where nothing else is said.
    size: usize,
    by_name: HashMap<Option<WarehouseName>, Arc<Room>>,
    closed: bool,
}

/// The slots of one place.
#[derive(Debug)]
struct Room {
    size: usize,
    slots: Arc<Semaphore>,
    /// Queries that wait for one.
    waiting: AtomicUsize,
    /// Slots that one user may hold.
    share: usize,
    users: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// A slot; dropping it gives it back.
#[derive(Debug)]
struct Slot {
    _slot: OwnedSemaphorePermit,
    _user: OwnedSemaphorePermit,
    _places: Vec<Place>,
}

impl Admission {
    /// At most `max_concurrent` queries at once in each place, and at least one. One user's queries take
    /// three quarters of the slots at most, so that nobody shuts the others out.
    pub fn new(max_concurrent: usize) -> Self {
        let rooms = Rooms { size: max_concurrent, by_name: HashMap::new(), closed: false };
        let shared = Shared { rooms: Mutex::new(rooms), lines: Mutex::default() };
        Self { shared: Arc::new(shared) }
    }

    /// How many queries each warehouse runs at once from now on. Those that run keep their slots.
    pub fn resize(&self, sizes: impl IntoIterator<Item = (WarehouseName, usize)>) {
        let mut rooms = self.shared.rooms.lock();
        let mut before = std::mem::take(&mut rooms.by_name);
        rooms.by_name.extend(before.remove(&None).map(|own| (None, own)));
        for (name, size) in sizes {
            let name = Some(name);
            let same = before.remove(&name).filter(|room| room.size == size);
            let room = same.unwrap_or_else(|| Room::new(size, rooms.closed));
            rooms.by_name.insert(name, room);
        }
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
        let mut rooms = self.shared.rooms.lock();
        rooms.closed = true;
        rooms.by_name.values().for_each(|room| room.slots.close());
    }

    /// How many places of a limit are taken now.
    pub fn taken(&self, limit: &Limit) -> u64 {
        let line = self.shared.lines.lock().get(limit.name()).and_then(Weak::upgrade);
        line.map_or(0, |line| u64::try_from(line.taken()).unwrap_or(u64::MAX))
    }

    /// How many queries wait for a slot, or for what a limit allows, by warehouse; under no name those of
    /// the gateway itself.
    pub fn waiting(&self) -> Vec<(Option<WarehouseName>, usize)> {
        let rooms = self.shared.rooms.lock();
        let waiting = |room: &Arc<Room>| room.waiting.load(Ordering::Relaxed);
        let mut all: Vec<_> =
            rooms.by_name.iter().map(|(name, room)| (name.clone(), waiting(room))).collect();
        all.sort();
        all
    }

    /// The slots that are free now, where there are fewest.
    pub fn free(&self) -> usize {
        let rooms = self.shared.rooms.lock();
        let free = rooms.by_name.values().map(|room| room.slots.available_permits()).min();
        free.unwrap_or(rooms.size.max(1))
    }
}

/// Counts a query that waits, as long as it does.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn new(room: &'a Room) -> Self {
        room.waiting.fetch_add(1, Ordering::Relaxed);
        Self(&room.waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    /// `returns` says whether the query had a slot before.
    async fn slot(&self, secured: &Secured, returns: bool) -> Result<Slot, Error> {
        let user = secured.principal().name();
        let line = self.room(secured.engine().warehouse());
        let _waits = Waits::new(&line);
        let mut limited = Vec::new();
        if secured.engine().is_warehouse() {
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
        // Of now: a reload may have made another one.
        let room = self.room(secured.engine().warehouse());
        // The user's own bound first: whoever waits for it holds up nobody else.
        let own = room.user(user);
        let user = own.acquire_owned().await.map_err(stopping)?;
        let slot = Arc::clone(&room.slots).acquire_owned().await.map_err(stopping)?;
        Ok(Slot { _slot: slot, _user: user, _places: places })
    }

    fn room(&self, name: Option<&WarehouseName>) -> Arc<Room> {
        let mut rooms = self.rooms.lock();
        let Rooms { size, by_name, closed } = &mut *rooms;
        let room = by_name.entry(name.cloned()).or_insert_with(|| Room::new(*size, *closed));
        Arc::clone(room)
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
}

impl Room {
    fn new(max_concurrent: usize, closed: bool) -> Arc<Self> {
        let count = max_concurrent.clamp(1, Semaphore::MAX_PERMITS);
        let slots = Arc::new(Semaphore::new(count));
        if closed {
            slots.close();
        }
        let share = (count - count / 4).max(1);
        let (waiting, users) = (AtomicUsize::new(0), Mutex::default());
        Arc::new(Self { size: max_concurrent, slots, waiting, share, users })
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
