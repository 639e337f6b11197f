//! Admits a secured query and starts it: what it may cost is asked before the warehouse is.

use std::sync::Arc;

use rust_decimal::Decimal;
use tollgate_catalog::Error;
use tollgate_rewriter::{Engine, Secured};
use tollgate_warehouse::admission::Admitted;
use tollgate_warehouse::embedded::Records;
use tollgate_warehouse::estimate::{Estimate, is_restricted};
use tollgate_warehouse::warehouses::NamedWarehouse;
use tollgate_warehouse::{BatchStream, Warehouse};

use crate::audit::{Meter, Pending, Recorded};
use crate::introspect::View;
use crate::limits::charge::Charge;
use crate::pipeline::{Caller, Gateway};
use crate::progress::Progress;
use crate::records::{self, Own, Standing};
use crate::sight::visible;
use crate::stages::Stage;
use crate::state::{State, circumstances};
use crate::stream::Ends;
use crate::system::SystemCatalogs;

/// A query that runs, and what it holds.
pub(crate) struct Started {
    pub(crate) batches: BatchStream,
    pub(crate) admitted: Admitted,
    pub(crate) charge: Option<Charge>,
    /// Bytes that it was expected to scan, if that was asked.
    pub(crate) estimated: Option<u64>,
    /// Where to note how far it is.
    pub(crate) progress: Option<Progress>,
}

impl Gateway {
    /// Admits a secured query and starts it, within its time.
    pub(crate) async fn start(
        &self,
        (caller, state): (&Caller<'_>, &State),
        secured: Secured,
        ends: &Ends,
        meter: &mut Meter,
    ) -> Result<Started, Error> {
        let work = async {
            match secured.engine() {
                Engine::Warehouse(_) => {
                    let warehouse = state.warehouses.of(&secured)?;
                    self.start_at_warehouse(caller, secured, warehouse, meter).await
                }
                Engine::Records => {
                    let place = self.audit.place().ok_or_else(records::none_kept)?;
                    let records = Records::new(self.system.clone(), records::everyones(place));
                    self.start_here(secured, &records).await
                }
                Engine::System => {
                    let view =
                        self.view(caller)?.with_stops(self.open.stops(&ends.entry, &self.peers));
                    let system = SystemCatalogs {
                        context: self.system.clone(),
                        view: Arc::new(view),
                        own: self.own(caller, &secured)?.map(Arc::new),
                    };
                    self.start_here(secured, &system).await
                }
            }
        };
        ends.wait(work).await
    }

    /// Waits until the decision is durable, but no longer than the statement may take.
    pub(crate) async fn recorded(&self, decision: Pending, ends: &Ends) -> Result<Recorded, Error> {
        ends.wait(self.stages.waiting(Stage::Record, decision.durable())).await
    }

    /// Waits for a place.
    async fn admit(&self, secured: Secured) -> Result<Admitted, Error> {
        self.stages.waiting(Stage::Admit, self.admission.admit(secured)).await
    }

    /// Starts a query that no warehouse of others runs: it costs nothing.
    async fn start_here(&self, secured: Secured, engine: &dyn Warehouse) -> Result<Started, Error> {
        let admitted = self.admit(secured).await?;
        let batches = self.stages.waiting(Stage::Start, engine.run(&admitted)).await?;
        Ok(Started { batches, admitted, charge: None, estimated: None, progress: None })
    }

    /// The caller's own records, if any are kept.
    fn own(&self, caller: &Caller<'_>, secured: &Secured) -> Result<Option<Own>, Error> {
        let Some(place) = self.audit.place() else { return Ok(None) };
        let standing = Standing {
            principal: Arc::clone(caller.principal),
            limits: secured.limits().clone(),
            costs: Arc::clone(&self.costs),
            admission: self.admission.clone(),
            now: circumstances(caller.principal)?.now,
        };
        Ok(Some(Own {
            place: place.clone(),
            principal: caller.principal.name().to_owned(),
            standing: Arc::new(standing),
        }))
    }

    /// Limits in order of what they cost to ask: the rate, what was computed before, the estimate,
    /// money, and last a place, for which it may have to wait.
    async fn start_at_warehouse(
        &self,
        caller: &Caller<'_>,
        secured: Secured,
        warehouse: &Arc<NamedWarehouse>,
        meter: &mut Meter,
    ) -> Result<Started, Error> {
        self.costs.start(&secured)?;
        let place = self.results.place(&secured);
        let kept = place.as_ref().and_then(|place| self.results.get(place));
        let rows = kept.as_ref().map(|(_, rows)| *rows);
        let kept = kept.map(|(batches, _)| batches);
        let limits = secured.limits();
        let counts = limits.counts_bytes()
            || limits.has_budget()
            || (limits.prices_bytes() && !warehouse.tells_scanned());
        let estimate = match &kept {
            Some(_) => {
                let credits = Some(Decimal::ZERO);
                Estimate { bytes: Some(0), rows, credits, ..Estimate::default() }
            }
            None if counts => {
                let estimate = warehouse.estimate(&secured).await?;
                meter.estimated(estimate.bytes);
                estimate
            }
            None => Estimate::default(),
        };
        if limits.prices_bytes() {
            meter.filtered(is_restricted(&secured)?);
        }
        let now = circumstances(caller.principal)?.now;
        let mut charge = self.costs.hold(&secured, &estimate, now).await?;
        let admitted = self.admit(secured).await?;
        let cached = kept.is_some();
        meter.begins(admitted.secured().limits(), now, admitted.usage());
        if let Some(charge) = &mut charge {
            charge.begins(admitted.usage(), cached);
        }
        // Of a result that may be kept nothing is told, whether it was there or not: that would tell that
        // somebody else has asked.
        if let Some(progress) = caller.progress.filter(|_| place.is_none()) {
            let scans = expected(warehouse, admitted.secured(), &estimate).await;
            progress.begins(admitted.usage(), scans);
        }
        let batches = match (kept, place) {
            (Some(kept), _) => {
                meter.cached();
                kept
            }
            (None, None) => self.stages.waiting(Stage::Start, warehouse.run(&admitted)).await?,
            (None, Some(place)) => {
                let most = admitted.secured().limits().rows().map(|rows| rows.most.0);
                let run = self.stages.waiting(Stage::Start, warehouse.run(&admitted));
                self.results.keep(place, run.await?, most)
            }
        };
        // What fails before it has begun costs nothing.
        meter.runs();
        if let Some(charge) = &mut charge {
            charge.runs();
        }
        let estimated = estimate.bytes.filter(|_| !cached);
        let progress = caller.progress.cloned();
        Ok(Started { batches, admitted, charge, estimated, progress })
    }

    /// What the caller may see of the catalog.
    pub(crate) fn view(&self, caller: &Caller<'_>) -> Result<View, Error> {
        let state = self.state();
        let circumstances = circumstances(caller.principal)?;
        let standing = state.standing(caller.principal, &circumstances)?;
        let tables = state.snapshot.tables().filter_map(|table| {
            visible(&state.bundle, caller.principal, &circumstances, &standing, table)
        });
        let own = self.audit.place().map(|_| records::own_tables());
        let mut tables: Vec<_> = tables.chain(own.into_iter().flatten()).collect();
        tables.sort_by(|one, other| one.table.name.cmp(&other.table.name));
        Ok(View::new(
            tables,
            caller.facts.user.clone(),
            standing.active().iter().cloned().collect(),
            caller.facts.database.clone(),
            crate::settings::described(&caller.facts.settings),
            caller.facts.backend_pid,
        ))
    }
}

/// Bytes that a query is expected to scan, where the warehouse tells how many it has scanned, and nothing
/// is hidden that they could tell of. It is asked by who has a place, and no query fails for it.
async fn expected(
    warehouse: &NamedWarehouse,
    secured: &Secured,
    estimate: &Estimate,
) -> Option<u64> {
    let unknown = |error: Error| tracing::debug!(%error, "no progress can be told of a query");
    if !warehouse.tells_scanning() || is_restricted(secured).map_err(unknown).unwrap_or(true) {
        return None;
    }
    match estimate.bytes {
        Some(bytes) => Some(bytes),
        None => warehouse.estimate(secured).await.map_err(unknown).ok()?.bytes,
    }
}
