//! What a statement does with columns whose masks restrict predicates, followed through the plan.
//!
//! Each output column of each node carries the restriction of the columns that it comes from, so no
//! renaming, nesting or set operation loses it. A restricted value may be shown, and computed with
//! for showing; whatever makes rows, groups or their order depend on it is refused:
//!
//! | | `DENY` | `EQUALITY`, the column itself | `EQUALITY`, computed from it |
//! |---|---|---|---|
//! | in a select list, `array_agg` and the like, `lag` | yes | yes | yes |
//! | `count`, `sum`, `avg` of the column itself | yes | yes | no |
//! | `=`, `IN`, a join key, `GROUP BY`, `DISTINCT`, `UNION`, `PARTITION BY` | no | yes | no |
//! | any other condition, `CASE WHEN`, `IS NULL`, `ORDER BY`, `min`, other aggregates, `UNNEST` | no | no | no |
//!
//! It runs on the plan as the planner made it, before anything rewrites it. The query of a view is
//! held to the same, and what leaves it carries on the restrictions of what it reads.

mod expr;

use std::collections::HashMap;
use std::sync::Arc;

use datafusion_common::{Column, DFSchema, JoinType};
use datafusion_expr::logical_plan::Distinct;
use datafusion_expr::{LogicalPlan, SortExpr};
use tollgate_catalog::{Error, ErrorKind};
use tollgate_policy::Predicates;

use crate::relation::SecuredSource;
use crate::system::{SystemSource, WorkTableSource};

/// What may be done with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Everything.
    Free,
    /// Not everything.
    Masked {
        /// The restricted column, for the message.
        column: Arc<str>,
        /// Whether it may be compared for equality.
        equality: bool,
        /// Whether it isn't the column itself.
        computed: bool,
    },
}

impl Mark {
    /// The mark of something that could be either.
    fn or(&self, other: &Mark) -> Mark {
        match (self, other) {
            (Mark::Free, mark) | (mark, Mark::Free) => mark.clone(),
            (
                Mark::Masked { column, equality, computed },
                Mark::Masked { column: _, equality: too, computed: also },
            ) => Mark::Masked {
                column: Arc::clone(column),
                equality: *equality && *too,
                computed: *computed || *also,
            },
        }
    }

    /// The mark of something computed from it.
    fn computed(&self) -> Mark {
        match self {
            Mark::Free => Mark::Free,
            Mark::Masked { column, equality, computed: _ } => {
                Mark::Masked { column: Arc::clone(column), equality: *equality, computed: true }
            }
        }
    }

    /// Whether it isn't restricted, or is the restricted column itself.
    fn is_itself(&self) -> bool {
        match self {
            Mark::Free => true,
            Mark::Masked { computed, .. } => !computed,
        }
    }

    /// Demands that any test of it is allowed.
    fn tested(&self) -> Result<(), Error> {
        match self {
            Mark::Free => Ok(()),
            Mark::Masked { column, equality, computed: _ } => Err(refused(column, *equality)),
        }
    }

    /// Demands that asking whether it equals something is allowed.
    fn equated(&self) -> Result<(), Error> {
        match self {
            Mark::Masked { equality: true, computed: false, .. } => Ok(()),
            mark => mark.tested(),
        }
    }
}

fn refused(column: &str, equality: bool) -> Error {
    let (what, hint) = if equality {
        (
            "can only be compared for equality",
            "its values are masked: use \"=\", IN, a join or GROUP BY on the column itself",
        )
    } else {
        (
            "can't be filtered, joined, grouped or sorted on",
            "its values are masked: select the column, but leave it out of conditions",
        )
    };
    Error::new(ErrorKind::InsufficientPrivilege, format!("column \"{column}\" {what}"))
        .with_hint(hint)
}

fn defect(what: &str) -> Error {
    Error::internal(format!("lineage: {what}"))
}

/// A row's columns and their marks; of a join those of both sides.
#[derive(Clone, Copy)]
struct Row<'a> {
    schema: &'a DFSchema,
    marks: &'a [Mark],
    right: Option<(&'a DFSchema, &'a [Mark])>,
}

impl<'a> Row<'a> {
    fn new(schema: &'a DFSchema, marks: &'a [Mark]) -> Self {
        Self { schema, marks, right: None }
    }

    /// The mark of a column, if there is one; of two, one on each side, either.
    fn find(&self, column: &Column) -> Result<Option<Mark>, Error> {
        let mut found: Option<Mark> = None;
        for (schema, marks) in std::iter::once((self.schema, self.marks)).chain(self.right) {
            let Some(index) = schema.maybe_index_of_column(column) else { continue };
            let mark = marks.get(index).ok_or_else(|| defect("a column is out of range"))?;
            found = Some(found.map_or_else(|| mark.clone(), |other| other.or(mark)));
        }
        Ok(found)
    }
}

/// What expressions may name besides their own row: the rows of the statements around, and the work
/// tables of recursive queries.
#[derive(Clone, Copy)]
struct Around<'a> {
    outer: Option<&'a Outer<'a>>,
    work: &'a HashMap<String, Vec<Mark>>,
}

struct Outer<'a> {
    row: Row<'a>,
    next: Option<&'a Outer<'a>>,
}

/// The restrictions of a plan's columns.
///
/// # Errors
/// Those of [`check`].
pub(crate) fn marks_of(plan: &LogicalPlan) -> Result<Vec<Mark>, Error> {
    marks(plan, Around { outer: None, work: &HashMap::new() })
}

/// Refuses a plan that tests what may only be shown.
///
/// # Errors
/// 42501 with the visible column's name.
pub(crate) fn check(plan: &LogicalPlan) -> Result<(), Error> {
    marks_of(plan).map(drop)
}

/// The marks of a secured relation's columns.
fn of_source(source: &SecuredSource) -> Result<Vec<Mark>, Error> {
    let table = source.secured().table();
    let columns = source.secured().columns().iter().map(|visible| {
        // Of a view: what its query leaves of the restrictions of what it reads.
        let below = source.marks().get(visible.index).unwrap_or(&Mark::Free);
        let Some(mask) = &visible.mask else { return Ok(below.clone()) };
        let Some(column) = table.columns.get(visible.index) else {
            return Err(defect("a visible column is out of range"));
        };
        let column: Arc<str> = column.name.as_str().into();
        Ok(below.or(&match mask.predicates {
            Predicates::Masked => Mark::Free,
            Predicates::Equality => Mark::Masked { column, equality: true, computed: false },
            Predicates::Deny => Mark::Masked { column, equality: false, computed: false },
        }))
    });
    columns.collect()
}

/// The marks of a node's columns; refuses what the node does if it may not.
fn marks(plan: &LogicalPlan, around: Around<'_>) -> Result<Vec<Mark>, Error> {
    let found = stacker::maybe_grow(256 << 10, 2 << 20, || node(plan, around))?;
    // A column too few or too many would put marks on the wrong ones.
    if found.len() != plan.schema().fields().len() {
        return Err(defect("a node has another number of columns than was counted"));
    }
    Ok(found)
}

fn node(plan: &LogicalPlan, around: Around<'_>) -> Result<Vec<Mark>, Error> {
    match plan {
        LogicalPlan::Projection(projection) => {
            let input = marks(&projection.input, around)?;
            let row = Row::new(projection.input.schema(), &input);
            projection.expr.iter().map(|expr| expr::mark(expr, row, around)).collect()
        }
        LogicalPlan::Filter(filter) => {
            let input = marks(&filter.input, around)?;
            let row = Row::new(filter.input.schema(), &input);
            expr::mark(&filter.predicate, row, around)?.tested()?;
            Ok(input)
        }
        LogicalPlan::Window(window) => {
            let mut input = marks(&window.input, around)?;
            let row = Row::new(window.input.schema(), &input);
            let added: Vec<Mark> = window
                .window_expr
                .iter()
                .map(|expr| expr::mark(expr, row, around))
                .collect::<Result<_, _>>()?;
            input.extend(added);
            Ok(input)
        }
        LogicalPlan::Aggregate(aggregate) => {
            let input = marks(&aggregate.input, around)?;
            let row = Row::new(aggregate.input.schema(), &input);
            let mut output = Vec::new();
            for expr in &aggregate.group_expr {
                output.extend(expr::group(expr, row, around)?);
            }
            let aggregates: Vec<Mark> = aggregate
                .aggr_expr
                .iter()
                .map(|expr| expr::mark(expr, row, around))
                .collect::<Result<_, _>>()?;
            // Grouping sets add a column that tells them apart.
            let rest = aggregate.schema.fields().len().saturating_sub(aggregates.len());
            output.resize(rest.max(output.len()), Mark::Free);
            output.extend(aggregates);
            Ok(output)
        }
        LogicalPlan::Sort(sort) => {
            let input = marks(&sort.input, around)?;
            let row = Row::new(sort.input.schema(), &input);
            sorted(&sort.expr, row, around)?;
            Ok(input)
        }
        LogicalPlan::Join(join) => {
            let left = marks(&join.left, around)?;
            // What stands to the right may name what stands to the left, if it is LATERAL.
            let beside = Row::new(join.left.schema(), &left);
            let outer = Outer { row: beside, next: around.outer };
            let right = marks(&join.right, Around { outer: Some(&outer), work: around.work })?;
            for (one, other) in &join.on {
                let one = expr::mark(one, beside, around)?;
                let other = expr::mark(other, Row::new(join.right.schema(), &right), around)?;
                one.equated().and_then(|()| other.equated())?;
            }
            if let Some(filter) = &join.filter {
                let row = Row { right: Some((join.right.schema(), &right)), ..beside };
                expr::mark(filter, row, around)?.tested()?;
            }
            let both = left.iter().chain(&right).cloned();
            Ok(match join.join_type {
                JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
                    both.collect()
                }
                JoinType::LeftSemi | JoinType::LeftAnti => left,
                JoinType::RightSemi | JoinType::RightAnti => right,
                JoinType::LeftMark => left.into_iter().chain([Mark::Free]).collect(),
                JoinType::RightMark => right.into_iter().chain([Mark::Free]).collect(),
            })
        }
        LogicalPlan::Union(union) => {
            let mut output = vec![Mark::Free; union.schema.fields().len()];
            for input in &union.inputs {
                let input = marks(input, around)?;
                if input.len() != output.len() {
                    return Err(defect("the inputs of a union differ"));
                }
                for (mark, other) in output.iter_mut().zip(&input) {
                    *mark = mark.or(other);
                }
            }
            Ok(output)
        }
        LogicalPlan::TableScan(scan) => {
            let all = if let Some(source) = scan.source.downcast_ref::<SecuredSource>() {
                of_source(source)?
            } else if let Some(work) = scan.source.downcast_ref::<WorkTableSource>() {
                let known = around.work.get(work.name());
                known.cloned().ok_or_else(|| defect("a work table outside of its query"))?
            } else if scan.source.is::<SystemSource>() {
                vec![Mark::Free; scan.source.schema().fields().len()]
            } else {
                return Err(defect("a scan of an unknown source"));
            };
            let output: Vec<Mark> = match &scan.projection {
                None => all,
                Some(projection) => projection
                    .iter()
                    .map(|index| all.get(*index).cloned())
                    .collect::<Option<_>>()
                    .ok_or_else(|| defect("a projection is out of range"))?,
            };
            let row = Row::new(&scan.projected_schema, &output);
            for filter in &scan.filters {
                expr::mark(filter, row, around)?.tested()?;
            }
            Ok(output)
        }
        LogicalPlan::EmptyRelation(empty) => Ok(vec![Mark::Free; empty.schema.fields().len()]),
        LogicalPlan::Values(values) => {
            let empty = DFSchema::empty();
            let row = Row::new(&empty, &[]);
            let mut output = vec![Mark::Free; values.schema.fields().len()];
            for list in &values.values {
                for (mark, expr) in output.iter_mut().zip(list) {
                    *mark = mark.or(&expr::mark(expr, row, around)?);
                }
            }
            Ok(output)
        }
        LogicalPlan::Subquery(subquery) => marks(&subquery.subquery, around),
        LogicalPlan::SubqueryAlias(alias) => marks(&alias.input, around),
        LogicalPlan::Limit(limit) => {
            let input = marks(&limit.input, around)?;
            let row = Row::new(limit.input.schema(), &input);
            for expr in [&limit.skip, &limit.fetch].into_iter().flatten() {
                expr::mark(expr, row, around)?.tested()?;
            }
            Ok(input)
        }
        LogicalPlan::Distinct(Distinct::All(input)) => {
            let input = marks(input, around)?;
            input.iter().try_for_each(Mark::equated)?;
            Ok(input)
        }
        LogicalPlan::Distinct(Distinct::On(on)) => {
            let input = marks(&on.input, around)?;
            let row = Row::new(on.input.schema(), &input);
            for expr in &on.on_expr {
                expr::mark(expr, row, around)?.equated()?;
            }
            sorted(on.sort_expr.as_deref().unwrap_or_default(), row, around)?;
            on.select_expr.iter().map(|expr| expr::mark(expr, row, around)).collect()
        }
        LogicalPlan::Unnest(unnest) => {
            let input = marks(&unnest.input, around)?;
            // How many rows there are depends on them.
            for (index, _) in &unnest.list_type_columns {
                let list = input.get(*index);
                list.ok_or_else(|| defect("an unnested column is out of range"))?.tested()?;
            }
            let from = |index: &usize| {
                let taken_apart = unnest.list_type_columns.iter().any(|(of, _)| of == index)
                    || unnest.struct_type_columns.contains(index);
                input.get(*index).map(if taken_apart { Mark::computed } else { Mark::clone })
            };
            let output: Option<_> = unnest.dependency_indices.iter().map(from).collect();
            output.ok_or_else(|| defect("an unnested column is out of range"))
        }
        LogicalPlan::RecursiveQuery(query) => {
            let mut output = marks(&query.static_term, around)?;
            // Marks only ever rise, and have few steps to rise by.
            loop {
                let mut work = around.work.clone();
                work.insert(query.name.clone(), output.clone());
                let around = Around { outer: around.outer, work: &work };
                let again = marks(&query.recursive_term, around)?;
                if again.len() != output.len() {
                    return Err(defect("the two parts of a recursive query differ"));
                }
                let risen: Vec<Mark> =
                    output.iter().zip(&again).map(|(mark, other)| mark.or(other)).collect();
                if risen == output {
                    break;
                }
                output = risen;
            }
            if query.is_distinct {
                output.iter().try_for_each(Mark::equated)?;
            }
            Ok(output)
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

fn sorted(by: &[SortExpr], row: Row<'_>, around: Around<'_>) -> Result<(), Error> {
    by.iter().try_for_each(|key| expr::mark(&key.expr, row, around)?.tested())
}
