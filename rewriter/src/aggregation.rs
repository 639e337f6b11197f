//! Tables that answer in aggregates only: which plans over them are allowed, and the guard that is put
//! into those.
//!
//! The plan is labelled from its leaves up. Below a guard stand rows of one such table, alone or with the
//! tables that its policy declares joins with: as long as only declared dimensions are tested,
//! selected and grouped by, they are a [`block::Block`] and no plan of their own. An aggregation of
//! them becomes a plan that releases groups of enough distinct entities ([`guard`]); everything above
//! works on what was released. Whatever else is done with the rows is refused, and depends on the statement,
//! the policy and the catalog alone.
//!
//! The procedure is that of thresholds over exact values, as Snowflake's aggregation policies and AWS Clean Rooms'
//! aggregation rules have it, with checks for dominance and for conditions that single somebody out. It doesn't stop
//! a determined series of queries.
//!
//! | module | |
//! |---|---|
//! | `block` | rows below a guard |
//! | `atom` | conditions on them |
//! | `guard` | their aggregation |
//! | `checks` | which of its groups and values are released |

mod atom;
mod block;
mod checks;
mod guard;

use std::sync::Arc;

use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::logical_plan::{Distinct, Join};
use datafusion_expr::{Expr, LogicalPlan, TableSource};
use tollgate_catalog::{Error, ErrorKind, TableName};

use crate::functions::Registry;
use crate::plan::Sources;
use crate::planner_error::public;
use crate::relation::SecuredSource;

use block::Block;

/// The stack that one level of a plan may need, in bytes.
const LEVEL: usize = 1 << 18;

/// Puts guards into a plan over these relations; nothing if none of them answers in aggregates only.
///
/// # Errors
/// 42501 if rows of such a table aren't aggregated, or otherwise than its policy allows.
pub(crate) fn apply(
    plan: &LogicalPlan,
    sources: &Sources,
    registry: &Registry,
) -> std::result::Result<Option<LogicalPlan>, Error> {
    let concerned = sources.values().any(|source| rule(source).is_some());
    if !concerned {
        return Ok(None);
    }
    Labels { registry }.clean(plan.clone()).map(|clean| Some(clean.plan)).map_err(public)
}

/// The relation, if it answers in aggregates only.
fn rule(source: &Arc<dyn TableSource>) -> Option<&SecuredSource> {
    source.downcast_ref::<SecuredSource>().filter(|source| source.rule().is_some())
}

/// What a part of a plan yields.
enum Part {
    /// Rows that were released, or were never protected.
    Clean(Clean),
    /// Rows of a protected table.
    Raw(Box<Block>),
}

/// A plan that yields no protected row, and whether it isn't what it was.
struct Clean {
    plan: LogicalPlan,
    changed: bool,
}

struct Labels<'a> {
    registry: &'a Registry,
}

impl Labels<'_> {
    /// The plan with its guards; refuses one that yields protected rows.
    fn clean(&self, plan: LogicalPlan) -> Result<Clean> {
        match self.part(plan)? {
            Part::Clean(clean) => Ok(clean),
            Part::Raw(block) => {
                Err(block
                    .refused("shows no rows of its own", "ask for count, sum or avg, in groups"))
            }
        }
    }

    fn part(&self, plan: LogicalPlan) -> Result<Part> {
        stacker::maybe_grow(LEVEL, 4 * LEVEL, || self.node(plan))
    }

    fn node(&self, plan: LogicalPlan) -> Result<Part> {
        match plan {
            LogicalPlan::TableScan(scan) => match Block::scan(&scan)? {
                Some(block) => Ok(Part::Raw(Box::new(block))),
                None => self.rebuilt(LogicalPlan::TableScan(scan), false),
            },
            LogicalPlan::Projection(mut node) => match self.part(owned(&node.input))? {
                Part::Raw(block) => Ok(Part::Raw(Box::new(block.projected(&node)?))),
                Part::Clean(Clean { plan, changed }) => {
                    node.input = Arc::new(plan);
                    self.rebuilt(LogicalPlan::Projection(node), changed)
                }
            },
            LogicalPlan::Filter(mut node) => match self.part(owned(&node.input))? {
                Part::Raw(block) => Ok(Part::Raw(Box::new(block.filtered(&node.predicate)?))),
                Part::Clean(Clean { plan, changed }) => {
                    node.input = Arc::new(plan);
                    self.rebuilt(LogicalPlan::Filter(node), changed)
                }
            },
            LogicalPlan::SubqueryAlias(mut node) => match self.part(owned(&node.input))? {
                Part::Raw(block) => Ok(Part::Raw(Box::new(block.renamed(&node.schema)?))),
                Part::Clean(Clean { plan, changed }) => {
                    node.input = Arc::new(plan);
                    self.rebuilt(LogicalPlan::SubqueryAlias(node), changed)
                }
            },
            LogicalPlan::Join(node) => self.join(node),
            LogicalPlan::Aggregate(mut node) => match self.part(owned(&node.input))? {
                Part::Raw(block) => self.released(guard::aggregate(&block, &node, self.registry)),
                Part::Clean(Clean { plan, changed }) => {
                    node.input = Arc::new(plan);
                    self.rebuilt(LogicalPlan::Aggregate(node), changed)
                }
            },
            LogicalPlan::Distinct(Distinct::All(input)) => match self.part(owned(&input))? {
                Part::Raw(block) => {
                    self.released(guard::distinct(&block, input.schema(), self.registry))
                }
                Part::Clean(Clean { plan, changed }) => {
                    self.rebuilt(LogicalPlan::Distinct(Distinct::All(Arc::new(plan))), changed)
                }
            },
            other @ (LogicalPlan::Distinct(Distinct::On(_))
            | LogicalPlan::Window(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::Union(_)
            | LogicalPlan::EmptyRelation(_)
            | LogicalPlan::Values(_)
            | LogicalPlan::Subquery(_)
            | LogicalPlan::Unnest(_)
            | LogicalPlan::RecursiveQuery(_)) => {
                let mut changed = false;
                let plan = other.map_children(|child| {
                    let clean = self.clean(child)?;
                    changed |= clean.changed;
                    Ok(Transformed::yes(clean.plan))
                })?;
                self.rebuilt(plan.data, changed)
            }
            LogicalPlan::Repartition(_)
            | LogicalPlan::Statement(_)
            | LogicalPlan::Explain(_)
            | LogicalPlan::Analyze(_)
            | LogicalPlan::Extension(_)
            | LogicalPlan::Dml(_)
            | LogicalPlan::Ddl(_)
            | LogicalPlan::Copy(_)
            | LogicalPlan::DescribeTable(_) => Err(defect("a node that isn't part of a query")),
        }
    }

    fn join(&self, mut node: Join) -> Result<Part> {
        let (left, right) = (self.part(owned(&node.left))?, self.part(owned(&node.right))?);
        match (left, right) {
            (Part::Clean(left), Part::Clean(right)) => {
                let changed = left.changed || right.changed;
                (node.left, node.right) = (Arc::new(left.plan), Arc::new(right.plan));
                self.rebuilt(LogicalPlan::Join(node), changed)
            }
            (Part::Raw(block), Part::Clean(other)) => {
                Ok(Part::Raw(Box::new(block.joined(&node, &other.plan, block::Side::Left)?)))
            }
            (Part::Clean(other), Part::Raw(block)) => {
                Ok(Part::Raw(Box::new(block.joined(&node, &other.plan, block::Side::Right)?)))
            }
            (Part::Raw(block), Part::Raw(_)) => Err(block.refused(
                "can't be joined with a table that answers in aggregates only",
                "aggregate each of them in a query of its own, and join the results",
            )),
        }
    }

    /// A node whose inputs are clean: what its expressions ask must be, too.
    fn rebuilt(&self, node: LogicalPlan, mut changed: bool) -> Result<Part> {
        let plan = node.map_subqueries(|subquery| {
            let clean = self.clean(subquery)?;
            changed |= clean.changed;
            Ok(Transformed::yes(clean.plan))
        })?;
        // What is released may be NULL where it couldn't be before.
        let plan = if changed { plan.data.recompute_schema()? } else { plan.data };
        Ok(Part::Clean(Clean { plan, changed }))
    }

    #[expect(clippy::unused_self, reason = "reads as the others do")]
    fn released(&self, plan: Result<LogicalPlan>) -> Result<Part> {
        Ok(Part::Clean(Clean { plan: plan?, changed: true }))
    }
}

fn owned(plan: &Arc<LogicalPlan>) -> LogicalPlan {
    plan.as_ref().clone()
}

fn refused(table: &TableName, what: &str, hint: &str) -> DataFusionError {
    let message = format!("relation \"{}.{}\" {what}", table.schema, table.table);
    let error = Error::new(ErrorKind::InsufficientPrivilege, message).with_hint(hint);
    DataFusionError::External(Box::new(error))
}

fn defect(what: &str) -> DataFusionError {
    DataFusionError::Internal(format!("aggregation: {what}"))
}

/// What an expression is without another name.
fn unaliased(mut expr: &Expr) -> &Expr {
    while let Expr::Alias(alias) = expr {
        expr = &alias.expr;
    }
    expr
}
