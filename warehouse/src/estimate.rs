//! What a query would use, before it runs, and what it has used so far.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::scalar::ScalarValue;
use parking_lot::Mutex;
use rust_decimal::Decimal;
use tollgate_catalog::{Error, RawSource, Table};
use tollgate_policy::SecuredTable;
use tollgate_rewriter::{Secured, SecuredSource};

use crate::credits::Timed;

/// Stands for a number that isn't known.
const UNKNOWN: u64 = u64::MAX;

/// What a query would use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Bytes that it would scan, or more; `None` if it can't be told.
    pub bytes: Option<u64>,
    /// Rows that it would return.
    pub rows: Option<u64>,
    /// Credits that it would be charged; `None` if it can't be told.
    pub credits: Option<Decimal>,
    /// Whether rows of a table that it reads are hidden from the caller. Then what it really scans
    /// may tell about them: refusals and charges must rest on the estimate.
    pub restricted: bool,
}

/// What a query has used so far.
#[derive(Debug)]
pub struct Usage {
    scanned: AtomicU64,
    /// Since when it runs where time is charged in credits.
    timed: Mutex<Option<Timed>>,
    /// What records call the statement.
    statement: OnceLock<String>,
    /// The virtual warehouse that it was given to.
    on: OnceLock<String>,
    /// How many rows it returns.
    returns: OnceLock<u64>,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            scanned: AtomicU64::new(UNKNOWN),
            timed: Mutex::default(),
            statement: OnceLock::new(),
            on: OnceLock::new(),
            returns: OnceLock::new(),
        }
    }
}

impl Usage {
    /// Notes what records call the statement. It has one name only.
    pub fn is_of(&self, statement: &str) {
        let _ = self.statement.set(statement.to_owned());
    }

    /// What records call the statement, if that was said.
    pub(crate) fn statement(&self) -> Option<&str> {
        self.statement.get().map(String::as_str)
    }

    /// The virtual warehouse that it was given to, where there are any.
    pub fn runs(&self) -> Option<&str> {
        self.on.get().map(String::as_str)
    }

    /// Notes which virtual warehouse it is given to.
    pub(crate) fn runs_on(&self, name: &str) {
        let _ = self.on.set(name.to_owned());
    }

    /// How many rows it returns, once that is known before all of them are there.
    pub fn returns(&self) -> Option<u64> {
        self.returns.get().copied()
    }

    /// Notes how many rows it returns.
    pub fn will_return(&self, rows: u64) {
        let _ = self.returns.set(rows);
    }

    /// Bytes that it has scanned; `None` if the warehouse doesn't tell.
    pub fn scanned(&self) -> Option<u64> {
        Some(self.scanned.load(Ordering::Relaxed)).filter(|bytes| *bytes != UNKNOWN)
    }

    /// Notes how many bytes it has scanned until now.
    pub fn has_scanned(&self, bytes: u64) {
        self.scanned.store(bytes.min(UNKNOWN - 1), Ordering::Relaxed);
    }

    /// Whether it has begun to run where time is charged in credits.
    pub fn has_begun(&self) -> bool {
        self.timed.lock().is_some()
    }

    /// Credits that it is charged; `None` if it never ran where there are any. Whoever asks first ends
    /// the time of one that still runs.
    pub fn credits(&self) -> Option<Decimal> {
        self.timed.lock().as_mut().map(Timed::credits)
    }

    pub(crate) fn begins(&self, timed: Timed) {
        *self.timed.lock() = Some(timed);
    }

    pub(crate) fn never_began(&self) {
        *self.timed.lock() = None;
    }

    pub(crate) fn ends(&self) {
        if let Some(timed) = self.timed.lock().as_mut() {
            timed.end();
        }
    }
}

/// The tables that a forwarded plan reads, as the catalog knows them.
pub(crate) struct Read {
    /// All of them read whole; as many rows as the largest has.
    pub(crate) whole: Estimate,
    /// The bytes of each by its name; of namesakes, of the larger.
    pub(crate) tables: BTreeMap<String, u64>,
}

impl Read {
    /// What a plan reads, also below its secured relations.
    pub(crate) fn of(plan: &LogicalPlan) -> Result<Self, Error> {
        let whole = Estimate { bytes: Some(0), rows: Some(0), credits: None, restricted: false };
        let mut read = Self { whole, tables: BTreeMap::new() };
        read.plan(plan).map_err(Error::internal)?;
        Ok(read)
    }

    /// With what the warehouse says that it would read, if it says so; more than all there is doesn't count.
    pub(crate) fn at_most(&self, bytes: Option<u64>) -> Estimate {
        let bytes = match (bytes, self.whole.bytes) {
            (Some(bytes), Some(most)) => Some(bytes.min(most)),
            (Some(known), None) | (None, Some(known)) => Some(known),
            (None, None) => None,
        };
        Estimate { bytes, ..self.whole }
    }

    fn plan(&mut self, plan: &LogicalPlan) -> datafusion::common::Result<()> {
        plan.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node {
                if let Some(secured) = scan.source.downcast_ref::<SecuredSource>() {
                    self.whole.restricted |= secured.is_guarded() || hides_rows(secured.secured());
                    self.plan(secured.relation())?;
                } else if let Some(raw) = scan.source.downcast_ref::<RawSource>() {
                    self.table(raw.table());
                }
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(())
    }

    fn table(&mut self, table: &Table) {
        let Estimate { bytes, rows, credits: _, restricted: _ } = &mut self.whole;
        *bytes = bytes.zip(table.bytes).map(|(sum, bytes)| sum.saturating_add(bytes));
        *rows = rows.zip(table.row_count).map(|(most, rows)| most.max(rows));
        if let Some(bytes) = table.bytes {
            let most = self.tables.entry(table.name.table.clone()).or_default();
            *most = bytes.max(*most);
        }
    }
}

/// Whether what a query scans may tell of rows or values that are hidden from the caller: it reads a view, a table
/// with a row policy, or a masked column.
///
/// # Errors
/// The plan can't be walked.
pub fn is_restricted(query: &Secured) -> Result<bool, Error> {
    let mut restricted = false;
    let walked = query.plan().apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Some(source) = scan.source.downcast_ref::<SecuredSource>()
        {
            restricted |= source.barrier();
        }
        Ok(TreeNodeRecursion::Continue)
    });
    walked.map_err(Error::internal)?;
    Ok(restricted)
}

/// Whether a row policy may leave rows out, of a table or of what a view reads.
fn hides_rows(permit: &SecuredTable) -> bool {
    let all =
        |predicate: &Expr| matches!(predicate, Expr::Literal(ScalarValue::Boolean(Some(true)), _));
    permit.row_predicate().is_some_and(|predicate| !all(predicate))
        || permit.reads().iter().any(hides_rows)
}
