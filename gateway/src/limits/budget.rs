//! Money: what a statement is expected to cost is held before it runs, and what it did cost is settled
//! when it has ended. What is held or spent of a budget can't be held again.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use chrono::{DateTime, Datelike, Months, NaiveTime, TimeDelta, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use rust_decimal::Decimal;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tollgate_catalog::Error;
use tollgate_policy::limits::{Budget, Period};

/// A stretch of time, and the money for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// What it is.
    pub period: Period,
    /// Its first moment, in microseconds since 1970 in UTC.
    pub start: i64,
    /// The first moment that is too late.
    pub end: i64,
    /// The money for it.
    pub most: Decimal,
}

impl Span {
    /// The stretch of a budget that a moment is in.
    ///
    /// # Errors
    /// The moment is beyond what a calendar knows.
    pub fn of(budget: Budget, now: i64) -> Result<Self, Error> {
        let beyond = || Error::internal("the clock shows no time of a calendar");
        let today = DateTime::<Utc>::from_timestamp_micros(now).ok_or_else(beyond)?.date_naive();
        let (first, next) = match budget.per {
            Period::Day => (Some(today), today.checked_add_signed(TimeDelta::days(1))),
            Period::Month => {
                let first = today.with_day(1);
                (first, first.and_then(|first| first.checked_add_months(Months::new(1))))
            }
        };
        let (first, next) = first.zip(next).ok_or_else(beyond)?;
        let micros =
            |day: chrono::NaiveDate| day.and_time(NaiveTime::MIN).and_utc().timestamp_micros();
        let (start, end) = (micros(first), micros(next));
        Ok(Self { period: budget.per, start, end, most: budget.amount })
    }
}

/// Money that is held. Whoever has it settles it.
#[derive(Debug)]
pub struct Hold {
    /// Of which account.
    pub account: String,
    /// In which time.
    pub span: Span,
    /// How much.
    pub amount: Decimal,
    /// What the ledger knows it by, if it is held there.
    pub entry: Option<tollgate_ledger::purse::Hold>,
}

/// Why money isn't held.
#[derive(Debug)]
pub enum NotHeld {
    /// It isn't there.
    Spent,
    /// The purse can't tell: the statement must not run.
    Failed(Error),
}

/// Accounts of money. Two statements never hold the same money, wherever they run.
pub trait Purse: Send + Sync {
    /// Holds an amount, if with all that is held and spent in the span it is no more than there is.
    fn hold<'a>(
        &'a self,
        account: &'a str,
        span: Span,
        amount: Decimal,
    ) -> BoxFuture<'a, Result<Hold, NotHeld>>;

    /// Spends what was used instead of what was held; an amount of 0 gives it all back.
    fn settle(&self, hold: Hold, amount: Decimal) -> BoxFuture<'static, ()>;

    /// What is held or spent in a span.
    fn taken<'a>(&'a self, account: &'a str, span: Span) -> BoxFuture<'a, Result<Decimal, Error>>;
}

/// Accounts in the memory of one process: they begin anew with it, and others know nothing of them.
#[derive(Debug, Clone, Default)]
pub struct MemoryPurse {
    accounts: Arc<Mutex<HashMap<(String, Period), Account>>>,
}

#[derive(Debug, Default)]
struct Account {
    /// Of which span the rest is.
    start: i64,
    held: Decimal,
    spent: Decimal,
}

impl MemoryPurse {
    fn with<T>(&self, account: &str, span: Span, work: impl FnOnce(&mut Account) -> T) -> T {
        let mut accounts = self.accounts.lock();
        let account = accounts.entry((account.to_owned(), span.period)).or_default();
        if account.start < span.start {
            *account = Account { start: span.start, ..Account::default() };
        }
        work(account)
    }
}

impl Purse for MemoryPurse {
    fn hold<'a>(
        &'a self,
        account: &'a str,
        span: Span,
        amount: Decimal,
    ) -> BoxFuture<'a, Result<Hold, NotHeld>> {
        let held = self.with(account, span, |account| {
            let taken = account.held.saturating_add(account.spent).saturating_add(amount);
            if taken > span.most {
                return Err(NotHeld::Spent);
            }
            account.held += amount;
            Ok(())
        });
        let account = account.to_owned();
        let held = held.map(|()| Hold { account, span, amount, entry: None });
        futures::future::ready(held).boxed()
    }

    fn settle(&self, hold: Hold, amount: Decimal) -> BoxFuture<'static, ()> {
        let mut accounts = self.accounts.lock();
        let account = accounts.get_mut(&(hold.account, hold.span.period));
        // What was held in a span that has ended went with it.
        if let Some(account) = account.filter(|account| account.start == hold.span.start) {
            account.held = account.held.saturating_sub(hold.amount).max(Decimal::ZERO);
            account.spent = account.spent.saturating_add(amount);
        }
        futures::future::ready(()).boxed()
    }

    fn taken<'a>(&'a self, account: &'a str, span: Span) -> BoxFuture<'a, Result<Decimal, Error>> {
        let taken = self.with(account, span, |account| account.held.saturating_add(account.spent));
        futures::future::ready(Ok(taken)).boxed()
    }
}

/// Money that is held for one statement. Dropping it settles.
pub(super) struct Holding {
    purse: Arc<dyn Purse>,
    runtime: Handle,
    hold: Option<Hold>,
    /// What was used so far.
    pub(super) used: Decimal,
}

impl Holding {
    /// Holds money, or nothing: whoever stops waiting for it leaves none held.
    pub(super) async fn new(
        purse: &Arc<dyn Purse>,
        account: &str,
        span: Span,
        amount: Decimal,
    ) -> Result<Self, NotHeld> {
        let (runtime, purse, account) = (Handle::current(), Arc::clone(purse), account.to_owned());
        let (tell, told) = oneshot::channel();
        let here = runtime.clone();
        runtime.spawn(async move {
            let held = purse.hold(&account, span, amount).await;
            let held = held.map(|hold| Self {
                purse,
                runtime: here,
                hold: Some(hold),
                used: Decimal::ZERO,
            });
            // One that nobody waits for is dropped, which settles it.
            drop(tell.send(held));
        });
        told.await.unwrap_or_else(|lost| Err(NotHeld::Failed(Error::internal(lost))))
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        let Some(hold) = self.hold.take() else { return };
        let mut settled = self.purse.settle(hold, self.used);
        // At once where that is possible: the caller's next statement may need the money.
        let polled = settled.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if polled == Poll::Pending {
            self.runtime.spawn(settled);
        }
    }
}

#[cfg(test)]
mod tests;
