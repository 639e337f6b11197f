//! What a caller's limits allow, what is used of it now, and when that is over.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use rust_decimal::{Decimal, RoundingStrategy};
use tollgate_catalog::Error;
use tollgate_identity::Principal;
use tollgate_policy::Limits;
use tollgate_policy::limits::{Bound, Budget, Rate};
use tollgate_warehouse::admission::Admission;

use super::fields::{self, Field, Kind, number, shown, text, time};
use crate::limits::Costs;

/// One part of a limit.
#[derive(Debug)]
pub(super) struct Part {
    limit: String,
    part: &'static str,
    says: String,
    bound: Decimal,
    unit: String,
    used: Option<Decimal>,
    renews: Option<i64>,
}

#[rustfmt::skip]
pub(super) const FIELDS: &[Field<Part>] = &[
    shown("limit_name", Kind::Text, "the limit", |p| text(&p.limit)),
    shown("part", Kind::Text, "what it bounds: rows, bytes, runtime, concurrent, rate or budget", |p| text(p.part)),
    shown("says", Kind::Text, "what it says, in words", |p| text(&p.says)),
    shown("bound", Kind::Number, "how much it allows", |p| number(Some(p.bound))),
    shown("unit", Kind::Text, "of what", |p| text(&p.unit)),
    shown("used", Kind::Number, "how much is used, by all who share it; null: it bounds each statement", |p: &Part| number(p.used)).or_null(),
    shown("renews", Kind::Time, "when what is used has become free again", |p: &Part| time(p.renews)).or_null(),
];

/// A caller's limits, and who counts what is used of them.
pub(crate) struct Standing {
    /// The caller.
    pub(crate) principal: Arc<Principal>,
    /// The limits.
    pub(crate) limits: Limits,
    /// Who counts rates and money.
    pub(crate) costs: Arc<Costs>,
    /// Who counts places.
    pub(crate) admission: Admission,
    /// Now, in microseconds since 1970.
    pub(crate) now: i64,
}

impl Standing {
    /// A row for each part of each limit.
    pub(super) async fn rows(&self) -> Result<RecordBatch, Error> {
        let mut parts = Vec::new();
        for bound in self.limits.bound() {
            self.add(bound, &mut parts).await?;
        }
        fields::batch(FIELDS, true, &parts)
    }

    async fn add(&self, bound: &Bound, parts: &mut Vec<Part>) -> Result<(), Error> {
        let limit = &bound.limit;
        let mut says = limit.says().into_iter();
        let mut part = |part, bound: Decimal, unit: &str, used, renews| {
            parts.push(Part {
                limit: limit.name().to_owned(),
                part,
                says: says.next().unwrap_or_default(),
                bound,
                unit: unit.to_owned(),
                used,
                renews,
            });
        };
        // In the order in which the limit says them.
        if let Some((rows, _)) = limit.rows {
            part("rows", rows.into(), "rows", None, None);
        }
        if let Some(bytes) = limit.bytes {
            part("bytes", bytes.into(), "bytes", None, None);
        }
        if let Some(runtime) = limit.runtime {
            part("runtime", seconds(runtime), "seconds", None, None);
        }
        if let Some(places) = limit.concurrent {
            let taken = self.admission.taken(limit);
            part("concurrent", places.into(), "statements", Some(taken.into()), None);
        }
        if let Some(rate @ Rate { count, .. }) = limit.rate {
            let (taken, free) = self.costs.rate_taken(&self.principal, bound, rate);
            let free = i64::try_from(free.as_micros()).ok().filter(|free| *free > 0);
            let renews = free.and_then(|free| self.now.checked_add(free));
            part("rate", count.get().into(), "statements", Some(taken.into()), renews);
        }
        if let Some(budget @ Budget { amount, .. }) = limit.budget {
            let (taken, renews) = self.costs.budget_taken(limit, budget, self.now).await?;
            let used = Some(stepped(taken, amount));
            part("budget", amount, self.limits.currency(), used, Some(renews));
        }
        Ok(())
    }
}

fn seconds(time: Duration) -> Decimal {
    let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    Decimal::new(millis, 3)
}

/// Money in steps of a hundredth of the budget, rounded up: what one statement cost may tell about
/// rows that are hidden.
fn stepped(taken: Decimal, of: Decimal) -> Decimal {
    let step = of / Decimal::ONE_HUNDRED;
    if step.is_zero() {
        return of;
    }
    let steps = taken / step;
    (steps.round_dp_with_strategy(0, RoundingStrategy::ToPositiveInfinity) * step).normalize()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use rust_decimal::Decimal;

    #[test]
    fn money_is_shown_in_steps_of_a_hundredth() {
        for (taken, of, shown) in
            [("0", "25", "0"), ("0.0001", "25", "0.25"), ("13.4", "25", "13.5"), ("25", "25", "25")]
        {
            let [taken, of]: [Decimal; 2] = [taken, of].map(|text| text.parse().unwrap());
            assert_eq!(super::stepped(taken, of).to_string(), shown);
        }
    }
}
