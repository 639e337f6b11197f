//! What a gateway tells its operator about itself.

use tollgate_catalog::WarehouseName;

use crate::audit::StatementCounts;
use crate::limits::EstimateCounts;
use crate::pipeline::Gateway;
use crate::plans::CacheCounts;
use crate::stages::Latency;

/// How the audit trail does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LedgerCounts {
    /// Whether the last commit failed, so that queries are refused.
    pub is_failing: bool,
    /// Decisions that wait to be written.
    pub waiting: usize,
    /// Commits that succeeded.
    pub commits: u64,
    /// Records that they wrote.
    pub records: u64,
    /// How long they took together, in seconds.
    pub seconds: f64,
}

impl Gateway {
    /// How often what was kept could be used.
    pub fn cache_counts(&self) -> CacheCounts {
        let (plans, results) = (&self.plans.counts, &self.results.counts);
        CacheCounts {
            plan_hits: plans.hits(),
            plan_misses: plans.misses(),
            result_hits: results.hits(),
            result_misses: results.misses(),
        }
    }

    /// How far estimates were off.
    pub fn estimate_counts(&self) -> EstimateCounts {
        self.costs.counts.read()
    }

    /// How long the stages of the road have taken.
    pub fn latencies(&self) -> Vec<Latency> {
        self.stages.read()
    }

    /// How statements ended, and what they gave.
    pub fn statement_counts(&self) -> StatementCounts {
        self.audit.totals()
    }

    /// How the ledger does, if there is one.
    pub fn ledger_counts(&self) -> Option<LedgerCounts> {
        let (health, waiting) = self.audit.health()?;
        Some(LedgerCounts {
            is_failing: health.refusal().is_some(),
            waiting,
            commits: health.commits(),
            records: health.records(),
            seconds: health.time().as_secs_f64(),
        })
    }

    /// Whether decisions can't be recorded now, so that queries are refused.
    pub fn is_refusing(&self) -> bool {
        self.audit.is_failing()
    }

    /// How many queries wait for a place, by warehouse; under no name those of the gateway itself.
    pub fn waiting(&self) -> Vec<(Option<WarehouseName>, usize)> {
        self.admission.waiting()
    }
}
