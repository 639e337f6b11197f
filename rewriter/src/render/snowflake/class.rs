//! What an expression may be where the columns of a relation are guarded.

use datafusion_common::JoinType;
use datafusion_expr::{Expr, LogicalPlan};
use tollgate_catalog::Error;

use super::{constant, is_zero};
use crate::render::Dialect;

/// What an expression may be on a hidden row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// The same as on any other: it depends on no row that could be hidden.
    Free,
    /// NULL.
    Null,
    /// NULL or zero.
    Zero,
    /// Anything that isn't made of the row's own values.
    Any,
    /// Its own value, which no guard keeps.
    Hidden,
}

/// Where a query stands.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// What a row around it may have.
    pub(super) around: Class,
    /// Whether a row around it, which it depends on, may be a hidden one that no guard keeps.
    pub(super) exposed: bool,
}

/// What is known of a node's rows.
pub(super) struct Known {
    pub(super) classes: Vec<Class>,
    /// Whether hidden rows that no guard keeps may be among them, or decide which are: then whatever is
    /// computed there tells, a constant too.
    pub(super) exposed: bool,
}

impl Known {
    pub(super) fn all(class: Class, plan: &LogicalPlan, exposed: bool) -> Self {
        Self { classes: vec![class; plan.schema().fields().len()], exposed }
    }
}

/// The error of what could fail there.
pub(super) fn refused() -> Error {
    Dialect::Snowflake
        .unsupported("an expression that could fail where its columns are hidden")
        .with_hint(
            "compute with columns themselves, without turning NULL into a value first, or \
             aggregate first",
        )
}

/// What a quotient or a remainder is by what its operands are.
pub(super) fn quotient(left: Class, right: Class, divisor: &Expr) -> Result<Class, Error> {
    match (left, right) {
        (Class::Zero, Class::Free) if is_nonzero(divisor) => Ok(Class::Zero),
        (Class::Free | Class::Null, Class::Null) => Ok(Class::Null),
        (Class::Zero, Class::Null) if is_never_zero(divisor) => Ok(Class::Zero),
        _ => fails(left.max(right)),
    }
}

/// What an operation is that fails in some values: of NULL it is NULL.
pub(super) fn fails(class: Class) -> Result<Class, Error> {
    match class {
        Class::Free | Class::Null => Ok(class),
        Class::Zero | Class::Any | Class::Hidden => Err(refused()),
    }
}

/// What is made of zero may be anything.
pub(super) fn no_zero(class: Class) -> Class {
    match class {
        Class::Free | Class::Null => class,
        Class::Zero | Class::Any => Class::Any,
        Class::Hidden => Class::Hidden,
    }
}

/// What may be made of NULL.
pub(super) fn turned(class: Class) -> Class {
    match class {
        Class::Free => Class::Free,
        Class::Null | Class::Zero | Class::Any => Class::Any,
        Class::Hidden => Class::Hidden,
    }
}

fn is_nonzero(expr: &Expr) -> bool {
    constant(expr).is_some_and(|value| !value.is_null() && !is_zero(&value))
}

/// Whether an expression is NULL where it would be zero.
fn is_never_zero(expr: &Expr) -> bool {
    match expr {
        Expr::Alias(alias) => is_never_zero(&alias.expr),
        Expr::Cast(cast) => is_never_zero(&cast.expr),
        Expr::ScalarFunction(call) if call.func.name() == "nullif" => {
            call.args.get(1).and_then(constant).is_some_and(|value| is_zero(&value))
        }
        _ => false,
    }
}

/// What the columns of a join are. Where a side may be filled with NULL, whether it is depends on the
/// other's rows: with hidden ones there its columns may be anything, as what they are by themselves
/// and NULL are told apart.
pub(super) fn joined(join: JoinType, left: &[Class], right: &[Class]) -> Result<Vec<Class>, Error> {
    let (fills_left, fills_right) = match join {
        JoinType::Inner => (false, false),
        JoinType::Left => (false, true),
        JoinType::Right => (true, false),
        JoinType::Full => (true, true),
        JoinType::LeftSemi | JoinType::LeftAnti => return Ok(left.to_vec()),
        JoinType::RightSemi | JoinType::RightAnti | JoinType::LeftMark | JoinType::RightMark => {
            return Err(Error::internal("a join that isn't part of a query"));
        }
    };
    let hides = |side: &[Class]| side.iter().any(|class| *class != Class::Free);
    let side = |of: &[Class], filled: bool| {
        let raised = move |class: &Class| match (filled, class) {
            (true, Class::Free) => Class::Any,
            (_, class) => *class,
        };
        of.iter().map(raised).collect::<Vec<_>>()
    };
    let mut both = side(left, fills_left && hides(right));
    both.extend(side(right, fills_right && hides(left)));
    Ok(both)
}

/// Whether a query has one row at most, whatever its rows.
pub(super) fn one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(node) => node.group_expr.is_empty(),
        LogicalPlan::Projection(node) => one_row(&node.input),
        LogicalPlan::SubqueryAlias(node) => one_row(&node.input),
        LogicalPlan::Subquery(node) => one_row(&node.subquery),
        LogicalPlan::Sort(node) => one_row(&node.input),
        _ => false,
    }
}
