//! What statements may cost: limits and prices, bound to whom they are for.
//!
//! A limit restricts, so it is for whoever holds one of its roles, active or not. A price neither
//! permits nor restricts: those of active roles count. Money is decimal, never a float.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use rust_decimal::Decimal;
use serde::Serialize;

use crate::model::{PolicyRef, Subject};
use crate::standing::Caller;

/// What happens to a result with more rows than a limit allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Exceed {
    /// It ends there, and the client is told.
    Truncate,
    /// The statement fails.
    Error,
}

/// In which time a rate counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Every {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
}

impl Every {
    /// How long it is.
    pub fn length(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
        })
    }
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
        })
    }
}

/// Who shares a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sharing {
    /// Each user has one.
    User,
    /// All who hold the same role that the limit names.
    Role,
    /// All whose attribute `tenant_id` has the same values.
    Tenant,
}

impl fmt::Display for Sharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Role => "role",
            Self::Tenant => "tenant",
        })
    }
}

/// How many statements may start, in which time, for whom together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How many; as many may come at once.
    pub count: NonZeroU32,
    /// In which time.
    pub every: Every,
    /// For whom together.
    pub per: Sharing,
}

/// For how long money lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Period {
    /// A day in UTC.
    Day,
    /// A month in UTC.
    Month,
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Day => "day",
            Self::Month => "month",
        })
    }
}

/// Money that may be spent in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Budget {
    /// How much, in the currency of the prices.
    pub amount: Decimal,
    /// In which period.
    pub per: Period,
}

/// A limit. What it counts for all whom it is for together, and what for each statement, see the
/// fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    pub(crate) to: Arc<[Subject]>,
    /// The statement that says so; its name is the limit's.
    pub policy: PolicyRef,
    /// Rows of one result, and what happens beyond.
    pub rows: Option<(u64, Exceed)>,
    /// Bytes that one statement may scan.
    pub bytes: Option<u64>,
    /// How long one statement may take.
    pub runtime: Option<Duration>,
    /// Statements that run at once, of all whom it is for together.
    pub concurrent: Option<u32>,
    /// How many statements may start in a time.
    pub rate: Option<Rate>,
    /// Money, of all whom it is for together.
    pub budget: Option<Budget>,
}

impl Limit {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.policy.name
    }

    /// What it says, part by part, in words.
    pub fn says(&self) -> Vec<String> {
        let rows = self.rows.map(|(rows, exceed)| {
            let beyond = match exceed {
                Exceed::Truncate => "the rest is cut off",
                Exceed::Error => "more are an error",
            };
            format!("at most {rows} rows, {beyond}")
        });
        let bytes = self.bytes.map(|bytes| format!("at most {} scanned", size(bytes)));
        let runtime = self.runtime.map(|runtime| format!("at most {runtime:?}"));
        let concurrent = self.concurrent.map(|count| format!("at most {count} at once"));
        let rate = self.rate.map(|Rate { count, every, per }| {
            format!("at most {count} per {every}, for each {per}")
        });
        let budget = self.budget.map(|Budget { amount, per }| format!("{amount} per {per}"));
        [rows, bytes, runtime, concurrent, rate, budget].into_iter().flatten().collect()
    }
}

/// A number of bytes, in the largest unit that shows it exactly.
pub fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 8] = [
        (1_000_000_000_000, "TB"),
        (1 << 40, "TiB"),
        (1_000_000_000, "GB"),
        (1 << 30, "GiB"),
        (1_000_000, "MB"),
        (1 << 20, "MiB"),
        (1_000, "kB"),
        (1 << 10, "KiB"),
    ];
    let fits = UNITS.iter().find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit));
    fits.map_or_else(|| format!("{bytes} bytes"), |(unit, name)| format!("{} {name}", bytes / unit))
}

/// What a statement used, or would use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Bytes scanned.
    pub bytes: u64,
    /// Rows given to the client.
    pub rows: u64,
    /// What the warehouse itself charges in, where it does.
    pub credits: Decimal,
}

/// A price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    pub(crate) to: Arc<[Subject]>,
    /// The tenants that it is for besides.
    pub(crate) tenants: BTreeSet<String>,
    /// The statement that says so; its name is the price's.
    pub policy: PolicyRef,
    /// For each query.
    pub query: Decimal,
    /// For 10⁹ bytes scanned.
    pub gigabyte: Decimal,
    /// For a million rows given to the client.
    pub million_rows: Decimal,
    /// For a credit of the warehouse.
    pub credit: Decimal,
    /// Three letters of ISO 4217; all prices of a bundle have the same.
    pub currency: String,
    /// The first moment, in microseconds since 1970 in UTC.
    pub from: Option<i64>,
    /// The first moment that is too late.
    pub until: Option<i64>,
}

impl Price {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.policy.name
    }

    /// What was used costs, exactly: the ledger reckons the same from a receipt.
    pub fn of(&self, used: &Used) -> Decimal {
        let scaled =
            |quantity: u64, scale| Decimal::from_i128_with_scale(i128::from(quantity), scale);
        let (gigabytes, millions) = (scaled(used.bytes, 9), scaled(used.rows, 6));
        self.query
            .saturating_add(self.gigabyte.saturating_mul(gigabytes))
            .saturating_add(self.million_rows.saturating_mul(millions))
            .saturating_add(self.credit.saturating_mul(used.credits))
            .normalize()
    }

    fn is_in_force(&self, now: i64) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now < until)
    }

    /// What it says, in words.
    pub fn says(&self) -> Vec<String> {
        let parts = [
            (self.query, "query"),
            (self.gigabyte, "GB scanned"),
            (self.million_rows, "million rows returned"),
            (self.credit, "credit"),
        ];
        let parts = parts.into_iter().filter(|(amount, _)| !amount.is_zero());
        parts.map(|(amount, of)| format!("{amount} {} per {of}", self.currency)).collect()
    }
}

/// A limit that is for the caller, and by which of its roles.
#[derive(Debug, Clone)]
pub struct Bound {
    /// The limit.
    pub limit: Arc<Limit>,
    /// The roles that it names and the caller holds, in order.
    pub roles: Vec<String>,
}

/// What the caller's statements may cost: part of a decision.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    bound: Vec<Bound>,
    /// With how closely each is for the caller: the user, the tenant, a role, everyone.
    prices: Vec<(u8, Arc<Price>)>,
}

/// The least of what several limits allow, and the one that allows it.
#[derive(Debug, Clone)]
pub struct Tightest<T> {
    /// How much.
    pub most: T,
    /// By which limit.
    pub limit: Arc<Limit>,
}

impl Limits {
    /// The limits and prices that are for a caller.
    pub(crate) fn of(
        limits: &[Arc<Limit>],
        prices: &[Arc<Price>],
        caller: Caller<'_>,
        tenant: Option<&str>,
    ) -> Self {
        let bound = limits.iter().filter(|limit| caller.is_bound_by(&limit.to)).map(|limit| {
            let roles: BTreeSet<&String> = limit
                .to
                .iter()
                .filter_map(|subject| match subject {
                    Subject::Role(role) => Some(role),
                    Subject::User(_) | Subject::Public => None,
                })
                .filter(|role| caller.standing.held.contains(*role))
                .collect();
            Bound { limit: Arc::clone(limit), roles: roles.into_iter().cloned().collect() }
        });
        let closeness = |price: &Price| {
            let of = price.to.iter().filter_map(|subject| match subject {
                Subject::User(user) => (caller.user == user).then_some(0),
                Subject::Role(role) => caller.standing.active.contains(role).then_some(2),
                Subject::Public => Some(3),
            });
            let paid = tenant.is_some_and(|tenant| price.tenants.contains(tenant)).then_some(1);
            of.chain(paid).min()
        };
        let prices = prices.iter();
        let prices = prices.filter_map(|price| Some((closeness(price)?, Arc::clone(price))));
        Self { bound: bound.collect(), prices: prices.collect() }
    }

    /// The limits, in the order in which they were read.
    pub fn bound(&self) -> &[Bound] {
        &self.bound
    }

    /// Whether there is none, so that a statement may cost whatever it costs.
    pub fn is_empty(&self) -> bool {
        self.bound.is_empty()
    }

    /// The prices that are for the caller, in force or not, in the order in which they were read.
    pub fn prices(&self) -> impl Iterator<Item = &Arc<Price>> {
        self.prices.iter().map(|(_, price)| price)
    }

    fn tightest<T: Ord>(&self, part: impl Fn(&Limit) -> Option<T>) -> Option<Tightest<T>> {
        let allowed = self.bound.iter().filter_map(|bound| {
            let limit = &bound.limit;
            part(limit).map(|most| Tightest { most, limit: Arc::clone(limit) })
        });
        allowed.min_by(|one, other| one.most.cmp(&other.most))
    }

    /// How many rows a result may have; of two limits with the same number the one that fails counts.
    pub fn rows(&self) -> Option<Tightest<(u64, Exceed)>> {
        let tightest = self
            .tightest(|limit| limit.rows.map(|(rows, exceed)| (rows, std::cmp::Reverse(exceed))))?;
        let (rows, std::cmp::Reverse(exceed)) = tightest.most;
        Some(Tightest { most: (rows, exceed), limit: tightest.limit })
    }

    /// How many bytes a statement may scan.
    pub fn bytes(&self) -> Option<Tightest<u64>> {
        self.tightest(|limit| limit.bytes)
    }

    /// How long a statement may take.
    pub fn runtime(&self) -> Option<Tightest<Duration>> {
        self.tightest(|limit| limit.runtime)
    }

    /// Whether what a statement costs in money is held against a budget.
    pub fn has_budget(&self) -> bool {
        self.bound.iter().any(|bound| bound.limit.budget.is_some())
    }

    /// Whether it matters how many bytes a statement scans: for a limit, or for a budget at a price.
    pub fn counts_bytes(&self) -> bool {
        self.bytes().is_some() || (self.has_budget() && self.prices_bytes())
    }

    /// Whether any price is for bytes scanned, so that somebody may be charged for them.
    pub fn prices_bytes(&self) -> bool {
        self.prices.iter().any(|(_, price)| !price.gigabyte.is_zero())
    }

    /// Whether any price is for rows.
    pub fn prices_rows(&self) -> bool {
        self.prices.iter().any(|(_, price)| !price.million_rows.is_zero())
    }

    /// Whether any price is for credits.
    pub fn prices_credits(&self) -> bool {
        self.prices.iter().any(|(_, price)| !price.credit.is_zero())
    }

    /// The price that counts for what was used, at a moment in microseconds since 1970. Of the prices in
    /// force those for the user, or those for the tenant, or those for roles, or those for everyone; of
    /// several the dearest.
    /// Nothing if none is in force.
    pub fn price(&self, now: i64, used: &Used) -> Option<&Price> {
        let in_force = || self.prices.iter().filter(|(_, price)| price.is_in_force(now));
        let closest = in_force().map(|(closeness, _)| closeness).min()?;
        let closest = in_force().filter(|(closeness, _)| closeness == closest);
        closest.map(|(_, price)| price.as_ref()).max_by_key(|price| price.of(used))
    }

    /// What was used costs at that price.
    pub fn cost(&self, now: i64, used: &Used) -> Option<Decimal> {
        self.price(now, used).map(|price| price.of(used))
    }

    /// The currency of the prices; empty without one.
    pub fn currency(&self) -> &str {
        self.prices.first().map_or("", |(_, price)| &price.currency)
    }
}

/// A limit or a price, as `explain` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CostExplanation {
    /// The statement.
    pub policy: PolicyRef,
    /// What it says, part by part.
    pub says: Vec<String>,
}

impl Limits {
    /// The limits and then the prices, for an operator to read.
    pub fn explained(&self) -> Vec<CostExplanation> {
        let limits = self.bound.iter().map(|bound| CostExplanation {
            policy: bound.limit.policy.clone(),
            says: bound.limit.says(),
        });
        let prices = self
            .prices()
            .map(|price| CostExplanation { policy: price.policy.clone(), says: price.says() });
        limits.chain(prices).collect()
    }
}

#[cfg(test)]
mod tests;
