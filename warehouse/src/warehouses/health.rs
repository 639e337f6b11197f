//! How a warehouse does: what it runs, whether it answers, and how old the list of its tables is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use tokio::time::timeout;
use tollgate_catalog::WarehouseName;

use crate::Warehouse;

/// How long a warehouse may take to say that it is there.
const ANSWER: Duration = Duration::from_secs(3);
/// For how long its answer counts.
const FRESH: Duration = Duration::from_secs(5);

/// Queries by how they ended.
#[derive(Debug, Default)]
pub struct Queries {
    running: AtomicU64,
    complete: AtomicU64,
    failed: AtomicU64,
    stopped: AtomicU64,
}

impl Queries {
    pub(super) fn begin(&self) {
        self.running.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn complete(&self) {
        self.end(&self.complete);
    }

    pub(super) fn failed(&self) {
        self.end(&self.failed);
    }

    pub(super) fn stopped(&self) {
        self.end(&self.stopped);
    }

    fn end(&self, how: &AtomicU64) {
        how.fetch_add(1, Ordering::Relaxed);
        self.running.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many it runs now.
    pub fn running(&self) -> u64 {
        self.running.load(Ordering::Relaxed)
    }

    /// How many have ended, by how: all rows were taken, it failed, or nobody wanted more.
    pub fn ended(&self) -> [(&'static str, u64); 3] {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [
            ("complete", read(&self.complete)),
            ("failed", read(&self.failed)),
            ("stopped", read(&self.stopped)),
        ]
    }
}

/// When a warehouse was asked, and what it said.
type Answer = (Instant, Result<(), String>);

/// Whether a warehouse answers.
#[derive(Debug, Default)]
pub struct Health {
    /// Held while it is asked, so that it is asked once for all who want to know.
    last: tokio::sync::Mutex<Option<Answer>>,
}

impl Health {
    pub(super) async fn ask(
        &self,
        name: &WarehouseName,
        engine: &dyn Warehouse,
    ) -> Result<(), String> {
        let mut last = self.last.lock().await;
        if let Some((when, answer)) = last.as_ref()
            && when.elapsed() < FRESH
        {
            return answer.clone();
        }
        let answer = match timeout(ANSWER, engine.reach()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err((error.message().to_owned(), Some(error))),
            Err(_) => Err(("the warehouse doesn't answer".to_owned(), None)),
        };
        let was_up = last.as_ref().is_none_or(|(_, answer)| answer.is_ok());
        let answer = match answer {
            Ok(()) => {
                if !was_up {
                    tracing::info!(warehouse = %name, "the warehouse answers again");
                }
                Ok(())
            }
            Err((message, error)) => {
                if was_up {
                    let cause = error.as_ref().and_then(|error| error.cause());
                    let cause = cause.map(ToString::to_string).unwrap_or_default();
                    tracing::error!(warehouse = %name, cause, "{message}");
                }
                Err(message)
            }
        };
        *last = Some((Instant::now(), answer.clone()));
        answer
    }
}

/// How often a warehouse was asked again which tables it has, and what came of it.
#[derive(Debug, Default)]
pub struct Refreshes {
    changed: AtomicU64,
    same: AtomicU64,
    failed: AtomicU64,
    failing: Mutex<Option<Failing>>,
}

/// Why the list of tables is an old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// When it failed first.
    pub since: SystemTime,
    /// How often it has failed since.
    pub times: u64,
    /// What was wrong the last time, for the operator.
    pub message: String,
}

impl Refreshes {
    /// There are other tables than before.
    pub fn changed(&self) {
        self.changed.fetch_add(1, Ordering::Relaxed);
        *self.failing.lock() = None;
    }

    /// There are the same tables.
    pub fn same(&self) {
        self.same.fetch_add(1, Ordering::Relaxed);
        *self.failing.lock() = None;
    }

    /// It couldn't be asked, or its tables don't go with the policies: those of before stay. Says whether
    /// that is news.
    pub fn failed(&self, message: String) -> bool {
        self.failed.fetch_add(1, Ordering::Relaxed);
        let mut failing = self.failing.lock();
        let new = failing.as_ref().is_none_or(|before| before.message != message);
        let (since, times) = failing
            .as_ref()
            .map_or_else(|| (SystemTime::now(), 0), |before| (before.since, before.times));
        *failing = Some(Failing { since, times: times.saturating_add(1), message });
        new
    }

    /// Why the tables are those of before; nothing if they are those of now.
    pub fn failing(&self) -> Option<Failing> {
        self.failing.lock().clone()
    }

    /// How often, by what came of it.
    pub fn counts(&self) -> [(&'static str, u64); 3] {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [
            ("changed", read(&self.changed)),
            ("same", read(&self.same)),
            ("failed", read(&self.failed)),
        ]
    }
}
