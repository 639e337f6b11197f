//! How the writer of a ledger does, for the gateway and its operator.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::error::{LedgerError, Refusal};

/// What refuses queries while the ledger can't be written.
const REFUSALS: [Refusal; 3] = [Refusal::Failing, Refusal::Full, Refusal::Closed];

/// How the writer does.
#[derive(Debug, Default)]
pub struct Health {
    /// Why the last commit failed, by `REFUSALS`; 0 if it didn't.
    failing: AtomicU8,
    commits: AtomicU64,
    records: AtomicU64,
    microseconds: AtomicU64,
}

impl Health {
    /// Why the last commit failed: until one succeeds, queries are refused.
    pub fn refusal(&self) -> Option<Refusal> {
        let failing = usize::from(self.failing.load(Relaxed));
        REFUSALS.get(failing.checked_sub(1)?).copied()
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

    /// Notes how a commit of so many records went. One without any, which wasn't a trial, tells nothing.
    pub(crate) fn note(
        &self,
        outcome: &Result<(), LedgerError>,
        (records, time): (i64, Duration),
        is_trial: bool,
    ) {
        match outcome {
            Ok(()) => {
                let records = u64::try_from(records).unwrap_or_default();
                if records == 0 && !is_trial {
                    return;
                }
                if records > 0 {
                    self.commits.fetch_add(1, Relaxed);
                    self.records.fetch_add(records, Relaxed);
                    let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
                    self.microseconds.fetch_add(microseconds, Relaxed);
                }
                if self.failing.swap(0, Relaxed) != 0 {
                    tracing::info!("the ledger is written again");
                }
            }
            Err(error) => {
                let refusal = Refusal::of(error);
                let place = REFUSALS.iter().position(|known| *known == refusal).unwrap_or_default();
                let failing = u8::try_from(place + 1).unwrap_or(u8::MAX);
                if self.failing.swap(failing, Relaxed) == 0 {
                    tracing::error!(%error, "the ledger can't be written: queries are refused");
                }
            }
        }
    }
}
