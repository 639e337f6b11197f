//! How a running plan is stopped.
//!
//! A task is aborted when it next gives way to others. The engine's nodes give way when they have
//! read some batches from a table; a join makes many batches, or none after long work, of one that it
//! read. So every join gives way by its output too, and its condition fails once nobody waits.

use std::fmt::{self, Display, Formatter};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::datatypes::{DataType, FieldRef, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{JoinType, Result, exec_err, internal_datafusion_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::lit;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder, SortMergeJoinExec,
};
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;
use datafusion::physical_plan::unnest::UnnestExec;

use super::once::left_read_once;

/// Whether somebody still waits for a query's rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Waited {
    over: Arc<AtomicBool>,
}

impl Waited {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Held by who waits: with it the waiting ends.
    pub(crate) fn hold(&self) -> Hold {
        Hold(self.clone())
    }
}

/// Ends the waiting when it is dropped.
#[derive(Debug)]
pub(crate) struct Hold(Waited);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

/// A plan that stops soon after nobody waits for its rows.
pub(crate) fn interruptible(
    plan: Arc<dyn ExecutionPlan>,
    waited: &Waited,
) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let node = if let Some(join) = node.downcast_ref::<HashJoinExec>() {
            match join.filter() {
                Some(filter) => {
                    join.builder().with_filter(Some(watched(filter, waited))).build_exec()?
                }
                None => node,
            }
        } else if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() {
            let filter = match (join.filter(), join.join_type()) {
                (Some(filter), _) => Some(watched(filter, waited)),
                (None, JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full) => None,
                // Without a condition these look at all pairs and give few rows.
                (
                    None,
                    JoinType::LeftSemi
                    | JoinType::RightSemi
                    | JoinType::LeftAnti
                    | JoinType::RightAnti
                    | JoinType::LeftMark
                    | JoinType::RightMark,
                ) => {
                    let always = JoinFilter::new(lit(true), Vec::new(), Schema::empty().into());
                    Some(watched(&always, waited))
                }
            };
            let watched = NestedLoopJoinExecBuilder::from(join).with_filter(filter).build()?;
            left_read_once(join, Arc::new(watched))?
        } else if let Some(join) = node.downcast_ref::<SortMergeJoinExec>() {
            match join.filter() {
                Some(filter) => Arc::new(SortMergeJoinExec::try_new(
                    Arc::clone(join.left()),
                    Arc::clone(join.right()),
                    join.on().to_vec(),
                    Some(watched(filter, waited)),
                    join.join_type(),
                    join.sort_options().to_vec(),
                    join.null_equality(),
                )?),
                None => node,
            }
        } else if node.is::<CrossJoinExec>()
            || node.is::<UnnestExec>()
            || node.is::<RecursiveQueryExec>()
        {
            node
        } else {
            return Ok(Transformed::no(node));
        };
        Ok(Transformed::yes(Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>))
    })
    .map(|plan| plan.data)
}

fn watched(filter: &JoinFilter, waited: &Waited) -> JoinFilter {
    let inner = Arc::clone(filter.expression());
    let expression = Arc::new(WhileWaited { inner, waited: waited.clone() });
    JoinFilter::new(expression, filter.column_indices().to_vec(), Arc::clone(filter.schema()))
}

/// An expression that fails once nobody waits for its value.
#[derive(Debug)]
struct WhileWaited {
    inner: Arc<dyn PhysicalExpr>,
    waited: Waited,
}

impl Display for WhileWaited {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.inner, f)
    }
}

impl PartialEq for WhileWaited {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Eq for WhileWaited {}

impl Hash for WhileWaited {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl PhysicalExpr for WhileWaited {
    fn data_type(&self, input: &Schema) -> Result<DataType> {
        self.inner.data_type(input)
    }

    fn nullable(&self, input: &Schema) -> Result<bool> {
        self.inner.nullable(input)
    }

    fn return_field(&self, input: &Schema) -> Result<FieldRef> {
        self.inner.return_field(input)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        if self.waited.is_over() {
            return exec_err!("nobody waits for the query's rows");
        }
        self.inner.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let inner = children
            .into_iter()
            .next()
            .ok_or_else(|| internal_datafusion_err!("a condition has exactly one child"))?;
        Ok(Arc::new(Self { inner, waited: self.waited.clone() }))
    }

    fn fmt_sql(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}
