//! How the writer of a ledger does, for the gateway and its operator.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::error::LedgerError;

/// How the writer does.
#[derive(Debug, Default)]
pub struct Health {
    failing: AtomicBool,
    commits: AtomicU64,
    records: AtomicU64,
    microseconds: AtomicU64,
}

impl Health {
    /// Whether the last commit failed: until one succeeds, queries are refused.
    pub fn is_failing(&self) -> bool {
        self.failing.load(Relaxed)
    }

    /// How many commits succeeded.
    pub fn commits(&self) -> u64 {
        self.commits.load(Relaxed)
    }

    /// How many records they wrote.
    pub fn records(&self) -> u64 {
        self.records.load(Relaxed)
    }

    /// How long they took together.
    pub fn time(&self) -> Duration {
        Duration::from_micros(self.microseconds.load(Relaxed))
    }

    /// Notes how a commit of so many records went; where there were none, it tells nothing.
    pub(crate) fn note(&self, outcome: &Result<(), LedgerError>, records: i64, time: Duration) {
        match outcome {
            Ok(()) => {
                let Some(records) = u64::try_from(records).ok().filter(|records| *records > 0)
                else {
                    return;
                };
                self.commits.fetch_add(1, Relaxed);
                self.records.fetch_add(records, Relaxed);
                let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
                self.microseconds.fetch_add(microseconds, Relaxed);
                if self.failing.swap(false, Relaxed) {
                    tracing::info!("the ledger is written again");
                }
            }
            Err(error) => {
                if !self.failing.swap(true, Relaxed) {
                    tracing::error!(%error, "the ledger can't be written: queries are refused");
                }
            }
        }
    }
}
