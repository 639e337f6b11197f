//! What a query would use, before it runs, and what it has used so far.

use std::sync::atomic::{AtomicU64, Ordering};

/// Stands for a number that isn't known.
const UNKNOWN: u64 = u64::MAX;

/// What a query would use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Bytes that it would scan, or more; `None` if it can't be told.
    pub bytes: Option<u64>,
    /// Rows that it would return.
    pub rows: Option<u64>,
    /// Whether rows of a table that it reads are hidden from the caller. Then what it really scans
    /// may tell about them: refusals and charges must rest on the estimate.
    pub restricted: bool,
}

/// What a query has used so far.
#[derive(Debug)]
pub struct Usage {
    scanned: AtomicU64,
}

impl Default for Usage {
    fn default() -> Self {
        Self { scanned: AtomicU64::new(UNKNOWN) }
    }
}

impl Usage {
    /// Bytes that it has scanned; `None` if the warehouse doesn't tell.
    pub fn scanned(&self) -> Option<u64> {
        Some(self.scanned.load(Ordering::Relaxed)).filter(|bytes| *bytes != UNKNOWN)
    }

    /// Notes how many bytes it has scanned until now.
    pub fn has_scanned(&self, bytes: u64) {
        self.scanned.store(bytes.min(UNKNOWN - 1), Ordering::Relaxed);
    }
}
