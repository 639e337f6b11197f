//! How large a statement may become.
//!
//! A small text can mean a huge plan: a common table expression is copied to each place that names
//! it, the engine writes `coalesce(a, b)` as a CASE with `a` in it twice, and a condition on a
//! column of a derived table becomes one on the column's expression. Nested, each of these grows
//! exponentially. The gate counts what a statement will have become, and refuses before it does.

use datafusion_sql::sqlparser::ast::BinaryOperator;
use tollgate_catalog::{Error, ErrorKind};

use super::Gate;
use crate::operands::Typed;

/// The most that a statement may weigh. A literal or a column weighs 1, anything else [`NODE`].
const MAX_SIZE: u64 = 250_000;
/// The most steps of a statement: relations, queries, window functions. They nest.
const MAX_STEPS: u64 = 512;
/// The longest chain of arithmetic: the engine looks for the type of each part in all below it.
const MAX_ARITHMETIC: usize = 128;
/// The most sets of a GROUP BY, as in PostgreSQL.
const MAX_SETS: u64 = 4_096;
/// The most items of a list that a row is made of, as in PostgreSQL.
pub(super) const MAX_ITEMS: usize = 1_664;

/// What an operator, a call and the like weigh.
pub(super) const NODE: u64 = 10;

/// What a statement, or a part of it, costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// The weight of the expressions, with what is copied.
    size: u64,
    /// The weight that they would have in terms of base tables' columns.
    reach: u64,
    steps: u64,
}

impl Cost {
    fn plus(self, other: Self) -> Self {
        Self {
            size: self.size.saturating_add(other.size),
            reach: self.reach.saturating_add(other.reach),
            steps: self.steps.saturating_add(other.steps),
        }
    }

    fn since(self, before: Self) -> Self {
        Self {
            size: self.size.saturating_sub(before.size),
            reach: self.reach.saturating_sub(before.reach),
            steps: self.steps.saturating_sub(before.steps),
        }
    }

    fn times(self, factor: u64) -> Self {
        Self {
            size: self.size.saturating_mul(factor),
            reach: self.reach.saturating_mul(factor),
            steps: self.steps.saturating_mul(factor),
        }
    }
}

impl Gate<'_> {
    /// Counts an arithmetic operator around what is walked next.
    pub(super) fn compute(&mut self, op: &BinaryOperator) -> Result<(), Error> {
        let arithmetic = matches!(
            op,
            BinaryOperator::Plus
                | BinaryOperator::Minus
                | BinaryOperator::Multiply
                | BinaryOperator::Divide
                | BinaryOperator::Modulo
        ) || Typed::of(op).is_some();
        if arithmetic {
            self.arithmetic += 1;
        }
        if self.arithmetic > MAX_ARITHMETIC {
            let message =
                format!("a computation has more than {MAX_ARITHMETIC} operators in a row");
            return Err(Error::new(ErrorKind::ProgramLimit, message)
                .with_hint("compute a part of it in a common table expression"));
        }
        Ok(())
    }

    /// Adds a cost of what is written here.
    fn charge(&mut self, cost: Cost) -> Result<(), Error> {
        self.written = self.written.saturating_add(cost.size);
        self.inlined(cost)
    }

    /// Adds the cost of a common table expression where it is named.
    pub(super) fn inlined(&mut self, cost: Cost) -> Result<(), Error> {
        self.cost = self.cost.plus(cost);
        if self.cost.size.max(self.written) > MAX_SIZE || self.cost.steps > MAX_STEPS {
            return Err(too_large());
        }
        Ok(())
    }

    /// Runs `f` over a common table expression, which costs nothing until it is named.
    pub(super) fn aside<T>(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<(T, Cost), Error> {
        let before = std::mem::take(&mut self.cost);
        let done = f(self)?;
        Ok((done, std::mem::replace(&mut self.cost, before)))
    }

    /// Adds an expression's node.
    pub(super) fn node(&mut self, weight: u64) -> Result<(), Error> {
        self.charge(Cost { size: weight, reach: weight, steps: 0 })
    }

    /// Adds a relation, a query or a window function.
    pub(super) fn step(&mut self) -> Result<(), Error> {
        self.charge(Cost { size: NODE, reach: 0, steps: 1 })
    }

    /// Adds a column of weight `size`, which stands for an expression of weight `reach`.
    pub(super) fn reference(&mut self, size: u64, reach: u64) -> Result<(), Error> {
        self.charge(Cost { size, reach, steps: 0 })
    }

    /// Runs `f` and tells what it cost.
    pub(super) fn cost_of<T>(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<(T, Cost), Error> {
        let before = self.cost;
        let done = f(self)?;
        Ok((done, self.cost.since(before)))
    }

    /// Runs `f` over what will stand in the plan `copies` times.
    pub(super) fn copied<T>(
        &mut self,
        copies: u64,
        f: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (done, cost) = self.cost_of(f)?;
        self.charge(cost.times(copies.saturating_sub(1)))?;
        Ok(done)
    }

    /// Runs `f` over what may move below the queries that its columns come from.
    pub(super) fn condition<T>(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (done, cost) = self.cost_of(f)?;
        let moved = cost.reach.saturating_sub(cost.size);
        self.charge(Cost { size: moved, reach: 0, steps: 0 })?;
        Ok(done)
    }

    /// Runs `f` and tells what it would weigh in terms of base tables' columns.
    pub(super) fn reach_of<T>(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<(T, u64), Error> {
        let (done, cost) = self.cost_of(f)?;
        Ok((done, cost.reach))
    }

    /// Runs `f` over what no condition moves below: an aggregate or a window function.
    pub(super) fn opaque<T>(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let before = self.cost.reach;
        let done = f(self)?;
        self.cost.reach = before.saturating_add(1);
        Ok(done)
    }
}

/// The error of a statement whose plan would be too large.
fn too_large() -> Error {
    Error::new(ErrorKind::ProgramLimit, "the statement would become too large a plan").with_hint(
        "nest less, name common table expressions less often, or split it into several statements",
    )
}

/// Refuses a list of more than [`MAX_ITEMS`].
pub(super) fn bound_list(items: usize, what: &str) -> Result<(), Error> {
    if items <= MAX_ITEMS {
        return Ok(());
    }
    Err(Error::new(ErrorKind::ProgramLimit, format!("{what} has at most {MAX_ITEMS} entries"))
        .with_hint("name only the columns that are needed"))
}

/// Refuses a GROUP BY of more than [`MAX_SETS`] sets.
pub(super) fn bound_sets(sets: u64) -> Result<(), Error> {
    if sets <= MAX_SETS {
        return Ok(());
    }
    let message = format!("too many grouping sets present (maximum {MAX_SETS})");
    Err(Error::new(ErrorKind::ProgramLimit, message)
        .with_hint("write out the sets that are needed"))
}
