//! The guard: an aggregation of protected rows becomes a plan that releases what is about enough
//! entities.
//!
//! The values are the user's own aggregation over the rows that all conditions leave; [`checks`] says which of them
//! are released. What isn't released of a group is NULL; without keys there is one row all the same, as for an
//! empty set.

use std::sync::Arc;

use datafusion_common::{Column, DFSchema, Result, ScalarValue};
use datafusion_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion_expr::logical_plan::Aggregate;
use datafusion_expr::utils::conjunction;
use datafusion_expr::{AggregateUDF, Expr, LogicalPlan, LogicalPlanBuilder, lit, when};

use super::atom::{Atom, conditions};
use super::block::{Block, Value};
use super::checks::{self, MOST_ATOMS};
use super::{defect, unaliased};
use crate::functions::Registry;

/// The guarded plan of an aggregation of a block, with the columns of the node.
///
/// # Errors
/// 42501 for keys that are no dimensions, and values that aren't count, sum or avg.
pub(super) fn aggregate(
    block: &Block,
    node: &Aggregate,
    registry: &Registry,
) -> Result<LogicalPlan> {
    let keys = node.group_expr.iter().map(|key| self::key(block, key));
    let cells = node.aggr_expr.iter().map(|expr| Cell::new(block, expr));
    let (keys, cells) = (keys.collect::<Result<Vec<_>>>()?, cells.collect::<Result<Vec<_>>>()?);
    Guard { block, keys, cells, registry }.plan(&node.schema)
}

/// The guarded plan of the distinct rows of a block, which are groups without values.
///
/// # Errors
/// 42501 for columns that are no dimensions.
pub(super) fn distinct(
    block: &Block,
    schema: &DFSchema,
    registry: &Registry,
) -> Result<LogicalPlan> {
    let keys = schema.columns().into_iter().map(|column| key(block, &Expr::Column(column)));
    let keys = keys.collect::<Result<Vec<_>>>()?;
    Guard { block, keys, cells: Vec::new(), registry }.plan(schema)
}

/// A key, over the block's rows.
fn key(block: &Block, expr: &Expr) -> Result<Expr> {
    let refused = || {
        block.refused(
            "answers in aggregates only, and can't be grouped so",
            "group by the dimensions that its policy declares",
        )
    };
    match block.value(expr)? {
        // -0.0 and 0.0 are two groups for one and one group for another.
        Some(value) if block.is_dimension(&value)? && !block.type_of(&value)?.is_floating() => {
            block.expr(&value)
        }
        Some(_) | None => Err(refused()),
    }
}

/// A value that is asked for.
pub(super) struct Cell {
    /// The user's aggregate, over the block's rows.
    expr: Expr,
    /// What it aggregates; nothing if it counts rows.
    pub(super) argument: Option<Expr>,
    /// The conditions of its `FILTER`.
    pub(super) filter: Vec<Atom>,
    /// Whether it adds up.
    pub(super) sums: bool,
}

impl Cell {
    fn new(block: &Block, expr: &Expr) -> Result<Self> {
        let refused = || {
            block.refused(
                "answers in aggregates only, and not in this one",
                "ask for count(*), count of a dimension or measure, count(DISTINCT …) of a dimension, or sum and \
                 avg of a measure as it is",
            )
        };
        let Expr::AggregateFunction(AggregateFunction { func, params }) = unaliased(expr) else {
            return Err(refused());
        };
        let AggregateFunctionParams { args, distinct, filter, order_by, null_treatment } = params;
        if !order_by.is_empty() || null_treatment.is_some() {
            return Err(refused());
        }
        let filter = filter.iter().flat_map(|filter| conditions(filter));
        let filter = filter.map(|condition| Atom::new(block, &condition));
        let filter = filter.collect::<Result<Vec<_>>>()?;
        let rule = block.rule()?;
        let is_entity = |value: &Value| matches!(value, Value::Own(own) if *own == rule.entity);
        let is_measure =
            |value: &Value| matches!(value, Value::Own(own) if rule.measures.contains(own));
        let (argument, sums) = match (func.name(), args.as_slice()) {
            ("count", []) if !distinct => (None, false),
            #[expect(deprecated, reason = "the variant exists until upstream removes it")]
            ("count", [Expr::Wildcard { .. }]) if !distinct => (None, false),
            ("count", [argument]) => match block.value(argument)? {
                Some(value) if is_entity(&value) && block.masks_entity()? => {
                    return Err(refused());
                }
                Some(Value::Constant(Expr::Literal(value, _))) if !distinct && !value.is_null() => {
                    (None, false)
                }
                Some(value)
                    if is_entity(&value)
                        || block.is_dimension(&value)?
                        || (!distinct && is_measure(&value)) =>
                {
                    (Some(block.expr(&value)?), false)
                }
                Some(_) | None => return Err(refused()),
            },
            ("sum" | "avg", [argument]) if !distinct => match block.value(argument)? {
                Some(value) if is_measure(&value) => (Some(block.expr(&value)?), true),
                Some(_) | None => return Err(refused()),
            },
            // Everything else shows values of single rows, or may.
            _ => return Err(refused()),
        };
        let own = conjunction(filter.iter().map(|atom| atom.holds.clone())).map(Box::new);
        let expr = Expr::AggregateFunction(AggregateFunction::new_udf(
            Arc::clone(func),
            vec![argument.clone().unwrap_or_else(|| lit(1_i64))],
            *distinct,
            own,
            Vec::new(),
            None,
        ));
        Ok(Self { expr, argument, filter, sums })
    }
}

/// More groups than there are.
const ALL: usize = 1_000_000_000_000;

struct Guard<'a> {
    block: &'a Block,
    keys: Vec<Expr>,
    cells: Vec<Cell>,
    registry: &'a Registry,
}

impl Guard<'_> {
    fn plan(&self, schema: &DFSchema) -> Result<LogicalPlan> {
        let filters = self.cells.iter().map(|cell| cell.filter.len()).max().unwrap_or_default();
        if self.block.atoms().len() + filters > MOST_ATOMS {
            return Err(self.block.refused(
                "answers in aggregates only, and not under so many conditions",
                "use at most six",
            ));
        }
        if schema.fields().len() != self.keys.len() + self.cells.len() {
            return Err(defect("an aggregation has other columns than were counted"));
        }
        // Values and what is said of them meet in one row by grouping, not by a join: nobody's expression
        // can meet values of a group beside what is said of another one.
        let said = checks::released(self.block, &self.keys, &self.cells, self.registry)?;
        let nothing = |name: String| Expr::Literal(ScalarValue::Null, None).alias(name);
        let key_names = || (0..self.keys.len()).map(|index| name('k', index));
        let cell_names = |letter| (0..self.cells.len()).map(move |index| name(letter, index));
        let verdicts = || std::iter::once("r".to_owned()).chain(cell_names('o'));
        let values = key_names().chain(cell_names('v')).map(|name| plain(&name));
        let values = self.values()?.project(values.chain(verdicts().map(nothing)))?;
        let said = said.project(
            key_names()
                .map(|name| plain(&name))
                .chain(cell_names('v').map(nothing))
                .chain(verdicts().map(|name| plain(&name))),
        )?;
        let max = self.registry.aggregate_udf("max");
        let max = max.ok_or_else(|| defect("a function is missing"))?;
        let mut groups = grouped(
            values.union(said.build()?)?,
            key_names().map(|name| plain(&name)).collect(),
            cell_names('v').chain(verdicts()).map(|name| call(&max, plain(&name))).collect(),
            key_names().chain(cell_names('v')).chain(verdicts()).collect(),
        )?;
        let holds = |name: &str| plain(name).eq(lit(1_i64));
        if !self.keys.is_empty() {
            // Conditions don't pass a limit: what can fail on a NULL stays with what is released.
            groups = groups.filter(holds("r"))?.limit(0, Some(ALL))?;
        }
        // Also where the group is left out: what a user's expression would find there is NULL.
        let keys = key_names().map(|name| when(holds("r"), plain(&name)).end());
        let cells = cell_names('o').zip(cell_names('v'));
        let cells = cells.map(|(verdict, value)| when(holds(&verdict), plain(&value)).end());
        let output = keys.chain(cells).zip(schema.iter()).map(|(expr, (qualifier, field))| {
            Ok(expr?.alias_qualified(qualifier.cloned(), field.name()))
        });
        groups.project(output.collect::<Result<Vec<_>>>()?)?.build()
    }

    /// The user's own aggregation: `k0, …, v0, …`.
    fn values(&self) -> Result<LogicalPlanBuilder> {
        let mut rows = self.block.rows()?;
        if let Some(all) = conjunction(self.block.atoms().iter().map(|atom| atom.holds.clone())) {
            rows = rows.filter(all)?;
        }
        let cells: Vec<Expr> = self.cells.iter().map(|cell| cell.expr.clone()).collect();
        let (keys, key_places) = unique(&self.keys);
        let (cells, cell_places) = unique(&cells);
        let width = keys.len();
        let grouped = rows.aggregate(keys, cells)?;
        let columns = grouped.schema().columns();
        let output = key_places.iter().copied().map(|place| ('k', place));
        let output = output.chain(cell_places.iter().map(|place| ('v', width + place)));
        let mut counts = [0_usize; 2];
        let output = output.map(|(letter, place)| {
            let count = counts.get_mut(usize::from(letter == 'v'));
            let count = count.ok_or_else(|| defect("a column is out of range"))?;
            let column = columns.get(place).ok_or_else(|| defect("a column is out of range"))?;
            let named = Expr::Column(column.clone()).alias(name(letter, *count));
            *count += 1;
            Ok(named)
        });
        grouped.project(output.collect::<Result<Vec<_>>>()?)
    }
}

/// Expressions without repetition, and where each of the given ones is now.
fn unique(exprs: &[Expr]) -> (Vec<Expr>, Vec<usize>) {
    let mut kept: Vec<Expr> = Vec::new();
    let places = exprs.iter().map(|expr| {
        kept.iter().position(|known| known == expr).unwrap_or_else(|| {
            kept.push(expr.clone());
            kept.len() - 1
        })
    });
    let places = places.collect();
    (kept, places)
}

fn plain(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

pub(super) fn call(function: &Arc<AggregateUDF>, argument: Expr) -> Expr {
    let function = Arc::clone(function);
    Expr::AggregateFunction(AggregateFunction::new_udf(
        function,
        vec![argument],
        false,
        None,
        Vec::new(),
        None,
    ))
}

/// Rows in groups, with columns of these names.
pub(super) fn grouped(
    rows: LogicalPlanBuilder,
    keys: Vec<Expr>,
    values: Vec<Expr>,
    names: Vec<String>,
) -> Result<LogicalPlanBuilder> {
    let grouped = rows.aggregate(keys, values)?;
    let columns = grouped.schema().columns();
    if columns.len() != names.len() {
        return Err(defect("an aggregation has other columns than were counted"));
    }
    let columns = columns.into_iter().zip(names);
    grouped.project(columns.map(|(column, name)| Expr::Column(column).alias(name)))
}

pub(super) fn name(letter: char, index: usize) -> String {
    format!("{letter}{index}")
}
