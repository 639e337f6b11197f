//! Which groups and which of their values are released: rows are grouped by keys and entity, then by
//! keys, so that entities are counted.
//!
//! - A group is released if at least k distinct entities are in it, and if each set of conditions, and each value
//!   of a list, decides about none or at least k entities of the group.
//! - A value is released if at least k entities contribute to it, the same holds with the conditions of its own
//!   `FILTER`, and no entity has too large a share of a sum.

use arrow::datatypes::DataType;
use datafusion_common::{Column, Result};
use datafusion_expr::{Cast, Expr, LogicalPlanBuilder, Operator, binary_expr, lit, when};

use super::atom::Atom;
use super::block::Block;
use super::defect;
use super::guard::{Cell, call, grouped, name};
use crate::functions::Registry;

/// With more conditions there are too many sets of them to count what each decides.
pub(super) const MOST_ATOMS: usize = 6;

/// Each flag is a column to be grouped.
const MOST_FLAGS: usize = 300;

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

/// Tests of rows, flags that are made of them, and what depends on the flags.
#[derive(Default)]
struct Checks {
    /// Over the block's rows, each once.
    tests: Vec<Expr>,
    /// Over the tests' columns, each once.
    flags: Vec<Expr>,
    checks: Vec<Check>,
}

impl Checks {
    /// What has to be counted.
    fn of(block: &Block, cells: &[Cell]) -> Result<Self> {
        let atoms = block.atoms();
        let mut checks = Self::default();
        checks.counts(&atoms.iter().collect::<Vec<_>>(), None, None)?;
        for (index, cell) in cells.iter().enumerate() {
            let own: Vec<&Atom> = atoms.iter().chain(&cell.filter).collect();
            checks.counts(&own, cell.argument.as_ref(), Some(index))?;
            checks.bounded(block)?;
        }
        checks.bounded(block)?;
        Ok(checks)
    }

    fn bounded(&self, block: &Block) -> Result<()> {
        if self.flags.len() <= MOST_FLAGS {
            return Ok(());
        }
        Err(block.refused(
            "answers in aggregates only, and not so many of them at once",
            "use fewer conditions, shorter lists, or several statements",
        ))
    }

    /// The column that tells whether a test holds.
    fn test(&mut self, test: &Expr) -> Expr {
        plain('a', place(&mut self.tests, test))
    }

    fn add(&mut self, flag: &Expr, count: Count, cell: Option<usize>) {
        let flag = place(&mut self.flags, flag);
        self.checks.push(Check { flag, count, cell });
    }

    /// That enough entities have rows under these conditions, and what is aggregated of them. And for all
    /// sets of conditions: the rows that they alone leave out; about few entities, this statement and the one
    /// without them would tell. Sets, since of two conditions that leave out the same neither does so alone. And
    /// the rows that each value of a list alone brings in.
    fn counts(
        &mut self,
        atoms: &[&Atom],
        argument: Option<&Expr>,
        cell: Option<usize>,
    ) -> Result<()> {
        if atoms.len() > MOST_ATOMS {
            return Err(defect("too many conditions"));
        }
        let tests: Vec<Expr> = atoms.iter().map(|atom| self.test(&atom.holds)).collect();
        let argument = argument.map(|argument| self.test(&argument.clone().is_not_null()));
        self.add(&all(tests.iter().chain(&argument).cloned().collect()), Count::Enough, cell);
        // Of rows, and of those that have something to aggregate.
        let decided = |checks: &mut Self, mut flag: Vec<Expr>| {
            checks.add(&all(flag.clone()), Count::EnoughOrNone, cell);
            if let Some(argument) = &argument {
                flag.push(argument.clone());
                checks.add(&all(flag), Count::EnoughOrNone, cell);
            }
        };
        for set in 1_u32..1 << tests.len() {
            let side = |inside: bool| {
                let chosen = tests.iter().enumerate();
                let chosen = chosen.filter(move |(at, _)| (set >> at & 1 == 1) == inside);
                chosen.map(|(_, test)| test.clone())
            };
            let left_out = Expr::Not(Box::new(all(side(true).collect())));
            decided(self, side(false).chain([left_out]).collect());
        }
        for (index, atom) in atoms.iter().enumerate() {
            for element in &atom.elements {
                let mut brought = tests.clone();
                brought.remove(index);
                brought.push(self.test(element));
                decided(self, brought);
            }
        }
        Ok(())
    }
}

/// Which groups and values of an aggregation of a block are released: `k0, …, r, o0, …`, 1 for those that are.
pub(super) fn released(
    block: &Block,
    keys: &[Expr],
    cells: &[Cell],
    registry: &Registry,
) -> Result<LogicalPlanBuilder> {
    let Checks { tests, flags, checks } = Checks::of(block, cells)?;
    let sums: Vec<(usize, &Cell)> =
        cells.iter().enumerate().filter(|(_, cell)| cell.sums).collect();
    let key_names = || (0..keys.len()).map(|index| name('k', index));
    let key_columns = || (0..keys.len()).map(|index| plain('k', index));
    let function =
        |name| registry.aggregate_udf(name).ok_or_else(|| defect("a function is missing"));
    let (sum, max) = (function("sum")?, function("max")?);

    // One row for each row: its tests, then its flags.
    let mut columns: Vec<Expr> =
        keys.iter().zip(key_names()).map(|(key, name)| key.clone().alias(name)).collect();
    columns.push(block.expr(&block.entity()?)?.alias("e"));
    for (index, test) in tests.iter().enumerate() {
        // NULL doesn't hold.
        let test = when(test.clone(), lit(true)).otherwise(lit(false))?;
        columns.push(test.alias(name('a', index)));
    }
    for (index, cell) in &sums {
        let Some(argument) = &cell.argument else { return Err(defect("a sum of nothing")) };
        let float = Expr::Cast(Cast::new(Box::new(argument.clone()), DataType::Float64));
        columns.push(float.alias(name('n', *index)));
    }
    let rows = block.rows()?.project(columns)?;
    let mut columns: Vec<Expr> = key_columns().collect();
    columns.push(Expr::Column(Column::new_unqualified("e")));
    for (index, condition) in flags.iter().enumerate() {
        let flag = when(condition.clone(), lit(1_i64)).otherwise(lit(0_i64))?;
        columns.push(flag.alias(name('f', index)));
    }
    for (index, cell) in &sums {
        let own = block.atoms().iter().chain(&cell.filter);
        let own = own.map(|atom| known(&tests, &atom.holds)).collect::<Result<Vec<_>>>()?;
        let added = when(all(own), plain('n', *index)).end()?;
        columns.push(added.alias(name('s', *index)));
    }
    let rows = rows.project(columns)?;

    // One for each entity of a group.
    let entities = grouped(
        rows,
        key_columns().chain([Expr::Column(Column::new_unqualified("e"))]).collect(),
        (0..flags.len())
            .map(|index| call(&max, plain('f', index)))
            .chain(sums.iter().map(|(index, _)| call(&sum, plain('s', *index))))
            .collect(),
        key_names()
            .chain(["e".to_owned()])
            .chain((0..flags.len()).map(|index| name('f', index)))
            .chain(sums.iter().map(|(index, _)| name('s', *index)))
            .collect(),
    )?;
    let mut columns: Vec<Expr> = key_columns().collect();
    columns.extend((0..flags.len()).map(|index| plain('f', index)));
    for (index, _) in &sums {
        let share = plain('s', *index);
        let mut size =
            when(share.clone().lt(lit(0.0_f64)), Expr::Negative(Box::new(share.clone())));
        columns.push(size.otherwise(share)?.alias(name('s', *index)));
    }

    // One for each group.
    let groups = grouped(
        entities.project(columns)?,
        key_columns().collect(),
        (0..flags.len())
            .map(|index| call(&sum, plain('f', index)))
            .chain(sums.iter().flat_map(|(index, _)| {
                [call(&max, plain('s', *index)), call(&sum, plain('s', *index))]
            }))
            .collect(),
        key_names()
            .chain((0..flags.len()).map(|index| name('f', index)))
            .chain(sums.iter().flat_map(|(index, _)| [name('m', *index), name('t', *index)]))
            .collect(),
    )?;
    let rule = block.rule()?;
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
        let sums = sums.iter().filter(|(index, _)| Some(*index) == cell);
        let shares = sums.map(|(index, _)| {
            let (whole, most) = (plain('t', *index), lit(f64::MAX));
            let share = binary_expr(lit(share), Operator::Multiply, whole.clone());
            // Of what isn't a number, and of what isn't finite, nobody has a share.
            plain('m', *index).lt_eq(share).and(whole.lt_eq(most))
        });
        all(own.chain(shares).collect())
    };
    let mut columns: Vec<Expr> = key_columns().collect();
    let verdict = |cell| when(holds(cell), lit(1_i64)).otherwise(lit(0_i64));
    columns.push(verdict(None)?.alias("r"));
    for index in 0..cells.len() {
        columns.push(verdict(Some(index))?.alias(name('o', index)));
    }
    groups.project(columns)
}

/// Where an expression stands in a list, to which it is added if it doesn't.
fn place(list: &mut Vec<Expr>, expr: &Expr) -> usize {
    list.iter().position(|known| known == expr).unwrap_or_else(|| {
        list.push(expr.clone());
        list.len() - 1
    })
}

/// The column of a test that is there.
fn known(tests: &[Expr], test: &Expr) -> Result<Expr> {
    let place = tests.iter().position(|known| known == test);
    place.map(|place| plain('a', place)).ok_or_else(|| defect("a test is missing"))
}

/// All of them, joined in pairs: a long chain would be a deep one.
fn all(mut tests: Vec<Expr>) -> Expr {
    while tests.len() > 1 {
        let mut rest = tests.into_iter();
        tests = Vec::new();
        while let Some(one) = rest.next() {
            tests.push(match rest.next() {
                Some(other) => one.and(other),
                None => one,
            });
        }
    }
    tests.pop().unwrap_or_else(|| lit(true))
}

fn plain(letter: char, index: usize) -> Expr {
    Expr::Column(Column::new_unqualified(name(letter, index)))
}
