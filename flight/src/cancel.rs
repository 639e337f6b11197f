//! The streams that run here, by the id of their ticket, so that a client can cancel them and ask how far
//! they are.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tollgate_gateway::{Cancel, CancelToken, Progress};

/// All streams of this process.
#[derive(Default)]
pub(crate) struct Running {
    streams: Mutex<Streams>,
}

#[derive(Default)]
struct Streams {
    next: u64,
    /// Of each flight those that run, in the order in which they began.
    by_id: HashMap<Bytes, BTreeMap<u64, Stream>>,
}

struct Stream {
    token: CancelToken,
    course: Arc<Course>,
}

/// How far a stream is.
#[derive(Default)]
pub(crate) struct Course {
    /// Of the execution that runs.
    pub(crate) progress: Progress,
    /// How many executions there are.
    pub(crate) all: usize,
    /// How many have begun.
    begun: AtomicUsize,
    /// Whether its rows wait for the client.
    rests: AtomicBool,
}

impl Course {
    /// One of so many executions.
    pub(crate) fn of(all: usize) -> Self {
        Self { all, ..Self::default() }
    }

    /// Notes that the next execution begins.
    pub(crate) fn begins(&self) {
        self.progress.forget();
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes whether its rows wait for the client.
    pub(crate) fn rests(&self, rests: bool) {
        self.rests.store(rests, Ordering::Relaxed);
    }

    /// The part that is done in whole per cent, from 0 to 1, if anybody can tell.
    fn part(&self) -> Option<f64> {
        self.exact().map(|part| (part * 100.0).floor() / 100.0)
    }

    fn exact(&self) -> Option<f64> {
        let before = self.begun.load(Ordering::Relaxed).saturating_sub(1);
        let part = self.progress.part();
        match u32::try_from(before).ok().zip(u32::try_from(self.all).ok()) {
            Some((before, all)) if all > 1 => {
                Some((f64::from(before) + part.unwrap_or_default()) / f64::from(all))
            }
            Some(_) | None => part,
        }
    }
}

/// A stream's entry, which goes with it.
pub(crate) struct Registration {
    running: Arc<Running>,
    id: Bytes,
    number: u64,
}

impl Running {
    /// Notes that the flight with this id runs.
    pub(crate) fn register(
        self: &Arc<Self>,
        id: Bytes,
        token: &CancelToken,
        course: &Arc<Course>,
    ) -> Registration {
        let mut streams = self.streams.lock();
        streams.next += 1;
        let number = streams.next;
        let stream = Stream { token: token.clone(), course: Arc::clone(course) };
        streams.by_id.entry(id.clone()).or_default().insert(number, stream);
        Registration { running: Arc::clone(self), id, number }
    }

    /// Cancels every stream of a flight; whether there was one.
    pub(crate) fn cancel(&self, id: &[u8]) -> bool {
        let streams = self.streams.lock();
        let own = streams.by_id.get(id);
        own.into_iter().flat_map(BTreeMap::values).for_each(|stream| stream.token.cancel());
        own.is_some()
    }

    /// Cancels what another gateway was asked to.
    pub(crate) fn hear(&self, cancel: &Cancel) {
        let streams = self.streams.lock();
        let own = streams.by_id.iter().filter(|(id, _)| Cancel::flight(id) == *cancel);
        own.flat_map(|(_, own)| own.values()).for_each(|stream| stream.token.cancel());
    }

    /// How far a flight is, if one of its streams goes on by itself: it runs here, and its rows don't wait
    /// for the client. Of several, the one that began last.
    pub(crate) fn course(&self, id: &[u8]) -> Option<Option<f64>> {
        let streams = self.streams.lock();
        let mut own = streams.by_id.get(id)?.values().rev();
        let last = own.find(|stream| !stream.course.rests.load(Ordering::Relaxed));
        last.map(|stream| stream.course.part())
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut streams = self.running.streams.lock();
        let Some(own) = streams.by_id.get_mut(&self.id) else { return };
        own.remove(&self.number);
        if own.is_empty() {
            streams.by_id.remove(&self.id);
        }
    }
}
