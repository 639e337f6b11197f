//! The gateways that share a ledger: what a client wants to cancel may run in another one than it
//! reaches, so each passes on what it doesn't know.

use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use tollgate_ledger::{Bus, Place};

/// What is to be canceled, with what proves that it may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cancel {
    /// A statement by its id in the records; only if it is this principal's.
    Statement {
        /// Its id.
        id: String,
        /// Whose it must be.
        principal: String,
    },
    /// What a session of the Postgres protocol runs.
    Session {
        /// The process number that the session was told.
        pid: i32,
        /// The digest of number and secret, see [`Cancel::session`].
        key: String,
    },
    /// The streams of a flight, by the random part of its ticket.
    Flight {
        /// In hexadecimal.
        id: String,
    },
}

impl Cancel {
    /// Of the session with this number and secret. The secret itself isn't passed on.
    pub fn session(pid: i32, secret: &[u8]) -> Self {
        Self::Session { pid, key: hex(digest(&SHA256, &[&pid.to_be_bytes(), secret].concat())) }
    }

    /// Of the flight with this id.
    pub fn flight(id: &[u8]) -> Self {
        Self::Flight { id: hex(id) }
    }
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

type Ear = Box<dyn Fn(&Cancel) + Send + Sync>;

/// The other gateways, if there may be any.
pub struct Peers {
    ears: Arc<RwLock<Vec<Ear>>>,
    bus: Option<Bus>,
}

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peers").field("bus", &self.bus).finish_non_exhaustive()
    }
}

impl Peers {
    /// Those that share the ledger at `place`.
    pub(crate) fn of(place: Option<&Place>) -> Self {
        let ears: Arc<RwLock<Vec<Ear>>> = Arc::default();
        let heard = Arc::clone(&ears);
        let bus = place.and_then(|place| {
            Bus::join(place, move |text| {
                // What a newer gateway says may not be understood.
                if let Ok(cancel) = serde_json::from_str(text) {
                    heard.read().iter().for_each(|ear| ear(&cancel));
                }
            })
        });
        Self { ears, bus }
    }

    /// Has `ear` called with what others, or this gateway itself, pass on. It must return at once.
    pub fn listen(&self, ear: impl Fn(&Cancel) + Send + Sync + 'static) {
        self.ears.write().push(Box::new(ear));
    }

    /// Asks the others to cancel; false if there are none, or too much is asked of them.
    pub fn pass_on(&self, cancel: &Cancel) -> bool {
        let Some(bus) = &self.bus else { return false };
        serde_json::to_string(cancel).is_ok_and(|text| bus.call(text))
    }

    /// The same for somebody who hasn't authenticated: what others ask goes first.
    pub fn pass_on_for_stranger(&self, cancel: &Cancel) -> bool {
        let Some(bus) = &self.bus else { return false };
        serde_json::to_string(cancel).is_ok_and(|text| bus.call_for_stranger(text))
    }
}
