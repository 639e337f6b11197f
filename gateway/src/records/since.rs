//! From when on a statement asks for records: what is older need not be read.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

const DAY: i64 = 86_400_000_000;

/// The first moment of `column`, in microseconds since 1970, that conditions leave; nothing if they
/// leave all. What isn't understood leaves all: the conditions are asked of each row as well.
pub(super) fn since(conditions: &[Expr], column: &str) -> Option<i64> {
    conditions.iter().flat_map(split_conjunction).filter_map(|one| bound(one, column)).max()
}

fn bound(condition: &Expr, column: &str) -> Option<i64> {
    let is_column = |expr: &Expr| matches!(expr, Expr::Column(of) if of.name == column);
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::Gt | Operator::GtEq | Operator::Eq if is_column(left) => moment(right),
            Operator::Lt | Operator::LtEq | Operator::Eq if is_column(right) => moment(left),
            _ => None,
        },
        Expr::Between(between) if !between.negated && is_column(&between.expr) => {
            moment(&between.low)
        }
        _ => None,
    }
}

/// A constant moment, rounded down.
fn moment(expr: &Expr) -> Option<i64> {
    let Expr::Literal(value, _) = expr else { return None };
    match value {
        ScalarValue::TimestampSecond(Some(at), _) => at.checked_mul(1_000_000),
        ScalarValue::TimestampMillisecond(Some(at), _) => at.checked_mul(1000),
        ScalarValue::TimestampMicrosecond(Some(at), _) => Some(*at),
        ScalarValue::TimestampNanosecond(Some(at), _) => Some(at.div_euclid(1000)),
        ScalarValue::Date32(Some(day)) => i64::from(*day).checked_mul(DAY),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{col, lit};

    use super::*;

    #[test]
    fn only_what_leaves_nothing_older_counts() {
        let at = |micros| lit(ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into())));
        let started = || col("started");
        for (conditions, expected) in [
            (vec![started().gt_eq(at(5))], Some(5)),
            (
                vec![at(5).lt(started()), started().gt(at(3)).and(col("status").eq(lit("x")))],
                Some(5),
            ),
            (vec![started().eq(at(7))], Some(7)),
            (vec![started().between(at(4), at(9))], Some(4)),
            (vec![started().lt(at(5))], None),
            (vec![at(5).gt(started())], None),
            (vec![started().gt(at(5)).or(col("status").eq(lit("x")))], None),
            (vec![!started().gt(at(5))], None),
            (vec![started().not_between(at(4), at(9))], None),
            (vec![col("ended").gt(at(5))], None),
            (vec![started().gt(col("ended"))], None),
            (vec![], None),
        ] {
            assert_eq!(since(&conditions, "started"), expected, "{conditions:?}");
        }
        let day = lit(ScalarValue::Date32(Some(2)));
        assert_eq!(since(&[col("day").gt_eq(day)], "day"), Some(2 * DAY));
    }
}
