//! The ledger: what was decided, how it ended and what it used, durable and provable.
//!
//! Records are kept in SQLite, or in a PostgreSQL that replicas share. Each writer has a chain: every
//! record holds its number, and a hash over the record before it and its own bytes; the head of the
//! chain is signed with each commit. [`verify`] walks a store without any gateway and says what was
//! changed in it.
//!
//! A chain proves that nobody without the key has edited, removed, inserted or moved a record. It
//! can't prove anything against who holds the key, and a whole store that is put back to an earlier
//! state is a valid store: only a checkpoint that is kept elsewhere shows that.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "tests"
    )
)]

mod batch;
pub mod billing;
mod bus;
mod chain;
mod cloudevents;
mod error;
pub mod export;
mod head;
mod health;
pub mod history;
mod keys;
mod ledger;
pub mod ocsf;
mod prune;
pub mod purse;
mod read;
mod record;
mod store;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod verify;
mod writer;

pub use bus::Bus;
pub use chain::{Checkpoint, Hash};
pub use error::{LedgerError, Refusal};
pub use health::Health;
pub use keys::{PublicKey, SigningKey, public_path};
pub use ledger::{Entry, Ledger, Options, Pending};
pub use prune::{Cut, Retention, Schedule, Turn, Waiting, prune, retain, retain_in_turn};
pub use read::{Reader, Stored};
pub use record::{Body, Decision, Kind, Line, Receipt, TEXT_MEMORY, Text};
pub use store::Place;
