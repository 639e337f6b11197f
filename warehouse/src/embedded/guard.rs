//! Conditions go down a plan by position.
//!
//! The engine hands conditions down to the scans, also bounds that a join finds while it runs. On the way
//! it looks their columns up by name, and takes the first of several with one name: the condition lands on
//! another column, and rows are lost (apache/datafusion#25244). So around these rules stands a seal
//! wherever names repeat.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_datafusion_err};
use datafusion::config::ConfigOptions;
use datafusion::execution::TaskContext;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::filter_pushdown::FilterPushdown;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::execution_plan::{
    ReplaceChildrenOptions, replace_children_if_necessary,
};
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterDescription, FilterPushdownPhase, FilterPushdownPropagation,
};
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties,
    SendableRecordBatchStream,
};

type Node = Arc<dyn ExecutionPlan>;
type Rule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// The engine's rules, those that hand conditions down with seals around.
pub(crate) fn rules() -> Vec<Rule> {
    let guarded = |rule: Rule| -> Rule {
        let ours = [FilterPushdown::new(), FilterPushdown::new_post_optimization()];
        match ours.iter().any(|known| known.name() == rule.name()) {
            true => Arc::new(Guarded(rule)),
            false => rule,
        }
    };
    PhysicalOptimizer::new().rules.into_iter().map(guarded).collect()
}

/// A rule that runs over a sealed plan.
struct Guarded(Rule);

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guarded").field(&self.0.name()).finish()
    }
}

impl PhysicalOptimizerRule for Guarded {
    fn optimize(&self, plan: Node, config: &ConfigOptions) -> Result<Node> {
        let mut seals = false;
        let sealed = plan.transform_up(|node| {
            let ambiguous: Vec<bool> = ambiguous(node.as_ref());
            if !ambiguous.contains(&true) {
                return Ok(Transformed::no(node));
            }
            seals = true;
            let children = node.children().into_iter().zip(ambiguous).map(|(child, seal)| {
                let child = Arc::clone(child);
                if seal { Arc::new(Seal(child)) } else { child }
            });
            let children = children.collect();
            replace_children_if_necessary(node, children).map(Transformed::yes)
        })?;
        let done = self.0.optimize(sealed.data, config)?;
        if !seals {
            return Ok(done);
        }
        let open = done.transform_up(|node| {
            Ok(match node.downcast_ref::<Seal>() {
                Some(Seal(sealed)) => Transformed::yes(Arc::clone(sealed)),
                None => Transformed::no(node),
            })
        })?;
        Ok(open.data)
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}

/// Which children of a node a condition can't be handed to by its columns' names.
fn ambiguous(node: &dyn ExecutionPlan) -> Vec<bool> {
    let children = node.children();
    let within = children.iter().map(|child| repeats(child.as_ref()));
    // A join knows which of its columns come from which side.
    let across = !children.is_empty() && !node.is::<HashJoinExec>() && repeats(node);
    within.map(|within| within || across).collect()
}

/// Whether two columns of a node have one name.
fn repeats(node: &dyn ExecutionPlan) -> bool {
    let schema = node.schema();
    let mut names = BTreeSet::new();
    !schema.fields().iter().all(|field| names.insert(field.name()))
}

/// A node that conditions don't pass. It never runs.
#[derive(Debug)]
struct Seal(Node);

impl Seal {
    fn over(&self, mut children: Vec<Node>) -> Result<Node> {
        match (children.pop(), children.pop()) {
            (Some(child), None) => Ok(Arc::new(Self(child))),
            _ => Err(internal_datafusion_err!("a seal has exactly one child")),
        }
    }
}

impl DisplayAs for Seal {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

impl ExecutionPlan for Seal {
    fn name(&self) -> &str {
        "Seal"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.0.properties()
    }

    fn children(&self) -> Vec<&Node> {
        vec![&self.0]
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Node>,
        _: ReplaceChildrenOptions,
    ) -> Result<Node> {
        self.over(children)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Node>) -> Result<Node> {
        self.over(children)
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        Err(internal_datafusion_err!("a seal is no part of a plan that runs"))
    }

    fn gather_filters_for_pushdown(
        &self,
        _: FilterPushdownPhase,
        parent_filters: Vec<Arc<dyn PhysicalExpr>>,
        _: &ConfigOptions,
    ) -> Result<FilterDescription> {
        Ok(FilterDescription::all_unsupported(&parent_filters, &self.children()))
    }

    fn handle_child_pushdown_result(
        &self,
        _: FilterPushdownPhase,
        result: ChildPushdownResult,
        _: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Node>> {
        Ok(FilterPushdownPropagation::all_unsupported(result))
    }
}
