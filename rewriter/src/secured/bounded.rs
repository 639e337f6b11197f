//! What a statement may cost its caller, as far as a plan can say it.

use std::sync::Arc;

use datafusion_expr::{Limit, LogicalPlan, lit};
use tollgate_policy::Limits;

use super::{Engine, Secured};
use crate::statement::deep;

impl Secured {
    /// What it may cost: the caller's own, whoever planned it first.
    pub fn limits(&self) -> &Limits {
        &self.bound.limits
    }

    /// The plan to run: at its root, above the user's own order, the rows that the caller may be given
    /// and one more, which tells that there are more.
    pub fn bounded_plan(&self) -> LogicalPlan {
        let plan = deep(self.bound.meaning.operators, || self.plan.clone());
        let rows = self.limits().rows().filter(|_| self.engine() == Engine::Warehouse);
        let most = rows.and_then(|rows| i64::try_from(rows.most.0).ok()?.checked_add(1));
        let Some(most) = most else { return plan };
        let fetch = Some(Box::new(lit(most)));
        LogicalPlan::Limit(Limit { skip: None, fetch, input: Arc::new(plan) })
    }
}
