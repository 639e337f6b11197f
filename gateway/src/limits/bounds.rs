//! Rows and time of one statement.

use std::sync::Arc;
use std::time::Duration;

use tollgate_catalog::Error;
use tollgate_policy::limits::{Exceed, Limit, Tightest};
use tollgate_rewriter::Secured;
use tollgate_warehouse::limits;

use crate::session::Notice;
use crate::stream::timed_out;

/// How many rows a client may still be given.
#[derive(Debug)]
pub(crate) struct Cut {
    left: u64,
    most: u64,
    exceed: Exceed,
    limit: Arc<Limit>,
}

/// What becomes of a batch.
#[derive(Debug)]
pub(crate) enum Given {
    /// All of it is given.
    All,
    /// So many rows of it, and then the result ends.
    Only(u64),
}

impl Cut {
    /// The tightest that is for the caller of a query over a warehouse.
    pub(crate) fn of(secured: &Secured) -> Option<Self> {
        let tightest = secured.limits().rows();
        tightest.filter(|_| secured.engine().is_warehouse()).map(Self::new)
    }

    fn new(tightest: Tightest<(u64, Exceed)>) -> Self {
        let Tightest { most: (most, exceed), limit } = tightest;
        Self { left: most, most, exceed, limit }
    }

    /// Counts rows that come.
    ///
    /// # Errors
    /// There are more than the limit allows, and it says that this is an error.
    pub(crate) fn take(&mut self, rows: u64) -> Result<Given, Error> {
        match self.left.checked_sub(rows) {
            Some(left) => {
                self.left = left;
                Ok(Given::All)
            }
            None => match self.exceed {
                Exceed::Error => Err(limits::rows(&self.limit, self.most)),
                Exceed::Truncate => Ok(Given::Only(std::mem::take(&mut self.left))),
            },
        }
    }

    /// What a client is told whose result was cut.
    pub(crate) fn notice(&self) -> Notice {
        let (most, name) = (self.most, self.limit.name());
        Notice {
            severity: "NOTICE",
            code: "00000",
            message: format!("the result is not complete: limit \"{name}\" allows {most} rows"),
        }
    }
}

/// How long a statement may still take, and by what.
#[derive(Debug)]
pub(crate) struct Deadline {
    left: Option<Duration>,
    /// The limit, if that is what ends it.
    by: Option<Tightest<Duration>>,
}

impl Deadline {
    /// The smaller of the session's timeout and the caller's limit.
    pub(crate) fn of(timeout: Option<Duration>, secured: &Secured) -> Self {
        let limit = secured.limits().runtime();
        let by = limit.filter(|limit| timeout.is_none_or(|timeout| limit.most < timeout));
        Self { left: by.as_ref().map(|limit| limit.most).or(timeout), by }
    }

    /// How long it may still take.
    pub(crate) fn left(&self) -> Duration {
        self.left.unwrap_or(Duration::MAX)
    }

    /// Takes the time away that has passed.
    pub(crate) fn spend(&mut self, time: Duration) {
        self.left = self.left.map(|left| left.saturating_sub(time));
    }

    /// The error of a warehouse that canceled: the limit's, if that is what counts.
    pub(crate) fn named(&self, error: Error) -> Error {
        if self.by.is_some() { self.passed() } else { error }
    }

    /// The error when it is over.
    pub(crate) fn passed(&self) -> Error {
        match &self.by {
            Some(Tightest { most, limit }) => limits::runtime(limit, *most),
            None => timed_out(),
        }
    }
}
