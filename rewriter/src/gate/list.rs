//! IN lists that the engine gets wrong or doesn't know, as comparisons.

use datafusion_sql::sqlparser::ast::{BinaryOperator, Expr, UnaryOperator};
use tollgate_catalog::{Error, ErrorKind};

use super::Gate;
use super::budget::NODE;
use super::expr::null;

impl Gate<'_> {
    /// `(a, b) IN ((1, 2), …)` as `(a = 1 AND b = 2) OR …`, and `a IN (x, y)` as `a = x OR a = y`,
    /// which have the same NULLs. The engine knows no rows, and takes a list of expressions for a
    /// constant one if they are constant on no rows, as some CASE are, and then compares with wrong
    /// values.
    pub(super) fn compared(
        &mut self,
        subject: &mut Expr,
        list: &mut [Expr],
        negated: bool,
    ) -> Result<Expr, Error> {
        let columns = match subject {
            Expr::Tuple(columns) => columns.as_mut_slice(),
            single => std::slice::from_mut(single),
        };
        let row = matches!(list.first(), Some(Expr::Tuple(_)));
        // Each row compares the subject again: paid before it is written.
        let rows = u64::try_from(list.len()).unwrap_or(u64::MAX);
        self.copied(rows, |gate| {
            columns.iter_mut().try_for_each(|column| {
                gate.node(3 * NODE)?;
                gate.expr(column)
            })
        })?;
        let mut any = Vec::with_capacity(list.len());
        for item in list {
            let values = match item {
                Expr::Tuple(values) if row => values.as_mut_slice(),
                Expr::Tuple(_) => return Err(refused()),
                single => std::slice::from_mut(single),
            };
            if values.len() != columns.len() {
                return Err(Error::new(
                    ErrorKind::Syntax,
                    "unequal number of entries in row expressions",
                ));
            }
            values.iter_mut().try_for_each(|value| self.expr(value))?;
            let equal = columns.iter().zip(values).map(|(column, value)| Expr::BinaryOp {
                left: Box::new(nested(column.clone())),
                op: BinaryOperator::Eq,
                right: Box::new(nested(std::mem::replace(value, null()))),
            });
            any.push(nested(balanced(equal.collect(), &BinaryOperator::And).ok_or_else(refused)?));
        }
        let any = nested(balanced(any, &BinaryOperator::Or).ok_or_else(refused)?);
        Ok(match negated {
            true => Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(any) },
            false => any,
        })
    }
}

fn refused() -> Error {
    Error::not_supported("a row value in this IN list")
}

pub(super) fn nested(expr: Expr) -> Expr {
    match expr {
        plain @ (Expr::Identifier(_)
        | Expr::CompoundIdentifier(_)
        | Expr::Value(_)
        | Expr::Nested(_)) => plain,
        other => Expr::Nested(Box::new(other)),
    }
}

/// A chain of an associative operator as a tree of the least depth.
pub(super) fn balanced(mut level: Vec<Expr>, op: &BinaryOperator) -> Option<Expr> {
    while level.len() > 1 {
        let mut items = level.into_iter();
        let mut above = Vec::with_capacity(items.len().div_ceil(2));
        while let Some(left) = items.next() {
            above.push(match items.next() {
                Some(right) => {
                    Expr::BinaryOp { left: Box::new(left), op: op.clone(), right: Box::new(right) }
                }
                None => left,
            });
        }
        level = above;
    }
    level.pop()
}

/// Whether an expression is a literal, a parameter, or a cast or sign of one.
pub(super) fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Value(_) | Expr::TypedString(_) => true,
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => is_constant(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => is_constant(expr),
        _ => false,
    }
}
