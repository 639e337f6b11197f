//! Views whose columns can be guarded: those that show columns of one table under conditions.
//!
//! A guard says in every column which rows there are. What a view's query is of such a view can be said so: its
//! conditions, on the guarded columns of the table below. Joins, aggregates and the like hide rows in other
//! ways. What its author computes stands inside of the guard, so it must not fail on any value.

use datafusion_expr::{Expr, LogicalPlan};
use tollgate_catalog::Error;

use super::class::Class;
use super::guard;
use super::{bounded, constant};
use crate::relation::SecuredSource;
use crate::render::barrier::is_total;
use crate::render::block::Block;
use crate::render::{Printer, Row};

/// Whether the columns of a view can be guarded, by its query or its relation.
pub(crate) fn is_guardable(plan: &LogicalPlan) -> Result<bool, Error> {
    Ok(is_chain(plan) && is_total(plan)?)
}

fn is_chain(plan: &LogicalPlan) -> bool {
    stacker::maybe_grow(256 << 10, 2 << 20, || is_chain_here(plan))
}

fn is_chain_here(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(node) => is_chain(&node.input),
        LogicalPlan::Filter(node) => is_chain(&node.input),
        LogicalPlan::SubqueryAlias(node) => is_chain(&node.input),
        LogicalPlan::TableScan(scan) => {
            let plain = scan.filters.is_empty() && scan.fetch.is_none();
            plain
                && match scan.source.downcast_ref::<SecuredSource>() {
                    Some(source) if source.secured().table().view().is_some() => {
                        is_chain(source.relation())
                    }
                    Some(source) => source.sample().is_none(),
                    // Where a view is declared.
                    None => true,
                }
        }
        LogicalPlan::Window(_)
        | LogicalPlan::Aggregate(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Join(_)
        | LogicalPlan::Union(_)
        | LogicalPlan::EmptyRelation(_)
        | LogicalPlan::Subquery(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Values(_)
        | LogicalPlan::Distinct(_)
        | LogicalPlan::Unnest(_)
        | LogicalPlan::RecursiveQuery(_)
        | LogicalPlan::Repartition(_)
        | LogicalPlan::Statement(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_)
        | LogicalPlan::Extension(_)
        | LogicalPlan::Dml(_)
        | LogicalPlan::Ddl(_)
        | LogicalPlan::Copy(_)
        | LogicalPlan::DescribeTable(_) => false,
    }
}

impl Printer {
    /// A view with its conditions in every column.
    pub(in crate::render) fn guarded_view(
        &mut self,
        source: &SecuredSource,
    ) -> Result<Block, Error> {
        if !is_guardable(source.relation())? {
            return Err(self
                .dialect
                .unsupported("this view in a statement with an expression that can fail"));
        }
        let block = self.one_level(source.relation())?;
        self.guarded(block)
    }

    /// A chain of nodes as one `SELECT`, whose conditions are all its own.
    fn one_level(&mut self, plan: &LogicalPlan) -> Result<Block, Error> {
        match plan {
            LogicalPlan::Projection(node) => {
                let block = self.one_level(&node.input)?;
                let row = Row { schema: node.input.schema(), columns: &block.columns, outer: None };
                let columns = node.expr.iter().map(|expr| self.expr(expr, row));
                let columns = columns.collect::<Result<Vec<_>, _>>()?;
                bounded(columns.iter().map(String::len).sum())?;
                Ok(Block { columns, computed: true, ..block })
            }
            LogicalPlan::Filter(node) => {
                let mut block = self.one_level(&node.input)?;
                let row = Row { schema: node.input.schema(), columns: &block.columns, outer: None };
                let predicate = self.expr(&node.predicate, row)?;
                bounded(predicate.len())?;
                block.filter.push(predicate);
                Ok(block)
            }
            LogicalPlan::SubqueryAlias(node) => self.one_level(&node.input),
            LogicalPlan::TableScan(scan) => self.scan(scan),
            _ => Err(Error::internal("a view that can't be guarded")),
        }
    }
}

/// What the columns of a view are on a hidden row: of the table below, or one that the view leaves out.
pub(super) fn classes(source: &SecuredSource) -> Result<Vec<Class>, Error> {
    let relation = source.relation();
    let classes = guard::walk(relation)?;
    let hidden = hides(relation);
    let class = |class: Class| match (class, &hidden) {
        (class, Hides { below: false, here: false }) => class,
        // Where the view leaves a row out, it is NULL by the guard.
        (Class::Free, Hides { below: false, here: true }) => Class::Null,
        // It would be what it is where a hidden row's NULLs fulfil the view's conditions.
        (Class::Free, Hides { below: true, .. }) => Class::Any,
        (class @ (Class::Null | Class::Zero | Class::Any), _) => class,
    };
    let nulls = top(relation).iter().map(is_null).chain(std::iter::repeat(false));
    // What is NULL on each row is NULL on a hidden one.
    let class = |(of, null)| if null { Class::Null } else { class(of) };
    Ok(classes.into_iter().zip(nulls).map(class).collect())
}

/// The expressions of a view's columns, where they aren't those of what it reads.
fn top(plan: &LogicalPlan) -> &[Expr] {
    match plan {
        LogicalPlan::Projection(node) => &node.expr,
        LogicalPlan::SubqueryAlias(node) => top(&node.input),
        LogicalPlan::Filter(node) => top(&node.input),
        _ => &[],
    }
}

fn is_null(expr: &Expr) -> bool {
    constant(expr).is_some_and(|value| value.is_null())
}

/// Whose rows are hidden: some of what a view reads, or some by itself.
struct Hides {
    below: bool,
    here: bool,
}

fn hides(plan: &LogicalPlan) -> Hides {
    match plan {
        LogicalPlan::Projection(node) => hides(&node.input),
        LogicalPlan::SubqueryAlias(node) => hides(&node.input),
        LogicalPlan::Filter(node) => Hides { here: true, ..hides(&node.input) },
        LogicalPlan::TableScan(scan) => {
            let below = match scan.source.downcast_ref::<SecuredSource>() {
                Some(source) if source.secured().table().view().is_some() => {
                    let Hides { below, here } = hides(source.relation());
                    below || here || source.barrier()
                }
                Some(source) => source.barrier(),
                None => true,
            };
            Hides { below, here: false }
        }
        _ => Hides { below: true, here: true },
    }
}
