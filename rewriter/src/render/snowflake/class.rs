//! What an expression may be where the columns of a relation are guarded.

use datafusion_expr::Expr;
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
    /// Anything.
    Any,
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
        Class::Zero | Class::Any => Err(refused()),
    }
}

/// What is made of zero may be anything.
pub(super) fn no_zero(class: Class) -> Class {
    match class {
        Class::Free | Class::Null => class,
        Class::Zero | Class::Any => Class::Any,
    }
}

/// What may be made of NULL.
pub(super) fn turned(class: Class) -> Class {
    match class {
        Class::Free => Class::Free,
        Class::Null | Class::Zero | Class::Any => Class::Any,
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
