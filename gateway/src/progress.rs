//! How far a query is, as far as its user may know.
//!
//! What a query scans tells about rows and values that are hidden from its user, while it runs even about
//! where they lie. So it counts only where nothing is hidden: for everybody else progress is that of
//! rows of their own result, or none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tollgate_warehouse::estimate::Usage;

/// How far a query is. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    runs: Mutex<Option<Runs>>,
    /// Rows that its user has got.
    rows: AtomicU64,
}

/// What a running query is measured by.
#[derive(Debug)]
struct Runs {
    usage: Arc<Usage>,
    /// Bytes that it is expected to scan, if they and what it has scanned tell of nothing hidden.
    bytes: Option<u64>,
}

impl Progress {
    /// Begins with a query: another one, or the same again.
    pub(crate) fn begins(&self, usage: &Arc<Usage>, bytes: Option<u64>) {
        let mut runs = self.shared.runs.lock();
        self.shared.rows.store(0, Ordering::Relaxed);
        *runs = Some(Runs { usage: Arc::clone(usage), bytes });
    }

    /// Nothing is known of the query that comes next.
    pub fn forget(&self) {
        *self.shared.runs.lock() = None;
    }

    /// Adds rows that went to the user.
    pub(crate) fn add(&self, rows: u64) {
        self.shared.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// The part that is done, from 0 to 1; `None` if nobody can tell. A query that has scanned all that it was
    /// expected to may still have most of its work to do.
    pub fn part(&self) -> Option<f64> {
        let runs = self.shared.runs.lock();
        let Runs { usage, bytes } = runs.as_ref()?;
        if let Some(all) = usage.returns() {
            return Some(part(self.shared.rows.load(Ordering::Relaxed).min(all), all));
        }
        let all = (*bytes)?;
        let scanned = usage.scanned().unwrap_or_default();
        (scanned < all).then(|| part(scanned, all))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a part of the whole needs no more digits")]
fn part(done: u64, all: u64) -> f64 {
    if all == 0 { 1.0 } else { done as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_count_before_bytes_and_what_is_not_known_is_not_told() {
        let progress = Progress::default();
        assert_eq!(progress.part(), None);
        let usage = Arc::new(Usage::default());
        progress.begins(&usage, None);
        usage.has_scanned(30);
        assert_eq!(progress.part(), None);
        progress.begins(&usage, Some(120));
        assert_eq!(progress.part(), Some(0.25));
        usage.has_scanned(120);
        assert_eq!(progress.part(), None);
        usage.will_return(8);
        assert_eq!(progress.part(), Some(0.0));
        progress.add(2);
        assert_eq!(progress.part(), Some(0.25));
        progress.add(20);
        assert_eq!(progress.part(), Some(1.0));
        progress.begins(&usage, None);
        assert_eq!(progress.part(), Some(0.0));
        progress.forget();
        assert_eq!(progress.part(), None);
    }
}
