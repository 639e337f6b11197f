//! Who may cancel what: the keys that sessions got, and the tokens of their statements.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;

use parking_lot::Mutex;
use rand::RngCore;
use subtle::ConstantTimeEq;
use tollgate_gateway::{Cancel, CancelToken};

/// The cancel keys of all sessions.
#[derive(Default)]
pub struct Cancels {
    entries: Mutex<HashMap<i32, Entry>>,
}

struct Entry {
    secret: Vec<u8>,
    token: CancelToken,
}

/// A session's entry, which goes with it.
pub(crate) struct Registration {
    cancels: Arc<Cancels>,
    pub(crate) pid: i32,
    pub(crate) secret: Vec<u8>,
}

impl Cancels {
    /// Draws a process number and a secret of `length` bytes for a session.
    pub(crate) fn register(self: &Arc<Self>, length: usize, token: &CancelToken) -> Registration {
        let mut secret = vec![0; length];
        rand::rng().fill_bytes(&mut secret);
        let entry = Entry { secret: secret.clone(), token: token.clone() };
        let mut entries = self.entries.lock();
        let pid = loop {
            let pid = (rand::rng().next_u32() >> 1) as i32;
            if pid != 0
                && let Slot::Vacant(slot) = entries.entry(pid)
            {
                slot.insert(entry);
                break pid;
            }
        };
        Registration { cancels: Arc::clone(self), pid, secret }
    }

    /// Cancels what the session with this key runs; a wrong key does nothing. Whether there is a session
    /// of this number.
    pub(crate) fn cancel(&self, pid: i32, secret: &[u8]) -> bool {
        let entries = self.entries.lock();
        let Some(entry) = entries.get(&pid) else { return false };
        if bool::from(entry.secret.as_slice().ct_eq(secret)) {
            entry.token.cancel();
        }
        true
    }

    /// Cancels what another gateway was asked to.
    pub(crate) fn hear(&self, cancel: &Cancel) {
        let Cancel::Session { pid, key } = cancel else { return };
        let entries = self.entries.lock();
        let Some(entry) = entries.get(pid) else { return };
        if let Cancel::Session { key: own, .. } = Cancel::session(*pid, &entry.secret)
            && bool::from(own.as_bytes().ct_eq(key.as_bytes()))
        {
            entry.token.cancel();
        }
    }

    /// Cancels what runs anywhere.
    pub(crate) fn cancel_all(&self) {
        self.entries.lock().values().for_each(|entry| entry.token.cancel());
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.cancels.entries.lock().remove(&self.pid);
    }
}
