//! Views whose columns can be guarded: those that show columns of one table under conditions.
//!
//! A guard says in every column which rows there are. What a view's query is of such a view can be said so: its
//! conditions, on the guarded columns of the table below. Joins, aggregates and the like hide rows in other
//! ways. What its author computes may fail, as a product: it is computed from columns that are guarded by the view's
//! conditions, too, so of NULLs where the view leaves a row out. A condition itself must not fail on any value.

use datafusion_common::DFSchema;
use datafusion_expr::{Expr, LogicalPlan};
use tollgate_catalog::Error;

use super::class::{Class, refused};
use super::guard;
use super::{bounded, constant};
use crate::relation::SecuredSource;
use crate::render::barrier::{has_subquery, never_fails};
use crate::render::block::Block;
use crate::render::{Printer, Row};

/// Whether the columns of a view can be guarded, by its query or its relation.
pub(crate) fn is_guardable(plan: &LogicalPlan) -> bool {
    is_chain(plan) && fails(plan).is_ok()
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

/// A column of a node in a view.
#[derive(Clone, Copy)]
struct Of {
    /// What it is where the view's conditions guard the columns of the table.
    class: Class,
    /// Whether it may fail on a row that the view leaves out, if they don't.
    fails: bool,
}

/// Whether something that a view computes may fail on a row that it leaves out, unless its conditions guard
/// the columns of the table; an error where it fails also then, or in a condition.
fn fails(plan: &LogicalPlan) -> Result<bool, Error> {
    Ok(columns(plan, hides(plan).any())?.iter().any(|column| column.fails))
}

fn columns(plan: &LogicalPlan, hides: bool) -> Result<Vec<Of>, Error> {
    stacker::maybe_grow(256 << 10, 2 << 20, || match plan {
        LogicalPlan::Projection(node) => {
            let input = columns(&node.input, hides)?;
            node.expr.iter().map(|expr| computed(expr, node.input.schema(), &input)).collect()
        }
        LogicalPlan::Filter(node) => {
            let input = columns(&node.input, hides)?;
            if computed(&node.predicate, node.input.schema(), &input)?.fails {
                return Err(refused());
            }
            Ok(input)
        }
        LogicalPlan::SubqueryAlias(node) => columns(&node.input, hides),
        LogicalPlan::TableScan(scan) => {
            let all = match scan.source.downcast_ref::<SecuredSource>() {
                Some(source) if source.secured().table().view().is_some() => {
                    columns(source.relation(), hides)?
                }
                source => {
                    let classes = match source {
                        Some(source) if source.barrier() => guard::columns(source)?,
                        Some(_) | None => vec![Class::Free; scan.source.schema().fields().len()],
                    };
                    let guarded = |class| if hides { Class::Null.max(class) } else { class };
                    classes
                        .into_iter()
                        .map(|class| Of { class: guarded(class), fails: false })
                        .collect()
                }
            };
            guard::projected(all, scan.projection.as_deref())
        }
        _ => Err(Error::internal("a view that can't be guarded")),
    })
}

fn computed(expr: &Expr, schema: &DFSchema, input: &[Of]) -> Result<Of, Error> {
    // It would be asked once more in each guard.
    if has_subquery(expr) {
        return Err(refused());
    }
    let classes: Vec<_> = input.iter().map(|column| column.class).collect();
    let class = guard::class_of(expr, schema, &classes)?;
    let fails = expr.column_refs().iter().any(|column| {
        let index = schema.maybe_index_of_column(column);
        index.and_then(|index| input.get(index)).is_none_or(|of| of.fails)
    });
    Ok(Of { class, fails: fails || !never_fails(expr, schema)? })
}

/// The columns and the conditions of a view as texts.
#[derive(Clone, Default)]
struct Shown {
    columns: Vec<String>,
    conditions: Vec<String>,
}

impl Printer {
    /// A view with its conditions in every column.
    pub(in crate::render) fn guarded_view(
        &mut self,
        source: &SecuredSource,
    ) -> Result<Block, Error> {
        let plan = source.relation();
        if !is_chain(plan) {
            return Err(self
                .dialect
                .unsupported("this view in a statement with an expression that can fail"));
        }
        let fails = fails(plan)?;
        let table = self.below(plan)?;
        let Shown { columns, conditions: filter } = self.shown(plan, &table.columns)?;
        if !fails {
            return self.guarded(Block { columns, computed: true, filter, ..table });
        }
        // Nothing around that says the conditions again: where they are known to hold, the guards below would be
        // nothing.
        let mut block = self.guarded(Block { filter, ..table })?;
        block.columns = self.shown(plan, &block.columns)?.columns;
        Ok(Block { computed: true, ..block })
    }

    /// The secured relation that a view's rows come from.
    fn below(&mut self, plan: &LogicalPlan) -> Result<Block, Error> {
        match plan {
            LogicalPlan::Projection(node) => self.below(&node.input),
            LogicalPlan::Filter(node) => self.below(&node.input),
            LogicalPlan::SubqueryAlias(node) => self.below(&node.input),
            LogicalPlan::TableScan(scan) => match scan.source.downcast_ref::<SecuredSource>() {
                Some(source) if source.secured().table().view().is_some() => {
                    self.below(source.relation())
                }
                Some(source) => self.secured(source),
                None => Err(Error::internal("a view of what isn't a secured relation")),
            },
            _ => Err(Error::internal("a view that can't be guarded")),
        }
    }

    /// What a view shows, by the columns of the table below.
    fn shown(&mut self, plan: &LogicalPlan, table: &[String]) -> Result<Shown, Error> {
        match plan {
            LogicalPlan::Projection(node) => {
                let shown = self.shown(&node.input, table)?;
                let row = Row { schema: node.input.schema(), columns: &shown.columns, outer: None };
                let columns = node.expr.iter().map(|expr| self.expr(expr, row));
                let columns = columns.collect::<Result<Vec<_>, _>>()?;
                bounded(columns.iter().map(String::len).sum())?;
                Ok(Shown { columns, ..shown })
            }
            LogicalPlan::Filter(node) => {
                let mut shown = self.shown(&node.input, table)?;
                let row = Row { schema: node.input.schema(), columns: &shown.columns, outer: None };
                let condition = self.expr(&node.predicate, row)?;
                bounded(condition.len())?;
                shown.conditions.push(condition);
                Ok(shown)
            }
            LogicalPlan::SubqueryAlias(node) => self.shown(&node.input, table),
            LogicalPlan::TableScan(scan) => {
                let mut shown = match scan.source.downcast_ref::<SecuredSource>() {
                    Some(source) if source.secured().table().view().is_some() => {
                        self.shown(source.relation(), table)?
                    }
                    Some(_) | None => Shown { columns: table.to_vec(), ..Shown::default() },
                };
                shown.columns = guard::projected(shown.columns, scan.projection.as_deref())?;
                Ok(shown)
            }
            _ => Err(Error::internal("a view that can't be guarded")),
        }
    }
}

/// What the columns of a view are on a hidden row: of the table below, or one that the view leaves out.
pub(super) fn classes(source: &SecuredSource) -> Result<Vec<Class>, Error> {
    let relation = source.relation();
    let hidden = hides(relation);
    let fails = is_chain(relation) && fails(relation)?;
    let classes = match fails {
        true => columns(relation, hidden.any())?.into_iter().map(|column| column.class).collect(),
        false => guard::walk(relation)?,
    };
    let class = |class: Class| match (class, &hidden) {
        (class, hidden) if !hidden.any() => class,
        // It stands there as it is.
        (Class::Free, _) if fails => Class::Any,
        // Where the view leaves a row out, it is NULL by the guard.
        (Class::Free, Hides { below: false, .. }) => Class::Null,
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

impl Hides {
    fn any(&self) -> bool {
        self.below || self.here
    }
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
