//! Budgets whose money is counted in the ledger: it outlives the process, and replicas share it.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use rust_decimal::Decimal;
use tollgate_catalog::{Error, ErrorKind};
use tollgate_ledger::Refusal;
use tollgate_ledger::purse::{self, HoldError, Purses};
use tollgate_policy::limits::Period;

use super::budget::{Hold, NotHeld, Purse, Span};

/// The purses of a ledger.
pub struct LedgerPurse(Arc<Purses>);

impl LedgerPurse {
    /// Money that is held and spent there.
    pub fn new(purses: Purses) -> Self {
        Self(Arc::new(purses))
    }
}

/// What the ledger calls a span.
fn period(span: &Span) -> String {
    let kind = match span.period {
        Period::Day => "day",
        Period::Month => "month",
    };
    format!("{kind} {}", span.start)
}

fn unreadable(cause: Refusal) -> Error {
    Error::new(ErrorKind::IoError, "what is spent of a budget can't be told")
        .with_hint("try again; whoever runs the gateway finds the reason in its log")
        .with_cause(format!("{cause:?}"))
}

impl Purse for LedgerPurse {
    fn hold<'a>(
        &'a self,
        account: &'a str,
        span: Span,
        amount: Decimal,
    ) -> BoxFuture<'a, Result<Hold, NotHeld>> {
        let budget = purse::Budget { period: period(&span), limit: span.most };
        async move {
            match self.0.hold(account, std::slice::from_ref(&budget), amount).await {
                Ok(entry) => {
                    Ok(Hold { account: account.to_owned(), span, amount, entry: Some(entry) })
                }
                Err(HoldError::Exhausted { .. }) => Err(NotHeld::Spent),
                Err(HoldError::Amount) => {
                    Err(NotHeld::Failed(Error::internal("an amount that no ledger holds")))
                }
                Err(HoldError::Refused(refusal)) => Err(NotHeld::Failed(unreadable(refusal))),
            }
        }
        .boxed()
    }

    fn settle(&self, hold: Hold, amount: Decimal) -> BoxFuture<'static, ()> {
        let purses = Arc::clone(&self.0);
        async move {
            // What isn't settled counts as spent after the next start; the purses log why.
            if let Some(entry) = hold.entry {
                let _ = purses.settle(entry, amount).await;
            }
        }
        .boxed()
    }

    fn taken<'a>(&'a self, account: &'a str, span: Span) -> BoxFuture<'a, Result<Decimal, Error>> {
        let period = period(&span);
        async move { self.0.taken(account, &period).await.map_err(unreadable) }.boxed()
    }
}
