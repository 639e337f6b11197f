//! How a warehouse does: what it runs, whether it answers, and how old the list of its tables is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tollgate_catalog::{Error, WarehouseName};

use crate::{Warehouse, postgres, snowflake};

/// How long a warehouse may take to say that it is there.
const ANSWER: Duration = Duration::from_secs(3);
/// For how long its answer counts.
const FRESH: Duration = Duration::from_secs(5);
/// The same if it refused the login: accounts are locked of which many fail.
const REFUSED: Duration = Duration::from_secs(30);
/// How long whoever wants to know waits for it: a probe has little time.
const WAIT: Duration = Duration::from_millis(500);

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

/// What a warehouse said, and until when that counts.
#[derive(Debug)]
struct Answer {
    until: Instant,
    said: Result<(), String>,
}

#[derive(Debug, Default)]
struct Known {
    last: Option<Answer>,
    /// Closed once the question that was asked last has its answer.
    asked: Option<watch::Receiver<()>>,
}

/// Whether a warehouse answers.
#[derive(Debug, Default)]
pub struct Health {
    known: Arc<Mutex<Known>>,
}

impl Health {
    /// It is asked once for all who want to know, and its answer is kept though nobody may wait for it
    /// any more.
    pub(super) async fn ask(
        &self,
        name: &WarehouseName,
        engine: &Arc<dyn Warehouse>,
    ) -> Result<(), String> {
        let mut asked = {
            let mut known = self.known.lock();
            if let Some(last) = known.last.as_ref().filter(|last| Instant::now() < last.until) {
                return last.said.clone();
            }
            // Nothing is ever sent: it is open as long as somebody asks.
            let under_way = known.asked.clone().filter(|asked| asked.has_changed().is_ok());
            under_way.unwrap_or_else(|| {
                let asked = self.begin(name.clone(), Arc::clone(engine));
                known.asked = Some(asked.clone());
                asked
            })
        };
        let _ = timeout(WAIT, asked.changed()).await;
        match &self.known.lock().last {
            Some(last) => last.said.clone(),
            None => Err("the warehouse hasn't answered yet".to_owned()),
        }
    }

    /// Asks in a task of its own; what it gives is closed once the answer is known.
    fn begin(&self, name: WarehouseName, engine: Arc<dyn Warehouse>) -> watch::Receiver<()> {
        let (asking, asked) = watch::channel(());
        let all = Arc::clone(&self.known);
        tokio::spawn(async move {
            let answer = timeout(ANSWER, engine.reach()).await;
            let mut known = all.lock();
            let was_up = known.last.as_ref().is_none_or(|last| last.said.is_ok());
            let (counts, said) = told(&name, was_up, answer);
            known.last = Some(Answer { until: Instant::now() + counts, said });
            drop(known);
            drop(asking);
        });
        asked
    }
}

/// What an answer says, and for how long; the log is told of changes.
fn told(
    name: &WarehouseName,
    was_up: bool,
    answer: Result<Result<(), Error>, Elapsed>,
) -> (Duration, Result<(), String>) {
    let (error, message) = match answer {
        Ok(Ok(())) => {
            if !was_up {
                tracing::info!(warehouse = %name, "the warehouse answers again");
            }
            return (FRESH, Ok(()));
        }
        Ok(Err(error)) => {
            let message = error.message().to_owned();
            (Some(error), message)
        }
        Err(_) => (None, "the warehouse doesn't answer".to_owned()),
    };
    if was_up {
        let cause = error.as_ref().and_then(|error| error.cause());
        let cause = cause.map(ToString::to_string).unwrap_or_default();
        tracing::error!(warehouse = %name, cause, "{message}");
    }
    let refuses = |error: &Error| postgres::refuses_login(error) || snowflake::refuses_login(error);
    let counts = if error.as_ref().is_some_and(refuses) { REFUSED } else { FRESH };
    (counts, Err(message))
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

    /// It was asked by a reload, and its tables are in force.
    pub fn asked(&self) {
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
