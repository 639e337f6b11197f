//! Deletes old records at intervals, as `tollgate audit prune` does: of replicas that share a ledger one at
//! a time, and nothing that an export has not got. Queries go on, whatever becomes of it.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tollgate_gateway::config::{Config, Retention as Settings};
use tollgate_ledger::{
    Cut, Place, Retention as Outcome, Schedule, SigningKey, Turn, export, retain_in_turn,
};

use crate::ledger;
use crate::listener::stopping;

/// How long after the start it is looked at first: exports have begun by then.
const START: Duration = Duration::from_secs(60);
/// How soon to look again what became of it where another replica deletes, or an export hasn't begun.
const STAND_BY: Duration = Duration::from_secs(10 * 60);
/// How soon to try again what has failed, at the latest.
const AGAIN: Duration = Duration::from_secs(60 * 60);
/// How long one turn may take: all of the ledger is verified.
const PATIENCE: Duration = Duration::from_secs(6 * 60 * 60);

/// How far the clock may move against the time that has passed: a clock that jumps makes all records old.
const JUMP: Duration = Duration::from_secs(60 * 60);

/// What the metrics tell of it.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    complete: AtomicU64,
    failed: AtomicU64,
    changed: AtomicU64,
    deleted: AtomicU64,
}

impl Counts {
    /// Writes the metrics.
    pub(crate) fn write(&self, text: &mut String) {
        let name = "tollgate_retention_runs_total";
        let help = "How often old records were to be deleted by this process";
        // Writing to a String can't fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter");
        let Counts { complete, failed, changed, deleted } = self;
        for (outcome, count) in [("complete", complete), ("failed", failed), ("changed", changed)] {
            let _ = writeln!(text, "{name}{{outcome=\"{outcome}\"}} {}", count.load(Relaxed));
        }
        let name = "tollgate_retention_records_total";
        let help = "Records that were deleted";
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter");
        let _ = writeln!(text, "{name} {}", deleted.load(Relaxed));
    }
}

/// Deletes what is older than the configuration wants.
pub(crate) struct Retention {
    config: Arc<Config>,
    place: Place,
    settings: Settings,
    counts: Arc<Counts>,
    /// The time, in microseconds since 1970.
    clock: fn() -> i64,
    /// When it was made, by that clock as well.
    start: (Instant, i64),
    /// Whether the last turn has failed: what it has deleted before doesn't make the next one wait.
    failed: AtomicBool,
    /// Whether it was said that an export hasn't begun.
    told: AtomicBool,
}

impl Retention {
    /// That of a configuration, if old records are to be deleted.
    ///
    /// # Errors
    /// The ledger's place can't be told.
    pub(crate) fn of(config: &Arc<Config>) -> Result<Option<Self>, String> {
        let Some(settings) = config.ledger.retention else { return Ok(None) };
        let place = ledger::place(config)?;
        let clock: fn() -> i64 = || chrono::Utc::now().timestamp_micros();
        let (config, counts) = (Arc::clone(config), Arc::default());
        let (start, failed, told) = ((Instant::now(), clock()), false.into(), false.into());
        Ok(place.map(|place| Self { config, place, settings, counts, clock, start, failed, told }))
    }

    /// What it tells the metrics.
    pub(crate) fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Deletes at intervals until the signal to shut down. What is under way then isn't deleted.
    pub(crate) async fn serve(self, mut shutdown: watch::Receiver<bool>) {
        let work = async {
            let mut pause = self.settings.every.min(START);
            loop {
                tokio::time::sleep(pause).await;
                pause = self.at_interval().await;
            }
        };
        tokio::select! {
            biased;
            () = stopping(&mut shutdown) => {}
            () = work => {}
        }
    }

    /// Deletes if it is time; says how long to wait.
    async fn at_interval(&self) -> Duration {
        let every = self.settings.every;
        let turn = tokio::time::timeout(PATIENCE, self.turn()).await;
        let turn = turn.unwrap_or_else(|_| Err("the ledger takes too long".to_owned()));
        self.failed.store(turn.is_err(), Relaxed);
        match turn {
            Ok(Some(Turn::Taken(Outcome::Cut(cuts)))) => {
                self.tell(&cuts);
                every
            }
            Ok(Some(Turn::Taken(Outcome::Changed(problems)))) => {
                self.counts.changed.fetch_add(1, Relaxed);
                tracing::error!(
                    problems,
                    "old records are kept: the ledger is not as it was written, look at it with \
                     `tollgate audit verify`"
                );
                every
            }
            Ok(Some(Turn::NotYet(last))) => rest(last, every, (self.clock)()),
            Ok(Some(Turn::Elsewhere) | None) => every.min(STAND_BY),
            Err(error) => {
                self.counts.failed.fetch_add(1, Relaxed);
                tracing::error!("old records could not be deleted\n{error}");
                every.min(AGAIN)
            }
        }
    }

    /// Nothing: an export that is configured hasn't begun, and wants all records from the oldest on.
    async fn turn(&self) -> Result<Option<Turn>, String> {
        let now = self.now()?;
        let refused = |error| ledger::refused(&self.config, &error);
        let known = export::names(&self.place).await.map_err(refused)?;
        let mut exports = self.config.ledger.exports.iter();
        if let Some(export) = exports.find(|export| !known.contains(&export.name)) {
            if !self.told.swap(true, Relaxed) {
                let export = export.name.as_str();
                tracing::warn!(export, "old records are kept until the export has begun");
            }
            return Ok(None);
        }
        self.told.store(false, Relaxed);
        let key = SigningKey::read(&self.config.ledger.key).map_err(refused)?;
        let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        let failed = self.failed.load(Relaxed);
        let every = if failed { 0 } else { micros(self.settings.every) };
        let before = now.saturating_sub(micros(self.settings.keep));
        let schedule = Schedule { now, before, every };
        retain_in_turn(&self.place, &key, schedule).await.map(Some).map_err(refused)
    }

    /// The time, unless the clock has jumped.
    fn now(&self) -> Result<i64, String> {
        let (start, by_clock) = self.start;
        let now = (self.clock)();
        let passed = i64::try_from(start.elapsed().as_micros()).unwrap_or(i64::MAX);
        let moved = now.saturating_sub(by_clock).abs_diff(passed);
        if Duration::from_micros(moved) <= JUMP {
            return Ok(now);
        }
        Err("error: the clock has moved by more than an hour since the start\n  \
             hint: set it right, or restart the gateway if it is"
            .to_owned())
    }

    fn tell(&self, cuts: &[Cut]) {
        self.counts.complete.fetch_add(1, Relaxed);
        for cut in cuts {
            self.counts.deleted.fetch_add(cut.records.unsigned_abs(), Relaxed);
            if cut.records > 0 {
                tracing::info!(
                    chain = cut.chain,
                    records = cut.records,
                    "old records were deleted"
                );
            }
            if let Some(waiting) = &cut.waiting {
                tracing::warn!(
                    chain = cut.chain,
                    export = waiting.export,
                    from = waiting.from,
                    "old records are kept for an export that has not got them yet"
                );
            }
        }
    }
}

/// How much of an interval is left. By a clock that was ahead, it is looked at once before.
fn rest(last: i64, every: Duration, now: i64) -> Duration {
    let past = u64::try_from(now.saturating_sub(last)).unwrap_or(0);
    every.saturating_sub(Duration::from_micros(past)).max(Duration::from_secs(1))
}

#[cfg(test)]
mod tests;
