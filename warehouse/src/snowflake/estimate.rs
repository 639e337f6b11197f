//! What a statement would scan, by the service's own word, and what it has scanned.
//!
//! `EXPLAIN` needs no virtual warehouse that runs, and tells an upper bound: the bytes of the partitions
//! that are left after pruning by constants.

use futures::{FutureExt, Stream, StreamExt};
use serde_json::Value;
use tokio::sync::oneshot;
use tollgate_catalog::Error;
use tollgate_rewriter::Secured;

use super::Snowflake;
use super::compute::Compute;
use crate::estimate::{Estimate, Read};

impl Snowflake {
    pub(super) async fn guess(&self, secured: &Secured) -> Result<Estimate, Error> {
        let read = Read::of(secured.plan())?;
        let compute = self.computes.of(secured);
        if read.whole.restricted {
            return Ok(compute.in_credits(read.whole));
        }
        let rows = self.ask(compute, self.statement("EXPLAIN USING JSON ", secured)?, 1).await?;
        let told = rows.into_iter().flatten().next().flatten();
        Ok(compute.in_credits(read.at_most(told.and_then(|plan| assigned(&plan)))))
    }
}

impl Compute {
    /// With the credits for what it would scan.
    fn in_credits(&self, estimate: Estimate) -> Estimate {
        let clock = self.clock.as_ref();
        let credits = clock.and_then(|clock| Some(clock.expected(estimate.bytes?)));
        Estimate { credits, ..estimate }
    }
}

/// No more rows, once it is known what was scanned.
pub(super) fn last<T: Send>(
    counted: Option<oneshot::Receiver<()>>,
) -> impl Stream<Item = T> + Send {
    let wait = async move {
        if let Some(counted) = counted {
            let _ = counted.await;
        }
    };
    wait.into_stream().filter_map(|()| std::future::ready(None))
}

/// The bytes that a plan would read; zero says that it isn't known.
fn assigned(plan: &str) -> Option<u64> {
    let plan: Value = serde_json::from_str(plan).ok()?;
    plan.pointer("/GlobalStats/bytesAssigned")?.as_u64().filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::assigned;

    #[test]
    fn what_a_plan_reads() {
        let plan = |bytes: &str| format!(r#"{{"GlobalStats": {{"bytesAssigned": {bytes}}}}}"#);
        assert_eq!(assigned(&plan("4096")), Some(4096));
        assert_eq!(assigned(&plan("0")), None);
        assert_eq!(assigned(&plan("\"x\"")), None);
        assert_eq!(assigned("{}"), None);
        assert_eq!(assigned("no plan"), None);
    }
}
