//! The guard: an aggregation of protected rows becomes a plan that releases what is about enough
//! entities.
//!
//! The values are the user's own aggregation over the rows that all conditions leave. Beside it the
//! entities are counted: rows are grouped by keys and entity, then by keys.
//!
//! - A group is released if at least k distinct entities are in it, and if each set of conditions, and each value
//!   of a list, decides about none or at least k entities of the group.
//! - A value is released if at least k entities contribute to it, the same holds with the conditions of its own
//!   `FILTER`, and no entity has too large a share of a sum.
//!
//! What isn't released of a group is NULL; without keys there is one row all the same, as for an empty set.

use std::sync::Arc;

use datafusion_common::{Column, DFSchema, Result, ScalarValue};
use datafusion_expr::expr::{AggregateFunction, AggregateFunctionParams, ScalarFunction};
use datafusion_expr::logical_plan::Aggregate;
use datafusion_expr::utils::conjunction;
use datafusion_expr::{
    AggregateUDF, Cast, Expr, JoinType, LogicalPlan, LogicalPlanBuilder, lit, when,
};

use super::atom::{Atom, conditions};
use super::block::{Block, Value};
use super::{defect, unaliased};
use crate::functions::Registry;
use arrow::datatypes::DataType;

/// With more conditions there are too many sets of them to count what each decides.
const MOST_ATOMS: usize = 6;

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
struct Cell {
    /// The user's aggregate, over the block's rows.
    expr: Expr,
    /// What it aggregates; nothing if it counts rows.
    argument: Option<Expr>,
    /// The conditions of its `FILTER`.
    filter: Vec<Atom>,
    /// Whether it adds up.
    sums: bool,
}

impl Cell {
    fn new(block: &Block, expr: &Expr) -> Result<Self> {
        let refused = || {
            block.refused(
                "answers in aggregates only, and not in this one",
                "ask for count(*), count of a column, count(DISTINCT …) of a dimension, or sum and avg \
                 of a measure as it is",
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

/// How many entities of a group must have a flag.
#[derive(Clone, Copy)]
enum Count {
    /// At least k.
    Enough,
    /// At least k, or none.
    EnoughOrNone,
}

/// What is released only if enough entities have a flag: the group, or one value.
struct Check {
    flag: usize,
    count: Count,
    cell: Option<usize>,
}

/// Flags of rows, and what depends on them.
#[derive(Default)]
struct Checks {
    flags: Vec<Expr>,
    checks: Vec<Check>,
}

impl Checks {
    fn add(&mut self, flag: Expr, count: Count, cell: Option<usize>) {
        let known = self.flags.iter().position(|known| *known == flag);
        let flag = known.unwrap_or_else(|| {
            self.flags.push(flag);
            self.flags.len() - 1
        });
        self.checks.push(Check { flag, count, cell });
    }

    fn enough(&mut self, flag: Expr, cell: Option<usize>) {
        self.add(flag, Count::Enough, cell);
    }

    /// For all sets of conditions: the rows that they alone leave out. About few entities, this statement and
    /// the one without them would tell. Sets, since of two conditions that leave out the same neither does so
    /// alone. And the rows that each value of a list alone brings in.
    fn low_effect(&mut self, atoms: &[&Atom], cell: Option<usize>) -> Result<()> {
        if atoms.len() > MOST_ATOMS {
            return Err(defect("too many conditions"));
        }
        for set in 1_u32..1 << atoms.len() {
            let side = |inside: bool| {
                let chosen = atoms.iter().enumerate();
                let chosen = chosen.filter(move |(at, _)| (set >> at & 1 == 1) == inside);
                chosen.map(|(_, atom)| *atom)
            };
            let left_out = Expr::IsNotTrue(Box::new(all(side(true))));
            let flag = if side(false).next().is_some() {
                all(side(false)).and(left_out)
            } else {
                left_out
            };
            self.add(flag, Count::EnoughOrNone, cell);
        }
        for (index, atom) in atoms.iter().enumerate() {
            let others = atoms.iter().enumerate().filter(|(other, _)| *other != index);
            let others = all(others.map(|(_, atom)| *atom));
            for element in &atom.elements {
                let flag = others.clone().and(element.clone());
                self.add(flag, Count::EnoughOrNone, cell);
            }
        }
        Ok(())
    }
}

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
        let values = self.values()?.alias("v")?.build()?;
        let released = self.released()?.alias("g")?;
        let nullable: Vec<(bool, DataType)> = values
            .schema()
            .fields()
            .iter()
            .map(|field| (field.is_nullable(), field.data_type().clone()))
            .collect();
        let joined = if self.keys.is_empty() {
            released.cross_join(values)?
        } else {
            let mut same = Vec::new();
            for (index, (nullable, data_type)) in nullable.iter().take(self.keys.len()).enumerate()
            {
                let (one, other) = (at("v", 'k', index), at("g", 'k', index));
                if *nullable {
                    // Two equalities can be looked up by, a test that takes NULL for a value often can't.
                    let known = ScalarValue::new_default(data_type)?;
                    same.push(one.clone().is_null().eq(other.clone().is_null()));
                    let known = |expr| self.coalesce(expr, &known);
                    same.push(known(one)?.eq(known(other)?));
                } else {
                    same.push(one.eq(other));
                }
            }
            let released = released.filter(named("g", "r"))?;
            released.join_on(values, JoinType::Inner, same)?
        };
        let keys = (0..self.keys.len()).map(|index| Ok(at("v", 'k', index)));
        let cells =
            (0..self.cells.len()).map(|index| when(at("g", 'o', index), at("v", 'v', index)).end());
        let output = keys.chain(cells).zip(schema.iter()).map(|(expr, (qualifier, field))| {
            Ok(expr?.alias_qualified(qualifier.cloned(), field.name()))
        });
        joined.project(output.collect::<Result<Vec<_>>>()?)?.build()
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

    /// Which groups and values are released: `k0, …, r, o0, …`.
    fn released(&self) -> Result<LogicalPlanBuilder> {
        let Checks { flags: all_flags, checks } = self.checks()?;
        let rows = self.block.rows()?;
        // One row for each row.
        let keys = || (0..self.keys.len()).map(|index| name('k', index));
        let mut columns: Vec<Expr> =
            self.keys.iter().zip(keys()).map(|(key, name)| key.clone().alias(name)).collect();
        columns.push(self.block.expr(&self.block.entity()?)?.alias("e"));
        for (index, condition) in all_flags.iter().enumerate() {
            columns.push(flag(condition.clone())?.alias(name('f', index)));
        }
        let sums: Vec<usize> = (0..self.cells.len())
            .filter(|index| self.cells.get(*index).is_some_and(|c| c.sums))
            .collect();
        for index in &sums {
            let cell = self.cells.get(*index).ok_or_else(|| defect("a value is out of range"))?;
            let Some(argument) = &cell.argument else { return Err(defect("a sum of nothing")) };
            let float = Expr::Cast(Cast::new(Box::new(argument.clone()), DataType::Float64));
            columns.push(
                when(all(self.block.atoms().iter().chain(&cell.filter)), float)
                    .end()?
                    .alias(name('s', *index)),
            );
        }
        let rows = rows.project(columns)?;
        // One for each entity of a group.
        let (sum, max) = (self.function("sum")?, self.function("max")?);
        let plain = |letter, index| Expr::Column(Column::new_unqualified(name(letter, index)));
        let key_columns = || (0..self.keys.len()).map(|index| plain('k', index));
        let flags = || 0..all_flags.len();
        let entity = std::iter::once(Expr::Column(Column::new_unqualified("e")));
        let entities = grouped(
            rows,
            key_columns().chain(entity).collect(),
            flags()
                .map(|index| call(&max, plain('f', index)))
                .chain(sums.iter().map(|index| call(&sum, plain('s', *index))))
                .collect(),
            keys()
                .chain(["e".to_owned()])
                .chain(flags().map(|index| name('f', index)))
                .chain(sums.iter().map(|index| name('s', *index)))
                .collect(),
        )?;
        let mut columns: Vec<Expr> = key_columns().collect();
        columns.extend(flags().map(|index| plain('f', index)));
        for index in &sums {
            let (share, zero) = (plain('s', *index), lit(0.0_f64));
            let mut size = when(share.clone().lt(zero), Expr::Negative(Box::new(share.clone())));
            columns.push(size.otherwise(share)?.alias(name('s', *index)));
        }
        let entities = entities.project(columns)?;
        // One for each group.
        let groups = grouped(
            entities,
            key_columns().collect(),
            flags()
                .map(|index| call(&sum, plain('f', index)))
                .chain(sums.iter().flat_map(|index| {
                    [call(&max, plain('s', *index)), call(&sum, plain('s', *index))]
                }))
                .collect(),
            keys()
                .chain(flags().map(|index| name('f', index)))
                .chain(sums.iter().flat_map(|index| [name('m', *index), name('t', *index)]))
                .collect(),
        )?;
        let rule = self.block.rule()?;
        let least = i64::try_from(rule.least).map_err(|_| defect("a size is out of range"))?;
        let share = f64::from(rule.dominance) / 100.0;
        let holds = |cell: Option<usize>| {
            let own = checks.iter().filter(move |check| check.cell == cell).map(|check| {
                let enough = plain('f', check.flag).gt_eq(lit(least));
                match check.count {
                    Count::Enough => enough,
                    Count::EnoughOrNone => plain('f', check.flag).eq(lit(0_i64)).or(enough),
                }
            });
            let dominated = cell.filter(|cell| sums.contains(cell)).map(|cell| {
                plain('m', cell).lt_eq(datafusion_expr::binary_expr(
                    lit(share),
                    datafusion_expr::Operator::Multiply,
                    plain('t', cell),
                ))
            });
            conjunction(own.chain(dominated)).ok_or_else(|| defect("nothing is checked"))
        };
        let mut columns: Vec<Expr> = key_columns().collect();
        columns.push(holds(None)?.alias("r"));
        for index in 0..self.cells.len() {
            columns.push(holds(Some(index))?.alias(name('o', index)));
        }
        groups.project(columns)
    }

    /// What has to be counted.
    fn checks(&self) -> Result<Checks> {
        let atoms = self.block.atoms();
        let mut checks = Checks::default();
        checks.enough(all(atoms.iter()), None);
        checks.low_effect(&atoms.iter().collect::<Vec<_>>(), None)?;
        for (index, cell) in self.cells.iter().enumerate() {
            let own: Vec<&Atom> = atoms.iter().chain(&cell.filter).collect();
            let mut counts = all(own.iter().copied());
            if let Some(argument) = &cell.argument {
                counts = counts.and(argument.clone().is_not_null());
            }
            checks.enough(counts, Some(index));
            checks.low_effect(&own, Some(index))?;
        }
        Ok(checks)
    }

    fn coalesce(&self, expr: Expr, known: &ScalarValue) -> Result<Expr> {
        let function = self.registry.scalar_udf("coalesce");
        let function = function.ok_or_else(|| defect("a function is missing"))?;
        let known = Expr::Literal(known.clone(), None);
        Ok(Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![expr, known])))
    }

    fn function(&self, name: &str) -> Result<Arc<AggregateUDF>> {
        self.registry.aggregate_udf(name).ok_or_else(|| defect("a function is missing"))
    }
}

/// All conditions.
fn all<'a>(atoms: impl Iterator<Item = &'a Atom>) -> Expr {
    conjunction(atoms.map(|atom| atom.holds.clone())).unwrap_or_else(|| lit(true))
}

/// 1 where a condition holds, else 0.
fn flag(condition: Expr) -> Result<Expr> {
    when(condition, lit(1_i64)).otherwise(lit(0_i64))
}

fn call(function: &Arc<AggregateUDF>, argument: Expr) -> Expr {
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
fn grouped(
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

fn name(letter: char, index: usize) -> String {
    format!("{letter}{index}")
}

fn named(relation: &str, name: &str) -> Expr {
    Expr::Column(Column::new(Some(relation), name))
}

fn at(relation: &str, letter: char, index: usize) -> Expr {
    named(relation, &name(letter, index))
}
