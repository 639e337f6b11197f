//! Admits a secured query and starts it: what it may cost is asked before the warehouse is.

use std::sync::Arc;

use tollgate_catalog::Error;
use tollgate_rewriter::{Engine, Secured};
use tollgate_warehouse::admission::Admitted;
use tollgate_warehouse::estimate::Estimate;
use tollgate_warehouse::{BatchStream, Warehouse};

use crate::audit::Meter;
use crate::cancel::CancelToken;
use crate::introspect::View;
use crate::limits::bounds::Deadline;
use crate::limits::charge::Charge;
use crate::pipeline::{Caller, Gateway};
use crate::revocation::{Entry, revoked};
use crate::sight::visible;
use crate::state::circumstances;
use crate::stream::canceled;
use crate::system::SystemCatalogs;

/// A query that runs, and what it holds.
pub(crate) struct Started {
    pub(crate) batches: BatchStream,
    pub(crate) admitted: Admitted,
    pub(crate) charge: Option<Charge>,
    /// Bytes that it was expected to scan, if that was asked.
    pub(crate) estimated: Option<u64>,
}

impl Gateway {
    /// Admits a secured query and starts it, within its time.
    pub(crate) async fn start(
        &self,
        caller: &Caller<'_>,
        secured: Secured,
        cancel: &CancelToken,
        entry: &Entry,
        (deadline, meter): (&Deadline, &mut Meter),
    ) -> Result<Started, Error> {
        let work = async {
            match secured.engine() {
                Engine::Warehouse => self.start_at_warehouse(caller, secured, meter).await,
                Engine::System => {
                    let view = Arc::new(self.view(caller)?);
                    let admitted = self.admission.admit(secured).await?;
                    let system = SystemCatalogs { context: self.system.clone(), view };
                    let batches = system.run(&admitted).await?;
                    Ok(Started { batches, admitted, charge: None, estimated: None })
                }
            }
        };
        tokio::select! {
            biased;
            () = entry.token().cancelled() => Err(revoked()),
            () = cancel.cancelled() => Err(canceled()),
            started = tokio::time::timeout(deadline.left(), work) => {
                started.unwrap_or_else(|_| Err(deadline.passed()))
            }
        }
    }

    /// Limits in order of what they cost to ask: the rate, what was computed before, the estimate,
    /// money, and last a place, for which it may have to wait.
    async fn start_at_warehouse(
        &self,
        caller: &Caller<'_>,
        secured: Secured,
        meter: &mut Meter,
    ) -> Result<Started, Error> {
        self.costs.start(&secured)?;
        let place = self.results.place(&secured);
        let kept = place.as_ref().and_then(|place| self.results.get(place));
        let estimate = match &kept {
            // Nothing is scanned, and how many rows there are is known only when they have gone.
            Some(_) => Estimate { bytes: Some(0), ..Estimate::default() },
            None if secured.limits().counts_bytes() || secured.limits().has_budget() => {
                let estimate = self.warehouse.estimate(&secured).await?;
                meter.estimated(estimate.bytes);
                estimate
            }
            None => Estimate::default(),
        };
        let now = circumstances(caller.principal)?.now;
        let mut charge = self.costs.hold(&secured, &estimate, now).await?;
        let admitted = self.admission.admit(secured).await?;
        let cached = kept.is_some();
        let batches = match (kept, place) {
            (Some(kept), _) => {
                meter.cached();
                kept
            }
            (None, None) => self.warehouse.run(&admitted).await?,
            (None, Some(place)) => {
                let most = admitted.secured().limits().rows().map(|rows| rows.most.0);
                self.results.keep(place, self.warehouse.run(&admitted).await?, most)
            }
        };
        // What fails before it has begun costs nothing.
        if let Some(charge) = &mut charge {
            charge.runs(admitted.usage(), cached);
        }
        let estimated = estimate.bytes.filter(|_| !cached);
        Ok(Started { batches, admitted, charge, estimated })
    }

    /// What the caller may see of the catalog.
    pub(crate) fn view(&self, caller: &Caller<'_>) -> Result<View, Error> {
        let state = self.state();
        let circumstances = circumstances(caller.principal)?;
        let standing = state.standing(caller.principal, &circumstances)?;
        let tables = state.snapshot.tables().filter_map(|table| {
            visible(&state.bundle, caller.principal, &circumstances, &standing, table)
        });
        Ok(View::new(
            tables.collect(),
            caller.facts.user.clone(),
            standing.active().iter().cloned().collect(),
            caller.facts.database.clone(),
            crate::settings::described(&caller.facts.settings),
            caller.facts.backend_pid,
        ))
    }
}
