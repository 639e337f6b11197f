//! What a statement may cost: refused before it runs where that can be told, and stopped where not.
//!
//! Which limits and prices are the caller's, the decision says. Statements over the system catalogs, the
//! gateway's own records or no table cost nothing: of limits only the time counts there.
//!
//! | module | |
//! |---|---|
//! | `rate` | how many statements may start in a time |
//! | `budget` | money: held before a statement runs, settled when it has ended |
//! | `purses` | money that the ledger counts |
//! | `charge` | what one statement costs |
//! | `bounds` | rows and time of one statement |

pub(crate) mod bounds;
pub mod budget;
pub(crate) mod charge;
pub mod purses;
mod rate;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rust_decimal::Decimal;
use tollgate_catalog::Error;
use tollgate_identity::Principal;
use tollgate_policy::limits::{Bound, Budget, Limit, Rate};
use tollgate_rewriter::Secured;
use tollgate_warehouse::estimate::Estimate;
use tollgate_warehouse::limits;

use self::budget::{Purse, Span};
use self::charge::Charge;
use self::rate::Rates;

/// What counts for all statements together.
pub(crate) struct Costs {
    rates: Rates,
    purse: Arc<dyn Purse>,
    pub(crate) counts: Arc<Counts>,
}

impl Costs {
    /// Money is held in a purse.
    pub(crate) fn new(purse: Arc<dyn Purse>) -> Self {
        Self { rates: Rates::default(), purse, counts: Arc::default() }
    }

    /// Takes a statement's part of each rate.
    ///
    /// # Errors
    /// A rate is used up.
    pub(crate) fn start(&self, secured: &Secured) -> Result<(), Error> {
        self.rates.take(secured.principal(), secured.limits())
    }

    /// How many statements of a rate are taken for a principal, and how long until none is.
    pub(crate) fn rate_taken(
        &self,
        principal: &Principal,
        bound: &Bound,
        rate: Rate,
    ) -> (u32, Duration) {
        self.rates.taken(principal, bound, rate)
    }

    /// What is held and spent of a budget, and when that is over, in microseconds since 1970.
    ///
    /// # Errors
    /// The purse can't tell.
    pub(crate) async fn budget_taken(
        &self,
        limit: &Limit,
        budget: Budget,
        now: i64,
    ) -> Result<(Decimal, i64), Error> {
        let span = Span::of(budget, now)?;
        Ok((self.purse.taken(limit.name(), span).await?, span.end))
    }

    /// Refuses what would scan more than a limit allows, and holds the money for the rest. `now` is in
    /// microseconds since 1970.
    ///
    /// # Errors
    /// A limit on bytes, a budget that is spent, or no price in force.
    pub(crate) async fn hold(
        &self,
        secured: &Secured,
        estimate: &Estimate,
        now: i64,
    ) -> Result<Option<Charge>, Error> {
        let of = secured.limits();
        if let Some(bytes) = of.bytes() {
            match estimate.bytes {
                Some(estimate) if estimate <= bytes.most => {}
                Some(estimate) => {
                    return Err(limits::bytes_before(&bytes.limit, bytes.most, estimate));
                }
                None => return Err(limits::bytes_unknown(&bytes.limit)),
            }
        }
        if !of.has_budget() {
            return Ok(None);
        }
        let rows = match (estimate.rows, of.rows()) {
            (Some(rows), Some(limit)) => Some(rows.min(limit.most.0)),
            (Some(rows), None) => Some(rows),
            (None, limit) => limit.map(|limit| limit.most.0),
        };
        let estimate = Estimate { rows, ..*estimate };
        Charge::hold((&self.purse, &self.counts), of, &estimate, now).await.map(Some)
    }
}

/// How far estimates were off, for the operator.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    estimated: AtomicU64,
    scanned: AtomicU64,
    bytes: Off,
    /// What was held and what was charged, by currency.
    money: Mutex<BTreeMap<String, (Decimal, Decimal)>>,
    charges: Off,
}

/// Statements by how much they used of what was estimated: more, half of it at least, a tenth at least,
/// less.
#[derive(Debug, Default)]
struct Off([AtomicU64; 4]);

impl Off {
    /// Counts one that used no more than all, at least a half, at least a tenth.
    fn count(&self, (all, half, tenth): (bool, bool, bool)) {
        let Self([over, close, loose, far]) = self;
        let count = match (all, half, tenth) {
            (false, ..) => over,
            (true, true, _) => close,
            (true, false, true) => loose,
            (true, false, false) => far,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> OffCounts {
        let [over, close, loose, far] =
            self.0.each_ref().map(|count| count.load(Ordering::Relaxed));
        OffCounts { over, close, loose, far }
    }
}

/// Statements by how much they used of what was estimated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OffCounts {
    /// Those that used more.
    pub over: u64,
    /// Those that used half of it at least.
    pub close: u64,
    /// Those that used a tenth of it at least.
    pub loose: u64,
    /// Those that used less.
    pub far: u64,
}

/// How far estimates were off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EstimateCounts {
    /// Bytes that were estimated.
    pub estimated: u64,
    /// Bytes that the same statements scanned.
    pub scanned: u64,
    /// The statements, by their bytes.
    pub bytes: OffCounts,
    /// Of each currency what budgets held, and what the same statements were charged.
    pub money: Vec<(String, Decimal, Decimal)>,
    /// The statements, by their money.
    pub charges: OffCounts,
}

impl Counts {
    /// Notes what a statement scanned of what was estimated.
    pub(crate) fn note(&self, estimated: u64, scanned: u64) {
        self.estimated.fetch_add(estimated, Ordering::Relaxed);
        self.scanned.fetch_add(scanned, Ordering::Relaxed);
        let times = |factor: u64| scanned.saturating_mul(factor) >= estimated;
        self.bytes.count((scanned <= estimated, times(2), times(10)));
    }

    /// Notes what a statement was charged of what was held for it.
    pub(crate) fn charged(&self, currency: &str, held: Decimal, charged: Decimal) {
        let mut money = self.money.lock();
        let (all_held, all_charged) = match money.get_mut(currency) {
            Some(known) => known,
            None => money.entry(currency.to_owned()).or_default(),
        };
        *all_held = all_held.saturating_add(held);
        *all_charged = all_charged.saturating_add(charged);
        drop(money);
        let times = |factor: u32| charged.saturating_mul(Decimal::from(factor)) >= held;
        self.charges.count((charged <= held, times(2), times(10)));
    }

    pub(crate) fn read(&self) -> EstimateCounts {
        let money = self.money.lock();
        let money = money.iter().map(|(currency, (held, charged))| {
            (currency.clone(), held.normalize(), charged.normalize())
        });
        EstimateCounts {
            estimated: self.estimated.load(Ordering::Relaxed),
            scanned: self.scanned.load(Ordering::Relaxed),
            bytes: self.bytes.read(),
            money: money.collect(),
            charges: self.charges.read(),
        }
    }
}
