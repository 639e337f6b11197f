//! What can be read once is read once.
//!
//! A nested-loop join whose left side doesn't fit into memory runs the plan of that side a second time, to
//! write it to disk (datafusion 55, `initiate_fallback`). A repartitioned side has no second time: it
//! panics, or it gives no rows, which makes a wrong result of the whole. So the second time is the error
//! that the first one was.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_datafusion_err, resources_datafusion_err};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::execution_plan::{
    ReplaceChildrenOptions, replace_children_if_necessary,
};
use datafusion::physical_plan::joins::NestedLoopJoinExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties,
    SendableRecordBatchStream,
};

type Node = Arc<dyn ExecutionPlan>;

/// The join, with a left side that is run once.
pub(crate) fn left_read_once(join: &NestedLoopJoinExec, node: Node) -> Result<Node> {
    let left = Arc::new(Once { input: Arc::clone(join.left()), read: AtomicBool::new(false) });
    replace_children_if_necessary(node, vec![left, Arc::clone(join.right())])
}

/// A node with one partition that runs once. A recursive query makes another one of it for each round.
#[derive(Debug)]
pub(crate) struct Once {
    input: Node,
    read: AtomicBool,
}

impl Once {
    fn over(mut children: Vec<Node>) -> Result<Node> {
        match (children.pop(), children.pop()) {
            (Some(input), None) => Ok(Arc::new(Self { input, read: AtomicBool::new(false) })),
            _ => Err(internal_datafusion_err!("what is read once has exactly one child")),
        }
    }
}

impl DisplayAs for Once {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Once")
    }
}

impl ExecutionPlan for Once {
    fn name(&self) -> &str {
        "Once"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Node> {
        vec![&self.input]
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Node>,
        _: ReplaceChildrenOptions,
    ) -> Result<Node> {
        Self::over(children)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Node>) -> Result<Node> {
        Self::over(children)
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        if self.read.swap(true, Ordering::Relaxed) {
            return Err(resources_datafusion_err!("the left side of a join doesn't fit"));
        }
        self.input.execute(partition, context)
    }
}
