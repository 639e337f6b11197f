//! Arithmetic with PostgreSQL's precision and types.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion_common::{DFSchema, Result};
use datafusion_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion_expr::{Cast, Expr, ExprSchemable};
use datafusion_sql::sqlparser::ast::BinaryOperator;

/// The least scale of a dividend. The engine adds 4 digits, PostgreSQL gives at least 16 significant
/// ones; 14 digits after the point leave 18 before it within the engine's 38.
const DIVIDEND_SCALE: i8 = 10;

/// Widens the dividend of a division of decimals, which the engine would cut after 4 more digits, and
/// makes a date plus an interval the timestamp that it is.
#[derive(Debug)]
pub(crate) struct Arithmetic;

impl Arithmetic {
    pub(crate) fn planner() -> Arc<dyn ExprPlanner> {
        Arc::new(Self)
    }
}

impl ExprPlanner for Arithmetic {
    fn plan_binary_op(
        &self,
        mut expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let additive = matches!(expr.op, BinaryOperator::Plus | BinaryOperator::Minus);
        if !additive && expr.op != BinaryOperator::Divide {
            return Ok(PlannerResult::Original(expr));
        }
        let (left, right) = (expr.left.get_type(schema)?, expr.right.get_type(schema)?);
        if additive {
            if left == DataType::Date32 && matches!(right, DataType::Interval(_)) {
                let timestamp = DataType::Timestamp(TimeUnit::Microsecond, None);
                expr.left = Expr::Cast(Cast::new(Box::new(expr.left), timestamp));
            }
            return Ok(PlannerResult::Original(expr));
        }
        let scale = match (&left, &right) {
            (DataType::Decimal128(_, scale), other) if is_exact(other) => *scale,
            (integer, DataType::Decimal128(..)) if integer.is_integer() => 0,
            _ => return Ok(PlannerResult::Original(expr)),
        };
        if scale < DIVIDEND_SCALE {
            let wide = DataType::Decimal128(38, DIVIDEND_SCALE);
            expr.left = Expr::Cast(Cast::new(Box::new(expr.left), wide));
        }
        Ok(PlannerResult::Original(expr))
    }
}

fn is_exact(data_type: &DataType) -> bool {
    data_type.is_integer() || matches!(data_type, DataType::Decimal128(..))
}
