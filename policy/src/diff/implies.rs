//! Whether one condition holds wherever another one does, as far as their shapes prove it.
//!
//! Only "is true" counts, as in a row policy: a conjunction is true where all parts are, a
//! disjunction where one is. Nothing is said about NOT, and parts are equal or they are not.

use datafusion_common::ScalarValue;
use datafusion_expr::{BinaryExpr, Expr, Operator, binary_expr};

/// How many pairs of conditions are looked at before it is given up as unproven.
const BUDGET: usize = 20_000;

/// Whether `weaker` is proven to be true wherever `stronger` is. `false`: not proven.
pub(super) fn implies(stronger: &Expr, weaker: &Expr) -> bool {
    stacker::maybe_grow(256 << 10, 4 << 20, || step(stronger, weaker, &mut BUDGET.clone()))
}

fn step(stronger: &Expr, weaker: &Expr, budget: &mut usize) -> bool {
    let Some(left) = budget.checked_sub(1) else { return false };
    *budget = left;
    if stronger == weaker || is_never_true(stronger) || is_always_true(weaker) {
        return true;
    }
    let is_split = |parts: &[Expr], whole: &Expr| parts != [whole.clone()];
    let either = parts(stronger, Operator::Or);
    if is_split(&either, stronger) {
        return either.iter().all(|stronger| step(stronger, weaker, budget));
    }
    let each = parts(weaker, Operator::And);
    if is_split(&each, weaker) {
        return each.iter().all(|weaker| step(stronger, weaker, budget));
    }
    let each = parts(stronger, Operator::And);
    let either = parts(weaker, Operator::Or);
    (is_split(&each, stronger) && each.iter().any(|stronger| step(stronger, weaker, budget)))
        || (is_split(&either, weaker) && either.iter().any(|weaker| step(stronger, weaker, budget)))
}

pub(super) fn is_always_true(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::Boolean(Some(true)), _))
}

pub(super) fn is_never_true(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::Boolean(Some(false) | None) | ScalarValue::Null, _))
}

/// The parts of a conjunction or a disjunction; `a IN (1, 2)` is one of `a = 1` and `a = 2`.
fn parts(expr: &Expr, of: Operator) -> Vec<Expr> {
    let mut found = Vec::new();
    let mut pending = vec![expr];
    while let Some(expr) = pending.pop() {
        match expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if *op == of => {
                pending.extend([right.as_ref(), left.as_ref()]);
            }
            Expr::InList(list) if of == Operator::Or && !list.negated => {
                let value = list.expr.as_ref();
                let equal = list.list.iter();
                found.extend(
                    equal.map(|item| binary_expr(value.clone(), Operator::Eq, item.clone())),
                );
            }
            // A part as it is: it is equal to another or it is not.
            other => found.push(other.clone()),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use datafusion_expr::{col, lit};

    use super::*;

    #[test]
    fn only_what_shapes_prove_is_proven() {
        let (a, b, c) = (|| col("a").eq(lit(1)), || col("b").eq(lit(1)), || col("c").is_null());
        let proven = [
            (a(), a()),
            (a().and(b()), a()),
            (a().and(b()), b().and(a())),
            (a(), a().or(b())),
            (a().or(b()), b().or(a())),
            (a().and(b()), a().or(c())),
            (a().and(b()).or(a().and(c())), a()),
            (
                col("a").in_list(vec![lit(1), lit(2)], false),
                col("a").in_list(vec![lit(2), lit(1), lit(3)], false),
            ),
            (a(), col("a").in_list(vec![lit(1), lit(2)], false)),
            (col("a").in_list(vec![lit(1)], false), a()),
            (lit(false), a()),
            (col("a").in_list(vec![], false), a().and(b())),
            (Expr::Literal(ScalarValue::Boolean(None), None), a()),
            (a(), lit(true)),
        ];
        for (stronger, weaker) in proven {
            assert!(implies(&stronger, &weaker), "{stronger} => {weaker}");
        }
        let unproven = [
            (a(), b()),
            (a(), a().and(b())),
            (a().or(b()), a()),
            (lit(true), a()),
            (a(), lit(false)),
            (col("a").in_list(vec![lit(1), lit(2)], false), a()),
            (col("a").in_list(vec![lit(1)], true), col("a").in_list(vec![lit(1), lit(2)], true)),
            (Expr::Not(Box::new(a().and(b()))), Expr::Not(Box::new(a()))),
            (Expr::Not(Box::new(a())), a()),
        ];
        for (stronger, weaker) in unproven {
            assert!(!implies(&stronger, &weaker), "{stronger} => {weaker}");
        }
    }

    #[test]
    fn what_takes_too_long_is_unproven() {
        let letters = |from: u8| {
            let parts =
                (0..200_u8).map(|n| col(format!("c{n}")).eq(lit(i32::from(n) + i32::from(from))));
            datafusion_expr::utils::conjunction(parts).unwrap_or(lit(true))
        };
        assert!(!implies(&letters(0), &letters(1)));
        assert!(implies(&letters(1), &letters(1)));
    }
}
