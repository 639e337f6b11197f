//! The streams that run here, by the id of their ticket, so that a client can cancel them.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tollgate_gateway::{Cancel, CancelToken};

/// All streams of this process.
#[derive(Default)]
pub(crate) struct Running {
    streams: Mutex<Streams>,
}

#[derive(Default)]
struct Streams {
    next: u64,
    by_number: HashMap<u64, (Bytes, CancelToken)>,
}

/// A stream's entry, which goes with it.
pub(crate) struct Registration {
    running: Arc<Running>,
    number: u64,
}

impl Running {
    /// Notes that the flight with this id runs.
    pub(crate) fn register(self: &Arc<Self>, id: Bytes, token: &CancelToken) -> Registration {
        let mut streams = self.streams.lock();
        streams.next += 1;
        let number = streams.next;
        streams.by_number.insert(number, (id, token.clone()));
        Registration { running: Arc::clone(self), number }
    }

    /// Cancels every stream of a flight; whether there was one.
    pub(crate) fn cancel(&self, id: &[u8]) -> bool {
        let streams = self.streams.lock();
        let mut found = false;
        for (_, token) in streams.by_number.values().filter(|(of, _)| of == id) {
            token.cancel();
            found = true;
        }
        found
    }
}

impl Running {
    /// Cancels what another gateway was asked to.
    pub(crate) fn hear(&self, cancel: &Cancel) {
        let streams = self.streams.lock();
        for (id, token) in streams.by_number.values() {
            if Cancel::flight(id) == *cancel {
                token.cancel();
            }
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.running.streams.lock().by_number.remove(&self.number);
    }
}
