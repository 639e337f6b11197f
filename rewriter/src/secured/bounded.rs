//! The plan to run: what a statement may cost its caller, as far as a plan can say it, and the plan as
//! text for a warehouse.

use std::sync::Arc;

use datafusion_expr::{Limit, LogicalPlan, lit};
use tollgate_catalog::Error;
use tollgate_policy::Limits;

use super::Secured;
use crate::render::{self, Dialect, Rendering, Template};
use crate::statement::deep;

impl Secured {
    /// What it may cost: the caller's own, whoever planned it first.
    pub fn limits(&self) -> &Limits {
        &self.bound.limits
    }

    /// The plan to run: at its root, above the user's own order, the rows that the caller may be given
    /// and one more, which tells that there are more.
    pub fn bounded_plan(&self) -> LogicalPlan {
        self.bounded(&self.plan)
    }

    fn bounded(&self, plan: &LogicalPlan) -> LogicalPlan {
        let plan = deep(self.bound.meaning.operators, || plan.clone());
        let rows = self.limits().rows().filter(|_| self.engine().is_warehouse());
        let most = rows.and_then(|rows| i64::try_from(rows.most.0).ok()?.checked_add(1));
        let Some(most) = most else { return plan };
        let fetch = Some(Box::new(lit(most)));
        LogicalPlan::Limit(Limit { skip: None, fetch, input: Arc::new(plan) })
    }

    /// The bounded plan as text for PostgreSQL: printed and proven once for all values, where it can be; a long
    /// text isn't kept.
    ///
    /// # Errors
    /// What PostgreSQL has no words for.
    pub fn for_postgres(&self) -> Result<Rendering, Error> {
        let meaning = &self.bound.meaning;
        // For these values alone.
        let mut long = None;
        let known = self.bound.text.get_or_init(|| {
            let plan = self.bounded(&self.open);
            let text = deep(meaning.operators, || Template::of(&plan, &meaning.output))?;
            match text.is_short() {
                true => Some(text),
                false => {
                    long = Some(text);
                    None
                }
            }
        });
        let text = known.as_ref().or(long.as_ref());
        if let Some(rendering) = text.and_then(|text| text.filled(&self.values)) {
            return Ok(rendering);
        }
        deep(meaning.operators, || {
            render::render(Dialect::Postgres, &self.bounded_plan(), &meaning.output)
        })
    }

    /// The same as text for Snowflake.
    ///
    /// # Errors
    /// What Snowflake has no words for, and what could fail on rows that are hidden.
    pub fn for_snowflake(&self) -> Result<Rendering, Error> {
        let meaning = &self.bound.meaning;
        deep(meaning.operators, || {
            render::render(Dialect::Snowflake, &self.bounded_plan(), &meaning.output)
        })
    }
}
