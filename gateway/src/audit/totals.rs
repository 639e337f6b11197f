//! What all statements of this process came to, for the operator's metrics.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use tollgate_catalog::ErrorKind;

use super::Ending;

/// Statements by how they ended, and what they gave.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    rows: AtomicU64,
    bytes: AtomicU64,
    /// By outcome and, where there is one, error: as many as the gateway has kinds of errors.
    ended: Mutex<BTreeMap<Ended, u64>>,
}

/// How statements ended: the outcome and the label of an error.
pub type Ended = (&'static str, Option<&'static str>);

/// What all statements came to, so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatementCounts {
    /// Statements by outcome and, where there is one, the label of the error.
    pub ended: BTreeMap<Ended, u64>,
    /// Rows that went to clients.
    pub rows: u64,
    /// Bytes that went to clients.
    pub bytes: u64,
}

impl Totals {
    pub(super) fn note(&self, ending: Ending, rows: u64, bytes: u64) {
        self.rows.fetch_add(rows, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
        *self.ended.lock().entry((ending.outcome(), ending.reason())).or_default() += 1;
    }

    pub(super) fn read(&self) -> StatementCounts {
        let (rows, bytes) = (self.rows.load(Relaxed), self.bytes.load(Relaxed));
        StatementCounts { ended: self.ended.lock().clone(), rows, bytes }
    }
}

impl Ending {
    /// Its word in receipts and metrics.
    pub(super) fn outcome(self) -> &'static str {
        match self {
            Ending::Complete => "complete",
            Ending::Denied(_) => "denied",
            Ending::Failed(ErrorKind::QueryCanceled) => "canceled",
            Ending::Failed(_) => "failed",
            Ending::Abandoned => "abandoned",
        }
    }

    /// The label of its error.
    fn reason(self) -> Option<&'static str> {
        match self {
            Ending::Denied(kind) | Ending::Failed(kind) => Some(kind.label()),
            Ending::Complete | Ending::Abandoned => None,
        }
    }
}
