//! What one statement costs: held by its estimate, settled by what it used, however it ends.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tollgate_catalog::{Error, ErrorKind};
use tollgate_policy::Limits;
use tollgate_policy::limits::{Limit, Used};
use tollgate_warehouse::estimate::{Estimate, Usage};

use super::Counts;
use super::budget::{Holding, NotHeld, Purse, Span};

/// The money that is held for a statement. Dropping it settles.
pub(crate) struct Charge {
    holdings: Vec<Holding>,
    /// What is held of each.
    amount: Decimal,
    counts: Arc<Counts>,
    limits: Limits,
    now: i64,
    estimate: Estimate,
    /// Nothing until it is given to a warehouse.
    usage: Option<Arc<Usage>>,
    ran: bool,
    rows: u64,
    cached: bool,
}

impl Charge {
    /// Holds what a statement would cost of each budget, or of none.
    pub(super) async fn hold(
        (purse, counts): (&Arc<dyn Purse>, &Arc<Counts>),
        limits: &Limits,
        estimate: &Estimate,
        now: i64,
    ) -> Result<Self, Error> {
        let used = Used {
            bytes: estimate.bytes.unwrap_or_default(),
            rows: estimate.rows.unwrap_or_default(),
            credits: estimate.credits.unwrap_or_default(),
        };
        let amount = limits.cost(now, &used).ok_or_else(no_price)?;
        let mut charge = Self {
            holdings: Vec::new(),
            amount,
            counts: Arc::clone(counts),
            limits: limits.clone(),
            now,
            estimate: *estimate,
            usage: None,
            ran: false,
            rows: 0,
            cached: false,
        };
        let unknown_part = (estimate.bytes.is_none() && limits.counts_bytes())
            || (estimate.rows.is_none() && limits.prices_rows())
            || (estimate.credits.is_none() && limits.prices_credits());
        if unknown_part {
            return Err(unknown());
        }
        for bound in limits.bound() {
            let Some(budget) = bound.limit.budget else { continue };
            let span = Span::of(budget, now)?;
            let held = Holding::new(purse, bound.limit.name(), span, amount).await;
            charge.holdings.push(held.map_err(|why| match why {
                NotHeld::Spent => spent(&bound.limit, limits, (span, now), amount),
                NotHeld::Failed(error) => error,
            })?);
        }
        Ok(charge)
    }

    /// A warehouse is given the statement: from now on it costs the time there, where that is charged.
    pub(crate) fn begins(&mut self, usage: &Arc<Usage>, cached: bool) {
        self.usage = Some(Arc::clone(usage));
        self.cached = cached;
    }

    /// It has begun: from now on it costs what it uses.
    pub(crate) fn runs(&mut self) {
        self.ran = true;
    }

    /// Adds rows that went to the client.
    pub(crate) fn add(&mut self, rows: u64) {
        self.rows = self.rows.saturating_add(rows);
    }

    /// What it cost. Where rows are hidden from the caller, what was scanned counts as it was estimated:
    /// what is left of a budget must not tell about them. (How long it took, the caller knows.)
    /// Nothing of one that never ran.
    fn cost(&self) -> Option<Decimal> {
        let usage = self.usage.as_ref().filter(|usage| self.ran || usage.has_begun())?;
        let estimated = self.estimate.bytes.unwrap_or(0);
        let bytes = match usage.scanned() {
            // One that failed while it ran is charged its time, not what it would have read.
            _ if self.cached || !self.ran => 0,
            _ if self.estimate.restricted => estimated,
            scanned => scanned.unwrap_or(estimated),
        };
        let credits = usage.credits().unwrap_or_default();
        let used = Used { bytes, rows: self.rows, credits };
        Some(self.limits.cost(self.now, &used).unwrap_or_default())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let cost = self.cost();
        if let Some(cost) = cost.filter(|_| !self.cached) {
            self.counts.charged(self.limits.currency(), self.amount, cost);
        }
        // Each is settled when it is dropped.
        let used = cost.unwrap_or_default();
        self.holdings.iter_mut().for_each(|holding| holding.used = used);
    }
}

fn spent(limit: &Limit, limits: &Limits, (span, now): (Span, i64), amount: Decimal) -> Error {
    let currency = limits.currency();
    let again = DateTime::<Utc>::from_timestamp_micros(span.end);
    let again = again.map(|end| end.format("%Y-%m-%d %H:%M").to_string()).unwrap_or_default();
    // A larger statement would be refused then, too.
    let hint = if amount > span.most {
        "name fewer columns or smaller tables".to_owned()
    } else {
        format!("try again from {again} UTC on, or with fewer columns or smaller tables")
    };
    let error = Error::new(
        ErrorKind::BudgetExceeded,
        format!(
            "the statement would cost about {} {currency}, and of the {} {currency} per {} that limit \
             \"{}\" allows less is left",
            rounded(amount),
            span.most,
            span.period,
            limit.name()
        ),
    )
    .with_hint(hint);
    let wait = u64::try_from(span.end.saturating_sub(now)).ok().filter(|_| amount <= span.most);
    match wait {
        Some(wait) => error.with_retry_after(Duration::from_micros(wait)),
        None => error,
    }
}

/// To one digit, rounded up: what a statement would cost may tell about rows that are hidden.
fn rounded(amount: Decimal) -> Decimal {
    amount
        .round_sf_with_strategy(1, rust_decimal::RoundingStrategy::AwayFromZero)
        .unwrap_or(amount)
        .normalize()
}

fn no_price() -> Error {
    Error::new(ErrorKind::BudgetExceeded, "no price is in force by which a budget could be spent")
        .with_hint("ask the operator for a price that is valid now")
}

fn unknown() -> Error {
    Error::new(ErrorKind::BudgetExceeded, "it can't be told what the statement would cost")
        .with_hint("ask the operator for statistics of the tables, or for a limit of rows")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use rust_decimal::Decimal;

    #[test]
    fn amounts_are_shown_to_one_digit() {
        for (amount, shown) in [("0.001234", "0.002"), ("25", "30"), ("0", "0"), ("7.0", "7")] {
            let amount: Decimal = amount.parse().unwrap();
            assert_eq!(super::rounded(amount).to_string(), shown);
        }
    }
}
