//! A plan that was made for one caller, made safe for another: planned once, decided always.
//!
//! Planning sees no policy, only the shapes of secured relations. Where a statement means the same for
//! another caller, and the caller's relations have the same shapes, the plan is the same but for
//! the relations in it. So they are exchanged, and nothing of the first caller's permit is left.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion_common::Result as PlanResult;
use datafusion_common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion_expr::{LogicalPlan, TableSource};
use tollgate_catalog::{Error, Table, TableName};
use tollgate_policy::{NamesTables, Permit, PermitParts};

use super::{Bound, By, Place, Prepared, Relations};
use crate::functions::Registry;
use crate::plan;
use crate::relation::SecuredSource;
use crate::resolve::VisibleTables;
use crate::statement::deep;

/// A statement that was planned before, for whom it means the same; to be decided like any other.
#[derive(Debug)]
pub struct Again {
    planned: Arc<Prepared>,
}

impl NamesTables for Again {
    fn tables(&self) -> &[Arc<Table>] {
        &self.planned.bound.meaning.tables
    }
}

impl Prepared {
    /// Whether the statement means the same in other sessions, whoever sees the same tables.
    pub fn is_shared(&self) -> bool {
        self.bound.meaning.seen.is_some()
    }

    /// The statement again, for a caller who sees these tables of that catalog; nothing if it may
    /// mean something else to them. The session's search path and the parameters' types are the
    /// caller's to compare.
    pub fn again(
        self: &Arc<Self>,
        visible: &dyn VisibleTables,
        snapshot_version: u64,
    ) -> Option<Again> {
        let meaning = &self.bound.meaning;
        let same =
            meaning.snapshot_version == snapshot_version && meaning.seen.as_ref()?.holds(visible);
        same.then(|| Again { planned: Arc::clone(self) })
    }
}

/// Makes a planned statement safe for another caller. Nothing if the plan would be another one for
/// them: it must be made anew.
///
/// # Errors
/// What [`super::secure`] would say of the caller's relations.
pub fn secure_again(permit: Permit<Again>, registry: &Registry) -> Result<Option<Prepared>, Error> {
    let PermitParts { statement, principal, standing, reads_clock, bundle_hash, tables, limits } =
        permit.into_parts();
    let Again { planned } = statement;
    let meaning = &planned.bound.meaning;
    deep(meaning.operators, || {
        let place = Place { engine: &meaning.engine, views: &meaning.views, registry };
        let relations = Relations::new(&meaning.tables, tables, place, &meaning.normalised)?;
        let exchanged = exchange(LogicalPlan::clone(&planned.plan), &relations.sources);
        let Some(plan) = exchanged.map_err(Error::internal)? else { return Ok(None) };
        plan::check(&plan, registry)?;
        let by = By { principal, standing, reads_clock, bundle_hash, limits };
        let bound = Arc::new(Bound::new(Arc::clone(meaning), by, relations));
        Ok(Some(Prepared { bound, plan: Arc::new(plan) }))
    })
}

/// The plan over other secured relations, if all have the shapes of those that they stand for.
fn exchange(
    plan: LogicalPlan,
    sources: &BTreeMap<TableName, Arc<SecuredSource>>,
) -> PlanResult<Option<LogicalPlan>> {
    let mut same = true;
    let exchanged = plan.transform_down_with_subqueries(|node| {
        let LogicalPlan::TableScan(mut scan) = node else { return Ok(Transformed::no(node)) };
        let Some(old) = scan.source.downcast_ref::<SecuredSource>() else {
            return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
        };
        let new = sources.get(&old.secured().table().name);
        let new = new.filter(|new| new.has_shape_of(old)).and_then(|new| match old.sample() {
            Some(sample) => new.sampled(sample.clone()).map(Arc::new),
            None => Some(Arc::clone(new)),
        });
        let Some(new) = new else {
            same = false;
            let stopped = LogicalPlan::TableScan(scan);
            return Ok(Transformed::new(stopped, false, TreeNodeRecursion::Stop));
        };
        let new: Arc<dyn TableSource> = new;
        scan.source = new;
        Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
    })?;
    Ok(same.then_some(exchanged.data))
}
