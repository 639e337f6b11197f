//! Credits: what a virtual warehouse costs by the hour, and which part of it a statement is charged.
//!
//! A statement is charged the time that it took there, and at least a minute if it has started the
//! warehouse: nothing of this gateway ran there, and nothing had for as long as the warehouse waits
//! before it suspends itself. Statements that run at once are charged each by its own time. That
//! attributes use; the bill of the service, which charges the warehouse for being awake, is another.
//!
//! Credits are decimal, with nine digits, and never a float. What a statement will take is told by how
//! fast those before it have scanned, of which the older count ever less.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rust_decimal::{Decimal, RoundingStrategy};

use crate::estimate::Usage;

/// What a start is charged at least.
const LEAST: Duration = Duration::from_secs(60);

/// How fast a warehouse of one credit an hour is taken to scan before anything is known: bytes in a
/// microsecond. Larger ones are as many times faster as they cost.
const SPEED: u64 = 100;

/// How many times faster or slower than that a warehouse is taken to be, whatever is learned.
const SPREAD: u64 = 16;

/// From so many bytes on a statement tells how fast a warehouse scans; below, how long it takes to answer.
const TELLING: u64 = 100_000_000;

/// The weight of what is known already, against a new statement's: seven to one.
const WEIGHT: u64 = 8;

/// Digits of credits behind the point.
pub(crate) const DIGITS: u32 = 9;

/// What a virtual warehouse costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Credits for an hour.
    pub per_hour: Decimal,
    /// How long it stays awake when nothing runs.
    pub suspend: Duration,
}

/// The clock of one virtual warehouse.
#[derive(Debug)]
pub struct Clock {
    terms: Terms,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Statements that run.
    running: usize,
    /// When the last one ended.
    ended: Option<Instant>,
    /// Whether who started it turned out to have never run, while others did: nobody has paid the start.
    owed: bool,
    /// What statements have scanned, and how long that took in microseconds.
    bytes: u64,
    micros: u64,
}

impl State {
    /// Whether whatever runs next starts the warehouse.
    fn is_asleep(&self, suspend: Duration) -> bool {
        self.running == 0 && self.ended.is_none_or(|ended| ended.elapsed() >= suspend)
    }
}

impl Clock {
    /// Nothing has run yet.
    pub fn new(terms: Terms) -> Self {
        Self { terms, state: Mutex::default() }
    }

    /// What a statement that scans so much is expected to be charged.
    pub(crate) fn expected(&self, bytes: u64) -> Decimal {
        let state = self.state.lock();
        let asleep = state.owed || state.is_asleep(self.terms.suspend);
        let (learned, took) = (state.bytes, state.micros);
        drop(state);
        let alone = Decimal::from(bytes.div_ceil(SPEED));
        let alone = alone.checked_div(self.terms.per_hour).unwrap_or_default();
        let micros = if learned > 0 {
            let micros = u128::from(bytes).saturating_mul(u128::from(took));
            let micros = micros.div_ceil(u128::from(learned));
            let spread = Decimal::from(SPREAD);
            let (least, most) =
                (alone.checked_div(spread).unwrap_or_default(), alone.saturating_mul(spread));
            Decimal::from(u64::try_from(micros).unwrap_or(u64::MAX)).max(least).min(most)
        } else {
            alone
        };
        let least = if asleep { micros_of(LEAST) } else { Decimal::ZERO };
        charged(self.terms.per_hour, micros.max(least))
    }

    /// A statement begins.
    pub(crate) fn begin(self: &Arc<Self>, usage: &Arc<Usage>) -> Run {
        let mut state = self.state.lock();
        let starts = std::mem::take(&mut state.owed) || state.is_asleep(self.terms.suspend);
        state.running = state.running.saturating_add(1);
        let least = if starts { LEAST } else { Duration::ZERO };
        usage.begins(Timed::new(self.terms.per_hour, least));
        Run { clock: Arc::clone(self), usage: Arc::clone(usage), began: true, starts }
    }

    /// Learns from a statement that has ended how fast the warehouse scans. Of one whose caller may not see all
    /// rows, `bytes` must not be given: by them estimates would tell of hidden rows.
    pub(crate) fn learn(&self, bytes: u64, took: Duration) {
        if bytes < TELLING {
            return;
        }
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        let mut state = self.state.lock();
        let known = |sum: u64| sum - sum / WEIGHT;
        state.bytes = known(state.bytes).saturating_add(bytes);
        state.micros = known(state.micros).saturating_add(took);
    }
}

/// A statement that runs; dropping it ends that.
pub(crate) struct Run {
    clock: Arc<Clock>,
    usage: Arc<Usage>,
    began: bool,
    /// Whether it is charged the start.
    starts: bool,
}

impl Run {
    /// It never ran: nothing is charged for it, and it has woken nobody.
    pub(crate) fn never_was(mut self) {
        self.began = false;
        self.usage.never_began();
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let mut state = self.clock.state.lock();
        state.running = state.running.saturating_sub(1);
        if self.began {
            state.ended = Some(Instant::now());
            drop(state);
            self.usage.ends();
        } else if self.starts && state.running > 0 {
            state.owed = true;
        }
    }
}

/// The time of one statement.
#[derive(Debug)]
pub(crate) struct Timed {
    per_hour: Decimal,
    least: Duration,
    from: Instant,
    took: Option<Duration>,
}

impl Timed {
    fn new(per_hour: Decimal, least: Duration) -> Self {
        Self { per_hour, least, from: Instant::now(), took: None }
    }

    /// How long it took. Whoever asks first ends it.
    pub(crate) fn end(&mut self) -> Duration {
        *self.took.get_or_insert_with(|| self.from.elapsed())
    }

    /// What is charged for it.
    pub(crate) fn credits(&mut self) -> Decimal {
        charged(self.per_hour, micros_of(self.end().max(self.least)))
    }
}

fn micros_of(time: Duration) -> Decimal {
    Decimal::from(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

/// Credits for a time in microseconds, to the next billionth.
fn charged(per_hour: Decimal, micros: Decimal) -> Decimal {
    const HOUR: Decimal = Decimal::from_parts(3_600_000_000, 0, 0, false, 0);
    let credits = per_hour.saturating_mul(micros).checked_div(HOUR).unwrap_or_default();
    let credits = credits.round_dp_with_strategy(DIGITS, RoundingStrategy::MidpointAwayFromZero);
    credits.normalize()
}

#[cfg(test)]
mod tests;
